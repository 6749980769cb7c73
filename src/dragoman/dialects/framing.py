"""Framing: bytes <-> frames. Server-sent events, newline-delimited JSON, one streamed JSON array.

SSE is read as the WHATWG text says (https://html.spec.whatwg.org/multipage/server-sent-events.html,
read 2026-11-21): a line ends in LF, CR or CRLF; one leading BOM is dropped; a line that starts with a
colon is a comment; one space after the colon of a field is dropped; ``data`` lines join with LF; a
blank line dispatches, and an event without data is not one. Two deliberate departures, both for
providers that end without the final blank line: :meth:`SseDecoder.close` dispatches what is complete,
and ``id``/``retry`` are ignored because nobody reconnects here.

Lines are split on the *bytes* CR and LF only. U+2028, U+2029 and U+0085 occur unescaped inside JSON
strings, and any Unicode-aware splitter would cut there.

A JSON array is a framing too (Gemini without ``alt=sse``): each element is a frame. Its brackets and
commas depend on what was written before, so the writer of such a stream has a :class:`JsonArray` of its own,
which wins over its dialect's framing (:func:`dragoman.dialects.framing_of`).

Any split of the same bytes gives the same frames: that is a law, tested at every offset.
"""

from __future__ import annotations

import re
from typing import Protocol

import msgspec

from dragoman.core.failure import malformed

MAX_FRAME = 8 * 1024 * 1024
"""Bytes one frame may have (inline images are large); more is a provider gone wrong."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One message of a stream: its payload, and its SSE event name ("" where there is none)."""

    data: bytes
    event: str = ""


