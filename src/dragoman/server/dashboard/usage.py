"""``/admin/usage``: what was asked and what it cost, by anything, stretch by stretch, beside the time before.

The address says all of it, in the names of the JSON at the same address; ``measure`` is the page's own, and
``period`` has more words here. A filter ``-`` asks for those that have no such thing. What is typed wrongly
is told above the fields, which keep it.
"""

from __future__ import annotations

from asyncio import gather, to_thread
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from dragoman.accounts import figures
from dragoman.accounts.explored import Explored, Group, explored, losses
from dragoman.accounts.rated import worth
from dragoman.accounts.reports import (
    MOST_GROUPS,
    MOST_POINTS,
    PARAMETERS,
    TIMES,
    Asked,
    check_names,
    instant,
    one_of,
    read,
    read_span,
)
from dragoman.accounts.stretches import LENGTHS
from dragoman.core.failure import Failure, Kind
from dragoman.server.dashboard.address import Address, link
from dragoman.server.dashboard.measures import DRAWN, MEASURES, Measure, grown, plot, share
from dragoman.server.dashboard.visit import Page, Shown, View, Visit
from dragoman.server.tables import in_csv, split
from dragoman.store.cover import DAY, HOUR, beginning
from dragoman.store.ledger import State
from dragoman.store.reports import DIMENSIONS, Dimension, Interval

PATH = "/admin/usage"

PERIODS: Mapping[str, str] = MappingProxyType(
    {
        "day": "24 h",
        "week": "7 d",
        "month": "30 d",
        "quarter": "90 d",
        "calendar": "This month",
        "year": "A year",
        "all": "All",
    }
)
"""The tabs. ``quarter``, ``calendar`` and ``year`` are words of this page alone."""

BACK: Mapping[str, int] = MappingProxyType({"quarter": 90 * DAY, "year": 365 * DAY})
"""How far back the page's own periods go, in seconds, and then to the beginning of that hour."""

FINEST: tuple[tuple[float, Interval], ...] = ((2 * DAY, "hour"), (92 * DAY, "day"), (730 * DAY, "week"))
"""Up to so many seconds are told by these, unless asked otherwise; more by months."""

LISTED = 100
"""Stretches the table beneath the chart has at most: the last ones."""

LOST, ERRORS, WORTH = 8, 8, 5
"""Rows of the small tables."""

NOTHING = "-"
"""A filter that asks for those that have no such thing."""

NAMELESS: Mapping[Dimension, str] = MappingProxyType(
    {
        "key": "no key",
        "team": "no team",
        "user": "no user",
        "model": "no model",
        "provider": "nobody was asked",
        "route": "no route",
        "state": "no state",
        "failure": "did not fail",
        "dialect": "no dialect",
    }
)
"""What those are called that have no such thing."""

STATES: tuple[State, ...] = ("settled", "cancelled", "failed", "interrupted")


class Chosen(NamedTuple):
    """What the page is asked to show. ``period``: the tab; "" where two times are given."""

    asked: Asked
    measure: Measure
    period: str
    table: bool


async def _show(visit: Visit) -> Shown:
    query = visit.query
    at = Address(PATH, {name: value for name, value in query.items() if name != "format"})
    store = visit.gateway.store
    try:
        chosen = await _chosen(visit)
        if chosen.table:
            told = await explored(store.reports, chosen.asked, fine=True)
            return in_csv(await to_thread(figures.csv_of, told), "usage")
        found, lost, worthy = await gather(
            explored(store.reports, chosen.asked, fine=not chosen.measure.adds),
            losses(store.reports, {**_span_of(chosen.asked), "limit": str(LOST)}, now=visit.now),
            worth(store, newest=1),
        )
    except Failure as failure:
        if failure.kind is not Kind.INVALID:
            raise
        return View("usage.html", {**_form(visit, at), "fault": failure, "chosen": None}, 400)
    facts = await _told(visit, at, chosen, found)
    beside = {"lost": lost, "worth": worthy.models[:WORTH]}
    return View("usage.html", {**_form(visit, at), "fault": None, **facts, **beside})


async def _chosen(visit: Visit) -> Chosen:
    """Return what is asked for, with what nobody said chosen sensibly.

    Raises:
        Failure: INVALID, naming the parameter; or the store's.
    """
    query, table = split(visit.query, visit.request.headers)
    check_names(query, ("measure", *PARAMETERS))
    measure = MEASURES[one_of("measure", query.pop("measure", "cost"), MEASURES)]
    query = {name: "" if name in DIMENSIONS and value == NOTHING else value for name, value in query.items()}
    period = _period(query, visit.now)
    times = {name: query[name] for name in TIMES if name in query}
    span = read_span(times, now=visit.now, default="month")
    since = span.since
    if since is None:
        since = await visit.gateway.store.reports.first(query.get("key")) or span.until
    query.setdefault("interval", interval(span.until - since))
    query.setdefault("group_by", "model")
    query.setdefault("order", measure.order)
    if query["group_by"] == "none":
        del query["group_by"]
    else:
        query.setdefault("top", str(DRAWN))
    return Chosen(read(query, own=None, now=visit.now), measure, period, table)


