"""Reports: whose figures, of which time, and what may not be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.accounts.keys import Account
from dragoman.accounts.reports import (
    DAY_S,
    HOUR_S,
    MOST_POINTS,
    instant,
    read_span,
    series,
    statistics,
    usage,
    whose,
)
from dragoman.core.failure import Failure, Kind
from dragoman.store import ExchangeRow, Grouping, Meters, Part, Sums
from dragoman.store.sqlite import SqliteStore

NOW = 1_795_275_000.5
"""2026-11-21T14:10:00.5Z."""

ADMIN, ONE, TWO = Account("admin", "admin"), Account("one"), Account("two")
REPORTS = (usage, series)


def play(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run `scene` on a store in `folder`."""

    async def run() -> None:
        db = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(db)
        finally:
            await db.close()

    asyncio.run(run())


async def book(db: SqliteStore, name: str, at: float, key: str = "one", **more: Any) -> None:
    """Book an exchange of ten tokens."""
    row = ExchangeRow(
        id=name,
        request_id=name,
        owner="me",
        key=key,
        dialect="prompt",
        task="generate",
        model="asked",
        stream=False,
        opened_at=at,
        state="settled",
        provider="p",
        answered_model="told",
        meters=Meters(input=7, output=3, cost_micros=20),
    )
    await db.settle(msgspec.structs.replace(row, **more), [])


def refused(act: Callable[[], object]) -> Failure:
    """Return how something is refused."""
    with pytest.raises(Failure) as caught:
        act()
    return caught.value


def test_a_key_sees_its_own(tmp_path: Path) -> None:
    """No report of a key has anything of another's, whatever it is grouped by; the admin's have all."""

    async def scene(db: SqliteStore) -> None:
        for place in range(6):
            key = ("one", "two", "two")[place % 3]
            await book(db, str(place), NOW - place * HOUR_S, key, answered_model=f"{key}'s model")
        reports = db.reports
        for account, count in ((ONE, 2), (TWO, 4), (ADMIN, 6), (Account("nobody"), 0)):
            for by in ("", "model", "provider", "day", "hour"):
                found = await usage(reports, account, {"group_by": by} if by else {}, now=NOW)
                assert found.total.requests == count
                assert sum(sums.requests for _, sums in found.groups) == (count if by else 0)
            drawn = await series(reports, account, {"period": "day"}, now=NOW)
            assert sum(sums.requests for _, sums in drawn.points) == count
            models = await statistics(reports, account, {})
            assert sum(sums.requests for sums in models.values()) == count
        assert [*await statistics(reports, ONE, {})] == ["one's model"]
        asked = await usage(reports, ADMIN, {"key": "two"}, now=NOW)
        assert (asked.total.requests, await statistics(reports, ADMIN, {"key": "unheard of"})) == (4, {})
        by_key = await usage(reports, ADMIN, {"group_by": "key"}, now=NOW)
        assert [(name, sums.requests) for name, sums in by_key.groups] == [("two", 4), ("one", 2)]

    play(tmp_path, scene)


def test_another_keys_figures_are_refused() -> None:
    """A key may name itself; another's name is a 403, whether there is such a key or not."""
    assert (whose(ADMIN, None), whose(ADMIN, "one"), whose(ONE, None), whose(ONE, "one")) == (
        None,
        "one",
        "one",
        "one",
    )
    for name in ("two", "unheard of", ""):
        failure = refused(lambda name=name: whose(ONE, name))  # type: ignore[misc]
        assert (failure.kind, failure.at) == (Kind.FORBIDDEN, "key")


