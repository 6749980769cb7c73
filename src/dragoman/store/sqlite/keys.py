"""Keys, teams and users in SQLite; every change with its entry in the audit log, in one transaction.

A revocation is never undone: whoever changes a key at the same instant, from what was read before, changes
all but that. The triggers of migration 0007 count every change in ``directory.version``.
"""

from __future__ import annotations

import sqlite3
from asyncio import to_thread
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from dragoman.store.audit import AuditRow
from dragoman.store.keys import GroupKind, GroupRow, KeyRow, SecretRow
from dragoman.store.sqlite.audit import note
from dragoman.store.sqlite.commit import Write
from dragoman.store.sqlite.responses import Read

_KEY = ", ".join(KeyRow.__struct_fields__)
_SECRET = ", ".join(SecretRow.__struct_fields__)
_GROUP = ", ".join(GroupRow.__struct_fields__)
# Names of our own, no values, in all of these.
_ONE = f"select {_KEY} from key where name = ?"  # noqa: S608
_OF_ONE = f"select {_SECRET} from secret where key = ?"  # noqa: S608
_ADD = f"insert into key ({_KEY}) values (?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing"  # noqa: S608
_ADD_SECRET = f"insert into secret ({_SECRET}) values (?, ?, ?, ?, ?)"  # noqa: S608
_CHANGE = """
    update key set role = ?, user = ?, team = ?, expires_at = ?, terms = ?, revoked_at = ifnull(revoked_at, ?)
    where name = ?
"""
_WAS = f"{_CHANGE} and role = ? and user = ? and team = ? and expires_at is ? and terms = ?"
_END = "update secret set expires_at = ? where key = ? and (expires_at is null or expires_at > ?)"
_REVOKE = "update key set revoked_at = ? where name = ? and revoked_at is null"
_PUT = f"""
    insert into party ({_GROUP}) values (?, ?, ?, ?)
    on conflict (kind, name) do update set terms = excluded.terms
"""  # noqa: S608
_REMOVE = "delete from party where kind = ? and name = ?"
_USED: Mapping[GroupKind, str] = MappingProxyType(
    {
        "team": "select count(*) from key where team = ? and revoked_at is null",
        "user": "select count(*) from key where user = ? and revoked_at is null",
    }
)


class SqliteKeys:
    """:class:`~dragoman.store.keys.Keys` in the store's file.

    Args:
        write: Queues a write, as of :class:`~dragoman.store.sqlite.commit.Writer`.
        read: Runs a query on the reading connection.
    """

    def __init__(self, write: Callable[[Write], Awaitable[Any]], read: Read) -> None:
        self._write = write
        self._read = read

    async def version(self) -> int:
        """Return a number that is another one after any change to keys, groups, budgets or prices."""
        return int((await self._read("select version from directory", ()))[0][0])

    async def keys(self, name: str | None = None) -> list[KeyRow]:
        """Return every key, revoked or not, by name; with `name` the one called so, if there is one."""
        if name is not None:
            return _keys(await self._read(_ONE, (name,)))
        rows = await self._read(f"select {_KEY} from key order by name", ())  # noqa: S608  as above
        return await to_thread(_keys, rows)

    async def secrets(self, key: str | None = None) -> list[SecretRow]:
        """Return every secret of every key, or of the one that is called so."""
        if key is not None:
            return _secrets(await self._read(_OF_ONE, (key,)))
        rows = await self._read(f"select {_SECRET} from secret", ())  # noqa: S608  as above
        return await to_thread(_secrets, rows)

    async def groups(self) -> list[GroupRow]:
        """Return every team and user, by kind and name."""
        rows = await self._read(f"select {_GROUP} from party order by kind, name", ())  # noqa: S608  as above
        return [GroupRow(**dict(zip(GroupRow.__struct_fields__, row, strict=True))) for row in rows]

    async def add(self, row: KeyRow, secret: SecretRow, audit: AuditRow) -> bool:
        """Insert a key; return False, and do nothing, where the name was ever used."""

        def act(connection: sqlite3.Connection) -> bool:
            if connection.execute(_ADD, msgspec.structs.astuple(row)).rowcount == 0:
                return False
            connection.execute(_ADD_SECRET, msgspec.structs.astuple(secret))
            note(connection, audit)
            return True

        return bool(await self._write(Write(act=act)))

    async def change(self, row: KeyRow, audit: AuditRow, *, was: KeyRow | None = None) -> bool:
        """Replace what is known of a key (by name); return False where there is none, or not `was`."""
        values = (row.role, row.user, row.team, row.expires_at, row.terms, row.revoked_at, row.name)
        if was is None:
            return await self._noted(_CHANGE, values, audit)
        known = (was.role, was.user, was.team, was.expires_at, was.terms)
        return await self._noted(_WAS, (*values, *known), audit)

    async def rotate(self, secret: SecretRow, audit: AuditRow, *, old_until: float) -> bool:
        """Give a key a new secret; the old ones end at `old_until`, or sooner if they did already."""
        live = "select 1 from key where name = ? and revoked_at is null"

        def act(connection: sqlite3.Connection) -> bool:
            if connection.execute(live, (secret.key,)).fetchone() is None:
                return False
            connection.execute(_END, (old_until, secret.key, old_until))
            connection.execute(_ADD_SECRET, msgspec.structs.astuple(secret))
            note(connection, audit)
            return True

        return bool(await self._write(Write(act=act)))

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

        def act(connection: sqlite3.Connection) -> Literal["done", "none", "used"]:
            if connection.execute(_USED[kind], (name,)).fetchone()[0]:
                return "used"
            if (
                connection.execute("delete from party where kind = ? and name = ?", (kind, name)).rowcount
                == 0
            ):
                return "none"
            note(connection, audit)
            return "done"

        found: Literal["done", "none", "used"] = await self._write(Write(act=act))
        return found

    async def _noted(self, sql: str, values: tuple[object, ...], audit: AuditRow) -> bool:
        """Run one statement and, if it changed a row, note it; say whether it did."""

        def act(connection: sqlite3.Connection) -> bool:
            if connection.execute(sql, values).rowcount == 0:
                return False
            note(connection, audit)
            return True

        return bool(await self._write(Write(act=act)))


def _keys(rows: Sequence[Sequence[Any]]) -> list[KeyRow]:
    """Return rows as keys; in a thread, since they may be a hundred thousand."""
    return [
        KeyRow(
            name=name,
            role=role,
            user=user,
            team=team,
            created_at=created_at,
            expires_at=expires_at,
            revoked_at=revoked_at,
            terms=terms,
        )
        for name, role, user, team, created_at, expires_at, revoked_at, terms in rows
    ]


def _secrets(rows: Sequence[Sequence[Any]]) -> list[SecretRow]:
    return [SecretRow(*row) for row in rows]
