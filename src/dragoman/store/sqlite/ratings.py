"""Ratings in SQLite: one of each key for an exchange, the last one it gave.

Triggers keep the totals of every key and model (migration 0005), so that an average costs no look at every
rating.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from dragoman.store import RatingRow
from dragoman.store.sqlite.commit import Write
from dragoman.store.sqlite.responses import Read

COLUMNS = RatingRow.__struct_fields__
_SELECT = f"select {', '.join(COLUMNS)} from rating"  # noqa: S608  names of our own, no values
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[2:])
_STARS = ", ".join(f"sum(rating = {place})" for place in range(1, 6))
_KEEP = f"""
    insert into rating ({", ".join(COLUMNS)}) values ({", ".join("?" * len(COLUMNS))})
    on conflict (exchange_id, key) do update set {_CHANGES}
"""  # noqa: S608  as above


class SqliteRatings:
    """:class:`~dragoman.store.Ratings` in the store's file.

    Args:
        write: Queues a write, as of :class:`~dragoman.store.sqlite.commit.Writer`.
        read: Runs a query on the reading connection.
    """

    def __init__(self, write: Callable[[Write], Awaitable[Any]], read: Read) -> None:
        self._write = write
        self._read = read

    async def keep(self, row: RatingRow) -> None:
        """Insert a rating, or replace its key's earlier one; return once it is durable."""

        def act(connection: sqlite3.Connection) -> None:
            connection.execute(_KEEP, msgspec.structs.astuple(row))

        await self._write(Write(act=act))

    async def of(self, exchange_id: str) -> list[RatingRow]:
        """Return every rating of an exchange, the latest first."""
        rows = await self._read(f"{_SELECT} where exchange_id = ? order by rated_at desc", (exchange_id,))
        return [RatingRow(*row) for row in rows]

    async def averages(self, key: str | None) -> dict[str, float]:
        """Return the mean rating a key, or everyone, has given each model."""
        where, values = ("", ()) if key is None else (" and key = ?", (key,))
        query = (
            "select model, 1.0 * sum(stars) / sum(ratings) from rating_total "  # noqa: S608  as above
            f"where ratings > 0{where} group by model"
        )
        return dict(await self._read(query, values))

    async def stars(self) -> dict[str, tuple[int, int, int, int, int]]:
        """Return how many ratings of 1, 2, 3, 4 and 5 each model has been given."""
        rows = await self._read(f"select model, {_STARS} from rating group by model", ())  # noqa: S608  as above
        return {model: (one, two, three, four, five) for model, one, two, three, four, five in rows}

    async def newest(self, limit: int) -> list[RatingRow]:
        """Return the newest ratings, the latest first."""
        rows = await self._read(f"{_SELECT} order by rated_at desc, exchange_id, key limit ?", (limit,))
        return [RatingRow(*row) for row in rows]
