"""The bill's side of the ledger: what one provider was asked, call by call, as it will charge for it.

A provider knows nothing of exchanges. It charges for calls, also for those that failed half way and for those
whose client left, by the day it was called and by what it calls the model. So a bill is summed up over
attempts, and not over exchanges; see :mod:`dragoman.accounts.reconcile` for what it is compared with.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import add
from typing import Final, Protocol

import msgspec

EARLIER_S: Final = 86_400
"""How long an exchange may have gone on when its last attempt begins, in seconds: attempts are found by their
exchange's beginning, which has an index."""

PIECE_S: Final = 86_400
"""Seconds of exchanges that are looked at at once: other reports get their turn in between."""

_READ: Final = ("input", "cache_read", "cache_write", "cache_write_long", "audio_input")
_WRITTEN: Final = ("output", "reasoning", "audio_output")
"""Columns of an attempt's tokens; no token is in two of them."""


class Bill(msgspec.Struct, frozen=True):
    """Sums over the attempts of one day, model and task that have ended; counting tokens costs nothing.

    Attributes:
        day: The Unix second the day begins at, UTC.
        model: As the provider calls it.
        task: What was asked for: ``generate``, ``embed``, ``rerank``, ``relay``.
        attempts: All of them.
        requests: Those that were answered, or used anything until they ended.
        input: Tokens read, cached or not.
        cache_read: Of these, those the provider had in its cache.
        cache_write: Of these, those it put there.
        output: Tokens written, thinking included.
        cost_micros: Of those whose cost is known.
        unknown_cost: Those whose cost is not.
        estimated: Those whose tokens or cost are estimates.
    """

    day: int
    model: str
    task: str
    attempts: int
    requests: int
    input: int
    cache_read: int
    cache_write: int
    output: int
    cost_micros: int
    unknown_cost: int
    estimated: int


class Bills(Protocol):
    """What providers were asked. Raises ``Failure(UNAVAILABLE)`` as the store's methods do."""

    async def bill(self, provider: str, since: float, until: float) -> list[Bill]:
        """Return the sums of a provider's attempts that began from `since` on and before `until`.

        They are read from the rows, a day at a time: what is old enough to be archived is not in them.
        """


def pieces(since: float, until: float) -> list[tuple[float, float]]:
    """Return when exchanges began that may have attempts in a stretch of time, as pieces of a day."""
    at, found = since - EARLIER_S, []
    while since < until and at < until:
        end = min(until, float(at // PIECE_S + 1) * PIECE_S)
        found.append((at, end))
        at = end
    return found


def together(bills: Iterable[Bill]) -> list[Bill]:
    """Return bills with those of the same day, model and task added up, in that order."""
    sums: dict[tuple[int, str, str], tuple[int, ...]] = {}
    for bill in bills:
        day, model, task, *numbers = msgspec.structs.astuple(bill)
        old = sums.get((day, model, task), (0,) * len(numbers))
        sums[day, model, task] = tuple(map(add, old, numbers))
    return [Bill(*what, *numbers) for what, numbers in sorted(sums.items())]


def measures(day: str) -> str:
    """Return the columns of a bill, in the order of its fields, where `day` is a row's day in SQL."""
    used = " + ".join(f"attempt.{name}" for name in (*_READ, *_WRITTEN))
    asked = f"attempt.state = 'settled' or {used} > 0 or coalesce(attempt.cost_micros, 0) > 0"
    return ", ".join(
        (
            f"{day} as day, attempt.model, exchange.task, count(*)",
            f"sum(case when {asked} then 1 else 0 end)",
            f"sum({' + '.join(f'attempt.{name}' for name in _READ)})",
            "sum(attempt.cache_read)",
            "sum(attempt.cache_write + attempt.cache_write_long)",
            f"sum({' + '.join(f'attempt.{name}' for name in _WRITTEN)})",
            "coalesce(sum(attempt.cost_micros), 0)",
            "sum(case when attempt.cost_micros is null then 1 else 0 end)",
        )
    )
