"""Reports as they are asked for: whose figures, of which time, and what may not be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import pytest
from tests.accounts.rows import NOW, book, by_chance, exchange, play

from dragoman.accounts.explored import explored
from dragoman.accounts.keys import Account
from dragoman.accounts.reports import (
    DAY_S,
    HOUR_S,
    INTERVALS,
    MOST_GROUPS,
    MOST_POINTS,
    PRIVATE,
    TOTALS,
    instant,
    read,
    read_span,
    sight,
    whole,
    whose,
)
from dragoman.core.failure import Failure, Kind
from dragoman.store.reports import DIMENSIONS, Part
from dragoman.store.sqlite import SqliteStore

ADMIN, READER, ONE = Account("admin", "admin"), Account("eye", "reader"), Account("one")


def refused(act: Callable[[], object]) -> Failure:
    """Return how something is refused."""
    with pytest.raises(Failure) as caught:
        act()
    return caught.value


def test_another_keys_figures_are_refused() -> None:
    """A key may name itself; another's name is a 403, whether there is such a key or not."""
    assert (whose(ADMIN, None), whose(ADMIN, "one"), whose(READER, "one")) == (None, "one", "one")
    assert (whose(ONE, None), whose(ONE, "one")) == ("one", "one")
    assert (sight(ADMIN), sight(READER), sight(ONE)) == (None, None, "one")
    for name in ("two", "unheard of", ""):
        for act in (
            lambda name=name: whose(ONE, name),
            lambda name=name: read({"key": name}, own="one", now=NOW),
        ):
            failure = refused(act)
            assert (failure.kind, failure.at) == (Kind.FORBIDDEN, "key")


@pytest.mark.parametrize("name", PRIVATE)
def test_a_key_learns_nothing_of_others(name: str) -> None:
    """It may neither filter nor group by what tells of teams, users and keys; all else is of its own."""
    if name != "key":
        failure = refused(lambda: read({name: "red"}, own="one", now=NOW))
        assert (failure.kind, failure.at) == (Kind.FORBIDDEN, name)
    for every in ({}, {"interval": "day"}):
        failure = refused(lambda every=every: read({"group_by": name, **every}, own="one", now=NOW))  # type: ignore[misc]
        assert (failure.kind, failure.at) == (Kind.INVALID, "group_by")
        assert "model, provider, route, state, failure, dialect" in failure.message
        assert name not in failure.message.split(" ")
    for other in set(DIMENSIONS) - set(PRIVATE):
        assert read({"group_by": other, other: "x"}, own="one", now=NOW).part.key == "one"


def test_a_key_sees_its_own(tmp_path: Path) -> None:
    """No report of a key has anything of another's, whatever it is grouped and filtered by."""
    rows = by_chance(Random(1), 120, back=20 * DAY_S)

    async def scene(db: SqliteStore) -> None:
        await book(db, rows)
        count = sum(row.key == "one" and row.task != "count" for row in rows)
        for by in sorted({*DIMENSIONS, *INTERVALS} - set(PRIVATE)):
            query = {"group_by": by, "period": "month", "compare": "previous"}
            found = await explored(db.reports, read(query, own="one", now=NOW))
            assert found.total.sums.requests == count
            assert sum(group.sums.requests for group in found.groups) == (0 if by in INTERVALS else count)
        everything = await explored(db.reports, read({"period": "all"}, own="nobody", now=NOW))
        assert everything.total.sums.requests == 0

    play(tmp_path, scene)


