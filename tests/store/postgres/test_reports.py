"""Reports in PostgreSQL: exactly the rows', however many write and post, and however far sums are behind."""

from __future__ import annotations

import random
from itertools import count
from typing import Any

import pytest
from tests.store.postgres.scene import play
from tests.store.sqlite.test_reports import (
    test_a_closed_store_says_so,
    test_a_word_that_nobody_was_asked_for_makes_no_group,
    test_ends_are_exact_to_the_instant,
    test_the_first_exchange_is_found,
    test_weeks_begin_on_mondays_and_months_with_the_first,
    test_what_is_open_and_what_was_only_counted_does_not_count,
    test_what_no_sum_tells_apart_is_no_report,
)
from tests.store.sums import BEGAN, attempt, exchange, happen, hold

from dragoman.core.failure import Failure, Kind
from dragoman.store import Meters, Part
from dragoman.store.budgets import Share
from dragoman.store.cover import DAY, HOUR
from dragoman.store.postgres import PostgresStore
from dragoman.store.postgres.reports import PostgresReports
from dragoman.store.reports import DIMENSIONS, LONGEST_NAME, MOST, Cell, Spread, Sums
from dragoman.store.spread import bucket

__all__ = [
    "test_a_closed_store_says_so",
    "test_a_word_that_nobody_was_asked_for_makes_no_group",
    "test_ends_are_exact_to_the_instant",
    "test_the_first_exchange_is_found",
    "test_weeks_begin_on_mondays_and_months_with_the_first",
    "test_what_is_open_and_what_was_only_counted_does_not_count",
    "test_what_no_sum_tells_apart_is_no_report",
]


@pytest.mark.parametrize("seed", range(2))
def test_reports_are_the_rows_of_all_who_write(ready: str, seed: int) -> None:
    """Whatever two stores book, price anew, delete and post at once, every report is what the rows say."""
    chance = random.Random(seed)

    async def scene(store: PostgresStore) -> None:
        other = PostgresStore(store.spec)
        gone = await happen([store, other], chance, steps=240)
        await hold(other, gone, chance, asks=30)
        await other.close()

    play(ready, scene)


def test_a_bucket_is_the_same_in_sql(ready: str) -> None:
    """Durations of rows are put into the buckets of the sums, at the very borders too."""
    borders = [round(1000 * 2 ** (place / 16)) for place in range(420)]
    times = sorted({0, 1, 10**15, *(us + more for us in borders for more in (-1, 0, 1))})

    async def scene(store: PostgresStore) -> None:
        found = await store._pool.fetch("select us, usage_bucket(us) from unnest($1::bigint[]) as us", times)
        assert {us: place for us, place in found} == {us: bucket(us) for us in times}  # noqa: C416  records, not pairs

    play(ready, scene)


def test_a_report_says_how_far_sums_are_behind(ready: str) -> None:
    """Where more waits than there is patience for, a report says so, and has posted some of it."""

    async def scene(store: PostgresStore) -> None:
        reports = PostgresReports(store._pool, slice_=1, patience_s=-1.0)
        for place in range(1003):
            await store.settle(exchange(str(place)), [])
        assert await reports.post() == 1
        with pytest.raises(Failure) as caught:
            await reports.cells(Part())
        assert caught.value.kind is Kind.UNAVAILABLE
        assert caught.value.message == "sums are being brought up to date; 1,002 entries left"
        assert caught.value.retry_after_s
        assert [cell.sums.requests for cell in await store.reports.cells(Part())] == [1003]
        assert await reports.post() == 0
        assert len(await reports.cells(Part())) == 1

    play(ready, scene)


def test_what_is_booked_meanwhile_keeps_no_report_waiting(ready: str) -> None:
    """A report tells what was booked before it was asked, however much comes while it posts that."""

    async def scene(store: PostgresStore) -> None:
        late = count(4)

        class Busy(PostgresReports):
            async def post(self) -> int:
                await store.settle(exchange(str(next(late))), [])
                return await super().post()

        for place in range(4):
            await store.settle(exchange(str(place)), [])
        (cell,) = await Busy(store._pool, slice_=2).cells(Part())
        assert (cell.sums.requests, next(late)) == (4, 6)

    play(ready, scene)


