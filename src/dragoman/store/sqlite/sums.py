"""Posting in SQLite: what waits in the queues of entries and calls is added to the sums, exactly once.

A reporting thread reads the oldest entries and adds them up by the hour. One short act of the writer then
looks whether exactly these entries are still there, adds what they come to to the sums, and deletes them.
Where one is not there somebody else has posted it: nothing is written, and the next try begins anew. So an
entry is posted once however many processes post and wherever one of them dies, and a request whose row is to
be committed waits for some hundreds of rows at most.

Whatever SQLite does it does without the interpreter's lock, so that requests are served meanwhile. So hours
go into a table of the connection's own, and one statement adds them to the sums of every span.
"""

from __future__ import annotations

import math
import sqlite3
from asyncio import Lock
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

import msgspec

from dragoman.core.failure import Failure, Kind
from dragoman.store.cover import HOUR
from dragoman.store.posting import (
    MOST_TOGETHER,
    Called,
    Entry,
    Hour,
    Names,
    Post,
    bounded,
    hourly,
    spans_of,
)
from dragoman.store.reports import DIMENSIONS, KINDS, MEASURES, MOST
from dragoman.store.spread import LONG, folded
from dragoman.store.sqlite import asked
from dragoman.store.sqlite.commit import Write

Result = TypeVar("Result")
Run = Callable[[Callable[[sqlite3.Connection], Result]], Awaitable[Result]]
"""Runs a function of a reporting connection in a thread that serves no request."""

SLICE, DIFFERENT = 1024, 96
"""Entries that are posted at a time, and different combinations of dimensions among them, so that whoever
commits meanwhile waits for few rows."""

ASKED = 4
"""Entries by the names of what was asked, for each other one: an exchange has two such names, or three."""

BACKLOG, LARGE_SLICE, LARGE_DIFFERENT = 20_000, 2048, 384
"""So many entries are a backlog, which is posted in larger slices: fewer rows are written for each."""

MOST_WAITED_FOR = 10_000
"""Entries a report posts before it says that sums are behind: some seconds of it."""

MODEST = 10**9
"""What is added without a look at whether the sum stays in range: ten thousand millions of such would not."""

MOST_GROUPS = 32_768
"""Groups whose ids are remembered."""

Group = tuple[int, Names]
"""A kind of sum, by its number, and what it is of."""

_NAMES = slice(2, 2 + len(DIMENSIONS))
_MEASURES = slice(2 + len(DIMENSIONS), -1)
_KEYS = (*DIMENSIONS, *MEASURES)
_ENTRIES = f"select number, at, {', '.join(_KEYS)}, losses from usage_entry order by number limit ?"  # noqa: S608  names of our own, no values
_CALLS = """
    select number, at, provider, model, state, failure, first_event_us from usage_call order by number limit ?
"""
_ENDS = """
    select (select min(number) from usage_entry), (select max(number) from usage_entry),
        (select min(number) from usage_call), (select max(number) from usage_call)
"""
_SAME = "select count(*) from {table} where number between ? and ?"
_DELETE = "delete from {table} where number between ? and ?"
_GROUP = f"select id from usage_group where kind = ? and {' and '.join(f'{name} = ?' for name in DIMENSIONS)}"  # noqa: S608  as above
_NEW_GROUP = f"insert into usage_group (kind, {', '.join(DIMENSIONS)}) values (?{', ?' * len(DIMENSIONS)})"  # noqa: S608  as above
_SPANS = [(span, number) for kind, number in KINDS.items() for span in spans_of(kind)]
_MADE = (
    f"""create temp table usage_hour (
        kind integer, at integer, group_id integer, {", ".join(f"{name} integer" for name in MEASURES)},
        latency blob, first_event blob, primary key (kind, at, group_id)
    ) without rowid""",
    "create temp table usage_span (span integer, kind integer, primary key (span, kind)) without rowid",
    f"insert into usage_span values {', '.join(map(str, _SPANS))}",  # noqa: S608  as above
)
_PUT = f"insert into usage_hour values (?, ?, ?{', ?' * len(MEASURES)}, ?, ?)"  # noqa: S608  as above
_SPREAD = f"""
    {{name}} = iif(length({{name}}) + length(excluded.{{name}}) > {LONG},
        spread_folded(cast({{name}} || excluded.{{name}} as blob)),
        cast({{name}} || excluded.{{name}} as blob))
"""
_ADD = f"""
    insert into usage
    select span, usage_span.kind, at / span * span, group_id, {", ".join(MEASURES)}, latency, first_event
    from usage_span cross join usage_hour on usage_hour.kind = usage_span.kind where true
    on conflict do update set
        {{measures}}, {_SPREAD.format(name="latency")}, {_SPREAD.format(name="first_event")}
"""  # noqa: S608  as above
_ADD_MODEST = _ADD.format(measures=", ".join(f"{name} = {name} + excluded.{name}" for name in MEASURES))
_ADD_BOUNDED = _ADD.format(
    measures=", ".join(f"{name} = max(min({name} + excluded.{name}, {MOST}), -{MOST})" for name in MEASURES)
)


