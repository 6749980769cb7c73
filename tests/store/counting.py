"""The laws of counting: what any Counters must do, whoever counts. For the tests of each of them.

    @pytest.mark.parametrize("law", LAWS, ids=named)      and        @given(schedules())
    def test_laws(law): ...                                          def test_schedules(schedule): ...
        asyncio.run(law(Bench(counters, clock)))                         asyncio.run(play(bench, schedule))

Counters that have a clock of their own, which no test can move, are given a bench without one: the laws that
need time to pass then hold of themselves, and say so by being left out of :func:`laws`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from hypothesis import strategies as st

from dragoman.store.counters import LEASE_S, Counters, Slot, Stand, Want

HOUR_NS = 3_600_000_000_000
SECOND_NS = 1_000_000_000


class Clock:
    """A clock that stands still until it is told; kept in whole nanoseconds."""

    def __init__(self, now_ns: int = 1000 * SECOND_NS) -> None:
        self.now_ns = now_ns

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now_ns / 1e9

    @property
    def read_ns(self) -> int:
        """The time as who reads it in seconds sees it."""
        return round(self() * 1e9)


@dataclass
class Bench:
    """Counters under test.

    Attributes:
        counters: Those.
        clock: What they tell the time by; None: their own.
        grain_ns: How finely they count: a take may cost up to so much more than it should.
    """

    counters: Counters
    clock: Clock | None = None
    grain_ns: int = 1

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        assert self.clock is not None
        self.clock.now_ns += round(seconds * SECOND_NS)

    async def granted(self, *wants: Want, slots: Sequence[Slot] = (), holder: str = "x") -> bool:
        """Take, and say whether it was granted."""
        stands = await self.counters.take(wants, slots, holder=holder)
        assert len(stands) == len(wants) + len(slots)
        return not any(stand.wait_ns for stand in stands)

    async def used_ns(self, name: str) -> int:
        """Look how far a name lies ahead."""
        [stand] = await self.counters.take([hourly(name, 0)])
        return stand.used_ns


Law = Callable[[Bench], Coroutine[Any, Any, None]]


def hourly(name: str, units: int, limit: int = 10) -> Want:
    """Return units of a limit in an hour: long enough that nothing comes back while a test runs."""
    return Want(name, units, HOUR_NS // limit, HOUR_NS)


def near(one: int, other: int) -> bool:
    """Say whether two levels are the same, but for the seconds a test may take."""
    return abs(one - other) < 120 * SECOND_NS


async def law_a_whole_burst_and_not_one_more(bench: Bench) -> None:
    """Of what is whole, all can be had at once, one by one or together, and then nothing."""
    assert [await bench.granted(hourly("a", 1)) for _ in range(11)] == [True] * 10 + [False]
    assert await bench.granted(hourly("b", 10))
    assert not await bench.granted(hourly("b", 1))
    assert not await bench.granted(hourly("c", 11))
    assert await bench.granted(hourly("c", 10))


async def law_all_or_nothing(bench: Bench) -> None:
    """Where one of several is refused, none is taken, and each is told as it stands without."""
    assert await bench.granted(hourly("a", 10))
    slot = Slot("inside", 1)
    stands = await bench.counters.take([hourly("b", 4), hourly("a", 1), hourly("c", 4)], [slot], holder="x")
    assert [bool(stand.wait_ns) for stand in stands] == [False, True, False, False]
    assert [stand.used_ns for stand in (stands[0], stands[2], stands[3])] == [0, 0, 0]
    assert near(stands[1].used_ns, HOUR_NS)
    assert await bench.used_ns("b") == await bench.used_ns("c") == 0
    assert await bench.granted(hourly("b", 10), hourly("c", 10), slots=[slot], holder="y")
    assert not await bench.granted(hourly("d", 1), slots=[slot], holder="z")
    assert await bench.used_ns("d") == 0


async def law_each_is_told_as_it_stands(bench: Bench) -> None:
    """What is granted is in what is told; what is refused says how long until it might not be."""
    [stand] = await bench.counters.take([hourly("a", 3)])
    assert near(stand.used_ns, 3 * HOUR_NS // 10)
    [stand] = await bench.counters.take([hourly("a", 9)])
    assert near(stand.used_ns, 3 * HOUR_NS // 10)
    assert near(stand.wait_ns, 2 * HOUR_NS // 10)


async def law_a_name_wanted_twice_adds_up(bench: Bench) -> None:
    """Six and six of ten are twelve."""
    assert not await bench.granted(hourly("a", 6), hourly("a", 6))
    assert await bench.used_ns("a") == 0
    assert await bench.granted(hourly("a", 5), hourly("a", 5))
    assert not await bench.granted(hourly("a", 1))


async def law_a_look_takes_nothing(bench: Bench) -> None:
    """Looking is granted even where nothing is left, and leaves all as it is."""
    await bench.counters.adjust([hourly("a", 30)])
    assert await bench.granted(hourly("a", 0), hourly("b", 3))
    assert near(await bench.used_ns("a"), 3 * HOUR_NS)
    assert near(await bench.used_ns("b"), 3 * HOUR_NS // 10)


async def law_what_is_given_back_can_be_had_again(bench: Bench) -> None:
    """As much as was taken, and no more: a name that is whole is not made more than whole."""
    assert await bench.granted(hourly("a", 10))
    await bench.counters.adjust([hourly("a", -4), hourly("b", -4)])
    assert [await bench.granted(hourly("a", 1)) for _ in range(5)] == [True] * 4 + [False]
    await bench.counters.adjust([hourly("a", -100)])
    assert [await bench.granted(hourly(name, 11)) for name in "ab"] == [False, False]
    assert await bench.granted(hourly("a", 10), hourly("b", 10))


async def law_a_debt_is_kept(bench: Bench) -> None:
    """What was taken beyond the limit has to come back before anything is granted."""
    assert await bench.granted(hourly("a", 2))
    await bench.counters.adjust([hourly("a", 13)])
    [stand] = await bench.counters.take([hourly("a", 1)])
    assert near(stand.wait_ns, 6 * HOUR_NS // 10)


async def law_so_many_are_inside(bench: Bench) -> None:
    """A slot has its places; who is inside stays and is counted once; who leaves makes room."""
    slot = Slot("inside", 2)
    inside = [await bench.granted(slots=[slot], holder=holder) for holder in "abac"]
    assert inside == [True, True, True, False]
    [stand] = await bench.counters.take([], [slot], holder="a")
    assert stand == Stand(2)
    await bench.counters.leave([slot], holder="nobody")
    await bench.counters.leave([slot], holder="a")
    await bench.counters.leave([slot], holder="a")
    assert await bench.granted(slots=[slot], holder="c")
    assert not await bench.granted(slots=[slot], holder="a")


async def law_slots_are_apart(bench: Bench) -> None:
    """One holder may be inside several, and leaves only those it says."""
    one, other = Slot("one", 1), Slot("other", 1)
    assert await bench.granted(slots=[one, other], holder="a")
    await bench.counters.leave([one], holder="a")
    assert await bench.granted(slots=[one], holder="b")
    assert not await bench.granted(slots=[other], holder="b")


async def law_many_at_once_get_what_there_is(bench: Bench) -> None:
    """Of hundreds that ask in the same instant, exactly as many get through as may."""
    slot = Slot("inside", 7)
    takes = [bench.granted(hourly("a", 1, 37)) for _ in range(300)]
    places = [bench.granted(slots=[slot], holder=f"{number}") for number in range(60)]
    got = await asyncio.gather(*takes, *places)
    assert sum(got[:300]) == 37
    assert sum(got[300:]) == 7


async def law_it_comes_back_evenly(bench: Bench) -> None:
    """After a share of the period one is back, and after who was told to wait has waited, it is granted."""
    assert await bench.granted(hourly("a", 10))
    bench.pass_s(360)
    assert [await bench.granted(hourly("a", 1)) for _ in range(2)] == [True, False]
    [stand] = await bench.counters.take([hourly("a", 3)])
    assert stand.wait_ns == 3 * HOUR_NS // 10
    bench.pass_s(stand.wait_ns / 1e9 - 1)
    assert not await bench.granted(hourly("a", 3))
    bench.pass_s(1)
    assert await bench.granted(hourly("a", 3))


async def law_a_lease_ends(bench: Bench) -> None:
    """Who is not heard of for the length of a lease is outside; who is renewed stays."""
    slot = Slot("inside", 2)
    assert await bench.granted(slots=[slot], holder="dead")
    assert await bench.granted(slots=[slot], holder="alive")
    bench.pass_s(LEASE_S * 0.7)
    await bench.counters.renew(["alive"])
    bench.pass_s(LEASE_S * 0.7)
    assert await bench.granted(slots=[slot], holder="new")
    assert not await bench.granted(slots=[slot], holder="newer")
    bench.pass_s(LEASE_S)
    assert await bench.granted(slots=[slot], holder="newest")


TIMELESS: tuple[Law, ...] = (
    law_a_whole_burst_and_not_one_more,
    law_all_or_nothing,
    law_each_is_told_as_it_stands,
    law_a_name_wanted_twice_adds_up,
    law_a_look_takes_nothing,
    law_what_is_given_back_can_be_had_again,
    law_a_debt_is_kept,
    law_so_many_are_inside,
    law_slots_are_apart,
    law_many_at_once_get_what_there_is,
)
"""Laws that hold within an instant."""

TIMED: tuple[Law, ...] = (law_it_comes_back_evenly, law_a_lease_ends)
"""Laws that need a clock which a test can move."""

LAWS = (*TIMELESS, *TIMED)


def named(law: Law) -> str:
    """Return a law's name, for the id of a test."""
    return getattr(law, "__name__", "law").removeprefix("law_")


