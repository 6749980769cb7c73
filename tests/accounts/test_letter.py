"""The letter: its time, and that its figures are the ledger's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dragoman.accounts.budgeting import put
from dragoman.accounts.budgets import BudgetSpec
from dragoman.accounts.letter import Letter, letter, time_of
from dragoman.core.failure import Failure
from dragoman.store import ExchangeRow, Meters, RatingRow
from dragoman.store.budgets import AlertRow
from dragoman.store.sqlite import SqliteStore

DAY = 86_400
NOW = 20_000 * DAY + 40_000.0
"""In the middle of a day."""

TODAY = 20_000 * DAY


def row(name: str, at: float, **more: Any) -> ExchangeRow:
    """Return an exchange that was answered, unless said otherwise."""
    fields: dict[str, Any] = {
        "key": "anna",
        "model": "m",
        "answered_model": "m",
        "provider": "p",
        "state": "settled",
        "latency_ms": 100.0,
        "meters": Meters(input=10, output=5, cost_micros=1000),
    }
    return ExchangeRow(
        id=name,
        request_id=name,
        owner="me",
        dialect="openai_chat",
        task="generate",
        stream=False,
        opened_at=at,
        **(fields | more),
    )


def play(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run `scene` on a store in `folder`."""

    async def run() -> None:
        db = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(db)
        finally:
            await db.close()

    asyncio.run(run())


async def book(db: SqliteStore) -> None:
    """Write two weeks: every day one request of each of two models, the dearer one by a team's key."""
    for day in range(1, 15):
        at = TODAY - day * DAY + 100.0
        await db.settle(row(f"a{day}", at), [])
        more: dict[str, Any] = {"key": "bob", "team": "shop", "model": "big", "answered_model": "big"}
        await db.settle(row(f"b{day}", at, **more, meters=Meters(input=1, cost_micros=9000)), [])
    await db.settle(row("today", TODAY + 5.0, meters=Meters(cost_micros=10**9)), [])
    failed: dict[str, Any] = {"state": "failed", "failure": "timeout", "losses": ("dropped:seed",)}
    await db.settle(row("bad", TODAY - 50.0, **failed, meters=Meters(cost_micros=0)), [])
    saved: dict[str, Any] = {"cached": True, "saved_micros": 700, "meters": Meters(cost_micros=0)}
    await db.settle(row("kept", TODAY - 60.0, **saved), [])


async def written(db: SqliteStore, period: str = "week", **filters: str) -> Letter:
    """Return a letter of what is booked."""
    since, until = time_of(period, None, None, now=NOW)
    return await letter(db, since, until, filters=filters, now=NOW)


def test_a_letter_is_of_whole_days_that_are_over(tmp_path: Path) -> None:
    """A week is the seven days before today, beside the seven before; today is in neither."""

    async def scene(db: SqliteStore) -> None:
        await book(db)
        found = await written(db)
        assert (found.since, found.until) == (TODAY - 7 * DAY, TODAY)
        total, before = found.models.total, found.models.previous
        assert total.sums.cost_micros == 7 * 10_000
        assert before is not None
        assert before.sums.cost_micros == 7 * 10_000
        assert [point.sums.cost_micros for point in total.points] == [10_000] * 7
        assert sum(point.sums.requests for point in total.points) == total.sums.requests == 16

    play(tmp_path, scene)


def test_it_tells_who_asked_for_what_and_how_it_went(tmp_path: Path) -> None:
    """By model, team and key, the dearest first; errors, losses, and what recordings saved."""

    async def scene(db: SqliteStore) -> None:
        await book(db)
        found = await written(db)
        assert [(one.name, one.sums.cost_micros) for one in found.models.groups] == [
            ("big", 63_000),
            ("m", 7_000),
        ]
        assert [one.name for one in found.keys.groups] == ["bob", "anna"]
        assert found.teams is not None
        assert [one.name for one in found.teams.groups] == ["shop", ""]
        assert found.models.errors == (("timeout", 1),)
        assert found.lost is not None
        assert found.lost.words == (("dropped", "seed", 1),)
        assert found.models.total.sums.saved_micros == 700
        spread = found.models.total.spread
        assert spread is not None
        assert spread.latency_ms(0.95) == pytest.approx(100, rel=0.03)

    play(tmp_path, scene)


