"""Leases in PostgreSQL.

Things are locked in the order of ``booking.py``, with leases in their place:

    exchanges, by id  ->  windows of budgets, by name  ->  leases, by owner and name

A lease is only changed by who has locked its window. A window may be gone (its budget was removed or made
anew); then the lease is all there is, and who makes the window again adds what is leased (``budgets.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from dragoman.store.leases import Place, Slice, Stand
from dragoman.store.postgres import rows
from dragoman.store.postgres.booking import (
    MOVE,
    Settling,
    columns,
    lock_exchanges,
    lock_windows,
    place_of,
    settle,
)
from dragoman.store.postgres.database import Connection, plain
from dragoman.store.postgres.pool import Pool
from dragoman.store.spool import Spooled

WANTED_S = 60.0
"""Seconds for which leases are not taken from a window where they were in somebody's way."""

Whose = tuple[str, Place]
"""One lease: its owner, and its window."""

_STANDING = """
    select budget, subject, at, spent, held,
        coalesce(wanted_at > clock_timestamp() - make_interval(secs => $4), false)
    from budget_window
    where (budget, subject, at) in (select * from unnest($1::text[], $2::text[], $3::bigint[]))
"""
_TAKE = """
    insert into lease
    select $1, budget, subject, at, micros, clock_timestamp() + make_interval(secs => $6)
    from unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[]) as asked (budget, subject, at, micros)
    on conflict (owner, budget, subject, at) do update
        set micros = lease.micros + excluded.micros, until = excluded.until
"""
_LOCK = """
    select owner, budget, subject, at, micros from lease
    where (owner, budget, subject, at) in (
        select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]))
    order by owner, budget, subject, at for update
"""
_SPEND = """
    delete from lease using unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
        as off (owner, budget, subject, at, micros)
    where lease.owner = off.owner and lease.budget = off.budget and lease.subject = off.subject
      and lease.at = off.at and lease.micros <= off.micros
"""
_LOWER = """
    update lease set micros = lease.micros - off.micros
    from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
        as off (owner, budget, subject, at, micros)
    where lease.owner = off.owner and lease.budget = off.budget and lease.subject = off.subject
      and lease.at = off.at
"""
_OF = "select owner, budget, subject, at, micros from lease where owner = any($1)"
_PAST = "select owner, budget, subject, at, micros from lease where until < clock_timestamp()"
_RENEW = "update lease set until = clock_timestamp() + make_interval(secs => $2) where owner = $1"
_OWNERS = "select distinct owner from lease"
_OPEN_ONCE = f"{rows.OPEN_EXCHANGES} on conflict (id) do nothing"


