"""Groups: cells put together and taken apart add up, to the unit."""

from __future__ import annotations

from random import Random
from typing import get_args

import msgspec
from tests.accounts.rows import by_chance, grouped, meant, spread, stretched, sums

from dragoman.accounts.groups import (
    Group,
    Places,
    Point,
    as_one,
    group,
    ordered,
    pointed,
    ranked,
    series,
    spread_over,
    summed,
    together,
    without,
)
from dragoman.accounts.groups import grouped as put
from dragoman.accounts.reports import Order
from dragoman.store.reports import Cell, Part, Spread, Sums

ROWS = meant(by_chance(Random(1), 80), Part())
HOURS = sorted(stretched(ROWS, "day"))


def cells(by: str = "key") -> list[Cell]:
    """Return the cells of some rows, by key and day."""
    return [
        Cell(at, name, sums(some), spread(some))
        for name, own in grouped(ROWS, by).items()
        for at, some in stretched(own, "day").items()
    ]


def test_cells_become_groups_and_groups_one() -> None:
    """Each group has its own rows, all together have all of them, point by point."""
    places = Places(HOURS, spread=True)
    groups = pointed(put(cells(), cells()), cells(), places)
    for one in groups:
        own = grouped(ROWS, "key")[one.name or ""]
        assert (one.sums, one.spread) == (sums(own), spread(own))
        assert [point.at for point in one.points] == HOURS
    whole = together(groups, places)
    assert (whole.sums, whole.spread, whole.name) == (sums(ROWS), spread(ROWS), None)
    by_day = stretched(ROWS, "day")
    assert whole.points == tuple(Point(at, sums(by_day[at]), spread(by_day[at])) for at in HOURS)


def test_many_are_folded_as_if_each_had_its_points() -> None:
    """With and without how durations are spread, what they were before among it; of none there is nothing."""
    for spread_ in (True, False):
        places = Places([*HOURS, HOURS[-1] + 1], spread_)
        some = [cell if spread_ else Cell(cell.at, cell.name, cell.sums) for cell in cells()]
        bare = [msgspec.structs.replace(one, before=one.sums) for one in put(some, cells())]
        assert len(bare) > 2
        assert all(one.points == () for one in bare)
        for few in (bare, bare[:1], bare[1:]):
            assert as_one(few, some, places) == together(pointed(few, some, places), places)
    assert as_one([], cells(), Places((10,), spread=False)) == together([], Places((10,), spread=False))


def test_what_is_left_is_the_others() -> None:
    """Without the cells of some, the total is that of the others, spreads and all."""
    total = [Cell(at, None, sums(some), spread(some)) for at, some in stretched(ROWS, "day").items()]
    named = [cell for cell in cells() if cell.name != "one"]
    left = {cell.at: cell for cell in without(total, named)}
    own = stretched(grouped(ROWS, "key")["one"], "day")
    for at, cell in left.items():
        some = own.get(at or 0, [])
        assert (cell.sums, cell.spread, cell.name) == (sums(some), spread(some), None)
    bare = without([Cell(None, None, Sums(requests=3))], [Cell(None, "x", Sums(requests=2))])
    assert bare == [Cell(None, None, Sums(requests=1))]


def test_there_is_a_point_for_each_stretch() -> None:
    """Where nothing was asked it is nothing; how durations are spread is told where that is asked for."""
    bare = group("x", [Cell(20, "x", Sums(requests=1))], [], Places((10, 20, 30), spread=False))
    assert bare.points == (Point(10, Sums()), Point(20, Sums(requests=1)), Point(30, Sums()))
    told = group("x", [], [], Places((10,), spread=True))
    assert (told.points, told.sums, told.spread) == ((Point(10, Sums(), Spread()),), Sums(), Spread())
    assert group("x", [], [], Places((), spread=True)).points == ()
    assert series([Cell(10, None, Sums(requests=2), Spread())], (10, 20)).points[1] == Point(
        20, Sums(), Spread()
    )


def test_nothing_together_is_nothing() -> None:
    """No sums, no spreads, no groups."""
    assert (summed([]), spread_over([]), spread_over([None])) == (Sums(), Spread(), Spread())
    assert together([], Places((10,), spread=False)) == Group(None, Sums(), Spread(), (Point(10, Sums()),))


def test_groups_are_told_by_what_is_most() -> None:
    """Of as much, by requests and then by name, so that an order is always the same."""
    named = {
        "a": Sums(requests=1, cost_micros=5),
        "b": Sums(requests=3, cost_micros=5),
        "c": Sums(requests=3, input=9, failed=2),
    }
    found = [Cell(None, name, one) for name, one in named.items()]
    for order, names in (("requests", "bca"), ("cost", "bac"), ("tokens", "cba"), ("errors", "cba")):
        assert order in get_args(Order)
        assert "".join(one.name or "" for one in ranked(found, order, 3)) == names  # type: ignore[arg-type]
    assert [one.name for one in ranked(found, "requests", 1)] == ["b"]
    assert ordered([], "cost") == ()
