"""Sums over exchanges: exactly the rows', whatever happened to these and whichever time is asked for."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from importlib import resources
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.sums import BEGAN, attempt, exchange, happen, hold

from dragoman.core.failure import Failure, Kind
from dragoman.store import Interval, Meters, Part, Sums
from dragoman.store.cover import DAY, HOUR
from dragoman.store.reports import DIMENSIONS, SIDES, Cell
from dragoman.store.sqlite import SqliteStore
from dragoman.store.sqlite.commit import Write
from dragoman.store.sqlite.reports import spent

FINAL = ("settled", "cancelled", "failed", "interrupted")
MOST = 10**15


def play(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run `scene` on a store in `folder`."""

    async def run() -> None:
        db = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(db)
        finally:
            await db.close()

    asyncio.run(run())


async def whole(db: SqliteStore, part: Part | None = None) -> Sums:
    """Return the sums of a part, or of all there is."""
    cells = await db.reports.cells(part or Part())
    return cells[0].sums if cells else Sums()


async def change(db: SqliteStore, sql: str, *values: object) -> None:
    """Change rows as nobody does today: what was booked before is booked otherwise."""

    def act(connection: sqlite3.Connection) -> None:
        connection.execute(sql, values)

    await db._writer.write(Write(act=act))


@pytest.mark.parametrize("seed", range(3))
def test_the_sums_are_the_rows(tmp_path: Path, seed: int) -> None:
    """Whatever becomes of hundreds of rows, and with three that post at once, every report is the rows'."""
    chance = random.Random(seed)

    async def scene() -> None:
        stores = [SqliteStore.open(tmp_path / "dragoman.db") for _ in range(3)]
        try:
            gone = await happen(stores, chance, steps=400)
            assert gone
            await hold(chance.choice(stores), gone, chance)
        finally:
            for db in stores:
                await db.close()

    asyncio.run(scene())


