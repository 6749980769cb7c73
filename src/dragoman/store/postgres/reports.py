"""Sums over exchanges in PostgreSQL: of any stretch of time, at a cost that hardly grows with the ledger.

What waits to be posted is posted first (:mod:`dragoman.store.postgres.sums`). Then the sums of an hour, a day
and 32 days are added up, and rows where the time begins or ends within an hour
(:mod:`dragoman.store.cover`). All parts are read at the same instant: no exchange is missed or counted twice
because it ended meanwhile.

Where no more than one dimension is asked about, sums of that dimension alone are read; else those of each
combination that was seen. Durations are put together in a thread: requests do not wait for a long report.
"""

from __future__ import annotations

from asyncio import get_running_loop, to_thread
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from dragoman.core.failure import Failure
from dragoman.core.failure import Kind as Fault
from dragoman.store.cover import BLOCK, DAY, HOUR, Cover, cover
from dragoman.store.postgres.database import Connection
from dragoman.store.postgres.pool import Pool
from dragoman.store.postgres.sums import ENDS, LEFT, UP_TO, post
from dragoman.store.reports import (
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
    kind_of,
)
from dragoman.store.spread import later, packed

SLICE = 250
"""Entries, and calls, that are posted at a time: some 100 ms."""

PATIENCE_S = 2.0
"""Seconds a report takes to post what waits, before it says that it cannot tell yet."""

RETRY_S = 10.0
"""When to ask again, where sums are far behind."""

LARGEST = 2**63 - 1
"""What PostgreSQL's integers hold."""

_OPEN_END = 10**6 * BLOCK
"""An instant after all others."""

_LONGEST: Mapping[Interval | None, int] = MappingProxyType(
    {None: BLOCK, "hour": HOUR, "day": DAY, "week": DAY, "month": DAY}
)
"""The longest sums that fit into the stretches of a report."""

_STRETCH: Mapping[Interval | None, str] = MappingProxyType(
    {
        None: "null::bigint",
        "hour": "at / 3600 * 3600",
        "day": "at / 86400 * 86400",
        "week": "(at + 259200) / 604800 * 604800 - 259200",  # 1970 began on a Thursday
        "month": "extract(epoch from date_trunc('month', to_timestamp(at) at time zone 'UTC'))::bigint",
    }
)
"""The Unix second at which the stretch begins that an instant is in."""

_MEASURED = 2 + len(MEASURES)
"""Where a row's measures end, which are behind its place."""

_ADDED = ", ".join(f"least(sum({name}), {LARGEST})::bigint" for name in MEASURES)
_PLAIN = ", ".join(MEASURES)
_JOINED = ", string_agg(latency, ''::bytea), string_agg(first_event, ''::bytea)"
_NO_SPREADS = ", ''::bytea, ''::bytea"
_SUMS = "usage join usage_group on usage_group.id = usage.group_id"
_TIMED = """
    usage_row cross join lateral (
        values (0, latencies, latency_us), (1, first_events, first_event_us)) as timed (which, times, us)
"""
_FIRST = f"select min(at) from {_SUMS} where span = $1 and kind = $2 and key = $3 and at >= $4 and at < $5"  # noqa: S608  as above
_FIRST_WAITING = "select min(at) from usage_entry where $1 or key = $2"


Rows = Sequence[Sequence[Any]]


class Query(NamedTuple):
    """A query and its values."""

    text: str
    values: list[object]


Place = tuple[int | None, str | None]
"""A cell's stretch and group."""


