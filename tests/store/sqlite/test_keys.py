"""Keys in SQLite: each change with its entry or not at all, a version that moves, a revocation that stays."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from dragoman.core.failure import Failure, Kind
from dragoman.store.audit import AuditRow
from dragoman.store.keys import GroupRow, KeyRow, SecretRow
from dragoman.store.sqlite import SqliteStore
from dragoman.store.sqlite.commit import Write

ALICE = KeyRow(name="alice", created_at=1.0, team="t", user="u", expires_at=9.0, terms=b'{"models":["m"]}')
SECRET = SecretRow("d1", "alice", 1.0, None, "wxyz")


def entry(action: str) -> AuditRow:
    """Return an entry of the audit log."""
    return AuditRow(1.0, "command line", action, "alice")


def play(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run `scene` on a store in `folder`."""

    async def run() -> None:
        store = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(store)
        finally:
            await store.close()

    asyncio.run(run())


async def actions(store: SqliteStore) -> list[str]:
    """Return what the audit log says was done, the oldest first."""
    return [row.action for _, row in reversed(await store.audit.rows())]


def test_a_key_is_kept_as_it_is(tmp_path: Path) -> None:
    """What is added is what is read, with its secret, and the log says so."""

    async def scene(store: SqliteStore) -> None:
        assert await store.keys.add(ALICE, SECRET, entry("key.create"))
        assert (await store.keys.keys(), await store.keys.secrets()) == ([ALICE], [SECRET])
        assert await actions(store) == ["key.create"]

    play(tmp_path, scene)


def test_one_key_is_read_without_the_others(tmp_path: Path) -> None:
    """By its name, with its secrets, the oldest first; nothing where there is none."""

    async def scene(store: SqliteStore) -> None:
        bob = msgspec.structs.replace(ALICE, name="bob")
        assert await store.keys.add(ALICE, SECRET, entry("key.create"))
        assert await store.keys.add(bob, SecretRow("d2", "bob", 1.0), entry("key.create"))
        assert await store.keys.rotate(SecretRow("d3", "alice", 2.0), entry("key.rotate"), old_until=9.0)
        assert await store.keys.keys("alice") == [ALICE]
        assert [one.digest for one in await store.keys.secrets("alice")] == ["d1", "d3"]
        assert await store.keys.secrets("bob") == [SecretRow("d2", "bob", 1.0)]
        assert (await store.keys.keys("eve"), await store.keys.secrets("eve")) == ([], [])

    play(tmp_path, scene)


def test_a_name_is_used_once(tmp_path: Path) -> None:
    """A second key of the name is not made, has no secret and no entry, revoked or not."""

    async def scene(store: SqliteStore) -> None:
        await store.keys.add(ALICE, SECRET, entry("key.create"))
        again = SecretRow("d2", "alice", 2.0)
        assert not await store.keys.add(ALICE, again, entry("key.create"))
        await store.keys.revoke("alice", 3.0, entry("key.revoke"))
        assert not await store.keys.add(ALICE, again, entry("key.create"))
        assert await store.keys.secrets() == [SECRET]
        assert await actions(store) == ["key.create", "key.revoke"]

    play(tmp_path, scene)


def test_a_revocation_is_never_undone(tmp_path: Path) -> None:
    """A change by who read the key before its revocation changes all but that; a second one is none."""

    async def scene(store: SqliteStore) -> None:
        await store.keys.add(ALICE, SECRET, entry("key.create"))
        assert await store.keys.revoke("alice", 5.0, entry("key.revoke"))
        stale = msgspec.structs.replace(ALICE, role="admin", expires_at=None)
        assert await store.keys.change(stale, entry("key.change"))
        assert await store.keys.keys() == [msgspec.structs.replace(stale, revoked_at=5.0)]
        assert not await store.keys.revoke("alice", 6.0, entry("key.revoke"))
        assert not await store.keys.rotate(SecretRow("d2", "alice", 6.0), entry("key.rotate"), old_until=7.0)
        assert await store.keys.secrets() == [SECRET]
        assert await actions(store) == ["key.create", "key.revoke", "key.change"]

    play(tmp_path, scene)


def test_what_is_not_there_is_not_changed(tmp_path: Path) -> None:
    """No key, no change, no entry."""

    async def scene(store: SqliteStore) -> None:
        assert not await store.keys.change(ALICE, entry("key.change"))
        assert not await store.keys.revoke("alice", 1.0, entry("key.revoke"))
        assert not await store.keys.rotate(SECRET, entry("key.rotate"), old_until=1.0)
        assert await store.keys.remove_group("team", "t", entry("team.remove")) == "none"
        assert await actions(store) == []

    play(tmp_path, scene)


