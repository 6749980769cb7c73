"""How fast the reports are over a large ledger: p50 and p95 of every report's JSON, through the real server.

    python bench/reports.py [--store sqlite|postgres] [--rows N] [--data FOLDER] [--bound-ms N]

A year of traffic is booked into a ledger of its own (``year.py``), in a file and in a real PostgreSQL, and
posted; for a million rows that takes some minutes, and with ``--data`` it is done once. Then a gateway serves
it, alone on one core, and every report is asked again and again, by the busiest key and by the admin. The
figures must be the rows' own, which is checked; and no report's p95 may be above the bound but that of a
year's export as CSV.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from load import Result
from served import (
    KINDS,
    OTHER_CORE,
    Ask,
    Gate,
    Ledger,
    bearer,
    figures,
    gateway,
    late,
    ledger,
    measure,
    table,
)
from year import YEAR_S

EXPORT = "admin: explorer, a year as CSV"
"""A file for a spreadsheet, of every figure and percentile by day and model: nobody waits for it."""


def jobs(until: float, admin: str) -> list[Ask]:
    """Return every report that is measured."""
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
        Ask(f"{who}: {name}", path, bearer(key))
        for who, key in (("key", "bench-key-1"), ("admin", admin))
        for name, path in pages
    ]
    more = [
        ("usage by key, all", f"{usage}group_by=key"),
        ("usage by key, ragged", f"{usage}group_by=key&{ragged}"),
        *((name, f"/admin/{path}") for name, path in reports(until)),
        ("one exchange", f"/v1/exchanges/req_{12:024x}"),
    ]
    return [*told, *(Ask(f"admin: {name}", path, bearer(admin)) for name, path in more)]


def reports(until: float) -> list[tuple[str, str]]:
    """Return name and path of the operator's own reports; a year is from one date to another."""
    begin, end = (datetime.fromtimestamp(at, UTC).date() for at in (until - YEAR_S, until))
    month, year = "period=month", f"from={begin}&to={end}"
    wide = "interval=day&group_by=model&top=8&compare=previous"
    return [
        ("overview", "overview"),
        ("explorer, month by day and model", f"usage?{wide}&{month}"),
        ("explorer, a year by week and key", f"usage?interval=week&group_by=key&top=8&{year}"),
        ("explorer, a year by day and key", f"usage?interval=day&group_by=key&top=8&{year}"),
        ("explorer, a key's month by model", f"usage?interval=day&group_by=model&key=key-1&{month}"),
        (
            "explorer, a model's year by day and key",
            f"usage?interval=day&group_by=key&model=bench-model-0&{year}",
        ),
        ("explorer, failures of a model, year", f"usage?group_by=failure&model=bench-model-0&{year}"),
        ("explorer, by state and two filters", f"usage?group_by=state&key=key-1&model=bench-model-0&{year}"),
        ("explorer, day by hour", "usage?interval=hour&period=day&group_by=provider&compare=previous"),
        ("explorer, a year as CSV", f"usage?interval=day&group_by=model&top=8&{year}&format=csv"),
        ("losses, month", f"usage/losses?{month}"),
        ("ratings", "ratings"),
        ("requests, the newest", "requests"),
        ("requests, a model's failures", "requests?model=bench-model-3&state=failed"),
    ]


def checked(gate: Gate, kept: Ledger) -> bool:
    """Say whether the figures of all time, and of the whole year by day and key, are the rows' own."""
    time = f"from={int(kept.since)}&to={kept.until + 1:.0f}"
    whole = asked(gate, "/v1/usage/stats")
    names = (
        "total_requests",
        "prompt_tokens",
        "completion_tokens",
        "unknown_cost_requests",
        "failed_requests",
    )
    rows, read, wrote, cost, unknown, failed = kept.sums
    if [whole[name] for name in names] != [rows, read, wrote, unknown, failed]:
        return False
    told = asked(gate, f"/admin/usage?interval=day&group_by=key&top=8&{time}")
    parts = [told["total"], *told["groups"], *([told["other"]] if told["other"] else [])]
    own = {"requests": rows, "prompt_tokens": read, "completion_tokens": wrote, "unknown_cost": unknown}
    spent = [
        whole["estimated_cost_usd"],
        parts[0]["cost_usd"],
        sum(part["cost_usd"] or 0 for part in parts[1:]),
    ]
    return (
        all(parts[0][name] == sum(part[name] for part in parts[1:]) == sum_ for name, sum_ in own.items())
        and [round(usd * 1_000_000) for usd in spent] == [cost] * 3
    )


def asked(gate: Gate, path: str) -> Mapping[str, Any]:
    """Return what the admin is told at a path."""
    with closing(HTTPConnection("127.0.0.1", gate.port, timeout=60)) as asking:
        asking.request("GET", path, headers={"authorization": f"Bearer {gate.admin}"})
        found: Mapping[str, Any] = json.load(asking.getresponse())
        return found


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--store", choices=KINDS, action="append", help="only this one")
    parser.add_argument("--rows", type=int, default=1_000_000, help="exchanges in the ledger")
    parser.add_argument("--requests", type=int, default=40, help="times each report is asked")
    parser.add_argument("--data", type=Path, help="keep the ledgers in this folder, and use them again")
    parser.add_argument("--bound-ms", type=float, default=100.0, help="what no report's p95 may be above")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    os.sched_setaffinity(0, {OTHER_CORE})
    found: dict[str, dict[str, Result]] = {}
    exact = True
    for kind in options.store or KINDS:
        folder = options.data / kind if options.data else None
        with ledger(kind, folder, options.rows) as kept, gateway(kept) as gate:
            exact = checked(gate, kept) and exact
            found[kind] = measure(gate.port, jobs(kept.until, gate.admin), options.requests, b",")
            print(
                f"{kind}: {kept.sums[0]:,} exchanges that count, {kept.size / 2**20:,.0f} MiB",
                file=sys.stderr,
            )
    print(table(found))
    above = late(found, options.bound_ms, free=(EXPORT,))
    print(f"\nthe figures are {'' if exact else 'NOT '}the rows' own")
    print(
        "\n".join(
            [f"above {options.bound_ms:g} ms:", *above] if above else [f"none above {options.bound_ms:g} ms"]
        )
    )
    if options.json:
        options.json.write_text(json.dumps(figures(found), indent=2))
    return 0 if exact and not above else 1


if __name__ == "__main__":
    sys.exit(main())
