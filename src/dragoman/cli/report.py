"""``dragoman report``: a report of a day, week or month, for mailing.

It is written and not sent: whoever has a mail server has a way to send it, and a job in a table of times.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from dragoman.accounts.letter import PERIODS, Letter, letter, time_of
from dragoman.cli.accounts import at_work, now
from dragoman.cli.terminal import Trouble, note
from dragoman.server.dashboard import words
from dragoman.server.letter import in_csv, in_html, in_mail, in_text, title_of
from dragoman.store import Store
from dragoman.store.reports import Dimension

FILTERS: tuple[Dimension, ...] = ("key", "team", "user", "model", "provider", "route")

NONE = "-"
"""What asks for those that have no such thing; so does an empty word."""

FORMS: Mapping[str, Callable[[Letter], bytes]] = MappingProxyType(
    {
        "out": lambda found: in_html(found).encode(),
        "csv": lambda found: in_csv(found).encode(),
        "text": lambda found: in_text(found).encode(),
        "eml": in_mail,
    }
)
"""What may be written, and how."""


def options(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "--period",
        choices=tuple(PERIODS),
        help="of the last day, 7 or 30 days that are over, UTC (default: week)",
    )
    parser.add_argument("--from", dest="begin", metavar="TIME", help="of the time since a date or instant")
    parser.add_argument("--to", dest="end", metavar="TIME", help="until then; a date with all of its day")
    for name in FILTERS:
        parser.add_argument(f"--{name}", metavar="NAME", help=f"only of this {name}; - for none")
    parser.add_argument("--out", metavar="FILE", help="write HTML (default: to stdout)")
    parser.add_argument("--csv", metavar="FILE", help="write the same figures as CSV")
    parser.add_argument("--text", metavar="FILE", help="write plain text")
    parser.add_argument("--eml", metavar="FILE", help="write a message of HTML and text, to be sent")
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: ./dragoman.toml)")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Write the report; return the exit code."""
    if arguments.period and arguments.begin is not None:
        raise Trouble("--period and --from both say when it begins: give one of them", code=2)
    given: dict[str, str | None] = {name: getattr(arguments, name) for name in FILTERS}
    filters = {name: "" if value == NONE else value for name, value in given.items() if value is not None}

    async def act(store: Store, _: object) -> Letter:
        at = now()
        period = arguments.period or "week"
        since, until = time_of(period, arguments.begin, arguments.end, now=at)
        return await letter(store, since, until, filters=filters, now=at)

    found = at_work(arguments, environ, act)
    files = {form: getattr(arguments, form) for form in FORMS if getattr(arguments, form) is not None}
    for form, name in (files or {"out": "-"}).items():
        content = FORMS[form](found)
        if name == "-":
            sys.stdout.flush()
            sys.stdout.buffer.write(content)
        else:
            Path(name).write_bytes(content)
    total = found.models.total.sums
    note(f"{title_of(found)}: {words.count(total.requests)} requests, {words.money(total.cost)}")
    return 0
