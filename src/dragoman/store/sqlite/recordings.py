"""Recorded answers in SQLite: a row for each, found by the digest of what was asked.

* **A younger recording replaces an older one, never the reverse**, whichever process is first at the file.
* **The total is bounded.** Triggers count the bytes; what would go beyond pushes out those that expire first,
  in the same commit. One commit deletes at most :data:`STEP` rows, so that a limit that was lowered holds up
  no other writer; the sweep does the rest.
* **Likeness is bounded**: in a scope the youngest keep their vector, older ones are found by their key alone.
* Deleted rows are overwritten in the file (``pragma secure_delete``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from dragoman.store import RecordingRow
from dragoman.store.sqlite.commit import Write
from dragoman.store.sqlite.responses import Read

STEP = 100
"""Rows one commit deletes at most, so that other writes go in between."""

COLUMNS = RecordingRow.__struct_fields__
_SELECT = f"select {', '.join(COLUMNS)} from recording"  # noqa: S608  names of our own, no values
_KEEP = f"""
    insert into recording ({", ".join(COLUMNS)}) values ({", ".join("?" * len(COLUMNS))})
    on conflict (key) do update set {", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])}
    where excluded.recorded_at >= recording.recorded_at
"""  # noqa: S608  as above
_ALIKE = """
    select key, vector from recording
    where scope = ? and expires_at > ? and vector is not null
    order by recorded_at desc limit ?
"""
_UNLIKE = """
    update recording set scope = null, vector = null where rowid in (
        select rowid from recording where scope = ? order by recorded_at desc limit ? offset ?)
"""
_OLDEST = (
    "select rowid, 256 + length(body) + ifnull(length(vector), 0) from recording order by expires_at limit ?"
)
_BY_ROWID = "delete from recording where rowid = ?"


class SqliteRecordings:
    """:class:`~dragoman.store.Recordings` in the store's file.

    Args:
        write: Queues a write, as of :class:`~dragoman.store.sqlite.commit.Writer`.
        read: Runs a query on the reading connection.
    """

    def __init__(self, write: Callable[[Write], Awaitable[Any]], read: Read) -> None:
        self._write = write
        self._read = read

    async def keep(self, row: RecordingRow, *, most: int, alike: int) -> None:
        """Insert a recording, or replace an older one; return once it is durable."""

        def act(connection: sqlite3.Connection) -> None:
            connection.execute(_KEEP, msgspec.structs.astuple(row))
            if row.scope is not None:
                connection.execute(_UNLIKE, (row.scope, STEP, alike))
            _evict(connection, most)

        await self._write(Write(act=act))

    async def find(self, key: bytes, *, now: float) -> RecordingRow | None:
        """Return a recording, unless it is past its time."""
        rows = await self._read(f"{_SELECT} where key = ? and expires_at > ?", (key, now))
        if not rows:
            return None
        fields: dict[str, Any] = dict(zip(COLUMNS, rows[0], strict=True))
        return RecordingRow(**fields)

    async def alike(self, scope: bytes, *, now: float, most: int) -> list[tuple[bytes, bytes]]:
        """Return key and vector of the youngest recordings of a scope, the youngest first."""
        return await self._read(_ALIKE, (scope, now, most))

    async def delete(self, key: bytes, *, recorded_at: float) -> bool:
        """Delete one recording, if it is still the one of that time; return whether it was there."""
        query, values = "delete from recording where key = ? and recorded_at = ?", (key, recorded_at)

        def act(connection: sqlite3.Connection) -> bool:
            return connection.execute(query, values).rowcount == 1

        return bool(await self._write(Write(act=act)))

    async def forget(self, tenant: str) -> int:
        """Delete some of a tenant's recordings; return how many, 0 when none is left."""
        found = "select rowid from recording where tenant = ? limit ?"
        return await self._delete(found, (tenant, STEP))

    async def sweep(self, now: float, *, most: int) -> int:
        """Delete some that are past their time or beyond `most` bytes; return how many, 0 if none is left."""
        found = "select rowid from recording where expires_at <= ? limit ?"
        return await self._delete(found, (now, STEP), most)

    async def total(self) -> int:
        """Return how many bytes are kept."""
        return int((await self._read("select size from recording_total", ()))[0][0])

    async def _delete(self, found: str, values: Sequence[object], most: int | None = None) -> int:
        """Delete the rows that a query finds; where it finds none, those beyond `most` bytes."""

        def act(connection: sqlite3.Connection) -> int:
            rows = connection.execute(found, values).fetchall()
            connection.executemany(_BY_ROWID, rows)
            return len(rows) or (0 if most is None else _evict(connection, most))

        return int(await self._write(Write(act=act)))


def _evict(connection: sqlite3.Connection, most: int) -> int:
    """Delete those that expire first until at most `most` bytes are kept; return how many."""
    beyond = connection.execute("select size from recording_total").fetchone()[0] - most
    gone: list[tuple[int]] = []
    if beyond > 0:
        for rowid, size in connection.execute(_OLDEST, (STEP,)).fetchall():
            if beyond <= 0:
                break
            gone.append((rowid,))
            beyond -= size
        connection.executemany(_BY_ROWID, gone)
    return len(gone)
