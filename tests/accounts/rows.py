"""Rows by chance, and what reports of them must say, reckoned one by one and not in SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any, get_args

from tests.store.sums import counted

from dragoman.store import AttemptRow, ExchangeRow, Meters, State, Store
from dragoman.store.cover import beginning
from dragoman.store.reports import Interval, Part, Spread, Sums
from dragoman.store.spread import bucket
from dragoman.store.sqlite import SqliteStore

NOW = 1_795_275_000.5
"""2026-11-21T15:30:00.5Z, a Saturday."""

DAY = 86_400
LOSSES = ("dropped:seed", "approximated:messages[2].parts[0]", "clamped:temperature")


def play(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run `scene` on a store in `folder`."""

    async def run() -> None:
        db = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(db)
        finally:
            await db.close()

    asyncio.run(run())


def exchange(name: str, at: float = NOW - 60, **more: Any) -> ExchangeRow:
    """Return an exchange that has ended well, unless said otherwise."""
    fields: dict[str, Any] = {
        "request_id": name,
        "owner": "me",
        "key": "one",
        "dialect": "openai_chat",
        "task": "generate",
        "model": "m",
        "stream": False,
        "provider": "p",
        "answered_model": "m",
        "state": "settled",
        "meters": Meters(input=7, output=3, cost_micros=20),
    }
    return ExchangeRow(id=name, opened_at=at, **(fields | more))


def attempt(row: ExchangeRow, number: int = 1, **more: Any) -> AttemptRow:
    """Return a call of an exchange's provider, which ended as it did."""
    fields: dict[str, Any] = {
        "provider": row.provider or "",
        "model": row.answered_model or row.model,
        "opened_at": row.opened_at,
        "state": row.state,
        "failure": row.failure,
        "first_event_ms": row.first_event_ms,
    }
    return AttemptRow(exchange_id=row.id, number=number, **(fields | more))


def by_chance(chance: Random, count: int, *, until: float = NOW, back: float = 70 * DAY) -> list[ExchangeRow]:
    """Return exchanges of some keys, teams, models, providers, routes, states, failures and dialects."""
    found = []
    for place in range(count):
        state = chance.choice(get_args(State)[1:])
        refused = chance.random() < 0.1
        cost = chance.choice((None, 0, chance.randrange(10**6)))
        model = chance.choice(("m", "n", "=cmd|x", "o, p"))
        found.append(
            exchange(
                f"x{place}",
                until - chance.choice((chance.uniform(0, DAY), chance.uniform(0, back))),
                key=chance.choice(("one", "two", "three")),
                team=chance.choice(("", "red", "blue")),
                user=chance.choice(("", "ann")),
                dialect=chance.choice(("openai_chat", "anthropic")),
                task=chance.choice(("generate", "generate", "embed", "count")),
                model=model,
                stream=chance.random() < 0.5,
                state="failed" if refused else state,
                provider=None if refused else chance.choice(("p", "q")),
                answered_model=None if refused else chance.choice((model, "m", None)),
                route=chance.choice(("", "fast")),
                failure=chance.choice(("rate_limited", "timeout")) if state == "failed" or refused else None,
                attempts=0 if refused else chance.randrange(1, 4),
                losses=tuple(chance.sample(LOSSES, chance.choice((0, 0, 1, 2)))),
                first_event_ms=chance.choice((None, chance.random() * 900)),
                latency_ms=chance.choice((None, chance.random() * 9000)),
                cached=chance.random() < 0.2,
                fallback=chance.random() < 0.2,
                saved_micros=chance.choice((0, None, chance.randrange(1000))),
                meters=Meters(
                    input=chance.randrange(1000),
                    cache_read=chance.randrange(100),
                    output=chance.randrange(500),
                    reasoning=chance.randrange(50),
                    estimated=chance.random() < 0.3,
                    cost_micros=cost,
                ),
            )
        )
    return found


def value(row: ExchangeRow, name: str) -> str:
    """Return what an exchange has of a dimension."""
    match name:
        case "model":
            return (row.answered_model or row.model) if row.provider is not None else ""
        case "provider" | "failure":
            return getattr(row, name) or ""
    found: str = getattr(row, name)
    return found


def meant(rows: Iterable[ExchangeRow], part: Part) -> list[ExchangeRow]:
    """Return the rows a part of the ledger has."""
    return [
        row
        for row in rows
        if row.task != "count"
        and (part.since is None or row.opened_at >= part.since)
        and (part.until is None or row.opened_at < part.until)
        and all(value(row, name) == wanted for name, wanted in part.wanted.items())
    ]


def sums(rows: Iterable[ExchangeRow]) -> Sums:
    """Return the sums over rows."""
    return sum((counted(row) for row in rows), Sums())


def spread(rows: Iterable[ExchangeRow]) -> Spread:
    """Return how the durations of rows are spread."""
    whole = [row for row in rows if row.state == "settled" and not row.cached]
    return Spread(
        _counts(row.latency_ms for row in whole),
        _counts(row.first_event_ms for row in whole),
    )


def grouped(rows: Iterable[ExchangeRow], by: str) -> dict[str, list[ExchangeRow]]:
    """Return rows by what they have of a dimension."""
    found: dict[str, list[ExchangeRow]] = {}
    for row in rows:
        found.setdefault(value(row, by), []).append(row)
    return found


def stretched(rows: Iterable[ExchangeRow], every: Interval) -> dict[int, list[ExchangeRow]]:
    """Return rows by the stretch they began in."""
    found: dict[int, list[ExchangeRow]] = {}
    for row in rows:
        found.setdefault(beginning(int(row.opened_at), every), []).append(row)
    return found


async def book(db: Store, rows: Iterable[ExchangeRow]) -> None:
    """Settle exchanges, each with one call of its provider, if it had one."""
    for row in rows:
        await db.settle(row, [attempt(row)] if row.provider else [])


def _counts(durations: Iterable[float | None]) -> dict[int, int]:
    found: dict[int, int] = {}
    for ms in durations:
        if ms is not None:
            place = bucket(round(ms * 1000))
            found[place] = found.get(place, 0) + 1
    return found
