"""Counters in memory: the laws, what they forget, their part of a limit, and when they stand in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from tests.store.counting import LAWS, Bench, Clock, Law, Step, hourly, named, play, schedules

from dragoman.core.failure import Failure, Kind
from dragoman.store.counters import LEASE_S, Slot, Stand, Want
from dragoman.store.memory import COMPLAIN_S, LocalCounters, Spared


def bench(*, share: float = 1.0, most: int = 1000) -> Bench:
    """Return counters on a clock of their own."""
    clock = Clock()
    return Bench(LocalCounters(clock, most=most, share=share), clock)


@pytest.mark.parametrize("law", LAWS, ids=named)
def test_laws(law: Law) -> None:
    """Every law of counting holds in memory."""
    asyncio.run(law(bench()))


@given(schedules())
def test_schedules(schedule: Sequence[Step]) -> None:
    """Whatever is taken and given back, and when: it is as the model says, and no window has too much."""
    asyncio.run(play(bench(), schedule))


def test_levels_that_are_whole_are_forgotten() -> None:
    """A level that is whole again is the same as none, so it is not kept; nor is a slot nobody is in."""

    async def run() -> None:
        on = bench()
        counters = on.counters
        assert isinstance(counters, LocalCounters)
        for number in range(100):
            assert await on.granted(Want(f"n{number}", 1, 10**9, 10**9), slots=[Slot(f"s{number}", 1)])
        assert len(counters._whole_at) == len(counters._inside) == 100
        on.pass_s(LEASE_S + 1)
        assert await on.granted(hourly("a", 1))
        await counters.renew([])
        assert list(counters._whole_at) == ["a"]
        assert not counters._inside

    asyncio.run(run())


def test_no_more_names_are_kept_than_allowed() -> None:
    """Past the bound the name that asked longest ago is forgotten first, one that asks stays."""

    async def run() -> None:
        on = bench(most=3)
        for name in ("a", "b", "c", "a", "d", "e"):
            assert await on.granted(hourly(name, 5))
        assert isinstance(on.counters, LocalCounters)
        assert set(on.counters._whole_at) == {"a", "d", "e"}
        assert not await on.granted(hourly("a", 1))

    asyncio.run(run())


def test_a_part_is_that_part_of_everything() -> None:
    """One of four may take a quarter of a limit, at once and after, and a quarter of the places."""

    async def run() -> None:
        on = bench(share=0.25)
        assert sum([await on.granted(hourly("a", 1, 100)) for _ in range(100)]) == 25
        on.pass_s(3600 / 25)
        assert [await on.granted(hourly("a", 1, 100)) for _ in range(2)] == [True, False]
        inside = [await on.granted(slots=[Slot("inside", 8)], holder=str(n)) for n in range(8)]
        assert sum(inside) == 2
        assert await on.granted(slots=[Slot("narrow", 1)])

    asyncio.run(run())


def test_what_fits_the_whole_is_not_refused_for_ever_by_a_part() -> None:
    """A request larger than the part takes all of it; one larger than the whole does not fit here either."""

    async def run() -> None:
        on = bench(share=0.25)
        assert await on.granted(hourly("a", 60, 100))
        assert not await on.granted(hourly("a", 1, 100))
        assert not await on.granted(hourly("b", 101, 100))

    asyncio.run(run())


def test_what_a_part_took_it_gives_back() -> None:
    """A unit costs as much on its way back."""

    async def run() -> None:
        on = bench(share=0.25)
        assert await on.granted(hourly("a", 20, 100))
        await on.counters.adjust([hourly("a", -20, 100)])
        assert await on.used_ns("a") == 0

    asyncio.run(run())


class Fickle(LocalCounters):
    """Counters that may be away."""

    away = False

    def _check(self) -> None:
        if self.away:
            raise Failure(Kind.UNAVAILABLE, "nobody is there")

    async def take(
        self, wants: Sequence[Want], slots: Sequence[Slot] = (), *, holder: str = ""
    ) -> list[Stand]:
        """Take, or fail."""
        self._check()
        return await super().take(wants, slots, holder=holder)

    async def adjust(self, wants: Sequence[Want]) -> None:
        """Adjust, or fail."""
        self._check()
        await super().adjust(wants)

    async def leave(self, slots: Sequence[Slot], *, holder: str) -> None:
        """Leave, or fail."""
        self._check()
        await super().leave(slots, holder=holder)

    async def renew(self, holders: Sequence[str]) -> None:
        """Renew, or fail."""
        self._check()
        await super().renew(holders)


class Pair:
    """Shared counters, a spare of half their limits, and what was complained of."""

    def __init__(self, rest_s: float = 0.0) -> None:
        self.clock = Clock()
        self.shared = Fickle(self.clock)
        self.complaints: list[str] = []
        spare = LocalCounters(self.clock, share=0.5)
        self.bench = Bench(
            Spared(self.shared, spare, complain=self._complain, tick=self.clock, rest_s=rest_s),
            self.clock,
        )

    def _complain(self, what: str, _: BaseException) -> None:
        self.complaints.append(what)


@pytest.mark.parametrize("law", LAWS, ids=named)
def test_laws_hold_with_a_spare(law: Law) -> None:
    """While the shared counters are there, the spare is not noticed."""
    pair = Pair()
    asyncio.run(law(pair.bench))
    assert not pair.complaints


def test_a_spare_counts_its_part_while_the_shared_are_away() -> None:
    """Half of the limit then, and what everybody used is known again when they are back."""

    async def run() -> None:
        pair = Pair()
        on = pair.bench
        assert await on.granted(hourly("a", 8))
        pair.shared.away = True
        assert sum([await on.granted(hourly("a", 1)) for _ in range(10)]) == 5
        await on.counters.adjust([hourly("a", -1)])
        assert sum([await on.granted(hourly("a", 1)) for _ in range(10)]) == 1
        pair.shared.away = False
        assert sum([await on.granted(hourly("a", 1)) for _ in range(10)]) == 2

    asyncio.run(run())


def test_a_place_in_the_spare_is_left_whoever_is_there_by_then() -> None:
    """Nobody stays inside because the shared counters came back meanwhile; renewing reaches both."""

    async def run() -> None:
        pair = Pair()
        on, slot = pair.bench, Slot("inside", 2)
        pair.shared.away = True
        assert await on.granted(slots=[slot], holder="a")
        on.pass_s(LEASE_S * 0.7)
        await on.counters.renew(["a"])
        on.pass_s(LEASE_S * 0.7)
        assert not await on.granted(slots=[slot], holder="b")
        pair.shared.away = False
        await on.counters.leave([slot], holder="a")
        pair.shared.away = True
        assert await on.granted(slots=[slot], holder="b")

    asyncio.run(run())


def test_trouble_is_told_once_a_minute() -> None:
    """A thousand requests of a bad minute are one complaint, and the next minute is another."""

    async def run() -> None:
        pair = Pair()
        pair.shared.away = True
        for _ in range(5):
            await pair.bench.granted(hourly("a", 1))
        assert len(pair.complaints) == 1
        pair.bench.pass_s(COMPLAIN_S)
        await pair.bench.granted(hourly("a", 1))
        assert len(pair.complaints) == 2

    asyncio.run(run())


def test_who_fails_slowly_is_left_alone_for_a_while() -> None:
    """Not every request waits for counters that just kept one waiting; then they are asked again."""

    async def run() -> None:
        pair = Pair(rest_s=5)
        on = pair.bench
        pair.shared.away = True
        assert await on.granted(hourly("a", 1))
        pair.shared.away = False
        assert await on.granted(hourly("a", 1))
        assert await pair.shared.take([hourly("a", 0)]) == [Stand(0)]
        on.pass_s(5)
        assert await on.granted(hourly("a", 1))
        assert await pair.shared.take([hourly("a", 0)]) != [Stand(0)]

    asyncio.run(run())
