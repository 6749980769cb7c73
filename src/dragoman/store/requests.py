"""The log of requests: rows of the ledger found by what is said of them, page by page.

A page is exact about what it shows: rows that meet every condition, in order, none twice and none left out,
however many are added meanwhile. It looks through a bounded number of rows (:data:`MOST_LOOKED`), so that it
is quick whatever is asked; where that was not enough it is short, says how far it looked, and its cursor
goes on from there. Where to look, and how many there are, the sums say: :mod:`dragoman.store.looking`.

Requests that only had tokens counted are no part of it, as of the sums. Times are Unix seconds.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

import msgspec

from dragoman.core.failure import invalid
from dragoman.store.ledger import AttemptRow, ExchangeRow, State
from dragoman.store.reports import LONGEST_NAME, Dimension, Part

MOST_ROWS = 200
"""Rows one page may have."""

MOST_LOOKED = 10_000
"""Rows one page looks through."""

MOST_SORTED = 5000
"""Rows one page in an order other than time's looks through."""

COUNTING = "count"
"""The task of requests that only had tokens counted."""

Order = Literal["newest", "oldest", "cost", "latency", "first_event", "tokens"]
"""``newest`` and ``oldest`` by when they began, page by page; the others put the largest first, of the newest
rows that one page looks through."""

ORDERS: tuple[Order, ...] = ("newest", "oldest", "cost", "latency", "first_event", "tokens")

SORTED: Mapping[Order, str] = MappingProxyType(
    {"cost": "cost", "latency": "latency", "first_event": "first_event", "tokens": "tokens"}
)
"""The orders that are by a figure, and its name."""

Whose = Literal["key", "team", "user"]
"""By whom those that are under way may be counted."""

STATES: tuple[State, ...] = ("reserved", "settled", "cancelled", "failed", "interrupted")


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of rows; None: nothing. "" asks for those that have no such thing.

    Attributes:
        since: They began then or later.
        until: They began before.
        key: Whose they are, to the letter; so `team` and `user`.
        model: Which model answered, or was asked where none did.
        asked: Which model was asked for.
        provider: Who was asked last.
        route: By which route.
        state: How they ended; ``reserved``: they have not.
        failure: Their kind of failure.
        dialect: The client's protocol.
        stream: Whether asked for as a stream.
        cached: Whether answered from a recording.
        fallback: Whether another model answered.
        lossy: Whether a crossing dropped or approximated anything.
        estimated: Whether their tokens are estimates.
        priced: Whether they have ended at a known cost (True), or at one nobody knows (False).
        min_cost_micros: They cost so much or more.
        min_latency_ms: They took so long or longer.
        id: Theirs, or their request's; at most a few rows are called so.
    """

    since: float | None = None
    until: float | None = None
    key: str | None = None
    team: str | None = None
    user: str | None = None
    model: str | None = None
    asked: str | None = None
    provider: str | None = None
    route: str | None = None
    state: State | None = None
    failure: str | None = None
    dialect: str | None = None
    stream: bool | None = None
    cached: bool | None = None
    fallback: bool | None = None
    lossy: bool | None = None
    estimated: bool | None = None
    priced: bool | None = None
    min_cost_micros: int | None = None
    min_latency_ms: float | None = None
    id: str | None = None


FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "stream": "streamed",
        "cached": "cached",
        "fallback": "fallback",
        "lossy": "lossy",
        "estimated": "estimated",
        "priced": "unknown_cost",
    }
)
"""Filters that are yes or no, and the measure that counts them (`priced`: that counts the others)."""

NAMED: tuple[Dimension, ...] = (
    "key",
    "team",
    "user",
    "model",
    "provider",
    "route",
    "state",
    "failure",
    "dialect",
)
"""Filters that are dimensions of the sums."""


class Spot(NamedTuple):
    """Where a row is in the order of all: when it began, and of one instant which was inserted later."""

    opened_at: float
    place: int


class Found(NamedTuple):
    """A row, and where it is."""

    spot: Spot
    row: ExchangeRow


class Page(msgspec.Struct, frozen=True):
    """Some rows, in order.

    Attributes:
        rows: At most as many as were asked for.
        next: The cursor to go on with; None: there is no more. Other orders than by time have no more pages.
        total: How many rows there are in all pages; None: nobody asked, or the sums cannot tell.
        at_most: How many there may be, where the sums can tell no better; None: as `total`.
        looked: How many rows were looked through, at most.
        looked_since: The time that was looked through begins here; None: all that is before `looked_until`.
        looked_until: It ends here; None: with the newest.
    """

    rows: tuple[ExchangeRow, ...]
    next: str | None = None
    total: int | None = None
    at_most: int | None = None
    looked: int = 0
    looked_since: float | None = None
    looked_until: float | None = None


class Live(msgspec.Struct, frozen=True):
    """An exchange under way: its row, its attempts so far, and the micro-dollars held for it."""

    row: ExchangeRow
    attempts: tuple[AttemptRow, ...]
    held_micros: int


class UnderWay(msgspec.Struct, frozen=True):
    """What is under way at one instant: some, the oldest first, and how many there are in all."""

    oldest: tuple[Live, ...]
    total: int


class Ended(msgspec.Struct, frozen=True):
    """What rates are reckoned from: one exchange that has ended, in few figures."""

    opened_at: float
    settled_at: float
    state: State
    tokens: int
    cost_micros: int | None
    first_event_ms: float | None
    cached: bool


class Requests(Protocol):
    """The log of requests. Methods raise ``Failure(UNAVAILABLE)`` as the store's do, and change nothing."""

    async def latest(self, keys: Sequence[str]) -> dict[str, float]:
        """Return when the newest exchange of each key began, in Unix seconds, of those that have any."""

    async def page(
        self,
        filters: Filters,
        *,
        order: Order = "newest",
        limit: int = 50,
        after: str | None = None,
        count: bool = True,
    ) -> Page:
        """Return the rows that meet every condition, in order.

        Args:
            filters: The conditions.
            order: Which come first.
            limit: How many, at most; itself at most :data:`MOST_ROWS`.
            after: The cursor of the page before, of the same order.
            count: Whether to say how many there are in all.

        Raises:
            Failure: INVALID, `after` is no cursor of this order.
        """

    async def live(self, *, limit: int) -> UnderWay:
        """Return the exchanges under way in every process: the oldest, and how many there are."""

    async def live_among(self, ids: Sequence[str]) -> list[Live]:
        """Return those of these exchanges that are under way, the oldest first."""

    async def live_of(self, whose: Whose, name: str) -> int:
        """Return how many exchanges of a key, a team or a user are under way in every process."""

    async def spots(self, since: float, *, limit: int) -> list[Spot]:
        """Return where the rows are that began then or later, in order; of too many the newest."""

    async def at(self, spots: Sequence[Spot]) -> list[Found]:
        """Return the rows that are there, in order."""

    async def ended(self, since: float, *, limit: int) -> list[Ended]:
        """Return those that began then or later and have ended, the newest first."""