class Decoder(Protocol):
    """Cuts one byte stream into frames."""

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames `chunk` completes."""

    def close(self) -> list[Frame]:
        """Return what is left at end of stream."""


class Framing(Protocol):
    """One way to put frames on a byte stream."""

    content_type: str

    def decoder(self, *, max_frame: int = MAX_FRAME) -> Decoder:
        """Return a new decoder."""

    def encode(self, frame: Frame) -> bytes:
        """Return the bytes of one frame."""


class SseDecoder:
    """Cuts ``text/event-stream`` bytes into frames.

    Complete lines are taken from the buffer as they come; what stays is at most one line. A CR at the
    end of a chunk ends its line at once, and an LF that follows in the next chunk is swallowed.
    """

    __slots__ = ("_after_cr", "_bom", "_buffer", "_data", "_event", "_max", "_size")

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._buffer = b""
        self._data: list[bytes] = []
        self._event = b""
        self._size = 0
        self._max = max_frame
        self._bom = True
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames `chunk` completes."""
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk.startswith(b"\n"):
                chunk = chunk[1:]
        buffer = self._buffer + chunk if self._buffer else chunk
        if self._bom:
            if len(buffer) < 3 and b"\xef\xbb\xbf".startswith(buffer):
                self._buffer = buffer
                return []
            self._bom = False
            buffer = buffer.removeprefix(b"\xef\xbb\xbf")
        if b"\r" in buffer:
            self._after_cr = buffer.endswith(b"\r")
            buffer = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = buffer.split(b"\n")
        self._buffer = lines.pop()
        if self._size + len(self._buffer) > self._max:
            raise malformed(f"the provider sent a stream event of more than {self._max} bytes")
        frames: list[Frame] = []
        for line in lines:
            if line:
                self._line(line)
            elif self._data:
                frames.append(self._dispatch())
            else:
                self._event = b""
        return frames

    def close(self) -> list[Frame]:
        """Return the last frame, if the stream ended without its blank line."""
        if self._buffer and not self._bom:
            self._line(self._buffer)
        self._buffer = b""
        return [self._dispatch()] if self._data else []

    def _line(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            value = value.removeprefix(b" ")
            self._data.append(value)
            self._size += len(value)
            if self._size > self._max:
                raise malformed(f"the provider sent a stream event of more than {self._max} bytes")
        elif name == b"event":
            self._event = value.removeprefix(b" ")

    def _dispatch(self) -> Frame:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        frame = Frame(data, self._event.decode("utf-8", "replace"))
        self._data = []
        self._event = b""
        self._size = 0
        return frame


class NdjsonDecoder:
    """Cuts ``application/x-ndjson`` bytes into frames, one for each line that is not blank."""

    __slots__ = ("_buffer", "_max")

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._buffer = b""
        self._max = max_frame

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames `chunk` completes."""
        lines = (self._buffer + chunk).split(b"\n")
        self._buffer = lines.pop()
        if len(self._buffer) > self._max:
            raise malformed(f"the provider sent a line of more than {self._max} bytes")
        return [Frame(line) for line in map(bytes.strip, lines) if line]

    def close(self) -> list[Frame]:
        """Return the last frame, if the stream ended without its newline."""
        line, self._buffer = self._buffer.strip(), b""
        return [Frame(line)] if line else []


TOKEN = re.compile(rb'\\.|["{}]', re.DOTALL)
"""What decides where an object ends: an escape, a string's border, a brace."""


class JsonArrayDecoder:
    """Cuts a streamed JSON array into frames, one for each object in it.

    Only objects are looked for, so a bare object (an error instead of an array) is a frame as well.
    """

    __slots__ = ("_at", "_begin", "_buffer", "_depth", "_max", "_quoted")

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._buffer = b""
        self._at = 0  # up to where it was looked at
        self._begin = 0  # where the open object began
        self._depth = 0
        self._quoted = False
        self._max = max_frame

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames `chunk` completes."""
        buffer = self._buffer + chunk
        frames: list[Frame] = []
        for found in TOKEN.finditer(buffer, self._at):
            self._at, token = found.end(), found[0]
            if token == b'"':
                self._quoted = not self._quoted
            elif self._quoted:
                continue
            elif token == b"{":
                self._begin = self._begin if self._depth else found.start()
                self._depth += 1
            elif token == b"}" and self._depth:
                self._depth -= 1
                if not self._depth:
                    frames.append(Frame(buffer[self._begin : found.end()]))
        # A backslash at the very end is half an escape; it is looked at again with its other half.
        seen = len(buffer) - (buffer.endswith(b"\\") and self._at < len(buffer))
        begin = self._begin if self._depth else seen
        self._buffer, self._at, self._begin = buffer[begin:], seen - begin, 0
        if len(self._buffer) > self._max:
            raise malformed(f"the provider sent a stream element of more than {self._max} bytes")
        return frames

    def close(self) -> list[Frame]:
        """Return nothing: an object without its end is no frame."""
        return []


class JsonArray:
    """Puts frames into one JSON array; a framing of one stream. A frame without data ends the array."""

    content_type = "application/json; charset=utf-8"

    def __init__(self) -> None:
        self._begun = False

    def decoder(self, *, max_frame: int = MAX_FRAME) -> Decoder:
        """Return a new decoder."""
        return JsonArrayDecoder(max_frame)

    def encode(self, frame: Frame) -> bytes:
        """Return the next element behind its bracket or comma, or the end of the array."""
        lead = b",\r\n" if self._begun else b"["
        self._begun = True
        if frame.data:
            return lead + frame.data
        return b"[]" if lead == b"[" else b"\r\n]"


class _Sse:
    content_type = "text/event-stream; charset=utf-8"

    def decoder(self, *, max_frame: int = MAX_FRAME) -> Decoder:
        """Return a new decoder."""
        return SseDecoder(max_frame)

    def encode(self, frame: Frame) -> bytes:
        """Return ``event:`` (if named) and ``data: `` with exactly one space; `data` is one line."""
        if frame.event:
            return b"event: %s\ndata: %s\n\n" % (frame.event.encode(), frame.data)
        return b"data: %s\n\n" % frame.data


class _Ndjson:
    content_type = "application/x-ndjson"

    def decoder(self, *, max_frame: int = MAX_FRAME) -> Decoder:
        """Return a new decoder."""
        return NdjsonDecoder(max_frame)

    def encode(self, frame: Frame) -> bytes:
        """Return one line."""
        return frame.data + b"\n"


SSE: Framing = _Sse()
NDJSON: Framing = _Ndjson()
