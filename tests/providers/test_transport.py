"""What every transport must do, shown against servers that are raw sockets.

A server here is a script: an async function that is given each accepted connection and writes what it
likes. ``Bench.run`` serves a script, hands a client the transport, and afterwards asks of every case that
nothing is left behind: no socket, no task, no complaint of the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
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
GUARD_S = 8


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
        self._ends: list[asyncio.Event] = []

    @property
    def url(self) -> str:
        """Where it serves; the query holds a secret."""
        return f"{self.scheme}://127.0.0.1:{self.port}{PATH}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Play the script on one connection, then close it."""
        self.accepted += 1
        end = asyncio.Event()
        self._ends.append(end)
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
        for end in self._ends:
            await end.wait()


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
        loop = asyncio.get_running_loop()
        server = Server(script)
        theirs, ours = tls or (None, None)
        async with asyncio.timeout(GUARD_S):
            listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=theirs, backlog=512)
            server.port = listening.sockets[0].getsockname()[1]
            server.scheme = "https" if theirs else "http"
            # Handshakes a case means to fail are the server's complaint, not the transport's.
            if theirs is None:
                loop.set_exception_handler(lambda _, context: complaints.append(context))
            transport = self._make(limits=limits, tls=ours)
            try:
                await client(transport, server)
            finally:
                await transport.close()
            assert transport.open_connections == 0
            await server.ended()
            listening.close()
            await listening.wait_closed()
            while asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.sleep(0)  # a task that never ends runs into the guard
        assert complaints == []
        return server


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def loop_factory(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    """Each kind of event loop in turn."""
    factory: Callable[[], asyncio.AbstractEventLoop] = request.param
    return factory


@pytest.fixture(params=TRANSPORTS, ids=lambda make: make.__name__)
def bench(request: pytest.FixtureRequest, loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> Bench:
    """Each transport in turn, on each kind of event loop."""
    return Bench(request.param, loop_factory)


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


# What goes out


def test_the_request_goes_out_as_given(bench: Bench) -> None:
    """Method, path and query byte for byte; the caller's headers but for those of the connection."""

    async def client(transport: Transport, server: Server) -> None:
        url = server.url.replace("/v1/chat", "/v1/a%2Fb/../c+d")
        headers = {"X-Own": "räksmörgås\t1", "Host": "evil.example", "Accept-Encoding": "gzip, br"}
        headers |= {"Transfer-Encoding": "chunked", "Content-Length": "999", "Connection": "close"}
        upstream = await transport.send("POST", url, headers, b'{"a":1}', deadlines=Deadlines())
        assert await upstream.read() == b"ok"
        await upstream.close()

    server = bench.run(repeat, client)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    fields = {line.split(b": ", 1)[0].lower(): line.split(b": ", 1)[1] for line in lines[1:]}
    assert lines[0] == b"POST /v1/a%2Fb/../c+d?key=canary-secret HTTP/1.1"
    assert body == b'{"a":1}'
    assert len(lines) == len(fields) + 1
    assert fields[b"x-own"].decode() == "räksmörgås\t1"
    assert fields[b"host"] == b"127.0.0.1:%d" % server.port
    assert fields[b"accept-encoding"] == b"identity"
    assert fields[b"content-length"] == b"7"
    assert fields[b"user-agent"].startswith(b"dragoman/")
    assert fields.keys().isdisjoint({b"transfer-encoding", b"connection", b"cookie"})


@pytest.mark.parametrize("size", [0, 1, 65_536, 8 * MIB])
def test_bodies_of_any_size_go_out_whole(bench: Bench, size: int) -> None:
    """From no body at all to one no socket buffer holds."""

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server, b"x" * size)
        assert await upstream.read() == b"ok"
        await upstream.close()

    server = bench.run(repeat, client)
    assert server.requests[0].partition(b"\r\n\r\n")[2] == b"x" * size


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-a", "1\r\nx-evil: 1"),
        ("x-a", "1\nx-evil: 1"),
        ("x-a", "1\r"),
        ("x-a", "nul\x00"),
        ("x-a", "\ud800"),
        ("x a", "1"),
        ("x-a: 1\r\nx-evil", "1"),
        ("", "1"),
    ],
)
def test_a_header_that_would_split_is_refused(bench: Bench, name: str, value: str) -> None:
    """Nothing is sent, and the message holds no value."""

    async def client(transport: Transport, server: Server) -> None:
        with pytest.raises(Failure) as caught:
            await post(transport, server, headers={name: value})
        assert caught.value.kind is Kind.INVALID
        assert "evil" not in str(caught.value)

    assert bench.run(repeat, client).accepted == 0


