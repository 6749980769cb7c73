"""Old rows in PostgreSQL: read in order, deleted by id.

Space that becomes free is written to again once autovacuum has seen it; the tables do not shrink.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dragoman.store.archive import Kept, Prunable
from dragoman.store.ledger import AttemptRow
from dragoman.store.postgres import rows
from dragoman.store.postgres.database import Connection
from dragoman.store.postgres.pool import Pool

LEASE = "retention"
"""The setting that says who deletes, and until when."""

_SELECT = f"select {rows.names(rows.EXCHANGE)} from exchange"  # noqa: S608  names of our own, no values
_ENDED = f"""
    {_SELECT} where opened_at >= $1 and opened_at < $2 and (opened_at, id collate "C") > ($3, $4 collate "C")
      and state <> 'reserved' order by opened_at, id collate "C" limit $5
"""
_SOME = f"{_SELECT} where id = any($1) and state <> 'reserved'"
_ATTEMPTS = f"""
    select {rows.names(rows.ATTEMPT)} from attempt where exchange_id = any($1) order by exchange_id, number
"""  # noqa: S608  as above
_OPEN = "select count(*) from exchange where opened_at >= $1 and opened_at < $2 and state = 'reserved'"
_GONE = "select id from exchange where id = any($1) and state <> 'reserved' order by id for update"

# Ratings take themselves off their totals when they go; these put them on once more first, so that they stay.
_DELETE = (
    "select rating_put(key, model, 1, rating) from rating where exchange_id = any($1)",
    "delete from rating where exchange_id = any($1)",
    "delete from attempt where exchange_id = any($1)",
    "delete from exchange where id = any($1)",
)

_LASTING = "select name from budget where period = 'total'"
_PRUNE: Mapping[Prunable, tuple[str, ...]] = MappingProxyType(
    {
        "audit": (
            """delete from audit where number in (
                select number from audit where at < $1 order by number limit $2)""",
        ),
        "windows": (
            f"""delete from budget_window where (budget, subject, at) in (
                select budget, subject, at from budget_window
                where at > 0 and at < $1 and held = 0 and budget not in ({_LASTING})
                order by budget, subject, at limit $2 for update)""",  # noqa: S608  as above
            f"""delete from alert where (budget, subject, at, percent) in (
                select budget, subject, at, percent from alert
                where at > 0 and at < $1 and budget not in ({_LASTING}) limit $2)""",  # noqa: S608  as above
        ),
        "feedback": (
            """update rating set feedback = '' where (exchange_id, key) in (
                select exchange_id, key from rating where rated_at < $1 and feedback <> '' limit $2)""",
        ),
    }
)


class PostgresArchive:
    """:class:`~dragoman.store.archive.Archive` in PostgreSQL.

    Args:
        pool: Connections.
        reports: Those that serve no request.
    """

    def __init__(self, pool: Pool, reports: Pool) -> None:
        self._pool = pool
        self._reports = reports

    async def lease(self, holder: str, *, now: float, until: float) -> bool:
        """Become, or stay, the only one who deletes; return False while another one is."""

        async def act(connection: Connection) -> bool:
            await connection.execute("insert into setting values ($1, '0 ') on conflict do nothing", LEASE)
            query = "select value from setting where name = $1 for no key update"
            ends, _, whose = str(await connection.value(query, LEASE)).partition(" ")
            if whose != holder and float(ends) > now:
                return False
            value = f"{until!r} {holder}"
            await connection.execute("update setting set value = $2 where name = $1", LEASE, value)
            return until > now

        return await self._pool.write(act)

    async def open(self, since: float, until: float) -> int:
        """Return how many exchanges that began from `since` on and before `until` are still open."""
        return int((await self._pool.fetch(_OPEN, since, until))[0][0])

    async def ended(
        self, since: float, until: float, *, after: tuple[float, str] | None = None, limit: int
    ) -> list[Kept]:
        """Return exchanges of that time that have ended, in the order of when they began and of their ids."""
        return await self._found(_ENDED, since, until, *(after or (since, "")), limit)

    async def some(self, ids: Sequence[str]) -> list[Kept]:
        """Return those of these exchanges that are there and have ended, in any order."""
        return await self._found(_SOME, list(ids))

    async def delete(self, ids: Sequence[str]) -> int:
        """Delete exchanges that have ended, their attempts and ratings; return how many exchanges."""

        async def act(connection: Connection) -> int:
            gone = [row[0] for row in await connection.fetch(_GONE, list(ids))]
            for statement in _DELETE:
                await connection.execute(statement, gone)
            return len(gone)

        return await self._pool.write(act)

    async def prune(self, what: Prunable, before: float, *, limit: int) -> int:
        """Delete some of what is older than `before` (Unix seconds); return how many, 0 when none is left."""

        async def act(connection: Connection) -> int:
            return sum([await connection.execute(statement, before, limit) for statement in _PRUNE[what]])

        return await self._pool.write(act)

    async def _found(self, query: str, *values: Any) -> list[Kept]:
        async def act(connection: Connection) -> list[Kept]:
            found = [rows.exchange(row) for row in await connection.fetch(query, *values)]
            attempts: dict[str, list[AttemptRow]] = {}
            for row in await connection.fetch(_ATTEMPTS, [exchange.id for exchange in found]):
                attempts.setdefault(row[0], []).append(rows.attempt(row))
            return [(exchange, tuple(attempts.get(exchange.id, ()))) for exchange in found]

        return await self._reports.read(act)
