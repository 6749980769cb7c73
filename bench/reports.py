"""How fast the reports are over a large ledger: p50 and p95 of every page, through the real server.

    python bench/reports.py [--rows N] [--requests N] [--data FOLDER] [--json FILE]

A year of traffic is booked into a ledger of its own: 20 models and 50 keys, some far busier than others, with
failures, cancellations, recordings and fallbacks. Every row goes through the triggers that keep the sums, so
that booking a million takes a few minutes. Then a gateway serves it, alone on one core, and every page is
asked again and again, by the busiest key and by the admin. Figures must be the rows' own: that is checked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from load import Result, load

from dragoman.store.spec import StoreSpec
from dragoman.store.sqlite.database import open_database
from dragoman.store.sqlite.rows import ATTEMPT, EXCHANGE

GATEWAY_CORE, OTHER_CORE = 1, 0
MODELS, KEYS, PROVIDERS = 20, 50, 5
YEAR_S = 365 * 86_400
BATCH = 5000

OUTCOMES = ("settled", "failed", "cancelled", "cached", "fallback", "refused", "counted")
SHARES = (87, 4, 2, 3, 2, 1, 1)

Row = tuple[Any, ...]


def traffic(rows: int, until: float) -> Iterator[tuple[Row, Row | None]]:
    """Yield a year's exchanges in order, each with its attempt, if any; the same ones every time."""
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
) -> tuple[Row, Row | None]:
    """Return one exchange's row, and its attempt's."""
    answered = (model + 1) % MODELS if outcome == "fallback" else model
    asked = outcome != "refused"
    done = outcome in ("settled", "fallback", "cancelled", "counted")
    first, whole = (chance.uniform(50, 900), chance.uniform(900, 9000)) if done else (None, 3.0)
    read, wrote = (chance.randrange(20, 4000), chance.randrange(5, 900)) if done else (0, 0)
    fields: dict[str, Any] = dict.fromkeys(EXCHANGE, 0) | {
        "id": name,
        "request_id": name,
        "owner": "bench",
        "key": f"key-{key}",
        "dialect": "openai_chat",
        "task": "count" if outcome == "counted" else "generate",
        "model": f"bench-model-{model}",
        "stream": 1,
        "opened_at": opened_at,
        "state": {"cancelled": "cancelled", "failed": "failed", "refused": "failed"}.get(outcome, "settled"),
        "settled_at": opened_at + whole / 1000,
        "provider": f"bench-{answered % PROVIDERS}" if asked else None,
        "answered_model": f"bench-model-{answered}" if asked else None,
        "attempts": int(asked),
        "failure": None,
        "message": None,
        "losses": "[]",
        "first_event_ms": first,
        "latency_ms": whole,
        "cached": int(outcome == "cached"),
        "fallback": int(outcome == "fallback"),
        "counted": "provider",
        "input": read,
        "output": wrote,
        "cost_micros": None if asked and model % 7 == 6 else read + 4 * wrote,
    }
    attempt = fields | {
        "exchange_id": name,
        "number": 1,
        "model": fields["answered_model"],
        "upstream_id": None,
    }
    row = tuple(fields[column] for column in EXCHANGE)
    return row, tuple(attempt[column] for column in ATTEMPT) if asked else None


def book(folder: Path, rows: int, until: float) -> float:
    """Write a ledger of so many rows; return the seconds it took."""
    inserts = [
        f"insert into {table} ({', '.join(columns)}) values ({', '.join('?' * len(columns))})"  # noqa: S608  names of our own
        for table, columns in (("exchange", EXCHANGE), ("attempt", ATTEMPT))
    ]
    began = time.perf_counter()
    connections = open_database(folder / "dragoman.db", StoreSpec())
    made = traffic(rows, until)
    while batch := list(islice(made, BATCH)):
        connections.writing.execute("begin")
        connections.writing.executemany(inserts[0], [row for row, _ in batch])
        connections.writing.executemany(inserts[1], [attempt for _, attempt in batch if attempt])
        connections.writing.execute("commit")
    for connection in connections:
        connection.close()
    return time.perf_counter() - began


@contextmanager
def gateway(folder: Path) -> Iterator[tuple[int, str]]:
    """Serve a folder's ledger on one core; yield the port and the admin's key."""
    child = subprocess.Popen(
        [sys.executable, "-m", "dragoman", "serve"],
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "DRAGOMAN_DATA": str(folder),
            "DRAGOMAN_SERVER_PORT": "0",
            "DRAGOMAN_LOCAL_ENABLED": "false",
            "API_KEYS": ",".join(f"bench-key-{place}" for place in range(1, KEYS + 1)),
        },
    )
    os.sched_setaffinity(child.pid, {GATEWAY_CORE})
    try:
        assert child.stdout is not None
        said = ""
        for line in child.stdout:
            said += line
            if found := re.search(r"listens on http://[^ ]*:(\d+)", line):
                admin = re.search(r"only this once: (\S+)", said)
                assert admin is not None
                yield int(found[1]), admin[1]
                break
        else:
            raise RuntimeError(f"the gateway ended before it was ready: {said}")
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)