def test_an_hour_that_was_deleted_is_known_as_a_whole(ready: str) -> None:
    """Rows that are gone stay counted, and how long they took, except where an hour is asked for in part."""
    begin = int(BEGAN) // DAY * DAY

    async def scene(store: PostgresStore) -> None:
        rows = [exchange(str(place), begin + place * 600, latency_ms=2.0) for place in range(100)]
        for row in rows:
            await store.settle(row, [attempt(row.id, at=row.opened_at, state="settled")])
        assert await store.archive.delete([row.id for row in rows]) == 100
        sums = Sums(requests=100, attempts=100, unknown_cost=100, latency_us=200_000, latencies=100)
        assert await store.reports.cells(Part(), spread=True) == [
            Cell(None, None, sums, Spread({bucket(2000): 100}))
        ]
        assert [call.calls for call in await store.reports.calls(Part())] == [100]
        (whole,) = await store.reports.cells(Part(begin, begin + 2 * HOUR))
        (partly,) = await store.reports.cells(Part(begin + 1, begin + 2 * HOUR))
        assert (whole.sums.requests, partly.sums.requests) == (12, 6)

    play(ready, scene)


def test_a_providers_nonsense_breaks_no_sum(ready: str) -> None:
    """A figure out of all range counts as a lot; rows after it are booked, posted and summed as ever."""
    lots = 2**63 - 1
    absurd = Meters(input=lots, cache_read=lots, output=lots, cost_micros=lots)
    late = {"latency_ms": 1e300, "first_event_ms": -1.0}

    async def scene(store: PostgresStore) -> None:
        for place in range(20):
            await store.settle(exchange(str(place), BEGAN + place, meters=absurd, **late), [])
        for part in (Part(), Part(BEGAN + 0.5, BEGAN + 15.5), Part(key="a", model="m")):
            (cell,) = await store.reports.cells(part, spread=True)
            for sum_ in (cell.sums.input, cell.sums.cost_micros, cell.sums.latency_us):
                assert MOST <= sum_ <= 20 * MOST
        await store.settle(exchange("z", BEGAN + DAY, meters=Meters(input=1, cost_micros=1)), [])
        assert [cell.sums.input for cell in await store.reports.cells(Part(), every="day")][1:] == [1]

    play(ready, scene)


def test_names_of_any_length_are_posted(ready: str) -> None:
    """Nine names as long as may be, in letters of four bytes, are told apart and found again."""
    chance = random.Random(5)

    def name() -> str:
        return "".join(chr(chance.randrange(0x1F300, 0x1F5FF)) for _ in range(LONGEST_NAME + 3))

    names: dict[str, Any] = {str(dimension): name() for dimension in DIMENSIONS if dimension != "state"}

    async def scene(store: PostgresStore) -> None:
        fields: dict[str, Any] = {**names, "answered_model": names["model"]}
        await store.settle(exchange("x", **fields), [attempt("x", state="failed", failure=name())])
        await store.settle(exchange("y", **(fields | {"team": name()})), [])
        (cell,) = await store.reports.cells(Part(**names), by="user")
        assert (cell.name, cell.sums.requests) == (names["user"][:LONGEST_NAME], 1)
        assert len(await store.reports.cells(Part(), by="team")) == 2

    play(ready, scene)


def test_a_budget_knows_what_waits(ready: str) -> None:
    """What was spent is the same before anything is posted, half way, and when all is."""

    async def scene(store: PostgresStore) -> None:
        for place in range(4):
            row = exchange(str(place), BEGAN + place * 1800, meters=Meters(cost_micros=10**place))
            await store.settle(row, [])
        shares = [Share("b", "all", "", int(BEGAN) + 1800, None), Share("b", "key", "a", int(BEGAN), None)]
        posting = PostgresReports(store._pool, slice_=2)
        for left in (4, 2, 0):
            assert (await store._pool.fetch("select count(*) from usage_entry"))[0][0] == left
            assert [(await store.budgets.window(share)).spent_micros for share in shares] == [1110, 1111]
            await posting.post()

    play(ready, scene)


def test_a_first_exchange_that_is_gone_is_known_to_the_day(ready: str) -> None:
    """A key's first exchange, and the first of all; its day, posted or not, where the row is gone."""

    async def scene(store: PostgresStore) -> None:
        for place, key in enumerate("bba"):
            await store.settle(exchange(str(place), BEGAN + DAY * place + 0.25, key=key), [])
        assert await store.reports.first(None) == BEGAN + 0.25
        assert await store.reports.first("a") == BEGAN + 2 * DAY + 0.25
        await store.archive.delete(["0"])
        assert await store.reports.first("b") == BEGAN // DAY * DAY
        await store.reports.post()
        assert await store.reports.first("b") == await store.reports.first(None) == BEGAN // DAY * DAY
        assert await store.reports.first("a") == BEGAN + 2 * DAY + 0.25

    play(ready, scene)
