"""Budgets in SQLite: a claim is granted in the transaction that opens the rows it pays for.

A write transaction is alone in the file, so what a window says while it is looked at is true for all
processes until the commit: `spent + held + claim <= cap` cannot be passed by two at once. How a claim is
released is in the schema (migration 0007): triggers see every way a row can leave `reserved`.

A window is made when it is first claimed from, and says then what the ledger says: what has ended since it
began is spent, and what is still open counts in it from now on. So a budget may be made, changed, removed and
made again at any time, and is right at once. Open requests it finds are marked as *adopted* (a fourth member
of their share): the budget counts them, though they never asked it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import msgspec

from dragoman.store.audit import AuditRow
from dragoman.store.budgets import AlertRow, BudgetRow, Claim, Scope, Share, Short, Window, part_of
from dragoman.store.sqlite.asked import spent_on
from dragoman.store.sqlite.audit import note
from dragoman.store.sqlite.commit import Write
from dragoman.store.sqlite.reports import Run, spent
from dragoman.store.sqlite.responses import Read

Place = tuple[str, str, int]
"""A window: budget, subject, and the Unix second it begins at."""

_BUDGET = BudgetRow.__struct_fields__
_ALERT = AlertRow.__struct_fields__
_PUT = f"""
    insert into budget ({", ".join(_BUDGET)}) values ({", ".join("?" * len(_BUDGET))})
    on conflict (name) do update set {", ".join(f"{name} = excluded.{name}" for name in _BUDGET[1:-1])}
"""  # noqa: S608  names of our own, no values
_RESHAPED = "select 1 from budget where name = ? and (scope, period, zone) <> (?, ?, ?)"
_WINDOWS = """
    select budget, subject, at, spent, held from budget_window
    where ?1 is null or at in (select value from json_each(?1)) order by budget, subject, at
"""
_ALERTS = f"""
    select {", ".join(_ALERT)} from alert where told_at >= ?1 and (?2 is null or budget = ?2)
    order by told_at desc, budget, subject, percent desc limit ?3
"""  # noqa: S608  as above
_CLAIMS = "select id, held_micros from exchange where state = 'reserved' and held_micros > 0 order by id"
_STANDING = "select spent, held from budget_window where budget = ? and subject = ? and at = ?"
_OPENED = "insert into budget_window values (?, ?, ?, ?, ?)"
_MOVE = "update budget_window set held = held + ? where budget = ? and subject = ? and at = ?"
_HELD = "select held_micros, shares from exchange where id = ? and state = 'reserved'"
_HOLD = "update exchange set held_micros = ?, shares = ? where id = ?"

_ASKED = """
    (model = :subject or exists (
        select 1 from attempt
        where exchange_id = id and :subject in (attempt.model, provider || '/' || attempt.model)))
"""
_WHOSE: Mapping[Scope, str] = MappingProxyType(
    {
        "all": "true",
        "key": "key = :subject",
        "team": "team = :subject",
        "user": "user = :subject",
        "model": _ASKED,
    }
)
"""Which open exchanges a scope is about."""

_CLAIMED = """
    exists (
        select 1 from json_each(shares)
        where json_extract(value, '$[0]') = :budget
          and json_extract(value, '$[1]') = :subject
          and json_extract(value, '$[2]') = :at)
"""
_ADOPT = """
    update exchange set shares = json_insert(shares, '$[#]', json_array(:budget, :subject, :at, 1))
    where state = 'reserved' and opened_at >= :at and {whose} and not {claimed}
"""
_HELD_BY_ALL = f"select ifnull(sum(held_micros), 0) from exchange where state = 'reserved' and {_CLAIMED}"  # noqa: S608  as above


class SqliteBudgets:
    """:class:`~dragoman.store.budgets.Budgets` in the store's file.

    Args:
        write: Queues a write, as of :class:`~dragoman.store.sqlite.commit.Writer`.
        read: Runs a query on the reading connection.
        run: Runs a function of a reading connection, in a thread that serves no request.
    """

    def __init__(self, write: Callable[[Write], Awaitable[Any]], read: Read, run: Run[Any]) -> None:
        self._write = write
        self._read = read
        self._run = run

    async def rows(self) -> list[BudgetRow]:
        """Return every budget by name."""
        rows = await self._read(f"select {', '.join(_BUDGET)} from budget order by name", ())  # noqa: S608  as above
        return [_budget(row) for row in rows]

    async def put(self, row: BudgetRow, audit: AuditRow) -> None:
        """Insert a budget, or replace one of the same name. What its windows have spent stays.

        Where it counts something else from now on, or by another calendar, its windows are made anew from the
        ledger.
        """

        def act(connection: sqlite3.Connection) -> None:
            if connection.execute(_RESHAPED, (row.name, row.scope, row.period, row.zone)).fetchone():
                _forget(connection, row.name)
            connection.execute(_PUT, _columns(row))
            note(connection, audit)

        await self._write(Write(act=act))

    async def remove(self, name: str, audit: AuditRow) -> bool:
        """Remove a budget with its windows and alerts; return whether it was there."""

        def act(connection: sqlite3.Connection) -> bool:
            there = connection.execute("delete from budget where name = ?", (name,)).rowcount == 1
            if there:
                _forget(connection, name)
                note(connection, audit)
            return there

        return bool(await self._write(Write(act=act)))

    async def windows(self, *, at: Collection[int] | None = None) -> list[Window]:
        """Return the windows that began at any of these times and were ever claimed from; None: all."""
        times = None if at is None else msgspec.json.encode(list(at)).decode()
        return [Window(*row) for row in await self._read(_WINDOWS, (times,))]

    async def window(self, share: Share) -> Window:
        """Return how a window stands; one nobody has claimed from yet, by the ledger's own sum."""

        def act(connection: sqlite3.Connection) -> Window:
            connection.execute("begin")
            try:
                found = connection.execute(_STANDING, _place(share)).fetchone()
                return Window(*_place(share), *(found or (_spent(connection, share), 0)))
            finally:
                connection.execute("rollback")

        found: Window = await self._run(act)
        return found

    async def spent_on(self, models: Collection[str], since: int) -> dict[str, int]:
        """Return what exchanges have cost that began then or later and have ended, by what they asked."""
        found: dict[str, int] = await self._run(partial(spent_on, names=[*map(_plain, models)], since=since))
        return found

    async def tell(self, row: AlertRow) -> bool:
        """Write down that an alert was given; return False where it had been given before."""
        places = ", ".join("?" * len(_ALERT))
        sql = f"insert into alert ({', '.join(_ALERT)}) values ({places}) on conflict do nothing"  # noqa: S608  as above

        def act(connection: sqlite3.Connection) -> bool:
            return connection.execute(sql, msgspec.structs.astuple(row)).rowcount == 1

        return bool(await self._write(Write(act=act)))

    async def alerts(
        self, *, limit: int | None = 100, budget: str | None = None, since: float = 0.0
    ) -> list[AlertRow]:
        """Return the newest alerts first."""
        rows = await self._read(_ALERTS, (since, budget, -1 if limit is None else limit))
        return [AlertRow(*row) for row in rows]

    async def open_claims(self) -> Sequence[tuple[str, int]]:
        """Return the id and the held micro-dollars of every open exchange that holds any."""
        return [(row[0], row[1]) for row in await self._read(_CLAIMS, ())]


