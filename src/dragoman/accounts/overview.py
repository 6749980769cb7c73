"""The overview: what happened and what it cost, at one glance.

Spending is told by the calendar, in UTC: today, this week from Monday, this month, beside the budgets of
everything. The course of things is told over 24 hours by hour and 30 days by day, where the last of each is
still running. Providers are told by their calls, so that one that fails and is stood in for is seen failing.
Each of its questions to the store is one that sums answer.
"""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Iterable, Sequence

import msgspec

from dragoman.accounts.budgeting import budget
from dragoman.accounts.budgets import Standing, standings
from dragoman.accounts.explored import FAILED, failed_by
from dragoman.accounts.figures import changes, figures, iso, kinds, points, tenth
from dragoman.accounts.groups import Group, ranked, series
from dragoman.core.extras import Json
from dragoman.store import Store
from dragoman.store.cover import DAY, HOUR, beginning
from dragoman.store.reports import Call, Interval, Part, Sums
from dragoman.store.spread import Counts, added, percentile_ms

HOURS, DAYS = 24, 30
"""Stretches that are told, the last of which is running."""

TOP = 5
"""Keys and models that are told by name."""


class Spend(msgspec.Struct, frozen=True):
    """What was asked in a day, week or month until now.

    Attributes:
        since: When it began, in Unix seconds.
        before: The same of the one before it, as far as it had come at this time of it.
    """

    since: int
    sums: Sums
    before: Sums


class ProviderHealth(msgspec.Struct, frozen=True):
    """How one provider did in the last 24 hours.

    Attributes:
        calls: How often it was called; those whose client left are among them.
        failed: How often it gave no answer.
        recent_calls: The same in this hour and the one before.
        recent_failed: The same.
        failures: Kinds of failure, and how often, the most first.
        first_event: How the times to its first event are spread.
        hours: When each hour began, its calls, and the failed ones.
    """

    provider: str
    calls: int
    failed: int
    recent_calls: int
    recent_failed: int
    failures: tuple[tuple[str, int], ...]
    first_event: Counts
    hours: tuple[tuple[int, int, int], ...]

    @property
    def p50_ms(self) -> float | None:
        """Milliseconds that half of its first events took at most; None: there was none."""
        return percentile_ms(self.first_event, 0.5)

    @property
    def p95_ms(self) -> float | None:
        """Milliseconds that 95 of 100 of its first events took at most; None: there was none."""
        return percentile_ms(self.first_event, 0.95)


class Overview(msgspec.Struct, frozen=True):
    """What the front page shows.

    Attributes:
        at: When it was asked, in Unix seconds.
        today: Since midnight, UTC.
        week: Since Monday.
        month: Since the first.
        budgets: How the budgets of everything stand.
        day: The last 24 hours, hour by hour.
        days: The last 30 days, day by day.
        errors: Kinds of failure of the last 24 hours, and how many failed so, the most first.
        keys: Who spent most today.
        models: What most was spent on today.
        providers: How each did in the last 24 hours, the busiest first.
        live: Requests under way in this process.
    """

    at: float
    today: Spend
    week: Spend
    month: Spend
    budgets: tuple[Standing, ...]
    day: Group
    days: Group
    errors: tuple[tuple[str, int], ...]
    keys: tuple[Group, ...]
    models: tuple[Group, ...]
    providers: tuple[ProviderHealth, ...]
    live: int = 0


async def overview(store: Store, *, now: float, live: int = 0) -> Overview:
    """Return what happened and what it cost.

    Args:
        store: The rows.
        now: Unix seconds.
        live: Requests under way.

    Raises:
        Failure: The store's.
    """
    reports = store.reports
    hour, day = beginning(int(now), "hour"), beginning(int(now), "day")
    last = Part(hour - (HOURS - 1) * HOUR)
    hours = await reports.cells(last, every="hour", spread=True)
    days = await reports.cells(Part(day - (DAYS - 1) * DAY), every="day", spread=True)
    calls = await reports.calls(last, every="hour")
    today = Part(day)
    kept = store.budgets
    rows = [row for row in await kept.rows() if row.scope == "all"]
    return Overview(
        at=now,
        today=await _spend(store, "day", now),
        week=await _spend(store, "week", now),
        month=await _spend(store, "month", now),
        budgets=tuple(await standings(rows, kept, now)),
        day=series(hours, range(hour - (HOURS - 1) * HOUR, hour + 1, HOUR)),
        days=series(days, range(day - (DAYS - 1) * DAY, day + 1, DAY)),
        errors=failed_by(await reports.cells(last, by="failure")),
        keys=ranked(await reports.cells(today, by="key"), "cost", TOP),
        models=ranked(await reports.cells(today, by="model"), "cost", TOP),
        providers=await to_thread(health, calls, hour),  # thousands of calls, which no request waits for
        live=live,
    )


