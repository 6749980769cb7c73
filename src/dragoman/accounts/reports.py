"""Reports as they are asked for: of whom, of which time, told apart by what.

A key's reports are of its own exchanges. The admin's and readers' are of all, or of those that a filter
names. A report counts exchanges by when they *began*, once they have ended.

A period ends now and is as long as it is called: a day is 24 hours, a week 7 days, a month 30. Between two
times of one's own everything may be asked for. Everything is UTC: days have 24 hours, weeks begin on Mondays.

:func:`read` says what is meant, :func:`dragoman.accounts.explored.explored` what the store says to it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

import msgspec

from dragoman.accounts.keys import Account
from dragoman.accounts.stretches import LENGTHS
from dragoman.accounts.times import LAST, WHEN
from dragoman.core.failure import Failure, Kind, Source, invalid
from dragoman.store.cover import DAY, HOUR
from dragoman.store.reports import DIMENSIONS, Dimension, Interval, Part

HOUR_S, DAY_S = HOUR, DAY

PERIODS: Mapping[str, int | None] = MappingProxyType(
    {"day": DAY_S, "week": 7 * DAY_S, "month": 30 * DAY_S, "all": None}
)
"""How far back each period goes, in seconds, and then to the beginning of that hour: a part of one is read
row by row, and a busy one has many. None: to the first exchange."""

INTERVALS: tuple[Interval, ...] = tuple(LENGTHS)

PRIVATE: tuple[Dimension, ...] = ("key", "team", "user")
"""Dimensions that tell of others: only for who sees all."""

Order = Literal["requests", "cost", "tokens", "errors"]
ORDERS: tuple[Order, ...] = get_args(Order)
"""By what groups are ordered, the most first."""

TIMES = ("period", "from", "to")
TOTALS = (*TIMES, "group_by", "top", "order", "compare", *DIMENSIONS)
"""Parameters of a report that is told in sum."""
PARAMETERS = ("interval", *TOTALS)
"""Every parameter."""

FINE_S = 2 * DAY_S
"""Up to so many seconds are told hour by hour, unless asked otherwise."""

MOST_POINTS = 1000
"""Stretches one report may have: 41 days of hours, or almost three years of days."""

MOST_GROUPS, GROUPS = 100, 8
"""Groups that may be told stretch by stretch, and how many are unless said; the rest is told as one."""

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

    @property
    def asked(self) -> Part:
        """All of the ledger that is of this time."""
        # What begins while the report is made may as well be in it: the sums of this hour are whole.
        return Part(self.since, self.until if self.ends else None)


class Asked(msgspec.Struct, frozen=True):
    """A report as it was asked for.

    Attributes:
        span: Of which time.
        part: Of what of the ledger.
        by: What sums are grouped by; None: by nothing, or by stretches of time.
        interval: How long the stretches are it is told by; None: it is told in sum.
        grouped: ``group_by`` as it was said: a dimension, or an interval.
        top: How many groups are told by name, the rest as one; None: all.
        order: By what groups are ordered.
        compare: With the time just before, as long as this one.
    """

    span: Span
    part: Part = Part()
    by: Dimension | None = None
    interval: Interval | None = None
    grouped: str | None = None
    top: int | None = None
    order: Order = "requests"
    compare: bool = False


def sight(account: Account) -> str | None:
    """Return the one key whose exchanges an account may see; None: everyone's."""
    return None if account.looks else account.name


def whose(account: Account, name: str | None) -> str | None:
    """Return the key whose exchanges an account may see, where it asks for `name`; None: everyone's.

    Raises:
        Failure: FORBIDDEN, they are another key's.
    """
    return _whose(sight(account), name)


