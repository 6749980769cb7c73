"""``dragoman reconcile``: a provider's bill beside the ledger, and where they drift apart.

Exit code 1: something is further apart than the tolerance allows, so that a job every morning can tell.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from io import BufferedReader, RawIOBase
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, cast

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
from dragoman.cli.terminal import Trouble, note, plain, say, table
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


GZIP = b"\x1f\x8b"
"""How what gzip made begins (RFC 1952, 2.3.1)."""

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
    """Return what files say together; those that gzip made are read as what is in them.

    Raises:
        Failure: INVALID, with file and line.
        Trouble: One is cut off, or is not what gzip made of it.
    """
    with ExitStack() as stack:
        opened = [(stack.enter_context(_plain(name)), name) for name in files]
        try:
            return read_exports(opened)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise Trouble(f"what gzip made cannot be read to its end: {error}", code=2) from error


@contextmanager
def _plain(name: str) -> Iterator[BinaryIO]:
    """Open a file, or stdin, as what is in it before gzip made it smaller."""
    with nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
        peeked = file if isinstance(file, BufferedReader) else BufferedReader(cast("RawIOBase", file))
        if peeked.peek(2)[:2] != GZIP:
            yield peeked
            return
        with gzip.GzipFile(fileobj=peeked) as unpacked:
            yield cast("BinaryIO", unpacked)


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
        note(plain(words))
    for words in found.notes:
        note(plain(words))


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
