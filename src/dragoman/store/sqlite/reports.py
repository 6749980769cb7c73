"""Sums over exchanges in SQLite: of any stretch of time, at a cost that hardly grows with the ledger.

There are sums of every hour, day and 32 days (:mod:`dragoman.store.reports`). A stretch of time is covered by
the longest of these that fit whole into it, by shorter ones at both ends, and by the rows themselves where it
begins or ends within an hour:

    since |rows|hours|days| 32 days | 32 days | 32 days |days|hours|rows| until

So an answer is exact to the instant and reads at most 31 days, 23 hours and one hour's rows on each side,
however long the time between. What waits to be posted is posted first; all parts are then read in one
transaction: no exchange is missed or counted twice because it ended meanwhile.

Where sums of several dimensions are told apart, those of one time are either looked up, group by group, or
all read: whichever is less.

Where nothing can be written, as on a full disk, nothing is posted: a report adds what waits itself.

Reports have threads and connections of their own: a long one holds up no request, nor the other reports.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from operator import add, itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from dragoman.core.failure import Failure
from dragoman.store.cover import BLOCK, DAY, HOUR, Cover, beginning, cover
from dragoman.store.posting import Post
from dragoman.store.reports import (
    DIMENSIONS,
    KINDS,
    LONGEST_NAME,
    MEASURES,
    Call,
    Cell,
    Dimension,
    Interval,
    Kind,
    Part,
    Spread,
    Sums,
    is_alone,
    kind_of,
)
from dragoman.store.spread import bucket, later, packed
from dragoman.store.sqlite.commit import Write
from dragoman.store.sqlite.sums import Behind, Hours, Run, SqlitePosting, waiting

__all__ = ["Run", "SqliteReports", "fit_to_report", "spent"]

_OPEN_END = 1 << 62

NONE = "''"
"""What SQL calls a group that a report does not ask for."""

_MEASURED = len(MEASURES)
_NO_MEASURES = (0,) * _MEASURED
_SUMS = ", ".join(f"sum({name})" for name in MEASURES)
_PLAIN = ", ".join(f"usage.{name}" for name in MEASURES)
# Spreads are added by writing one behind the other, which takes nothing of the interpreter's lock.
_SPREADS = "".join(f", cast(group_concat({name}, '') as blob)" for name in ("latency", "first_event"))
_SPANS: Mapping[Interval | None, int] = MappingProxyType({"hour": HOUR, "day": DAY})
_AT: Mapping[Interval | None, str] = MappingProxyType(
    {
        None: "0",
        "hour": f"{{at}} / {HOUR} * {HOUR}",
        "day": f"{{at}} / {DAY} * {DAY}",
        "week": f"({{at}} + {3 * DAY}) / {7 * DAY} * {7 * DAY} - {3 * DAY}",  # 1970 began on a Thursday
        "month": "cast(strftime('%s', {at}, 'unixepoch', 'start of month') as integer)",
    }
)
"""When the stretch begins that a time is in."""

CALLED: tuple[Dimension, ...] = ("provider", "model", "state", "failure")
"""What is known of a call of a provider."""

_DURATIONS = (("latency_us", "latencies"), ("first_event_us", "first_events"))
_WITHIN = "span = :span and usage.kind = :kind and at >= :lo and at < :hi"
_ALL = f"select {{what}} from usage join usage_group on id = group_id where {_WITHIN}{{where}}"  # noqa: S608  names of our own, no values
_LOOKED_UP = """
    with recursive bucket (start) as (
        select :lo union all select start + :span from bucket where start + :span < :hi),
    chosen as materialized (
        select json_extract(value, '$[0]') as id, json_extract(value, '$[1]') as name from json_each(:chosen))
    select {what} from bucket cross join chosen
    cross join usage on span = :span and usage.kind = :kind and at = start and group_id = chosen.id
"""
_NAMES = "select id, {by} from usage_group where kind = :kind{where}"
_BLOCKS = """
    select (select min(at) from usage where span = ? and kind = ?),
        (select max(at) from usage where span = ? and kind = ?)
