"""One PostgreSQL database: connecting to it, bringing its schema up to date, and what its errors mean.

Everything lies in a schema of its own, ``dragoman``, so that a database may be shared with other programs.
A commit is durable when it is acknowledged (``synchronous_commit``), whatever the server's own setting says.

Migrations are the numbered files of ``migrations/``. They only go forward; each runs in one transaction
together with its count, under an advisory lock: a process killed in the middle leaves the schema as it was,
and machines that start at once migrate once.

The driver is an extra. It is imported here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import asyncpg  # type: ignore[import-untyped]

from dragoman.core.failure import Failure, Kind
from dragoman.store.spec import StoreSpec

SCHEMA = "dragoman"

LOCK = 0x4452474D
"""The advisory lock of those who migrate (`DRGM`)."""

RETRY_AFTER_S = 1.0
"""When a client may come back to a database that could not answer."""

MIGRATION_S = 3600.0
"""Seconds a migration may take; it is not a request's business."""


class Connection:
    """A connection as the store uses it. Every value is passed through :func:`plain`."""

    __slots__ = ("_driver",)

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    async def script(self, text: str) -> None:
        """Run statements without values, which may take their time."""
        await self._driver.execute(text, timeout=MIGRATION_S)

    async def execute(self, query: str, *values: object) -> int:
        """Run a statement; return how many rows it changed."""
        tag = await self._driver.execute(query, *map(plain, values))
        count = tag.rpartition(" ")[2]
        return int(count) if count.isdecimal() else 0

    async def put(self, query: str, columns: Sequence[Sequence[int] | Sequence[bytes]]) -> None:
        """Run a statement that takes columns of numbers and bytes, which are plain as they are."""
        await self._driver.execute(query, *columns)

    async def fetch(self, query: str, *values: object) -> list[Any]:
        """Return the rows of a query."""
        found: list[Any] = await self._driver.fetch(query, *map(plain, values))
        return found

    async def first(self, query: str, *values: object) -> Any:
        """Return the first row of a query, or None."""
        return await self._driver.fetchrow(query, *map(plain, values))

    async def value(self, query: str, *values: object) -> Any:
        """Return the first value of the first row, or None."""
        return await self._driver.fetchval(query, *map(plain, values))

    def writing(self) -> AbstractAsyncContextManager[object]:
        """Return a transaction."""
        found: AbstractAsyncContextManager[object] = self._driver.transaction()
        return found

    def looking(self) -> AbstractAsyncContextManager[object]:
        """Return a transaction that sees one instant, and changes nothing."""
        found: AbstractAsyncContextManager[object] = self._driver.transaction(
            isolation="repeatable_read", readonly=True
        )
        return found

    @property
    def fit(self) -> bool:
        """Whether it may be used again."""
        return not self._driver.is_closed() and not self._driver.is_in_transaction()

    async def close(self, timeout_s: float) -> None:
        """Say goodbye to the server; if it does not listen, close the socket all the same."""
        try:
            await self._driver.close(timeout=timeout_s)
        except Exception:  # noqa: BLE001  a border: whatever ails it, it is gone
            self._driver.terminate()

    def terminate(self) -> None:
        """Close the socket at once."""
        self._driver.terminate()


def plain(value: object) -> object:
    """Return a value as PostgreSQL takes it: a text without NUL, and nothing in it that is not Unicode.

    A provider's header may hold bytes of any kind; a row must not be lost for them.
    """
    if isinstance(value, str):
        if not value.isascii():
            value = value.encode("utf-8", "replace").decode()
        return value.replace("\x00", "?") if "\x00" in value else value
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    return value


_FAULTS = ("0A", "21", "22", "23", "2B", "42", "44", "P0")
"""Classes of SQLSTATE that are a statement's own fault
(https://www.postgresql.org/docs/15/errcodes-appendix.html, read 2026-11-21)."""

_NOT_ALLOWED = "42501"
_CONFLICTS = frozenset({"40001", "40P01"})
_LATE = frozenset({"55P03", "57014"})

_WORDS = (
    ("53300", "the database has no connection to spare"),
    ("53100", "the disk that holds the database is full"),
    ("53", "the database has no room or memory to spare"),
    ("25006", "the database is read-only"),
    ("25", "the database gave up a transaction"),
    ("28", "the database refuses our user or password"),
    ("3D", "there is no such database"),
    ("42501", "our database user may not do that"),
    ("40", "the database is contended"),
    ("55P03", "the database is locked for too long"),
    ("57014", "the database took too long"),
    ("57", "the database is stopping or starting"),
    ("58", "the disk that holds the database has an input/output error"),
    ("XX", "the database is damaged or has a bug"),
)


async def connect(spec: StoreSpec, *, patience_s: float | None = None) -> Connection:
    """Return a new connection, to the one of the url's hosts that takes writes.

    Args:
        spec: Which database, and how.
        patience_s: Seconds a statement may take, where that is not as in `spec`.

    Raises:
        Exception: The driver's; see :func:`failure`.
    """
    patience_s = patience_s or spec.timeout_s
    milliseconds = str(max(1, round(patience_s * 1000)))
    driver = await asyncpg.connect(
        spec.url,
        timeout=spec.timeout_s,
        command_timeout=patience_s * 2,
        target_session_attrs="read-write",
        server_settings={
            "application_name": "dragoman",
            "search_path": SCHEMA,
            "synchronous_commit": "on",
            "default_transaction_isolation": "read committed",
            "statement_timeout": milliseconds,
            "lock_timeout": milliseconds,
            "idle_in_transaction_session_timeout": str(max(1, round(patience_s * 4000))),
            "random_page_cost": "1.1",  # what is asked about is in memory, or on a disk that does not turn
            "jit": "off",  # compiling costs more than it gives for queries as small as ours
        },
    )
    return Connection(driver)


