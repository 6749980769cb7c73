"""``/admin/audit``: who changed what, the newest first."""

from __future__ import annotations

from dragoman.accounts import shown
from dragoman.accounts.reports import check_names
from dragoman.server.admin.audit import number
from dragoman.server.dashboard.visit import Page, View, Visit

SHOWN = 50
"""Entries of one page."""


async def _list(visit: Visit) -> View:
    check_names(visit.query, ("before",))
    before = number(visit.query, "before", most=2**53)
    rows = await visit.gateway.store.audit.rows(limit=SHOWN + 1, before=before)
    more = len(rows) > SHOWN
    rows = rows[:SHOWN]
    return View(
        "audit.html",
        {
            "entries": [shown.entry(place, row) for place, row in rows],
            "older": f"/admin/audit?before={rows[-1][0]}" if more else "",
            "newer": "/admin/audit" if before is not None else "",
        },
    )


PAGES = (Page("/admin/audit", _list),)
