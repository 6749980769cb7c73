"""Old rows in SQLite: read in order, deleted by id.

Nothing here shrinks the file. Pages that become free are written to again, so that a ledger whose rows come
and go at the same pace stays as large as it is; to give the space back takes a `vacuum`, which needs the
file for itself (docs/retention.md).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from dragoman.store.archive import Kept, Prunable
from dragoman.store.ledger import AttemptRow
from dragoman.store.sqlite.commit import Values, Write
from dragoman.store.sqlite.reports import Run
from dragoman.store.sqlite.responses import Read
from dragoman.store.sqlite.rows import ATTEMPT, EXCHANGE, attempt_of, exchange_of

LEASE = "retention"
"""The setting that says who deletes, and until when."""

_ENDED = f"""
    select {", ".join(EXCHANGE)} from exchange
    where opened_at >= ? and opened_at < ? and (opened_at, id) > (?, ?) and state <> 'reserved'
    order by opened_at, id limit ?
"""  # noqa: S608  names of our own, no values
_SOME = f"""
    select {", ".join(EXCHANGE)} from exchange
    where id in (select value from json_each(?)) and state <> 'reserved'
"""  # noqa: S608  as above
_ATTEMPTS = f"""
    select {", ".join(ATTEMPT)} from attempt
    where exchange_id in (select value from json_each(?)) order by exchange_id, number
"""  # noqa: S608  as above
_OPEN = "select count(*) from exchange where opened_at >= ? and opened_at < ? and state = 'reserved'"
_GONE = "select id from exchange where id in (select value from json_each(?)) and state <> 'reserved'"

# Ratings take themselves off their totals when they go; these put them on once more first, so that they stay.
_RATED = """
    insert into rating_total
    select key, model, count(*), sum(rating) from rating
    where exchange_id in (select value from json_each(?)) group by key, model
    on conflict do update set ratings = ratings + excluded.ratings, stars = stars + excluded.stars
"""
_DELETE = (
    _RATED,
    "delete from rating where exchange_id in (select value from json_each(?))",
    "delete from attempt where exchange_id in (select value from json_each(?))",
    "delete from exchange where id in (select value from json_each(?))",
)

_LASTING = "select name from budget where period = 'total'"
_PRUNE: Mapping[Prunable, tuple[str, ...]] = MappingProxyType(
    {
        "audit": (
            """delete from audit where number in (
                select number from audit where at < ? order by number limit ?)""",
        ),
        "windows": (
            f"""delete from budget_window where (budget, subject, at) in (
                select budget, subject, at from budget_window
                where at > 0 and at < ? and held = 0 and budget not in ({_LASTING}) limit ?)""",  # noqa: S608  as above
            f"""delete from alert where (budget, subject, at, percent) in (
                select budget, subject, at, percent from alert
                where at > 0 and at < ? and budget not in ({_LASTING}) limit ?)""",  # noqa: S608  as above
        ),
        "feedback": (
            """update rating set feedback = '' where (exchange_id, key) in (
                select exchange_id, key from rating where rated_at < ? and feedback <> '' limit ?)""",
        ),
    }
)


class SqliteArchive:
    """:class:`~dragoman.store.archive.Archive` in the store's file.

    Args:
        write: Queues a write, as of :class:`~dragoman.store.sqlite.commit.Writer`.
        read: Runs a query on the reading connection.
        run: Runs a function of a reading connection, in a thread that serves no request.
    """

    def __init__(self, write: Callable[[Write], Awaitable[Any]], read: Read, run: Run[Any]) -> None:
        self._write = write
        self._read = read
        self._run = run

    async def lease(self, holder: str, *, now: float, until: float) -> bool:
        """Become, or stay, the only one who deletes; return False while another one is."""

        def act(connection: sqlite3.Connection) -> bool:
            found = connection.execute("select value from setting where name = ?", (LEASE,)).fetchone()
            if found is not None:
                ends, _, whose = found[0].partition(" ")
                if whose != holder and float(ends) > now:
                    return False
            value = f"{until!r} {holder}"
            connection.execute("insert or replace into setting values (?, ?)", (LEASE, value))
            return until > now

        return bool(await self._write(Write(act=act)))

    async def open(self, since: float, until: float) -> int:
        """Return how many exchanges that began from `since` on and before `until` are still open."""
        return int((await self._read(_OPEN, (since, until)))[0][0])

    async def ended(
        self, since: float, until: float, *, after: tuple[float, str] | None = None, limit: int
    ) -> list[Kept]:
        """Return exchanges of that time that have ended, in the order of when they began and of their ids."""
        return await self._found(_ENDED, (since, until, *(after or (since, "")), limit))

    async def some(self, ids: Sequence[str]) -> list[Kept]:
        """Return those of these exchanges that are there and have ended, in any order."""
        return await self._found(_SOME, (_ids(ids),))

    async def _found(self, query: str, values: Values) -> list[Kept]:
        def act(connection: sqlite3.Connection) -> list[Kept]:
            connection.execute("begin")
            try:
                rows = connection.execute(query, values).fetchall()
                tried = connection.execute(_ATTEMPTS, (_ids([row[0] for row in rows]),)).fetchall()
            finally:
                connection.execute("rollback")
            attempts: dict[str, list[AttemptRow]] = {}
            for row in tried:
                attempts.setdefault(row[0], []).append(attempt_of(row))
            return [(exchange_of(row), tuple(attempts.get(row[0], ()))) for row in rows]

        found: list[Kept] = await self._run(act)
        return found

    async def delete(self, ids: Sequence[str]) -> int:
        """Delete exchanges that have ended, their attempts and ratings; return how many exchanges."""

        def act(connection: sqlite3.Connection) -> int:
            gone = [row[0] for row in connection.execute(_GONE, (_ids(ids),))]
            return [connection.execute(sql, (_ids(gone),)).rowcount for sql in _DELETE][-1]

        return int(await self._write(Write(act=act)))

    async def prune(self, what: Prunable, before: float, *, limit: int) -> int:
        """Delete some of what is older than `before` (Unix seconds); return how many, 0 when none is left."""

        def act(connection: sqlite3.Connection) -> int:
            return sum(connection.execute(sql, (before, limit)).rowcount for sql in _PRUNE[what])

        return int(await self._write(Write(act=act)))


def _ids(ids: Sequence[str]) -> str:
    return msgspec.json.encode(ids).decode()
