"""Recordings in memory: what was used last stays, up to a number of bytes. Pure.

What is held are the bytes of a recording, so that the bound is one on memory and a reader gets events of its
own. Several processes share the database but not this: after :data:`RECHECK_S` an entry is *stale*, and is
believed only if the database cannot be asked. So what another process has replaced or deleted is told at most
that much longer.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

RECHECK_S = 60.0
"""Seconds an entry is believed without a look at the database."""

OVERHEAD = 512
"""Bytes an entry takes beside its body, about: its key, times and place."""


class Held(NamedTuple):
    """One recording. Times are Unix seconds; ``body`` as of recording.py."""

    body: bytes
    tenant: str
    recorded_at: float
    expires_at: float
    recheck_at: float


class Memory:
    """The recordings of one process."""

    __slots__ = ("_entries", "bytes")

    def __init__(self) -> None:
        self.bytes = 0
        """What is held now."""
        self._entries: OrderedDict[bytes, Held] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes, now: float) -> Held | None:
        """Return an entry that is not past its time; it was used last."""
        held = self._entries.get(key)
        if held is None:
            return None
        if held.expires_at <= now:
            self.drop(key)
            return None
        self._entries.move_to_end(key)
        return held

    def put(self, key: bytes, held: Held, most: int) -> None:
        """Hold an entry unless a younger one is held; let go of the longest unused beyond `most` bytes."""
        there = self._entries.get(key)
        if there is not None and there.recorded_at > held.recorded_at:
            return
        self.drop(key)
        if _size(held) > most:
            return
        self._entries[key] = held
        self.bytes += _size(held)
        while self.bytes > most:
            self.drop(next(iter(self._entries)))

    def drop(self, key: bytes) -> None:
        """Let go of an entry, if it is there."""
        if (held := self._entries.pop(key, None)) is not None:
            self.bytes -= _size(held)

    def forget(self, tenant: str) -> int:
        """Let go of all of a tenant's; return how many."""
        gone = [key for key, held in self._entries.items() if held.tenant == tenant]
        for key in gone:
            self.drop(key)
        return len(gone)


def _size(held: Held) -> int:
    return len(held.body) + OVERHEAD