def health(calls: Iterable[Call], hour: int) -> tuple[ProviderHealth, ...]:
    """Return how providers did by their calls of 24 hours, the last of which began at `hour`."""
    by: dict[str, list[Call]] = {}
    for call in calls:
        by.setdefault(call.provider, []).append(call)
    found = [_health(name, some, hour) for name, some in by.items()]
    return tuple(sorted(found, key=lambda one: (-one.calls, one.provider)))


def shown(found: Overview) -> dict[str, Json]:
    """Return an overview as JSON."""
    return {
        "at": iso(found.at),
        "live": found.live,
        "today": _spent(found.today),
        "week": _spent(found.week),
        "month": _spent(found.month),
        "budgets": [budget(one.budget, [one]) for one in found.budgets],
        "day": _shown(found.day),
        "days": _shown(found.days),
        "errors_by_kind": kinds(found.errors),
        "keys": [{"key": one.name or None, **figures(one.sums)} for one in found.keys],
        "models": [{"model": one.name or None, **figures(one.sums)} for one in found.models],
        "providers": [provider(one) for one in found.providers],
    }


async def _spend(store: Store, interval: Interval, now: float) -> Spend:
    """Return what was asked in the stretch that is running, and in the one before up to as late in it."""
    since = beginning(int(now), interval)
    before = beginning(since - 1, interval)
    until = min(float(since), before + (now - since))
    sums = [await store.reports.cells(part) for part in (Part(since), Part(before, until))]
    now_, then = (sum((cell.sums for cell in cells), Sums()) for cells in sums)
    return Spend(since, now_, then)


def _health(name: str, calls: Sequence[Call], hour: int) -> ProviderHealth:
    starts = range(hour - (HOURS - 1) * HOUR, hour + 1, HOUR)
    asked, failed = dict.fromkeys(starts, 0), dict.fromkeys(starts, 0)
    failures: dict[str, int] = {}
    for call in calls:
        at = min(max(call.at if call.at is not None else hour, starts[0]), hour)
        asked[at] += call.calls
        if call.state in FAILED:
            failed[at] += call.calls
            failures[call.failure] = failures.get(call.failure, 0) + call.calls
    recent = starts[-2:]
    return ProviderHealth(
        name,
        sum(asked.values()),
        sum(failed.values()),
        sum(asked[at] for at in recent),
        sum(failed[at] for at in recent),
        tuple(sorted(failures.items(), key=lambda one: (-one[1], one[0]))),
        added(*(call.first_event for call in calls)),
        tuple((at, asked[at], failed[at]) for at in starts),
    )


def _spent(spend: Spend) -> dict[str, Json]:
    return {
        "since": iso(spend.since),
        **figures(spend.sums),
        "previous": figures(spend.before),
        "change": changes(spend.sums, spend.before),
    }


def _shown(group: Group) -> dict[str, Json]:
    return {**figures(group.sums, group.spread), "series": points(group.points)}


def provider(one: ProviderHealth) -> dict[str, Json]:
    """Return a provider's health as JSON."""
    return {
        "provider": one.provider,
        "calls": one.calls,
        "failed": one.failed,
        "recent_calls": one.recent_calls,
        "recent_failed": one.recent_failed,
        "failures": [{"failure": kind or None, "calls": count} for kind, count in one.failures],
        "p50_first_event_ms": tenth(one.p50_ms),
        "p95_first_event_ms": tenth(one.p95_ms),
        "hours": [{"at": iso(at), "calls": calls, "failed": failed} for at, calls, failed in one.hours],
    }
