"""Kept answers in SQLite: a row for each, linked to the one it continues.

A row holds the answer as the client saw it and the input that was new with it; the history is the chain
of ``previous``. So a conversation of n turns takes n rows of one turn each. Every statement names the
key: another key's rows do not exist for it.

* **Chains do not break.** Expiry takes only rows that nobody continues, the newest of a chain first. A
  deleted row that others continue is hidden until they are gone, since its words are their history. A
  row whose predecessor went while it was being made is written with the whole history as its own input.
* **A status leaves ``queued`` and ``in_progress`` once**: whoever is first, of a worker that finishes, a
  client that cancels and a process that finds the worker dead, is believed.
* Deleted rows are overwritten in the file (``pragma secure_delete``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from dragoman.store import ResponseRow
from dragoman.store.sqlite.commit import Values, Write

STEP = 100
"""Rows one step of the sweep deletes at most, so that other writes go in between."""

Read = Callable[[str, Values], Awaitable[list[Any]]]
"""Runs a query."""


COLUMNS = ResponseRow.__struct_fields__
_GOING = "status in ('queued', 'in_progress')"
_LIVE = f"not hidden and (expires_at > ? or {_GOING})"
_SELECT = f"select {', '.join(COLUMNS)} from response"  # noqa: S608  names of our own, no values
_CHAIN = f"""
    with recursive chain (key, id, previous, depth) as (
        select key, id, previous, 0 from response where key = ? and id = ? and {_LIVE}
        union all
        select older.key, older.id, older.previous, depth + 1
        from response older join chain on older.key = chain.key and older.id = chain.previous
    )
"""  # noqa: S608  as above
_PLACES = ", ".join("?" * len(COLUMNS))
_INSERT = f"insert into response ({', '.join(COLUMNS)}) values ({_PLACES})"  # noqa: S608  as above
_CHANGE = f"update response set status = ?, body = ?, expires_at = ? where key = ? and id = ? and {_GOING}"  # noqa: S608  as above
_CONTINUED = "select 1 from response newer where newer.key = ? and newer.previous = ? limit 1"
_EXPIRED = f"""
    select key, id, previous from response where expires_at <= ? and not ({_GOING}) and not exists (
        select 1 from response newer where newer.key = response.key and newer.previous = response.id)
    limit ?
