"""Keys, teams and users in PostgreSQL; every change with its entry in the audit log, in one transaction.

A revocation is never undone: whoever changes a key at the same instant, from what was read before, changes
all but that. Changes happen one after the other, on however many machines: each begins by locking
``directory``, whose version the triggers of migration 0004 count.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

from dragoman.store.audit import AuditRow
from dragoman.store.keys import GroupKind, GroupRow, KeyRow, SecretRow
from dragoman.store.postgres.audit import alone, note
from dragoman.store.postgres.database import Connection
from dragoman.store.postgres.pool import Pool
from dragoman.store.postgres.rows import names

_KEY = names(KeyRow.__struct_fields__)
_SECRET = names(SecretRow.__struct_fields__)
_GROUP = names(GroupRow.__struct_fields__)
# Names of our own, no values, in all of these.
_ONE = f"select {_KEY} from key where name = $1"  # noqa: S608
_OF_ONE = f"""
    select {_SECRET} from secret where key = $1 order by created_at, digest collate "C"
"""  # noqa: S608
_ADD = f"insert into key ({_KEY}) values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing"  # noqa: S608
_ADD_SECRET = f"insert into secret ({_SECRET}) values ($1, $2, $3, $4, $5)"  # noqa: S608
_CHANGE = """
    update key set role = $1, "user" = $2, team = $3, expires_at = $4, terms = $5,
        revoked_at = coalesce(revoked_at, $6)
    where name = $7
"""
_WAS = f"""{_CHANGE}
    and role = $8 and "user" = $9 and team = $10 and expires_at is not distinct from $11 and terms = $12
"""
_LIVE = "select 1 from key where name = $1 and revoked_at is null"
_END = "update secret set expires_at = $1 where key = $2 and (expires_at is null or expires_at > $1)"
_REVOKE = "update key set revoked_at = $1 where name = $2 and revoked_at is null"
_PUT = f"""
    insert into party ({_GROUP}) values ($1, $2, $3, $4)
    on conflict (kind, name) do update set terms = excluded.terms
"""  # noqa: S608
_USED: Mapping[GroupKind, str] = MappingProxyType(
    {
        "team": "select count(*) from key where team = $1 and revoked_at is null",
        "user": 'select count(*) from key where "user" = $1 and revoked_at is null',
    }
)


class PostgresKeys:
    """:class:`~dragoman.store.keys.Keys` in PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def version(self) -> int:
        """Return a number that is another one after any change to keys, groups, budgets or prices."""
        return int((await self._pool.fetch("select version from directory"))[0][0])

    async def keys(self, name: str | None = None) -> list[KeyRow]:
        """Return every key, revoked or not, by name; with `name` the one called so, if there is one."""
        if name is None:
            rows = await self._pool.fetch(f'select {_KEY} from key order by name collate "C"')  # noqa: S608
        else:
            rows = await self._pool.fetch(_ONE, name)
        return [KeyRow(**dict(zip(KeyRow.__struct_fields__, row, strict=True))) for row in rows]

    async def secrets(self, key: str | None = None) -> list[SecretRow]:
        """Return every secret of every key, or of the one that is called so."""
        if key is None:
            order = 'key collate "C", created_at, digest collate "C"'
            rows = await self._pool.fetch(f"select {_SECRET} from secret order by {order}")  # noqa: S608
        else:
            rows = await self._pool.fetch(_OF_ONE, key)
        return [SecretRow(*row) for row in rows]

    async def groups(self) -> list[GroupRow]:
        """Return every team and user, by kind and name."""
        query = f'select {_GROUP} from party order by kind, name collate "C"'  # noqa: S608
        rows = await self._pool.fetch(query)
        return [GroupRow(**dict(zip(GroupRow.__struct_fields__, row, strict=True))) for row in rows]

    async def add(self, row: KeyRow, secret: SecretRow, audit: AuditRow) -> bool:
        """Insert a key; return False, and do nothing, where the name was ever used."""

        async def act(connection: Connection) -> bool:
            await alone(connection)
            if await connection.execute(_ADD, *msgspec.structs.astuple(row)) == 0:
                return False
            await connection.execute(_ADD_SECRET, *msgspec.structs.astuple(secret))
            await note(connection, audit)
            return True

        return await self._pool.write(act)

    async def change(self, row: KeyRow, audit: AuditRow, *, was: KeyRow | None = None) -> bool:
        """Replace what is known of a key (by name); return False where there is none, or not `was`."""
        values = (row.role, row.user, row.team, row.expires_at, row.terms, row.revoked_at, row.name)
        if was is None:
            return await self._noted(_CHANGE, values, audit)
        known = (was.role, was.user, was.team, was.expires_at, was.terms)
        return await self._noted(_WAS, (*values, *known), audit)

    async def rotate(self, secret: SecretRow, audit: AuditRow, *, old_until: float) -> bool:
        """Give a key a new secret; the old ones end at `old_until`, or sooner if they did already."""

        async def act(connection: Connection) -> bool:
            await alone(connection)
            if await connection.first(_LIVE, secret.key) is None:
                return False
            await connection.execute(_END, old_until, secret.key)
            await connection.execute(_ADD_SECRET, *msgspec.structs.astuple(secret))
            await note(connection, audit)
            return True

        return await self._pool.write(act)

    async def revoke(self, name: str, at: float, audit: AuditRow) -> bool:
        """Take a key back; return False where there is none, or it was taken back before."""
        return await self._noted(_REVOKE, (at, name), audit)

    async def put_group(self, row: GroupRow, audit: AuditRow) -> None:
        """Insert a team or user, or replace its terms."""
        await self._noted(_PUT, msgspec.structs.astuple(row), audit)

    async def remove_group(
        self, kind: GroupKind, name: str, audit: AuditRow
    ) -> Literal["done", "none", "used"]:
        """Remove a team or user; not while a key that is not revoked belongs to it."""

        async def act(connection: Connection) -> Literal["done", "none", "used"]:
            await alone(connection)
            if await connection.value(_USED[kind], name):
                return "used"
            if await connection.execute("delete from party where kind = $1 and name = $2", kind, name) == 0:
                return "none"
            await note(connection, audit)
            return "done"

        return await self._pool.write(act)

    async def _noted(self, sql: str, values: tuple[object, ...], audit: AuditRow) -> bool:
        """Run one statement and, if it changed a row, note it; say whether it did."""

        async def act(connection: Connection) -> bool:
            await alone(connection)
            if await connection.execute(sql, *values) == 0:
                return False
            await note(connection, audit)
            return True

        return await self._pool.write(act)
