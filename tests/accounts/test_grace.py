"""The ledger while its store is away: a time of grace, nothing lost, everything carried over once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace
from tests.servers import PostgresServer
from tests.store.conftest import ready, server
from tests.store.postgres.scene import attempt, claim, exchange

from dragoman.accounts.ledger import SWEEP_S, Ledger, Owner
from dragoman.core.failure import Failure, Kind
from dragoman.store import Meters, Part, Store
from dragoman.store.postgres import PostgresStore
from dragoman.store.spec import StoreSpec
from dragoman.store.spool import Spool

__all__ = ["ready", "server"]

ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    """Return a living owner."""
    owner = Owner.claim(tmp_path / "owners")
    yield owner
    owner.release()


async def carried(ledger: Ledger) -> None:
    """Wait until the store is back and has everything."""
    while await ledger.catch_up():
        await asyncio.sleep(0.01)


def test_f56_stopped_under_load_nothing_is_lost(  # noqa: PLR0915  one scene
    server: PostgresServer, ready: str, tmp_path: Path, owner: Owner
) -> None:
    """Requests go on while the database is away; with a budget they are a 503; all are in it at the end."""
    spool = Spool.open(tmp_path / "spool.db")

    async def scene() -> None:
        store = await PostgresStore.open(StoreSpec(url=ready))
        ledger = Ledger(store, owner, spool=spool)
        served: list[str] = []
        refused: list[Failure] = []
        stop = asyncio.Event()

        async def one(lane: int) -> None:
            place = 0
            while not stop.is_set():
                place += 1
                name = f"{lane}-{place}"
                row = exchange(name, owner=ledger.owner)
                asked = claim(3, 10**9) if lane % 2 else None
                try:
                    assert await ledger.open(row, attempt(name), asked) is None
                except Failure as failure:
                    refused.append(failure)
                    await asyncio.sleep(0.01)
                    continue
                end = replace(row, state="settled", meters=Meters(cost_micros=2))
                await ledger.settle(end, [replace(attempt(name), state="settled")])
                served.append(name)

        async def outage() -> None:
            for _ in range(2):
                before = len(served)
                await asyncio.to_thread(server.stop, "immediate")
                try:
                    while len(served) < before + 50 or not refused:
                        await asyncio.sleep(0.01)
                finally:
                    await asyncio.to_thread(server.start)
                await carried(ledger)
            stop.set()

        await asyncio.gather(outage(), *(one(lane) for lane in range(6)))
        await carried(ledger)
        assert {(failure.kind, failure.http_status) for failure in refused} == {(Kind.UNAVAILABLE, 503)}
        assert all(failure.retry_after_s for failure in refused)
        rows = {row.id: row for row in await store.exchanges(limit=10**6)}
        assert set(served) <= rows.keys()
        assert {rows[name].state for name in served} == {"settled"}
        assert (await store.reports.cells(Part()))[0].sums.cost_micros == 2 * len(served)
        open_claims = {name for name, _ in await store.budgets.open_claims()}
        assert open_claims <= {name for name in rows if name not in served}
        await store.close()

    try:
        asyncio.run(scene())
    finally:
        spool.close()


def test_f56_grace_ends(server: PostgresServer, ready: str, tmp_path: Path, owner: Owner) -> None:
    """Beyond its time nothing is opened any more; what is open is settled all the same."""
    spool, now = Spool.open(tmp_path / "spool.db"), [0.0]

    async def scene() -> None:
        store = await PostgresStore.open(StoreSpec(url=ready))
        ledger = Ledger(store, owner, spool=spool, grace_s=60, tick=lambda: now[0])
        opened = exchange("before", owner=owner.id)
        await ledger.open(opened, attempt("before"), claim(7, 100))
        server.stop("immediate")
        try:
            with pytest.raises(Failure):
                await ledger.open(exchange("paid", owner=owner.id), attempt("paid"), claim(7, 100))
            await ledger.open(exchange("meanwhile", owner=owner.id), attempt("meanwhile"))
            now[0] = 60.0
            await ledger.open(exchange("late", owner=owner.id), attempt("late"))
            await ledger.next(attempt("late", 2))
            await ledger.next(attempt("before", 2))
            with pytest.raises(Failure):
                await ledger.claim("late", claim(1, 100))
            now[0] = 60.1
            with pytest.raises(Failure) as caught:
                await ledger.open(exchange("too late", owner=owner.id), attempt("too late"))
            assert caught.value.http_status == 503
            for name, number in (("before", 2), ("meanwhile", 1), ("late", 2)):
                end = replace(exchange(name, owner=owner.id), state="settled", attempts=number)
                tries = [attempt(name, place + 1, state="settled") for place in range(number)]
                await ledger.settle(replace(end, meters=Meters(cost_micros=5)), tries)
        finally:
            server.start()
        await carried(ledger)
        rows = {row.id: (row.state, row.attempts) for row in await store.exchanges()}
        assert rows == {"before": ("settled", 2), "meanwhile": ("settled", 1), "late": ("settled", 2)}
        assert len(await store.attempts("late")) == 2
        (window,) = await store.budgets.windows()
        assert (window.spent_micros, window.held_micros) == (5, 0)
        assert await ledger.open(exchange("again", owner=owner.id), attempt("again"), claim(7, 100)) is None
        await store.close()

    try:
        asyncio.run(scene())
    finally:
        spool.close()


CRASH = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from msgspec.structs import replace
from dragoman.accounts.ledger import SWEEP_S, Ledger, Owner
from dragoman.store import Meters
from dragoman.store.postgres import PostgresStore
from dragoman.store.spec import StoreSpec
from dragoman.store.spool import Spool
from tests.store.postgres.scene import attempt, claim, exchange

async def main(url, folder):
    store = await PostgresStore.open(StoreSpec(url=url))
    owner = Owner.claim(folder / "owners")
    ledger = Ledger(store, owner, spool=Spool.open(folder / "spool.db"))
    await ledger.open(exchange("paid", owner=owner.id), attempt("paid"), claim(9, 100))
    await ledger.open(exchange("left", owner=owner.id), attempt("left"), claim(9, 100))
    print("open", flush=True)
    sys.stdin.readline()
    for name in ("free", "half"):
        await ledger.open(exchange(name, owner=owner.id), attempt(name))
    for name in ("free", "paid"):
        end = replace(exchange(name, owner=owner.id), state="settled", meters=Meters(cost_micros=4))
        await ledger.settle(end, [replace(attempt(name), state="settled")])
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(sys.argv[2], Path(sys.argv[3])))
"""


