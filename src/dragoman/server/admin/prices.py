"""``/admin/prices``: what holds and by whose word, prices of the operator's own, and history priced anew."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from starlette.routing import Route

from dragoman.accounts.reports import check_names, one_of
from dragoman.accounts.repricing import Span, preview, reprice, summary
from dragoman.accounts.tariffs import set_price, told
from dragoman.accounts.times import WHEN, instant
from dragoman.core.extras import Json
from dragoman.core.failure import invalid
from dragoman.core.usage import Price
from dragoman.gateway import Gateway
from dragoman.server.admin.access import Asking, editor, served, viewer

Moment = str | float | None


class PriceBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price to be set.

    Attributes:
        provider: Of whom.
        model: The model's name there; ``*``: every model of that provider without a price of its own.
        price: US dollars for a million tokens; null: from then on what ships holds again.
        since: From when on: a date, an instant, or Unix seconds; null: from now on.
    """

    provider: str
    model: str
    price: Price | None
    since: Moment = None


class Repricing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of history is priced anew.

    Attributes:
        since: What was asked then or later; null: from the first.
        until: What was asked before; null: to now.
        provider: Only of this one; "": of all.
        model: Only of this one, by its name at the provider; "": of all.
        dry_run: Only say what would change.
    """

    since: Moment = None
    until: Moment = None
    provider: str = ""
    model: str = ""
    dry_run: bool = False


def routes(gateway: Gateway) -> list[Route]:
    """Return the pages."""
    return [
        Route("/admin/prices", served(gateway, _list, may=viewer), methods=["GET"]),
        Route("/admin/prices", served(gateway, _set, may=editor), methods=["POST"]),
        Route("/admin/prices/reprice", served(gateway, _reprice, may=editor), methods=["POST"]),
    ]


async def _list(asking: Asking) -> Json:
    check_names(asking.query, ("provider", "model", "all"))
    asked = {name: asking.query.get(name, "") for name in ("provider", "model")}
    everything = one_of("all", asking.query.get("all", "false"), ("true", "false")) == "true"
    prices = asking.gateway.services.live().prices
    entries: Json = msgspec.to_builtins(list(prices.entries(asking.now, **asked, everything=everything)))
    rows = await asking.gateway.store.prices.rows()
    return {"prices": entries, "own": [told(row) for row in rows]}


async def _set(asking: Asking) -> Json:
    body, gateway = await asking.body(PriceBody), asking.gateway
    row = await set_price(
        gateway.store.prices,
        gateway.services.live().catalog.providers,
        actor=asking.account.name,
        provider=body.provider,
        model=body.model,
        price=body.price,
        since=_moment("since", body.since, missing=asking.now),
        now=asking.now,
    )
    await gateway.directory.refresh()
    return told(row)


async def _reprice(asking: Asking) -> Json:
    body, gateway = await asking.body(Repricing), asking.gateway
    since = _moment("since", body.since, missing=0.0)
    until = _moment("until", body.until, missing=asking.now)
    span = Span(since, until, body.provider, body.model)
    await gateway.directory.refresh()
    prices, find = gateway.store.prices, gateway.services.live().prices.find
    if body.dry_run:
        return summary(await preview(prices, find=find, span=span))
    actor = asking.account.name
    done = await reprice(prices, gateway.store.audit, find=find, span=span, actor=actor, now=asking.now)
    return summary(done)


def _moment(name: str, given: Moment, *, missing: float) -> float:
    """Return the Unix second that is meant; raise ``invalid()`` if none is."""
    if given is None:
        return missing
    found = instant(str(given))
    if found is None:
        raise invalid(f"{name} must be {WHEN}", f"$.{name}")
    return found