def _period(query: dict[str, str], now: float) -> str:
    """Return the tab, and put what it means into the query where that is a word of this page alone."""
    if "from" in query or "to" in query:
        query.pop("period", None)
        return ""
    period = one_of("period", query.get("period", "month"), PERIODS)
    if period in BACK:
        query["from"] = str((now - BACK[period]) // HOUR * HOUR)
    elif period == "calendar":
        query["from"] = str(beginning(int(now), "month"))
    if "from" in query:
        query.pop("period", None)
    return period


def interval(length_s: float) -> Interval:
    """Return by what stretches a time of so many seconds is told well."""
    return next((name for most, name in FINEST if length_s <= most), "month")


def _form(visit: Visit, at: Address) -> dict[str, Any]:
    """Return what the fields have, whether it can be read or not."""
    query = at.query
    live, book = visit.gateway.services.live(), visit.gateway.directory.book
    return {
        "at": at,
        "periods": PERIODS,
        "measures": MEASURES.values(),
        "dimensions": DIMENSIONS,
        "intervals": tuple(LENGTHS),
        "filters": [(name, query[name]) for name in DIMENSIONS if name in query],
        "known": {
            "key": sorted(book.keys),
            "team": sorted(name for kind, name in book.groups if kind == "team"),
            "user": sorted(name for kind, name in book.groups if kind == "user"),
            "provider": sorted(name for name, row in live.providers.items() if row.ready),
            "route": sorted(live.table.routes),
            "state": STATES,
            "failure": tuple(Kind),
            "dialect": sorted(live.dialects),
            "model": (),
        },
        "day_of": day_of,
        "named": _named,
    }


async def _told(visit: Visit, at: Address, chosen: Chosen, found: Explored) -> dict[str, Any]:
    """Return what is told of what was found."""
    asked, measure = chosen.asked, chosen.measure
    by, store = asked.by, visit.gateway.store
    never = not found.total.sums.requests and await store.reports.first(None) is None
    span = _span_of(asked)
    return {
        "chosen": chosen,
        "found": found,
        "never": never,
        "measure": measure,
        "by": by,
        # Percentiles are read off what is looked into here. A year takes a while, which no request waits for.
        "plot": await to_thread(plot, found, measure, lambda name: _named(by, name)),
        "shares": [share(measure, group, found.total) for group in found.groups],
        "other_share": share(measure, found.other, found.total) if found.other is not None else None,
        "plotted": DRAWN,
        "grown": grown,
        "rest": len(found.groups[DRAWN:]) + found.others,
        "most_groups": MOST_GROUPS,
        "fits": tuple(name for name, length in LENGTHS.items() if _length(found) / length <= MOST_POINTS),
        "stretches": found.total.points[-LISTED:],
        "when": _when(asked.interval),
        "into": lambda group: at.to(**_into(by, group)),
        "logged": lambda **more: link("/admin/requests", {**span, **_filters(at), **more}),
        "errors": found.errors[:ERRORS],
        "more_errors": sum(count for _, count in found.errors[ERRORS:]),
    }


def _into(by: Dimension | None, group: Group) -> dict[str, str | None]:
    """Return what a click on a group adds to the address: its filter, and another dimension to see it by."""
    if by is None:
        return {}
    return {
        by: group.name or NOTHING,
        "group_by": "key" if by == "model" else "model",
        "top": None,
        "order": None,
    }


def _filters(at: Address) -> dict[str, str]:
    return {name: value for name, value in at.query.items() if name in DIMENSIONS}


def _span_of(asked: Asked) -> dict[str, str]:
    """Return a report's time in an address; nothing: all of it."""
    if asked.span.period is not None:
        return {"period": asked.span.period}
    ends = {"to": figures.iso(asked.span.until)} if asked.span.ends else {}
    return {**({} if asked.span.since is None else {"from": figures.iso(asked.span.since)}), **ends}


def _length(found: Explored) -> float:
    return found.until - found.since if found.since is not None else 0.0


def _named(by: Dimension | None, name: str | None) -> str:
    """Return what a group is called."""
    return name or (NAMELESS[by] if by is not None else "all")


def day_of(text: str) -> str:
    """Return the day that a parameter of the address means, for a field of dates; "": it means none."""
    try:
        return figures.iso(instant("from", text))[: len("2026-11-01")]
    except Failure:
        return ""


def _when(every: Interval | None) -> Any:
    """Return how the beginning of a stretch is written."""
    forms = {"hour": "%a %-d %b, %H:%M", "day": "%a %-d %b %Y", "week": "week of %-d %b %Y", "month": "%B %Y"}
    form = forms[every or "day"]
    return lambda at: datetime.fromtimestamp(at, UTC).strftime(form)


PAGES = (Page(PATH, _show),)
