"""The audit log in PostgreSQL: what holds for them in SQLite."""

from __future__ import annotations

from tests.store.sqlite.test_audit import (
    test_entries_of_one_subject,
    test_the_newest_come_first_and_in_pages,
)

__all__ = [
    "test_entries_of_one_subject",
    "test_the_newest_come_first_and_in_pages",
]