class Asked(NamedTuple):
    """What is read: sums of one kind, by a dimension, stretch by stretch, where dimensions are as wanted.

    Of all pieces of time at once: a query for each would be a journey for each.
    """

    by: Dimension | None
    every: Interval | None
    part: Part
    among: list[str] | None = None
    only: Literal["loss", "attempt"] | None = None

    @property
    def wanted(self) -> Mapping[Dimension, str]:
        """What is asked of dimensions."""
        return self.part.wanted

    def kind(self, piece: Cover) -> Kind:
        """Return the kind of the sums that are read of a piece of time."""
        return self.only or kind_of(self.part, self.by, hourly=piece.span == HOUR)

    def source(self, piece: Cover) -> str:
        """Return the sums of a piece of time, of the groups that are asked about."""
        chosen = f"chosen_{self.kind(piece)}"
        return f"usage join {chosen} on {chosen}.id = usage.group_id"

    @property
    def place(self) -> str:
        """The columns that say which cell something is of."""
        return f"{_STRETCH[self.every]}, {self.group}"

    @property
    def group(self) -> str:
        """The column that says which group something is of."""
        return "null::text" if self.by is None else _name(self.by)

    @property
    def where(self) -> str:
        """The conditions on dimensions, whose values are a query's first."""
        wanted = "".join(f" and {_name(name)} = ${1 + n}" for n, name in enumerate(self.wanted))
        if self.by is None or self.among is None:
            return wanted
        return f"{wanted} and {_name(self.by)} = any(${1 + len(self.wanted)}::text[])"

    def query(self, pieces: Collection[Cover], of: Callable[[Cover], tuple[str, str, str]]) -> Query:
        """Return a query of all pieces of time.

        Args:
            pieces: Of time.
            of: Returns a piece's columns, what rows are read from, and how they are grouped.
        """
        values: list[object] = [*self.wanted.values(), *([] if self.among is None else [self.among])]
        parts = []
        for piece in pieces:
            columns, source, group = of(piece)
            lo, hi = f"${len(values) + 1}", f"${len(values) + 2}"
            values += [piece.lo, piece.hi] if piece.span == 0 else [int(piece.lo), int(piece.hi)]
            within = (
                f"span = {piece.span} and at >= {lo} and at < {hi}"
                if piece.span
                else f"opened_at >= {lo} and opened_at < {hi}{self.where}"
            )
            parts.append(f"select {columns} from {source} where {within}{group}")  # noqa: S608  as above
        groups = "chosen_{} as materialized (select * from usage_group where kind = {}{})"
        kinds = dict.fromkeys(self.kind(piece) for piece in pieces)
        chosen = ", ".join(groups.format(kind, KINDS[kind], self.where) for kind in kinds)
        return Query(f"with {chosen} {' union all '.join(parts)}", values)

    def is_stretch(self, piece: Cover) -> bool:
        """Say whether each sum of a piece is of one stretch: few are of one cell, then, or none."""
        return self.kind(piece) != "each" and piece.span == {"hour": HOUR, "day": DAY}.get(self.every or "")


