"""Money put by for an outage: spent once, given back when it is in the way, booked exactly."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.servers import PostgresServer
from tests.store.conftest import ready, server
from tests.store.postgres.scene import attempt, claim, exchange

from dragoman.accounts.leases import FAIR_S, IDLE_S, LOOK_S, RENEW_S, Purse
from dragoman.accounts.ledger import Ledger, Owner
from dragoman.core.failure import Failure, Kind
from dragoman.store import Meters
from dragoman.store.budgets import Claim, Share, Short
from dragoman.store.postgres import PostgresStore
from dragoman.store.postgres.leases import PostgresLeases
from dragoman.store.spec import StoreSpec
from dragoman.store.spool import Spool

__all__ = ["ready", "server"]

ROOT = str(Path(__file__).parents[2])
CAP = 10_000
B = ("b", "", 0)


class Machine:
    """A process on a machine of its own: a ledger over a spool, with a purse of one percent."""

    def __init__(self, store: PostgresStore, folder: Path, tick: list[float]) -> None:
        self.store = store
        self.spool = Spool.open(folder / "spool.db")
        self.owner = Owner.claim(folder / "owners")
        self.purse = Purse(
            store.leases, self.owner.id, self.spool, percent=1.0, grace_s=60, tick=lambda: tick[0]
        )
        self.ledger = Ledger(
            store, self.owner, spool=self.spool, purse=self.purse, grace_s=60, tick=lambda: tick[0]
        )

    async def open(self, name: str, asked: Claim | None) -> Short | None:
        """Begin a request."""
        return await self.ledger.open(exchange(name, owner=self.owner.id), attempt(name), asked)

    async def end(self, name: str, cost: int) -> None:
        """Settle a request."""
        meters = Meters(cost_micros=cost)
        row = exchange(name, owner=self.owner.id, state="settled", meters=meters)
        await self.ledger.settle(row, [attempt(name, state="settled", meters=meters)])

    async def ready(self, micros: int = 10, cap: int = CAP) -> None:
        """Claim once, so that the purse knows what is claimed from, and look."""
        assert await self.open(f"first-{self.owner.id}", claim(micros, cap)) is None
        await self.end(f"first-{self.owner.id}", 0)
        await self.purse.look()

    async def carried(self) -> None:
        """Wait until the store is back and has everything."""
        while await self.ledger.catch_up():
            await asyncio.sleep(0.01)
        while True:
            try:
                return await self.purse.look()
            except Failure:
                await asyncio.sleep(0.01)

    async def window(self) -> tuple[int, int]:
        """Return what the window has spent and holds, as soon as the store answers."""
        while True:
            try:
                (window,) = await self.store.budgets.windows()
            except Failure:
                await asyncio.sleep(0.01)
                continue
            return window.spent_micros, window.held_micros


@asynccontextmanager
async def machines(
    url: str, folder: Path, count: int = 1, tick: list[float] | None = None
) -> AsyncIterator[list[Machine]]:
    """Run some machines over one database; their clock stands unless it is moved."""
    found: list[Machine] = []
    try:
        for place in range(count):
            store = await PostgresStore.open(StoreSpec(url=url))
            found.append(Machine(store, folder / str(place), tick or [0.0]))
        yield found
    finally:
        for one in found:
            await one.store.close()
            await asyncio.to_thread(one.spool.close)
            one.owner.release()


@pytest.fixture
def outage(server: PostgresServer) -> Any:
    """Return what runs a scene while the database is away."""

    @asynccontextmanager
    async def away() -> AsyncIterator[None]:
        await asyncio.to_thread(server.stop, "immediate")
        try:
            yield
        finally:
            await asyncio.to_thread(server.start)

    return away


async def spend(machine: Machine, prefix: str, asked: Claim, cost: int) -> tuple[int, Failure]:
    """Ask until it is refused; return how many were served, and how the next was refused."""
    served = 0
    while True:
        name = f"{prefix}-{served}"
        try:
            assert await machine.open(name, asked) is None
        except Failure as failure:
            return served, failure
        await machine.end(name, cost)
        served += 1


def test_f56_requests_under_budgets_are_served_from_the_lease(
    ready: str, outage: Any, tmp_path: Path
) -> None:
    """Until it is used up, then they are a 503; what is spent is what the ledger says, and no more."""

    async def scene() -> None:
        async with machines(ready, tmp_path) as (one,):
            await one.ready()
            assert await one.window() == (0, 100)
            async with outage():
                served, refused = await spend(one, "x", claim(10, CAP), 7)
                # 13 times 7 leave 9: too little for ten more.
                assert served == 13
                assert (refused.kind, refused.http_status) == (Kind.UNAVAILABLE, 503)
                assert refused.retry_after_s
            await one.carried()
            rows = await one.store.exchanges(limit=1000)
            assert sum(row.meters.cost_micros or 0 for row in rows) == 13 * 7
            assert {row.state for row in rows} == {"settled"}
            assert await one.window() == (91, 100), "what was spent is put by anew"
            assert await one.spool.count() == 0
            await one.ledger.leave()
            assert await one.window() == (91, 0)

    asyncio.run(scene())


def test_f56_two_machines_never_spend_the_same(ready: str, outage: Any, tmp_path: Path) -> None:
    """Each spends its own lease, and a third that has none spends nothing; the sums agree."""

    async def scene() -> None:
        async with machines(ready, tmp_path, 3) as (one, two, poor):
            await one.ready()
            await two.ready()
            async with outage():
                counts = [
                    (await spend(each, each.owner.id, claim(10, CAP), 10))[0] for each in (one, two, poor)
                ]
                assert counts == [10, 10, 0]
            for each in (one, two):
                await each.carried()
            assert (await one.window())[0] == 200
            for each in (one, two, poor):
                await each.ledger.leave()
            assert await one.window() == (200, 0)

    asyncio.run(scene())


def test_f56_random_outages_never_pass_the_cap(ready: str, outage: Any, tmp_path: Path) -> None:
    """However requests, looks and outages follow each other, the cap holds and the sums agree."""
    chance, tick, cap = random.Random(56), [0.0], 2000

    async def scene() -> None:
        async with machines(ready, tmp_path, 2, tick) as pair:
            going: dict[str, Machine] = {}
            count = 0

            async def some(turns: int) -> None:
                nonlocal count
                for _ in range(turns):
                    tick[0] += chance.random()
                    one = chance.choice(pair)
                    match chance.choice(("open", "open", "end", "raise", "look")):
                        case "open":
                            count += 1
                            try:
                                short = await one.open(f"x{count}", claim(chance.randint(1, 15), cap))
                            except Failure:
                                continue
                            if short is None:
                                going[f"x{count}"] = one
                        case "end" if going:
                            name = chance.choice(sorted(going))
                            await going.pop(name).end(name, chance.randint(0, 1))
                        case "raise" if going:
                            name = chance.choice(sorted(going))
                            try:
                                await going[name].ledger.claim(name, claim(16, cap))
                            except Failure:
                                continue
                        case "look":
                            try:
                                await one.purse.look()
                            except Failure:
                                continue

            for _ in range(3):
                await some(60)
                spent, held = await pair[0].window()
                assert spent + held <= cap
                async with outage():
                    await some(60)
                for one in pair:
                    # What is open still waits in the spool, and is not late.
                    while await one.ledger.catch_up() > sum(going[name] is one for name in going):
                        await asyncio.sleep(0.01)
                spent, held = await pair[0].window()
                assert spent + held <= cap
            for name, one in going.items():
                await one.end(name, 1)
            for one in pair:
                await one.carried()
                await one.ledger.leave()
            rows = await pair[0].store.exchanges(limit=10_000)
            assert await pair[0].window() == (sum(row.meters.cost_micros or 0 for row in rows), 0)
            assert {row.state for row in rows} == {"settled"}

    asyncio.run(scene())


CRASH = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.accounts.test_leases import CAP, Machine
from tests.store.postgres.scene import claim
from dragoman.store.postgres import PostgresStore
from dragoman.store.postgres.leases import PostgresLeases
from dragoman.store.spec import StoreSpec

async def main(url, folder):
    one = Machine(await PostgresStore.open(StoreSpec(url=url)), folder, [0.0])
    await one.ready()
    print(one.owner.id, flush=True)
    sys.stdin.readline()
    for name in ("done", "left"):
        assert await one.open(name, claim(30, CAP)) is None
    await one.ledger.claim("left", claim(40, CAP))
    await one.end("done", 4)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(sys.argv[2], Path(sys.argv[3])))
"""


