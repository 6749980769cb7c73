"""Stretches: every instant is in exactly one, and they follow one another."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.accounts.reports import INTERVALS
from dragoman.accounts.stretches import LENGTHS, following, stretches
from dragoman.accounts.times import LAST
from dragoman.store.cover import beginning
from dragoman.store.reports import Interval

NOW = 1_795_275_000.5


@pytest.mark.parametrize(
    ("interval", "starts"),
    [
        ("hour", ["2026-11-21T12:00", "2026-11-21T13:00"]),
        ("day", ["2026-11-21T00:00"]),
        ("week", ["2026-11-16T00:00"]),
        ("month", ["2026-11-01T00:00"]),
    ],
)
def test_stretches_are_the_calendars(interval: Interval, starts: list[str]) -> None:
    """In UTC; weeks begin on Mondays, months on the first."""
    since = datetime(2026, 11, 21, 12, 30, tzinfo=UTC).timestamp()
    found = stretches(interval, since, since + 3600)
    assert [datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M") for at in found] == starts


@given(
    st.sampled_from(INTERVALS),
    st.floats(0, LAST - 400 * 86_400),
    st.floats(0, 200 * 86_400),
)
def test_each_instant_is_in_one(interval: Interval, since: float, long: float) -> None:
    """Stretches begin where the one before ends; the first has the beginning, the last the end."""
    until = since + long
    found = stretches(interval, since, until)
    assert (found == []) == (since >= until)
    for start, after in pairwise(found):
        assert following(interval, start) == after
    for start in found:
        assert beginning(start, interval) == start
        assert 0.9 < (following(interval, start) - start) / LENGTHS[interval] < 1.04
    if found:
        assert found[0] <= since < following(interval, found[0])
        assert found[-1] < until <= following(interval, found[-1])


@pytest.mark.parametrize("interval", INTERVALS)
def test_the_end_of_all_times_is_reached(interval: Interval) -> None:
    """The last stretch of the year 9999 is found, and nothing after it."""
    found = stretches(interval, LAST - 3 * 86_400, LAST)
    assert found
    assert following(interval, found[-1]) >= LAST


def test_before_all_times_there_are_stretches() -> None:
    """A time before 1970 is no fault: a day's overview of an early clock asks for some."""
    assert stretches("day", -86_400.0, 1.0) == [-86_400, 0]
    assert stretches("week", 0.0, 1.0) == [-3 * 86_400]
