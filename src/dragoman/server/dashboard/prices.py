"""``/admin/prices``: what holds and by whose word, prices of the operator's own, history priced anew.

History is tried first: what would change is shown, and only the button beneath that changes it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from dragoman.accounts.reports import check_names, whole
from dragoman.accounts.repricing import Repriced, Span, preview, reprice
from dragoman.accounts.tariffs import set_price
from dragoman.core.failure import Failure, invalid
from dragoman.core.usage import Price
from dragoman.server.dashboard import typed
from dragoman.server.dashboard.visit import Action, Back, Form, Page, Shown, View, Visit
from dragoman.store.prices import PriceRow

SHOWN = 100
"""Prices of one page."""

RATES = (
    "input",
    "output",
    "cache_read",
    "cache_write",
    "reasoning",
    "audio_input",
    "audio_output",
    "request",
)
"""What a price has, in the order of the form; the first two have to be there."""

SET = ("provider", "model", *RATES, "since")
ANEW = ("provider", "model", "since", "until")

_PRICE = msgspec.json.Decoder(Price | None)


class Own(msgspec.Struct, frozen=True):
    """A price the operator set."""

    row: PriceRow
    price: Price | None


async def _show(visit: Visit) -> View:
    return await _page(visit)


async def _page(
    visit: Visit,
    *,
    form: Form | None = None,
    fault: typed.Fault | None = None,
    anew: Form | None = None,
    tried: Repriced | None = None,
) -> View:
    """Return the page; `form` and `anew` are what was typed into its two forms."""
    query = visit.query
    check_names(query, ("provider", "q", "all", "page"))
    live = visit.gateway.services.live()
    sought = query.get("q", "").casefold()
    entries = [
        one
        for one in live.prices.entries(
            visit.now, provider=query.get("provider", ""), everything=query.get("all") == "true"
        )
        if sought in one.model.casefold()
    ]
    at = _place(query.get("page", "1"), len(entries))
    rows = await visit.gateway.store.prices.rows()
    facts: dict[str, Any] = {
        "entries": entries[at : at + SHOWN],
        "first": at + 1,
        "count": len(entries),
        "unknown": sum(one.price is None for one in entries),
        "older": at // SHOWN + 2 if at + SHOWN < len(entries) else 0,
        "newer": at // SHOWN if at else 0,
        "own": [Own(row, _PRICE.decode(row.price)) for row in reversed(rows)],
        "sellers": sorted(live.catalog.providers),
        "rates": RATES,
        "form": form or {},
        "anew": anew or {},
        "fault": fault,
        "tried": tried,
    }
    return View("prices.html", facts, fault.status if fault else 200)


async def _set(visit: Visit, form: Form) -> Shown:
    gateway = visit.gateway
    withdraw = form.get("withdraw") == "true"
    try:
        row = await set_price(
            gateway.store.prices,
            gateway.services.live().catalog.providers,
            actor=visit.account.name,
            provider=form.get("provider", "").strip(),
            model=form.get("model", "").strip(),
            price=None if withdraw else _price(form),
            since=_moment(form, "since", visit.now),
            now=visit.now,
        )
    except Failure as failure:
        return await _page(visit, form=form, fault=typed.fault_of(failure, SET))
    did = "taken back: what ships holds again" if withdraw else f"set; it is booked as operator {row.number}"
    return Back("/admin/prices", f"Price of {row.provider}/{row.model} {did}")


async def _anew(visit: Visit, form: Form) -> Shown:
    gateway = visit.gateway
    try:
        since, until = _moment(form, "since", 0.0), _moment(form, "until", visit.now)
        span = Span(since, until, form.get("provider", "").strip(), form.get("model", "").strip())
    except Failure as failure:
        return await _page(visit, anew=form, fault=typed.fault_of(failure, ANEW))
    await gateway.directory.refresh()
    prices, find = gateway.store.prices, gateway.services.live().prices.find
    if form.get("do") != "change":
        return await _page(visit, anew=form, tried=await preview(prices, find=find, span=span))
    actor, audit = visit.account.name, gateway.store.audit
    done = await reprice(prices, audit, find=find, span=span, actor=actor, now=visit.now)
    return Back("/admin/prices", f"{done.rows:,} of {done.seen:,} attempts were priced anew")


def _price(form: Form) -> Price:
    """Return the price that was typed.

    Raises:
        Failure: INVALID, naming the field.
    """
    rates: dict[str, Decimal] = {}
    for name in RATES:
        if form.get(name, "").strip():
            rates[name] = Decimal(typed.dollars(form, name))
    for name in ("input", "output"):
        if name not in rates:
            raise invalid("dollars for a million tokens are needed here; 0 if it is free", name)
    return msgspec.convert(rates, Price)


def _moment(form: Form, name: str, missing: float) -> float:
    found = typed.when(form, name)
    return missing if found is None else found


def _place(words: str, count: int) -> int:
    """Return the first entry of a page; raise ``invalid()`` where it is no page's number."""
    return (whole("page", words, max(1, -(-count // SHOWN))) - 1) * SHOWN


PAGES = (
    Page("/admin/prices", _show),
    Action("/admin/prices", _set),
    Action("/admin/prices/reprice", _anew),
)
