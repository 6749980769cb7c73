"""What was asked, and what it cost, in PostgreSQL: what holds in SQLite.

That it is what the rows say, whatever happens to them, is part of the law of sums (`tests/store/sums.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from random import Random

import pytest
from tests.servers import PostgresServer
from tests.store.postgres.conftest import Databases
from tests.store.postgres.scene import play
from tests.store.sqlite import test_sums
from tests.store.sqlite.test_asked import (
    test_an_exchange_counts_once_in_each_of_its_names,
    test_names_are_cut_as_subjects_are,
    test_what_costs_nothing_leaves_no_entry,
)
from tests.store.sums import ASKED, BEGAN, happen, spent

from dragoman.store.cover import HOUR
from dragoman.store.postgres import PostgresStore
from dragoman.store.postgres.asked import post, spent_on
from dragoman.store.postgres.database import Connection

__all__ = [
    "test_an_exchange_counts_once_in_each_of_its_names",
    "test_names_are_cut_as_subjects_are",
    "test_what_costs_nothing_leaves_no_entry",
]


@pytest.fixture(autouse=True)
def _over_postgres(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the tests of SQLite open PostgreSQL."""
    databases = Databases(server)
    monkeypatch.setattr(test_sums, "SqliteStore", databases)
    yield
    for url in databases.urls.values():
        server.drop(url)


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

        while await db._pool.fetch("select from asked_entry limit 1"):
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
