"""Kept answers in PostgreSQL: a row for each, linked to the one it continues.

A row holds the answer as the client saw it and the input that was new with it; the history is the chain of
``previous``. Every statement names the key: another key's rows do not exist for it.

* **Chains do not break.** Expiry takes only rows that nobody continues, the newest of a chain first. A
  deleted row that others continue is hidden until they are gone. A row whose predecessor went while it was
  being made is written with the whole history as its own input.
* **A status leaves ``queued`` and ``in_progress`` once**: whoever is first is believed.
* **One writer for each key**: what inserts or deletes locks the key's total first, so that a limit holds
  and a chain is not continued while it is being deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from dragoman.store import ResponseRow
from dragoman.store.postgres.database import Connection
from dragoman.store.postgres.pool import Pool

STEP = 100
"""Rows one step of the sweep deletes at most, so that other writes go in between."""

COLUMNS = ResponseRow.__struct_fields__
_GOING = "status in ('queued', 'in_progress')"
_SELECT = f"select {', '.join(COLUMNS)} from response"  # noqa: S608  names of our own, no values
_PLACES = ", ".join(f"${n}" for n in range(1, len(COLUMNS) + 1))
_INSERT = f"insert into response ({', '.join(COLUMNS)}) values ({_PLACES})"  # noqa: S608  as above
_CHANGE = f"""
    update response set status = $1, body = $2, expires_at = $3 where key = $4 and id = $5 and {_GOING}
"""  # noqa: S608  as above
_CONTINUED = "select 1 from response newer where newer.key = $1 and newer.previous = $2 limit 1"
_EXPIRED = f"""
    select key, id, previous from response where expires_at <= $1 and not ({_GOING}) and not exists (
        select 1 from response newer where newer.key = response.key and newer.previous = response.id)
    limit $2
"""  # noqa: S608  as above
_HIDE = "update response set hidden = true where key = $1 and id = $2"
_LOCK = "insert into response_total values ($1, 0) on conflict (key) do nothing"
_LOCKED = "select size from response_total where key = $1 for no key update"
_SWEEPING = "select pg_try_advisory_xact_lock(1146243918)"
_PLACE = """
    insert into response_item
    select $1, item.id, $2, item.place from unnest($3::text[], $4::bigint[]) as item (id, place)
"""


def _live(number: int) -> str:
    """Return the condition of an answer that is there; the time is the value of that number."""
    return f"not hidden and (expires_at > ${number} or {_GOING})"


_CHAIN = f"""
    with recursive chain (key, id, previous, depth) as (
        select key, id, previous, 0 from response where key = $1 and id = $2 and {_live(3)}
        union all
        select older.key, older.id, older.previous, depth + 1
        from response older join chain on older.key = chain.key and older.id = chain.previous
    )
