"""Upstreams made of raw sockets, for every test of a transport.

A server here is a script: an async function that is given each accepted connection and writes what it
likes. :meth:`Bench.run` serves a script, hands a client the transport, and afterwards asks of every case
that nothing is left behind: no socket, no task, no complaint of the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import pytest
import uvloop

from dragoman.core.failure import Failure, Kind, Retry, Source
from dragoman.providers.transport import AiohttpTransport, Deadlines, Limits, Transport, Upstream

SECRET = "canary-secret"
PATH = f"/v1/chat?key={SECRET}"
MIB = 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
GUARD_S = 30


class Wire:
    """The server's end of one connection."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.number = server.accepted
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """Read one request, head and body, and note it."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        fields = head.lower().split(b"content-length: ")
        body = await self.reader.readexactly(int(fields[1].split(b"\r\n")[0])) if len(fields) > 1 else b""
        self.server.requests.append(head + body)
        self.server.asked.set()
        return head + body

    async def send(self, data: bytes) -> None:
        """Write, and wait until the kernel took it."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, data: bytes = OK) -> None:
        """Read one request and answer it."""
        await self.request()
        await self.send(data)

    async def gone(self) -> int:
        """Wait until the client has closed; return the bytes that came before."""
        size = 0
        with contextlib.suppress(ConnectionError):
            while data := await self.reader.read(MIB):
                size += len(data)
        self.server.left.set()
        return size

    def reset(self) -> None:
        """Close with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Wire], Awaitable[object]]


class Server:
    """A scripted upstream."""

    def __init__(self, script: Script) -> None:
        self.accepted = 0
        self.requests: list[bytes] = []
        self.asked = asyncio.Event()
        """A request was read."""
        self.left = asyncio.Event()
        """The client closed a connection whose script waited for that."""
        self.idle = asyncio.Event()
        """A case's own sign from its client to its script."""
        self.port = 0
        self.scheme = "http"
        self._script = script
        self._ends: dict[asyncio.StreamWriter, asyncio.Event] = {}

    @property
    def url(self) -> str:
        """Where it serves; the query holds a secret."""
        return f"{self.scheme}://127.0.0.1:{self.port}{PATH}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Play the script on one connection, then close it."""
        self.accepted += 1
        end = self._ends[writer] = asyncio.Event()
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._script(Wire(self, reader, writer))
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
            end.set()

    async def ended(self) -> None:
        """Wait until every connection's script has come to its end."""
        for end in self._ends.values():
            await end.wait()

    def abort(self) -> None:
        """Close what a failed case left open."""
        for writer, end in self._ends.items():
            if not end.is_set():
                writer.transport.abort()


Client = Callable[[Transport, Server], Awaitable[object]]
MakeTransport = Callable[..., Transport]
TRANSPORTS: list[MakeTransport] = [AiohttpTransport]
LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]


class Bench:
    """One transport on one kind of event loop."""

    def __init__(self, make: MakeTransport, loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self._make = make
        self._loop = loop

    def run(
        self,
        script: Script,
        client: Client,
        *,
        limits: Limits | None = None,
        tls: tuple[ssl.SSLContext, ssl.SSLContext | None] | None = None,
    ) -> Server:
        """Serve `script`, let `client` do its work, and see that nothing is left."""
        with asyncio.Runner(loop_factory=self._loop) as runner:
            return runner.run(self._play(script, client, limits, tls))

    async def _play(
        self,
        script: Script,
        client: Client,
        limits: Limits | None,
        tls: tuple[ssl.SSLContext, ssl.SSLContext | None] | None,
    ) -> Server:
        complaints: list[Any] = []
        server = Server(script)
        theirs, ours = tls or (None, None)
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=theirs, backlog=512)
        server.port = listening.sockets[0].getsockname()[1]
        server.scheme = "https" if theirs else "http"
        # Handshakes a case means to fail are the server's complaint, not the transport's.
        if theirs is None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: complaints.append(context))
        transport = self._make(limits=limits, tls=ours)
        try:
            async with asyncio.timeout(GUARD_S):
                await client(transport, server)
                await transport.close()
                assert transport.open_connections == 0
                await server.ended()
                while asyncio.all_tasks() - {asyncio.current_task()}:
                    await asyncio.sleep(0)  # a task that never ends runs into the guard
        finally:
            server.abort()
            await transport.close()
            listening.close()
        assert complaints == []
        return server


async def post(
    transport: Transport,
    server: Server,
    body: bytes = b"{}",
    *,
    headers: Mapping[str, str] | None = None,
    deadlines: Deadlines | None = None,
) -> Upstream:
    """Send what the gateway sends."""
    given = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"} | dict(headers or {})
    return await transport.send("POST", server.url, given, body, deadlines=deadlines or Deadlines())


async def ask(transport: Transport, server: Server) -> bytes:
    """Send, read the whole body, let go."""
    upstream = await post(transport, server)
    try:
        return await upstream.read()
    finally:
        await upstream.close()


async def collect(upstream: Upstream, into: list[bytes]) -> None:
    """Read chunk by chunk, keeping what came even if the end fails."""
    async for chunk in upstream.chunks():
        into.append(chunk)  # noqa: PERF401 - a comprehension keeps nothing when it fails


@contextlib.contextmanager
def failing(kind: Kind, retry: Retry = Retry.NEXT, code: str | None = None) -> Iterator[None]:
    """Expect this failure, blamed on the upstream and silent about secrets."""
    with pytest.raises(Failure) as caught:
        yield
    failure = caught.value
    assert (failure.kind, failure.retry, failure.code) == (kind, retry, code)
    assert failure.source is Source.UPSTREAM
    assert SECRET not in f"{failure!r} {failure}"


async def repeat(wire: Wire) -> None:
    """Answer every request of a connection."""
    while True:
        await wire.answer()
