"""The bill's side of the ledger in PostgreSQL: read from the rows, on the connection of reports."""

from __future__ import annotations

from dragoman.store.bills import Bill, measures, pieces, together
from dragoman.store.postgres.pool import Pool

_BILL = f"""
    select {measures("floor(attempt.opened_at / 86400)::bigint * 86400")},
        sum(case when attempt.estimated then 1 else 0 end)
    from exchange join attempt on attempt.exchange_id = exchange.id
    where exchange.opened_at >= $1 and exchange.opened_at < $2
      and attempt.opened_at >= $3 and attempt.opened_at < $4
      and attempt.provider = $5 and attempt.state <> 'reserved' and exchange.task <> 'count'
    group by 1, 2, 3
"""  # noqa: S608  names of our own, no values


class PostgresBills:
    """:class:`~dragoman.store.bills.Bills` in PostgreSQL.

    Args:
        pool: Connections that serve nobody else.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def bill(self, provider: str, since: float, until: float) -> list[Bill]:
        """Return the sums of a provider's attempts that began from `since` on and before `until`."""
        found: list[Bill] = []
        for lo, hi in pieces(since, until):
            rows = await self._pool.fetch(_BILL, lo, hi, since, until, provider)
            found += [Bill(int(day), model, task, *map(int, sums)) for day, model, task, *sums in rows]
        return together(found)
