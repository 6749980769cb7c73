"""Spreads: buckets of a sixteenth of an octave, percentiles from them, and their bytes."""

from __future__ import annotations

import math
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.store.spread import (
    MOST,
    added,
    bucket,
    folded,
    later,
    middle_ms,
    packed,
    pair,
    percentile_ms,
    percentiles_ms,
    together,
    unpacked,
)

few = st.dictionaries(st.integers(0, MOST), st.integers(-(10**8), 10**8).filter(bool), max_size=9)
many = st.dictionaries(st.integers(90, 190), st.integers(-3, 9).filter(bool), min_size=50, max_size=90)
counts = few | many


@given(us=st.integers(-5, 10**12))
def test_a_bucket_holds_what_it_says(us: int) -> None:
    """Up to its own end, and longer than the end before; the first and the last take what is beyond."""
    place = bucket(us)
    if place:
        assert us / 1000 > 2 ** ((place - 1) / 16) * (1 - 1e-9)
    if place < MOST:
        assert us / 1000 <= 2 ** (place / 16) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("us", "place"), [(0, 0), (1000, 0), (1001, 1), (2000, 16), (2001, 17), (4000, 32), (10**15, MOST)]
)
def test_ends_of_buckets(us: int, place: int) -> None:
    """Each octave of milliseconds ends a bucket exactly."""
    assert bucket(us) == place


@given(durations=st.lists(st.integers(1001, 10**9), min_size=1, max_size=200), share=st.floats(0, 1))
def test_a_percentile_is_near_the_rows_own(durations: list[int], share: float) -> None:
    """Within 2.2 % of the duration of that rank."""
    spread: dict[int, int] = {}
    for us in durations:
        spread[bucket(us)] = spread.get(bucket(us), 0) + 1
    rank = max(1, math.ceil(share * len(durations) - 1e-9))
    exact = sorted(durations)[rank - 1] / 1000
    told = percentile_ms(spread, share)
    assert told is not None
    assert abs(told / exact - 1) < 0.0222


def test_nothing_has_no_percentile() -> None:
    """Neither no spread nor one that was taken off again."""
    assert percentile_ms({}, 0.5) is None
    assert percentile_ms({3: 0}, 0.5) is None
    assert percentile_ms({0: 1}, 0.5) == 1.0
    assert middle_ms(16) == pytest.approx(2 ** (15.5 / 16))


@given(one=counts, other=counts)
def test_spreads_add_up(one: dict[int, int], other: dict[int, int]) -> None:
    """Bucket by bucket; what is taken off is not there. Of bytes it is the same."""
    both = added(one, other)
    assert added(later(packed(one)), later(packed(other))) == added(later(packed(one)), other) == both
    assert 0 not in both.values()
    assert all(both.get(place, 0) == one.get(place, 0) + other.get(place, 0) for place in {*one, *other})
    assert added(both, {place: -count for place, count in both.items()}) == {}


@given(spread=counts)
def test_bytes_are_the_spread(spread: dict[int, int]) -> None:
    """And back, whatever its counts; a count of nothing is not written."""
    data = packed(spread)
    assert unpacked(data) == spread
    assert packed({**spread, MOST + 1: 0}) == data
    assert folded(data) == data


@given(spread=counts, more=counts)
def test_bytes_are_added_by_writing_one_behind_the_other(
    spread: dict[int, int], more: dict[int, int]
) -> None:
    """And folded they are the sum's own, whatever was added or taken off again."""
    both = packed(spread) + packed(more)
    assert unpacked(both) == added(spread, more)
    assert folded(both) == packed(added(spread, more))
    assert folded(both + both) == packed(added(spread, more, spread, more))


durations = st.tuples(st.integers(0, 10**10) | st.just(5000), st.sampled_from((1, 1, -1)))


@given(some=st.lists(durations, max_size=300))
def test_durations_together_are_their_spread(some: list[tuple[int, int]]) -> None:
    """However many there are, and however many of them are the same."""
    expected = added(*({bucket(us): times} for us, times in some))
    found = unpacked(together([pair(us, times) for us, times in some]))
    assert {place: count for place, count in found.items() if count} == expected


def test_the_bytes_of_a_spread_are_few() -> None:
    """Four for each bucket that has any, however many durations it holds."""
    assert packed({}) == together([]) == b""
    assert packed({90: 3, 93: -1}) == bytes((3, 0, 64, 45, 255, 255, 191, 46))
    assert len(packed(dict.fromkeys(range(MOST + 1), 4_000_000))) == 4 * (MOST + 1)
    assert len(together([pair(5000, 1)] * 1000)) == 4


@given(some=st.lists(counts, max_size=4))
def test_percentiles_are_the_same_of_bytes(some: list[dict[int, int]]) -> None:
    """Whether or not anybody has looked into them, however they are folded, and whatever was taken off."""
    shares = [0.0, 0.5, 0.9, 1.0]
    whole = dict(added(*some))
    if min(accumulate(whole[place] for place in sorted(whole)), default=0) < 0:
        return  # more was taken off than there was
    looked = later(*map(packed, some))
    assert len(looked) == len(whole)
    for one in (later(*map(packed, some)), later(packed(whole)), looked, added(*some)):
        assert percentiles_ms(one, shares) == percentiles_ms(whole, shares)


def test_bytes_that_nobody_looks_into_are_not_read() -> None:
    """They are added as they are; whoever looks has what a spread has, and is told where they are none."""
    some = {90: 3, 93: 1}
    whole = added(later(packed(some), packed(some)), {90: -1})
    assert whole == {90: 5, 93: 2} == dict(whole)
    assert (len(whole), whole[90], sorted(whole), percentile_ms(whole, 1)) == (2, 5, [90, 93], middle_ms(93))
    broken = added(later(b"\x01"), whole)
    with pytest.raises(ValueError, match="ends within"):
        len(broken)


@pytest.mark.parametrize("data", [b"\x01", b"\x01\x02\x03", b"\x80" * 5])
def test_what_is_no_spread_is_refused(data: bytes) -> None:
    """Bytes that end within a number."""
    with pytest.raises(ValueError, match="ends within"):
        unpacked(data)
