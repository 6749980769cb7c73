"""One PostgreSQL for the whole run, and a database of its own for each test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.servers import PostgresServer, postgres_server

from dragoman.store.postgres import PostgresStore
from dragoman.store.spec import StoreSpec


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """Return a PostgreSQL that runs for all tests; whoever stops it starts it again."""
    with postgres_server() as running:
        running.say("create database ready", "postgres")

        async def migrate() -> None:
            await (await PostgresStore.open(StoreSpec(url=running.url("ready")))).close()

        asyncio.run(migrate())
        yield running


@pytest.fixture
def url(server: PostgresServer) -> Iterator[str]:
    """Return the url of an empty database."""
    made = server.create()
    yield made
    server.drop(made)


@pytest.fixture
def ready(server: PostgresServer) -> Iterator[str]:
    """Return the url of a database that has the schema."""
    made = server.create("ready")
    yield made
    server.drop(made)
