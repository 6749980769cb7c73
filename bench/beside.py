"""What requests feel of slow reports: their rate and latency alone, and while others ask for reports.

    python bench/beside.py [--store sqlite|postgres] [--rows N] [--data FOLDER] [--rounds N] [--free]

A gateway serves a ledger of a million rows (that of ``reports.py``, and may be the same folder) and passes
requests on to the simulator, as in ``line.py``. Meanwhile nobody, one or four clients ask its slowest reports
and pages, without a pause. These rounds alternate, so that a shared machine's drift falls on all of them:
read the ratios. Requests come at a steady pace, some at once. The last job asks for as much as there is:
there latency says nothing, as the reports' share of the machine is missing, but the rate does.

They are booked in a copy of the ledger. The gateway has a core of its own, or with ``--free`` goes where it
likes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from dashboard import pages
from line import port, process, request
from load import Result, load
from reports import jobs as reports
from served import (
    GATEWAY_CORE,
    KINDS,
    OTHER_CORE,
    Ask,
    Gate,
    Kind,
    gateway,
    ledger,
    measure,
    signed_in,
)

BESIDE = (0, 1, 4)
"""Clients that ask reports meanwhile."""

TOKENS = 50
SLOWEST = 6
"""Reports, and pages, that are asked meanwhile: the slowest, but for exports."""


class Job(NamedTuple):
    """One kind of load: streams or not, clients, seconds from one request of each to its next, its share."""

    name: str
    stream: bool
    clients: int
    pace_s: float
    share: float = 1.0


JOBS = (
    Job("unary, 50 a second", False, 4, 0.08),
    Job("50-chunk streams, 20 a second", True, 4, 0.2, 0.5),
    Job("unary, as many as 16 clients can", False, 16, 0.0, 2.0),
)


@contextmanager
def copied(kind: Kind, data: Path | None) -> Iterator[Path]:
    """Yield a folder with a copy of the ledger that is kept in another; an empty one where none is."""
    with TemporaryDirectory(prefix="dragoman-beside-") as temporary:
        folder = Path(temporary, kind)
        Path(temporary).chmod(0o755)  # PostgreSQL runs as somebody else
        if data is not None and (data / kind).exists():
            subprocess.run(["/bin/cp", "--archive", str(data / kind), str(folder)], check=True)
        yield folder


@contextmanager
def asking(gate: Gate, asks: Sequence[Ask], clients: int) -> Iterator[None]:
    """Let so many clients ask reports, without a pause, in a process of their own."""
    if not clients:
        yield
        return
    child = get_context("spawn").Process(
        target=_ask, args=(gate.port, [one.request for one in asks], clients)
    )
    child.start()
    try:
        yield
    finally:
        child.terminate()
        child.join(30)


def _ask(port_: int, requests: Sequence[bytes], clients: int) -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

    async def one(place: int) -> None:
        while True:
            for step in range(len(requests)):
                await load(port_, requests[(place + step) % len(requests)], clients=1, requests=1)

    async def all_() -> None:
        await asyncio.gather(*map(one, range(clients)))

    asyncio.run(all_())


def run(gate: Gate, job: Job, requests: int) -> Result:
    """Run one job once."""
    return asyncio.run(
        load(
            gate.port,
            request("sim-openai_chat/m", stream=job.stream),
            clients=job.clients,
            requests=max(job.clients * 4, int(requests * job.share)),
            must_hold=b"[DONE]" if job.stream else b'"finish_reason":"stop"',
            pace_s=job.pace_s,
        )
    )


def slowest(gate: Gate, until: float) -> list[Ask]:
    """Return the slowest reports and pages."""
    asks = [ask for ask in reports(until, gate.admin) if "format=csv" not in ask.path]
    browser = signed_in(gate)
    found: list[Ask] = []
    for some in (
        asks,
        [
            Ask(name, path, browser)
            for name, path in pages(until)
            if path.startswith(("/admin?", "/admin/usage", "/admin/requests?"))
        ],
    ):
        took = measure(gate.port, some, 2)
        found += sorted(some, key=lambda ask: -took[ask.name].percentile(0.5))[:SLOWEST]
    return found


def together(results: Sequence[Result]) -> Result:
    """Return several rounds as one."""
    return Result(
        sum(one.requests for one in results),
        sum(one.seconds for one in results),
        sorted(latency for one in results for latency in one.latencies),
    )


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--store", choices=KINDS, default="sqlite")
    parser.add_argument("--rows", type=int, default=1_000_000, help="exchanges in the ledger")
    parser.add_argument("--requests", type=int, default=400, help="base number of requests of a round")
    parser.add_argument(
        "--rounds", type=int, default=5, help="rounds of each job, with nobody, one and four beside"
    )
    parser.add_argument("--free", action="store_true", help="pin the gateway to no core")
    parser.add_argument("--data", type=Path, help="keep the ledgers in this folder, and use them again")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    cores = {GATEWAY_CORE, OTHER_CORE}
    os.sched_setaffinity(0, cores if options.free else {OTHER_CORE})
    simulate = ["simulate", "--port", "0", "--tokens", str(TOKENS), "--frames-per-write", "1", "--no-bodies"]
    found: dict[str, dict[int, list[Result]]] = {job.name: {n: [] for n in BESIDE} for job in JOBS}
    with (
        process(simulate, OTHER_CORE, {}, "http://") as simulator,
        copied(options.store, options.data) as folder,
        ledger(options.store, folder, options.rows) as kept,
    ):
        url = f"http://127.0.0.1:{port(simulator)}"
        only = cores if options.free else {GATEWAY_CORE}
        with gateway(kept, only, DRAGOMAN_SIMULATOR_URL=url) as gate:
            asks = slowest(gate, kept.until)
            print("asked beside: " + "; ".join(ask.name for ask in asks), file=sys.stderr)
            for _ in range(options.rounds):
                for job in JOBS:
                    for clients in BESIDE:
                        with asking(gate, asks, clients):
                            run(gate, job, job.clients * 4)  # until all have begun
                            found[job.name][clients].append(run(gate, job, options.requests))
    print(table(found))
    if options.json:
        options.json.write_text(json.dumps(figures(found), indent=2))
    return 0


def table(found: dict[str, dict[int, list[Result]]]) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        "| requests | beside | requests/s | p50 ms | p99 ms | p50 ratio | p99 ratio | rounds' p99 ms |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for name, rows in figures(found).items():
        for clients, row in rows.items():
            rounds = ", ".join(f"{one:.1f}" for one in row["rounds"])
            lines.append(
                f"| {name} | {clients} | {row['rate']:,.0f} | {row['p50']:.2f} | {row['p99']:.2f} "
                f"| {row['p50'] / rows[0]['p50']:.2f} | {row['p99'] / rows[0]['p99']:.2f} | {rounds} |"
            )
    return "\n".join(lines)


def figures(found: dict[str, dict[int, list[Result]]]) -> dict[str, dict[int, dict[str, Any]]]:
    """Return rate, p50 and p99 of all rounds together, and the p99 of each."""
    told: dict[str, dict[int, dict[str, Any]]] = {}
    for name, rows in found.items():
        told[name] = {}
        for clients, results in rows.items():
            whole = together(results)
            told[name][clients] = {
                "rate": whole.rate,
                "p50": whole.percentile(0.5),
                "p99": whole.percentile(0.99),
                "rounds": [one.percentile(0.99) for one in results],
            }
    return told


if __name__ == "__main__":
    sys.exit(main())
