"""Prices in the store: each kept with who set it; history priced anew, and every sum over it with it."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from dragoman.core.failure import Failure, Kind
from dragoman.store import AttemptRow, ExchangeRow, Meters, Part, State
from dragoman.store.audit import AuditRow
from dragoman.store.prices import Priced, PriceRow
from dragoman.store.sqlite import SqliteStore
from dragoman.store.sqlite.commit import Write

BEGAN = 1_795_000_000.0
FINAL: tuple[State, ...] = ("settled", "cancelled", "failed", "interrupted")


def play(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run `scene` on a store in `folder`."""

    async def run() -> None:
        db = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(db)
        finally:
            await db.close()

    asyncio.run(run())


def exchange(name: str, cost: int | None = 0, **more: object) -> ExchangeRow:
    """Return an exchange that has ended."""
    row = ExchangeRow(
        id=name,
        request_id=name,
        owner="me",
        key="a",
        dialect="prompt",
        task="generate",
        model="m",
        stream=False,
        opened_at=BEGAN,
        state="settled",
        provider="p",
        answered_model="m",
        meters=Meters(cost_micros=cost),
    )
    return msgspec.structs.replace(row, **more)


def attempt(name: str, number: int = 1, **more: object) -> AttemptRow:
    """Return an attempt that has ended."""
    row = AttemptRow(
        exchange_id=name, number=number, provider="p", model="m", opened_at=BEGAN, state="settled"
    )
    return msgspec.structs.replace(row, **more)


def price(model: str, since: float = 0.0) -> PriceRow:
    """Return an operator's price."""
    return PriceRow(provider="p", model=model, since=since, price=b"{}", created_at=BEGAN)


def entry(subject: str) -> AuditRow:
    """Return what the audit log says of a change."""
    return AuditRow(BEGAN, "command line", "prices.set", subject, b'{"now":1}')


def fetch(folder: Path, sql: str) -> list[tuple[object, ...]]:
    """Return what a query finds in the file."""
    with sqlite3.connect(folder / "dragoman.db") as connection:
        return connection.execute(sql).fetchall()


async def everything(db: SqliteStore, *, limit: int = 100, **more: object) -> list[AttemptRow]:
    """Return the attempts of a time, a model and a provider; read in steps of `limit`."""
    asked: dict[str, object] = {"since": 0.0, "until": BEGAN * 2, "provider": "", "model": ""}
    found: list[AttemptRow] = []
    after: tuple[str, int] | None = None
    while step := await db.prices.used(**(asked | more), after=after, limit=limit):  # type: ignore[arg-type]
        assert len(step) <= limit
        found += step
        after = (step[-1].exchange_id, step[-1].number)
    return found


def test_a_price_is_kept_with_who_set_it(tmp_path: Path) -> None:
    """Each has a number of its own, the oldest beginning comes first, and the audit log has them all."""

    async def scene(db: SqliteStore) -> None:
        rows = [price("m", 5.0), price("n", 1.0), price("m", 5.0)]
        numbers = [await db.prices.put(row, entry(row.model)) for row in rows]
        assert numbers == [1, 2, 3]
        kept = [msgspec.structs.replace(rows[place - 1], number=place) for place in (2, 1, 3)]
        assert await db.prices.rows() == kept

    play(tmp_path, scene)
    wrote = [(1, BEGAN, "command line", "prices.set", name, b'{"now":1}') for name in "mnm"]
    assert fetch(tmp_path, "select * from audit order by number") == [
        (place, *row[1:]) for place, row in enumerate(wrote, 1)
    ]


def test_a_new_price_makes_the_directory_a_new_one(tmp_path: Path) -> None:
    """Other processes see by the directory's version that their prices are old."""

    async def scene(db: SqliteStore) -> None:
        await db.prices.put(price("m"), entry("m"))

    play(tmp_path, scene)
    assert fetch(tmp_path, "select version from directory") == [(2,)]


def test_what_was_used_is_read_in_steps_and_in_order(tmp_path: Path) -> None:
    """A time begins with its first second and ends before its last; open attempts are not in it."""

    async def scene(db: SqliteStore) -> None:
        rows = [attempt("a", n, opened_at=BEGAN + n) for n in (1, 2)]
        rows += [attempt("b", 1, model="n"), attempt("c", 1, provider="q", meters=Meters(3, estimated=True))]
        for name in "abc":
            await db.settle(exchange(name), [row for row in rows if row.exchange_id == name])
        await db.open_exchange(exchange("d", state="reserved"), attempt("d", state="reserved"))
        for limit in (1, 2, 3, 100):
            assert await everything(db, limit=limit) == rows
        assert await everything(db, since=BEGAN + 1) == rows[:2]
        assert await everything(db, until=BEGAN + 2) == [rows[0], *rows[2:]]
        assert await everything(db, provider="p") == rows[:3]
        assert await everything(db, provider="p", model="m") == rows[:2]

    play(tmp_path, scene)


