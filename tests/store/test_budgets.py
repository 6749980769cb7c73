"""Which part of the ledger a window counts."""

from __future__ import annotations

import pytest

from dragoman.store.budgets import part_of
from dragoman.store.reports import Part


@pytest.mark.parametrize(
    ("scope", "part"),
    [
        ("all", Part(7)),
        ("key", Part(7, key="red")),
        ("team", Part(7, team="red")),
        ("user", Part(7, user="red")),
    ],
)
def test_a_window_counts_what_its_subject_has_asked(scope: str, part: Part) -> None:
    """Of all, or of one key, team or user; since it began, and without an end."""
    assert part_of(scope, "red", 7) == part  # type: ignore[arg-type]  # one of the scopes above
