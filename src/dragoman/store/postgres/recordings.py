"""Recorded answers in PostgreSQL: a row for each, found by the digest of what was asked.

* **A younger recording replaces an older one, never the reverse**, whichever process is first.
* **The total is bounded.** Triggers count the bytes; what would go beyond pushes out those that expire
  first, in the same commit. One commit deletes at most :data:`STEP` rows; the sweep does the rest. Whoever
  writes locks the total first, so that no two evict against each other.
* **Likeness is bounded**: in a scope the youngest keep their vector, older ones are found by their key alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dragoman.store import RecordingRow
from dragoman.store.postgres.database import Connection
from dragoman.store.postgres.pool import Pool

STEP = 100
"""Rows one commit deletes at most, so that other writes go in between."""

COLUMNS = RecordingRow.__struct_fields__
_SELECT = f"select {', '.join(COLUMNS)} from recording"  # noqa: S608  names of our own, no values
_KEEP = f"""
    insert into recording ({", ".join(COLUMNS)}) values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (key) do update set {", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])}
    where excluded.recorded_at >= recording.recorded_at
"""  # noqa: S608  as above
_ALIKE = """
    select key, vector from recording
    where scope = $1 and expires_at > $2 and vector is not null
    order by recorded_at desc limit $3
"""
_UNLIKE = """
    update recording set scope = null, vector = null where key in (
        select key from recording where scope = $1 order by recorded_at desc limit $2 offset $3)
"""
_OLDEST = "select key, recording_size(recording) from recording order by expires_at limit $1"
_DELETE = "delete from recording where key = any($1)"
_TOTAL = "select size from recording_total"
_LOCK = "select size from recording_total for no key update"


class PostgresRecordings:
    """:class:`~dragoman.store.Recordings` in PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def keep(self, row: RecordingRow, *, most: int, alike: int) -> None:
        """Insert a recording, or replace an older one; return once it is durable."""

        async def act(connection: Connection) -> None:
            await connection.value(_LOCK)
            await connection.execute(_KEEP, *msgspec.structs.astuple(row))
            if row.scope is not None:
                await connection.execute(_UNLIKE, row.scope, STEP, alike)
            await _evict(connection, most)

        await self._pool.write(act)

    async def find(self, key: bytes, *, now: float) -> RecordingRow | None:
        """Return a recording, unless it is past its time."""
        rows = await self._pool.fetch(f"{_SELECT} where key = $1 and expires_at > $2", key, now)
        return RecordingRow(**dict(zip(COLUMNS, rows[0], strict=True))) if rows else None

    async def alike(self, scope: bytes, *, now: float, most: int) -> list[tuple[bytes, bytes]]:
        """Return key and vector of the youngest recordings of a scope, the youngest first."""
        return [(row[0], row[1]) for row in await self._pool.fetch(_ALIKE, scope, now, most)]

    async def delete(self, key: bytes, *, recorded_at: float) -> bool:
        """Delete one recording, if it is still the one of that time; return whether it was there."""
        query = "delete from recording where key = $1 and recorded_at = $2"

        async def act(connection: Connection) -> bool:
            await connection.value(_LOCK)
            return await connection.execute(query, key, recorded_at) == 1

        return await self._pool.write(act)

    async def forget(self, tenant: str) -> int:
        """Delete some of a tenant's recordings; return how many, 0 when none is left."""
        return await self._delete("select key from recording where tenant = $1 limit $2", (tenant, STEP))

    async def sweep(self, now: float, *, most: int) -> int:
        """Delete some that are past their time or beyond `most` bytes; return how many, 0 if none is left."""
        found = "select key from recording where expires_at <= $1 limit $2"
        return await self._delete(found, (now, STEP), most)

    async def total(self) -> int:
        """Return how many bytes are kept."""
        return int((await self._pool.fetch(_TOTAL))[0][0])

    async def _delete(self, found: str, values: Sequence[object], most: int | None = None) -> int:
        """Delete the rows that a query finds; where it finds none, those beyond `most` bytes."""

        async def act(connection: Connection) -> int:
            await connection.value(_LOCK)
            keys = [row[0] for row in await connection.fetch(found, *values)]
            await connection.execute(_DELETE, keys)
            return len(keys) or (0 if most is None else await _evict(connection, most))

        return await self._pool.write(act)


async def _evict(connection: Connection, most: int) -> int:
    """Delete those that expire first until at most `most` bytes are kept; return how many."""
    beyond = int(await connection.value(_TOTAL)) - most
    gone: list[bytes] = []
    if beyond > 0:
        for key, size in await connection.fetch(_OLDEST, STEP):
            if beyond <= 0:
                break
            gone.append(key)
            beyond -= size
        await connection.execute(_DELETE, gone)
    return len(gone)
