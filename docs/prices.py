"""Write providers/prices.json from the prices of the installed genai-prices.

    python docs/prices.py             write it anew
    python docs/prices.py --check     fail if it is stale

genai-prices (https://github.com/pydantic/genai-prices, MIT licence) is wanted here and nowhere else: what
ships is its data, in the words of ``dragoman.core.usage.Price``. What a price has that no counter of ours can
say is left out where it is a fee for a tool (a web search) or a discount on a discount (cached audio); a
model whose tokens themselves would be charged too little (pictures, video, hours of sound) is kept without
a price: nobody knows what it costs.
"""

from __future__ import annotations

import json
import sys
import time as clock
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices.data import providers
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    StartDateConstraint,
    TieredPrices,
)

PLACE = Path(__file__).parents[1] / "src/dragoman/providers/prices.json"

RATES: Mapping[str, str] = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_long",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "audio_input",
    "output_audio_mtok": "audio_output",
}
FEE = "requests_kcount"
TIERS: Mapping[tuple[str, str], str] = {
    ("processing", "batch"): "batch",
    ("service_tier", "flex"): "flex",
    ("service_tier", "priority"): "priority",
    ("service_tier", "fast"): "fast",
    ("speed", "fast"): "fast",
}
"""What a variant of a price is for, and the tier it is to us; variants for anything else are not counted."""
IGNORED = ("web_searches_kcount", "storage_searches_kcount", "cache_audio_read_mtok", "cache_image_read_mtok")


def price(native: ModelPrice) -> dict[str, Any] | None:
    """Return a price in our words; None where its tokens cannot be charged by what we count."""
    told = {name: value for name, value in vars(native).items() if value is not None and name not in IGNORED}
    if "input_mtok" not in told or told.keys() - RATES.keys() - {FEE}:
        return None
    fee = told.pop(FEE, None)
    starts = sorted(
        {tier.start for value in told.values() if isinstance(value, TieredPrices) for tier in value.tiers}
    )
    found: dict[str, Any] = {}
    for start in reversed([None, *starts]):
        rates = {RATES[name]: text(at(value, start)) for name, value in told.items()}
        rates.setdefault("output", "0")
        if fee is not None:
            rates["request"] = text(at(fee, start) / 1000)
        found = {**rates, **found}
        if start is not None:
            found = {"long_after": start, "long": found}
    return found


def at(value: Decimal | TieredPrices, start: int | None) -> Decimal:
    """Return a rate above `start` tokens; None: from the first."""
    if not isinstance(value, TieredPrices):
        return value
    above = [tier.price for tier in value.tiers if start is not None and tier.start <= start]
    return above[-1] if above else value.base


def text(amount: Decimal) -> str:
    """Return an amount without zeros that say nothing."""
    written = f"{amount:f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def dated(native: ConditionalPrice) -> dict[str, Any]:
    """Return a price, and when it holds."""
    when = native.constraint
    row: dict[str, Any] = {"price": price(native.prices)}
    if isinstance(when, StartDateConstraint):
        row["since"] = when.start_date.isoformat()
    elif when is not None:
        row["between"] = [universal(when.start_time), universal(when.end_time)]
    return row


def tiered(native: ModelInfo) -> Iterator[dict[str, Any]]:
    """Yield a model's prices with those of its tiers: before the first day that changes any, and from each.

    A tier has a price from the day on that one is stated for it; what that leaves out is as in the model's.
    """
    stated = native.prices if isinstance(native.prices, list) else []
    variants = [(name, one) for one in native.price_variants or () if (name := tier(one)) is not None]
    days = set()
    for limit in (*(one.constraint for one in stated), *(one.constraint for _, one in variants)):
        if isinstance(limit, StartDateConstraint):
            days.add(limit.start_date)
        elif limit is not None:
            raise TypeError(f"{native.id}: a price with tiers has hours of the day")
    for day in [None, *sorted(days)]:
        moment = datetime.combine(day or date.min, time(), UTC)
        found = price(native.get_prices(moment))
        known = {
            name: rates
            for name, one in variants
            if (one.constraint is None or one.constraint.active(moment))
            and (rates := price(native.get_prices(moment, one.when))) is not None
        }
        if found is not None and known:
            found["tiers"] = known
        yield {"price": found} if day is None else {"price": found, "since": day.isoformat()}


def tier(variant: PriceVariant) -> str | None:
    """Return the tier that a variant of a price is for; None: it is for something else."""
    (told, *more) = variant.when.items()
    return None if more else TIERS.get(told)


def universal(clock: time) -> str:
    """Return a time of day in UTC."""
    moment = datetime.combine(date(2000, 1, 1), clock, clock.tzinfo or UTC)
    return moment.astimezone(UTC).strftime("%H:%M:%S")


def rule(clause: Any) -> dict[str, Any]:
    """Return a rule that model names match, lower case but for a regular expression."""
    if not is_dataclass(clause):
        raise TypeError(clause)
    (name,) = (field.name for field in fields(clause))
    value = getattr(clause, name)
    if name in ("or_", "and_"):
        return {"any" if name == "or_" else "all": [rule(inner) for inner in value]}
    return {name: value if name == "regex" else value.lower()}


def model(native: ModelInfo) -> dict[str, Any]:
    """Return a model, what its names match, and its prices."""
    if any(tier(one) for one in native.price_variants or ()):
        return {"id": native.id, "match": rule(native.match), "prices": list(tiered(native))}
    prices = native.prices if isinstance(native.prices, list) else [ConditionalPrice(prices=native.prices)]
    return {"id": native.id, "match": rule(native.match), "prices": [dated(one) for one in prices]}


def render(read: str) -> Iterator[str]:
    """Yield the file's lines: one for each model."""
    head = {"source": "genai-prices", "version": version("genai-prices"), "read": read}
    yield json.dumps(head)[:-1] + ', "providers": {'
    for place, provider in enumerate(providers):
        yield (",\n" if place else "\n") + f'{json.dumps(provider.id)}: {{"instead": '
        yield json.dumps(provider.fallback_model_providers or []) + ', "models": ['
        for number, one in enumerate(provider.models):
            yield (",\n" if number else "\n") + json.dumps(model(one), separators=(",", ":"))
        yield "\n]}"
    yield "\n}}\n"


def main(argv: list[str]) -> int:
    """Write the file, or say that it is stale; return the exit code."""
    stands = PLACE.read_text(encoding="utf-8") if PLACE.exists() else ""
    before = str(json.loads(stands)["read"]) if stands else ""
    if stands and "".join(render(before)) == stands:
        return 0
    if "--check" in argv:
        sys.stderr.write(f"{PLACE.name} is stale: run docs/prices.py\n")
        return 1
    PLACE.write_text("".join(render(clock.strftime("%Y-%m-%d", clock.gmtime()))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
