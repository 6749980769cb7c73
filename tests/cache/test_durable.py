"""The store is looked at with patience, and written to behind the answer within a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from dragoman.cache.durable import Shelf
from dragoman.core.failure import Failure, Kind
from dragoman.store import RecordingRow, Recordings


class Rows:
    """Recordings that answer as they are told, when they are let."""

    def __init__(self, fault: Failure | None = None, deletes: Sequence[int] = ()) -> None:
        self.fault = fault
        self.gate = asyncio.Event()
        self.kept: list[bytes] = []
        self.deletes = list(deletes)

    async def find(self, key: bytes, *, now: float) -> RecordingRow | None:
        """Wait, then fail or find nothing."""
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return None

    async def alike(self, scope: bytes, *, now: float, most: int) -> list[tuple[bytes, bytes]]:
        """As :meth:`find`."""
        await self.find(scope, now=now)
        return [(scope, b"v")]

    async def keep(self, row: RecordingRow, *, most: int, alike: int) -> None:
        """Wait, then fail or keep."""
        await self.find(row.key, now=0)
        self.kept.append(row.key)

    async def delete(self, key: bytes, *, recorded_at: float) -> bool:
        """Delete nothing."""
        return False

    async def forget(self, tenant: str) -> int:
        """Delete as many as is said next."""
        return self.deletes.pop(0)

    async def sweep(self, now: float, *, most: int) -> int:
        """As :meth:`forget`."""
        return self.deletes.pop(0)

    async def total(self) -> int:
        """Return nothing."""
        return 0


def row(key: bytes) -> RecordingRow:
    """Return a recording."""
    return RecordingRow(key=key, tenant="anna", recorded_at=1, expires_at=2, body=b"")


def keeping(key: bytes) -> Any:
    """Return what keeps a recording."""

    async def write(rows: Recordings) -> None:
        await rows.keep(row(key), most=0, alike=0)

    return write


def test_a_store_that_does_not_answer_is_given_up() -> None:
    """A look ends after its patience, as a failure of the store."""

    async def scene() -> None:
        shelf = Shelf(Rows(), lambda _: None, patience_s=0.0)
        for look in (shelf.find(b"a", 1), shelf.alike(b"a", 1, 9)):
            with pytest.raises(Failure, match="too long") as caught:
                await look
            assert caught.value.kind is Kind.UNAVAILABLE

    asyncio.run(scene())


def test_a_store_that_answers_is_believed() -> None:
    """What it finds and what it raises comes through."""

    async def scene() -> None:
        rows = Rows()
        rows.gate.set()
        shelf = Shelf(rows, lambda _: None)
        assert await shelf.find(b"a", 1) is None
        assert await shelf.alike(b"a", 1, 9) == [(b"a", b"v")]
        rows.fault = Failure(Kind.UNAVAILABLE, "down")
        with pytest.raises(Failure, match="down"):
            await shelf.find(b"a", 1)

    asyncio.run(scene())


def test_writes_wait_behind_the_answer_within_a_bound() -> None:
    """Putting does not wait; beyond the bound it is refused; once written, there is room again."""

    async def scene() -> None:
        rows = Rows()
        shelf = Shelf(rows, lambda _: None, most_waiting=100)
        assert shelf.put(60, keeping(b"a"))
        assert not shelf.put(60, keeping(b"b"))
        assert shelf.put(40, keeping(b"c"))
        assert rows.kept == []
        rows.gate.set()
        await shelf.drained()
        assert sorted(rows.kept) == [b"a", b"c"]
        assert shelf.put(100, keeping(b"d"))
        await shelf.drained()

    asyncio.run(scene())


def test_a_write_that_fails_is_told_and_makes_room() -> None:
    """Trouble behind an answer goes to whoever is told of it."""

    async def scene() -> None:
        told: list[Failure] = []
        rows = Rows(Failure(Kind.UNAVAILABLE, "full"))
        rows.gate.set()
        shelf = Shelf(rows, told.append, most_waiting=10)
        for _ in range(3):
            assert shelf.put(10, keeping(b"a"))
            await shelf.drained()
        assert [failure.message for failure in told] == ["full"] * 3

    asyncio.run(scene())


def test_forgetting_comes_after_what_was_waiting() -> None:
    """A recording that waits does not outlive the word to forget; steps go on until none is left."""

    async def scene() -> None:
        rows = Rows(deletes=[100, 7, 0, 3, 0])
        shelf = Shelf(rows, lambda _: None)
        shelf.put(1, keeping(b"a"))
        forgetting = asyncio.get_running_loop().create_task(shelf.forget("anna"))
        await asyncio.sleep(0)
        assert len(rows.deletes) == 5
        rows.gate.set()
        assert await forgetting == 107
        assert rows.kept == [b"a"]
        assert await shelf.sweep(1, 9) == 3

    asyncio.run(scene())