steps = st.lists(
    st.tuples(
        st.sampled_from(("open", *FINAL, "reprice", "move", "interrupt", "post")),
        st.integers(0, 3),
        st.integers(0, 10**6) | st.none(),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(done=steps)
def test_any_order_of_events_keeps_them_equal(done: list[tuple[str, int, int | None]]) -> None:
    """Opening, settling, repricing, even moving a row in time: in any order the sums stay the rows'."""

    async def scene(db: SqliteStore) -> None:
        for what, place, cost in done:
            row = exchange(
                str(place),
                BEGAN + place * HOUR,
                key="ab"[place % 2],
                meters=Meters(input=place, cost_micros=cost),
            )
            if what == "open" and await db.exchange(row.id) is None:
                await db.open_exchange(msgspec.structs.replace(row, state="reserved"), attempt(row.id))
            elif what in FINAL:
                await db.settle(msgspec.structs.replace(row, state=what), [])
            elif what == "reprice":
                await change(db, "update exchange set cost_micros = ? where id = ?", cost, row.id)
            elif what == "move":
                await change(
                    db, "update exchange set opened_at = opened_at + 90000, key = 'c' where id = ?", row.id
                )
            elif what == "interrupt":
                await db.interrupt(["me"])
            elif what == "post":
                await db.reports.post()
        await hold(db, [], random.Random(len(done)), asks=5)

    with TemporaryDirectory() as folder:
        play(Path(folder), scene)


@pytest.mark.parametrize("post", ["never", "halfway", "always"])
def test_what_was_spent_is_exact_where_nothing_is_posted(tmp_path: Path, post: str) -> None:
    """A budget that is first claimed from counts what waits to be posted, and counts nothing twice."""
    chance = random.Random(post)

    async def scene(db: SqliteStore) -> None:
        rows = [
            exchange(
                str(place),
                BEGAN + chance.uniform(0, 90 * DAY),
                key=chance.choice("ab"),
                team=chance.choice(("", "red")),
                user=chance.choice(("", "anna")),
                meters=Meters(cost_micros=chance.choice((None, chance.randrange(1000)))),
            )
            for place in range(150)
        ]
        for place, row in enumerate(rows):
            await db.settle(row, [])
            if post == "always" or (post == "halfway" and place == 75):
                while await db.reports.post():
                    pass
        for wanted in ({}, {"key": "a"}, {"team": "red"}, {"user": "anna"}, {"key": "nobody"}):
            for since in (
                0,
                *(int(chance.choice(rows).opened_at) // long * long for long in (1, 60, HOUR, DAY)),
            ):
                part = Part(since, **wanted)  # type: ignore[arg-type]  # names, no times
                found = await db._writer.write(Write(act=partial(spent, part=part)))
                mine = [
                    row
                    for row in rows
                    if row.opened_at >= since and wanted.items() <= msgspec.structs.asdict(row).items()
                ]
                assert found == sum(row.meters.cost_micros or 0 for row in mine)

    play(tmp_path, scene)


def test_a_long_time_is_read_from_few_sums(tmp_path: Path) -> None:
    """Rows that vanish from the ledger stay counted, but for those of an hour that is asked for in part."""

    async def scene(db: SqliteStore) -> None:
        for place in range(100):
            await db.settle(exchange(str(place), BEGAN // DAY * DAY + place * 600), [])
        assert (await whole(db)).requests == 100
        await change(db, "delete from exchange")
        begin = BEGAN // DAY * DAY
        assert (await whole(db)).requests == 100
        assert (await whole(db, Part(begin, begin + 2 * HOUR))).requests == 12
        assert (await whole(db, Part(begin + 1, begin + 2 * HOUR))).requests == 6

    play(tmp_path, scene)


def test_ends_are_exact_to_the_instant(tmp_path: Path) -> None:
    """The beginning is part of a time and its end is not, within an hour as at its edge."""

    async def scene(db: SqliteStore) -> None:
        hour = BEGAN // HOUR * HOUR
        for place, at in enumerate((hour, hour + 0.5, hour + HOUR - 0.001, hour + HOUR)):
            await db.settle(exchange(str(place), at), [])

        async def found(since: float, until: float) -> int:
            return (await whole(db, Part(since, until))).requests

        assert await found(hour, hour + HOUR) == 3
        assert await found(hour, hour) == 0
        assert await found(hour + 0.5, hour + HOUR) == 2
        assert await found(hour + 0.501, hour + HOUR + 0.001) == 2
        assert await found(hour + 1, hour) == 0
        assert await found(0, 1e12) == 4

    play(tmp_path, scene)


def test_what_is_open_and_what_was_only_counted_does_not_count(tmp_path: Path) -> None:
    """Neither an exchange under way nor one that had tokens counted is in any sum."""

    async def scene(db: SqliteStore) -> None:
        await db.open_exchange(exchange("x", state="reserved"), attempt("x"))
        tried = [attempt("y", state="settled")]
        await db.settle(exchange("y", task="count", losses=("dropped:seed",)), tried)
        assert await db.reports.cells(Part()) == []
        assert await db.reports.cells(Part(BEGAN - 1, BEGAN + 1), by="model", every="hour") == []
        assert await db.reports.losses(Part()) == []
        assert await db.reports.calls(Part()) == []

    play(tmp_path, scene)


def test_a_word_that_nobody_was_asked_for_makes_no_group(tmp_path: Path) -> None:
    """Names that were refused do not fill the sums, however many there are."""

    async def scene(db: SqliteStore) -> None:
        for place in range(50):
            refused = exchange(
                str(place), model=f"typo-{place}", provider=None, answered_model=None, state="failed"
            )
            await db.settle(refused, [])
        sums = Sums(requests=50, failed=50, attempts=50, unknown_cost=50)
        assert await db.reports.cells(Part(), by="model") == [Cell(None, "", sums)]
        kinds = ("each", "all", *DIMENSIONS)
        assert len(await db._read("select 1 from usage")) == 3 * len(kinds) + 2 * len(SIDES)

    play(tmp_path, scene)


def test_a_providers_nonsense_breaks_no_sum(tmp_path: Path) -> None:
    """A figure out of all range counts as a lot; rows after it are booked, and summed, as ever."""
    absurd = Meters(input=2**63 - 1, cache_read=2**63 - 1, output=2**63 - 1, cost_micros=2**63 - 1)

    async def scene(db: SqliteStore) -> None:
        for place in range(20):
            await db.settle(exchange(str(place), BEGAN + place, meters=absurd), [])
        for part in (Part(), Part(BEGAN + 0.5, BEGAN + 15.5)):
            sums = await whole(db, part)
            assert MOST <= sums.input <= 20 * MOST
            assert MOST <= sums.cost_micros <= 20 * MOST
        await db.settle(exchange("z", BEGAN + DAY, meters=Meters(input=1, cost_micros=1)), [])
        day = int(BEGAN + DAY) // DAY * DAY
        days = {cell.at: cell.sums.input for cell in await db.reports.cells(Part(), every="day")}
        assert days[day] == 1

    play(tmp_path, scene)


def test_the_first_exchange_is_found(tmp_path: Path) -> None:
    """A key's first exchange, and the first of all, or nothing."""

    async def scene(db: SqliteStore) -> None:
        assert await db.reports.first(None) is None
        for place, key in enumerate("bba"):
            await db.settle(exchange(str(place), BEGAN + place, key=key), [])
        assert await db.reports.first(None) == BEGAN
        assert await db.reports.first("a") == BEGAN + 2
        assert await db.reports.first("nobody") is None

    play(tmp_path, scene)


def test_a_ledger_that_was_there_is_summed_up(tmp_path: Path) -> None:
    """Rows of a ledger older than the sums are in them once it is opened."""
    scripts = sorted(
        (file for file in (resources.files("dragoman.store.sqlite") / "migrations").iterdir()),
        key=lambda file: file.name,
    )
    rows = [exchange(str(place), BEGAN + place * DAY, key="ab"[place % 2]) for place in range(40)]

    async def fill(db: SqliteStore) -> None:
        for row in rows:
            await db.settle(row, [])

    async def scene(db: SqliteStore) -> None:
        await hold(db, [], random.Random(4), asks=10)

    old = tmp_path / "old"
    old.mkdir()
    with closing(sqlite3.connect(old / "dragoman.db")) as plain:
        for script in scripts[:4]:
            plain.executescript(script.read_text("utf-8"))
        plain.execute("pragma user_version = 4")
        play(tmp_path, fill)
        plain.execute("attach ? as new", (str(tmp_path / "dragoman.db"),))
        columns = ", ".join(row[1] for row in plain.execute("pragma main.table_info(exchange)"))
        plain.execute(f"insert into main.exchange ({columns}) select {columns} from new.exchange")
        plain.commit()
    play(old, scene)


def test_weeks_begin_on_mondays_and_months_with_the_first(tmp_path: Path) -> None:
    """In UTC, whatever the machine's clock says, leap years and the turn of a year included."""
    days = {
        "2024-02-29 23:59:59": ("2024-02-26", "2024-02-01"),
        "2024-12-30 00:00:00": ("2024-12-30", "2024-12-01"),
        "2025-01-01 00:00:00": ("2024-12-30", "2025-01-01"),
        "2026-03-01 12:00:00": ("2026-02-23", "2026-03-01"),
    }

    async def scene(db: SqliteStore) -> None:
        for day in days:
            await db.settle(exchange(day, _at(day)), [])
        for place, every in enumerate(_INTERVALS):
            expected = sorted({_at(begins[place]) for begins in days.values()})
            assert [cell.at for cell in await db.reports.cells(Part(), every=every)] == expected

    play(tmp_path, scene)


_INTERVALS: tuple[Interval, ...] = ("week", "month")


def _at(day: str) -> float:
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


def test_what_no_sum_tells_apart_is_no_report(tmp_path: Path) -> None:
    """Whoever asks calls by key, or losses by model, is told that it cannot be, and not something else."""

    async def scene(db: SqliteStore) -> None:
        with pytest.raises(ValueError, match="calls know no key"):
            await db.reports.calls(Part(key="a"))
        with pytest.raises(ValueError, match="time only"):
            await db.reports.losses(Part(model="m"))

    play(tmp_path, scene)


def test_a_report_that_takes_long_holds_up_no_other(tmp_path: Path) -> None:
    """While one reads, another one is asked and answered."""
    gate: SimpleQueue[None] = SimpleQueue()

    def long(_: sqlite3.Connection) -> None:
        gate.get()

    async def scene(db: SqliteStore) -> None:
        await db.settle(exchange("x"), [])
        held = asyncio.get_running_loop().create_task(db._report(long))
        try:
            assert (await whole(db)).requests == 1
            assert not held.done()
        finally:
            gate.put(None)
            await held

    play(tmp_path, scene)


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    """A report of a store that is closed is a 503, no crash."""

    async def scene(db: SqliteStore) -> None:
        await db.close()
        with pytest.raises(Failure) as caught:
            await db.reports.cells(Part())
        assert caught.value.kind is Kind.UNAVAILABLE

    play(tmp_path, scene)


def test_a_database_that_cannot_answer_is_unavailable(tmp_path: Path) -> None:
    """An error of the database is told as the store's, and the next report is made."""

    async def scene(db: SqliteStore) -> None:
        connections = [db._reporting.get() for _ in range(db._reporting.qsize())]

        def refuse(verdict: int | None) -> None:
            for connection in connections:
                connection.set_authorizer(None if verdict is None else lambda *_: verdict)

        for connection in connections:
            db._reporting.put(connection)
        refuse(sqlite3.SQLITE_DENY)
        with pytest.raises(Failure) as caught:
            await db.reports.first(None)
        assert caught.value.kind is Kind.UNAVAILABLE
        refuse(None)
        assert await db.reports.first(None) is None

    play(tmp_path, scene)