"""
_USUAL = """
    select count(*) from usage where span = :span and kind = :kind and at = (
        select max(at) from usage where span = :span and kind = :kind and at >= :lo and at < :middle)
"""
"""How many sums one time has: one in the middle, for the last one has only begun."""

_CALLS = """
    select {at}, provider, model, state, failure, requests, first_event
    from usage join usage_group on id = group_id
    where span = :span and usage.kind = :kind and at >= :lo and at < :hi{where}
"""
_LOSSES = """
    select model, sum(requests) from usage join usage_group on id = group_id
    where span = ? and usage.kind = ? and at >= ? and at < ? group by model
"""
_FIRST = """
    select at from usage
    where group_id = (select id from usage_group where kind = ? and key = ?)
        and span = ? and kind = ? and at >= ? and at < ? and requests > 0
    order by at limit 1
"""
_SPENT_ROWS = (
    "select ifnull(sum(cost_micros), 0) from usage_row where opened_at >= :lo and opened_at < :hi{where}"
)
_SPENT_WAITING = "select ifnull(sum(cost_micros), 0) from usage_entry where at >= :lo{where}"

Place = tuple[int, str]
"""A cell's stretch and group; 0 and "" where a report has none."""

Columns = tuple[Any, ...]
"""A sum's measures and, if they are asked for, its spreads."""


class Asked(NamedTuple):
    """What a report is of, as queries say it."""

    part: Part
    by: Dimension | None
    every: Interval | None
    where: str
    wanted: Mapping[str, str]
    spread: bool
    among: frozenset[str] | None = None

    @property
    def name(self) -> str:
        """What SQL calls the group."""
        return self.by or NONE

    def kind(self, piece: Cover) -> Kind:
        """Return the kind of the sums that are read of a piece of time."""
        return kind_of(self.part, self.by, hourly=piece.span == HOUR)


class SqliteReports:
    """:class:`~dragoman.store.reports.Reports` in the store's file.

    Args:
        write: Queues a write, as of :class:`~dragoman.store.sqlite.commit.Writer`.
        run: Runs a function of a reading connection that is :func:`fit_to_report`, in a thread that serves no
            request.
    """

    def __init__(self, write: Callable[[Write], Awaitable[Any]], run: Run[Any]) -> None:
        self._run = run
        self._posting = SqlitePosting(write, run)

    async def post(self) -> int:
        """Post some entries; return how many, 0 when none is left."""
        return await self._posting.post()

    async def cells(
        self,
        part: Part,
        *,
        by: Dimension | None = None,
        among: Collection[str] | None = None,
        every: Interval | None = None,
        spread: bool = False,
    ) -> list[Cell]:
        """Return sums over a part of the ledger, for each group and stretch that has any exchange."""
        asked = _asked(part, by, every, among=among, spread=spread)
        found: list[Cell] = await self._told(partial(_cells, asked=asked))
        return found

    async def calls(self, part: Part, *, every: Interval | None = None) -> list[Call]:
        """Return the calls of providers of whole hours."""
        if unknown := part.wanted.keys() - {*CALLED}:
            raise ValueError(f"calls know no {', '.join(sorted(unknown))}")
        found: list[Call] = await self._told(partial(_calls, part=_rounded(part), every=every))
        return found

    async def losses(self, part: Part) -> list[tuple[str, int]]:
        """Return what was lost in whole hours and in how many exchanges, the most frequent first."""
        if part.wanted:
            raise ValueError("losses are told by time only")
        found: list[tuple[str, int]] = await self._told(partial(_losses, part=_rounded(part)))
        return found

    async def first(self, key: str | None) -> float | None:
        """Return when a key's first exchange, or the first of all, began; None: there is none.

        Where its row is there no more, the sums still know the day.
        """
        found: float | None = await self._told(partial(_first, key=key))
        return found

    async def _told(self, act: Callable[[sqlite3.Connection, Hours], Any]) -> Any:
        """Run a report in one transaction, after what waits is posted, or with what waits."""
        fault: Failure | None = None
        try:
            await self._posting.all_posted()
        except Behind:
            raise
        except Failure as failure:
            fault = failure

        def whole(connection: sqlite3.Connection) -> Any:
            connection.execute("begin")
            try:
                if fault is None:
                    return act(connection, {})
                if (left := waiting(connection)) is None:
                    raise fault
                return act(connection, left)
            finally:
                connection.execute("rollback")

        return await self._run(whole)


