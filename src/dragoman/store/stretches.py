"""A stretch of time looked through row by row: the log's SQL, which both databases understand.

Pure: :func:`look_through` is a generator that yields queries and is sent their rows, so that one database
runs it in a thread and the other on the event loop, each within one transaction of its own. Each chunk of
rows costs two queries: where it ends, which an index alone knows, and which of its rows meet the conditions.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from dragoman.store.reports import LONGEST_NAME
from dragoman.store.requests import COUNTING, SORTED, Filters, Order, Spot, Whose

CHUNK = 4000
"""Rows that are looked through before it is asked whether enough was found."""

NARROW: tuple[Whose, ...] = ("key", "user", "team")
"""Names that have an index of their own, the one that leaves fewest first."""

TOKENS = (
    "input + cache_read + cache_write + cache_write_long + audio_input + output + reasoning + audio_output"
)

FIGURES: Mapping[Order, str] = MappingProxyType(
    {"cost": "cost_micros", "latency": "latency_ms", "first_event": "first_event_ms", "tokens": TOKENS}
)
"""What rows are sorted by."""

CUT: Mapping[str, str] = MappingProxyType(
    {
        "model": "case when provider is null then '' else coalesce(nullif(answered_model, ''), model) end",
        "asked": "model",
        "provider": "coalesce(provider, '')",
        "route": "route",
        "state": "state",
        "failure": "coalesce(failure, '')",
        "dialect": "dialect",
    }
)
"""Conditions on names that are cut as the sums cut them; the model as the sums have it."""

FLAGS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "stream": ("stream", "not stream"),
        "cached": ("cached", "not cached"),
        "fallback": ("fallback", "not fallback"),
        "lossy": ("losses <> '[]'", "losses = '[]'"),
        "estimated": ("estimated", "not estimated"),
        "priced": (
            "state <> 'reserved' and cost_micros is not null",
            "state <> 'reserved' and cost_micros is null",
        ),
    }
)
"""Conditions that are yes or no: the one's words, and the other's."""

LEAST: Mapping[str, str] = MappingProxyType(
    {"min_cost_micros": "coalesce(cost_micros, 0)", "min_latency_ms": "coalesce(latency_ms, 0)"}
)
"""Conditions that a figure is at least so large."""

ENDED_BADLY = "(failure is not null or state in ('cancelled', 'failed', 'interrupted'))"
"""The rows of the index exchange_ended_badly, in its own words: else it is not taken."""

BADLY = frozenset({"cancelled", "failed", "interrupted"})


class Stretch(NamedTuple):
    """The time from `lo` on and before `hi`."""

    lo: float
    hi: float


class Seen(NamedTuple):
    """A row that meets every condition: its figure, if it is to be sorted by one, and where it is."""

    figure: float | None
    spot: Spot


class Looked(NamedTuple):
    """What was found, in order; how many rows were looked through; and the last of them, if any are left."""

    seen: list[Seen]
    rows: int
    stopped: Spot | None


class Look(msgspec.Struct, frozen=True):
    """What is looked for.

    Attributes:
        filters: The conditions.
        order: Which come first.
        after: Only what comes after this in the order of time.
        take: How many suffice.
        rows: How many may be looked through.
    """

    filters: Filters
    order: Order
    after: Spot | None
    take: int
    rows: int

    @property
    def newest(self) -> bool:
        """Whether it is looked for from the newest on."""
        return self.order != "oldest"


class Tongue(msgspec.Struct, frozen=True):
    """How a database's SQL differs.

    Attributes:
        mark: What stands before a value's number.
        place: The column that tells which row of an instant came later.
        by: What makes it take an index, with ``{}`` for the index's name.
    """

    mark: str
    place: str
    by: str = ""


class Query(NamedTuple):
    """A query, and its values by their numbers."""

    sql: str
    values: tuple[object, ...]


Looking = Generator[Query, Sequence[Sequence[Any]], Looked]


def narrowest(filters: Filters) -> Whose | None:
    """Return the name by whose index rows are looked through; None: by another index, of all names.

    Those that have no such name are in none of these indexes.
    """
    return next((name for name in NARROW if getattr(filters, name)), None)


def look_through(look: Look, stretches: Sequence[Stretch], tongue: Tongue) -> Looking:
    """Yield queries, be sent their rows, and return what was found in stretches that follow each other."""
    seen: list[Seen] = []
    rows, after = 0, look.after
    for stretch in stretches:
        while True:
            chunk = min(CHUNK, look.rows - rows)
            if chunk <= 0:
                return Looked(seen, rows, after)
            hits, end, passed = yield from _chunk(look, stretch, after, tongue=tongue, rows=chunk)
            seen += hits
            rows += passed
            if len(seen) >= look.take:
                seen = seen[: look.take]
                return Looked(seen, rows, seen[-1].spot)
            if end is None:
                break
            after = end
        after = Spot(stretch.lo if look.newest else stretch.hi, 0)
    return Looked(seen, rows, None)


def _chunk(
    look: Look, stretch: Stretch, after: Spot | None, *, tongue: Tongue, rows: int
) -> Generator[Query, Sequence[Sequence[Any]], tuple[list[Seen], Spot | None, int]]:
    """Look through a stretch's next rows: what was found, the last one if there are more, how many."""
    way = "desc" if look.newest else "asc"
    place, ordered = tongue.place, f"order by opened_at {way}, {tongue.place} {way}"
    words = _Words(tongue)
    source = words.source(look, stretch, after, None)
    border = f"select opened_at, {place} from exchange {source} {ordered} limit 1 offset {rows - 1}"  # noqa: S608  words of our own, no values
    ends = yield Query(border, tuple(words.values))
    end = Spot(*ends[0]) if ends else None
    passed = rows
    if end is None:
        ((passed,),) = yield Query(f"select count(*) from exchange {source}", tuple(words.values))  # noqa: S608  as above
        if not passed:
            return [], None, 0
    words = _Words(tongue)
    source = words.source(look, stretch, after, end)
    figure = FIGURES[look.order] if look.order in SORTED else "0"
    query = f"""
        select {figure}, opened_at, {place} from exchange
        {source} and {words.conditions(look.filters)} {ordered} limit {look.take}
    """  # noqa: S608  as above
    found = yield Query(query, tuple(words.values))
    return [Seen(value, Spot(at, spot)) for value, at, spot in found], end, passed


