"""The bill's side of the ledger: sums over attempts, whatever became of their exchanges."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from dragoman.store import AttemptRow, ExchangeRow, Meters
from dragoman.store.bills import Bill
from dragoman.store.sqlite import SqliteStore

DAY = 86_400
USED = Meters(
    input=100,
    cache_read=20,
    cache_write=3,
    cache_write_long=4,
    audio_input=1,
    output=10,
    reasoning=5,
    audio_output=2,
    cost_micros=50,
)


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
    fields: dict[str, Any] = {"task": "generate", "state": "settled", **more}
    return ExchangeRow(
        id=name,
        request_id=name,
        owner="me",
        key="anna",
        dialect="openai_chat",
        model="m",
        stream=False,
        opened_at=at,
        **fields,
    )


def attempt(name: str, number: int, at: float, **more: Any) -> AttemptRow:
    """Return an attempt of an exchange that was settled, unless said otherwise."""
    fields: dict[str, Any] = {"provider": "p", "model": "m", "state": "settled", "meters": USED, **more}
    return AttemptRow(exchange_id=name, number=number, opened_at=at, **fields)


def test_every_call_is_on_the_bill(tmp_path: Path) -> None:
    """Failed and cancelled calls that used anything count as requests; refused ones only as attempts."""

    async def scene(db: SqliteStore) -> None:
        calls = [
            attempt("a", 1, 10.0, state="failed", meters=Meters(cost_micros=0)),
            attempt("a", 2, 11.0, state="failed", meters=Meters(input=7, estimated=True, cost_micros=9)),
            attempt("a", 3, 12.0, model="other"),
            attempt("a", 4, 13.0, provider="q"),
            attempt("a", 5, 14.0, state="cancelled"),
            attempt("a", 6, 15.0, meters=Meters(input=1)),
        ]
        await db.settle(exchange("a", 9.0, state="failed"), calls)
        found = await db.bills.bill("p", 0.0, float(DAY))
        assert found == [
            Bill(
                day=0,
                model="m",
                task="generate",
                attempts=4,
                requests=3,
                input=128 + 7 + 1,
                cache_read=20,
                cache_write=7,
                output=17,
                cost_micros=59,
                unknown_cost=1,
                estimated=1,
            ),
            Bill(0, "other", "generate", 1, 1, 128, 20, 7, 17, 50, 0, 0),
        ]
        assert await db.bills.bill("nobody", 0.0, float(DAY)) == []

    play(tmp_path, scene)


def test_a_call_is_of_the_day_it_began(tmp_path: Path) -> None:
    """An exchange that goes on over midnight has calls on both days, and the ends of the time are kept."""

    async def scene(db: SqliteStore) -> None:
        for name, at in (("a", 0.0), ("b", DAY - 2.0), ("c", 3.0 * DAY), ("d", 40.0 * DAY)):
            await db.settle(exchange(name, at), [attempt(name, 1, at), attempt(name, 2, at + 4)])
        found = await db.bills.bill("p", 0.0, 41.0 * DAY)
        assert [(bill.day // DAY, bill.attempts) for bill in found] == [(0, 3), (1, 1), (3, 2), (40, 2)]
        one = await db.bills.bill("p", float(DAY), 3.0 * DAY + 4)
        assert [(bill.day // DAY, bill.attempts) for bill in one] == [(1, 1), (3, 1)]

    play(tmp_path, scene)


def test_what_is_under_way_or_only_counted_is_on_no_bill(tmp_path: Path) -> None:
    """A call that has not ended has no cost yet, and counting tokens has none; tasks are told apart."""

    async def scene(db: SqliteStore) -> None:
        opened = attempt("a", 1, 1.0, state="reserved", meters=Meters())
        await db.open_exchange(exchange("a", 1.0, state="reserved"), opened)
        await db.settle(exchange("b", 1.0, task="count"), [attempt("b", 1, 1.0)])
        await db.settle(exchange("c", 1.0, task="embed"), [attempt("c", 1, 1.0)])
        await db.settle(exchange("d", 1.0), [attempt("d", 1, 1.0)])
        found = await db.bills.bill("p", 0.0, float(DAY))
        assert [(bill.task, bill.attempts) for bill in found] == [("embed", 1), ("generate", 1)]

    play(tmp_path, scene)
