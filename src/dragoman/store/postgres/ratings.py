"""Ratings in PostgreSQL: one of each key for an exchange, the last one it gave.

Triggers keep the totals of every key and model (migration 0003), so that an average costs no look at every
rating.
"""

from __future__ import annotations

import msgspec

from dragoman.store import RatingRow
from dragoman.store.postgres.database import Connection
from dragoman.store.postgres.pool import Pool

COLUMNS = RatingRow.__struct_fields__
_SELECT = f"select {', '.join(COLUMNS)} from rating"  # noqa: S608  names of our own, no values
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[2:])
_STARS = ", ".join(f"count(*) filter (where rating = {place})" for place in range(1, 6))
_KEEP = f"""
    insert into rating ({", ".join(COLUMNS)}) values ($1, $2, $3, $4, $5, $6)
    on conflict (exchange_id, key) do update set {_CHANGES}
"""  # noqa: S608  as above


class PostgresRatings:
    """:class:`~dragoman.store.Ratings` in PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def keep(self, row: RatingRow) -> None:
        """Insert a rating, or replace its key's earlier one; return once it is durable."""

        async def act(connection: Connection) -> None:
            await connection.execute(_KEEP, *msgspec.structs.astuple(row))

        await self._pool.write(act)

    async def of(self, exchange_id: str) -> list[RatingRow]:
        """Return every rating of an exchange, the latest first."""
        rows = await self._pool.fetch(f"{_SELECT} where exchange_id = $1 order by rated_at desc", exchange_id)
        return [RatingRow(*row) for row in rows]

    async def averages(self, key: str | None) -> dict[str, float]:
        """Return the mean rating a key, or everyone, has given each model."""
        where, values = ("", ()) if key is None else (" where key = $1", (key,))
        query = (
            "select model, (sum(stars) / sum(ratings))::double precision "  # noqa: S608  as above
            f"from rating_total{where} group by model having sum(ratings) > 0"
        )
        return {row[0]: row[1] for row in await self._pool.fetch(query, *values)}

    async def stars(self) -> dict[str, tuple[int, int, int, int, int]]:
        """Return how many ratings of 1, 2, 3, 4 and 5 each model has been given."""
        rows = await self._pool.fetch(f"select model, {_STARS} from rating group by model")  # noqa: S608  as above
        return {model: (one, two, three, four, five) for model, one, two, three, four, five in rows}

    async def newest(self, limit: int) -> list[RatingRow]:
        """Return the newest ratings, the latest first."""
        rows = await self._pool.fetch(f"{_SELECT} order by rated_at desc, exchange_id, key limit $1", limit)
        return [RatingRow(*row) for row in rows]
