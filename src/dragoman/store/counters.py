"""Where limits are counted: how far ahead of its time each name is, and who is inside.

The generic cell rate algorithm (ITU-T I.371), one number for each name: the time at which it will be whole
again. Taking moves it on by an even share of the period for each unit; it may lie so far ahead and no
farther. A slot is simpler: so many holders may be inside at once, each until it leaves, or its lease ends
because its process died.

Who counts may be this process alone, one file that the processes of a machine share, or Redis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

LEASE_S = 30.0
"""Seconds a slot is held for somebody of whom nothing more is heard."""

RENEW_S = 10.0
"""Seconds between two words from who is inside."""


class Want(msgspec.Struct, frozen=True):
    """Units of one limit.

    Attributes:
        name: Whose: ``key:anna:tokens/60``.
        units: How many are taken; 0 only looks, and is never refused.
        share_ns: Nanoseconds in which one unit comes back.
        most_ns: Nanoseconds that the name may lie ahead of its time: the burst.
    """

    name: str
    units: int
    share_ns: float
    most_ns: int

    @property
    def cost_ns(self) -> int:
        """What the units cost, rounded up to whole nanoseconds; below 0: what is given back."""
        cost = math.ceil(abs(self.units) * self.share_ns)
        return cost if self.units >= 0 else -cost


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
        """Give back units (negative), or take more than was asked for (positive), whatever the limit says.

        What has come back by itself meanwhile is not given back again.
        """

    async def leave(self, slots: Sequence[Slot], *, holder: str) -> None:
        """Give slots back."""

    async def renew(self, holders: Sequence[str]) -> None:
        """Keep the slots of requests that still run; called every :data:`RENEW_S` seconds."""


def weigh(
    wants: Sequence[Want],
    slots: Sequence[Slot],
    *,
    used_ns: Mapping[str, int],
    inside: Mapping[str, tuple[int, bool]],
) -> list[Stand]:
    """Return how each stands once all is granted; or, where not all can be, how it stands without.

    Args:
        wants: What is wanted; of one name more than once, it adds up.
        slots: What places are wanted.
        used_ns: How far each name lies ahead; those that are missing, not at all.
        inside: How many have a place, and whether who asks is one of them.
    """
    ahead = dict(used_ns)
    granted, refused = [], []
    for want in wants:
        before, cost = ahead.get(want.name, 0), want.cost_ns
        wait = max(before + cost - want.most_ns, 0) if want.units > 0 else 0
        ahead[want.name] = before if wait else before + cost
        granted.append(Stand(ahead[want.name]))
        refused.append(Stand(used_ns.get(want.name, 0), wait))
    for slot in slots:
        count, known = inside.get(slot.name, (0, False))
        granted.append(Stand(count + (not known)))
        refused.append(Stand(count, int(not known and count >= slot.most)))
    return refused if any(stand.wait_ns for stand in refused) else granted
