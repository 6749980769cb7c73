"""One SQLite file: opening it, bringing its schema up to date, and what its errors mean.

Write-ahead logging, so that readers never wait for the writer nor the writer for them. A commit with
``sync = "normal"`` survives the death of the process (``kill -9``); ``"full"`` also survives a power
cut, at some 300 us a commit. Several processes may share the file: every write transaction is
``begin immediate``, and waits for its turn at most the busy timeout.

Migrations are the numbered files of ``migrations/``. They only go forward, ``pragma user_version``
counts them, and each runs in one transaction together with its count: a process killed in the middle
leaves the schema as it was, and two that start at once migrate once.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from dragoman.core.failure import Failure, Kind
from dragoman.store.spec import StoreSpec

APPLICATION_ID = 0x4452474D
"""What SQLite's header says of our files (`DRGM`), so that nobody else's is taken for one."""

CHECKED_BYTES = 128 * 1024 * 1024
"""Files up to this size are checked page by page at start; larger ones would keep it waiting."""

LOG_BYTES = 64 * 1024 * 1024
"""Size at which a log that could never be folded between two commits is folded by a commit itself."""

REPORTS = 3
"""Reports that are made at the same time: one that takes long holds up no other."""

RETRY_AFTER_S = 1.0
"""When a client may come back to a database that could not answer."""


class Connections(NamedTuple):
    """Connections to one file: to write, to fold the log into the file, to read, and some to read much."""

    writing: sqlite3.Connection
    folding: sqlite3.Connection
    reading: sqlite3.Connection
    reporting: tuple[sqlite3.Connection, ...]

    def close(self) -> None:
        """Close all of them."""
        for connection in (*self[:3], *self.reporting):
            connection.close()


def open_database(path: Path, spec: StoreSpec, announce: Callable[[str], None] | None = None) -> Connections:
    """Open `path`, making or migrating it as needed. Blocks.

    Args:
        path: The file.
        spec: How it is kept.
        announce: Told that a file of an earlier version is brought up to date, which may take a while.

    Raises:
        Failure: UNAVAILABLE, naming the file and what to do about it.
    """
    with ExitStack() as opened:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            made = [opened.enter_context(closing(_connect(path, spec))) for _ in range(3 + REPORTS)]
            connections = Connections(made[0], made[1], made[2], tuple(made[3:]))
            with _alone(path):
                _check(connections.writing, path)
                connections.writing.execute("pragma journal_mode = wal")
                _migrate(connections.writing, path, announce or (lambda _: None))
            for connection in (connections.reading, *connections.reporting):
                connection.execute("pragma query_only = on")
                # Its files are open from here on: what the process holds does not grow with the first report.
                connection.execute("select 1 from sqlite_schema").fetchone()
        except (sqlite3.Error, OSError) as error:
            raise _refusal(path, _opening(error)) from error
        opened.pop_all()
        return connections


def failure(error: Exception) -> Failure:
    """Return what a client is told of an error of a running database.

    The database's own trouble is UNAVAILABLE. A row it refuses (a constraint, a number too large) is a
    bug of ours: INTERNAL. Neither names a path: clients read this.
    """
    if not is_outage(error):
        return Failure(Kind.INTERNAL, f"the store refused a row: {error}")
    what = _words(error) or "the database cannot answer"
    return Failure(Kind.UNAVAILABLE, what, code="store_unavailable", retry_after_s=RETRY_AFTER_S)


def is_outage(error: Exception) -> bool:
    """Say whether an error is the database's trouble, and not one statement's own fault."""
    faults = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.NotSupportedError)
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, faults)


def _connect(path: Path, spec: StoreSpec) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=spec.busy_timeout_s,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    connection.execute(f"pragma synchronous = {spec.sync}")
    connection.execute("pragma foreign_keys = on")
    # What is deleted are prompts and answers: they are overwritten, not left in free pages.
    connection.execute("pragma secure_delete = on")
    connection.execute(f"pragma journal_size_limit = {LOG_BYTES}")
    connection.execute(f"pragma wal_autocheckpoint = {LOG_BYTES // 4096}")
    return connection


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from opening `path` meanwhile.

    The switch to write-ahead logging fails at once, whatever the busy timeout, if another connection
    is doing the same (https://www.sqlite.org/wal.html, read 2026-11-21).
    """
    with path.with_name(f"{path.name}-open").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that is somebody else's, or damaged."""
    owner = _number(connection, "application_id")
    tables = connection.execute("select count(*) from sqlite_schema").fetchone()[0]
    if owner != APPLICATION_ID and (owner or tables):
        raise _refusal(path, "this is another program's database; choose another data folder")
    if path.stat().st_size <= CHECKED_BYTES:
        verdict = connection.execute("pragma quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise _refusal(path, f"the file is damaged ({verdict}); restore a copy, or move it away")


def _migrate(connection: sqlite3.Connection, path: Path, announce: Callable[[str], None]) -> None:
    """Run the migrations this file has not seen yet."""
    scripts = _scripts()
    known = len(scripts)
    if (found := _number(connection, "user_version")) > known:
        raise _refusal(
            path,
            f"written by a newer Dragoman (schema {found}, this one knows {known}); "
            "start that version, or restore an older copy",
        )
    if 0 < found < known:
        announce("bringing the ledger up to date; a million rows may take a minute")
    for number, script in enumerate(scripts, 1):
        connection.execute("begin immediate")
        try:
            if _number(connection, "user_version") < number:
                for statement in _statements(script):
                    connection.execute(statement)
                connection.execute(f"pragma user_version = {number}")
            connection.execute("commit")
        finally:
            if connection.in_transaction:
                connection.execute("rollback")


def _scripts() -> list[str]:
    """Return the migrations in order."""
    folder = resources.files("dragoman.store.sqlite") / "migrations"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return [file.read_text("utf-8") for file in files]


def _statements(script: str) -> Iterator[str]:
    """Split a script; ``executescript`` would commit the transaction it runs in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"pragma {pragma}").fetchone()[0])


def _refusal(path: Path, why: str) -> Failure:
    return Failure(Kind.UNAVAILABLE, f"{path}: {why}", code="store_unavailable")


def _opening(error: Exception) -> str:
    """Return why a file cannot be opened, and what to do."""
    if isinstance(error, sqlite3.Error):
        return _words(error) or str(error)
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _words(error: Exception) -> str | None:
    """Return an error in words, by SQLite's primary result code (https://www.sqlite.org/rescode.html)."""
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "the database is locked by another process"
        case sqlite3.SQLITE_FULL:
            return "the disk that holds the database is full"
        case sqlite3.SQLITE_READONLY:
            return "the database is read-only"
        case sqlite3.SQLITE_IOERR:
            return "the disk that holds the database has an input/output error"
        case sqlite3.SQLITE_CANTOPEN:
            return "the database file cannot be opened"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return "the database file is damaged or no database; restore a copy, or move it away"
        case _:
            return None