def test_an_unknown_cost_makes_the_exchange_unknown(tmp_path: Path) -> None:
    """An exchange costs what its attempts cost together; where one is not known, nobody knows."""

    async def scene(db: SqliteStore) -> None:
        await db.settle(exchange("a"), [attempt("a", 1), attempt("a", 2)])
        await db.prices.reprice([Priced("a", 1, 5, "operator 1")])
        row = await db.exchange("a")
        assert row is not None
        assert row.meters.cost_micros is None
        await db.prices.reprice([Priced("a", 2, 7, "operator 1")])
        row = await db.exchange("a")
        assert row is not None
        assert row.meters.cost_micros == 12
        assert [(one.meters.cost_micros, one.price) for one in await db.attempts("a")] == [
            (5, "operator 1"),
            (7, "operator 1"),
        ]

    play(tmp_path, scene)


def test_what_is_open_is_not_priced(tmp_path: Path) -> None:
    """A row that is still reserved stays as it is: its own end will say what it cost."""

    async def scene(db: SqliteStore) -> None:
        await db.open_exchange(exchange("a", None, state="reserved"), attempt("a", state="reserved"))
        await db.prices.reprice([Priced("a", 1, 5, "x")])
        row = await db.exchange("a")
        assert row is not None
        assert row.meters.cost_micros is None
        assert await db.attempts("a") == [attempt("a", state="reserved")]

    play(tmp_path, scene)


def test_sums_and_windows_follow_whatever_is_priced(tmp_path: Path) -> None:
    """After hundreds of random new costs reports are the rows' sums, and a budget's window is as well."""
    chance = random.Random(11)

    def share(connection: sqlite3.Connection) -> None:
        connection.execute("insert into budget_window values ('b', '', 0, 0, 0)")
        connection.execute("""update exchange set shares = '[["b","",0]]' where id like '%1'""")

    async def scene(db: SqliteStore) -> None:
        for place in range(40):
            name, count = str(place), place % 3 + 1
            tries = [
                attempt(name, n, state=chance.choice(FINAL), meters=Meters(cost_micros=0))
                for n in range(1, count + 1)
            ]
            at = BEGAN + place * 977
            row = exchange(name, state=chance.choice(FINAL), opened_at=at, key=chance.choice("ab"))
            await db.settle(row, tries)
        await db._writer.write(Write(act=share))
        for _ in range(100):
            batch = []
            for _ in range(chance.randrange(1, 8)):
                place = chance.randrange(40)
                cost = chance.choice([None, 0, 1, 2, 10**6, 10**9])
                batch.append(Priced(str(place), chance.randrange(1, place % 3 + 2), cost, "x"))
            await db.prices.reprice(batch)
        rows = await db.exchanges()
        for row in rows:
            costs = [one.meters.cost_micros for one in await db.attempts(row.id)]
            assert row.meters.cost_micros == (None if None in costs else sum(filter(None, costs)))
        for key in (None, "a", "b"):
            for lo, hi in ((BEGAN, BEGAN + 40_000), (BEGAN + 3000, BEGAN + 20_000)):
                mine = [row for row in rows if key in (None, row.key) and lo <= row.opened_at < hi]
                costs = [row.meters.cost_micros for row in mine]
                (found,) = (cell.sums for cell in await db.reports.cells(Part(lo, hi, key)))
                assert (found.cost_micros, found.unknown_cost) == (
                    sum(filter(None, costs)),
                    costs.count(None),
                )
        shared = [row.meters.cost_micros or 0 for row in rows if row.id.endswith("1")]
        assert await db._read("select spent, held from budget_window") == [(sum(shared), 0)]

    play(tmp_path, scene)


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    """What cannot be read or written is a failure of ours that may be tried again."""

    async def scene(db: SqliteStore) -> None:
        await db.close()
        asked = [
            db.prices.rows(),
            db.prices.put(price("m"), entry("m")),
            db.prices.reprice([]),
            everything(db),
        ]
        for wanted in asked:
            with pytest.raises(Failure) as failure:
                await wanted
            assert failure.value.kind is Kind.UNAVAILABLE

    play(tmp_path, scene)
