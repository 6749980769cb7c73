"""The ledger and the settings in PostgreSQL, for several machines.

The ledger's writes go through one queue (``commit.py``, ``booking.py``), everything else through a few
connections of its own (``pool.py``). What takes long has one more, and sums have two, so that neither holds
up a request. Nothing waits for longer than its deadline, and a database that is away is UNAVAILABLE to
everybody at once.

Who is alive is asked of the database too: a process says so every few seconds (:meth:`PostgresStore.beat`),
by the database's own clock.
"""

from __future__ import annotations

from asyncio import gather
from collections.abc import Callable, Sequence
from functools import partial

from dragoman.core.failure import Failure, Kind
from dragoman.store.budgets import Claim, Short
from dragoman.store.ledger import AttemptRow, ExchangeRow
from dragoman.store.postgres import rows
from dragoman.store.postgres.archive import PostgresArchive
from dragoman.store.postgres.audit import PostgresAudit
from dragoman.store.postgres.bills import PostgresBills
from dragoman.store.postgres.booking import Claiming, Entry, Opening, Settling, book, shares_of
from dragoman.store.postgres.budgets import PostgresBudgets, make_windows
from dragoman.store.postgres.commit import Writer
from dragoman.store.postgres.database import (
    Connection,
    connect,
    migrate,
    place,
    standing,
    unavailable,
    words,
)
from dragoman.store.postgres.keys import PostgresKeys
from dragoman.store.postgres.leases import PostgresLeases
from dragoman.store.postgres.pool import TRIES, Pool
from dragoman.store.postgres.prices import PostgresPrices
from dragoman.store.postgres.ratings import PostgresRatings
from dragoman.store.postgres.recordings import PostgresRecordings
from dragoman.store.postgres.reports import PostgresReports
from dragoman.store.postgres.requests import PostgresRequests
from dragoman.store.postgres.responses import PostgresResponses
from dragoman.store.postgres.sessions import PostgresSessions
from dragoman.store.spec import StoreSpec

PATIENCE_S = 60.0
"""Seconds a report may take, or to make a budget's window of what the ledger says."""

_EXCHANGES = f"select {rows.names(rows.EXCHANGE)} from exchange"  # noqa: S608  names of our own, no values
_ATTEMPTS = f"select {rows.names(rows.ATTEMPT)} from attempt where exchange_id = $1 order by number"  # noqa: S608  as above

_DEAD = "select id from exchange where state = 'reserved' and owner = any($1) order by id for no key update"
_LAST = "(select max(number) from attempt as other where other.exchange_id = attempt.exchange_id)"
_NOW = "extract(epoch from clock_timestamp())::double precision"
_INTERRUPT_ATTEMPTS = f"""
    update attempt set
        state = 'interrupted',
        settled_at = case when held_micros > 0 then {_NOW} else attempt.settled_at end,
        estimated = attempt.estimated or held_micros > 0,
        cost_micros = case
            when held_micros = 0 then attempt.cost_micros when number = {_LAST} then held_micros else 0
        end
    from exchange
    where exchange.id = attempt.exchange_id and attempt.state = 'reserved' and exchange.id = any($1)
"""  # noqa: S608  as above
_ASKED_LAST = "from attempt where exchange_id = exchange.id order by number desc limit 1"
_INTERRUPT_EXCHANGES = f"""
    update exchange set
        state = 'interrupted',
        provider = coalesce((select provider {_ASKED_LAST}), provider),
        answered_model = (select nullif(model, '') {_ASKED_LAST}),
        attempts = coalesce((select number {_ASKED_LAST}), attempts),
        settled_at = case when held_micros > 0 then {_NOW} else settled_at end,
        estimated = estimated or held_micros > 0,
        cost_micros = case when held_micros > 0 then held_micros else cost_micros end
    where id = any($1) and state = 'reserved'
"""  # noqa: S608  as above

_BEAT = """
    insert into owner values ($1, clock_timestamp())
    on conflict (id) do update set beat_at = greatest(owner.beat_at, excluded.beat_at)
"""
_SILENT = """
    select id from unnest($1::text[]) as asked (id) where not exists (
        select from owner
        where owner.id = asked.id and owner.beat_at > clock_timestamp() - make_interval(secs => $2))
"""
_BURY = """
    delete from owner where beat_at < clock_timestamp() - interval '1 day'
      and not exists (select from exchange where state = 'reserved' and exchange.owner = owner.id)
"""


