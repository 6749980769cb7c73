"""Group commit: one thread turns many writes into few commits.

Whoever writes puts a :class:`Write` into the queue and waits on a future. The thread takes what is
there, applies it in one transaction and resolves all the futures; while it does, the next group
gathers. So a commit costs one writer what it costs a hundred, and nobody waits for a timer.

* A write, once queued, happens, whether or not its caller still waits.
* Within a group, rows are written statement by statement, in the order the statements are ranked.
* The write-ahead log is folded into the file by a second thread, so that no commit waits for its fsyncs.
* A write at fault fails alone: the group is rolled back and its members are tried one by one. Trouble
  of the database itself fails the whole group.
"""

from __future__ import annotations

import sqlite3
from asyncio import AbstractEventLoop, Future, get_running_loop
from collections.abc import Callable, Iterable
from concurrent.futures import Future as Folding
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

import msgspec

from dragoman.core.failure import Failure, Kind
from dragoman.store.sqlite.database import failure, is_outage

MOST = 512
"""Writes a group may have."""

FOLD_AFTER = 1000
"""Writes after which the log is folded into the file: some 5 000 pages, 20 MB."""

Values = tuple[object, ...]


class Statement(msgspec.Struct, frozen=True):
    """SQL that writes one row.

    ``rank``: statements of a group run in ascending rank, so that rows come after those they refer to.
    """

    rank: int
    sql: str


class Write:
    """What one caller wants written: rows, or a function of the connection, atomically."""

    __slots__ = ("act", "future", "loop", "rows")

    def __init__(
        self,
        rows: Iterable[tuple[Statement, Values]] = (),
        act: Callable[[sqlite3.Connection], Any] | None = None,
    ) -> None:
        self.rows = tuple(rows)
        self.act = act
        self.loop = get_running_loop()
        self.future: Future[Any] = self.loop.create_future()


Outcome = tuple[Future[Any], Any, Failure | None]


class Writer:
    """Owns the writing connection, the folding one, and a thread for each.

    Attributes:
        commits: Commits made so far.
    """

    def __init__(self, connection: sqlite3.Connection, folding: sqlite3.Connection) -> None:
        self.commits = 0
        self._connection = connection
        self._folding = folding
        self._folder = ThreadPoolExecutor(1, "store-fold")
        self._fold: Folding[None] | None = None
        self._unfolded = 0
        self._queue: SimpleQueue[Write | None] = SimpleQueue()
        self._lock = Lock()
        self._closed = False
        self._thread = Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def write(self, write: Write) -> Any:
        """Queue a write and return what its `act` returned, once it is committed.

        Raises:
            Failure: UNAVAILABLE or INTERNAL (see :func:`~dragoman.store.sqlite.database.failure`).
        """
        # The lock keeps a write from being queued behind the end of the queue, to wait there for ever.
        with self._lock:
            if self._closed:
                raise Failure(Kind.UNAVAILABLE, "the store is closed", code="store_unavailable")
            self._queue.put(write)
        return await write.future

    def close(self) -> None:
        """Finish the queue, fold the log into the file and close the connection. Blocks."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        group: list[Write] = []
        while (first := self._queue.get()) is not None:
            group.append(first)
            last = False
            while len(group) < MOST and not self._queue.empty():
                if (more := self._queue.get()) is None:
                    last = True
                    break
                group.append(more)
            self._commit(group)
            group.clear()
            if last:
                break
        self._finish()

    def _commit(self, group: list[Write]) -> None:
        """Commit a group and tell its callers."""
        try:
            self._connection.execute("begin immediate")
            results = self._apply(group)
            self._connection.execute("commit")
        except Exception as error:  # noqa: BLE001  a border: whatever it is, the callers must hear of it
            self._rollback()
            if len(group) > 1 and not is_outage(error):
                for write in group:
                    self._commit([write])
                return
            fault = failure(error)
            _tell([(write, None, fault) for write in group])
        else:
            self.commits += 1
            _tell([(write, result, None) for write, result in zip(group, results, strict=True)])
            self._unfolded += len(group)
            if self._unfolded >= FOLD_AFTER and (self._fold is None or self._fold.done()):
                self._unfolded = 0
                self._fold = self._folder.submit(_fold, self._folding, "passive")

    def _apply(self, group: list[Write]) -> list[Any]:
        by_statement: dict[Statement, list[Values]] = {}
        for write in group:
            for statement, values in write.rows:
                by_statement.setdefault(statement, []).append(values)
        for statement in sorted(by_statement, key=lambda statement: statement.rank):
            self._connection.executemany(statement.sql, by_statement[statement])
        return [write.act(self._connection) if write.act else None for write in group]

    def _rollback(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
        except sqlite3.Error:
            # SQLite has rolled back by itself, or the next `begin` will say what is wrong.
            return

    def _finish(self) -> None:
        self._folder.shutdown()
        self._folding.close()
        _fold(self._connection, "truncate")
        self._connection.close()


def _fold(connection: sqlite3.Connection, mode: str) -> None:
    """Copy the log's pages into the file."""
    try:
        connection.execute(f"pragma wal_checkpoint({mode})")
    except sqlite3.Error:
        # Another process is at it, or the disk is full: the log keeps the rows until next time.
        return


def _tell(outcomes: list[tuple[Write, Any, Failure | None]]) -> None:
    """Resolve futures, waking each event loop once."""
    by_loop: dict[AbstractEventLoop, list[Outcome]] = {}
    for write, result, fault in outcomes:
        by_loop.setdefault(write.loop, []).append((write.future, result, fault))
    for loop, told in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, told)
        except RuntimeError:
            # The loop has ended, and with it whoever waited; the rows are written all the same.
            continue


def _resolve(outcomes: list[Outcome]) -> None:
    for future, result, fault in outcomes:
        if future.done():
            continue
        if fault is None:
            future.set_result(result)
        else:
            future.set_exception(fault)
