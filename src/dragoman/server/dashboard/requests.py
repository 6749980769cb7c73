"""``/admin/requests``: every request, found by what is said of it, page by page; those under way as they go.

The address says all of it, in the names of the JSON at the same address. The page's own: ``before`` (a page
back towards where the list begins), ``live`` (the first page looks again by itself). What is typed wrongly is
told above the fields, which keep it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from dragoman.accounts.logged import counted
from dragoman.accounts.reports import check_names, one_of
from dragoman.accounts.requests import COSTS, FLAGS, NAMES, QUERY, Asked, Running, listed, read_filters
from dragoman.core.failure import Failure, Kind
from dragoman.core.usage import Usage
from dragoman.server.admin.access import Asking
from dragoman.server.admin.requests import in_table, streaming
from dragoman.server.dashboard import words
from dragoman.server.dashboard.address import Address
from dragoman.server.dashboard.key import KNOWN
from dragoman.server.dashboard.overview import first_request
from dragoman.server.dashboard.visit import Page, Shown, View, Visit
from dragoman.server.tables import split
from dragoman.store.ledger import ExchangeRow
from dragoman.store.requests import SORTED, STATES, Order, Spot, cursor, read_cursor
from dragoman.store.requests import Page as Found

PATH = "/admin/requests"

SHOWN = 50
"""Rows of a page."""

TABS: Mapping[str, str] = MappingProxyType(
    {"day": "24 h", "week": "7 days", "month": "30 days", "all": "All"}
)

FILTERS = tuple(name for name in QUERY if name not in ("period", "sort", "limit", "after"))
"""Parameters that leave requests out."""

SEEN = ("id", "key", "model", "provider", "state", "failure")
"""Filters whose fields are always there; the others are behind "more filters"."""

LABELS: Mapping[str, str] = MappingProxyType(
    {
        "id": "Request id",
        "asked": "Model asked for",
        "from": "From",
        "to": "To",
        "stream": "Streamed",
        "cached": "From the cache",
        "fallback": "Fallback",
        "lossy": "Lossy",
        "estimated": "Tokens estimated",
        "cost": "Cost",
        "min_cost": "Cost at least",
        "min_latency": "Took at least",
    }
)
"""What filters are called whose names do not say it."""

NONE = "-"
"""A filter that asks for those that have no such thing."""

UNITS: Mapping[str, str] = MappingProxyType({"min_cost": "${}", "min_latency": "{} ms"})

MOST_PLACE = (1 << 63) - 1

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class Line(NamedTuple):
    """A row of the table.

    Attributes:
        row: Its request.
        target: Who answered, or is asked: ``provider/model``, or as much of that as was not asked for.
        usage: Its tokens; None: nobody knows.
        running: How far it has come, if it is under way.
    """

    row: ExchangeRow
    target: str
    usage: Usage | None
    running: Running | None


class Paged(NamedTuple):
    """A page of the list, and the parameters of those beside it; "": there is none.

    Attributes:
        found: Its rows, in order.
        begins: It is the first.
        back: ``before`` of the page towards the beginning.
        on: ``after`` of the page towards the end.
    """

    found: Found
    begins: bool
    back: str
    on: str


async def _show(visit: Visit) -> Shown:
    query, table = split(visit.query, visit.request.headers)
    at = Address(PATH, {name: value for name, value in query.items() if name not in ("after", "before")})
    try:
        asked, before, live = _read(query, visit.now)
        if table:
            return await in_table(visit.gateway, asked)
        paged = await _page(visit, asked, before)
    except Failure as failure:
        return _amiss(visit, at, failure)
    live = live and paged.begins
    facts = {**await _told(visit, at, asked, paged), "live": live}
    if visit.partial:
        return View("requests_list.html", facts)
    return View("requests.html", {**_form(visit, at), **facts, "fault": None})


def _amiss(visit: Visit, at: Address, failure: Failure) -> View:
    """Return the page of what was typed wrongly, or of a part that could not look again; raise the rest."""
    if visit.partial:
        told = {"failure": failure, "code": failure.http_status, "again": ""}
        return View("trouble.html", told, failure.http_status)  # in its place, which asks again
    if failure.kind is not Kind.INVALID:
        raise failure
    facts = {**_form(visit, at), "fault": failure, "lines": None, "live": False}
    return View("requests.html", facts, failure.http_status)


def _read(query: Mapping[str, str], now: float) -> tuple[Asked, str | None, bool]:
    """Return the list that is asked for, the cursor it goes back from, and whether it looks again by itself.

    Raises:
        Failure: INVALID, naming the parameter.
    """
    check_names(query, ("before", "live", *QUERY))
    live = one_of("live", query.get("live", "0"), ("0", "1")) == "1"
    rest = {name: value for name, value in query.items() if name not in ("before", "live")}
    if "from" in rest or "to" in rest:
        rest.pop("period", None)  # two times were chosen; the tab was before
    asked = read_filters(rest, own=None, now=now)
    return msgspec.structs.replace(asked, limit=min(asked.limit, SHOWN)), query.get("before"), live


async def _page(visit: Visit, asked: Asked, before: str | None) -> Paged:
    store = visit.gateway.store
    if before is not None:
        backwards: Order = "oldest" if asked.order == "newest" else "newest"
        turned = beyond(asked.order, before, backwards)
        found = await listed(store, msgspec.structs.replace(asked, order=backwards, after=turned))
        if found.next is not None:
            rows = tuple(reversed(found.rows))
            back = beyond(backwards, found.next, asked.order)
            return Paged(msgspec.structs.replace(found, rows=rows), begins=False, back=back, on=before)
        asked = msgspec.structs.replace(asked, after=None)  # that far back the list begins
    found = await listed(store, asked)
    return Paged(found, begins=asked.after is None, back=asked.after or "", on=found.next or "")


def beyond(order: Order, after: str, turned: Order) -> str:
    """Return the cursor of the turned order that goes on with the very row a cursor stands behind.

    Raises:
        Failure: INVALID, it is no cursor of this order.
    """
    spot = read_cursor(order, after)
    place = spot.place + (-1 if order == "newest" else 1)
    return cursor(turned, Spot(spot.opened_at, min(max(place, 0), MOST_PLACE)))


async def _told(visit: Visit, at: Address, asked: Asked, paged: Paged) -> dict[str, Any]:
    """Return what the table is filled in with."""
    found, store = paged.found, visit.gateway.store
    going = await streaming(Asking(visit.gateway, visit.account, visit.request), found.rows)
    filtered = any(name in at.query for name in FILTERS) or at.query.get("period", "all") != "all"
    never = (
        not (found.rows or filtered or paged.on) and paged.begins and await store.reports.first(None) is None
    )
    return {
        "at": at,
        "lines": [_line(row, going.get(row.id)) for row in found.rows],
        "order": asked.order,
        "ends": "Older" if asked.order == "newest" else "Newer",
        "begins": "Newer" if asked.order == "newest" else "Older",
        "count_words": told_of(found, asked),
        "short": _short(found, asked),
        "first_page": paged.begins,
        "back": at.to(before=paged.back) if paged.back else "",
        "on": at.to(after=paged.on, live=None) if paged.on else "",
        "filtered": filtered,
        "first": first_request(visit) if never else None,
    }


def _line(row: ExchangeRow, running: Running | None) -> Line:
    provider, model = row.provider or "", row.answered_model or ""
    if running is not None and running.live.attempts:
        last = running.live.attempts[-1]
        provider, model = last.provider, last.model
    whole = "/".join(part for part in (provider, model) if part)
    target = "" if whole == row.model else provider if model == row.model else whole
    usage = counted(row.meters)
    known = row.state != "reserved" and (usage.total > 0 or row.meters.cost_micros is not None)
    return Line(row, target, usage if known else None, running)


def told_of(found: Found, asked: Asked) -> str:
    """Return how many requests there are, as far as that is known."""
    shown = len(found.rows)
    if found.total is not None:
        whole = _requests(found.total)
        return whole if shown == found.total else f"{words.count(shown)} of {whole}"
    if found.at_most is not None:
        return f"{words.count(shown)} of at most {_requests(found.at_most)}"
    return f"{_requests(shown)} shown" if asked.order not in SORTED or shown else ""


def _short(found: Found, asked: Asked) -> str:
    """Return how far was looked, where that was not far enough; "": it was."""
    if asked.order in SORTED:
        if found.looked_since is None or found.looked_since == asked.filters.since:
            return ""
        return f"The largest of those since {words.instant(found.looked_since)}; choose a time to see others."
    if found.next is None or len(found.rows) >= asked.limit:
        return ""
    far = found.looked_since if asked.order == "newest" else found.looked_until
    side = "back" if asked.order == "newest" else "on"
    return (
        f"{_requests(found.looked)} looked through, {side} to {words.instant(far)}. There may be more beyond."
    )


def _requests(number: int) -> str:
    return f"{words.count(number)} {'request' if number == 1 else 'requests'}"


def _form(visit: Visit, at: Address) -> dict[str, Any]:
    """Return what the fields have, whether it can be read or not."""
    query = at.query
    live, book = visit.gateway.services.live(), visit.gateway.directory.book
    known: dict[str, Sequence[str]] = {
        "key": sorted(book.keys)[:KNOWN],
        "team": sorted(name for kind, name in book.groups if kind == "team")[:KNOWN],
        "user": sorted(name for kind, name in book.groups if kind == "user")[:KNOWN],
        "provider": sorted(name for name, row in live.providers.items() if row.ready),
        "route": sorted(live.table.routes),
        "state": ("live", *STATES[1:]),
        "failure": tuple(Kind),
        "dialect": sorted(live.dialects),
        "cost": COSTS,
        **dict.fromkeys(FLAGS, ("yes", "no")),
    }
    return {
        "at": at,
        "tabs": TABS,
        "period": "" if "from" in query or "to" in query else query.get("period", "all"),
        "names": NAMES,
        "flags": FLAGS,
        "known": known,
        "label": label,
        "chips": [(name, f"{label(name)}: {_said(name, query[name])}") for name in FILTERS if name in query],
        "more": sum(name in query for name in FILTERS if name not in SEEN),
        "is_day": lambda text: _DAY.fullmatch(text) is not None,
    }


def label(name: str) -> str:
    """Return what a filter is called."""
    return LABELS.get(name, name.capitalize())


def _said(name: str, value: str) -> str:
    return "none" if value == NONE else UNITS.get(name, "{}").format(value)


PAGES = (Page(PATH, _show),)
