"""Leases in PostgreSQL: always counted as held, booked once, and never in the way for good."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.servers import PostgresServer
from tests.store.postgres.scene import attempt, claim, exchange, play

from dragoman.store import Meters, Part
from dragoman.store.audit import AuditRow
from dragoman.store.budgets import BudgetRow, Claim, Share, Short, Window
from dragoman.store.leases import Leasing, Place, Slice
from dragoman.store.opening import leases
from dragoman.store.postgres import PostgresStore
from dragoman.store.spec import StoreSpec
from dragoman.store.spool import Spooled
from dragoman.store.sqlite import SqliteStore

B: Place = ("b", "", 0)
CAP = 1000


def wanted(micros: int, most: int = CAP // 2, name: str = "b") -> list[Slice]:
    """Return a slice of a budget's window that is asked for."""
    return [Slice(Share(name, "all", "", 0, CAP), micros, most)]


def ended(name: str, cost: int, *budgets: str, owner: str = "me") -> Spooled:
    """Return a request that has ended and was paid from leases."""
    meters = Meters(cost_micros=cost)
    row = exchange(name, owner=owner, state="settled", settled_at=1001.0, meters=meters)
    attempts = (attempt(name, state="settled", meters=meters),)
    return Spooled(row, attempts, claim(cost, CAP, *budgets).shares, cost)


async def used(store: PostgresStore, name: str = "b") -> tuple[int, int]:
    """Return what a budget's window has spent and holds."""
    found = {window.budget: window for window in await store.budgets.windows()}
    window = found.get(name, Window(name, "", 0, 0, 0))
    return window.spent_micros, window.held_micros


async def begin(store: PostgresStore, *budgets: str) -> None:
    """Make the windows of some budgets."""
    names = budgets or ("b",)
    await store.open_exchange(exchange("first"), attempt("first"), claim(1, CAP, *names))
    await store.settle(exchange("first", state="settled"), [attempt("first", state="settled")])


def test_only_a_store_that_may_be_away_has_leases(ready: str, tmp_path: Path) -> None:
    """PostgreSQL has them; a file of this machine needs none."""

    async def scene(store: PostgresStore) -> None:
        assert isinstance(store, Leasing)
        assert leases(store) is store.leases

    play(ready, scene)

    async def file() -> None:
        store = await asyncio.to_thread(SqliteStore.open, tmp_path / "dragoman.db", StoreSpec())
        assert leases(store) is None
        await store.close()

    asyncio.run(file())


def test_a_lease_is_held_money(ready: str) -> None:
    """What is leased nobody else can claim; a refusal for it is one for held money, and calls leases in."""

    async def scene(store: PostgresStore) -> None:
        assert await store.leases.take("me", wanted(100), lasts_s=60) == {}, "there is no window yet"
        await begin(store)
        assert await store.leases.take("me", wanted(100), lasts_s=60) == {B: 100}
        assert await used(store) == (0, 100)
        assert (await store.leases.standing([B, ("c", "", 0)])).keys() == {B}
        assert not (await store.leases.standing([B]))[B].wanted
        short = await store.open_exchange(exchange("a"), attempt("a"), claim(901, CAP))
        assert isinstance(short, Short)
        assert (short.spent_micros, short.held_micros) == (0, 100)
        assert (await store.leases.standing([B]))[B].wanted
        assert await store.leases.take("you", wanted(1), lasts_s=60) == {}, "not where it is in the way"
        await store.leases.give("me", {B: 10**9})
        assert await used(store) == (0, 0)
        assert await store.leases.mine("me") == {}
        assert await store.open_exchange(exchange("a"), attempt("a"), claim(901, CAP)) is None

    play(ready, scene)


def test_who_asks_for_what_is_spent_calls_nobody_in(ready: str) -> None:
    """A claim that would not fit without leases either is refused, and leases stay."""

    async def scene(store: PostgresStore) -> None:
        await begin(store)
        await store.leases.take("me", wanted(100), lasts_s=60)
        assert await store.open_exchange(exchange("a"), attempt("a"), claim(1001, CAP)) is not None
        assert not (await store.leases.standing([B]))[B].wanted

    play(ready, scene)


def test_no_lease_without_plenty(ready: str) -> None:
    """A slice is taken as a whole, and only as far as the most that may be used with it."""

    async def scene(store: PostgresStore) -> None:
        await begin(store)
        await store.open_exchange(exchange("a"), attempt("a"), claim(401, CAP))
        assert await store.leases.take("me", wanted(100), lasts_s=60) == {}
        assert await store.leases.take("me", wanted(99), lasts_s=60) == {B: 99}
        assert await store.leases.take("you", wanted(1), lasts_s=60) == {}
        assert await used(store) == (0, 500)

    play(ready, scene)


