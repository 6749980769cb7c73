"""What posting costs: processor time for each entry, and how long the writer is held by a slice.

    python bench/posting.py [--entries N] [--turn N]

Entries are written straight into a ledger's queues, a turn's worth at a time, and posted. Two kinds of
traffic: everybody asks for the same, or 50 keys ask for 20 models and end in 5 ways. Processor time is of the
two threads that post: the reporting one, which reads and adds up, and the writer, which runs SQL nearly all
of the time. For how long a slice keeps the writer from other writes is told in processor time as well: on a
machine that does other things the clock's would be theirs.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import wraps
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import thread_time
from typing import Any, NamedTuple

from dragoman.store import Part
from dragoman.store.reports import DIMENSIONS, MEASURES
from dragoman.store.sqlite import SqliteStore, sums

BEGAN = 1_795_000_000
ENDS = (("settled", ""), ("settled", ""), ("cancelled", ""), ("failed", "timeout"), ("failed", "upstream"))
COLUMNS = ("at", *DIMENSIONS, *MEASURES, "losses")
ENTRY = f"insert into usage_entry ({', '.join(COLUMNS)}) values ({', '.join('?' * len(COLUMNS))})"  # noqa: S608  names of our own
CALL = (
    "insert into usage_call (at, provider, model, state, failure, first_event_us) values (?, ?, ?, ?, ?, ?)"
)


class Traffic(NamedTuple):
    """How different requests are."""

    name: str
    keys: int
    models: int
    ends: int


KINDS = (Traffic("homogeneous", 1, 1, 1), Traffic("diverse", 50, 20, len(ENDS)))


class Taken:
    """What calls of a function took, in seconds of its thread's processor time."""

    def __init__(self) -> None:
        self.cpu_s: list[float] = []

    def of(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, watched."""

        @wraps(function)
        def watched(*args: Any, **more: Any) -> Any:
            began = thread_time()
            try:
                return function(*args, **more)
            finally:
                self.cpu_s.append(thread_time() - began)

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


async def measured(
    folder: Path, traffic: Traffic, many: int, turn: int
) -> tuple[list[float], list[float], int]:
    """Return the seconds of reading each slice and of writing it, and how many sums there are then."""
    path, chance = folder / "dragoman.db", Random(5)  # noqa: S311  figures, no secrets
    db = SqliteStore.open(path)
    parts = {"_slice": Taken(), "_posted": Taken()}
    whole = {name: getattr(sums, name) for name in parts}
    for name, taken in parts.items():
        setattr(sums, name, taken.of(whole[name]))
    try:
        with closing(sqlite3.connect(path)) as other:
            for first in range(0, many, turn):
                rows = list(entries(traffic, min(turn, many - first), BEGAN + first // 1000, chance))
                other.executemany(ENTRY, [row[0] for row in rows])
                other.executemany(CALL, [row[1] for row in rows])
                other.commit()
                while await db.reports.post():
                    pass
            (cell,) = await db.reports.cells(Part())
            if cell.sums.requests != many:
                raise SystemExit(f"{cell.sums.requests} of {many} are counted")
            written: int = other.execute("select count(*) from usage").fetchone()[0]
    finally:
        for name, function in whole.items():
            setattr(sums, name, function)
        await db.close()
    return parts["_slice"].cpu_s, parts["_posted"].cpu_s, written


def main() -> None:
    """Measure both kinds of traffic and print a table."""
    asked = argparse.ArgumentParser(description="what posting costs")
    asked.add_argument("--entries", type=int, default=20_000, help="entries of each kind of traffic")
    asked.add_argument("--turn", type=int, default=1000, help="entries that wait at a time")
    args = asked.parse_args()
    print(f"{'traffic':12}{'reading':>10}{'writing':>10}{'held p50':>11}{'p99':>11}{'slices':>8}{'sums':>8}")
    for traffic in KINDS:
        with TemporaryDirectory() as folder:
            read_s, write_s, written = asyncio.run(measured(Path(folder), traffic, args.entries, args.turn))
        each = [f"{1e6 * sum(taken) / args.entries:.1f} us" for taken in (read_s, write_s)]
        held = sorted(write_s)
        cuts = [f"{1000 * held[int(share * (len(held) - 1))]:.2f} ms" for share in (0.5, 0.99)]
        print(
            f"{traffic.name:12}{each[0]:>10}{each[1]:>10}{cuts[0]:>11}{cuts[1]:>11}{len(held):>8}{written:>8}"
        )


if __name__ == "__main__":
    main()
