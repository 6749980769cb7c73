"""The log of requests in PostgreSQL. What is found is fetched by when it began and its place: an index."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Sequence
from typing import Any

from dragoman.store.ledger import AttemptRow
from dragoman.store.looking import MOST_NAMED, MOST_RESERVED, page
from dragoman.store.postgres import rows as columns
from dragoman.store.postgres.database import Connection
from dragoman.store.postgres.pool import Pool
from dragoman.store.reports import Reports
from dragoman.store.requests import (
    COUNTING,
    Ended,
    Filters,
    Found,
    Live,
    Order,
    Page,
    Spot,
    UnderWay,
    Whose,
)
from dragoman.store.stretches import TOKENS, Look, Looked, Stretch, Tongue, look_through

TONGUE = Tongue(mark="$", place="place")

_COLUMNS = columns.names(columns.EXCHANGE)
_LIVE = f"""
    select {_COLUMNS}, held_micros from (select * from exchange where state = 'reserved' offset 0) as going
    order by opened_at, place limit $1
"""  # noqa: S608  names of our own, no values; `offset 0`: else all rows may be gone through in order, for the first
_LIVE_AMONG = f"""
    select {_COLUMNS}, held_micros from exchange
    where id = any($1) and state = 'reserved' order by opened_at, place
"""  # noqa: S608  as above
_COUNT = "select count(*) from exchange where state = 'reserved'"
_TRIED = f"""
    select {columns.names(columns.ATTEMPT)} from attempt
    where exchange_id = any($1) order by exchange_id, number
"""  # noqa: S608  as above
_SPOTS = "select opened_at, place from exchange where opened_at >= $1 order by 1 desc, 2 desc limit $2"
_ENDED = f"""
    select opened_at, settled_at, state, {TOKENS}, cost_micros, first_event_ms, cached from exchange
    where opened_at >= $1 and state <> 'reserved' and settled_at is not null and task <> $2
    order by opened_at desc, place desc limit $3
"""  # noqa: S608  as above
_ENDS = """
    select (select opened_at from exchange where state <> 'reserved' order by opened_at limit 1),
        (select opened_at from exchange where state <> 'reserved' order by opened_at desc limit 1)
"""
_LATEST = """
    select asked, (select max(opened_at) from exchange where key = asked) from unnest($1::text[]) as asked
