"""``/admin/providers`` and ``/admin/routes``: who can answer, how they do, whom a name would reach now."""

from __future__ import annotations

from dragoman.accounts.overview import ProviderHealth
from dragoman.accounts.reports import check_names
from dragoman.core.failure import Failure
from dragoman.routing import Target, plan
from dragoman.server.admin.providers import named_routes, outlook, providers
from dragoman.server.dashboard.visit import Page, View, Visit

SHOWN = 100
"""Routes of one page."""

MANY = 0.05
"""The share of failed calls from which a provider is in trouble; any at all is worth a word."""


def verdict(health: ProviderHealth | None) -> tuple[str, str]:
    """Return how a provider does in a word, and its tone, by its calls of this hour and the one before."""
    if health is None or not health.calls:
        return "not called", "quiet"
    calls, failed = health.recent_calls, health.recent_failed
    if not calls:
        return "idle", "quiet"
    if failed / calls >= MANY:
        return "failing" if failed / calls >= 0.5 else "troubled", "bad" if failed / calls >= 0.5 else "warn"
    return "healthy", "good"


async def _providers(visit: Visit) -> View:
    check_names(visit.query, ("q", "state"))
    rows = providers(visit.gateway, await outlook(visit.gateway))
    sought, state = visit.query.get("q", "").casefold(), visit.query.get("state", "")
    found = [
        one
        for one in rows
        if sought in f"{one.row.name} {one.row.title}".casefold()
        and state in ("", "ready" if one.ready else "waiting")
    ]
    return View(
        "providers.html",
        {
            "found": found,
            "every": len(rows),
            "ready": sum(one.ready for one in rows),
            "verdicts": {one.row.name: verdict(one.health) for one in found},
        },
    )


async def _routes(visit: Visit) -> View:
    check_names(visit.query, ("name", "after"))
    known = await outlook(visit.gateway)
    every = named_routes(visit.gateway, known)
    places = [one.name for one in every]
    begin = places.index(visit.query["after"]) + 1 if visit.query.get("after") in places else 0
    found = every[begin : begin + SHOWN]
    verdicts = {target.provider: verdict(target.health) for one in found for target in one.targets}
    name = visit.query.get("name", "")
    reached, refusal = _reached(visit, name) if name else ((), "")
    return View(
        "routes.html",
        {
            "found": found,
            "count": len(every),
            "begun": begin > 0,
            "after": found[-1].name if begin + SHOWN < len(every) else "",
            "verdicts": verdicts,
            "name": name,
            "reached": reached,
            "refusal": refusal,
        },
    )


def _reached(visit: Visit, name: str) -> tuple[tuple[Target, ...], str]:
    """Return whom a name would be asked of now, in order; or why nobody."""
    live = visit.gateway.services.live()
    try:
        return tuple(plan(live.table.resolve(name, None))), ""
    except Failure as failure:
        return (), failure.message


PAGES = (Page("/admin/providers", _providers), Page("/admin/routes", _routes))
