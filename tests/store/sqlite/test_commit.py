"""Group commit: many writes, few commits, and each caller told its own outcome."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from dragoman.core.failure import Failure, Kind
from dragoman.store.sqlite import commit
from dragoman.store.sqlite.commit import Statement, Write, Writer

PARENT = Statement(0, "insert into parent values (?)")
CHILD = Statement(1, "insert into child values (?)")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a database with a parent and a child table."""
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as plain:
        plain.execute("pragma journal_mode = wal")
        plain.execute("create table parent (id integer primary key)")
        plain.execute("create table child (id integer references parent)")
    return path


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    """Return a writer on it."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        connection.execute("pragma foreign_keys = on")
        return connection

    writer = Writer(connect(), connect())
    yield writer
    writer.close()


def count(path: Path, table: str) -> int:
    """Return how many rows a table has."""
    with closing(sqlite3.connect(path)) as plain:
        number: int = plain.execute(f"select count(*) from {table}").fetchone()[0]
        return number


async def together(writer: Writer, writes: Callable[[], list[Write]]) -> list[object]:
    """Hold the thread until all `writes` are queued; return their outcomes."""
    taken, gate = Event(), Event()

    def hold(_: sqlite3.Connection) -> None:
        taken.set()
        gate.wait()

    first = asyncio.ensure_future(writer.write(Write(act=hold)))
    await asyncio.to_thread(taken.wait)
    waiting: list[Awaitable[object]] = [asyncio.ensure_future(writer.write(write)) for write in writes()]
    await asyncio.sleep(0)
    gate.set()
    await first
    return await asyncio.gather(*waiting, return_exceptions=True)


def test_what_gathers_during_a_commit_is_one_commit(writer: Writer, path: Path) -> None:
    """A hundred writes that come while the thread is busy cost one commit together."""

    async def play() -> None:
        await together(writer, lambda: [Write([(PARENT, (number,))]) for number in range(100)])

    asyncio.run(play())
    assert writer.commits == 2
    assert count(path, "parent") == 100


def test_a_faulty_write_fails_alone(writer: Writer, path: Path) -> None:
    """Its neighbours in the group are committed as if it had not been there."""

    async def play() -> list[object]:
        numbers = [1, 2, 2, 3, 2**70]
        return await together(writer, lambda: [Write([(PARENT, (number,))]) for number in numbers])

    outcomes = asyncio.run(play())
    assert [isinstance(outcome, Failure) for outcome in outcomes] == [False, False, True, False, True]
    assert {outcome.kind for outcome in outcomes if isinstance(outcome, Failure)} == {Kind.INTERNAL}
    assert count(path, "parent") == 3


def test_a_write_is_whole_or_not_at_all(writer: Writer, path: Path) -> None:
    """Rows written before the fault of the same write are gone again."""

    async def play() -> None:
        with pytest.raises(Failure):
            await writer.write(Write([(PARENT, (1,)), (CHILD, (7,))]))

        def act(connection: sqlite3.Connection) -> None:
            connection.execute("insert into parent values (5)")
            raise LookupError("a bug")

        with pytest.raises(Failure) as caught:
            await writer.write(Write(act=act))
        assert caught.value.kind is Kind.INTERNAL

    asyncio.run(play())
    assert count(path, "parent") == 0


def test_rows_are_written_in_rank_order(writer: Writer, path: Path) -> None:
    """In a group a row comes after the one it refers to, whoever queued first."""

    async def play() -> list[object]:
        return await together(
            writer,
            lambda: [
                Write([(PARENT, (1,)), (CHILD, (1,))]),
                Write([(CHILD, (1,))]),
                Write([(PARENT, (2,)), (CHILD, (2,))]),
            ],
        )

    assert asyncio.run(play()) == [None, None, None]
    assert writer.commits == 2
    assert count(path, "child") == 3


def test_an_outage_fails_the_group_and_heals(writer: Writer, path: Path) -> None:
    """While the database cannot answer everyone is told so; afterwards writing goes on."""

    async def play() -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("begin immediate")
            waiting = [writer.write(Write([(PARENT, (number,))])) for number in range(10)]
            outcomes = await asyncio.gather(*waiting, return_exceptions=True)
            assert [getattr(outcome, "kind", None) for outcome in outcomes] == [Kind.UNAVAILABLE] * 10
            other.execute("rollback")
        await writer.write(Write([(PARENT, (1,))]))

    asyncio.run(play())
    assert count(path, "parent") == 1


def test_an_act_returns_its_result(writer: Writer) -> None:
    """What a function of the connection returns reaches its caller."""

    async def play() -> object:
        return await writer.write(Write(act=lambda connection: connection.execute("select 7").fetchone()))

    assert asyncio.run(play()) == (7,)


def test_a_caller_that_left_loses_nothing(writer: Writer, path: Path) -> None:
    """A cancelled write is made all the same, and so is one whose event loop has ended."""
    gate = Event()

    async def play() -> None:
        held = asyncio.ensure_future(writer.write(Write(act=lambda _: gate.wait())))
        left = asyncio.ensure_future(writer.write(Write([(PARENT, (1,))])))
        await asyncio.sleep(0)
        left.cancel()
        held.cancel()

    asyncio.run(play())
    gate.set()
    writer.close()
    assert count(path, "parent") == 1


def test_closing_finishes_what_is_queued(writer: Writer, path: Path) -> None:
    """Close writes the whole queue, then refuses; the log is folded into the file."""

    async def play() -> None:
        waiting = [asyncio.ensure_future(writer.write(Write([(PARENT, (number,))]))) for number in range(50)]
        await asyncio.sleep(0)
        await asyncio.to_thread(writer.close)
        await asyncio.gather(*waiting)
        with pytest.raises(Failure) as caught:
            await writer.write(Write())
        assert caught.value.kind is Kind.UNAVAILABLE

    asyncio.run(play())
    writer.close()
    assert count(path, "parent") == 50
    assert not path.with_name("x.db-wal").exists()


def test_the_log_is_folded_beside_the_commits(
    writer: Writer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After enough writes another thread copies the log into the file."""
    monkeypatch.setattr(commit, "FOLD_AFTER", 3)
    before = path.read_bytes()

    async def play() -> None:
        for number in range(3):
            await writer.write(Write([(PARENT, (number,))]))
        # The thread decides on folding after it has told the caller; one more write is behind that.
        await writer.write(Write())
        assert writer._fold is not None
        await asyncio.wrap_future(writer._fold)

    asyncio.run(play())
    assert path.read_bytes() != before
