"""The operator's own prices: what one may be, and how it is set.

A price is never changed or deleted, only followed by another, so that the number in a booked row always says
which it was. ``None`` sets nothing: from then on what ships holds again.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from dragoman.core.extras import Json
from dragoman.core.failure import invalid
from dragoman.core.usage import Price
from dragoman.dialects.figures import tier
from dragoman.store.audit import AuditRow
from dragoman.store.prices import PriceRow, Prices

MOST = 1_000_000
"""US dollars that anything may cost at most."""

LONGEST = 2000
"""Characters a name may have: as many as are booked."""


def check(price: Price, at: str = "price") -> Price:
    """Return `price` if it can be charged.

    Raises:
        Failure: INVALID; ``at`` says where.
    """
    for name in Price.__struct_fields__:
        rate = getattr(price, name)
        if name in ("long", "long_after", "tiers") or rate is None:
            continue
        if not (rate.is_finite() and 0 <= rate <= MOST):
            raise invalid(f"a price is from 0 to {MOST:,} US dollars", f"{at}.{name}")
    if (price.long is None) != (price.long_after is None):
        raise invalid("long and long_after are given together or not at all", f"{at}.long")
    if price.long is not None and price.long_after is not None:
        if price.long_after < 0 or (price.long.long_after or price.long_after + 1) <= price.long_after:
            raise invalid("each long_after is more than the one before", f"{at}.long_after")
        if price.long.tiers:
            raise invalid("a tier has a long price of its own; a long price has no tiers", f"{at}.long.tiers")
        check(price.long, f"{at}.long")
    for name, own in price.tiers.items():
        if tier(name) != name or own.tiers:
            raise invalid("a tier is flex, priority, batch or alike, and has none itself", f"{at}.tiers")
        check(own, f"{at}.tiers.{name}")
    return price


async def set_price(
    prices: Prices,
    known: Collection[str],
    *,
    actor: str,
    provider: str,
    model: str,
    price: Price | None,
    since: float,
    now: float,
) -> PriceRow:
    """Keep a price with its entry in the audit log; return it with its number, once it is durable.

    Args:
        prices: Where.
        known: The providers there are.
        actor: Who sets it.
        provider: Of whom.
        model: The model's name there, or ``*``.
        price: What it costs; None: what ships holds again.
        since: Unix second from which on.
        now: Unix seconds.

    Raises:
        Failure: INVALID, or the store's.
    """
    for name, value in (("provider", provider), ("model", model)):
        if not value or len(value) > LONGEST or not value.isprintable():
            raise invalid(f"the name of a {name} is wanted", name)
    if provider not in known:
        raise invalid(f"no provider is named {provider}", "provider")
    raw = msgspec.json.encode(None if price is None else check(price))
    row = PriceRow(provider=provider, model=model, since=since, price=raw, created_at=now)
    detail = msgspec.json.encode({"since": since, "price": msgspec.Raw(raw)})
    action = "prices.unset" if price is None else "prices.set"
    number = await prices.put(row, AuditRow(now, actor, action, f"{provider}/{model}", detail))
    return msgspec.structs.replace(row, number=number)


def told(row: PriceRow) -> dict[str, Json]:
    """Return an operator's price as JSON; its rates are decimal text."""
    return {**msgspec.structs.asdict(row), "price": msgspec.json.decode(row.price)}
