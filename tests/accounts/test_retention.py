"""Retention: what is old is archived and deleted, bit by bit; dying anywhere loses and doubles nothing."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.accounts import archive
from dragoman.accounts.archive import Folder
from dragoman.accounts.retention import AGAIN_S, DAY, Retention, RetentionSpec
from dragoman.core.failure import Failure, Kind
from dragoman.store import AttemptRow, ExchangeRow, Meters, Part
from dragoman.store.audit import AuditRow
from dragoman.store.prices import Priced
from dragoman.store.sqlite import SqliteStore

NOW = 20_000 * DAY + 5 * 3600.0
SPEC = RetentionSpec(ledger_days=90, rows=2)
METERS = Meters(input=3, output=4, cost_micros=50)


def play(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run `scene` on a store in `folder`."""

    async def run() -> None:
        db = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(db)
        finally:
            await db.close()

    asyncio.run(run())


class Keeper:
    """A retention with a clock of its own, that notes how often it rested and what it complained of."""

    def __init__(self, db: SqliteStore, folder: Path, spec: RetentionSpec = SPEC, holder: str = "me") -> None:
        self.now = NOW
        self.rests: list[float] = []
        self.complaints: list[str] = []

        async def pause(seconds: float) -> None:
            self.rests.append(seconds)

        self.retention = Retention(
            db,
            spec,
            folder,
            holder=holder,
            now=lambda: self.now,
            complain=lambda message, error: self.complaints.append(f"{message}: {error}"),
            pause=pause,
        )


def exchange(name: str, at: float, **more: Any) -> ExchangeRow:
    """Return an exchange that has ended, unless said otherwise."""
    fields: dict[str, Any] = {
        "request_id": name,
        "owner": "me",
        "key": "anna",
        "dialect": "openai_chat",
        "task": "generate",
        "model": "m",
        "stream": True,
        "provider": "p",
        "answered_model": "m",
        "state": "settled",
        "meters": METERS,
    }
    return ExchangeRow(id=name, opened_at=at, **(fields | more))


def attempt(name: str) -> AttemptRow:
    """Return an exchange's only attempt."""
    return AttemptRow(
        exchange_id=name, number=1, provider="p", model="m", opened_at=1.0, state="settled", meters=METERS
    )


async def filled(
    db: SqliteStore, days: Sequence[int] = (200, 199, 150, 91, 90, 89, 40, 3, 2, 1)
) -> list[str]:
    """Write requests of so many days ago, five a day; return those that are old."""
    names = []
    for ago in days:
        for place in range(5):
            name = f"{ago:03}-{place}"
            at = NOW - ago * DAY + place * 60
            await db.settle(exchange(name, at), [attempt(name)])
            if at < NOW // DAY * DAY - 90 * DAY:
                names.append(name)
    return names


def archived(folder: Path) -> list[str]:
    """Return the ids of all that is archived, as the files say, having checked these."""
    archives = Folder(folder / "archive")
    parts = archives.parts()
    assert [words for part in parts for words in archives.check(part)] == []
    return [line.id for part in parts for line in archives.read(part)]


def files(folder: Path) -> dict[str, bytes]:
    """Return every file of the archive."""
    place = folder / "archive"
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_what_is_old_is_archived_and_then_deleted(tmp_path: Path) -> None:
    """Days older than the settings say are in files and no more in the ledger; sums are what they were."""

    async def scene(db: SqliteStore) -> None:
        old = await filled(db)
        assert len(old) == 20
        before = await db.reports.cells(Part()), await db.reports.cells(Part(), every="day")
        keeper = Keeper(db, tmp_path)
        done = await keeper.retention.run()
        assert (done.archived, done.deleted, len(done.days), done.waiting) == (20, 20, 4, [])
        left = {row.id for row in await db.exchanges(limit=1000)}
        assert left.isdisjoint(old)
        assert len(left) == 30
        assert archived(tmp_path) == old
        assert (await db.reports.cells(Part()), await db.reports.cells(Part(), every="day")) == before
        stamps = files(tmp_path)
        again = await keeper.retention.run()
        assert (again.archived, again.deleted) == (0, 0)
        assert files(tmp_path) == stamps

    play(tmp_path, scene)


def test_work_is_done_in_small_steps(tmp_path: Path) -> None:
    """No transaction deletes more than the settings say, and after each others have their turn."""

    async def scene(db: SqliteStore) -> None:
        await filled(db)
        taken: list[int] = []
        delete = db.archive.delete

        async def noted(ids: list[str]) -> int:
            taken.append(len(ids))
            return await delete(ids)

        db.archive.delete = noted  # type: ignore[method-assign, assignment]
        keeper = Keeper(db, tmp_path)
        await keeper.retention.run()
        assert (max(taken), sum(taken)) == (2, 20)
        assert keeper.rests == [SPEC.pause_s] * len(taken)

    play(tmp_path, scene)


