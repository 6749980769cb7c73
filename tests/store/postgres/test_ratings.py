"""Ratings in PostgreSQL: what holds for them in SQLite."""

from __future__ import annotations

from tests.store.sqlite.test_ratings import (
    test_a_second_rating_replaces_the_first,
    test_an_exchange_is_found_by_either_id,
    test_stars_and_the_newest_are_the_ratings,
    test_the_store_takes_no_rating_that_is_none,
)

__all__ = [
    "test_a_second_rating_replaces_the_first",
    "test_an_exchange_is_found_by_either_id",
    "test_stars_and_the_newest_are_the_ratings",
    "test_the_store_takes_no_rating_that_is_none",
]