class Unasked:
    """Reports that nobody may need: what is refused is refused before."""

    async def sums(self, part: Part, by: Grouping | None = None) -> dict[str | int | None, Sums]:
        """Fail."""
        raise AssertionError((part, by))

    async def first(self, key: str | None) -> float | None:
        """Return the beginning of all times, so that what has no beginning is too long."""
        return 0.0


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize(
    ("query", "at", "says"),
    [
        ({"period": "year"}, "period", "day, week, month, all"),
        ({"period": ""}, "period", "day, week, month, all"),
        ({"period": "day", "from": "2026-11-01"}, "period", "not both"),
        ({"from": "yesterday"}, "from", "2026-11-01T09:30:00Z"),
        ({"from": "\u0663"}, "from", "2026-11-01T09:30:00Z"),
        ({"from": ""}, "from", "Unix seconds"),
        ({"to": "2026-02-30"}, "to", "2026-11-01"),
        ({"to": "-5"}, "to", "Unix seconds"),
        ({"from": "1795275000000"}, "from", "Unix seconds"),
        ({"from": "nan"}, "from", "Unix seconds"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "from", "later than to"),
        ({"from": "2030-01-01"}, "from", "in the future"),
        ({"perod": "day"}, "perod", "unknown parameter"),
    ],
)
def test_what_is_no_time_is_refused(report: Any, query: dict[str, str], at: str, says: str) -> None:
    """A bad value is a 400 that names the parameter and says what it may be."""
    failure = refused(lambda: asyncio.run(report(Unasked(), ONE, query, now=NOW)))
    assert (failure.kind, failure.at) == (Kind.INVALID, at)
    assert says in failure.message


@pytest.mark.parametrize(
    ("report", "query", "at", "says"),
    [
        (usage, {"group_by": "colour"}, "group_by", "model, provider, day, hour"),
        (usage, {"group_by": "key"}, "group_by", "model, provider, day, hour"),
        (usage, {"group_by": "answered"}, "group_by", "model, provider, day, hour"),
        (usage, {"group_by": "hour"}, "group_by", "ask for days"),
        (usage, {"group_by": "day"}, "group_by", "less time"),
        (usage, {"model": "m"}, "model", "unknown parameter"),
        (series, {"interval": "minute"}, "interval", "hour, day"),
        (series, {"interval": "hour", "period": "all"}, "interval", "ask for days"),
        (series, {"period": "all"}, "interval", "less time"),
        (series, {"group_by": "day"}, "group_by", "unknown parameter"),
    ],
)
def test_what_a_report_cannot_tell_is_refused(report: Any, query: dict[str, str], at: str, says: str) -> None:
    """A grouping, an interval or a filter that there is not, or that would be too long, is a 400."""
    failure = refused(lambda: asyncio.run(report(Unasked(), ONE, query, now=NOW)))
    assert (failure.kind, failure.at) == (Kind.INVALID, at)
    assert says in failure.message


def test_statistics_take_a_key_alone() -> None:
    """A parameter that would be ignored is refused."""
    failure = refused(lambda: asyncio.run(statistics(Unasked(), ONE, {"period": "day"})))
    assert (failure.kind, failure.at) == (Kind.INVALID, "period")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1795275000", 1795275000.0),
        ("1795275000.25", 1795275000.25),
        ("0", 0.0),
        ("2026-11-21", 1795219200.0),
        ("2026-11-21T14:10:00Z", 1795270200.0),
        ("2026-11-21T14:10:00.5Z", 1795270200.5),
        ("2026-11-21T14:10", 1795270200.0),
        ("2026-11-21 14:10", 1795270200.0),
        ("2026-11-21T16:10:00+02:00", 1795270200.0),
        ("2026-11-21T16:10:00 02:00", 1795270200.0),
        ("2026-11-21T09:10:00-05:00", 1795270200.0),
        (" 2026-11-21 ", 1795219200.0),
    ],
)
def test_a_time_may_be_written_in_many_ways(text: str, at: float) -> None:
    """Dates, instants with and without an offset (a + that became a space included), and Unix seconds."""
    assert instant("from", text) == at


def test_a_date_ends_with_its_day() -> None:
    """As an end, a date has all of that day; an instant is itself."""
    assert instant("to", "2026-11-21", after=True) == instant("to", "2026-11-22")
    assert instant("to", "9999-12-31", after=True) == 253_402_300_800
    assert instant("to", "2026-11-21T00:00:00", after=True) == instant("to", "2026-11-21")
    span = read_span({"from": "2026-11-20", "to": "2026-11-20"}, now=NOW, default="all")
    assert span.since is not None
    assert (span.until - span.since, span.period) == (DAY_S, None)