def test_a_method_that_would_split_is_refused(bench: Bench) -> None:
    """The request line is guarded like the headers."""

    async def client(transport: Transport, server: Server) -> None:
        with pytest.raises(Failure, match="method"):
            await transport.send("GET / HTTP/1.1\r\nx:", server.url, {}, b"", deadlines=Deadlines())

    assert bench.run(repeat, client).accepted == 0


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1/x",
        "ftp://127.0.0.1/x",
        "http:///x",
        "http://user:canary-secret@127.0.0.1/x",
        "http://127.0.0.1/x y",
        "http://127.0.0.1/x\r\nx: y",
        "http://127.0.0.1:99999/x",
        "http://127.0.0.1/x#canary-secret",
        "http://2130706433/x",
    ],
)
def test_what_is_no_url_is_unreachable(bench: Bench, url: str) -> None:
    """An address that cannot be called is a provider that cannot be reached."""

    async def client(transport: Transport, _: Server) -> None:
        with failing(Kind.UPSTREAM, code="upstream_unreachable"):
            await transport.send("POST", url, {}, b"", deadlines=Deadlines())

    bench.run(repeat, client)


def test_no_cookie_is_kept(bench: Bench) -> None:
    """A Set-Cookie has no effect on the next request."""

    async def script(wire: Wire) -> None:
        while True:
            await wire.answer(b"HTTP/1.1 200 OK\r\nset-cookie: a=1\r\ncontent-length: 2\r\n\r\nok")

    async def client(transport: Transport, server: Server) -> None:
        await ask(transport, server)
        await ask(transport, server)

    assert b"cookie" not in bench.run(script, client).requests[1].lower()


def test_no_proxy_is_taken_from_the_environment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment would see every key."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def client(transport: Transport, server: Server) -> None:
        assert await ask(transport, server) == b"ok"

    bench.run(repeat, client)


# What comes back


@pytest.mark.parametrize("drip", [False, True], ids=["whole", "drip"])
@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (OK, 200, b"ok"),
        (CHUNKED + b"2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n", 200, b"abcde"),
        (CHUNKED + b"2\r\nab\r\n0\r\nx-trailer: 1\r\n\r\n", 200, b"ab"),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 200 OK\r\n\r\nno length at all", 200, b"no length at all"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", 200, b"old"),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nold", 200, b"old"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 529 Overloaded\r\ncontent-length: 2\r\n\r\nno", 529, b"no"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-length: 2\r\n\r\nok", 200, b"ok"),
    ],
)
@pytest.mark.parametrize("whole", [True, False], ids=["read", "chunks"])
def test_answers_of_every_framing_are_read(
    bench: Bench, answer: bytes, status: int, body: bytes, *, drip: bool, whole: bool
) -> None:
    """Lengths, chunks, trailers, ends of connection, no body, hints before; in one piece or byte by byte."""

    async def script(wire: Wire) -> None:
        await wire.request()
        for start in range(len(answer) if drip else 1):
            await wire.send(answer[start : start + 1] if drip else answer)
            await asyncio.sleep(0)

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        assert upstream.status == status
        parts: list[bytes] = []
        if whole:
            parts.append(await upstream.read())
        else:
            await collect(upstream, parts)
            assert all(parts)
        assert b"".join(parts) == body
        await upstream.close()

    bench.run(script, client)


