"""Budgets made, changed and removed, and told as JSON: what the command line and the API have in common.

A budget stands in the configuration or is made while serving, and is changed where it was made. Every change
is in the audit log, in the same commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from dragoman.accounts.budgeted import Known, stand
from dragoman.accounts.budgets import BudgetSpec, Standing
from dragoman.accounts.terms import NAME, NAMED
from dragoman.core.failure import Failure, Kind, Source, invalid
from dragoman.store import Store
from dragoman.store.audit import AuditRow
from dragoman.store.budgets import AlertRow, BudgetRow, Budgets

CONFIGURATION = "configuration"
"""Who the audit log says it was, where a start found the configuration changed."""


async def enter(specs: Mapping[str, BudgetSpec], kept: Budgets, now: float) -> None:
    """Make the store have the budgets of the configuration, and none of it that is there no longer.

    One of the same name that was made while serving gives way. May be done by several processes at once.
    """
    there = {row.name: row for row in await kept.rows()}
    for name, spec in specs.items():
        old = there.get(name)
        row = spec.row(name, old.created_at if old else now)
        row = msgspec.structs.replace(row, origin="config")
        if row != old:
            await kept.put(row, _told(row, old, CONFIGURATION, now))
    for name, row in there.items():
        if row.origin == "config" and name not in specs:
            await kept.remove(name, _removed(row, CONFIGURATION, now))


async def find(kept: Budgets, name: str) -> BudgetRow:
    """Return a budget.

    Raises:
        Failure: NOT_FOUND.
    """
    found = await _find(kept, name)
    if found is None:
        raise _unknown()
    return found


async def put(kept: Budgets, name: str, spec: BudgetSpec, *, actor: str, now: float) -> BudgetRow:
    """Make a budget, or put another in its place; return it.

    Raises:
        Failure: INVALID, it cannot be called so; CONFLICT, it stands in the configuration.
    """
    if NAME.fullmatch(name) is None:
        raise invalid(f"this cannot be a budget's name; {NAMED}", "$.name")
    old = await _find(kept, name)
    _refuse_configured(old)
    row = spec.row(name, old.created_at if old else now)
    await kept.put(row, _told(row, old, actor, now))
    return row


async def remove(kept: Budgets, name: str, *, actor: str, now: float) -> None:
    """Remove a budget, with what its windows say; the ledger stays.

    Raises:
        Failure: NOT_FOUND; CONFLICT, it stands in the configuration.
    """
    old = await find(kept, name)
    _refuse_configured(old)
    if not await kept.remove(name, _removed(old, actor, now)):
        raise _unknown()


async def shown(
    store: Store, rows: Sequence[BudgetRow], now: float, *, who: Known, most: int | None = None
) -> list[dict[str, Any]]:
    """Return budgets as JSON, each with how it stands now.

    Args:
        store: Where they are.
        rows: The budgets.
        now: Unix seconds.
        who: Whom those for each hold for.
        most: How many windows are told of one budget at most, those used furthest; None: all.
    """
    return [budget(one.budget, one.windows, most=most) for one in await stand(store, rows, now, who=who)]


def budget(row: BudgetRow, standing: Sequence[Standing], *, most: int | None = None) -> dict[str, Any]:
    """Return a budget as JSON, with `most` of its windows; amounts are US dollars, times Unix seconds."""
    return {
        "name": row.name,
        "scope": row.scope,
        "subject": row.subject,
        "dollars": row.cap_micros / 1_000_000,
        "period": row.period,
        "zone": row.zone,
        "hard": row.hard,
        "alerts": list(row.alerts),
        "origin": row.origin,
        "created_at": row.created_at,
        "subjects": len(standing),
        "used_up": sum(one.share_spent >= 1 for one in standing),
        "windows": [_window(one) for one in standing[:most]],
    }


def own(one: Standing, *, amounts: bool) -> dict[str, Any]:
    """Return a budget as it is told to a key that it is about; amounts only where it may know them."""
    row, window = one.budget, _window(one)
    if not amounts:
        window |= {"spent_usd": None, "held_usd": None, "left_usd": None}
    return {
        "name": row.name,
        "scope": row.scope,
        "period": row.period,
        "zone": row.zone,
        "hard": row.hard,
        "dollars": row.cap_micros / 1_000_000 if amounts else None,
        "exhausted": one.window.spent_micros >= row.cap_micros,
        **window,
    }


def alert(row: AlertRow) -> dict[str, Any]:
    """Return an alert as JSON."""
    return {
        "budget": row.budget,
        "subject": row.subject,
        "percent": row.percent,
        "spent_usd": row.spent_micros / 1_000_000,
        "dollars": row.cap_micros / 1_000_000,
        "began_at": row.at,
        "told_at": row.told_at,
    }


def _window(one: Standing) -> dict[str, Any]:
    return {
        "subject": one.window.subject,
        "began_at": one.window.at,
        "ends_at": one.ends_at,
        "spent_usd": one.window.spent_micros / 1_000_000,
        "held_usd": one.window.held_micros / 1_000_000,
        "left_usd": one.left_micros / 1_000_000,
    }


async def _find(kept: Budgets, name: str) -> BudgetRow | None:
    return next((row for row in await kept.rows() if row.name == name), None)


def _refuse_configured(row: BudgetRow | None) -> None:
    if row is not None and row.origin == "config":
        message = f"the budget {row.name!r} stands in the configuration; change it there"
        raise Failure(Kind.CONFLICT, message, source=Source.CLIENT, code="budget_configured")


def _unknown() -> Failure:
    message = "there is no budget of this name"
    return Failure(Kind.NOT_FOUND, message, source=Source.CLIENT, code="budget_not_found")


def _told(row: BudgetRow, old: BudgetRow | None, actor: str, at: float) -> AuditRow:
    """Return what the audit log is told of a budget that is made or changed."""
    detail = msgspec.json.encode({"is": row, "was": old})
    return AuditRow(at, actor, "budget.change" if old else "budget.create", row.name, detail)


def _removed(old: BudgetRow, actor: str, at: float) -> AuditRow:
    detail = msgspec.json.encode({"is": None, "was": old})
    return AuditRow(at, actor, "budget.remove", old.name, detail)
