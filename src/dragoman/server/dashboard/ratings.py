"""``/admin/ratings``: what answers were worth, beside what they cost."""

from __future__ import annotations

from dragoman.accounts.rated import MOST, worth
from dragoman.accounts.reports import check_names
from dragoman.server.dashboard.visit import Page, View, Visit

NEWEST = 50


async def _list(visit: Visit) -> View:
    check_names(visit.query, ())
    found = await worth(visit.gateway.store, newest=min(NEWEST, MOST))
    return View("ratings.html", {"found": found, "address": visit.address})


PAGES = (Page("/admin/ratings", _list),)
