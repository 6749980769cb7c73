"""The log of requests for whoever may see it: what may be asked of it, and all there is to know of one.

A key sees its own requests, the admin's and readers' those of all. A filter that is empty is none, as a form
sends it; ``-`` asks for those that have no such thing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from types import MappingProxyType
from typing import Any, cast

import msgspec

from dragoman.accounts.costing import CostLine, Find, cost_lines
from dragoman.accounts.course import Span, spans
from dragoman.accounts.ratings import Ledgered
from dragoman.accounts.replaying import replay
from dragoman.accounts.reports import check_names, one_of, read_span, whole
from dragoman.core.failure import Failure, Kind, Source, invalid
from dragoman.store import RatingRow, Store
from dragoman.store.ledger import AttemptRow, ExchangeRow
from dragoman.store.requests import MOST_ROWS, ORDERS, STATES, Filters, Live, Order, Page

__all__ = ["CostLine", "Find", "Span", "cost_lines", "replay", "spans"]

NONE = "-"
"""What asks for rows that have no such thing."""

SHOWN = 50
"""Rows of a page, unless asked otherwise."""

MOST_LIVE = 1000
"""Exchanges under way that are told of one by one: beyond that it is told how many there are."""

NAMES = ("key", "team", "user", "model", "asked", "provider", "route", "failure", "dialect")
FLAGS = ("stream", "cached", "fallback", "lossy", "estimated")
QUERY = (
    *("period", "from", "to", *NAMES, "state", *FLAGS, "cost", "min_cost", "min_latency", "id"),
    *("sort", "limit", "after"),
)
"""Every parameter of a list."""

COSTS = ("known", "unknown")
TRUE, FALSE = ("true", "yes", "1", "on"), ("false", "no", "0", "off")
LIVE = "live"
"""Another word for the state ``reserved``."""

HOW: Mapping[str, str] = MappingProxyType(
    {
        "dropped": "was not passed on",
        "approximated": "was passed on as nearly as could be",
        "clamped": "was brought into the range the model takes",
        "emulated": "was done by the gateway in the model's place",
    }
)
"""What was done to something that was lost."""

UNLOGGED = "what was asked and answered is not logged for this request"

Query = Mapping[str, str]


class Asked(msgspec.Struct, frozen=True):
    """A list that was asked for: which rows, in which order, how many, and after which cursor."""

    filters: Filters
    order: Order = "newest"
    limit: int = SHOWN
    after: str | None = None


class Lost(msgspec.Struct, frozen=True):
    """One thing that was lost: how, what (a path of the request's fields), and both in words."""

    how: str
    what: str
    words: str


class Words(msgspec.Struct, frozen=True):
    """What was asked and answered; None: it is not there, and `why` says why not."""

    prompt: str | None = None
    response: str | None = None
    why: str = ""


class Told(msgspec.Struct, frozen=True):
    """All there is to know of one request.

    Attributes:
        row: Its row.
        attempts: The attempts, in order.
        rating: What its key, or who asks, thinks of the answer.
        spans: Where its time went.
        lines: What it cost.
        losses: What was lost.
        words: What was said.
        replay: A command that asks again; None: it passed through unread.
    """

    row: ExchangeRow
    attempts: tuple[AttemptRow, ...]
    rating: RatingRow | None
    spans: tuple[Span, ...]
    lines: tuple[CostLine, ...]
    losses: tuple[Lost, ...]
    words: Words
    replay: str | None


class Progress(msgspec.Struct, frozen=True):
    """How far an exchange of this process has come: pieces, tokens, micro-dollars; None: unknown."""

    chunks: int
    tokens: int | None = None
    cost_micros: int | None = None


HowFar = Callable[[str], Progress | None]
"""Says how far an exchange of this process has come, by its id; None: it is another's."""


class Running(msgspec.Struct, frozen=True):
    """An exchange under way, in whichever process; `progress` None: in another."""

    live: Live
    age_s: float
    progress: Progress | None = None


class Going(msgspec.Struct, frozen=True):
    """What is under way at one instant: some, the oldest first, and how many there are in all."""

    oldest: Sequence[Running]
    total: int


def read_filters(query: Query, *, own: str | None, now: float) -> Asked:
    """Return the list that a query asks for.

    Args:
        query: Its parameters, of :data:`QUERY`.
        own: The one key whose requests who asks may see; None: everyone's.
        now: Unix seconds.

    Raises:
        Failure: INVALID, naming the parameter and what it may be; FORBIDDEN, they are another key's.
    """
    check_names(query, QUERY)
    asked = {name: words.strip() for name, words in query.items() if words.strip()}
    span = read_span(asked, now=now, default="all")
    names = {name: _name(asked[name]) for name in NAMES if name in asked}
    for name in ("team", "user"):
        if name in names and own is not None:
            raise _others(name)
    if own is not None and names.get("key", own) != own:
        raise _others("key")
    filters = Filters(
        since=span.since,
        until=span.until if span.ends else None,
        **cast("dict[str, Any]", names if own is None else {**names, "key": own}),
        state=cast("Any", _state(asked.get("state"))),
        **cast("dict[str, Any]", {name: _flag(name, asked[name]) for name in FLAGS if name in asked}),
        priced=None if "cost" not in asked else one_of("cost", asked["cost"], COSTS) == "known",
        min_cost_micros=_micros("min_cost", asked.get("min_cost")),
        min_latency_ms=_milliseconds("min_latency", asked.get("min_latency")),
        id=asked.get("id"),
    )
    order = cast("Order", one_of("sort", asked.get("sort", "newest"), ORDERS))
    limit = whole("limit", asked["limit"], MOST_ROWS) if "limit" in asked else SHOWN
    return Asked(filters, order, limit, asked.get("after"))


async def listed(store: Store, asked: Asked, *, count: bool = True) -> Page:
    """Return a page of a list.

    Raises:
        Failure: INVALID, its cursor is none; or the store's.
    """
    return await store.requests.page(
        asked.filters, order=asked.order, limit=asked.limit, after=asked.after, count=count
    )


def tell(ledgered: Ledgered, *, find: Find, words: Words, url: str) -> Told:
    """Return all there is to know of a request.

    Args:
        ledgered: What is booked of it.
        find: Finds prices.
        words: What was said in it.
        url: Where the gateway is, for a command that asks again.
    """
    row, attempts = ledgered.row, ledgered.attempts
    return Told(
        row=row,
        attempts=attempts,
        rating=ledgered.rating,
        spans=spans(row, attempts),
        lines=cost_lines(attempts, find),
        losses=losses(row),
        words=words,
        replay=replay(row, url, _prompt(row, words)),
    )


def losses(row: ExchangeRow) -> tuple[Lost, ...]:
    """Return what was lost in a request, in words."""
    found = []
    for loss in row.losses:
        how, _, what = loss.partition(":")
        found.append(Lost(how, what, f"{what or how} {HOW.get(how, 'was lost')}"))
    return tuple(found)


async def under_way(store: Store, how_far: HowFar, *, now: float, limit: int) -> Going:
    """Return what is under way in every process.

    Args:
        store: Where that is.
        how_far: How far one of this process has come.
        now: Unix seconds.
        limit: How many are told of one by one.
    """
    found = await store.requests.live(limit=limit)
    return Going([_running(one, how_far, now) for one in found.oldest], found.total)


async def still_under_way(
    store: Store, rows: Sequence[ExchangeRow], how_far: HowFar, *, now: float
) -> dict[str, Running]:
    """Return those of some exchanges that are under way, by their ids, however many there are beside them."""
    ids = [row.id for row in rows if row.state == "reserved"]
    found = await store.requests.live_among(ids) if ids else []
    return {one.row.id: _running(one, how_far, now) for one in found}


def _running(live: Live, how_far: HowFar, now: float) -> Running:
    return Running(live, max(0.0, now - live.row.opened_at), how_far(live.row.id))


def _prompt(row: ExchangeRow, words: Words) -> str | None:
    """Return a request's words if they are one prompt: a conversation's are told with who said them."""
    return words.prompt if row.dialect in ("prompt", "stream") else None


def _name(words: str) -> str:
    return "" if words == NONE else words


def _state(words: str | None) -> str | None:
    if words is None:
        return None
    return "reserved" if words == LIVE else one_of("state", words, (*STATES, LIVE))


def _flag(name: str, words: str) -> bool:
    return one_of(name, words.lower(), (*TRUE, *FALSE)) in TRUE


def _micros(name: str, words: str | None) -> int | None:
    """Return an amount of dollars in micro-dollars, rounded up: what costs so much or more."""
    if words is None:
        return None
    if not re.fullmatch(r"\$?[0-9]{1,9}(\.[0-9]{1,12})?", words):
        raise invalid(f"{name} must be US dollars, such as 0.01", name)
    exact = Decimal(words.removeprefix("$")) * 1_000_000
    return int(exact.to_integral_value(ROUND_CEILING))


def _milliseconds(name: str, words: str | None) -> float | None:
    if words is None:
        return None
    if not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,6})?", words):
        raise invalid(f"{name} must be milliseconds, such as 1500", name)
    return float(words)


def _others(name: str) -> Failure:
    whose = "another key" if name == "key" else f"a {name}"
    message = f"only the admin key may ask for {whose}'s requests; leave {name} out to see your own"
    return Failure(Kind.FORBIDDEN, message, source=Source.CLIENT, at=name, code="admin_only")
