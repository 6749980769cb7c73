"""Stretches: when the hours, days, weeks and months of a report begin, in UTC.

Weeks begin on Mondays, months are the calendar's. Nothing is known here of time zones, so a day always has 24
hours; Unix time has no leap seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dragoman.accounts.times import LAST
from dragoman.store.cover import DAY, HOUR, beginning
from dragoman.store.reports import Interval

LENGTHS: Mapping[Interval, int] = MappingProxyType(
    {"hour": HOUR, "day": DAY, "week": 7 * DAY, "month": 30 * DAY}
)
"""How long each is, in seconds; a month about."""


def following(interval: Interval, start: int) -> int:
    """Return when the stretch after the one that begins at `start` begins."""
    if interval != "month":
        return start + LENGTHS[interval]
    last = int(LAST)
    return last if start + 31 * DAY >= last else beginning(start + 31 * DAY, interval)


def stretches(interval: Interval, since: float, until: float) -> list[int]:
    """Return when each stretch begins that has any of the time from `since` on and before `until`."""
    found = []
    if since < until:
        at = beginning(int(since // 1), interval)
        while at < until:
            found.append(at)
            at = following(interval, at)
    return found
