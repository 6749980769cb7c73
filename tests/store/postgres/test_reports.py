"""Sums in PostgreSQL: what holds for them in SQLite."""

from __future__ import annotations

import asyncio
import random
from typing import cast

from tests.store.postgres.scene import play
from tests.store.sqlite.test_reports import (
    BEGAN,
    ask,
    attempt,
    check,
    ended,
    exchange,
    test_a_closed_store_says_so,
    test_a_providers_nonsense_breaks_no_sum,
    test_a_word_that_nobody_was_asked_for_makes_no_group,
    test_ends_are_exact_to_the_instant,
    test_the_first_exchange_is_found,
    test_what_is_open_and_what_was_only_counted_does_not_count,
)

from dragoman.store import ExchangeRow, Part
from dragoman.store.cover import DAY
from dragoman.store.postgres import PostgresStore
from dragoman.store.sqlite import SqliteStore

__all__ = [
    "test_a_closed_store_says_so",
    "test_a_providers_nonsense_breaks_no_sum",
    "test_a_word_that_nobody_was_asked_for_makes_no_group",
    "test_ends_are_exact_to_the_instant",
    "test_the_first_exchange_is_found",
    "test_what_is_open_and_what_was_only_counted_does_not_count",
]


def test_the_sums_are_the_rows_of_all_who_write(ready: str) -> None:
    """Whatever two stores book at once, in slots of their own, reports are what the rows say."""
    chance = random.Random(7)
    times = [BEGAN + chance.uniform(0, 50 * DAY) for _ in range(80)]
    rows = [exchange(str(place), at, key=chance.choice("ab"), model=chance.choice("mn"), state="reserved")
            for place, at in enumerate(times)]  # fmt: skip

    async def scene(store: PostgresStore) -> None:
        other = PostgresStore(store.spec)

        async def one(row: ExchangeRow) -> None:
            await chance.choice((store, other)).open_exchange(row, attempt(row.id))
            if chance.random() < 0.8:
                await chance.choice((store, other)).settle(ended(row, chance), [])

        await asyncio.gather(*(one(row) for row in rows), store.interrupt(["me"]))
        assert {slot for (slot,) in await store._pool.fetch("select distinct slot from usage")} >= {0}
        await check(cast(SqliteStore, store), [Part(), *(ask(chance, times) for _ in range(5))])
        await store.interrupt(["me"])
        await check(cast(SqliteStore, store), [ask(chance, times)])
        await other.close()

    play(ready, scene)
