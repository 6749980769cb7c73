"""Group commit: one task turns many writes into few commits.

Whoever writes puts what is to be written into the queue and waits on a future. The task takes what is there,
applies it in one transaction and resolves all the futures; while it does, the next group gathers. So a commit
costs one writer what it costs a hundred, and nobody waits for a timer.

* A write, once queued, happens, whether or not its caller still waits.
* **In order**: of two writes about the same thing the later one comes in a later group.
* A write at fault fails alone: the group is rolled back and its members are tried one by one. Trouble of the
  database itself fails the whole group.
"""

from __future__ import annotations

from asyncio import Future, Task, get_running_loop
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from dragoman.core.failure import Failure, Kind
from dragoman.store.postgres.database import unavailable

MOST = 512
"""Writes a group may have."""


class About(Protocol):
    """A write."""

    @property
    def about(self) -> str:
        """What it is about; no group has two about the same."""


Write = TypeVar("Write", bound=About)
Commit = Callable[[Sequence[Write]], Awaitable[Sequence[Any]]]
"""Commits a group; returns a result for each."""


class Writer(Generic[Write]):
    """Commits what is queued.

    Args:
        commit: Commits a group, or nothing of it.

    Attributes:
        commits: Commits made so far.
    """

    def __init__(self, commit: Commit[Write]) -> None:
        self.commits = 0
        self._commit = commit
        self._queue: deque[tuple[Write, Future[Any]]] = deque()
        self._task: Task[None] | None = None
        self._closed = False

    async def write(self, write: Write) -> Any:
        """Queue a write and return its result, once it is committed.

        Raises:
            Failure: UNAVAILABLE or INTERNAL (see :func:`~dragoman.store.postgres.database.failure`).
        """
        if self._closed:
            raise unavailable("the store is closed")
        loop = get_running_loop()
        future: Future[Any] = loop.create_future()
        # Nobody may wait any more by the time it fails, and that is no error of anybody's.
        future.add_done_callback(_seen)
        self._queue.append((write, future))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run())
        return await future

    async def close(self) -> None:
        """Finish the queue; refuse what comes later."""
        self._closed = True
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while self._queue:
            await self._settle(self._group())

    def _group(self) -> list[tuple[Write, Future[Any]]]:
        group: list[tuple[Write, Future[Any]]] = []
        seen: set[str] = set()
        while self._queue and len(group) < MOST and self._queue[0][0].about not in seen:
            seen.add(self._queue[0][0].about)
            group.append(self._queue.popleft())
        return group

    async def _settle(self, group: Sequence[tuple[Write, Future[Any]]]) -> None:
        """Commit a group and tell its callers."""
        try:
            results = await self._commit([write for write, _ in group])
        except Exception as error:  # noqa: BLE001  a border: whatever it is, the callers must hear of it
            outage = isinstance(error, Failure) and error.kind is Kind.UNAVAILABLE
            if len(group) > 1 and not outage:
                for one in group:
                    await self._settle([one])
                return
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
        else:
            self.commits += 1
            for (_, future), result in zip(group, results, strict=True):
                if not future.done():
                    future.set_result(result)


def _seen(future: Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