def test_header_names_are_lower_case(bench: Bench) -> None:
    """And a name given twice keeps both values."""

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        assert upstream.headers["content-type"] == "text/plain"
        assert upstream.headers["x-two"] == "1, 2"
        await upstream.close()

    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Two: 1\r\nx-two: 2\r\ncontent-length: 0\r\n\r\n"
    bench.run(lambda wire: wire.answer(head), client)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(bench: Bench, status: int) -> None:
    """The caller gets the 3xx; the place it points to gets nothing, above all no key."""
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.setblocking(False)
        target = b"http://127.0.0.1:%d/" % canary.getsockname()[1]
        head = b"HTTP/1.1 %d Moved\r\nlocation: %s\r\ncontent-length: 0\r\n\r\n" % (status, target)

        async def client(transport: Transport, server: Server) -> None:
            upstream = await post(transport, server)
            assert upstream.status == status
            assert upstream.headers["location"].encode() == target
            await upstream.close()

        assert len(bench.run(lambda wire: wire.answer(head), client).requests) == 1
        with pytest.raises(BlockingIOError):
            canary.accept()


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"zstd", b"deflate, gzip"])
def test_a_compressed_answer_is_refused(bench: Bench, coding: bytes) -> None:
    """It was asked for as it is; what is never unpacked cannot be a bomb."""
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: %s\r\ncontent-length: 100\r\n\r\n\x1f\x8b" % coding

    async def script(wire: Wire) -> None:
        await wire.answer(head)
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        with failing(Kind.UPSTREAM):
            await post(transport, server)
        await server.left.wait()

    bench.run(script, client)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000 + b"\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000,
    ],
    ids=["ssh", "status", "header", "negative", "lengths", "upgrade", "line", "lines", "hints"],
)
def test_a_head_that_cannot_be_used_is_refused(bench: Bench, answer: bytes) -> None:
    """Not HTTP, against its rules, or over the limit: the socket is closed, and nothing is tried again."""

    async def script(wire: Wire) -> None:
        await wire.answer(answer)
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        with failing(Kind.UPSTREAM):
            await post(transport, server)
        await server.left.wait()

    assert bench.run(script, client).accepted == 1


