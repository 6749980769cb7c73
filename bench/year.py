"""A year of traffic that never was, booked into a ledger: what benchmarks of reports and pages read.

20 models and 50 keys, some far busier than others, with failures, cancellations, recordings, fallbacks and
losses, in teams, by users, in five protocols; the same every time. Every row is booked by the product's own
statements, so that its triggers write the entries, and all entries are posted.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from dragoman.store import RatingRow
from dragoman.store.opening import FILE, open_store
from dragoman.store.postgres import rows as postgres
from dragoman.store.postgres.database import connect
from dragoman.store.spec import StoreSpec
from dragoman.store.sqlite.database import open_database
from dragoman.store.sqlite.rows import ATTEMPT, EXCHANGE

MODELS, KEYS, PROVIDERS = 20, 50, 5
TEAMS, USERS = 8, 25
YEAR_S = 365 * 86_400
BATCH = 5000
RATED = 400
"""Exchanges, the newest, of which those that were answered are rated."""

PATIENCE_S = 120.0
"""Seconds PostgreSQL has for a batch."""

DIALECTS = ("openai_chat", "openai_responses", "anthropic", "gemini", "prompt")
FAILURES = ("rate_limited", "overloaded", "timeout", "upstream")
LOSSES = ("dropped:seed", "dropped:$.tools[0].strict", "approximated:top_k")

OUTCOMES = ("settled", "failed", "cancelled", "cached", "fallback", "refused", "counted")
SHARES = (87, 4, 2, 3, 2, 1, 1)

Row = tuple[Any, ...]
Booked = list[tuple[Row, list[Row]]]


def traffic(rows: int, until: float) -> Iterator[tuple[Row, list[Row]]]:
    """Yield a year's exchanges in order, each with its attempts; the same ones every time."""
    chance = random.Random(5)  # noqa: S311  figures, no secrets
    keys, models = ([1 / place for place in range(1, most + 1)] for most in (KEYS, MODELS))
    for place in range(rows):
        (outcome,) = chance.choices(OUTCOMES, SHARES)
        (key,), (model,) = chance.choices(range(1, KEYS + 1), keys), chance.choices(range(MODELS), models)
        opened_at = until - YEAR_S + YEAR_S * (place + chance.random()) / rows
        name = f"req_{place:024x}"
        yield exchange(name, key, model, opened_at=opened_at, outcome=outcome, chance=chance)


def exchange(
    name: str, key: int, model: int, *, opened_at: float, outcome: str, chance: random.Random
) -> tuple[Row, list[Row]]:
    """Return one exchange's row, and its attempts'."""
    answered = (model + 1) % MODELS if outcome == "fallback" else model
    asked = outcome not in ("refused", "cached")
    done = outcome in ("settled", "fallback", "cancelled", "counted")
    first, whole = (
        chance.lognormvariate(5.7, 0.6) if done else None,
        chance.lognormvariate(8, 0.7) if done else 3.0,
    )
    read, wrote = (chance.randrange(20, 4000), chance.randrange(5, 900)) if done else (0, 0)
    state = {"cancelled": "cancelled", "failed": "failed", "refused": "failed"}.get(outcome, "settled")
    course = [["admitted", 0.1], ["read", 0.4], ["routed", 0.6], ["opened", 1.2], ["settled", whole]]
    fields: dict[str, Any] = dict.fromkeys(EXCHANGE, 0) | {
        "id": name,
        "request_id": name,
        "owner": "bench",
        "key": f"key-{key}",
        "team": f"team-{key % TEAMS}",
        "user": f"user-{key % USERS}",
        "route": f"route-{model % 3}" if model % 4 == 0 else "",
        "dialect": DIALECTS[(key + chance.randrange(2)) % len(DIALECTS)],
        "task": "count" if outcome == "counted" else "generate",
        "model": f"bench-model-{model}",
        "stream": chance.random() < 0.7,
        "opened_at": opened_at,
        "state": state,
        "settled_at": opened_at + whole / 1000,
        "provider": f"bench-{answered % PROVIDERS}" if outcome != "refused" else None,
        "answered_model": f"bench-model-{answered}" if outcome != "refused" else None,
        "attempts": asked + (outcome == "fallback"),
        "status": 200 if state == "settled" else 503,
        "failure": {"refused": "not_found", "failed": chance.choice(FAILURES)}.get(outcome),
        "message": None,
        "stop": "end" if done else None,
        "losses": json.dumps(chance.sample(LOSSES, 1)) if chance.random() < 1 / 8 else "[]",
        "first_event_ms": first,
        "latency_ms": whole,
        "cached": outcome == "cached",
        "fallback": outcome == "fallback",
        "estimated": False,
        "counted": "provider",
        "saved_micros": chance.randrange(9000) if outcome == "cached" else 0,
        "course": json.dumps(course),
        "input": read,
        "cache_read": read // 3 if key % 5 == 0 else 0,
        "output": wrote,
        "reasoning": wrote // 4 if model % 3 == 0 else 0,
        "cost_micros": None if asked and model % 7 == 6 else read + 4 * wrote,
    }
    return tuple(fields[column] for column in EXCHANGE), list(attempts(fields, model)) if asked else []


