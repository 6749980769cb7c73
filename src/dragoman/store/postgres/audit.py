"""The audit log in PostgreSQL, and how a change is made together with the entry that tells of it."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.store.audit import AuditRow
from dragoman.store.postgres.database import Connection
from dragoman.store.postgres.pool import Pool

_COLUMNS = ", ".join(AuditRow.__struct_fields__)
_INSERT = f"insert into audit ({_COLUMNS}) values ($1, $2, $3, $4, $5)"  # noqa: S608  names of our own, no values


async def note(connection: Connection, row: AuditRow) -> None:
    """Write an entry in the transaction under way."""
    await connection.execute(_INSERT, *msgspec.structs.astuple(row))


async def alone(connection: Connection) -> None:
    """Wait until nobody else changes keys, groups, budgets or prices; from here to the commit we do."""
    await connection.execute("select from directory for no key update")


class PostgresAudit:
    """:class:`~dragoman.store.audit.Audit` in PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def write(self, row: AuditRow) -> None:
        """Write down what was done elsewhere; return once it is durable."""
        await self._pool.write(lambda connection: note(connection, row))

    async def rows(
        self, *, limit: int = 100, before: int | None = None, about: tuple[str, str] | None = None
    ) -> list[tuple[int, AuditRow]]:
        """Return the newest changes first, each with its number; of one subject where `about` names it."""
        where, values = ["number < $2"], list[Any]([limit, 2**63 - 1 if before is None else before])
        if about is not None:
            where.append("starts_with(action, $3) and subject = $4")
            values += about
        query = (
            f"select number, {_COLUMNS} from audit where {' and '.join(where)} order by number desc limit $1"  # noqa: S608  as above
        )
        return [(row[0], AuditRow(*tuple(row)[1:])) for row in await self._pool.fetch(query, *values)]
