"""Times, totals and text as every sink says them."""

from __future__ import annotations

import pytest
from tests.sinks.records import ALERTED, RATED, record

from dragoman.sinks.telling import Tokens, dollars, instant, tokens, valid, weight
from dragoman.store import Meters


def test_totals_have_every_counter() -> None:
    """Disjoint counters are added up; nothing is in two totals."""
    meters = Meters(
        input=1,
        cache_read=2,
        cache_write=4,
        cache_write_long=8,
        audio_input=16,
        output=32,
        reasoning=64,
        audio_output=128,
    )
    assert tokens(meters) == Tokens(read=31, cached=14, wrote=224, reasoning=64)


def test_unknown_money_is_not_none_at_all() -> None:
    """Unknown is None, nothing is 0."""
    assert [dollars(Meters(cost_micros=cost)) for cost in (None, 0, 1, 1_234_567)] == [
        None,
        0.0,
        1e-06,
        1.234567,
    ]


def test_a_time_is_iso_in_utc() -> None:
    """To the millisecond."""
    assert instant(1_764_000_000.123) == "2025-11-24T16:00:00.123Z"
    assert instant(0) == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("plain", "plain"),
        ("日本", "日本"),
        ("\ud83d\ude00", "😀"),
        ("\ud800", "\ufffd"),
        ("a\udc00é", "a\ufffdé"),
    ],
)
def test_half_a_character_is_no_fault(text: str, told: str) -> None:
    """Two halves are their whole, one half is the mark of what is lost."""
    assert valid(text) == told


def test_weight_is_that_of_the_words() -> None:
    """A record without words weighs nothing."""
    assert [weight(record()), weight(RATED), weight(ALERTED)] == [len("question 0answer 0"), len("good"), 0]