"""  # noqa: S608  as above


class SqliteResponses:
    """:class:`~dragoman.store.Responses` in the store's file.

    Args:
        write: Queues a write, as of :class:`~dragoman.store.sqlite.commit.Writer`.
        read: Runs a query on the reading connection.
    """

    def __init__(self, write: Callable[[Write], Awaitable[Any]], read: Read) -> None:
        self._write = write
        self._read = read

    async def keep(
        self, row: ResponseRow, items: Sequence[tuple[str, int]], whole: Callable[[], bytes], *, most: int
    ) -> bool:
        """Insert an answer and say where its items are; return, once it is durable, whether it was."""

        def act(connection: sqlite3.Connection) -> bool:
            kept = row
            if row.previous is not None and not _is_there(connection, row.key, row.previous):
                kept = msgspec.structs.replace(row, previous=None, input=whole())
            if _total(connection, row.key) + len(kept.input) + len(kept.body) > most:
                return False
            connection.execute(_INSERT, msgspec.structs.astuple(kept))
            _place(connection, row.key, row.id, items)
            return True

        return bool(await self._write(Write(act=act)))

    async def change(
        self,
        key: str,
        id_: str,
        *,
        status: str,
        body: bytes,
        expires_at: float,
        items: Sequence[tuple[str, int]] = (),
    ) -> bool:
        """Change an answer that is still being made; return whether it was."""

        def act(connection: sqlite3.Connection) -> bool:
            changed = connection.execute(_CHANGE, (status, body, expires_at, key, id_)).rowcount == 1
            if changed:
                _place(connection, key, id_, items)
            return changed

        return bool(await self._write(Write(act=act)))

    async def find(self, key: str, id_: str, *, now: float) -> ResponseRow | None:
        """Return an answer, unless it is past its time."""
        rows = await self._read(f"{_SELECT} where key = ? and id = ? and {_LIVE}", (key, id_, now))
        return _row(rows[0]) if rows else None

    async def state(self, key: str, id_: str, *, now: float) -> tuple[str, str] | None:
        """Return an answer's status and owner, without what it holds."""
        query = f"select status, owner from response where key = ? and id = ? and {_LIVE}"  # noqa: S608  as above
        rows = await self._read(query, (key, id_, now))
        return tuple(rows[0]) if rows else None

    async def weigh(self, key: str, id_: str, *, now: float) -> int:
        """Return the bytes of an answer and of all it continues; 0 if it is not there."""
        query = f"{_CHAIN} select sum(length(input) + length(body)) from chain join response using (key, id)"  # noqa: S608  as above
        rows = await self._read(query, (key, id_, now))
        return int(rows[0][0] or 0)

    async def history(self, key: str, id_: str, *, now: float) -> list[ResponseRow]:
        """Return an answer and all it continues, the oldest first; none if it is not there."""
        columns = ", ".join(f"response.{name}" for name in COLUMNS)
        query = f"{_CHAIN} select {columns} from chain join response using (key, id) order by depth desc"  # noqa: S608  as above
        rows = await self._read(query, (key, id_, now))
        return [_row(row) for row in rows]

    async def holders(self, key: str, item: str, *, now: float) -> list[tuple[ResponseRow, int]]:
        """Return the answers that have an item of this id, the newest first, and its place in each."""
        columns = ", ".join(f"response.{name}" for name in COLUMNS)
        query = f"""
            select {columns}, place from response_item
            join response on response.key = response_item.key and response.id = response
            where response_item.key = ? and response_item.id = ? and {_LIVE}
            order by created_at desc limit 2
        """  # noqa: S608  as above
        return [(_row(row[:-1]), row[-1]) for row in await self._read(query, (key, item, now))]

    async def delete(self, key: str, id_: str, *, now: float) -> bool:
        """Delete an answer, and the hidden ones that only it continued; return whether it was there."""

        def act(connection: sqlite3.Connection) -> bool:
            query = f"select previous from response where key = ? and id = ? and {_LIVE}"  # noqa: S608  as above
            found = connection.execute(query, (key, id_, now)).fetchone()
            if found is None:
                return False
            if connection.execute(_CONTINUED, (key, id_)).fetchone():
                connection.execute("update response set hidden = 1 where key = ? and id = ?", (key, id_))
                connection.execute("delete from response_item where key = ? and response = ?", (key, id_))
            else:
                _delete(connection, key, id_, found[0], now=now)
            return True

        return bool(await self._write(Write(act=act)))

    async def owners(self) -> list[str]:
        """Return the processes that make answers in the background."""
        rows = await self._read(f"select distinct owner from response where {_GOING}", ())  # noqa: S608  as above
        return [row[0] for row in rows]

    async def going(self, owner: str) -> list[ResponseRow]:
        """Return the answers a process is still making."""
        rows = await self._read(f"{_SELECT} where owner = ? and {_GOING}", (owner,))
        return [_row(row) for row in rows]

    async def under_way(self, owner: str) -> set[str]:
        """Return the ids of the answers a process is still making."""
        rows = await self._read(f"select id from response where owner = ? and {_GOING}", (owner,))  # noqa: S608  as above
        return {row[0] for row in rows}

    async def sweep(self, now: float) -> int:
        """Delete some of the answers that are past their time; return how many, 0 when none is left."""

        def act(connection: sqlite3.Connection) -> int:
            expired = connection.execute(_EXPIRED, (now, STEP)).fetchall()
            return sum(_delete(connection, key, id_, previous, now=now) for key, id_, previous in expired)

        return int(await self._write(Write(act=act)))


def _row(values: Sequence[Any]) -> ResponseRow:
    fields = dict(zip(COLUMNS, values, strict=True))
    return ResponseRow(**{**fields, "background": bool(fields["background"])})


def _is_there(connection: sqlite3.Connection, key: str, id_: str) -> bool:
    found = connection.execute("select 1 from response where key = ? and id = ?", (key, id_)).fetchone()
    return found is not None


def _total(connection: sqlite3.Connection, key: str) -> int:
    """Return the bytes of all that is kept of a key; triggers count them."""
    found = connection.execute("select size from response_total where key = ?", (key,)).fetchone()
    return int(found[0]) if found else 0


def _place(connection: sqlite3.Connection, key: str, id_: str, items: Sequence[tuple[str, int]]) -> None:
    """Say where an answer's items are."""
    rows = [(key, item, id_, place) for item, place in items]
    connection.executemany("insert into response_item values (?, ?, ?, ?)", rows)


def _delete(connection: sqlite3.Connection, key: str, id_: str, previous: str | None, *, now: float) -> int:
    """Delete a row that nobody continues, then what it continued as far as that was kept for it alone."""
    deleted = 0
    older: tuple[str, str | None] | None = (id_, previous)
    while older is not None and deleted < STEP:
        id_, previous = older
        connection.execute("delete from response where key = ? and id = ?", (key, id_))
        deleted += 1
        if previous is None or connection.execute(_CONTINUED, (key, previous)).fetchone():
            break
        query = f"""
            select id, previous from response
            where key = ? and id = ? and (hidden or expires_at <= ?) and not ({_GOING})
        """  # noqa: S608  as above
        older = connection.execute(query, (key, previous, now)).fetchone()
    return deleted
