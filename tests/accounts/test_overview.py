"""The overview: each of its numbers is the rows' own, at any time of the day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec
import pytest
from tests.accounts.rows import (
    DAY,
    NOW,
    attempt,
    book,
    by_chance,
    exchange,
    grouped,
    meant,
    play,
    spread,
    sums,
)

from dragoman.accounts import budgeting
from dragoman.accounts.budgets import BudgetSpec
from dragoman.accounts.overview import health, overview, shown
from dragoman.store import Meters
from dragoman.store.reports import Call, Part
from dragoman.store.spread import bucket
from dragoman.store.sqlite import SqliteStore

HOUR = 3600
AT = datetime.fromtimestamp(NOW, UTC)
MIDNIGHT = AT.replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize("seed", range(2))
def test_every_number_is_the_rows_own(tmp_path: Path, seed: int) -> None:
    """Spending by the calendar, a day by hour, a month by day, errors, who and what most, providers."""
    rows = by_chance(Random(seed), 250)

    async def scene(db: SqliteStore) -> None:
        await book(db, rows)
        found = await overview(db, now=NOW, live=3)
        monday = MIDNIGHT - timedelta(days=5)
        first = MIDNIGHT.replace(day=1)
        for spend, since, before in (
            (found.today, MIDNIGHT, MIDNIGHT - timedelta(days=1)),
            (found.week, monday, monday - timedelta(days=7)),
            (found.month, first, datetime(2026, 10, 1, tzinfo=UTC)),
        ):
            lo, ago = since.timestamp(), before.timestamp()
            assert (spend.since, spend.sums) == (lo, sums(meant(rows, Part(lo))))
            assert spend.before == sums(meant(rows, Part(ago, ago + NOW - lo)))
        hour = int(NOW) // HOUR * HOUR
        for group, step, count, last in (
            (found.day, HOUR, 24, hour),
            (found.days, DAY, 30, int(MIDNIGHT.timestamp())),
        ):
            assert [point.at for point in group.points] == [*range(last - (count - 1) * step, last + 1, step)]
            for point in group.points:
                own = meant(rows, Part(point.at, point.at + step))
                assert (point.sums, point.spread) == (sums(own), spread(own))
            own = meant(rows, Part(group.points[0].at))
            assert (group.sums, group.spread) == (sums(own), spread(own))
        day = meant(rows, Part(hour - 23 * HOUR))
        kinds = {name: sums(some).failed for name, some in grouped(day, "failure").items()}
        assert dict(found.errors) == {name: count for name, count in kinds.items() if count}
        for groups, by in ((found.keys, "key"), (found.models, "model")):
            today = grouped(meant(rows, Part(MIDNIGHT.timestamp())), by)
            assert {one.name: one.sums for one in groups} == {
                name: sums(some) for name, some in today.items()
            }
            assert [one.sums.cost_micros for one in groups] == sorted(
                (one.sums.cost_micros for one in groups), reverse=True
            )
        assert found.live == 3
        called = grouped([row for row in day if row.provider], "provider")
        assert {one.provider: one.calls for one in found.providers} == {
            name: len(some) for name, some in called.items()
        }
        for one in found.providers:
            bad = [row for row in called[one.provider] if row.state in ("failed", "interrupted")]
            recent = [row for row in called[one.provider] if row.opened_at >= hour - HOUR]
            assert (one.failed, one.recent_calls) == (len(bad), len(recent))
            assert one.recent_failed == sum(row in bad for row in recent)
            assert sum(count for _, count in one.failures) == one.failed
            assert [sum(hours) for hours in zip(*(one.hours), strict=True)][1:] == [one.calls, one.failed]
            assert len(one.hours) == 24

    play(tmp_path, scene)


def test_budgets_of_everything_stand_beside(tmp_path: Path) -> None:
    """Those of a key or a team are not the front page's."""

    async def scene(db: SqliteStore) -> None:
        for name, spec in (
            ("all", BudgetSpec(dollars=5, period="day")),
            ("one", BudgetSpec(dollars=5, scope="key", subject="one")),
        ):
            await budgeting.put(db.budgets, name, spec, actor="test", now=NOW - 2 * DAY)
        await book(db, [exchange("x", NOW - 60, meters=Meters(cost_micros=1_250_000))])
        found = await overview(db, now=NOW)
        (standing,) = found.budgets
        assert (standing.budget.name, standing.left_micros) == (
            "all",
            5_000_000 - found.today.sums.cost_micros,
        )
        told = shown(found)
        (budget,) = told["budgets"]
        assert isinstance(budget, dict)
        (window,) = budget["windows"]
        assert (budget["name"], budget["dollars"], window["spent_usd"]) == ("all", 5.0, 1.25)

    play(tmp_path, scene)


