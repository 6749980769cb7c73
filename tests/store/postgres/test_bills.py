"""The bill's side of the ledger in PostgreSQL: what holds for it in SQLite."""

from __future__ import annotations

from tests.store.sqlite.test_bills import (
    test_a_call_is_of_the_day_it_began,
    test_every_call_is_on_the_bill,
    test_what_is_under_way_or_only_counted_is_on_no_bill,
)

__all__ = [
    "test_a_call_is_of_the_day_it_began",
    "test_every_call_is_on_the_bill",
    "test_what_is_under_way_or_only_counted_is_on_no_bill",
]
