"""Counters in memory: exact for one process, and what stands in where a shared one is away.

Nothing here waits for anything, so the requests of a process cannot overtake one another in it. Time is
whole nanoseconds, and nothing is rounded in a request's favour.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from dragoman.core.failure import Failure
from dragoman.store.counters import LEASE_S, Counters, Slot, Stand, Want, weigh

MOST_NAMES = 300_000
"""Names whose level is kept; beyond that the one that asked longest ago begins anew."""

LEASE_NS = round(LEASE_S * 1e9)

COMPLAIN_S = 60.0
"""Seconds between two complaints of the same trouble."""

Result = TypeVar("Result")


class LocalCounters:
    """Counts for one process, as :class:`~dragoman.store.counters.Counters`.

    Args:
        tick: Monotonic clock, seconds.
        most: Names whose level is kept.
        share: The part of every limit that falls to this process: one of N that do not hear of each other
            counts each unit N times. A want that fits the whole limit, though not the part, takes all of it.
    """

    def __init__(self, tick: Callable[[], float], *, most: int = MOST_NAMES, share: float = 1.0) -> None:
        self._tick = tick
        self._most = most
        self.share = share
        self._whole_at: dict[str, int] = {}
        self._inside: dict[str, dict[str, int]] = {}

    async def take(
        self, wants: Sequence[Want], slots: Sequence[Slot] = (), *, holder: str = ""
    ) -> list[Stand]:
        """Take all of it or nothing; return how each stands now, the slots last."""
        now = round(self._tick() * 1e9)
        wants = [self._part(want) for want in wants]
        slots = [Slot(slot.name, max(int(slot.most * self.share), 1)) for slot in slots]
        stands = weigh(
            wants,
            slots,
            used_ns={want.name: self._used(want.name, now) for want in wants},
            inside={slot.name: self._inside_now(slot.name, holder, now) for slot in slots},
        )
        if any(stand.wait_ns for stand in stands):
            return stands
        for want, stand in zip(wants, stands, strict=False):
            if want.units:
                self._keep(want.name, now + stand.used_ns, now)
        for slot in slots:
            _extend(self._inside.setdefault(slot.name, {}), holder, now)
        return stands

    async def adjust(self, wants: Sequence[Want]) -> None:
        """Give back units, or take more than was asked for, whatever the limit says."""
        now = round(self._tick() * 1e9)
        for want in wants:
            self._keep(want.name, now + max(self._used(want.name, now) + self._part(want).cost_ns, 0), now)

    async def leave(self, slots: Sequence[Slot], *, holder: str) -> None:
        """Give slots back."""
        for slot in slots:
            inside = self._inside.get(slot.name, {})
            inside.pop(holder, None)
            if not inside:
                self._inside.pop(slot.name, None)

    async def renew(self, holders: Sequence[str]) -> None:
        """Keep the slots of requests that still run; those of all others end with their leases."""
        now = round(self._tick() * 1e9)
        for name in list(self._inside):
            inside = self._present(name, now)
            for holder in inside.keys() & set(holders):
                _extend(inside, holder, now)
            if not inside:
                del self._inside[name]

    def _part(self, want: Want) -> Want:
        """Return a want at the price it has here."""
        if self.share == 1:
            return want
        share_ns = want.share_ns / self.share
        if want.cost_ns <= want.most_ns < want.units * share_ns:
            share_ns = (want.most_ns - 1) / want.units
        return Want(want.name, want.units, share_ns, want.most_ns)

    def _used(self, name: str, now: int) -> int:
        return max(self._whole_at.get(name, now) - now, 0)

    def _inside_now(self, name: str, holder: str, now: int) -> tuple[int, bool]:
        inside = self._present(name, now)
        return len(inside), holder in inside

    def _present(self, name: str, now: int) -> dict[str, int]:
        """Return who is inside and until when, without those whose lease has ended: they stand first."""
        inside = self._inside.get(name, {})
        while inside and inside[first := next(iter(inside))] <= now:
            del inside[first]
        return inside

    def _keep(self, name: str, whole_at: int, now: int) -> None:
        """Keep a level, last in the order of use, and forget what nobody needs any more."""
        kept = self._whole_at
        kept.pop(name, None)
        kept[name] = whole_at
        while kept:
            oldest = next(iter(kept))
            if kept[oldest] > now and len(kept) <= self._most:
                break
            del kept[oldest]


class Spared:
    """Counters that are shared, and this process's own while the shared ones cannot be had.

    Args:
        shared: Who counts for everybody.
        spare: Who counts meanwhile, for this process alone.
        complain: Told, once a minute, that nobody counts for everybody.
        tick: Monotonic clock, seconds.
        rest_s: Seconds the shared ones are left alone after they failed, where failing takes them long.
    """

    def __init__(
        self,
        shared: Counters,
        spare: LocalCounters,
        *,
        complain: Callable[[str, BaseException], None],
        tick: Callable[[], float],
        rest_s: float = 0.0,
    ) -> None:
        self.shared = shared
        self._spare = spare
        self._complain = complain
        self._tick = tick
        self._rest_s = rest_s
        self._rest_until = float("-inf")
        self._quiet_until = float("-inf")

    async def take(
        self, wants: Sequence[Want], slots: Sequence[Slot] = (), *, holder: str = ""
    ) -> list[Stand]:
        """Take all of it or nothing, of everybody's or else of this process's own."""
        return await self._first(
            lambda: self.shared.take(wants, slots, holder=holder),
            lambda: self._spare.take(wants, slots, holder=holder),
        )

    async def adjust(self, wants: Sequence[Want]) -> None:
        """Give back units, or take more than was asked for, where that is counted now."""
        await self._first(lambda: self.shared.adjust(wants), lambda: self._spare.adjust(wants))

    async def leave(self, slots: Sequence[Slot], *, holder: str) -> None:
        """Give slots back, wherever they were taken."""
        await self._spare.leave(slots, holder=holder)
        await self._first(lambda: self.shared.leave(slots, holder=holder), _nothing)

    async def renew(self, holders: Sequence[str]) -> None:
        """Keep the slots of requests that still run, wherever they were taken."""
        await self._spare.renew(holders)
        await self._first(lambda: self.shared.renew(holders), _nothing)

    async def _first(
        self, shared: Callable[[], Awaitable[Result]], alone: Callable[[], Awaitable[Result]]
    ) -> Result:
        if self._tick() < self._rest_until:
            return await alone()
        try:
            return await shared()
        except Failure as failure:
            now = self._tick()
            self._rest_until = now + self._rest_s
            if now >= self._quiet_until:
                self._quiet_until = now + COMPLAIN_S
                self._complain("limits are not shared now; every process holds its part of them", failure)
            return await alone()


def _extend(inside: dict[str, int], holder: str, now: int) -> None:
    """Let a holder be inside for the length of a lease, last in the order in which leases end."""
    inside.pop(holder, None)
    inside[holder] = now + LEASE_NS


async def _nothing() -> None:
    """Do without."""