def test_f56_kill_9_while_the_store_is_away_loses_nothing(
    server: PostgresServer, ready: str, tmp_path: Path, owner: Owner
) -> None:
    """Whoever starts next carries over what the dead one had kept, once, and interrupts what it left open."""
    command = [sys.executable, "-c", CRASH, ROOT, ready, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    server.stop("immediate")
    try:
        process.communicate("go\n")
    finally:
        server.start()
    spool = Spool.open(tmp_path / "spool.db")

    async def scene() -> None:
        store = await PostgresStore.open(StoreSpec(url=ready))
        ledger = Ledger(store, owner, spool=spool)
        for _ in range(2):
            with suppress(Failure):
                await ledger.sweep()
            states = {row.id: row.state for row in await store.exchanges()}
            assert states == {
                "paid": "settled",
                "free": "settled",
                "half": "interrupted",
                "left": "interrupted",
            }
            (window,) = await store.budgets.windows()
            assert (window.spent_micros, window.held_micros) == (4 + 9, 0)
        assert await spool.count() == 0
        await store.close()

    try:
        asyncio.run(scene())
    finally:
        spool.close()


def test_sweeping_goes_on_whatever_the_store_says(tmp_path: Path, owner: Owner) -> None:
    """A store that is away is no reason to stop looking."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    async def scene() -> None:
        store = PostgresStore(StoreSpec(url="postgresql://127.0.0.1:1/nowhere"))
        with pytest.raises(asyncio.CancelledError):
            await Ledger(store, owner, pause=pause).sweeping()
        await store.close()

    asyncio.run(scene())
    assert pauses == [SWEEP_S] * 3


def test_it_says_how_long_it_lasts(tmp_path: Path, owner: Owner) -> None:
    """From when the store was first seen away; without a spool not at all; and anew once it has answered."""
    now = [100.0]
    spool = Spool.open(tmp_path / "spool.db")
    nothing = cast("Store", None)
    ledger = Ledger(nothing, owner, spool=spool, grace_s=60, tick=lambda: now[0])
    told = []
    for at, answers in ((100, True), (200, False), (260, False), (261, False), (262, True), (300, False)):
        now[0] = at
        told.append(ledger.lasts(answers=answers))
    assert told == [True, True, True, False, True, True]
    assert not Ledger(nothing, owner).lasts(answers=False)
    spool.close()
