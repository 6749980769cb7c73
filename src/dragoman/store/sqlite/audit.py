"""The audit log in SQLite, and how an entry is written with the change it tells of."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from dragoman.store.audit import AuditRow
from dragoman.store.sqlite.commit import Write
from dragoman.store.sqlite.responses import Read

_COLUMNS = ", ".join(AuditRow.__struct_fields__)
_INSERT = f"insert into audit ({_COLUMNS}) values (?, ?, ?, ?, ?)"  # noqa: S608  names of our own, no values


def note(connection: sqlite3.Connection, row: AuditRow) -> None:
    """Write an entry in the transaction under way."""
    connection.execute(_INSERT, msgspec.structs.astuple(row))


class SqliteAudit:
    """:class:`~dragoman.store.audit.Audit` in the store's file.

    Args:
        write: Queues a write, as of :class:`~dragoman.store.sqlite.commit.Writer`.
        read: Runs a query on the reading connection.
    """

    def __init__(self, write: Callable[[Write], Awaitable[Any]], read: Read) -> None:
        self._write = write
        self._read = read

    async def write(self, row: AuditRow) -> None:
        """Write down what was done elsewhere; return once it is durable."""
        await self._write(Write(act=lambda connection: note(connection, row)))

    async def rows(
        self, *, limit: int = 100, before: int | None = None, about: tuple[str, str] | None = None
    ) -> list[tuple[int, AuditRow]]:
        """Return the newest changes first, each with its number; of one subject where `about` names it."""
        where, values = ["number < ?"], list[Any]([2**63 - 1 if before is None else before])
        if about is not None:
            where.append("substr(action, 1, ?) = ? and subject = ?")
            values += [len(about[0]), *about]
        rows = await self._read(
            f"select number, {_COLUMNS} from audit where {' and '.join(where)} order by number desc limit ?",  # noqa: S608  as above
            (*values, limit),
        )
        return [(number, AuditRow(*fields)) for number, *fields in rows]