@pytest.mark.parametrize("at", [MIDNIGHT.timestamp(), MIDNIGHT.timestamp() - 0.001, 0.0, 253_402_300_000.0])
def test_any_time_has_an_overview(tmp_path: Path, at: float) -> None:
    """At midnight, just before, with a clock that never was set or is far ahead: zeros, and no fault."""

    async def scene(db: SqliteStore) -> None:
        found = await overview(db, now=at)
        assert (len(found.day.points), len(found.days.points)) == (24, 30)
        assert found.day.points[-1].at <= at < found.day.points[-1].at + HOUR
        assert (found.keys, found.providers, found.errors, found.budgets) == ((), (), (), ())
        told = msgspec.json.decode(msgspec.json.encode(shown(found)))
        assert (told["today"]["requests"], told["today"]["cost_usd"]) == (0, 0)
        assert told["today"]["change"]["cost_usd"] is None
        assert (told["day"]["p95_first_event_ms"], len(told["days"]["series"])) == (None, 30)

    play(tmp_path, scene)


def test_a_provider_that_was_stood_in_for_is_seen_failing(tmp_path: Path) -> None:
    """Its call failed although the exchange did not; of what the client left nothing is held against it."""

    async def scene(db: SqliteStore) -> None:
        row = exchange("x", NOW - 5 * HOUR, provider="good", attempts=2)
        bad = attempt(row, 1, provider="bad", state="failed", failure="rate_limited")
        await db.settle(row, [bad, attempt(row, 2, first_event_ms=250.0)])
        left = exchange("y", NOW - 60, provider="good", state="cancelled")
        await db.settle(left, [attempt(left)])
        found = {one.provider: one for one in (await overview(db, now=NOW)).providers}
        assert (found["bad"].calls, found["bad"].failed, found["bad"].failures) == (
            1,
            1,
            (("rate_limited", 1),),
        )
        assert (found["good"].calls, found["good"].failed, found["good"].recent_calls) == (2, 0, 1)
        assert found["bad"].p50_ms is None
        assert found["good"].p95_ms == pytest.approx(250, rel=0.022)
        told = shown(await overview(db, now=NOW))["providers"]
        assert isinstance(told, list)
        assert [one["provider"] for one in told if isinstance(one, dict)] == ["good", "bad"]

    play(tmp_path, scene)


def test_health_is_of_calls_alone() -> None:
    """Pure: calls go to their hours, the busiest provider first; what began meanwhile is in the last."""
    hour = int(NOW) // HOUR * HOUR
    calls = [
        Call(hour - HOUR, "p", "m", "settled", "", 4, {bucket(100_000): 4}),
        Call(hour, "p", "n", "failed", "timeout", 2),
        Call(hour + HOUR, "p", "n", "interrupted", "", 1),
        Call(hour - 9 * HOUR, "q", "m", "failed", "timeout", 1),
    ]
    busy, quiet = health(calls, hour)
    assert (busy.provider, busy.calls, busy.failed, busy.recent_failed) == ("p", 7, 3, 3)
    assert busy.failures == (("timeout", 2), ("", 1))
    assert busy.hours[-2:] == ((hour - HOUR, 4, 0), (hour, 3, 3))
    assert (quiet.recent_calls, quiet.hours[-10]) == (0, (hour - 9 * HOUR, 1, 1))
