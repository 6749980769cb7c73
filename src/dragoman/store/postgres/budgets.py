"""Budgets in PostgreSQL. How a claim is granted is in ``booking.py``, how it is released in the schema.

A window is made when it is first claimed from, and says then what the ledger says: what has ended since it
began is spent, and what is still open counts in it from now on. So a budget may be made, changed, removed
and made again at any time, and is right at once. Open requests it finds are marked as *adopted* (a fourth
member of their share): the budget counts them, though they never asked it. While a window is made nobody
else writes exchanges, anywhere; that is once for each window, and takes as long as a report.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from dragoman.store.audit import AuditRow
from dragoman.store.budgets import AlertRow, BudgetRow, Scope, Share, Window, part_of
from dragoman.store.leases import Place
from dragoman.store.postgres.asked import spent_on
from dragoman.store.postgres.audit import alone, note
from dragoman.store.postgres.booking import place_of
from dragoman.store.postgres.database import Connection, plain
from dragoman.store.postgres.pool import Pool
from dragoman.store.postgres.reports import spent

_BUDGET = BudgetRow.__struct_fields__
_ALERT = AlertRow.__struct_fields__
_PUT = f"""
    insert into budget ({", ".join(_BUDGET)}) values ({", ".join(f"${n + 1}" for n in range(len(_BUDGET)))})
    on conflict (name) do update set {", ".join(f"{name} = excluded.{name}" for name in _BUDGET[1:-1])}
"""  # noqa: S608  names of our own, no values
_RESHAPED = "select 1 from budget where name = $1 and (scope, period, zone) <> ($2, $3, $4)"
_WINDOWS = """
    select budget, subject, at, spent, held from budget_window
    where $1::bigint[] is null or at = any($1)
    order by budget collate "C", subject collate "C", at
"""
_ALERTS = f"""
    select {", ".join(_ALERT)} from alert where told_at >= $1 and ($2::text is null or budget = $2)
    order by told_at desc, budget collate "C", subject collate "C", percent desc limit $3
"""  # noqa: S608  as above
_TELL = f"""
    insert into alert ({", ".join(_ALERT)}) values ({", ".join(f"${n + 1}" for n in range(len(_ALERT)))})
    on conflict do nothing
"""  # noqa: S608  as above
_CLAIMS = "select id, held_micros from exchange where state = 'reserved' and held_micros > 0 order by id"
_STANDING = "select spent, held from budget_window where budget = $1 and subject = $2 and at = $3"
_OPENED = "insert into budget_window values ($1, $2, $3, $4, $5)"
_LOCK = "select from budget_window where budget = $1 order by budget, subject, at for no key update"

_ASKED = """
    (model = $2 or exists (
        select from attempt
        where exchange_id = id and $2 in (attempt.model, provider || '/' || attempt.model)))
"""
_WHOSE: Mapping[Scope, str] = MappingProxyType(
    {"all": "$2 = $2", "key": "key = $2", "team": "team = $2", "user": '"user" = $2', "model": _ASKED}
)
"""Which open exchanges a scope is about."""

_CLAIMED = """
    exists (
        select from jsonb_array_elements(shares) as share
        where share ->> 0 = $1 and share ->> 1 = $2 and (share ->> 2)::bigint = $3)
"""
_ADOPT = """
    update exchange
    set shares = shares || jsonb_build_array(jsonb_build_array($1::text, $2::text, $3::bigint, 1))
    where state = 'reserved' and opened_at >= $3::bigint and {whose} and not {claimed}
"""
_HELD_BY_ALL = f"""
    select coalesce(sum(held_micros), 0) from exchange where state = 'reserved' and {_CLAIMED}
