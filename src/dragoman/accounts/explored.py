"""Reports explored: the figures of a report, by group, stretch by stretch, and beside the time before.

    Asked --explored(reports)--> total | groups (the top ones, and the rest as one) | errors | previous

Groups and the rest add up to the total, and the stretches of each to the group, exactly: totals are sums of
what the store said, never asked for again. What a page shows, what the API tells and what the command line
prints is this and nothing else.
"""

from __future__ import annotations

from asyncio import gather, to_thread
from collections.abc import Collection, Container, Iterable, Sequence
from typing import NamedTuple

import msgspec

from dragoman.accounts.groups import (
    Group,
    Places,
    Point,
    as_one,
    group,
    grouped,
    ordered,
    pointed,
    ranked,
    series,
    summed,
    together,
    without,
)
from dragoman.accounts.reports import (
    MOST_POINTS,
    TIMES,
    Asked,
    Query,
    Span,
    check_names,
    read_span,
    whole,
)
from dragoman.accounts.stretches import LENGTHS, stretches
from dragoman.core.failure import invalid
from dragoman.store.cover import HOUR
from dragoman.store.reports import Cell, Dimension, Interval, Part, Reports, Spread, Sums

__all__ = [
    "Explored",
    "Group",
    "Lost",
    "Point",
    "Previous",
    "change",
    "explored",
    "failed_by",
    "losses",
]

FAILED = ("failed", "interrupted")
"""The states, of exchanges and of calls, that count as failed: where the client left, nothing failed."""

LOSSES, MOST_LOSSES = 100, 1000
"""Different losses that are told, and how many may be asked for."""


class Previous(msgspec.Struct, frozen=True):
    """The time before, as long as the report's own. ``points``: as a group's."""

    since: float
    until: float
    sums: Sums
    points: tuple[Point, ...] = ()


class Explored(msgspec.Struct, frozen=True):
    """A report.

    Attributes:
        asked: What was asked for.
        since: When it begins, in Unix seconds; None: with the first exchange.
        until: When it ends.
        total: All of it.
        groups: By what was asked for, the most first; none where nothing was.
        other: The groups that are beyond the top, as one; None: there are none.
        others: How many these are.
        errors: Kinds of failure, and how many failed so, the most first; "": of no kind, as with its process.
        previous: The time before; None: that was not asked for.
    """

    asked: Asked
    since: float | None
    until: float
    total: Group
    groups: tuple[Group, ...] = ()
    other: Group | None = None
    others: int = 0
    errors: tuple[tuple[str, int], ...] = ()
    previous: Previous | None = None


class Lost(msgspec.Struct, frozen=True):
    """What crossings between protocols lost.

    Attributes:
        since: A whole hour, in Unix seconds; None: from the first.
        until: A whole hour.
        requests: How many there were.
        lossy: In how many anything was lost.
        words: How, what, and in how many requests, the most frequent first.
        more: Whether there are others, which are rarer.
    """

    since: float | None
    until: float
    requests: int
    lossy: int
    words: tuple[tuple[str, str, int], ...]
    more: bool


class Gathered(NamedTuple):
    """What the store said.

    Attributes:
        cells: Of the groups that are named, stretch by stretch where that is asked for.
        wholes: Of these, of the whole time, with how durations are spread; may be the same.
        totals: As `cells`, of all groups together; none where every group is named.
        total_wholes: As `wholes`.
        others: The groups that are not named.
        failures: By kind of failure.
        before: By group, of the time before; None: that was not asked for.
        course: Of the time before, stretch by stretch.
    """

    cells: Sequence[Cell]
    wholes: Sequence[Cell]
    totals: Sequence[Cell] = ()
    total_wholes: Sequence[Cell] = ()
    others: frozenset[str | None] = frozenset()
    failures: Sequence[Cell] = ()
    before: Sequence[Cell] | None = None
    course: Sequence[Cell] = ()


