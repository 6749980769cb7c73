"""Databases that take points, as real processes on free ports: InfluxDB 1.x and VictoriaMetrics.

Both are Debian's packages (``influxdb``, ``victoria-metrics``). Where a program is not there its tests are
skipped, and say so; where CI is true they fail. VictoriaMetrics stands for 2.x too: it takes the 2.x write
API, though neither its tokens nor its buckets mean anything to it.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

GUARD_S = 60

INFLUX = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
auth-enabled = true
[monitor]
store-enabled = false
[subscriber]
enabled = false
"""


def found(program: str, package: str) -> str:
    """Return where a program is; skip, or fail where CI is true, if it is not there."""
    path = shutil.which(program)
    if path is None:
        missing = f"no {program} here, so nothing is written to a real one; Debian's package {package} has it"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return path


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Server:
    """A process that says in its log when it is ready."""

    def __init__(self, command: list[str], ready: str) -> None:
        self._command = command
        self._ready = ready
        self._process: subprocess.Popen[str] | None = None
        self._reading: threading.Thread | None = None

    def start(self) -> None:
        """Start it; return when it is ready."""
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        ready = threading.Event()
        lines: list[str] = []
        self._reading = threading.Thread(target=self._read, args=(self._process, lines, ready))
        self._reading.start()
        if not ready.wait(GUARD_S) or self._process.poll() is not None:
            self.stop()
            pytest.fail("".join(lines[-20:]))

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None and self._reading is not None:
            self._process.terminate()
            self._process.wait(GUARD_S)
            self._reading.join(GUARD_S)
            self._process = self._reading = None

    def _read(self, process: subprocess.Popen[str], lines: list[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                lines.append(line)
                if self._ready in line:
                    ready.set()
        ready.set()


class InfluxDb(Server):
    """InfluxDB 1.x, with a user who may do everything."""

    user, password = "writer", "a secret of the tests"

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        folder.mkdir()
        config = folder / "influxdb.conf"
        config.write_text(INFLUX.format(folder=folder, port=port, rpc=free_port()))
        super().__init__([found("influxd", "influxdb"), "run", "-config", str(config)], "Listening on HTTP")

    def create(self, db: str) -> None:
        """Make the user, whom a new server lets anybody make, and a database."""
        self._ask({"q": f"create user {self.user} with password '{self.password}' with all privileges"})
        self.query(f'create database "{db}"')

    def query(self, text: str, db: str = "") -> list[dict[str, Any]]:
        """Return the rows of a query, each by its columns."""
        asked = {"q": text, "db": db, "epoch": "ns"}
        return [
            dict(zip(series["columns"], values, strict=True))
            for series in self._ask(asked).get("series", [])
            for values in series["values"]
        ]

    def _ask(self, asked: dict[str, str]) -> dict[str, Any]:
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        query = Request(f"{self.url}/query", urlencode(asked).encode(), {"authorization": f"Basic {pair}"})
        with urlopen(query, timeout=GUARD_S) as answer:
            result: dict[str, Any] = json.load(answer)["results"][0]
        assert "error" not in result, result
        return result


class Victoria(Server):
    """VictoriaMetrics."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        program = found("victoria-metrics", "victoria-metrics")
        options = [f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=100y"]
        super().__init__([program, *options], "started VictoriaMetrics in")

    def samples(self, name: str, **labels: str) -> list[tuple[dict[str, str], float]]:
        """Return every sample of a metric, with its labels."""
        urlopen(f"{self.url}/internal/force_flush", timeout=GUARD_S).close()
        match = ",".join(f"{label}={json.dumps(value)}" for label, value in labels.items())
        asked = urlencode({"match[]": f"{name}{{{match}}}"}).encode()
        with urlopen(Request(f"{self.url}/api/v1/export", asked), timeout=GUARD_S) as answer:
            series = [json.loads(line) for line in answer]
        return [(one["metric"], value) for one in series for value in one["values"]]
