"""Rows as columns and back: every field survives, and what SQLite cannot hold becomes what it can."""

from __future__ import annotations

import msgspec
import pytest

from dragoman.store.ledger import AttemptRow, ExchangeRow, Meters
from dragoman.store.sqlite.rows import (
    ATTEMPT,
    EXCHANGE,
    FIXED,
    FIXED_ATTEMPT,
    SETTLE_ATTEMPT,
    SETTLE_EXCHANGE,
    attempt_of,
    exchange_of,
    values_of,
)

METERS = Meters(input=1, cache_read=2, output=3, estimated=True, cost_micros=None)
ROW = ExchangeRow(
    id="e",
    request_id="r",
    owner="o",
    key="k",
    dialect="cohere",
    task="generate",
    model="m",
    stream=True,
    opened_at=1.5,
    losses=("dropped:seed", "approximated:top_k"),
    course=(("admit", 0.25), ("first", 120.5)),
    cached=True,
    team="t",
    user="u",
    meters=METERS,
)
TRIED = AttemptRow(
    exchange_id="e", number=2, provider="p", model="m", opened_at=2.5, price="free", meters=METERS
)


def test_a_row_is_the_same_when_it_comes_back() -> None:
    """With its meters, its truth values, its losses, and what nobody knows."""
    assert exchange_of(_stored(values_of(ROW))) == ROW
    assert attempt_of(_stored(values_of(TRIED))) == TRIED
    assert len(values_of(ROW)) == len(EXCHANGE)
    assert len(values_of(TRIED)) == len(ATTEMPT)


@pytest.mark.parametrize(("given", "kept"), [("\ud800 a", "? a"), ("é\x00", "é\x00"), ("plain", "plain")])
def test_text_that_is_none_is_not_lost(given: str, kept: str) -> None:
    """Half of a character becomes a question mark, in losses as well."""
    row = msgspec.structs.replace(ROW, message=given, losses=(given,))
    found = exchange_of(_stored(values_of(row)))
    assert (found.message, found.losses) == (kept, (kept,))


@pytest.mark.parametrize(
    ("sql", "columns", "fixed"),
    [(SETTLE_EXCHANGE.sql, EXCHANGE, FIXED), (SETTLE_ATTEMPT.sql, ATTEMPT, FIXED_ATTEMPT)],
    ids=["exchange", "attempt"],
)
def test_settling_changes_what_became_of_a_row(
    sql: str, columns: tuple[str, ...], fixed: frozenset[str]
) -> None:
    """Not what it was from the beginning, and nothing of one that has ended."""
    changes, _, only = sql.partition("do update set ")[2].partition(" where ")
    assert {change.partition(" = ")[0] for change in changes.split(", ")} == set(columns) - fixed
    assert only.endswith("state = 'reserved'")


def _stored(values: tuple[object, ...]) -> tuple[object, ...]:
    """Return values as SQLite gives them back: truth values are numbers."""
    return tuple(int(value) if isinstance(value, bool) else value for value in values)
