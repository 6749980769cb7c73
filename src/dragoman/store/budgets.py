"""Budgets, and the money held and spent under each: exact, because nobody else counts it.

A request that runs under budgets carries a :class:`Claim`: what it may cost at most, and the windows of the
budgets it counts against. The store grants it in the very transaction that opens the request's rows: in
each window ``spent + held + claim <= cap``, or nothing at all is written. While the request runs the claim
may be raised; when its row leaves ``reserved``, by whomever and however, the same transaction takes what was
held off every window and puts what it cost on. So at any instant, in any number of processes,

    held  = the claims of the rows that are open        spent = the cost of those that are not

and a window can never hold and have spent more than its cap.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, Protocol

import msgspec

from dragoman.store.audit import AuditRow
from dragoman.store.reports import Part

Scope = Literal["all", "key", "team", "user", "model"]
Period = Literal["day", "week", "month", "total"]
Origin = Literal["config", "admin"]

LONGEST_SUBJECT = 256
"""Characters of a subject's name: clients may make up models' names, of which each would have a window."""

EACH = "*"
"""As a budget's subject: each key, team, user or model has a window of its own."""


class BudgetRow(msgspec.Struct, frozen=True, kw_only=True):
    """A budget.

    Attributes:
        name: Unique.
        scope: Whose spending it counts.
        subject: The key's, team's, user's or model's name; :data:`EACH`; "" where the scope is ``all``.
        cap_micros: Micro-dollars that may be spent in a period.
        period: How long a window is; ``total``: there is but one.
        zone: Time zone (IANA) in which days, weeks (from Monday) and months begin.
        hard: Refuses what would go beyond; a soft one only tells.
        alerts: Percent of the cap at which somebody is told, each once a window.
        origin: Whether it stands in the configuration, or was made while serving.
        created_at: Unix seconds.
    """

    name: str
    scope: Scope
    subject: str = ""
    cap_micros: int
    period: Period = "month"
    zone: str = "UTC"
    hard: bool = True
    alerts: tuple[int, ...] = (50, 80, 100)
    origin: Origin = "admin"
    created_at: float


class Share(msgspec.Struct, frozen=True):
    """One window that a request counts against.

    Attributes:
        budget: Its name.
        scope: As the budget's.
        subject: Who it counts for, by name; never :data:`EACH`.
        at: Unix second the window begins at.
        cap_micros: What may be held and spent in it; None: anything (a soft budget).
    """

    budget: str
    scope: Scope
    subject: str
    at: int
    cap_micros: int | None


def part_of(scope: Literal["all", "key", "team", "user"], subject: str, since: int) -> Part:
    """Return the part of the ledger that a window counts: what somebody has asked from `since` on."""
    match scope:
        case "all":
            return Part(since)
        case "key":
            return Part(since, key=subject)
        case "team":
            return Part(since, team=subject)
        case "user":
            return Part(since, user=subject)


class Claim(msgspec.Struct, frozen=True):
    """What a request may cost at most, all its attempts together, and where that counts."""

    micros: int
    shares: tuple[Share, ...]


class Short(msgspec.Struct, frozen=True):
    """Why a claim was not granted: the first window it does not fit in, and how that stands.

    ``held_micros`` is what *others* hold there: what the exchange held before is not in it.
    """

    share: Share
    spent_micros: int
    held_micros: int


class Window(msgspec.Struct, frozen=True):
    """How one window of a budget stands."""

    budget: str
    subject: str
    at: int
    spent_micros: int
    held_micros: int


class AlertRow(msgspec.Struct, frozen=True):
    """Somebody was told that a share of a budget is spent. ``told_at``: Unix seconds."""

    budget: str
    subject: str
    at: int
    percent: int
    spent_micros: int
    cap_micros: int
    told_at: float


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A share of a budget is spent.

    Attributes:
        budget: Its name.
        scope: Whose spending it counts: ``all``, ``key``, ``team``, ``user`` or ``model``.
        subject: The name of that one; "" of all.
        hard: Whether it refuses what would go beyond, or only tells.
        percent: The share, of its cap.
        spent_micros: What is spent, in micro-dollars.
        cap_micros: What may be.
        began_at: When this window began, in Unix seconds.
        ends_at: When the next begins; None: never.
        told_at: Unix seconds.
    """

    budget: str
    scope: str
    subject: str
    hard: bool
    percent: int
    spent_micros: int
    cap_micros: int
    began_at: int
    ends_at: int | None
    told_at: float


class Budgets(Protocol):
    """Budgets and their windows. All methods raise ``Failure(UNAVAILABLE)`` as the store's do."""

    async def rows(self) -> list[BudgetRow]:
        """Return every budget by name."""

    async def put(self, row: BudgetRow, audit: AuditRow) -> None:
        """Insert a budget, or replace one of the same name. What its windows have spent stays."""

    async def remove(self, name: str, audit: AuditRow) -> bool:
        """Remove a budget with its windows; return whether it was there."""

    async def windows(self, *, at: Collection[int] | None = None) -> list[Window]:
        """Return the windows that began at any of these times and were ever claimed from; None: all.

        Args:
            at: Unix seconds; 0, which a window of ``total`` begins at.
        """

    async def window(self, share: Share) -> Window:
        """Return how a window stands; one nobody has claimed from yet, by the ledger's own sum."""

    async def spent_on(self, models: Collection[str], since: int) -> dict[str, int]:
        """Return what exchanges have cost that began then or later and have ended, by what they asked.

        Args:
            models: Names: as clients say them, the models' own, or ``provider/model``.
            since: Unix seconds.

        Returns:
            Micro-dollars of each name that was asked and cost anything; of an exchange that asked several,
            with each of them.
        """

    async def tell(self, row: AlertRow) -> bool:
        """Write down that an alert was given; return False where it had been given before."""

    async def alerts(
        self, *, limit: int | None = 100, budget: str | None = None, since: float = 0.0
    ) -> list[AlertRow]:
        """Return the newest alerts first.

        Args:
            limit: At most so many; None: all.
            budget: Of this one; None: of all.
            since: Told then or later, in Unix seconds.
        """

    async def open_claims(self) -> Sequence[tuple[str, int]]:
        """Return the id and the held micro-dollars of every open exchange that holds any."""
