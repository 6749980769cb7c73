"""Opening the store the settings name."""

from __future__ import annotations

import asyncio
import builtins
import sys
from pathlib import Path
from typing import Any

import pytest

from dragoman.core.failure import Failure, Kind
from dragoman.store.opening import open_store, owners
from dragoman.store.postgres import PostgresStore
from dragoman.store.spec import StoreSpec
from dragoman.store.sqlite import SqliteStore


def test_without_a_url_it_is_a_file(tmp_path: Path) -> None:
    """The ledger lies in the data folder, and its owners are known by their files."""

    async def scene() -> None:
        store = await open_store(StoreSpec(), tmp_path)
        assert isinstance(store, SqliteStore)
        assert owners(store) is None
        assert (tmp_path / "dragoman.db").is_file()
        await store.close()

    asyncio.run(scene())


def test_with_a_url_it_is_postgresql(url: str, tmp_path: Path) -> None:
    """Nothing is made in the data folder, and the living are known by the database."""

    async def scene() -> None:
        store = await open_store(StoreSpec(url=url), tmp_path)
        assert isinstance(store, PostgresStore)
        assert owners(store) is store
        await store.close()

    asyncio.run(scene())
    assert [*tmp_path.iterdir()] == []


def test_another_url_is_refused(tmp_path: Path) -> None:
    """Only PostgreSQL is spoken, and the url is not repeated."""
    with pytest.raises(Failure) as caught:
        asyncio.run(open_store(StoreSpec(url="mysql://me:s3cret@db/x"), tmp_path))
    assert caught.value.kind is Kind.UNAVAILABLE
    assert "s3cret" not in str(caught.value)


def test_a_missing_driver_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra it is said which one to install."""
    for name in [name for name in sys.modules if name.startswith(("asyncpg", "dragoman.store.postgres"))]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "asyncpg":
            raise ModuleNotFoundError("No module named 'asyncpg'", name="asyncpg")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Failure) as caught:
        asyncio.run(open_store(StoreSpec(url="postgresql://db/x"), tmp_path))
    assert "pip install 'dragoman[postgres]'" in caught.value.message