"""
_CUSTOM = "set local plan_cache_mode = force_custom_plan"
"""Which index is best depends on the values: a plan for any values goes through all rows of a key, at 50
times the cost (https://www.postgresql.org/docs/15/sql-prepare.html, read 2026-11-21)."""
_THESE = "(opened_at, place) in (select * from unnest($1::double precision[], $2::bigint[]))"
_CALLED = f"""
    id in (
        select id from exchange where id = $1 union all
        (select id from exchange where request_id = $1 and request_id <> id
         order by opened_at desc limit {MOST_NAMED}))
"""  # noqa: S608  as above


Rows = list[Any]
"""Rows as the driver gives them. What is made of them is made in a thread: there may be thousands."""


class PostgresRequests:
    """:class:`~dragoman.store.requests.Requests` in PostgreSQL.

    Args:
        pool: Connections that serve no request.
        reports: The sums.
    """

    def __init__(self, pool: Pool, reports: Reports) -> None:
        self._pool = pool
        self._reports = reports

    async def page(
        self,
        filters: Filters,
        *,
        order: Order = "newest",
        limit: int = 50,
        after: str | None = None,
        count: bool = True,
    ) -> Page:
        """Return the rows that meet every condition, in order."""
        return await page(self, self._reports, filters, order=order, limit=limit, after=after, count=count)

    async def latest(self, keys: Sequence[str]) -> dict[str, float]:
        """Return when the newest exchange of each key began, in Unix seconds, of those that have any."""
        return {key: at for key, at in await self._pool.fetch(_LATEST, [*keys]) if at is not None}

    async def live(self, *, limit: int) -> UnderWay:
        """Return the exchanges under way in every process: the oldest, and how many there are."""

        async def act(connection: Connection) -> tuple[int, Rows, Rows]:
            ((total,),) = await connection.fetch(_COUNT)
            return total, *await _tried(connection, _LIVE, limit)

        total, rows, tried = await self._pool.read(act)
        return UnderWay(tuple(await to_thread(_live, rows, tried)), total)

    async def live_among(self, ids: Sequence[str]) -> list[Live]:
        """Return those of these exchanges that are under way, the oldest first."""

        async def act(connection: Connection) -> tuple[Rows, Rows]:
            return await _tried(connection, _LIVE_AMONG, [*ids])

        return await to_thread(_live, *await self._pool.read(act))

    async def live_of(self, whose: Whose, name: str) -> int:
        """Return how many exchanges of a key, a team or a user are under way in every process."""
        found = await self._pool.fetch(f"{_COUNT} and {columns.names([whose])} = $1", name)
        count: int = found[0][0]
        return count

    async def spots(self, since: float, *, limit: int) -> list[Spot]:
        """Return where the rows are that began then or later, in order; of too many the newest."""
        return [Spot(*row) for row in reversed(await self._pool.fetch(_SPOTS, since, limit))]

    async def at(self, spots: Sequence[Spot]) -> list[Found]:
        """Return the rows that are there, in order."""
        return await self._found(_THESE, [spot.opened_at for spot in spots], [spot.place for spot in spots])

    async def ended(self, since: float, *, limit: int) -> list[Ended]:
        """Return those that began then or later and have ended, the newest first."""
        return await to_thread(_ended, await self._pool.fetch(_ENDED, since, COUNTING, limit))

    async def ends(self) -> Stretch | None:
        """Return when the first that has ended began, and just after the last; None: there is none."""
        ((first, last),) = await self._pool.fetch(_ENDS)
        return None if first is None else Stretch(first, last + 1)

    async def reserved(self) -> list[Found]:
        """Return the exchanges under way, in the order of time."""
        return await self._found("state = 'reserved'", most=MOST_RESERVED)

    async def named(self, id_: str) -> list[Found]:
        """Return the exchange of this id, and those whose requests a client called so."""
        return await self._found(_CALLED, id_)

    async def look(self, look: Look, stretches: Sequence[Stretch]) -> Looked:
        """Look through stretches of time, which follow each other in the order that is asked for."""

        async def act(connection: Connection) -> Looked:
            await connection.execute(_CUSTOM)
            looking = look_through(look, stretches, TONGUE)
            query = next(looking)
            while True:
                found = await connection.fetch(query.sql, *query.values)
                try:
                    query = looking.send(found)
                except StopIteration as done:
                    looked: Looked = done.value
                    return looked

        return await self._pool.read(act)

    async def _found(self, where: str, *values: object, most: int | None = None) -> list[Found]:
        limit = "" if most is None else f"limit {most}"
        query = f"""
            select {_COLUMNS}, opened_at as at, place from exchange where {where}
            order by exchange.opened_at, place {limit}
        """  # noqa: S608  as above
        return await to_thread(_found, await self._pool.fetch(query, *values))


async def _tried(connection: Connection, query: str, value: object) -> tuple[Rows, Rows]:
    """Return the exchanges that a query of one value finds, and their attempts."""
    found = await connection.fetch(query, value)
    return found, await connection.fetch(_TRIED, [row["id"] for row in found])


def _live(rows: Rows, attempts: Rows) -> list[Live]:
    tried: dict[str, list[AttemptRow]] = {}
    for one in attempts:
        tried.setdefault(one[0], []).append(columns.attempt(one))
    found = map(tuple, rows)
    return [Live(columns.exchange(row[:-1]), tuple(tried.get(row[0], ())), row[-1]) for row in found]


def _ended(rows: Rows) -> list[Ended]:
    return [Ended(*row) for row in rows]


def _found(rows: Rows) -> list[Found]:
    return [Found(Spot(*row[-2:]), columns.exchange(row[:-2])) for row in map(tuple, rows)]