class PostgresLeases:
    """:class:`~dragoman.store.leases.Leases` in PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def standing(self, places: Collection[Place]) -> dict[Place, Stand]:
        """Return how those of some windows stand that are there."""
        found = await self._pool.fetch(_STANDING, *columns(sorted(places)), WANTED_S)
        return {(budget, subject, at): Stand(*stand) for budget, subject, at, *stand in found}

    async def take(self, owner: str, slices: Sequence[Slice], *, lasts_s: float) -> dict[Place, int]:
        """Add to an owner's leases where there is plenty; return what was added, where any was."""
        asked = {place_of(slice_.share): slice_ for slice_ in slices}

        async def act(connection: Connection) -> dict[Place, int]:
            await lock_windows(connection, set(asked))
            found = await connection.fetch(_STANDING, *columns(sorted(asked)), WANTED_S)
            taken: dict[Place, int] = {}
            for budget, subject, at, spent, held, wanted in found:
                slice_ = asked[budget, subject, at]
                if not wanted and 0 < slice_.micros <= slice_.most - spent - held:
                    taken[budget, subject, at] = slice_.micros
            if taken:
                listed = sorted(taken)
                amounts = [taken[place] for place in listed]
                await connection.execute(_TAKE, owner, *columns(listed), amounts, lasts_s)
                await connection.execute(MOVE, *columns(listed), amounts)
            return taken

        return await self._pool.write(act)

    async def give(self, owner: str, amounts: Mapping[Place, int]) -> None:
        """Take micro-dollars off an owner's leases, and never more than is left of them."""

        async def act(connection: Connection) -> None:
            await lock_windows(connection, set(amounts))
            await _lower(connection, {(owner, place): micros for place, micros in amounts.items()})

        await self._pool.write(act)

    async def mine(self, owner: str) -> dict[Place, int]:
        """Return an owner's leases; what he asked before has happened by then, or never will."""

        async def act(connection: Connection) -> dict[Place, int]:
            # Who still commits what was asked over a connection that is lost has these windows locked.
            await lock_windows(connection, {_place(row) for row in await connection.fetch(_OF, [owner])})
            return {_place(row): row[4] for row in await connection.fetch(_OF, [owner])}

        return await self._pool.write(act)

    async def renew(self, owner: str, *, lasts_s: float) -> None:
        """Let an owner's leases last so many seconds from now on."""

        async def act(connection: Connection) -> None:
            await connection.execute(_RENEW, owner, lasts_s)

        await self._pool.write(act)

    async def charge(self, ended: Sequence[Spooled]) -> None:
        """Book requests that have ended and were paid from leases, in one transaction."""
        listed = sorted(ended, key=lambda one: one.exchange.id)

        async def act(connection: Connection) -> None:
            await rows.insert(connection, _OPEN_ONCE, [_opened(one) for one in listed])
            entries = [Settling(one.exchange, one.attempts) for one in listed]
            known = await lock_exchanges(connection, entries)
            fresh = [one for one in listed if known[str(plain(one.exchange.id))].is_open]
            places = {place_of(share) for one in fresh for share in one.shares}
            held = {place for one in known.values() for place in one.places}
            await lock_windows(connection, places | held)
            await settle(connection, [Settling(one.exchange, one.attempts) for one in fresh])
            off: dict[Whose, int] = {}
            for one in fresh:
                owed = (one.exchange.meters.cost_micros or 0) - known[str(plain(one.exchange.id))].micros
                for share in one.shares:
                    if owed > 0 and share.cap_micros is not None:
                        whose = str(plain(one.exchange.owner)), place_of(share)
                        off[whose] = off.get(whose, 0) + owed
            await _lower(connection, off)

        await self._pool.write(act)

    async def owners(self) -> list[str]:
        """Return who has leases."""
        return [row[0] for row in await self._pool.fetch(_OWNERS)]

    async def release(self, owners: Sequence[str]) -> None:
        """End all leases of dead owners."""
        await self._end(_OF, list(owners))

    async def expire(self) -> None:
        """End all leases that have lasted too long, by the database's clock."""
        await self._end(_PAST)

    async def _end(self, query: str, *values: object) -> None:
        async def act(connection: Connection) -> None:
            found = await connection.fetch(query, *values)
            await lock_windows(connection, {_place(row) for row in found})
            # Asked again: who was alive after all may have renewed it.
            ended = await connection.fetch(query, *values)
            seen = {(row[0], _place(row)) for row in found}
            off = {(row[0], _place(row)): row[4] for row in ended}
            await _lower(connection, {whose: micros for whose, micros in off.items() if whose in seen})

        await self._pool.write(act)


async def _lower(connection: Connection, off: Mapping[Whose, int]) -> None:
    """Take micro-dollars off leases whose windows are locked, and off what the windows hold."""
    asked = [whose for whose in sorted(off) if off[whose] > 0]
    if not asked:
        return
    moved: dict[Whose, int] = {}
    for owner, budget, subject, at, micros in await connection.fetch(_LOCK, *_listed(asked)):
        whose = owner, (budget, subject, at)
        moved[whose] = min(micros, off[whose])
    listed = sorted(moved)
    amounts = [moved[whose] for whose in listed]
    await connection.execute(_SPEND, *_listed(listed), amounts)
    await connection.execute(_LOWER, *_listed(listed), amounts)
    sums: dict[Place, int] = {}
    for (_, place), micros in moved.items():
        sums[place] = sums.get(place, 0) - micros
    await connection.execute(MOVE, *columns(sorted(sums)), [sums[place] for place in sorted(sums)])


def _opened(one: Spooled) -> tuple[object, ...]:
    """Return a row as it was opened, which holds nothing itself; what it says of its end comes next."""
    shares = msgspec.json.encode([place_of(share) for share in one.shares]).decode()
    return (*rows.values(msgspec.structs.replace(one.exchange, state="reserved")), 0, shares)


def _place(row: Sequence[object]) -> Place:
    _, budget, subject, at, *_ = row
    assert isinstance(at, int)
    return str(budget), str(subject), at


def _listed(leases: Iterable[Whose]) -> tuple[list[str], list[str], list[str], list[int]]:
    listed = list(leases)
    return [owner for owner, _ in listed], *columns(place for _, place in listed)
