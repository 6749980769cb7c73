"""The bill's side of the ledger in SQLite: read from the rows, in the thread of reports."""

from __future__ import annotations

import sqlite3
from typing import Any

from dragoman.store.bills import Bill, measures, pieces, together
from dragoman.store.sqlite.reports import Run

# The order of the join is fixed: attempts have no index by time, their exchanges do.
_BILL = f"""
    select {measures("cast(attempt.opened_at / 86400 as integer) * 86400")}, sum(attempt.estimated)
    from exchange cross join attempt on attempt.exchange_id = exchange.id
    where exchange.opened_at >= :lo and exchange.opened_at < :hi
      and attempt.opened_at >= :since and attempt.opened_at < :until
      and attempt.provider = :provider and attempt.state <> 'reserved' and exchange.task <> 'count'
    group by 1, 2, 3
"""  # noqa: S608  names of our own, no values


class SqliteBills:
    """:class:`~dragoman.store.bills.Bills` in the store's file.

    Args:
        run: Runs a function of a reading connection, in a thread that serves no request.
    """

    def __init__(self, run: Run[Any]) -> None:
        self._run = run

    async def bill(self, provider: str, since: float, until: float) -> list[Bill]:
        """Return the sums of a provider's attempts that began from `since` on and before `until`."""
        found: list[Bill] = []
        for lo, hi in pieces(since, until):
            values = {"lo": lo, "hi": hi, "since": since, "until": until, "provider": provider}

            def act(connection: sqlite3.Connection, values: dict[str, Any] = values) -> list[Bill]:
                return [Bill(*row) for row in connection.execute(_BILL, values)]

            found += await self._run(act)
        return together(found)
