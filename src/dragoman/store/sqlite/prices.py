"""The operator's prices in SQLite, and history priced anew.

Sums over exchanges, budget windows and reports are triggers' business (migrations 0005 and 0007): here costs
of attempts change, and an exchange's with them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from dragoman.store.audit import AuditRow
from dragoman.store.ledger import AttemptRow
from dragoman.store.prices import Priced, PriceRow
from dragoman.store.sqlite.audit import note
from dragoman.store.sqlite.commit import Write
from dragoman.store.sqlite.reports import Run
from dragoman.store.sqlite.responses import Read
from dragoman.store.sqlite.rows import ATTEMPT, attempt_of

COLUMNS = PriceRow.__struct_fields__

ROWS = f"select {', '.join(COLUMNS)} from price order by since, number"  # noqa: S608  names of our own, no values

PUT = "insert into price (provider, model, since, price, created_at) values (?, ?, ?, ?, ?)"

USED = f"""
    select {", ".join(ATTEMPT)} from attempt
    where state <> 'reserved' and opened_at >= :since and opened_at < :until
      and (:provider = '' or provider = :provider) and (:model = '' or model = :model)
      and (exchange_id, number) > (:exchange_id, :number)
    order by exchange_id, number limit :limit
"""  # noqa: S608  as above

REPRICE_ATTEMPT = """
    update attempt set cost_micros = ?, price = ?
    where exchange_id = ? and number = ? and state <> 'reserved'
"""

# One unknown makes the sum unknown.
REPRICE_EXCHANGE = """
    update exchange set cost_micros = (
        select iif(count(*) = count(cost_micros), sum(cost_micros), null)
        from attempt where exchange_id = exchange.id
    ) where id = ? and state <> 'reserved'
"""


class SqlitePrices:
    """:class:`~dragoman.store.prices.Prices` in the store's file.

    Args:
        write: Queues a write, as of :class:`~dragoman.store.sqlite.commit.Writer`.
        read: Runs a query on the reading connection.
        report: Runs a function of the reporting connection; to look through history takes its time.
    """

    def __init__(self, write: Callable[[Write], Awaitable[Any]], read: Read, report: Run[Any]) -> None:
        self._write = write
        self._read = read
        self._report = report

    async def rows(self) -> list[PriceRow]:
        """Return every price, the oldest `since` first."""
        return [PriceRow(**dict(zip(COLUMNS, row, strict=True))) for row in await self._read(ROWS, ())]

    async def put(self, row: PriceRow, audit: AuditRow) -> int:
        """Insert a price; return its number once it is durable."""

        def act(connection: sqlite3.Connection) -> int | None:
            values = (row.provider, row.model, row.since, row.price, row.created_at)
            number = connection.execute(PUT, values).lastrowid
            note(connection, audit)
            return number

        return int(await self._write(Write(act=act)))

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
        exchange_id, number = after or ("", 0)
        values = {
            "since": since,
            "until": until,
            "provider": provider,
            "model": model,
            "exchange_id": exchange_id,
            "number": number,
            "limit": limit,
        }

        def act(connection: sqlite3.Connection) -> list[Any]:
            return connection.execute(USED, values).fetchall()

        return [attempt_of(row) for row in await self._report(act)]

    async def reprice(self, rows: Sequence[Priced]) -> None:
        """Write new costs of attempts; sums over exchanges, windows and reports follow in the same commit."""

        def act(connection: sqlite3.Connection) -> None:
            for row in rows:
                values = (row.cost_micros, row.price, row.exchange_id, row.number)
                connection.execute(REPRICE_ATTEMPT, values)
            for id_ in dict.fromkeys(row.exchange_id for row in rows):
                connection.execute(REPRICE_EXCHANGE, (id_,))

        await self._write(Write(act=act))
