"""Usage: disjoint counters; Price; cost() in exact money.

Vendors disagree whether input includes cached tokens and whether output includes reasoning. Here no
token is in two counters: ``input`` is what was read at the full price, ``output`` what was written and
is not reasoning. Totals are properties. Each dialect converts at its border, and a table of vendor
examples pins each conversion. Money is :class:`decimal.Decimal` US dollars while it is computed and
integer micro-dollars once it is booked. It is never a float.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from types import MappingProxyType
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
RATED = MappingProxyType({"cache_write_long": "cache_write", "reasoning": "output", "audio_output": "output"})
"""As what a counter is charged that has no price of its own; the others: as input."""

WITHIN = frozenset(("", "default", "flex", "batch", "scale"))
"""Tiers that never cost more than the standard one; ``scale`` is capacity that was paid beforehand."""


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
        searches: Units of a search, where the provider counts these (Cohere's rerank).
        tier: What it was served as, in OpenAI's words (``flex``, ``priority``); "": nobody said.
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
    searches: int = 0
    tier: str = ""

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
        counters = {name: getattr(self, name) + getattr(other, name) for name in (*COUNTERS, "searches")}
        estimated, tier = self.estimated or other.estimated, self.tier or other.tier
        return Usage(**counters, cost=cost, estimated=estimated, tier=tier)


class Price(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """US dollars for a million tokens of each counter.

    Attributes:
        request: US dollars for one request, or one search unit where these are counted.
        long_after: A request that reads more tokens than this is charged by `long` instead, all of it.
        tiers: What is charged instead where it was served as something else.
    """

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_long: Decimal | None = None
    reasoning: Decimal | None = None
    audio_input: Decimal | None = None
    audio_output: Decimal | None = None
    request: Decimal | None = None
    long_after: int | None = None
    long: Price | None = None
    tiers: dict[str, Price] = {}

    def rate(self, counter: str) -> Decimal:
        """Return what a million tokens of a counter cost."""
        found: Decimal | None = getattr(self, counter)
        return self.rate(RATED.get(counter, "input")) if found is None else found

    def served(self, tier: str) -> Price | None:
        """Return the price of a tier, the standard one at most where it is no dearer; None: nobody knows."""
        return self.tiers.get(tier, self if tier in WITHIN else None)


MILLION = Decimal(1_000_000)


def cost(usage: Usage, price: Price | None) -> Decimal | None:
    """Return what `usage` cost in US dollars, exactly, or None when nobody knows.

    The provider's own figure wins over our price table. Unknown is None, never zero.
    """
    if usage.cost is not None:
        return usage.cost
    if price is None or (price := price.served(usage.tier)) is None:
        return None
    while price.long is not None and price.long_after is not None and usage.total_input > price.long_after:
        price = price.long
    lines = (getattr(usage, name) * price.rate(name) for name in COUNTERS)
    fee = max(usage.searches, 1) * price.request if price.request is not None else Decimal(0)
    return sum(lines, Decimal(0)) / MILLION + fee


def micros(dollars: Decimal) -> Micros:
    """Return `dollars` as integer micro-dollars, half to even."""
    return Micros(int((dollars * MILLION).to_integral_value(ROUND_HALF_EVEN)))
