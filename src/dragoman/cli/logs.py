"""``dragoman logs``: the requests, the newest last; and with ``-f`` those that end from now on.

They are read out of the store, twice a second, whether or not a gateway runs, and on any machine that shares
it. A request is told as it ends; one that ends late is told late. A store that cannot be reached for a while
is asked again until it can.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from dragoman.accounts import logged
from dragoman.accounts.requests import FLAGS, listed, read_filters
from dragoman.cli.accounts import at_work, now
from dragoman.cli.columns import cost, fit, lasting, short
from dragoman.cli.terminal import Style, Trouble, note, paint
from dragoman.core.failure import Failure, Kind
from dragoman.core.usage import COUNTERS
from dragoman.store import ExchangeRow, Store
from dragoman.store.requests import MOST_ROWS, Filters, Spot, matches

EVERY_S = 0.5
"""Seconds between two looks."""

BACK_S = 60.0
"""Seconds a request may be written down after it began, and still be noticed without having been open."""

MOST = 20_000
"""Requests one look may find new."""

AT_ONCE = 500
"""Rows that are fetched together."""

MOST_LIMIT = 10_000

NEVER = """\
no requests yet; to make one, start a gateway and ask it:
  dragoman serve
  dragoman chat local/smollm2-135m "Who was Marco Polo?"\
"""

NAMES = ("key", "team", "user", "model", "asked", "provider", "route", "state", "failure", "dialect", "id")
FIGURES = ("min_cost", "min_latency")

HEAD = f"{'TIME (UTC)':11} {'':3} {'KEY':13} {'MODEL':16} {'TOOK':>6} {'FIRST':>6} {'TOKENS':>6} COST"

_STYLES: Mapping[str, Style] = {"failed": "bad", "interrupted": "bad", "cancelled": "warn", "reserved": "dim"}


def options(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on telling those that end from now on"
    )
    parser.add_argument("-n", "--limit", type=int, default=20, metavar="N", help="the newest N (default: 20)")
    parser.add_argument("--json", action="store_true", help="a JSON object a line, for programs")
    for name in (*NAMES, *FIGURES):
        parser.add_argument(
            f"--{name.replace('_', '-')}", metavar=name.split("_")[-1].upper(), help=_help(name)
        )
    parser.add_argument("--since", metavar="TIME", help="those that began then or later")
    parser.add_argument("--until", metavar="TIME", help="those that began before")
    parser.add_argument("--only", action="append", choices=FLAGS, help="only such requests; may be repeated")
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: ./dragoman.toml)")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print them; return the exit code."""
    if arguments.limit < 0:
        raise Trouble("--limit is how many: 0 or more", code=2)

    async def act(store: Store, _: object) -> None:
        filters = read_filters(query(arguments), own=None, now=now()).filters
        write = Told(colour=sys.stdout.isatty(), json=arguments.json)
        following = Following(store, filters)
        if arguments.follow:
            await following.begin()
        rows = await newest(store, filters, min(arguments.limit, MOST_LIMIT))
        write(rows)
        if not rows and arguments.limit:
            note(await _nothing(store))
        if arguments.follow:
            following.told(rows)
            await follow(following, write)

    at_work(arguments, environ, act)
    return 0


async def _nothing(store: Store) -> str:
    """Return why nothing is told: there is nothing, or nothing that meets the conditions."""
    if not await newest(store, Filters(), 1):
        return NEVER
    return "no request matches: there are some, but none like this"


