"""Keys across processes: made on the command line they work in every worker, taken back they work in none."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.house import Answer, Spawned, answer, ask, get, spawned

WORKERS = 3
MOST = 300
"""Connections that are opened, at most, until each worker has one."""

ENVIRON = {"API_KEYS": "the-operators", "DRAGOMAN_LOCAL_ENABLED": "false"}


class Line(NamedTuple):
    """A connection that stays, and the worker that holds its other end."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    worker: int

    async def ask(self, secret: str) -> Answer:
        """Ask for the list of models with a key."""
        self.writer.write(get("/v1/models", {"authorization": f"Bearer {secret}"}))
        return await answer(self.reader)


def command(folder: Path, *words: str) -> str:
    """Run ``dragoman`` as an operator would, beside the gateway; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "dragoman", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "DRAGOMAN_DATA": str(folder / "data"), **ENVIRON},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def workers(parent: int) -> set[int]:
    """Return the processes a process has started."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return {int(child) for child in children}


def holder(parent: int, port: int, served: int) -> int | None:
    """Return the worker that holds the other end of the connection from `port` to `served`."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[1].endswith(f":{served:04X}") and words[2].endswith(f":{port:04X}"):
            link = f"socket:[{words[9]}]"
            for worker in workers(parent):
                ends = Path(f"/proc/{worker}/fd").iterdir()
                if any(end.is_symlink() and str(end.readlink()) == link for end in ends):
                    return worker
    return None


async def ready(gate: Spawned) -> None:
    """Wait until somebody serves."""
    while True:
        try:
            if (await ask(gate.port, get("/health/ready"))).status == 200:
                return
        except (ConnectionError, asyncio.IncompleteReadError):
            await asyncio.sleep(0.01)


async def lines(gate: Spawned) -> list[Line]:
    """Return a connection to each worker."""
    found: dict[int, Line] = {}
    for _ in range(MOST):
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(get("/health/live"))
        assert (await answer(reader)).status == 200
        worker = holder(gate.child.pid, writer.get_extra_info("sockname")[1], gate.port)
        if worker is None or worker in found:
            writer.close()
            await asyncio.sleep(0)
            continue
        found[worker] = Line(reader, writer, worker)
        if len(found) == WORKERS:
            return list(found.values())
    raise AssertionError(f"only {len(found)} workers took connections")


def test_a_key_is_known_and_revoked_in_every_process(tmp_path: Path) -> None:
    """Made by another process it works at the first request; revoked by another it stops in each worker."""

    async def play() -> None:
        with spawned(tmp_path, "--workers", str(WORKERS), **ENVIRON) as gate:
            await ready(gate)
            there = await lines(gate)
            assert len({line.worker for line in there}) == WORKERS
            secret = await asyncio.to_thread(command, tmp_path, "keys", "create", "alice")
            for line in there:
                assert (await line.ask(secret)).status == 200
            await asyncio.to_thread(command, tmp_path, "keys", "revoke", "alice")
            for line in there:
                while (got := await line.ask(secret)).status == 200:
                    await asyncio.sleep(0.005)
                assert (got.status, got.json["error"]["code"]) == (401, "revoked_api_key")
                line.writer.close()

    asyncio.run(asyncio.wait_for(play(), 120))


def test_a_rotated_key_has_two_secrets_for_a_while(tmp_path: Path) -> None:
    """In every process both work, and without an overlap only the new one does."""

    async def play() -> None:
        with spawned(tmp_path, "--workers", str(WORKERS), **ENVIRON) as gate:
            await ready(gate)
            old = await asyncio.to_thread(command, tmp_path, "keys", "create", "alice")
            new = await asyncio.to_thread(command, tmp_path, "keys", "rotate", "alice", "--overlap", "1h")
            there = await lines(gate)
            for line in there:
                assert [(await line.ask(secret)).status for secret in (old, new)] == [200, 200]
            newest = await asyncio.to_thread(command, tmp_path, "keys", "rotate", "alice", "--overlap", "0")
            for line in there:
                assert (await line.ask(newest)).status == 200
                assert (await line.ask(old)).status == 401
                line.writer.close()
            assert (await ask(gate.port, get("/v1/models", {"x-api-key": new}))).status == 401

    asyncio.run(asyncio.wait_for(play(), 120))
