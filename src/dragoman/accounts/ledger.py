"""The ledger: what happened and what it cost, written before money can be spent.

A row is ``reserved`` while its request runs and says which process owns it. If that process dies, its
rows are settled as ``interrupted`` by whoever looks next. On one machine death is not guessed from time or
process numbers: an :class:`Owner` holds a lock on a file of its own, which the kernel lets go of at the
instant the process ends, however it ends. So a crashed sibling is known at once and a living one is never
swept. Across machines it is a lease: see ``living.py``.
"""

from __future__ import annotations

import fcntl
import os
from asyncio import Task, gather, get_running_loop, shield, sleep, to_thread, wait
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from dragoman.accounts.leases import Purse
from dragoman.core.failure import Failure, Kind
from dragoman.store import AttemptRow, ExchangeRow, Store
from dragoman.store.budgets import Claim, Short
from dragoman.store.spool import Spool, Spooled

Dead = Callable[[Sequence[str]], Awaitable[list[str]]]
"""Tells which of some owners are dead."""


class Owner:
    """A process's identity in the ledger, alive as long as its lock is held.

    Claim it after forking: a child that inherits the lock keeps its parent's rows alive.
    """

    __slots__ = ("_descriptor", "_path", "folder", "id")

    def __init__(self, folder: Path, name: str, descriptor: int) -> None:
        self.folder = folder
        self.id = name
        self._path = _file(folder, name)
        self._descriptor: int | None = descriptor

    @classmethod
    def claim(cls, folder: Path, random: Callable[[int], bytes] = os.urandom) -> Owner:
        """Become a new owner, with a lock file in `folder`.

        Raises:
            OSError: The folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            name = random(8).hex()
            path = _file(folder, name)
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                continue
            # Between making the file and locking it somebody may have taken it for a dead one's.
            if _lock(descriptor) and path.exists():
                return cls(folder, name, descriptor)
            os.close(descriptor)

    @staticmethod
    def dead(folder: Path, ids: Iterable[str]) -> list[str]:
        """Return those of `ids` whose process is gone, and remove what they left."""
        return [name for name in ids if _is_dead(folder, name)]

    @staticmethod
    def left(folder: Path, ids: Iterable[str]) -> list[str]:
        """Return those of `ids` that were here and whose process is gone; of others nothing is said."""
        return [name for name in ids if _file(folder, name).is_file() and _is_dead(folder, name)]

    def release(self) -> None:
        """Stop being an owner: from here on its rows count as a dead one's."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


MOST_LATE = 100_000
"""Ends that wait for a store that is away, where there is no spool; the rest is left to the next start."""

CATCH_UP_S = 1.0
"""Seconds between two tries to book what is late."""

ALIVE = "alive"
"""The setting that says nothing: read and written to see whether the store reads and writes."""

PROOF = "." * 2**18
"""What a store that did not take a row has to take before it counts as whole: the room of some fifty
requests. One byte might fit into a page that is there already, on a disk as full as before."""

SWEEP_S = 5.0
"""Seconds between two looks for rows that dead processes left open."""


