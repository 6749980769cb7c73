"""What may be spent, how much of it is, and who was told."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from dragoman.accounts.budgets import BudgetSpec
from dragoman.core.extras import Json
from dragoman.server.openapi.operation import PAGE, Operation, Operations, Param, Tag
from dragoman.store.budgets import Origin, Period, Scope

BUDGETS = Tag(
    "Budgets",
    "What may be spent in a day, a week or a month, by whom. Money is held before a provider is asked and "
    "settled at what the answer cost, in the ledger's own transactions: a hard budget is never exceeded. The "
    "admin key changes them, readers see all, and a key sees its own at `/v1/budgets`. Amounts are US "
    "dollars, times Unix seconds.",
)


class BudgetWindow(Struct):
    """How one window of a budget stands.

    Attributes:
        subject: Whose it is, by name; empty: everybody's.
        ends_at: When the next begins; null: never.
        held_usd: Held by requests under way.
        left_usd: What may still be asked for.
    """

    subject: str
    began_at: int
    ends_at: int | None
    spent_usd: float
    held_usd: float
    left_usd: float


class BudgetShown(Struct):
    """A budget, and how it stands now.

    Attributes:
        subject: A name, or `*`: each has its own.
        dollars: Of one window.
        hard: Refuses what would go beyond; else it only tells.
        alerts: Percent at which somebody is told.
        origin: One of the configuration is changed there.
        subjects: How many windows it has now; where each has its own, as many as there are of them.
        used_up: How many of these are.
        windows: The present ones, those used furthest first; of who has asked for nothing as well.
    """

    name: str
    scope: Scope
    subject: str
    dollars: float
    period: Period
    zone: str
    hard: bool
    alerts: list[int]
    origin: Origin
    created_at: float
    subjects: int
    used_up: int
    windows: list[BudgetWindow]


class BudgetList(Struct):
    """Every budget by name."""

    budgets: list[BudgetShown]


class BudgetRemoved(Struct):
    """The budget that is no longer there."""

    removed: str


class OwnBudget(Struct):
    """A budget that a key's requests count in; amounts are null where they are not its own.

    Attributes:
        exhausted: Whether all of it is spent.
    """

    name: str
    scope: Scope
    subject: str
    period: Period
    zone: str
    hard: bool
    dollars: float | None
    exhausted: bool
    began_at: int
    ends_at: int | None
    spent_usd: float | None
    held_usd: float | None
    left_usd: float | None


class OwnBudgets(Struct):
    """The budgets a key's requests count in, those of models left out."""

    budgets: list[OwnBudget]


class AlertTold(Struct):
    """A share of a budget was spent, and somebody told.

    Attributes:
        dollars: Of the window.
        began_at: When the window began.
    """

    budget: str
    subject: str
    percent: int
    spent_usd: float
    dollars: float
    began_at: int
    told_at: float


class AlertList(Struct):
    """The newest alerts first."""

    alerts: list[AlertTold]


LOOKED = (*PAGE, 503)
FOUND = (*PAGE, 404, 503)
CHANGED = (*PAGE, 404, 409, 413, 503, 504)
NAME = (Param("name", "The budget's name.", example="research"),)
MONTHLY: dict[str, Json] = {
    "A team's month": {"scope": "team", "subject": "research", "dollars": 250, "zone": "Europe/Rome"},
    "Each key's day": {"scope": "key", "subject": "*", "dollars": "2.50", "period": "day"},
}


def _page(title: str, text: str, tells: type, **more: Any) -> Operation:
    told = {"statuses": FOUND, "access": "view", "words": "chat", "line": False, **more}
    return Operation(tag=BUDGETS.name, title=title, text=text, tells=(tells,), **told)


TAGS = (BUDGETS,)
OPERATIONS: Operations = {
    "GET /admin/budgets": _page(
        "List budgets",
        "Return every budget, and how its present windows stand: of one for each, the ten used furthest.",
        BudgetList,
        statuses=LOOKED,
    ),
    "GET /admin/budgets/{name}": _page(
        "One budget",
        "Return a budget with all its present windows: where each has its own, of each there is.",
        BudgetShown,
        params=NAME,
    ),
    "PUT /admin/budgets/{name}": _page(
        "Put a budget",
        "Make a budget, or another in its place; what is spent in its windows stays. 409: it stands in the "
        "configuration.",
        BudgetShown,
        params=NAME,
        access="edit",
        asks=(BudgetSpec,),
        asked=MONTHLY,
        statuses=CHANGED,
    ),
    "DELETE /admin/budgets/{name}": _page(
        "Remove a budget",
        "Remove a budget with its windows and alerts; the ledger stays as it is.",
        BudgetRemoved,
        params=NAME,
        access="edit",
        statuses=CHANGED,
    ),
    "GET /admin/alerts": _page(
        "Alerts",
        "Return the shares of budgets that were spent, the newest first.",
        AlertList,
        params=(Param("limit", "How many at most; 1 to 1000.", kind=int, example=20),),
        statuses=LOOKED,
    ),
    "GET /v1/budgets": _page(
        "My budgets",
        "Return the budgets this key's requests count in. Amounts are told of its own only; of a team's, a "
        "user's and everybody's, whether anything is left.",
        OwnBudgets,
        access="key",
        statuses=LOOKED,
    ),
}
