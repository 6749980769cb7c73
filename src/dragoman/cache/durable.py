"""Recordings in the store, where they survive a restart and every process finds them.

No request waits long for it: a look has :data:`PATIENCE_S`, and what is to be written is written behind the
answer, by tasks whose number of bytes is bounded. What the store cannot do is a :class:`Failure` to whoever
looks and a word to whoever is told of trouble; what it had no room for in the queue is not recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from dragoman.core.failure import Failure, Kind
from dragoman.store import RecordingRow, Recordings

Told = TypeVar("Told")

PATIENCE_S = 0.25
"""Seconds a look may take; beyond that asking anew is better than waiting."""

MOST_WAITING = 32 * 1024 * 1024
"""Bytes of recordings that may wait to be written."""


class Shelf:
    """The store's recordings, as one process uses them.

    Args:
        rows: Where they are.
        trouble: Told of what went wrong behind an answer.
        patience_s: Seconds a look may take.
        most_waiting: Bytes that may wait to be written.
    """

    __slots__ = ("_most_waiting", "_patience_s", "_rows", "_tasks", "_trouble", "_waiting")

    def __init__(
        self,
        rows: Recordings,
        trouble: Callable[[Failure], None],
        *,
        patience_s: float = PATIENCE_S,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._rows = rows
        self._trouble = trouble
        self._patience_s = patience_s
        self._most_waiting = most_waiting
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def find(self, key: bytes, now: float) -> RecordingRow | None:
        """Return a recording, unless it is past its time.

        Raises:
            Failure: UNAVAILABLE: the store cannot say, or not soon.
        """
        return await self._soon(self._rows.find(key, now=now))

    async def alike(self, scope: bytes, now: float, most: int) -> list[tuple[bytes, bytes]]:
        """Return key and vector of the youngest recordings of a scope; raise Failure as :meth:`find`."""
        return await self._soon(self._rows.alike(scope, now=now, most=most))

    def put(self, size: int, write: Callable[[Recordings], Coroutine[Any, Any, object]]) -> bool:
        """Write `size` bytes behind the answer; return False where too much is waiting already."""
        if self._waiting + size > self._most_waiting:
            return False
        self._waiting += size
        task = asyncio.get_running_loop().create_task(self._put(size, write))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def drained(self) -> None:
        """Return once everything that was waiting is written, or has failed."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def forget(self, tenant: str) -> int:
        """Delete a tenant's recordings, those that wait to be written too; return how many; raise Failure."""
        await self.drained()
        total = 0
        while count := await self._rows.forget(tenant):
            total += count
        return total

    async def sweep(self, now: float, most: int) -> int:
        """Delete, in small steps, what is past its time or beyond `most` bytes; return how many."""
        total = 0
        while count := await self._rows.sweep(now, most=most):
            total += count
        return total

    async def _put(self, size: int, write: Callable[[Recordings], Coroutine[Any, Any, object]]) -> None:
        try:
            await write(self._rows)
        except Failure as failure:
            self._trouble(failure)
        finally:
            self._waiting -= size

    async def _soon(self, looking: Coroutine[Any, Any, Told]) -> Told:
        try:
            async with asyncio.timeout(self._patience_s):
                return await looking
        except TimeoutError:
            raise Failure(Kind.UNAVAILABLE, "the store took too long", code="store_unavailable") from None
