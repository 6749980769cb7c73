"""A stretch of time as few pieces: every instant in one, none in two."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dragoman.store.cover import BLOCK, DAY, HOUR, cover


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