def jobs(until: float, admin: str) -> list[tuple[str, str, str]]:
    """Return name, path and key of every page that is measured."""
    ragged = f"from={until - 345 * 86_400 + 1234.5:.1f}&to={until - 17 * 86_400 - 987.25:.2f}"
    usage, series = "/v1/usage/stats?", "/v1/usage/series?"
    pages = [
        ("statistics", "/stats"),
        ("usage, all", usage),
        ("usage, last week", f"{usage}period=week"),
        ("usage, 328 days, ragged", f"{usage}{ragged}"),
        ("usage by model, ragged", f"{usage}group_by=model&{ragged}"),
        ("usage by provider, all", f"{usage}group_by=provider"),
        ("usage by day, a year", f"{usage}group_by=day"),
        ("usage by hour, month", f"{usage}group_by=hour&period=month"),
        ("series by hour, week", f"{series}interval=hour&period=week"),
        ("series by hour, 41 days", f"{series}interval=hour&from={until - 41 * 86_400:.0f}&to={until:.0f}"),
        ("series by day, a year", f"{series}interval=day&period=all"),
        ("series of a model, a year", f"{series}interval=day&period=all&model=bench-model-0"),
    ]
    told = [
        (f"{who}: {name}", path, key)
        for who, key in (("key", "bench-key-1"), ("admin", admin))
        for name, path in pages
    ]
    told += [("admin: usage by key, all", f"{usage}group_by=key", admin)]
    told += [("admin: usage by key, ragged", f"{usage}group_by=key&{ragged}", admin)]
    return [*told, ("admin: one exchange", f"/v1/exchanges/req_{12:024x}", admin)]


def measure(port: int, found: Sequence[tuple[str, str, str]], requests: int) -> dict[str, Result]:
    """Ask every page so many times."""
    results = {}
    for name, path, key in found:
        head = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n\r\n".encode()
        results[name] = asyncio.run(load(port, head, clients=1, requests=requests, must_hold=b"{"))
    return results


def checked(port: int, admin: str, folder: Path) -> bool:
    """Say whether the figures are the rows' own."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as asking:
        asking.request("GET", "/v1/usage/stats", headers={"authorization": f"Bearer {admin}"})
        told: Mapping[str, Any] = json.load(asking.getresponse())
    query = """
        select count(*), sum(input + cache_read + cache_write + cache_write_long + audio_input),
            sum(output + reasoning + audio_output), sum(cost_micros), sum(cost_micros is null)
        from exchange where state <> 'reserved' and task <> 'count'
    """
    with closing(sqlite3.connect(folder / "dragoman.db")) as ledger:
        rows, read, wrote, cost, unknown = ledger.execute(query).fetchone()
    names = ("total_requests", "prompt_tokens", "completion_tokens", "unknown_cost_requests")
    spent = round(told["estimated_cost_usd"] * 1_000_000)
    return [told[name] for name in names] == [rows, read, wrote, unknown] and spent == cost


@contextmanager
def ledger(folder: Path | None, rows: int) -> Iterator[Path]:
    """Yield a data folder with a ledger: the one that is there, else a new one."""
    with ExitStack() as stack:
        found = folder or Path(stack.enter_context(TemporaryDirectory()))
        if not (found / "dragoman.db").exists():
            now = datetime.now(UTC).timestamp()  # noqa: TID251  a program of its own, not the gateway
            print(f"{rows:,} exchanges booked in {book(found, rows, now):.0f} s", file=sys.stderr)
        yield found


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1_000_000, help="exchanges in the ledger")
    parser.add_argument("--requests", type=int, default=40, help="times each page is asked")
    parser.add_argument("--data", type=Path, help="keep the ledger in this new folder, and use it again")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    os.sched_setaffinity(0, {OTHER_CORE})
    with ledger(options.data, options.rows) as folder:
        size = (folder / "dragoman.db").stat().st_size / 2**20
        with closing(sqlite3.connect(folder / "dragoman.db")) as rows:
            until = float(rows.execute("select max(opened_at) from exchange").fetchone()[0])
            # An admin's key is told once, so that one begins with none.
            rows.execute("delete from setting where name like 'admin_key.%'")
            rows.commit()
        with gateway(folder) as (port, admin):
            exact = checked(port, admin, folder)
            found = measure(port, jobs(until, admin), options.requests)
    print("| page | p50 ms | p95 ms |\n|---|---:|---:|")
    for name, result in found.items():
        print(f"| {name} | {result.percentile(0.5):.1f} | {result.percentile(0.95):.1f} |")
    print(f"\na ledger of {size:,.0f} MiB; the figures are {'' if exact else 'NOT '}the rows' own")
    if options.json:
        figures = {
            name: [result.percentile(share) for share in (0.5, 0.95)] for name, result in found.items()
        }
        options.json.write_text(json.dumps(figures, indent=2))
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
