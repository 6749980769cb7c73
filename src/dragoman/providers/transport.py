"""The one door to upstreams: send a request, hand back the answer's head, let its body be read.

    upstream = await transport.send("POST", url, headers, body, deadlines=deadlines)
    async for chunk in upstream.chunks(): ...        or:  body = await upstream.read()
    await upstream.close()                           always; closes the socket at once if anything is unread

What holds for every transport, and what ``tests/providers/test_transport.py`` asks of each:

* One request goes out once. A redirect is an answer like any other, no cookie is kept, no proxy is taken from
  the environment. Only a request that met a pooled connection the other side had already given up, so
  that not one byte of an answer came, goes out a second time, on a new connection.
* A closed socket is the cancel signal. Whoever stops waiting (a cancelled task, a deadline, ``close()``
  before the end) closes it at once, without flushing and without a TLS farewell.
* Nothing is buffered without bound: an answer nobody reads pauses its socket, a head or a unary body over
  its limit is refused, and since nothing is ever decompressed, no bomb can go off.
* What came before a fault is delivered before the fault is raised.
* Foreign exceptions end here as Failures, whose messages name a host and never a path, query or header.

Behind the door is aiohttp. It is held to these rules from two places it does not document:
``ResponseHandler``, the protocol of one connection, and the connector's factory for it. See :class:`_Wire`.
"""

from __future__ import annotations

import asyncio
import errno
import io
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Annotated, Any, Protocol
from weakref import WeakSet

import aiohttp
import msgspec
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader
from yarl import URL

from dragoman import __version__
from dragoman.core.failure import Failure, Kind, Retry, Source, malformed, truncated
from dragoman.providers.addresses import is_public

BUFFER = 32 * 1024
"""Bytes of a body that may wait to be read before its socket is paused (at twice as many)."""

LARGE_BODY = 1024 * 1024
"""Request bytes above which aiohttp wants a file to read from instead of one write."""

FRAMING = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Request headers that belong to the connection: the transport writes its own, whatever the caller gave."""

Seconds = Annotated[float, msgspec.Meta(gt=0)]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile("[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")
_ADDRESS = re.compile(r"https?://[^/?#@\\]+(?:[/?][!-\"$-~]*)?", re.IGNORECASE)


class Deadlines(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How long one call may take, in seconds.

    Attributes:
        connect_s: Name look-up, connection and TLS handshake together.
        first_byte_s: From the call to the answer's whole head; connecting is part of it.
        idle_s: Between two reads of the body, while somebody wants to read.
        total_s: From the call to the body's end.
    """

    connect_s: Seconds = 5.0
    first_byte_s: Seconds = 60.0
    idle_s: Seconds = 60.0
    total_s: Seconds = 600.0


STALE = "upstream_stale"
"""Code of a failure whose request met a connection the provider had given up: as good as never sent."""


class Limits(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one transport may hold.

    Attributes:
        max_body: Bytes :meth:`Upstream.read` takes; a body read in chunks has no such limit.
        max_headers: Bytes an answer's head may have.
        connections_per_host: Connections to one host and port at a time, 0 for no limit. A request over
            it waits for one as part of ``connect_s``.
        keepalive_s: Seconds an idle connection is kept.
    """

    max_body: int = 32 * 1024 * 1024
    max_headers: int = 64 * 1024
    connections_per_host: int = 0
    keepalive_s: Seconds = 30.0


class Upstream(Protocol):
    """An answer whose head is in."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names; a name given twice has its values joined by a comma."""

    async def read(self) -> bytes:
        """Return the whole body; raise Failure if it is over the limit, late, or cut short."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the body as it comes; an answer nobody reads pauses its socket."""

    def waiting(self) -> bytes:
        """Return what has come and nobody read, also once it is closed; never waits, never raises."""

    async def close(self) -> None:
        """Let go: back to the pool if the body is complete, closed at once if not. Idempotent."""


class Transport(Protocol):
    """The way out."""

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, deadlines: Deadlines
    ) -> Upstream:
        """Send one request; return once the answer's status and headers are in, whatever the status.

        Headers that belong to the connection (:data:`FRAMING`) are written by the transport, the
        caller's are left out.

        Raises:
            Failure: Never reached (code ``upstream_unreachable``, ``upstream_tls``), not answered
                (``upstream_disconnected``), not in time, or with a head that cannot be used.
        """

    async def close(self) -> None:
        """Close every connection; answers still being read fail."""

    @property
    def open_connections(self) -> int:
        """Sockets open now: connecting, busy and idle."""


