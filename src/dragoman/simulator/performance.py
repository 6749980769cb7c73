"""A performance: one answer as bytes, in the order and at the pace they go out, faults included.

    Event --writer--> Frame --framing--> Piece --faults, HTTP chunks--> Step --connection--> socket

A :class:`Performance` is prepared once for each request and behaviour and played any number of times.
Short answers are kept as steps, and one without pace, fault or pauses as a single ``whole``, head and
all. Long answers are made while they are played.

Faults are what this file is for. Before the headers they change the head or replace it; at a frame they
stand between two pieces or change one. :class:`~dragoman.simulator.behaviour.Fault` lists them.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from http import HTTPStatus
from typing import Literal

import msgspec

from dragoman.core.events import Append, End, Event, fold
from dragoman.core.extras import Json
from dragoman.core.request import Request
from dragoman.core.tasks import Embed, Rerank
from dragoman.core.usage import Usage
from dragoman.dialects import Dialect
from dragoman.dialects.fields import decode, encode
from dragoman.dialects.framing import Frame
from dragoman.simulator import tasks
from dragoman.simulator.answers import HABITS, OTHER, compose
from dragoman.simulator.behaviour import Behaviour, Error, Fault
from dragoman.simulator.journal import Outcome

KEPT_TOKENS = 1024
"""Answers of at most so many tokens are kept as bytes."""

WHOLE = 64 * 1024
"""An answer of at most so many bytes is written at once; asyncio's own mark for a full buffer."""

LAST_CHUNK = b"0\r\n\r\n"

Act = Literal["", "hang", "reset", "close", "cut"]
"""What the connection does after a step's bytes. ``cut``: goes on, but the answer is not complete."""


class Piece(msgspec.Struct, gc=False):
    """One frame of the body, framed for its dialect and not yet for HTTP. ``told``: it tells the usage."""

    data: bytes
    tokens: int = 0
    wait_s: float = 0.0
    told: bool = False


class Step(msgspec.Struct, gc=False):
    """Bytes to send `wait_s` after the step before, what they hold, and what to do then."""

    data: bytes
    wait_s: float = 0.0
    frames: int = 0
    tokens: int = 0
    told: bool = False
    act: Act = ""


class Performance:
    """An answer, ready to be played.

    Attributes:
        status: The HTTP status it has.
        outcome: How it ends when all of it was played.
        wait_s: Time before its first byte.
        usage: What it says it consumed.
        frames_per_write: Frames handed to the socket at once; 0: all that are due.
        whole: All its bytes, if they can be sent at once; then `frames` and `tokens` count what they hold.
    """

    __slots__ = (
        "_make",
        "_steps",
        "frames",
        "frames_per_write",
        "outcome",
        "status",
        "tokens",
        "usage",
        "wait_s",
        "whole",
    )

    def __init__(
        self,
        make: Callable[[], Iterator[Step]],
        *,
        status: int,
        outcome: Outcome,
        keep: bool,
        wait_s: float = 0.0,
        usage: Usage | None = None,
        frames_per_write: int = 0,
    ) -> None:
        self._make = make
        self._steps = tuple(make()) if keep else None
        self.status = status
        self.outcome = outcome
        self.wait_s = wait_s
        self.usage = usage
        self.frames_per_write = frames_per_write
        self.whole: bytes | None = None
        self.frames = self.tokens = 0
        steps = self._steps
        if steps is None or frames_per_write or any(step.wait_s or step.act for step in steps):
            return
        whole = b"".join(step.data for step in steps)
        if len(whole) <= WHOLE:
            self.whole = whole
            self.frames = sum(step.frames for step in steps)
            self.tokens = sum(step.tokens for step in steps)

    def steps(self) -> Iterator[Step]:
        """Return the steps, from the first."""
        return self._make() if self._steps is None else iter(self._steps)


def perform(dialect: Dialect, request: Request, behaviour: Behaviour, mark: bytes) -> Performance:
    """Return the performance of `behaviour` for `request`; `mark` is the request's digest.

    Raises:
        Failure: The request asks for something the simulator cannot do.
    """
    if behaviour.reply is not None:
        return canned(behaviour)
    error = behaviour.error
    if error is not None and (error.at_frame is None or not request.stream):
        return refusal(dialect, error, behaviour, mark)
    if request.stream:
        return _stream(dialect, request, behaviour, mark)
    return _unary(dialect, request, behaviour, mark)


