"""Weighing wants: the arithmetic that all counters share."""

from __future__ import annotations

import pytest

from dragoman.store.counters import Slot, Stand, Want, weigh


@pytest.mark.parametrize(
    ("units", "share_ns", "cost_ns"),
    [(0, 7, 0), (3, 7, 21), (1, 0.6, 1), (3, 0.6, 2), (-3, 0.6, -2), (-1, 7, -7), (10**12, 0.06, 6 * 10**10)],
)
def test_what_units_cost(units: int, share_ns: float, cost_ns: int) -> None:
    """Whole nanoseconds, rounded up; what is given back is what the same units would have cost."""
    assert Want("a", units, share_ns, 100).cost_ns == cost_ns


def test_what_is_granted_is_in_what_is_told() -> None:
    """Levels and places are told as they are once all is taken."""
    stands = weigh(
        [Want("a", 2, 10, 100), Want("b", 0, 10, 100)],
        [Slot("inside", 2)],
        used_ns={"a": 80, "b": 500},
        inside={"inside": (1, False)},
    )
    assert stands == [Stand(100), Stand(500), Stand(2)]


def test_what_is_refused_changes_nothing() -> None:
    """One that does not fit, a level or a place, leaves all as they were; each says its own wait."""
    wants = [Want("a", 3, 10, 100), Want("b", 1, 10, 100)]
    stands = weigh(wants, [Slot("inside", 1)], used_ns={"a": 80}, inside={"inside": (1, False)})
    assert stands == [Stand(80, 10), Stand(0), Stand(1, 1)]


def test_who_is_inside_stays_though_it_is_full() -> None:
    """It is counted once, also where there would be no room for it any more."""
    assert weigh([], [Slot("inside", 1)], used_ns={}, inside={"inside": (3, True)}) == [Stand(3)]
