"""Budgets: which of them a request counts against, what is said when one is short, and how each stands.

    account + models  --shares-->  windows  --claim-->  the store   granted, or Short  --refusal-->  402, 429

A budget is about everything, a key, a team, a user or a model. One for :data:`~dragoman.store.budgets.EACH`
has a window for every key, team, user or model there is. A model is meant by its public name, by its name at
the provider, or as ``provider/model``; where each has its own, by the last of these, so that no alias of it
is a second budget.

A refusal tells what its reader may know: which budget, and when its next window begins; amounts only of the
key's own budget, or to whoever sees everything. What others spend is nobody's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Annotated

import msgspec

from dragoman.accounts.keys import Account
from dragoman.accounts.windows import window, zone_of
from dragoman.core.failure import Failure, Kind, Source, invalid
from dragoman.core.usage import MILLION
from dragoman.store.budgets import (
    EACH,
    LONGEST_SUBJECT,
    BudgetRow,
    Claim,
    Period,
    Scope,
    Share,
    Short,
    Window,
)
from dragoman.store.budgets import Budgets as Kept

HELD_S = 1.0
"""When a client may come back to money that requests under way hold."""

MOST_DOLLARS = 1_000_000_000
MOST_ALERTS = 10

MAX_COST = "x-dragoman-max-cost"
"""The header by which a request says what it may cost."""

_AMOUNT = re.compile(r"[0-9]{1,10}(\.[0-9]{1,12})?")


class BudgetSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be spent in a day, a week, a month or at all.

    Attributes:
        dollars: US dollars of one window: a number, or a decimal in quotes.
        scope: Whose spending it counts: "all", "key", "team", "user" or "model".
        subject: The key's, team's, user's or model's name; "*": each has its own. Empty where scope is "all".
        period: "day", "week" (from Monday), "month", or "total": for good.
        zone: Time zone (IANA) in which days, weeks and months begin.
        hard: Refuses what would go beyond; false: it only tells.
        alerts: Percent of it at which somebody is told, each once a window.
    """

    dollars: float | str
    scope: Scope = "all"
    subject: Annotated[str, msgspec.Meta(max_length=LONGEST_SUBJECT)] = ""
    period: Period = "month"
    zone: str = "UTC"
    hard: bool = True
    alerts: tuple[Annotated[int, msgspec.Meta(ge=1, le=1000)], ...] = (50, 80, 100)

    def __post_init__(self) -> None:
        """Refuse what is no budget, as ValueError: so it is told with its place in the configuration."""
        cap = micros_of(self.dollars)
        if cap is None or (cap == 0 and float(self.dollars) > 0):
            raise ValueError(f"dollars must be an amount from 0 to {MOST_DOLLARS}, such as 25 or '0.50'")
        if self.scope == "all" and self.subject:
            raise ValueError("a budget of everything has no subject; set scope to key, team, user or model")
        if self.scope != "all" and not self.subject:
            raise ValueError(f"subject must be the name of a {self.scope}, or {EACH!r}: each has its own")
        if not self.subject.isprintable():
            raise ValueError("subject must be printable text")
        if len(self.alerts) > MOST_ALERTS:
            raise ValueError(f"alerts may have {MOST_ALERTS} shares at most")
        try:
            zone_of(self.zone)
        except Failure as failure:
            raise ValueError(failure.message) from None

    def row(self, name: str, created_at: float) -> BudgetRow:
        """Return it as it is kept."""
        cap = micros_of(self.dollars)
        assert cap is not None
        return BudgetRow(
            name=name,
            scope=self.scope,
            subject=self.subject,
            cap_micros=cap,
            period=self.period,
            zone=self.zone,
            hard=self.hard,
            alerts=tuple(sorted(set(self.alerts))),
            created_at=created_at,
        )


