"""Groups: cells of a report put together, by group and stretch by stretch.

    cells  --grouped-->  groups  --pointed-->  those that are told  --together-->  one group, which is these
                                 --as_one--->  the rest

A group that is told has a point for each stretch of its report, also where nothing was asked. The others may
be thousands, so these never have points of their own. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from heapq import nsmallest
from operator import attrgetter
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from dragoman.accounts.reports import Order
from dragoman.store.reports import Cell, Spread, Sums
from dragoman.store.spread import added

_FIGURES: Mapping[Order, Callable[[Sums], int]] = MappingProxyType(
    {
        "requests": attrgetter("requests"),
        "cost": attrgetter("cost_micros"),
        "tokens": attrgetter("tokens"),
        "errors": attrgetter("failed"),
    }
)
"""The figure that each order is by."""


class Point(msgspec.Struct, frozen=True):
    """The sums of one stretch.

    Attributes:
        at: The Unix second it begins at.
        spread: How its durations are spread; None: that was not asked for.
    """

    at: int
    sums: Sums
    spread: Spread | None = None


class Group(msgspec.Struct, frozen=True):
    """The sums of one group, of all, or of the rest.

    Attributes:
        name: What its exchanges have in common; "": that they have no such thing; None: nothing.
        spread: How their durations are spread.
        points: Stretch by stretch, without gaps; none where that was not asked for.
        before: The same in the time before; None: that was not asked for.
    """

    name: str | None
    sums: Sums
    spread: Spread | None = None
    points: tuple[Point, ...] = ()
    before: Sums | None = None


class Places(NamedTuple):
    """When the stretches of a report begin, and whether it is told how durations are spread in each."""

    starts: Sequence[int]
    spread: bool


def summed(many: Iterable[Sums]) -> Sums:
    """Return several sums together."""
    rows = [msgspec.structs.astuple(one) for one in many]
    if len(rows) < 2:
        return Sums(*rows[0]) if rows else Sums()
    return Sums(*map(sum, zip(*rows, strict=True)))


def spread_over(many: Iterable[Spread | None]) -> Spread:
    """Return several spreads together."""
    told = [one for one in many if one is not None]
    if len(told) == 1:
        return told[0]
    return Spread(added(*(one.latency for one in told)), added(*(one.first_event for one in told)))


def grouped(cells: Iterable[Cell], wholes: Iterable[Cell]) -> list[Group]:
    """Return the group of each name in `cells`, without points; how its durations are spread `wholes` say."""
    spreads = _by_name(wholes)
    return [
        Group(
            name,
            summed(cell.sums for cell in own),
            spread_over(cell.spread for cell in spreads.get(name, ())),
        )
        for name, own in _by_name(cells).items()
    ]


def pointed(groups: Iterable[Group], cells: Iterable[Cell], places: Places) -> list[Group]:
    """Return groups with their points, which are read off the cells of all groups."""
    own = _by_name(cells)
    return [msgspec.structs.replace(one, points=_points(own.get(one.name, ()), places)) for one in groups]


def as_one(groups: Sequence[Group], cells: Iterable[Cell], places: Places) -> Group:
    """Return groups that have no points as one that has them, read off the cells of all groups."""
    names = {one.name for one in groups}
    stretches: dict[int | None, list[Cell]] = {}
    for cell in cells:
        if cell.name in names:
            stretches.setdefault(cell.at, []).append(cell)
    whole = [
        Cell(
            at,
            None,
            summed(cell.sums for cell in some),
            spread_over(cell.spread for cell in some) if places.spread else None,
        )
        for at, some in stretches.items()
    ]
    one = together(groups, Places((), places.spread))
    return msgspec.structs.replace(one, points=_points(whole, places))


def group(name: str | None, cells: Collection[Cell], wholes: Iterable[Cell], places: Places) -> Group:
    """Return cells of one group, of different stretches, as this group."""
    spread = spread_over(cell.spread for cell in wholes)
    return Group(name, summed(cell.sums for cell in cells), spread, _points(cells, places))


def series(cells: Sequence[Cell], starts: Sequence[int]) -> Group:
    """Return sums of no groups, stretch by stretch, and all of them together."""
    told = any(cell.spread is not None for cell in cells)
    return group(None, cells, cells, Places(starts, told))


def together(groups: Sequence[Group], places: Places) -> Group:
    """Return several groups as one."""
    if len(groups) == 1:
        return msgspec.structs.replace(groups[0], name=None)
    points = [
        _point(at, [one.points[place] for one in groups], places) for place, at in enumerate(places.starts)
    ]
    befores = [one.before for one in groups if one.before is not None]
    return Group(
        None,
        summed(one.sums for one in groups),
        spread_over(one.spread for one in groups),
        tuple(points),
        summed(befores) if befores else None,
    )


def without(cells: Iterable[Cell], named: Iterable[Cell]) -> list[Cell]:
    """Return what cells have beyond what the `named` of the same stretches have."""
    taken: dict[int | None, list[Cell]] = {}
    for cell in named:
        taken.setdefault(cell.at, []).append(cell)
    return [_less(cell, taken.get(cell.at, ())) for cell in cells]


def ordered(groups: Iterable[Group], order: Order) -> tuple[Group, ...]:
    """Return groups, the most first."""
    return tuple(sorted(groups, key=_place(order)))


def ranked(cells: Iterable[Cell], order: Order, most: int) -> tuple[Group, ...]:
    """Return the groups of sums that were asked for in no stretches, the most first, `most` at most."""
    first = nsmallest(most, cells, key=_place(order))
    return tuple(Group(cell.name, cell.sums, cell.spread) for cell in first)


def _place(order: Order) -> Callable[[Group | Cell], tuple[int, int, str]]:
    """Return what sorts by an order, the most first; of as much, by requests and then by name."""
    figure = _FIGURES[order]
    return lambda one: (-figure(one.sums), -one.sums.requests, one.name or "")


def _by_name(cells: Iterable[Cell]) -> dict[str | None, list[Cell]]:
    found: dict[str | None, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.name, []).append(cell)
    return found


def _points(cells: Iterable[Cell], places: Places) -> tuple[Point, ...]:
    """Return the points of cells of different stretches, without gaps."""
    there = {cell.at: cell for cell in cells}
    empty = Point(0, Sums(), Spread() if places.spread else None)
    return tuple(
        Point(at, there[at].sums, there[at].spread) if at in there else msgspec.structs.replace(empty, at=at)
        for at in places.starts
    )


def _point(at: int, points: Sequence[Point], places: Places) -> Point:
    sums = summed(point.sums for point in points)
    return Point(at, sums, spread_over(point.spread for point in points) if places.spread else None)


def _less(cell: Cell, taken: Sequence[Cell]) -> Cell:
    own = zip(
        msgspec.structs.astuple(cell.sums),
        msgspec.structs.astuple(summed(one.sums for one in taken)),
        strict=True,
    )
    spread = cell.spread
    if spread is not None:
        less = spread_over(one.spread for one in taken)
        spread = Spread(
            added(spread.latency, {place: -count for place, count in less.latency.items()}),
            added(spread.first_event, {place: -count for place, count in less.first_event.items()}),
        )
    return Cell(cell.at, None, Sums(*(one - other for one, other in own)), spread)