class AiohttpTransport:
    """The way out, over aiohttp. Make it inside the running loop that uses it."""

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        public_only: bool = False,
    ) -> None:
        """Prepare; nothing is opened before the first request.

        Args:
            limits: What it may hold.
            tls: Whom to trust; None: the certificate authorities of this system.
            public_only: Connect to addresses of the public internet only, for URLs that clients name.
        """
        self._limits = limits or Limits()
        self._public_only = public_only
        self._tls = tls
        self._closed = False
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._answers: WeakSet[AiohttpUpstream] = WeakSet()
        self._pooled: aiohttp.ClientSession | None = None
        self._single: aiohttp.ClientSession | None = None
        self._given_up: dict[str, int] = {}

    @property
    def open_connections(self) -> int:
        """Sockets open now: connecting, busy and idle."""
        return sum(sock.fileno() >= 0 for sock in self._sockets)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, deadlines: Deadlines
    ) -> Upstream:
        """Send one request; return once the answer's status and headers are in, whatever the status."""
        began = asyncio.get_running_loop().time()
        request = _Request(_method(method), _address(url), _cleared(headers), body)
        due_s = min(deadlines.first_byte_s, deadlines.total_s)
        try:
            async with asyncio.timeout(due_s):
                response = await self._answered(request, deadlines)
        except TimeoutError:
            raise _late(f"the provider did not answer within {due_s:g} s", "first_byte_timeout") from None
        try:
            return self._checked(response, deadlines, began)
        except BaseException:
            response.close()
            raise

    async def close(self) -> None:
        """Close every connection; answers still being read fail."""
        self._closed = True
        for answer in list(self._answers):
            answer.abort()
        for session in (self._pooled, self._single):
            if session is not None:
                await session.close()

    async def _answered(self, request: _Request, deadlines: Deadlines) -> aiohttp.ClientResponse:
        """Return aiohttp's response.

        A kept connection may have been given up by the other side just when it was used again. Nothing is
        sent twice behind the ledger's back for that: it is a failure like any, and who sends the next
        request there, this one once more as a rule, gets a connection of its own.
        """
        place = str(request.url.origin())
        fresh = self._given_up.pop(place, 0)
        if fresh > 1:
            self._given_up[place] = fresh - 1
        try:
            return await request.send(self._fresh() if fresh else self._pool(), deadlines.connect_s)
        except _Lost as lost:
            if lost.stale:
                self._given_up[place] = self._given_up.get(place, 0) + 1
                raise _stale(place) from lost
            raise _unanswered(lost, request.url, deadlines.connect_s) from lost
        except (aiohttp.ClientError, OSError) as error:
            raise _unanswered(error, request.url, deadlines.connect_s) from error

    def _checked(
        self, response: aiohttp.ClientResponse, deadlines: Deadlines, began: float
    ) -> AiohttpUpstream:
        """Return the answer, if its head can be used."""
        if response.status < 200:
            raise malformed("the provider wants to switch protocols")
        if sum(len(name) + len(value) + 4 for name, value in response.raw_headers) > self._limits.max_headers:
            raise malformed(f"the provider's headers are over {self._limits.max_headers} bytes")
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise malformed("the provider compressed an answer it was asked to send as it is")
        upstream = AiohttpUpstream(response, self._limits.max_body, deadlines, began)
        self._answers.add(upstream)
        return upstream

    def _pool(self) -> aiohttp.ClientSession:
        """Return the session that keeps its connections."""
        if self._pooled is None:
            self._pooled = self._session(keepalive_timeout=self._limits.keepalive_s)
        return self._usable(self._pooled)

    def _fresh(self) -> aiohttp.ClientSession:
        """Return the session that makes a connection for each request and keeps none."""
        if self._single is None:
            self._single = self._session(force_close=True)
        return self._usable(self._single)

    def _usable(self, session: aiohttp.ClientSession) -> aiohttp.ClientSession:
        if self._closed:
            raise Failure(Kind.UNAVAILABLE, "the gateway is shutting down")
        return session

    def _session(self, **pooling: Any) -> aiohttp.ClientSession:
        limits = self._limits
        return aiohttp.ClientSession(
            connector=_Connector(
                max_head=limits.max_headers,
                limit=0,
                limit_per_host=limits.connections_per_host,
                resolver=aiohttp.ThreadedResolver(),
                ssl=True if self._tls is None else self._tls,
                socket_factory=self._socket,
                **pooling,
            ),
            headers={"user-agent": f"dragoman/{__version__}", "accept-encoding": "identity"},
            skip_auto_headers=("content-type",),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=BUFFER,
            # One limit for the whole head: aiohttp's own, of a line and of the number of lines, are as wide.
            max_line_size=limits.max_headers,
            max_field_size=limits.max_headers,
            max_headers=limits.max_headers,
        )

    def _socket(self, found: tuple[Any, ...]) -> socket.socket:
        """Make the socket for one address, and remember it for as long as it lives."""
        family, kind, protocol, _, address = found
        if self._public_only and not is_public(str(address[0])):
            raise OSError(errno.EACCES, "no address of the public internet")
        sock = socket.socket(family, kind, protocol)
        self._sockets.add(sock)
        return sock


