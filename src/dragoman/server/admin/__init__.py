"""The operator's pages: who there is, what they may spend, and who changed any of it.

    access.py    who may look and who may change; what a page is and how it refuses
    keys.py      keys: made, shown, changed, rotated, revoked
    teams.py     teams and users
    audit.py     who changed what
    prices.py    what everything costs, and history priced anew
    budgets.py   what may be spent, what is, and who was told
    providers.py who can answer and how they do; whom each route would ask now
    models.py    every model: who serves it, at what price, and its use
    requests.py  every request, one wholly, and those under way
    reconcile.py a provider's bill beside the ledger
    templates.py the prompt templates there are
    settings.py  what the gateway runs with
    usage.py     what was asked, what it cost and what it was worth: the overview, reports, ratings

Everything is JSON under ``/admin/``, told in the words of the surfaces. Each module has ``routes(gateway)``;
what its pages take and tell, and who may, is described in :mod:`dragoman.server.openapi`.
"""

from __future__ import annotations

from starlette.routing import Route

from dragoman.gateway import Gateway
from dragoman.server.admin import (
    audit,
    budgets,
    keys,
    models,
    prices,
    providers,
    reconcile,
    requests,
    settings,
    teams,
    templates,
    usage,
)


def routes(gateway: Gateway) -> list[Route]:
    """Return every page there is."""
    modules = (
        keys,
        teams,
        audit,
        budgets,
        prices,
        providers,
        models,
        usage,
        reconcile,
        requests,
        templates,
        settings,
    )
    return [route for module in modules for route in module.routes(gateway)]