class Standing(msgspec.Struct, frozen=True):
    """How one window of a budget stands. ``ends_at``: when the next begins, in Unix seconds; None: never."""

    budget: BudgetRow
    window: Window
    ends_at: int | None

    @property
    def share(self) -> Share:
        """The window, as what counts in it names it."""
        cap = self.budget.cap_micros if self.budget.hard else None
        return Share(self.budget.name, self.budget.scope, self.window.subject, self.window.at, cap)

    @property
    def left_micros(self) -> int:
        """What may still be claimed."""
        return max(0, self.budget.cap_micros - self.window.spent_micros - self.window.held_micros)

    @property
    def share_spent(self) -> float:
        """How much of it is spent; of a budget of nothing, all."""
        return self.window.spent_micros / self.budget.cap_micros if self.budget.cap_micros else 1.0


class Budgets:
    """The budgets of one process, as requests meet them.

    Args:
        rows: Returns every budget; the same object as long as none has changed.
        now: Wall clock, Unix seconds.
    """

    def __init__(self, rows: Callable[[], Sequence[BudgetRow]], now: Callable[[], float]) -> None:
        self._rows = rows
        self._now = now
        self._seen: Sequence[BudgetRow] | None = None
        self._about: dict[tuple[Scope, str], list[BudgetRow]] = {}
        self._windows: dict[tuple[Period, str], tuple[int, int | None]] = {}

    def shares(
        self, account: Account, models: Sequence[str] = (), *, at: float | None = None
    ) -> tuple[Share, ...]:
        """Return the windows a request counts against.

        Args:
            account: Whose it is.
            models: What it asks, from the public name to ``provider/model``; none: without budgets of models.
            at: When its row was opened, in Unix seconds, so that the ledger's own sum has it in the same
                window; None: now.
        """
        about = self._index()
        if not about:
            return ()
        now = self._now() if at is None else at
        found = [(row, "") for row in about.get(("all", ""), ())]
        owners: dict[Scope, str] = {"key": account.name, "team": account.team, "user": account.user}
        for scope, subject in owners.items():
            if subject:
                found += [(row, subject) for row in about.get((scope, subject), ())]
                found += [(row, subject) for row in about.get((scope, EACH), ())]
        for model in dict.fromkeys(models):
            found += [(row, model) for row in about.get(("model", model), ())]
        if models:
            found += [(row, _full(models)[:LONGEST_SUBJECT]) for row in about.get(("model", EACH), ())]
        return tuple(self._share(row, subject, now) for row, subject in found)

    def refusal(self, short: Short, claim: Claim, now: float, *, account: Account | None = None) -> Failure:
        """Return what a client is told whose claim was not granted.

        EXHAUSTED (402, ``budget_exhausted``) where the money is spent; RATE_LIMITED (429, ``budget_held``)
        where it is only held, so that some of it may come back in a moment.

        Args:
            short: Why.
            claim: What it asked for, or the least that would have done.
            now: Unix seconds.
            account: Who asked; None: nobody who may know an amount.
        """
        share, cap = short.share, short.share.cap_micros or 0
        name = f"the budget {share.budget!r}"
        if short.spent_micros + claim.micros <= cap:
            return Failure(
                Kind.RATE_LIMITED,
                f"what is left of {name} is held by requests under way; ask again in a moment",
                source=Source.CLIENT,
                code="budget_held",
                retry_after_s=HELD_S,
            )
        used = short.spent_micros >= cap
        message = f"{name} is used up" if used else f"what is left of {name} does not pay for this request"
        if account is not None and sees(account, share):
            left = money(max(0, cap - short.spent_micros))
            message += f" ({left} of {money(cap)} left, it may cost {money(claim.micros)})"
        ends_at = self._ends(share, now)
        message += f"; it begins anew at {instant(ends_at)}" if ends_at is not None else ""
        return Failure(Kind.EXHAUSTED, message, source=Source.CLIENT, code="budget_exhausted")

    async def left(self, account: Account, kept: Kept, models: Sequence[str] = ()) -> list[Standing]:
        """Return how the budgets of an account stand now; read from the store, so not for every request."""
        rows = {row.name: row for row in self._rows()}
        found = []
        for share in self.shares(account, models):
            row = rows.get(share.budget)
            if row is not None:
                found.append(Standing(row, await kept.window(share), self._ends(share, self._now())))
        return found

    def _index(self) -> dict[tuple[Scope, str], list[BudgetRow]]:
        rows = self._rows()
        if rows is not self._seen:
            self._about = {}
            for row in rows:
                self._about.setdefault((row.scope, row.subject), []).append(row)
            self._windows.clear()
            self._seen = rows
        return self._about

    def _share(self, row: BudgetRow, subject: str, now: float) -> Share:
        start, end = self._windows.get((row.period, row.zone), (0, 0))
        if end is not None and not start <= now < end:
            start, end = self._windows[row.period, row.zone] = present(row, now)
        return Share(row.name, row.scope, subject, start, row.cap_micros if row.hard else None)

    def _ends(self, share: Share, now: float) -> int | None:
        row = next((row for row in self._rows() if row.name == share.budget), None)
        return None if row is None else present(row, max(now, share.at))[1]


