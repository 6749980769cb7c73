"""``/admin/audit``: who changed what, the newest first."""

from __future__ import annotations

from starlette.routing import Route

from dragoman.accounts import shown
from dragoman.accounts.reports import check_names, whole
from dragoman.core.extras import Json
from dragoman.gateway import Gateway
from dragoman.server.admin.access import Asking, served, viewer

MOST = 1000
"""Entries one answer may have."""


def routes(gateway: Gateway) -> list[Route]:
    """Return the page."""
    return [Route("/admin/audit", served(gateway, _list, may=viewer), methods=["GET"])]


async def _list(asking: Asking) -> Json:
    check_names(asking.query, ("limit", "before"))
    limit = number(asking.query, "limit", most=MOST) or 100
    before = number(asking.query, "before", most=2**53)
    rows = await asking.gateway.store.audit.rows(limit=limit, before=before)
    return {
        "entries": [shown.entry(number, row) for number, row in rows],
        "before": rows[-1][0] if len(rows) == limit else None,
    }


def number(query: dict[str, str], name: str, *, most: int) -> int | None:
    """Return a whole number of the query; None: it is not there."""
    words = query.get(name)
    if words is None:
        return None
    return whole(name, words, most)