def test_rotation_ends_the_old_secrets(tmp_path: Path) -> None:
    """They hold until the overlap is over, and one that ends sooner still ends sooner."""

    async def scene(store: SqliteStore) -> None:
        await store.keys.add(ALICE, SECRET, entry("key.create"))
        for number, until in ((2, 20.0), (3, 15.0), (4, 30.0)):
            fresh = SecretRow(f"d{number}", "alice", float(number), None, "hint")
            assert await store.keys.rotate(fresh, entry("key.rotate"), old_until=until)
        ends = {row.digest: row.expires_at for row in await store.keys.secrets()}
        assert ends == {"d1": 15.0, "d2": 15.0, "d3": 30.0, "d4": None}

    play(tmp_path, scene)


def test_every_change_moves_the_version(tmp_path: Path) -> None:
    """It is another number after each of them, and the same after what changed nothing."""

    async def scene(store: SqliteStore) -> None:
        team = GroupRow(kind="team", name="t", created_at=1.0)
        seen = [await store.keys.version()]
        changes: list[Callable[[], Awaitable[object]]] = [
            lambda: store.keys.add(ALICE, SECRET, entry("key.create")),
            lambda: store.keys.change(ALICE, entry("key.change")),
            lambda: store.keys.rotate(SecretRow("d2", "alice", 2.0), entry("key.rotate"), old_until=3.0),
            lambda: store.keys.revoke("alice", 4.0, entry("key.revoke")),
            lambda: store.keys.put_group(team, entry("team.put")),
            lambda: store.keys.put_group(team, entry("team.put")),
            lambda: store.keys.remove_group("team", "t", entry("team.remove")),
        ]
        for change in changes:
            await change()
            seen.append(await store.keys.version())
        assert len(set(seen)) == len(changes) + 1
        await store.keys.revoke("alice", 5.0, entry("key.revoke"))
        assert await store.keys.version() == seen[-1]

    play(tmp_path, scene)


def test_a_group_in_use_stays(tmp_path: Path) -> None:
    """A team with a live key is not removed; with revoked ones only it is. Its terms are replaced whole."""

    async def scene(store: SqliteStore) -> None:
        team, user = (GroupRow(kind=kind, name=kind[0], created_at=1.0) for kind in ("team", "user"))
        await store.keys.put_group(team, entry("team.put"))
        await store.keys.put_group(user, entry("user.put"))
        other = msgspec.structs.replace(team, created_at=2.0, terms=b'{"description":"d"}')
        await store.keys.put_group(other, entry("team.put"))
        kept = msgspec.structs.replace(other, created_at=1.0)
        assert await store.keys.groups() == [kept, user]
        await store.keys.add(ALICE, SECRET, entry("key.create"))
        assert await store.keys.remove_group("team", "t", entry("team.remove")) == "used"
        assert await store.keys.remove_group("user", "u", entry("user.remove")) == "used"
        await store.keys.revoke("alice", 2.0, entry("key.revoke"))
        assert await store.keys.remove_group("team", "t", entry("team.remove")) == "done"
        assert await store.keys.groups() == [user]
        assert "team.remove" in await actions(store)

    play(tmp_path, scene)


def test_no_change_without_its_entry(tmp_path: Path) -> None:
    """Where the entry cannot be written, nothing is: the key is as it was."""

    async def scene(store: SqliteStore) -> None:
        await store.keys.add(ALICE, SECRET, entry("key.create"))

        def refuse(connection: sqlite3.Connection) -> None:
            connection.execute(
                "create trigger full before insert on audit begin select raise(abort, 'full'); end"
            )

        await store._writer.write(Write(act=refuse))
        before = (await store.keys.keys(), await store.keys.secrets(), await store.keys.version())
        fresh, bob = SecretRow("d2", "alice", 2.0), msgspec.structs.replace(ALICE, name="bob")
        for change in (
            store.keys.add(bob, SecretRow("d3", "bob", 2.0), entry("key.create")),
            store.keys.change(msgspec.structs.replace(ALICE, role="admin"), entry("key.change")),
            store.keys.rotate(fresh, entry("key.rotate"), old_until=2.0),
            store.keys.revoke("alice", 2.0, entry("key.revoke")),
            store.keys.put_group(GroupRow(kind="team", name="t", created_at=1.0), entry("team.put")),
        ):
            with pytest.raises(Failure) as caught:
                await change
            assert caught.value.kind in (Kind.INTERNAL, Kind.UNAVAILABLE)
        assert (await store.keys.keys(), await store.keys.secrets(), await store.keys.version()) == before

    play(tmp_path, scene)