class AiohttpUpstream:
    """An answer, over aiohttp."""

    __slots__ = (
        "__weakref__",
        "_began",
        "_deadlines",
        "_failure",
        "_max_body",
        "_response",
        "headers",
        "status",
    )

    def __init__(
        self, response: aiohttp.ClientResponse, max_body: int, deadlines: Deadlines, began: float
    ) -> None:
        self._response = response
        self._max_body = max_body
        self._deadlines = deadlines
        self._began = began
        self._failure: Failure | None = None
        self.status = response.status
        self.headers: Mapping[str, str] = _merged(response)

    async def read(self) -> bytes:
        """Return the whole body; raise Failure if it is over the limit, late, or cut short."""
        parts: list[bytes] = []
        size = 0
        async for chunk in self:
            size += len(chunk)
            if size > self._max_body:
                self.abort()
                raise malformed(f"the provider's answer is over {self._max_body} bytes")
            parts.append(chunk)
        return b"".join(parts)

    def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the body as it comes; an answer nobody reads pauses its socket."""
        return self

    def waiting(self) -> bytes:
        """Return what has come and nobody read, also once it is closed."""
        waiting: bytes = self._response.content._read_nowait(-1)  # noqa: SLF001 - as below
        return waiting

    async def close(self) -> None:
        """Let go: back to the pool if the body is complete, closed at once if not. Idempotent."""
        self.abort()

    def abort(self) -> None:
        """Close the socket, unless the answer is complete: then it is the pool's already."""
        self._response.close()

    def __aiter__(self) -> AiohttpUpstream:
        return self

    async def __anext__(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        content = self._response.content
        now = asyncio.get_running_loop().time()
        idle_at, total_at = now + self._deadlines.idle_s, self._began + self._deadlines.total_s
        try:
            async with asyncio.timeout_at(min(idle_at, total_at)):
                chunk = await content.readany()
        except TimeoutError:
            self._failure = self._overdue(idle=idle_at < total_at)
            self.abort()
            raise self._failure from None
        except (aiohttp.ClientError, OSError) as error:
            self._failure = truncated("the provider's answer broke off before its end")
            self._failure.__cause__ = error
            self.abort()
            # aiohttp raises the fault even where bytes that came before it were not read yet.
            chunk = content._read_nowait(-1)  # noqa: SLF001 - its public twin raises as well
            if not chunk:
                raise self._failure from error
        except BaseException:
            self.abort()
            raise
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def _overdue(self, *, idle: bool) -> Failure:
        if idle:
            return _late(f"the provider sent nothing for {self._deadlines.idle_s:g} s", "idle_timeout")
        return _late(f"the provider's answer took over {self._deadlines.total_s:g} s", "total_timeout")


class _Request(msgspec.Struct, frozen=True):
    """A request that can go out more than once."""

    method: str
    url: URL
    headers: dict[str, str]
    body: bytes

    async def send(self, session: aiohttp.ClientSession, connect_s: float) -> aiohttp.ClientResponse:
        """Send it, and return aiohttp's response once its head is in."""
        return await session.request(
            self.method,
            self.url,
            headers=self.headers,
            data=io.BytesIO(self.body) if len(self.body) > LARGE_BODY else self.body or None,
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_s),
            allow_redirects=False,
        )


