"""Charts: block characters and SVG, whatever the numbers and the names."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from dragoman.server.charts import (
    BLOCKS,
    COLOURS,
    Number,
    colour,
    resampled,
    spark_svg,
    sparkline,
)

SVG = "{http://www.w3.org/2000/svg}"
STRANGE: tuple[tuple[Number, ...], ...] = (
    (),
    (0,),
    (5,),
    (None,),
    (None, None),
    (0, 0, 0),
    (-3, 2),
    (float("nan"), 1),
    (float("inf"), 1),
    (float("-inf"), 1),
    (1e308, 1e308),
    (10**400, 1),
    (5e-324, 1e-300),
    (1, None, None, 4, None),
    tuple(range(5000)),
)


def test_a_sparkline_rises_with_its_numbers() -> None:
    """Eight even numbers are the eight blocks in order, from nothing to the most."""
    assert sparkline(list(range(8))) == BLOCKS


def test_anything_is_higher_than_nothing() -> None:
    """A zero has the lowest block to itself: the smallest number beside a huge one stands above it."""
    assert sparkline([0, 1, 10**6]) == "▁▂█"


def test_what_nobody_knows_is_a_gap() -> None:
    """None and what is no number leave a space; zeros alone are a flat line, and no number an empty one."""
    assert sparkline([1, None, float("nan"), 1]) == "█  █"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([]) == ""


def test_a_sparkline_keeps_to_its_width() -> None:
    """More numbers than characters become means of neighbours; fewer stay as they are."""
    assert len(sparkline(list(range(1000)), width=30)) == 30
    assert sparkline([0, 4], width=30) == "▁█"
    assert resampled([1, 3, 5, None, 2, 2], 3) == [2, 5, 2]
    assert resampled([1, 2, 3], 0) == [2]


@pytest.mark.parametrize("numbers", STRANGE)
def test_any_numbers_are_drawn(numbers: tuple[Number, ...]) -> None:
    """Whatever the numbers, a line is as long as they are, and a drawing XML whose points are within it."""
    assert len(sparkline(numbers)) == len(numbers)
    for one in ET.fromstring(spark_svg(numbers, label="x", width=120, height=28)).iter():
        points = [pair.split(",") for pair in one.get("points", "").split()]
        points += [[one.get("cx", "0"), one.get("cy", "0")]]
        for x, y in points:
            assert 0 <= float(x) <= 120, one.attrib
            assert 0 <= float(y) <= 28, one.attrib


def test_a_line_is_as_high_as_its_numbers() -> None:
    """It begins at the left and ends at the right; half as much is half as high, nothing is the bottom."""
    line = ET.fromstring(spark_svg([0, 2, 4], label="x", width=104, height=24)).find(f"{SVG}polyline")
    assert line is not None
    assert line.get("points") == "2,22 52,12 102,2"


def test_one_point_is_a_dot_and_a_gap_parts_the_line() -> None:
    """A point without neighbours would be an invisible line, so it is a dot; none draws nothing."""
    assert "chart-dot" in spark_svg([3], label="x")
    parted = spark_svg([1, 2, None, 4, 5, None, 6], label="x")
    assert (parted.count("<polyline"), parted.count("<circle")) == (2, 1)
    assert [one.tag for one in ET.fromstring(spark_svg([None], label="x"))] == [f"{SVG}title"]


@pytest.mark.parametrize(
    "name", ['<script>alert("1")</script>', "a&b", "'\"><img src=x>", "\x00\x1b\ud800", "]]>"]
)
def test_names_are_text_and_nothing_else(name: str) -> None:
    """Markup in a name is shown as it was written; what XML cannot say is replaced."""
    drawn = spark_svg([1, 2], label=name)
    assert "<script" not in drawn
    assert "<img" not in drawn
    found = ET.fromstring(drawn)
    shown = re.sub("[\x00-\x1f\ud800-\udfff]", "\ufffd", name)
    assert (found.findtext(f"{SVG}title"), found.get("aria-label")) == (shown, shown)


def test_no_style_attribute_and_no_script() -> None:
    """A strict content security policy has nothing to forbid in a drawing."""
    assert not re.search(r"\s(style|on\w+|href)=", spark_svg([1, 2, None, 3], label="x"))


def test_each_series_has_its_colour_and_the_others_one() -> None:
    """Seven have colours of their own; what comes after them has the last."""
    assert [colour(place) for place in range(7)] == list(COLOURS[:7])
    assert colour(7) == COLOURS[7] == colour(9)
