"""``dragoman top``: what is under way, how fast and at what cost; again every second, until interrupted.

It reads the store, whether or not a gateway runs here. Rates are of the last minute, of requests that began
within five; what streams have come to so far only their own process knows, and tells at ``/admin/live``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from shutil import get_terminal_size

import msgspec

from dragoman.accounts.pace import MINUTE_S, MOST, WINDOW_S, Pace, pace
from dragoman.accounts.requests import MOST_LIVE, Going, Running, under_way
from dragoman.accounts.times import told
from dragoman.cli.accounts import at_work, now
from dragoman.cli.columns import cost, fit, lasting, short
from dragoman.cli.terminal import Trouble, moves
from dragoman.core.failure import Failure, Kind
from dragoman.store import Store
from dragoman.store.reports import Cell, Part

HOUR_S = 3600.0
BEST = 5
"""Keys and models that are named."""

LIVE = 2
"""Requests under way that are told rather than what was spent, where there is no room for both."""

NARROWEST, WIDEST = 20, 140
ROOMY, AMPLE = 60, 80
"""Columns from which on it is told whom a request was sent to; and everything."""

HOME, HIDE, SHOW = "\033[H\033[J", "\033[?25l", "\033[?25h"
"""From the top of an empty screen; without the cursor; with it."""


class Column(msgspec.Struct, frozen=True):
    """A column: as wide as it says or, of what the others leave, its share; shown from a least width on."""

    head: str
    width: int = 0
    share: int = 0
    right: bool = False
    least: int = 0


class Scene(msgspec.Struct, frozen=True):
    """What a frame tells of: at which Unix second, and what there is."""

    at: float
    pace: Pace
    live: Going
    keys: Sequence[Cell]
    models: Sequence[Cell]


def options(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--once", action="store_true", help="print one frame and end")
    parser.add_argument(
        "--interval", type=float, default=1.0, metavar="SECONDS", help="between two frames (default: 1)"
    )
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: ./dragoman.toml)")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Show it; return the exit code."""
    if not 0.1 <= arguments.interval <= HOUR_S:
        raise Trouble("--interval is a number of seconds from 0.1 to 3600", code=2)

    async def act(store: Store, _: object) -> None:
        if arguments.once or not moves(sys.stdout):
            width = get_terminal_size().columns
            sys.stdout.write("\n".join(frame(await scene(store, now()), width=width, height=None)) + "\n")
            return
        await _shown(store, arguments.interval)

    at_work(arguments, environ, act)
    return 0


async def scene(store: Store, at: float) -> Scene:
    """Return what there is to tell at a Unix second."""
    hour = Part(since=at - HOUR_S)
    return Scene(
        at=at,
        pace=pace(await store.requests.ended(at - WINDOW_S, limit=MOST), now=at),
        live=await under_way(store, lambda _: None, now=at, limit=MOST_LIVE),
        keys=_most(await store.reports.cells(hour, by="key")),
        models=_most(await store.reports.cells(hour, by="model")),
    )


def frame(found: Scene, *, width: int = 80, height: int | None = 24) -> list[str]:
    """Return the lines of a frame, which fit `width` columns and `height` lines; None: as many as it takes.

    Where there is no room for all, what matters least is left out: of what is under way all but the oldest,
    then models, then keys, and what is still too much at the end. Nothing is left for the terminal to fold,
    or to push out at its top.
    """
    width = max(NARROWEST, min(width, WIDEST))
    head, live = _head(found, width), found.live.oldest
    for tables in ((("KEY", found.keys), ("MODEL", found.models)), (("KEY", found.keys),), ()):
        rest = [line for name, cells in tables for line in _table(name, cells, width)]
        room = len(live) if height is None else height - len(rest) - len(head) - 4
        if room >= min(LIVE, len(live)):
            break
    shown = live[: max(1, room)]
    lines = [*head, "", *_live(shown, width)]
    if more := found.live.total - len(shown):
        lines.append(f"and {more:,} more")
    return [fit(line, width).rstrip() for line in [*lines, *rest][:height]]


