"""Whom budgets hold for, and how each of them stands: as the rows say, whoever has asked for anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from tests.accounts.rows import DAY, NOW, attempt, exchange, play

from dragoman.accounts.budgeted import NOBODY, Known, Stands, known, stand
from dragoman.accounts.budgets import Budgets, present
from dragoman.accounts.issuing import Draft, Issuing
from dragoman.accounts.keys import Account, KeySpec
from dragoman.accounts.terms import Terms
from dragoman.core.failure import Failure, Kind
from dragoman.store import AttemptRow, ExchangeRow, Meters, Store
from dragoman.store.audit import AuditRow
from dragoman.store.budgets import EACH, BudgetRow, Claim, Share
from dragoman.store.sqlite import SqliteStore

AUDIT = AuditRow(1.0, "a test", "budget.create", "x")
WHO: Known = {
    "key": ("ann", "bob", "idle"),
    "team": ("red", "blue", "idle"),
    "user": ("ann.b", "carl", "idle"),
}


def row(name: str, scope: str = "key", subject: str = EACH, **changes: Any) -> BudgetRow:
    """Return a budget of ten dollars a day."""
    fields = {"cap_micros": 10_000_000, "period": "day", "created_at": NOW, **changes}
    return msgspec.convert({"name": name, "scope": scope, "subject": subject, **fields}, BudgetRow)


BUDGETS = (
    row("each-key"),
    row("each-key-month", period="month", zone="Asia/Kolkata", cap_micros=1_000_000),
    row("each-team", "team", period="week", hard=False),
    row("each-user", "user", period="total"),
    row("each-model", "model", zone="Asia/Kolkata"),
    row("each-model-ever", "model", period="total", cap_micros=0, hard=False),
    row("ann", subject="ann"),
    row("all", "all", ""),
)


async def spend(db: Store, name: str, micros: int, at: float = NOW - 60, **more: Any) -> None:
    """Book a request that nobody claimed anything for."""
    ended = exchange(name, at, meters=Meters(cost_micros=micros), **more)
    await db.settle(ended, [attempt(ended, model=more.get("answered_model", "m"))])


def told(found: Stands) -> dict[str, tuple[int, int]]:
    """Return what each window of a budget has spent and holds."""
    return {one.window.subject: (one.window.spent_micros, one.window.held_micros) for one in found.windows}


def subjects(budget: BudgetRow, one: ExchangeRow, tries: list[AttemptRow]) -> set[str]:
    """Return whom of a budget for each a request counts for."""
    if budget.scope == "model":
        return {f"{attempt.provider}/{attempt.model}" for attempt in tries}
    return {getattr(one, budget.scope)} - {""}


async def happen(db: Store, chance: Random, rows: list[BudgetRow]) -> None:
    """Let a request begin, under the budgets there are, ask one provider or several, and end, or not."""
    at = NOW - chance.choice((chance.uniform(0, DAY), chance.uniform(0, 40 * DAY)))
    name = f"{chance.random()}"
    opened = exchange(
        name,
        at,
        state="reserved",
        key=chance.choice(("ann", "bob", "gone")),
        team=chance.choice(("red", "blue", "")),
        user=chance.choice(("ann.b", "carl", "")),
        answered_model=None,
        meters=Meters(),
    )
    account = Account(opened.key, team=opened.team, user=opened.user)
    tries: list[AttemptRow] = []
    claim: Claim | None = None
    for number in range(1, chance.choice((2, 2, 3, 4))):
        provider, model = chance.choice("pq"), chance.choice("mn")
        tries.append(attempt(opened, number, provider=provider, model=model, state="reserved"))
        models = ("fast", model, f"{provider}/{model}")
        shares = Budgets(lambda: rows, lambda: NOW).shares(account, models, at=at)
        shares = tuple(dict.fromkeys((*(claim.shares if claim else ()), *shares)))
        claim = Claim(chance.randrange(1000), shares) if shares else None
        if number == 1:
            await db.open_exchange(opened, tries[0], claim)
        else:
            await db.open_attempt(tries[-1], claim)
    if chance.random() < 0.8:
        cost = chance.choice((0, None, chance.randrange(100_000)))
        ended = msgspec.structs.replace(opened, state="settled", meters=Meters(cost_micros=cost))
        await db.settle(ended, [msgspec.structs.replace(one, state="settled") for one in tries])


@pytest.mark.parametrize("seed", range(6))
def test_each_stands_as_its_rows_say(tmp_path: Path, seed: int) -> None:
    """Before anybody asked since a budget was made, and after; what one page asks of one is the same."""

    async def scene(db: SqliteStore) -> None:
        chance = Random(seed)
        made: list[BudgetRow] = []
        for budgets in ((), BUDGETS[:4], BUDGETS):
            for budget in budgets:
                await db.budgets.put(budget, AUDIT)
            made = list(budgets)
            await hold(db, made)
            for _ in range(25):
                await happen(db, chance, made)
            await hold(db, made)
        await db.interrupt(["me"])
        await hold(db, made)

    play(tmp_path, scene)


async def hold(db: Store, made: list[BudgetRow]) -> None:
    """Hold that budgets stand as the rows say, and as windows do."""
    rows = await db.exchanges(limit=1000)
    there = [(one, await db.attempts(one.id)) for one in rows]
    for found in await stand(db, made, NOW, who=WHO):
        budget = found.budget
        start, end = present(budget, NOW)
        spent = Counter[str]()
        for one, tries in there:
            if one.opened_at >= start and one.state != "reserved" and budget.subject == EACH:
                spent.update(dict.fromkeys(subjects(budget, one, tries), one.meters.cost_micros or 0))
        if budget.subject == EACH:
            has = {name: micros for name, (micros, _) in told(found).items() if micros}
            assert has == {name: micros for name, micros in spent.items() if micros}, budget.name
            assert {*WHO.get(budget.scope, ()), *spent} <= told(found).keys()
        for standing in found.windows:
            share = Share(budget.name, budget.scope, standing.window.subject, start, None)
            assert standing.window == await db.budgets.window(share)
            assert standing.ends_at == end
        furthest = [standing.share_spent for standing in found.windows]
        assert furthest == sorted(furthest, reverse=True)


def test_who_has_asked_for_nothing_is_told(tmp_path: Path) -> None:
    """A budget that was just made has spent what the ledger says, of everybody there is: $0 of $10 too."""

    async def scene(db: SqliteStore) -> None:
        await spend(db, "a", 8_000_000, key="ann")
        await spend(db, "b", 12_000_000, key="gone")
        await spend(db, "c", 5_000_000, at=NOW - DAY, key="bob")
        [found] = await stand(db, [row("each")], NOW, who=WHO)
        assert told(found) == {"gone": (12_000_000, 0), "ann": (8_000_000, 0), "bob": (0, 0), "idle": (0, 0)}
        assert [one.window.subject for one in found.windows] == ["gone", "ann", "bob", "idle"]
        assert (found.used_up, found.nearly) == (1, 1)
        assert {one.left_micros for one in found.windows} == {0, 2_000_000, 10_000_000}
        [none] = await stand(db, [row("each", "team")], NOW)
        assert none.windows == ()

    play(tmp_path, scene)


def test_others_are_not_told_to_whom_asks_for_one(tmp_path: Path) -> None:
    """Where only some are wanted there are these, and no more is read."""

    async def scene(db: SqliteStore) -> None:
        await spend(db, "a", 7, key="ann")
        await spend(db, "b", 9, key="bob")
        [found] = await stand(db, [row("each")], NOW, who={"key": ["ann", "idle"]}, only=True)
        assert told(found) == {"ann": (7, 0), "idle": (0, 0)}
        [found] = await stand(db, [row("each", "model")], NOW, who={"key": ["ann"]}, only=True)
        assert found.windows == ()

    play(tmp_path, scene)


def test_a_thousand_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many keys and budgets of one period there are, the ledger is asked once, no window apart."""

    async def scene(db: SqliteStore) -> None:
        names = [f"key-{number}" for number in range(1000)]
        await spend(db, "a", 7, key=names[500])
        asked = counting(monkeypatch, type(db.reports), "cells")
        apart = counting(monkeypatch, type(db.budgets), "window")
        found = await stand(db, [row("each"), row("other", cap_micros=1)], NOW, who={"key": names})
        assert [len(one.windows) for one in found] == [1000, 1000]
        assert {one.windows[0].window.subject for one in found} == {names[500]}
        assert (asked["cells"], apart["window"]) == (1, 0)

    play(tmp_path, scene)


