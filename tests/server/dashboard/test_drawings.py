"""Small drawings: well formed, escaped, and telling what they show."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from dragoman.accounts.course import Span
from dragoman.server.dashboard.drawings import SLIM, health_svg, spark, waterfall


def test_an_hour_is_a_bar_and_its_failures_are_red() -> None:
    """Every hour is drawn, quiet ones as a line; the red part has its share of the bar's height."""
    root = ET.fromstring(health_svg([(0, 100, 0), (3600, 50, 25), (7200, 0, 0), (10_800, 1, 1)], label="x"))
    bars = [
        (one.get("class"), float(one.get("height", "0")), one.findtext("title")) for one in root.iter("rect")
    ]
    assert [name for name, _, _ in bars] == ["fine", "fine", "failed", "none", "failed"]
    assert [high for _, high, _ in bars[:3]] == [24.0, 6.0, 6.0]
    assert bars[2][2] == "1970-01-01 01:00: 50 calls, 25 failed"
    assert ET.fromstring(health_svg([], label="x")).tag == "svg"


def test_labels_are_text() -> None:
    """Whatever a provider is called, it is no markup."""
    hostile = '"><script>alert(1)</script>'
    for drawing in (health_svg([(0, 1, 0)], label=hostile), spark([1, None, 3], label=hostile)):
        assert "<script" not in drawing
        assert ET.fromstring(drawing).tag.endswith("svg")


def parts_of(drawn: str) -> tuple[list[tuple[str, float, float]], list[str]]:
    """Return the bars of a waterfall (class, from, how wide in per cent) and all that is written in it."""
    root = ET.fromstring(drawn)

    def at(one: ET.Element, name: str) -> float:
        return float(one.get(name, "").removesuffix("%"))

    bars = [(one.get("class", ""), at(one, "x"), at(one, "width")) for one in root.iter("rect")]
    return bars, [one.text or "" for one in root.iter("text")]


def test_a_waterfall_has_a_bar_for_each_span_where_it_was() -> None:
    """Bars follow each other to scale, with their names, durations and ends; short ones are still seen."""
    spans = [
        Span("admit", 0.0, 0.5),
        Span("attempt", 0.5, 100.0, 1, "groq/m", fault="rate_limited"),
        Span("attempt", 100.0, 400.0, 2, "openai/m", first=True),
        Span("deliver", 400.0, 999.5),
        Span("settle", 999.5, 1000.0),
    ]
    drawn = waterfall(spans, until_ms=5000.0)
    bars, written = parts_of(drawn)
    assert [name for name, _, _ in bars] == [
        "span wait",
        "span attempt fault",
        "span attempt",
        "span deliver",
        "span wait",
    ]
    assert bars[2] == ("span attempt", 10.0, 30.0)
    assert all(wide >= SLIM and x + wide <= 100.01 for _, x, wide in bars)
    for words in (
        "admit",
        "attempt 1",
        "attempt 2",
        "<1 ms",
        "300 ms",
        "groq/m \u00b7 rate limited",
        "openai/m",
    ):
        assert words in written
    assert drawn.count("<circle") == 1
    label = ET.fromstring(drawn).get("aria-label", "")
    assert "attempt 100 ms (rate limited)" in label or "attempt 99 ms (rate limited)" in label
    assert "deliver 600 ms" in label


def test_a_waterfall_that_goes_on_ends_now() -> None:
    """A span that has not ended lasts until now, and is drawn as open; nothing at all is a drawing, too."""
    bars, written = parts_of(waterfall([Span("attempt", 0.0, None, 1, "p/m")], until_ms=2500.0))
    assert bars == [("span attempt open", 0.0, 100.0)]
    assert "2.50 s" in written
    assert parts_of(waterfall([], until_ms=0.0))[0] == []


@pytest.mark.parametrize("whole", [1.0, 3.3, 42.0, 999.0, 1000.0, 61_234.0, 3.6e6])
def test_an_axis_has_a_few_round_steps(whole: float) -> None:
    """From nothing on, a few numbers whatever the length is, and none beyond it."""
    _, written = parts_of(waterfall([Span("read", 0.0, whole)], until_ms=0.0))
    steps = [words for words in written if re.fullmatch(r"0|[0-9.]+ m?s", words) and words in written[1:-1]]
    assert steps[0] == "0"
    assert 2 <= len(steps) <= 5


def test_a_waterfall_escapes_all_of_it() -> None:
    """Whoever was asked and however that ended, it is no markup."""
    hostile = '"><script>alert(1)</script>' * 20
    drawn = waterfall([Span("attempt", 0.0, 5.0, 1, hostile, fault=hostile)], until_ms=0.0)
    assert "<script" not in drawn
    assert hostile in "".join(parts_of(drawn)[1])
