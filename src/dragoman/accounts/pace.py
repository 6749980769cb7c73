"""Pace: how much is going on just now, reckoned from the exchanges of the last minutes. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from dragoman.accounts.explored import FAILED
from dragoman.store.requests import Ended

MINUTE_S = 60.0
"""Seconds that rates are of."""

WINDOW_S = 300.0
"""Seconds that first tokens are of; what began earlier is in no rate either, should it end only now."""

MOST = 20_000
"""Exchanges that are looked at."""


class Pace(msgspec.Struct, frozen=True):
    """How much is going on.

    Attributes:
        requests: How many ended within the last minute.
        failed: Of these, those that ended in an error.
        tokens: Theirs, read and written.
        cost_micros: Theirs, as far as that is known.
        unknown: Of these, those whose cost is not.
        answers: Answers of the last five minutes that were no recordings.
        p50_ms: Milliseconds to the first token that half of these did not exceed; None: there is none.
        p95_ms: The same of 95 %.
    """

    requests: int = 0
    failed: int = 0
    tokens: int = 0
    cost_micros: int = 0
    unknown: int = 0
    answers: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None


def pace(ended: Sequence[Ended], *, now: float) -> Pace:
    """Return the pace at a Unix second, of exchanges that began within :data:`WINDOW_S` before."""
    late = [one for one in ended if one.settled_at > now - MINUTE_S]
    firsts = sorted(
        one.first_event_ms
        for one in ended
        if one.state == "settled" and not one.cached and one.first_event_ms is not None
    )
    return Pace(
        requests=len(late),
        failed=sum(one.state in FAILED for one in late),
        tokens=sum(one.tokens for one in late),
        cost_micros=sum(one.cost_micros or 0 for one in late),
        unknown=sum(one.cost_micros is None for one in late),
        answers=len(firsts),
        p50_ms=_share(firsts, 0.5),
        p95_ms=_share(firsts, 0.95),
    )


def _share(figures: Sequence[float], share: float) -> float | None:
    """Return the figure that a share of all, in ascending order, do not exceed."""
    return figures[max(1, math.ceil(share * len(figures))) - 1] if figures else None
