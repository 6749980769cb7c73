"""Old rows in SQLite: read in order, deleted without a trace in any sum."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from dragoman.store import AttemptRow, ExchangeRow, Meters, Part, RatingRow
from dragoman.store.audit import AuditRow
from dragoman.store.budgets import AlertRow, BudgetRow, Claim, Share
from dragoman.store.sqlite import SqliteStore
from dragoman.store.sqlite.commit import Statement, Write

DAY = 86_400.0
METERS = Meters(input=3, output=4, cost_micros=50)
OPENED = Statement(0, "insert into budget_window values (?, '', ?, 5, ?)")


def play(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run `scene` on a store in `folder`."""

    async def run() -> None:
        db = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(db)
        finally:
            await db.close()

    asyncio.run(run())


def exchange(name: str, at: float, **more: Any) -> ExchangeRow:
    """Return an exchange that has ended, unless said otherwise."""
    fields: dict[str, Any] = {
        "request_id": name,
        "owner": "me",
        "key": "anna",
        "dialect": "openai_chat",
        "task": "generate",
        "model": "m",
        "stream": True,
        "provider": "p",
        "answered_model": "m",
        "state": "settled",
        "losses": ("dropped:seed",),
        "meters": METERS,
    }
    return ExchangeRow(id=name, opened_at=at, **(fields | more))


def attempt(name: str, number: int = 1) -> AttemptRow:
    """Return an attempt of an exchange."""
    return AttemptRow(
        exchange_id=name,
        number=number,
        provider="p",
        model="m",
        opened_at=1.0,
        state="settled",
        meters=METERS,
    )


async def rows(db: SqliteStore, query: str) -> list[Any]:
    """Return what a query of the tests' own finds."""
    return list(await db._read(query))


def test_what_has_ended_is_read_in_order(tmp_path: Path) -> None:
    """By beginning and id, in pages, with all attempts, of the time asked for, and nothing that is open."""

    async def scene(db: SqliteStore) -> None:
        places = [("b", 5.0), ("a", 5.0), ("c", 4.0), ("late", 9.0), ("early", 1.0)]
        kept = {name: (exchange(name, at), (attempt(name), attempt(name, 2))) for name, at in places}
        for row, attempts in kept.values():
            await db.settle(row, attempts)
        await db.open_exchange(exchange("open", 5.0, state="reserved"), attempt("open"))
        found = await db.archive.ended(4.0, 9.0, limit=2)
        assert found == [kept["c"], kept["a"]]
        last = found[-1][0]
        rest = await db.archive.ended(4.0, 9.0, after=(last.opened_at, last.id), limit=2)
        assert rest == [kept["b"]]
        assert await db.archive.some(["late", "open", "unheard of"]) == [kept["late"]]
        assert await db.archive.open(4.0, 9.0) == 1
        assert await db.archive.open(6.0, 9.0) == 0

    play(tmp_path, scene)


def test_deleted_rows_stay_counted(tmp_path: Path) -> None:
    """Rows, attempts and ratings go; sums, averages and windows stay; what is open stays in any case."""

    async def told(db: SqliteStore) -> tuple[object, ...]:
        return (
            await db.reports.cells(Part(), spread=True),
            await db.reports.cells(Part(key="anna"), every="day"),
            await db.reports.calls(Part()),
        )

    async def scene(db: SqliteStore) -> None:
        share = Share("b", "all", "", 0, 1000)
        await db.open_exchange(
            exchange("claimed", 2.0, state="reserved"), attempt("claimed"), Claim(70, (share,))
        )
        await db.settle(exchange("claimed", 2.0), [attempt("claimed")])
        for name in ("one", "two"):
            await db.settle(exchange(name, 3.0), [attempt(name), attempt(name, 2)])
        await db.open_exchange(exchange("open", 3.0, state="reserved"), attempt("open"))
        await db.ratings.keep(RatingRow("one", "anna", "m", 5, "good", 4.0))
        await db.ratings.keep(RatingRow("two", "anna", "m", 2, "bad", 4.0))
        before = await told(db)
        window = await db.budgets.window(share)
        assert await db.archive.delete(["claimed", "one", "open", "unheard of"]) == 2
        assert await db.archive.delete(["one"]) == 0
        assert sorted(row.id for row in await db.exchanges()) == ["open", "two"]
        assert await rows(db, "select distinct exchange_id from attempt order by 1") == [("open",), ("two",)]
        assert await rows(db, "select exchange_id from rating") == [("two",)]
        assert await told(db) == before
        assert await db.ratings.averages(None) == {"m": 3.5}
        assert await db.budgets.window(share) == window

    play(tmp_path, scene)


