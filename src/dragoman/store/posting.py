"""Entries become sums: which sums one change of the ledger is part of, whichever database keeps them.

Pure. A store reads some entries, has them added up by the hour (:func:`hourly`), or by every span
(:func:`posted`), adds what comes out to its sums, and deletes the entries.

An entry is part of fourteen sums, each of twenty measures. So that they are not 280 additions, the measures
of an entry are one large number (:func:`_number`), 64 bits for each of them: fourteen additions at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import TypeVar

import msgspec

from dragoman.store.cover import BLOCK, DAY, HOUR
from dragoman.store.reports import DIMENSIONS, LONGEST_NAME, MEASURES, MOST, SIDES, Kind, Sides
from dragoman.store.spread import pair, together

SPANS = (HOUR, DAY, BLOCK)
"""The spans of sums, in seconds."""

MOST_TOGETHER = 9_000
"""Entries that are added up at once: so many of the most that counts are within 63 bits."""

MOST_LOSSES = 32
"""Different losses of one exchange that are counted by name; all of them are in its row."""

Names = tuple[str, ...]
"""A value for each of :data:`DIMENSIONS`; "" where the kind of sum does not tell it apart."""

NOWHERE: Names = ("",) * len(DIMENSIONS)
_PLACES = {name: place for place, name in enumerate(DIMENSIONS)}
_LATENCY, _LATENCIES = MEASURES.index("latency_us"), MEASURES.index("latencies")
_FIRST, _FIRSTS = MEASURES.index("first_event_us"), MEASURES.index("first_events")

_LANES = Struct(f"<{len(MEASURES)}q")
_LANE = 64
_SIGNS = sum(1 << _LANE * place + _LANE - 1 for place in range(len(MEASURES)))
"""The sign of each measure, where it is in the number of all."""


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


Hour = tuple[Kind, int, Names]
"""Which sum of an hour, or of a day where its kind has no hours: of which kind, from when on, of what."""

Place = TypeVar("Place", Hour, Slot)
Thing = TypeVar("Thing", Entry, Called)


class Post:
    """What is to be added to one sum.

    Attributes:
        number: Its measures (:func:`_number`).
        latencies: How long whole answers took, as pairs of :mod:`dragoman.store.spread`.
        first_events: How long it took to first events.
    """

    __slots__ = ("first_events", "latencies", "number")

    def __init__(self) -> None:
        self.number = 0
        self.latencies: list[int] = []
        self.first_events: list[int] = []

    @property
    def measures(self) -> tuple[int, ...]:
        """In the order of :data:`MEASURES`."""
        return _LANES.unpack(((self.number + _SIGNS) ^ _SIGNS).to_bytes(_LANES.size, "little"))

    def within(self, most: int) -> bool:
        """Say whether no measure is more than so much, or less than its opposite."""
        measures = self.measures
        return max(measures) <= most and min(measures) >= -most

    @property
    def latency(self) -> bytes:
        """How whole answers are spread."""
        return together(self.latencies)

    @property
    def first_event(self) -> bytes:
        """How first events are spread."""
        return together(self.first_events)

    def take(self, measures: Sequence[int]) -> None:
        """Add an entry's figures."""
        self.number += _number(measures)
        # Of several exchanges at once (what is left of deleted rows), nobody knows how long each took.
        if (times := measures[_LATENCIES]) in (1, -1):
            self.latencies.append(pair(abs(measures[_LATENCY]), times))
        if (times := measures[_FIRSTS]) in (1, -1):
            self.first_events.append(pair(abs(measures[_FIRST]), times))

    def add(self, other: Post) -> None:
        """Add what is to be added to another sum."""
        self.number += other.number
        self.latencies += other.latencies
        self.first_events += other.first_events