def test_a_charge_counts_once(ready: str) -> None:
    """Many who carry the same rows over book them once, in every window, against their owner's lease."""

    async def scene(store: PostgresStore) -> None:
        await begin(store, "b", "c")
        for name in ("b", "c"):
            await store.leases.take("me", wanted(100, name=name), lasts_s=60)
        rows = [ended(f"x{place}", 7, "b", "c") for place in range(5)]
        await asyncio.gather(*(store.leases.charge(rows[place:]) for place in (0, 3, 1, 0)))
        for name in ("b", "c"):
            assert await used(store, name) == (35, 65)
        assert await store.leases.mine("me") == {B: 65, ("c", "", 0): 65}
        assert {row.state for row in await store.exchanges()} == {"settled"}
        assert [one.state for one in await store.attempts("x3")] == ["settled"]
        assert (await store.reports.cells(Part()))[0].sums.cost_micros == 35

    play(ready, scene)


def test_a_charge_of_a_row_that_the_store_has(ready: str) -> None:
    """What its own row holds pays first, and the lease for the rest; an ended row stays as it is."""

    async def scene(store: PostgresStore) -> None:
        await begin(store)
        await store.leases.take("me", wanted(100), lasts_s=60)
        for name in ("cheap", "dear", "over"):
            await store.open_exchange(exchange(name), attempt(name), claim(10, CAP))
        await store.interrupt(["nobody"])
        await store.leases.charge([ended("cheap", 4)])
        assert await used(store) == (4, 120)
        await store.leases.charge([ended("dear", 15)])
        assert await used(store) == (19, 105)
        await store.settle(exchange("over", state="failed", meters=Meters(cost_micros=1)), [])
        await store.leases.charge([ended("over", 50)])
        assert await used(store) == (20, 95)
        await store.leases.charge([ended("late", 200, owner="stranger")])
        assert await used(store) == (220, 95), "without a lease it is spent all the same"

    play(ready, scene)


def test_leases_of_the_dead_end(ready: str) -> None:
    """Those of named owners at once, of others when their time is over; a renewed one has more."""

    async def scene(store: PostgresStore) -> None:
        await begin(store)
        for owner in ("me", "you", "he"):
            await store.leases.take(owner, wanted(50), lasts_s=-1)
        assert sorted(await store.leases.owners()) == ["he", "me", "you"]
        await store.leases.release(["you", "nobody"])
        assert await used(store) == (0, 100)
        await store.leases.renew("me", lasts_s=60)
        await store.leases.expire()
        assert await store.leases.owners() == ["me"]
        assert await used(store) == (0, 50)

    play(ready, scene)


def test_a_window_made_anew_knows_what_is_leased(ready: str) -> None:
    """A budget that is made again holds what was put by of its window, until that is back."""

    async def scene(store: PostgresStore) -> None:
        audit = AuditRow(at=1.0, actor="a", action="budget.put", subject="b", detail=b"{}")
        row = BudgetRow(name="b", scope="all", cap_micros=CAP, period="total", created_at=1.0)
        await store.budgets.put(row, audit)
        await begin(store)
        await store.leases.take("me", wanted(100), lasts_s=60)
        await store.leases.charge([ended("x", 3)])
        await store.budgets.remove("b", audit)
        assert await used(store) == (0, 0)
        await store.leases.give("me", {B: 7})
        await store.leases.charge([ended("y", 3)])
        assert await store.open_exchange(exchange("z"), attempt("z"), claim(1, CAP)) is None
        assert await used(store) == (6, 1 + 100 - 3 - 7 - 3)
        await store.leases.give("me", {B: 1000})
        assert await used(store) == (6, 1)

    play(ready, scene)


