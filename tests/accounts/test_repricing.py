"""History priced anew: exactly what has a new price changes, and the audit log says by how much."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.accounts import repricing
from dragoman.accounts.repricing import STEP, Find, Line, Repriced, Span, preview, reprice
from dragoman.core.failure import Failure, Kind
from dragoman.core.usage import Price
from dragoman.store import AttemptRow, ExchangeRow, Meters, Part
from dragoman.store.prices import Priced
from dragoman.store.sqlite import SqliteStore
from dragoman.store.sqlite.prices import SqlitePrices

BEGAN = 1_795_000_000.0
ALL = Span(0.0, BEGAN * 2)


class Told(msgspec.Struct, frozen=True):
    """A price, and by whose word."""

    price: Price | None
    version: str


def flat(amount: int) -> Price:
    """Return a price of so many dollars a token, all tokens alike."""
    return Price(Decimal(amount * 10**6), Decimal(amount * 10**6))


def at(amount: int) -> Find:
    """Return a list on which everything costs so many dollars a token."""
    return lambda _provider, _model, _at: Told(flat(amount), "new")


def attempt(name: str, number: int = 1, *, tokens: int = 1, cost: int | None = 0, **more: Any) -> AttemptRow:
    """Return an attempt that has ended, booked under an old price."""
    fields: dict[str, Any] = {
        "provider": "p",
        "model": "m",
        "opened_at": BEGAN,
        "state": "settled",
        "price": "old",
    }
    meters = Meters(input=tokens, cost_micros=cost)
    return AttemptRow(exchange_id=name, number=number, **{**fields, **more}, meters=meters)


def play(folder: Path, rows: Sequence[AttemptRow], scene: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run `scene` on a store with these attempts, and their exchanges."""

    async def run() -> None:
        db = SqliteStore.open(folder / "dragoman.db")
        try:
            for name in dict.fromkeys(row.exchange_id for row in rows):
                mine = [row for row in rows if row.exchange_id == name]
                costs = [row.meters.cost_micros for row in mine]
                known = None if None in costs else sum(cost or 0 for cost in costs)
                exchange = ExchangeRow(
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
                    meters=Meters(cost_micros=known),
                )
                await db.settle(exchange, mine)
            await scene(db)
        finally:
            await db.close()

    asyncio.run(run())


async def done(db: SqliteStore, find: Find, span: Span = ALL) -> Repriced:
    """Reprice; what the preview said beforehand is what is done."""
    before = await preview(db.prices, find=find, span=span)
    found = await reprice(db.prices, db.audit, find=find, span=span, actor="anna", now=9.0)
    assert before == found
    return found


async def booked(db: SqliteStore, name: str) -> list[tuple[int | None, str]]:
    """Return what the attempts of an exchange cost, and by whose price."""
    return [(row.meters.cost_micros, row.price) for row in await db.attempts(name)]


def test_a_new_price_is_booked_and_summed(tmp_path: Path) -> None:
    """Attempts, their exchange and the reports say the new cost; a second time there is nothing to do."""

    async def scene(db: SqliteStore) -> None:
        found = await done(db, at(2))
        line = Line("p", "m", "old", "new", rows=3, before_micros=12, after_micros=8_000_000)
        assert found == Repriced((line,), seen=3)
        assert await booked(db, "a") == [(2_000_000, "new"), (2_000_000, "new")]
        assert (await db.reports.cells(Part()))[0].sums.cost_micros == 8_000_000
        assert await done(db, at(2)) == Repriced((), seen=3)

    play(tmp_path, [attempt("a", cost=5), attempt("a", 2, cost=4), attempt("b", tokens=2, cost=3)], scene)


def test_a_preview_changes_nothing(tmp_path: Path) -> None:
    """No row, no sum and no entry in the audit log."""

    async def scene(db: SqliteStore) -> None:
        found = await preview(db.prices, find=at(2), span=ALL)
        assert (found.rows, found.before_micros, found.after_micros) == (1, 5, 2_000_000)
        assert await booked(db, "a") == [(5, "old")]
        assert await db.audit.rows() == []

    play(tmp_path, [attempt("a", cost=5)], scene)


