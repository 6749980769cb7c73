"""Opening the store that the settings name: a file of this machine, or PostgreSQL."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.core.failure import Failure, Kind
from dragoman.store import Store
from dragoman.store.leases import Leases, Leasing
from dragoman.store.owners import Owners
from dragoman.store.spec import StoreSpec
from dragoman.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from dragoman.store.postgres import PostgresStore

FILE = "dragoman.db"
"""Where the ledger is in the data folder, unless it is in PostgreSQL."""


async def open_store(spec: StoreSpec, folder: Path, announce: Callable[[str], None] | None = None) -> Store:
    """Open the store, its schema made or migrated if need be.

    Args:
        spec: Which one, and how.
        folder: The data folder.
        announce: Told of a migration that may take a while.

    Raises:
        Failure: UNAVAILABLE: not to be opened; says which file or database, and what to do.
    """
    if not spec.url:
        return await to_thread(SqliteStore.open, folder / FILE, spec, announce=announce)
    return await _postgres(spec).open(spec, announce=announce)


async def seen(spec: StoreSpec) -> str:
    """Return how the PostgreSQL database at `spec.url` stands, in words; nothing is made or changed there.

    Raises:
        Failure: UNAVAILABLE: as of :func:`open_store`.
    """
    return await _postgres(spec).seen(spec)


def owners(store: Store) -> Owners | None:
    """Return who knows the living of all machines; None: the files of this one do."""
    return store if isinstance(store, Owners) else None


def leases(store: Store) -> Leases | None:
    """Return where money of budgets may be put by; None: the store is a file, and never away."""
    return store.leases if isinstance(store, Leasing) else None


def _postgres(spec: StoreSpec) -> type[PostgresStore]:
    if not spec.url.startswith(("postgresql://", "postgres://")):
        raise _refusal("store.url is no PostgreSQL url: it begins with postgresql://")
    try:
        from dragoman.store.postgres import PostgresStore  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise _refusal(
            "store.url names a PostgreSQL database, and its driver is not installed: "
            "pip install 'dragoman[postgres]'"
        ) from error
    return PostgresStore


def _refusal(why: str) -> Failure:
    return Failure(Kind.UNAVAILABLE, why, code="store_unavailable")
