"""What posting costs: processor time for each entry, and how long the writer is held by a slice.

    python bench/posting.py [--entries N] [--turn N]

Entries are written straight into a ledger's queues, a turn's worth at a time, and posted. Two kinds of
traffic: everybody asks for the same, or 50 keys ask for 20 models and end in 5 ways. Processor time is of the
two threads that post: the reporting one, which reads and adds up, and the writer.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from random import Random
from statistics import quantiles
from tempfile import TemporaryDirectory
from time import perf_counter, thread_time
from typing import Any, NamedTuple

from dragoman.store.reports import DIMENSIONS, MEASURES
from dragoman.store.sqlite import SqliteStore, sums
from dragoman.store.sqlite.commit import Write

BEGAN = 1_795_000_000
ENDS = (("settled", ""), ("settled", ""), ("cancelled", ""), ("failed", "timeout"), ("failed", "upstream"))
COLUMNS = ("at", *DIMENSIONS, *MEASURES, "losses")
ENTRY = f"insert into usage_entry ({', '.join(COLUMNS)}) values ({', '.join('?' * len(COLUMNS))})"
CALL = "insert into usage_call (at, provider, model, state, failure, first_event_us) values (?, ?, ?, ?, ?, ?)"


class Traffic(NamedTuple):
    """How different requests are."""

    name: str
    keys: int
    models: int
    ends: int


KINDS = (Traffic("homogeneous", 1, 1, 1), Traffic("diverse", 50, 20, len(ENDS)))


class Taken:
    """What calls of a function took, in seconds."""

    def __init__(self) -> None:
        self.cpu_s: list[float] = []
        self.wall_s: list[float] = []

    def of(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, watched."""

        @wraps(function)
        def watched(*args: Any, **more: Any) -> Any:
            wall, cpu = perf_counter(), thread_time()
            try:
                return function(*args, **more)
            finally:
                self.cpu_s.append(thread_time() - cpu)
                self.wall_s.append(perf_counter() - wall)

        return watched


def entries(traffic: Traffic, many: int, at: int, chance: Random) -> Iterator[tuple[tuple[Any, ...], ...]]:
    """Yield entries, each with its call."""
    for place in range(many):
        key, model = chance.randrange(traffic.keys), chance.randrange(traffic.models)
        state, failure = ENDS[chance.randrange(traffic.ends)]
        who = (f"key-{key}", f"team-{key % 7}", f"user-{key % 23}", f"model-{model}", f"provider-{model % 5}")
        done = int(state == "settled")
        first_us = int(chance.lognormvariate(13, 0.6))
        sums_of = {
            "requests": 1,
            "failed": int(state == "failed"),
            "cancelled": int(state == "cancelled"),
            "streamed": place % 2,
            "attempts": 1,
            "input": chance.randrange(4000),
            "output": chance.randrange(900),
            "cost_micros": chance.randrange(9000),
            "latency_us": done * 3 * first_us,
            "latencies": done,
            "first_event_us": done * first_us,
            "first_events": done,
        }
        yield (
            (at, *who, "", state, failure, "openai_chat", *(sums_of.get(name, 0) for name in MEASURES), "[]"),
            (at, who[4], who[3], state, failure, first_us if done else None),
        )


async def measured(folder: Path, traffic: Traffic, many: int, turn: int) -> tuple[float, float, list[float], int]:
    """Return processor seconds of reading and of writing, how long each slice held the writer, and the sums written."""
    db = SqliteStore.open(folder / "dragoman.db")
    reading, writing, chance = Taken(), Taken(), Random(5)
    sliced, posted = sums._slice, sums._posted
    sums._slice, sums._posted = reading.of(sliced), writing.of(posted)
    try:
        for first in range(0, many, turn):
            rows = list(entries(traffic, min(turn, many - first), BEGAN + first // 1000, chance))

            def act(connection: Any, rows: Any = rows) -> None:
                connection.executemany(ENTRY, [row[0] for row in rows])
                connection.executemany(CALL, [row[1] for row in rows])

            await db._writer.write(Write(act=act))
            while await db.reports.post():
                pass
        ((count,),) = await db._read("select sum(requests) from usage where span = 86400 and kind = 1")
        if count != many:
            raise SystemExit(f"{count} of {many} are counted")
        ((groups,),) = await db._read("select count(*) from usage")
    finally:
        sums._slice, sums._posted = sliced, posted
        await db.close()
    return sum(reading.cpu_s), sum(writing.cpu_s), writing.wall_s, groups


def main() -> None:
    """Measure both kinds of traffic and print a table."""
    asked = argparse.ArgumentParser(description="what posting costs")
    asked.add_argument("--entries", type=int, default=20_000, help="entries of each kind of traffic")
    asked.add_argument("--turn", type=int, default=1000, help="entries that wait at a time")
    args = asked.parse_args()
    print(f"{'traffic':12}{'reading':>12}{'writing':>12}{'held p50':>12}{'p99':>10}{'slices':>8}{'sums':>8}")
    for traffic in KINDS:
        with TemporaryDirectory() as folder:
            read_s, write_s, held, groups = asyncio.run(
                measured(Path(folder), traffic, args.entries, args.turn)
            )
        cuts = [1000 * cut for cut in quantiles(held, n=100)]
        each = [f"{1e6 * taken / args.entries:.1f} us" for taken in (read_s, write_s)]
        print(
            f"{traffic.name:12}{each[0]:>12}{each[1]:>12}{cuts[49]:>9.2f} ms{cuts[98]:>7.2f} ms"
            f"{len(held):>8}{groups:>8}"
        )


if __name__ == "__main__":
    main()