def test_everything_that_is_asked_is_meant() -> None:
    """Each parameter is in the report; an empty filter means those that have no such thing."""
    query = {str(name): f"the {name}" for name in DIMENSIONS} | {"failure": ""}
    asked = read(
        {**query, "group_by": "key", "interval": "week", "top": "7", "order": "cost", "period": "week"},
        own=None,
        now=NOW,
    )
    assert asked.part == Part((NOW - 7 * DAY_S) // HOUR_S * HOUR_S, None, **query)
    assert (asked.by, asked.interval, asked.top, asked.order, asked.compare) == (
        "key",
        "week",
        7,
        "cost",
        False,
    )
    bare = read({}, own=None, now=NOW)
    assert (bare.part, bare.by, bare.interval, bare.top) == (
        Part((NOW - 30 * DAY_S) // HOUR_S * HOUR_S),
        None,
        None,
        None,
    )
    exact = read({"from": "2026-11-20", "to": "2026-11-20", "compare": "previous"}, own=None, now=NOW)
    assert (exact.part, exact.compare) == (Part(1_795_132_800, 1_795_219_200), True)


def test_a_series_is_told_by_what_suits_its_length() -> None:
    """Up to two days hour by hour and beyond that day by day; groups stretch by stretch are few."""
    for query, every in (
        ({"period": "day"}, "hour"),
        ({"from": "2026-11-19", "to": "2026-11-20"}, "hour"),
        ({"period": "week"}, "day"),
        ({"period": "all"}, "day"),
        ({"period": "day", "interval": "month"}, "month"),
    ):
        assert read(query, own=None, now=NOW, interval=True).interval == every
    assert read({"group_by": "key", "interval": "day"}, own=None, now=NOW).top == 8
    assert read({"group_by": "key"}, own=None, now=NOW).top is None


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
        ({"group_by": "colour"}, "group_by", "key, team, user, model"),
        ({"group_by": "colour"}, "group_by", "hour, day, week, month"),
        ({"group_by": "answered"}, "group_by", "model, provider"),
        ({"group_by": "day", "interval": "day"}, "group_by", "state, failure, dialect"),
        ({"interval": "minute"}, "interval", "hour, day, week, month"),
        ({"top": "0", "group_by": "key"}, "top", f"1 to {MOST_GROUPS}"),
        ({"top": "101", "group_by": "key"}, "top", f"1 to {MOST_GROUPS}"),
        ({"top": "\u0663", "group_by": "key"}, "top", "whole number"),
        ({"top": "9" * 5000, "group_by": "key"}, "top", "whole number"),
        ({"top": "0" * 8 + "1" + "9" * 30, "group_by": "key"}, "top", "whole number"),
        ({"top": "3"}, "top", "group_by one of key"),
        ({"top": "3", "group_by": "day"}, "top", "group_by one of key"),
        ({"order": "name"}, "order", "requests, cost, tokens, errors"),
        ({"compare": "next"}, "compare", "previous"),
        ({"compare": "previous", "period": "all"}, "compare", "beginning"),
        ({"compare": "previous", "to": "2026-11-01"}, "compare", "beginning"),
    ],
)
def test_what_cannot_be_meant_is_refused(query: Mapping[str, str], at: str, says: str) -> None:
    """A bad value is a 400 that names the parameter and says what it may be."""
    failure = refused(lambda: read(query, own=None, now=NOW))
    assert (failure.kind, failure.at) == (Kind.INVALID, at)
    assert says in failure.message


def test_a_page_takes_its_own_parameters() -> None:
    """A parameter that would be ignored is refused."""
    failure = refused(lambda: read({"interval": "day"}, own=None, now=NOW, known=TOTALS))
    assert (failure.kind, failure.at) == (Kind.INVALID, "interval")


def test_a_whole_number_is_one() -> None:
    """From 1 to the most; nothing else is taken for one."""
    assert (whole("limit", "1", 5), whole("limit", "005", 5)) == (1, 5)
    for text in ("", "0", "6", "-1", "1.5", "+1", " 1", "\u00b2", "9999999999"):
        assert refused(lambda text=text: whole("limit", text, 5)).at == "limit"  # type: ignore[misc]


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
    """A day is the last 24 hours, a week 7 days, a month 30, from a whole hour on; all has no beginning."""

    async def scene(db: SqliteStore) -> None:
        hour = NOW % HOUR_S
        backs = (0, DAY_S + hour, DAY_S + hour + 1, 7 * DAY_S + hour + 1, 30 * DAY_S + hour + 1)
        await book(db, [exchange(str(place), NOW - back) for place, back in enumerate(backs)])

        async def count(query: dict[str, str]) -> int:
            found = await explored(db.reports, read(query, own="one", now=NOW))
            return found.total.sums.requests

        for period, expected in (("day", 2), ("week", 3), ("month", 4), ("all", 5)):
            assert await count({"period": period}) == expected
        assert await count({}) == 4
        assert await count({"from": str(NOW - DAY_S - hour), "to": str(NOW)}) == 1

    play(tmp_path, scene)


def test_the_longest_report_is_made(tmp_path: Path) -> None:
    """As many points as there may be are told, and one hour more is refused."""

    async def scene(db: SqliteStore) -> None:
        end = int(NOW) // HOUR_S * HOUR_S
        longest = {"interval": "hour", "from": str(end - MOST_POINTS * HOUR_S), "to": str(end)}
        found = await explored(db.reports, read(longest, own=None, now=NOW))
        assert len(found.total.points) == MOST_POINTS
        longer = {**longest, "from": str(end - (MOST_POINTS + 1) * HOUR_S)}
        with pytest.raises(Failure, match="at most 1,000"):
            await explored(db.reports, read(longer, own=None, now=NOW))

    play(tmp_path, scene)
