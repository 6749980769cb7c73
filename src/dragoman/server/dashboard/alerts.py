"""``/admin/alerts``: which budgets were told of, the newest first, page by page.

The newest :data:`~dragoman.server.admin.budgets.MOST` are looked through, whatever is asked of them; all of
them are in the CSV.
"""

from __future__ import annotations

from dragoman.accounts.figures import cell, iso
from dragoman.accounts.reports import check_names
from dragoman.server.admin.audit import number
from dragoman.server.admin.budgets import ALERTS, MOST
from dragoman.server.dashboard import caps
from dragoman.server.dashboard.address import Address
from dragoman.server.dashboard.visit import Page, Shown, View, Visit
from dragoman.server.tables import in_csv, split
from dragoman.store.budgets import AlertRow, BudgetRow

PATH = "/admin/alerts"


async def _list(visit: Visit) -> Shown:
    query, csv = split(visit.query, {})
    check_names(query, ("limit", "budget", "after"))
    limit, after = number(query, "limit", most=MOST) or MOST, number(query, "after", most=MOST) or 0
    kept = visit.gateway.store.budgets
    budget = query.get("budget")
    found = await kept.alerts(limit=limit, budget=budget)
    if csv:
        return in_csv(_table(found), "alerts")
    rows, on = found[after : after + ALERTS], after + ALERTS
    at = Address(PATH, {name: value for name, value in query.items() if name != "after"})
    there = {row.name: row for row in await kept.rows()}
    config = visit.gateway.config
    return View(
        "alerts.html",
        {
            "alerts": [(row, there.get(row.budget), _href(row, there.get(row.budget))) for row in rows],
            "budgets": sorted({*there, *(row.budget for row in found)}),
            "at": at,
            "budget": budget,
            "begins": after + 1,
            "count": len(found),
            "oldest": len(found) < limit == MOST,
            "older": at.to(after=str(on)) if on < len(found) else "",
            "newer": at.to(after=str(after - ALERTS) if after > ALERTS else None) if after else "",
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


PAGES = (Page(PATH, _list),)