class Behind(Failure):
    """More waits to be posted than a report can wait for."""


class Ends(NamedTuple):
    """Where a queue of entries, or calls, begins and ends. Numbers between may be posted already."""

    first: int
    last: int

    @property
    def long(self) -> int:
        """How many there are, at most."""
        return self.last - self.first + 1


class Taken(NamedTuple):
    """A slice of one queue: its ends, and how many rows it has."""

    table: str
    ends: Ends
    rows: int


Hours = Mapping[Hour, Post]
"""What is to be added to the sums, by the hour."""

Row = tuple[Any, ...]
"""What is added to the sums of an hour, and of the day and the 32 days it is in: kind, at, group, figures."""


class Slice(NamedTuple):
    """What is posted at once.

    Attributes:
        taken: Which parts of the queues.
        rows: What they come to.
        new: The same of groups that have no id yet, by group: at, figures.
        groups: The ids of the other groups.
        modest: Whether no figure is so large that a sum might leave its column's range.
        asked: The number of the last of the entries of :mod:`~dragoman.store.sqlite.asked`; 0: none waits.
    """

    taken: tuple[Taken, ...]
    rows: list[Row]
    new: list[tuple[Group, Row]]
    groups: dict[Group, int]
    modest: bool
    asked: int

    @property
    def entries(self) -> int:
        """How many changes these are."""
        return sum(part.rows for part in self.taken)


class SqlitePosting:
    """Posts entries of the store's file.

    Args:
        write: Queues a write, as of :class:`~dragoman.store.sqlite.commit.Writer`.
        run: Runs a function of a reporting connection.
    """

    def __init__(self, write: Callable[[Write], Awaitable[Any]], run: Run[Any]) -> None:
        self._write = write
        self._run = run
        self._groups: dict[Group, int] = {}
        self._lock = Lock()

    async def post(self) -> int:
        """Post some entries; return how many, 0 when none is left.

        What was asked is posted along with them and not counted: it is told the same wherever it waits.
        """
        async with self._lock:  # two of this process would add up the same ones
            found: Slice = await self._run(partial(_slice, groups=self._groups))
            if not found.entries and not found.asked:
                return 0
            groups: dict[Group, int] = await self._write(Write(act=partial(_posted, found=found)))
            if len(self._groups) + len(groups) > MOST_GROUPS:
                self._groups = {}
            self._groups.update(groups)
            return found.entries

    async def all_posted(self) -> None:
        """Post what waits to be posted now.

        Raises:
            Behind: There is more than can be waited for; says how many. Some were posted.
            Failure: UNAVAILABLE: nothing can be written.
        """
        ends: tuple[Ends, Ends] = await self._run(ends_of)
        lasts, done = [queue.last for queue in ends], 0
        while any(queue.long and queue.first <= last for queue, last in zip(ends, lasts, strict=True)):
            if done >= MOST_WAITED_FOR:
                left = sum(queue.long for queue in ends)
                raise Behind(
                    Kind.UNAVAILABLE,
                    f"sums are being brought up to date; {left:,} entries left",
                    code="store_unavailable",
                    retry_after_s=float(math.ceil(left / MOST_WAITED_FOR)),
                )
            done += await self.post()
            ends = await self._run(ends_of)


def ends_of(connection: sqlite3.Connection) -> tuple[Ends, Ends]:
    """Return the ends of the queue of entries and of that of calls; an empty one has a length of 0."""
    found = connection.execute(_ENDS).fetchone()
    entries, calls = found[:2], found[2:]
    return tuple(Ends(1, 0) if first is None else Ends(first, last) for first, last in (entries, calls))  # type: ignore[return-value]  # two


