"""Old rows in PostgreSQL: what holds for them in SQLite."""

from __future__ import annotations

from tests.store.sqlite.test_archive import (
    test_a_report_begins_where_the_sums_do,
    test_deleted_rows_stay_counted,
    test_old_audit_entries_go_a_few_at_a_time,
    test_old_words_of_ratings_go_and_the_ratings_stay,
    test_one_deletes_at_a_time,
    test_what_has_ended_is_read_in_order,
)

__all__ = [
    "test_a_report_begins_where_the_sums_do",
    "test_deleted_rows_stay_counted",
    "test_old_audit_entries_go_a_few_at_a_time",
    "test_old_words_of_ratings_go_and_the_ratings_stay",
    "test_one_deletes_at_a_time",
    "test_what_has_ended_is_read_in_order",
]
