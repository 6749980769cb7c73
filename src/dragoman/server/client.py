"""A dialect's endpoint: bytes -> exchange -> bytes.

Here the body is read within its limits, and the exchange races against the client: while it runs, the
socket is watched, and a client that leaves cancels the exchange's task, which closes the upstream. The
race is decided by whoever is first; once the last byte is out, leaving means nothing.
"""

from __future__ import annotations

from asyncio import (
    AbstractEventLoop,
    CancelledError,
    Task,
    TimerHandle,
    current_task,
    get_running_loop,
    sleep,
    timeout,
    wait,
)
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from dragoman.core.failure import Failure, Kind, Source, invalid
from dragoman.dialects import Call, Dialect, Endpoint, Reply, Surface
from dragoman.dialects import Task as Work
from dragoman.dialects.fields import encode, parse
from dragoman.exchange import Services
from dragoman.exchange.background import serve
from dragoman.exchange.refusal import refuse

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

STREAM_HEADERS = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
"""Sent with every stream, so that proxies in between pass it on as it comes."""


TURNS = 4
"""Turns of the event loop between a client's leaving and the end of its exchange: what a provider has sent by
then has been used, and is taken in to be booked."""

UNREAD = (Kind.TOO_LARGE, Kind.TIMEOUT, Kind.UNAUTHENTICATED, Kind.FORBIDDEN)
"""Refusals that leave some of the body unread, so that nothing can follow it on the connection."""

SMALL, SMALL_S = 64 * 1024, 1.0
"""Bytes of a body that is taken in although nobody reads it, and seconds that may take."""


