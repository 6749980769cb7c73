"""Keys in PostgreSQL: what holds for them in SQLite."""

from __future__ import annotations

from tests.store.sqlite.test_keys import (
    test_a_group_in_use_stays,
    test_a_key_is_kept_as_it_is,
    test_a_name_is_used_once,
    test_a_revocation_is_never_undone,
    test_every_change_moves_the_version,
    test_one_key_is_read_without_the_others,
    test_rotation_ends_the_old_secrets,
    test_what_is_not_there_is_not_changed,
)

__all__ = [
    "test_a_group_in_use_stays",
    "test_a_key_is_kept_as_it_is",
    "test_a_name_is_used_once",
    "test_a_revocation_is_never_undone",
    "test_every_change_moves_the_version",
    "test_one_key_is_read_without_the_others",
    "test_rotation_ends_the_old_secrets",
    "test_what_is_not_there_is_not_changed",
]