@pytest.mark.parametrize("seed", range(3))
def test_any_schedule_is_as_the_model_says(ready: str, seed: int) -> None:
    """In any order of takes, gifts, charges, claims and ends the windows say what is reckoned by hand."""
    chance = random.Random(seed)
    names, owners = ("b", "c"), ("me", "you")

    async def scene(store: PostgresStore) -> None:
        await begin(store, *names)
        spent, leased, open_rows = Counter[str](), Counter[tuple[str, str]](), dict[str, Claim]()

        def held(name: str) -> int:
            mine = (one.micros for one in open_rows.values() if any(s.budget == name for s in one.shares))
            return sum(mine) + sum(leased[owner, name] for owner in owners)

        for count in range(120):
            owner, name, micros = chance.choice(owners), chance.choice(names), chance.randint(1, 90)
            match chance.choice(("take", "give", "charge", "open", "open", "end", "release")):
                case "take":
                    found = await store.leases.take(owner, wanted(micros, name=name), lasts_s=60)
                    fits = spent[name] + held(name) + micros <= CAP // 2
                    called_in = (await store.leases.standing([(name, "", 0)]))[name, "", 0].wanted
                    assert bool(found) == (fits and not called_in)
                    leased[owner, name] += sum(found.values())
                case "give":
                    await store.leases.give(owner, {(name, "", 0): micros})
                    leased[owner, name] -= min(micros, leased[owner, name])
                case "charge":
                    cost = chance.randint(0, min(leased[owner, each] for each in names))
                    row = ended(f"x{count}", cost, *names, owner=owner)
                    for _ in range(chance.randint(1, 2)):
                        await store.leases.charge([row])
                    for each in names:
                        leased[owner, each] -= cost
                        spent[each] += cost
                case "open":
                    asked = claim(micros * 5, CAP, *chance.sample(names, chance.randint(1, 2)))
                    room = min(CAP - spent[s.budget] - held(s.budget) for s in asked.shares)
                    row_id = f"o{count}"
                    short = await store.open_exchange(exchange(row_id), attempt(row_id), asked)
                    assert (short is None) == (asked.micros <= room)
                    if short is None:
                        open_rows[row_id] = asked
                case "end" if open_rows:
                    row_id = chance.choice(sorted(open_rows))
                    asked = open_rows.pop(row_id)
                    cost = chance.randint(0, asked.micros // 8)
                    end = exchange(row_id, state="settled", meters=Meters(cost_micros=cost))
                    await store.settle(end, [])
                    for share in asked.shares:
                        spent[share.budget] += cost
                case "release" if count % 4 == 0:
                    await store.leases.release([owner])
                    for each in names:
                        leased[owner, each] = 0
            for each in names:
                assert await used(store, each) == (spent[each], held(each))
                assert spent[each] + held(each) <= CAP
        for owner in owners:
            mine = {(name, "", 0): leased[owner, name] for name in names if leased[owner, name]}
            assert await store.leases.mine(owner) == mine

    play(ready, scene)


def test_claims_and_leases_at_once_never_pass_the_cap(server: PostgresServer, ready: str) -> None:
    """Two machines that take, give, charge and claim at once end with sums that agree with their rows."""

    async def machine(owner: str, seed: int) -> None:
        chance, store = random.Random(seed), await PostgresStore.open(StoreSpec(url=ready))
        left = 0
        for turn in range(40):
            name = f"{owner}-{turn}"
            left += sum((await store.leases.take(owner, wanted(chance.randint(1, 60)), lasts_s=60)).values())
            cost = chance.randint(0, min(left, 5))
            await store.leases.charge([ended(f"{name}-x", cost, owner=owner)])
            left -= cost
            if await store.open_exchange(exchange(name), attempt(name), claim(300, CAP)) is None:
                assert sum(await used(store)) <= CAP
                await store.settle(exchange(name, state="settled", meters=Meters(cost_micros=1)), [])
            gift = chance.randint(0, left)
            await store.leases.give(owner, {B: gift})
            left -= gift
        assert (await store.leases.mine(owner)).get(B, 0) == left
        await store.leases.release([owner])
        await store.close()

    async def scene() -> None:
        store = await PostgresStore.open(StoreSpec(url=ready))
        await begin(store)
        await asyncio.gather(machine("me", 1), machine("you", 2), machine("he", 3))
        rows = await store.exchanges(limit=1000)
        await store.close()
        spent = sum(row.meters.cost_micros or 0 for row in rows)
        assert (
            server.say("select spent, held from dragoman.budget_window", ready.rpartition("/")[2])
            == f"{spent}|0"
        )

    asyncio.run(scene())


def test_word_is_left_at_most_once_a_second(ready: str) -> None:
    """A refused flood does not write the window for each of its requests."""

    async def scene(store: PostgresStore) -> None:
        await begin(store)
        await store.leases.take("me", wanted(100), lasts_s=60)
        assert await store.open_exchange(exchange("a"), attempt("a"), replace(claim(950, CAP))) is not None
        before = await store._pool.fetch("select wanted_at from budget_window")
        await store._pool.write(lambda one: one.execute("update budget_window set wanted_at = 'infinity'"))
        assert await store.open_exchange(exchange("a"), attempt("a"), claim(950, CAP)) is not None
        after = await store._pool.fetch("select wanted_at = 'infinity' from budget_window")
        assert before[0][0] is not None
        assert after[0][0] is True

    play(ready, scene)
