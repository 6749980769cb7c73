"""Whom budgets hold for, and how each of them stands: also who has asked for nothing yet.

A budget about one subject has one window. One for :data:`~dragoman.store.budgets.EACH` holds for everybody
there is: each key that is not revoked, each team and user that was made or has such a key, each model that
was asked; and for whoever spent in the present window and is gone since. The store makes a window when it is
first claimed from; until then what is spent in it is what the ledger says, told of all subjects at once:

    windows of the store  +  sums by key, team, user or model asked  +  who there is
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import msgspec

from dragoman.accounts.budgets import Standing, present, standing_of
from dragoman.accounts.issuing import Issuing
from dragoman.store import Store
from dragoman.store.budgets import EACH, LONGEST_SUBJECT, BudgetRow, Scope, Window
from dragoman.store.reports import Part

Known = Mapping[Scope, Collection[str]]
"""Who there is, by name; of models nobody knows."""

NOBODY: Known = MappingProxyType({})

NEAR = 0.8
"""The share of a budget from which on it is nearly used up."""

LISTED = 10
"""Subjects that a list tells of a budget for each: those nearest to their limit."""


class Stands(msgspec.Struct, frozen=True):
    """How a budget stands: of a budget for each, in how many windows.

    Attributes:
        windows: Those used furthest first.
    """

    budget: BudgetRow
    windows: tuple[Standing, ...]

    @property
    def used_up(self) -> int:
        """How many of them are."""
        return sum(one.share_spent >= 1 for one in self.windows)

    @property
    def nearly(self) -> int:
        """How many are nearly, and not yet."""
        return sum(NEAR <= one.share_spent < 1 for one in self.windows)


async def known(issuing: Issuing) -> Known:
    """Return who there is: keys that are not revoked, and their teams and users beside those that were made.

    Raises:
        Failure: The store's.
    """
    keys = [held.row for held in await issuing.keys() if held.row.revoked_at is None]
    teams = {row.name for row in await issuing.groups("team")} | {row.team for row in keys}
    users = {row.name for row in await issuing.groups("user")} | {row.user for row in keys}
    return {"key": {row.name for row in keys}, "team": teams - {""}, "user": users - {""}}


async def stand(
    store: Store, rows: Sequence[BudgetRow], now: float, *, who: Known = NOBODY, only: bool = False
) -> list[Stands]:
    """Return how budgets stand now, in the order of `rows`.

    Args:
        store: Where they, and the ledger, are.
        rows: The budgets.
        now: Unix seconds.
        who: Who there is, so that who has asked for nothing is told too.
        only: Nobody else is told, so that others' figures are not even read.

    Raises:
        Failure: The store's; UNAVAILABLE, one cannot be reckoned on this machine.
    """
    there: dict[tuple[str, int], dict[str, Window]] = {}
    if begins := {present(row, now)[0] for row in rows if row.subject == EACH}:
        for window in await store.budgets.windows(at=begins):
            there.setdefault((window.budget, window.at), {})[window.subject] = window
    ledger = _Ledger(store)
    found = []
    for row in rows:
        start, end = present(row, now)
        if row.subject != EACH:
            found.append(Stands(row, (await standing_of(row, store.budgets, now),)))
            continue
        windows = there.get((row.name, start), {})
        names = who.get(row.scope, ()) if only else None
        spent = await ledger.spent(row.scope, start, among=names, windows=windows)
        every = {*who.get(row.scope, ()), *(() if only else (*windows, *spent))}
        stands = [
            Standing(row, windows.get(name) or Window(row.name, name, start, spent.get(name, 0), 0), end)
            for name in every
        ]
        found.append(Stands(row, tuple(sorted(stands, key=_furthest))))
    return found


class _Ledger:
    """What the ledger says was spent, by subject; of budgets that begin at the same time it is asked once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[Scope, int], Mapping[str, int]] = {}

    async def spent(
        self, scope: Scope, since: int, *, among: Collection[str] | None, windows: Collection[str]
    ) -> Mapping[str, int]:
        """Return the micro-dollars of each subject since then; where there is a window, that may know better.

        Args:
            scope: Of keys, teams, users or models.
            since: Unix seconds.
            among: Of these alone; None: of all.
            windows: Whose there are.
        """
        if scope == "all":
            return {}
        if scope == "model":
            return await self._asked(since, windows)
        if (scope, since) not in self._known:
            cells = await self._store.reports.cells(Part(since or None), by=scope, among=among)
            self._known[scope, since] = {cell.name: cell.sums.cost_micros for cell in cells if cell.name}
        return self._known[scope, since]

    async def _asked(self, since: int, windows: Collection[str]) -> Mapping[str, int]:
        """Return the same of models that were asked and have no window."""
        calls = await self._store.reports.calls(Part(since or None))
        asked = {f"{call.provider}/{call.model}"[:LONGEST_SUBJECT] for call in calls} - {*windows}
        spent = await self._store.budgets.spent_on(asked, since) if asked else {}
        return {name: spent.get(name, 0) for name in asked}


def _furthest(one: Standing) -> tuple[float, str]:
    return -one.share_spent, one.window.subject
