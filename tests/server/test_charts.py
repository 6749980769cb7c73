"""Charts: block characters and SVG, whatever the numbers and the names."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree as ET

import pytest

from dragoman.server.charts import (
    BLOCKS,
    COLOURS,
    OTHERS,
    Number,
    Series,
    bars_svg,
    colour,
    count,
    folded,
    resampled,
    scale,
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


def pieces(drawn: str) -> list[ET.Element]:
    """Return the rectangles of bars, those of the legend left out."""
    return [rect for rect in ET.fromstring(drawn).iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]


def words(drawn: str) -> list[str]:
    """Return all that is written in a drawing."""
    return [found.text or "" for found in ET.fromstring(drawn).iter(f"{SVG}text")]


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
    """Whatever the numbers, lines and bars are XML with finite coordinates within the drawing."""
    assert len(sparkline(numbers)) == len(numbers)
    labels = [str(place) for place in range(len(numbers))]
    series = [Series("one", numbers), Series("two", numbers)]
    for drawn in (spark_svg(numbers, label="x"), bars_svg(series, labels=labels, title="x")):
        root = ET.fromstring(drawn)
        assert not re.search(r"\b(nan|inf)\b", drawn)
        for one in root.iter():
            for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"):
                assert 0 <= float(one.get(name, "0")) <= 760.01, (name, one.attrib)


def test_one_point_is_a_dot_and_a_gap_parts_the_line() -> None:
    """A point without neighbours would be an invisible line, so it is a dot; none draws nothing."""
    assert "chart-dot" in spark_svg([3], label="x")
    parted = spark_svg([1, 2, None, 4, 5, None, 6], label="x")
    assert (parted.count("<polyline"), parted.count("<circle")) == (2, 1)
    assert [one.tag for one in ET.fromstring(spark_svg([None], label="x"))] == [f"{SVG}title"]


def test_bars_are_as_high_as_their_numbers_and_stand_on_each_other() -> None:
    """Twice as much is twice as high, and a piece begins where the one below it ends."""
    drawn = bars_svg([Series("a", (2, 1)), Series("b", (4, None))], labels=["mon", "tue"], title="Spend")
    low, high, other = pieces(drawn)
    assert float(high.get("height", "")) == pytest.approx(2 * float(low.get("height", "")), abs=0.02)
    assert float(other.get("height", "")) == pytest.approx(float(low.get("height", "")) / 2, abs=0.02)
    assert float(high.get("y", "")) + float(high.get("height", "")) == pytest.approx(
        float(low.get("y", "")), abs=0.02
    )
    assert [piece.findtext(f"{SVG}title") for piece in (low, high, other)] == [
        "mon, a: 2",
        "mon, b: 4",
        "tue, a: 1",
    ]


def test_bars_say_what_they_show() -> None:
    """A reader hears the title, and what there was in all and at most; numbers are told as asked."""
    drawn = bars_svg(
        [Series("a", (2, 6))], labels=["mon", "tue"], title="Spend, $", told=lambda number: f"${number:g}"
    )
    root = ET.fromstring(drawn)
    assert (root.get("role"), root.get("aria-label")) == ("img", "Spend, $")
    assert root.findtext(f"{SVG}title") == "Spend, $"
    assert root.findtext(f"{SVG}desc") == "From mon to tue: $8 in all; the most, $6, at tue."
    assert "$6" in words(drawn)
    assert bars_svg([], labels=[], title="x").count("Nothing in all of it.") == 1


def test_a_legend_names_each_of_several_series() -> None:
    """Every series has its square and its name, in as many rows as that takes; one alone needs none."""
    many = [Series(f"a model with a name {place}", (1,)) for place in range(8)]
    drawn = bars_svg(many, labels=["mon"], title="x")
    assert set(words(drawn)) >= {one.name for one in many}
    assert len(pieces(drawn)) == 8
    assert "alone" not in words(bars_svg([Series("alone", (1,))], labels=["mon"], title="x"))


def test_labels_stay_apart() -> None:
    """Of a year of days only so many dates are written as do not run into each other."""
    labels = [f"2026-01-{place:03}" for place in range(365)]
    drawn = bars_svg([Series("a", (1,) * 365)], labels=labels, title="x")
    written = [
        float(one.get("x", ""))
        for one in ET.fromstring(drawn).iter(f"{SVG}text")
        if (one.text or "").startswith("2026")
    ]
    assert len(written) >= 5
    assert min(right - left for left, right in itertools.pairwise(written)) > 60


@pytest.mark.parametrize(
    "name", ['<script>alert("1")</script>', "a&b", "'\"><img src=x>", "\x00\x1b\ud800", "]]>"]
)
def test_names_are_text_and_nothing_else(name: str) -> None:
    """Markup in a name is shown as it was written; what XML cannot say is replaced."""
    drawn = bars_svg([Series(name, (1,)), Series("b", (1,))], labels=[name], title=name, text=name)
    drawn += spark_svg([1, 2], label=name)
    assert "<script" not in drawn
    assert "<img" not in drawn
    found = ET.fromstring(f"<div>{drawn}</div>")
    shown = re.sub("[\x00-\x1f\ud800-\udfff]", "\ufffd", name)
    assert shown in [one.text for one in found.iter(f"{SVG}text")]
    assert shown in [one.get("aria-label") for one in found]


def test_no_style_attribute_and_no_script() -> None:
    """A strict content security policy has nothing to forbid in a drawing."""
    drawn = bars_svg([Series("a", (1, 2))], labels=["x", "y"], title="t") + spark_svg([1, 2], label="x")
    assert not re.search(r"\s(style|on\w+|href)=", drawn)


def test_series_of_another_length_are_refused() -> None:
    """A number without a label would be drawn at a day that is not its own."""
    with pytest.raises(ValueError, match="one number for each label"):
        bars_svg([Series("a", (1,))], labels=["x", "y"], title="t")


def test_what_has_no_colour_is_folded() -> None:
    """The largest keep their names, the rest are added up, and nothing is lost."""
    series = [Series(f"m{place}", (place, None if place else 7)) for place in range(12)]
    found = folded(series)
    assert [one.name for one in found] == ["m11", "m10", "m9", "m8", "m0", "m7", "m6", OTHERS]
    assert found[-1].numbers == (1 + 2 + 3 + 4 + 5, None)
    assert folded(series[:2]) == [series[0], series[1]]
    assert colour(7, 8) == COLOURS[7] == colour(9, 12)


@pytest.mark.parametrize(
    ("top", "ticks"),
    [
        (0, [0, 0.25, 0.5, 0.75, 1]),
        (1, [0, 0.25, 0.5, 0.75, 1]),
        (7, [0, 2, 4, 6, 8]),
        (100, [0, 25, 50, 75, 100]),
        (101, [0, 50, 100, 150]),
        (1234567, [0, 500000, 1000000, 1500000]),
    ],
)
def test_axes_have_round_numbers(top: float, ticks: list[float]) -> None:
    """An axis goes from zero to the top or a little more, in few round steps."""
    assert scale(top) == ticks


@pytest.mark.parametrize("power", range(-8, 18))
def test_every_axis_has_room_for_its_bars(power: int) -> None:
    """Of any size, the last tick is no lower than the top and there are three to six of them."""
    for lead in (1.0, 1.01, 2.2, 3.999, 4, 5.5, 9.99):
        ticks = scale(lead * 10.0**power)
        assert ticks[-1] >= lead * 10.0**power * (1 - 1e-9)
        assert 3 <= len(ticks) <= 6


def test_numbers_are_told_for_people() -> None:
    """Thousands are apart, halves keep their digits, and small ones are not rounded away."""
    assert [count(number) for number in (0, 1500000, 2.5, 0.0004, 12.0)] == [
        "0",
        "1,500,000",
        "2.5",
        "0.0004",
        "12",
    ]
