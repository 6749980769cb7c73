"""Sessions in SQLite: found by their digest, touched forwards, closed once, swept when their time is over."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dragoman.store.sessions import SessionRow
from dragoman.store.sqlite import SqliteStore


def row(digest: str, **more: float) -> SessionRow:
    """Return a session."""
    times = {"created_at": 1000.5, "seen_at": 1000.5, "expires_at": 2000.5, **more}
    return SessionRow(digest, "admin", "of a key", **times)


def test_a_session_s_life(tmp_path: Path) -> None:
    """It is found until it is closed; using it moves its time forwards only; what is over is swept."""

    async def play() -> None:
        store = SqliteStore.open(tmp_path / "dragoman.db")
        try:
            sessions = store.sessions
            assert await sessions.find("a") is None
            for digest in ("a", "b", "c"):
                await sessions.open(row(digest))
            assert await sessions.find("a") == row("a")
            await sessions.touch("a", 1500.0)
            await sessions.touch("a", 1200.0)
            await sessions.touch("nobody", 1200.0)
            assert await sessions.find("a") == row("a", seen_at=1500.0)
            assert await sessions.close("b")
            assert not await sessions.close("b")
            assert await sessions.sweep(1700.0, idle_s=600.0) == 1
            assert await sessions.find("c") is None
            assert await sessions.find("a") is not None
            assert await sessions.sweep(2000.5, idle_s=6000.0) == 1
            assert await sessions.find("a") is None
        finally:
            await store.close()

    asyncio.run(play())