def test_an_endless_head_is_cut_at_its_limit(bench: Bench) -> None:
    """Long before the first-byte deadline."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await wire.send(b"x: " + b"a" * 1000 + b"\r\n")

    async def client(transport: Transport, server: Server) -> None:
        with failing(Kind.UPSTREAM):
            await post(transport, server)

    bench.run(script, client)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + b"x" * 101,
        CHUNKED + b"65\r\n" + b"x" * 101 + b"\r\n",
    ],
    ids=["length", "chunked"],
)
def test_a_unary_body_over_its_limit_is_refused(bench: Bench, answer: bytes) -> None:
    """And its socket closed; a stream has no such limit."""

    async def script(wire: Wire) -> None:
        await wire.answer(answer)
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        with failing(Kind.UPSTREAM):
            await upstream.read()
        await server.left.wait()
        await upstream.close()
        upstream = await post(transport, server)
        assert len(await anext(upstream.chunks())) == 101
        await upstream.close()

    bench.run(script, client, limits=Limits(max_body=100))


# The pool


def test_a_connection_is_used_again(bench: Bench) -> None:
    """Ten requests one after another need one connection, whatever the status."""
    answers = [OK, CHUNKED + b"2\r\nok\r\n0\r\n\r\n", b"HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\nok"]

    async def script(wire: Wire) -> None:
        for number in range(10):
            await wire.answer(answers[number % 3])
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        for _ in range(10):
            assert await ask(transport, server) == b"ok"
        assert transport.open_connections == 1

    server = bench.run(script, client)
    assert (server.accepted, len(server.requests)) == (1, 10)


def test_a_connection_the_server_ends_is_not_used_again(bench: Bench) -> None:
    """Connection: close means what it says, even if the server is slow to do it."""

    async def script(wire: Wire) -> None:
        await wire.answer(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        for _ in range(3):
            assert await ask(transport, server) == b"ok"

    assert bench.run(script, client).accepted == 3


def test_two_hundred_at_once(bench: Bench) -> None:
    """Each gets its own answer, no connection too many is made, and all are used again."""

    async def script(wire: Wire) -> None:
        while True:
            body = (await wire.request()).partition(b"\r\n\r\n")[2]
            await wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
            await wire.send(body)

    async def one(transport: Transport, server: Server, number: int) -> None:
        upstream = await post(transport, server, b"%d" % number * 100)
        assert await upstream.read() == b"%d" % number * 100
        await upstream.close()

    async def client(transport: Transport, server: Server) -> None:
        for _ in range(3):
            async with asyncio.TaskGroup() as group:
                for number in range(200):
                    group.create_task(one(transport, server, number))
            assert transport.open_connections <= 200

    server = bench.run(script, client)
    assert server.accepted <= 200
    assert len(server.requests) == 600


def test_connections_per_host_are_limited(bench: Bench) -> None:
    """A request over the limit waits for a connection to come back."""

    async def client(transport: Transport, server: Server) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(transport, server)) for _ in range(20)]
        assert [task.result() for task in tasks] == [b"ok"] * 20

    server = bench.run(repeat, client, limits=Limits(connections_per_host=2))
    assert server.accepted <= 2


def test_an_idle_connection_is_closed_after_its_time(bench: Bench) -> None:
    """The pool does not wait for the next request to tidy up."""

    async def script(wire: Wire) -> None:
        await wire.answer()
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        await ask(transport, server)
        await server.left.wait()

    bench.run(script, client, limits=Limits(keepalive_s=0.05))


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_pooled_connection_given_up_is_replaced_once(bench: Bench, end: str) -> None:
    """The second request meets a dead connection; it goes out again on a new one, unnoticed."""

    async def script(wire: Wire) -> None:
        await wire.answer()
        if wire.number == 1:
            await wire.request()
            if end == "reset":
                wire.reset()

    async def client(transport: Transport, server: Server) -> None:
        assert await ask(transport, server) == b"ok"
        assert await ask(transport, server) == b"ok"

    server = bench.run(script, client)
    assert (server.accepted, len(server.requests)) == (2, 3)


def test_it_is_replaced_by_a_new_one_though_others_are_pooled(bench: Bench) -> None:
    """Where one pooled connection was given up, the others may be, too."""
    pair = asyncio.Barrier(2)

    async def script(wire: Wire) -> None:
        await wire.request()
        if wire.number <= 2:
            await pair.wait()
        await wire.send(OK)
        if wire.number <= 2:
            await wire.request()

    async def client(transport: Transport, server: Server) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(ask(transport, server))
        assert await ask(transport, server) == b"ok"

    server = bench.run(script, client)
    assert (server.accepted, len(server.requests)) == (3, 4)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_new_connection_lost_is_not_replaced(bench: Bench, method: str) -> None:
    """The provider may have begun to work: whether to ask again is the line's decision."""

    async def client(transport: Transport, server: Server) -> None:
        with failing(Kind.UPSTREAM, Retry.AGAIN, "upstream_disconnected"):
            await transport.send(method, server.url, {}, b"", deadlines=Deadlines())

    assert bench.run(Wire.request, client).accepted == 1


def test_a_second_loss_is_told(bench: Bench) -> None:
    """The silent retry happens once."""

    async def script(wire: Wire) -> None:
        if wire.number == 1:
            await wire.answer()
        await wire.request()

    async def client(transport: Transport, server: Server) -> None:
        await ask(transport, server)
        with failing(Kind.UPSTREAM, Retry.AGAIN, "upstream_disconnected"):
            await ask(transport, server)

    server = bench.run(script, client)
    assert (server.accepted, len(server.requests)) == (2, 3)


