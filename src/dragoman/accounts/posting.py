"""Posting: what requests add to the sums is added to them, a little at a time and off the data path.

Every request that ends leaves an entry in the store (:mod:`dragoman.store.reports`). Every process posts what
there is every few seconds, so that a report, which posts what is left first, finds little to do. After an
upgrade that made an entry of every row of the ledger this goes on for minutes; between two slices is a pause,
for others to write.
"""

from __future__ import annotations

from asyncio import sleep
from collections.abc import Awaitable, Callable

from dragoman.core.failure import Failure
from dragoman.store import Reports

TURN_S = 5.0
"""Seconds between two turns: what is posted together costs less, the more it is."""

BETWEEN_S = 0.01
"""Seconds between two slices of one turn."""


class Posting:
    """Keeps sums up to date.

    Args:
        reports: The store's.
        complain: Told once when the store cannot be asked.
        pause: Waits so many seconds.
    """

    def __init__(
        self,
        reports: Reports,
        *,
        complain: Callable[[str, BaseException], None],
        pause: Callable[[float], Awaitable[None]] = sleep,
    ) -> None:
        self._reports = reports
        self._complain = complain
        self._pause = pause
        self._fault = False

    async def keeping(self) -> None:
        """Post every few seconds, until cancelled."""
        while True:
            try:
                await self.turn()
                self._fault = False
            except Failure as failure:
                if not self._fault:
                    self._complain(
                        "sums cannot be posted; reports are up to date again when they can", failure
                    )
                self._fault = True
            await self._pause(TURN_S)

    async def turn(self) -> int:
        """Post until nothing is left; return how many entries.

        Raises:
            Failure: UNAVAILABLE; what was not posted is posted later.
        """
        done = 0
        while posted := await self._reports.post():
            done += posted
            await self._pause(BETWEEN_S)
        return done