def attempts(fields: Mapping[str, Any], model: int) -> Iterator[Row]:
    """Yield the attempts of an exchange: before a fallback, one that failed."""
    last = {
        **fields,
        "exchange_id": fields["id"],
        "number": fields["attempts"],
        "model": fields["answered_model"],
        "upstream_id": None,
        "price": "bench",
        "tier": "",
    }
    if fields["fallback"]:
        provider = f"bench-{model % PROVIDERS}"
        failed = {
            "number": 1,
            "provider": provider,
            "model": fields["model"],
            "state": "failed",
            "failure": "overloaded",
        }
        nothing = dict.fromkeys(("input", "cache_read", "output", "reasoning", "cost_micros"), 0)
        row = {**last, **failed, **nothing, "first_event_ms": None}
        yield tuple(row[column] for column in ATTEMPT)
    yield tuple(last[column] for column in ATTEMPT)


def book(folder: Path, rows: int, until: float, url: str = "") -> tuple[float, float]:
    """Write a ledger of so many rows; return the seconds that took, and those that posting them took.

    Args:
        folder: The data folder.
        rows: How many exchanges.
        until: When the year ends, in Unix seconds.
        url: PostgreSQL's, if the ledger is there.
    """
    spec = StoreSpec(url=url, timeout_s=60.0)
    began = time.perf_counter()
    made = batches(rows, until)
    if url:
        asyncio.run(_to_postgres(spec, folder, made))
    else:
        _to_sqlite(folder, spec, made)
    booked = time.perf_counter()
    asyncio.run(post(spec, folder))
    return booked - began, time.perf_counter() - booked


def batches(rows: int, until: float) -> Iterator[Booked]:
    """Yield the traffic in as many rows as one transaction takes."""
    made = traffic(rows, until)
    while batch := list(islice(made, BATCH)):
        yield batch


def _to_sqlite(folder: Path, spec: StoreSpec, made: Iterator[Booked]) -> None:
    inserts = [
        f"insert into {table} ({', '.join(columns)}) values ({', '.join('?' * len(columns))})"  # noqa: S608  names of our own
        for table, columns in (("exchange", EXCHANGE), ("attempt", ATTEMPT))
    ]
    with closing(open_database(folder / FILE, spec)) as connections:
        for batch in made:
            connections.writing.execute("begin")
            connections.writing.executemany(inserts[0], [row for row, _ in batch])
            connections.writing.executemany(inserts[1], [one for _, tries in batch for one in tries])
            connections.writing.execute("commit")


async def _to_postgres(spec: StoreSpec, folder: Path, made: Iterator[Booked]) -> None:
    await (await open_store(spec, folder)).close()  # makes the schema
    connection = await connect(spec, patience_s=PATIENCE_S)
    try:
        for batch in made:
            async with connection.writing():
                await postgres.insert(connection, postgres.SETTLE_EXCHANGES, [row for row, _ in batch])
                tries = [one for _, tries in batch for one in tries]
                await postgres.insert(connection, postgres.SETTLE_ATTEMPTS, tries)
    finally:
        await connection.close(PATIENCE_S)


async def post(spec: StoreSpec, folder: Path) -> None:
    """Post all entries of a ledger; then some of its answers are rated."""
    store = await open_store(spec, folder)
    try:
        while await store.reports.post():
            pass
        for row in await store.exchanges(limit=RATED):
            if row.state == "settled" and row.provider is not None:
                stars = 1 + len(row.model) % 5
                await store.ratings.keep(RatingRow(row.id, row.key, row.model, stars, "", row.opened_at))
    finally:
        await store.close()