def test_of_a_budget_for_each_it_tells_who_spent_most(tmp_path: Path) -> None:
    """Ten at most, and nobody who has spent nothing."""

    async def scene(db: SqliteStore) -> None:
        spec = BudgetSpec(dollars="5", scope="key", subject="*", period="total")
        await put(db.budgets, "each", spec, actor="me", now=NOW)
        assert (await written(db)).budgets == ()
        for place in range(12):
            more: dict[str, Any] = {"key": f"key-{place:02}", "meters": Meters(cost_micros=place * 1000)}
            await db.settle(row(f"e{place}", TODAY - DAY, **more), [])
        found = (await written(db)).budgets
        assert [(one.window.subject, one.window.spent_micros) for one in found] == [
            (f"key-{place:02}", place * 1000) for place in range(11, 1, -1)
        ]

    play(tmp_path, scene)


def test_it_tells_budgets_and_ratings(tmp_path: Path) -> None:
    """How they stand as it is written, unless it is of a part of everything."""

    async def scene(db: SqliteStore) -> None:
        await book(db)
        await db.ratings.keep(RatingRow("a1", "anna", "m", 4, "good", TODAY - 10.0))
        spec = BudgetSpec(dollars="5", period="total")
        await put(db.budgets, "all", spec, actor="me", now=NOW)
        found = await written(db)
        assert [one.budget.name for one in found.budgets] == ["all"]
        assert [(one.model, one.mean) for one in found.rated] == [("m", 4.0)]
        of_one = await written(db, key="bob")
        assert (of_one.budgets, of_one.rated, of_one.alerts, of_one.lost) == ((), (), (), None)
        assert of_one.models.total.sums.cost_micros == 63_000

    play(tmp_path, scene)


def test_alerts_are_found_however_many_came_after(tmp_path: Path) -> None:
    """A letter of a time long ago tells who was told then, as the letter of that day did."""

    async def scene(db: SqliteStore) -> None:
        for place in range(510):
            at = TODAY - place * DAY - 1.0
            await db.budgets.tell(AlertRow("all", "", place, 80, 4, 5, at))
        assert [one.at for one in (await written(db, "day")).alerts] == [0]
        assert [one.at for one in (await written(db)).alerts] == list(range(7))
        old = await letter(db, TODAY - 507 * DAY, TODAY - 505 * DAY, filters={}, now=NOW)
        assert [one.at for one in old.alerts] == [505, 506]

    play(tmp_path, scene)


def test_nobody_has_a_team(tmp_path: Path) -> None:
    """Then there is nothing to say of teams."""

    async def scene(db: SqliteStore) -> None:
        await db.settle(row("a", TODAY - 50.0), [])
        assert (await written(db)).teams is None

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("days", "interval"), [(1, "hour"), (7, "day"), (45, "day"), (200, "week"), (900, "month")]
)
def test_a_time_is_drawn_by_what_fits_it(days: int, interval: str, tmp_path: Path) -> None:
    """A day by the hour, years by the month."""

    async def scene(db: SqliteStore) -> None:
        found = await letter(db, TODAY - days * DAY, TODAY, filters={}, now=NOW)
        assert found.models.asked.interval == interval

    play(tmp_path, scene)


def test_times_are_read() -> None:
    """A period, two ends, or one of them; a date that is the end has all of its day."""
    assert time_of("day", None, None, now=NOW) == (TODAY - DAY, TODAY)
    assert time_of("month", None, None, now=NOW) == (TODAY - 30 * DAY, TODAY)
    assert time_of("week", "2024-10-01", None, now=NOW) == (1_727_740_800, TODAY)
    assert time_of("week", "2024-10-01", "2024-10-01", now=NOW) == (1_727_740_800, 1_727_827_200)
    assert time_of("day", None, "2024-10-01", now=NOW) == (1_727_740_800, 1_727_827_200)


@pytest.mark.parametrize(
    ("begin", "end", "said"),
    [
        ("soon", None, "from must be"),
        (None, "soon", "to must be"),
        ("2024-10-02", "2024-10-01", "from is not before to"),
        ("2030-01-01", None, "from is not before to"),
    ],
)
def test_what_is_no_time_is_refused(begin: str | None, end: str | None, said: str) -> None:
    """Words that are none, and ends in the wrong order."""
    with pytest.raises(Failure, match=said):
        time_of("week", begin, end, now=NOW)
