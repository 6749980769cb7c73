"""Where limits are counted: how far ahead of its time each name is, and who is inside.

The generic cell rate algorithm (ITU-T I.371), one number for each name: the time at which it will be whole
again. Taking moves it on by an even share of the period for each unit; it may lie so far ahead and no
farther. A slot is simpler: so many holders may be inside at once, each until it leaves, or its lease ends
because its process died.

Who counts may be this process alone, one file that the processes of a machine share, or Redis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Want(msgspec.Struct, frozen=True):
    """Units of one limit.

    Attributes:
        name: Whose: ``key:anna:tokens/60``.
        units: How many are taken; 0 only looks.
        share_ns: Nanoseconds in which one unit comes back.
        most_ns: Nanoseconds that the name may lie ahead of its time: the burst.
    """

    name: str
    units: int
    share_ns: float
    most_ns: int


class Slot(msgspec.Struct, frozen=True):
    """A place among `most` that may be inside at once."""

    name: str
    most: int


class Stand(msgspec.Struct, frozen=True):
    """How a name stands.

    Attributes:
        used_ns: Nanoseconds it lies ahead; of a slot: how many are inside.
        wait_ns: 0: it was granted; else the nanoseconds after which it might be (of a slot: 1, nobody knows).
    """

    used_ns: int
    wait_ns: int = 0


class Counters(Protocol):
    """Counts. Methods raise ``Failure(UNAVAILABLE)`` where nobody can count."""

    async def take(
        self, wants: Sequence[Want], slots: Sequence[Slot] = (), *, holder: str = ""
    ) -> list[Stand]:
        """Take all of it or nothing; return how each stands now, the slots last.

        Where any has a ``wait_ns``, nothing was taken. `holder` is who takes the slots; one who is inside
        already stays, and is counted once.
        """

    async def adjust(self, wants: Sequence[Want]) -> None:
        """Give back units (negative), or take more than was asked for (positive), whatever the limit says."""

    async def leave(self, slots: Sequence[Slot], *, holder: str) -> None:
        """Give slots back."""

    async def renew(self, holders: Sequence[str]) -> None:
        """Keep the slots of requests that still run; called every few seconds."""