async def explored(reports: Reports, asked: Asked, *, fine: bool = False) -> Explored:
    """Return a report's figures; a wide one is put together in a thread, and holds up nobody.

    Args:
        reports: The sums there are.
        asked: Of what.
        fine: With how durations are spread in each stretch of each group; else in those of the total alone.

    Raises:
        Failure: INVALID, it would have too many stretches; or the store's.
    """
    since = asked.span.since if asked.interval is None else await _begin(reports, asked)
    told = fine or asked.by is None or asked.interval is None
    found, failures = await gather(_gathered(reports, asked, told=told), _failures(reports, asked.part))
    found = found._replace(failures=failures)
    if (part := _earlier(asked)) is not None:
        found = found._replace(before=await reports.cells(part, by=asked.by))
        if asked.interval is not None:
            found = found._replace(course=await reports.cells(part, every=asked.interval))
    return await to_thread(put_together, asked, found, since=since, told=told)


def put_together(asked: Asked, found: Gathered, *, since: float | None, told: bool) -> Explored:
    """Return the report that what the store said makes.

    Args:
        asked: What was asked for.
        found: What the store said.
        since: When it begins.
        told: With how durations are spread in each stretch.
    """
    until = asked.span.until
    places = Places(_starts(asked.interval, since, until, (*found.cells, *found.totals)), told)
    groups = grouped(found.cells, found.wholes)
    if asked.by is None and not groups:
        groups = [Group(None, Sums(), Spread())]
    groups = _compared(groups, found.before, found.others)
    top = len(groups) if asked.top is None else asked.top
    sorted_ = ordered(groups, asked.order)
    named, others = pointed(sorted_[:top], found.cells, places), sorted_[top:]
    rest = [*([as_one(others, found.cells, places)] if others else []), *_others(found, places)]
    return Explored(
        asked,
        since,
        until,
        _total(found, places) if found.others else together([*named, *rest], places),
        tuple(named) if asked.by is not None else (),
        together(rest, places) if rest else None,
        len(others) + len(found.others),
        failed_by(found.failures),
        _previous(asked, found),
    )


async def _gathered(reports: Reports, asked: Asked, *, told: bool) -> Gathered:
    """Return the cells of a report; `told`: with how durations are spread in each.

    Of many groups only the top ones are looked at. The rest is what these leave of the total, which is read
    last, so that what ends meanwhile is the rest's. Where the total too would have to be read from sums of
    several dimensions, nothing would be won.
    """
    part, by = asked.part, asked.by
    # A spread for each stretch of each group is a lot to read, and nobody looks at it.
    ways = [(asked.interval, told)] if told else [(asked.interval, False), (None, True)]

    async def cells(by: Dimension | None, among: Collection[str] | None = None) -> list[list[Cell]]:
        return await gather(
            *(reports.cells(part, by=by, among=among, every=every, spread=spread) for every, spread in ways)
        )

    if by is not None and asked.top is not None and len(part.wanted) <= 1:
        groups = await reports.cells(part, by=by)
        # To look up nearly all of them, one by one, costs more than to read all.
        if len(groups) > (2 * asked.top if part.wanted else asked.top):
            names = [one.name or "" for one in ranked(groups, asked.order, asked.top)]
            named, totals = await cells(by, names), await cells(None)
            others = frozenset(one.name for one in groups) - {*names}
            return Gathered(named[0], named[-1], totals[0], totals[-1], others)
    found = await cells(by)
    return Gathered(found[0], found[-1])


async def _failures(reports: Reports, part: Part) -> list[Cell]:
    """Return sums by kind of failure, of which those that failed are told.

    With other conditions there are many more combinations, so only those of exchanges that failed are read.
    """
    if not part.wanted or part.state is not None:
        return await reports.cells(part, by="failure")
    found: list[Cell] = []
    for state in FAILED:
        found += await reports.cells(msgspec.structs.replace(part, state=state), by="failure")
    return found


def _total(found: Gathered, places: Places) -> Group:
    """Return all groups together, where not every group is named: what the others are reckoned from."""
    before = None if found.before is None else summed(cell.sums for cell in found.before)
    total = group(None, found.totals, found.total_wholes, places)
    return msgspec.structs.replace(total, before=before)


def _others(found: Gathered, places: Places) -> list[Group]:
    """Return the groups that are not named, as one; none where all are."""
    if not found.others:
        return []
    cells = without(found.totals, found.cells)
    wholes = without(found.total_wholes, found.wholes)
    one = group(None, cells, wholes, places)
    if found.before is None:
        return [one]
    then = summed(cell.sums for cell in found.before if cell.name in found.others)
    return [msgspec.structs.replace(one, before=then)]


