"""``/admin/templates``: the prompt templates there are; they are edited in their file, which is watched."""

from __future__ import annotations

from dragoman.accounts.reports import check_names
from dragoman.server.dashboard.visit import Page, View, Visit


async def _list(visit: Visit) -> View:
    check_names(visit.query, ("q", "category"))
    gateway = visit.gateway
    every = gateway.templates.list()
    sought, category = visit.query.get("q", "").casefold(), visit.query.get("category", "")
    found = [
        one
        for one in every
        if sought in f"{one.id} {one.title} {one.prompt} {' '.join(one.tags)}".casefold()
        and category in ("", one.category)
    ]
    return View(
        "templates.html",
        {
            "found": found,
            "every": len(every),
            "categories": sorted({one.category for one in every if one.category}),
            "file": str(gateway.config.templates),
            "own": gateway.config.templates.is_file(),
        },
    )


PAGES = (Page("/admin/templates", _list),)
