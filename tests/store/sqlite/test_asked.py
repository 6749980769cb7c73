"""What was asked, and what it cost: exact at every instant, whatever is posted when; an upgrade knows it too.

That it is what the rows say, whatever happens to them, is part of the law of sums (`tests/store/sums.py`).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path
from random import Random

import pytest
from tests.store.sqlite.test_sums import play
from tests.store.sums import ASKED, BEGAN, attempt, exchange, happen, spent

from dragoman.store import Meters
from dragoman.store.cover import HOUR
from dragoman.store.prices import Priced
from dragoman.store.sqlite import SqliteStore
from dragoman.store.sqlite.asked import last_waiting, post, spent_on
from dragoman.store.sqlite.commit import Write

ALL = "select name, at, sum(cost_micros) from {} group by 1, 2 having sum(cost_micros) <> 0 order by 1, 2"


async def waits(db: SqliteStore) -> list[tuple[str, int]]:
    """Return what waits to be posted: name, micro-dollars."""
    rows = await db._read("select name, cost_micros from asked_entry order by 1, 2 desc")
    return [(name, cost) for name, cost in rows]


def test_an_exchange_counts_once_in_each_of_its_names(tmp_path: Path) -> None:
    """As the client called it, as the model is called, and as ``provider/model``; of all that were asked."""

    async def scene(db: SqliteStore) -> None:
        row = exchange("x", model="fast", meters=Meters(cost_micros=7))
        tries = [attempt("x", 1), attempt("x", 2), attempt("x", 3, provider="q"), attempt("x", 4, model="n")]
        await db.settle(row, tries)
        assert await waits(db) == [(name, 7) for name in ("fast", "m", "n", "p/m", "p/n", "q/m")]

    play(tmp_path, scene)


def test_what_costs_nothing_leaves_no_entry(tmp_path: Path) -> None:
    """Not what is open, nor what is free, nor what nobody knows the price of; nor a change to the same."""

    async def scene(db: SqliteStore) -> None:
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

    play(tmp_path, scene)


def test_names_are_cut_as_subjects_are(tmp_path: Path) -> None:
    """A client may call a model anything; what is asked for a longer name is told under that."""

    async def scene(db: SqliteStore) -> None:
        long = "ü" * 300
        await db.settle(exchange("x", model=long, meters=Meters(cost_micros=7)), [attempt("x")])
        assert sorted(len(name) for name, _ in await waits(db)) == [1, 3, 256]
        assert await db.budgets.spent_on([long], 0) == {long: 7}

    play(tmp_path, scene)


@pytest.mark.parametrize("most", [1, 7, 10_000])
def test_posting_changes_no_answer(tmp_path: Path, most: int) -> None:
    """However few are posted at a time, what was spent is the same before, meanwhile and afterwards."""

    async def scene(db: SqliteStore) -> None:
        gone = await happen([db], Random(5), steps=60)
        there = await db.archive.some([row.id for row in await db.exchanges(limit=1000)])
        since = int(BEGAN) // HOUR * HOUR + 40 * 60
        wanted = spent(there, gone, ASKED, since)
        assert wanted

        def step(connection: sqlite3.Connection) -> int:
            last = last_waiting(connection, most)
            post(connection, last)
            assert spent_on(connection, ASKED, since) == wanted
            return last

        while await db._writer.write(Write(act=step)):
            pass
        assert await waits(db) == []

    play(tmp_path, scene)


def test_a_sum_does_not_leave_its_range(tmp_path: Path) -> None:
    """A provider's nonsense is bounded where it is booked, and where it is added up."""

    async def scene(db: SqliteStore) -> None:
        for place in range(3):
            row = exchange(str(place), meters=Meters(cost_micros=2**63 - 1))
            await db.settle(row, [attempt(row.id)])
        assert await db.budgets.spent_on(["m"], 0) == {"m": 3 * 10**15}
        while await db.reports.post():
            pass
        assert await db.budgets.spent_on(["m"], 0) == {"m": 10**15}

    play(tmp_path, scene)


def test_an_upgrade_adds_up_what_was_asked(tmp_path: Path) -> None:
    """A migration makes of the rows that are there what triggers and posting would have made of them."""
    script = (resources.files("dragoman.store.sqlite") / "migrations" / "0012_asked.sql").read_text("utf-8")

    async def before(db: SqliteStore) -> None:
        await happen([db], Random(7), steps=150)

    async def afterwards(db: SqliteStore) -> None:
        there = await db.archive.some([row.id for row in await db.exchanges(limit=1000)])
        for since in (0, *(int(row.opened_at) for row, _ in there[:20])):
            assert await db.budgets.spent_on(ASKED, since) == spent(there, (), ASKED, since)

    play(tmp_path, before)
    with closing(sqlite3.connect(tmp_path / "dragoman.db")) as file:
        file.execute("delete from asked")
        file.execute("delete from asked_entry")
        begin = script.rindex("insert into asked\n")
        file.execute(script[begin : script.index(";", begin)])
        file.commit()
    play(tmp_path, afterwards)