def sees(account: Account, share: Share) -> bool:
    """Say whether an account may know a window's amounts: its key's own, or whoever sees everything."""
    return account.looks or (share.scope, share.subject) == ("key", account.name)


async def standings(rows: Sequence[BudgetRow], kept: Kept, now: float) -> list[Standing]:
    """Return how some budgets stand now that are about one subject, or everything.

    How those for each stand, :func:`dragoman.accounts.budgeted.stand` tells.
    """
    return [await standing_of(row, kept, now) for row in rows if row.subject != EACH]


async def standing_of(row: BudgetRow, kept: Kept, now: float) -> Standing:
    """Return how a budget stands now that is about one subject, or everything."""
    start, end = present(row, now)
    return Standing(row, await kept.window(Share(row.name, row.scope, row.subject, start, None)), end)


def present(row: BudgetRow, now: float) -> tuple[int, int | None]:
    """Return when a budget's present window began, and when the next begins, in Unix seconds; None: never.

    Raises:
        Failure: UNAVAILABLE, its time zone is not known here.
    """
    try:
        return window(row.period, row.zone, now)
    except Failure as failure:
        # It was a zone where the budget was made, and is none on this machine: no fault of a client's.
        message = f"the budget {row.name!r} cannot be reckoned here: {failure.message}"
        raise Failure(Kind.UNAVAILABLE, message, code="budget_unavailable") from failure


def max_cost(value: str) -> int:
    """Return the micro-dollars that a request says it may cost at most.

    Args:
        value: Of the header :data:`MAX_COST`: US dollars, a decimal.

    Raises:
        Failure: INVALID, it is no amount.
    """
    found = micros_of(value.strip())
    if found is None:
        message = f"{MAX_COST} must be US dollars, a decimal such as 0.05"
        raise invalid(message, MAX_COST, code="invalid_max_cost")
    return found


def micros_of(dollars: float | str) -> int | None:
    """Return US dollars as micro-dollars, rounded down; None: it is no amount, or one nobody has.

    A configuration's numbers are binary: ``repr`` gives back the digits that were written.
    """
    text = dollars if isinstance(dollars, str) else format(Decimal(repr(dollars)), "f")
    if _AMOUNT.fullmatch(text) is None:
        return None
    amount = Decimal(text)
    return int((amount * MILLION).to_integral_value(ROUND_FLOOR)) if amount <= MOST_DOLLARS else None


def money(micros: int) -> str:
    """Return an amount for people: two decimals, and as many more as it has."""
    whole, rest = divmod(abs(micros), 1_000_000)
    digits = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}${whole}.{digits}"


def instant(at: float) -> str:
    """Return an instant for people and programs: ISO 8601, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def about(row: BudgetRow | Share) -> str:
    """Return whose spending a budget counts, in words."""
    match row.scope:
        case "all":
            return "everything"
        case scope if row.subject == EACH:
            return f"each {scope}"
        case scope:
            return f"{scope} {row.subject}"


def _full(models: Sequence[str]) -> str:
    """Return which of a model's names is ``provider/model``; the last, where none is."""
    ends = tuple(f"/{name}" for name in models)
    return next((name for name in reversed(models) if name.endswith(ends)), models[-1])
