"""Budgets as pages show them: how far each window is used, when it begins anew, and who it is about.

A page about a key, a team or a user has the budgets that are about it, and sets them there
(:func:`put_about`, :func:`remove_about`); the page of budgets has all of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from dragoman.accounts import budgeting
from dragoman.accounts.budgeted import NEAR, Stands, stand
from dragoman.accounts.budgets import Budgets, BudgetSpec, Standing
from dragoman.accounts.keys import Account
from dragoman.accounts.windows import zone_of
from dragoman.core.failure import Failure, invalid
from dragoman.server.admin.access import converted
from dragoman.server.dashboard import typed
from dragoman.server.dashboard.visit import Form, Visit
from dragoman.store.budgets import EACH, BudgetRow, Scope

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

State = Literal["used up", "nearly used up", "fine"]


class Cap(msgspec.Struct, frozen=True):
    """One window of a budget, or all of a budget for each.

    Attributes:
        standing: How it stands; of all, the one that is used furthest; None: there is nobody to spend of it.
        every: All of them; None: it is one.
    """

    row: BudgetRow
    standing: Standing | None = None
    every: Stands | None = None

    @property
    def subject(self) -> str:
        """Whom it counts for; "*": each, and there is nobody."""
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
    def mark(self) -> str:
        """What names it in a list, whatever is spent meanwhile."""
        return f"{self.row.name} {EACH if self.every else self.subject}"

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
        """When it begins anew, in Unix seconds; None: never, or there is nobody to spend of it."""
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


def windows(found: Stands) -> list[Cap]:
    """Return every window of a budget; one that has none as one."""
    return [Cap(found.budget, one) for one in found.windows] or [Cap(found.budget)]


def together(found: Stands) -> Cap:
    """Return a budget as one line: how the window stands that is used furthest, and of which it is one."""
    first = windows(found)[0]
    return msgspec.structs.replace(first, every=found) if len(found.windows) > 1 else first


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
    store = visit.gateway.store
    own = [row for row in rows if row.subject != EACH]
    standing = await Budgets(lambda: own, lambda: visit.now).left(account, store.budgets)
    for scope, name in _names(account).items():
        each = [row for row in rows if (row.scope, row.subject) == (scope, EACH)]
        found = await stand(store, each, visit.now, who={scope: (name,)}, only=True)
        standing += [one for stands in found for one in stands.windows]
    return sorted((Cap(one.budget, one) for one in standing), key=_furthest)


def _names(account: Account) -> dict[Scope, str]:
    """Return whom an account's budgets for each count for."""
    names: dict[Scope, str] = {"key": account.name, "team": account.team, "user": account.user}
    return {scope: name for scope, name in names.items() if name}


def _furthest(cap: Cap) -> tuple[float, str]:
    return -cap.share, cap.row.name


async def of_each(visit: Visit, scope: Scope, names: Collection[str]) -> dict[str, list[Cap]]:
    """Return how the budgets of each of some keys, teams or users stand, those used furthest first.

    Those for each are read at once, however many there are of them.
    """
    rows = [row for row in await visit.gateway.store.budgets.rows() if row.scope == scope]
    meant = [row for row in rows if row.subject in (EACH, *names)]
    found: dict[str, list[Cap]] = {name: [] for name in names}
    for stands in await stand(visit.gateway.store, meant, visit.now, who={scope: names}, only=True):
        for cap in map(partial(Cap, stands.budget), stands.windows):
            found[cap.subject].append(cap)
    return {name: sorted(caps, key=_furthest) for name, caps in found.items()}


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
