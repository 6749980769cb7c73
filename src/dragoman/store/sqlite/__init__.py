"""The ledger and the settings in one SQLite file.

Writes go through the one writing thread of ``commit.py`` and return once they are committed; reads go
through a thread and a read-only connection of their own. Neither blocks the event loop.
"""

from __future__ import annotations

import sqlite3
from asyncio import get_running_loop, to_thread
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import msgspec

from dragoman.core.failure import Failure, Kind
from dragoman.store import AttemptRow, ExchangeRow
from dragoman.store.aside import Turns, aside
from dragoman.store.budgets import Claim, Short
from dragoman.store.spec import StoreSpec
from dragoman.store.sqlite.archive import SqliteArchive
from dragoman.store.sqlite.audit import SqliteAudit
from dragoman.store.sqlite.bills import SqliteBills
from dragoman.store.sqlite.budgets import SqliteBudgets, grant, is_open
from dragoman.store.sqlite.commit import Values, Write, Writer
from dragoman.store.sqlite.database import Connections, failure, open_database
from dragoman.store.sqlite.keys import SqliteKeys
from dragoman.store.sqlite.prices import SqlitePrices
from dragoman.store.sqlite.ratings import SqliteRatings
from dragoman.store.sqlite.recordings import SqliteRecordings
from dragoman.store.sqlite.reports import SqliteReports, fit_to_report
from dragoman.store.sqlite.requests import SqliteRequests
from dragoman.store.sqlite.responses import SqliteResponses
from dragoman.store.sqlite.rows import (
    ATTEMPT,
    EXCHANGE,
    OPEN_ATTEMPT,
    OPEN_EXCHANGE,
    SETTLE_ATTEMPT,
    SETTLE_EXCHANGE,
    attempt_of,
    exchange_of,
    values_of,
)
from dragoman.store.sqlite.sessions import SqliteSessions
from dragoman.store.sqlite.sums import fit_to_post

_NOW = "(julianday('now') - 2440587.5) * 86400.0"
_DEAD = "exchange.state = 'reserved' and exchange.owner in (select value from json_each(?))"
_LAST = "(select max(number) from attempt as other where other.exchange_id = attempt.exchange_id)"
INTERRUPT_ATTEMPTS = f"""
    update attempt set
        state = 'interrupted',
        settled_at = iif(held_micros > 0, {_NOW}, attempt.settled_at),
        estimated = attempt.estimated or held_micros > 0,
        cost_micros = iif(held_micros = 0, attempt.cost_micros, iif(number = {_LAST}, held_micros, 0))
    from exchange where exchange.id = attempt.exchange_id and attempt.state = 'reserved' and {_DEAD}
"""  # noqa: S608  as above
_ASKED_LAST = "from attempt where exchange_id = exchange.id order by number desc limit 1"
INTERRUPT_EXCHANGES = f"""
    update exchange set
        state = 'interrupted',
        provider = ifnull((select provider {_ASKED_LAST}), provider),
        answered_model = (select nullif(model, '') {_ASKED_LAST}),
        attempts = ifnull((select number {_ASKED_LAST}), attempts),
        settled_at = iif(held_micros > 0, {_NOW}, settled_at),
        estimated = estimated or held_micros > 0,
        cost_micros = iif(held_micros > 0, held_micros, cost_micros)
    where {_DEAD}
"""  # noqa: S608  as above
"""How far a dead process got nobody can say: what it held is taken for what it cost, all of it the last
attempt's, and whom that asked for who answered. The time is the database's: whoever sweeps does not know when
the other died either."""