"""  # noqa: S608  as above


class PostgresResponses:
    """:class:`~dragoman.store.Responses` in PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def keep(
        self, row: ResponseRow, items: Sequence[tuple[str, int]], whole: Callable[[], bytes], *, most: int
    ) -> bool:
        """Insert an answer and say where its items are; return, once it is durable, whether it was."""

        async def act(connection: Connection) -> bool:
            total = await _lock(connection, row.key)
            kept = row
            if row.previous is not None and not await _is_there(connection, row.key, row.previous):
                kept = msgspec.structs.replace(row, previous=None, input=whole())
            if total + len(kept.input) + len(kept.body) > most:
                return False
            await connection.execute(_INSERT, *msgspec.structs.astuple(kept))
            await _place(connection, row.key, row.id, items)
            return True

        return await self._pool.write(act)

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

        async def act(connection: Connection) -> bool:
            await _lock(connection, key)
            changed = await connection.execute(_CHANGE, status, body, expires_at, key, id_) == 1
            if changed:
                await _place(connection, key, id_, items)
            return changed

        return await self._pool.write(act)

    async def find(self, key: str, id_: str, *, now: float) -> ResponseRow | None:
        """Return an answer, unless it is past its time."""
        query = f"{_SELECT} where key = $1 and id = $2 and {_live(3)}"
        rows = await self._pool.fetch(query, key, id_, now)
        return _row(rows[0]) if rows else None

    async def state(self, key: str, id_: str, *, now: float) -> tuple[str, str] | None:
        """Return an answer's status and owner, without what it holds."""
        query = f"select status, owner from response where key = $1 and id = $2 and {_live(3)}"  # noqa: S608  as above
        rows = await self._pool.fetch(query, key, id_, now)
        return (rows[0][0], rows[0][1]) if rows else None

    async def weigh(self, key: str, id_: str, *, now: float) -> int:
        """Return the bytes of an answer and of all it continues; 0 if it is not there."""
        size = "sum(length(input) + length(body))"
        query = f"{_CHAIN} select {size} from chain join response using (key, id)"  # noqa: S608  as above
        rows = await self._pool.fetch(query, key, id_, now)
        return int(rows[0][0] or 0)

    async def history(self, key: str, id_: str, *, now: float) -> list[ResponseRow]:
        """Return an answer and all it continues, the oldest first; none if it is not there."""
        columns = ", ".join(f"response.{name}" for name in COLUMNS)
        query = f"""
            {_CHAIN} select {columns} from chain join response using (key, id) order by depth desc
        """  # noqa: S608  as above
        return [_row(row) for row in await self._pool.fetch(query, key, id_, now)]

    async def holders(self, key: str, item: str, *, now: float) -> list[tuple[ResponseRow, int]]:
        """Return the answers that have an item of this id, the newest first, and its place in each."""
        columns = ", ".join(f"response.{name}" for name in COLUMNS)
        query = f"""
            select {columns}, place from response_item
            join response on response.key = response_item.key and response.id = response
            where response_item.key = $1 and md5(response_item.id) = md5($2) and response_item.id = $2
              and {_live(3)}
            order by created_at desc limit 2
        """  # noqa: S608  as above
        found = [tuple(row) for row in await self._pool.fetch(query, key, item, now)]
        return [(_row(row[:-1]), row[-1]) for row in found]

    async def delete(self, key: str, id_: str, *, now: float) -> bool:
        """Delete an answer, and the hidden ones that only it continued; return whether it was there."""

        async def act(connection: Connection) -> bool:
            await _lock(connection, key)
            query = f"select previous from response where key = $1 and id = $2 and {_live(3)}"  # noqa: S608  as above
            found = await connection.first(query, key, id_, now)
            if found is None:
                return False
            if await connection.first(_CONTINUED, key, id_):
                await connection.execute(_HIDE, key, id_)
                await connection.execute(
                    "delete from response_item where key = $1 and response = $2", key, id_
                )
            else:
                await _delete(connection, key, id_, found[0], now=now)
            return True

        return await self._pool.write(act)

    async def owners(self) -> list[str]:
        """Return the processes that make answers in the background."""
        rows = await self._pool.fetch(f"select distinct owner from response where {_GOING}")  # noqa: S608  as above
        return [row[0] for row in rows]

    async def going(self, owner: str) -> list[ResponseRow]:
        """Return the answers a process is still making."""
        rows = await self._pool.fetch(f"{_SELECT} where owner = $1 and {_GOING}", owner)
        return [_row(row) for row in rows]

    async def under_way(self, owner: str) -> set[str]:
        """Return the ids of the answers a process is still making."""
        query = f"select id from response where owner = $1 and {_GOING}"  # noqa: S608  as above
        rows = await self._pool.fetch(query, owner)
        return {row[0] for row in rows}

    async def sweep(self, now: float) -> int:
        """Delete some of the answers that are past their time; return how many, 0 when none is left."""

        async def act(connection: Connection) -> int:
            if not await connection.value(_SWEEPING):
                return 0  # another machine is at it
            keys = sorted({row[0] for row in await connection.fetch(_EXPIRED, now, STEP)})
            for key in keys:
                await _lock(connection, key)
            # Looked for again: somebody may have continued one before its key was locked.
            expired = [row for row in await connection.fetch(_EXPIRED, now, STEP) if row[0] in keys]
            deleted = 0
            for key, id_, previous in expired:
                if deleted < STEP:
                    deleted += await _delete(connection, key, id_, previous, now=now, most=STEP - deleted)
            return deleted

        return await self._pool.write(act)


def _row(values: Sequence[Any]) -> ResponseRow:
    return ResponseRow(**dict(zip(COLUMNS, values, strict=True)))


async def _lock(connection: Connection, key: str) -> int:
    """Wait until nobody else writes answers of a key; return how many bytes are kept of it."""
    await connection.execute(_LOCK, key)
    return int(await connection.value(_LOCKED, key))


async def _is_there(connection: Connection, key: str, id_: str) -> bool:
    return await connection.first("select 1 from response where key = $1 and id = $2", key, id_) is not None


async def _place(connection: Connection, key: str, id_: str, items: Sequence[tuple[str, int]]) -> None:
    """Say where an answer's items are."""
    if items:
        await connection.execute(_PLACE, key, id_, [item for item, _ in items], [place for _, place in items])


async def _delete(
    connection: Connection, key: str, id_: str, previous: str | None, *, now: float, most: int = STEP
) -> int:
    """Delete a row that nobody continues, then what it continued as far as that was kept for it alone."""
    deleted = 0
    older: tuple[str, str | None] | None = (id_, previous)
    while older is not None and deleted < most:
        id_, previous = older
        await connection.execute("delete from response where key = $1 and id = $2", key, id_)
        deleted += 1
        if previous is None or await connection.first(_CONTINUED, key, previous):
            break
        query = f"""
            select id, previous from response
            where key = $1 and id = $2 and (hidden or expires_at <= $3) and not ({_GOING})
        """  # noqa: S608  as above
        found = await connection.first(query, key, previous, now)
        older = None if found is None else (found[0], found[1])
    return deleted
