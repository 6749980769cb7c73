"""Usage: disjoint counters; Price; cost() in exact money.

Vendors disagree whether input includes cached tokens and whether output includes reasoning. Here no
token is in two counters: ``input`` is what was read at the full price, ``output`` what was written and
is not reasoning. Totals are properties. Each dialect converts at its border, and a table of vendor
examples pins each conversion.

Money is :class:`decimal.Decimal` US dollars while it is computed and integer micro-dollars once it
is booked. It is never a float.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import NewType

import msgspec

from dragoman.core.extras import Extras

Micros = NewType("Micros", int)
"""Money: millionths of a US dollar."""

COUNTERS = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_long",
    "audio_input",
    "output",
    "reasoning",
    "audio_output",
)


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens one answer consumed. All counters are disjoint and >= 0.

    Attributes:
        input: Tokens read that no other input counter holds.
        cache_read: Tokens read from a prompt cache.
        cache_write: Tokens written to a prompt cache with the short lifetime.
        cache_write_long: Tokens written to a prompt cache with the long lifetime (Anthropic: 1 h).
        audio_input: Audio tokens read.
        output: Tokens written that no other output counter holds.
        reasoning: Tokens spent thinking.
        audio_output: Audio tokens written.
        cost: What the provider itself says this cost, in US dollars, where it says so.
        estimated: True when any counter is ours and not the provider's.
        native: The provider's usage object verbatim; it goes home only.
    """

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_long: int = 0
    audio_input: int = 0
    output: int = 0
    reasoning: int = 0
    audio_output: int = 0
    cost: Decimal | None = None
    estimated: bool = False
    native: Extras | None = None

    @property
    def total_input(self) -> int:
        """Every token read, cached or not."""
        return self.input + self.cached + self.audio_input

    @property
    def cached(self) -> int:
        """Every token read from or written to a prompt cache."""
        return self.cache_read + self.cache_write + self.cache_write_long

    @property
    def total_output(self) -> int:
        """Every token written, reasoning included."""
        return self.output + self.reasoning + self.audio_output

    @property
    def total(self) -> int:
        """Every token read or written."""
        return self.total_input + self.total_output

    def __add__(self, other: Usage) -> Usage:
        """Return the sum of both, as of two attempts. A missing cost makes the sum's cost unknown."""
        cost = self.cost + other.cost if self.cost is not None and other.cost is not None else None
        counters = {name: getattr(self, name) + getattr(other, name) for name in COUNTERS}
        return Usage(**counters, cost=cost, estimated=self.estimated or other.estimated)


class Price(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """US dollars for a million tokens of each counter.

    A counter without a price of its own falls back: cached and audio input to ``input``, reasoning
    and audio output to ``output``, the long cache write to the short one.

    Attributes:
        long_after: A request that reads more tokens than this is charged by `long` instead, all of it.
    """

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_long: Decimal | None = None
    reasoning: Decimal | None = None
    audio_input: Decimal | None = None
    audio_output: Decimal | None = None
    long_after: int | None = None
    long: Price | None = None


MILLION = Decimal(1_000_000)


def cost(usage: Usage, price: Price | None) -> Decimal | None:
    """Return what `usage` cost in US dollars, exactly, or None when nobody knows.

    The provider's own figure wins over our price table. Unknown is None, never zero.
    """
    if usage.cost is not None:
        return usage.cost
    if price is None:
        return None
    if price.long is not None and price.long_after is not None and usage.total_input > price.long_after:
        price = price.long
    write = price.cache_write if price.cache_write is not None else price.input
    lines = (
        (usage.input, price.input),
        (usage.cache_read, _or(price.cache_read, price.input)),
        (usage.cache_write, write),
        (usage.cache_write_long, _or(price.cache_write_long, write)),
        (usage.audio_input, _or(price.audio_input, price.input)),
        (usage.output, price.output),
        (usage.reasoning, _or(price.reasoning, price.output)),
        (usage.audio_output, _or(price.audio_output, price.output)),
    )
    return sum((Decimal(tokens) * rate for tokens, rate in lines), Decimal(0)) / MILLION


def micros(dollars: Decimal) -> Micros:
    """Return `dollars` as integer micro-dollars, half to even."""
    return Micros(int((dollars * MILLION).to_integral_value(ROUND_HALF_EVEN)))


def _or(first: Decimal | None, second: Decimal) -> Decimal:
    return second if first is None else first
