"""Ledger rows that wait, in a file of this machine, for a database that is away.

A row is a request with its attempts, as last known; it replaces what was kept of it before. Kept rows
survive ``kill -9``. What has ended is carried over to the database by whoever finds it, and deleted here
afterwards: to settle a row twice changes nothing, so it does not matter who dies in between.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from dragoman.core.failure import Failure, Kind
from dragoman.store.budgets import Claim, Share
from dragoman.store.ledger import AttemptRow, ExchangeRow
from dragoman.store.sqlite.commit import Write, Writer

Result = TypeVar("Result")

_TABLE = """
    create table if not exists spooled (
        id    text    not null primary key,
        owner text    not null,
        ended integer not null,
        row   blob    not null
    ) strict
"""
_KEEP = """
    insert into spooled values (?, ?, ?, ?)
    on conflict do update set ended = excluded.ended, row = excluded.row where not spooled.ended
"""
_NOW = "select (julianday('now') - 2440587.5) * 86400.0"
_OWNED = "select id, row from spooled where not ended and owner in (select value from json_each(?))"


class Spooled(msgspec.Struct, frozen=True):
    """One request with its attempts, and what it holds of its process's leases (``leases.py``), and where."""

    exchange: ExchangeRow
    attempts: tuple[AttemptRow, ...]
    shares: tuple[Share, ...] = ()
    held_micros: int = 0


class Spool:
    """Rows in one file, which the processes of a machine may share."""

    def __init__(self, writing: sqlite3.Connection, folding: sqlite3.Connection) -> None:
        self._writer = Writer(writing, folding)

    @classmethod
    def open(cls, path: Path) -> Spool:
        """Open the file at `path`, made if need be. Blocks; for start-up only.

        Raises:
            Failure: UNAVAILABLE, naming the file.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            with closing(_connect(path)) as first:
                first.execute("pragma journal_mode = wal")
                first.execute(_TABLE)
            return cls(_connect(path), _connect(path))
        except (sqlite3.Error, OSError) as error:
            raise Failure(Kind.UNAVAILABLE, f"{path}: {error}", code="store_unavailable") from error

    async def keep(
        self, exchange: ExchangeRow, attempts: Sequence[AttemptRow], claim: Claim | None = None
    ) -> None:
        """Keep what is known of a request, and what it holds of leases; durable when this returns.

        Raises:
            Failure: UNAVAILABLE.
        """
        shares, held = (claim.shares, claim.micros) if claim is not None else ((), 0)
        row = Spooled(_readable(exchange), tuple(map(_readable, attempts)), shares, held)
        values = (row.exchange.id, row.exchange.owner, exchange.state != "reserved", msgspec.json.encode(row))
        await self._do(lambda connection: connection.execute(_KEEP, values))

    async def ended(self, *, limit: int = 500) -> list[Spooled]:
        """Return requests that have ended, in the order in which they were first kept."""
        query = "select row from spooled where ended order by rowid limit ?"
        rows = await self._do(lambda connection: connection.execute(query, (limit,)).fetchall())
        return [msgspec.json.decode(row[0], type=Spooled) for row in rows]

    async def remove(self, ids: Iterable[str]) -> None:
        """Delete what has arrived."""
        values = [(id_,) for id_ in ids]
        await self._do(lambda connection: connection.executemany("delete from spooled where id = ?", values))

    async def owners(self) -> list[str]:
        """Return the owners of requests that have not ended."""
        query = "select distinct owner from spooled where not ended"
        return [row[0] for row in await self._do(lambda connection: connection.execute(query).fetchall())]

    async def waiting(self, owners: Sequence[str]) -> list[tuple[str, str]]:
        """Return the owner and the id of each request of some owners that is kept, ended or not."""
        query = "select owner, id from spooled where owner in (select value from json_each(?))"
        values = (msgspec.json.encode(owners).decode(),)
        return await self._do(lambda connection: connection.execute(query, values).fetchall())

    async def interrupt(self, dead_owners: Sequence[str]) -> int:
        """Mark what dead processes left open as interrupted; return how many requests.

        What was paid from leases is booked at what it held, as an estimate.
        """
        owners = (msgspec.json.encode(dead_owners).decode(),)

        def act(connection: sqlite3.Connection) -> int:
            found = connection.execute(_OWNED, owners).fetchall()
            now = connection.execute(_NOW).fetchone()[0]
            for id_, row in found:
                changed = msgspec.json.encode(_interrupted(msgspec.json.decode(row, type=Spooled), now))
                connection.execute("update spooled set ended = 1, row = ? where id = ?", (changed, id_))
            return len(found)

        return await self._do(act)

    async def count(self) -> int:
        """Return how many requests are kept."""
        query = "select count(*) from spooled"
        return int(await self._do(lambda connection: connection.execute(query).fetchone()[0]))

    def close(self) -> None:
        """Finish pending writes and close the file. Blocks. May be called again."""
        self._writer.close()

    async def _do(self, act: Callable[[sqlite3.Connection], Result]) -> Result:
        done: Result = await self._writer.write(Write(act=act))
        return done


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    connection.execute("pragma synchronous = normal")
    return connection


def _interrupted(row: Spooled, now: float) -> Spooled:
    held, last = row.held_micros, len(row.attempts) - 1

    def end(one: Any, held: int) -> Any:
        if one.state != "reserved":
            return one
        if not row.held_micros:
            return msgspec.structs.replace(one, state="interrupted")
        meters = msgspec.structs.replace(one.meters, estimated=True, cost_micros=held)
        return msgspec.structs.replace(one, state="interrupted", settled_at=now, meters=meters)

    attempts = tuple(end(one, held if place == last else 0) for place, one in enumerate(row.attempts))
    exchange: ExchangeRow = end(row.exchange, held)
    if attempts:
        asked = attempts[-1]
        exchange = msgspec.structs.replace(
            exchange, provider=asked.provider, answered_model=asked.model or None, attempts=asked.number
        )
    return msgspec.structs.replace(row, exchange=exchange, attempts=attempts)


Row = TypeVar("Row", ExchangeRow, AttemptRow)


def _readable(row: Row) -> Row:
    """Return a row without text that is not Unicode; a provider's header may hold bytes of any kind."""
    changed = {name: _plain(value) for name, value in msgspec.structs.asdict(row).items()}
    return msgspec.structs.replace(row, **changed)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode()
    return value