def test_a_report_begins_where_the_sums_do(tmp_path: Path) -> None:
    """The first exchange of a key is still known when its row is gone: to the day."""

    async def scene(db: SqliteStore) -> None:
        await db.settle(exchange("old", 40 * DAY + 7), [])
        await db.settle(exchange("new", 99 * DAY + 7), [])
        await db.settle(exchange("other", 80 * DAY, key="ben"), [])
        assert await db.reports.first(None) == 40 * DAY + 7
        await db.archive.delete(["old"])
        assert await db.reports.first(None) == 40 * DAY
        assert await db.reports.first("anna") == 40 * DAY
        assert await db.reports.first("ben") == 80 * DAY
        assert await db.reports.first("carl") is None

    play(tmp_path, scene)


def test_one_deletes_at_a_time(tmp_path: Path) -> None:
    """A lease is its holder's until it ends or is given back."""

    async def scene(db: SqliteStore) -> None:
        lease = db.archive.lease
        assert await lease("one", now=100.0, until=160.0)
        assert not await lease("two", now=159.0, until=219.0)
        assert await lease("one", now=159.0, until=219.0)
        assert await lease("two", now=220.0, until=280.0)
        assert not await lease("one", now=221.0, until=281.0)
        assert not await lease("two", now=222.0, until=0.0)
        assert await lease("one", now=222.0, until=282.0)

    play(tmp_path, scene)


def test_old_audit_entries_go_a_few_at_a_time(tmp_path: Path) -> None:
    """At most so many in one transaction, the oldest first, and none that is young."""

    async def scene(db: SqliteStore) -> None:
        for at in (1.0, 2.0, 3.0, 50.0):
            await db.audit.write(AuditRow(at, "anna", "key.create", "k"))
        assert [await db.archive.prune("audit", 50.0, limit=2) for _ in range(3)] == [2, 1, 0]
        assert await rows(db, "select at from audit") == [(50.0,)]

    play(tmp_path, scene)


def test_old_windows_go_unless_they_still_matter(tmp_path: Path) -> None:
    """A window that holds money stays, so does that of a budget without periods, and with it its alerts."""

    async def scene(db: SqliteStore) -> None:
        audit = AuditRow(1.0, "anna", "budget.create", "b")
        for name, period in (("daily", "day"), ("ever", "total")):
            made = BudgetRow(name=name, scope="all", cap_micros=1, period=period, created_at=1.0)  # type: ignore[arg-type]
            await db.budgets.put(made, audit)
        windows = [("daily", 100, 0), ("daily", 200, 9), ("daily", 900, 0), ("ever", 0, 0), ("ever", 1, 0)]
        for budget, at, held in windows:
            row = (OPENED, (budget, at, held))
            await db._writer.write(Write([row]))
            await db.budgets.tell(AlertRow(budget, "", at, 80, 5, 6, 7.0))
        while await db.archive.prune("windows", 500.0, limit=1):
            pass
        left = await rows(db, "select budget, at from budget_window order by 1, 2")
        assert left == [("daily", 200), ("daily", 900), ("ever", 0), ("ever", 1)]
        told = await rows(db, "select budget, at from alert order by 1, 2")
        assert told == [("daily", 900), ("ever", 0), ("ever", 1)]

    play(tmp_path, scene)


def test_old_words_of_ratings_go_and_the_ratings_stay(tmp_path: Path) -> None:
    """Feedback is forgotten after its time; what the answer was worth is not."""

    async def scene(db: SqliteStore) -> None:
        for name, at in (("one", 10.0), ("two", 20.0)):
            await db.settle(exchange(name, 3.0), [])
            await db.ratings.keep(RatingRow(name, "anna", "m", 4, "words", at))
        assert [await db.archive.prune("feedback", 15.0, limit=9) for _ in range(2)] == [1, 0]
        found = await rows(db, "select exchange_id, rating, feedback from rating order by 1")
        assert found == [("one", 4, ""), ("two", 4, "words")]
        assert await db.ratings.averages("anna") == {"m": 4.0}

    play(tmp_path, scene)


def test_freed_pages_are_written_to_again(tmp_path: Path) -> None:
    """A ledger whose rows come and go does not grow."""

    async def scene(db: SqliteStore) -> None:
        sizes: list[int] = []
        for turn in range(6):
            names = [f"{turn}-{place:04}" for place in range(300)]
            await asyncio.gather(*(db.settle(exchange(name, 3.0), [attempt(name)]) for name in names))
            while await db.reports.post():
                pass
            sizes.append((await rows(db, "pragma page_count"))[0][0])
            await db.archive.delete(names)
        assert max(sizes[2:]) <= sizes[1] * 1.1

    play(tmp_path, scene)
