"""``/admin/budgets`` and ``/admin/alerts``: what may be spent, what is, and who was told.

A key is told of its own at ``/v1/budgets``. Amounts are US dollars, times Unix seconds. How a budget stands
is read from the store when it is asked: it is as true as the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.routing import Route

from dragoman.accounts import budgeting
from dragoman.accounts.budgeted import LISTED, known
from dragoman.accounts.budgets import Budgets, BudgetSpec, sees
from dragoman.accounts.reports import check_names, whole
from dragoman.core.extras import Json
from dragoman.gateway import Gateway
from dragoman.server.admin.access import Asking, editor, member, served, viewer
from dragoman.store.budgets import BudgetRow

ALERTS, MOST = 100, 1000
"""Alerts that are listed, and the most that can be asked for."""


def routes(gateway: Gateway) -> list[Route]:
    """Return the pages."""
    return [
        Route("/admin/budgets", served(gateway, _list, may=viewer), methods=["GET"]),
        Route("/admin/budgets/{name}", served(gateway, _show, may=viewer), methods=["GET"]),
        Route("/admin/budgets/{name}", served(gateway, _put, may=editor), methods=["PUT"]),
        Route("/admin/budgets/{name}", served(gateway, _remove, may=editor), methods=["DELETE"]),
        Route("/admin/alerts", served(gateway, _alerts, may=viewer), methods=["GET"]),
        Route("/v1/budgets", served(gateway, _own, may=member), methods=["GET"]),
    ]


async def _list(asking: Asking) -> Json:
    check_names(asking.query, ())
    kept = asking.gateway.store.budgets
    rows = await kept.rows()
    return {"budgets": await _told(asking, rows, most=LISTED)}


async def _show(asking: Asking) -> Json:
    [found] = await _told(asking, [await budgeting.find(asking.gateway.store.budgets, asking.name)])
    return found


async def _put(asking: Asking) -> Json:
    kept, now = asking.gateway.store.budgets, asking.now
    spec = await asking.body(BudgetSpec)
    row = await budgeting.put(kept, asking.name, spec, actor=asking.account.name, now=now)
    [found] = await _told(asking, [row])
    return found


async def _remove(asking: Asking) -> Json:
    kept = asking.gateway.store.budgets
    await budgeting.remove(kept, asking.name, actor=asking.account.name, now=asking.now)
    return {"removed": asking.name}


async def _told(
    asking: Asking, rows: Sequence[BudgetRow], *, most: int | None = None
) -> list[dict[str, Any]]:
    """Return how budgets stand, each with `most` of its windows at most."""
    who = await known(asking.issuing)
    return await budgeting.shown(asking.gateway.store, rows, asking.now, who=who, most=most)


async def _alerts(asking: Asking) -> Json:
    check_names(asking.query, ("limit",))
    limit = whole("limit", asking.query.get("limit", str(ALERTS)), MOST)
    rows = await asking.gateway.store.budgets.alerts(limit=limit)
    return {"alerts": [budgeting.alert(row) for row in rows]}


async def _own(asking: Asking) -> Json:
    check_names(asking.query, ())
    kept = asking.gateway.store.budgets
    rows = await kept.rows()
    standing = await Budgets(lambda: rows, lambda: asking.now).left(asking.account, kept)
    return {"budgets": [budgeting.own(one, amounts=sees(asking.account, one.share)) for one in standing]}
