"""``dragoman usage``: what was asked, what it cost and how fast it was.

The figures are the pages' own (:mod:`dragoman.accounts.explored`), read from the store whether or not a
gateway runs. A table is made to fit the terminal; names that do not are cut in the middle, and ``--csv`` and
``--json`` cut nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from shutil import get_terminal_size

import msgspec

from dragoman.accounts import figures
from dragoman.accounts.budgets import money
from dragoman.accounts.explored import Explored, explored
from dragoman.accounts.groups import Group
from dragoman.accounts.reports import (
    INTERVALS,
    MOST_GROUPS,
    MOST_POINTS,
    ORDERS,
    PERIODS,
    Asked,
    read,
    read_span,
)
from dragoman.accounts.stretches import LENGTHS
from dragoman.cli.accounts import at_work, now
from dragoman.cli.terminal import note, paint, say, shows
from dragoman.server.charts import BLOCKS, sparkline
from dragoman.store import Store
from dragoman.store.cover import DAY
from dragoman.store.reports import DIMENSIONS, Spread, Sums

HEAD = ("REQUESTS", "TOKENS", "COST", "ERRORS", "P50", "P95")
WIDTH, LEAST = 80, 12
"""Columns where nobody knows how many there are, and the fewest a name gets."""

SPARK = 12
"""Columns of a sparkline."""

GAP = "  "
GRAINS = ((2 * DAY, "hour"), (90 * DAY, "day"), (3 * 366 * DAY, "week"))
"""Up to how many seconds are drawn by what; a longer time by month."""


def options(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--period", choices=tuple(PERIODS), help="how far back from now (default: month)")
    parser.add_argument("--from", metavar="TIME", help="instead: from a date, an instant or Unix seconds on")
    parser.add_argument("--to", metavar="TIME", help="until then; a date with all of its day")
    groups = (*DIMENSIONS, *INTERVALS)
    parser.add_argument(
        "--by", choices=groups, default="model", help="a line for each of these (default: model)"
    )
    for name in DIMENSIONS:
        parser.add_argument(f"--{name}", metavar="NAME", help=f"only of this {name}; '': of none")
    parser.add_argument("--interval", choices=INTERVALS, help="what sparklines are drawn by")
    parser.add_argument("--top", metavar="N", help="name the first N, and tell the rest as one")
    parser.add_argument("--order", choices=ORDERS, help="what comes first (default: requests)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="CSV, for spreadsheets")
    form.add_argument("--json", action="store_true", help="JSON, for programs")
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: ./dragoman.toml)")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the figures; return the exit code."""
    drawn = not (arguments.csv or arguments.json)

    async def act(store: Store, _: object) -> Explored:
        asked = wanted(arguments, now(), drawn=drawn)
        return await explored(store.reports, asked, fine=arguments.csv)

    found = at_work(arguments, environ, act)
    if arguments.json:
        say(msgspec.json.encode(figures.told(found)).decode())
    elif arguments.csv:
        sys.stdout.write(figures.csv_of(found))
    elif found.total.sums.requests:
        _print(found)
    else:
        note(f"nothing was asked {_time(found)}")
    return 0


def wanted(arguments: argparse.Namespace, at: float, *, drawn: bool) -> Asked:
    """Return the report that is asked for; `drawn`: stretch by stretch, also where that was not said.

    Raises:
        Failure: INVALID.
    """
    given = {"group_by": arguments.by}
    for name in ("period", "from", "to", "interval", "top", "order", *DIMENSIONS):
        value = getattr(arguments, name)
        if value is not None:
            given[name] = value
    if drawn and arguments.interval is None and arguments.by not in INTERVALS:
        span = read_span(given, now=at, default="month")
        long = float("inf") if span.since is None else span.until - span.since
        if span.since is None or long <= MOST_POINTS * LENGTHS["month"]:  # what is longer has no sparklines
            given["interval"] = next((grain for most, grain in GRAINS if long <= most), "month")
    if "interval" in given:
        given.setdefault("top", str(MOST_GROUPS))
    return read(given, own=None, now=at)


