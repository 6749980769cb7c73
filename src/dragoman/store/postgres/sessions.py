"""Sessions of the dashboard in PostgreSQL."""

from __future__ import annotations

import msgspec

from dragoman.store.postgres.database import Connection
from dragoman.store.postgres.pool import Pool
from dragoman.store.sessions import SessionRow

_COLUMNS = ", ".join(SessionRow.__struct_fields__)
_INSERT = f"insert into session ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6)"  # noqa: S608  names of our own, no values
_FIND = f"select {_COLUMNS} from session where digest = $1"  # noqa: S608  as above


class PostgresSessions:
    """:class:`~dragoman.store.sessions.Sessions` in PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(self, row: SessionRow) -> None:
        """Insert a session; return once it is durable."""
        await self._run(_INSERT, *msgspec.structs.astuple(row))

    async def find(self, digest: str) -> SessionRow | None:
        """Return a session, whatever its times say; None: there is none."""
        rows = await self._pool.fetch(_FIND, digest)
        return SessionRow(*rows[0]) if rows else None

    async def touch(self, digest: str, seen_at: float) -> None:
        """Note that a session was used."""
        await self._run(
            "update session set seen_at = greatest(seen_at, $1) where digest = $2", seen_at, digest
        )

    async def close(self, digest: str) -> bool:
        """Delete a session; return whether it was there."""
        return await self._run("delete from session where digest = $1", digest) > 0

    async def sweep(self, now: float, *, idle_s: float) -> int:
        """Delete those past their time or unused for so long; return how many."""
        return await self._run(
            "delete from session where expires_at <= $1 or seen_at <= $2", now, now - idle_s
        )

    async def _run(self, query: str, *values: object) -> int:
        async def act(connection: Connection) -> int:
            return await connection.execute(query, *values)

        return await self._pool.write(act)