def read(
    query: Query,
    *,
    own: str | None,
    now: float,
    default: str = "month",
    known: Collection[str] = PARAMETERS,
    interval: bool = False,
) -> Asked:
    """Return what report a query asks for.

    Args:
        query: Its parameters. A filter that is empty means those that have no such thing: ``failure=`` is
            what did not fail.
        own: The one key that may be seen; None: all.
        now: Unix seconds.
        default: The period, unless one is said.
        known: The parameters it may have.
        interval: It is told by stretches of time, unless said of hours or days.

    Raises:
        Failure: INVALID, naming the parameter and what it may be; FORBIDDEN, it is of another key.
    """
    check_names(query, known)
    part = _filters(query, own)
    span = read_span(query, now=now, default=default)
    grouped, every = query.get("group_by"), query.get("interval")
    if every is not None:
        one_of("interval", every, INTERVALS)
    elif interval:
        every = "hour" if span.since is not None and span.until - span.since <= FINE_S else "day"
    groups = [name for name in DIMENSIONS if own is None or name not in PRIVATE]
    if grouped is not None:
        one_of("group_by", grouped, groups if every else (*groups, *INTERVALS))
        if grouped in INTERVALS:
            every = grouped
    by: Dimension | None = next((name for name in DIMENSIONS if name == grouped), None)
    return Asked(
        span,
        msgspec.structs.replace(part, since=span.asked.since, until=span.asked.until),
        by=by,
        interval=cast("Interval | None", every),
        grouped=grouped,
        top=_top(query, by, every),
        order=cast("Order", one_of("order", query.get("order", "requests"), ORDERS)),
        compare=_compare(query, span),
    )


def read_span(query: Query, *, now: float, default: str) -> Span:
    """Return the time that ``period``, or ``from`` and ``to``, ask for.

    Raises:
        Failure: INVALID, naming the parameter and what it may be.
    """
    named, since, until = (query.get(name) for name in TIMES)
    if since is None and until is None:
        period = one_of("period", default if named is None else named, PERIODS)
        back = PERIODS[period]
        return Span(period, None if back is None else (now - back) // HOUR * HOUR, now, ends=False)
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


def whole(name: str, text: str, most: int) -> int:
    """Return a parameter that is a whole number from 1 on; raise ``invalid()`` if it is none.

    All of it is looked at: behind enough zeros would stand a number that no database takes.
    """
    found = int(text) if re.fullmatch(r"[0-9]{1,16}", text) else 0
    if not 1 <= found <= most:
        raise invalid(f"{name} must be a whole number from 1 to {most}", name)
    return found


def check_names(query: Query, known: Collection[str]) -> None:
    """Refuse a parameter that is not known: a report without its filter looks like one with it."""
    for name in query:
        if name not in known:
            names = f"there are {', '.join(known)}" if known else "there are none here"
            raise invalid(f"unknown parameter; {names}", name[:64])


def _filters(query: Query, own: str | None) -> Part:
    """Return the part of the ledger that filters, and who asks, leave."""
    asked: dict[str, Any] = {name: query[name] for name in DIMENSIONS if name in query}
    for name in PRIVATE[1:] if own is not None else ():
        if name in asked:
            raise _forbidden(f"only the admin key may ask for a {name}'s usage", name)
    return Part(**{**asked, "key": _whose(own, query.get("key"))})


def _whose(own: str | None, name: str | None) -> str | None:
    if own is None:
        return name
    if name in (None, own):
        return own
    raise _forbidden("only the admin key may ask for another key's usage", "key")


def _forbidden(why: str, name: str) -> Failure:
    message = f"{why}; leave {name} out to see your own"
    return Failure(Kind.FORBIDDEN, message, source=Source.CLIENT, at=name, code="admin_only")


def _top(query: Query, by: str | None, every: str | None) -> int | None:
    """Return how many groups are told by name."""
    if "top" not in query:
        return GROUPS if by and every else None
    top = whole("top", query["top"], MOST_GROUPS)
    if by is None:
        raise invalid(f"top is of groups: group_by one of {', '.join(DIMENSIONS)}", "top")
    return top


def _compare(query: Query, span: Span) -> bool:
    if "compare" not in query:
        return False
    one_of("compare", query["compare"], ("previous",))
    if span.since is None:
        raise invalid("compare wants a time with a beginning: a period but all, or from", "compare")
    return True
