"""Reports explored in PostgreSQL: what holds for them in SQLite, the overview and ratings too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.accounts import rows
from tests.accounts.test_explored import (
    test_every_figure_is_the_rows_own,
    test_losses_are_told_by_word,
    test_nothing_at_all_is_told_as_nothing,
    test_the_time_before_is_as_long,
)
from tests.accounts.test_overview import (
    test_a_provider_that_was_stood_in_for_is_seen_failing,
    test_every_number_is_the_rows_own,
)
from tests.accounts.test_rated import test_worth_is_reckoned_from_rows
from tests.servers import PostgresServer
from tests.store.postgres.conftest import Databases

__all__ = [
    "test_a_provider_that_was_stood_in_for_is_seen_failing",
    "test_every_figure_is_the_rows_own",
    "test_every_number_is_the_rows_own",
    "test_losses_are_told_by_word",
    "test_nothing_at_all_is_told_as_nothing",
    "test_the_time_before_is_as_long",
    "test_worth_is_reckoned_from_rows",
]


@pytest.fixture(autouse=True)
def _over_postgres(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the tests open PostgreSQL."""
    databases = Databases(server)
    monkeypatch.setattr(rows, "SqliteStore", databases)
    yield
    for url in databases.urls.values():
        server.drop(url)
