"""What a request cost, line by line: each attempt's meters, the rate of each, and what that comes to.

The lines of an attempt add up to what was booked for it. Where they would not (the provider said itself what
it cost, the price has changed since, a hard budget bounded it), the meters are told without amounts and one
more line says what was booked, and by whose word. What nobody knows stays unknown. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

import msgspec

from dragoman.core.usage import COUNTERS, MILLION, Price, Usage, micros
from dragoman.store.ledger import AttemptRow

Find = Callable[[str, str, float], tuple[Price | None, str]]
"""Finds what a provider charged for a model at a Unix second, and by whose word; unknown: None and ""."""

BOOKED, FEE = "booked", "request"
"""Lines that are no meter's: an amount that was booked as it is; what each request costs."""


class CostLine(msgspec.Struct, frozen=True):
    """A line of what an attempt cost.

    Attributes:
        attempt: Its number.
        meter: What was counted, a name of :data:`~dragoman.core.usage.COUNTERS`; ``request``; or ``booked``.
        tokens: How many; None: it is no tokens.
        rate: US dollars for a million of them, or for one request; None: nobody knows, or it is not by that.
        micros: Micro-dollars, exact; None: unknown, or told by the line ``booked``.
        why: By whose word, or why nobody knows.
    """

    attempt: int
    meter: str
    tokens: int | None
    rate: Decimal | None
    micros: Decimal | None
    why: str = ""


def cost_lines(attempts: Sequence[AttemptRow], find: Find) -> tuple[CostLine, ...]:
    """Return the lines of all attempts in order; an attempt's amounts add up to what was booked, rounded."""
    return tuple(line for attempt in attempts if attempt.state != "reserved" for line in _of(attempt, find))


def _of(attempt: AttemptRow, find: Find) -> Iterator[CostLine]:
    meters, booked = attempt.meters, attempt.meters.cost_micros
    counted = {name: tokens for name in COUNTERS if (tokens := getattr(meters, name))}
    price, version = find(attempt.provider, attempt.model, attempt.opened_at)
    if booked is not None and price is not None and version == attempt.price:
        usage = Usage(**counted, tier=attempt.tier)
        lines = list(_priced(attempt, usage, price))
        if micros(sum((line.micros or Decimal(0) for line in lines), Decimal(0)) / MILLION) == booked:
            yield from lines
            return
    for name, tokens in counted.items():
        why = "nobody knows its price" if booked is None else ""
        yield CostLine(attempt.number, name, tokens, None, None, why)
    if booked is not None and (booked or not counted):
        yield CostLine(attempt.number, BOOKED, None, None, Decimal(booked), _word(attempt, version))
    elif booked is not None:
        yield CostLine(attempt.number, BOOKED, None, None, Decimal(0), attempt.price or "it cost nothing")
    elif not counted:
        yield CostLine(attempt.number, BOOKED, None, None, None, "nobody knows what was used")


def _priced(attempt: AttemptRow, usage: Usage, price: Price) -> Iterator[CostLine]:
    """Yield the lines by a price, as :func:`~dragoman.core.usage.cost` reckons them."""
    served = price.served(usage.tier)
    if served is None:
        return
    while served.long is not None and served.long_after is not None and usage.total_input > served.long_after:
        served = served.long
    for name in COUNTERS:
        if tokens := getattr(usage, name):
            rate = served.rate(name)
            yield CostLine(attempt.number, name, tokens, rate, tokens * rate, attempt.price)
    if served.request is not None:
        yield CostLine(attempt.number, FEE, None, served.request, served.request * MILLION, attempt.price)


def _word(attempt: AttemptRow, version: str) -> str:
    """Return by whose word an amount was booked that the price does not explain."""
    if attempt.meters.cost_micros == 0 and not attempt.price:
        return "it cost nothing"
    if attempt.price == "provider":
        return "the provider's own figure"
    if attempt.price and attempt.price != version:
        return f"by {attempt.price}, which is no longer the price"
    return "as much as was held for it, or as its meters could not tell"