def fit_to_report(connection: sqlite3.Connection) -> None:
    """Give a connection that reads reports its function of spreads."""
    connection.create_function("spread_bucket", 1, bucket, deterministic=True)


def spent(connection: sqlite3.Connection, part: Part) -> int:
    """Return what a part of the ledger has cost, in micro-dollars: from a whole second on, without an end.

    Exact within any transaction, a writing one too: what waits to be posted is counted where it waits, and
    nothing is posted for it.
    """
    since = int(part.since or 0)
    whole = -(-since // HOUR) * HOUR
    asked = _asked(msgspec.structs.replace(part, since=whole))
    rows = connection.execute(
        _SPENT_ROWS.format(where=asked.where), {**asked.wanted, "lo": since, "hi": whole}
    )
    waiting = connection.execute(_SPENT_WAITING.format(where=asked.where), {**asked.wanted, "lo": whole})
    cells = _cells(connection, {}, asked)
    posted = cells[0].sums.cost_micros if cells else 0
    return int(posted + rows.fetchone()[0] + waiting.fetchone()[0])


def _asked(
    part: Part,
    by: Dimension | None = None,
    every: Interval | None = None,
    *,
    among: Collection[str] | None = None,
    spread: bool = False,
) -> Asked:
    wanted = {str(name): value for name, value in part.wanted.items()}
    where = "".join(f" and {name} = :{name}" for name in wanted)
    names = None
    if by is not None and among is not None:
        names = frozenset(name[:LONGEST_NAME] for name in among)
        named = {f"among{place}": name for place, name in enumerate(names)}
        where += f" and {by} in ({', '.join(f':{place}' for place in named)})"
        wanted |= named
    return Asked(part, by, every, where, wanted, spread, names)


def _cells(connection: sqlite3.Connection, left: Hours, asked: Asked) -> list[Cell]:
    """Return the cells of :meth:`SqliteReports.cells`, as the connection's transaction sees them.

    Args:
        connection: That of the transaction.
        left: What waits to be posted, and is to be told too.
        asked: What is read.
    """
    found: dict[Place, Columns] = {}
    # Which groups these are is looked up once: where all combinations are told apart they are many.
    names: dict[Kind, dict[int, str]] = {}
    query = _NAMES.format(by=asked.name, where=asked.where)
    for piece in _pieces(connection, left, asked.part, asked.every):
        if piece.span and (kind := asked.kind(piece)) not in names:
            names[kind] = dict(connection.execute(query, {**asked.wanted, "kind": KINDS[kind]}))
        for place, columns in chain(_read(connection, piece, asked, names), _of_waiting(left, piece, asked)):
            old = found.get(place)
            found[place] = columns if old is None else _added(old, columns)
    return [
        Cell(
            place[0] if asked.every else None,
            place[1] if asked.by else None,
            Sums(*columns[:_MEASURED]),
            Spread(*map(later, columns[_MEASURED:])) if asked.spread else None,
        )
        for place, columns in sorted(found.items(), key=itemgetter(0))
        if columns[0]
    ]


def _added(one: Columns, other: Columns) -> Columns:
    """Return two parts of one cell together."""
    return tuple(map(add, one, other))


def _calls(connection: sqlite3.Connection, left: Hours, part: Part, every: Interval | None) -> list[Call]:
    asked = _asked(part, every=every)
    query = _CALLS.format(at=_AT[every].format(at="at"), where=asked.where)
    found: dict[tuple[int, str, str, str, str], tuple[int, bytes]] = {}
    for piece in _pieces(connection, left, part, every, "attempt"):
        when = {"span": piece.span, "lo": piece.lo, "hi": piece.hi}
        posted = connection.execute(query, {**asked.wanted, **when, "kind": KINDS["attempt"]})
        more = (
            (at, *(told[name] for name in CALLED), post.measures[0], post.first_event)
            for at, told, post in _left(left, piece, asked, "attempt")
        )
        for *place, calls, first_event in chain(posted, more):
            who = tuple(place)
            old = found.get(who)
            found[who] = (calls, first_event) if old is None else (old[0] + calls, old[1] + first_event)
    return [
        Call(at if every else None, provider, model, state, failure, calls, later(spread))
        for (at, provider, model, state, failure), (calls, spread) in sorted(found.items(), key=itemgetter(0))
        if calls
    ]


def _losses(connection: sqlite3.Connection, left: Hours, part: Part) -> list[tuple[str, int]]:
    found: dict[str, int] = {}
    for piece in _pieces(connection, left, part, None, "loss"):
        posted = connection.execute(_LOSSES, (piece.span, KINDS["loss"], piece.lo, piece.hi))
        more = (
            (told["model"], post.measures[0]) for _, told, post in _left(left, piece, _asked(part), "loss")
        )
        for word, times in chain(posted, more):
            found[word] = found.get(word, 0) + times
    return sorted(
        ((word, times) for word, times in found.items() if times), key=lambda one: (-one[1], one[0])
    )


def _first(connection: sqlite3.Connection, _: Hours, key: str | None) -> float | None:
    # Of what waits to be posted the row is still there, but for a moment after it was deleted.
    where, values = ("", ()) if key is None else (" where key = ?", (key,))
    query = f"select min(opened_at) from exchange{where}"  # noqa: S608  words of our own, no values
    at: float | None = connection.execute(query, values).fetchone()[0]
    day = _first_day(connection, key)
    return at if day is None or (at is not None and at < day + DAY) else float(day)


def _pieces(
    connection: sqlite3.Connection, left: Hours, part: Part, every: Interval | None, kind: Kind = "all"
) -> Iterator[Cover]:
    """Yield the pieces of a part's time in which anything of a kind was counted."""
    blocks = [at for at in connection.execute(_BLOCKS, (BLOCK, KINDS[kind]) * 2).fetchone() if at is not None]
    blocks += [at // BLOCK * BLOCK for _, at, _ in left]
    if not blocks:
        return iter(())
    first, last = min(blocks), max(blocks)
    since = first if part.since is None else max(part.since, first)
    until = last + BLOCK if part.until is None else min(part.until, last + BLOCK)
    return cover(since, until, BLOCK if every is None else HOUR if every == "hour" else DAY)


def _rounded(part: Part) -> Part:
    """Return a part with its times rounded outwards to whole hours."""
    since = None if part.since is None else part.since // HOUR * HOUR
    until = None if part.until is None else -(-part.until // HOUR) * HOUR
    return msgspec.structs.replace(part, since=since, until=until)


def _read(
    connection: sqlite3.Connection, piece: Cover, asked: Asked, groups: Mapping[Kind, Mapping[int, str]]
) -> Iterator[tuple[Place, Columns]]:
    """Yield what one piece adds to which cells; `groups`: the names of those that are read, by their ids."""
    kind = asked.kind(piece)
    values = {**asked.wanted, "kind": KINDS[kind], "span": piece.span, "lo": piece.lo, "hi": piece.hi}
    if not piece.span:
        yield from _of_rows(connection, asked, values)
        return
    # Where a sum is of one stretch, few are of one cell, or none: they need no adding up here.
    is_stretch = piece.span == _SPANS.get(asked.every)
    measures = _PLAIN if is_stretch else _SUMS
    spreads = "" if not asked.spread else ", latency, first_event" if is_stretch else _SPREADS
    at = "at" if is_stretch else _AT[asked.every].format(at="at")
    grouped = "" if is_stretch else " group by 1, 2"
    names = groups[kind]
    if is_alone(kind) and not asked.where:
        query = f"select {at}, group_id, {measures}{spreads} from usage where {_WITHIN}{grouped}"  # noqa: S608  as above
        for row in connection.execute(query, values):
            yield (row[0], names[row[1]]), row[2:]
        return
    if asked.where and not names:
        return
    middle = max(piece.lo + piece.span, (piece.lo + piece.hi) / 2)
    if asked.where and len(names) < connection.execute(_USUAL, values | {"middle": middle}).fetchone()[0]:
        # Fewer sums are looked up, group by group, than are there.
        chosen = {"chosen": msgspec.json.encode(list(names.items())).decode()}
        query = _LOOKED_UP.format(what=f"{at}, name, {measures}{spreads}") + grouped
        yield from _placed(connection.execute(query, values | chosen))
        return
    spreads = _SPREADS if asked.spread else ""
    query = _ALL.format(what=f"{at}, {asked.name}, {_SUMS}{spreads}", where=asked.where) + " group by 1, 2"
    yield from _placed(connection.execute(query, values))


def _placed(rows: Iterable[Columns]) -> Iterator[tuple[Place, Columns]]:
    for row in rows:
        yield row[:2], row[2:]


def _of_rows(
    connection: sqlite3.Connection, asked: Asked, values: Mapping[str, Any]
) -> Iterator[tuple[Place, Columns]]:
    """Yield what rows add to which cells: those of the hours that a part begins or ends within."""
    at = _AT[asked.every].format(at="cast(opened_at as integer)")
    place = f"{at}, {asked.name}"
    source = f"from usage_row where opened_at >= :lo and opened_at < :hi{asked.where}"
    nothing = (b"", b"") if asked.spread else ()
    for row in connection.execute(f"select {place}, {_SUMS} {source} group by 1, 2", values):
        yield row[:2], row[2:] + nothing
    for which, (duration, many) in enumerate(_DURATIONS if asked.spread else ()):
        query = f"select {place}, spread_bucket({duration}), count(*) {source} and {many} group by 1, 2, 3"
        for *where, bucket_, count in connection.execute(query, values):
            spreads = [b"", b""]
            spreads[which] = packed({bucket_: count})
            yield (where[0], where[1]), (*_NO_MEASURES, *spreads)


def _of_waiting(left: Hours, piece: Cover, asked: Asked) -> Iterator[tuple[Place, Columns]]:
    """Yield what waits to be posted adds to which cells."""
    for at, told, post in _left(left, piece, asked, "each"):
        spreads = (post.latency, post.first_event) if asked.spread else ()
        yield (at, told[asked.by] if asked.by else ""), (*post.measures, *spreads)


def _left(
    left: Hours, piece: Cover, asked: Asked, kind: Kind
) -> Iterator[tuple[int, dict[Dimension, str], Post]]:
    """Yield what of one kind waits to be posted and is asked for: its stretch, its names, what it adds."""
    wanted = asked.part.wanted.items()
    for (its, at, names), post in left.items():
        told = dict(zip(DIMENSIONS, names, strict=True))
        is_asked = its == kind and piece.span and piece.lo <= at < piece.hi
        is_named = asked.by is None or asked.among is None or told[asked.by] in asked.among
        if is_asked and is_named and wanted <= told.items():
            yield beginning(at, asked.every) if asked.every else 0, told, post


def _first_day(connection: sqlite3.Connection, key: str | None) -> int | None:
    """Return the first day that a key, or anyone, has sums of: the 32 days it is in are found first."""
    kind = KINDS["all" if key is None else "key"]
    since, until = 0, _OPEN_END
    for span in (BLOCK, DAY):
        values = (kind, key or "", span, kind, since, until)
        found = connection.execute(_FIRST, values).fetchone()
        if found is None:
            return None
        since, until = found[0], found[0] + span
    return since
