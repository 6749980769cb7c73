"""Posting: every entry once, whoever posts, whatever fails and whenever a process dies."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from importlib import resources
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from tests.store.sums import BEGAN, Kept, attempt, exchange, happen, hold

from dragoman.core.failure import Failure, Kind
from dragoman.store import Meters, Part
from dragoman.store.cover import HOUR
from dragoman.store.reports import KINDS, MEASURES, MOST
from dragoman.store.spread import LONG, unpacked
from dragoman.store.sqlite import SqliteStore, sums
from dragoman.store.sqlite.commit import Write


def play(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run `scene` on a store in `folder`."""

    async def run() -> None:
        db = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(db)
        finally:
            await db.close()

    asyncio.run(run())


async def book(db: SqliteStore, rows: int, first: int = 0) -> None:
    """Book some exchanges of some hours, each with a call."""
    for place in range(first, first + rows):
        at = BEGAN + place % 7 * HOUR
        tried = attempt(str(place), at=at, state="settled", first_event_ms=float(place))
        await db.settle(exchange(str(place), at, key="abc"[place % 3], latency_ms=10.0 * place), [tried])


async def left(db: SqliteStore) -> tuple[int, int]:
    """Return how many entries and calls wait to be posted."""
    query = "select (select count(*) from usage_entry), (select count(*) from usage_call)"
    ((entries, calls),) = await db._read(query)
    return entries, calls


async def requests(db: SqliteStore) -> int:
    """Return how many requests have been posted, by the sums alone."""
    ((found,),) = await db._read("select ifnull(sum(requests), 0) from usage where span = 3600 and kind = 1")
    return int(found)


def test_posts_are_small_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice at a time, entries and calls together, until nothing is left."""

    async def scene(db: SqliteStore) -> None:
        await book(db, 300)
        assert await left(db) == (300, 300)
        assert [await db.reports.post() for _ in range(4)] == [256, 256, 88, 0]
        assert await left(db) == (0, 0)
        assert await requests(db) == 300

    monkeypatch.setattr(sums, "SLICE", 128)
    play(tmp_path, scene)


def test_nobody_posts_what_another_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that have read the same entries one writes, and the other one begins anew."""

    async def scene(db: SqliteStore) -> None:
        await book(db, 100)
        other = SqliteStore.open(tmp_path / "dragoman.db")
        try:
            found = await db._report(lambda connection: sums._slice(connection, groups={}))
            assert found.entries == 200
            await book(db, 5, first=100)
            assert await other.reports.post() == 210
            act = Write(act=lambda connection: sums._posted(connection, found=found))
            assert await db._writer.write(act) == {}
            assert await requests(db) == 105
            await hold(db, [], Random(0), asks=5)
        finally:
            await other.close()

    monkeypatch.setattr(sums, "SLICE", 500)
    play(tmp_path, scene)


@pytest.mark.parametrize("table", ["usage", "usage_group"])
def test_a_post_that_fails_in_the_middle_changes_nothing(tmp_path: Path, table: str) -> None:
    """The entries wait, the sums are as they were, and the next post does it all."""

    async def do(db: SqliteStore, sql: str) -> list[tuple[int]]:
        def act(connection: sqlite3.Connection) -> list[tuple[int]]:
            return connection.execute(sql).fetchall()

        found: list[tuple[int]] = await db._writer.write(Write(act=act))
        return found

    async def scene(db: SqliteStore) -> None:
        gone = await happen([db], Random(1), steps=60)
        while await db.reports.post():
            pass
        await db.settle(exchange("new", key="never seen", team="never either"), [])
        waiting, posted = await left(db), await requests(db)
        ((there,),) = await do(db, f"select count(*) from {table}")
        await do(
            db,
            f"create trigger fail before insert on {table} when (select count(*) from {table}) > {there} "
            "begin select raise(abort, 'no'); end",
        )
        with pytest.raises(Failure):
            await db.reports.post()
        assert (await left(db), await requests(db)) == (waiting, posted)
        await do(db, "drop trigger fail")
        await hold(db, gone, Random(2), asks=5)

    play(tmp_path, scene)


async def _full(db: SqliteStore, *, full: bool) -> None:
    """Let nothing be posted, as on a full disk; or let it be posted again."""
    says = "create trigger full_disk before insert on usage begin select raise(abort, 'no'); end"
    says = says if full else "drop trigger full_disk"
    await db._writer.write(Write(act=lambda connection: connection.execute(says).fetchall()))


