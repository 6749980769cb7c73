"""The waterfall: spans follow each other, add up to the latency, and say where it went wrong."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.accounts.course import BEYOND, spans
from dragoman.store import AttemptRow, ExchangeRow


def row(*course: tuple[str, float], **more: Any) -> ExchangeRow:
    """Return an exchange that came past these marks, and took 100 ms."""
    fields: dict[str, Any] = {
        "id": "x",
        "request_id": "x",
        "owner": "me",
        "key": "a",
        "dialect": "openai_chat",
        "task": "generate",
        "model": "m",
        "stream": True,
        "opened_at": 1000.0,
        "state": "settled",
        "latency_ms": 100.0,
    }
    return ExchangeRow(course=course, **(fields | more))


def attempt(number: int, **more: Any) -> AttemptRow:
    """Return an attempt."""
    fields: dict[str, Any] = {"provider": f"p{number}", "model": "m", "opened_at": 1000.0, "state": "settled"}
    return AttemptRow(exchange_id="x", number=number, **(fields | more))


BEGUN = (("admit", 1.0), ("read", 2.0), ("route", 3.0), ("recall", 4.0))


def test_a_request_that_fell_back_once() -> None:
    """Each attempt has its span, the first with its fault, the second with its first content."""
    marks = (
        *BEGUN,
        ("reserve", 10.0),
        ("fault", 30.0),
        ("reserve", 32.0),
        ("first", 60.0),
        ("deliver", 99.0),
    )
    attempts = [attempt(1, state="failed", failure="rate_limited"), attempt(2)]
    found = spans(row(*marks), attempts)
    told = [
        (one.name, one.attempt, one.target, one.start_ms, one.end_ms, one.first, one.fault) for one in found
    ]
    assert told[4:] == [
        ("reserve", 1, "", 4.0, 10.0, False, ""),
        ("attempt", 1, "p1/m", 10.0, 30.0, False, "rate_limited"),
        ("reserve", 2, "", 30.0, 32.0, False, ""),
        ("attempt", 2, "p2/m", 32.0, 60.0, True, ""),
        ("deliver", None, "", 60.0, 99.0, False, ""),
        ("settle", None, "", 99.0, 100.0, False, ""),
    ]


@pytest.mark.parametrize(
    ("marks", "more", "last"),
    [
        ((), {"state": "failed", "failure": "unauthenticated"}, ("admit", "unauthenticated")),
        (BEGUN[:1], {"state": "failed", "failure": "invalid"}, ("read", "invalid")),
        (BEGUN[:3], {"state": "failed", "failure": "not_found"}, ("recall", "not_found")),
        (BEGUN, {"state": "failed", "failure": "out_of_budget"}, ("reserve", "out_of_budget")),
        ((*BEGUN, ("reserve", 9.0)), {"state": "cancelled"}, ("attempt", "cancelled")),
        ((*BEGUN, ("reserve", 9.0), ("first", 20.0)), {"state": "cancelled"}, ("deliver", "cancelled")),
        ((*BEGUN, ("reserve", 9.0), ("first", 20.0)), {}, ("deliver", "")),
        (BEGUN, {"cached": True}, ("settle", "")),
        (
            (*BEGUN, ("reserve", 9.0), ("fault", 20.0)),
            {"state": "failed", "failure": "timeout"},
            ("settle", ""),
        ),
        ((*BEGUN, ("reserve", 9.0), ("deliver", 90.0)), {}, ("settle", "")),
    ],
)
def test_where_a_request_ended_is_told(
    marks: tuple[tuple[str, float], ...], more: dict[str, Any], last: tuple[str, str]
) -> None:
    """The last span is what it was doing, and how that ended."""
    found = spans(row(*marks, **more), [attempt(1)] if marks else [])[-1]
    assert (found.name, found.fault, found.end_ms) == (*last, 100.0)


def test_what_is_under_way_has_no_end() -> None:
    """The last span of an open request lasts."""
    found = spans(row(state="reserved", latency_ms=None), [attempt(1, state="reserved")])
    assert found[-1].end_ms is None
    assert (found[-1].name, found[-1].attempt, found[-1].fault) == ("attempt", 1, "")


def test_rows_without_marks_have_what_their_attempts_tell() -> None:
    """When each was begun, the first content, and the end."""
    attempts = [
        attempt(1, opened_at=1000.01, state="failed", failure="timeout"),
        attempt(2, opened_at=1000.05, first_event_ms=80.0),
    ]
    found = spans(row(), attempts)
    assert [(one.name, one.attempt, one.fault) for one in found] == [
        ("reserve", 1, ""),
        ("attempt", 1, "timeout"),
        ("reserve", 2, ""),
        ("attempt", 2, ""),
        ("deliver", None, ""),
    ]
    assert [one.end_ms for one in found] == [10.0, 50.0, 50.0, 80.0, 100.0]


@given(st.lists(st.tuples(st.sampled_from(sorted(set(BEYOND) - {""})), st.floats(0, 90))), st.integers(0, 3))
def test_spans_follow_each_other_whatever_the_marks(marks: list[tuple[str, float]], attempts: int) -> None:
    """Without a gap from 0 to the end, none shorter than nothing."""
    found = spans(row(*marks), [attempt(number) for number in range(1, attempts + 1)])
    assert found[0].start_ms == 0
    assert found[-1].end_ms == 100.0
    for one, following in pairwise(found):
        assert one.end_ms == following.start_ms
        assert one.start_ms <= following.start_ms