def grant(
    connection: sqlite3.Connection, id_: str, claim: Claim, opening: Callable[[], None] | None = None
) -> Short | None:
    """Let a claim take the place of an exchange's; return why not, where it does not fit.

    Runs in a write transaction. What asks for no more than is held already is always granted.

    Args:
        connection: The writing one.
        id_: The exchange's.
        claim: What it asks for, and where.
        opening: Inserts the exchange, once it is clear that the claim fits; None: it is there, and open.
    """
    shares = {_place(share): share for share in claim.shares}
    standing = {place: _standing(connection, share) for place, share in shares.items()}
    # Read afterwards: a window that was just made may have adopted this very exchange.
    held, old = (0, {}) if opening else _held(connection, id_)
    for place, share in shares.items():
        mine = held if place in old else 0
        spent, others = standing[place][0], standing[place][1] - mine
        if share.cap_micros is not None and mine < claim.micros > share.cap_micros - spent - others:
            return Short(share, spent, others)
    if opening:
        opening()
    kept = {place: more for place, more in old.items() if more and place not in shares}
    for place in {*old, *shares}:
        before = held if place in old else 0
        after = claim.micros if place in shares or place in kept else 0
        connection.execute(_MOVE, (after - before, *place))
    written = [[*place] for place in shares] + [[*place, *more] for place, more in kept.items()]
    connection.execute(_HOLD, (claim.micros, msgspec.json.encode(written).decode(), id_))
    return None


def is_open(connection: sqlite3.Connection, id_: str) -> bool:
    """Return whether an exchange is there and has not ended."""
    return connection.execute(_HELD, (id_,)).fetchone() is not None


def _standing(connection: sqlite3.Connection, share: Share) -> tuple[int, int]:
    """Return what a window has spent and holds; make it where it is not there yet."""
    place = _place(share)
    found = connection.execute(_STANDING, place).fetchone()
    if found is None:
        values = dict(zip(("budget", "subject", "at"), place, strict=True))
        connection.execute(_ADOPT.format(whose=_WHOSE[share.scope], claimed=_CLAIMED), values)
        found = (_spent(connection, share), connection.execute(_HELD_BY_ALL, values).fetchone()[0])
        connection.execute(_OPENED, (*place, *found))
    return int(found[0]), int(found[1])


def _spent(connection: sqlite3.Connection, share: Share) -> int:
    """Return what the ledger says was spent in a window, of all that has ended."""
    _, subject, at = _place(share)
    if share.scope == "model":
        return spent_on(connection, [subject], at).get(subject, 0)
    return spent(connection, part_of(share.scope, subject, at))


def _held(connection: sqlite3.Connection, id_: str) -> tuple[int, dict[Place, list[Any]]]:
    """Return what an open exchange holds and where, each place with what else its share says."""
    held, shares = connection.execute(_HELD, (id_,)).fetchone()
    return held, {(share[0], share[1], share[2]): share[3:] for share in msgspec.json.decode(shares)}


def _forget(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("delete from budget_window where budget = ?", (name,))
    connection.execute("delete from alert where budget = ?", (name,))


def _place(share: Share) -> Place:
    return share.budget, _plain(share.subject), share.at


def _plain(text: str) -> str:
    """Return text as SQLite takes it: a client's word for a model may be no Unicode."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _columns(row: BudgetRow) -> tuple[object, ...]:
    values = msgspec.structs.asdict(row)
    return tuple(
        {**values, "alerts": msgspec.json.encode(row.alerts).decode(), "hard": int(row.hard)}.values()
    )


def _budget(values: Sequence[Any]) -> BudgetRow:
    fields = dict(zip(_BUDGET, values, strict=True))
    alerts = tuple(msgspec.json.decode(fields["alerts"]))
    return BudgetRow(**{**fields, "hard": bool(fields["hard"]), "alerts": alerts})