class Step(msgspec.Struct, frozen=True):
    """One thing that happens, `gap_ns` after the one before."""

    what: Literal["take", "adjust"]
    gap_ns: int
    wants: tuple[Want, ...]


def schedules() -> st.SearchStrategy[tuple[Step, ...]]:
    """Return random schedules over three limits, one of them with shares of a fraction of a nanosecond."""
    limits = {
        "minute": (60 * SECOND_NS // 10, 60 * SECOND_NS),
        "burst": (SECOND_NS, 2 * SECOND_NS),
        "fraction": (0.6, 6000),
    }

    def want(units: st.SearchStrategy[int]) -> st.SearchStrategy[Want]:
        return st.builds(
            lambda name, units: Want(name, units, *limits[name]), st.sampled_from(sorted(limits)), units
        )

    def wants(units: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[Want, ...]]:
        return st.lists(want(units), min_size=1, max_size=3).map(tuple)

    gap = st.integers(0, 20 * SECOND_NS) | st.integers(0, 10_000)
    take = st.builds(Step, st.just("take"), gap, wants(st.integers(0, 12)))
    adjust = st.builds(Step, st.just("adjust"), gap, wants(st.integers(-6, 6)))
    return st.lists(take | adjust | take, max_size=40).map(tuple)


class Replayed:
    """The slow model: what is ahead is worked out anew, each time, from everything that ever happened."""

    def __init__(self) -> None:
        self.history: list[tuple[int, str, int]] = []

    def used_ns(self, name: str, now_ns: int) -> int:
        """Return how far a name lies ahead: the sum of what it cost, drained by time, never below nothing."""
        used, last = 0, 0
        for at, whose, cost in self.history:
            if whose == name:
                used = max(max(used - (at - last), 0) + cost, 0)
                last = at
        return max(used - (now_ns - last), 0)

    def take(self, wants: Sequence[Want], now_ns: int) -> list[Stand]:
        """Take all or nothing, by trying each in turn and striking it out again."""
        kept = len(self.history)
        before = [self.used_ns(want.name, now_ns) for want in wants]
        waits = []
        for want in wants:
            over = self.used_ns(want.name, now_ns) + want.cost_ns - want.most_ns
            waits.append(max(over, 0) if want.units else 0)
            if not waits[-1]:
                self.history.append((now_ns, want.name, want.cost_ns))
        if any(waits):
            del self.history[kept:]
            return [Stand(used, wait) for used, wait in zip(before, waits, strict=True)]
        return [Stand(self._after(wants[: place + 1], before[place])) for place in range(len(wants))]

    @staticmethod
    def _after(wants: Sequence[Want], before: int) -> int:
        return before + sum(want.cost_ns for want in wants if want.name == wants[-1].name)


async def play(bench: Bench, schedule: Sequence[Step]) -> None:
    """Play a schedule to counters and to the model; they agree at every step, and no window has too much."""
    assert bench.clock is not None
    model = Replayed()
    grants: dict[Want, list[tuple[int, int]]] = {}
    for step in schedule:
        bench.clock.now_ns += step.gap_ns
        now = bench.clock.read_ns
        if step.what == "adjust":
            await bench.counters.adjust(step.wants)
            model.history += [(now, want.name, want.cost_ns) for want in step.wants]
            grants.clear()  # what is given back may be had again: the law is of takes alone
            continue
        stands = await bench.counters.take(step.wants)
        assert stands == model.take(step.wants, now)
        if any(stand.wait_ns for stand in stands):
            continue
        for want in step.wants:
            limit = Want(want.name, 1, want.share_ns, want.most_ns)
            grants.setdefault(limit, []).append((now, want.units))
    for limit, taken in grants.items():
        for first, (start, _) in enumerate(taken):
            units = 0
            for at, more in taken[first:]:
                units += more
                assert units * limit.share_ns <= limit.most_ns + (at - start)
