"""Where a request's time went: the marks it came past become spans, as a waterfall shows them.

    admit  read  route  recall  reserve  attempt 1  reserve  attempt 2  deliver  settle

A span lasts from the mark before to its own. An attempt lasts to its first content, or to its fault; what
comes after the first content is delivery. Where a request ended before it came past a mark, the span it was
in ends with it and says how. Rows of before there were marks have the spans their attempts can tell. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from dragoman.store.ledger import AttemptRow, ExchangeRow

BEYOND: Mapping[str, str] = MappingProxyType(
    {
        "": "admit",
        "admit": "read",
        "read": "route",
        "route": "recall",
        "recall": "reserve",
        "fault": "reserve",
        "reserve": "attempt",
        "first": "deliver",
        "deliver": "settle",
    }
)
"""What a request does after each mark."""


class Span(msgspec.Struct, frozen=True):
    """A part of a request's time.

    Attributes:
        name: What it was doing.
        start_ms: Since when, from the request's beginning.
        end_ms: Until when; None: it still is.
        attempt: Which attempt it is of; None: of none.
        target: Whom that asked, as ``provider/model``; "" where it is no attempt.
        first: Whether it ends with the first content.
        fault: How it ended, if it did so badly: a kind of failure, ``cancelled`` or ``interrupted``.
    """

    name: str
    start_ms: float
    end_ms: float | None
    attempt: int | None = None
    target: str = ""
    first: bool = False
    fault: str = ""


def spans(row: ExchangeRow, attempts: Sequence[AttemptRow]) -> tuple[Span, ...]:
    """Return the spans of a request in order; they follow each other and together are its latency."""
    marks = row.course or _guessed(row, attempts)
    by_number = {attempt.number: attempt for attempt in attempts}
    found: list[Span] = []
    last, at, number = "", 0.0, 0
    for mark, ms in marks:
        name = _name(mark, last)
        number += name == "reserve"
        found.append(_span(name, at, max(at, ms), number=number, by_number=by_number, mark=mark))
        last, at = mark, max(at, ms)
    return (*found, *_rest(row, by_number, last=last, at=at, number=number))


def _rest(
    row: ExchangeRow, by_number: Mapping[int, AttemptRow], *, last: str, at: float, number: int
) -> tuple[Span, ...]:
    """Return the span from the last mark to the end."""
    open_ = row.state == "reserved"
    name = BEYOND.get(last, "settle")
    fault = "" if open_ or last == "deliver" else _fault(row)
    if row.state == "settled" and name not in ("attempt", "deliver"):
        name, fault = "settle", ""
    if last == "fault" and number >= len(by_number):
        name, fault = "settle", ""  # nobody else was asked
    if name == "reserve" and number < len(by_number):
        number += 1
    end = None if open_ else max(at, row.latency_ms if row.latency_ms is not None else at)
    span = _span(name, at, end, number=number, by_number=by_number, mark="")
    return (msgspec.structs.replace(span, fault=span.fault or fault),)


def _name(mark: str, last: str) -> str:
    """Return what a request was doing before it came past a mark."""
    if mark in ("first", "fault"):
        return "attempt"
    if mark == "deliver" and last == "reserve":
        return "attempt"  # answered whole: its first content is its last
    return mark


def _span(
    name: str,
    start_ms: float,
    end_ms: float | None,
    *,
    number: int,
    by_number: Mapping[int, AttemptRow],
    mark: str,
) -> Span:
    if name not in ("reserve", "attempt"):
        return Span(name, start_ms, end_ms)
    attempt = by_number.get(number)
    if name == "reserve" or attempt is None:
        return Span(name, start_ms, end_ms, number or None, fault="failed" if mark == "fault" else "")
    target = f"{attempt.provider}/{attempt.model}"
    fault = (attempt.failure or "failed") if mark == "fault" else ""
    return Span(name, start_ms, end_ms, number, target, first=mark in ("first", "deliver"), fault=fault)


def _fault(row: ExchangeRow) -> str:
    if row.failure:
        return row.failure
    return "" if row.state == "settled" else row.state


def _guessed(row: ExchangeRow, attempts: Sequence[AttemptRow]) -> tuple[tuple[str, float], ...]:
    """Return marks as far as attempts tell them: when each was begun, and its first content."""
    marks: list[tuple[str, float]] = []
    for attempt in attempts:
        if marks and marks[-1][0] == "reserve":
            marks.append(("fault", max(0.0, (attempt.opened_at - row.opened_at) * 1000)))
        marks.append(("reserve", max(0.0, (attempt.opened_at - row.opened_at) * 1000)))
        if attempt.first_event_ms is not None:
            marks.append(("first", attempt.first_event_ms))
    # Their times are the wall clock's, the latency's is not: none is beyond the end.
    end = math.inf if row.latency_ms is None else row.latency_ms
    return tuple((mark, round(min(ms, end), 3)) for mark, ms in marks)
