"""Sums over exchanges: what there is to know of any stretch of time, without a look at every row.

The ledger's rows are the truth; these are their sums, and equal to them to the unit:

1. **An entry for each change.** The transaction that books an exchange (or prices it anew) writes an *entry*
   of what that adds to the sums and, with negative figures, of what it takes off them. One row, appended;
   nobody waits for a sum that others add to.
2. **Entries are posted.** :meth:`Reports.post` adds some entries up (:mod:`dragoman.store.posting`, the same
   code whichever the database), adds them to the sums, and deletes them, in one transaction. Somebody does so
   every few seconds; a report does so first.
3. **Sums have kinds.** Of every hour, day and 32 days there are sums for each combination of dimensions that
   was seen (``each``), and for each value of one dimension alone (``key``, ``model``, ...) and of all, so
   that a year by day reads hundreds of rows, not hundreds of thousands. Dimensions have three sides: who
   asks, what answers, and how it went. Of every day and 32 days there are sums for the combinations of two
   sides, for reports that ask about two dimensions: of one model, by key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Literal, Protocol

import msgspec

from dragoman.store.spread import Counts, percentile_ms

Dimension = Literal["key", "team", "user", "model", "provider", "route", "state", "failure", "dialect"]
"""What exchanges are told apart by. ``model``: the one that answered, else the one that was asked for;
``provider``: the one asked last; ``state``: how it ended; ``failure``: its kind of failure; ``dialect``: the
client's protocol. "" stands for none: a request nobody was asked for has no provider and no model."""

