"""Reports explored: every figure is the rows' own, however they are filtered, grouped and stretched."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest
from tests.accounts.rows import (
    DAY,
    LOSSES,
    NOW,
    book,
    by_chance,
    exchange,
    grouped,
    meant,
    play,
    spread,
    stretched,
    sums,
)

from dragoman.accounts.explored import Explored, change, explored, losses
from dragoman.accounts.groups import Group
from dragoman.accounts.reports import INTERVALS, ORDERS, Asked, Order, Query, Span, read
from dragoman.accounts.stretches import stretches
from dragoman.core.failure import Failure, Kind
from dragoman.store import ExchangeRow, Meters
from dragoman.store.reports import DIMENSIONS, Part, Sums
from dragoman.store.sqlite import SqliteStore

WHOLE: Query = {"from": "2026-08-01", "to": "2026-11-21"}


def reckoned(rows: list[ExchangeRow], found: Explored, *, gone: int = 0) -> None:
    """Hold that a report says what its rows do; `gone`: so many groups were there before alone."""
    asked = found.asked
    ours = meant(rows, asked.part)
    assert found.total.sums == sums(ours)
    assert found.total.spread == spread(ours)
    assert sum(count for _, count in found.errors) == found.total.sums.failed
    failed = {name: sums(some).failed for name, some in grouped(ours, "failure").items()}
    assert dict(found.errors) == {name: count for name, count in failed.items() if count}
    own = grouped(ours, asked.by) if asked.by else {}
    assert [group.name for group in found.groups] == [*dict.fromkeys(group.name for group in found.groups)]
    for group in found.groups:
        some = own.pop(group.name or "", [])
        assert (group.sums, group.spread) == (sums(some), spread(some))
        stretch_by_stretch(some, found, group)
    rest = [row for some in own.values() for row in some]
    assert (found.others, found.other is None) == (len(own) + gone, not own)
    for group in (found.other,) if found.other else ():
        assert (group.sums, group.spread) == (sums(rest), spread(rest))
        stretch_by_stretch(rest, found, group)
    stretch_by_stretch(ours, found, found.total)


def stretch_by_stretch(rows: list[ExchangeRow], found: Explored, group: Group) -> None:
    """Hold that the stretches of a group are those of its rows, without gaps."""
    interval = found.asked.interval
    if interval is None:
        assert group.points == ()
        return
    own = stretched(rows, interval)
    assert found.since is not None
    assert [point.at for point in group.points] == stretches(interval, found.since, found.until)
    for point in group.points:
        assert point.sums == sums(own.get(point.at, []))
        if point.spread is not None:
            assert point.spread == spread(own.get(point.at, []))


@pytest.mark.parametrize("seed", range(2))
def test_every_figure_is_the_rows_own(tmp_path: Path, seed: int) -> None:
    """By every dimension and interval, filtered by chance: totals, groups, the rest, stretches, errors."""
    chance = Random(seed)
    rows = by_chance(chance, 250)

    async def scene(db: SqliteStore) -> None:
        await book(db, rows)
        for by in (None, *DIMENSIONS):
            for every in (None, *INTERVALS):
                since = 7 if every == "hour" else 80
                query = {"from": str(NOW - since * DAY - chance.random()), "to": str(NOW - chance.random())}
                query |= {"group_by": by} if by else {}
                query |= {"interval": every} if every else {}
                query |= {"top": str(chance.randrange(1, 4))} if by and chance.random() < 0.5 else {}
                for name in chance.sample(DIMENSIONS, chance.choice((0, 1, 2))):
                    query[name] = chance.choice(sorted(grouped(rows, name)))
                asked = read(query, own=None, now=NOW)
                reckoned(rows, await explored(db.reports, asked, fine=chance.random() < 0.5))

    play(tmp_path, scene)


@pytest.mark.parametrize("by", INTERVALS)
def test_times_are_groups_too(tmp_path: Path, by: str) -> None:
    """Grouped by hour, day, week or month, a report is told by these."""
    rows = by_chance(Random(5), 60, back=20 * DAY)

    async def scene(db: SqliteStore) -> None:
        await book(db, rows)
        found = await explored(db.reports, read({"group_by": by, "period": "month"}, own=None, now=NOW))
        reckoned(rows, found)
        assert (found.asked.interval, found.asked.grouped, found.groups) == (by, by, ())
        assert found.total.points

    play(tmp_path, scene)


def test_the_most_comes_first(tmp_path: Path) -> None:
    """Groups are ordered by what is asked for; the rest is one, and nothing of it is lost."""

    async def scene(db: SqliteStore) -> None:
        rows = [exchange(f"a{place}", key="often", meters=Meters(cost_micros=1)) for place in range(3)]
        rows += [exchange("b", key="dear", meters=Meters(cost_micros=900))]
        rows += [exchange("c", key="long", meters=Meters(input=500, cost_micros=2))]
        rows += [exchange(f"d{place}", key="broken", state="failed", meters=Meters()) for place in range(2)]
        await book(db, rows)
        first: dict[Order, str] = {
            "requests": "often",
            "cost": "dear",
            "tokens": "long",
            "errors": "broken",
        }
        assert first.keys() == set(ORDERS)
        for order, name in first.items():
            query = {"group_by": "key", "order": order, "top": "1", "interval": "day"}
            found = await explored(db.reports, read(query, own=None, now=NOW))
            assert [group.name for group in found.groups] == [name]
            assert found.others == 3
            assert found.other is not None
            assert found.groups[0].sums + found.other.sums == found.total.sums == sums(rows)

    play(tmp_path, scene)


def test_the_time_before_is_as_long(tmp_path: Path) -> None:
    """Compared are the seconds just before, by group; one that is there no more is told as nothing."""
    chance = Random(9)
    rows = by_chance(chance, 200, back=20 * DAY)
    rows += [exchange("gone", NOW - 9 * DAY, key="gone"), exchange("new", NOW - 60, key="new")]

    async def scene(db: SqliteStore) -> None:
        await book(db, rows)
        query = {"period": "week", "group_by": "key", "compare": "previous", "interval": "day"}
        found = await explored(db.reports, read(query, own=None, now=NOW))
        begin = (NOW - 7 * DAY) // 3600 * 3600
        then = meant(rows, Part(2 * begin - NOW, begin))
        before = found.previous
        assert before is not None
        assert (before.since, before.until, before.sums) == (2 * begin - NOW, begin, sums(then))
        own = stretched(then, "day")
        assert [point.at for point in before.points] == stretches("day", before.since, before.until)
        assert [point.sums for point in before.points] == [
            sums(own.get(point.at, [])) for point in before.points
        ]
        befores = {group.name: group.before for group in found.groups}
        keys = grouped(then, "key")
        assert befores == {name: sums(keys.get(name, [])) for name in {*keys, "new", *befores} if name}
        assert {group.name: group.sums for group in found.groups}["gone"] == Sums()
        assert found.total.before == before.sums
        few = await explored(db.reports, read({**query, "top": "2"}, own=None, now=NOW))
        reckoned(rows, few, gone=1)
        assert [group.before for group in few.groups] == [befores[group.name] for group in few.groups]
        assert few.other is not None
        assert few.other.before == sums(
            [row for row in then if row.key not in {group.name for group in few.groups}]
        )
        assert (few.total.before, few.previous) == (before.sums, before)
        first = await explored(
            db.reports,
            read({"from": "1970-01-02", "to": "1970-01-05", "compare": "previous"}, own=None, now=0),
        )
        assert first.previous is not None
        assert (first.previous.since, first.previous.sums) == (0, Sums())

    play(tmp_path, scene)


def test_a_change_is_a_share() -> None:
    """A quarter more is 0.25; from nothing, or of what nobody knows, there is no saying."""
    assert (change(5, 4), change(3, 4), change(0, 4)) == (0.25, -0.25, -1)
    assert (change(5, 0), change(None, 4), change(5, None), change(None, None)) == (None,) * 4


def test_nothing_at_all_is_told_as_nothing(tmp_path: Path) -> None:
    """An empty ledger, and times long before and after it, are reports of zeros and no faults."""

    async def scene(db: SqliteStore) -> None:
        queries: tuple[dict[str, str], ...] = (
            {"period": "all"},
            {"period": "all", "interval": "hour", "group_by": "key"},
            {"period": "week", "interval": "day", "compare": "previous"},
            {"from": "1970-01-01", "to": "1970-01-03", "interval": "hour"},
            {"from": "9999-11-01", "to": "9999-12-31", "interval": "month"},
            {"from": "9999-11-01", "to": "9999-12-31", "interval": "week", "group_by": "state"},
        )
        for booked in ([], [exchange("x")]):
            await book(db, booked)
            for query in queries:
                found = await explored(db.reports, read(query, own=None, now=NOW))
                reckoned(booked, found)
                if not found.total.sums.requests:
                    assert found.total.spread is not None
                    assert found.total.spread.latency_ms(0.5) is None

    play(tmp_path, scene)


def test_too_many_stretches_are_refused(tmp_path: Path) -> None:
    """The place is the parameter that asked for them, and what it may be is said."""

    async def scene(db: SqliteStore) -> None:
        for query, at, says in (
            ({"interval": "hour", "from": "2026-01-01"}, "interval", "ask for days"),
            ({"interval": "day", "from": "2020-01-01"}, "interval", "less time"),
            ({"group_by": "hour", "from": "2026-01-01"}, "group_by", "ask for days"),
            ({"interval": "week", "from": "1970-01-01", "group_by": "key"}, "interval", "less time"),
        ):
            with pytest.raises(Failure) as caught:
                await explored(db.reports, read(query, own=None, now=NOW))
            assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)
            assert says in caught.value.message
        months = await explored(
            db.reports, read({"interval": "month", "from": "1970-01-01"}, own=None, now=NOW)
        )
        assert len(months.total.points) == 12 * 56 + 11

    play(tmp_path, scene)


def test_what_begins_meanwhile_is_told_too(tmp_path: Path) -> None:
    """A stretch that begins while the report is made is in its points, as it is in its total."""

    async def scene(db: SqliteStore) -> None:
        await book(db, [exchange("x", NOW + DAY)])
        found = await explored(
            db.reports, Asked(Span("day", NOW - DAY, NOW, ends=False), Part(NOW - DAY), interval="day")
        )
        assert sum(point.sums.requests for point in found.total.points) == found.total.sums.requests == 1

    play(tmp_path, scene)


def test_losses_are_told_by_word(tmp_path: Path) -> None:
    """What was lost, how, and in how many requests; of whole hours, the most frequent first."""
    rows = by_chance(Random(3), 120, back=3 * DAY)

    async def scene(db: SqliteStore) -> None:
        await book(db, rows)
        found = await losses(db.reports, {"period": "day"}, now=NOW)
        until = NOW // 3600 * 3600 + 3600
        assert (found.since, found.until) == ((NOW - DAY) // 3600 * 3600, until)
        ours = meant(rows, Part(found.since))
        counts = {
            word.replace("[2]", "[]").replace("[0]", "[]"): sum(word in row.losses for row in ours)
            for word in LOSSES
        }
        assert {f"{how}:{what}": count for how, what, count in found.words} == counts
        assert [count for *_, count in found.words] == sorted(counts.values(), reverse=True)
        assert (found.requests, found.lossy) == (len(ours), sum(bool(row.losses) for row in ours))
        few = await losses(db.reports, {"period": "day", "limit": "1"}, now=NOW)
        assert (few.words, few.more, found.more) == (found.words[:1], True, False)
        none = await losses(db.reports, {"from": "2000-01-01", "to": "2000-01-02"}, now=NOW)
        assert (none.words, none.requests) == ((), 0)
        for query, at in (
            ({"limit": "0"}, "limit"),
            ({"limit": "many"}, "limit"),
            ({"model": "m"}, "model"),
            ({"period": "hour"}, "period"),
        ):
            with pytest.raises(Failure) as caught:
                await losses(db.reports, query, now=NOW)
            assert caught.value.at == at

    play(tmp_path, scene)


def test_a_report_waits_for_nobody(tmp_path: Path) -> None:
    """Several at once say the same."""
    rows = by_chance(Random(4), 40)

    async def scene(db: SqliteStore) -> None:
        await book(db, rows)
        asked = read({"group_by": "model", "interval": "day", **WHOLE}, own=None, now=NOW)
        first, *more = await asyncio.gather(*(explored(db.reports, asked) for _ in range(4)))
        assert all(one == first for one in more)
        reckoned(rows, first)

    play(tmp_path, scene)