class SqliteStore:
    """A :class:`~dragoman.store.Store` in one SQLite file."""

    def __init__(self, connections: Connections) -> None:
        fit_to_post(connections.writing)
        self._writer = Writer(connections.writing, connections.folding)
        self._reader = connections.reading
        self._reads = ThreadPoolExecutor(1, "store-reader")
        self._responses = SqliteResponses(self._writer.write, self._read)
        self._recordings = SqliteRecordings(self._writer.write, self._read)
        self._ratings = SqliteRatings(self._writer.write, self._read)
        self._reporting: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        for connection in connections.reporting:
            fit_to_report(connection)
            self._reporting.put(connection)
        self._reporter = aside(len(connections.reporting), "store-reporter")
        self._turns = Turns()
        self._reports = SqliteReports(self._writer.write, self._report)
        self._keys = SqliteKeys(self._writer.write, self._read)
        self._audit = SqliteAudit(self._writer.write, self._read)
        self._sessions = SqliteSessions(self._writer.write, self._read)
        self._budgets = SqliteBudgets(self._writer.write, self._read, self._report)
        self._prices = SqlitePrices(self._writer.write, self._read, self._report)
        self._archive = SqliteArchive(self._writer.write, self._read, self._report)
        self._bills = SqliteBills(self._report)
        self._requests = SqliteRequests(self._report, self._reports)
        self._closed = False

    @classmethod
    def open(
        cls, path: Path, spec: StoreSpec | None = None, *, announce: Callable[[str], None] | None = None
    ) -> SqliteStore:
        """Open the database at `path`, made or migrated if need be. Blocks; for start-up only.

        `announce` is told of a migration that may take a while.

        Raises:
            Failure: UNAVAILABLE: damaged, foreign, newer than this code, or not to be opened; says
                which file, and what to do.
        """
        return cls(open_database(path, spec or StoreSpec(), announce))

    @property
    def commits(self) -> int:
        """Commits made so far: fewer than writes where callers are many."""
        return self._writer.commits

    @property
    def responses(self) -> SqliteResponses:
        """The kept answers of the Responses protocol."""
        return self._responses

    @property
    def recordings(self) -> SqliteRecordings:
        """Recorded answers."""
        return self._recordings

    @property
    def ratings(self) -> SqliteRatings:
        """What answers were worth."""
        return self._ratings

    @property
    def reports(self) -> SqliteReports:
        """Sums over exchanges."""
        return self._reports

    @property
    def keys(self) -> SqliteKeys:
        """Who may ask."""
        return self._keys

    @property
    def sessions(self) -> SqliteSessions:
        """Who is signed in."""
        return self._sessions

    @property
    def audit(self) -> SqliteAudit:
        """Who changed what."""
        return self._audit

    @property
    def prices(self) -> SqlitePrices:
        """The operator's own prices."""
        return self._prices

    @property
    def budgets(self) -> SqliteBudgets:
        """What may be spent."""
        return self._budgets

    @property
    def bills(self) -> SqliteBills:
        """What providers were asked, as they charge for it."""
        return self._bills

    @property
    def requests(self) -> SqliteRequests:
        """The log of requests."""
        return self._requests

    @property
    def archive(self) -> SqliteArchive:
        """What has been in the ledger for long."""
        return self._archive

    async def open_exchange(
        self, exchange: ExchangeRow, attempt: AttemptRow, claim: Claim | None = None
    ) -> Short | None:
        """Insert both rows in one commit, if the claim is granted; return once they are durable."""
        first, second = (OPEN_EXCHANGE, values_of(exchange)), (OPEN_ATTEMPT, values_of(attempt))
        if claim is None:
            await self._writer.write(Write([first, second]))
            return None
        claimed = claim

        def act(connection: sqlite3.Connection) -> Short | None:
            def opening() -> None:
                for statement, values in (first, second):
                    connection.execute(statement.sql, values)

            return grant(connection, exchange.id, claimed, opening)

        return await self._granted(act)

    async def open_attempt(self, attempt: AttemptRow, claim: Claim | None = None) -> Short | None:
        """Insert one more attempt of an open exchange, if the claim is granted; return once it is durable."""
        values = values_of(attempt)
        if claim is None:
            await self._writer.write(Write([(OPEN_ATTEMPT, values)]))
            return None
        claimed = claim

        def act(connection: sqlite3.Connection) -> Short | None:
            if not is_open(connection, attempt.exchange_id):
                return None  # its end was written first: whoever asked has left
            short = grant(connection, attempt.exchange_id, claimed)
            if short is None:
                connection.execute(OPEN_ATTEMPT.sql, values)
            return short

        return await self._granted(act)

    async def claim(self, exchange_id: str, claim: Claim) -> Short | None:
        """Let a claim take the place of an open exchange's; return why it was not granted, if so."""

        def act(connection: sqlite3.Connection) -> Short | None:
            return grant(connection, exchange_id, claim) if is_open(connection, exchange_id) else None

        return await self._granted(act)

    async def _granted(self, act: Callable[[sqlite3.Connection], Short | None]) -> Short | None:
        short: Short | None = await self._writer.write(Write(act=act))
        return short

    async def settle(self, exchange: ExchangeRow, attempts: Sequence[AttemptRow]) -> None:
        """Write the final state of an exchange and of its attempts, in one commit."""
        rows = [(SETTLE_EXCHANGE, values_of(exchange))]
        rows += [(SETTLE_ATTEMPT, values_of(attempt)) for attempt in attempts]
        await self._writer.write(Write(rows))

    async def interrupt(self, dead_owners: Sequence[str]) -> int:
        """Mark every reserved row of `dead_owners` as interrupted; return how many exchanges.

        What ran under budgets is booked at what it held, as an estimate; what the rest cost stays unknown.
        """
        owners = (msgspec.json.encode(dead_owners).decode(),)

        def act(connection: sqlite3.Connection) -> int:
            connection.execute(INTERRUPT_ATTEMPTS, owners)
            return connection.execute(INTERRUPT_EXCHANGES, owners).rowcount

        return int(await self._writer.write(Write(act=act)))

    async def open_owners(self) -> list[str]:
        """Return the owners that have reserved rows."""
        rows = await self._read("select distinct owner from exchange where state = 'reserved'")
        return [row[0] for row in rows]

    async def exchanges(self, *, limit: int = 100, key: str | None = None) -> list[ExchangeRow]:
        """Return the newest exchanges first."""
        where, values = ("where key = ?", (key, limit)) if key is not None else ("", (limit,))
        columns = ", ".join(EXCHANGE)
        rows = await self._read(
            f"select {columns} from exchange {where} order by opened_at desc, rowid desc limit ?",  # noqa: S608  as above
            values,
        )
        return [exchange_of(row) for row in rows]

    async def exchange(self, id_: str, *, key: str | None = None) -> ExchangeRow | None:
        """Return the exchange of this id, else the newest whose request a client called so."""
        columns, mine = ", ".join(EXCHANGE), "" if key is None else " and key = ?"
        values = (id_,) if key is None else (id_, key)
        for where in ("id = ?", "request_id = ? and request_id <> id"):
            rows = await self._read(
                f"select {columns} from exchange where {where}{mine} order by opened_at desc limit 1",  # noqa: S608  as above
                values,
            )
            if rows:
                return exchange_of(rows[0])
        return None

    async def attempts(self, exchange_id: str) -> list[AttemptRow]:
        """Return the attempts of one exchange in order."""
        columns = ", ".join(ATTEMPT)
        rows = await self._read(
            f"select {columns} from attempt where exchange_id = ? order by number",  # noqa: S608  as above
            (exchange_id,),
        )
        return [attempt_of(row) for row in rows]

    async def setting(self, name: str) -> str | None:
        """Return a durable setting."""
        rows = await self._read("select value from setting where name = ?", (name,))
        return rows[0][0] if rows else None

    async def remember(self, name: str, value: str, *, replace: bool = True) -> bool:
        """Write a durable setting; return whether it was written."""
        then = "update set value = excluded.value" if replace else "nothing"
        sql = f"insert into setting values (?, ?) on conflict do {then}"  # noqa: S608  as above

        def act(connection: sqlite3.Connection) -> bool:
            return connection.execute(sql, (name, value)).rowcount == 1

        return bool(await self._writer.write(Write(act=act)))

    async def close(self) -> None:
        """Finish pending writes, fold the log into the file, and close it. May be called again."""
        self._closed = True
        await to_thread(self._close)

    def _close(self) -> None:
        self._reads.shutdown()
        self._reader.close()
        self._reporter.shutdown()
        while not self._reporting.empty():
            self._reporting.get().close()
        self._writer.close()

    async def _read(self, sql: str, values: Values = ()) -> list[Any]:
        if self._closed:
            raise Failure(Kind.UNAVAILABLE, "the store is closed", code="store_unavailable")
        return await get_running_loop().run_in_executor(self._reads, self._fetch, sql, values)

    def _fetch(self, sql: str, values: Values) -> list[Any]:
        try:
            return self._reader.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise failure(error) from error

    async def _report(self, act: Callable[[sqlite3.Connection], Any]) -> Any:
        if self._closed:
            raise Failure(Kind.UNAVAILABLE, "the store is closed", code="store_unavailable")
        return await get_running_loop().run_in_executor(self._reporter, self._acted, act)

    def _acted(self, act: Callable[[sqlite3.Connection], Any]) -> Any:
        connection = self._reporting.get()  # there are as many as threads
        try:
            with self._turns.turn():
                return act(connection)
        except sqlite3.Error as error:
            raise failure(error) from error
        finally:
            self._reporting.put(connection)
