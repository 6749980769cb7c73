"""Where to look: what the sums rule out, whatever database has the rows (which tests/store/sqlite asks)."""

from __future__ import annotations

import pytest

from dragoman.store.looking import bound
from dragoman.store.reports import Sums
from dragoman.store.requests import Filters

SUMS = Sums(requests=10, cached=3, lossy=4, unknown_cost=6, streamed=10, cost_micros=500)


@pytest.mark.parametrize(
    ("filters", "most"),
    [
        (Filters(), 10),
        (Filters(cached=True), 3),
        (Filters(cached=False), 7),
        (Filters(lossy=True, cached=True), 3),
        (Filters(priced=False), 6),
        (Filters(priced=True), 4),
        (Filters(stream=False), 0),
        (Filters(min_cost_micros=500), 10),
        (Filters(min_cost_micros=501), 0),
        (Filters(asked="anything"), 10),
    ],
)
def test_a_sum_bounds_what_its_rows_may_be(filters: Filters, most: int) -> None:
    """No more rows meet the conditions than the measures say; of what they do not know, all may."""
    assert bound(filters, SUMS) == most