def test_nothing_is_archived_where_that_is_switched_off(tmp_path: Path) -> None:
    """Rows are deleted all the same, and no file is made."""

    async def scene(db: SqliteStore) -> None:
        await filled(db)
        done = await Keeper(db, tmp_path, RetentionSpec(archive=False, rows=3)).retention.run()
        assert (done.archived, done.deleted) == (0, 20)
        assert not (tmp_path / "archive").exists()
        assert len(await db.exchanges(limit=1000)) == 30

    play(tmp_path, scene)


def test_zero_is_for_ever(tmp_path: Path) -> None:
    """With nothing to be forgotten nothing is."""

    async def scene(db: SqliteStore) -> None:
        await filled(db)
        await db.audit.write(AuditRow(1.0, "anna", "key.create", "k"))
        spec = RetentionSpec(ledger_days=0, audit_days=0, window_days=0)
        done = await Keeper(db, tmp_path, spec).retention.run()
        assert (done.deleted, done.pruned, len(await db.exchanges(limit=1000))) == (0, {}, 50)
        assert len(await db.audit.rows()) == 1

    play(tmp_path, scene)


def test_a_months_rows_stay_whatever_is_set(tmp_path: Path) -> None:
    """Fewer than 35 days are taken for 35: a month's budget counts by its rows."""

    async def scene(db: SqliteStore) -> None:
        await filled(db)
        await Keeper(db, tmp_path, RetentionSpec(ledger_days=1)).retention.run()
        assert {row.id[:3] for row in await db.exchanges(limit=1000)} == {"003", "002", "001"}

    play(tmp_path, scene)


def test_a_dry_run_does_nothing(tmp_path: Path) -> None:
    """It says how much would be done, and neither the ledger nor the folder changes."""

    async def scene(db: SqliteStore) -> None:
        await filled(db)
        done = await Keeper(db, tmp_path).retention.run(dry=True)
        assert (done.deleted, len(done.days)) == (20, 4)
        assert len(await db.exchanges(limit=1000)) == 50
        assert not (tmp_path / "archive").exists()

    play(tmp_path, scene)


def test_a_day_can_be_named(tmp_path: Path) -> None:
    """Everything before it goes, and nothing of it."""

    async def scene(db: SqliteStore) -> None:
        await filled(db)
        until = NOW // DAY * DAY - 150 * DAY
        done = await Keeper(db, tmp_path).retention.run(until=until + 3600)
        assert done.days == [archive.day_of(NOW - days * DAY) for days in (200, 199)]

    play(tmp_path, scene)


def test_a_day_with_an_open_request_waits(tmp_path: Path) -> None:
    """It is archived once that has ended; other days are not kept waiting."""

    async def scene(db: SqliteStore) -> None:
        await filled(db)
        at = NOW - 150 * DAY
        await db.open_exchange(exchange("open", at, state="reserved"), attempt("open"))
        keeper = Keeper(db, tmp_path)
        done = await keeper.retention.run()
        assert done.waiting == [archive.day_of(at)]
        assert done.deleted == 15
        await db.settle(exchange("open", at), [attempt("open")])
        assert (await keeper.retention.run()).deleted == 6
        assert max(archived(tmp_path)) == "open"

    play(tmp_path, scene)


def test_what_turns_up_later_is_archived_beside_the_rest(tmp_path: Path) -> None:
    """A row that is booked long after its time goes into a second part; the first stays as it was."""

    async def scene(db: SqliteStore) -> None:
        await filled(db)
        keeper = Keeper(db, tmp_path)
        await keeper.retention.run()
        before = files(tmp_path)
        await db.settle(exchange("late", NOW - 200 * DAY + 1), [])
        done = await keeper.retention.run()
        assert (done.archived, done.deleted) == (1, 1)
        after = files(tmp_path)
        assert all(after[name] == data for name, data in before.items() if name != "manifest.jsonl")
        assert archived(tmp_path)[-1] == "late"

    play(tmp_path, scene)


def test_damage_keeps_rows_in_the_ledger(tmp_path: Path) -> None:
    """Where an archive is not what its manifest says, what it should have is not deleted."""

    async def scene(db: SqliteStore) -> None:
        old = await filled(db)
        keeper, died = Keeper(db, tmp_path), Dying(db, after_deletions=1)
        with pytest.raises(Killed):
            await keeper.retention.run()
        died.live()
        (first, *_) = sorted((tmp_path / "archive").rglob("exchange*.gz"))
        first.write_bytes(first.read_bytes()[:-20])
        await keeper.retention.turn()
        assert "damaged" in keeper.complaints[0]
        assert len(await db.exchanges(limit=1000)) == 50 - 2
        assert old[2] in {row.id for row in await db.exchanges(limit=1000)}

    play(tmp_path, scene)