class _Connector(aiohttp.TCPConnector):
    """aiohttp's pool, of :class:`_Wire` connections."""

    def __init__(self, *, max_head: int, **options: Any) -> None:
        super().__init__(**options)
        make: Callable[[], ResponseHandler] = partial(_Wire, self._loop, max_head=max_head)
        setattr(self, "_factory", make)  # noqa: B010 - declared as a partial of ResponseHandler itself


class _Wire(ResponseHandler):
    """One connection, over its whole life.

    Adds to aiohttp's: whether a lost connection was lost before any byte of an answer (then and only
    then the request may go out again); a limit on the whole head; no second answer to one request and
    no answer to none (it would be taken for the next request's); a reset is never the end of a body that
    ends with its connection; a body whose framing breaks fails at once, not at a deadline; and closing
    never waits for unsent bytes or for a TLS farewell.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, max_head: int) -> None:
        super().__init__(loop)
        self._max_head = max_head
        self._requests = 0
        self._seen = 0
        self._answer: StreamReader | None = None

    def set_response_params(self, **params: Any) -> None:
        """Begin one more request on this connection."""
        self._requests += 1
        self._seen = 0
        self._answer = None
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the answer that is due; without one the other side has lost its place."""
        if data and self._answer is not None and self._answer.is_eof():
            self.abort()
            return
        self._seen += len(data)
        super().data_received(data)
        if self._answer is None and self._seen > self._max_head:
            self.abort()
            self.set_exception(HttpProcessingError(message="the head is too large"))
        elif self._answer is not None and self.exception() is not None:
            self._break("broken framing")

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Take a head: informational ones pass, the first other one is the answer."""
        message, payload = data
        if self._answer is not None:
            self.abort()
            return
        if message.code >= 200:
            self._answer = payload
        super().feed_data(data, size)

    async def read(self) -> tuple[RawResponseMessage, StreamReader]:
        """Wait for a head."""
        try:
            return await super().read()
        except (OSError, aiohttp.ClientConnectionError, aiohttp.EofStream) as error:
            raise _Lost(stale=self._requests > 1 and not self._seen) from error

    def connection_lost(self, exc: BaseException | None) -> None:
        """Pass the loss on; a body that ends with its connection did not end if that was reset."""
        if exc is not None:
            self._break("connection reset")
        super().connection_lost(exc)

    def close(self) -> None:
        """Close at once."""
        self.abort()

    def _break(self, why: str) -> None:
        """Tell the reader of a body under way that its end will not come."""
        if self._answer is not None and not self._answer.is_eof():
            self._answer.set_exception(aiohttp.ClientPayloadError(why))


class _Lost(aiohttp.ClientConnectionError):
    """A connection that ended before an answer began; not of the classes aiohttp itself tries again."""

    def __init__(self, *, stale: bool) -> None:
        super().__init__("connection lost")
        self.stale = stale


def _address(url: str) -> URL:
    """Return `url` as it is, byte for byte, if it can be one."""
    try:
        if _ADDRESS.fullmatch(url):
            address = URL(url, encoded=True)
            if address.host and address.port:  # parsed only now
                return address
    except ValueError:
        pass
    raise _unreachable("the provider's address is not a URL that can be called")


def _method(method: str) -> str:
    if not _NAME.fullmatch(method):
        raise _unsendable("the request method cannot be sent as it is")
    return method


def _cleared(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers to send; refuse one that would write something else than itself."""
    cleared: dict[str, str] = {}
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            shown = name if _NAME.fullmatch(name) else "with a malformed name"
            raise _unsendable(f"a request header cannot be sent as it is: {shown}")
        if name.lower() not in FRAMING:
            cleared[name] = value
    return cleared


