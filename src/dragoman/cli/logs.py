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
from shutil import get_terminal_size
from types import MappingProxyType

import msgspec

from dragoman.accounts import logged
from dragoman.accounts.requests import FLAGS, NONE, listed, read_filters
from dragoman.cli.accounts import at_work, before, now
from dragoman.cli.columns import cost, fit, lasting, short
from dragoman.cli.terminal import Style, Trouble, breadth, note, paint
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

WIDTH = 80
"""Columns of a terminal that does not say how many it has."""

NEVER = """\
no requests yet; to make one, start a gateway and ask it:
  dragoman serve
  dragoman chat local/smollm2-135m "Who was Marco Polo?"\
"""

NAMES = ("key", "team", "user", "model", "asked", "provider", "route", "state", "failure", "dialect", "id")
FIGURES = ("min_cost", "min_latency")

FIGURE = 7
"""Columns that a figure adds to a line."""

TIMES: Mapping[int, str] = MappingProxyType({8: "%H:%M:%S", 14: "%m-%d %H:%M:%S", 19: "%Y-%m-%d %H:%M:%S"})
"""How a time is written in so many columns."""

FEWEST, WIDEST = 19, 84
"""Columns of both names below which they get those of a figure, and beyond which nobody needs any."""

HEADS = ("TOOK", "FIRST", "TOKENS")

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
    parser.add_argument("--since", metavar="TIME", help="those that began then or later; 1h: an hour ago")
    parser.add_argument("--until", metavar="TIME", help="those that began before")
    parser.add_argument("--only", action="append", choices=FLAGS, help="only such requests; may be repeated")
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: ./dragoman.toml)")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print them; return the exit code."""
    if arguments.limit < 0:
        raise Trouble("--limit is how many: 0 or more", code=2)

    async def act(store: Store, _: object) -> None:
        filters = read_filters(query(arguments), own=None, now=now()).filters
        seen = sys.stdout.isatty()
        width = get_terminal_size((WIDTH, 24)).columns if seen or "COLUMNS" in environ else None
        write = Told(colour=seen, json=arguments.json, layout=layout(width))
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
    """Return the options as the query of a page has them; a name that is empty asks for those of none.

    Raises:
        Trouble: One is empty that asks for nothing then, or is no time.
    """
    found = {name: value for name in (*NAMES, *FIGURES) if (value := getattr(arguments, name)) is not None}
    for name in (name for name, value in found.items() if not value.strip()):
        if name in ("state", "id", *FIGURES):
            raise Trouble(f"--{name.replace('_', '-')} is empty", code=2)
        found[name] = NONE
    found |= dict.fromkeys(arguments.only or (), "true")
    ends = {"from": arguments.since, "to": arguments.until}
    return found | {name: str(before(value)) for name, value in ends.items() if value is not None}


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
        """Take these for told, as they may have ended just before; of one under way the end is news."""
        wants_open = self._filters.state == "reserved"
        self._told = {row.id for row in rows if wants_open or row.state != "reserved"}

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


class Layout(msgspec.Struct, frozen=True):
    """What a line has room for.

    Attributes:
        time: Columns of the time, of :data:`TIMES`.
        key: Columns of a key's name.
        model: Columns of a model's.
        figures: Which figures: how long it took, when the first token came, of how many it was.
        whole: Whether names are told whole, however long: nobody looks on, and a program may look for them.
    """

    time: int = 14
    key: int = 12
    model: int = 14
    figures: tuple[int, ...] = (0, 1, 2)
    whole: bool = False


def layout(width: int | None) -> Layout:
    """Return what lines of a width have room for; None: there is no terminal that folds them."""
    if width is None:
        return Layout(19, 20, 28, whole=True)
    time = 19 if width >= 100 else 14 if width >= 56 else 8
    rest = (
        width - time - 19
    )  # what remains for names and figures: a status, a cost and blanks are always there
    figures = next((some for some in ((0, 1, 2), (0, 2), (0,)) if rest - len(some) * FIGURE >= FEWEST), ())
    names = min(WIDEST, max(8, rest - len(figures) * FIGURE))
    key = names * 13 // 29
    return Layout(time, key, names - key, figures)


class Told:
    """Writes rows to stdout: as lines of columns under a head, or as JSON."""

    def __init__(self, *, colour: bool, json: bool, layout: Layout) -> None:
        self._colour = colour
        self._json = json
        self._layout = layout
        self._begun = False

    def __call__(self, rows: Sequence[ExchangeRow]) -> None:
        """Write some rows, and let them be seen."""
        if rows and not self._begun and not self._json:
            sys.stdout.write(f"{head(self._layout)}\n")
        self._begun = self._begun or bool(rows)
        for row in rows:
            sys.stdout.write(f"{self._line(row)}\n")
        sys.stdout.flush()

    def _line(self, row: ExchangeRow) -> str:
        if self._json:
            return msgspec.json.encode(logged.row(row)).decode()
        text, style = line(row, self._layout), _STYLES.get(row.state)
        return paint(text, style, sys.stdout) if style and self._colour else text


def head(room: Layout) -> str:
    """Return what stands above the columns."""
    return _laid(
        room, "UTC" if room.time == min(TIMES) else "TIME (UTC)", "", ("KEY", "MODEL"), HEADS, "COST"
    )


def line(row: ExchangeRow, room: Layout) -> str:
    """Return a row in the columns there is room for."""
    at = datetime.fromtimestamp(row.opened_at, UTC).strftime(TIMES[room.time])
    status = "..." if row.state == "reserved" else str(row.status or row.state[:3])
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
    figures = (lasting(row.latency_ms), lasting(row.first_event_ms), short(tokens) if tokens else "-")
    names = (row.key, row.answered_model or row.model)
    return _laid(room, at, status, names, figures, f"{last} {marks}".strip())


def _laid(  # noqa: PLR0917  the cells, as they stand
    room: Layout, at: str, status: str, names: tuple[str, str], figures: Sequence[str], last: str
) -> str:
    """Return a line of cells."""
    wide = (room.key, room.model)
    cells = [
        fit(at, room.time),
        fit(status, 3),
        *(
            fit(name, max(least, breadth(name)) if room.whole else least)
            for name, least in zip(names, wide, strict=True)
        ),
        *(fit(figures[place], FIGURE - 1, right=True) for place in room.figures),
        fit(last, 12),
    ]
    return " ".join(cells).rstrip()


def _help(name: str) -> str:
    known = {
        "min_cost": "those that cost so many US dollars or more",
        "min_latency": "those that took so many milliseconds or longer",
        "id": "the one of this id, or whose request a client called so",
        "state": "live, settled, cancelled, failed or interrupted",
        "asked": "those that asked for this model",
        "failure": "those with this kind of failure",
    }
    return known.get(name, f"only of this {name}; - for none")
