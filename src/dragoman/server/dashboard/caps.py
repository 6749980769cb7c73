"""Budgets as pages show them: how far each window is used, when it begins anew, and who it is about.

A page about a key, a team or a user has the budgets that are about it, and sets them there
(:func:`put_about`, :func:`remove_about`); the page of budgets has all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from dragoman.accounts import budgeting
from dragoman.accounts.budgets import Budgets, BudgetSpec, Standing, standings
from dragoman.accounts.keys import Account
from dragoman.accounts.windows import zone_of
from dragoman.core.failure import Failure, invalid
from dragoman.server.admin.access import converted
from dragoman.server.dashboard import typed
from dragoman.server.dashboard.visit import Form, Visit
from dragoman.store.budgets import EACH, BudgetRow, Scope

NEAR = 0.8
"""The share of a budget from which on it is nearly used up."""

PERIODS = (("day", "a day"), ("week", "a week"), ("month", "a month"), ("total", "in all, for good"))
SCOPES = (
    ("all", "Everything"),
    ("key", "A key"),
    ("team", "A team"),
    ("user", "A user"),
    ("model", "A model"),
)

FIELDS = ("name", "scope", "subject", "cap", "period", "zone", "hard", "alerts", "seen")

_FIRST = (
    ("dollars", "cap"),
    ("a budget of everything", "subject"),
    ("subject", "subject"),
    ("alerts", "alerts"),
)
"""How a fault of a whole budget begins, and which field it is of."""

_OWNERS: Mapping[Scope, Callable[[str], Account]] = MappingProxyType(
    {
        "key": Account,
        "team": lambda name: Account("", team=name),
        "user": lambda name: Account("", user=name),
    }
)
"""Who stands for everybody that a budget of a scope counts for."""

State = Literal["used up", "nearly used up", "fine"]


class Cap(msgspec.Struct, frozen=True):
    """One window of a budget. ``standing``: None: nobody has spent of it yet."""

    row: BudgetRow
    standing: Standing | None = None

    @property
    def subject(self) -> str:
        """Whom it counts for; "*": each of many, none of whom has spent yet."""
        return self.row.subject if self.standing is None else self.standing.window.subject

    @property
    def spent(self) -> int:
        """Micro-dollars."""
        return 0 if self.standing is None else self.standing.window.spent_micros

    @property
    def held(self) -> int:
        """Micro-dollars that requests under way hold."""
        return 0 if self.standing is None else self.standing.window.held_micros

    @property
    def left(self) -> int:
        """Micro-dollars that may still be claimed."""
        return self.row.cap_micros if self.standing is None else self.standing.left_micros

    @property
    def share(self) -> float:
        """How much of it is spent; of a budget of nothing, all."""
        return self.spent / self.row.cap_micros if self.row.cap_micros else 1.0

    @property
    def state(self) -> State:
        """How it stands, in words."""
        if self.spent >= self.row.cap_micros:
            return "used up"
        return "nearly used up" if self.share >= NEAR else "fine"

    @property
    def tone(self) -> str:
        """Of its badge."""
        return {"used up": "bad", "nearly used up": "warn"}.get(self.state, "good")

    @property
    def ends_at(self) -> int | None:
        """When it begins anew, in Unix seconds; None: never, or nobody has spent of it yet."""
        return None if self.standing is None else self.standing.ends_at

    @property
    def ends(self) -> str:
        """When, on the clock of its own place."""
        return "" if self.ends_at is None else on_clock(self.ends_at, self.row.zone)

    @property
    def typed(self) -> dict[str, str]:
        """Its budget, as a form has it."""
        return typed_cap(self.row)

    @property
    def href(self) -> str:
        """The page of whom it is about; "": there is none."""
        return href(self.row.scope, self.subject)

    @property
    def page(self) -> str:
        """Its own page."""
        return page(self.row.name)


def page(name: str) -> str:
    """Return the address of a budget's page."""
    return f"/admin/budgets/{quote(name, safe='')}"


def href(scope: Scope, subject: str) -> str:
    """Return the page about a key, a team, a user or a model; "": there is none."""
    if not subject or subject == EACH:
        return ""
    if scope == "model":
        return f"/admin/usage?model={quote(subject, safe='')}"
    return f"/admin/{scope}s/{quote(subject, safe='')}" if scope != "all" else ""


def on_clock(at: float, zone: str) -> str:
    """Return an instant on the clock of a place: ``2026-12-01 00:00 Europe/Rome``."""
    try:
        place = zone_of(zone)
    except Failure:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{datetime.fromtimestamp(at, place):%Y-%m-%d %H:%M} {zone}"


def worst(caps: Sequence[Cap]) -> Cap | None:
    """Return the one that is used furthest."""
    return max(caps, key=lambda cap: cap.share, default=None)


