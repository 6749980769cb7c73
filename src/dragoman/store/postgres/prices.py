"""The operator's prices in PostgreSQL, and history priced anew.

Entries of the sums and budget windows are triggers' business (migrations 0007 and 0004): here
costs of attempts change, and an exchange's with them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dragoman.store.audit import AuditRow
from dragoman.store.ledger import AttemptRow
from dragoman.store.postgres.audit import alone, note
from dragoman.store.postgres.database import Connection
from dragoman.store.postgres.pool import Pool
from dragoman.store.postgres.rows import ATTEMPT, attempt
from dragoman.store.prices import Priced, PriceRow

_COLUMNS = PriceRow.__struct_fields__
_ROWS = f"select {', '.join(_COLUMNS)} from price order by since, number"  # noqa: S608  names of our own, no values
_PUT = f"""
    insert into price ({", ".join(_COLUMNS[1:])}) values ($1, $2, $3, $4, $5) returning number
"""  # noqa: S608  as above
_USED = f"""
    select {", ".join(ATTEMPT)} from attempt
    where state <> 'reserved' and opened_at >= $1 and opened_at < $2
      and ($3 = '' or provider = $3) and ($4 = '' or model = $4)
      and (exchange_id, number) > ($5, $6)
    order by exchange_id, number limit $7
"""  # noqa: S608  as above
_LOCK = "select from exchange where id = any($1) order by id for no key update"
_REPRICE_ATTEMPTS = """
    update attempt set cost_micros = priced.cost_micros, price = priced.price
    from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) as priced (id, number, cost_micros, price)
    where exchange_id = priced.id and attempt.number = priced.number and state <> 'reserved'
"""
# One unknown makes the sum unknown.
_REPRICE_EXCHANGES = """
    update exchange set cost_micros = (
        select case when count(*) = count(cost_micros) then sum(cost_micros)::bigint end
        from attempt where exchange_id = exchange.id
    ) where id = any($1) and state <> 'reserved'
"""


class PostgresPrices:
    """:class:`~dragoman.store.prices.Prices` in PostgreSQL.

    Args:
        pool: Connections.
        reports: Those that may take their time; history is long.
    """

    def __init__(self, pool: Pool, reports: Pool) -> None:
        self._pool = pool
        self._reports = reports

    async def rows(self) -> list[PriceRow]:
        """Return every price, the oldest `since` first."""
        return [PriceRow(**dict(zip(_COLUMNS, row, strict=True))) for row in await self._pool.fetch(_ROWS)]

    async def put(self, row: PriceRow, audit: AuditRow) -> int:
        """Insert a price; return its number once it is durable."""

        async def act(connection: Connection) -> int:
            await alone(connection)
            number = await connection.value(_PUT, *msgspec.structs.astuple(row)[1:])
            await note(connection, audit)
            return int(number)

        return await self._pool.write(act)

    async def used(
        self,
        *,
        since: float,
        until: float,
        provider: str,
        model: str,
        after: tuple[str, int] | None,
        limit: int,
    ) -> list[AttemptRow]:
        """Return attempts that have ended, opened in that time, in the order of exchange and number."""
        values = (since, until, provider, model, *(after or ("", 0)), limit)
        return [attempt(row) for row in await self._reports.fetch(_USED, *values)]

    async def reprice(self, rows: Sequence[Priced]) -> None:
        """Write new costs of attempts; sums over exchanges, windows and reports follow in the same commit."""
        ids = list(dict.fromkeys(row.exchange_id for row in rows))
        columns = [
            [row.exchange_id for row in rows],
            [row.number for row in rows],
            [row.cost_micros for row in rows],
            [row.price for row in rows],
        ]

        async def act(connection: Connection) -> None:
            await connection.fetch(_LOCK, ids)
            await connection.execute(_REPRICE_ATTEMPTS, *columns)
            await connection.execute(_REPRICE_EXCHANGES, ids)

        await self._pool.write(act)
