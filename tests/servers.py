"""Real servers for tests: started on a free port, in a folder of their own, and gone afterwards.

    with redis_server(tmp_path) as redis:
        link = ...(redis.url)
        redis.kill(); redis.start(); redis.freeze(); redis.thaw()

    with postgres_server() as postgres:  # tests/store/conftest.py has one for the whole run
        store = ...(postgres.create())
        postgres.stop(); postgres.start(); postgres.freeze(); postgres.thaw()

Without its program a test is skipped, and says so; where ``CI`` is "true" it fails.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


def program(name: str, *, folders: str = "") -> str:
    """Return where a server's program is; skip the test where there is none."""
    path = os.environ.get("PATH", "") + os.pathsep + folders
    found = shutil.which(name, path=path)
    if found is None:
        why = f"{name} is not installed, so nothing was tested against a real server"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    return found


def free_port() -> int:
    """Return a port nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """One redis-server. It keeps nothing on disk."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [
            program("redis-server"), "--bind", "127.0.0.1", "--port", str(self.port), "--save", "",
            "--dir", str(folder), *options,
        ]  # fmt: skip
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; return once it listens."""
        self._child = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            assert self._child.poll() is None, "redis-server ended at once"
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5):
                return
            time.sleep(0.01)

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        assert self._child is not None
        self._child.kill()
        self._child.wait()

    def freeze(self) -> None:
        """Stop it where it stands: its sockets stay open, and nobody answers."""
        assert self._child is not None
        self._child.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._child is not None
        self._child.send_signal(signal.SIGCONT)

    def say(self, *words: str) -> str:
        """Tell it something, as redis-cli does; return what it says."""
        command = [program("redis-cli"), "-p", str(self.port), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[RedisServer]:
    """Run a Redis of this test's own."""
    server = RedisServer(folder, *options)
    server.start()
    try:
        yield server
    finally:
        server.kill()


POSTGRES_FOLDERS = os.pathsep.join(f"/usr/lib/postgresql/{version}/bin" for version in range(18, 13, -1))


class PostgresServer:
    """One PostgreSQL. It refuses to run as root, and then runs as the user `postgres`.

    What is committed survives its processes; a power cut would cost something (``fsync=off``).
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self._folder = folder
        self._data = folder / "data"
        self._programs = Path(program("initdb", folders=POSTGRES_FOLDERS)).resolve().parent
        self._options = [
            "-p", str(self.port), "-h", "127.0.0.1", "-k", str(folder), "-F", "-c", "max_connections=60",
            "-c", "shared_buffers=16MB", "-c", "autovacuum=off", *options,
        ]  # fmt: skip
        self._databases = 0
        kind = ("-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C")
        self._run("initdb", "-D", str(self._data), *kind)

    def start(self, *options: str) -> None:
        """Start it; return once it takes connections."""
        log, words = str(self._folder / "log"), " ".join([*self._options, *options])
        self._run("pg_ctl", "start", "-w", "-D", str(self._data), "-l", log, "-o", words)

    def stop(self, how: str = "immediate") -> None:
        """Stop it: ``immediate``, as a crash would, or ``fast``."""
        self._run("pg_ctl", "stop", "-w", "-D", str(self._data), "-m", how)

    def freeze(self) -> None:
        """Stop the process that takes connections where it stands: they are made, and nobody answers."""
        os.kill(self._main(), signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self._main(), signal.SIGCONT)

    def url(self, database: str, *, user: str = "postgres") -> str:
        """Return the url of a database."""
        return f"postgresql://{user}:s3cret-canary@127.0.0.1:{self.port}/{database}"

    def create(self, template: str = "template1") -> str:
        """Make a new database, as another one is; return its url."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.say(f"create database {name} template {template}", "postgres")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Delete a database, whoever is still connected to it."""
        self.say(f"drop database {url.rpartition('/')[2]} with (force)", "postgres")

    def say(self, statement: str, database: str) -> str:
        """Run SQL as its owner, beside the store; return what psql prints."""
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-d", database, "-U", "postgres")
        return self._run("psql", *where, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement)

    def _main(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def _run(self, name: str, *arguments: str) -> str:
        user = "postgres" if os.geteuid() == 0 else None
        done = subprocess.run(
            [str(self._programs / name), *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            user=user, cwd="/", env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout.strip()


@contextmanager
def postgres_server(*options: str) -> Iterator[PostgresServer]:
    """Run a PostgreSQL in a folder of its own, which its user can reach."""
    program("initdb", folders=POSTGRES_FOLDERS)
    folder = Path(tempfile.mkdtemp(prefix="dragoman-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    server = PostgresServer(folder, *options)
    server.start()
    try:
        yield server
    finally:
        with suppress(AssertionError):
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
