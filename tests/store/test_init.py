"""Sums: added counter by counter, and what follows from them."""

from __future__ import annotations

import msgspec

from dragoman.store import Sums


def test_sums_are_added_counter_by_counter() -> None:
    """Each counter of both, none in another's place; nothing added changes nothing."""
    names = Sums.__struct_fields__
    one = Sums(**{name: 2**place for place, name in enumerate(names)})
    more = Sums(**{name: 1000 * 3**place for place, name in enumerate(names)})
    assert msgspec.structs.asdict(one + more) == {
        name: 2**place + 1000 * 3**place for place, name in enumerate(names)
    }
    assert one + Sums() == one


def test_means_and_costs_are_of_what_is_known() -> None:
    """A mean of nothing and a cost nobody knows are None; a cost known in part is that part."""
    assert (Sums().latency_ms, Sums().first_event_ms, Sums().cost) == (None, None, 0)
    assert Sums(requests=2, unknown_cost=2).cost is None
    assert Sums(requests=2, unknown_cost=1, cached=1).cost is None
    assert Sums(requests=2, unknown_cost=1, cost_micros=5).cost == 5
    assert Sums(latency_us=3000, latencies=2, first_event_us=500, first_events=1).latency_ms == 1.5
    assert Sums(first_event_us=500, first_events=1).first_event_ms == 0.5
    assert Sums(input=1, output=2).tokens == 3
