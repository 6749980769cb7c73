"""A whole gateway in this process, and a raw client: what the end-to-end tests are played on.

    async with Simulator(...) as sim, house(tmp_path, sim) as gate:
        answer = await ask(gate.port, post("/v1/chat/completions", {...}))
        rows = await gate.rows()

The gateway is the real one, under the real server, on a real socket; only the provider is simulated.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from dragoman.config import load
from dragoman.gateway import Gateway
from dragoman.server.app import App
from dragoman.server.guard import guarded
from dragoman.store import AttemptRow, ExchangeRow

JSON = {"content-type": "application/json"}


class House:
    """A running gateway."""

    def __init__(self, gateway: Gateway, port: int) -> None:
        self.gateway = gateway
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    async def rows(self, count: int | None = None) -> list[ExchangeRow]:
        """Return the ledger's exchanges, oldest first; wait until `count` of them are settled.

        The row is settled after the last byte of the answer, so a client can be early.
        """
        store = self.gateway.store
        while True:
            rows = list(reversed(await store.exchanges(limit=100_000)))
            if count is None or sum(row.state != "reserved" for row in rows) >= count:
                return rows
            await asyncio.sleep(0.005)

    async def attempts(self, row: ExchangeRow) -> list[AttemptRow]:
        """Return the attempts of one exchange."""
        return await self.gateway.store.attempts(row.id)


class Prompt(uvicorn.Server):
    """uvicorn's server without its naps of a tenth of a second, which thousands of tests would wait for.

    It ends as uvicorn's does: connections that idle are closed, those that answer have their time, and then
    the gateway is closed.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()

    def leave(self) -> None:
        """Have it end."""
        self.should_exit = True
        self._told.set()

    async def main_loop(self) -> None:
        """Serve until told to leave."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close whatever listens, then connections, then the gateway."""
        for listener in self.servers:
            listener.close()
        for bound in sockets or ():
            bound.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._empty(), self.config.timeout_graceful_shutdown)
        for task in self.server_state.tasks:
            task.cancel()
        await self.lifespan.shutdown()

    async def _empty(self) -> None:
        while self.server_state.connections or self.server_state.tasks:
            await asyncio.sleep(0.002)


@asynccontextmanager
async def house(folder: Path, simulator_url: str = "", **settings: str) -> AsyncIterator[House]:
    """Run a gateway over `folder`; `settings` are environment names."""
    async with house_of(folder, simulator_url, settings) as gate:
        yield gate


@asynccontextmanager
async def house_of(
    folder: Path, simulator_url: str, settings: Mapping[str, str], *, now: Callable[[], float] | None = None
) -> AsyncIterator[House]:
    """Run a gateway over `folder` as :func:`house` does; `now` is its wall clock, if not the world's."""
    environ = {
        "DRAGOMAN_DATA": str(folder / "data"),
        "DRAGOMAN_LOCAL_ENABLED": "false",
        "DRAGOMAN_SIMULATOR_URL": simulator_url,
        **settings,
    }
    environ = {name: value for name, value in environ.items() if value}
    made = partial(Gateway, now=now) if now is not None else Gateway
    gateway = made(load(environ, folder), load=lambda: load(environ, folder), announce=lambda _: None)
    listening = socket.socket(proto=socket.IPPROTO_TCP)  # else asyncio lets Nagle hold answers for 40 ms
    listening.bind(("127.0.0.1", 0))
    server = Prompt(
        uvicorn.Config(
            App(gateway),
            http=guarded(gateway.config.server.header_timeout_s),
            ws="none",
            lifespan="on",
            log_level="error",
            timeout_graceful_shutdown=2,
        )
    )
    serving = asyncio.get_running_loop().create_task(server.serve(sockets=[listening]))
    try:
        while not server.started:
            if serving.done():
                serving.result()
                raise RuntimeError("the gateway did not start")
            await asyncio.sleep(0.005)
        yield House(gateway, listening.getsockname()[1])
    finally:
        server.leave()
        await serving
        listening.close()


class Answer(msgspec.Struct, frozen=True):
    """What a raw client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def frames(self) -> list[str]:
        """The data of each server-sent event."""
        return [line[6:] for line in self.body.decode().split("\n") if line.startswith("data: ")]


def post(path: str, body: Any, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a POST request; `body` is JSON unless it is bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"host": "127.0.0.1", **JSON, "content-length": str(len(raw)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + raw


def get(path: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a GET request."""
    lines = {"host": "127.0.0.1", **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()


async def ask(port: int, request: bytes) -> Answer:
    """Send one request on a connection of its own and read the whole answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await answer(reader)
    finally:
        writer.close()
        await writer.wait_closed()


async def answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer: its head, then a body of declared length or in chunks."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in head[1:]):
        if name:  # one that comes again is a list
            before = headers.get(name.lower())
            headers[name.lower()] = value.strip() if before is None else f"{before}, {value.strip()}"
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join([piece async for piece in chunks(reader)])
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(head[0].split()[1]), headers, body)


async def chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield the chunks of a chunked body."""
    while size := int(await reader.readline(), 16):
        yield (await reader.readexactly(size + 2))[:-2]
    await reader.readline()


def chat(text: str = "hello", model: str = "sim-openai_chat/m", **more: Any) -> dict[str, Any]:
    """Return a chat request's body."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def message(text: str = "hello", model: str = "sim-anthropic/m", **more: Any) -> dict[str, Any]:
    """Return an Anthropic request's body."""
    return {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": text}], **more}


class Spawned:
    """A gateway in a process of its own."""

    def __init__(self, child: subprocess.Popen[str], port: int, said: list[str]) -> None:
        self.child = child
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.said = said


@contextmanager
def spawned(folder: Path, *arguments: str, **settings: str) -> Iterator[Spawned]:
    """Run ``dragoman serve`` over `folder`, as an operator would; `settings` are environment names."""
    environ = {
        "PATH": os.environ["PATH"],
        "DRAGOMAN_DATA": str(folder / "data"),
        "DRAGOMAN_SERVER_PORT": "0",
        "DRAGOMAN_LOCAL_ENABLED": "false",
        **settings,
    }
    child = subprocess.Popen(
        [sys.executable, "-m", "dragoman", "serve", *arguments],
        cwd=folder,
        env={name: value for name, value in environ.items() if value},
        stdout=subprocess.PIPE,
        text=True,
    )
    said: list[str] = []
    try:
        assert child.stdout is not None
        for line in child.stdout:
            said.append(line.rstrip())
            if found := re.search(r"listens on http://[^ ]*:(\d+)", line):
                yield Spawned(child, int(found[1]), said)
                break
        else:
            raise RuntimeError(f"the gateway ended with {child.wait()} and said {said}")
    finally:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(20)
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
