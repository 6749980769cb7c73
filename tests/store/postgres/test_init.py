"""The ledger's rows in PostgreSQL: what holds for them in SQLite, who is alive, and odd text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.store.postgres.scene import attempt, exchange, play
from tests.store.sqlite.test_init import (
    test_a_cancelled_opening_is_settled_in_order,
    test_a_refusal_is_booked_without_being_opened,
    test_a_request_opens_and_settles,
    test_a_sweep_takes_the_dead_ones_rows_only,
    test_an_identity_is_used_once,
    test_many_callers_share_commits,
    test_newest_first_and_by_key,
    test_settings_are_kept,
    test_settling_leaves_alone_what_a_request_was,
    test_what_a_dead_one_asked_by_a_route_counts_for_whom_it_asked_last,
)

from dragoman.store import Meters
from dragoman.store.postgres import PostgresStore

__all__ = [
    "test_a_cancelled_opening_is_settled_in_order",
    "test_a_refusal_is_booked_without_being_opened",
    "test_a_request_opens_and_settles",
    "test_a_sweep_takes_the_dead_ones_rows_only",
    "test_an_identity_is_used_once",
    "test_many_callers_share_commits",
    "test_newest_first_and_by_key",
    "test_settings_are_kept",
    "test_settling_leaves_alone_what_a_request_was",
    "test_what_a_dead_one_asked_by_a_route_counts_for_whom_it_asked_last",
]

ROOT = str(Path(__file__).parents[3])

OPEN_FOR_EVER = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from dragoman.store.postgres import PostgresStore
from dragoman.store.spec import StoreSpec
from tests.store.postgres.scene import attempt, exchange

async def main():
    db = await PostgresStore.open(StoreSpec(url=sys.argv[2]))
    async def one(lane):
        for place in range(10**9):
            name = f"{sys.argv[3]}-{lane}-{place}"
            await db.open_exchange(exchange(name, owner=sys.argv[3]), attempt(name))
            print(name, flush=True)
    await asyncio.gather(*(one(lane) for lane in range(8)))

asyncio.run(main())
"""


def test_f46_kill_9_loses_no_acknowledged_row(ready: str) -> None:
    """Two processes write to one database and are killed; every row either acknowledged is there."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_FOR_EVER, ROOT, ready, name], stdout=subprocess.PIPE, text=True
        )
        for name in ("one", "two")
    ]
    told: list[str] = []
    for process in writers:
        assert process.stdout is not None
        told += [process.stdout.readline().strip() for _ in range(50)]
    for process in writers:
        process.kill()
    for process in writers:
        # The last line may be cut short by the kill.
        told += [line for line in process.communicate()[0].split("\n")[:-1] if line]

    async def scene(store: PostgresStore) -> None:
        found = await store.exchanges(limit=10**6)
        assert set(told) <= {row.id for row in found}
        assert sorted(await store.open_owners()) == ["one", "two"]
        assert await store.interrupt(["one", "two"]) == len(found)

    play(ready, scene)


def test_the_silent_are_those_not_heard_of(ready: str) -> None:
    """A lease is counted by the database's clock; who never said anything is silent too."""

    async def scene(store: PostgresStore) -> None:
        await store.beat("a")
        await store.beat("a")
        assert await store.silent(["a", "b"], lease_s=60) == ["b"]
        assert await store.silent(["a"], lease_s=0) == ["a"]

    play(ready, scene)


def test_odd_rows_are_written_and_found(ready: str) -> None:
    """What PostgreSQL's text cannot hold is replaced, for writing and for looking up alike."""
    meters = Meters(input=2**53, cost_micros=2**62, estimated=True)
    odd = exchange(
        "o\x00d", state="failed", message="a\udcffb\x00é", losses=("x\x00", "\ud800"), meters=meters
    )

    async def scene(store: PostgresStore) -> None:
        await store.settle(odd, [attempt("o\x00d", state="failed", upstream_id="\udcffé\x00")])
        found = await store.exchange("o\x00d")
        assert found is not None
        assert (found.id, found.message, found.losses) == ("o?d", "a?b?é", ("x?", "?"))
        assert found.meters == meters
        assert (await store.attempts("o\x00d"))[0].upstream_id == "?é?"

    play(ready, scene)
