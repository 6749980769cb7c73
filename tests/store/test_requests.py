"""The log's own words: cursors, figures, and what a condition says of a row, where no database is asked."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.failure import Failure, Kind
from dragoman.store import ExchangeRow, Meters
from dragoman.store.requests import (
    Filters,
    Order,
    Spot,
    cursor,
    figure,
    matches,
    model_of,
    part_of,
    read_cursor,
)


def row(**more: Any) -> ExchangeRow:
    """Return an exchange that has ended."""
    fields: dict[str, Any] = {
        "id": "x",
        "request_id": "theirs",
        "owner": "me",
        "key": "a",
        "dialect": "openai_chat",
        "task": "generate",
        "model": "asked",
        "stream": False,
        "opened_at": 100.0,
        "state": "settled",
        "provider": "p",
        "answered_model": "told",
    }
    return ExchangeRow(**(fields | more))


@given(st.floats(0, 1e11), st.integers(0, 2**63 - 1), st.sampled_from(["newest", "oldest"]))
def test_a_cursor_is_read_as_it_was_written(at: float, place: int, order: Order) -> None:
    """The instant comes back to the bit, and a cursor of the other order is refused."""
    spot = Spot(at, place)
    text = cursor(order, spot)
    assert read_cursor(order, text) == spot
    assert text.isascii()
    with pytest.raises(Failure) as refused:
        read_cursor("oldest" if order == "newest" else "newest", text)
    assert (refused.value.kind, refused.value.at) == (Kind.INVALID, "after")


@given(st.text(max_size=60))
def test_no_word_makes_a_cursor_fall_over(word: str) -> None:
    """Whatever stands there is a spot or a refusal."""
    with suppress(Failure):
        assert 0 <= read_cursor("newest", word).opened_at < 1e12


@pytest.mark.parametrize(
    ("filters", "met"),
    [
        (Filters(), True),
        (Filters(since=100.0, until=100.5), True),
        (Filters(until=100.0), False),
        (Filters(since=100.1), False),
        (Filters(model="told"), True),
        (Filters(model="asked"), False),
        (Filters(asked="asked"), True),
        (Filters(team=""), True),
        (Filters(priced=False), True),
        (Filters(priced=True), False),
        (Filters(min_cost_micros=0), True),
        (Filters(min_cost_micros=1), False),
        (Filters(id="theirs"), True),
        (Filters(id="others"), False),
        (Filters(lossy=False), True),
    ],
)
def test_a_condition_says_what_it_says(filters: Filters, met: bool) -> None:  # noqa: FBT001  a table's column
    """Each condition holds of a row or not; what only had tokens counted meets none."""
    assert matches(filters, row()) == met
    assert not matches(filters, row(task="count"))


def test_what_is_open_has_no_cost_known_or_unknown() -> None:
    """A request under way is neither priced nor not."""
    open_ = row(state="reserved")
    assert not matches(Filters(priced=True), open_)
    assert not matches(Filters(priced=False), open_)


def test_names_are_cut_as_the_sums_cut_them() -> None:
    """Two models that differ beyond what an index takes are the same to the log, as they are to the sums."""
    assert matches(Filters(model="x" * 200), row(answered_model="x" * 160 + "y"))
    assert not matches(Filters(model="x" * 200), row(answered_model="x" * 159))
    assert part_of(Filters(model="x" * 200, since=3.0)).wanted == {"model": "x" * 160}


def test_a_model_is_the_one_that_answered() -> None:
    """Else the one that was asked; none where nobody was asked."""
    assert model_of(row()) == "told"
    assert model_of(row(answered_model=None)) == "asked"
    assert model_of(row(provider=None)) == ""


def test_figures_are_the_rows() -> None:
    """What an order sorts by is the row's own figure; tokens are all of them."""
    meters = Meters(input=1, cache_read=2, cache_write=3, cache_write_long=4, audio_input=5, output=6,
                    reasoning=7, audio_output=8, cost_micros=9)  # fmt: skip
    found = row(meters=meters, latency_ms=10.0, first_event_ms=11.0)
    orders: tuple[Order, ...] = ("tokens", "cost", "latency", "first_event", "newest")
    assert [figure(order, found) for order in orders] == [36, 9, 10.0, 11.0, 100.0]
