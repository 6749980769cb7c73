"""What a report asks, and what its sums say."""

from __future__ import annotations

import msgspec
import pytest

from dragoman.store.reports import (
    DIMENSIONS,
    KINDS,
    LONGEST_NAME,
    MEASURES,
    SIDES,
    Dimension,
    Kind,
    Part,
    Spread,
    Sums,
    is_alone,
    kind_of,
)
from dragoman.store.spread import bucket


def test_every_dimension_has_a_kind_of_its_own() -> None:
    """Numbers of kinds are in the tables: they are all different, and stay what they are."""
    assert set(DIMENSIONS) < set(KINDS)
    assert list(KINDS.values()) == list(range(len(KINDS)))
    assert set(Part.__struct_fields__) == {"since", "until", *DIMENSIONS}


def test_what_is_asked_of_a_dimension_is_cut_as_names_are() -> None:
    """Nothing asked is not there; "" is something."""
    part = Part(since=3.0, key="k" * 500, model="")
    assert part.wanted == {"key": "k" * LONGEST_NAME, "model": ""}
    assert Part(1, 2).wanted == {}


@pytest.mark.parametrize(
    ("part", "by", "kind", "of_an_hour"),
    [
        (Part(), None, "all", "all"),
        (Part(since=5), "model", "model", "model"),
        (Part(key="a"), None, "key", "key"),
        (Part(key=""), "key", "key", "key"),
        (Part(key="a"), "model", "who_what", "each"),
        (Part(team="a", user="b"), "key", "who_how", "each"),
        (Part(key="a", state="failed"), None, "who_how", "each"),
        (Part(model="m", route=""), "failure", "what_how", "each"),
        (Part(model="m", state="failed"), "key", "each", "each"),
    ],
)
def test_a_report_is_read_from_the_fewest_sums(
    part: Part, by: Dimension | None, kind: Kind, of_an_hour: Kind
) -> None:
    """Of all, of one dimension, of two sides, or of each combination where all three are told apart."""
    assert kind_of(part, by, hourly=False) == kind
    assert kind_of(part, by, hourly=True) == of_an_hour


def test_two_dimensions_are_always_on_two_sides() -> None:
    """Whatever is filtered by, and grouped by, is not read from each combination."""
    for one in DIMENSIONS:
        for other in DIMENSIONS:
            kind = kind_of(msgspec.structs.replace(Part(), **{one: "x"}), other, hourly=False)
            assert is_alone(kind) == (one == other)
            assert one == other or {one, other} <= set(SIDES[kind])  # type: ignore[index]  # asserted


def test_sums_add_up_measure_by_measure() -> None:
    """Every one of them, in the order of the columns."""
    one = Sums(*range(1, len(MEASURES) + 1))
    both = one + one
    assert [getattr(both, name) for name in MEASURES] == [2 * n for n in range(1, len(MEASURES) + 1)]
    assert one.tokens == one.input + one.output


def test_what_nobody_knows_is_none() -> None:
    """A cost that is unknown, or means of nothing, are no zeros."""
    assert Sums().cost == 0
    assert Sums(unknown_cost=1).cost is None
    assert Sums(unknown_cost=1, cost_micros=5).cost == 5
    assert Sums().latency_ms is None
    assert Sums().first_event_ms is None
    assert Sums(latency_us=5000, latencies=2).latency_ms == 2.5
    assert Sums(first_event_us=9000, first_events=3).first_event_ms == 3.0


def test_percentiles_come_from_the_spread() -> None:
    """Of whole answers and of first events, each its own."""
    spread = Spread({bucket(100_000): 1}, {bucket(7000): 3, bucket(90_000): 1})
    assert spread.latency_ms(0.95) == pytest.approx(100, rel=0.023)
    assert spread.first_event_ms(0.75) == pytest.approx(7, rel=0.023)
    assert spread.first_event_ms(0.76) == pytest.approx(90, rel=0.023)
    assert Spread().latency_ms(0.5) is None