def _head(found: Scene, width: int) -> list[str]:
    speed, wide = found.pace, width >= AMPLE
    share = f"{speed.failed / speed.requests:.1%}" if speed.requests else "none"
    known = cost(speed.cost_micros if speed.cost_micros or not speed.unknown else None)
    rate, time = f"{speed.requests / MINUTE_S:.1f} requests/s", told(found.at)
    tokens = [f"{speed.tokens / MINUTE_S:,.0f} tokens/s"] if wide else []
    answers = [f"{speed.answers:,} answers in 5 minutes"] if wide else []
    lines = (
        ["dragoman", f"{time if wide else time.rpartition(' ')[2]} UTC", f"{found.live.total:,} under way"],
        ["last minute", rate, *tokens, f"errors {share}", f"{known}/min"],
        ["first token", f"p50 {lasting(speed.p50_ms)}", f"p95 {lasting(speed.p95_ms)}", *answers],
    )
    return [line for facts in lines for line in _folded(facts, width)]


def _folded(facts: Sequence[str], width: int) -> list[str]:
    """Return facts in as few lines as hold them, none of them torn."""
    lines = [facts[0]]
    for fact in facts[1:]:
        longer = f"{lines[-1]}   {fact}"
        if len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(fact)
    return lines


def _live(live: Sequence[Running], width: int) -> list[str]:
    if not live:
        return ["nothing is under way"]
    columns = (
        Column("AGE", 6, right=True),
        Column("KEY", share=2),
        Column("MODEL", share=3),
        Column("TARGET", share=3, least=ROOMY),
        Column("HELD", 11, right=True, least=50),
    )
    rows = []
    for one in live:
        row = one.live.row
        last = one.live.attempts[-1] if one.live.attempts else None
        asked = f"{last.provider}/{last.model}" if last else row.provider or "-"
        held = cost(one.live.held_micros) if one.live.held_micros else "-"
        rows.append((lasting(one.age_s * 1000), row.key, row.model, asked, held))
    return _laid(columns, rows, width)


def _table(name: str, cells: Sequence[Cell], width: int) -> list[str]:
    if not cells:
        return []
    columns = (
        Column(f"{name}, LAST HOUR", share=1),
        Column("COST", 12, right=True),
        Column("REQUESTS", 10, right=True, least=34),
        Column("TOKENS", 8, right=True, least=50),
    )
    sums = [(cell.name or "-", cell.sums) for cell in cells]
    rows = [(name, cost(one.cost), f"{one.requests:,}", short(one.tokens)) for name, one in sums]
    return ["", *_laid(columns, rows, width)]


def _laid(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return rows under their head, in those columns that a width has room for."""
    kept = [place for place, column in enumerate(columns) if width >= column.least]
    shares = sum(columns[place].share for place in kept)
    rest = width - sum(columns[place].width for place in kept) - (len(kept) - 1)
    wide = {place: columns[place].width or rest * columns[place].share // shares for place in kept}
    return [
        " ".join(fit(cells[place], wide[place], right=columns[place].right) for place in kept)
        for cells in ([column.head for column in columns], *rows)
    ]


def _most(cells: Sequence[Cell]) -> list[Cell]:
    ordered = sorted(cells, key=lambda cell: (-cell.sums.cost_micros, -cell.sums.requests, cell.name or ""))
    return ordered[:BEST]


async def _shown(store: Store, every_s: float) -> None:
    """Show a frame after another; whatever happens, the terminal has its cursor back."""
    sys.stdout.write(HIDE)
    try:
        while True:
            try:
                size = get_terminal_size()
                lines = frame(await scene(store, now()), width=size.columns, height=size.lines)
            except Failure as failure:
                if failure.kind is not Kind.UNAVAILABLE:
                    raise
                lines = [f"the store cannot be asked now: {failure.message}"]
            sys.stdout.write(HOME + "\n".join(lines))
            sys.stdout.flush()
            await asyncio.sleep(every_s)
    finally:
        sys.stdout.write(f"{SHOW}\n")
        sys.stdout.flush()
