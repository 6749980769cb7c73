"""Sessions: opened by who may look, worth nothing to who reads the store, over with their key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes

import pytest

from dragoman.accounts.directory import Directory
from dragoman.accounts.issuing import Draft
from dragoman.accounts.keys import digest, ensure_admin
from dragoman.accounts.sessions import IDLE_S, LASTS_S, TOUCH_S, Sessions, matches, token
from dragoman.core.failure import Failure, Kind
from dragoman.store.sessions import SessionRow
from dragoman.store.sqlite import SqliteStore

PEPPER = b"pepper" * 8


class Scene:
    """Sessions over a store, and a clock that stands until it is moved."""

    def __init__(self, store: SqliteStore, admin: str) -> None:
        self.store = store
        self.admin = admin
        self.now = 1e9
        self.directory = Directory(
            store,
            PEPPER,
            admin=digest(PEPPER, admin),
            now=lambda: self.now,
            tick=lambda: self.now,
            pause=asyncio.sleep,
            complain=lambda *_: None,
        )
        self.sessions = Sessions(
            store.sessions, store.audit, self.directory, random=token_bytes, now=lambda: self.now
        )

    async def key(self, name: str, **terms: object) -> str:
        """Make a key."""
        draft = Draft(name=name, **terms)  # type: ignore[arg-type]
        return (await self.directory.issuing(token_bytes).create("a test", draft))[1]


def play(folder: Path, act: Callable[[Scene], Awaitable[None]]) -> None:
    """Run `act` on sessions over a store in `folder`."""

    async def run() -> None:
        store = SqliteStore.open(folder / "dragoman.db")
        try:
            admin = await ensure_admin(store, PEPPER, token_bytes)
            assert admin is not None
            scene = Scene(store, admin)
            await scene.directory.refresh()
            await act(scene)
        finally:
            await store.close()

    asyncio.run(run())


def test_who_may_look_is_signed_in(tmp_path: Path) -> None:
    """The admin key and a reader's open sessions, found by their secret; sign-ins are written down."""

    async def act(scene: Scene) -> None:
        reader = await scene.key("reader", role="reader")
        for key, name in ((scene.admin, "admin"), (reader, "reader")):
            secret, session = await scene.sessions.open(key)
            assert session.account.name == name
            assert await scene.sessions.find(secret) == session
            assert matches(session, token(secret))
            assert not matches(session, token(secret + "x"))
            row = await scene.store.sessions.find(sha256(secret.encode()).hexdigest())
            assert row is not None
            assert secret not in repr(row)
            assert key not in repr(row)
        entries = await scene.store.audit.rows()
        assert [row.action for _, row in entries[:2]] == ["session.open", "session.open"]

    play(tmp_path, act)


def test_nobody_else_is(tmp_path: Path) -> None:
    """A member's key, an unknown one and none open nothing."""

    async def act(scene: Scene) -> None:
        member = await scene.key("member")
        for key, kind in ((member, Kind.FORBIDDEN), ("x", Kind.UNAUTHENTICATED), ("", Kind.UNAUTHENTICATED)):
            with pytest.raises(Failure) as caught:
                await scene.sessions.open(key)
            assert caught.value.kind is kind
        for secret in ("", "x", "0" * 64, "é" * 64, "0" * 1000):
            assert await scene.sessions.find(secret) is None

    play(tmp_path, act)


def test_a_session_ends_in_every_way(tmp_path: Path) -> None:
    """Unused, old, closed, its key revoked, its key expired: it is over, and its row is gone."""

    async def act(scene: Scene) -> None:
        async def over(secret: str) -> bool:
            gone = await scene.sessions.find(secret) is None
            return gone and await scene.sessions.find(secret) is None

        secret, session = await scene.sessions.open(scene.admin)
        scene.now += IDLE_S - 1
        assert await scene.sessions.find(secret) is not None
        scene.now += IDLE_S - 1
        assert await scene.sessions.find(secret) is not None
        scene.now += IDLE_S
        assert await over(secret)

        secret, session = await scene.sessions.open(scene.admin)
        for _ in range(int(LASTS_S / IDLE_S) * 2 - 1):
            scene.now += IDLE_S / 2
            assert await scene.sessions.find(secret) is not None
        scene.now = session.expires_at
        assert await over(secret)

        secret, session = await scene.sessions.open(scene.admin)
        await scene.sessions.close(secret, session.account)
        assert await over(secret)

        for name in ("revoked", "expired"):
            ends = scene.now + 100 if name == "expired" else None
            secret, _ = await scene.sessions.open(await scene.key(name, role="reader", expires_at=ends))
            if name == "revoked":
                await scene.directory.issuing(token_bytes).revoke("a test", name)
            scene.now += 101
            assert await over(secret)

    play(tmp_path, act)


def test_use_is_noted_once_a_minute(tmp_path: Path) -> None:
    """Not every page writes, and old sessions are swept away when somebody signs in."""

    async def act(scene: Scene) -> None:
        secret, _ = await scene.sessions.open(scene.admin)
        commits = scene.store.commits
        for _ in range(20):
            scene.now += TOUCH_S / 30
            assert await scene.sessions.find(secret) is not None
        assert scene.store.commits == commits
        scene.now += TOUCH_S
        assert await scene.sessions.find(secret) is not None
        assert scene.store.commits == commits + 1
        scene.now += LASTS_S
        await scene.sessions.open(scene.admin)
        assert await scene.store.sessions.sweep(scene.now, idle_s=IDLE_S) == 0

    play(tmp_path, act)


def test_a_session_is_of_one_key(tmp_path: Path) -> None:
    """A row whose key is another's by now, or may no longer look, opens nothing."""

    async def act(scene: Scene) -> None:
        secret, _ = await scene.sessions.open(await scene.key("reader", role="reader"))
        known = sha256(secret.encode()).hexdigest()
        row = await scene.store.sessions.find(known)
        assert row is not None
        forged = "ab" * 32
        known = sha256(forged.encode()).hexdigest()
        await scene.store.sessions.open(
            SessionRow(known, "somebody else", row.secret, scene.now, scene.now, scene.now + 99)
        )
        assert await scene.sessions.find(forged) is None

    play(tmp_path, act)
