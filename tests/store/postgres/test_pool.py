"""Connections: what a server that goes away costs, and that it is found again by itself."""

from __future__ import annotations

import asyncio
import gc

import pytest
from tests.servers import PostgresServer
from tests.store.postgres.scene import attempt, exchange, play

from dragoman.core.failure import Failure, Kind
from dragoman.store.postgres import PostgresStore
from dragoman.store.postgres.database import Connection


async def back(store: PostgresStore) -> None:
    """Wait until both kinds of connections work again."""
    while True:
        try:
            await store.open_owners()
            await store.settle(exchange("knock", state="settled"), [])
        except Failure as failure:
            if failure.kind is not Kind.UNAVAILABLE or not failure.retry_after_s:
                raise
            await asyncio.sleep(0.01)
        else:
            return


def test_f56_a_stopped_server_is_unavailable_and_found_again(server: PostgresServer, ready: str) -> None:
    """While it is away everything is 503 at once, and nothing else; afterwards the same store goes on."""

    async def scene(store: PostgresStore) -> None:
        await store.open_exchange(exchange(), attempt())
        server.stop("immediate")
        try:
            calls = [
                store.open_exchange(exchange("y"), attempt("y")),
                store.settle(exchange("z"), []),
                store.exchanges(),
                store.keys.keys(),
                store.budgets.rows(),
                store.remember("a", "b"),
            ]
            found = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(one, Failure) and one.kind is Kind.UNAVAILABLE for one in found)
            assert store._booking.trouble is not None
        finally:
            server.start()
        await back(store)
        assert {row.id for row in await store.exchanges()} == {"x", "knock"}

    play(ready, scene)


def test_f56_a_restart_between_two_requests_is_no_outage(server: PostgresServer, ready: str) -> None:
    """A connection that has gone stale meanwhile is replaced, and nobody is told."""

    async def scene(store: PostgresStore) -> None:
        await store.open_exchange(exchange(), attempt())
        await store.exchanges()
        server.stop("fast")
        server.start()
        await store.settle(exchange(state="settled"), [])
        assert [row.state for row in await store.exchanges()] == ["settled"]

    play(ready, scene)


def test_f56_a_server_that_says_nothing_costs_its_time_once(server: PostgresServer, ready: str) -> None:
    """A statement that hangs ends at the deadline, with a 503; whoever asks next is told at once."""

    async def scene(store: PostgresStore) -> None:
        async def hang(connection: Connection) -> None:
            await connection.fetch("select pg_sleep(600)")

        with pytest.raises(Failure) as caught:
            await store._pool.read(hang)
        assert caught.value.kind is Kind.UNAVAILABLE
        assert "too long" in caught.value.message
        server.freeze()
        try:
            store._pool._drop()  # so that a new connection is wanted
            with pytest.raises(Failure) as caught:
                await store.exchanges()
            assert caught.value.kind is Kind.UNAVAILABLE
            assert store._pool.trouble is not None
        finally:
            server.thaw()
        await back(store)

    play(ready, scene, timeout_s=1.5)


def test_f56_a_database_that_only_reads_is_unavailable(server: PostgresServer, ready: str) -> None:
    """A server that became a replica is looked past, until it or another one takes writes."""
    name = ready.rpartition("/")[2]

    async def scene(store: PostgresStore) -> None:
        await store.settle(exchange(state="settled"), [])
        server.say(f"alter database {name} set default_transaction_read_only = on", "postgres")
        server.say(
            f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'", "postgres"
        )
        for call in (store.settle(exchange("y"), []), store.exchanges()):
            with pytest.raises(Failure) as caught:
                await call
            assert (caught.value.kind, caught.value.message) == (
                Kind.UNAVAILABLE,
                "the database is read-only",
            )
        server.say(f"alter database {name} reset default_transaction_read_only", "postgres")
        await back(store)

    play(ready, scene)


def test_f56_too_many_clients_is_unavailable(server: PostgresServer, ready: str) -> None:
    """A server without a connection to spare is a 503 for whoever wants one; those that have one go on."""
    name = ready.rpartition("/")[2]
    server.say("create role narrow login", "postgres")
    server.say(f"grant all on database {name} to narrow", "postgres")
    server.say("grant pg_write_all_data, pg_read_all_data to narrow", "postgres")
    server.say("grant usage, create on schema dragoman to narrow", name)

    async def scene(store: PostgresStore) -> None:
        await store.settle(exchange(state="settled"), [])
        server.say("alter role narrow connection limit 1", "postgres")
        with pytest.raises(Failure) as caught:
            await store.exchanges()
        assert (caught.value.kind, caught.value.http_status) == (Kind.UNAVAILABLE, 503)
        await store.settle(exchange("y", state="settled"), [])
        server.say("alter role narrow connection limit -1", "postgres")
        assert len(await store.exchanges()) == 2

    try:
        play(ready.replace("//postgres:", "//narrow:"), scene)
    finally:
        server.say("drop owned by narrow", name)
        server.say("drop owned by narrow", "postgres")
        server.say("drop role narrow", "postgres")


def test_a_deadlock_is_settled_within_the_store(ready: str) -> None:
    """Two that wait for each other are both done: the one given up is tried again."""

    async def scene(store: PostgresStore) -> None:
        await store.remember("a", "0")
        await store.remember("b", "0")
        met = [asyncio.Event(), asyncio.Event()]
        tries = 0

        def crossing(mine: int) -> object:
            names = ("a", "b") if mine == 0 else ("b", "a")

            async def act(connection: Connection) -> None:
                nonlocal tries
                tries += 1
                query = "update setting set value = (value::bigint + 1)::text where name = $1"
                await connection.execute(query, names[0])
                met[mine].set()
                await met[1 - mine].wait()
                await connection.execute(query, names[1])

            return store._pool.write(act)

        await asyncio.gather(crossing(0), crossing(1))  # type: ignore[call-overload]
        assert (await store.setting("a"), await store.setting("b")) == ("2", "2")
        assert tries > 2

    play(ready, scene)


def test_a_write_happens_whether_or_not_its_caller_waits(ready: str) -> None:
    """Whoever leaves while a write is under way leaves it done, also where the store is closed next."""

    async def scene(store: PostgresStore) -> None:
        writing = asyncio.ensure_future(store.remember("a", "1"))
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await store.close()

    async def after(store: PostgresStore) -> None:
        assert await store.setting("a") == "1"

    play(ready, scene)
    play(ready, after)


def test_a_write_nobody_waits_for_fails_in_silence(ready: str, caplog: pytest.LogCaptureFixture) -> None:
    """Its caller left before the outage was noticed; no traceback says so in the log."""

    async def scene(store: PostgresStore) -> None:
        go = asyncio.Event()

        async def act(_: Connection) -> None:
            await go.wait()
            raise OSError("away")

        caller = asyncio.ensure_future(store._pool.write(act))
        while not store._pool._writes:
            await asyncio.sleep(0)
        [write] = store._pool._writes
        caller.cancel()
        await asyncio.wait([caller])
        go.set()
        await asyncio.wait([write])
        del write, caller
        gc.collect()
        await asyncio.sleep(0)

    play(ready, scene)
    assert "never retrieved" not in caplog.text