def waiting(connection: sqlite3.Connection) -> Hours | None:
    """Return what waits to be posted, added up; None: it is more than is added up at once.

    A report that finds that nothing can be written adds it itself.
    """
    entries = connection.execute(_ENTRIES, (MOST_TOGETHER + 1,)).fetchall()
    calls = connection.execute(_CALLS, (MOST_TOGETHER + 1,)).fetchall()
    if max(len(entries), len(calls)) > MOST_TOGETHER:
        return None
    return hourly(map(_entry, entries), (Called(*row[1:]) for row in calls))


def fit_to_post(connection: sqlite3.Connection) -> None:
    """Give the connection that writes what posting needs: tables of its own, and a function of spreads."""
    connection.execute("pragma temp_store = memory")
    connection.create_function("spread_folded", 1, folded, deterministic=True)
    for statement in _MADE:
        connection.execute(statement)


def _slice(connection: sqlite3.Connection, *, groups: Mapping[Group, int]) -> Slice:
    """Return the next slice, as one moment has it."""
    connection.execute("begin")
    try:
        is_behind = max(queue.long for queue in ends_of(connection)) > BACKLOG
        most, different = (LARGE_SLICE, LARGE_DIFFERENT) if is_behind else (SLICE, DIFFERENT)
        entries = _first(connection.execute(_ENTRIES, (most,)), different)
        calls = connection.execute(_CALLS, (most,)).fetchall()
        posts = hourly(map(_entry, entries), (Called(*row[1:]) for row in calls))
        ids = _ids(connection, [(KINDS[kind], names) for kind, _, names in posts], groups)
        last_asked = asked.last_waiting(connection, ASKED * most)
    finally:
        connection.execute("rollback")
    taken = tuple(
        Taken(table, Ends(rows[0][0], rows[-1][0]), len(rows))
        for table, rows in (("usage_entry", entries), ("usage_call", calls))
        if rows
    )
    figures = [post.measures for post in posts.values()]
    modest = not figures or (max(map(max, figures)) <= MODEST and min(map(min, figures)) >= -MODEST)
    found = Slice(taken, [], [], ids, modest, last_asked)
    for ((kind, at, names), post), measures in zip(posts.items(), figures, strict=True):
        group = number, _ = KINDS[kind], names
        columns = (*(measures if modest else map(bounded, measures)), post.latency, post.first_event)
        if (id_ := ids.get(group)) is not None:
            found.rows.append((number, at, id_, *columns))
        else:
            found.new.append((group, (at, *columns)))
    return found


def _first(rows: Iterable[tuple[Any, ...]], different: int) -> list[tuple[Any, ...]]:
    """Return the first rows of entries that have at most so many different combinations of dimensions."""
    found, seen = [], set()
    for row in rows:
        seen.add((row[1] // HOUR, row[_NAMES]))
        if len(seen) > different:
            break
        found.append(row)
    return found


def _entry(row: tuple[Any, ...]) -> Entry:
    losses = () if row[-1] == "[]" else tuple(msgspec.json.decode(row[-1]))
    return Entry(row[1], row[_NAMES], row[_MEASURES], losses)


def _ids(
    connection: sqlite3.Connection, wanted: Iterable[Group], known: Mapping[Group, int]
) -> dict[Group, int]:
    """Return the ids of those groups that have one."""
    found: dict[Group, int] = {}
    for group in wanted:
        if (id_ := known.get(group)) is not None:
            found[group] = id_
        elif row := connection.execute(_GROUP, (group[0], *group[1])).fetchone():
            found[group] = row[0]
    return found


def _posted(connection: sqlite3.Connection, *, found: Slice) -> dict[Group, int]:
    """Write a slice, if nobody has posted any of it; return the ids of its groups, if so."""
    asked.post(connection, found.asked)
    if not found.taken:
        return {}
    for part in found.taken:
        if connection.execute(_SAME.format(table=part.table), part.ends).fetchone()[0] != part.rows:
            return {}
    for part in found.taken:
        connection.execute(_DELETE.format(table=part.table), part.ends)
    ids = dict(found.groups)
    for group in dict.fromkeys(group for group, _ in found.new):
        ids[group] = connection.execute(_NEW_GROUP, (group[0], *group[1])).lastrowid or 0
    connection.executemany(_PUT, found.rows)
    connection.executemany(_PUT, [(group[0], at, ids[group], *row) for group, (at, *row) in found.new])
    connection.execute(_ADD_MODEST if found.modest else _ADD_BOUNDED)
    connection.execute("delete from usage_hour")
    return ids
