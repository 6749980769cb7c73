"""Openings, ends and claims in groups, by many processes at once: exact, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from pathlib import Path

from msgspec.structs import replace
from tests.store.postgres.scene import attempt, claim, exchange, play

from dragoman.store import Meters, Part
from dragoman.store.budgets import Share, Short
from dragoman.store.postgres import PostgresStore
from dragoman.store.postgres.database import Connection

ROOT = str(Path(__file__).parents[3])

WORKER = """
import asyncio, json, random, sys
sys.path.insert(0, sys.argv[1])
from msgspec.structs import replace
from dragoman.core.failure import Failure
from dragoman.store import Meters
from dragoman.store.postgres import PostgresStore
from dragoman.store.postgres.database import Connection
from dragoman.store.spec import StoreSpec
from tests.store.postgres.scene import attempt, claim, exchange

async def main(url, name, cap):
    store = await PostgresStore.open(StoreSpec(url=url, timeout_s=30))
    chance = random.Random(name)
    spent, failed = 0, 0
    async def one(place):
        nonlocal spent, failed
        id_ = f"{name}-{place}"
        row = exchange(id_, owner=name, key=chance.choice("ab"), opened_at=1000.0 + place)
        asked = claim(10, cap, *chance.sample("abc", 2))
        try:
            if await store.open_exchange(row, attempt(id_), asked) is not None:
                return
            if chance.random() < 0.5:
                await store.claim(id_, claim(15, cap, *(share.budget for share in asked.shares)))
            cost = chance.choice((0, 4, 10))
            ended = replace(row, state="settled", provider="p", meters=Meters(cost_micros=cost))
            if chance.random() < 0.8:
                await store.settle(ended, [replace(attempt(id_), state="settled")])
                spent += cost
        except Failure as failure:
            failed += 1
            print(failure, file=sys.stderr)
    await asyncio.gather(*(one(place) for place in range(60)))
    await store.close()
    print(json.dumps([spent, failed]))

asyncio.run(main(sys.argv[2], sys.argv[3], int(sys.argv[4])))
"""


def test_f51_several_processes_grant_exactly_what_is_there(ready: str) -> None:
    """Windows never pass their cap, and say what the rows say; so do the reports; no lock was fatal."""
    cap = 700
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, ROOT, ready, f"w{number}", str(cap)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    told = [json.loads(worker.communicate()[0]) for worker in workers]
    assert [failed for _, failed in told] == [0, 0, 0]

    async def scene(store: PostgresStore) -> None:
        rows = await store.exchanges(limit=1000)
        assert sum(row.meters.cost_micros or 0 for row in rows) == sum(spent for spent, _ in told)
        await law(store, cap)
        sums = (await store.reports.cells(Part()))[0].sums
        assert (sums.requests, sums.cost_micros) == (
            sum(row.state == "settled" for row in rows),
            sum(spent for spent, _ in told),
        )
        assert await store.interrupt(["w0", "w1", "w2"]) == sum(row.state == "reserved" for row in rows)
        await law(store, cap)
        assert {window.held_micros for window in await store.budgets.windows()} == {0}

    play(ready, scene)


async def law(store: PostgresStore, cap: int) -> None:
    """Hold that windows say what the rows say, and are not beyond their cap."""
    found = await store._pool.fetch(
        "select share ->> 0, sum(case state when 'reserved' then 0 else cost_micros end)::bigint, "
        "sum(case state when 'reserved' then held_micros else 0 end)::bigint "
        "from exchange cross join jsonb_array_elements(shares) as share group by 1 order by 1"
    )
    windows = [(one.budget, one.spent_micros, one.held_micros) for one in await store.budgets.windows()]
    assert windows == [tuple(row) for row in found]
    assert all(spent + held <= cap for _, spent, held in windows)


def test_a_cap_is_used_up_and_not_passed(ready: str) -> None:
    """Of two stores with many requests at once, exactly as many are granted as fit, not one fewer."""

    async def scene(store: PostgresStore) -> None:
        async def other_scene() -> list[Short | None]:
            other = PostgresStore(store.spec)
            try:
                return await asyncio.gather(*(ask(other, f"o{n}") for n in range(100)))
            finally:
                await other.close()

        async def ask(through: PostgresStore, name: str) -> Short | None:
            return await through.open_exchange(exchange(name), attempt(name), claim(10, 500))

        here, there = await asyncio.gather(
            asyncio.gather(*(ask(store, f"h{n}") for n in range(100))), other_scene()
        )
        granted = [short is None for short in (*here, *there)]
        assert granted.count(True) == 50
        assert all(short is None or short.held_micros <= 500 for short in (*here, *there))

    play(ready, scene)


def test_what_ends_makes_room_in_its_own_group(ready: str) -> None:
    """A claim that waits in the same group as an end may have what that gives back."""

    async def scene(store: PostgresStore) -> None:
        assert await store.open_exchange(exchange("a"), attempt("a"), claim(100, 100)) is None
        end = replace(exchange("a"), state="settled", meters=Meters(cost_micros=40))
        short, _ = await asyncio.gather(
            store.open_exchange(exchange("b"), attempt("b"), claim(60, 100)), store.settle(end, [])
        )
        assert short is None
        assert await store.open_exchange(exchange("c"), attempt("c"), claim(1, 100)) == Short(
            Share("b", "all", "", 0, 100), 40, 60
        )

    play(ready, scene)


def test_any_schedule_of_one_store_keeps_the_law(ready: str) -> None:
    """Openings, raises, ends, cancels and removals of budgets, by chance: windows say what the rows say."""
    chance = random.Random(5)

    async def scene(store: PostgresStore) -> None:
        async def one(name: str) -> None:
            budgets = chance.sample("abc", 3)
            row = exchange(name)
            if await store.open_exchange(row, attempt(name), claim(chance.randrange(30), 400, *budgets)):
                return
            await store.claim(name, claim(chance.randrange(60), 400, *budgets))
            await store.open_attempt(attempt(name, 2), claim(chance.randrange(60), 400, *budgets))
            meters = Meters(cost_micros=chance.randrange(10))
            await store.settle(replace(row, state="settled", meters=meters), [])

        async def meddle() -> None:
            async def forget(connection: Connection) -> None:
                name = chance.choice("abc")
                await connection.execute("delete from budget_window where budget = $1", name)

            for _ in range(6):
                await store._pool.write(forget)

        for turn in range(4):
            await asyncio.gather(meddle(), *(one(f"{turn}-{n}") for n in range(30)))
            await law(store, 10**6)

    play(ready, scene, timeout_s=30)
