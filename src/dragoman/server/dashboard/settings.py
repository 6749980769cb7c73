"""The page of ``/admin/settings``: what this gateway runs with; the figures are the JSON's."""

from __future__ import annotations

from dragoman.accounts.reports import check_names
from dragoman.server.admin.settings import PATH, running
from dragoman.server.dashboard.visit import Page, View, Visit


async def _show(visit: Visit) -> View:
    check_names(visit.query, ())
    found = running(visit.gateway)
    # "parts" is the name of the macros.
    return View("settings.html", {**found._asdict(), "parts_of": found.sections})


PAGES = (Page(PATH, _show),)
