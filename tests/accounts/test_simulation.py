"""The simulation of the accounts: no schedule breaks the books, and whatever breaks the code is noticed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from tests.accounts import simulation
from tests.accounts.simulation import Broken, Fault, World, parse, play, play_all

from dragoman.accounts.ledger import Ledger, Owner
from dragoman.store import AttemptRow, ExchangeRow
from dragoman.store import sqlite as store_module
from dragoman.store.memory import LocalCounters
from dragoman.store.sqlite import SqliteStore
from dragoman.store.sqlite.budgets import grant
from dragoman.store.sqlite.commit import Statement, Write
from dragoman.store.sqlite.rows import SETTLE_EXCHANGE

SEEDS = 20
"""Seeds that are run here; more of them with `python tests/accounts/simulation.py 1000`."""


def test_no_schedule_breaks_the_books(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever clients, processes and clocks do, each commit failing in each way, the books are right.

    With `SIMULATION_SEED` set, one schedule is run again exactly as it was.
    """
    if asked := os.environ.get("SIMULATION_SEED"):
        with World() as world:
            play(*parse(asked), world)
        return
    began = time.process_time()
    with World() as world:
        runs = sum(play_all(seed, world) for seed in range(SEEDS))
    took = time.process_time() - began
    with capsys.disabled():
        told = (
            f"\nsimulation of the accounts: {SEEDS} seeds, {runs} schedules, {runs / took * 60:.0f} a minute"
        )
        os.write(1, f"{told}\n".encode())
    assert runs > 30 * SEEDS


def trace(world: World, seed: int, fault: Fault) -> list[tuple[Any, ...]]:
    """Run a schedule; return all it left in the ledger, but for what names the processes."""
    play(seed, fault, world)
    columns = "id, state, attempts, cost_micros, held_micros, shares"
    left = world.plain.execute(f"select {columns} from exchange order by id").fetchall()
    left += world.plain.execute("select * from budget_window order by 1, 2, 3").fetchall()
    return left + world.plain.execute("select * from usage order by 1, 2, 3, 4, 5, 6, 7").fetchall()


def test_a_seed_always_runs_alike() -> None:
    """The same seed and fault leave the same books; another seed leaves others."""
    with World() as world:
        for fault in (Fault(), Fault(4, "fail_after"), Fault(5, "fail_before")):
            assert trace(world, 3, fault) == trace(world, 3, fault)
        assert trace(world, 3, Fault()) != trace(world, 4, Fault())


def test_all_of_it_happens() -> None:
    """Schedules have every end there is, second attempts, and money spent under every kind of budget."""
    seen: set[str] = set()
    with World() as world:
        for seed in range(30):
            play(seed, Fault(), world)
            seen |= {row[0] for row in world.plain.execute("select state from exchange")}
            seen |= {
                f"attempt {row[0]}"
                for row in world.plain.execute("select number from attempt where number < 3")
            }
            seen |= {
                row[0] for row in world.plain.execute("select budget from budget_window where spent > 0")
            }
    ends = {"settled", "cancelled", "failed", "interrupted"}
    assert seen >= ends | {"attempt 1", "attempt 2", "all", "each", "ever", "model"}


# Sabotage: each breaks the code in one place, and must be found.

Sabotage = Callable[[World, pytest.MonkeyPatch], None]


def claims_one_too_many(_: World, patch: pytest.MonkeyPatch) -> None:
    """A claim fits although it is one micro-dollar too large."""
    whole = grant

    def granting(connection: Any, id_: str, claim: Any, opening: Any = None) -> Any:
        wider = [
            msgspec.structs.replace(
                share, cap_micros=None if share.cap_micros is None else share.cap_micros + 1
            )
            for share in claim.shares
        ]
        return whole(connection, id_, msgspec.structs.replace(claim, shares=tuple(wider)), opening)

    patch.setattr(store_module, "grant", granting)


def looks_before_it_writes(_: World, patch: pytest.MonkeyPatch) -> None:
    """Whether there is money is looked up in one step, and taken in another."""
    whole = SqliteStore.open_exchange

    async def open_exchange(self: Any, exchange: Any, attempt: Any, claim: Any = None) -> Any:
        for share in claim.shares:
            window = await self.budgets.window(share)
            if window.spent_micros + window.held_micros + claim.micros > share.cap_micros:
                return await whole(self, exchange, attempt, claim)
        free = [msgspec.structs.replace(share, cap_micros=None) for share in claim.shares]
        return await whole(self, exchange, attempt, msgspec.structs.replace(claim, shares=tuple(free)))

    patch.setattr(SqliteStore, "open_exchange", open_exchange)


def dropped(name: str) -> Sabotage:
    """Return a sabotage: one trigger is not there."""

    def drop(world: World, patch: pytest.MonkeyPatch) -> None:
        world.plain.execute(f"drop trigger {name}")

    drop.__name__ = f"without_{name}"
    return drop