def query(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the options as the query of a page has them."""
    found = {name: value for name in (*NAMES, *FIGURES) if (value := getattr(arguments, name)) is not None}
    found |= dict.fromkeys(arguments.only or (), "true")
    ends = {"from": arguments.since, "to": arguments.until}
    return found | {name: value for name, value in ends.items() if value is not None}


async def newest(store: Store, filters: Filters, limit: int) -> list[ExchangeRow]:
    """Return the newest rows that meet the conditions, the newest last, over as many pages as it takes."""
    asked = read_filters({}, own=None, now=0)
    found: list[ExchangeRow] = []
    after: str | None = None
    while len(found) < limit:
        page = await listed(
            store,
            msgspec.structs.replace(
                asked, filters=filters, limit=min(MOST_ROWS, limit - len(found)), after=after
            ),
            count=False,
        )
        found += page.rows
        if page.next is None:
            break
        after = page.next
    return found[::-1]


class Following:
    """Finds what has ended since it was last asked."""

    def __init__(self, store: Store, filters: Filters, *, clock: Callable[[], float] = now) -> None:
        self._store = store
        self._filters = filters
        self._clock = clock
        self._seen: set[Spot] = set()
        self._open: set[Spot] = set()
        self._told: set[str] = set()

    async def begin(self) -> None:
        """Take all there is for told, but for what is still under way."""
        await self.news()

    def told(self, rows: Sequence[ExchangeRow]) -> None:
        """Take these for told: they may have ended just before they were."""
        self._told = {row.id for row in rows}

    async def news(self) -> list[ExchangeRow]:
        """Return those that have ended since, in the order of when they began.

        Raises:
            Failure: UNAVAILABLE, the store cannot be asked.
        """
        since = self._clock() - BACK_S
        spots = await self._store.requests.spots(since, limit=MOST)
        wanted = sorted(self._open | {spot for spot in spots if spot not in self._seen})
        found: list[ExchangeRow] = []
        open_: set[Spot] = set()
        fresh = self._filters.state == "reserved"
        for begin in range(0, len(wanted), AT_ONCE):
            for spot, row in await self._store.requests.at(wanted[begin : begin + AT_ONCE]):
                if row.state == "reserved":
                    open_.add(spot)
                if (
                    row.state != "reserved" or (fresh and spot not in self._open)
                ) and row.id not in self._told:
                    found.append(row)
        self._open = open_
        self._seen = {spot for spot in self._seen if spot.opened_at >= since} | set(spots)
        return [row for row in found if matches(self._filters, row)]


async def follow(
    following: Following,
    write: Callable[[Sequence[ExchangeRow]], None],
    *,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Write what ends, until interrupted."""
    away = False
    while True:
        await pause(EVERY_S)
        try:
            rows = await following.news()
        except Failure as failure:
            if failure.kind is not Kind.UNAVAILABLE:
                raise
            if not away:
                note(f"the store cannot be asked now ({failure.message}); going on as soon as it can")
            away = True
            continue
        if away:
            note("the store can be asked again")
        away = False
        write(rows)


class Told:
    """Writes rows to stdout: as lines of columns under a head, or as JSON."""

    def __init__(self, *, colour: bool, json: bool) -> None:
        self._colour = colour
        self._json = json
        self._begun = False

    def __call__(self, rows: Sequence[ExchangeRow]) -> None:
        """Write some rows, and let them be seen."""
        if rows and not self._begun and not self._json:
            sys.stdout.write(f"{HEAD}\n")
        self._begun = self._begun or bool(rows)
        for row in rows:
            sys.stdout.write(f"{self._line(row)}\n")
        sys.stdout.flush()

    def _line(self, row: ExchangeRow) -> str:
        if self._json:
            return msgspec.json.encode(logged.row(row)).decode()
        text, style = line(row), _STYLES.get(row.state)
        return paint(text, style, sys.stdout) if style and self._colour else text


def line(row: ExchangeRow) -> str:
    """Return a row in at most 80 columns."""
    at = datetime.fromtimestamp(row.opened_at, UTC).strftime("%d %H:%M:%S")
    status = "..." if row.state == "reserved" else str(row.status or row.state[:3])
    model = row.answered_model or row.model
    tokens = sum(getattr(row.meters, name) for name in COUNTERS)
    marks = "".join(
        mark
        for mark, there in (
            ("c", row.cached),
            ("f", row.fallback),
            ("l", row.losses),
            ("~", row.meters.estimated),
        )
        if there
    )
    if row.state == "reserved":
        last = "under way"
    elif row.state != "settled" and not row.meters.cost_micros:
        last = row.failure or row.state
    else:
        last = cost(row.meters.cost_micros)
    cells = [
        fit(at, 11),
        fit(status, 3),
        fit(row.key, 13),
        fit(model, 16),
        fit(lasting(row.latency_ms), 6, right=True),
        fit(lasting(row.first_event_ms), 6, right=True),
        fit(short(tokens) if tokens else "-", 6, right=True),
        fit(f"{last} {marks}".strip(), 12).rstrip(),
    ]
    return " ".join(cells)


def _help(name: str) -> str:
    known = {
        "min_cost": "those that cost so many US dollars or more",
        "min_latency": "those that took so many milliseconds or longer",
        "id": "the one of this id, or whose request a client called so",
        "state": "live, settled, cancelled, failed or interrupted",
        "asked": "those that asked for this model",
        "failure": "those with this kind of failure",
    }
    return known.get(name, f"those of this {name}; - for none")
