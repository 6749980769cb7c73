"""Rows for a house's ledger, as the line would have booked them, so that a page has something to show."""

from __future__ import annotations

from typing import Any

import msgspec
from tests.house import House

from dragoman.store import AttemptRow, ExchangeRow, Meters


def exchange(number: int, at: float, **more: Any) -> ExchangeRow:
    """Return an answered exchange that began at `at`; `more`: its fields."""
    fields: dict[str, Any] = {
        "owner": "a test",
        "key": "alpha",
        "dialect": "openai_chat",
        "model": "m-1",
        "answered_model": "m-1",
        "provider": "openai",
        "stream": True,
        "state": "settled",
        "attempts": 1,
        "latency_ms": 900.0,
        "first_event_ms": 100.0,
        "meters": Meters(input=100, cache_read=20, output=50, cost_micros=1000),
        **more,
    }
    id_ = f"req_{number:024x}"
    return ExchangeRow(id=id_, request_id=id_, task="generate", opened_at=at, settled_at=at + 1, **fields)


def attempt(row: ExchangeRow) -> AttemptRow:
    """Return the attempt an exchange's answer, or its failure, is of."""
    return AttemptRow(
        exchange_id=row.id,
        number=1,
        provider=row.provider or "",
        model=row.answered_model or row.model,
        opened_at=row.opened_at,
        state=row.state,
        settled_at=row.settled_at,
        failure=row.failure,
        first_event_ms=row.first_event_ms,
        meters=msgspec.structs.replace(row.meters),
    )


async def book(gate: House, *rows: ExchangeRow) -> None:
    """Put exchanges into a house's ledger, each with its attempt, if anybody was asked."""
    for row in rows:
        await gate.gateway.store.settle(row, [attempt(row)] if row.provider else [])


async def begin(gate: House, number: int, at: float, **more: Any) -> ExchangeRow:
    """Put an exchange into a house's ledger that another process has under way; return its row."""
    asked = msgspec.structs.replace(exchange(number, at, state="reserved", **more), settled_at=None)
    row = msgspec.structs.replace(asked, provider=None, answered_model=None, latency_ms=None, meters=Meters())
    await gate.gateway.store.open_exchange(row, attempt(asked))
    return row
