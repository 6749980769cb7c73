"""``dragoman users``: made, changed, listed and removed, under that name and no other."""

from __future__ import annotations

from tests.cli.test_teams import Run, live, run

__all__ = ["run"]


def test_users_have_a_life(run: Run) -> None:
    """Each step is in the list and in the log."""
    live(run, "user", "team")
