"""The letter: what somebody is told of a day, week or month who does not look at pages.

It is a report as the pages' (:mod:`dragoman.accounts.explored`), of several groupings of the same time, with
what else there is to say of it: losses, budgets, alerts, ratings. Its time ends with the last midnight (UTC),
so that each of its days is whole and it says the same whenever on a day it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from dragoman.accounts.budgeted import LISTED, stand
from dragoman.accounts.budgets import Standing
from dragoman.accounts.explored import Explored, Lost, explored, losses
from dragoman.accounts.rated import Rated, worth
from dragoman.accounts.reports import Asked, Span, instant
from dragoman.core.failure import invalid
from dragoman.store import Store
from dragoman.store.budgets import EACH, AlertRow
from dragoman.store.cover import DAY
from dragoman.store.reports import Dimension, Interval, Part

PERIODS: Mapping[str, int] = MappingProxyType({"day": 1, "week": 7, "month": 30})
"""How many whole days each period has, the last of them yesterday."""

MODELS, NAMES = 7, 10
"""Models, teams and keys that are told by name, the rest as one."""

LOSSES = 8
"""Losses that are told."""

GRAINS: Final[tuple[tuple[int, Interval], ...]] = ((2, "hour"), (45, "day"), (300, "week"))
"""Up to how many days are drawn by what; a longer time by month."""


class Letter(msgspec.Struct, frozen=True):
    """All that a letter tells.

    Attributes:
        since: When its time begins, in Unix seconds.
        until: When it ends.
        filters: Of which keys, teams, ... it is alone; none: of everything.
        models: By model, stretch by stretch, beside the time before.
        teams: By team; None: nobody has one.
        keys: By key.
        lost: What crossings lost; None: nobody knows it of a part of everything.
        budgets: How they stand as it is written; of one for each those that have spent, the ones used
            furthest; none where it is of a part of everything.
        alerts: Who was told in its time, the newest first; as the budgets.
        rated: What is thought of models, of all time; as the budgets.
        written_at: When it is written.
    """

    since: float
    until: float
    filters: Mapping[str, str]
    models: Explored
    teams: Explored | None
    keys: Explored
    lost: Lost | None
    budgets: tuple[Standing, ...]
    alerts: tuple[AlertRow, ...]
    rated: tuple[Rated, ...]
    written_at: float


def time_of(period: str, begin: str | None, end: str | None, *, now: float) -> tuple[float, float]:
    """Return the time a letter is of, in Unix seconds.

    Args:
        period: One of :data:`PERIODS`; of no account where `begin` is given.
        begin: A date, an instant or Unix seconds; None: as the period says.
        end: The same; a date with all of its day; None: the last midnight.
        now: Unix seconds.

    Raises:
        Failure: INVALID, naming the parameter.
    """
    midnight = now // DAY * DAY
    until = midnight if end is None else instant("to", end, after=True)
    since = until - PERIODS[period] * DAY if begin is None else instant("from", begin)
    if since >= until:
        raise invalid("from is not before to; unless it is said, to is the last midnight (UTC)", "from")
    return max(0.0, since), until


async def letter(
    store: Store, since: float, until: float, *, filters: Mapping[str, str], now: float
) -> Letter:
    """Return all that is to be told of a time.

    Raises:
        Failure: The store's.
    """
    part = Part(since, until, **filters)

    def asked(by: Dimension, top: int, interval: Interval | None = None) -> Asked:
        span = Span(None, since, until, ends=True)
        return Asked(span, part, by=by, interval=interval, top=top, order="cost", compare=True)

    reports = store.reports
    models = await explored(reports, asked("model", MODELS, _grain(since, until)))
    teams = await explored(reports, asked("team", NAMES))
    keys = await explored(reports, asked("key", NAMES))
    lost: Lost | None = None
    budgets: tuple[Standing, ...] = ()
    alerts: tuple[AlertRow, ...] = ()
    rated: tuple[Rated, ...] = ()
    if not filters:
        query = {"from": str(int(since)), "to": str(int(until)), "limit": str(LOSSES)}
        lost = await losses(reports, query, now=now)
        budgets = await _budgets(store, now)
        told = await store.budgets.alerts(limit=None, since=since)
        alerts = tuple(row for row in told if row.told_at < until)
        rated = (await worth(store, newest=1)).models
    named = any(group.name for group in teams.groups)
    return Letter(
        since, until, filters, models, teams if named else None, keys, lost, budgets, alerts, rated, now
    )


async def _budgets(store: Store, now: float) -> tuple[Standing, ...]:
    """Return how budgets stand, as far as a letter tells it."""
    found: list[Standing] = []
    for one in await stand(store, await store.budgets.rows(), now):
        each = one.budget.subject == EACH
        found += [window for window in one.windows if window.window.spent_micros or not each][:LISTED]
    return tuple(found)


def _grain(since: float, until: float) -> Interval:
    """Return by what a time is drawn."""
    return next((grain for days, grain in GRAINS if until - since <= days * DAY), "month")
