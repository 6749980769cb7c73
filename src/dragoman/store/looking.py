"""Looking through the log of requests: only where the sums say that there is something to be found.

    1. the newest rows, a few thousand: what is asked for most is there
    2. of all before, in halves down to 32 days: is there any such row, and when?
    3. of these, day by day, and of a busy day hour by hour: the same
    4. what is left of time is looked through row by row, until the page is full or enough was looked at

Whichever database has the rows, it says how it looks through a stretch of time (:class:`Rows`). What is still
under way is in no sum, so its hours are looked through in any case; they are read *before* the sums, so that
a row that is settled in between is not missed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from heapq import nsmallest
from typing import Literal, Protocol

import msgspec

from dragoman.store.cover import BLOCK, DAY, HOUR
from dragoman.store.reports import Part, Reports, Sums
from dragoman.store.requests import (
    FLAGS,
    MOST_LOOKED,
    MOST_ROWS,
    MOST_SORTED,
    SORTED,
    Filters,
    Found,
    Order,
    Page,
    Spot,
    cursor,
    figure,
    matches,
    part_of,
    read_cursor,
)
from dragoman.store.stretches import Look, Looked, Seen, Stretch, narrowest

FIRST_LOOK = 2000
"""Rows that are looked through before the sums are asked."""

QUIET = 4000
"""Rows of a day that are looked through rather than told apart by hours."""

MOST_NAMED = 200
"""Requests called alike that are found."""

MOST_RESERVED = 20_000
"""Exchanges under way that are looked at."""


class Rows(Protocol):
    """A database's rows. All methods raise ``Failure(UNAVAILABLE)``."""

    async def ends(self) -> Stretch | None:
        """Return when the first that has ended began, and just after the last; None: there is none."""

    async def reserved(self) -> list[Found]:
        """Return the exchanges under way, in the order of time; thousands at most."""

    async def named(self, id_: str) -> list[Found]:
        """Return the exchange of this id, and those whose requests a client called so; some at most."""

    async def look(self, look: Look, stretches: Sequence[Stretch]) -> Looked:
        """Look through stretches of time, which follow each other in the order that is asked for."""

    async def at(self, spots: Sequence[Spot]) -> list[Found]:
        """Return the rows that are there, in any order."""


async def page(
    rows: Rows,
    reports: Reports,
    filters: Filters,
    *,
    order: Order,
    limit: int,
    after: str | None,
    count: bool,
) -> Page:
    """Return a page, as :meth:`~dragoman.store.requests.Requests.page` says."""
    limit = max(1, min(limit, MOST_ROWS))
    spot = None if after is None else read_cursor(order, after)
    if filters.id is not None:
        met = [found for found in await rows.named(filters.id) if matches(filters, found.row)]
        return _whole(met, Look(filters, order, spot, limit, 0))
    search = _Search(rows, reports, filters)
    if filters.state == "reserved":
        return _whole(await search.live(), Look(filters, order, spot, limit, 0))
    total, at_most = await search.count() if count else (None, None)
    take, most = (MOST_SORTED, MOST_SORTED) if order in SORTED else (limit + 1, MOST_LOOKED)
    looked = await search.run(Look(filters, order, spot, take, most))
    some = _largest(looked.seen, limit) if order in SORTED else looked.seen[:limit]
    # A row may have changed since it was looked at: it is shown as it is, or not at all.
    there = {found.spot: found.row for found in await rows.at([one.spot for one in some])}
    shown = tuple(row for one in some if (row := there.get(one.spot)) is not None and matches(filters, row))
    last = some[-1].spot if len(looked.seen) > limit and order not in SORTED else looked.stopped
    if total is None and last is None and spot is None and at_most is not None:
        total, at_most = len(looked.seen), None
    since, until = _told(filters, order, spot, last)
    return Page(
        rows=shown,
        next=None if last is None or order in SORTED else cursor(order, last),
        total=total,
        at_most=at_most,
        looked=looked.rows,
        looked_since=since,
        looked_until=until,
    )


