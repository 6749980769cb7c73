"""Budgets for each in PostgreSQL: what holds for them in SQLite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.accounts import rows
from tests.accounts.test_budgeted import (
    test_a_thousand_are_read_at_once,
    test_each_stands_as_its_rows_say,
    test_others_are_not_told_to_whom_asks_for_one,
    test_the_ledger_is_asked_about_models_without_a_window,
    test_who_has_asked_for_nothing_is_told,
)
from tests.servers import PostgresServer
from tests.store.postgres.conftest import Databases

__all__ = [
    "test_a_thousand_are_read_at_once",
    "test_each_stands_as_its_rows_say",
    "test_others_are_not_told_to_whom_asks_for_one",
    "test_the_ledger_is_asked_about_models_without_a_window",
    "test_who_has_asked_for_nothing_is_told",
]


@pytest.fixture(autouse=True)
def _over_postgres(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the tests open PostgreSQL."""
    databases = Databases(server)
    monkeypatch.setattr(rows, "SqliteStore", databases)
    yield
    for url in databases.urls.values():
        server.drop(url)
