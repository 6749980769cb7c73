"""The page of ``/admin/models``: what can be asked, what is missing, and what each model costs and is used.

Its figures, and what of them is shown, are those of the JSON at the same address.
"""

from __future__ import annotations

from typing import Any

from dragoman.accounts.reports import check_names
from dragoman.server.admin.models import PATH, QUERY, SORTS, TASKS, ModelRow, asked_for, listed
from dragoman.server.dashboard.address import Address, link
from dragoman.server.dashboard.visit import Page, View, Visit

SHOWN = 40
"""Models of one page."""

MICROS = 1_000_000


async def _show(visit: Visit) -> View:
    query = visit.query
    check_names(query, [name for name in QUERY if name != "limit"])
    asked = asked_for(query, limit=SHOWN)
    found = await listed(visit.gateway, asked)
    at, count, after = Address(PATH, query), found.counts[found.can], asked.after
    return View(
        "models.html",
        {
            "at": at,
            "rows": found.rows,
            "count": count,
            "counts": found.counts,
            "can": found.can,
            "sort": asked.sort,
            "sorts": SORTS,
            "task": asked.task,
            "tasks": TASKS,
            "after": after,
            "older": at.to(after=str(after + SHOWN)) if after + SHOWN < count else "",
            "newer": at.to(after=str(after - SHOWN) if after > SHOWN else None) if after else "",
            "sellers": found.providers,
            "rate": rate,
            "use": use,
        },
    )


def use(row: ModelRow) -> str:
    """Return where a row's use is explored."""
    dimension = "route" if row.kind == "route" else "model"
    return link("/admin/usage", {"period": "month", "group_by": "key", dimension: row.counted})


def rate(amount: Any) -> float:
    """Return US dollars for a million tokens in micro-dollars, for the words of money."""
    return float(amount * MICROS)


PAGES = (Page(PATH, _show),)
