"""Entries become sums: which sums one change of the ledger is part of, whichever database keeps them.

Pure. A store reads some entries, has them :func:`posted`, adds what comes out to its sums, and deletes the
entries.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from operator import add

import msgspec

from dragoman.store.cover import BLOCK, DAY, HOUR
from dragoman.store.reports import DIMENSIONS, LONGEST_NAME, MEASURES, MOST, Kind
from dragoman.store.spread import bucket

SPANS = (HOUR, DAY, BLOCK)

MOST_LOSSES = 32
"""Different losses of one exchange that are counted by name; all of them are in its row."""

Names = tuple[str, ...]
"""A value for each of :data:`DIMENSIONS`; "" where the kind of sum does not tell it apart."""

NOWHERE: Names = ("",) * len(DIMENSIONS)
_PLACES = {name: place for place, name in enumerate(DIMENSIONS)}
_LATENCY, _LATENCIES = MEASURES.index("latency_us"), MEASURES.index("latencies")
_FIRST, _FIRSTS = MEASURES.index("first_event_us"), MEASURES.index("first_events")


class Entry(msgspec.Struct, frozen=True):
    """What one change of the ledger adds to the sums, or takes off them.

    Attributes:
        at: The Unix second its exchange began at.
        names: Its dimensions.
        measures: What it adds, in the order of :data:`MEASURES`; negative where it takes off.
        losses: What was lost, as the ledger has it.
    """

    at: int
    names: Names
    measures: tuple[int, ...]
    losses: tuple[str, ...] = ()


class Called(msgspec.Struct, frozen=True):
    """One call of a provider that has ended. ``first_event_us``: None: there was none."""

    at: int
    provider: str
    model: str
    state: str
    failure: str
    first_event_us: int | None


class Slot(msgspec.Struct, frozen=True):
    """Which sum: of which kind, over which stretch (`span` seconds from `at` on), of what."""

    kind: Kind
    span: int
    at: int
    names: Names


class Post:
    """What is to be added to one sum."""

    __slots__ = ("first_event", "latency", "measures")

    def __init__(self) -> None:
        self.measures = [0] * len(MEASURES)
        self.latency: dict[int, int] = {}
        self.first_event: dict[int, int] = {}

    def take(self, entry: Entry) -> None:
        """Add an entry's figures."""
        measures = entry.measures
        for place, measure in enumerate(measures):
            if measure:
                self.measures[place] += measure
        # Of several exchanges at once (what is left of deleted rows), nobody knows how long each took.
        if abs(measures[_LATENCIES]) == 1:
            _count(self.latency, abs(measures[_LATENCY]), measures[_LATENCIES])
        if abs(measures[_FIRSTS]) == 1:
            _count(self.first_event, abs(measures[_FIRST]), measures[_FIRSTS])

    def add(self, other: Post) -> None:
        """Add what is to be added to another sum."""
        self.measures = list(map(add, self.measures, other.measures))
        for mine, theirs in ((self.latency, other.latency), (self.first_event, other.first_event)):
            for place, count in theirs.items():
                mine[place] = mine.get(place, 0) + count


def posted(entries: Iterable[Entry], called: Iterable[Called] = ()) -> dict[Slot, Post]:
    """Return what entries, and calls of providers, add to which sums."""
    hours: dict[Slot, Post] = {}
    for entry in entries:
        at = entry.at // HOUR * HOUR
        _of(hours, Slot("each", HOUR, at, entry.names)).take(entry)
        for word in _words(entry.losses):
            _of(hours, _slot("loss", at, model=word)).measures[0] += 1 if entry.measures[0] >= 0 else -1
    for slot, post in list(hours.items()):
        if slot.kind == "each":
            for kind, names in _margins(slot.names):
                _of(hours, Slot(kind, HOUR, slot.at, names)).add(post)
    for call in called:
        _take(hours, call)
    found = dict(hours)
    for slot, post in hours.items():
        for span in SPANS[1:]:
            _of(found, Slot(slot.kind, span, slot.at // span * span, slot.names)).add(post)
    return found


def bounded(number: int) -> int:
    """Return a sum within what a column takes."""
    return max(-MOST, min(MOST, number))


def _margins(names: Names) -> Iterator[tuple[Kind, Names]]:
    """Yield the sums of one dimension alone that an entry is part of, and that of all."""
    yield "all", NOWHERE
    for place, name in enumerate(DIMENSIONS):
        yield name, (*NOWHERE[:place], names[place], *NOWHERE[place + 1 :])


def _take(hours: dict[Slot, Post], call: Called) -> None:
    slot = _slot(
        "attempt",
        call.at // HOUR * HOUR,
        provider=call.provider,
        model=call.model,
        state=call.state,
        failure=call.failure,
    )
    post = _of(hours, slot)
    post.measures[0] += 1
    if call.first_event_us is not None:
        post.measures[_FIRST] += call.first_event_us
        post.measures[_FIRSTS] += 1
        _count(post.first_event, call.first_event_us, 1)


def _slot(kind: Kind, at: int, **names: str) -> Slot:
    """Return the slot of an hour by the dimensions it tells apart."""
    found = [*NOWHERE]
    for name, value in names.items():
        found[_PLACES[name]] = value[:LONGEST_NAME]  # type: ignore[index]  # only names of dimensions come here
    return Slot(kind, HOUR, at, tuple(found))


def _words(losses: Sequence[str]) -> list[str]:
    """Return what was lost, each thing once, wherever in a list it stood."""
    words = dict.fromkeys(re.sub(r"\[\d+\]", "[]", loss[:400])[:LONGEST_NAME] for loss in losses[:1000])
    return list(words)[:MOST_LOSSES]


def _of(posts: dict[Slot, Post], slot: Slot) -> Post:
    post = posts.get(slot)
    if post is None:
        post = posts[slot] = Post()
    return post


def _count(counts: dict[int, int], us: int, times: int) -> None:
    place = bucket(us)
    counts[place] = counts.get(place, 0) + times
