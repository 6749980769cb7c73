"""What the ledger writes, a group at a time: openings, ends and claims, in one transaction.

Several transactions write at once, here and on other machines, so they lock what they touch, always in this
order; then none waits for one that waits for it:

    exchanges, by id  ->  windows of budgets, by name

What they add to the sums they append (migration 0007), and wait for nobody.

A window is locked before it is looked at and until the commit, so ``spent + held + claim <= cap`` cannot be
passed by two at once, on however many machines. Ends come before claims: what they give back is there for
those.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from dragoman.store.budgets import Claim, Share, Short
from dragoman.store.leases import Place
from dragoman.store.ledger import AttemptRow, ExchangeRow
from dragoman.store.postgres import rows
from dragoman.store.postgres.database import Connection, plain

# The order is that of the index, and the same for everybody.
_LOCK_EXCHANGES = """
    select id, state, held_micros, shares from exchange where id = any($1) order by id for no key update
"""
_LOCK_WINDOWS = """
    select budget, subject, at from budget_window
    where (budget, subject, at) in (select * from unnest($1::text[], $2::text[], $3::bigint[]))
    order by budget, subject, at for no key update
"""
_STANDING = """
    select budget, subject, at, spent, held from budget_window
    where (budget, subject, at) in (select * from unnest($1::text[], $2::text[], $3::bigint[]))
"""
MOVE = """
    update budget_window as stands set held = stands.held + moved.micros
    from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) as moved (budget, subject, at, micros)
    where stands.budget = moved.budget and stands.subject = moved.subject and stands.at = moved.at
"""
# Leases are in the way of a claim that would fit without them; once a second is word enough.
_CALL_IN = """
    update budget_window as stands set wanted_at = clock_timestamp()
    where (budget, subject, at) in (select * from unnest($1::text[], $2::text[], $3::bigint[]))
      and (wanted_at is null or wanted_at < clock_timestamp() - interval '1 second')
      and exists (select from lease where (lease.budget, lease.subject, lease.at)
          = (stands.budget, stands.subject, stands.at))
"""
_HOLD = """
    update exchange set held_micros = held.micros, shares = held.shares
    from unnest($1::text[], $2::bigint[], $3::jsonb[]) as held (id, micros, shares)
    where exchange.id = held.id
"""


class Opening(msgspec.Struct, frozen=True):
    """A request and its first attempt begin."""

    exchange: ExchangeRow
    attempt: AttemptRow
    claim: Claim | None

    @property
    def about(self) -> str:
        """The exchange's id."""
        return self.exchange.id


class Claiming(msgspec.Struct, frozen=True):
    """One more attempt of an open request begins, or its claim is another one, or both."""

    about: str
    attempt: AttemptRow | None
    claim: Claim | None


class Settling(msgspec.Struct, frozen=True):
    """A request has ended."""

    exchange: ExchangeRow
    attempts: tuple[AttemptRow, ...]

    @property
    def about(self) -> str:
        """The exchange's id."""
        return self.exchange.id


Entry = Opening | Claiming | Settling


async def book(connection: Connection, group: Sequence[Entry]) -> list[Short | None] | None:
    """Write a group of entries, no two about the same exchange; return which claims were not granted.

    Returns None, and has written nothing, where a claim is about a window that is not there yet: that is made
    in a transaction of its own (see ``budgets.py``).
    """
    settled = [entry for entry in group if isinstance(entry, Settling)]
    raised = [entry for entry in group if isinstance(entry, Claiming) and entry.claim is not None]
    known = await lock_exchanges(connection, [*settled, *raised])
    wanted = {place_of(share) for share in shares_of(group)}
    held = {place for one in known.values() for place in one.places}
    if wanted - await lock_windows(connection, wanted | held):
        return None
    await settle(connection, settled)
    desk = _Desk(known, await _standing(connection, wanted))
    shorts = [None if isinstance(entry, Settling) else desk.grant(entry) for entry in group]
    granted = [entry for entry, short in zip(group, shorts, strict=True) if short is None]
    if any(shorts):
        await _call_in(connection, group, shorts)
    await _open(connection, granted, desk)
    return shorts


def shares_of(group: Iterable[Entry]) -> list[Share]:
    """Return the windows that claims of a group are about."""
    claims = (entry.claim for entry in group if not isinstance(entry, Settling))
    return [share for claim in claims if claim is not None for share in claim.shares]


def place_of(share: Share) -> Place:
    """Return where a share's window is, as the database writes it."""
    return str(plain(share.budget)), str(plain(share.subject)), share.at


class Held:
    """What an exchange holds, and where; each place with what else its share says."""

    def __init__(self, *, is_open: bool = True, micros: int = 0, shares: str = "[]") -> None:
        self.is_open = is_open
        self.micros = micros if is_open else 0
        self.places: dict[Place, list[Any]] = {
            (share[0], share[1], share[2]): share[3:] for share in msgspec.json.decode(shares) if is_open
        }