def change(now: float | None, before: float | None) -> float | None:
    """Return by which share a figure grew: 0.25 is a quarter more; None: there is nothing to compare."""
    return None if now is None or not before else (now - before) / before


def failed_by(cells: Iterable[Cell]) -> tuple[tuple[str, int], ...]:
    """Return the kinds of failure of sums by failure, and how many failed so, the most first."""
    found: dict[str, int] = {}
    for cell in cells:
        if cell.sums.failed:
            found[cell.name or ""] = found.get(cell.name or "", 0) + cell.sums.failed
    return tuple(sorted(found.items(), key=lambda one: (-one[1], one[0])))


async def losses(reports: Reports, query: Query, *, now: float) -> Lost:
    """Return what crossings lost in a time, of whole hours.

    Args:
        reports: The sums there are.
        query: ``period``, ``from``, ``to``, ``limit``.
        now: Unix seconds.

    Raises:
        Failure: INVALID, or the store's.
    """
    check_names(query, (*TIMES, "limit"))
    limit = whole("limit", query.get("limit", str(LOSSES)), MOST_LOSSES)
    span = _hours(read_span(query, now=now, default="month"))
    found = await reports.losses(span.asked)
    total = summed(cell.sums for cell in await reports.cells(span.asked))
    words = tuple((*_word(word), count) for word, count in found[:limit])
    return Lost(span.since, span.until, total.requests, total.lossy, words, len(found) > limit)


def _word(word: str) -> tuple[str, str]:
    how, _, what = word.partition(":")
    return how, what


def _hours(span: Span) -> Span:
    """Return the whole hours that have any of a span."""
    since = None if span.since is None else float(span.since // HOUR * HOUR)
    return msgspec.structs.replace(span, since=since, until=float(-(-span.until // HOUR) * HOUR))


async def _begin(reports: Reports, asked: Asked) -> float:
    """Return when the first of a report's stretches begins.

    Raises:
        Failure: INVALID, it has more of them than one report may have.
    """
    span, interval = asked.span, asked.interval
    assert interval is not None
    since = span.since
    if since is None:
        first = await reports.first(asked.part.key)
        since = span.until if first is None else min(first, span.until)
    points = (span.until - since) / LENGTHS[interval]
    if points > MOST_POINTS:
        shorter = "ask for days, or for less time" if interval == "hour" else "ask for less time"
        name = "group_by" if asked.grouped == interval else "interval"
        raise invalid(f"that would be {points:,.0f} {interval}s, of at most {MOST_POINTS:,}; {shorter}", name)
    return since


def _previous(asked: Asked, found: Gathered) -> Previous | None:
    part = _earlier(asked)
    if part is None or found.before is None:
        return None
    assert part.since is not None
    assert part.until is not None
    points: tuple[Point, ...] = ()
    if asked.interval is not None:
        points = series(found.course, stretches(asked.interval, part.since, part.until)).points
    return Previous(part.since, part.until, summed(cell.sums for cell in found.before), points)


def _earlier(asked: Asked) -> Part | None:
    """Return what a report is compared with."""
    span = asked.span
    if not asked.compare or span.since is None:
        return None
    since = max(0.0, span.since - (span.until - span.since))
    return msgspec.structs.replace(asked.part, since=since, until=span.since)


def _starts(interval: Interval | None, since: float | None, until: float, cells: Iterable[Cell]) -> list[int]:
    """Return when the stretches of a report begin."""
    if interval is None or since is None:
        return []
    found = stretches(interval, since, until)
    # An hour that began while the report was made is a part of what has no end of its own.
    return sorted({*found, *(cell.at for cell in cells if cell.at is not None)})


def _compared(
    groups: list[Group], before: Iterable[Cell] | None, others: Container[str | None]
) -> list[Group]:
    """Return groups with what was before; also those that were before alone."""
    if before is None:
        return groups
    then = {cell.name: cell.sums for cell in before if cell.name not in others}
    gone = then.keys() - {one.name for one in groups}
    whole_ = [*groups, *(Group(name, Sums(), Spread()) for name in gone)]
    return [msgspec.structs.replace(one, before=then.get(one.name, Sums())) for one in whole_]