async def about(visit: Visit, account: Account, rows: Sequence[BudgetRow]) -> list[Cap]:
    """Return how the budgets stand that are about somebody, those used furthest first."""
    standing = await Budgets(lambda: rows, lambda: visit.now).left(account, visit.gateway.store.budgets)
    return sorted((Cap(one.budget, one) for one in standing), key=_furthest)


def _furthest(cap: Cap) -> tuple[float, str]:
    return -cap.share, cap.row.name


async def of_each(visit: Visit, scope: Scope, names: Collection[str]) -> dict[str, list[Cap]]:
    """Return how the budgets of each of some keys, teams or users stand, those used furthest first.

    Windows in use are read at once, however many there are; one that nobody has claimed from is asked for.
    """
    kept = visit.gateway.store.budgets
    rows = [row for row in await kept.rows() if row.scope == scope and row.subject in (EACH, *names)]
    in_use = {
        (one.budget.name, one.window.subject): Cap(one.budget, one)
        for one in await standings(rows, kept, visit.now)
    }
    found = {}
    for name in names:
        own = [row for row in rows if row.subject in (EACH, name)]
        unused = [row for row in own if (row.name, name) not in in_use]
        told = await about(visit, _OWNERS[scope](name), unused) if unused else []
        told += [in_use[row.name, name] for row in own if (row.name, name) in in_use]
        found[name] = sorted(told, key=_furthest)
    return found


def typed_cap(row: BudgetRow) -> dict[str, str]:
    """Return a budget as a form has it."""
    whole, cents = divmod(row.cap_micros, 1_000_000)
    return {
        "name": row.name,
        "scope": row.scope,
        "subject": row.subject,
        "cap": f"{whole}.{f'{cents:06d}'.rstrip('0').ljust(2, '0')}",
        "period": row.period,
        "zone": row.zone,
        "hard": "yes" if row.hard else "no",
        "alerts": ", ".join(str(percent) for percent in row.alerts),
        "seen": typed.seen(row),
    }


def spec_of(form: Form) -> BudgetSpec:
    """Return the budget a form describes.

    Raises:
        Failure: INVALID with the field.
    """
    told: dict[str, Any] = {
        "dollars": typed.dollars(form, "cap"),
        "scope": form.get("scope", "all"),
        "subject": form.get("subject", "").strip(),
        "period": form.get("period", "month"),
        "zone": form.get("zone", "").strip() or "UTC",
        "hard": form.get("hard", "yes") != "no",
        "alerts": typed.percents(form, "alerts"),
    }
    try:
        zone_of(told["zone"])
    except Failure as failure:
        raise invalid(failure.message, "zone") from None
    try:
        return converted(told, BudgetSpec)
    except Failure as failure:
        if failure.at != "$":
            raise
        field = next((field for begins, field in _FIRST if failure.message.startswith(begins)), "$")
        raise invalid(failure.message, field) from None


async def free_name(visit: Visit, *words: str) -> str:
    """Return a name no budget has, made of some words."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(words)).lstrip("._-")[:56] or "budget"
    taken = {row.name for row in await visit.gateway.store.budgets.rows()}
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def first_of(form: Form, scope: Scope, subject: str) -> BudgetSpec:
    """Return the budget that the short form of somebody's page describes; raise ``invalid()``."""
    told = {name: form[name] for name in ("cap", "period", "hard") if name in form}
    return spec_of({"alerts": "50, 80, 100", **told, "scope": scope, "subject": subject})


async def put_about(visit: Visit, form: Form, scope: Scope, subject: str) -> str:
    """Make a budget about somebody, or change the one the form names; return its name.

    Raises:
        Failure: INVALID with the field; NOT_FOUND; CONFLICT.
    """
    kept = visit.gateway.store.budgets
    spec = first_of(form, scope, subject)
    name = form.get("budget", "")
    if name:
        row = await _own(visit, name, scope, subject)
        spec = msgspec.structs.replace(spec, zone=row.zone, alerts=row.alerts)
    else:
        name = await free_name(visit, scope, subject, spec.period)
    await budgeting.put(kept, name, spec, actor=visit.account.name, now=visit.now)
    return name


async def remove_about(visit: Visit, name: str, scope: Scope, subject: str) -> None:
    """Remove a budget about somebody.

    Raises:
        Failure: NOT_FOUND; CONFLICT, it stands in the configuration.
    """
    await _own(visit, name, scope, subject)
    kept = visit.gateway.store.budgets
    await budgeting.remove(kept, name, actor=visit.account.name, now=visit.now)


async def _own(visit: Visit, name: str, scope: Scope, subject: str) -> BudgetRow:
    """Return a budget; refuse one that is about somebody else."""
    row = await budgeting.find(visit.gateway.store.budgets, name)
    if (row.scope, row.subject) != (scope, subject):
        raise invalid("this budget is about others as well; change it on its own page", "budget")
    return row
