"""A recording: the events of one answer, as bytes. Sans-io.

    version, CRC-32 of key and rest, MessagePack of [head, [event, ...]]

Most events of a stream are pieces of text and ends of parts, and are written short: ``[index, text]``, and
``index``. The others are written as the core's structs are, so that everything survives: a piece stays the
piece it was, and whoever replays them writes the same bytes a client was sent the first time.

A :class:`Recorder` writes events as they pass, so what is held is what will be kept. It lets go of what is
too large at once, and of what should not be told twice at the end: only an answer that came whole, said
something, and stopped because it was done.

The checksum includes the key: a damaged recording, or one that came to stand in another's place, is none.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable

import msgspec

from dragoman.core.events import Append, Close, End, Event, Open, Reason, Start, Stop
from dragoman.core.extras import Loss

VERSION = b"\x01"
PAIR, ARRAY = b"\x92", b"\xdd"
"""How MessagePack begins an array of two, and one whose length follows in four bytes."""

DONE: frozenset[Reason] = frozenset({"end", "stop_sequence", "tool_use"})
"""Reasons to stop that would be the same again; not a limit, a filter or a fault."""

Item = int | tuple[int, str] | Start | Open | Append | Close | Stop | End


class Head(msgspec.Struct, frozen=True, array_like=True):
    """Who answered, and when."""

    provider: str
    model: str
    recorded_at: float
    losses: tuple[Loss, ...] = ()
    fallback: bool = False
    reason: str = ""


class Recording(msgspec.Struct, frozen=True):
    """One recorded answer.

    Attributes:
        events: What was answered, as it came.
        provider: Who answered.
        model: The name it has for the model.
        recorded_at: When, Unix seconds.
        losses: What the request lost on its way there.
        fallback: Another model answered than the one asked for, `reason` says why.
        similarity: How much alike the question was that this answers; None: it was the same.
    """

    events: list[Event]
    provider: str
    model: str
    recorded_at: float
    losses: tuple[Loss, ...] = ()
    fallback: bool = False
    reason: str = ""
    similarity: float | None = None


def read(key: bytes, body: bytes) -> Recording | None:
    """Return the recording in `body`, or None if it is damaged or not the one of `key`."""
    if body[:1] != VERSION or body[1:5] != _checksum(key, body[5:]):
        return None
    try:
        head, items = msgspec.msgpack.decode(body[5:], type=tuple[Head, list[Item]])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # written by another version, whose events are not ours
    return Recording(
        [_event(item) for item in items],
        head.provider,
        head.model,
        head.recorded_at,
        head.losses,
        head.fallback,
        head.reason,
    )


def write(key: bytes, head: Head, events: bytes | bytearray, count: int) -> bytes:
    """Return the body of a recording; `events` are `count` encoded items."""
    rest = b"".join((PAIR, msgspec.msgpack.encode(head), ARRAY, count.to_bytes(4, "big"), events))
    return b"".join((VERSION, _checksum(key, rest), rest))


class Recorder:
    """Takes down one answer as it passes.

    Args:
        key: Under which it will be kept.
        largest: Bytes it may have.
        keep: Takes the body, once it is asked for and complete; the time is its own.
        lost: Told in one word why there will be none.
    """

    __slots__ = (
        "_begun",
        "_buffer",
        "_choices",
        "_count",
        "_encoder",
        "_ended",
        "_keep",
        "_key",
        "_largest",
        "_lost",
        "_stops",
    )

    def __init__(
        self,
        key: bytes,
        *,
        largest: int,
        keep: Callable[[Callable[[float], bytes]], None],
        lost: Callable[[str], None],
    ) -> None:
        self._key = key
        self._largest = largest
        self._keep = keep
        self._lost = lost
        self._encoder = msgspec.msgpack.Encoder()
        self._buffer: bytearray | None
        self._count: int
        self._begin()

    def feed(self, event: Event) -> None:
        """Take one more event. A second Start begins anew: it is another attempt's."""
        if isinstance(event, Start):
            self._begin()
            self._begun = True
        elif isinstance(event, Open):
            self._choices.add(event.choice)
        elif isinstance(event, Stop):
            self._stops[event.choice] = event.reason
        if self._buffer is None:
            return
        try:
            self._encoder.encode_into(_item(event), self._buffer, -1)
        except (OverflowError, UnicodeEncodeError, TypeError):
            self._let_go("unwritable")
            return
        self._count += 1
        self._ended = isinstance(event, End)
        if len(self._buffer) > self._largest:
            self._let_go("too_large")

    def keep(
        self,
        provider: str,
        model: str,
        *,
        losses: Iterable[Loss] = (),
        fallback: bool = False,
        reason: str = "",
    ) -> bool:
        """Keep what passed, if it is a whole answer worth telling again; say whether it is.

        Does not wait: it is written afterwards. Nothing is kept twice.
        """
        events, count = self._buffer, self._count
        self._buffer = None
        if events is None:
            return False
        if not self._is_whole():
            self._lost("unfit")
            return False

        def body(at: float) -> bytes:
            head = Head(provider, model, at, tuple(losses), fallback, reason)
            return write(self._key, head, events, count)

        self._keep(body)
        return True

    def _begin(self) -> None:
        self._buffer = bytearray()
        self._count = 0
        self._begun = self._ended = False
        self._choices: set[int] = set()
        self._stops: dict[int, Reason] = {}

    def _let_go(self, why: str) -> None:
        self._buffer = None
        self._lost(why)

    def _is_whole(self) -> bool:
        """Say whether it ended, said something, and every candidate was done."""
        if not (self._begun and self._ended and self._choices):
            return False
        return self._choices <= self._stops.keys() and DONE.issuperset(self._stops.values())


def _item(event: Event) -> Item:
    """Return what is written for an event."""
    if isinstance(event, Append) and event.extras is None:
        return event.index, event.text
    if isinstance(event, Close) and event.signature is None and event.extras is None:
        return event.index
    return event


def _event(item: Item) -> Event:
    """Return the event that was written as `item`."""
    if isinstance(item, tuple):
        return Append(*item)
    return Close(item) if isinstance(item, int) else item


def _checksum(key: bytes, rest: bytes) -> bytes:
    return zlib.crc32(rest, zlib.crc32(key)).to_bytes(4, "big")