def test_f56_kill_9_during_the_outage_loses_no_money(ready: str, outage: Any, tmp_path: Path) -> None:
    """Whoever starts next books what had ended at its cost, what was open at what it held."""
    command = [sys.executable, "-c", CRASH, ROOT, ready, str(tmp_path / "0")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    dead = process.stdout.readline().strip()

    async def scene() -> None:
        async with outage():
            await asyncio.to_thread(process.communicate, "go\n")
        async with machines(ready, tmp_path) as (one,):
            assert (await one.store.leases.mine(dead)) == {B: 100}
            for _ in range(2):
                await one.ledger.sweep()
                assert await one.window() == (44, 0)
            rows = {row.id: row for row in await one.store.exchanges()}
            assert (rows["done"].state, rows["done"].meters.cost_micros) == ("settled", 4)
            assert (rows["left"].state, rows["left"].meters.cost_micros) == ("interrupted", 40)
            assert rows["left"].meters.estimated
            assert rows["left"].settled_at
            assert [(try_.state, try_.meters.cost_micros) for try_ in await one.store.attempts("left")] == [
                ("interrupted", 40)
            ]
            assert await one.store.leases.owners() == []

    asyncio.run(scene())


def test_a_request_of_the_outage_gets_more_from_the_lease(ready: str, outage: Any, tmp_path: Path) -> None:
    """While it streams, and for another attempt; what the store itself has granted to is not raised."""

    async def scene() -> None:
        async with machines(ready, tmp_path) as (one,):
            await one.ready()
            assert await one.open("before", claim(10, CAP)) is None
            async with outage():
                assert await one.open("x", claim(50, CAP)) is None
                assert one.purse.free(B) == 50
                assert await one.ledger.claim("x", claim(90, CAP)) is None
                assert await one.ledger.next(attempt("x", 2), claim(100, CAP)) is None
                assert one.purse.free(B) == 0
                for asked in (one.ledger.claim("x", claim(101, CAP)), one.open("y", claim(1, CAP))):
                    with pytest.raises(Failure) as caught:
                        await asked
                    assert caught.value.http_status == 503
                assert await one.ledger.claim("x", claim(20, CAP)) is None
                assert one.purse.free(B) == 80
                with pytest.raises(Failure):
                    await one.ledger.claim("before", claim(11, CAP))
                with pytest.raises(Failure):
                    await one.ledger.next(attempt("before", 2), claim(11, CAP))
            await one.end("x", 15)
            await one.end("before", 9)
            await one.carried()
            assert await one.window() == (24, 100 - 15), "what the store granted is paid from there"
            assert len(await one.store.attempts("x")) == 1, (
                "of an attempt that nobody settles nothing is known"
            )

    asyncio.run(scene())


def test_every_hard_window_has_to_pay(ready: str, outage: Any, tmp_path: Path) -> None:
    """A budget that nothing was put by for refuses, a soft one only counts."""
    soft = Share("soft", "all", "", 0, None)

    async def scene() -> None:
        async with machines(ready, tmp_path) as (one,):
            await one.ready()
            assert await one.open("s", Claim(10, (*claim(10, CAP).shares, soft))) is None
            await one.end("s", 1)
            async with outage():
                with pytest.raises(Failure):
                    await one.open("x", claim(10, CAP, "b", "other"))
                assert one.purse.free(B) == 100
                assert await one.open("y", Claim(10, (*claim(10, CAP).shares, soft))) is None
                assert await one.open("z", Claim(0, (soft,))) is None
                await one.end("y", 2)
                await one.end("z", 5)
            await one.carried()
            found = {window.budget: window.spent_micros for window in await one.store.budgets.windows()}
            assert found == {"b": 3, "soft": 8}

    asyncio.run(scene())


def test_near_the_cap_nothing_is_put_by(ready: str, tmp_path: Path) -> None:
    """Nothing is taken from half of the cap on, and beyond three quarters what there is goes back."""

    async def scene() -> None:
        async with machines(ready, tmp_path, 2) as (one, two):
            await one.ready()
            assert await one.window() == (0, 100)
            assert await one.open("half", claim(CAP // 2 - 199, CAP)) is None
            await two.ready()
            assert (await two.store.leases.owners()) == [one.owner.id]
            assert await one.open("more", claim(2600, CAP)) is None
            await one.purse.look()
            assert one.purse.free(B) == 0
            assert await one.window() == (0, CAP // 2 - 199 + 2600)

    asyncio.run(scene())


def test_a_refusal_for_a_lease_lasts_for_a_look(ready: str, tmp_path: Path) -> None:
    """Who is refused for what others put by is told of held money, and served once they have looked."""

    async def scene() -> None:
        async with machines(ready, tmp_path, 2) as (one, two):
            await one.ready()
            asked = claim(CAP, CAP)
            short = await two.open("x", asked)
            assert short is not None
            assert short.spent_micros + asked.micros <= CAP, "a 429, not a 402"
            await one.purse.look()
            assert await two.open("x", asked) is None
            await two.end("x", 0)
            await one.purse.look()
            assert await one.window() == (0, 0), "nor is it taken again at once"

    asyncio.run(scene())


def test_idle_money_goes_back(ready: str, tmp_path: Path) -> None:
    """Where nobody has claimed for a minute, nothing is kept."""
    tick = [0.0]

    async def scene() -> None:
        async with machines(ready, tmp_path, 1, tick) as (one,):
            await one.ready()
            tick[0] = IDLE_S
            await one.purse.look()
            assert await one.window() == (0, 100)
            tick[0] = IDLE_S + 1
            await one.purse.look()
            assert await one.window() == (0, 0)

    asyncio.run(scene())


def test_a_slice_that_pays_for_no_request_is_not_put_by(ready: str, tmp_path: Path) -> None:
    """A budget of which one percent is less than a request costs has no lease."""

    async def scene() -> None:
        async with machines(ready, tmp_path) as (one,):
            await one.ready(micros=101)
            assert await one.window() == (0, 0)

    asyncio.run(scene())


def test_a_lease_may_have_ended_unheard(ready: str, outage: Any, tmp_path: Path) -> None:
    """Who has not reached the store for longer than the time of grace takes his leases for gone."""
    tick = [0.0]

    async def scene() -> None:
        async with machines(ready, tmp_path, 1, tick) as (one,):
            await one.ready()
            async with outage():
                tick[0] = 60 + 2 * RENEW_S + 0.1
                with pytest.raises(Failure) as caught:
                    await one.open("late", claim(10, CAP))
                assert caught.value.http_status == 503
            await one.carried()

    asyncio.run(scene())


def test_leases_of_another_machine_end_when_it_had_its_time(ready: str, tmp_path: Path) -> None:
    """Only who has been heard without a gap for as long as that ends them."""
    tick = [0.0]

    async def scene() -> None:
        async with machines(ready, tmp_path, 2, tick) as (one, two):
            await one.ready()
            await one.store._pool.write(lambda it: it.execute("update lease set until = '-infinity'"))
            await two.purse.look()
            tick[0] = FAIR_S - 1
            await two.purse.look()
            assert await two.window() == (0, 100)
            tick[0] = FAIR_S + RENEW_S
            await two.purse.look()
            assert await two.window() == (0, 0)

    asyncio.run(scene())


def test_a_dead_process_of_this_machine_strands_nothing(ready: str, tmp_path: Path) -> None:
    """Its lease ends at the next sweep, and so do its open rows."""

    async def scene() -> None:
        async with machines(ready, tmp_path) as (one,):
            store = one.store
            neighbour = Machine(store, tmp_path / "0", [0.0])
            await neighbour.ready()
            assert await neighbour.open("left", claim(10, CAP)) is None
            await asyncio.to_thread(neighbour.spool.close)
            assert neighbour.owner._descriptor is not None
            os.close(neighbour.owner._descriptor)
            assert await one.ledger.sweep() == 1
            assert await one.window() == (10, 0)

    asyncio.run(scene())


def test_looking_goes_on_whatever_the_store_says(tmp_path: Path) -> None:
    """A store that is away is no reason to stop looking; at the end nothing is raised either."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    async def scene() -> None:
        store, spool = (
            PostgresStore(StoreSpec(url="postgresql://127.0.0.1:1/nowhere")),
            Spool.open(tmp_path / "s"),
        )
        purse = Purse(store.leases, "me", spool, percent=1, grace_s=60, tick=lambda: 0.0, pause=pause)
        with pytest.raises(asyncio.CancelledError):
            await purse.looking()
        await purse.leave()
        await store.close()
        await asyncio.to_thread(spool.close)

    asyncio.run(scene())
    assert pauses == [LOOK_S] * 3


def test_what_nobody_acknowledged_is_found_out(ready: str, tmp_path: Path) -> None:
    """A lease taken or given back without our hearing of it is never spent, and not lost either."""

    class Deaf(PostgresLeases):
        """Does what it is asked, and the answer is lost."""

        async def take(self, *asked: Any, **more: Any) -> Any:
            await super().take(*asked, **more)
            raise Failure(Kind.UNAVAILABLE, "lost")

        async def give(self, *asked: Any) -> None:
            await super().give(*asked)
            raise Failure(Kind.UNAVAILABLE, "lost")

    async def scene() -> None:
        tick = [0.0]
        async with machines(ready, tmp_path, 1, tick) as (one,):
            hearing, deaf = one.purse.kept, Deaf(one.store._pool)
            one.purse.kept = deaf
            with pytest.raises(Failure):
                await one.ready()
            assert (one.purse.free(B), await one.window()) == (0, (0, 100))
            await one.purse.look()
            assert (one.purse.free(B), await one.window()) == (100, (0, 100))
            tick[0] = IDLE_S + 1
            with pytest.raises(Failure):
                await one.purse.look()
            assert (one.purse.free(B), await one.window()) == (0, (0, 0))
            one.purse.kept = hearing
            await one.purse.look()
            assert one.purse.free(B) == 0

    asyncio.run(scene())


def test_what_is_drawn_is_drawn_once(ready: str, tmp_path: Path) -> None:
    """A look in the middle of a request's charge neither doubles what is free nor forgets what is owed."""

    async def scene() -> None:
        async with machines(ready, tmp_path) as (one,):
            await one.ready()
            purse = one.purse
            assert purse.draw("x", claim(60, CAP))
            assert not purse.draw("y", claim(41, CAP))
            row = exchange("x", owner=one.owner.id, state="settled", meters=Meters(cost_micros=30))
            await one.spool.keep(row, [attempt("x", state="settled")], claim(60, CAP))
            purse.owe("x", 30)
            assert purse.free(B) == 70
            await purse.look()
            assert (purse.free(B), await one.window()) == (70, (0, 100))
            await one.carried()
            assert (purse.free(B), await one.window()) == (70, (30, 70))
            await purse.look()
            assert purse.free(B) == 70
            assert await purse.kept.mine(one.owner.id) == {B: 70}

    asyncio.run(scene())