class _Search:
    """One search: what is looked for, and where it may be."""

    def __init__(self, rows: Rows, reports: Reports, filters: Filters) -> None:
        self._rows = rows
        self._reports = reports
        self._filters = filters
        self._live: list[Found] | None = None

    async def live(self) -> list[Found]:
        """Return what is looked for and still under way, as of when it was first asked for."""
        if self._live is None:
            self._live = [found for found in await self._rows.reserved() if matches(self._filters, found.row)]
        return self._live

    async def count(self) -> tuple[int | None, int | None]:
        """Return how many there are; or, where the sums cannot tell, None and how many at most."""
        live = await self.live()
        ends = await self._rows.ends()
        found = 0
        if ends is not None:
            part = part_of(self._filters)
            since = ends.lo if part.since is None else max(part.since, ends.lo)
            if part.until is None or since < part.until:
                found = await self._counted(msgspec.structs.replace(part, since=since))
        whole = found + len(live)
        return (whole, None) if found == 0 or _exact(self._filters) else (None, whole)

    async def run(self, look: Look) -> Looked:
        """Look for it: among the rows nearest first, then where the sums say."""
        filters = self._filters
        everything = Stretch(filters.since or 0.0, 1e12 if filters.until is None else filters.until)
        # Counts of tokens are rows that are no part of it: some more are looked at than are wanted.
        first = look.take * 2 if filters == _of_time(filters) else FIRST_LOOK
        looked = await self._rows.look(
            msgspec.structs.replace(look, rows=min(look.rows, first)), [everything]
        )
        seen, rows, stopped = list(looked.seen), looked.rows, looked.stopped
        if stopped is None or len(seen) >= look.take:
            return Looked(seen, rows, stopped)
        async for stretches in self._likely(everything, stopped, newest=look.newest):
            if rows >= look.rows:
                return Looked(seen, rows, stopped)
            rest = Look(filters, look.order, stopped, look.take - len(seen), look.rows - rows)
            looked = await self._rows.look(rest, stretches)
            seen += looked.seen
            rows += looked.rows
            if looked.stopped is not None or len(seen) >= look.take:
                return Looked(seen, rows, looked.stopped)
            # What comes next lies beyond all that was looked through.
            end = stretches[-1]
            stopped = Spot(end.lo if look.newest else end.hi, 0)
        return Looked(seen, rows, None)

    async def _likely(
        self, everything: Stretch, after: Spot, *, newest: bool
    ) -> AsyncIterator[list[Stretch]]:
        """Yield the stretches beyond a spot that may have anything, in order, some at a time."""
        known = [found.spot.opened_at for found in await self.live()]
        ends = await self._rows.ends()
        known += [] if ends is None else [ends.lo, ends.hi]
        if not known:
            return
        lo, hi = max(everything.lo, min(known)), min(everything.hi, max(known) + 1)
        lo, hi = (lo, min(hi, after.opened_at + 1)) if newest else (max(lo, after.opened_at), hi)
        lo, hi = lo // HOUR * HOUR, -(-hi // HOUR) * HOUR
        async for stretches in self._halves(Stretch(lo, hi), newest=newest):
            trimmed = [Stretch(max(one.lo, everything.lo), min(one.hi, everything.hi)) for one in stretches]
            if some := [one for one in trimmed if one.lo < one.hi]:
                yield some

    async def _halves(self, piece: Stretch, *, newest: bool) -> AsyncIterator[list[Stretch]]:
        """Yield where anything may be: empty halves are left at once."""
        if piece.lo >= piece.hi or not await self._any(piece):
            return
        first, last = int(piece.lo // BLOCK), int(-(-piece.hi // BLOCK))
        if last - first <= 1:
            async for stretches in self._days(piece, newest=newest):
                yield stretches
            return
        middle = float((first + last) // 2 * BLOCK)
        halves = [Stretch(piece.lo, middle), Stretch(middle, piece.hi)]
        for half in reversed(halves) if newest else halves:
            async for stretches in self._halves(half, newest=newest):
                yield stretches

    async def _days(self, piece: Stretch, *, newest: bool) -> AsyncIterator[list[Stretch]]:
        """Yield the days that may have anything; of a busy one its hours."""
        days = await self._told(piece, "day")
        crowd = await self._crowd(piece)
        quiet: list[Stretch] = []
        for day in sorted(days, reverse=newest):
            stretch = Stretch(max(piece.lo, day), min(piece.hi, day + DAY))
            if crowd.get(day, 0) <= QUIET:
                quiet.append(stretch)
                continue
            if quiet:
                yield quiet
                quiet = []
            hours = await self._told(stretch, "hour")
            yield [Stretch(hour, hour + HOUR) for hour in sorted(hours, reverse=newest)]
        if quiet:
            yield quiet

    async def _told(self, piece: Stretch, every: Literal["hour", "day"]) -> set[int]:
        """Return the beginnings of the hours, or days, that may have anything."""
        length = HOUR if every == "hour" else DAY
        cells = await self._reports.cells(self._part(piece), every=every)
        found = {cell.at for cell in cells if cell.at is not None and bound(self._filters, cell.sums)}
        return found | {int(at // length * length) for at in await self._open_in(piece)}

    async def _crowd(self, piece: Stretch) -> dict[int, int]:
        """Return how many rows there are to look through on each day."""
        name = narrowest(self._filters)
        names = {} if name is None else {name: getattr(self._filters, name)}
        cells = await self._reports.cells(Part(piece.lo, piece.hi, **names), every="day")
        return {cell.at: cell.sums.requests for cell in cells if cell.at is not None}

    async def _any(self, piece: Stretch) -> bool:
        return bool(await self._open_in(piece)) or await self._counted(self._part(piece)) > 0

    async def _counted(self, part: Part) -> int:
        """Return how many of a part there are at most."""
        return sum(bound(self._filters, cell.sums) for cell in await self._reports.cells(part))

    def _part(self, piece: Stretch) -> Part:
        return msgspec.structs.replace(part_of(self._filters), since=piece.lo, until=piece.hi)

    async def _open_in(self, piece: Stretch) -> list[float]:
        began = [found.spot.opened_at for found in await self.live()]
        return [at for at in began if piece.lo <= at < piece.hi]


def bound(filters: Filters, sums: Sums) -> int:
    """Return how many rows of a sum may meet the conditions, at most."""
    most = sums.requests
    for name, measure in FLAGS.items():
        asked = getattr(filters, name)
        if asked is None:
            continue
        counted = getattr(sums, measure)
        most = min(most, counted if asked is (name != "priced") else sums.requests - counted)
    if filters.min_cost_micros is not None and sums.cost_micros < filters.min_cost_micros:
        return 0
    return max(0, most)


def _exact(filters: Filters) -> bool:
    """Say whether the sums know how many rows meet the conditions, and not only how many at most."""
    flags = sum(getattr(filters, name) is not None for name in FLAGS)
    others = (filters.asked, filters.min_cost_micros, filters.min_latency_ms)
    return flags <= 1 and all(other is None for other in others)


def _of_time(filters: Filters) -> Filters:
    """Return the conditions on time alone."""
    return Filters(since=filters.since, until=filters.until)


def _largest(seen: Sequence[Seen], limit: int) -> list[Seen]:
    """Return the rows of the largest figures; those without any come last."""
    return nsmallest(
        limit, seen, key=lambda one: (one.figure is None, -(one.figure or 0.0), -one.spot.opened_at)
    )


def _whole(met: Sequence[Found], look: Look) -> Page:
    """Return a page of few rows that are all there are."""
    beyond = [
        found
        for found in sorted(met, key=lambda found: found.spot, reverse=look.newest)
        if look.after is None or (found.spot < look.after if look.newest else found.spot > look.after)
    ]
    if look.order in SORTED:
        seen = {found.spot: found for found in beyond}
        largest = _largest([Seen(figure(look.order, found.row), found.spot) for found in beyond], look.take)
        beyond = [seen[one.spot] for one in largest]
    shown = beyond[: look.take]
    more = len(beyond) > look.take and look.order not in SORTED
    return Page(
        rows=tuple(found.row for found in shown),
        next=cursor(look.order, shown[-1].spot) if more else None,
        total=len(met),
        looked=len(met),
    )


def _told(
    filters: Filters, order: Order, after: Spot | None, last: Spot | None
) -> tuple[float | None, float | None]:
    """Return the time that was looked through, from and to."""
    near, far = after and after.opened_at, last and last.opened_at
    if order == "oldest":
        return filters.since if near is None else near, filters.until if far is None else far
    return filters.since if far is None else far, filters.until if near is None else near
