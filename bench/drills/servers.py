"""PostgreSQL and Redis for a drill: real servers of its own, on 127.0.0.1, to be stopped and killed."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
from asyncio.subprocess import Process
from functools import partial
from pathlib import Path

from drills.ask import MARK
from drills.waiting import until

DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian has PostgreSQL's programs, in a folder for each version; they are not in the path."""

PASSWORD = f"{MARK}-password"


class Absent(Exception):
    """A server's program is not installed here."""


class Postgres:
    """One PostgreSQL server. It refuses to run as root; then it runs as ``postgres``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "postgres"
        self._bin = _found("pg_ctl").parent
        self.port = _free()
        self._user = "postgres" if os.geteuid() == 0 else None

    @property
    def url(self) -> str:
        """Where it is, password and all."""
        return f"postgresql://dragoman:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    async def create(self) -> None:
        """Make the database and start it."""
        self._folder.mkdir(parents=True)
        secret = self._folder / "secret"
        secret.write_text(PASSWORD)
        if self._user:
            for path in (self._folder, secret):
                shutil.chown(path, self._user)
        await self._run(
            "initdb",
            *("-D", str(self._folder / "data"), "-U", "dragoman", "-A", "scram-sha-256"),
            f"--pwfile={secret}",
        )
        secret.unlink()
        await self.start()

    async def start(self) -> None:
        """Start, and wait until it serves."""
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1"
        log = self._folder / "server.log"
        await self._ctl("-w", "-t", "60", "-l", str(log), "-o", options, "start")

    async def stop(self) -> None:
        """Stop as a crash would: connections are cut, nothing is flushed."""
        await self._ctl("-m", "immediate", "-w", "stop")

    async def close(self) -> None:
        """Stop, if it runs."""
        if (self._folder / "data" / "postmaster.pid").exists():
            await self.stop()

    async def _ctl(self, *words: str) -> None:
        await self._run("pg_ctl", "-D", str(self._folder / "data"), *words)

    async def _run(self, name: str, *words: str) -> None:
        log = (self._folder / "commands.log").open("ab")
        with log:
            process = await asyncio.create_subprocess_exec(
                str(self._bin / name),
                *words,
                cwd=self._folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
            )
            code = await process.wait()
        if code:
            raise RuntimeError(f"{name} ended with {code}; see {self._folder}/commands.log")


class Redis:
    """One Redis server, which keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "redis"
        self._program = _found("redis-server")
        self.port = _free()
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """Where it is, password and all."""
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Start, and wait until it listens."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "server.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(self._program),
                *("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD),
                cwd=self._folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        await until(partial(_listens, self.port), limit_s=20.0)

    async def clients(self) -> int:
        """Return how many connections it has beside the one that asks."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(f"AUTH {PASSWORD}\r\nINFO clients\r\n".encode())
            told = await reader.readuntil(b"cluster_connections")
        finally:
            writer.close()
        found = re.search(rb"connected_clients:(\d+)", told)
        assert found is not None
        return int(found[1]) - 1

    def hold(self) -> None:
        """Let it hang: connections stay, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self._signal(signal.SIGCONT)

    async def kill(self) -> None:
        """Kill it, if it runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _found(name: str) -> Path:
    folders = [*map(str, sorted(DEBIAN.glob("*/bin"), reverse=True)), os.environ["PATH"]]
    program = shutil.which(name, path=os.pathsep.join(folders))
    if program is None:
        raise Absent(f"{name} is not installed here")
    return Path(program)


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