def _merged(response: aiohttp.ClientResponse) -> dict[str, str]:
    merged: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        merged[key] = f"{merged[key]}, {value}" if key in merged else value
    return merged


def _unanswered(error: aiohttp.ClientError | OSError, url: URL, connect_s: float) -> Failure:
    """Return what it means that no answer came."""
    place = f"{url.host}:{url.port}"
    match error:
        case aiohttp.ConnectionTimeoutError():
            return _unreachable(f"{place} did not accept a connection within {connect_s:g} s")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            return _untrusted(error, place)
        case aiohttp.ClientConnectorDNSError():
            return _unreachable(f"{place} cannot be reached: the name does not resolve")
        case aiohttp.ClientConnectorError() if url.scheme == "https" and _broke_off(error.os_error):
            return _untrusted(error, place)
        case aiohttp.ClientConnectorError():
            return _unreachable(f"{place} cannot be reached: {_reason(error.os_error)}")
        case aiohttp.InvalidURL():
            return _unreachable("the provider's address is not a URL that can be called")
        case aiohttp.ClientResponseError():
            return malformed(f"{place} answered something that is not HTTP, or a head over the limit")
        case _:
            return Failure(
                Kind.UPSTREAM,
                f"{place} closed the connection without an answer",
                source=Source.UPSTREAM,
                retry=Retry.AGAIN,
                code="upstream_disconnected",
            )


def _stale(place: str) -> Failure:
    return Failure(
        Kind.UPSTREAM,
        f"{place} gave up the connection that was kept to it",
        source=Source.UPSTREAM,
        retry=Retry.AGAIN,
        code=STALE,
    )


def _untrusted(error: Exception, place: str) -> Failure:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            error = error.certificate_error
        case aiohttp.ClientConnectorError():
            error = error.os_error
    reason = getattr(error, "verify_message", None) or getattr(error, "reason", None) or "handshake failed"
    return Failure(
        Kind.UPSTREAM,
        f"no trusted connection to {place}: {str(reason).replace('_', ' ').lower()}",
        source=Source.UPSTREAM,
        retry=Retry.NEXT,
        code="upstream_tls",
    )


def _broke_off(error: OSError) -> bool:
    """Whether a connection was there and ended: with TLS, while shaking hands."""
    return isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError)


def _unreachable(message: str) -> Failure:
    return Failure(
        Kind.UPSTREAM, message, source=Source.UPSTREAM, retry=Retry.NEXT, code="upstream_unreachable"
    )


def _unsendable(message: str) -> Failure:
    return Failure(Kind.INVALID, message, retry=Retry.NEXT, code="invalid_header")


def _late(message: str, code: str) -> Failure:
    return Failure(Kind.TIMEOUT, message, source=Source.UPSTREAM, retry=Retry.NEXT, code=code)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else "no connection"