def test_a_row_that_changed_is_archived_again(tmp_path: Path) -> None:
    """Priced anew after it was archived and before it was deleted, a row is in the next part as it is now."""

    async def scene(db: SqliteStore) -> None:
        await filled(db)
        keeper, died = Keeper(db, tmp_path), Dying(db, after_deletions=0)
        with pytest.raises(Killed):
            await keeper.retention.run()
        died.live()
        await db.prices.reprice([Priced("200-3", 1, 77, "operator 1")])
        await keeper.retention.run()
        folder = Folder(tmp_path / "archive")
        parts = folder.parts(archive.day_of(NOW - 200 * DAY))
        assert [[line.id for line in folder.read(part)] for part in parts][1] == ["200-3"]
        assert parts[1].cost_micros == 77

    play(tmp_path, scene)


class Killed(BaseException):
    """The process died here."""


class Dying:
    """Ends the process at a point: before some step, counted from 0, or after so many deletions."""

    def __init__(self, db: SqliteStore, *, at: int = -1, after_deletions: int = -1) -> None:
        self.steps = 0
        self._at = at
        self._db = db
        self._names = ("lease", "open", "ended", "some", "delete")
        self._whole = {name: getattr(db.archive, name) for name in self._names}
        self._left = after_deletions
        for name in self._names:
            setattr(db.archive, name, self._stepping(name))

    def _stepping(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def step(*arguments: Any, **more: Any) -> Any:
            self.step()
            if name == "delete":
                if self._left == 0:
                    raise Killed
                self._left -= 1
            return await self._whole[name](*arguments, **more)

        return step

    def step(self) -> None:
        """Die here, if this is the point."""
        here, self.steps = self.steps, self.steps + 1
        if here == self._at:
            raise Killed

    def live(self) -> None:
        """Be another process, that does not die."""
        for name, whole in self._whole.items():
            setattr(self._db.archive, name, whole)


def test_dying_anywhere_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before any step, of the store or of a file, the next run ends where an untroubled one does."""
    rename = Path.rename
    sync = archive._sync
    seen: list[int] = []

    async def runs(place: Path, at: int) -> tuple[dict[str, bytes], set[str]]:
        db = SqliteStore.open(place / "dragoman.db")
        try:
            await filled(db, days=(200, 199, 3))
            died = Dying(db, at=at)

            def renaming(path: Path, target: Path) -> Path:
                died.step()
                return rename(path, target)

            def syncing(folder: Path) -> None:
                died.step()
                sync(folder)

            keeper = Keeper(db, place, holder="first")
            with monkeypatch.context() as patched:
                patched.setattr(Path, "rename", renaming)
                patched.setattr(archive, "_sync", syncing)
                try:
                    await keeper.retention.run()
                except Killed:
                    assert at >= 0
            seen.append(died.steps)
            died.live()
            heir = Keeper(db, place, holder="heir")
            heir.now += 61
            await heir.retention.run()
            return files(place), {row.id for row in await db.exchanges(limit=1000)}
        finally:
            await db.close()

    smooth = asyncio.run(runs(tmp_path / "smooth", -1))
    assert seen[0] > 40
    for at in range(seen[0]):
        assert asyncio.run(runs(tmp_path / str(at), at)) == smooth, f"killed before step {at}"


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from dragoman.accounts import archive
from dragoman.accounts.retention import Retention, RetentionSpec
from dragoman.store.sqlite import SqliteStore
from dragoman.store.sqlite.archive import SqliteArchive

folder, now, left = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])

def step(whole):
    def stepping(*arguments, **more):
        global left
        left -= 1
        if left == 0:
            print("about to die", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*arguments, **more)
    return stepping

Path.rename = step(Path.rename)
SqliteArchive.delete = step(SqliteArchive.delete)

async def main():
    db = SqliteStore.open(folder / "dragoman.db")
    spec = RetentionSpec(ledger_days=90, rows=2, pause_s=0)
    complain = lambda *_: None
    await Retention(db, spec, folder, holder="first", now=lambda: now, complain=complain).run()

asyncio.run(main())
"""


@pytest.mark.parametrize("step", [1, 3, 5, 14])
def test_kill_9_loses_and_doubles_nothing(tmp_path: Path, step: int) -> None:
    """A real process, really killed: between two files, before the manifest, amid the deletions."""
    old: list[str] = []

    async def fill(db: SqliteStore) -> None:
        old.extend(await filled(db))

    play(tmp_path, fill)
    died = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(NOW), str(step)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (died.returncode, died.stdout) == (-signal.SIGKILL, "about to die\n"), died.stderr

    async def scene(db: SqliteStore) -> None:
        keeper = Keeper(db, tmp_path, holder="heir")
        with pytest.raises(Failure) as caught:
            await keeper.retention.run()
        assert caught.value.kind is Kind.CONFLICT
        keeper.now += 61
        await keeper.retention.run()
        assert archived(tmp_path) == old
        assert {row.id for row in await db.exchanges(limit=1000)}.isdisjoint(old)

    play(tmp_path, scene)


def test_two_at_once_do_it_once(tmp_path: Path) -> None:
    """Of several processes one deletes; the others go on with their work."""

    async def scene(db: SqliteStore) -> None:
        old = await filled(db)
        keepers = [Keeper(db, tmp_path, holder=f"worker {number}") for number in range(4)]
        done = await asyncio.gather(*(keeper.retention.turn() for keeper in keepers))
        assert [one.deleted for one in done if one is not None] == [20]
        assert archived(tmp_path) == old
        assert [keeper.complaints for keeper in keepers] == [[]] * 4

    play(tmp_path, scene)


def test_who_has_lost_the_lease_stops(tmp_path: Path) -> None:
    """A process that slept too long finds another one in its place and deletes nothing more."""

    async def scene(db: SqliteStore) -> None:
        await filled(db)
        keeper = Keeper(db, tmp_path)
        delete = db.archive.delete

        async def sleeping(ids: list[str]) -> int:
            gone = await delete(ids)
            assert await db.archive.lease("another", now=NOW + 61, until=NOW + 121)
            return gone

        db.archive.delete = sleeping  # type: ignore[method-assign, assignment]
        with pytest.raises(Failure) as caught:
            await keeper.retention.run()
        assert caught.value.kind is Kind.CONFLICT
        assert len(await db.exchanges(limit=1000)) == 48

    play(tmp_path, scene)


def test_it_is_done_once_a_day_after_its_hour(tmp_path: Path) -> None:
    """Not before the hour, then once, and after an absence at once."""

    async def scene(db: SqliteStore) -> None:
        await filled(db)
        keeper = Keeper(db, tmp_path, msgspec.structs.replace(SPEC, hour=5))
        turn = keeper.retention.turn
        assert await turn() is not None
        keeper.now += 3600
        assert await turn() is None
        keeper.now = NOW + DAY - 1
        assert await turn() is None
        keeper.now = NOW + DAY
        assert await turn() is not None
        keeper.now = NOW + 9 * DAY + 7200
        assert await turn() is not None

    play(tmp_path, scene)


def test_trouble_is_told_and_tried_again_later(tmp_path: Path) -> None:
    """A folder that cannot be written costs no row and no more than a complaint an hour."""

    async def scene(db: SqliteStore) -> None:
        await filled(db)
        (tmp_path / "archive").write_text("a file is in the folder's place")
        keeper = Keeper(db, tmp_path)
        for _ in range(3):
            assert await keeper.retention.turn() is None
        assert len(keeper.complaints) == 1
        assert len(await db.exchanges(limit=1000)) == 50
        (tmp_path / "archive").unlink()
        keeper.now += AGAIN_S
        done = await keeper.retention.turn()
        assert done is not None
        assert done.deleted == 20

    play(tmp_path, scene)


def test_it_is_kept_up_until_cancelled(tmp_path: Path) -> None:
    """The task looks again and again, and ends when it is told to."""

    async def scene(db: SqliteStore) -> None:
        turns: Iterator[int] = count()
        keeper = Keeper(db, tmp_path)

        async def turn() -> None:
            if next(turns) == 3:
                raise asyncio.CancelledError

        keeper.retention.turn = turn  # type: ignore[method-assign]
        with pytest.raises(asyncio.CancelledError):
            await keeper.retention.keeping()
        assert len(keeper.rests) == 4

    play(tmp_path, scene)


def test_other_old_things_go_too(tmp_path: Path) -> None:
    """Entries of the audit log are pruned in steps, and that is said."""

    async def scene(db: SqliteStore) -> None:
        for day in range(10):
            await db.audit.write(AuditRow(NOW - (730 + day) * DAY - 1, "anna", "key.create", "k"))
        await db.audit.write(AuditRow(NOW - 729 * DAY, "anna", "key.create", "k"))
        keeper = Keeper(db, tmp_path)
        assert (await keeper.retention.run()).pruned == {"audit": 10}
        assert len(keeper.rests) == 5
        assert len(await db.audit.rows()) == 1

    play(tmp_path, scene)