async def migrate(connection: Connection, announce: Callable[[str], None]) -> None:
    """Run the migrations this database has not seen yet.

    Args:
        connection: To the database.
        announce: Told that an earlier version's schema is brought up to date, which may take a while.

    Raises:
        Failure: UNAVAILABLE: the schema is newer than this code.
        Exception: The driver's.
    """
    known = scripts()
    found = await _version(connection)
    _check(found, len(known))
    if 0 < found < len(known):
        announce("bringing the ledger up to date; a million rows may take a minute")
    for number in range(found + 1, len(known) + 1):
        async with connection.writing():
            await connection.script(
                "set local statement_timeout = 0; set local lock_timeout = 0; "
                f"select pg_advisory_xact_lock({LOCK})"
            )
            if await _version(connection) < number:
                await connection.script(known[number - 1])
                await connection.execute(f"update migration set number = {number}")  # noqa: S608  a count


async def standing(connection: Connection) -> str:
    """Return in words how the schema stands, which stays as it is.

    Raises:
        Failure: UNAVAILABLE: the schema is newer than this code.
        Exception: The driver's.
    """
    known, found = len(scripts()), await _version(connection)
    _check(found, known)
    if found == 0:
        return "answers; tables are made at the first start"
    return "answers" if found == known else "answers; its tables are brought up to date at the next start"


def scripts() -> list[str]:
    """Return the migrations in order; the first makes the schema they are counted in."""
    folder = resources.files("dragoman.store.postgres") / "migrations"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    first, *rest = [file.read_text("utf-8") for file in files]
    return [f"{_COUNT}\n{first}", *rest]


_COUNT = f"""
    do $$ begin
        -- Even `if not exists` asks for the right to create one.
        if to_regnamespace('{SCHEMA}') is null then
            create schema {SCHEMA};
        end if;
    end $$;
    create table {SCHEMA}.migration (number integer not null);
    insert into {SCHEMA}.migration values (0);
"""  # noqa: S608  names of our own, no values


def _check(found: int, known: int) -> None:
    """Refuse a schema that a newer version made."""
    if found > known:
        raise Failure(
            Kind.UNAVAILABLE,
            f"written by a newer Dragoman (schema {found}, this one knows {known}); "
            "start that version, or restore an older copy",
            code="store_unavailable",
        )


async def _version(connection: Connection) -> int:
    """Return how many migrations the database has seen."""
    if await connection.value("select to_regclass($1)", f"{SCHEMA}.migration") is None:
        return 0
    query = f"select max(number) from {SCHEMA}.migration"  # noqa: S608  a name of our own
    return int(await connection.value(query))


def place(url: str) -> str:
    """Return where a database is, without who we are there."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "PostgreSQL"
    hosts = parts.netloc.rpartition("@")[2] or "localhost"
    return f"PostgreSQL at {hosts}{parts.path if re.fullmatch(r'/[^/@:]*', parts.path) else ''}"


def failure(error: BaseException) -> Failure:
    """Return what a client is told of an error of a running database.

    The database's own trouble is UNAVAILABLE. A row it refuses (a constraint, a number too large) is a bug of
    ours: INTERNAL. Neither says where the database is, or who we are there: clients read this.
    """
    if isinstance(error, Failure):
        return error
    if not is_outage(error):
        return Failure(Kind.INTERNAL, f"the store refused a row: {_short(error)}")
    return unavailable(words(error))


def unavailable(what: str) -> Failure:
    """Return the failure of a database that cannot answer now."""
    return Failure(Kind.UNAVAILABLE, what, code="store_unavailable", retry_after_s=RETRY_AFTER_S)


def is_outage(error: BaseException) -> bool:
    """Say whether an error is the database's trouble, and not one statement's own fault."""
    state = _state(error)
    if state:
        return state == _NOT_ALLOWED or not state.startswith(_FAULTS)
    if isinstance(error, asyncpg.DataError):
        return False
    return isinstance(
        error, (OSError, TimeoutError, EOFError, asyncpg.InterfaceError, asyncpg.InternalClientError)
    )


def is_conflict(error: BaseException) -> bool:
    """Say whether a transaction was given up for another's sake, and may simply be tried again.

    So it is after a migration by a newer version: the driver has forgotten then what it knew of the tables.
    """
    stale = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
    return _state(error) in _CONFLICTS or isinstance(error, stale)


def is_lost(error: BaseException) -> bool:
    """Say whether the connection is of no use any more, and neither are those of the same age."""
    state = _state(error)
    return is_outage(error) and state not in _LATE and not state.startswith(("40", "53"))


def words(error: BaseException) -> str:
    """Return an error of the database in words, without anything that was in the url."""
    state = _state(error)
    for start, told in _WORDS:
        if state.startswith(start):
            return told
    if isinstance(error, TimeoutError):
        return "the database did not answer in time"
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "the database is read-only"
    if isinstance(error, asyncpg.ClientConfigurationError):
        return "the database's url cannot be read"
    return "the database cannot be reached"


def _state(error: BaseException) -> str:
    """Return an error's SQLSTATE; "" where the server did not say any."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "XX000")
    return ""


def _short(error: BaseException) -> str:
    """Return the first line of an error; what follows may quote the row."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
