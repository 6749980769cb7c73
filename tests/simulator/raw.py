"""A raw client: the bytes a simulator sends, and how the line ended."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec

from dragoman.simulator import Simulator

PATHS = {"openai_chat": "/v1/chat/completions", "anthropic": "/v1/messages"}


def play(script: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine; one that waits for what never comes fails."""
    asyncio.run(asyncio.wait_for(script, 60))


def body(dialect: str = "openai_chat", text: str = "say hello", **more: Any) -> dict[str, Any]:
    """Return a request's body."""
    least = {"max_tokens": 1000} if dialect == "anthropic" else {}
    return {"model": "m", "messages": [{"role": "user", "content": text}], **least, **more}


def post(path: str, value: Any, headers: Mapping[str, str] | None = None, method: str = "POST") -> bytes:
    """Return the bytes of a request with a JSON body, or with bytes as they are."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    lines = {
        "host": "x",
        "content-type": "application/json",
        "content-length": str(len(data)),
        **(headers or {}),
    }
    head = "".join(f"{name}: {line}\r\n" for name, line in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + data


def ask(dialect: str = "openai_chat", text: str = "say hello", **more: Any) -> bytes:
    """Return the bytes of a request to a dialect's endpoint."""
    return post(PATHS[dialect], body(dialect, text, **more))


class Heard(msgspec.Struct):
    """What came until the line ended. ``reset``: it ended in a TCP reset."""

    data: bytes
    reset: bool

    @property
    def body(self) -> bytes:
        """What follows the head."""
        return self.data.partition(b"\r\n\r\n")[2]


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)

    @property
    def _transport(self) -> asyncio.Transport:
        return cast("asyncio.Transport", self.writer.transport)

    def pause(self) -> None:
        """Read nothing off the socket."""
        self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        self._transport.resume_reading()

    async def rest(self) -> Heard:
        """Read until the line ends."""
        pieces: list[bytes] = []
        try:
            while piece := await self.reader.read(65536):
                pieces.append(piece)
        except ConnectionResetError:
            return Heard(b"".join(pieces), reset=True)
        return Heard(b"".join(pieces), reset=False)

    async def answer(self) -> Answer:
        """Read one whole answer."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head)
        if found is not None:
            return Answer(head, [await self.reader.readexactly(int(found[1]))])
        chunks = []
        while size := int(await self.reader.readline(), 16):
            chunks.append((await self.reader.readexactly(size + 2))[:-2])
        await self.reader.readline()
        return Answer(head, chunks)


class Answer(msgspec.Struct):
    """One answer: its head, and its body in the chunks it came in."""

    head: bytes
    chunks: list[bytes]

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.head.split()[1])

    @property
    def body(self) -> bytes:
        """The body."""
        return b"".join(self.chunks)

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """Return a header's value."""
        found = re.search(rf"^{name}: (.*)\r$".encode(), self.head, re.MULTILINE)
        return None if found is None else found[1].decode()


@asynccontextmanager
async def line(simulator: Simulator) -> AsyncIterator[Line]:
    """Open a connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()


async def once(simulator: Simulator, request: bytes) -> Answer:
    """Send one request on a connection of its own and return the answer."""
    async with line(simulator) as one:
        one.send(request)
        return await one.answer()


async def until_end(simulator: Simulator, request: bytes) -> Heard:
    """Send one request and return everything that comes until the simulator ends the line."""
    async with line(simulator) as one:
        one.send(request)
        return await one.rest()
