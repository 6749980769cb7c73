"""Windows: when a budget's day, week or month begins and ends, on the calendar of a time zone.

A window is named by the instant it begins at, and lasts until the next one of its kind begins. Both are
local midnights, so a day on which clocks change has 23 or 25 hours, one that a place skips over has none, and
an instant is in exactly one window. A midnight that does not exist is the instant at which clocks jump over
it; of one that comes twice it is the first.

What a clock that jumps can do is bounded by this: the store keeps one row for each window, found by that
instant, and a row is never begun anew. Set back by an hour over midnight, the clock is in yesterday's window
again, which has spent what it has; set ahead, it begins tomorrow's early, and tomorrow finds that spent.
However it jumps, no window is ever worth more than its cap.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import assert_never
from zoneinfo import ZoneInfo

from dragoman.core.failure import Failure, Kind
from dragoman.store.budgets import Period


def window(period: Period, zone: str, at: float) -> tuple[int, int | None]:
    """Return when the window around an instant begins, and when the next one does.

    Args:
        period: What kind of window; ``total`` has begun at 0 and never ends.
        zone: An IANA time zone.
        at: Unix seconds.

    Returns:
        Unix seconds, whole ones; the second is None where there is no next.

    Raises:
        Failure: INVALID, there is no such zone.
    """
    if period == "total":
        return 0, None
    place = zone_of(zone)
    day = datetime.fromtimestamp(at, place).date()
    first, after = _days(period, day)
    return _midnight(first, place), _midnight(after, place)


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its name.

    Raises:
        Failure: INVALID, there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        message = f"there is no time zone {name[:64]!r}; write it as Europe/Rome"
        raise Failure(Kind.INVALID, message, code="unknown_zone") from None


def _days(period: Period, day: date) -> tuple[date, date]:
    """Return the first day of the window a day is in, and of the one after it."""
    match period:
        case "day":
            return day, day + timedelta(days=1)
        case "week":
            monday = day - timedelta(days=day.weekday())
            return monday, monday + timedelta(days=7)
        case "month":
            first = day.replace(day=1)
            return first, (first + timedelta(days=31)).replace(day=1)
        case "total":
            raise AssertionError("a total has no days")
        case _:
            assert_never(period)


def _midnight(day: date, zone: ZoneInfo) -> int:
    """Return the Unix second a day begins at."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())