@pytest.mark.parametrize("seen", [b"H", b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 103 Early Hints\r\n\r\n"])
@pytest.mark.parametrize("end", ["close", "reset"])
def test_an_answer_begun_is_not_asked_for_again(bench: Bench, seen: bytes, end: str) -> None:
    """One byte of it, or a hint, shows that the pooled connection was alive."""

    async def script(wire: Wire) -> None:
        await wire.answer()
        await wire.answer(seen)
        if end == "reset":
            wire.reset()

    async def client(transport: Transport, server: Server) -> None:
        await ask(transport, server)
        with failing(Kind.UPSTREAM, Retry.AGAIN, "upstream_disconnected"):
            await ask(transport, server)

    server = bench.run(script, client)
    assert (server.accepted, len(server.requests)) == (1, 2)


EVIL = OK.replace(b"ok", b"no")


def test_words_on_an_idle_connection_are_no_answer(bench: Bench) -> None:
    """What the server says unasked would be taken for the next answer: the connection is dropped."""

    async def script(wire: Wire) -> None:
        await wire.answer()
        if wire.number == 1:
            await wire.server.idle.wait()
            await wire.send(EVIL)
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        assert await ask(transport, server) == b"ok"
        server.idle.set()
        await server.left.wait()
        assert await ask(transport, server) == b"ok"

    assert bench.run(script, client).accepted == 2


@pytest.mark.parametrize("split", [0, len(OK) - 1, len(OK)])
def test_a_second_answer_is_no_answer(bench: Bench, split: int) -> None:
    """Two answers to one request, in one packet or two: the next request gets its own."""

    async def script(wire: Wire) -> None:
        await wire.request()
        if wire.number == 1:
            await wire.send((OK + EVIL)[:split])
            if split:
                await wire.server.idle.wait()
            await wire.send((OK + EVIL)[split:])
            await wire.gone()
        await wire.send(OK)

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        server.idle.set()
        assert await upstream.read() == b"ok"
        await upstream.close()
        await server.left.wait()
        assert await ask(transport, server) == b"ok"

    assert bench.run(script, client).accepted == 2


# Back-pressure


def test_an_answer_nobody_reads_pauses_its_socket(bench: Bench) -> None:
    """Of 64 MiB only what the buffers of kernel and reader hold leaves the server until somebody reads."""
    sent = 0

    async def script(wire: Wire) -> None:
        nonlocal sent
        await wire.answer(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (64 * MIB))
        for _ in range(64 * 16):
            await wire.send(b"x" * (MIB // 16))
            sent += MIB // 16

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        for _ in range(20_000):
            await asyncio.sleep(0)  # each turn lets an unbounded reader read
        assert sent < 24 * MIB
        size = 0
        async for chunk in upstream.chunks():
            size += len(chunk)
        assert size == 64 * MIB
        await upstream.close()

    bench.run(script, client)


def test_an_answer_nobody_reads_can_be_left(bench: Bench) -> None:
    """A paused socket closes like any other."""

    async def script(wire: Wire) -> None:
        await wire.answer(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (64 * MIB))
        try:
            await wire.send(b"x" * (64 * MIB))
        finally:
            wire.server.left.set()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        await anext(upstream.chunks())
        await upstream.close()
        await server.left.wait()

    bench.run(script, client)


# Faults of an answer


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize(
    ("begun", "came"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", b""),
        (CHUNKED + b"3\r\nabc\r\n", b"abc"),
        (CHUNKED + b"9\r\nabc", b"abc"),
        (CHUNKED + b"3\r\nabc\r\n0\r\n", b"abc"),
        (CHUNKED + b"3\r\nabc\r\nzz\r\n", b"abc"),
        (CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n", b"abc"),
    ],
    ids=["length", "nothing", "chunk", "inside", "last", "size", "overlong"],
)
def test_a_body_cut_short_is_truncated(bench: Bench, begun: bytes, came: bytes, end: str) -> None:
    """However it breaks off, what came before is delivered and the end is a failure."""

    async def script(wire: Wire) -> None:
        await wire.answer(begun)
        await wire.server.idle.wait()
        if end == "reset":
            wire.reset()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        parts: list[bytes] = []
        if came:
            parts.append(await anext(upstream.chunks()))
        server.idle.set()
        with failing(Kind.TRUNCATED):
            await collect(upstream, parts)
        assert b"".join(parts) == came
        with failing(Kind.TRUNCATED):
            await upstream.read()
        await upstream.close()

    bench.run(script, client)


def test_a_reset_does_not_end_a_body(bench: Bench) -> None:
    """A body without length ends with its connection, but not with a broken one."""

    async def script(wire: Wire) -> None:
        await wire.answer(b"HTTP/1.1 200 OK\r\n\r\nabc")
        await wire.server.idle.wait()
        wire.reset()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        assert await anext(upstream.chunks()) == b"abc"
        server.idle.set()
        with failing(Kind.TRUNCATED):
            await upstream.read()
        await upstream.close()

    bench.run(script, client)


def test_what_came_before_a_cut_is_delivered_though_nobody_waited(bench: Bench) -> None:
    """A slow reader gets the bytes first and the failure after them."""

    async def script(wire: Wire) -> None:
        await wire.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        while transport.open_connections:
            await asyncio.sleep(0)
        parts: list[bytes] = []
        with failing(Kind.TRUNCATED):
            await collect(upstream, parts)
        assert parts == [b"abc"]
        await upstream.close()

    bench.run(script, client)


def test_a_refusal_that_comes_early_is_read(bench: Bench) -> None:
    """A server that answers before it took the whole body is understood all the same."""

    async def script(wire: Wire) -> None:
        await wire.reader.readuntil(b"\r\n\r\n")
        await wire.send(b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno")
        await wire.server.left.wait()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server, b"x" * (32 * MIB))
        assert upstream.status == 413
        assert await upstream.read() == b"no"
        await upstream.close()
        server.left.set()

    bench.run(script, client)


# Deadlines


@pytest.mark.parametrize(
    ("deadlines", "begun"),
    [
        (Deadlines(first_byte_s=0.05), b""),
        (Deadlines(first_byte_s=0.05), b"HTTP/1.1 200 OK\r\nx: "),
        (Deadlines(first_byte_s=0.05), b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (Deadlines(total_s=0.05), b""),
    ],
)
def test_a_head_that_does_not_come_in_time(bench: Bench, deadlines: Deadlines, begun: bytes) -> None:
    """Silence, half a head or a hint: the deadline closes the socket."""

    async def script(wire: Wire) -> None:
        await wire.answer(begun)
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        with failing(Kind.TIMEOUT, code="first_byte_timeout"):
            await post(transport, server, deadlines=deadlines)
        await server.left.wait()

    bench.run(script, client)


def test_a_body_that_stops_coming(bench: Bench) -> None:
    """The idle deadline runs between chunks; what came is delivered, then the socket is closed."""

    async def script(wire: Wire) -> None:
        await wire.answer(CHUNKED + b"3\r\nabc\r\n")
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server, deadlines=Deadlines(idle_s=0.05))
        parts: list[bytes] = []
        with failing(Kind.TIMEOUT, code="idle_timeout"):
            await collect(upstream, parts)
        assert parts == [b"abc"]
        await server.left.wait()
        await upstream.close()

    bench.run(script, client)


def test_a_body_that_never_ends(bench: Bench) -> None:
    """A drip keeps the idle deadline away and not the total one."""

    async def script(wire: Wire) -> None:
        await wire.answer(CHUNKED)
        while True:
            await wire.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.005)  # the pace of the drip

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server, deadlines=Deadlines(idle_s=30, total_s=0.2))
        with failing(Kind.TIMEOUT, code="total_timeout"):
            await upstream.read()
        await upstream.close()

    bench.run(script, client)


def test_a_slow_reader_is_not_an_idle_provider(bench: Bench) -> None:
    """The idle deadline runs only while somebody wants to read."""

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server, deadlines=Deadlines(idle_s=0.05))
        await asyncio.sleep(0.2)  # longer than the deadline under test
        assert await upstream.read() == b"ok"
        await upstream.close()

    bench.run(repeat, client)


def test_a_connection_nobody_accepts(bench: Bench) -> None:
    """A listener whose queue is full drops the SYN: unreachable once connect_s is over."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())

        async def client(transport: Transport, _: Server) -> None:
            url = f"http://127.0.0.1:{full.getsockname()[1]}{PATH}"
            with failing(Kind.UPSTREAM, code="upstream_unreachable"):
                await transport.send("POST", url, {}, b"", deadlines=Deadlines(connect_s=0.1))
            assert transport.open_connections == 0

        bench.run(repeat, client)


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "nowhere.invalid", "[::ffff:127.0.0.1]:{port}"])
def test_who_is_not_there_is_unreachable(bench: Bench, host: str) -> None:
    """Refused, or a name that does not resolve: nothing was sent, another target may do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://{host.format(port=taken.getsockname()[1])}{PATH}"

        async def client(transport: Transport, _: Server) -> None:
            with failing(Kind.UPSTREAM, code="upstream_unreachable"):
                await transport.send("POST", url, {}, b"", deadlines=Deadlines())

        bench.run(repeat, client)


def test_a_slow_name_server_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one look-up hangs, the loop goes on and connect_s holds."""
    answer = threading.Event()

    def hang(*_: object, **__: object) -> None:
        answer.wait(GUARD_S)
        raise socket.gaierror(socket.EAI_NONAME, "too late")

    async def main() -> None:
        transport = AiohttpTransport()
        try:
            with failing(Kind.UPSTREAM, code="upstream_unreachable"):
                await transport.send(
                    "POST", f"http://slow.example{PATH}", {}, b"", deadlines=Deadlines(connect_s=0.05)
                )
        finally:
            answer.set()
            await transport.close()

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    asyncio.run(main())


# Leaving


async def _cancelled(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_cancelling_before_the_head_closes_the_socket(bench: Bench) -> None:
    """The server sees it at once, and nothing is left."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        task = asyncio.get_running_loop().create_task(ask(transport, server))
        await server.asked.wait()
        await _cancelled(task)
        await server.left.wait()
        assert transport.open_connections == 0

    bench.run(script, client)


@pytest.mark.parametrize("reading", ["read", "chunks"])
def test_cancelling_inside_the_body_closes_the_socket(bench: Bench, reading: str) -> None:
    """Even before anybody calls close."""

    async def script(wire: Wire) -> None:
        await wire.answer(CHUNKED + b"3\r\nabc\r\n")
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        parts: list[bytes] = []
        waits = upstream.read() if reading == "read" else collect(upstream, parts)
        task: asyncio.Task[object] = asyncio.get_running_loop().create_task(waits)
        await asyncio.sleep(0)
        await _cancelled(task)
        await server.left.wait()
        assert transport.open_connections == 0
        await upstream.close()

    bench.run(script, client)


def test_cancelling_an_upload_does_not_finish_it(bench: Bench) -> None:
    """What the server did not take yet is thrown away, not flushed."""
    size = 64 * MIB

    async def script(wire: Wire) -> None:
        await wire.reader.readuntil(b"\r\n\r\n")
        wire.server.asked.set()
        await wire.server.idle.wait()
        assert await wire.gone() < size

    async def client(transport: Transport, server: Server) -> None:
        task: asyncio.Task[object] = asyncio.get_running_loop().create_task(
            post(transport, server, b"x" * size)
        )
        await server.asked.wait()
        await _cancelled(task)
        server.idle.set()
        await server.left.wait()
        assert transport.open_connections == 0

    bench.run(script, client)


def test_cancelling_while_connecting_leaves_nothing(bench: Bench) -> None:
    """A TLS handshake that never ends is let go as well."""

    async def script(wire: Wire) -> None:
        await wire.reader.read(1)
        wire.server.asked.set()
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        server.scheme = "https"
        task = asyncio.get_running_loop().create_task(ask(transport, server))
        await server.asked.wait()
        await _cancelled(task)
        await server.left.wait()
        assert transport.open_connections == 0

    bench.run(script, client)


def test_closing_before_the_end_closes_the_socket(bench: Bench) -> None:
    """That is how a provider learns that nobody listens any more; closing twice is fine."""

    async def script(wire: Wire) -> None:
        await wire.answer(CHUNKED + b"3\r\nabc\r\n")
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        assert await anext(upstream.chunks()) == b"abc"
        await upstream.close()
        await server.left.wait()
        await upstream.close()
        assert transport.open_connections == 0

    bench.run(script, client)


def test_closing_after_the_end_keeps_the_connection(bench: Bench) -> None:
    """And closing again later does not touch it."""

    async def client(transport: Transport, server: Server) -> None:
        first = await post(transport, server)
        assert await first.read() == b"ok"
        await first.close()
        second = await post(transport, server)
        await first.close()
        assert await second.read() == b"ok"
        await second.close()

    assert bench.run(repeat, client).accepted == 1


def test_closing_the_transport_ends_what_is_under_way(bench: Bench) -> None:
    """Answers fail instead of hanging, and nothing is sent any more."""

    async def script(wire: Wire) -> None:
        await wire.answer(CHUNKED + b"3\r\nabc\r\n")
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        assert await anext(upstream.chunks()) == b"abc"
        task = asyncio.get_running_loop().create_task(upstream.read())
        await asyncio.sleep(0)
        await transport.close()
        with failing(Kind.TRUNCATED):
            await task
        with pytest.raises(Failure) as caught:
            await post(transport, server)
        assert caught.value.kind is Kind.UNAVAILABLE

    assert bench.run(script, client).accepted == 1


# TLS


def _certificate(folder: Path, *options: str) -> ssl.SSLContext:
    key, certificate = str(folder / "key.pem"), str(folder / "cert.pem")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-keyout", key, "-out", certificate, "-subj", "/CN=test", *options]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl command here to make a certificate with: TLS is not tested")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_tls_to_a_trusted_server(bench: Bench, tmp_path: Path) -> None:
    """Requests go through, connections are kept, and leaving closes at once."""
    theirs = _certificate(tmp_path, "-addext", "subjectAltName=IP:127.0.0.1")
    ours = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))

    async def script(wire: Wire) -> None:
        await wire.answer()
        await wire.answer(CHUNKED + b"3\r\nabc\r\n")
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        assert await ask(transport, server) == b"ok"
        upstream = await post(transport, server)
        assert await anext(upstream.chunks()) == b"abc"
        await upstream.close()
        await server.left.wait()

    assert bench.run(script, client, tls=(theirs, ours)).accepted == 1


@pytest.mark.parametrize("fault", ["self-signed", "wrong host", "expired"])
def test_tls_to_an_untrusted_server(bench: Bench, tmp_path: Path, fault: str) -> None:
    """Nothing is sent to a server that cannot prove who it is."""
    host = "DNS:other.example" if fault == "wrong host" else "IP:127.0.0.1"
    days = "-1" if fault == "expired" else "1"
    theirs = _certificate(tmp_path, "-addext", f"subjectAltName={host}", "-days", days)
    ours = None if fault == "self-signed" else ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))

    async def client(transport: Transport, server: Server) -> None:
        with failing(Kind.UPSTREAM, code="upstream_tls"):
            await post(transport, server)

    assert bench.run(repeat, client, tls=(theirs, ours)).requests == []


def test_tls_to_a_server_without_it(bench: Bench) -> None:
    """An https address served in plain text is a TLS failure."""

    async def script(wire: Wire) -> None:
        await wire.reader.read(1)
        await wire.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        server.scheme = "https"
        with failing(Kind.UPSTREAM, code="upstream_tls"):
            await post(transport, server)

    bench.run(script, client)
