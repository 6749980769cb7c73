"""A stretch of time as few pieces: the longest sums that fit whole into it, shorter ones, then rows.

    since |rows|hours|days| 32 days | 32 days | 32 days |days|hours|rows| until

Whichever database keeps the sums, they are of an hour, a day and 32 days.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from dragoman.store.reports import Interval

HOUR, DAY, BLOCK = 3600, 86_400, 2_764_800
"""The spans of the sums, in seconds; each is a multiple of the shorter ones."""


MONDAY = 4 * DAY
"""The first Monday: 1970 began on a Thursday."""


class Cover(NamedTuple):
    """A piece of time from `lo` on and before `hi`; in sums of `span` seconds, or 0: in rows."""

    span: int
    lo: float
    hi: float


def cover(since: float, until: float, longest: int = BLOCK) -> Iterator[Cover]:
    """Yield the pieces that together are the time from `since` on and before `until`, none twice."""
    yield from _cover(since, until, [span for span in (BLOCK, DAY, HOUR) if span <= longest])


def _cover(since: float, until: float, spans: list[int]) -> Iterator[Cover]:
    if since >= until:
        return
    if not spans:
        yield Cover(0, since, until)
        return
    span, *shorter = spans
    # Division would round an instant that is hardly after the hour to it; its remainder is exact.
    lo, hi = -int(-since // span) * span, int(until // span) * span
    if lo >= hi:
        yield from _cover(since, until, shorter)
        return
    yield from _cover(since, lo, shorter)
    yield Cover(span, lo, hi)
    yield from _cover(hi, until, shorter)


def beginning(at: int, every: Interval) -> int:
    """Return the Unix second at which the hour, day, week or month (UTC) begins that `at` is in."""
    match every:
        case "hour":
            return at // HOUR * HOUR
        case "day":
            return at // DAY * DAY
        case "week":
            return (at - MONDAY) // (7 * DAY) * 7 * DAY + MONDAY
        case "month":
            day = datetime.fromtimestamp(at, UTC)
            return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp())
