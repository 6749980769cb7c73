"""``dragoman reconcile``: a provider's bill beside the ledger, and where they drift apart.

Exit code 1: something is further apart than the tolerance allows, so that a job every morning can tell.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

import msgspec

from dragoman.accounts.budgets import money
from dragoman.accounts.reconcile import (
    BEYOND,
    TOLERANCE,
    Drift,
    Reconciled,
    Row,
    read_exports,
    read_tolerance,
    reconciled,
)
from dragoman.accounts.reconcile.exports import MEASURES, Export, Measure
from dragoman.accounts.reconcile.told import WORDS, day, in_csv, in_json
from dragoman.cli.accounts import at_work
from dragoman.cli.columns import fit
from dragoman.cli.terminal import Trouble, note, say, table
from dragoman.core.failure import Failure
from dragoman.store import Store

HEADS: Mapping[Measure, str] = MappingProxyType(
    {
        "requests": "REQUESTS",
        "input": "INPUT",
        "cache_read": "CACHED",
        "cache_write": "CACHE WRITE",
        "output": "OUTPUT",
        "cost": "COST",
    }
)


LONGEST = 40
"""Columns of a model's name; CSV and JSON have all of it."""


def options(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="what the provider wrote: usage or costs of OpenAI or Anthropic, CSV or JSON; -: from stdin",
    )
    parser.add_argument("--provider", required=True, metavar="NAME", help="whose, as the ledger has it")
    parser.add_argument(
        "--tolerance",
        default=f"{TOLERANCE}%",
        metavar="PERCENT",
        help="by which ours may differ (default: 1%%)",
    )
    parser.add_argument("--all", action="store_true", help="list also what agrees")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON, for programs")
    form.add_argument("--csv", action="store_true", help="CSV, for spreadsheets")
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: ./dragoman.toml)")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Compare; return 1 if anything is beyond the tolerance, which a file that cannot be read is not."""
    if not arguments.provider:
        raise Trouble("--provider is empty: say whose export it is, by its name in the ledger", code=2)
    try:
        tolerance = read_tolerance(arguments.tolerance)
        export = read(arguments.files)
    except Failure as failure:
        raise Trouble(failure.message, code=2) from failure
    except OSError as error:
        raise Trouble(f"{error.filename}: {error.strerror}", code=2) from error

    async def act(store: Store, _: object) -> Reconciled:
        return await reconciled(store.bills, export, provider=arguments.provider, tolerance=tolerance)

    found = at_work(arguments, environ, act)
    if arguments.json:
        say(msgspec.json.encode(in_json(found)).decode())
    elif arguments.csv:
        for line in in_csv(found):
            say(line)
    else:
        tell(found, [row for row in found.rows if arguments.all or row.verdict in BEYOND])
    return int(found.beyond > 0)


def read(files: Sequence[str]) -> Export:
    """Return what files say together.

    Raises:
        Failure: INVALID, with file and line.
    """
    with ExitStack() as stack:
        opened = [
            (sys.stdin.buffer if name == "-" else stack.enter_context(Path(name).open("rb")), name)
            for name in files
        ]
        return read_exports(opened)


def tell(found: Reconciled, rows: Sequence[Row]) -> None:
    """Print a table of rows, and what is to be known of all."""
    told = {name for row in rows for name in row.figures}
    measures = [name for name in MEASURES if name in told]
    if rows:
        head = ["DAY (UTC)", "MODEL", "VERDICT", *(HEADS[name] for name in measures)]
        say(table(head, [cells(row, measures) for row in rows]))
    equal = sum(row.verdict == "equal" for row in found.rows)
    within = sum(row.verdict == "within" for row in found.rows)
    since, last = day(int(found.since)), day(int(found.until - 1))
    note(
        f"{found.provider}, {since} to {last}: of {len(found.rows)} days and models {equal} are equal, "
        f"{within} within {found.tolerance}%, {found.beyond} beyond"
    )
    for words in dict.fromkeys(row.said for row in found.rows if row.said):
        note(words)
    for words in found.notes:
        note(words)


def cells(row: Row, measures: Sequence[Measure]) -> list[str]:
    """Return a row of the table: figures as ``theirs -> ours (percent)``."""
    figures = [figure(name, row.figures.get(name)) for name in measures]
    return [
        day(row.day),
        fit(row.model, min(LONGEST, len(row.model))) or "(all)",
        WORDS[row.verdict],
        *figures,
    ]


def figure(name: Measure, one: Drift | None) -> str:
    """Return one figure of both sides: once where they agree, else theirs, ours and how far apart."""
    if one is None:
        return "-"

    def shown(number: int | None) -> str:
        if number is None:
            return "unknown"
        return money(number) if name == "cost" else f"{number:,}"

    if one.drift == 0:
        return shown(one.ours)
    percent = "" if one.percent is None else f" ({one.percent:+.2f}%)"
    return f"{shown(one.theirs)} -> {shown(one.ours)}{percent}"
