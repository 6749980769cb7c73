"""``dragoman audit``: who changed what of keys, teams, users, budgets and prices."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import msgspec

from dragoman.accounts import shown
from dragoman.accounts.times import told
from dragoman.cli.accounts import at_work
from dragoman.cli.terminal import Trouble, note, say, table

MOST = 2**53
"""The largest number of an entry, and of entries."""

HEAD = ("NUMBER", "AT (UTC)", "ACTOR", "ACTION", "SUBJECT", "DETAIL")


def options(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="the newest N (default: 50)")
    parser.add_argument("--before", type=int, metavar="NUMBER", help="only those older than this one")
    parser.add_argument("--json", action="store_true", help="JSON, for programs")
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: ./dragoman.toml)")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the entries, the newest first; return the exit code."""
    limit = arguments.limit
    if not 1 <= limit <= MOST or not 1 <= (arguments.before or 1) <= MOST:
        raise Trouble(f"--limit and --before are whole numbers from 1 to {MOST}", code=2)
    rows = at_work(
        arguments, environ, lambda store, _: store.audit.rows(limit=limit, before=arguments.before)
    )
    if arguments.json:
        say(msgspec.json.encode([shown.entry(number, row) for number, row in rows]).decode())
    elif rows:
        cells = (
            [str(number), told(row.at), row.actor, row.action, row.subject, row.detail.decode()]
            for number, row in rows
        )
        say(table(HEAD, list(cells)))
    else:
        note("nothing was changed yet")
    return 0