def test_the_ledger_is_asked_about_models_without_a_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of models that all have windows these are enough; of one that was asked before the ledger knows."""

    async def scene(db: SqliteStore) -> None:
        asked = counting(monkeypatch, type(db.budgets), "spent_on")
        each = row("each", "model")
        opened = exchange("a", state="reserved", meters=Meters())
        shares = Budgets(lambda: [each], lambda: NOW).shares(Account("ann"), ("m", "p/m"))
        await db.open_exchange(opened, attempt(opened, state="reserved"), Claim(5, shares))
        [found] = await stand(db, [each], NOW)
        assert (told(found), asked["spent_on"]) == ({"p/m": (0, 5)}, 0)
        await spend(db, "b", 9, answered_model="n")
        [found] = await stand(db, [each], NOW)
        assert (told(found), asked["spent_on"]) == ({"p/m": (0, 5), "p/n": (9, 0)}, 1)

    play(tmp_path, scene)


def counting(monkeypatch: pytest.MonkeyPatch, kind: type, name: str) -> Mapping[str, int]:
    """Count how often a method is called."""
    real: Callable[..., Any] = getattr(kind, name)
    calls = Counter[str]()

    async def counted(self: object, *args: Any, **more: Any) -> Any:
        calls[name] += 1
        return await real(self, *args, **more)

    monkeypatch.setattr(kind, name, counted)
    return calls


def test_who_there_is(tmp_path: Path) -> None:
    """Keys that are not revoked, the configuration's too; teams and users that were made, or have one."""

    async def scene(db: SqliteStore) -> None:
        member = KeySpec(name="fixed", value="sk-fixed", team="conf")
        secrets = (bytes([number]) * 32 for number in range(9))
        issuing = Issuing(db, b"pepper", [member], random=lambda size: next(secrets)[:size], now=lambda: NOW)
        await issuing.put_group("a test", "user", "ann.b", Terms())
        await issuing.put_group("a test", "team", "idle", Terms())
        await issuing.create("a test", Draft(name="ann", user="ann.b"))
        await issuing.create("a test", Draft(name="old"))
        await issuing.revoke("a test", "old")
        assert await known(issuing) == {
            "key": {"ann", "fixed"},
            "team": {"conf", "idle"},
            "user": {"ann.b"},
        }

    play(tmp_path, scene)


def test_a_zone_that_is_none_here_is_our_fault(tmp_path: Path) -> None:
    """It was one where the budget was made: nobody can say how it stands."""

    async def scene(db: SqliteStore) -> None:
        with pytest.raises(Failure, match="cannot be reckoned here") as caught:
            await stand(db, [row("each", zone="Mars/Base")], NOW, who=NOBODY)
        assert caught.value.kind is Kind.UNAVAILABLE

    play(tmp_path, scene)
