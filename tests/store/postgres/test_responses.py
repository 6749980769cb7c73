"""Kept answers in PostgreSQL: what holds for them in SQLite."""

from __future__ import annotations

from tests.store.sqlite.test_responses import (
    test_a_chain_is_the_history_and_branches_do_not_mix,
    test_a_key_has_only_so_much_kept,
    test_a_status_leaves_the_making_once,
    test_a_sweep_goes_in_small_steps,
    test_an_answer_is_found_as_it_was_kept,
    test_an_answer_whose_predecessor_went_meanwhile_has_the_whole_history,
    test_an_id_is_given_once,
    test_another_keys_rows_are_not_there,
    test_items_go_with_their_answer,
    test_past_its_time_an_answer_is_gone_at_once_and_swept_later,
    test_who_only_waits_is_told_no_more_than_the_status,
)

__all__ = [
    "test_a_chain_is_the_history_and_branches_do_not_mix",
    "test_a_key_has_only_so_much_kept",
    "test_a_status_leaves_the_making_once",
    "test_a_sweep_goes_in_small_steps",
    "test_an_answer_is_found_as_it_was_kept",
    "test_an_answer_whose_predecessor_went_meanwhile_has_the_whole_history",
    "test_an_id_is_given_once",
    "test_another_keys_rows_are_not_there",
    "test_items_go_with_their_answer",
    "test_past_its_time_an_answer_is_gone_at_once_and_swept_later",
    "test_who_only_waits_is_told_no_more_than_the_status",
]
