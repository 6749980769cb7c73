"""Limits on the socket itself: a request's head must be whole within a deadline, and of sane size.

uvicorn keeps a half-sent head open for ever and has no option for it, so its protocol is extended at
the two places where a head begins and ends. The timer of a connection is armed when it opens and when
the first byte of a further request comes, and disarmed when the head is complete; between requests
uvicorn's own keep-alive timeout rules.
"""

from __future__ import annotations

from asyncio import Transport
from asyncio.events import TimerHandle

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024
"""Bytes a request line and its headers may have together."""

_LATE = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b'content-length: 66\r\n\r\n{"error":{"message":"the request head was not sent in time"}}     '
)
_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b'content-length: 66\r\n\r\n{"error":{"message":"the request head is larger than 64 KiB"}}    '
)


def guarded(header_timeout_s: float) -> type[HttpToolsProtocol]:
    """Return uvicorn's protocol class with a deadline of so many seconds for a request's head."""

    class GuardedProtocol(HttpToolsProtocol):
        """One connection; closed when a head is late or too large."""

        _timer: TimerHandle | None = None
        _head = 0
        _in_head = True

        def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._timer = self.loop.call_later(header_timeout_s, self._refuse, _LATE)

        def data_received(self, data: bytes) -> None:
            if self._in_head:
                if self._timer is None:
                    self._timer = self.loop.call_later(header_timeout_s, self._refuse, _LATE)
                before = self._head
                self._head += len(data)
                # A head that ends inside this chunk resets the count in on_headers_complete.
                if before + min(len(data), MAX_HEAD + 1) > MAX_HEAD and b"\r\n\r\n" not in data:
                    self._refuse(_LARGE)
                    return
            super().data_received(data)

        def on_headers_complete(self) -> None:
            self._in_head = False
            self._head = 0
            self._disarm()
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._in_head = True
            super().on_message_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._disarm()
            super().connection_lost(exc)

        def _disarm(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _refuse(self, answer: bytes) -> None:
            self._disarm()
            if not self.transport.is_closing():
                self.transport.write(answer)
                self.transport.close()

    return GuardedProtocol
