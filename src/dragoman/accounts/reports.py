"""Reports: what was asked, what it cost and how fast it was, to whoever may know.

A key's reports are of its own exchanges. The admin's are of all, or of one key's, which is asked for by
name. A report counts exchanges by when they *began*, once they have ended.

A period ends now and is as long as it is called: a day is 24 hours, a week 7 days, a month 30. Between two
times of one's own everything may be asked for; dates and hours are UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import cast

import msgspec

from dragoman.accounts.keys import Account
from dragoman.core.failure import Failure, Kind, Source, invalid
from dragoman.store import Grouping, Part, Reports, Sums

HOUR_S, DAY_S = 3600, 86_400

PERIODS: Mapping[str, int | None] = MappingProxyType(
    {"day": DAY_S, "week": 7 * DAY_S, "month": 30 * DAY_S, "all": None}
)
"""How far back each period goes, in seconds; None: to the first exchange."""

GROUPS = ("model", "provider", "day", "hour")
"""What any key may have sums grouped by."""

INTERVALS: Mapping[str, int] = MappingProxyType({"hour": HOUR_S, "day": DAY_S})

FINE_S = 2 * DAY_S
"""Up to so many seconds are told hour by hour, unless asked otherwise."""

MOST_POINTS = 1000
"""Hours or days one report may have: 41 days, or almost three years."""

LAST = 253_402_300_800.0
"""The end of the year 9999."""

WHEN = "a date (2026-11-01), an instant (2026-11-01T09:30:00Z) or Unix seconds"

Query = Mapping[str, str]


class Span(msgspec.Struct, frozen=True):
    """The time a report is of.

    Attributes:
        period: Its name; None: it was told by its ends.
        since: Its beginning, in Unix seconds; None: the first exchange.
        until: Its end, which is no part of it.
        ends: It has an end of its own, and not just now.
    """

    period: str | None
    since: float | None
    until: float
    ends: bool

    def part(self, key: str | None, query: Query | None = None) -> Part:
        """Return what of the ledger is meant, of a key or all, and of the model and provider of `query`."""
        asked = query or {}
        # What begins while the report is made may as well be in it: the sums of this hour are whole.
        until = self.until if self.ends else None
        return Part(self.since, until, key, asked.get("model"), asked.get("provider"))


class Used(msgspec.Struct, frozen=True):
    """Sums over a time, and over each group of it."""

    span: Span
    by: str | None
    total: Sums
    groups: tuple[tuple[str | int | None, Sums], ...]


class Series(msgspec.Struct, frozen=True):
    """Sums of one hour or day after another, each with the Unix second it begins at."""

    interval: str
    since: float
    until: float
    points: tuple[tuple[int, Sums], ...]


def whose(account: Account, name: str | None) -> str | None:
    """Return the key whose exchanges an account may see, where it asks for `name`; None: everyone's.

    Raises:
        Failure: FORBIDDEN, they are another key's.
    """
    if account.looks:
        return name
    if name in (None, account.name):
        return account.name
    message = "only the admin key may ask for another key's usage; leave key out to see your own"
    raise Failure(Kind.FORBIDDEN, message, source=Source.CLIENT, at="key", code="admin_only")


def read_span(query: Query, *, now: float, default: str) -> Span:
    """Return the time that ``period``, or ``from`` and ``to``, ask for.

    Raises:
        Failure: INVALID, naming the parameter and what it may be.
    """
    named, since, until = query.get("period"), query.get("from"), query.get("to")
    if since is None and until is None:
        period = one_of("period", default if named is None else named, PERIODS)
        back = PERIODS[period]
        return Span(period, None if back is None else now - back, now, ends=False)
    if named is not None:
        raise invalid("period ends now: give it, or from and to, not both", "period")
    begin = None if since is None else instant("from", since)
    end = now if until is None else instant("to", until, after=True)
    if begin is not None and begin > (end if until is None else instant("to", until)):
        why = "from is later than to" if until is not None else "from is in the future, and there is no to"
        raise invalid(why, "from")
    return Span(None, begin, end, ends=until is not None)


def instant(name: str, text: str, *, after: bool = False) -> float:
    """Return the Unix second that a parameter names.

    A date means its beginning, or (`after`) its end: ``to=2026-11-30`` has all of that day. A time without an
    offset is UTC.

    Raises:
        Failure: INVALID, it names none.
    """
    # An offset's + that was not escaped arrives as a space.
    words = re.sub(r" (?=[0-9]{2}:?[0-9]{2}$)", "+", text.strip()) if "T" in text else text.strip()
    try:
        if re.fullmatch(r"[0-9]{1,12}(\.[0-9]+)?", words):
            found = float(words)
        elif len(words) == len("2026-11-01"):
            day = datetime.combine(date.fromisoformat(words), datetime.min.time(), UTC)
            found = day.timestamp() + after * DAY_S
        else:
            time = datetime.fromisoformat(words)
            found = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        found = -1.0
    if not 0 <= found <= LAST:
        raise invalid(f"{name} must be {WHEN}", name)
    return found


def one_of(name: str, word: str, known: Collection[str]) -> str:
    """Return `word`; raise ``invalid()`` if a parameter may not be that."""
    if word not in known:
        raise invalid(f"{name} must be one of {', '.join(known)}", name)
    return word


def check_names(query: Query, known: Collection[str]) -> None:
    """Refuse a parameter that is not known: a report without its filter looks like one with it."""
    for name in query:
        if name not in known:
            names = f"there are {', '.join(known)}" if known else "there are none here"
            raise invalid(f"unknown parameter; {names}", name[:64])


async def usage(reports: Reports, account: Account, query: Query, *, now: float) -> Used:
    """Return the sums of a time, all and by what ``group_by`` says.

    Args:
        reports: The sums there are.
        account: Who asks.
        query: ``period``, ``from``, ``to``, ``group_by``, ``key``.
        now: Unix seconds.

    Raises:
        Failure: INVALID, FORBIDDEN, or the store's.
    """
    check_names(query, ("period", "from", "to", "group_by", "key"))
    key = whose(account, query.get("key"))
    span = read_span(query, now=now, default="all")
    asked = query.get("group_by")
    groups = (*GROUPS, "key") if account.looks else GROUPS
    by = None if asked is None else cast("Grouping", one_of("group_by", asked, groups))
    part = span.part(key)
    if by is not None and by in INTERVALS:
        await _begin(reports, span, part, name="group_by", interval=by)
    found = await reports.sums(part, by)
    total = sum(found.values(), Sums())
    return Used(span, by, total, tuple(sorted(found.items(), key=_order(by))) if by else ())


async def series(reports: Reports, account: Account, query: Query, *, now: float) -> Series:
    """Return the sums of every hour or day of a time, also of those in which nothing was asked.

    Args:
        reports: The sums there are.
        account: Who asks.
        query: ``interval``, ``period``, ``from``, ``to``, ``model``, ``provider``, ``key``.
        now: Unix seconds.

    Raises:
        Failure: INVALID, FORBIDDEN, or the store's.
    """
    check_names(query, ("interval", "period", "from", "to", "model", "provider", "key"))
    key = whose(account, query.get("key"))
    span = read_span(query, now=now, default="month")
    fine = span.since is not None and span.until - span.since <= FINE_S
    interval = one_of("interval", query.get("interval", "hour" if fine else "day"), INTERVALS)
    part = span.part(key, query)
    since = await _begin(reports, span, part, name="interval", interval=interval)
    found = await reports.sums(part, cast("Grouping", interval))
    step = INTERVALS[interval]
    starts = range(int(since // step * step), -int(-span.until // step) * step, step)
    points = ((at, found.get(at, Sums())) for at in starts) if since < span.until else ()
    return Series(interval, since, span.until, tuple(points))


async def statistics(reports: Reports, account: Account, query: Query) -> dict[str | None, Sums]:
    """Return the sums over all time for each model that answered; None: nobody did.

    Raises:
        Failure: INVALID, FORBIDDEN, or the store's.
    """
    check_names(query, ("key",))
    found = await reports.sums(Part(key=whose(account, query.get("key"))), "answered")
    return cast("dict[str | None, Sums]", found)


async def _begin(reports: Reports, span: Span, part: Part, *, name: str, interval: str) -> float:
    """Return when the first of a span's hours or days begins.

    Raises:
        Failure: INVALID, it has more of them than one report may have.
    """
    since = span.since
    if since is None:
        first = await reports.first(part.key)
        since = span.until if first is None else min(first, span.until)
    points = (span.until - since) / INTERVALS[interval]
    if points > MOST_POINTS:
        shorter = "ask for days, or for less time" if interval == "hour" else "ask for less time"
        raise invalid(f"that would be {points:,.0f} {interval}s, of at most {MOST_POINTS:,}; {shorter}", name)
    return since


def _order(by: str) -> Callable[[tuple[str | int | None, Sums]], tuple[float, str]]:
    """Return how groups are ordered: times as they come, everything else by how much it was used."""

    def order(group: tuple[str | int | None, Sums]) -> tuple[float, str]:
        name, sums = group
        return (cast("int", name), "") if by in INTERVALS else (-sums.requests, str(name or ""))

    return order