class _Desk:
    """Grants claims one after the other, and says afterwards what that comes to."""

    def __init__(self, known: dict[str, Held], standing: dict[Place, tuple[int, int]]) -> None:
        self.known = known
        self.standing = standing
        self.moved: dict[Place, int] = {}
        self.held: dict[str, tuple[int, str]] = {}

    def grant(self, entry: Opening | Claiming) -> Short | None:
        """Let a claim take the place of an exchange's; return why not, where it does not fit.

        What asks for no more than is held already is always granted.
        """
        claim = entry.claim
        if claim is None:
            return None
        held = Held() if isinstance(entry, Opening) else self.known.get(entry.about)
        if held is None or not held.is_open:
            return None  # its end was written first: whoever asked has left
        shares = {place_of(share): share for share in claim.shares}
        for place, share in shares.items():
            mine = held.micros if place in held.places else 0
            spent, all_held = self.standing[place]
            others = all_held + self.moved.get(place, 0) - mine
            if share.cap_micros is not None and mine < claim.micros > share.cap_micros - spent - others:
                return Short(share, spent, others)
        # Where it was adopted it counts as before, whatever it asks for now.
        kept = {place: more for place, more in held.places.items() if more and place not in shares}
        for place in {*held.places, *shares}:
            before = held.micros if place in held.places else 0
            after = claim.micros if place in shares or place in kept else 0
            self.moved[place] = self.moved.get(place, 0) + after - before
        written = [[*place] for place in shares] + [[*place, *more] for place, more in kept.items()]
        self.held[entry.about] = claim.micros, msgspec.json.encode(written).decode()
        return None


async def lock_exchanges(connection: Connection, group: Sequence[Entry]) -> dict[str, Held]:
    """Lock exchanges; return what those that are there hold."""
    if not group:
        return {}
    found = await connection.fetch(_LOCK_EXCHANGES, [plain(entry.about) for entry in group])
    return {
        id_: Held(is_open=state == "reserved", micros=micros, shares=shares)
        for id_, state, micros, shares in found
    }


async def lock_windows(connection: Connection, places: set[Place]) -> set[Place]:
    """Lock windows; return those that are there."""
    found = await connection.fetch(_LOCK_WINDOWS, *columns(sorted(places))) if places else []
    return {(budget, subject, at) for budget, subject, at in found}


async def _standing(connection: Connection, places: set[Place]) -> dict[Place, tuple[int, int]]:
    """Return what windows that are locked have spent and hold."""
    found = await connection.fetch(_STANDING, *columns(sorted(places))) if places else []
    return {(budget, subject, at): (spent, held) for budget, subject, at, spent, held in found}


async def settle(connection: Connection, settled: Sequence[Settling]) -> None:
    """Write ends; of rows that are there, only of those that are open."""
    ended = sorted(settled, key=lambda entry: entry.about)
    await rows.insert(connection, rows.SETTLE_EXCHANGES, [rows.values(entry.exchange) for entry in ended])
    attempts = [rows.values(attempt) for entry in ended for attempt in entry.attempts]
    await rows.insert(connection, rows.SETTLE_ATTEMPTS, attempts)


async def _open(connection: Connection, granted: Sequence[Entry], desk: _Desk) -> None:
    """Write what begins, and what is held from now on."""
    opened = [entry for entry in granted if isinstance(entry, Opening)]
    raised = [entry for entry in granted if isinstance(entry, Claiming)]
    if moved := sorted((place, micros) for place, micros in desk.moved.items() if micros):
        await connection.execute(MOVE, *columns(place for place, _ in moved), [micros for _, micros in moved])
    await rows.insert(
        connection,
        rows.OPEN_EXCHANGES,
        [
            (*rows.values(entry.exchange), *desk.held.get(entry.about, (0, "[]")))
            for entry in sorted(opened, key=lambda entry: entry.about)
        ],
    )
    held = [(plain(entry.about), *desk.held[entry.about]) for entry in raised if entry.about in desk.held]
    await rows.insert(connection, _HOLD, held)
    begun: list[Opening | Claiming] = [*opened, *raised]
    attempts = [entry.attempt for entry in begun if entry.attempt and _may_begin(entry, desk)]
    await rows.insert(connection, rows.OPEN_ATTEMPTS, [rows.values(attempt) for attempt in attempts])


async def _call_in(connection: Connection, group: Sequence[Entry], shorts: Sequence[Short | None]) -> None:
    """Leave word, where money is held that leases hold a part of."""
    places = set()
    for entry, short in zip(group, shorts, strict=True):
        if short is None or isinstance(entry, Settling) or entry.claim is None:
            continue
        if short.spent_micros + entry.claim.micros <= (short.share.cap_micros or 0):
            places.add(place_of(short.share))
    if places:
        await connection.execute(_CALL_IN, *columns(sorted(places)))


def _may_begin(entry: Opening | Claiming, desk: _Desk) -> bool:
    """Say whether an attempt is written: not one that asked under a budget after its exchange's end."""
    return isinstance(entry, Opening) or entry.claim is None or entry.about in desk.held


def columns(places: Iterable[Place]) -> tuple[list[str], list[str], list[int]]:
    """Return windows as statements take them, column by column."""
    listed = list(places)
    budgets, subjects, times = (
        (list(column) for column in zip(*listed, strict=True)) if listed else ([], [], [])
    )
    return budgets, subjects, times
