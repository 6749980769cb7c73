"""The log of requests in the store's file. What is found is fetched by its rowid."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from dragoman.store.ledger import AttemptRow
from dragoman.store.looking import MOST_NAMED, MOST_RESERVED, page
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
from dragoman.store.sqlite.reports import Run
from dragoman.store.sqlite.rows import ATTEMPT, EXCHANGE, attempt_of, exchange_of
from dragoman.store.stretches import TOKENS, Look, Looked, Stretch, Tongue, look_through

TONGUE = Tongue(mark="?", place="rowid", by="indexed by {}")

_COLUMNS = ", ".join(EXCHANGE)
_RESERVED = "indexed by exchange_reserved"
"""Said aloud: for the sake of the order the whole table would be gone through."""

_LIVE = f"""
    select {_COLUMNS}, held_micros from exchange {_RESERVED}
    where state = 'reserved' order by opened_at, rowid limit ?
"""  # noqa: S608  names of our own, no values
_LIVE_AMONG = f"""
    select {_COLUMNS}, held_micros from exchange
    where id in (select value from json_each(?)) and state = 'reserved' order by opened_at, rowid
"""  # noqa: S608  as above
_COUNT = f"select count(*) from exchange {_RESERVED} where state = 'reserved'"  # noqa: S608  as above
_TRIED = f"""
    select {", ".join(ATTEMPT)} from attempt
    where exchange_id in (select value from json_each(?)) order by exchange_id, number
"""  # noqa: S608  as above
_SPOTS = "select opened_at, rowid from exchange where opened_at >= ? order by 1 desc, 2 desc limit ?"
_ENDED = f"""
    select opened_at, settled_at, state, {TOKENS}, cost_micros, first_event_ms, cached from exchange
    where opened_at >= ? and state <> 'reserved' and settled_at is not null and task <> ?
    order by opened_at desc, rowid desc limit ?
"""  # noqa: S608  as above
_ENDS = """
    select (select opened_at from exchange where state <> 'reserved' order by opened_at limit 1),
        (select opened_at from exchange where state <> 'reserved' order by opened_at desc limit 1)
"""
_CALLED = f"""
    rowid in (
        select rowid from exchange where id = ?1 union
        select * from (
            select rowid from exchange where request_id = ?1 and request_id <> id
            order by opened_at desc limit {MOST_NAMED}))
"""  # noqa: S608  as above

_LATEST = "select value, (select max(opened_at) from exchange where key = value) from json_each(?)"

T = TypeVar("T")


class SqliteRequests:
    """:class:`~dragoman.store.requests.Requests` in the store's file.

    Args:
        run: Runs a function of a reading connection, in a thread that serves no request.
        reports: The sums.
    """

    def __init__(self, run: Run[Any], reports: Reports) -> None:
        self._run = run
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
        return {key: at for key, at in await self._fetched(_LATEST, (_listed(keys),)) if at is not None}

    async def live(self, *, limit: int) -> UnderWay:
        """Return the exchanges under way in every process: the oldest, and how many there are."""

        def act(connection: sqlite3.Connection) -> UnderWay:
            ((total,),) = connection.execute(_COUNT)
            return UnderWay(tuple(_live(connection, _LIVE, limit)), total)

        return await self._seen(act)

    async def live_among(self, ids: Sequence[str]) -> list[Live]:
        """Return those of these exchanges that are under way, the oldest first."""
        return await self._seen(lambda connection: _live(connection, _LIVE_AMONG, _listed(ids)))

    async def live_of(self, whose: Whose, name: str) -> int:
        """Return how many exchanges of a key, a team or a user are under way in every process."""
        found: list[tuple[int]] = await self._fetched(f"{_COUNT} and {whose} = ?", (name,))
        return found[0][0]

    async def spots(self, since: float, *, limit: int) -> list[Spot]:
        """Return where the rows are that began then or later, in order; of too many the newest."""
        return [Spot(*row) for row in reversed(await self._fetched(_SPOTS, (since, limit)))]

    async def at(self, spots: Sequence[Spot]) -> list[Found]:
        """Return the rows that are there, in order."""
        places = _listed([spot.place for spot in spots])
        return await self._found("rowid in (select value from json_each(?))", (places,))

    async def ended(self, since: float, *, limit: int) -> list[Ended]:
        """Return those that began then or later and have ended, the newest first."""
        return await self._made(_ended, _ENDED, (since, COUNTING, limit))

    async def ends(self) -> Stretch | None:
        """Return when the first that has ended began, and just after the last; None: there is none."""
        ((first, last),) = await self._fetched(_ENDS)
        return None if first is None else Stretch(first, last + 1)

    async def reserved(self) -> list[Found]:
        """Return the exchanges under way, in the order of time."""
        return await self._found("state = 'reserved'", by=_RESERVED, most=MOST_RESERVED)

    async def named(self, id_: str) -> list[Found]:
        """Return the exchange of this id, and those whose requests a client called so."""
        return await self._found(_CALLED, (id_,))

    async def look(self, look: Look, stretches: Sequence[Stretch]) -> Looked:
        """Look through stretches of time, which follow each other in the order that is asked for."""

        def act(connection: sqlite3.Connection) -> Looked:
            looking = look_through(look, stretches, TONGUE)
            query = next(looking)
            while True:
                try:
                    query = looking.send(connection.execute(query.sql, query.values).fetchall())
                except StopIteration as done:
                    found: Looked = done.value
                    return found

        return await self._seen(act)

    async def _found(
        self, where: str, values: Sequence[object] = (), *, by: str = "", most: int = -1
    ) -> list[Found]:
        query = f"""
            select {_COLUMNS}, opened_at, rowid from exchange {by} where {where}
            order by opened_at, rowid limit {most}
        """  # noqa: S608  as above
        return await self._made(_found, query, values)

    async def _fetched(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        return await self._made(tuple, query, values)

    async def _made(self, make: Callable[[Any], T], query: str, values: Sequence[Any]) -> list[T]:
        """Return what is made of each row, in the thread that reads them: there may be thousands."""
        return await self._seen(lambda connection: [make(row) for row in connection.execute(query, values)])

    async def _seen(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function of the connection, all of it looking at the same instant."""

        def within(connection: sqlite3.Connection) -> T:
            connection.execute("begin")
            try:
                return act(connection)
            finally:
                connection.execute("rollback")

        found: T = await self._run(within)
        return found


def _live(connection: sqlite3.Connection, query: str, value: object) -> list[Live]:
    """Return the exchanges that a query of one value finds, each with its attempts."""
    rows = connection.execute(query, (value,)).fetchall()
    tried: dict[str, list[AttemptRow]] = {}
    for row in connection.execute(_TRIED, (_listed([row[0] for row in rows]),)):
        tried.setdefault(row[0], []).append(attempt_of(row))
    return [Live(exchange_of(row[:-1]), tuple(tried.get(row[0], ())), row[-1]) for row in rows]


def _found(row: Sequence[Any]) -> Found:
    return Found(Spot(*row[-2:]), exchange_of(row[:-2]))


def _ended(row: Sequence[Any]) -> Ended:
    return Ended(*(*row[:-1], bool(row[-1])))


def _listed(values: Sequence[object]) -> str:
    return msgspec.json.encode(values).decode()
