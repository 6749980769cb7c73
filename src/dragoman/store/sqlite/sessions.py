"""Sessions of the dashboard in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from dragoman.store.sessions import SessionRow
from dragoman.store.sqlite.commit import Write
from dragoman.store.sqlite.responses import Read

_COLUMNS = ", ".join(SessionRow.__struct_fields__)
_INSERT = f"insert into session ({_COLUMNS}) values (?, ?, ?, ?, ?, ?)"  # noqa: S608  names of our own, no values
_FIND = f"select {_COLUMNS} from session where digest = ?"  # noqa: S608  as above


class SqliteSessions:
    """:class:`~dragoman.store.sessions.Sessions` in the store's file.

    Args:
        write: Queues a write, as of :class:`~dragoman.store.sqlite.commit.Writer`.
        read: Runs a query on the reading connection.
    """

    def __init__(self, write: Callable[[Write], Awaitable[Any]], read: Read) -> None:
        self._write = write
        self._read = read

    async def open(self, row: SessionRow) -> None:
        """Insert a session; return once it is durable."""
        await self._run(_INSERT, *msgspec.structs.astuple(row))

    async def find(self, digest: str) -> SessionRow | None:
        """Return a session, whatever its times say; None: there is none."""
        rows = await self._read(_FIND, (digest,))
        return SessionRow(*rows[0]) if rows else None

    async def touch(self, digest: str, seen_at: float) -> None:
        """Note that a session was used."""
        await self._run("update session set seen_at = max(seen_at, ?) where digest = ?", seen_at, digest)

    async def close(self, digest: str) -> bool:
        """Delete a session; return whether it was there."""
        return await self._run("delete from session where digest = ?", digest) > 0

    async def sweep(self, now: float, *, idle_s: float) -> int:
        """Delete those past their time or unused for so long; return how many."""
        return await self._run("delete from session where expires_at <= ? or seen_at <= ?", now, now - idle_s)

    async def _run(self, sql: str, *values: object) -> int:
        def act(connection: sqlite3.Connection) -> int:
            return connection.execute(sql, values).rowcount

        return int(await self._write(Write(act=act)))
