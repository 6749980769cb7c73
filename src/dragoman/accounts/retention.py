"""Retention: how long what was written down is kept, and what becomes of it then.

Once a day, a little at a time, and in one process of all that share the ledger (a lease in it says which):

    each day that is too old, from the oldest on:   archive its exchanges and attempts, then delete these
    entries of the audit log, old windows of budgets and their alerts, words of ratings:   delete

A row is deleted only if an archive that was read back has it as the ledger has it (``accounts.archive``).
A row that is not there, or was changed since, is archived in another part first. So a run may end at any
point and the next one goes on from there: nothing is lost, and nothing is archived twice unless it changed in
between. A day that has a request under way is left for another time. What is deleted stays counted in sums.

Every transaction deletes some hundreds of rows and is followed by a pause, so that no request waits long for
its own. All times are Unix seconds; days are those of UTC.
"""

from __future__ import annotations

from asyncio import sleep, to_thread
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from dragoman.accounts.archive import Folder, Part, Writing, day_of, matches
from dragoman.core.failure import Failure, Kind
from dragoman.store import Store
from dragoman.store.archive import Kept, Prunable

DAY = 86_400

FEWEST_DAYS = 35
"""Days that requests and windows are kept at least: a month's budget counts by them while the month lasts."""

LEASE_S = 60.0
"""Seconds after which another process may go on where one has died."""

LOOK_S = 300.0
"""Seconds between two looks whether it is time."""

AGAIN_S = 3600.0
"""Seconds after which a run that did not succeed is tried again."""

DONE = "retention_done"
"""The setting that says on which day it was last done."""

Item = TypeVar("Item")


class RetentionSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long what was written down is kept.

    Attributes:
        ledger_days: Days that requests stay in the ledger, row by row, at least 35; 0: for ever. Sums stay.
        archive: Whether they are written to files before they are deleted.
        folder: Where to; within the data folder, unless it begins with a `/`.
        audit_days: Days that the audit log is kept; 0: for ever.
        window_days: Days that windows of budgets and their alerts are kept, at least 35; 0: for ever.
        feedback_days: Days that the words of ratings are kept; 0: as long as what was rated.
        hour: Hour of the day (UTC) after which it is done.
        rows: Requests that are deleted in one transaction.
        pause_s: Seconds between two transactions.
    """

    ledger_days: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 90
    archive: bool = True
    folder: str = "archive"
    audit_days: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 730
    window_days: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 400
    feedback_days: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    hour: Annotated[int, msgspec.Meta(ge=0, le=23)] = 3
    rows: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 200
    pause_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 0.05


class Done(msgspec.Struct):
    """What a run did, or of a dry one: would have done.

    Attributes:
        archived: Exchanges written to files.
        deleted: Exchanges taken out of the ledger.
        days: Days that were looked at and had any.
        waiting: Days that were left because a request of them is under way.
        pruned: Other things, by what they are.
    """

    archived: int = 0
    deleted: int = 0
    days: list[str] = []
    waiting: list[str] = []
    pruned: dict[str, int] = {}


class Retention:
    """Keeps a ledger from growing for ever.

    Args:
        store: The ledger.
        spec: How long is what kept.
        data: The data folder.
        holder: Who this is, for the lease: the process's owner in the ledger.
        now: Wall clock, Unix seconds.
        complain: Told what went wrong; the next try is an hour later.
        pause: Waits.
    """

    def __init__(
        self,
        store: Store,
        spec: RetentionSpec,
        data: Path,
        *,
        holder: str,
        now: Callable[[], float],
        complain: Callable[[str, BaseException], None],
        pause: Callable[[float], Awaitable[None]] = sleep,
    ) -> None:
        self._store = store
        self._spec = spec
        self._folder = Folder(data / spec.folder)
        self._holder = holder
        self._now = now
        self._complain = complain
        self._pause = pause
        self._again_at = 0.0

    @property
    def folder(self) -> Folder:
        """Where archives are."""
        return self._folder

    async def keeping(self) -> None:
        """Do it once a day, until cancelled."""
        while True:
            await self._pause(LOOK_S)
            await self.turn()

    async def turn(self) -> Done | None:
        """Do it if it is time and nobody else is at it; None: not now."""
        now = self._now()
        today = str(int((now - self._spec.hour * 3600) // DAY))
        if now < self._again_at:
            return None
        try:
            if await self._store.setting(DONE) == today or not await self._renewed():
                return None
            done = await self.run()
            await self._store.remember(DONE, today)
        except (Failure, OSError) as error:
            self._again_at = now + AGAIN_S
            self._complain("old rows could not be archived or deleted; they stay", error)
            return None
        else:
            return done

    async def run(self, *, until: float | None = None, dry: bool = False) -> Done:
        """Archive and delete what is too old.

        Args:
            until: Exchanges of days that ended by then; None: as the settings say.
            dry: Only say what would be done.

        Raises:
            Failure: UNAVAILABLE, or CONFLICT: another process is at it.
            OSError: The folder cannot be written.
        """
        done = Done()
        if not dry and not await self._renewed():
            raise Failure(Kind.CONFLICT, "another process is deleting old rows", code="archive_in_use")
        try:
            days = _lasting(self._spec.ledger_days)
            end = self._now() - days * DAY if until is None else until
            if days or until is not None:
                await self._old_days(end // DAY * DAY, done, dry=dry)
            if not dry:
                await self._prune(done)
        finally:
            if not dry:
                await self._store.archive.lease(self._holder, now=self._now(), until=0.0)
        return done

    async def _renewed(self) -> bool:
        now = self._now()
        return await self._store.archive.lease(self._holder, now=now, until=now + LEASE_S)

    async def _old_days(self, end: float, done: Done, *, dry: bool) -> None:
        """Go through the days before `end`, from the oldest on."""
        with ExitStack() as held:
            if self._spec.archive and not dry:
                held.enter_context(self._folder.alone())
            since = 0.0
            while rows := await self._store.archive.ended(since, end, limit=1):
                start = rows[0][0].opened_at // DAY * DAY
                day = day_of(start)
                done.days.append(day)
                if dry:
                    async for page in self._pages(start):
                        done.deleted += len(page)
                elif self._spec.archive:
                    await self._archive(start, day, done)
                else:
                    async for page in self._pages(start):
                        await self._delete([row.id for row, _ in page], done)
                since = start + DAY

    async def _archive(self, start: float, day: str, done: Done) -> None:
        """Delete what of a day is archived; archive and delete the rest."""
        for part in await to_thread(self._folder.parts, day):
            await self._empty(part, done)
        if not await self._store.archive.ended(start, start + DAY, limit=1):
            return
        if await self._store.archive.open(start, start + DAY):
            done.waiting.append(day)
            return
        with ExitStack() as opened:
            writing: Writing = await to_thread(opened.enter_context, self._folder.writing(day))
            async for page in self._pages(start):
                await to_thread(writing.add, page)
                await self._still_mine()
            done.archived += writing.rows
            await to_thread(opened.close)
        for part in (await to_thread(self._folder.parts, day))[-1:]:
            await self._empty(part, done)

    async def _pages(self, start: float) -> AsyncIterator[list[Kept]]:
        """Yield what of a day has ended, some at a time."""
        after: tuple[float, str] | None = None
        limit = self._spec.rows
        while rows := await self._store.archive.ended(start, start + DAY, after=after, limit=limit):
            yield rows
            after = rows[-1][0].opened_at, rows[-1][0].id

    async def _empty(self, part: Part, done: Done) -> None:
        """Delete from the ledger what an archive has, once that has been read back."""
        if wrong := await to_thread(self._folder.check, part):
            message = f"the archive is damaged, nothing was deleted: {'; '.join(wrong)}"
            raise Failure(Kind.UNAVAILABLE, message, code="archive_damaged")
        lines = _batches(self._folder.read(part), self._spec.rows)
        while batch := await to_thread(next, lines, None):
            there = await self._store.archive.some([line.id for line in batch])
            archived = {line.id: line for line in batch}
            same = [kept[0].id for kept in there if matches(archived[kept[0].id], kept)]
            if same:
                await self._delete(same, done)

    async def _delete(self, ids: list[str], done: Done) -> None:
        await self._still_mine()
        done.deleted += await self._store.archive.delete(ids)
        await self._pause(self._spec.pause_s)

    async def _prune(self, done: Done) -> None:
        """Delete what ends with age alone."""
        spec = self._spec
        kept: dict[Prunable, int] = {
            "audit": spec.audit_days,
            "windows": _lasting(spec.window_days),
            "feedback": spec.feedback_days,
        }
        for what, days in kept.items():
            before = self._now() - days * DAY
            while days and (gone := await self._store.archive.prune(what, before, limit=spec.rows)):
                done.pruned[what] = done.pruned.get(what, 0) + gone
                await self._still_mine()
                await self._pause(spec.pause_s)

    async def _still_mine(self) -> None:
        if not await self._renewed():
            raise Failure(Kind.CONFLICT, "another process has taken over", code="archive_in_use")


def _lasting(days: int) -> int:
    """Return days that do not end within the month of a budget; 0: for ever."""
    return max(days, FEWEST_DAYS) if days else 0


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