class Edge:
    """Serves data-path endpoints for one gateway."""

    def __init__(
        self, services: Callable[[], Services], *, max_body: int, body_timeout_s: float, keepalive_s: float
    ) -> None:
        self._services = services
        self._max_body = max_body
        self._body_timeout_s = body_timeout_s
        self._keepalive_s = keepalive_s

    async def serve(
        self, door: Dialect | Surface, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one request at `endpoint`. Returns silently if the client left."""
        headers, out = headers_of(scope), self.out(send)
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        call = Call(scope["method"], scope["path"], query, headers)
        try:
            body = await self.body(call, receive)
            if body is None:
                return
            call = msgspec.structs.replace(call, body=parse(body))
        except Failure as failure:
            await self.refuse(door, endpoint.task, call, failure, out)
            return
        await race(serve(self.services, door, endpoint.task, call, out), receive, out)

    @property
    def services(self) -> Services:
        """What exchanges work with, now."""
        return self._services()

    def out(self, send: Send) -> AsgiOut:
        """Return where an answer goes."""
        return AsgiOut(send, self._keepalive_s)

    async def refuse(
        self, door: Dialect | Surface, task: Work, call: Call, failure: Failure, out: AsgiOut
    ) -> None:
        """Refuse a request whose body is wrong, or did not come."""
        out.closes = failure.kind in UNREAD
        await refuse(self.services, door, task, call, failure=failure, out=out)

    async def body(self, call: Call, receive: Receive) -> bytes | None:
        """Return the body that follows the head `call`, or None if the client left while sending it."""
        headers = call.headers
        try:
            # Asked again as the exchange's first step; here so that a stranger's body is not even read.
            await self.services.admit(call)
        except Failure:
            await taken_in(headers, receive)
            raise
        if headers.get("content-encoding", "identity") != "identity":
            raise invalid("compressed request bodies are not accepted; send it as it is", "content-encoding")
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._max_body:
            raise self._too_large()
        pieces: list[bytes] = []
        size = 0
        try:
            async with timeout(self._body_timeout_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    piece = message.get("body", b"")
                    size += len(piece)
                    if size > self._max_body:
                        raise self._too_large()
                    pieces.append(piece)
                    if not message.get("more_body", False):
                        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        except TimeoutError:
            raise Failure(
                Kind.TIMEOUT,
                f"the request body was not sent within {self._body_timeout_s:g} s",
                source=Source.CLIENT,
            ) from None

    def _too_large(self) -> Failure:
        return Failure(
            Kind.TOO_LARGE,
            f"the request body is larger than {self._max_body} bytes",
            source=Source.CLIENT,
            code="request_too_large",
        )


async def taken_in(headers: Mapping[str, str], receive: Receive) -> None:
    """Take in a small body that nobody will read, before its sender is refused.

    A connection that is closed while bytes are on their way to it is reset, and what was answered is lost.
    """
    declared = headers.get("content-length", "")
    if not (declared.isdecimal() and len(declared) < 9 and 0 < int(declared) <= SMALL):
        return
    with suppress(TimeoutError):
        async with timeout(SMALL_S):
            message = await receive()
            while message["type"] == "http.request" and message.get("more_body", False):
                message = await receive()


async def race(work: Coroutine[Any, Any, None], receive: Receive, out: AsgiOut) -> None:
    """Do `work`, unless the client leaves first: then it is cancelled, and this returns silently."""
    task = current_task()
    assert task is not None
    watch = Watch(receive, task, out)
    watcher = get_running_loop().create_task(watch.run())
    try:
        await work
    except CancelledError:
        if not watch.gone:
            raise
        task.uncancel()
    finally:
        out.done()
        watcher.cancel()


class Watch:
    """Watches the socket for a client that leaves, and cancels the exchange if it does."""

    __slots__ = ("_out", "_receive", "_task", "gone")

    def __init__(self, receive: Receive, task: Task[Any], out: AsgiOut) -> None:
        self._receive = receive
        self._task = task
        self._out = out
        self.gone = False

    async def run(self) -> None:
        """Wait for the end of the connection; it also ends with the answer itself."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        for _ in range(TURNS):
            await sleep(0)
        if not self._out.over:
            self.gone = True
            self._task.cancel()


class AsgiOut:
    """Writes an answer to an ASGI server.

    While a stream is idle for longer than `keepalive_s` the dialect's own keep-alive is sent, so that
    no proxy and no SDK takes thinking for death. One timer serves a whole stream: it looks how long
    ago something was sent, and sleeps for the rest. A client that is slow to read is sent none: there
    is enough on its way to it.
    """

    __slots__ = (
        "_idle",
        "_keepalive_s",
        "_loop",
        "_ping",
        "_send",
        "_sent_at",
        "_timer",
        "_writing",
        "begun",
        "closes",
        "over",
    )

    def __init__(self, send: Send, keepalive_s: float) -> None:
        self._send = send
        self._keepalive_s = keepalive_s
        self._loop: AbstractEventLoop = get_running_loop()
        self._idle: Callable[[], bytes] | None = None
        self._ping: Task[None] | None = None
        self._timer: TimerHandle | None = None
        self._sent_at = 0.0
        self._writing = False
        self.begun = False
        self.over = False
        self.closes = False
        """Nothing can follow on the connection."""

    async def reply(self, reply: Reply, headers: Mapping[str, str]) -> None:
        """Send a whole answer."""
        body = encode(reply.body)
        if self.begun:  # early: its status and headers have left
            await self.send(body, last=True)
            return
        self.done()
        lines = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        lines += _lines({**reply.headers, **headers})
        if self.closes:
            lines.append((b"connection", b"close"))
        self.begun = True
        await self._send({"type": "http.response.start", "status": reply.status, "headers": lines})
        self.over = True
        await self._send({"type": "http.response.body", "body": body})

    def expect(self, content_type: str, headers: Mapping[str, str], idle: Callable[[], bytes]) -> None:
        """Begin a stream with what `idle` returns, should nothing have been sent for a while."""

        async def begin() -> None:
            if not self.begun:
                await self.start(content_type, headers, idle)
                await self._write(idle())

        def look() -> None:
            self._ping = self._loop.create_task(begin())

        self._timer = self._loop.call_later(self._keepalive_s, look)

    async def start(self, content_type: str, headers: Mapping[str, str], idle: Callable[[], bytes]) -> None:
        """Begin a stream: status 200 and headers, at once."""
        if self.begun:
            return
        self.done()
        lines = [(b"content-type", content_type.encode()), *STREAM_HEADERS, *_lines(headers)]
        self.begun = True
        await self._send({"type": "http.response.start", "status": 200, "headers": lines})
        self._idle = idle
        self._sent_at = self._loop.time()
        self._timer = self._loop.call_later(self._keepalive_s, self._look)

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Begin an answer that is not ours to shape; nothing but what is sent goes into it."""
        self.begun = True
        await self._send({"type": "http.response.start", "status": status, "headers": _lines(headers)})

    async def send(self, data: bytes, *, last: bool = False) -> None:
        """Send stream bytes; waits while the client reads slower than we write."""
        if last:
            self.over = True
            self.done()
        if self._ping is not None and not self._ping.done():
            await wait((self._ping,))  # it waits for a slow client, and must not be overtaken
        await self._write(data, last=last)

    def done(self) -> None:
        """Stop the keep-alive timer."""
        self._idle = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        if self._idle is None:
            return
        rest = self._sent_at + self._keepalive_s - self._loop.time()
        if rest <= 0:
            if not self._writing:
                self._ping = self._loop.create_task(self._keepalive(self._idle()))
            rest = self._keepalive_s
        self._timer = self._loop.call_later(rest, self._look)

    async def _keepalive(self, data: bytes) -> None:
        if not self.over:
            await self._write(data)

    async def _write(self, data: bytes, *, last: bool = False) -> None:
        self._sent_at = self._loop.time()
        self._writing = True
        try:
            await self._send({"type": "http.response.body", "body": data, "more_body": not last})
        finally:
            self._writing = False


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers by lower-case name; of a repeated one, all values joined by a comma."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _lines(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
