"""Recorded answers in PostgreSQL: what holds for them in SQLite."""

from __future__ import annotations

from tests.store.sqlite.test_recordings import (
    test_a_lowered_bound_is_reached_in_steps,
    test_a_recording_survives_a_restart,
    test_a_scope_has_its_youngest_vectors,
    test_a_tenant_is_forgotten_alone_and_in_steps,
    test_many_writers_at_once_lose_nothing,
    test_only_the_recording_that_was_meant_is_deleted,
    test_the_first_to_expire_make_room,
    test_the_sweep_takes_what_is_past_its_time,
    test_the_total_is_right_through_every_change,
    test_two_processes_share_the_recordings,
    test_what_is_larger_than_the_bound_is_not_there,
)

__all__ = [
    "test_a_lowered_bound_is_reached_in_steps",
    "test_a_recording_survives_a_restart",
    "test_a_scope_has_its_youngest_vectors",
    "test_a_tenant_is_forgotten_alone_and_in_steps",
    "test_many_writers_at_once_lose_nothing",
    "test_only_the_recording_that_was_meant_is_deleted",
    "test_the_first_to_expire_make_room",
    "test_the_sweep_takes_what_is_past_its_time",
    "test_the_total_is_right_through_every_change",
    "test_two_processes_share_the_recordings",
    "test_what_is_larger_than_the_bound_is_not_there",
]