"""  # noqa: S608  as above
_LEASED = "select coalesce(sum(micros), 0) from lease where (budget, subject, at) = ($1, $2, $3)"


class PostgresBudgets:
    """:class:`~dragoman.store.budgets.Budgets` in PostgreSQL.

    Args:
        pool: Connections.
        reports: Those that serve no request.
    """

    def __init__(self, pool: Pool, reports: Pool) -> None:
        self._pool = pool
        self._reports = reports

    async def rows(self) -> list[BudgetRow]:
        """Return every budget by name."""
        query = f'select {", ".join(_BUDGET)} from budget order by name collate "C"'  # noqa: S608  as above
        return [_budget(row) for row in await self._pool.fetch(query)]

    async def put(self, row: BudgetRow, audit: AuditRow) -> None:
        """Insert a budget, or replace one of the same name. What its windows have spent stays.

        Where it counts something else from now on, or by another calendar, its windows are made anew from the
        ledger.
        """

        async def act(connection: Connection) -> None:
            await alone(connection)
            if await connection.first(_RESHAPED, row.name, row.scope, row.period, row.zone):
                await _forget(connection, row.name)
            await connection.execute(_PUT, *_columns(row))
            await note(connection, audit)

        await self._pool.write(act)

    async def remove(self, name: str, audit: AuditRow) -> bool:
        """Remove a budget with its windows and alerts; return whether it was there."""

        async def act(connection: Connection) -> bool:
            await alone(connection)
            there = await connection.execute("delete from budget where name = $1", name) == 1
            if there:
                await _forget(connection, name)
                await note(connection, audit)
            return there

        return await self._pool.write(act)

    async def windows(self, *, at: Collection[int] | None = None) -> list[Window]:
        """Return the windows that began at any of these times and were ever claimed from; None: all."""
        times = None if at is None else list(at)
        return [Window(*row) for row in await self._pool.fetch(_WINDOWS, times)]

    async def window(self, share: Share) -> Window:
        """Return how a window stands; one nobody has claimed from yet, by the ledger's own sum."""

        async def act(connection: Connection) -> Window:
            place = place_of(share)
            found = await connection.first(_STANDING, *place)
            return Window(*place, *(found or (await _spent(connection, share), 0)))

        return await self._reports.read(act)

    async def spent_on(self, models: Collection[str], since: int) -> dict[str, int]:
        """Return what exchanges have cost that began then or later and have ended, by what they asked."""

        async def act(connection: Connection) -> dict[str, int]:
            return await spent_on(connection, [str(plain(name)) for name in models], since)

        return await self._reports.read(act)

    async def tell(self, row: AlertRow) -> bool:
        """Write down that an alert was given; return False where it had been given before."""

        async def act(connection: Connection) -> bool:
            return await connection.execute(_TELL, *msgspec.structs.astuple(row)) == 1

        return await self._pool.write(act)

    async def alerts(
        self, *, limit: int | None = 100, budget: str | None = None, since: float = 0.0
    ) -> list[AlertRow]:
        """Return the newest alerts first."""
        return [AlertRow(*row) for row in await self._pool.fetch(_ALERTS, since, budget, limit)]

    async def open_claims(self) -> Sequence[tuple[str, int]]:
        """Return the id and the held micro-dollars of every open exchange that holds any."""
        return [(row[0], row[1]) for row in await self._pool.fetch(_CLAIMS)]


async def make_windows(connection: Connection, shares: Sequence[Share]) -> None:
    """Make the windows that are not there yet, in a transaction that does nothing else."""
    # Not even those may go on who have only locked rows so far: they would write to them next.
    await connection.execute("lock table exchange in exclusive mode")
    await connection.execute("lock table lease in exclusive mode")
    by_place: dict[Place, Share] = {place_of(share): share for share in shares}
    for place in sorted(by_place):
        if await connection.first(_STANDING, *place) is None:
            share = by_place[place]
            await connection.execute(_ADOPT.format(whose=_WHOSE[share.scope], claimed=_CLAIMED), *place)
            held = int(await connection.value(_HELD_BY_ALL, *place))
            held += int(await connection.value(_LEASED, *place))
            await connection.execute(_OPENED, *place, await _spent(connection, share), held)


async def _spent(connection: Connection, share: Share) -> int:
    """Return what the ledger says was spent in a window, of all that has ended."""
    _, subject, at = place_of(share)
    if share.scope == "model":
        return (await spent_on(connection, [subject], at)).get(subject, 0)
    return await spent(connection, part_of(share.scope, subject, at))


async def _forget(connection: Connection, name: str) -> None:
    await connection.fetch(_LOCK, name)
    await connection.execute("delete from budget_window where budget = $1", name)
    await connection.execute("delete from alert where budget = $1", name)


def _columns(row: BudgetRow) -> tuple[object, ...]:
    values: dict[str, Any] = msgspec.structs.asdict(row)
    return tuple({**values, "alerts": msgspec.json.encode(row.alerts).decode()}.values())


def _budget(values: Sequence[Any]) -> BudgetRow:
    fields = dict(zip(_BUDGET, values, strict=True))
    return BudgetRow(**{**fields, "alerts": tuple(msgspec.json.decode(fields["alerts"]))})
