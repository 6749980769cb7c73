"""What was asked, and what it cost, in PostgreSQL: what holds in SQLite.

That it is what the rows say, whatever happens to them, is part of the law of sums (`tests/store/sums.py`).
"""

from __future__ import annotations

from importlib import resources
from random import Random

import pytest
from tests.store.postgres.scene import play
from tests.store.sums import ASKED, BEGAN, attempt, exchange, happen, spent

from dragoman.store import Meters
from dragoman.store.cover import HOUR
from dragoman.store.postgres import PostgresStore
from dragoman.store.postgres.asked import post, spent_on
from dragoman.store.postgres.database import Connection
from dragoman.store.prices import Priced


async def waits(db: PostgresStore) -> list[tuple[str, int]]:
    """Return what waits to be posted: name, micro-dollars."""
    return [
        tuple(row) for row in await db._pool.fetch("select name, cost_micros from asked_entry order by 1, id")
    ]


def test_an_exchange_counts_once_in_each_of_its_names(ready: str) -> None:
    """As the client called it, as the model is called, and as ``provider/model``; of all that were asked."""

    async def scene(db: PostgresStore) -> None:
        row = exchange("x", model="fast", meters=Meters(cost_micros=7))
        tries = [attempt("x", 1), attempt("x", 2), attempt("x", 3, provider="q"), attempt("x", 4, model="n")]
        await db.settle(row, tries)
        assert await waits(db) == [(name, 7) for name in ("fast", "m", "n", "p/m", "p/n", "q/m")]

    play(ready, scene)


def test_what_costs_nothing_leaves_no_entry(ready: str) -> None:
    """Not what is open, nor what is free, nor what nobody knows the price of; nor a change to the same."""

    async def scene(db: PostgresStore) -> None:
        await db.open_exchange(exchange("x", state="reserved"), attempt("x"))
        await db.settle(exchange("free", meters=Meters(cost_micros=0)), [attempt("free", state="settled")])
        await db.settle(exchange("unknown", meters=Meters(cost_micros=None)), [attempt("unknown")])
        assert await waits(db) == []
        await db.prices.reprice([Priced("free", 1, 5, "operator 1")])
        assert await waits(db) == [("m", 5), ("p/m", 5)]
        await db.prices.reprice([Priced("free", 1, 5, "operator 2")])
        assert len(await waits(db)) == 2
        await db.prices.reprice([Priced("free", 1, None, "operator 3")])
        assert await waits(db) == [("m", 5), ("m", -5), ("p/m", 5), ("p/m", -5)]
        assert await db.budgets.spent_on(["m", "p/m"], 0) == {}

    play(ready, scene)


def test_names_are_cut_as_subjects_are(ready: str) -> None:
    """A client may call a model anything; what is asked for a longer name is told under that."""

    async def scene(db: PostgresStore) -> None:
        long = "ü" * 300
        await db.settle(exchange("x", model=long, meters=Meters(cost_micros=7)), [attempt("x")])
        assert sorted(len(name) for name, _ in await waits(db)) == [1, 3, 256]
        assert await db.budgets.spent_on([long], 0) == {long: 7}

    play(ready, scene)


@pytest.mark.parametrize("most", [1, 7, 10_000])
def test_posting_changes_no_answer(ready: str, most: int) -> None:
    """However few are posted at a time, what was spent is the same before, meanwhile and afterwards."""

    async def scene(db: PostgresStore) -> None:
        gone = await happen([db], Random(5), steps=60)
        there = await db.archive.some([row.id for row in await db.exchanges(limit=1000)])
        since = int(BEGAN) // HOUR * HOUR + 40 * 60
        wanted = spent(there, gone, ASKED, since)
        assert wanted

        async def step(connection: Connection) -> dict[str, int]:
            await post(connection, most)
            return await spent_on(connection, ASKED, since)

        while await waits(db):
            assert await db._pool.write(step) == wanted

    play(ready, scene)


def test_an_upgrade_adds_up_what_was_asked(ready: str) -> None:
    """A migration makes of the rows that are there what triggers and posting would have made of them."""
    script = (resources.files("dragoman.store.postgres") / "migrations" / "0010_asked.sql").read_text("utf-8")

    async def scene(db: PostgresStore) -> None:
        await happen([db], Random(7), steps=150)

        async def anew(connection: Connection) -> None:
            await connection.execute("delete from asked")
            await connection.execute("delete from asked_entry")
            begin = script.rindex("insert into asked\n")
            await connection.execute(script[begin : script.index(";", begin)])

        await db._pool.write(anew)
        there = await db.archive.some([row.id for row in await db.exchanges(limit=1000)])
        for since in (0, *(int(row.opened_at) for row, _ in there[:20])):
            assert await db.budgets.spent_on(ASKED, since) == spent(there, (), ASKED, since)

    play(ready, scene)