def ends_twice(_: World, patch: pytest.MonkeyPatch) -> None:
    """A row that has ended is ended again."""
    whole = SETTLE_EXCHANGE
    unguarded = Statement(whole.rank, whole.sql.partition(" where exchange.state")[0])
    patch.setattr(store_module, "SETTLE_EXCHANGE", unguarded)


def forgets_attempts_of_the_dead(_: World, patch: pytest.MonkeyPatch) -> None:
    """A sweep ends exchanges and leaves their attempts open."""
    patch.setattr(store_module, "INTERRUPT_ATTEMPTS", "select 1 from json_each(?)")


def books_the_dead_at_nothing(_: World, patch: pytest.MonkeyPatch) -> None:
    """What a dead process held is given back as if nothing had been asked."""
    sql = store_module.INTERRUPT_EXCHANGES.replace(
        "held_micros > 0, held_micros, cost", "held_micros > 0, 0, cost"
    )
    assert sql != store_module.INTERRUPT_EXCHANGES
    patch.setattr(store_module, "INTERRUPT_EXCHANGES", sql)


def never_sweeps(_: World, patch: pytest.MonkeyPatch) -> None:
    """Nobody is ever taken for dead."""
    patch.setattr(Owner, "dead", staticmethod(lambda _folder, _ids: []))


def sweeps_the_living(_: World, patch: pytest.MonkeyPatch) -> None:
    """Everybody is taken for dead."""
    patch.setattr(Owner, "dead", staticmethod(lambda _folder, ids: list(ids)))


def forgets_late_ends(_: World, patch: pytest.MonkeyPatch) -> None:
    """An end that could not be written is not tried again."""

    async def catch_up(self: Any) -> int:
        return 0

    patch.setattr(Ledger, "catch_up", catch_up)


def settles_without_attempts(_: World, patch: pytest.MonkeyPatch) -> None:
    """An attempt of which the store did not say that it was written is left out of the end."""
    whole = SqliteStore.settle

    async def settle(self: Any, exchange: ExchangeRow, attempts: Sequence[AttemptRow]) -> None:
        await whole(self, exchange, attempts[:-1] if exchange.state == "failed" else attempts)

    patch.setattr(SqliteStore, "settle", settle)


def tells_before_it_is_written(_: World, patch: pytest.MonkeyPatch) -> None:
    """An opening is acknowledged while it still waits to be committed."""
    whole = SqliteStore.open_exchange

    async def open_exchange(self: Any, exchange: Any, attempt: Any, claim: Any = None) -> None:
        writing = whole(self, exchange, attempt, claim)
        writing.send(None)
        writing.close()

    patch.setattr(SqliteStore, "open_exchange", open_exchange)


def lets_everybody_in(_: World, patch: pytest.MonkeyPatch) -> None:
    """Limits are counted and never say no."""
    whole = LocalCounters.take

    async def take(self: Any, wants: Any, slots: Any = (), *, holder: str = "") -> Any:
        stands = await whole(self, wants, slots, holder=holder)
        return [msgspec.structs.replace(stand, wait_ns=0) for stand in stands]

    patch.setattr(LocalCounters, "take", take)


def adds_up_nothing(_: World, patch: pytest.MonkeyPatch) -> None:
    """An exchange is booked at no cost, whatever its attempts have cost."""
    whole = Write.__init__

    def init(self: Any, rows: Any = (), act: Any = None) -> None:
        changed = []
        for statement, values in rows:
            free = statement is SETTLE_EXCHANGE
            changed.append((statement, (*values[:-1], 0) if free else values))
        whole(self, changed, act)

    patch.setattr(Write, "__init__", init)


SABOTAGES: tuple[Sabotage, ...] = (
    claims_one_too_many,
    looks_before_it_writes,
    dropped("exchange_released"),
    dropped("exchange_repriced"),
    ends_twice,
    forgets_attempts_of_the_dead,
    books_the_dead_at_nothing,
    never_sweeps,
    sweeps_the_living,
    forgets_late_ends,
    settles_without_attempts,
    tells_before_it_is_written,
    lets_everybody_in,
    adds_up_nothing,
)


@contextmanager
def sabotaged(sabotage: Sabotage, patch: pytest.MonkeyPatch) -> Iterator[World]:
    """Yield a world in which something does not work."""
    with World() as world, patch.context() as patched:
        sabotage(world, patched)
        yield world


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.__name__)
def test_sabotage_is_found(sabotage: Sabotage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken in any of these ways the code does not get through; what is said leads back to the schedule."""
    with sabotaged(sabotage, monkeypatch) as world:

        def hunt() -> None:
            for seed in range(40):
                play_all(seed, world)

        with pytest.raises(Broken) as caught:
            hunt()
        said = str(caught.value)
        place = said.rpartition("SIMULATION_SEED=")[2].split()[0]
        with pytest.raises(Broken) as again:
            play(*parse(place), world)
        assert str(again.value) == said


def test_the_command_runs_seeds_and_single_schedules(capsys: pytest.CaptureFixture[str]) -> None:
    """By a number so many seeds, by what a failure said that one schedule."""
    simulation.main(["1"])
    simulation.main(["3:2:die_after"])
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("none failed")
    assert second.startswith("1 schedules")
