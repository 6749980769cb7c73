"""Windows: every instant is in exactly one, whatever a place does to its clocks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.accounts.windows import window
from dragoman.core.failure import Failure, Kind
from dragoman.store.budgets import Period

ZONES = (
    "UTC",
    "Europe/Rome",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Marquesas",
    "America/St_Johns",
    "Antarctica/Troll",
    "Africa/Casablanca",
)
PERIODS: tuple[Period, ...] = ("day", "week", "month")


def unix(text: str) -> int:
    """Return an ISO instant as Unix seconds."""
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("period", "zone", "at", "first", "last"),
    [
        ("day", "UTC", "2026-11-21T23:59:59+00:00", "2026-11-21T00:00+00:00", "2026-11-22T00:00+00:00"),
        ("day", "UTC", "2026-11-22T00:00:00+00:00", "2026-11-22T00:00+00:00", "2026-11-23T00:00+00:00"),
        ("week", "UTC", "2026-11-22T12:00:00+00:00", "2026-11-16T00:00+00:00", "2026-11-23T00:00+00:00"),
        ("week", "UTC", "2026-11-23T00:00:00+00:00", "2026-11-23T00:00+00:00", "2026-11-30T00:00+00:00"),
        ("week", "UTC", "2027-01-01T00:00:00+00:00", "2026-12-28T00:00+00:00", "2027-01-04T00:00+00:00"),
        ("month", "UTC", "2028-02-29T23:00:00+00:00", "2028-02-01T00:00+00:00", "2028-03-01T00:00+00:00"),
        ("month", "UTC", "2026-12-31T23:59:59+00:00", "2026-12-01T00:00+00:00", "2027-01-01T00:00+00:00"),
        (
            "month",
            "Asia/Kathmandu",
            "2026-11-30T18:15:00+00:00",
            "2026-12-01T00:00+05:45",
            "2027-01-01T00:00+05:45",
        ),
        (
            "month",
            "Asia/Kathmandu",
            "2026-11-30T18:14:59+00:00",
            "2026-11-01T00:00+05:45",
            "2026-12-01T00:00+05:45",
        ),
        (
            "day",
            "Europe/Rome",
            "2026-03-29T12:00:00+00:00",
            "2026-03-29T00:00+01:00",
            "2026-03-30T00:00+02:00",
        ),
        (
            "day",
            "Europe/Rome",
            "2026-10-25T12:00:00+00:00",
            "2026-10-25T00:00+02:00",
            "2026-10-26T00:00+01:00",
        ),
        # Clocks jump from midnight to one: the day begins at one.
        (
            "day",
            "America/Sao_Paulo",
            "2018-11-04T12:00:00+00:00",
            "2018-11-04T01:00-02:00",
            "2018-11-05T00:00-02:00",
        ),
        # Clocks go back from one to midnight: the day begins at the first of both.
        (
            "day",
            "America/Havana",
            "2025-11-02T05:30:00+00:00",
            "2025-11-02T00:00-04:00",
            "2025-11-03T00:00-05:00",
        ),
        # The 30th of December was left out.
        (
            "day",
            "Pacific/Apia",
            "2011-12-30T09:59:59+00:00",
            "2011-12-29T00:00-10:00",
            "2011-12-31T00:00+14:00",
        ),
        (
            "day",
            "Pacific/Apia",
            "2011-12-30T10:00:00+00:00",
            "2011-12-31T00:00+14:00",
            "2012-01-01T00:00+14:00",
        ),
    ],
)
def test_a_window_is_from_one_local_midnight_to_another(
    period: Period, zone: str, at: str, first: str, last: str
) -> None:
    """Days, weeks from Monday and months begin where the people of a zone say so."""
    assert window(period, zone, unix(at)) == (unix(first), unix(last))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)])
def test_a_day_on_which_clocks_change_is_as_long_as_it_is(day: str, hours: int) -> None:
    """It has 23 or 25 hours, so that no hour is in two days or in none."""
    start, end = window("day", "Europe/Rome", unix(f"{day}T12:00+00:00"))
    assert end is not None
    assert end - start == hours * 3600


@given(
    st.sampled_from(PERIODS),
    st.sampled_from(ZONES),
    st.integers(unix("1990-01-01T00:00+00:00"), unix("2037-12-31T00:00+00:00")),
)
def test_windows_follow_one_another_without_a_gap(period: Period, zone: str, at: int) -> None:
    """An instant is within its window, where one ends the next begins, and its last second is its own."""
    start, end = window(period, zone, at)
    assert end is not None
    assert start <= at < end
    assert window(period, zone, start) == (start, end)
    assert window(period, zone, end - 1) == (start, end)
    assert window(period, zone, end)[0] == end
    assert window(period, zone, start - 1)[1] == start


@given(st.sampled_from(PERIODS), st.sampled_from(ZONES), st.lists(st.integers(-7200, 7200), max_size=30))
def test_f50_a_clock_that_jumps_opens_no_window_twice(period: Period, zone: str, jumps: list[int]) -> None:
    """However it jumps around midnight there are two windows and no third: both have one row for ever."""
    _, midnight = window(period, zone, unix("2026-10-24T12:00+00:00"))
    assert midnight is not None
    found = {window(period, zone, midnight + jump)[0] for jump in jumps}
    assert len(found) <= 2
    assert found <= {window(period, zone, midnight - 1)[0], midnight}


def test_a_total_has_begun_with_the_first_and_never_ends() -> None:
    """Whatever the zone and the instant, it is the same window."""
    assert window("total", "UTC", 0) == window("total", "nowhere", 2e9) == (0, None)


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "", "../../etc/passwd", "/etc/localtime", "America", "a\0b"]
)
def test_what_is_no_zone_is_refused(zone: str) -> None:
    """It is told by its name, and no file outside the zones is looked at."""
    with pytest.raises(Failure) as caught:
        window("day", zone, 0)
    assert caught.value.kind is Kind.INVALID
    assert caught.value.code == "unknown_zone"


def test_the_zones_of_these_tests_are_there() -> None:
    """They are real: the calendar of today can be told in each."""
    now = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
    assert all(window("day", zone, now)[0] <= now for zone in ZONES)