@pytest.mark.parametrize("posted", [0, 60])
def test_f48_what_cannot_be_posted_is_told(tmp_path: Path, posted: int) -> None:
    """Every report is what the rows are, though nothing can be written; whatever was posted before."""

    async def scene(db: SqliteStore) -> None:
        gone = await happen([db], Random(3), steps=posted)
        while await db.reports.post():
            pass
        await _full(db, full=True)
        for place in range(40):
            at = BEGAN + place * 7 * HOUR
            row = exchange(str(1000 + place), at, key="ab"[place % 2], state="failed", failure="upstream")
            row = msgspec.structs.replace(row, losses=("dropped:seed",), latency_ms=3.0 * place)
            await db.settle(row, [attempt(row.id, at=at, state="settled", first_event_ms=5.0)])
        waiting = await left(db)
        assert waiting[0] >= 40
        await hold(db, gone, Random(4), asks=40)
        assert await left(db) == waiting
        await _full(db, full=False)
        await hold(db, gone, Random(4), asks=5)
        assert await left(db) == (0, 0)

    play(tmp_path, scene)


def test_f48_where_too_much_waits_the_fault_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the way is said, not how many entries wait."""
    monkeypatch.setattr(sums, "MOST_TOGETHER", 10)

    async def scene(db: SqliteStore) -> None:
        await _full(db, full=True)
        await book(db, 10)
        (cell,) = await db.reports.cells(Part())
        assert cell.sums.requests == 10
        await book(db, 1, first=10)
        with pytest.raises(Failure) as caught:
            await db.reports.cells(Part())
        assert caught.value.message == "the store refused a row: no"

    play(tmp_path, scene)


DIE = """
import asyncio, os, signal, sys
from pathlib import Path
from dragoman.store.sqlite import SqliteStore, sums

posted, turns = sums._posted, [0]

