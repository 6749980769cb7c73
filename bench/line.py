"""What the gateway adds: requests/s and latency beside the simulator called directly, in one run.

    make bench                       python bench/line.py [--requests N] [--rounds N] [--json FILE]

The gateway runs alone on one core; the simulator and the load generator share the other, in both cases.
Direct and through-the-gateway rounds alternate and the best round of each counts, so that a shared
machine's drift falls on both. Read the ratios: absolute figures are this machine's.

Every request is the whole line: admit, read, route, a durable ledger row, translate, sign, send, relay,
settle. Rows are counted at the end: one for each request, none left open.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from load import Result, load

GATEWAY_CORE, OTHER_CORE = 1, 0
CHUNKS = 50
TEXT = "How do I translate a request from one protocol to another? " * 4

JOBS: Sequence[tuple[str, bool, int, float]] = (
    ("unary, 1 client", False, 1, 1.0),
    ("unary, 16 clients", False, 16, 3.0),
    (f"{CHUNKS}-chunk stream, 1 client", True, 1, 0.3),
    (f"{CHUNKS}-chunk stream, 16 clients", True, 16, 0.8),
)
"""Name, streaming, clients, share of --requests."""


def request(model: str, *, stream: bool) -> bytes:
    """Return one chat request's bytes."""
    body = json.dumps(
        {"model": model, "stream": stream, "messages": [{"role": "user", "content": TEXT}]}
    ).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer bench-key\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def process(arguments: list[str], core: int, env: dict[str, str], ready: str) -> Iterator[str]:
    """Run a dragoman command on one core; yield the line that says it is ready."""
    command = [sys.executable, "-m", "dragoman", *arguments]
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
    )
    os.sched_setaffinity(child.pid, {core})
    try:
        assert child.stdout is not None
        for line in child.stdout:
            if ready in line:
                yield line
                break
        else:
            raise RuntimeError(f"{' '.join(arguments)} ended before it was ready")
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)


def port(line: str) -> int:
    """Return the port in a line that names a URL."""
    found = re.search(r"http://[^:/]+:(\d+)", line)
    assert found is not None
    return int(found[1])


def measure(
    direct: int, gateway: int, requests: int, rounds: int
) -> tuple[list[tuple[str, Result, Result]], int]:
    """Run every job both ways, in alternating rounds; keep the best of each.

    Returns:
        The figures, and how many requests went through the gateway in all.
    """
    found, sent = [], 0
    for name, stream, clients, share in JOBS:
        count = max(clients * 4, int(requests * share))
        best: dict[int, Result] = {}
        for _ in range(rounds):
            for target, model in ((direct, "m"), (gateway, "sim-openai_chat/m")):
                result = asyncio.run(
                    load(
                        target,
                        request(model, stream=stream),
                        clients=clients,
                        requests=count,
                        must_hold=b"[DONE]" if stream else b'"finish_reason":"stop"',
                    )
                )
                sent += result.requests if target == gateway else 0
                if target not in best or result.rate > best[target].rate:
                    best[target] = result
        found.append((name, best[direct], best[gateway]))
    return found, sent


def booked(data: Path) -> tuple[int, int]:
    """Return the ledger's rows, and those still open."""
    with sqlite3.connect(data / "dragoman.db") as ledger:
        rows = ledger.execute("select count(*), sum(state = 'reserved') from exchange").fetchone()
    return rows[0], rows[1] or 0


def table(found: list[tuple[str, Result, Result]]) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        "| job | direct/s | gateway/s | ratio | direct p50/p99 ms | gateway p50/p99 ms | added p50/p99 ms |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, direct, gateway in found:
        d50, d99, g50, g99 = (r.percentile(p) for r in (direct, gateway) for p in (0.5, 0.99))
        lines.append(
            f"| {name} | {direct.rate:,.0f} | {gateway.rate:,.0f} | {gateway.rate / direct.rate:.3f} "
            f"| {d50:.2f} / {d99:.2f} | {g50:.2f} / {g99:.2f} | {g50 - d50:.2f} / {g99 - d99:.2f} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=4000, help="base number of requests a job sends")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each job, both ways")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    os.sched_setaffinity(0, {OTHER_CORE})
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        simulate = [
            "simulate",
            "--port",
            "0",
            "--tokens",
            str(CHUNKS),
            "--frames-per-write",
            "1",
            "--no-bodies",
        ]
        with process(simulate, OTHER_CORE, {}, "http://") as simulator:
            env = {
                "DRAGOMAN_SIMULATOR_URL": f"http://127.0.0.1:{port(simulator)}",
                "DRAGOMAN_DATA": folder,
                "DRAGOMAN_SERVER_PORT": "0",
                "DRAGOMAN_LOCAL_ENABLED": "false",
                "API_KEYS": "bench-key",
            }
            with process(["serve"], GATEWAY_CORE, env, "listens on") as gateway:
                found, sent = measure(port(simulator), port(gateway), options.requests, options.rounds)
        rows, left = booked(data)
    print(table(found))
    print(f"\nledger: {rows} rows for {sent} requests, {left} left open")
    if options.json:
        figures = [
            {"job": name, "direct_rate": d.rate, "gateway_rate": g.rate, "ratio": g.rate / d.rate}
            for name, d, g in found
        ]
        options.json.write_text(json.dumps(figures, indent=2))
    return 0 if left == 0 and rows == sent else 1


if __name__ == "__main__":
    sys.exit(main())
