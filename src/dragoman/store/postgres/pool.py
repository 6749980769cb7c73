"""Connections to PostgreSQL: few, lent for one transaction each, and what happens while there are none.

* **Everything has a deadline**: to wait for a connection, to open one, to run a statement. A server that is
  there and says nothing costs at most twice ``timeout_s``, once.
* **An outage is noticed once.** Whoever meets it is told; from then on everybody is told at once, without a
  try of his own, while one task in the background tries to connect until the server answers. So a server
  that is away costs its clients no time, and is found again by itself.
* **A restarted server is no outage** if it answers: a connection that turns out to be stale is replaced and
  the work done again, as long as nothing may have been committed.
* A transaction that was given up for another's sake (deadlock, serialization) is tried again.
"""

from __future__ import annotations

from asyncio import CancelledError, Semaphore, Task, gather, get_running_loop, shield, sleep, timeout, wait
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from typing import Any, TypeVar

from dragoman.core.failure import Failure
from dragoman.store.postgres.database import (
    Connection,
    failure,
    is_conflict,
    is_lost,
    unavailable,
    words,
)

TRIES = 5
"""Times a transaction is tried that is given up for another's sake."""

PAUSE_S = (0.1, 0.2, 0.5, 1.0)
"""Seconds between two tries to reach a server that is away; the last again and again."""

FRESH_S = 60.0
"""Seconds after which an idle connection is not trusted: something in between may have forgotten it."""

Result = TypeVar("Result")
Act = Callable[[Connection], Awaitable[Result]]
"""What is done with a connection."""

Within = Callable[[Connection], AbstractAsyncContextManager[object]]
"""The transaction it is done in."""


class Pool:
    """Lends connections.

    Args:
        connect: Opens one.
        most: How many there may be.
        open_s: Seconds to wait for one, and to open it.
        timeout_s: Seconds a statement may take.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[Connection]], *, most: int, open_s: float, timeout_s: float
    ) -> None:
        self._connect = connect
        self._open_s = open_s
        self._timeout_s = timeout_s
        self._free = Semaphore(most)
        self._idle: list[tuple[float, Connection]] = []
        self._trouble: str | None = None
        self._mending: Task[None] | None = None
        self._writes: set[Task[Any]] = set()
        self._closed = False

    @property
    def trouble(self) -> str | None:
        """Why nothing can be asked now; None: it can."""
        return self._trouble

    async def fetch(self, query: str, *values: object) -> list[Any]:
        """Return the rows of a query that changes nothing.

        Raises:
            Failure: UNAVAILABLE or INTERNAL (see :func:`~dragoman.store.postgres.database.failure`).
        """

        async def act(connection: Connection) -> list[Any]:
            return await connection.fetch(query, *values)

        return await self._run(act, nullcontext)

    async def read(self, act: Act[Result]) -> Result:
        """Run a function that writes nothing, all of it looking at the same instant.

        Raises:
            Failure: As :meth:`fetch`.
        """
        return await self._run(act, Connection.looking)

    async def write(self, act: Act[Result]) -> Result:
        """Run a function in a transaction; it is committed when this returns. The function may run again.

        It happens, whether or not the caller still waits.

        Raises:
            Failure: As :meth:`fetch`.
        """
        task = get_running_loop().create_task(self._run(act, Connection.writing))
        self._writes.add(task)
        task.add_done_callback(self._ended)
        return await shield(task)

    async def close(self) -> None:
        """Finish the writes under way and close every connection; refuse everything from now on."""
        self._closed = True
        if self._writes:
            await wait(self._writes)
        if self._mending is not None:
            self._mending.cancel()
            with suppress(CancelledError):
                await self._mending
        idle, self._idle = self._idle, []
        await gather(*(connection.close(self._open_s) for _, connection in idle))

    def _ended(self, task: Task[Any]) -> None:
        """Let go of a write. Who waited for it may have left; its failure is then nobody's."""
        self._writes.discard(task)
        if not task.cancelled():
            task.exception()

    async def _run(self, act: Act[Result], within: Within) -> Result:
        if self._closed:
            raise unavailable("the store is closed")
        try:
            async with timeout(self._timeout_s * 2):
                return await self._tried(act, within)
        except Exception as error:
            # Nothing may be lost in a wait that has no end: the outer deadline says so too.
            raise self._told(error) from error

    async def _tried(self, act: Act[Result], within: Within) -> Result:
        stale = False
        last: Exception = unavailable("the database is contended")
        for _ in range(TRIES):
            committing = False
            try:
                async with self._lend() as connection, within(connection):
                    result = await act(connection)
                    committing = within is Connection.writing
            except Exception as error:
                if is_conflict(error):
                    last = error
                    continue
                # What was being committed may have been: it is not for us to do it twice.
                if is_lost(error) and not committing and not stale and self._trouble is None:
                    stale, last = True, error
                    self._drop()
                    continue
                raise
            return result
        raise last

    def _told(self, error: Exception) -> Failure:
        told = failure(error)
        if not isinstance(error, Failure) and is_lost(error):
            self._away(told.message)
        return told

    @asynccontextmanager
    async def _lend(self) -> AsyncIterator[Connection]:
        self._refuse()
        try:
            async with timeout(self._open_s):
                await self._free.acquire()
        except TimeoutError as error:
            raise unavailable("every connection to the database is busy") from error
        try:
            self._refuse()
            connection = self._rested() or await self._opened()
            try:
                yield connection
            except BaseException as error:
                if is_lost(error) or not isinstance(error, Exception):
                    connection.terminate()
                else:
                    self._back(connection)
                raise
            else:
                self._back(connection)
        finally:
            self._free.release()

    async def _opened(self) -> Connection:
        async with timeout(self._open_s):
            return await self._connect()

    def _refuse(self) -> None:
        if self._trouble is not None:
            raise unavailable(self._trouble)

    def _rested(self) -> Connection | None:
        """Return an idle connection that is fit for use; None: there is none."""
        now = get_running_loop().time()
        while self._idle:
            since, connection = self._idle.pop()
            if connection.fit and now - since < FRESH_S:
                return connection
            connection.terminate()
        return None

    def _back(self, connection: Connection) -> None:
        if connection.fit and not self._closed:
            self._idle.append((get_running_loop().time(), connection))
        else:
            connection.terminate()

    def _drop(self) -> None:
        """Part with what is idle: it is as old as what was just lost."""
        while self._idle:
            self._idle.pop()[1].terminate()

    def _away(self, told: str) -> None:
        """Note that the server cannot be reached, and look for it until it can."""
        if self._trouble is None and not self._closed:
            self._drop()
            self._trouble = told
            self._mending = get_running_loop().create_task(self._mend())

    async def _mend(self) -> None:
        turn = 0
        while True:
            await sleep(PAUSE_S[min(turn, len(PAUSE_S) - 1)])
            turn += 1
            try:
                connection = await self._opened()
            except Exception as error:  # noqa: BLE001  whatever it is this time, it is looked for again
                self._trouble = words(error)
                continue
            self._trouble = None
            self._back(connection)
            return
