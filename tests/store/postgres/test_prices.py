"""Prices in PostgreSQL: what holds for them in SQLite."""

from __future__ import annotations

from tests.store.sqlite.test_prices import (
    test_a_closed_store_says_so,
    test_a_new_price_makes_the_directory_a_new_one,
    test_a_price_is_kept_with_who_set_it,
    test_an_unknown_cost_makes_the_exchange_unknown,
    test_what_is_open_is_not_priced,
    test_what_was_used_is_read_in_steps_and_in_order,
)

__all__ = [
    "test_a_closed_store_says_so",
    "test_a_new_price_makes_the_directory_a_new_one",
    "test_a_price_is_kept_with_who_set_it",
    "test_an_unknown_cost_makes_the_exchange_unknown",
    "test_what_is_open_is_not_priced",
    "test_what_was_used_is_read_in_steps_and_in_order",
]
