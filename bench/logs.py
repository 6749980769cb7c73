"""What it costs to log an exchange: the same at the ten-thousandth as at the first.

    python bench/logs.py [--exchanges N] [--words N]

Microseconds for one exchange, the median of each thousand, and the last thousand beside the first:

    emit      what a request pays: the record is taken, nothing else
    alone     a line in each file, written by itself (in the gateway: in a thread, where a request is alone)
    together  as it is under load, a hundred at a time
    spooled   a point on disk for InfluxDB, a hundred at a time, each hundred synced to the disk

Nothing is rotated. Read the ratios: absolute figures are this machine's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from dragoman.sinks import Record
from dragoman.sinks.files import Files, FilesSpec
from dragoman.sinks.points import Points
from dragoman.sinks.spool import Spool
from dragoman.store import ExchangeRow, Meters

THOUSAND = 1000
AT_ONCE = 100


def records(count: int, words: int) -> list[Record]:
    """Return so many exchanges."""
    return [
        Record(
            ExchangeRow(
                id=f"req_{number:024x}",
                request_id=f"req_{number:024x}",
                owner="bench",
                key="alice",
                dialect="prompt",
                task="generate",
                model="llama-3.1-8b-instant",
                stream=True,
                opened_at=1_764_000_000 + number / 100,
                state="settled",
                provider="groq",
                answered_model="llama-3.1-8b-instant",
                status=200,
                first_event_ms=80.5,
                latency_ms=912.25,
                chunks=40,
                meters=Meters(input=60, output=120, cost_micros=12),
            ),
            prompt="question " * words,
            response="answer " * words,
        )
        for number in range(count)
    ]


def measured(all_: Sequence[Record], at_once: int, do: Callable[[Sequence[Record]], object]) -> list[float]:
    """Return microseconds for one record, in each thousand: the median of its writes."""
    found = []
    for start in range(0, len(all_), THOUSAND):
        took = []
        for first in range(start, start + THOUSAND, at_once):
            began = time.perf_counter()
            do(all_[first : first + at_once])
            took.append((time.perf_counter() - began) * 1e6 / at_once)
        found.append(median(took))
    return found


def told(name: str, each: Sequence[float]) -> None:
    """Print one line."""
    figures = " ".join(f"{one:7.1f}" for one in each)
    print(f"{name:9} {figures}   last/first {each[-1] / each[0]:.2f}")


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--exchanges", type=int, default=10_000)
    parser.add_argument("--words", type=int, default=100)
    options = parser.parse_args()
    all_ = records(max(2, options.exchanges // THOUSAND) * THOUSAND, options.words)
    print(f"microseconds for an exchange, the median of each of {len(all_) // THOUSAND} thousands")
    with tempfile.TemporaryDirectory() as folder:

        def sink(name: str) -> Files:
            spec = FilesSpec(folder=str(Path(folder) / name), rotate_bytes=1 << 40)
            return Files(spec, tick=time.monotonic, complain=print)

        emitting, alone, together, points = sink("emit"), sink("alone"), sink("together"), Points()
        spool = Spool(
            Path(folder) / "spool",
            "bench",
            dead=lambda _: [],
            now=lambda: 1_764_000_000.0,
            most_bytes=1 << 40,
            piece_bytes=524_288,
        )
        told("emit", measured(all_, 1, lambda some: emitting.emit(some[0])))
        told("alone", measured(all_, 1, alone.append))
        told("together", measured(all_, AT_ONCE, together.append))
        told(
            "spooled",
            measured(all_, AT_ONCE, lambda some: spool.append([points.line(one.row) for one in some])),
        )
        lines = sum(1 for _ in (Path(folder) / "alone" / "prompts.json").open())
        print(f"{lines} lines in the file that was written one by one; {spool.waiting} points in the spool")


if __name__ == "__main__":
    main()
