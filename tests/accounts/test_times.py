"""Times as people write them: what is one, what is none, and what it means."""

from __future__ import annotations

import pytest

from dragoman.accounts.times import instant, length, told


@pytest.mark.parametrize(
    ("words", "at"),
    [
        ("2027-01-01", 1_798_761_600.0),
        ("2027-01-01T00:00:00", 1_798_761_600.0),
        ("2027-01-01T01:00:00+01:00", 1_798_761_600.0),
        (" 2027-01-01T00:00:00Z ", 1_798_761_600.0),
        ("1798761600", 1_798_761_600.0),
        ("1798761600.5", 1_798_761_600.5),
        ("0", 0.0),
    ],
)
def test_an_instant_is_read(words: str, at: float) -> None:
    """A date is its beginning in UTC; a time without an offset is UTC; a number is Unix seconds."""
    assert instant(words) == at


@pytest.mark.parametrize(
    "words", ["", "tomorrow", "2027-02-30", "-1", "1e9", "nan", "9999999999999", "30d", "2027-01-01T25:00"]
)
def test_what_is_no_instant_is_none(words: str) -> None:
    """Nothing is guessed."""
    assert instant(words) is None


@pytest.mark.parametrize(
    ("words", "seconds"),
    [("30d", 2_592_000), ("24h", 86_400), ("90m", 5400), ("45s", 45), ("0", 0), ("0h", 0)],
)
def test_a_length_is_read(words: str, seconds: float) -> None:
    """A whole number and a unit; nothing needs none."""
    assert length(words) == seconds


@pytest.mark.parametrize("words", ["", "30", "1.5h", "-1h", "1w", "h", "1h30m"])
def test_what_is_no_length_is_none(words: str) -> None:
    """A number without a unit could be anything."""
    assert length(words) is None


def test_an_instant_is_told() -> None:
    """To the second, in UTC, for people; also the last one there is."""
    assert told(1_798_761_600.9) == "2027-01-01 00:00:00"
    assert told(1e12) == "9999-12-31 23:59:59"