def test_an_unknown_cost_becomes_known(tmp_path: Path) -> None:
    """A price set afterwards tells what was spent before anybody knew."""

    async def scene(db: SqliteStore) -> None:
        found = await done(db, at(1))
        assert (found.rows, found.unknown, found.before_micros, found.after_micros) == (1, 1, 0, 1_000_000)
        assert await booked(db, "a") == [(1_000_000, "new")]
        assert (await db.reports.cells(Part()))[0].sums.unknown_cost == 0

    play(tmp_path, [attempt("a", cost=None, price="")], scene)


def test_each_attempt_is_priced_as_what_it_was_served(tmp_path: Path) -> None:
    """By its tier's price; one that is dearer and has none keeps its cost."""
    price = msgspec.structs.replace(flat(2), tiers={"flex": flat(1), "priority": flat(4)})

    async def scene(db: SqliteStore) -> None:
        found = await done(db, lambda _provider, _model, _at: Told(price, "new"))
        assert (found.seen, found.rows, found.unpriced) == (4, 3, 1)
        assert await booked(db, "a") == [(1_000_000, "new"), (4_000_000, "new")]
        assert await booked(db, "b") == [(2_000_000, "new"), (5, "old")]

    rows = [
        attempt("a", cost=5, tier="flex"),
        attempt("a", 2, cost=5, tier="priority"),
        attempt("b", cost=5, tier="default"),
        attempt("b", 2, cost=5, tier="ultrafast"),
    ]
    play(tmp_path, rows, scene)


def test_the_providers_word_stays(tmp_path: Path) -> None:
    """So does a cost booked before rows said by whose price: it may have been the provider's word."""

    async def scene(db: SqliteStore) -> None:
        assert await done(db, at(1)) == Repriced((), seen=3, kept=3)
        assert await booked(db, "a") == [(5, "provider"), (0, "provider")]
        assert await booked(db, "b") == [(5, "")]

    rows = [
        attempt("a", cost=5, price="provider"),
        attempt("a", 2, price="provider"),
        attempt("b", cost=5, price=""),
    ]
    play(tmp_path, rows, scene)


def test_rows_without_tokens_stay(tmp_path: Path) -> None:
    """A refused request cost nothing, an interrupted one nobody knows what; a fee may stand alone."""

    async def scene(db: SqliteStore) -> None:
        assert await done(db, at(1)) == Repriced((), seen=3, bare=3)
        assert await booked(db, "a") == [(0, "")]
        assert await booked(db, "b") == [(None, "")]
        assert await booked(db, "c") == [(2000, "old")]

    rows = [
        attempt("a", tokens=0, price="", state="failed"),
        attempt("b", tokens=0, cost=None, price="", state="interrupted"),
        attempt("c", tokens=0, cost=2000),
    ]
    play(tmp_path, rows, scene)


def test_a_fee_for_searches_stays(tmp_path: Path) -> None:
    """How many searches were billed is not kept; an answer in words is one request."""
    price = Price(Decimal(0), Decimal(0), request=Decimal("0.002"))

    async def scene(db: SqliteStore) -> None:
        found = await done(db, lambda _provider, _model, _at: Told(price, "new"))
        assert (found.seen, found.bare, found.rows) == (2, 1, 1)
        assert await booked(db, "a") == [(6000, "old")]
        assert await booked(db, "b") == [(2000, "new")]

    written = msgspec.structs.replace(attempt("b"), meters=Meters(input=1, output=1, cost_micros=5))
    play(tmp_path, [attempt("a", cost=6000), written], scene)


def test_what_has_no_price_now_keeps_its_cost(tmp_path: Path) -> None:
    """What is known is not forgotten because a price was taken back."""

    async def scene(db: SqliteStore) -> None:
        assert await done(db, lambda _provider, _model, _at: Told(None, "")) == Repriced(
            (), seen=1, unpriced=1
        )
        assert await booked(db, "a") == [(5, "old")]

    play(tmp_path, [attempt("a", cost=5)], scene)


