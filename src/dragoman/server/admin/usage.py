"""``/admin/usage``, ``/admin/overview`` and ``/admin/ratings``: what everybody asked, its cost and its worth.

    /admin/overview        one glance: spending and budgets, a day and a month, who and what most, providers
    /admin/usage           everything by anything: filters, groups, stretches, the time before, CSV
    /admin/usage/losses    what crossings between protocols lost, and how often
    /admin/ratings         what models are thought of, and what that costs

A key is told of its own at ``/v1/usage/stats`` and ``/v1/usage/series``, from the same figures.
"""

from __future__ import annotations

from asyncio import to_thread

from starlette.responses import Response
from starlette.routing import Route

from dragoman.accounts import figures, rated
from dragoman.accounts.explored import explored, losses
from dragoman.accounts.overview import overview, shown
from dragoman.accounts.reports import check_names, read, whole
from dragoman.core.extras import Json
from dragoman.gateway import Gateway
from dragoman.server.admin.access import PRIVATE, Asking, served, viewer
from dragoman.server.answers import in_json
from dragoman.server.tables import in_csv, split


def routes(gateway: Gateway) -> list[Route]:
    """Return the pages."""
    pages = {
        "/admin/overview": _overview,
        "/admin/usage": _usage,
        "/admin/usage/losses": _losses,
        "/admin/ratings": _ratings,
    }
    return [Route(path, served(gateway, page, may=viewer), methods=["GET"]) for path, page in pages.items()]


async def _overview(asking: Asking) -> Json:
    check_names(asking.query, ())
    gateway = asking.gateway
    live = len(gateway.services.under_way)
    return await to_thread(shown, await overview(gateway.store, now=asking.now, live=live))


async def _usage(asking: Asking) -> Json | Response:
    query, table = split(asking.query, asking.request.headers)
    asked = read(query, own=None, now=asking.now)
    found = await explored(asking.gateway.store.reports, asked, fine=table)
    if table:
        return in_csv(await to_thread(figures.csv_of, found), "usage", PRIVATE)
    return await to_thread(
        lambda: in_json(figures.told(found), headers=PRIVATE)
    )  # a megabyte, of a year by day


async def _losses(asking: Asking) -> Json | Response:
    query, table = split(asking.query, asking.request.headers)
    found = await losses(asking.gateway.store.reports, query, now=asking.now)
    return in_csv(figures.csv_of_lost(found), "losses", PRIVATE) if table else figures.lost(found)


async def _ratings(asking: Asking) -> Json:
    check_names(asking.query, ("limit",))
    newest = whole("limit", asking.query.get("limit", str(rated.NEWEST)), rated.MOST)
    return rated.shown(await rated.worth(asking.gateway.store, newest=newest))
