"""One database: its schema, its errors, and what nobody may read of its url."""

from __future__ import annotations

import asyncio

import asyncpg  # type: ignore[import-untyped]
import pytest
from tests.servers import PostgresServer
from tests.store.postgres.scene import attempt, exchange, play

from dragoman.core.failure import Failure, Kind
from dragoman.store.postgres import PostgresStore
from dragoman.store.postgres.database import failure, is_conflict, is_lost, is_outage, place, plain, scripts
from dragoman.store.spec import StoreSpec

SECRET = "s3cret-canary"


def test_an_empty_database_is_made_and_a_made_one_kept(server: PostgresServer, url: str) -> None:
    """Opening makes the schema once; what is there stays."""

    async def scene(store: PostgresStore) -> None:
        await store.open_exchange(exchange("a"), attempt("a"))

    async def again(store: PostgresStore) -> None:
        assert [row.id for row in await store.exchanges()] == ["a"]

    play(url, scene)
    play(url, again)
    found = server.say("select number from dragoman.migration", url.rpartition("/")[2])
    assert found == str(len(scripts()))


def test_every_earlier_schema_is_brought_up_to_date(server: PostgresServer, url: str) -> None:
    """From each number of migrations the rest follows; who opens at the same time waits."""
    name = url.rpartition("/")[2]
    for number in range(1, len(scripts())):
        server.say("drop schema if exists dragoman cascade", name)
        server.say("begin; " + f"set search_path = dragoman; {scripts()[0]}" + "; commit", name)
        for script in scripts()[1:number]:
            server.say(f"begin; set search_path = dragoman; {script}; commit", name)
        server.say(f"update dragoman.migration set number = {number}", name)
        told: list[str] = []

        async def both(told: list[str] = told) -> None:
            spec = StoreSpec(url=url)
            stores = await asyncio.gather(*(PostgresStore.open(spec, announce=told.append) for _ in range(3)))
            await stores[0].open_exchange(exchange(), attempt())
            assert len(await stores[1].exchanges()) == 1
            for store in stores:
                await store.close()

        asyncio.run(both())
        assert told
        assert {"bringing the ledger up to date; a million rows may take a minute"} == set(told)


def test_a_newer_schema_is_refused(server: PostgresServer, ready: str) -> None:
    """A database of a later version is left alone, and it is said what to do."""
    server.say("update dragoman.migration set number = 999", ready.rpartition("/")[2])
    with pytest.raises(Failure) as caught:
        asyncio.run(PostgresStore.open(StoreSpec(url=ready)))
    assert caught.value.kind is Kind.UNAVAILABLE
    assert "newer Dragoman (schema 999" in caught.value.message


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("127.0.0.1", "127.0.0.1:1,127.0.0.1").replace(":1,127.0.0.1", ":1/x?a="),
        lambda url: url + "_that_is_not_there",
        lambda url: url.replace("//postgres:", "//nobody:"),
        lambda url: url.rpartition("@")[0] + "@127.0.0.1:1/nowhere",
        lambda url: url.rpartition("@")[0] + "@[half/nowhere",
    ],
)
def test_f52_what_fails_says_where_and_never_the_password(
    url: str, change: object, caplog: pytest.LogCaptureFixture
) -> None:
    """A database that cannot be opened is UNAVAILABLE, with its place and without our secret."""
    assert callable(change)
    spec = StoreSpec(url=change(url))
    with pytest.raises(Failure) as caught:
        asyncio.run(PostgresStore.open(spec))
    assert caught.value.kind is Kind.UNAVAILABLE
    assert caught.value.message.startswith("PostgreSQL")
    assert SECRET not in f"{caught.value!r} {caught.value} {spec!r} {caplog.text}"


def test_a_place_is_what_may_be_shown() -> None:
    """Hosts, ports and the database's name, but neither user nor password nor options."""
    assert (
        place("postgresql://anna:pw@db1:5432,db2/ledger?password=pw") == "PostgreSQL at db1:5432,db2/ledger"
    )
    assert place("postgresql://anna:p@w@db/ledger") == "PostgreSQL at db/ledger"
    assert place("postgresql:///ledger") == "PostgreSQL at localhost/ledger"


def _sqlstate(state: str) -> asyncpg.PostgresError:
    error = asyncpg.PostgresError("what it says")
    error.sqlstate = state
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (_sqlstate("23505"), Kind.INTERNAL),
        (_sqlstate("22003"), Kind.INTERNAL),
        (_sqlstate("42601"), Kind.INTERNAL),
        (asyncpg.DataError("no"), Kind.INTERNAL),
        (ValueError("a bug"), Kind.INTERNAL),
        *((_sqlstate(state), Kind.UNAVAILABLE) for state in (
            "08006", "53300", "53100", "57P01", "57P03", "57014", "55P03", "25006", "28P01", "3D000", "42501",
            "40001", "40P01", "58030", "XX001",
        )),
        (OSError("gone"), Kind.UNAVAILABLE),
        (TimeoutError(), Kind.UNAVAILABLE),
        (asyncpg.InterfaceError("connection is closed"), Kind.UNAVAILABLE),
        (asyncpg.TargetServerAttributeNotMatched("no primary"), Kind.UNAVAILABLE),
    ],
)  # fmt: skip
def test_f56_every_trouble_of_the_database_is_a_503(error: Exception, kind: Kind) -> None:
    """Trouble is UNAVAILABLE with a time to come back; only a row at fault is INTERNAL."""
    told = failure(error)
    assert told.kind is kind
    assert is_outage(error) == (kind is Kind.UNAVAILABLE)
    assert (told.retry_after_s is not None) == is_outage(error)
    assert not (is_conflict(error) and is_lost(error))


def test_text_is_made_such_as_the_database_takes() -> None:
    """NUL and half characters are replaced, wherever they stand; the rest is as it was."""
    assert plain("a\x00b\udcffé") == "a?b?é"
    assert plain(["\x00", ("é", 1), None, b"\x00"]) == ["?", ["é", 1], None, b"\x00"]
