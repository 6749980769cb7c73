"""Sessions in PostgreSQL: what holds for them in SQLite."""

from __future__ import annotations

from tests.store.sqlite.test_sessions import (
    test_a_session_s_life,
)

__all__ = [
    "test_a_session_s_life",
]
