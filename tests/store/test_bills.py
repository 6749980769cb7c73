"""A bill's rows: which exchanges are looked at, and what is added up of them."""

from __future__ import annotations

import itertools

import msgspec

from dragoman.store.bills import EARLIER_S, PIECE_S, Bill, pieces, together

DAY = 86_400
BILL = Bill(0, "m", "generate", 1, 2, 3, 4, 5, 6, 7, 8, 9)


def test_pieces_are_the_whole_and_what_began_before() -> None:
    """They follow on each other without gap or overlap, each ends with a day, and none is too long."""
    since, until = 5 * DAY + 11.5, 40 * DAY + 3.25
    found = pieces(since, until)
    assert (found[0][0], found[-1][1]) == (since - EARLIER_S, until)
    assert all(one[1] == other[0] for one, other in itertools.pairwise(found))
    assert all(end % DAY == 0 for _, end in found[:-1])
    assert max(end - begin for begin, end in found) <= PIECE_S
    assert len(found) == 37


def test_no_time_has_no_pieces() -> None:
    """A stretch that ends where it begins is not looked at."""
    assert pieces(3.0, 3.0) == []


def test_a_day_that_was_found_in_two_pieces_is_one() -> None:
    """Every figure is added up; other days, models and tasks stay apart, in order."""
    other = msgspec.structs.replace(BILL, model="a")
    embed = msgspec.structs.replace(BILL, task="embed")
    later = msgspec.structs.replace(BILL, day=DAY)
    twice = Bill(0, "m", "generate", 2, 4, 6, 8, 10, 12, 14, 16, 18)
    assert together([BILL, later, other, BILL, embed]) == [other, embed, twice, later]