class PostgresReports:
    """:class:`~dragoman.store.reports.Reports` in PostgreSQL.

    Args:
        pool: Connections that serve nobody else: a long report holds up no request.
        slice_: How many entries are posted at a time.
        patience_s: Seconds a report posts, before it says that it cannot tell yet.
    """

    def __init__(self, pool: Pool, *, slice_: int = SLICE, patience_s: float = PATIENCE_S) -> None:
        self._pool = pool
        self._slice = slice_
        self._patience_s = patience_s

    async def post(self) -> int:
        """Post some entries; return how many, 0 when none is left."""
        return await self._pool.write(lambda connection: post(connection, self._slice))

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
        named = None if by is None or among is None else [name[:LONGEST_NAME] for name in among]
        asked = Asked(by, every, part, named)
        pieces = _pieces(part, every)
        rows = [piece for piece in pieces if spread and not piece.span]
        queries = [_of_sums(asked, pieces, spread=spread), *([_of_timed(asked, rows)] if rows else [])]
        return await to_thread(_cells, await self._told(*queries), spread)

    async def calls(self, part: Part, *, every: Interval | None = None) -> list[Call]:
        """Return the calls of providers, of whole hours; an hour that is asked for in part is all of it."""
        if unknown := part.wanted.keys() - {"provider", "model", "state", "failure"}:
            raise ValueError(f"calls know no {', '.join(sorted(unknown))}")
        asked = Asked(None, every, part, only="attempt")
        columns = f"{_STRETCH[every]}, provider, model, state, failure, requests, first_event"
        return await to_thread(_calls, *await self._told(_whole(asked, columns)))

    async def losses(self, part: Part) -> list[tuple[str, int]]:
        """Return what was lost, of whole hours, and in how many exchanges, the most frequent first."""
        if part.wanted:
            raise ValueError("losses are told by time only")
        (rows,) = await self._told(_whole(Asked(None, None, part, only="loss"), "model, requests"))
        found: dict[str, int] = {}
        for word, count in rows:
            found[word] = found.get(word, 0) + count
        return sorted(
            ((word, count) for word, count in found.items() if count), key=lambda one: (-one[1], one[0])
        )

    async def first(self, key: str | None) -> float | None:
        """Return when a key's first exchange, or the first of all, began; None: there is none.

        Where its row is there no more, the sums still know the day.
        """

        async def act(connection: Connection) -> float | None:
            where, values = ("", ()) if key is None else (" where key = $1", (key,))
            query = f"select min(opened_at) from exchange{where}"  # noqa: S608  as above
            at: float | None = await connection.value(query, *values)
            day = await _first_day(connection, key)
            return at if day is None or (at is not None and at < day + DAY) else float(day)

        return await self._pool.read(act)

    async def _told(self, *queries: Query) -> list[Rows]:
        """Return the rows of queries, all of one instant, after what waits is posted."""
        await self._catch_up()
        if len(queries) == 1:  # it is of one instant by itself
            return [await self._pool.fetch(query.text, *query.values) for query in queries]

        async def act(connection: Connection) -> list[Rows]:
            return [await connection.fetch(query.text, *query.values) for query in queries]

        return await self._pool.read(act)

    async def _catch_up(self) -> None:
        """Post what waits now.

        Raises:
            Failure: UNAVAILABLE: it is too much for one report to wait for; some of it was posted.
        """
        loop = get_running_loop()
        ends = (await self._pool.fetch(ENDS))[0]
        until = loop.time() + self._patience_s
        # What is booked from now on does not keep it waiting.
        while any(ends) and (await self._pool.fetch(UP_TO, *ends))[0][0]:
            if loop.time() >= until:
                left = (await self._pool.fetch(LEFT))[0][0]
                raise Failure(
                    Fault.UNAVAILABLE,
                    f"sums are being brought up to date; {left:,} entries left",
                    code="store_unavailable",
                    retry_after_s=RETRY_S,
                )
            await self.post()


async def spent(connection: Connection, part: Part) -> int:
    """Return what a part of the ledger has cost, in micro-dollars: from a whole second on, without an end.

    One statement, which sees one instant: what waits to be posted is counted where it waits.
    """
    since = int(part.since or 0)
    kind = KINDS[kind_of(part, None, hourly=True)]
    wanted = Asked(None, None, part).where
    terms = [f"select cost_micros from usage_entry where at >= {-(-since // HOUR) * HOUR}{wanted}"]  # noqa: S608  as above
    for span, lo, hi in cover(since, _OPEN_END):
        where = f"span = {span} and kind = {kind} and at >= {lo} and at < {hi}"
        terms.append(
            f"select cost_micros from {_SUMS} where {where}{wanted}"  # noqa: S608  as above
            if span
            else f"select cost_micros from usage_row where opened_at >= {lo} and opened_at < {hi}{wanted}"  # noqa: S608  as above
        )
    query = f"select coalesce(sum(cost_micros), 0) from ({' union all '.join(terms)}) as part"  # noqa: S608  as above
    return int(await connection.value(query, *part.wanted.values()))


def _pieces(part: Part, every: Interval | None) -> list[Cover]:
    """Return the pieces of a part's time; where it has no beginning or end, of all time.

    There is always one, so that a query is of something: of no time there is an empty one.
    """
    since = 0 if part.since is None else part.since
    until = _OPEN_END if part.until is None else part.until
    return list(cover(since, until, _LONGEST[every])) or [Cover(DAY, 0, 0)]


