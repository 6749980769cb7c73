"""``/admin``: what happened and what it cost, at one glance, with what is under way just now.

    spending      today, this week and this month (UTC), each beside its budgets and the same time of the last
    the course    24 hours by hour, 7 days or 30 days by day: requests, errors, first token, cache
    now           requests under way, looked at again every two seconds; the rest every quarter of a minute
    who and what  providers by their calls, the keys and models most was spent on

Each figure leads to where it comes from: its stretch of time is in the link to the letter, so that the page
behind it shows the same number.
"""

from __future__ import annotations

import re
from asyncio import to_thread
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import msgspec

from dragoman.accounts.budgets import Standing
from dragoman.accounts.explored import Group, explored
from dragoman.accounts.overview import Overview, overview
from dragoman.accounts.reports import check_names, one_of, read
from dragoman.core.failure import Failure
from dragoman.server.admin.access import Asking
from dragoman.server.admin.requests import streams
from dragoman.server.dashboard import words
from dragoman.server.dashboard.address import Address, link
from dragoman.server.dashboard.drawings import health_svg
from dragoman.server.dashboard.measures import grown
from dragoman.server.dashboard.providers import verdict
from dragoman.server.dashboard.visit import Page, View, Visit
from dragoman.server.models import names, row
from dragoman.store.budgets import Period
from dragoman.store.ledger import ExchangeRow
from dragoman.store.reports import Interval, Spread, Sums
from dragoman.store.requests import Filters, figure

HOME = "/admin"
USAGE = "/admin/usage"

PERIODS: Mapping[str, tuple[str, Interval]] = MappingProxyType(
    {"day": ("24 h", "hour"), "week": ("7 days", "day"), "month": ("30 days", "day")}
)
"""The tabs, and how long the stretches of each are."""

SHOWN = 5
"""Rows of each small table."""

SPENDING: Mapping[Period, tuple[str, str]] = MappingProxyType(
    {
        "day": ("Today", "yesterday by now"),
        "week": ("This week", "last week by now"),
        "month": ("This month", "last month by now"),
    }
)
"""What each figure of spending is called, and what it is compared with."""

MODEL = "MODEL"
"""What stands for a model's name where nobody lists any."""

_PLACE = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")


class Spent(msgspec.Struct, frozen=True):
    """One figure of spending. ``budgets``: those of everything whose windows are of this period."""

    title: str
    than: str
    sums: Sums
    before: Sums
    budgets: tuple[Standing, ...]
    href: str


class Course(msgspec.Struct, frozen=True):
    """One of the small multiples: its figure in words, a line beneath, and its numbers."""

    title: str
    figure: str
    under: str
    numbers: tuple[float | None, ...]
    href: str


class Top(msgspec.Struct, frozen=True):
    """Whoever or whatever much was spent on, which share of the greatest that is, and what it cost when."""

    name: str
    sums: Sums
    share: float
    numbers: tuple[float | None, ...]
    href: str


class Tops(msgspec.Struct, frozen=True):
    """What most was spent on, and how many others there are."""

    by: str
    rows: list[Top]
    others: int
    href: str


async def _show(visit: Visit) -> View:
    """Show the page, or the part of it that asks for itself."""
    check_names(visit.query, ("period", "part"))
    period = one_of("period", visit.query.get("period", "day"), PERIODS)
    part = one_of("part", visit.query.get("part", "figures"), ("figures", "live"))
    if not visit.partial:
        return View("overview.html", await _figures(visit, period))
    try:
        if part == "live":
            return View("overview_live.html", await _live(visit))
        return View("overview_figures.html", await _figures(visit, period))
    except Failure as failure:  # in its place, which asks again: the page heals by itself
        told = {"failure": failure, "code": failure.http_status, "again": ""}
        return View("trouble.html", told, failure.http_status)


async def _figures(visit: Visit, period: str) -> dict[str, Any]:
    store, now = visit.gateway.store, visit.now
    found = await overview(store, now=now, live=len(visit.gateway.services.under_way))
    course = await _course(visit, found, period)
    never = not found.days.sums.requests and await store.reports.first(None) is None
    since = instant(course.points[0].at)
    usage = Address(USAGE, {"from": since, "interval": PERIODS[period][1]})
    return {
        **await _live(visit),
        "at": Address(HOME, {} if period == "day" else {"period": period}),
        "period": period,
        "periods": PERIODS,
        "spent": spending(found),
        "endless": [one for one in found.budgets if one.budget.period == "total"],
        "courses": await to_thread(courses, course, usage),
        "providers": [(one, *verdict(one)) for one in found.providers[:SHOWN]],
        "more_providers": max(0, len(found.providers) - SHOWN),
        "tops": [await _top(visit, period, course.points[0].at, by) for by in ("key", "model")],
        "first": first_request(visit) if never else None,
        "bars": health_svg,
        "grown": grown,
    }


async def _live(visit: Visit) -> dict[str, Any]:
    """Return what is under way, the oldest first, and what began last where that leaves room."""
    going = await streams(Asking(visit.gateway, visit.account, visit.request), limit=SHOWN)
    running = going.oldest
    latest: list[ExchangeRow] = []
    if len(running) < SHOWN:
        page = await visit.gateway.store.requests.page(Filters(), limit=SHOWN + len(running), count=False)
        latest = [row for row in page.rows if row.state != "reserved"]
    return {
        "running": running,
        "more_running": going.total - len(running),
        "latest": [(row, figure("tokens", row)) for row in latest[: SHOWN - len(running)]],
    }