def _print(found: Explored) -> None:
    """Print the table, and what should be known of it."""
    if found.asked.by is None:
        lines = list(_times(found))
    else:
        groups = [*found.groups, *([found.other] if found.other else [])]
        lines = [(_name(found, group), _cells(group), _spark(group)) for group in groups]
    lines.append(("total", _cells(found.total), _spark(found.total) if found.asked.by else ""))
    drawn = shows(BLOCKS, sys.stdout)
    if not drawn:
        lines = [(name, cells, "") for name, cells, _ in lines]
    head = (found.asked.grouped or "").upper()
    head_, *told = laid_out([(head, HEAD, ""), *lines], get_terminal_size((WIDTH, 24)).columns)
    say(paint(head_, "bold", sys.stdout))
    for line in told[:-1]:
        say(line)
    say(paint(told[-1], "bold", sys.stdout))
    asked = found.asked
    grain = f", drawn by {asked.interval}" if drawn and asked.by and asked.interval else ""
    note(f"asked {_time(found)}{grain}; P50 and P95: time to the first token")
    unknown = found.total.sums.unknown_cost
    if unknown:
        note(f"+ the cost of {unknown:,} {'request' if unknown == 1 else 'requests'} is unknown")


def laid_out(lines: Sequence[tuple[str, Sequence[str], str]], width: int) -> list[str]:
    """Return lines of a name, numbers and a sparkline in columns, `width` wide at most where that can be."""
    columns = [max(map(len, cells)) for cells in zip(*(cells for _, cells, _ in lines), strict=True)]
    numbers = [
        GAP.join(cell.rjust(most) for cell, most in zip(cells, columns, strict=True)) for _, cells, _ in lines
    ]
    spark = max(len(drawn) for _, _, drawn in lines)
    room = width - len(numbers[0]) - len(GAP) - (len(GAP) + spark if spark else 0)
    names = [_plain(name) for name, _, _ in lines]
    most = min(max(map(len, names)), max(LEAST, room))
    return [
        GAP.join((cut(name, most).ljust(most), told, drawn)).rstrip()
        for name, told, (_, _, drawn) in zip(names, numbers, lines, strict=True)
    ]


def cut(name: str, most: int) -> str:
    """Return a name in `most` characters: what is too much is taken from its middle."""
    if len(name) <= most:
        return name
    head = (most - 1) // 2
    return f"{name[:head]}~{name[len(name) - (most - 1 - head) :]}"


def amount(sums: Sums) -> str:
    """Return a cost for people: cents, and below a dollar whatever there is; + where more is unknown."""
    if sums.cost is None:
        return "unknown"
    told = money(sums.cost) if sums.cost < 1_000_000 else f"${sums.cost / 1_000_000:,.2f}"
    return f"{told}+" if sums.unknown_cost else told


def count(number: int) -> str:
    """Return a number in few characters: 12,345, 1.23M, 45.6G."""
    if number < 100_000:
        return f"{number:,}"
    for unit, letter in ((10**9, "G"), (10**6, "M")):
        if number >= 0.9995 * unit:
            few = number / unit
            return f"{few:,.0f}{letter}" if few >= 999.5 else f"{few:.3g}{letter}"
    return f"{number / 1000:.0f}k"


def length(ms: float | None) -> str:
    """Return a duration in few characters: 142ms, 1.2s, 3m; - where there is none."""
    if ms is None:
        return "-"
    if ms < 999.5:
        return f"{ms:.0f}ms"
    return f"{ms / 1000:.1f}s" if ms < 99_950 else f"{ms / 60_000:.0f}m"


def _cells(group: Group) -> tuple[str, ...]:
    sums, spread = group.sums, group.spread or Spread()
    return (
        f"{sums.requests:,}",
        count(sums.tokens),
        amount(sums),
        f"{sums.failed:,}",
        length(spread.first_event_ms(0.5)),
        length(spread.first_event_ms(0.95)),
    )


def _times(found: Explored) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield a line for each stretch, with a bar of its requests instead of a sparkline."""
    most = max(point.sums.requests for point in found.total.points)
    for point in found.total.points:
        at = figures.iso(point.at)
        name = f"{at[:10]} {at[11:16]}" if found.asked.interval == "hour" else at[:10]
        bar = "█" * -(-SPARK * point.sums.requests // most)
        yield name, _cells(Group(None, point.sums, point.spread)), bar


def _name(found: Explored, group: Group) -> str:
    if group is found.other:
        return f"({found.others} others)"
    return group.name or "(none)"


def _spark(group: Group) -> str:
    numbers = [point.sums.requests for point in group.points]
    return sparkline(numbers, width=SPARK) if len(numbers) > 1 else ""


def _time(found: Explored) -> str:
    """Return the time a report is of, in words."""
    since = "from the first request on" if found.since is None else f"from {_instant(found.since)}"
    return f"{since} to {_instant(found.until)} UTC"


def _instant(at: float) -> str:
    told = figures.iso(at)
    return f"{told[:10]} {told[11:16]}"


def _plain(name: str) -> str:
    """Return a name that stays one: a terminal obeys what it is sent."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)
