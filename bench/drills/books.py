"""The ledger as it stands in its database, read past the gateway's own code."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import asyncpg  # type: ignore[import-untyped]

from drills.history import Booked, Place, Stand

ROWS = """
    select e.request_id, e.key, e.state, e.cost_micros, e.held_micros, e.estimated, e.shares,
        (select count(*) from attempt a where a.exchange_id = e.id)
    from exchange e where e.opened_at > {since}
"""
STANDS = "select budget, subject, at, spent, held from budget_window"
UNLEASED = """
    select budget, subject, at, spent, held - coalesce(
        (select sum(l.micros) from lease l where (l.budget, l.subject, l.at) = (w.budget, w.subject, w.at)), 0
    )::bigint from budget_window w
"""
"""What rows hold: not what a process has put by for an outage."""
MARK = "select coalesce(max(opened_at), 0) from exchange"
OPEN = "select count(*) from exchange where state = 'reserved'"


class Books(Protocol):
    """A ledger to look into. What the gateway has committed is what is read.

    Attributes:
        stands: The query for how windows stand.
    """

    stands: str

    async def query(self, sql: str) -> Sequence[Sequence[Any]]:
        """Return the rows of a query."""

    async def dump(self) -> bytes:
        """Return all there is, as bytes that can be searched."""


class File:
    """Books in a SQLite file."""

    stands = STANDS

    def __init__(self, path: Path) -> None:
        self._path = path

    async def query(self, sql: str) -> Sequence[Sequence[Any]]:
        """Return the rows of a query."""
        return await asyncio.to_thread(self._query, sql)

    def _query(self, sql: str) -> Sequence[Sequence[Any]]:
        with closing(sqlite3.connect(self._path, timeout=30)) as database:
            return database.execute(sql).fetchall()

    async def dump(self) -> bytes:
        """Return the bytes of the file and of its log."""
        files = self._path.parent.glob(f"{self._path.name}*")
        return b"".join(path.read_bytes() for path in files)


class Shared:
    """Books in PostgreSQL."""

    stands = UNLEASED

    def __init__(self, url: str) -> None:
        self._url = url

    async def query(self, sql: str) -> Sequence[Sequence[Any]]:
        """Return the rows of a query."""
        connection = await asyncpg.connect(self._url)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    async def dump(self) -> bytes:
        """Return every row of every table."""
        names = await self.query("select tablename from pg_tables where schemaname = current_schema()")
        found = [await self.query(f'select t::text from "{name}" t') for (name,) in names]  # noqa: S608 - names of the catalogue
        return "\n".join(row for table in found for (row,) in table).encode()


async def rows(books: Books, since: float = 0.0) -> list[Booked]:
    """Return the rows of requests that began after `since`."""
    return [
        Booked(
            id=id_,
            key=key,
            state=state,
            attempts=attempts,
            cost=cost,
            held=held,
            estimated=bool(estimated),
            shares=_places(shares),
        )
        for id_, key, state, cost, held, estimated, shares, attempts in await books.query(
            ROWS.format(since=repr(since))
        )
    ]


async def stands(books: Books) -> list[Stand]:
    """Return how every budget's window stands."""
    return [
        Stand((budget, subject, at), spent, held)
        for budget, subject, at, spent, held in await books.query(books.stands)
    ]


async def mark(books: Books) -> float:
    """Return when the last request began."""
    return float((await books.query(MARK))[0][0])


async def settled(books: Books, limit_s: float = 30.0) -> bool:
    """Wait until no row is open; return False where one still is after so long."""
    began = asyncio.get_running_loop().time()
    while (await books.query(OPEN))[0][0]:
        if asyncio.get_running_loop().time() - began > limit_s:
            return False
        await asyncio.sleep(0.05)
    return True


def _places(shares: Any) -> tuple[Place, ...]:
    given = json.loads(shares) if isinstance(shares, str | bytes) else shares or []
    # A share of a budget that was made while the request ran has a fourth member, which says so.
    return tuple((budget, subject, at) for budget, subject, at, *_ in given)