DIMENSIONS: tuple[Dimension, ...] = (
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

Sides = Literal["who_what", "what_how", "who_how"]
"""Two of the three sides that :data:`DIMENSIONS` have, of three dimensions each: who asks (key, team, user),
what answers (model, provider, route), and how it went (state, failure, dialect)."""

SIDES: Mapping[Sides, tuple[Dimension, ...]] = MappingProxyType(
    {
        "who_how": (*DIMENSIONS[:3], *DIMENSIONS[6:]),
        "what_how": DIMENSIONS[3:],
        "who_what": DIMENSIONS[:6],
    }
)
"""The dimensions that two sides tell apart; those of which there are fewest combinations first."""

Kind = Literal["each", "all", Dimension, "loss", "attempt", Sides]
"""What a sum is of. ``loss``: exchanges in which one thing was lost (its word stands in `model`'s place);
``attempt``: calls of a provider, by provider, model, state and failure."""

KINDS: Mapping[Kind, int] = MappingProxyType(
    {
        "each": 0,
        "all": 1,
        "key": 2,
        "team": 3,
        "user": 4,
        "model": 5,
        "provider": 6,
        "route": 7,
        "state": 8,
        "failure": 9,
        "dialect": 10,
        "loss": 11,
        "attempt": 12,
        "who_what": 13,
        "what_how": 14,
        "who_how": 15,
    }
)
"""What each kind is called in the tables."""

Interval = Literal["hour", "day", "week", "month"]
"""A stretch of a report, in UTC: weeks begin on Mondays, months are the calendar's."""

LONGEST_NAME = 160
"""Characters of a name the sums know: an index takes no more."""

MOST = 10**15
"""Nothing counts as more: a provider's nonsense must not drive a sum out of range."""


class Part(msgspec.Struct, frozen=True):
    """A part of the ledger: exchanges that began between two times, and are what is said of them.

    Attributes:
        since: They began then or later, in Unix seconds; None: from the first.
        until: They began before; None: to the last.
    """

    since: float | None = None
    until: float | None = None
    key: str | None = None
    team: str | None = None
    user: str | None = None
    model: str | None = None
    provider: str | None = None
    route: str | None = None
    state: str | None = None
    failure: str | None = None
    dialect: str | None = None

    @property
    def wanted(self) -> dict[Dimension, str]:
        """What is asked of each dimension that anything is asked of, cut as the sums' names are."""
        found = {name: getattr(self, name) for name in DIMENSIONS}
        return {name: value[:LONGEST_NAME] for name, value in found.items() if value is not None}


def kind_of(part: Part, by: Dimension | None, *, hourly: bool) -> Kind:
    """Return the kind of sum a report is read from: the one that tells apart the least that it asks.

    Args:
        part: What it is of.
        by: What it is grouped by.
        hourly: Whether sums of an hour are read.
    """
    asked = set(part.wanted) | ({by} if by else set())
    if len(asked) <= 1:
        return asked.pop() if asked else "all"
    if not hourly:
        for sides, told in SIDES.items():
            if asked <= set(told):
                return sides
    return "each"


def is_alone(kind: Kind) -> bool:
    """Say whether sums of a kind are of one dimension, or of all: there is one for each name and stretch."""
    return kind == "all" or kind in DIMENSIONS


class Sums(msgspec.Struct, frozen=True, gc=False):
    """Sums over exchanges that have ended; requests that only had tokens counted are no part of them.

    Attributes:
        requests: All, however they ended.
        failed: Those that ended in an error, or with their process.
        cancelled: Those whose client left.
        cached: Those answered from a recording.
        fallback: Those another model answered than the one asked for.
        streamed: Those asked for as a stream.
        lossy: Those in which a crossing dropped or approximated anything.
        attempts: Calls of providers, for all of them.
        input: Tokens read, cached or not.
        cache_read: Of these, those the provider had in its cache.
        output: Tokens written, thinking included.
        reasoning: Of these, thinking.
        cost_micros: Of those whose cost is known.
        unknown_cost: Those whose cost is not.
        estimated: Those whose tokens are estimates.
        saved_micros: What recorded answers would have cost, as far as that is known.
        latency_us: Of whole answers that were no recordings, from the request to the last byte.
        latencies: How many these are.
        first_event_us: Of the same, to the first event.
        first_events: How many these are.
    """

    requests: int = 0
    failed: int = 0
    cancelled: int = 0
    cached: int = 0
    fallback: int = 0
    streamed: int = 0
    lossy: int = 0
    attempts: int = 0
    input: int = 0
    cache_read: int = 0
    output: int = 0
    reasoning: int = 0
    cost_micros: int = 0
    unknown_cost: int = 0
    estimated: int = 0
    saved_micros: int = 0
    latency_us: int = 0
    latencies: int = 0
    first_event_us: int = 0
    first_events: int = 0

    def __add__(self, other: Sums) -> Sums:
        """Return the sums over both."""
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return Sums(*(one + more for one, more in zip(mine, theirs, strict=True)))

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.input + self.output

    @property
    def cost(self) -> int | None:
        """Micro-dollars of those whose cost is known; None: only of those that cost nothing it is."""
        return None if self.unknown_cost and not self.cost_micros else self.cost_micros

    @property
    def latency_ms(self) -> float | None:
        """Mean milliseconds of an answer; None: there is none."""
        return self.latency_us / self.latencies / 1000 if self.latencies else None

    @property
    def first_event_ms(self) -> float | None:
        """Mean milliseconds to an answer's first event; None: there is none."""
        return self.first_event_us / self.first_events / 1000 if self.first_events else None


MEASURES: tuple[str, ...] = Sums.__struct_fields__
"""The names of all measures, in the order of their columns."""


class Spread(msgspec.Struct, frozen=True, gc=False):
    """How durations are spread: of whole answers, and to the first event (:mod:`dragoman.store.spread`)."""

    latency: Counts = MappingProxyType({})
    first_event: Counts = MappingProxyType({})

    def latency_ms(self, share: float) -> float | None:
        """Return what `share` of all answers do not exceed, in milliseconds; None: there is none."""
        return percentile_ms(self.latency, share)

    def first_event_ms(self, share: float) -> float | None:
        """Return what `share` of all first events do not exceed, in milliseconds; None: there is none."""
        return percentile_ms(self.first_event, share)


class Cell(msgspec.Struct, frozen=True, gc=False):
    """The sums of one group and one stretch of a report.

    Attributes:
        at: The Unix second the stretch begins at; None: the report is not told stretch by stretch.
        name: The group's; None: the report has no groups; "": those that have no such thing.
        sums: What they add up to.
        spread: How their durations are spread; None: nobody asked.
    """

    at: int | None
    name: str | None
    sums: Sums
    spread: Spread | None = None


class Call(msgspec.Struct, frozen=True, gc=False):
    """Calls of one provider in one stretch of time, however the exchange they were made for ended.

    Attributes:
        at: The Unix second the stretch begins at.
        provider: Who was called.
        model: For which of its models.
        state: How these ended: ``settled``, ``cancelled``, ``failed``, ``interrupted``.
        failure: The kind of failure, or "".
        calls: How many.
        first_event: How the times to their first event are spread, from the exchange's beginning.
    """

    at: int | None
    provider: str
    model: str
    state: str
    failure: str
    calls: int
    first_event: Counts = MappingProxyType({})


class Reports(Protocol):
    """Sums over exchanges, exact. All methods raise ``Failure(UNAVAILABLE)`` as the store's do."""

    async def post(self) -> int:
        """Post some entries; return how many, 0 when none is left. Of several that post at once all may."""

    async def cells(
        self,
        part: Part,
        *,
        by: Dimension | None = None,
        among: Collection[str] | None = None,
        every: Interval | None = None,
        spread: bool = False,
    ) -> list[Cell]:
        """Return sums over a part of the ledger, for each group and stretch that has any exchange.

        All that was booked before this was called is in them: what waits to be posted is posted first.

        Args:
            part: Of what.
            by: What they are grouped by; None: nothing.
            among: The names of the groups that are told; None: all. The others are not even read.
            every: Stretch by stretch of so long; None: of the whole time.
            spread: With how durations are spread.

        Returns:
            Cells in the order of their stretches, then of their groups' names.

        Raises:
            Failure: UNAVAILABLE, with when to come back: more waits to be posted than can be waited for.
        """

    async def calls(self, part: Part, *, every: Interval | None = None) -> list[Call]:
        """Return the calls of providers; `part` may say provider, model, state and failure.

        Its times are rounded outwards to whole hours.

        Raises:
            ValueError: It says anything else.
        """

    async def losses(self, part: Part) -> list[tuple[str, int]]:
        """Return what was lost and in how many exchanges, the most frequent first; `part` says times only.

        A word is ``how:what`` as the ledger has it, with places in lists as ``[]``; the times are rounded
        outwards to whole hours.

        Raises:
            ValueError: It says anything else.
        """

    async def first(self, key: str | None) -> float | None:
        """Return when a key's first exchange, or the first of all, began; None: there is none."""