class _Words:
    """The words of a query, and its values, numbered as they come."""

    def __init__(self, tongue: Tongue) -> None:
        self._tongue = tongue
        self.values: list[object] = []

    def value(self, what: object) -> str:
        """Return what stands for a value in the query."""
        self.values.append(what)
        return f"{self._tongue.mark}{len(self.values)}"

    def source(self, look: Look, stretch: Stretch, after: Spot | None, end: Spot | None) -> str:
        """Return which rows of a stretch come after a spot and up to `end`, by the index of fewest."""
        if look.newest:
            wanted = self._beyond(after, "<", stretch.hi) + self._beyond(end, ">=", stretch.lo)
        else:
            wanted = self._beyond(after, ">", stretch.lo) + self._beyond(end, "<=", stretch.hi)
        index, condition = self._index(look.filters)
        wanted += [condition] if condition else []
        return f"{self._tongue.by.format(index)} where {' and '.join(wanted)}"

    def _beyond(self, spot: Spot | None, side: str, border: float) -> list[str]:
        """Return that rows are on one side of a spot, or of a stretch's border: whichever leaves fewer.

        An index is gone through between two plain bounds; of several on a side it might take the wrong one.
        """
        less = side[0] == "<"
        if spot is None or (spot.opened_at >= border if less else spot.opened_at < border):
            return [f"opened_at {'<' if less else '>='} {self.value(border)}"]
        at, place = self.value(spot.opened_at), self.value(spot.place)
        return [f"opened_at {side[0]}= {at} and (+opened_at, {self._tongue.place}) {side} ({at}, {place})"]

    def _index(self, filters: Filters) -> tuple[str, str]:
        """Return an index, and what it wants to be told."""
        if (name := narrowest(filters)) is not None:
            sole = "" if name == "key" else f" and \"{name}\" <> ''"
            return f"exchange_{name}", f'"{name}" = {self.value(getattr(filters, name))}{sole}'
        if filters.state in BADLY or filters.failure:
            return "exchange_ended_badly", ENDED_BADLY
        return "exchange_opened_at", ""

    def conditions(self, filters: Filters) -> str:
        """Return what :func:`~dragoman.store.requests.matches` says, but for the times."""
        wanted = [f"task <> {self.value(COUNTING)}"]
        for name in NARROW:
            if (asked := getattr(filters, name)) is not None:
                wanted += [f'"{name}" = {self.value(asked)}']
        for column, told in CUT.items():
            if (asked := getattr(filters, column)) is not None:
                wanted += [f"substr({told}, 1, {LONGEST_NAME}) = {self.value(asked[:LONGEST_NAME])}"]
        for flag, (yes, no) in FLAGS.items():
            if (asked := getattr(filters, flag)) is not None:
                wanted += [f"({yes if asked else no})"]
        for least, told in LEAST.items():
            if (asked := getattr(filters, least)) is not None:
                wanted += [f"{told} >= {self.value(asked)}"]
        return " and ".join(wanted)
