"""The ledger: what happened and what it cost, written before money can be spent.

A row is ``reserved`` while its request runs and says which process owns it. If that process dies, its
rows are settled as ``interrupted`` by whoever looks next. Death is not guessed from time or process
numbers: an :class:`Owner` holds a lock on a file of its own, which the kernel lets go of at the instant
the process ends, however it ends. So a crashed sibling is known at once and a living one is never
swept.
"""

from __future__ import annotations

import fcntl
import os
from asyncio import sleep, to_thread
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

from dragoman.core.failure import Failure, Kind
from dragoman.store import AttemptRow, ExchangeRow, Store


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

    def release(self) -> None:
        """Stop being an owner: from here on its rows count as a dead one's."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


MOST_LATE = 100_000
"""Ends that wait for a store that is away; what comes then is left to the next start, as interrupted."""

CATCH_UP_S = 1.0
"""Seconds between two tries to book what is late."""


class Ledger:
    """Writes the rows of one owner."""

    def __init__(
        self, store: Store, owner: Owner, *, pause: Callable[[float], Awaitable[None]] = sleep
    ) -> None:
        self._store = store
        self._owner = owner
        self._pause = pause
        self._late: deque[tuple[ExchangeRow, Sequence[AttemptRow]]] = deque(maxlen=MOST_LATE)

    @property
    def owner(self) -> str:
        """Whose rows these are: what every exchange it books carries."""
        return self._owner.id

    async def open(self, exchange: ExchangeRow, attempt: AttemptRow) -> None:
        """Book a request and its first attempt; when this returns, both survive ``kill -9``.

        Raises:
            Failure: UNAVAILABLE; nothing may be sent then.
        """
        await self._store.open_exchange(exchange, attempt)

    async def next(self, attempt: AttemptRow) -> None:
        """Book one more attempt of an open request; durable when this returns."""
        await self._store.open_attempt(attempt)

    async def settle(self, exchange: ExchangeRow, attempts: Sequence[AttemptRow]) -> None:
        """Book how a request ended. Written even if the caller is cancelled while it waits.

        Raises:
            Failure: UNAVAILABLE; it is booked as soon as the store answers again (:meth:`catching_up`).
        """
        try:
            await self._store.settle(exchange, attempts)
        except Failure as failure:
            if failure.kind is Kind.UNAVAILABLE:
                self._late.append((exchange, attempts))
            raise

    async def catch_up(self) -> int:
        """Book what is late; return how many are still, because the store is still away."""
        while self._late:
            late = self._late[0]
            try:
                await self._store.settle(*late)
            except Failure as failure:
                if failure.kind is Kind.UNAVAILABLE:
                    break
            if self._late and self._late[0] is late:
                self._late.popleft()
        return len(self._late)

    async def catching_up(self) -> None:
        """Book what is late, again and again, until cancelled."""
        while True:
            await self._pause(CATCH_UP_S)
            await self.catch_up()

    async def sweep(self) -> int:
        """Mark what dead processes left open as interrupted; return how many requests."""
        owners = await self._store.open_owners()
        dead = await to_thread(Owner.dead, self._owner.folder, owners)
        return await self._store.interrupt(dead) if dead else 0


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