def perform_task(
    dialect: Dialect, asked: Embed | Rerank, behaviour: Behaviour, *, seed: int = 0
) -> Performance:
    """Return the performance of `behaviour` for a task that is answered at once and whole."""
    if behaviour.reply is not None:
        return canned(behaviour)
    mark = tasks.digest(seed, asked)
    if behaviour.error is not None:
        return refusal(dialect, behaviour.error, behaviour, mark)
    reply, usage = tasks.answer(dialect, asked, behaviour, seed=seed)
    return reply_of(
        reply.status,
        {**_marked(dialect, mark), **reply.headers, **behaviour.headers},
        encode(reply.body if behaviour.patch is None else patched(reply.body, behaviour.patch)),
        behaviour,
        usage=usage,
    )


def canned(behaviour: Behaviour) -> Performance:
    """Return the performance of a behaviour's reply, which needs no request."""
    reply = behaviour.reply
    assert reply is not None
    text = isinstance(reply.body, str)
    body = reply.body.encode() if text else encode(reply.body)
    kind = "text/plain; charset=utf-8" if text else "application/json"
    outcome: Outcome = "completed" if reply.status < 300 else "failed"
    return reply_of(reply.status, {"content-type": kind, **reply.headers}, body, behaviour, outcome=outcome)


def refusal(dialect: Dialect, error: Error, behaviour: Behaviour, mark: bytes) -> Performance:
    """Return the performance of an error in the dialect's words."""
    reply = dialect.write_failure(error.failure())
    headers = {**_marked(dialect, mark), **reply.headers}
    if error.retry_after_s is not None:
        headers.setdefault("retry-after", f"{error.retry_after_s:g}")
    body = reply.body if error.body is None else error.body
    data = body.encode() if isinstance(body, str) else encode(body)
    return reply_of(error.status, {**headers, **error.headers}, data, behaviour, outcome="failed")


def reply_of(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    behaviour: Behaviour,
    *,
    outcome: Outcome = "completed",
    tokens: int = 0,
    usage: Usage | None = None,
) -> Performance:
    """Return the performance of a reply of one piece."""
    lines = {"content-type": "application/json", **headers, "content-length": str(len(body))}
    faults = behaviour.faults
    pace = tokens / behaviour.tokens_per_s if behaviour.tokens_per_s else 0.0

    def make() -> Iterator[Step]:
        piece = Piece(body, tokens, 0.0, told=usage is not None)
        return _Steps(status, lines, faults, chunked=False).play((piece,))

    return Performance(
        make,
        status=status,
        outcome=outcome,
        keep=not faults,
        wait_s=behaviour.latency_s + pace,
        usage=usage,
    )


def _unary(dialect: Dialect, request: Request, behaviour: Behaviour, mark: bytes) -> Performance:
    answer = compose(request, behaviour, mark, at_once=True)
    reply = dialect.write_answer(fold(answer.events), request)
    body = reply.body if behaviour.patch is None else patched(reply.body, behaviour.patch)
    return reply_of(
        reply.status,
        {**_marked(dialect, mark), **reply.headers, **behaviour.headers},
        encode(body),
        behaviour,
        tokens=answer.tokens,
        usage=answer.usage if behaviour.usage else None,
    )


def _stream(dialect: Dialect, request: Request, behaviour: Behaviour, mark: bytes) -> Performance:
    headers = {
        "content-type": dialect.framing.content_type,
        "cache-control": "no-cache",
        **_marked(dialect, mark),
        **behaviour.headers,
        "transfer-encoding": "chunked",
    }
    answer = compose(request, behaviour, mark)
    fresh = [answer]  # told once; after that it is composed again
    error = behaviour.error

    def make() -> Iterator[Step]:
        telling = fresh.pop() if fresh else compose(request, behaviour, mark)
        pieces = _pieces(dialect, request, behaviour, telling.events)
        return _Steps(200, headers, behaviour.faults, chunked=True).play(pieces)

    return Performance(
        make,
        status=200,
        outcome="completed" if error is None else "failed",
        keep=answer.tokens <= KEPT_TOKENS and not behaviour.faults,
        wait_s=behaviour.latency_s,
        usage=answer.usage if behaviour.usage else None,
        frames_per_write=behaviour.frames_per_write,
    )


