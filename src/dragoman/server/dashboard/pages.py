"""Every page of the dashboard: where it is, and in which order the rail at the left names them."""

from __future__ import annotations

from typing import NamedTuple

from dragoman.server.dashboard import (
    alerts,
    audit,
    budgets,
    groups,
    key,
    keys,
    models,
    overview,
    prices,
    providers,
    ratings,
    request,
    requests,
    settings,
    templates,
    usage,
)
from dragoman.server.dashboard.visit import Action, Page


class Stop(NamedTuple):
    """A place on the rail."""

    path: str
    name: str
    icon: str


class List(NamedTuple):
    """A list of what has pages of its own."""

    path: str
    name: str


LISTS = ("requests", "keys", "teams", "users", "budgets", "models", "providers", "routes", "templates")

RAIL = (
    Stop("/admin", "Overview", "overview"),
    Stop("/admin/requests", "Requests", "requests"),
    Stop("/admin/usage", "Usage", "usage"),
    Stop("/admin/keys", "Keys", "key"),
    Stop("/admin/budgets", "Budgets", "budgets"),
    Stop("/admin/alerts", "Alerts", "alerts"),
    Stop("/admin/models", "Models", "models"),
    Stop("/admin/providers", "Providers", "providers"),
    Stop("/admin/routes", "Routes", "routes"),
    Stop("/admin/prices", "Prices", "prices"),
    Stop("/admin/templates", "Templates", "templates"),
    Stop("/admin/ratings", "Ratings", "ratings"),
    Stop("/admin/audit", "Audit", "audit"),
    Stop("/admin/settings", "Settings", "settings"),
)

PAGES: tuple[Page | Action, ...] = (
    *overview.PAGES,
    *usage.PAGES,
    *models.PAGES,
    *requests.PAGES,
    *request.PAGES,
    *keys.PAGES,
    *key.PAGES,
    *groups.PAGES,
    *budgets.PAGES,
    *alerts.PAGES,
    *providers.PAGES,
    *prices.PAGES,
    *templates.PAGES,
    *ratings.PAGES,
    *audit.PAGES,
    *settings.PAGES,
)


def above(path: str) -> List | None:
    """Return the list that a page below it belongs to, whether there is such a page or not; None: to none."""
    found = (List(f"/admin/{name}", name) for name in LISTS)
    return next((one for one in found if path.startswith(f"{one.path}/")), None)
