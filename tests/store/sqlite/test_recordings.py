"""Recorded answers as rows: bounded, replaced by younger ones only, each tenant's for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from dragoman.store import RecordingRow
from dragoman.store.sqlite import SqliteStore
from dragoman.store.sqlite.recordings import STEP, SqliteRecordings

MOST = 1 << 30
ALIKE = 100

Scene = Callable[[SqliteRecordings], Awaitable[None]]


def play(folder: Path, *scenes: Scene) -> None:
    """Run each scene on the recordings of a store in `folder`, opened anew."""

    async def run(scene: Scene) -> None:
        store = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(store.recordings)
        finally:
            await store.close()

    for scene in scenes:
        asyncio.run(run(scene))


def row(key: str, **more: Any) -> RecordingRow:
    """Return a recording that is used until 100."""
    fields: dict[str, Any] = {"tenant": "anna", "recorded_at": 1.0, "expires_at": 100.0, "body": b"body"}
    return RecordingRow(key=key.encode(), **(fields | more))


async def put(rows: SqliteRecordings, *kept: RecordingRow, most: int = MOST, alike: int = ALIKE) -> None:
    """Keep rows one after the other."""
    for one in kept:
        await rows.keep(one, most=most, alike=alike)


async def there(rows: SqliteRecordings, *keys: str, now: float = 2) -> str:
    """Return which of some keys are there, joined."""
    return "".join([key for key in keys if await rows.find(key.encode(), now=now)])


def test_a_recording_survives_a_restart(tmp_path: Path) -> None:
    """Every field is found again by another process, until its time."""
    kept = row("a", scope=b"s", vector=b"v")

    async def before(rows: SqliteRecordings) -> None:
        await put(rows, kept)

    async def after(rows: SqliteRecordings) -> None:
        assert await rows.find(b"a", now=99.9) == kept
        assert await rows.find(b"a", now=100) is None
        assert await rows.find(b"b", now=2) is None

    play(tmp_path, before, after)


def test_two_processes_share_the_recordings(tmp_path: Path) -> None:
    """What one keeps the other finds, and a younger recording wins, whoever is first at the file."""

    async def run() -> None:
        one, other = (SqliteStore.open(tmp_path / "dragoman.db") for _ in range(2))
        younger = row("a", body=b"new", recorded_at=3.0)
        await put(one.recordings, younger)
        await put(other.recordings, row("a", body=b"old", recorded_at=2.0))
        assert await other.recordings.find(b"a", now=4) == younger
        same = row("a", body=b"later", recorded_at=3.0)
        await put(other.recordings, same)
        assert await one.recordings.find(b"a", now=4) == same
        await one.close()
        await other.close()

    asyncio.run(run())


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    """All that is queued is kept, and the total counts each byte of it once."""

    async def scene(rows: SqliteRecordings) -> None:
        kept = [row(str(number), body=bytes(number)) for number in range(200)]
        await asyncio.gather(*(put(rows, one) for one in kept))
        assert await rows.total() == sum(256 + number for number in range(200))
        assert len(await there(rows, *(str(n) for n in range(200)))) == sum(len(str(n)) for n in range(200))

    play(tmp_path, scene)


def test_the_total_is_right_through_every_change(tmp_path: Path) -> None:
    """Replaced, stripped of its vector, deleted: the count follows."""

    async def scene(rows: SqliteRecordings) -> None:
        assert await rows.total() == 0
        await put(rows, row("a", scope=b"s", vector=b"12345678"))
        assert await rows.total() == 256 + 4 + 8
        await put(rows, row("a", body=b"longer", recorded_at=2.0))
        assert await rows.total() == 256 + 6
        await rows.delete(b"a", recorded_at=2.0)
        assert await rows.total() == 0

    play(tmp_path, scene)


def test_the_first_to_expire_make_room(tmp_path: Path) -> None:
    """What goes beyond the bound pushes out the oldest, and no more of them than it must."""

    async def scene(rows: SqliteRecordings) -> None:
        kept = [row(key, expires_at=place + 10.0) for place, key in enumerate("abc")]
        await put(rows, *kept, most=3 * 260)
        await put(rows, row("d"), most=3 * 260)
        assert await there(rows, *"abcd") == "bcd"
        await put(rows, row("e", body=bytes(500)), most=3 * 260)
        assert await there(rows, *"bcde") == "e"

    play(tmp_path, scene)


def test_what_is_larger_than_the_bound_is_not_there(tmp_path: Path) -> None:
    """A bound of nothing keeps nothing."""

    async def scene(rows: SqliteRecordings) -> None:
        await put(rows, row("a"), most=0)
        assert await there(rows, "a") == ""
        assert await rows.total() == 0

    play(tmp_path, scene)


def test_a_lowered_bound_is_reached_in_steps(tmp_path: Path) -> None:
    """No commit deletes more than a step, and the sweep goes on until the bound holds."""

    async def scene(rows: SqliteRecordings) -> None:
        await asyncio.gather(*(put(rows, row(str(number))) for number in range(2 * STEP + 20)))
        assert await rows.sweep(2, most=10 * 260) == STEP
        assert await rows.sweep(2, most=10 * 260) == STEP
        assert await rows.sweep(2, most=10 * 260) == 10
        assert await rows.sweep(2, most=10 * 260) == 0
        assert await rows.total() == 10 * 260

    play(tmp_path, scene)


def test_the_sweep_takes_what_is_past_its_time(tmp_path: Path) -> None:
    """At its time and not before."""

    async def scene(rows: SqliteRecordings) -> None:
        await put(rows, row("a"), row("b", expires_at=50.0))
        assert await rows.sweep(49.9, most=MOST) == 0
        assert await rows.sweep(50, most=MOST) == 1
        assert await there(rows, "a", "b") == "a"

    play(tmp_path, scene)


def test_a_tenant_is_forgotten_alone_and_in_steps(tmp_path: Path) -> None:
    """Another tenant's recordings stay."""

    async def scene(rows: SqliteRecordings) -> None:
        await asyncio.gather(*(put(rows, row(str(number))) for number in range(STEP + 1)))
        await put(rows, row("b", tenant="bert"))
        assert [await rows.forget("anna") for _ in range(3)] == [STEP, 1, 0]
        assert await there(rows, "b", "0") == "b"

    play(tmp_path, scene)


