"""``dragoman usage``: what was asked, what it cost and how fast it was.

The figures are the pages' own (:mod:`dragoman.accounts.explored`), read from the store whether or not a
gateway runs. A table is made to fit the terminal: first sparklines are shorter, then names are cut in the
middle, then columns are left out, and no time or number is ever cut. ``--csv`` and ``--json`` have all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from dragoman.cli.terminal import Trouble, breadth, note, paint, plain, say, shows
from dragoman.server.charts import BLOCKS, sparkline
from dragoman.store import Store
from dragoman.store.cover import DAY
from dragoman.store.reports import DIMENSIONS, Spread, Sums

HEAD = ("REQUESTS", "TOKENS", "COST", "ERRORS", "P50", "P95")
WIDTH, LEAST = 80, 12
"""Columns where nobody knows how many there are, and the fewest a name gets."""

SPARK, SHORT = 12, 6
"""Columns of a sparkline, and of a short one."""

ALL = tuple(range(len(HEAD)))
PLANS = (
    *((SPARK, ALL, 20), (SHORT, ALL, 20), (SHORT, ALL, LEAST), (0, ALL, LEAST)),
    *((0, (0, 1, 2, 3), LEAST), (0, (0, 2, 3), LEAST), (0, (0, 2), LEAST), (0, (2,), 0)),
)
"""What there may be room for, the best first: columns of a drawing; which figures; of a name, at least."""

Line = tuple[str, Sequence[str], Callable[[int], str]]
"""A name, its figures, and what draws them in so many columns at most."""

GAP = "  "
NONE = "-"
"""What asks for those that have no such thing; so does an empty word."""

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
        parser.add_argument(f"--{name}", metavar="NAME", help=f"only of this {name}; - for none")
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
        given = ((name, getattr(arguments, name)) for name in DIMENSIONS)
        of = "".join(
            f" of no {name}" if value in ("", NONE) else f" of {name} {value!r}"
            for name, value in given
            if value is not None
        )
        note(f"nothing was asked{of} {_time(found)}")
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
            given[name] = "" if value == NONE and name in DIMENSIONS else value
    if arguments.interval is not None and arguments.by in INTERVALS:
        raise Trouble(f"--by {arguments.by} is by time already: leave --interval out", code=2)
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
    lines.append(("total", _cells(found.total), _spark(found.total) if found.asked.by else _undrawn))
    if not shows(BLOCKS, sys.stdout):
        lines = [(name, cells, _undrawn) for name, cells, _ in lines]
    head = (found.asked.grouped or "").upper()
    width = get_terminal_size((WIDTH, 24)).columns
    head_, *told = laid_out([(head, HEAD, _undrawn), *lines], width, whole=found.asked.by is None)
    say(paint(head_, "bold", sys.stdout))
    for line in told[:-1]:
        say(line)
    say(paint(told[-1], "bold", sys.stdout))
    asked = found.asked
    drawn = any(letter in BLOCKS for letter in told[-1])
    grain = f", requests drawn by {asked.interval}" if drawn and asked.by and asked.interval else ""
    note(f"asked {_time(found)}{grain}; P50 and P95: time to the first token")
    unknown = found.total.sums.unknown_cost
    if unknown:
        note(f"+ the cost of {unknown:,} {'request' if unknown == 1 else 'requests'} is unknown")


def laid_out(lines: Sequence[Line], width: int, *, whole: bool = False) -> list[str]:
    """Return lines in columns, `width` wide at most where that can be; `whole`: no name may be cut."""
    names = [plain(name) for name, _, _ in lines]
    longest = max(map(breadth, names))
    numbers, drawn, room = [""], [""], 0
    for spark, kept, least in PLANS:
        drawn = [draw(spark) for _, _, draw in lines]
        numbers = list(
            _columns([[cells[place] for place in kept if place < len(cells)] for _, cells, _ in lines])
        )
        art = max(map(len, drawn))
        room = width - len(numbers[0]) - len(GAP) - (len(GAP) + art if art else 0)
        if room >= (longest if whole else min(longest, least)):
            break
    most = longest if whole else min(longest, max(1, room))
    cells = ((name := cut(one, most)) + " " * (most - breadth(name)) for one in names)
    return [GAP.join(line).rstrip() for line in zip(cells, numbers, drawn, strict=True)]


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows of numbers, which stand right."""
    wide = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        yield GAP.join(cell.rjust(most) for cell, most in zip(row, wide, strict=True))


def cut(name: str, most: int) -> str:
    """Return a name in `most` columns: what is too much is taken from its middle."""
    if breadth(name) <= most:
        return name
    head, tail = "", ""
    for letter in name:
        if breadth(head + letter) > (most - 1) // 2:
            break
        head += letter
    for letter in reversed(name):
        if breadth(letter + tail) > most - 1 - (most - 1) // 2:
            break
        tail = letter + tail
    return f"{head}~{tail}"


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


def _times(found: Explored) -> Iterator[Line]:
    """Yield a line for each stretch, with a bar of its requests instead of a sparkline."""
    most = max(point.sums.requests for point in found.total.points)
    for point in found.total.points:
        at = figures.iso(point.at)
        name = f"{at[:10]} {at[11:16]}" if found.asked.interval == "hour" else at[:10]
        yield name, _cells(Group(None, point.sums, point.spread)), _bar(point.sums.requests, most)


def _name(found: Explored, group: Group) -> str:
    if group is found.other:
        return f"({found.others} others)"
    return group.name or "(none)"


def _bar(number: int, most: int) -> Callable[[int], str]:
    return lambda width: "█" * -(-width * number // most)


def _spark(group: Group) -> Callable[[int], str]:
    numbers = [point.sums.requests for point in group.points]
    return lambda width: sparkline(numbers, width=width) if width and len(numbers) > 1 else ""


def _undrawn(_: int) -> str:
    return ""


def _time(found: Explored) -> str:
    """Return the time a report is of, in words."""
    since = "from the first request on" if found.since is None else f"from {_instant(found.since)}"
    return f"{since} to {_instant(found.until)} UTC"


def _instant(at: float) -> str:
    told = figures.iso(at)
    return f"{told[:10]} {told[11:16]}"
