"""The operator's prices: what cannot be charged is refused, and what is set says who set it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.accounts.tariffs import LONGEST, MOST, check, set_price
from dragoman.core.failure import Failure, Kind
from dragoman.core.usage import Price
from dragoman.store.sqlite import SqliteStore

ONE = Decimal(1)
FLAT = Price(ONE, ONE)
KNOWN = ("openai", "p", "p\n", "")


def play(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run `scene` on a store in `folder`."""

    async def run() -> None:
        db = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(db)
        finally:
            await db.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "price",
    [
        Price(Decimal(0), Decimal(0)),
        Price(Decimal(MOST), ONE, request=Decimal("0.002")),
        Price(ONE, ONE, tiers={"flex": Price(ONE, ONE, long_after=1, long=Price(ONE, ONE))}),
        Price(ONE, ONE, long_after=0, long=Price(ONE, ONE, long_after=1, long=Price(ONE, ONE))),
    ],
)
def test_what_can_be_charged_is_left_as_it_is(price: Price) -> None:
    """Nothing is rounded or filled in."""
    assert check(price) is price


@pytest.mark.parametrize(
    ("price", "at"),
    [
        (Price(Decimal(-1), ONE), "price.input"),
        (Price(ONE, Decimal("NaN")), "price.output"),
        (Price(ONE, ONE, cache_read=Decimal("Infinity")), "price.cache_read"),
        (Price(ONE, ONE, request=Decimal(MOST + 1)), "price.request"),
        (Price(ONE, ONE, long_after=5), "price.long"),
        (Price(ONE, ONE, long=Price(ONE, ONE)), "price.long"),
        (Price(ONE, ONE, long_after=-1, long=Price(ONE, ONE)), "price.long_after"),
        (Price(ONE, ONE, long_after=5, long=Price(Decimal(-1), ONE)), "price.long.input"),
        (Price(ONE, ONE, long_after=5, long=Price(ONE, ONE, tiers={"flex": FLAT})), "price.long.tiers"),
        (Price(ONE, ONE, tiers={"flex": Price(ONE, Decimal(-1))}), "price.tiers.flex.output"),
        (Price(ONE, ONE, tiers={"flex": Price(ONE, ONE, tiers={"batch": FLAT})}), "price.tiers"),
        (Price(ONE, ONE, tiers={"Standard": FLAT}), "price.tiers"),
        (
            Price(ONE, ONE, long_after=5, long=Price(ONE, ONE, long_after=5, long=Price(ONE, ONE))),
            "price.long_after",
        ),
    ],
)
def test_what_cannot_be_charged_is_refused(price: Price, at: str) -> None:
    """It says which of its numbers is no price."""
    with pytest.raises(Failure) as failure:
        check(price)
    assert (failure.value.kind, failure.value.at) == (Kind.INVALID, at)


def test_a_price_is_set_and_unset_with_an_entry_each(tmp_path: Path) -> None:
    """Both are kept under numbers of their own; the audit log says who, of what and how much."""

    async def scene(db: SqliteStore) -> None:
        price = Price(Decimal("0.10"), Decimal(2))
        named: dict[str, Any] = {"provider": "openai", "model": "*"}
        first = await set_price(db.prices, KNOWN, actor="anna", **named, price=price, since=5.0, now=9.0)
        second = await set_price(db.prices, KNOWN, actor="anna", **named, price=None, since=7.0, now=9.0)
        assert (first.number, second.number) == (1, 2)
        assert await db.prices.rows() == [first, second]
        assert msgspec.json.decode(first.price, type=Price) == price
        assert second.price == b"null"
        told = [
            (row.actor, row.action, row.subject, msgspec.json.decode(row.detail))
            for _, row in await db.audit.rows()
        ]
        assert told == [
            ("anna", "prices.unset", "openai/*", {"since": 7.0, "price": None}),
            ("anna", "prices.set", "openai/*", {"since": 5.0, "price": {"input": "0.10", "output": "2"}}),
        ]

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("provider", "model", "at"),
    [
        ("", "m", "provider"),
        ("p", "", "model"),
        ("p", "x" * (LONGEST + 1), "model"),
        ("p\n", "m", "provider"),
    ],
)
def test_a_price_is_of_somebody(tmp_path: Path, provider: str, model: str, at: str) -> None:
    """Without a name that can be told nothing is kept."""

    async def scene(db: SqliteStore) -> None:
        price = Price(ONE, ONE)
        with pytest.raises(Failure) as failure:
            await set_price(
                db.prices, KNOWN, actor="a", provider=provider, model=model, price=price, since=0.0, now=0.0
            )
        assert (failure.value.kind, failure.value.at) == (Kind.INVALID, at)
        assert await db.prices.rows() == []

    play(tmp_path, scene)
