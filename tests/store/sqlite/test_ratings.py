"""Ratings: one of each key for an exchange, the last; totals and averages always those of the ratings."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dragoman.core.failure import Failure, Kind
from dragoman.store import ExchangeRow, RatingRow
from dragoman.store.sqlite import SqliteStore
from dragoman.store.sqlite.commit import Write


def play(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run `scene` on a store with exchanges "0" to "9"."""

    async def run() -> None:
        db = SqliteStore.open(folder / "dragoman.db")
        try:
            for place in range(10):
                row = ExchangeRow(
                    id=str(place),
                    request_id=f"asked-{place // 2}",
                    owner="me",
                    key="ab"[place % 2],
                    dialect="prompt",
                    task="generate",
                    model="m",
                    stream=False,
                    opened_at=float(place),
                    state="settled",
                )
                await db.settle(row, [])
            await scene(db)
        finally:
            await db.close()

    asyncio.run(run())


def test_a_second_rating_replaces_the_first(tmp_path: Path) -> None:
    """The last word of a key counts, also for another model; that of another key stands beside it."""

    async def scene(db: SqliteStore) -> None:
        first = RatingRow("0", "a", "m", 1, "bad", 1.0)
        second = RatingRow("0", "a", "n", 4, "", 2.0)
        other = RatingRow("0", "b", "n", 1, "", 3.0)
        await db.ratings.keep(first)
        assert (await db.ratings.of("0"), await db.ratings.averages(None)) == ([first], {"m": 1.0})
        await db.ratings.keep(second)
        assert (await db.ratings.of("0"), await db.ratings.averages(None)) == ([second], {"n": 4.0})
        await db.ratings.keep(other)
        assert await db.ratings.of("0") == [other, second]
        assert await db.ratings.averages(None) == {"n": 2.5}
        assert await db.ratings.averages("a") == {"n": 4.0}
        assert await db.ratings.averages("nobody") == {}

    play(tmp_path, scene)


def test_stars_and_the_newest_are_the_ratings(tmp_path: Path) -> None:
    """How many of each a model has, and the latest first; nothing of what was replaced."""

    async def scene(db: SqliteStore) -> None:
        assert (await db.ratings.stars(), await db.ratings.newest(5)) == ({}, [])
        rows = [
            RatingRow("0", "a", "m", 5, "good", 1.0),
            RatingRow("1", "b", "m", 5, "", 4.0),
            RatingRow("2", "a", "m", 1, "", 3.0),
            RatingRow("3", "b", "n", 2, "so so", 2.0),
        ]
        for row in (RatingRow("0", "a", "n", 3, "", 0.0), *rows):
            await db.ratings.keep(row)
        assert await db.ratings.stars() == {"m": (1, 0, 0, 0, 2), "n": (0, 1, 0, 0, 0)}
        assert await db.ratings.newest(3) == [rows[1], rows[2], rows[3]]
        assert len(await db.ratings.newest(100)) == 4

    play(tmp_path, scene)


def test_the_totals_are_the_ratings(tmp_path: Path) -> None:
    """After hundreds of ratings, replacements and deletions the averages are of those that are left."""
    chance = random.Random(3)

    async def scene(db: SqliteStore) -> None:
        for step in range(400):
            name, key, model = str(chance.randrange(10)), chance.choice("abc"), chance.choice("mno")
            if chance.random() < 0.2:

                def forget(connection: sqlite3.Connection, name: str = name, key: str = key) -> None:
                    connection.execute("delete from rating where exchange_id = ? and key = ?", (name, key))

                await db._writer.write(Write(act=forget))
            else:
                await db.ratings.keep(RatingRow(name, key, model, chance.randint(1, 5), "", float(step)))
        left = [rating for place in range(10) for rating in await db.ratings.of(str(place))]
        assert left
        for whose in (None, "a", "b", "c"):
            by_model: dict[str, list[int]] = {}
            for rating in left:
                if whose in (None, rating.key):
                    by_model.setdefault(rating.model, []).append(rating.rating)
            means = {model: sum(stars) / len(stars) for model, stars in by_model.items()}
            assert await db.ratings.averages(whose) == pytest.approx(means)

    play(tmp_path, scene)


@pytest.mark.parametrize(("name", "rating"), [("0", 0), ("0", 6), ("unheard of", 3)])
def test_the_store_takes_no_rating_that_is_none(tmp_path: Path, name: str, rating: int) -> None:
    """A rating out of range, or of no exchange, is refused as a bug of whoever wrote it."""

    async def scene(db: SqliteStore) -> None:
        with pytest.raises(Failure) as caught:
            await db.ratings.keep(RatingRow(name, "a", "m", rating, "", 1.0))
        assert caught.value.kind is Kind.INTERNAL
        assert await db.ratings.averages(None) == {}

    play(tmp_path, scene)


def test_an_exchange_is_found_by_either_id(tmp_path: Path) -> None:
    """By its own id; by its request's, the newest; and only if it is the key's."""

    async def scene(db: SqliteStore) -> None:
        async def found(id_: str, key: str | None = None) -> str | None:
            row = await db.exchange(id_, key=key)
            return row.id if row else None

        assert [await found("3"), await found("3", "b"), await found("3", "a")] == ["3", "3", None]
        assert [await found("asked-1"), await found("asked-1", "a")] == ["3", "2"]
        assert [await found("asked-9"), await found("")] == [None, None]

    play(tmp_path, scene)