class Ledger:
    """Writes the rows of one owner.

    While a store on another machine is away, what needs no budget goes on for a time of grace, and so does
    what money was put by for (``leases.py``): rows are kept in a spool on this machine, which survives
    ``kill -9``, and carried over when the store is back. A request whose claim the store itself has granted
    gets no more money from leases: where it needs more during an outage, it ends there.

    A store may read and not write: its disk is full, or it became read-only. So why it did not take a row is
    kept in mind, and is what :meth:`trouble` says until it has taken something: the next request, or what is
    tried every second meanwhile, so that this heals without one.

    Args:
        store: Where rows belong.
        owner: Whose they are.
        dead: Tells which of some owners are dead; None: those whose files say so.
        spool: Where rows wait while the store is away; None: they do not, and nothing is opened.
        purse: Pays for claims while the store is away; None: nobody does.
        grace_s: Seconds for which requests are opened while the store is away.
        tick: Monotonic clock, seconds.
        pause: Waits so many seconds.
    """

    def __init__(
        self,
        store: Store,
        owner: Owner,
        *,
        dead: Dead | None = None,
        spool: Spool | None = None,
        purse: Purse | None = None,
        grace_s: float = 60.0,
        tick: Callable[[], float] = lambda: get_running_loop().time(),
        pause: Callable[[float], Awaitable[None]] = sleep,
    ) -> None:
        self._store = store
        self._owner = owner
        self._dead = dead or self._unlocked
        self._spool = spool
        self._purse = purse
        self._grace_s = grace_s
        self._tick = tick
        self._pause = pause
        self._away_at: float | None = None
        self._fault: Failure | None = None
        self._open: dict[str, tuple[ExchangeRow, tuple[AttemptRow, ...]]] = {}
        self._spooled: set[str] = set()
        self._refused: set[str] = set()
        self._ends: set[Task[None]] = set()
        self._gone: set[str] = set()
        self._late: deque[Spooled] = deque(maxlen=MOST_LATE)

    @property
    def owner(self) -> str:
        """Whose rows these are: what every exchange it books carries."""
        return self._owner.id

    async def open(
        self, exchange: ExchangeRow, attempt: AttemptRow, claim: Claim | None = None
    ) -> Short | None:
        """Book a request and its first attempt; when this returns, both survive ``kill -9``.

        With a claim, only where it is granted; else nothing is written, and why is returned.

        Raises:
            Failure: UNAVAILABLE; nothing may be sent then.
        """
        try:
            short = await self._store.open_exchange(exchange, attempt, claim)
        except Failure as failure:
            self._failed(failure)
            # Money needs the store, or a lease; the rest may wait.
            await self._keep(failure, exchange, (attempt,), claim)
            return None
        self._took()
        self._note(short, claim)
        if short is None and self._spool is not None:
            self._open[exchange.id] = exchange, (attempt,)
        return short

    async def next(self, attempt: AttemptRow, claim: Claim | None = None) -> Short | None:
        """Book one more attempt of an open request, as :meth:`open`; durable when this returns."""
        id_ = attempt.exchange_id
        if id_ in self._spooled:
            await self._keep(_away(), *self._with(attempt), claim)
            return None
        try:
            short = await self._store.open_attempt(attempt, claim)
        except Failure as failure:
            self._failed(failure)
            # What the store holds for it is not ours to know now: there is one purse, or the other.
            if id_ not in self._open or claim is not None:
                raise
            await self._keep(failure, *self._with(attempt), None)
            return None
        self._note(short, claim)
        if short is None and id_ in self._open:
            self._open[id_] = self._with(attempt)
        return short

    async def claim(self, exchange_id: str, claim: Claim) -> Short | None:
        """Hold more, or less, for an open request; return why that was not granted, if so."""
        if exchange_id in self._spooled:
            await self._keep(_away(), *self._open[exchange_id], claim)
            return None
        try:
            short = await self._store.claim(exchange_id, claim)
        except Failure as failure:
            self._failed(failure)
            raise
        self._note(short, claim)
        return short

    async def trouble(self) -> Failure | None:
        """Return why the store serves no requests: it does not read, or did not write; None: it does."""
        fault = self._fault
        try:
            await self._store.setting(ALIVE)
        except Failure as failure:
            fault = failure
        return None if self.lasts(answers=fault is None) else fault

    def lasts(self, *, answers: bool) -> bool:
        """Say whether requests are served now, by somebody who has just seen whether the store answers.

        While it does not, they are for a time of grace, where there is a spool.
        """
        if answers:
            self._away_at = None
            return True
        if self._spool is None:
            return False
        if self._away_at is None:
            self._away_at = self._tick()
        return self._tick() - self._away_at <= self._grace_s

    async def prove(self) -> None:
        """Try whether a store that did not take a row takes one now; else nothing is tried."""
        if self._fault is None:
            return
        try:
            await self._store.remember(ALIVE, PROOF)
            await self._store.remember(ALIVE, "")
        except Failure as failure:
            self._failed(failure)
        else:
            self._took()

    async def settle(self, exchange: ExchangeRow, attempts: Sequence[AttemptRow]) -> None:
        """Book how a request ended. Written even if the caller is cancelled while it waits.

        Raises:
            Failure: UNAVAILABLE; it is booked as soon as the store answers again (:meth:`catching_up`).
        """
        task = get_running_loop().create_task(self._settle(exchange, attempts))
        self._ends.add(task)
        task.add_done_callback(self._ended)
        await shield(task)

    async def catch_up(self) -> int:
        """Book what is late; return how many are still, because the store is still away."""
        if self._ends:
            await wait(set(self._ends))
        while self._late:
            late = self._late[0]
            try:
                await self._end(late)
            except Failure as failure:
                if failure.kind is Kind.UNAVAILABLE:
                    break
            if self._late and self._late[0] is late:
                self._late.popleft()
        return len(self._late) + await self._carry()

    async def catching_up(self) -> None:
        """Book what is late, and see whether the store is whole, again and again, until cancelled."""
        while True:
            await self._pause(CATCH_UP_S)
            with suppress(Failure):
                await self.catch_up()
            await self.prove()

    async def sweep(self) -> int:
        """Mark what dead processes left open as interrupted; return how many requests.

        What they left in the spool is carried over first: it may say how a request really ended.
        """
        if self._spool is not None:
            await self._look_around(self._spool)
            if left := await self._unlocked(await self._spool.owners()):
                await self._spool.interrupt(left)
            await self._carry()
        owners = await self._store.open_owners()
        # Whoever is known to be gone has no file any more that would say so.
        dead = sorted({*await self._dead(owners), *self._gone.intersection(owners)})
        found = await self._store.interrupt(dead) if dead else 0
        if self._purse is not None:
            await self._purse.release(self._gone)
        return found

    async def sweeping(self) -> None:
        """Sweep again and again, until cancelled; while the store is away nobody is taken for dead."""
        while True:
            await self._pause(SWEEP_S)
            with suppress(Failure):
                await self.sweep()

    async def leave(self) -> None:
        """Book what is late, and give back what was put by; call it last."""
        await self.catch_up()
        if self._purse is not None:
            await self._purse.leave()

    def _ended(self, task: Task[None]) -> None:
        """Let go of an end: whoever waited for it may have left, and what failed is booked late anyway."""
        self._ends.discard(task)
        if not task.cancelled():
            task.exception()

    async def _settle(self, exchange: ExchangeRow, attempts: Sequence[AttemptRow]) -> None:
        self._open.pop(exchange.id, None)
        claim = self._purse.drawn(exchange.id) if self._purse is not None else None
        shares, held = (claim.shares, claim.micros) if claim is not None else ((), 0)
        ended = Spooled(exchange, tuple(attempts), shares, held)
        try:
            await self._end(ended)
        except Failure as failure:
            self._failed(failure)
            if failure.kind is not Kind.UNAVAILABLE:
                raise
            if self._spool is not None:
                with suppress(Failure):
                    await self._spool.keep(exchange, attempts, claim)
                    if self._purse is not None:
                        self._purse.owe(exchange.id, _cost(exchange))
                    return
            self._late.append(ended)
            raise
        finally:
            spooled = exchange.id in self._spooled
            self._spooled.discard(exchange.id)
        if spooled and self._spool is not None:
            await self._spool.remove([exchange.id])

    async def _end(self, ended: Spooled) -> None:
        """Write how a request ended: against a lease, if it was paid from one."""
        if self._purse is None or not ended.shares:
            await self._store.settle(ended.exchange, ended.attempts)
            return
        await self._purse.charge([ended])
        self._purse.booked(ended.exchange.id, _cost(ended.exchange))

    async def _keep(
        self,
        failure: Failure,
        exchange: ExchangeRow,
        attempts: tuple[AttemptRow, ...],
        claim: Claim | None,
    ) -> None:
        """Keep what the store could not take, if it may be kept; else raise why it could not."""
        if self._spool is None or failure.kind is not Kind.UNAVAILABLE:
            raise failure
        now = self._tick()
        if self._away_at is None:
            self._away_at = now
        if now - self._away_at > self._grace_s or not self._pays(exchange.id, claim):
            raise failure
        # Noted first: a caller that leaves while the row is written still settles it.
        self._open[exchange.id] = exchange, attempts
        self._spooled.add(exchange.id)
        drawn = self._purse.drawn(exchange.id) if self._purse is not None else None
        await self._spool.keep(exchange, attempts, drawn)

    def _failed(self, failure: Failure) -> None:
        if failure.kind is Kind.UNAVAILABLE:
            self._fault = failure

    def _took(self) -> None:
        self._away_at = self._fault = None

    def _pays(self, exchange_id: str, claim: Claim | None) -> bool:
        """Say whether a request needs no money, or leases have it."""
        return claim is None or (self._purse is not None and self._purse.draw(exchange_id, claim))

    def _note(self, short: Short | None, claim: Claim | None) -> None:
        if short is None and claim is not None and self._purse is not None:
            self._purse.note(claim)

    def _with(self, attempt: AttemptRow) -> tuple[ExchangeRow, tuple[AttemptRow, ...]]:
        exchange, attempts = self._open[attempt.exchange_id]
        return exchange, (*attempts, attempt)

    async def _carry(self) -> int:
        """Take what waits in the spool to the store; return how much is still there."""
        if self._spool is None:
            return 0
        ended = [row for row in await self._spool.ended() if row.exchange.id not in self._refused]
        arrived = await self._charge([row for row in ended if row.shares])
        ended = [row for row in ended if row.exchange.id not in arrived]
        found = await gather(*map(self._end, ended), return_exceptions=True)
        for row, fault in zip(ended, found, strict=True):
            if fault is None:
                arrived.append(row.exchange.id)
            elif not isinstance(fault, Failure):
                raise fault
            elif fault.kind is not Kind.UNAVAILABLE:
                self._refused.add(row.exchange.id)  # it stays where it is, and in nobody's way
        await self._spool.remove(arrived)
        return await self._spool.count()

    async def _charge(self, ended: Sequence[Spooled]) -> list[str]:
        """Book what was paid from leases, all at once if it can be; return the ids of what is booked."""
        if self._purse is None:
            return []
        try:
            await self._purse.charge(ended)
        except Failure:
            return []  # each is tried by itself, and says what ails it
        return [row.exchange.id for row in ended]

    async def _look_around(self, spool: Spool) -> None:
        """Note who has died on this machine, before anybody takes his file away."""
        if self._purse is not None:
            known = list(await spool.owners())
            with suppress(Failure):
                known += await self._purse.kept.owners()
            self._gone |= set(await to_thread(Owner.left, self._owner.folder, known))

    async def _unlocked(self, owners: Sequence[str]) -> list[str]:
        return await to_thread(Owner.dead, self._owner.folder, owners)


def _cost(exchange: ExchangeRow) -> int:
    return exchange.meters.cost_micros or 0


def _away() -> Failure:
    return Failure(Kind.UNAVAILABLE, "the store is away", code="store_unavailable", retry_after_s=CATCH_UP_S)


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.lock"


def _is_dead(folder: Path, name: str) -> bool:
    path = _file(folder, name)
    if path.parent != folder:
        return True  # no name of ours; nothing may be removed for it
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        if not _lock(descriptor):
            return False
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Take the lock if it is free; it goes with the last descriptor of this opening of the file."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
