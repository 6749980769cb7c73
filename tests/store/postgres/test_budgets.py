"""Budgets in PostgreSQL: what holds for them in SQLite."""

from __future__ import annotations

from tests.store.sqlite.test_budgets import (
    test_a_budget_counts_what_ran_before_it_was_made,
    test_a_budget_removed_and_made_again_is_right_at_once,
    test_a_claim_is_held_while_its_request_is_open_and_spent_when_it_ends,
    test_a_claim_on_a_store_that_is_closed_is_the_stores_failure,
    test_a_claim_that_may_not_grow_stays_as_it_was,
    test_a_dead_process_is_booked_at_what_it_held,
    test_a_refused_claim_leaves_no_row_and_holds_nothing_anywhere,
    test_a_window_begins_with_what_the_ledger_says,
    test_an_alert_is_told_once,
    test_another_calendar_counts_anew_and_another_cap_does_not,
    test_others_of_a_group_do_not_notice_a_refusal,
    test_what_has_ended_holds_nothing,
)

__all__ = [
    "test_a_budget_counts_what_ran_before_it_was_made",
    "test_a_budget_removed_and_made_again_is_right_at_once",
    "test_a_claim_is_held_while_its_request_is_open_and_spent_when_it_ends",
    "test_a_claim_on_a_store_that_is_closed_is_the_stores_failure",
    "test_a_claim_that_may_not_grow_stays_as_it_was",
    "test_a_dead_process_is_booked_at_what_it_held",
    "test_a_refused_claim_leaves_no_row_and_holds_nothing_anywhere",
    "test_a_window_begins_with_what_the_ledger_says",
    "test_an_alert_is_told_once",
    "test_another_calendar_counts_anew_and_another_cap_does_not",
    "test_others_of_a_group_do_not_notice_a_refusal",
    "test_what_has_ended_holds_nothing",
]
