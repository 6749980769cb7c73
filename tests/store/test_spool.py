"""The spool: rows that wait in a file, whoever dies meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.store.postgres.scene import attempt, claim, exchange

from dragoman.core.failure import Failure, Kind
from dragoman.store import Meters
from dragoman.store.spool import Spool, Spooled


def test_what_is_kept_is_read_back_once_it_has_ended(tmp_path: Path) -> None:
    """An open row waits; an ended one is told with all its attempts, until it is removed."""

    async def scene() -> None:
        spool = Spool.open(tmp_path / "deep" / "ledger.db")
        opened = exchange("a", message="b\udcff", losses=("x",))
        await spool.keep(opened, [attempt("a")])
        assert (await spool.ended(), await spool.owners(), await spool.count()) == ([], ["me"], 1)
        ended = replace(opened, state="settled", meters=Meters(cost_micros=5))
        await spool.keep(ended, [attempt("a"), attempt("a", 2)])
        spool.close()
        again = Spool.open(tmp_path / "deep" / "ledger.db")
        told = Spooled(replace(ended, message="b?"), (attempt("a"), attempt("a", 2)))
        assert (await again.ended(), await again.owners()) == ([told], [])
        await again.keep(replace(ended, state="failed"), [])
        assert await again.ended() == [told]
        await again.remove(["a"])
        assert await again.count() == 0
        again.close()
        again.close()

    asyncio.run(scene())


def test_what_the_dead_left_open_is_interrupted(tmp_path: Path) -> None:
    """Rows of living owners stay; an attempt that had ended keeps how; who was asked last counts."""

    async def scene() -> None:
        spool = Spool.open(tmp_path / "ledger.db")
        for name, owner in (("a", "dead"), ("b", "alive")):
            failed, last = replace(attempt(name), state="failed"), attempt(name, 2, provider="q", model="n-1")
            await spool.keep(exchange(name, owner=owner, model="fast"), [failed, last])
        assert await spool.interrupt(["dead", "unheard of"]) == 1
        (row,) = await spool.ended()
        asked = (row.exchange.provider, row.exchange.answered_model, row.exchange.attempts)
        assert (row.exchange.id, row.exchange.state) == ("a", "interrupted")
        assert asked == ("q", "n-1", 2)
        assert [one.state for one in row.attempts] == ["failed", "interrupted"]
        assert await spool.owners() == ["alive"]
        spool.close()

    asyncio.run(scene())


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """Something else in its place is told, with the path."""
    path = tmp_path / "ledger.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(Failure) as caught:
        Spool.open(path)
    assert caught.value.kind is Kind.UNAVAILABLE
    assert str(path) in caught.value.message


def test_a_locked_file_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the spool cannot write either, that is said, and nothing is taken for kept."""
    real = sqlite3.connect
    monkeypatch.setattr("sqlite3.connect", lambda path, **more: real(path, **(more | {"timeout": 0})))

    async def scene() -> None:
        spool = Spool.open(tmp_path / "ledger.db")
        with closing(real(tmp_path / "ledger.db", isolation_level=None)) as other:
            other.execute("begin immediate")
            with pytest.raises(Failure) as caught:
                await spool.keep(exchange("a"), [])
            assert caught.value.kind is Kind.UNAVAILABLE
        assert await spool.count() == 0
        spool.close()

    asyncio.run(scene())


def test_what_was_paid_from_leases_is_booked_at_what_it_held(tmp_path: Path) -> None:
    """The claim is kept with the row; where its process died, all of it is the last attempt's cost."""

    async def scene() -> None:
        spool = Spool.open(tmp_path / "ledger.db")
        held = claim(40, 100)
        failed = replace(attempt("a"), state="failed", meters=Meters(cost_micros=3))
        await spool.keep(exchange("a", owner="dead"), [failed, attempt("a", 2), attempt("a", 3)], held)
        await spool.keep(exchange("b", owner="alive"), [attempt("b")])
        assert await spool.waiting(["dead", "nobody"]) == [("dead", "a")]
        await spool.interrupt(["dead"])
        (row,) = await spool.ended()
        assert (row.shares, row.held_micros) == (held.shares, 40)
        assert (row.exchange.meters, row.exchange.state) == (
            Meters(cost_micros=40, estimated=True),
            "interrupted",
        )
        assert row.exchange.settled_at is not None
        assert [one.meters.cost_micros for one in row.attempts] == [3, 0, 40]
        assert await spool.waiting(["dead", "alive"]) == [("dead", "a"), ("alive", "b")]
        spool.close()

    asyncio.run(scene())
