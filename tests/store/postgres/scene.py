"""Rows for tests of the PostgreSQL store, and a store to write them to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from dragoman.store import AttemptRow, ExchangeRow
from dragoman.store.budgets import Claim, Share
from dragoman.store.postgres import PostgresStore
from dragoman.store.spec import StoreSpec


def exchange(name: str = "x", **more: Any) -> ExchangeRow:
    """Return an exchange as it opens."""
    fields: dict[str, Any] = {
        "request_id": f"req-{name}",
        "owner": "me",
        "key": "key-1",
        "dialect": "openai_chat",
        "task": "generate",
        "model": "m",
        "stream": True,
        "opened_at": 1000.25,
    }
    return ExchangeRow(id=name, **(fields | more))


def attempt(name: str = "x", number: int = 1, **more: Any) -> AttemptRow:
    """Return an attempt as it opens."""
    fields: dict[str, Any] = {"provider": "p", "model": "m", "opened_at": 1000.5, **more}
    return AttemptRow(exchange_id=name, number=number, **fields)


def claim(micros: int, cap: int | None, *budgets: str) -> Claim:
    """Return a claim on windows of some budgets that everybody shares."""
    return Claim(micros, tuple(Share(name, "all", "", 0, cap) for name in budgets or ("b",)))


def play(url: str, scene: Callable[[PostgresStore], Awaitable[None]], **settings: Any) -> None:
    """Run `scene` on a store at `url`."""

    async def run() -> None:
        store = await PostgresStore.open(StoreSpec(url=url, **settings))
        try:
            await scene(store)
        finally:
            await store.close()

    asyncio.run(run())