async def _course(visit: Visit, found: Overview, period: str) -> Group:
    """Return the course of things over the time that was chosen, with how durations are spread."""
    if period == "week":
        week = read({"from": str(found.days.points[-7].at), "interval": "day"}, own=None, now=visit.now)
        return (await explored(visit.gateway.store.reports, week)).total
    return found.day if period == "day" else found.days


async def _top(visit: Visit, period: str, since: float, by: str) -> Tops:
    """Return the keys or models most was spent on since then."""
    told = {"from": instant(since), "interval": PERIODS[period][1]}
    asked = read(
        {**told, "from": str(since), "group_by": by, "top": str(SHOWN), "order": "cost"},
        own=None,
        now=visit.now,
    )
    found = await explored(visit.gateway.store.reports, asked)
    most = max((group.sums.cost_micros for group in found.groups), default=0)
    other = "model" if by == "key" else "key"
    rows = [
        Top(
            group.name or f"no {by}",
            group.sums,
            group.sums.cost_micros / most if most else 0.0,
            tuple(point.sums.cost for point in group.points),
            link(USAGE, {**told, "group_by": other, by: group.name or "-"}),
        )
        for group in found.groups
    ]
    return Tops(by, rows, found.others, link(USAGE, {**told, "group_by": by}))


def spending(found: Overview) -> list[Spent]:
    """Return what was spent today, this week and this month, each with its budgets."""
    told = []
    for period, (title, than) in SPENDING.items():
        spend = {"day": found.today, "week": found.week, "month": found.month}[period]
        budgets = tuple(one for one in found.budgets if one.budget.period == period)
        every = "hour" if period == "day" else "day"
        href = link(USAGE, {"from": instant(spend.since), "interval": every})
        told.append(Spent(title, than, spend.sums, spend.before, budgets, href))
    return told


def courses(course: Group, usage: Address) -> list[Course]:
    """Return the small multiples of a time; `usage`: the explorer, of the same time."""
    sums, spread = course.sums, course.spread or Spread()
    points = [(point.sums, point.spread or Spread()) for point in course.points]
    return [
        Course(
            "Requests",
            words.count(sums.requests),
            f"{words.count(sums.cancelled)} cancelled",
            tuple(one.requests for one, _ in points),
            usage.to(measure="requests"),
        ),
        Course(
            "Errors",
            words.percent(_part(sums.failed, sums)),
            f"{words.count(sums.failed)} failed",
            tuple(one.failed for one, _ in points),
            usage.to(measure="errors", group_by="failure"),
        ),
        Course(
            "First token, p50",
            words.duration(spread.first_event_ms(0.5)),
            "median",
            tuple(one.first_event_ms(0.5) for _, one in points),
            usage.to(measure="first_token", group_by="provider"),
        ),
        Course(
            "First token, p95",
            words.duration(spread.first_event_ms(0.95)),
            "1 in 20 slower",
            tuple(one.first_event_ms(0.95) for _, one in points),
            usage.to(measure="first_token", group_by="provider"),
        ),
        Course(
            "From the cache",
            words.percent(_part(sums.cached, sums)),
            f"{words.money(sums.saved_micros)} saved",
            tuple(_part(one.cached, one) for one, _ in points),
            usage.to(measure="saved"),
        ),
    ]


def _part(number: int, of: Sums) -> float | None:
    return number / of.requests if of.requests else None


def instant(at: float) -> str:
    """Return a Unix second as an address has it: a date where it is the beginning of one."""
    time = datetime.fromtimestamp(at, UTC)
    return f"{time:%Y-%m-%d}" if at % 86_400 == 0 else f"{time:%Y-%m-%dT%H:%MZ}"


def first_request(visit: Visit) -> dict[str, Any]:
    """Return what a first request is made with: this server's address, and a model that can be asked."""
    url = visit.request.base_url
    place = url.netloc if _PLACE.fullmatch(url.netloc) else "127.0.0.1:8080"
    model = _askable(visit)
    body = f'{{"model": "{model}", "stream": true, "messages": [{{"role": "user", "content": "Hello!"}}]}}'
    lines = [
        f"curl -N {url.scheme}://{place}/v1/chat/completions \\",
        '  -H "authorization: Bearer $DRAGOMAN_KEY" \\',
        '  -H "content-type: application/json" \\',
        f"  -d '{body}'",
    ]
    return {"curl": "\n".join(lines), "model": model, "filled": not model.endswith(f"/{MODEL}")}


def _askable(visit: Visit) -> str:
    """Return a name that can be asked now; of a provider that lists none, with its model to be filled in."""
    live = visit.gateway.services.live()
    known = (name for name in names(live, visit.account) if row(live, name).task == "generate")
    open_ = (f"{name}/{one.default_model or MODEL}" for name, one in live.providers.items() if one.ready)
    return next(known, next(open_, ""))


PAGES = (Page(HOME, _show),)