def test_only_the_recording_that_was_meant_is_deleted(tmp_path: Path) -> None:
    """A fresh one that has taken a damaged one's place stays."""

    async def scene(rows: SqliteRecordings) -> None:
        await put(rows, row("a", recorded_at=2.0))
        assert not await rows.delete(b"a", recorded_at=1.0)
        assert await there(rows, "a") == "a"
        assert await rows.delete(b"a", recorded_at=2.0)
        assert await there(rows, "a") == ""

    play(tmp_path, scene)


def test_a_scope_has_its_youngest_vectors(tmp_path: Path) -> None:
    """Older ones lose their vector and are found by their key all the same; other scopes are others."""

    async def scene(rows: SqliteRecordings) -> None:
        for place, key in enumerate("abcd"):
            kept = row(key, scope=b"s", vector=key.encode(), recorded_at=float(place))
            await put(rows, kept, alike=3)
        await put(rows, row("x", scope=b"t", vector=b"x"), row("y"))
        assert await rows.alike(b"s", now=2, most=9) == [(b"d", b"d"), (b"c", b"c"), (b"b", b"b")]
        assert await rows.alike(b"s", now=2, most=1) == [(b"d", b"d")]
        assert await rows.alike(b"s", now=100, most=9) == []
        assert await rows.alike(b"u", now=2, most=9) == []
        assert await there(rows, *"abcd") == "abcd"

    play(tmp_path, scene)


def test_what_is_deleted_is_overwritten(tmp_path: Path) -> None:
    """A prompt's answer does not stay behind in a free page of the file."""

    async def before(rows: SqliteRecordings) -> None:
        await put(rows, row("a", body=b"a secret that was told" * 50))

    async def after(rows: SqliteRecordings) -> None:
        assert await rows.forget("anna") == 1

    play(tmp_path, before)
    assert b"a secret that was told" in (tmp_path / "dragoman.db").read_bytes()
    play(tmp_path, after)
    assert b"a secret that was told" not in (tmp_path / "dragoman.db").read_bytes()