class PostgresStore:
    """A :class:`~dragoman.store.Store` in one PostgreSQL database."""

    def __init__(self, spec: StoreSpec) -> None:
        def opened(most: int, patience_s: float = spec.timeout_s) -> Pool:
            connecting = partial(connect, spec, patience_s=patience_s)
            return Pool(connecting, most=most, open_s=spec.timeout_s, timeout_s=patience_s)

        self.spec = spec
        self._pool, self._booking, self._reporting = opened(spec.pool), opened(1), opened(1, PATIENCE_S)
        self._summing = opened(2, PATIENCE_S)
        self._writer: Writer[Entry] = Writer(self._commit)
        self._responses = PostgresResponses(self._pool)
        self._recordings = PostgresRecordings(self._pool)
        self._ratings = PostgresRatings(self._pool)
        self._reports = PostgresReports(self._summing)
        self._keys = PostgresKeys(self._pool)
        self._audit = PostgresAudit(self._pool)
        self._sessions = PostgresSessions(self._pool)
        self._prices = PostgresPrices(self._pool, self._reporting)
        self._budgets = PostgresBudgets(self._pool, self._reporting)
        self._leases = PostgresLeases(self._pool)
        self._archive = PostgresArchive(self._pool, self._reporting)
        self._bills = PostgresBills(self._reporting)
        self._requests = PostgresRequests(self._reporting, self._reports)

    @classmethod
    async def open(cls, spec: StoreSpec, *, announce: Callable[[str], None] | None = None) -> PostgresStore:
        """Open the database at the settings' url, its schema made or migrated if need be.

        `announce` is told of a migration that may take a while.

        Raises:
            Failure: UNAVAILABLE: not to be reached, or newer than this code; says which database, and why.
        """
        try:
            connection = await connect(spec)
            try:
                await migrate(connection, announce or (lambda _: None))
            finally:
                await connection.close(spec.timeout_s)
        except Exception as error:
            raise _away(spec, error) from error
        return cls(spec)

    @staticmethod
    async def seen(spec: StoreSpec) -> str:
        """Return how the database at the settings' url stands, in words; nothing is made or changed there.

        Raises:
            Failure: UNAVAILABLE: not to be reached, or newer than this code.
        """
        try:
            connection = await connect(spec)
            try:
                return await standing(connection)
            finally:
                await connection.close(spec.timeout_s)
        except Exception as error:
            raise _away(spec, error) from error

    @property
    def commits(self) -> int:
        """Commits of the ledger made so far: fewer than writes where callers are many."""
        return self._writer.commits

    @property
    def responses(self) -> PostgresResponses:
        """The kept answers of the Responses protocol."""
        return self._responses

    @property
    def recordings(self) -> PostgresRecordings:
        """Recorded answers."""
        return self._recordings

    @property
    def ratings(self) -> PostgresRatings:
        """What answers were worth."""
        return self._ratings

    @property
    def reports(self) -> PostgresReports:
        """Sums over exchanges."""
        return self._reports

    @property
    def keys(self) -> PostgresKeys:
        """Who may ask."""
        return self._keys

    @property
    def sessions(self) -> PostgresSessions:
        """Who is signed in."""
        return self._sessions

    @property
    def audit(self) -> PostgresAudit:
        """Who changed what."""
        return self._audit

    @property
    def prices(self) -> PostgresPrices:
        """The operator's own prices."""
        return self._prices

    @property
    def budgets(self) -> PostgresBudgets:
        """What may be spent."""
        return self._budgets

    @property
    def leases(self) -> PostgresLeases:
        """What processes have put by of budgets."""
        return self._leases

    @property
    def bills(self) -> PostgresBills:
        """What providers were asked, as they charge for it."""
        return self._bills

    @property
    def requests(self) -> PostgresRequests:
        """The log of requests."""
        return self._requests

    @property
    def archive(self) -> PostgresArchive:
        """What has been in the ledger for long."""
        return self._archive

    async def open_exchange(
        self, exchange: ExchangeRow, attempt: AttemptRow, claim: Claim | None = None
    ) -> Short | None:
        """Insert both rows in one commit, if the claim is granted; return once they are durable."""
        return await self._booked(Opening(exchange, attempt, claim))

    async def open_attempt(self, attempt: AttemptRow, claim: Claim | None = None) -> Short | None:
        """Insert one more attempt of an open exchange, if the claim is granted; return once it is durable."""
        return await self._booked(Claiming(attempt.exchange_id, attempt, claim))

    async def claim(self, exchange_id: str, claim: Claim) -> Short | None:
        """Let a claim take the place of an open exchange's; return why it was not granted, if so."""
        return await self._booked(Claiming(exchange_id, None, claim))

    async def settle(self, exchange: ExchangeRow, attempts: Sequence[AttemptRow]) -> None:
        """Write the final state of an exchange and of its attempts, in one commit."""
        await self._booked(Settling(exchange, tuple(attempts)))

    async def interrupt(self, dead_owners: Sequence[str]) -> int:
        """Mark every reserved row of `dead_owners` as interrupted; return how many exchanges.

        What ran under budgets is booked at what it held, as an estimate; what the rest cost stays unknown.
        """

        async def act(connection: Connection) -> int:
            ids = [row[0] for row in await connection.fetch(_DEAD, list(dead_owners))]
            if ids:
                await connection.execute(_INTERRUPT_ATTEMPTS, ids)
                await connection.execute(_INTERRUPT_EXCHANGES, ids)
            return len(ids)

        return await self._pool.write(act)

    async def open_owners(self) -> list[str]:
        """Return the owners that have reserved rows."""
        found = await self._pool.fetch("select distinct owner from exchange where state = 'reserved'")
        return [row[0] for row in found]

    async def exchanges(self, *, limit: int = 100, key: str | None = None) -> list[ExchangeRow]:
        """Return the newest exchanges first."""
        where, values = ("where key = $2", (limit, key)) if key is not None else ("", (limit,))
        query = f"{_EXCHANGES} {where} order by opened_at desc, place desc limit $1"
        return [rows.exchange(row) for row in await self._pool.fetch(query, *values)]

    async def exchange(self, id_: str, *, key: str | None = None) -> ExchangeRow | None:
        """Return the exchange of this id, else the newest whose request a client called so."""
        mine, values = ("", (id_,)) if key is None else (" and key = $2", (id_, key))
        for where in ("id = $1", "request_id = $1 and request_id <> id"):
            query = f"{_EXCHANGES} where {where}{mine} order by opened_at desc limit 1"
            if found := await self._pool.fetch(query, *values):
                return rows.exchange(found[0])
        return None

    async def attempts(self, exchange_id: str) -> list[AttemptRow]:
        """Return the attempts of one exchange in order."""
        return [rows.attempt(row) for row in await self._pool.fetch(_ATTEMPTS, exchange_id)]

    async def setting(self, name: str) -> str | None:
        """Return a durable setting."""
        found = await self._pool.fetch("select value from setting where name = $1", name)
        return found[0][0] if found else None

    async def remember(self, name: str, value: str, *, replace: bool = True) -> bool:
        """Write a durable setting; return whether it was written."""
        then = "(name) do update set value = excluded.value" if replace else "do nothing"
        query = f"insert into setting values ($1, $2) on conflict {then}"  # noqa: S608  as above

        async def act(connection: Connection) -> bool:
            return await connection.execute(query, name, value) == 1

        return await self._pool.write(act)

    async def beat(self, owner: str) -> None:
        """Write down that an owner is alive, by the database's clock; forget those long gone."""

        async def act(connection: Connection) -> None:
            await connection.execute(_BEAT, owner)
            await connection.execute(_BURY)

        await self._pool.write(act)

    async def silent(self, owners: Sequence[str], *, lease_s: float) -> list[str]:
        """Return those of `owners` that have not been heard of for `lease_s` seconds, or ever."""
        return [row[0] for row in await self._pool.fetch(_SILENT, list(owners), lease_s)]

    async def close(self) -> None:
        """Finish pending writes and close every connection. May be called again."""
        await self._writer.close()
        await gather(*(pool.close() for pool in (self._booking, self._pool, self._reporting, self._summing)))

    async def _booked(self, entry: Entry) -> Short | None:
        short: Short | None = await self._writer.write(entry)
        return short

    async def _commit(self, group: Sequence[Entry]) -> list[Short | None]:
        """Write a group; make the windows it is about first, where they are not there yet."""
        for _ in range(TRIES):
            done = await self._booking.write(lambda connection: book(connection, group))
            if done is not None:
                return done
            await self._reporting.write(partial(make_windows, shares=shares_of(group)))
        raise unavailable("the budget is being changed")


def _away(spec: StoreSpec, error: Exception) -> Failure:
    """Return why a database cannot be opened, and which one it is."""
    why = error.message if isinstance(error, Failure) else words(error)
    return Failure(Kind.UNAVAILABLE, f"{place(spec.url)}: {why}", code="store_unavailable")
