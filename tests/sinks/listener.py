"""A server on a real socket that answers as it is told: also late, with nonsense, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import msgspec

NEVER = b""
"""An answer that never comes."""


def reply(status: int, *, headers: str = "", body: str = "") -> bytes:
    """Return an answer's bytes."""
    return f"HTTP/1.1 {status} X\r\n{headers}content-length: {len(body)}\r\n\r\n{body}".encode()


class Request(msgspec.Struct, frozen=True):
    """What came."""

    line: str
    headers: dict[str, str]
    body: bytes


class Listener:
    """What came, and what is answered: `answers` in turn, then the last one for ever."""

    def __init__(self, answers: list[bytes]) -> None:
        self.url = ""
        self.answers = answers
        self.requests: list[Request] = []
        self.came = asyncio.Event()
        self.told: Callable[[], None] = lambda: None
        self.writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.writers.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in head[1:])
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
                self.requests.append(Request(head[0], headers, body))
                self.came.set()
                self.told()
                writer.write(answer)
                await writer.drain()


@asynccontextmanager
async def listening(*answers: bytes) -> AsyncIterator[Listener]:
    """Run a listener."""
    listener = Listener([*answers] or [reply(204)])
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0)
    listener.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield listener
    finally:
        server.close()
        for writer in listener.writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in listener.writers), return_exceptions=True)