def _of_sums(asked: Asked, pieces: Collection[Cover], *, spread: bool) -> Query:
    """Return the query of sums; with how durations are spread, where these are no rows."""

    def of(piece: Cover) -> tuple[str, str, str]:
        if asked.is_stretch(piece):
            columns, spreads, group = _PLAIN, ", latency, first_event", ""
        else:
            columns, spreads, group = _ADDED, _JOINED if piece.span else _NO_SPREADS, " group by 1, 2"
        source = asked.source(piece) if piece.span else "usage_row"
        return f"{asked.place}, {columns}{spreads if spread else ''}", source, group

    return asked.query(pieces, of)


def _of_timed(asked: Asked, pieces: Collection[Cover]) -> Query:
    """Return the query of how the durations of rows are spread, by bucket."""
    columns = f"{asked.place}, which, usage_bucket(us), count(*)"
    return asked.query(pieces, lambda _: (columns, _TIMED, " and times = 1 group by 1, 2, 3, 4"))


def _whole(asked: Asked, columns: str) -> Query:
    """Return the query of sums of whole hours, where there are no rows to look at instead."""
    since, until = asked.part.since, asked.part.until
    hours = Part(
        since=None if since is None else since // HOUR * HOUR,
        until=None if until is None else -(-until // HOUR) * HOUR,
    )
    return asked.query(_pieces(hours, asked.every), lambda piece: (columns, asked.source(piece), ""))


def _cells(found: Sequence[Rows], spread: bool) -> list[Cell]:  # noqa: FBT001  called by to_thread
    """Return what was read as cells, by stretch and name.

    Args:
        found: Sums by cell, with packed spreads if they are asked for; of rows, counts of buckets by cell.
        spread: Whether they are.
    """
    sums: dict[Place, Sums] = {}
    spreads: dict[Place, tuple[list[bytes], list[bytes]]] = {}
    for row in found[0]:
        place, more = (row[0], row[1]), Sums(*row[2:_MEASURED])
        sums[place] = sums[place] + more if place in sums else more
        if spread:
            latency, first_event = spreads.setdefault(place, ([], []))
            latency.append(row[-2])
            first_event.append(row[-1])
    for at, name, which, bucket, count in chain.from_iterable(found[1:]):
        spreads[at, name][which].append(packed({bucket: count}))
    cells = [
        Cell(*place, one, Spread(*(later(*parts) for parts in spreads[place])) if spread else None)
        for place, one in sums.items()
        if one.requests
    ]
    return sorted(cells, key=lambda cell: (cell.at or 0, cell.name or ""))


def _calls(found: Rows) -> list[Call]:
    """Return what was read as calls, by stretch and names."""
    calls: dict[tuple[int | None, str, str, str, str], int] = {}
    spreads: dict[tuple[int | None, str, str, str, str], list[bytes]] = {}
    for at, provider, model, state, failure, count, first_event in found:
        place = at, provider, model, state, failure
        calls[place] = calls.get(place, 0) + count
        spreads.setdefault(place, []).append(first_event)
    made = [Call(*place, count, later(*spreads[place])) for place, count in calls.items() if count]
    return sorted(made, key=lambda call: (call.at or 0, call.provider, call.model, call.state, call.failure))


async def _first_day(connection: Connection, key: str | None) -> int | None:
    """Return the first day of which a key, or anyone, has sums, or entries of them."""
    kind, name = KINDS["all" if key is None else "key"], (key or "")[:LONGEST_NAME]
    waiting = await connection.value(_FIRST_WAITING, key is None, name)
    found = None if waiting is None else int(waiting) // DAY * DAY
    since, until = 0, 1 << 62
    for span in (BLOCK, DAY):  # the 32 days it is in are found first
        at = await connection.value(_FIRST, span, kind, name, since, until)
        if at is None:
            return found
        since, until = int(at), int(at) + span
    return since if found is None else min(found, since)


def _name(dimension: Dimension) -> str:
    """Return a dimension as a column."""
    return f'"{dimension}"'
