"""Who is alive among those that have rows open: asked before anything of theirs is taken for left behind.

On one machine that needs no guessing: an owner holds the lock of a file, and the kernel lets go of it at
the instant its process ends (:class:`Locks`). Across machines it is a lease (:class:`Heart`): every owner
writes into the store, every few seconds and by the store's clock, that it lives; who has not for a minute is
dead. Of those whose file is on this machine the file still says it at once.

A store that was away took nobody's word. So who sweeps has to have been heard himself, without a gap, for as
long as a lease: by then everybody else has had the time to say that he lives.
"""

from __future__ import annotations

from asyncio import sleep, to_thread
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from dragoman.accounts.ledger import Owner
from dragoman.core.failure import Failure
from dragoman.store.owners import Owners

LEASE_S = 60.0
"""Seconds after which an owner that is not heard of is dead."""

BEAT_S = 5.0
"""Seconds between two signs of life."""


class Living(Protocol):
    """Knows who is alive."""

    async def dead(self, owners: Sequence[str]) -> list[str]:
        """Return those of `owners` that are certainly dead.

        Raises:
            Failure: UNAVAILABLE; nobody is to be taken for dead then.
        """

    async def beating(self) -> None:
        """Show that we are alive, until cancelled."""


class Locks:
    """The living of one machine: they hold their files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def dead(self, owners: Sequence[str]) -> list[str]:
        """Return those of `owners` whose process is gone, and remove what they left."""
        return await to_thread(Owner.dead, self._folder, owners)

    async def beating(self) -> None:
        """Do nothing: the lock is held."""


class Heart:
    """The living of all machines: they say so.

    Args:
        owners: Where they say it.
        owner: Who we are, and where the files of this machine's owners are.
        tick: Monotonic clock, seconds.
        pause: Waits so many seconds.
    """

    def __init__(
        self,
        owners: Owners,
        owner: Owner,
        *,
        tick: Callable[[], float],
        pause: Callable[[float], Awaitable[None]] = sleep,
    ) -> None:
        self._owners = owners
        self._owner = owner
        self._tick = tick
        self._pause = pause
        self._since: float | None = None
        self._last = 0.0

    async def beat(self) -> None:
        """Say that we are alive.

        Raises:
            Failure: UNAVAILABLE; nobody has heard it.
        """
        try:
            await self._owners.beat(self._owner.id)
        except Failure:
            self._since = None
            raise
        self._last = self._tick()
        if self._since is None:
            self._since = self._last

    async def beating(self) -> None:
        """Say again and again that we are alive, until cancelled."""
        while True:
            await self._pause(BEAT_S)
            try:
                await self.beat()
            except Failure:
                continue

    async def dead(self, owners: Sequence[str]) -> list[str]:
        """Return those of `owners` whose process left its file here, or whose lease has ended.

        A lease counts as ended only once we have been heard for as long ourselves.
        """
        left = await to_thread(Owner.left, self._owner.folder, owners)
        others = [owner for owner in owners if owner != self._owner.id and owner not in left]
        now = self._tick()
        if self._since is None or now - self._since < LEASE_S or now - self._last > LEASE_S / 2 or not others:
            return left
        return left + await self._owners.silent(others, lease_s=LEASE_S)
