"""Cells: as wide as they should be, whatever stands in them, and never a 0 for what nobody knows."""

from __future__ import annotations

from unicodedata import east_asian_width

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.cli.columns import cost, fit, lasting, short


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("abc", "abc  "),
        ("abcdef", "abcd~"),
        ("\x1b[2J", "?[2J "),
        ("日本", "日本 "),
        ("日本語", "日本~"),
        ("a\nb", "a?b  "),
    ],
)
def test_a_cell_fits(text: str, shown: str) -> None:
    """It is cut or filled up, by columns and not by letters; nothing in it makes a terminal obey."""
    assert fit(text, 5) == shown


@given(st.text(st.characters(exclude_categories=["Mn", "Me", "Cs"])), st.integers(1, 20))
def test_every_cell_is_as_wide_as_asked(text: str, width: int) -> None:
    """Whatever stands in it."""
    shown = fit(text, width)
    assert sum(2 if east_asian_width(letter) in "WF" else 1 for letter in shown) == width
    assert shown.isprintable()


def test_an_amount_is_never_0_unless_it_is() -> None:
    """A millionth of a dollar is told; what nobody knows is told so."""
    assert [cost(micros) for micros in (None, 0, 1, 1_500_000)] == ["unknown", "$0.00", "$0.000001", "$1.50"]


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (12_345, "12.3k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (10**9, "1.0G"),
        (10**13, "10T"),
    ],
)
def test_a_count_is_short(number: int, told: str) -> None:
    """At most five characters."""
    assert short(number) == told


@pytest.mark.parametrize(
    ("ms", "told"),
    [
        (None, "-"),
        (0.4, "0ms"),
        (999.4, "999ms"),
        (999.6, "1.00s"),
        (12_340, "12.3s"),
        (99_960, "1m40s"),
        (3_600_000, "60m00s"),
        (36_000_000, "10h00m"),
    ],
)
def test_a_length_is_short(ms: float | None, told: str) -> None:
    """At most six characters, in the unit a person would say it in."""
    assert lasting(ms) == told