def test_each_attempt_is_priced_as_of_its_own_instant(tmp_path: Path) -> None:
    """Of its own provider, for its own model."""
    asked: list[tuple[str, str, float]] = []

    async def scene(db: SqliteStore) -> None:
        def find(provider: str, model: str, moment: float) -> Told:
            asked.append((provider, model, moment))
            return Told(flat(1), "new")

        await preview(db.prices, find=find, span=ALL)

    play(tmp_path, [attempt("a"), attempt("b", provider="q", model="n", opened_at=BEGAN + 1)], scene)
    assert asked == [("p", "m", BEGAN), ("q", "n", BEGAN + 1)]


def test_only_what_is_asked_for_is_priced(tmp_path: Path) -> None:
    """A time, a provider, a model; everything else stays."""
    rows = [
        attempt("a"),
        attempt("b", opened_at=BEGAN + 10),
        attempt("c", provider="q"),
        attempt("d", model="n"),
    ]

    async def scene(db: SqliteStore) -> None:
        for span, seen in (
            (Span(BEGAN, BEGAN + 10), 3),
            (Span(BEGAN + 10, BEGAN + 11), 1),
            (Span(0.0, BEGAN + 11, "p"), 3),
            (Span(0.0, BEGAN + 11, "p", "n"), 1),
        ):
            assert (await preview(db.prices, find=at(1), span=span)).seen == seen
        await done(db, at(1), Span(0.0, BEGAN + 11, "p", "n"))
        assert [await booked(db, name) for name in "abc"] == [[(0, "old")]] * 3
        assert await booked(db, "d") == [(1_000_000, "new")]

    play(tmp_path, rows, scene)


def test_history_longer_than_a_step_is_priced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps end in the middle of an exchange too, and none is left out or done twice."""
    monkeypatch.setattr(repricing, "STEP", 3)
    rows = [attempt(f"{place:02}", number) for place in range(10) for number in (1, 2)]

    async def scene(db: SqliteStore) -> None:
        found = await done(db, at(1))
        assert (found.seen, found.rows) == (20, 20)
        assert (await db.reports.cells(Part()))[0].sums.cost_micros == 20_000_000

    play(tmp_path, rows, scene)
    assert STEP > 3


def test_one_entry_in_the_audit_log_says_all_of_it(tmp_path: Path) -> None:
    """Who, which part of history, how many rows, and what they cost before and after."""

    async def scene(db: SqliteStore) -> None:
        await done(db, at(2), Span(1.0, BEGAN + 1, "p"))
        ((_, row),) = await db.audit.rows()
        assert (row.at, row.actor, row.action, row.subject) == (9.0, "anna", "prices.reprice", "p")
        assert msgspec.json.decode(row.detail) == {
            "since": 1.0,
            "until": BEGAN + 1,
            "provider": "p",
            "model": "",
            "seen": 2,
            "rows": 2,
            "kept": 0,
            "bare": 0,
            "unpriced": 0,
            "unknown": 1,
            "before_micros": 5,
            "after_micros": 4_000_000,
            "finished": True,
        }

    play(tmp_path, [attempt("a", cost=5), attempt("b", cost=None, price="")], scene)


def test_what_stops_half_way_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done before a fault of the store is in the audit log, and the rest is done the next time."""
    monkeypatch.setattr(repricing, "STEP", 1)
    rows = [attempt("a"), attempt("b")]

    async def scene(db: SqliteStore) -> None:
        whole = SqlitePrices.reprice

        async def faulty(self: SqlitePrices, rows: Sequence[Priced]) -> None:
            if rows[0].exchange_id == "b":
                raise Failure(Kind.UNAVAILABLE, "the disk is full")
            await whole(self, rows)

        with monkeypatch.context() as patch:
            patch.setattr(SqlitePrices, "reprice", faulty)
            with pytest.raises(Failure):
                await reprice(db.prices, db.audit, find=at(1), span=ALL, actor="anna", now=9.0)
        ((_, row),) = await db.audit.rows()
        detail = msgspec.json.decode(row.detail)
        assert (detail["rows"], detail["after_micros"], detail["finished"]) == (1, 1_000_000, False)
        assert (await done(db, at(1))).rows == 1

    play(tmp_path, rows, scene)
