"""The page of ``/admin/templates``: those of the JSON at the same address, shown as text."""

from __future__ import annotations

from dragoman.server.admin.templates import PATH, listed
from dragoman.server.dashboard.visit import Page, View, Visit


async def _list(visit: Visit) -> View:
    return View("templates.html", listed(visit.gateway, visit.query)._asdict())


PAGES = (Page(PATH, _list),)
