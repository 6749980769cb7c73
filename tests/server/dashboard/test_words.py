"""Figures as people read them: enough digits, units, and the word for what nobody knows."""

from __future__ import annotations

import pytest

from dragoman.server.dashboard import words


@pytest.mark.parametrize(
    ("micros", "told"),
    [
        (None, "unknown"),
        (0, "$0"),
        (1, "$0.000001"),
        (0.2, "<$0.000001"),
        (1234, "$0.0012"),
        (93, "$0.000093"),
        (100_000, "$0.10"),
        (12_400_000, "$12.40"),
        (1_234_567_890_000, "$1,234,567.89"),
        (-1234, "\u2212$0.0012"),
        (999_999, "$1.00"),
    ],
)
def test_money_has_digits_that_are_not_zero(micros: float | None, told: str) -> None:
    """However little it is, two digits tell how much; nothing known is a word."""
    assert words.money(micros) == told


def test_exact_money_has_all_digits() -> None:
    """What is hovered over is told to the micro-dollar."""
    assert words.exact_money(1_234) == "$0.001234"
    assert words.exact_money(-1) == "\u2212$0.000001"
    assert words.exact_money(None) == "unknown"


def test_counts_have_their_thousands_apart() -> None:
    """A count is told whole, or in three digits."""
    assert [words.count(n) for n in (None, 0, 12_345, 1e9)] == ["unknown", "0", "12,345", "1,000,000,000"]
    shorts = [None, 0, 999, 1000, 12_345, 999_999, 4_560_000, 7e9]
    assert [words.short(n) for n in shorts] == ["unknown", "0", "999", "1k", "12.3k", "1M", "4.56M", "7B"]


@pytest.mark.parametrize(
    ("ms", "told"),
    [
        (None, words.NONE),
        (0.2, "<1 ms"),
        (142.4, "142 ms"),
        (1920, "1.92 s"),
        (12_340, "12.3 s"),
        (64_000, "1 min 4 s"),
        (7_500_000, "2 h 5 min"),
    ],
)
def test_durations_have_the_unit_that_suits(ms: float | None, told: str) -> None:
    """Milliseconds, seconds, minutes, hours."""
    assert words.duration(ms) == told


def test_shares_and_changes() -> None:
    """A share that is not nothing never looks like nothing; a change from nothing is new."""
    shares = (None, 0, 0.0001, 0.042, 0.5, 1)
    assert [words.percent(n) for n in shares] == [words.NONE, "0.0 %", "<0.1 %", "4.2 %", "50 %", "100 %"]
    pairs = ((None, 1), (1, None), (0, 0), (1, 0), (112, 100), (50, 100), (30_000, 10))
    told = [words.NONE, words.NONE, words.NONE, "new", "+12 %", "\u221250 %", "+299,900 %"]
    assert [words.change(*pair) for pair in pairs] == told


def test_instants_and_spans() -> None:
    """When something was, exactly and in the greatest unit."""
    assert words.instant(None) == words.NONE
    assert words.instant(1_790_000_000) == "2026-09-21 14:13:20 UTC"
    assert words.iso(-5) == "1970-01-01T00:00:00+00:00"
    assert words.iso(1e18).startswith("9999-12-31")
    now = 1_000_000.0
    asked = (None, now, now - 3, now - 200, now - 7200, now - 86_400, now - 900_000, now + 100)
    told = [words.NONE, "now", "3 s ago", "3 min ago", "2 h ago", "1 day ago", "10 days ago", "in 1 min"]
    assert [words.ago(at, now) for at in asked] == told


def test_what_is_below_zero_has_a_minus() -> None:
    """The sign, and no hyphen, before every figure; nothing is not less than nothing."""
    told = (
        words.money(-2_500_000),
        words.exact_money(-1),
        words.count(-12_345),
        words.short(-12_345),
        words.short(-7),
        words.percent(-0.042),
        words.percent(-0.0001),
        words.change(1, 2),
    )
    assert all(one.startswith("\u2212") for one in told), told
    assert not any("-" in one for one in told), told
    assert [words.count(-0.2), words.change(0.9999, 1)] == ["0", "+0 %"]