def posted(entries: Iterable[Entry], called: Iterable[Called] = ()) -> dict[Slot, Post]:
    """Return what entries, and calls of providers, add to which sums.

    Raises:
        ValueError: They are more than :data:`MOST_TOGETHER`.
    """
    found: dict[Slot, Post] = {}
    for (kind, at, names), post in hourly(entries, called).items():
        for span in spans_of(kind):
            _of(found, Slot(kind, span, at // span * span, names)).add(post)
    return found


def spans_of(kind: Kind) -> tuple[int, ...]:
    """Return the spans that sums of a kind have.

    Those of two sides have no hours: these would be most of them, and all combinations of an hour are few.
    """
    return SPANS[1:] if kind in SIDES else SPANS


def hourly(entries: Iterable[Entry], called: Iterable[Called] = ()) -> dict[Hour, Post]:
    """Return what entries, and calls of providers, add to which sums of an hour; of two sides, of a day.

    Raises:
        ValueError: They are more than :data:`MOST_TOGETHER`.
    """
    found: dict[Hour, Post] = {}
    words: dict[tuple[str, ...], list[str]] = {}
    for entry in _few(entries):
        at = entry.at // HOUR * HOUR
        _of(found, ("each", at, entry.names)).take(entry.measures)
        if losses := entry.losses:
            if losses not in words:
                words[losses] = _words(losses)
            for word in words[losses]:
                _of(found, _hour("loss", at, model=word)).number += 1 if entry.measures[0] >= 0 else -1
    combinations = [(at, names, post) for (kind, at, names), post in found.items() if kind == "each"]
    for place, kind in enumerate(DIMENSIONS):
        found |= _alone(kind, place, combinations)
    found |= _alone("all", None, combinations)
    for sides in SIDES:
        found |= _together(sides, combinations)
    for call in _few(called):
        _take(found, call)
    return found


def bounded(number: int) -> int:
    """Return a sum within what a column takes."""
    return max(-MOST, min(MOST, number))


def _few(things: Iterable[Thing]) -> Iterable[Thing]:
    """Return all, unless they are too many to be added up at once."""
    found = list(things)
    if len(found) > MOST_TOGETHER:
        raise ValueError(f"{len(found)} are too many to add up at once")
    return found


def _number(measures: Sequence[int]) -> int:
    """Return the sum of all measures, each shifted to a place of its own.

    Negative ones borrow from the next place, so that such numbers add up as their measures do. Where the sign
    of each is turned over they are all positive, and their bytes are those of the number.
    """
    return (int.from_bytes(_LANES.pack(*measures), "little") ^ _SIGNS) - _SIGNS


def _alone(
    kind: Kind, place: int | None, combinations: Iterable[tuple[int, Names, Post]]
) -> dict[Hour, Post]:
    """Return the sums of one dimension alone, or of all, from those of combinations."""
    found: dict[tuple[int, str], Post] = {}
    for at, names, post in combinations:
        which = at, "" if place is None else names[place]
        whole = found.get(which)
        if whole is None:
            whole = found[which] = Post()
        whole.number += post.number
        whole.latencies += post.latencies
        whole.first_events += post.first_events
    if place is None:
        return {(kind, at, NOWHERE): post for (at, _), post in found.items()}
    before, after = NOWHERE[:place], NOWHERE[place + 1 :]
    return {(kind, at, (*before, name, *after)): post for (at, name), post in found.items()}


def _together(sides: Sides, combinations: Iterable[tuple[int, Names, Post]]) -> dict[Hour, Post]:
    """Return the sums of a day that two sides have, from those of combinations."""
    found: dict[Hour, Post] = {}
    told = SIDES[sides]
    apart = [name in told for name in DIMENSIONS]
    for at, names, post in combinations:
        which = tuple(name if is_told else "" for name, is_told in zip(names, apart, strict=True))
        _of(found, (sides, at // DAY * DAY, which)).add(post)
    return found


def _take(hours: dict[Hour, Post], call: Called) -> None:
    hour = _hour(
        "attempt",
        call.at // HOUR * HOUR,
        provider=call.provider,
        model=call.model,
        state=call.state,
        failure=call.failure,
    )
    post = _of(hours, hour)
    post.number += 1
    if call.first_event_us is not None:
        post.number += (call.first_event_us << _LANE * _FIRST) + (1 << _LANE * _FIRSTS)
        post.first_events.append(pair(call.first_event_us, 1))


def _hour(kind: Kind, at: int, **names: str) -> Hour:
    """Return the sum of an hour by the dimensions it tells apart."""
    found = [*NOWHERE]
    for name, value in names.items():
        found[_PLACES[name]] = value[:LONGEST_NAME]  # type: ignore[index]  # only names of dimensions come here
    return kind, at, tuple(found)


def _words(losses: Sequence[str]) -> list[str]:
    """Return what was lost, each thing once, wherever in a list it stood."""
    words = dict.fromkeys(re.sub(r"\[\d+\]", "[]", loss[:400])[:LONGEST_NAME] for loss in losses[:1000])
    return list(words)[:MOST_LOSSES]


def _of(posts: dict[Place, Post], place: Place) -> Post:
    post = posts.get(place)
    if post is None:
        post = posts[place] = Post()
    return post