def _marked(dialect: Dialect, mark: bytes) -> dict[str, str]:
    return {HABITS.get(dialect.name, OTHER).id_header: f"req_{mark.hex()[24:48]}"}


def _pieces(
    dialect: Dialect, request: Request, behaviour: Behaviour, events: Iterator[Event]
) -> Iterator[Piece]:
    """Yield the frames of a stream, up to and with an error in its middle."""
    writer = dialect.writer(request)
    framed = dialect.framing.encode
    pace_s = 1 / behaviour.tokens_per_s if behaviour.tokens_per_s else 0.0
    error, patch = behaviour.error, behaviour.patch
    sent = 0
    for event in events:
        appends, told = isinstance(event, Append), isinstance(event, End) and behaviour.usage
        for frame in writer.feed(event):
            if error is not None and sent == error.at_frame:
                yield from (Piece(framed(last)) for last in writer.fail(error.failure()))
                return
            if patch is not None:
                frame = _patched_frame(frame, patch)  # noqa: PLW2901 - the same frame
            yield Piece(framed(frame), int(appends), pace_s if appends else 0.0, told)
            sent += 1
            appends = told = False  # the first frame of an event carries what it counts for


class _Steps:
    """Puts pieces on HTTP, and faults among them."""

    def __init__(
        self, status: int, headers: Mapping[str, str], faults: tuple[Fault, ...], *, chunked: bool
    ) -> None:
        self._status = status
        self._headers = dict(headers)
        self._faults = faults
        self._chunked = chunked
        self._drip_s = 0.0

    def play(self, pieces: Iterable[Piece]) -> Iterator[Step]:
        """Yield the steps of a whole answer."""
        for step in self._all(pieces):
            yield from self._dripped(step)
            if step.act in ("hang", "reset", "close"):
                return

    def _all(self, pieces: Iterable[Piece]) -> Iterator[Step]:
        kinds = {fault.kind for fault in self._faults}
        if "bomb" in kinds:
            pieces = self._bomb(pieces)
        yield from self._head()
        if not self._faults:
            yield from map(self._step, pieces)
        else:
            yield from self._faulty(pieces)
        yield Step(LAST_CHUNK if self._chunked else b"", act="close" if "bad_length" in kinds else "")

    def _step(self, piece: Piece) -> Step:
        return Step(self._wrapped(piece.data), piece.wait_s, 1, piece.tokens, piece.told)

    def _wrapped(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data

    def _dripped(self, step: Step) -> Iterator[Step]:
        if not self._drip_s or len(step.data) < 2:
            yield step
            return
        for at in range(len(step.data) - 1):
            yield Step(step.data[at : at + 1], self._drip_s)
        yield msgspec.structs.replace(step, data=step.data[-1:], wait_s=self._drip_s)

    def _head(self) -> Iterator[Step]:
        """Yield the head, and what stands before it or in its stead."""
        spoilt = False
        for fault in self._faults:
            if fault.at_frame is not None:
                continue
            match fault.kind:
                case "hang" | "reset" | "close":
                    yield Step(b"", act=fault.kind)
                case "truncate":
                    head = self._lines()
                    yield Step(head[: len(head) // 2], act="close")
                case "garbage":
                    yield Step(noise(64), act="close")
                case "malformed":
                    spoilt = True
                case "drip":
                    self._drip_s = fault.interval_s
                case "raw":
                    yield Step(fault.data.encode("latin-1"))
                case "big_header":
                    self._headers["x-padding"] = "a" * fault.size
                case "bad_length":
                    self._overpromise(fault.size)
                case _:
                    continue
        head = self._lines()
        yield Step(head.replace(b"HTTP/1.1", b"HTTP", 1) if spoilt else head)

    def _lines(self) -> bytes:
        return head_of(self._status, self._headers)

    def _overpromise(self, size: int) -> None:
        self._headers.pop("transfer-encoding", None)
        self._headers["content-length"] = str(int(self._headers.get("content-length", "0")) + size)
        self._chunked = False

    def _faulty(self, pieces: Iterable[Piece]) -> Iterator[Step]:
        single = "content-length" in self._headers
        body = [fault for fault in self._faults if fault.at_frame is not None]
        ahead = max((-(fault.at_frame or 0) for fault in body), default=0)
        for index, back, piece in numbered(pieces, ahead):
            here = piece
            for fault in body:
                if not (index == 0 if single else fault.at_frame in (index, back)):
                    continue
                spoilt = spoil(fault, here.data)
                if spoilt is not None:
                    here = msgspec.structs.replace(here, data=spoilt)
                    continue
                yield from self._between(fault, here)
                if fault.kind == "end" and self._chunked:
                    return
            yield self._step(here)

    def _between(self, fault: Fault, following: Piece) -> Iterator[Step]:
        """Yield what a fault puts before the `following` piece."""
        match fault.kind:
            case "hang" | "reset" | "close":
                yield Step(b"", act=fault.kind)
            case "end":
                yield Step(b"", act="cut" if self._chunked else "close")
            case "truncate":
                data = self._wrapped(following.data)
                yield Step(data[: len(data) // 2], following.wait_s, act="close")
            case "bad_chunk":
                yield Step(b"this is no size\r\n" + following.data, act="close")
            case "drip":
                self._drip_s = fault.interval_s
            case "raw":
                yield Step(fault.data.encode("latin-1"))
            case "inject":
                yield Step(self._wrapped(fault.data.encode("latin-1")))
            case _:
                return

    def _bomb(self, pieces: Iterable[Piece]) -> list[Piece]:
        """Return the body as one gzip piece that unpacks to a lot of spaces first."""
        size = next(fault.size for fault in self._faults if fault.kind == "bomb")
        packer = zlib.compressobj(9, wbits=31)
        packed = [packer.compress(b" " * min(1 << 20, size - at)) for at in range(0, size, 1 << 20)]
        packed += [packer.compress(piece.data) for piece in pieces]
        data = b"".join([*packed, packer.flush()])
        self._headers["content-encoding"] = "gzip"
        if not self._chunked:
            self._headers["content-length"] = str(len(data))
        return [Piece(data, told=True)]


def spoil(fault: Fault, data: bytes) -> bytes | None:
    """Return a piece as a fault spoils it, its length kept; None: this fault spoils none."""
    body = data.rstrip(b"\n")
    if fault.kind == "malformed":
        return body[:-2] + b"  " + data[len(body) :]
    if fault.kind == "garbage":
        half = len(body) // 2
        return body[:half] + noise(len(body) - half) + data[len(body) :]
    return None


def noise(size: int) -> bytes:
    """Return bytes that are no UTF-8 anywhere and no line ends, always the same."""
    block = blake2b(b"noise").digest()
    bytes_ = b"\xff" + block * (size // len(block) + 1)
    return bytes(0x80 | byte for byte in bytes_[:size])


def numbered(pieces: Iterable[Piece], ahead: int) -> Iterator[tuple[int, int | None, Piece]]:
    """Yield each piece with its index, and its index from the end if that is one of the last `ahead`."""
    waiting: deque[Piece] = deque()
    index = 0
    for piece in pieces:
        waiting.append(piece)
        if len(waiting) > ahead:
            yield index, None, waiting.popleft()
            index += 1
    while waiting:
        yield index, -len(waiting), waiting.popleft()
        index += 1


def head_of(status: int, headers: Mapping[str, str]) -> bytes:
    """Return the bytes of a response's head."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{lines}\r\n".encode("latin-1")


def patched(value: Json, patch: Json) -> Json:
    """Return `value` with a JSON merge patch applied (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    out = dict(value) if isinstance(value, dict) else {}
    for name, part in patch.items():
        if part is None:
            out.pop(name, None)
        else:
            out[name] = patched(out.get(name), part)
    return out


def _patched_frame(frame: Frame, patch: Mapping[str, Json]) -> Frame:
    if not frame.data.startswith(b"{"):
        return frame
    value = decode(frame.data)
    meant = {name: part for name, part in patch.items() if value.get(name) is not None}
    return Frame(encode(patched(value, meant)), frame.event) if meant else frame
