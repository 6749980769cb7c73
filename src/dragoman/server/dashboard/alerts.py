"""``/admin/alerts``: which budgets were told of, the newest first."""

from __future__ import annotations

from dragoman.accounts.figures import cell, iso
from dragoman.accounts.reports import check_names
from dragoman.server.admin.audit import number
from dragoman.server.admin.budgets import ALERTS, MOST
from dragoman.server.dashboard import caps
from dragoman.server.dashboard.visit import Page, Shown, View, Visit
from dragoman.server.tables import in_csv, split
from dragoman.store.budgets import AlertRow, BudgetRow


async def _list(visit: Visit) -> Shown:
    query, csv = split(visit.query, {})
    check_names(query, ("limit", "budget"))
    limit = number(query, "limit", most=MOST) or ALERTS
    kept = visit.gateway.store.budgets
    budget = query.get("budget")
    # Of one budget: those among the newest that are kept for a page.
    every = await kept.alerts(limit=MOST if budget else limit + 1)
    found = [row for row in every if budget in (None, row.budget)]
    rows = found[:limit]
    if csv:
        return in_csv(_table(rows), "alerts")
    there = {row.name: row for row in await kept.rows()}
    config = visit.gateway.config
    return View(
        "alerts.html",
        {
            "alerts": [(row, there.get(row.budget), _href(row, there.get(row.budget))) for row in rows],
            "budgets": sorted({*there, *(row.budget for row in every)}),
            "filters": query,
            "more": len(found) > limit,
            "most": MOST,
            "watched": any(row.alerts and row.cap_micros for row in there.values()),
            "webhook": bool(config.webhook.url) and "budget.alert" in config.webhook.events,
            "page": caps.page,
        },
    )


def _href(alert: AlertRow, budget: BudgetRow | None) -> str:
    return "" if budget is None else caps.href(budget.scope, alert.subject)


def _table(rows: list[AlertRow]) -> str:
    found = ["told_at,budget,subject,window_began_at,percent,spent_usd,dollars"]
    for row in rows:
        values = (iso(row.told_at), row.budget, row.subject, iso(row.at), row.percent)
        money = (row.spent_micros / 1_000_000, row.cap_micros / 1_000_000)
        found.append(",".join(cell(value) for value in (*values, *money)))
    return "\r\n".join([*found, ""])


PAGES = (Page("/admin/alerts", _list),)
