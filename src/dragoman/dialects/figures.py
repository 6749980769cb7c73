"""Figures a provider tells, read sanely: counts of tokens and amounts of money."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from dragoman.core.extras import Json

MOST = Decimal(1_000_000)
"""Dollars above which a figure is no price of one answer."""


def count(value: object) -> int:
    """Return a provider's token figure as an int >= 0.

    Providers send floats (Cohere), strings, nulls, negatives and infinities; none of them may reach
    the ledger. What is not a finite, sane number counts as 0.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0
    return int(value) if 0 <= value < 1e12 else 0


def dollars(value: float | str) -> Decimal | None:
    """Return a provider's money figure exactly as it was printed, or None if it is not a sane amount.

    JSON has only binary floats; ``repr`` gives back the digits the provider wrote.
    """
    if isinstance(value, bool):
        return None
    try:
        amount = Decimal(repr(value) if isinstance(value, float) else value)
    except (ArithmeticError, ValueError, TypeError):
        return None
    return amount if amount.is_finite() and 0 <= amount < MOST else None


def bill(native: Mapping[str, Json]) -> Decimal | None:
    """Return what a usage object says it cost: OpenRouter's and Requesty's number, or Perplexity's sum.

    With the customer's own key OpenRouter's number is only its fee, and the provider's bill comes on top
    (openrouter.ai/docs/use-cases/usage-accounting, 2026-11-21).
    """
    value, details = native.get("cost"), native.get("cost_details")
    if isinstance(value, dict):
        value = value.get("total_cost")
    paid = dollars(value) if isinstance(value, (int, float, str)) else None
    if paid is None or native.get("is_byok") is not True or not isinstance(details, dict):
        return paid
    above = details.get("upstream_inference_cost")
    return paid + ((dollars(above) if isinstance(above, (int, float, str)) else None) or 0)
