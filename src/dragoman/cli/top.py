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
from dragoman.accounts.requests import Running, under_way
from dragoman.accounts.times import told
from dragoman.cli.accounts import at_work, now
from dragoman.cli.columns import cost, fit, lasting, short
from dragoman.cli.terminal import Trouble
from dragoman.core.failure import Failure, Kind
from dragoman.store import Store
from dragoman.store.reports import Cell, Part

HOUR_S = 3600.0
BEST = 5
"""Keys and models that are named."""

FEWEST, NARROWEST, WIDEST = 12, 60, 140
HOME, HIDE, SHOW = "\033[H\033[J", "\033[?25l", "\033[?25h"
"""From the top of an empty screen; without the cursor; with it."""


class Scene(msgspec.Struct, frozen=True):
    """What a frame tells of: at which Unix second, and what there is."""

    at: float
    pace: Pace
    live: Sequence[Running]
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
        if arguments.once or not sys.stdout.isatty():
            width = get_terminal_size().columns
            sys.stdout.write("\n".join(frame(await scene(store, now()), width=width)) + "\n")
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
        live=await under_way(store, lambda _: None, now=at),
        keys=_most(await store.reports.cells(hour, by="key")),
        models=_most(await store.reports.cells(hour, by="model")),
    )


def frame(found: Scene, *, width: int = 80, height: int = 24) -> list[str]:
    """Return the lines of a frame, which fit `width` columns and, but for a few, `height` lines."""
    width = max(NARROWEST, min(width, WIDEST))
    rest = _table("KEY", found.keys, width) + _table("MODEL", found.models, width)
    room = max(1, height - len(rest) - 7)
    lines = [*_head(found), "", *_live(found.live[:room], width)]
    if more := len(found.live) - room:
        lines += [f"and {more:,} more"] if more > 0 else []
    return [fit(line, width).rstrip() for line in [*lines, *rest]]


def _head(found: Scene) -> list[str]:
    speed = found.pace
    share = f"{speed.failed / speed.requests:.1%}" if speed.requests else "none"
    known = cost(speed.cost_micros if speed.cost_micros or not speed.unknown else None)
    rates = f"{speed.requests / MINUTE_S:.1f} requests/s   {speed.tokens / MINUTE_S:,.0f} tokens/s"
    first = (
        f"p50 {lasting(speed.p50_ms)}   p95 {lasting(speed.p95_ms)}   {speed.answers:,} answers in 5 minutes"
    )
    return [
        f"dragoman   {told(found.at)} UTC   {len(found.live):,} under way",
        f"last minute   {rates}   errors {share}   {known}/min",
        f"first token   {first}",
    ]


def _live(live: Sequence[Running], width: int) -> list[str]:
    if not live:
        return ["nothing is under way"]
    names = width - 6 - 11 - 4
    key, model = names // 4, names * 3 // 8
    target = names - key - model
    head = [f"{'AGE':>6} {fit('KEY', key)} {fit('MODEL', model)} {fit('TARGET', target)} {'HELD':>11}"]
    lines = []
    for one in live:
        row = one.live.row
        last = one.live.attempts[-1] if one.live.attempts else None
        asked = f"{last.provider}/{last.model}" if last else row.provider or "-"
        held = cost(one.live.held_micros) if one.live.held_micros else "-"
        lines.append(
            f"{fit(lasting(one.age_s * 1000), 6, right=True)} {fit(row.key, key)} {fit(row.model, model)} "
            f"{fit(asked, target)} {fit(held, 11, right=True)}"
        )
    return head + lines


def _table(name: str, cells: Sequence[Cell], width: int) -> list[str]:
    if not cells:
        return []
    wide = width - 12 - 10 - 8 - 3
    lines = ["", f"{fit(f'{name}, LAST HOUR', wide)} {'COST':>12} {'REQUESTS':>10} {'TOKENS':>8}"]
    for cell in cells:
        sums = cell.sums
        lines.append(
            f"{fit(cell.name or '-', wide)} {fit(cost(sums.cost), 12, right=True)} "
            f"{sums.requests:>10,} {short(sums.tokens):>8}"
        )
    return lines


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
                lines = frame(await scene(store, now()), width=size.columns, height=max(FEWEST, size.lines))
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
