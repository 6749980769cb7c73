"""``/admin/audit``: who changed what, the newest first."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman.accounts import shown
from dragoman.accounts.figures import cell, iso
from dragoman.accounts.reports import check_names
from dragoman.server.admin.audit import number
from dragoman.server.dashboard.visit import Page, Shown, View, Visit
from dragoman.server.tables import in_csv, split
from dragoman.store.audit import AuditRow

SHOWN = 50
"""Entries of one page."""


async def _list(visit: Visit) -> Shown:
    query, csv = split(visit.query, {})
    check_names(query, ("before",))
    before = number(query, "before", most=2**53)
    rows = await visit.gateway.store.audit.rows(limit=SHOWN + 1, before=before)
    more = len(rows) > SHOWN
    rows = rows[:SHOWN]
    if csv:
        return in_csv(_table(rows), "audit")
    return View(
        "audit.html",
        {
            "entries": [shown.entry(place, row) for place, row in rows],
            "older": f"/admin/audit?before={rows[-1][0]}" if more else "",
            "newer": "/admin/audit" if before is not None else "",
            "csv": "/admin/audit?format=csv" + (f"&before={before}" if before is not None else ""),
        },
    )


def _table(rows: Sequence[tuple[int, AuditRow]]) -> str:
    found = ["number,at,actor,action,subject,detail"]
    for place, row in rows:
        values = (place, iso(row.at), row.actor, row.action, row.subject, row.detail.decode())
        found.append(",".join(cell(value) for value in values))
    return "\r\n".join([*found, ""])


PAGES = (Page("/admin/audit", _list),)