def dying(connection, *, found):
    new = posted(connection, found=found)
    turns[0] += 1
    if turns[0] == int(sys.argv[2]):
        print("about to die", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return new

async def run():
    db = SqliteStore.open(Path(sys.argv[1]))
    while True:
        await db.reports.post()

sums._posted = dying
sums.SLICE = 20
asyncio.run(run())
"""


@pytest.mark.parametrize("turn", [1, 3])
def test_kill_9_in_the_middle_of_posting_loses_nothing(tmp_path: Path, turn: int) -> None:
    """A process that dies before its post is committed has posted nothing of it; the next one does."""
    path = tmp_path / "dragoman.db"
    gone: list[Kept] = []

    async def before(db: SqliteStore) -> None:
        gone.extend(await happen([db], Random(turn), steps=100))
        await book(db, 100, first=1000)

    async def after(db: SqliteStore) -> None:
        assert await left(db) != (0, 0)
        await hold(db, gone, Random(turn), asks=10)

    play(tmp_path, before)
    died = subprocess.run(
        [sys.executable, "-c", DIE, str(path), str(turn)], capture_output=True, text=True, check=False
    )
    assert (died.returncode, died.stdout) == (-signal.SIGKILL, "about to die\n"), died.stderr
    play(tmp_path, after)


def test_groups_that_are_forgotten_are_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few ids are remembered, each group has one."""
    monkeypatch.setattr(sums, "MOST_GROUPS", 3)
    monkeypatch.setattr(sums, "SLICE", 10)

    async def scene(db: SqliteStore) -> None:
        gone = await happen([db], Random(3), steps=60)
        await hold(db, gone, Random(4), asks=5)

    play(tmp_path, scene)


def test_a_slice_has_few_combinations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many entries are one sum, those of one slice are few: the writer is held no longer for it."""
    monkeypatch.setattr(sums, "DIFFERENT", 4)

    async def scene(db: SqliteStore) -> None:
        await book(db, 10)
        found = await db._report(lambda connection: sums._slice(connection, groups={}))
        assert [(part.table, part.rows) for part in found.taken] == [("usage_entry", 4), ("usage_call", 10)]
        assert [await db.reports.post() for _ in range(4)] == [14, 4, 2, 0]
        await hold(db, [], Random(0), asks=5)
        for place in range(50):
            await db.settle(exchange(f"same {place}"), [])
        assert await db.reports.post() == 50

    play(tmp_path, scene)


def test_a_spread_that_becomes_long_is_folded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is added to as it is, however often, until it is long."""
    monkeypatch.setattr(sums, "SLICE", 5)

    async def longest(db: SqliteStore) -> int:
        ((found,),) = await db._read("select max(length(latency)) from usage where span = 3600 and kind = 1")
        return int(found)

    async def scene(db: SqliteStore) -> None:
        seen = []
        for place in range(200):
            await db.settle(exchange(str(place), latency_ms=10.0 * (1 + place % 90)), [])
            if place % 5 == 4:
                assert await db.reports.post() == 5
                seen.append(await longest(db))
        assert seen[:32] == [20 * (place + 1) for place in range(32)]
        assert max(seen) == seen[31] <= LONG
        assert seen[32] < 4 * 90
        await hold(db, [], Random(0), asks=5)

    play(tmp_path, scene)


def test_a_sum_does_not_leave_its_range(tmp_path: Path) -> None:
    """Whatever providers say: it is at most the most that counts, and modest ones are added to it still."""

    async def scene(db: SqliteStore) -> None:
        for place, tokens in enumerate((5 * MOST, MOST, 10, MOST)):
            await db.settle(exchange(str(place), meters=Meters(input=tokens, cost_micros=1)), [])
            assert await db.reports.post() == 1
            (cell,) = await db.reports.cells(Part())
            assert (cell.sums.input, cell.sums.cost_micros) == (MOST + 10 * (place == 2), place + 1)

    play(tmp_path, scene)


def test_a_backlog_is_posted_in_larger_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where very much waits, fewer and larger posts are made, until little does."""
    monkeypatch.setattr(sums, "BACKLOG", 50)
    monkeypatch.setattr(sums, "LARGE_SLICE", 40)
    monkeypatch.setattr(sums, "SLICE", 10)

    async def scene(db: SqliteStore) -> None:
        await book(db, 100)
        assert [await db.reports.post() for _ in range(5)] == [80, 80, 20, 20, 0]

    play(tmp_path, scene)


def test_a_report_says_that_sums_are_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It posts some, and says how many are left and when to come again; in the end it is made."""
    monkeypatch.setattr(sums, "MOST_WAITED_FOR", 100)
    monkeypatch.setattr(sums, "SLICE", 25)

    async def scene(db: SqliteStore) -> None:
        await book(db, 175)
        for left, wait_s in ((250, 3.0), (150, 2.0), (50, 1.0)):
            with pytest.raises(Failure) as caught:
                await db.reports.cells(Part())
            assert caught.value.kind is Kind.UNAVAILABLE
            assert caught.value.message == f"sums are being brought up to date; {left} entries left"
            assert caught.value.retry_after_s == wait_s
        (cell,) = await db.reports.cells(Part())
        assert cell.sums.requests == 175

    play(tmp_path, scene)


def test_what_is_booked_meanwhile_keeps_no_report_waiting(tmp_path: Path) -> None:
    """A report waits for what was there when it was asked, not for what comes in."""

    async def scene(db: SqliteStore) -> None:
        await book(db, 10)
        posts = []
        post = db.reports._posting.post

        async def booking() -> int:
            posts.append(await post())
            await book(db, 10, first=10 * len(posts))
            return posts[-1]

        db.reports._posting.post = booking  # type: ignore[method-assign]  # between two posts
        (cell,) = await db.reports.cells(Part())
        assert posts == [20]
        assert cell.sums.requests == 10

    play(tmp_path, scene)


def test_entries_are_what_triggers_say(tmp_path: Path) -> None:
    """One for each end, two for what is priced anew; none for what is open, only counted, or deleted."""

    async def scene(db: SqliteStore) -> None:
        await db.open_exchange(exchange("x", state="reserved"), attempt("x"))
        assert await left(db) == (0, 0)
        await db.settle(exchange("x"), [attempt("x", state="settled")])
        assert await left(db) == (1, 1)
        await db.settle(exchange("x", state="failed"), [attempt("x", state="failed")])
        assert await left(db) == (1, 1)
        await db.settle(exchange("y", task="count"), [attempt("y", state="settled")])
        assert await left(db) == (1, 1)
        with closing(sqlite3.connect(tmp_path / "dragoman.db")) as plain:
            plain.execute("update exchange set cost_micros = 7 where id = 'x'")
            plain.commit()
        assert await db._read("select requests, cost_micros from usage_entry") == [(1, 0), (-1, 0), (1, 7)]
        await db.archive.delete(["x"])
        assert await left(db) == (3, 1)

    play(tmp_path, scene)


SIDES = f"""
    select span, usage.kind, at, key, team, user, model, provider, route, state, failure, dialect,
        {", ".join(MEASURES)}, latency, first_event
    from usage join usage_group on id = group_id where usage.kind > {KINDS["attempt"]} and requests <> 0
"""


def test_an_upgrade_makes_the_sums_of_two_sides(tmp_path: Path) -> None:
    """What a migration adds up from sums of each combination is what posting has added up."""

    def told(file: sqlite3.Connection) -> list[tuple[Any, ...]]:
        rows = (
            (*row[:-2], *({k: v for k, v in unpacked(spread).items() if v} for spread in row[-2:]))
            for row in file.execute(SIDES)
        )
        return sorted(rows, key=repr)

    async def scene(db: SqliteStore) -> None:
        await happen([db], Random(7), steps=150)
        while await db.reports.post():
            pass

    play(tmp_path, scene)
    script = resources.files("dragoman.store.sqlite") / "migrations" / "0011_sides.sql"
    with closing(sqlite3.connect(tmp_path / "dragoman.db")) as file:
        posted = told(file)
        file.execute("delete from usage where kind > ?", (KINDS["attempt"],))
        file.execute("delete from usage_group where kind > ?", (KINDS["attempt"],))
        assert told(file) == []
        file.executescript(script.read_text("utf-8"))
        assert len(posted) > 100
        assert told(file) == posted
