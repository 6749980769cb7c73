"""A stretch of time as few pieces: every instant in one, none in two."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from dragoman.store import Interval
from dragoman.store.cover import BLOCK, DAY, HOUR, beginning, cover


@given(since=st.floats(0, 1e10), long=st.floats(0, 1e9), longest=st.sampled_from((HOUR, DAY, BLOCK)))
def test_pieces_follow_each_other(since: float, long: float, longest: int) -> None:
    """They begin where the time does, end where it does, and sums lie on whole multiples of their span."""
    pieces = list(cover(since, since + long, longest))
    ends = [since, *(piece.hi for piece in pieces)]
    assert [piece.lo for piece in pieces] == ends[:-1]
    assert ends[-1] == (since + long if pieces else since)
    assert len(pieces) <= 7
    for piece in pieces:
        assert piece.lo < piece.hi
        assert piece.span <= longest
        assert piece.span == 0 or (piece.lo % piece.span, piece.hi % piece.span) == (0, 0)


@given(at=st.integers(0, 4 * 10**9))
def test_stretches_begin_as_the_calendar_says(at: int) -> None:
    """Hours and days at their first second, weeks on Mondays, months on the first, all in UTC."""
    then = datetime.fromtimestamp(at, UTC)
    every: tuple[Interval, ...] = ("hour", "day", "week", "month")
    begins = {each: datetime.fromtimestamp(beginning(at, each), UTC) for each in every}
    assert begins["hour"] == then.replace(minute=0, second=0)
    assert begins["day"] == then.replace(hour=0, minute=0, second=0)
    assert begins["month"] == begins["day"].replace(day=1)
    assert begins["week"].weekday() == 0
    assert (begins["day"] - begins["week"]).days == then.weekday()