def test_periods_end_now(tmp_path: Path) -> None:
    """A day is the last 24 hours, a week 7 days, a month 30, to the instant; all has no beginning."""

    async def scene(db: SqliteStore) -> None:
        for place, back in enumerate((0, DAY_S, DAY_S + 1, 7 * DAY_S + 1, 30 * DAY_S + 1)):
            await book(db, str(place), NOW - back)
        for period, count in (("day", 2), ("week", 3), ("month", 4), ("all", 5)):
            found = await usage(db.reports, ONE, {"period": period}, now=NOW)
            assert (found.total.requests, found.span.period) == (count, period)
        assert (await usage(db.reports, ONE, {}, now=NOW)).span == found.span
        ends = {"from": str(NOW - DAY_S), "to": str(NOW)}
        assert (await usage(db.reports, ONE, ends, now=NOW)).total.requests == 1

    play(tmp_path, scene)


def test_a_series_has_every_hour(tmp_path: Path) -> None:
    """Points follow one another without a gap, from the hour or day of the beginning to that of the end."""

    async def scene(db: SqliteStore) -> None:
        for place, back in enumerate((0, HOUR_S, 26 * HOUR_S)):
            await book(db, str(place), NOW - back)
        found = await series(db.reports, ONE, {"period": "day"}, now=NOW)
        assert (found.interval, found.since, found.until) == ("hour", NOW - DAY_S, NOW)
        starts = [at for at, _ in found.points]
        assert starts == [*range(int(NOW - DAY_S) // HOUR_S * HOUR_S, int(NOW), HOUR_S)]
        assert [sums.requests for _, sums in found.points] == [0] * 23 + [1, 1]
        days = await series(db.reports, ONE, {}, now=NOW)
        assert (days.interval, len(days.points)) == ("day", 31)
        everything = await series(db.reports, ONE, {"period": "all"}, now=NOW)
        assert [sums.requests for _, sums in everything.points] == [1, 2]
        assert everything.since == NOW - 26 * HOUR_S
        exact = {"from": "2026-11-20", "to": "2026-11-21", "interval": "hour"}
        assert len((await series(db.reports, ONE, exact, now=NOW)).points) == 48
        at = {"from": "2026-11-21", "to": "2026-11-21T00:00:00Z"}
        assert (await series(db.reports, ONE, at, now=NOW)).points == ()

    play(tmp_path, scene)


def test_a_series_may_be_of_a_model_or_a_provider(tmp_path: Path) -> None:
    """A model's has what it was asked for and what it answered; a provider's what it was asked last."""

    async def scene(db: SqliteStore) -> None:
        await book(db, "0", NOW, model="m")
        await book(db, "1", NOW, answered_model="m", provider="q")
        await book(db, "2", NOW)

        async def found(**query: str) -> int:
            drawn = await series(db.reports, ONE, {"period": "day", **query}, now=NOW)
            return sum(sums.requests for _, sums in drawn.points)

        assert [await found(model=name) for name in ("m", "asked", "told", "else")] == [2, 2, 2, 0]
        assert [await found(provider=name) for name in ("p", "q", "r")] == [2, 1, 0]
        assert await found(model="m", provider="q") == 1

    play(tmp_path, scene)


def test_a_series_without_any_exchange_is_empty(tmp_path: Path) -> None:
    """Of all time there is no point where nothing was ever asked; of a period there are zeros."""

    async def scene(db: SqliteStore) -> None:
        everything = await series(db.reports, ONE, {"period": "all"}, now=NOW)
        assert (everything.points, everything.since) == ((), NOW)
        week = await series(db.reports, ONE, {"period": "week"}, now=NOW)
        assert {sums.requests for _, sums in week.points} == {0}

    play(tmp_path, scene)


def test_the_longest_report_is_made(tmp_path: Path) -> None:
    """As many points as there may be are told, and one hour more is refused."""

    async def scene(db: SqliteStore) -> None:
        end = int(NOW) // HOUR_S * HOUR_S
        longest = {"interval": "hour", "from": str(end - MOST_POINTS * HOUR_S), "to": str(end)}
        assert len((await series(db.reports, ONE, longest, now=NOW)).points) == MOST_POINTS
        longer = {**longest, "from": str(end - (MOST_POINTS + 1) * HOUR_S)}
        with pytest.raises(Failure, match="at most 1,000"):
            await series(db.reports, ONE, longer, now=NOW)

    play(tmp_path, scene)