def matches(filters: Filters, row: ExchangeRow) -> bool:
    """Say whether a row meets every condition. The databases' own words for this mean the same."""
    if row.task == COUNTING:
        return False
    if filters.since is not None and row.opened_at < filters.since:
        return False
    if filters.until is not None and row.opened_at >= filters.until:
        return False
    if any(asked is not None and asked != told for asked, told in _names(filters, row)):
        return False
    if any(
        (asked := getattr(filters, name)) is not None and asked != flag for name, flag in _flags(row).items()
    ):
        return False
    if filters.min_cost_micros is not None and (row.meters.cost_micros or 0) < filters.min_cost_micros:
        return False
    if filters.min_latency_ms is not None and (row.latency_ms or 0.0) < filters.min_latency_ms:
        return False
    return filters.id is None or filters.id in (row.id, row.request_id)


def model_of(row: ExchangeRow) -> str:
    """Return the model a row counts for: the one that answered, else that was asked; "" where nobody was."""
    return "" if row.provider is None else row.answered_model or row.model


def figure(order: Order, row: ExchangeRow) -> float | None:
    """Return what a row is sorted by; None: nobody knows it."""
    meters = row.meters
    match order:
        case "cost":
            return meters.cost_micros
        case "latency":
            return row.latency_ms
        case "first_event":
            return row.first_event_ms
        case "tokens":
            read = meters.input + meters.cache_read + meters.cache_write + meters.cache_write_long
            return read + meters.audio_input + meters.output + meters.reasoning + meters.audio_output
        case _:
            return row.opened_at


def part_of(filters: Filters) -> Part:
    """Return the part of the sums that has all the rows meant; more, where conditions are none of theirs."""
    names = {name: getattr(filters, name) for name in NAMED}
    return Part(filters.since, filters.until, **names)


def cursor(order: Order, spot: Spot) -> str:
    """Return the cursor of what comes after a spot."""
    words = f"{order[0]}{spot.opened_at!r}:{spot.place}"
    return urlsafe_b64encode(words.encode()).decode().rstrip("=")


def read_cursor(order: Order, text: str) -> Spot:
    """Return the spot a cursor of an order stands for.

    Raises:
        Failure: INVALID, it is none.
    """
    try:
        words = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode("ascii")
        at, _, place = words[1:].partition(":")
        spot = Spot(float(at), int(place))
    except (ValueError, OverflowError):
        spot = None
    if spot is None or order in SORTED or words[0] != order[0] or not _possible(spot):
        raise invalid("after is no cursor of a page in this order: take it from the page before", "after")
    return spot


def _possible(spot: Spot) -> bool:
    return 0 <= spot.opened_at < 1e12 and 0 <= spot.place < 1 << 63


def _names(filters: Filters, row: ExchangeRow) -> list[tuple[str | None, str]]:
    """Return what is asked of each name, and what it is; long ones as the sums cut them."""
    exact = ((filters.key, row.key), (filters.team, row.team), (filters.user, row.user))
    cut = (
        (filters.model, model_of(row)),
        (filters.asked, row.model),
        (filters.provider, row.provider or ""),
        (filters.route, row.route),
        (filters.state, row.state),
        (filters.failure, row.failure or ""),
        (filters.dialect, row.dialect),
    )
    return [
        *exact,
        *((asked and asked[:LONGEST_NAME], told[:LONGEST_NAME]) for asked, told in cut),
    ]


def _flags(row: ExchangeRow) -> dict[str, bool | None]:
    unknown = row.meters.cost_micros is None
    return {
        "stream": row.stream,
        "cached": row.cached,
        "fallback": row.fallback,
        "lossy": bool(row.losses),
        "estimated": row.meters.estimated,
        "priced": None if row.state == "reserved" else not unknown,
    }
