"""The log of requests in PostgreSQL: what holds for it in SQLite."""

from __future__ import annotations

from tests.store.sqlite.test_requests import (
    test_a_closed_store_says_so,
    test_a_count_is_exact_where_the_sums_know,
    test_a_cursor_holds_while_rows_are_added,
    test_a_short_page_says_how_far_it_looked,
    test_pages_and_counts_are_those_of_a_naive_look_at_all_rows,
    test_rates_are_reckoned_from_what_has_ended,
    test_rows_are_made_beside_the_loop,
    test_the_largest_come_first,
    test_those_under_way_are_found_by_their_ids,
    test_what_came_lately_is_found_by_its_spot,
    test_what_is_no_cursor_is_refused,
    test_what_is_under_way_is_counted_however_much_it_is,
    test_what_is_under_way_is_told_with_its_attempts,
    test_what_the_sums_rule_out_is_not_looked_through,
)

__all__ = [
    "test_a_closed_store_says_so",
    "test_a_count_is_exact_where_the_sums_know",
    "test_a_cursor_holds_while_rows_are_added",
    "test_a_short_page_says_how_far_it_looked",
    "test_pages_and_counts_are_those_of_a_naive_look_at_all_rows",
    "test_rates_are_reckoned_from_what_has_ended",
    "test_rows_are_made_beside_the_loop",
    "test_the_largest_come_first",
    "test_those_under_way_are_found_by_their_ids",
    "test_what_came_lately_is_found_by_its_spot",
    "test_what_is_no_cursor_is_refused",
    "test_what_is_under_way_is_counted_however_much_it_is",
    "test_what_is_under_way_is_told_with_its_attempts",
    "test_what_the_sums_rule_out_is_not_looked_through",
]
