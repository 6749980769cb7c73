"""Budgets made, changed and removed: each in the audit log, each where it was made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dragoman.accounts import budgeting
from dragoman.accounts.budgets import BudgetSpec, standings
from dragoman.core.failure import Failure, Kind
from dragoman.store.budgets import AlertRow
from dragoman.store.sqlite import SqliteStore

NOON = 1_795_262_400.0
MONTH = BudgetSpec(dollars="2.50", scope="team", subject="red")


def play(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run `scene` on a store."""

    async def run() -> None:
        db = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(db)
        finally:
            await db.close()

    asyncio.run(run())


async def logged(db: SqliteStore) -> list[tuple[str, str, str]]:
    """Return who did what to which budget, the first first."""
    return [(row.actor, row.action, row.subject) for _, row in reversed(await db.audit.rows())]


async def refused(asked: Awaitable[object]) -> tuple[Kind, str | None]:
    """Do what must be refused; return as what."""
    with pytest.raises(Failure) as caught:
        await asked
    return caught.value.kind, caught.value.code


def test_a_budget_is_made_changed_and_removed(tmp_path: Path) -> None:
    """It keeps when it was made, and the log says what there was and what there is."""

    async def scene(db: SqliteStore) -> None:
        kept = db.budgets
        made = await budgeting.put(kept, "red", MONTH, actor="admin", now=1.0)
        assert await budgeting.find(kept, "red") == made
        wider = BudgetSpec(dollars=3, scope="team", subject="red", hard=False)
        changed = await budgeting.put(kept, "red", wider, actor="eve", now=2.0)
        assert (changed.cap_micros, changed.created_at, changed.hard) == (3_000_000, 1.0, False)
        await budgeting.remove(kept, "red", actor="admin", now=3.0)
        assert await kept.rows() == []
        assert await logged(db) == [
            ("admin", "budget.create", "red"),
            ("eve", "budget.change", "red"),
            ("admin", "budget.remove", "red"),
        ]
        _, change = (await db.audit.rows())[1]
        detail = json.loads(change.detail)
        assert (detail["was"]["cap_micros"], detail["is"]["cap_micros"]) == (2_500_000, 3_000_000)

    play(tmp_path, scene)


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    """A name that is none, and a budget that is not there."""

    async def scene(db: SqliteStore) -> None:
        kept = db.budgets
        for name in ("", "a b", "-a", "a" * 65, "a/b", "a\n"):
            found = await refused(budgeting.put(kept, name, MONTH, actor="admin", now=1.0))
            assert found == (Kind.INVALID, None)
        assert await refused(budgeting.find(kept, "red")) == (Kind.NOT_FOUND, "budget_not_found")
        found = await refused(budgeting.remove(kept, "red", actor="admin", now=1.0))
        assert found == (Kind.NOT_FOUND, "budget_not_found")
        assert await logged(db) == []

    play(tmp_path, scene)


def test_the_configurations_budgets_are_those_of_the_last_start(tmp_path: Path) -> None:
    """What is new is made, what is other is changed, what is gone is removed; the rest, and others', stay."""

    async def scene(db: SqliteStore) -> None:
        kept = db.budgets
        await budgeting.put(kept, "mine", MONTH, actor="admin", now=1.0)
        await budgeting.put(kept, "both", MONTH, actor="admin", now=1.0)
        await budgeting.enter({"red": MONTH, "both": MONTH}, kept, 2.0)
        await budgeting.enter({"red": MONTH, "both": MONTH}, kept, 3.0)
        rows = {row.name: row for row in await kept.rows()}
        assert {name: row.origin for name, row in rows.items()} == {
            "both": "config",
            "mine": "admin",
            "red": "config",
        }
        assert (rows["red"].created_at, rows["both"].created_at) == (2.0, 1.0)
        await budgeting.enter({"both": BudgetSpec(dollars=1)}, kept, 4.0)
        assert [(row.name, row.scope) for row in await kept.rows()] == [("both", "all"), ("mine", "team")]
        assert (await logged(db))[2:] == [
            ("configuration", "budget.create", "red"),
            ("configuration", "budget.change", "both"),
            ("configuration", "budget.change", "both"),
            ("configuration", "budget.remove", "red"),
        ]

    play(tmp_path, scene)


def test_the_configurations_budgets_are_changed_there(tmp_path: Path) -> None:
    """By hand they can be neither changed nor removed: the next start would undo it."""

    async def scene(db: SqliteStore) -> None:
        kept = db.budgets
        await budgeting.enter({"red": MONTH}, kept, 2.0)
        conflict = (Kind.CONFLICT, "budget_configured")
        assert await refused(budgeting.put(kept, "red", MONTH, actor="admin", now=3.0)) == conflict
        assert await refused(budgeting.remove(kept, "red", actor="admin", now=3.0)) == conflict
        assert len(await kept.rows()) == 1

    play(tmp_path, scene)


def test_a_budget_is_told_in_dollars(tmp_path: Path) -> None:
    """With its window; to a key without amounts, where they are not its own."""

    async def scene(db: SqliteStore) -> None:
        kept = db.budgets
        row = await budgeting.put(kept, "red", MONTH, actor="admin", now=1.0)
        [told] = await budgeting.shown(db, [row], NOON, who={})
        assert told["windows"] == [
            {
                "subject": "red",
                "began_at": 1_793_491_200,
                "ends_at": 1_796_083_200,
                "spent_usd": 0.0,
                "held_usd": 0.0,
                "left_usd": 2.5,
            }
        ]
        assert (told["dollars"], told["alerts"], told["origin"]) == (2.5, [50, 80, 100], "admin")
        assert (told["subjects"], told["used_up"]) == (1, 0)
        [standing] = await standings([row], kept, NOON)
        own = budgeting.own(standing, amounts=True)
        assert (own["dollars"], own["left_usd"], own["exhausted"]) == (2.5, 2.5, False)
        others = budgeting.own(standing, amounts=False)
        assert others.keys() == own.keys()
        assert {name for name, value in others.items() if value is None} == {
            *("dollars", "spent_usd", "held_usd", "left_usd")
        }

    play(tmp_path, scene)


def test_a_list_tells_how_many_there_are(tmp_path: Path) -> None:
    """Of a budget for each there are as many windows as are asked for, beside how many stand how."""

    async def scene(db: SqliteStore) -> None:
        each = BudgetSpec(dollars=0, scope="key", subject="*")
        row = await budgeting.put(db.budgets, "each", each, actor="admin", now=1.0)
        [told] = await budgeting.shown(db, [row], NOON, who={"key": ("a", "b", "c")}, most=2)
        assert (told["subjects"], told["used_up"]) == (3, 3)
        assert [one["subject"] for one in told["windows"]] == ["a", "b"]
        [told] = await budgeting.shown(db, [row], NOON, who={"key": ("a", "b", "c")})
        assert len(told["windows"]) == 3

    play(tmp_path, scene)


def test_an_alert_is_told_in_dollars() -> None:
    """With whose it is, and which window's."""
    assert budgeting.alert(AlertRow("red", "x", 5, 80, 2_000_000, 2_500_000, 9.0)) == {
        "budget": "red",
        "subject": "x",
        "percent": 80,
        "spent_usd": 2.0,
        "dollars": 2.5,
        "began_at": 5,
        "told_at": 9.0,
    }
