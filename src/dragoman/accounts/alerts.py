"""Alerts: somebody is told when a share of a budget is spent, once in each of its windows.

Off the data path: the windows are looked at every second, and a request neither waits for it nor knows of it.
Every process looks; who writes an alert down first is the one that tells it, and so it is told once, however
many processes there are. Written first and told afterwards: one that dies in between leaves the alert in the
store, where the dashboard and ``GET /admin/alerts`` read it, and the webhook untold.

What counts is what is spent, not what is held: nobody is woken for money that comes back.
"""

from __future__ import annotations

import logging
from asyncio import sleep
from collections.abc import Awaitable, Callable, Sequence

from dragoman.accounts.budgets import about, money
from dragoman.accounts.windows import window
from dragoman.core.failure import Failure
from dragoman.store.budgets import EACH, Alert, AlertRow, BudgetRow, Budgets, Share, Window

WATCH_S = 1.0
"""Seconds between two looks."""

LAST_S = 10.0
"""Seconds for which a window is looked at once it is over: what was asked in it may end in them."""

log = logging.getLogger("dragoman")


class Alerts:
    """Tells of budgets that are being spent.

    Args:
        rows: Returns every budget.
        kept: Where windows and alerts are.
        tell: Told of each alert: the sinks.
        now: Wall clock, Unix seconds.
        complain: Told once when the store cannot be asked, and of each budget that cannot be looked at.
        pause: Waits so many seconds.
    """

    def __init__(
        self,
        rows: Callable[[], Sequence[BudgetRow]],
        kept: Budgets,
        tell: Callable[[Alert], None],
        *,
        now: Callable[[], float],
        complain: Callable[[str, BaseException], None],
        pause: Callable[[float], Awaitable[None]] = sleep,
    ) -> None:
        self._rows = rows
        self._kept = kept
        self._tell = tell
        self._now = now
        self._complain = complain
        self._pause = pause
        self._told: set[tuple[str, str, int, int]] = set()
        self._unknown: set[str] = set()
        self._fault = False

    async def watching(self) -> None:
        """Look every second, until cancelled."""
        while True:
            try:
                await self.look()
                self._fault = False
            except Failure as failure:
                if not self._fault:
                    self._complain("budgets cannot be looked at; alerts come when they can", failure)
                self._fault = True
            await self._pause(WATCH_S)

    async def look(self) -> None:
        """Look at every window that is under way, or just over, and tell what is to be told.

        Raises:
            Failure: UNAVAILABLE; what was not told is told later.
        """
        rows = {row.name: row for row in self._rows() if row.alerts and row.cap_micros}
        if not rows:
            return
        now = self._now()
        ends = {(name, start): end for name, row in rows.items() for start, end in self._under_way(row, now)}
        there = set()
        for one in await self._kept.windows(at={start for _, start in ends}):
            row = rows.get(one.budget)
            if row is None or (one.budget, one.at) not in ends or not _of(row, one):
                continue
            there.add((one.budget, one.subject, one.at))
            for percent in row.alerts:
                if one.spent_micros * 100 >= row.cap_micros * percent:
                    await self._alert(row, one, percent, ends[one.budget, one.at])
        self._told = {told for told in self._told if told[:3] in there}

    def _under_way(self, row: BudgetRow, now: float) -> set[tuple[int, int | None]]:
        """Return the windows of a budget that are looked at now, by when they begin and end.

        There are none where its time zone is not known on this machine; the other budgets are looked at.
        """
        try:
            found = {window(row.period, row.zone, at) for at in (now - LAST_S, now)}
        except Failure as failure:
            if row.name not in self._unknown:
                self._complain(f"the budget {row.name} cannot be looked at here: it tells no alerts", failure)
            self._unknown.add(row.name)
            return set()
        self._unknown.discard(row.name)
        return found

    async def _alert(self, row: BudgetRow, one: Window, percent: int, ends_at: int | None) -> None:
        place = (one.budget, one.subject, one.at, percent)
        if place in self._told:
            return
        told_at = self._now()
        alert = AlertRow(*place, one.spent_micros, row.cap_micros, told_at)
        first = await self._kept.tell(alert)
        self._told.add(place)
        if not first:
            return
        share = Share(row.name, row.scope, one.subject, one.at, None)
        log.warning(
            "budget %s (%s): %d%% is spent, %s of %s",
            *(row.name, about(share), percent, money(one.spent_micros), money(row.cap_micros)),
        )
        self._tell(
            Alert(
                budget=row.name,
                scope=row.scope,
                subject=one.subject,
                hard=row.hard,
                percent=percent,
                spent_micros=one.spent_micros,
                cap_micros=row.cap_micros,
                began_at=one.at,
                ends_at=ends_at,
                told_at=told_at,
            )
        )


def _of(row: BudgetRow, one: Window) -> bool:
    """Say whether a window is a budget's as it is now; one that was about another subject is not."""
    return row.subject in (EACH, one.subject)
