"""The pace: what ended within a minute, and the first tokens of five."""

from __future__ import annotations

from typing import Any

from dragoman.accounts.pace import Pace, pace
from dragoman.store.requests import Ended


def ended(age_s: float, **more: Any) -> Ended:
    """Return an exchange that ended so many seconds ago."""
    fields: dict[str, Any] = {"state": "settled", "tokens": 10, "cost_micros": 5, "first_event_ms": 100.0,
                              "cached": False}  # fmt: skip
    return Ended(opened_at=1000 - age_s - 1, settled_at=1000 - age_s, **(fields | more))


def test_rates_are_of_the_last_minute() -> None:
    """What ended before counts in the first tokens alone; an unknown cost is counted apart."""
    found = pace(
        [
            ended(1),
            ended(59, state="failed", cost_micros=None, first_event_ms=None),
            ended(61, tokens=999, cost_micros=999, first_event_ms=500.0),
            ended(2, cached=True, first_event_ms=0.1, cost_micros=0),
        ],
        now=1000.0,
    )
    assert found == Pace(
        requests=3, failed=1, tokens=30, cost_micros=5, unknown=1, answers=2, p50_ms=100.0, p95_ms=500.0
    )


def test_nothing_is_no_figure() -> None:
    """Without an answer there is no percentile: none, not 0."""
    assert pace([], now=1.0) == Pace()
    assert Pace().p50_ms is None
