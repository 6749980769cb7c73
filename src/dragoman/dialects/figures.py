"""Figures a provider tells, read sanely: counts of tokens and amounts of money."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

import msgspec

from dragoman.core.extras import Json
from dragoman.core.usage import Usage

TICKS = 10**10
"""Ticks in a US dollar (https://docs.x.ai/developers/cost-tracking, 2026-11-21)."""

MOST = Decimal(1_000_000)
"""Dollars above which a figure is no price of one answer."""


TIERS: Mapping[str, str] = MappingProxyType(
    {
        "auto": "",
        "unspecified": "",
        "traffic_type_unspecified": "",
        "standard": "default",
        "on_demand": "default",
        "on_demand_flex": "flex",
        "on_demand_priority": "priority",
        "performance": "scale",
        "provisioned_throughput": "scale",
    }
)
"""What vendors call a tier, in OpenAI's words; another word stands for itself.

OpenAI: https://developers.openai.com/api/docs/guides/priority-processing; Groq:
https://console.groq.com/docs/service-tiers, where ``performance`` is capacity paid beforehand; Gemini:
https://ai.google.dev/api/generate-content (serviceTier), and Vertex AI's UsageMetadata.TrafficType. All
read 2026-11-21.
"""

LONGEST = 32
"""Characters of a tier's name; no vendor has a longer one."""


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
    """Return what a usage object says it cost, in US dollars; None: it does not.

    OpenRouter and Requesty tell an amount, Perplexity a sum, xAI ticks. Azure serves xAI's models with 0
    ticks, and bills them all the same (recorded traffic): 0 ticks say nothing.

    With the customer's own key OpenRouter's number is only its fee, and the provider's bill comes on top
    (openrouter.ai/docs/use-cases/usage-accounting, 2026-11-21).
    """
    ticks = native.get("cost_in_usd_ticks")
    if isinstance(ticks, int) and not isinstance(ticks, bool) and 0 < ticks < MOST * TICKS:
        return Decimal(ticks) / TICKS
    value, details = native.get("cost"), native.get("cost_details")
    if isinstance(value, dict):
        value = value.get("total_cost")
    paid = dollars(value) if isinstance(value, (int, float, str)) else None
    if paid is None or native.get("is_byok") is not True or not isinstance(details, dict):
        return paid
    above = details.get("upstream_inference_cost")
    return paid + ((dollars(above) if isinstance(above, (int, float, str)) else None) or 0)


def tier(*told: Json) -> str:
    """Return what an answer was served as, in OpenAI's words: the first that says it; "": none does.

    A word that is none is ``unknown``, which has no price.
    """
    for word in told:
        if isinstance(word, str) and word:
            name = word.lower().removeprefix("service_tier_")
            known = TIERS.get(name, name if len(name) <= LONGEST and name.isidentifier() else "unknown")
            if known:
                return known
    return ""


def searched(told: Json) -> bool:
    """Say whether a provider searched the web itself, for a fee that no counter of tokens holds.

    Anthropic tells ``web_search_requests``, OpenRouter too, and OpenAI ``web_search.num_requests``.
    """
    used = told if isinstance(told, dict) else {}
    inner = used.get("web_search")
    figures = (used.get("web_search_requests"), inner.get("num_requests") if isinstance(inner, dict) else 0)
    return any(map(count, figures))


def beside(usage: Usage | None, answer: Mapping[str, Json]) -> Usage | None:
    """Return a usage with what OpenAI's answers say beside it: the tier, and whether the web was searched."""
    if usage is None:
        return None
    fee = usage.cost is None and searched(answer.get("tool_usage"))
    served = tier(answer.get("service_tier")) or usage.tier
    return msgspec.structs.replace(usage, tier=served, estimated=usage.estimated or fee)
