"""The operator's pages: who there is, what they may spend, and who changed any of it.

    access.py    who may look and who may change; what a page is and how it refuses
    keys.py      keys: made, shown, changed, rotated, revoked
    teams.py     teams and users
    audit.py     who changed what
    prices.py    what everything costs, and history priced anew
    budgets.py   what may be spent, what is, and who was told

Everything is JSON under ``/admin/``, told in the words of the surfaces. Each module has ``routes(gateway)``;
what its pages take and tell, and who may, is described in :mod:`dragoman.server.openapi`.
"""

from __future__ import annotations

from starlette.routing import Route

from dragoman.gateway import Gateway
from dragoman.server.admin import audit, budgets, keys, prices, teams


def routes(gateway: Gateway) -> list[Route]:
    """Return every page there is."""
    modules = (keys, teams, audit, budgets, prices)
    return [route for module in modules for route in module.routes(gateway)]
