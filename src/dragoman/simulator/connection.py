"""One socket: HTTP/1.1 requests in, performances out.

An :class:`asyncio.Protocol` over httptools, because it has to do what servers prevent: reset a
connection, stop in the middle of a frame, promise bytes that never come. No task is made for a request:
a step that is due later is a timer, a full socket is a callback.

Requests may be pipelined; they are answered one after the other. The socket is always being read, so
a client that leaves is noticed at once, also while nothing is being sent. An end of file counts as
leaving: whoever asks a model and shuts the line does not want the rest.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Iterator
from typing import Protocol, cast

import httptools
import msgspec

from dragoman.simulator.journal import Entry, Journal
from dragoman.simulator.performance import WHOLE, Act, Performance, Step

MAX_BODY = 64 * 1024 * 1024
"""Bytes a request may have."""

MAX_PIPELINED = 64
"""Requests that may wait on one connection before it is not read any more."""

_LINGER_0 = struct.pack("ii", 1, 0)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BAD = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Received(msgspec.Struct, gc=False):
    """One request, as bytes. ``headers`` are as they came, in order."""

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    keep_alive: bool


class Stage(Protocol):
    """Who answers."""

    journal: Journal

    def answer(self, received: Received, at_s: float) -> tuple[Performance, Entry]:
        """Return the performance for a request that is entered in the journal."""

    def control(self, received: Received) -> bytes:
        """Return the response to a request for the simulator itself (``/_...``)."""

    def opened(self, connection: Connection) -> None:
        """Take note of a connection."""

    def closed(self, connection: Connection) -> None:
        """Take note that a connection is no more."""


class Connection(asyncio.Protocol):
    """Serves one client."""

    def __init__(self, stage: Stage, loop: asyncio.AbstractEventLoop) -> None:
        self._stage = stage
        self._journal = stage.journal
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._waiting: deque[Received] = deque()
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = 0
        # The answer being given: its entry is None while there is none.
        self._entry: Entry | None = None
        self._performance: Performance
        self._steps: Iterator[Step] = iter(())
        self._held: Step | None = None
        self._due_at = 0.0
        self._keep_alive = True
        self._timer: asyncio.Handle | None = None
        self._pending: Act = ""
        self._full = False

    # -- the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._stage.opened(self)

    def data_received(self, data: bytes) -> None:
        """Read requests."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._parser = httptools.HttpRequestParser(self)  # an offer we do not take up
        except httptools.HttpParserError:
            self._transport.write(_BAD)
            self._transport.close()

    def eof_received(self) -> None:
        """Take the end of what the client says for its leaving."""
        self._left()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """End."""
        self._left()
        self._stage.closed(self)

    def pause_writing(self) -> None:
        """Stop sending: the client reads too slowly."""
        self._full = True

    def resume_writing(self) -> None:
        """Go on sending."""
        self._full = False
        if self._entry is None:
            self._begin_next()
        elif self._pending == "reset":
            self._act("reset")
        elif not self._pending and self._timer is None:
            self._play()

    def abort(self) -> None:
        """Close at once, because the simulator closes."""
        self._end_entry(stopped=True)
        self._transport.abort()

    def _left(self) -> None:
        self._waiting.clear()
        self._end_entry(stopped=False)

    def _end_entry(self, *, stopped: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        entry, self._entry = self._entry, None
        if entry is not None:
            if not stopped:
                entry.cancelled_at_frame = entry.frames
            self._journal.end(entry, self._loop.time(), "stopped" if stopped else "cancelled")

    # -- the parser

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._target = b""
        self._headers = []
        self._body = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers.append((name, value))
        if name.lower() == b"expect":
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._size += len(body)
        if self._size > MAX_BODY:
            self._transport.write(_TOO_LARGE)
            self._transport.close()
        elif not self._transport.is_closing():
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Answer the request, now or in its turn."""
        body = self._body
        received = Received(
            self._parser.get_method().decode("ascii"),
            self._target,
            self._headers,
            body[0] if len(body) == 1 else b"".join(body),
            self._parser.should_keep_alive(),
        )
        if self._entry is None and not self._full and not self._waiting:
            self._begin(received)
            return
        self._waiting.append(received)
        if len(self._waiting) == MAX_PIPELINED:
            self._transport.pause_reading()

    # -- the answer

    def _begin(self, received: Received) -> None:
        if self._transport.is_closing():
            return
        self._keep_alive = received.keep_alive
        if received.target.startswith(b"/_"):
            self._transport.write(self._stage.control(received))
            self._next()
            return
        now = self._loop.time()
        self._performance, self._entry = performance, entry = self._stage.answer(received, now)
        entry.status = performance.status
        if performance.whole is not None and not performance.wait_s:
            self._tell_whole()
            return
        self._held = None
        self._due_at = now + performance.wait_s
        if performance.whole is not None:
            self._timer = self._loop.call_at(self._due_at, self._tell_whole)
            return
        self._steps = performance.steps()
        if performance.wait_s:
            self._timer = self._loop.call_at(self._due_at, self._play)
        else:
            self._play()

    def _tell_whole(self) -> None:
        """Send an answer that goes out at once."""
        performance, entry = self._performance, self._entry
        assert performance.whole is not None
        assert entry is not None
        self._timer = None
        self._transport.write(performance.whole)
        entry.first_at_s = self._journal.since(self._loop.time())
        entry.frames = performance.frames
        entry.tokens = performance.tokens
        entry.usage = performance.usage
        self._complete()

    def _play(self) -> None:
        """Send every step that is due, as far as the client reads; then come back when there is more."""
        self._timer = None
        if self._full:
            return
        entry = self._entry
        assert entry is not None
        now = self._loop.time()
        out: list[bytes] = []
        size = frames = 0
        at_once = self._performance.frames_per_write
        while True:
            held, self._held = self._held, None
            step = held or next(self._steps, None)
            if step is None:
                self._write(out, entry)
                self._complete()
                return
            if held is None and step.wait_s:
                self._due_at += step.wait_s
                if self._due_at > now:
                    self._held = step
                    self._write(out, entry)
                    self._timer = self._loop.call_at(self._due_at, self._play)
                    return
            out.append(step.data)
            size += len(step.data)
            frames += step.frames
            entry.frames += step.frames
            entry.tokens += step.tokens
            if step.told:
                entry.usage = self._performance.usage
            if step.act:
                self._write(out, entry)
                if step.act != "cut":
                    self._act(step.act)
                    return
                entry.outcome = "cut"
                out = []
            if size >= WHOLE or (at_once and frames >= at_once):
                self._write(out, entry)
                if not self._full:
                    self._timer = self._loop.call_soon(self._play)
                return

    def _write(self, out: list[bytes], entry: Entry) -> None:
        data = out[0] if len(out) == 1 else b"".join(out)
        if not data:
            return
        self._transport.write(data)
        if entry.first_at_s is None:
            entry.first_at_s = self._journal.since(self._loop.time())

    def _act(self, act: Act) -> None:
        """Do what a fault says, once everything before it is with the kernel."""
        entry = self._entry
        assert entry is not None
        self._pending = act
        if act == "hang":
            self._journal.hang(entry)
            return
        if act == "reset" and self._transport.get_write_buffer_size():
            self._transport.set_write_buffer_limits(0)  # resume_writing comes back here
            return
        entry.outcome = "reset" if act == "reset" else "cut"
        self._entry = None
        self._journal.end(entry, self._loop.time(), entry.outcome)
        if act == "reset":
            line: socket.socket = self._transport.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
            self._transport.abort()
        else:
            self._transport.close()

    def _complete(self) -> None:
        entry, self._entry = self._entry, None
        assert entry is not None
        self._journal.end(entry, self._loop.time(), self._performance.outcome)
        self._next()

    def _next(self) -> None:
        """Close if the client wants that, else answer the next request that waits."""
        if not self._keep_alive:
            self._transport.close()
        elif self._waiting and not self._full:
            self._loop.call_soon(self._begin_next)

    def _begin_next(self) -> None:
        if self._waiting and self._entry is None:
            if len(self._waiting) == MAX_PIPELINED:
                self._transport.resume_reading()
            self._begin(self._waiting.popleft())
