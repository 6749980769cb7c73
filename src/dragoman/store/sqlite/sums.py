"""Posting in SQLite: what waits in the queues of entries and calls is added to the sums, exactly once.

A reporting thread reads the oldest entries, adds them up, and adds to that the sums as they are. One short
act of the writer then looks whether exactly these entries are still there, puts the new sums in the place of
the old ones and deletes the entries. Everybody posts the oldest first: where these are still there nobody has
posted since, so the sums are what they were; where one is not, nothing is written, and the next try begins
anew. So an entry is posted once however many processes post and wherever one of them dies, and a request
whose row is to be committed waits for some hundreds of rows at most.
"""

from __future__ import annotations

import math
import sqlite3
from asyncio import Lock
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from operator import add, itemgetter
from typing import Any, NamedTuple, TypeVar

import msgspec

from dragoman.core.failure import Failure, Kind
from dragoman.store.posting import Called, Entry, Names, Post, bounded, posted
from dragoman.store.reports import DIMENSIONS, KINDS, MEASURES, MOST
from dragoman.store.spread import packed, raised
from dragoman.store.sqlite.commit import Write

Result = TypeVar("Result")
Run = Callable[[Callable[[sqlite3.Connection], Result]], Awaitable[Result]]
"""Runs a function of a reporting connection in a thread that serves no request."""

SLICE = 512
"""Entries that are posted at a time, so that whoever commits meanwhile waits for few rows."""

BACKLOG, LARGE_SLICE = 2_000, 1024
"""So many entries are a backlog, which is posted in larger slices: fewer rows are written for each."""

MOST_WAITED_FOR = 10_000
"""Entries a report posts before it says that sums are behind: some seconds of it."""

MOST_GROUPS = 32_768
"""Groups whose ids are remembered."""

Group = tuple[int, Names]
"""A kind of sum, by its number, and what it is of."""

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
_OLD = f"""
    select {", ".join(MEASURES)}, latency, first_event from usage
    where span = ? and kind = ? and at = ? and group_id = ?
"""  # noqa: S608  as above
_PUT = f"insert or replace into usage values (?, ?, ?, ?{', ?' * len(MEASURES)}, ?, ?)"  # noqa: S608  as above


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


class Slice(NamedTuple):
    """What is posted at once.

    Attributes:
        taken: Which parts of the queues.
        sums: What becomes of which sums: their columns but the group's id.
        groups: The ids of these groups that have one.
    """

    taken: tuple[Taken, ...]
    sums: list[tuple[Group, tuple[int, int, int], tuple[Any, ...]]]
    groups: dict[Group, int]

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
        """Post some entries; return how many, 0 when none is left."""
        async with self._lock:  # two of this process would add up the same ones
            found: Slice = await self._run(partial(_slice, groups=self._groups))
            if not found.entries:
                return 0
            groups: dict[Group, int] = await self._write(Write(act=partial(_posted, found=found)))
            if len(self._groups) + len(groups) > MOST_GROUPS:
                self._groups = {}
            self._groups.update(groups)
            return found.entries

    async def all_posted(self) -> None:
        """Post what waits to be posted now.

        Raises:
            Failure: UNAVAILABLE: there is more than can be waited for; says how many. Some were posted.
        """
        ends: tuple[Ends, Ends] = await self._run(ends_of)
        lasts, done = [queue.last for queue in ends], 0
        while any(queue.long and queue.first <= last for queue, last in zip(ends, lasts, strict=True)):
            if done >= MOST_WAITED_FOR:
                left = sum(queue.long for queue in ends)
                raise Failure(
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


def _slice(connection: sqlite3.Connection, *, groups: Mapping[Group, int]) -> Slice:
    """Return the next slice, added to the sums as one moment has them."""
    connection.execute("begin")
    try:
        return _added(connection, groups)
    finally:
        connection.execute("rollback")


def _added(connection: sqlite3.Connection, groups: Mapping[Group, int]) -> Slice:
    most = LARGE_SLICE if max(queue.long for queue in ends_of(connection)) > BACKLOG else SLICE
    entries = connection.execute(_ENTRIES, (most,)).fetchall()
    calls = connection.execute(_CALLS, (most,)).fetchall()
    taken = (
        Taken(table, Ends(rows[0][0], rows[-1][0]), len(rows))
        for table, rows in (("usage_entry", entries), ("usage_call", calls))
        if rows
    )
    posts = posted(map(_entry, entries), (Called(*row[1:]) for row in calls))
    ids = _ids(connection, {(KINDS[slot.kind], slot.names) for slot in posts}, groups)
    sums = []
    for slot, post in posts.items():
        group, place = (KINDS[slot.kind], slot.names), (slot.span, KINDS[slot.kind], slot.at)
        old = connection.execute(_OLD, (*place, ids[group])).fetchone() if group in ids else None
        sums.append((group, place, _sum(post, old)))
    return Slice(tuple(taken), sums, ids)


def _entry(row: tuple[Any, ...]) -> Entry:
    border = 2 + len(DIMENSIONS)
    losses = () if row[-1] == "[]" else tuple(msgspec.json.decode(row[-1]))
    return Entry(row[1], row[2:border], row[border:-1], losses)


def _ids(
    connection: sqlite3.Connection, wanted: Iterable[Group], known: Mapping[Group, int]
) -> dict[Group, int]:
    """Return the ids of those groups that have one."""
    found: dict[Group, int] = {}
    for group in wanted:
        if group in known:
            found[group] = known[group]
        elif row := connection.execute(_GROUP, (group[0], *group[1])).fetchone():
            found[group] = row[0]
    return found


def _sum(post: Post, old: tuple[Any, ...] | None) -> tuple[Any, ...]:
    """Return a sum's measures and spreads after a post."""
    if old is None:
        return (*_bounded(post.measures), packed(post.latency), packed(post.first_event))
    *measures, latency, first_event = old
    both = _bounded(list(map(add, measures, post.measures)))
    return (*both, raised(latency, post.latency), raised(first_event, post.first_event))


def _bounded(measures: list[int]) -> list[int]:
    if max(measures) <= MOST and min(measures) >= -MOST:
        return measures  # always, but for a provider's nonsense
    return [bounded(measure) for measure in measures]


def _posted(connection: sqlite3.Connection, *, found: Slice) -> dict[Group, int]:
    """Write a slice, if nobody has posted since it was read; return the ids of its groups, if so."""
    for part in found.taken:
        if connection.execute(_SAME.format(table=part.table), part.ends).fetchone()[0] != part.rows:
            return {}
    for part in found.taken:
        connection.execute(_DELETE.format(table=part.table), part.ends)
    ids = dict(found.groups)
    rows = []
    for group, place, columns in found.sums:
        if group not in ids:
            ids[group] = connection.execute(_NEW_GROUP, (group[0], *group[1])).lastrowid or 0
        rows.append((*place, ids[group], *columns))
    rows.sort(key=itemgetter(0, 1, 2, 3))  # as they lie in the table
    connection.executemany(_PUT, rows)
    return ids
