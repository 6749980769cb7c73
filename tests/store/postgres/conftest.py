"""Tests of the SQLite store that are about what every store promises, run over PostgreSQL.

A test module here that has a namesake in ``tests/store/sqlite`` takes its tests from there. Where they open a
:class:`SqliteStore` at a path, they get a store in a database that goes by this path.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers import PostgresServer

from dragoman.store.postgres import PostgresStore
from dragoman.store.spec import StoreSpec


class Lookalike(PostgresStore):
    """A store that tests of SQLite's can look into."""

    async def _read(self, query: str) -> list[Any]:
        return [tuple(row) for row in await self._pool.fetch(query)]


class Databases:
    """What stands for the class of stores: opens one in the database of a path."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.urls: dict[Path, str] = {}

    def open(self, path: Path, spec: StoreSpec | None = None) -> Lookalike:
        """Return a store; nothing is connected before it is used."""
        if path not in self.urls:
            self.urls[path] = self._server.create("ready")
        return Lookalike(StoreSpec(url=self.urls[path]))

    def fetch(self, folder: Path, query: str) -> list[Any]:
        """Return what a query finds, beside the store."""

        async def run() -> list[Any]:
            store = self.open(folder / "dragoman.db")
            try:
                return await store._read(query)
            finally:
                await store.close()

        return asyncio.run(run())


@pytest.fixture(autouse=True)
def in_postgres(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the namesake's tests open PostgreSQL."""
    here = request.path
    there = (here.parent.parent / "sqlite" / here.name).is_file()
    namesake = importlib.import_module(f"tests.store.sqlite.{here.stem}") if there else None
    if not hasattr(namesake, "SqliteStore"):
        yield
        return
    server: PostgresServer = request.getfixturevalue("server")
    databases = Databases(server)
    monkeypatch.setattr(namesake, "SqliteStore", databases)
    if hasattr(namesake, "fetch"):
        monkeypatch.setattr(namesake, "fetch", databases.fetch)
    yield
    for url in databases.urls.values():
        server.drop(url)
