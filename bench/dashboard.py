"""How fast the dashboard is over a large ledger: p50 and p95 of every page, signed in, over HTTP.

    python bench/dashboard.py [--store sqlite|postgres] [--rows N] [--data FOLDER] [--bound-ms N]

The ledger is that of ``reports.py``, and may be the same folder. Every page there is, is asked for as a
browser asks, with what makes it heavy: a year by day, lists sorted or filtered for what is rare, or is not
there. A page that nobody listed here is a fault of this program.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

from load import Result
from served import KINDS, OTHER_CORE, Ask, Gate, figures, gateway, late, ledger, measure, signed_in, table

from dragoman.server.dashboard.pages import PAGES
from dragoman.server.dashboard.visit import Page

DAY_S = 86_400
TEAM, USER, BUDGET = "team-1", "user-1", "bench"


def pages(until: float) -> list[tuple[str, str]]:
    """Return name and path of every page, with its heavy variants."""
    month, year = "period=month", "period=year"
    old = f"from={until - 355 * DAY_S:.0f}&to={until - 354 * DAY_S:.0f}"
    one = f"/admin/requests/req_{12:024x}"
    usage, requests = "/admin/usage?", "/admin/requests?"
    return [
        ("overview", "/admin"),
        ("overview, 30 days", f"/admin?{month}"),
        ("usage", "/admin/usage"),
        ("usage, a year by day and key", f"{usage}{year}&interval=day&group_by=key"),
        (
            "usage, a year by week and model, compared",
            f"{usage}{year}&interval=week&group_by=model&compare=previous",
        ),
        ("usage, a year's first token by provider", f"{usage}{year}&measure=first_token&group_by=provider"),
        ("usage, a model's year by key", f"{usage}{year}&group_by=key&model=bench-model-0"),
        ("usage, a key's month by model", f"{usage}{month}&group_by=model&key=key-1"),
        ("usage, all by month", f"{usage}period=all&interval=month"),
        ("requests", "/admin/requests"),
        ("requests, of nobody", f"{requests}key=nobody"),
        ("requests, rare", f"{requests}model=bench-model-19&failure=timeout&key=key-50"),
        ("requests, a key's failures", f"{requests}key=key-1&state=failed"),
        ("requests, a day of a year ago", f"{requests}{old}"),
        ("requests, lossy fallbacks", f"{requests}lossy=yes&fallback=yes"),
        ("requests, the oldest", f"{requests}sort=oldest"),
        ("requests, the dearest", f"{requests}sort=cost"),
        ("requests, a month's slowest", f"{requests}sort=latency&{month}"),
        ("a request", one),
        ("models", "/admin/models"),
        ("keys", "/admin/keys"),
        ("a key", "/admin/keys/key-1"),
        ("teams", "/admin/teams"),
        ("a team", f"/admin/teams/{TEAM}"),
        ("users", "/admin/users"),
        ("a user", f"/admin/users/{USER}"),
        ("budgets", "/admin/budgets"),
        ("a budget", f"/admin/budgets/{BUDGET}"),
        ("alerts", "/admin/alerts"),
        ("providers", "/admin/providers"),
        ("routes", "/admin/routes"),
        ("prices", "/admin/prices"),
        ("templates", "/admin/templates"),
        ("ratings", "/admin/ratings"),
        ("audit", "/admin/audit"),
        ("settings", "/admin/settings"),
    ]


def missing(paths: Iterable[str]) -> list[str]:
    """Return the dashboard's pages that none of some paths leads to."""
    asked = {path.partition("?")[0] for path in paths}
    patterns = {
        page.path: re.compile(re.sub(r"\\\{\w+(:path)?\\\}", "[^/]+", re.escape(page.path)))
        for page in PAGES
        if isinstance(page, Page)
    }
    return [path for path, pattern in patterns.items() if not any(map(pattern.fullmatch, asked))]


def furnish(gate: Gate) -> None:
    """Make a team, a user and a budget, so that there are pages of them."""
    for path, told in (
        (f"/admin/teams/{TEAM}", {}),
        (f"/admin/users/{USER}", {}),
        (f"/admin/budgets/{BUDGET}", {"dollars": 1_000_000, "scope": "key", "subject": "key-1"}),
    ):
        with closing(HTTPConnection("127.0.0.1", gate.port, timeout=30)) as asking:
            headers = {"authorization": f"Bearer {gate.admin}", "content-type": "application/json"}
            asking.request("PUT", path, json.dumps(told), headers)
            answer = asking.getresponse()
            said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {said!r}")


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--store", choices=KINDS, action="append", help="only this one")
    parser.add_argument("--rows", type=int, default=1_000_000, help="exchanges in the ledger")
    parser.add_argument("--requests", type=int, default=40, help="times each page is asked")
    parser.add_argument("--data", type=Path, help="keep the ledgers in this folder, and use them again")
    parser.add_argument("--bound-ms", type=float, default=100.0, help="what no page's p95 may be above")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    if left := missing(path for _, path in pages(0.0)):
        parser.error(f"nothing measures {', '.join(left)}")
    os.sched_setaffinity(0, {OTHER_CORE})
    found: dict[str, dict[str, Result]] = {}
    for kind in options.store or KINDS:
        folder = options.data / kind if options.data else None
        with ledger(kind, folder, options.rows) as kept, gateway(kept) as gate:
            furnish(gate)
            browser = signed_in(gate)
            asks = [Ask(name, path, browser) for name, path in pages(kept.until)]
            found[kind] = measure(gate.port, asks, options.requests, b"</html>")
            print(
                f"{kind}: {kept.sums[0]:,} exchanges that count, {kept.size / 2**20:,.0f} MiB",
                file=sys.stderr,
            )
    print(table(found))
    above = late(found, options.bound_ms)
    print(
        "\n".join(
            ["", f"above {options.bound_ms:g} ms:", *above]
            if above
            else ["", f"none above {options.bound_ms:g} ms"]
        )
    )
    if options.json:
        options.json.write_text(json.dumps(figures(found), indent=2))
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
