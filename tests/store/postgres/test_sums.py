"""Entries are posted once, whoever posts, wherever one of them dies, and whatever is booked meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec
import pytest
from tests.servers import PostgresServer
from tests.store.postgres.scene import play
from tests.store.sums import BEGAN, attempt, exchange, happen, reckoned

from dragoman.core.failure import Failure, Kind
from dragoman.store import ExchangeRow, Meters, Part
from dragoman.store.cover import HOUR
from dragoman.store.postgres import PostgresStore, rows
from dragoman.store.postgres.database import Connection, connect, scripts
from dragoman.store.postgres.reports import PostgresReports
from dragoman.store.postgres.sums import LEFT, LOCK, post
from dragoman.store.prices import Priced
from dragoman.store.reports import KINDS, MEASURES, Sums
from dragoman.store.spec import StoreSpec
from dragoman.store.spread import unpacked

OLD_ATTEMPT = """
    insert into attempt (
        exchange_id, number, provider, model, opened_at, state, price, tier, input, cache_read, cache_write,
        cache_write_long, audio_input, output, reasoning, audio_output, estimated)
    values ('old', 1, 'p', 'm', $1, 'settled', '', '', 0, 0, 0, 0, 0, 0, 0, 0, false)
"""
POSTER = "select pid from pg_locks where locktype = 'advisory' and objid = $1 and not granted"


async def settle(store: PostgresStore, count: int, *, first: int = 0) -> None:
    """Book exchanges, a few in each hour."""
    for place in range(first, first + count):
        at = BEGAN + place * HOUR / 4
        row = exchange(str(place), at, latency_ms=1.0 + place, meters=Meters(cost_micros=place))
        await store.settle(row, [attempt(row.id, at=at, state="settled", meters=row.meters)])


async def check(store: PostgresStore) -> None:
    """Hold that reports, by all sums there are, are the rows and the calls; and that nothing waits."""
    found = await store.archive.some([row.id for row in await store.exchanges(limit=10_000)])
    for part in (Part(), Part(key="a", model="m")):
        for every in (None, "hour", "week"):
            told = await store.reports.cells(part, by="state", every=every, spread=True)
            assert told == reckoned(found, (), part, "state", every)
    assert sum(call.calls for call in await store.reports.calls(Part())) == len(found)
    assert (await store._pool.fetch(LEFT))[0][0] == 0


def test_of_two_who_post_at_once_one_posts_each_entry(ready: str) -> None:
    """Two machines post as fast as they can while a third books; nothing is lost or counted twice."""

    async def scene(store: PostgresStore) -> None:
        others = [PostgresStore(store.spec) for _ in range(2)]
        booking = asyncio.gather(settle(store, 60), settle(others[0], 60, first=60))

        async def posting(other: PostgresStore) -> int:
            reports, done = PostgresReports(other._summing, slice_=7), 0
            while not booking.done() or (await store._pool.fetch(LEFT))[0][0]:
                done += await reports.post()
            return done

        assert sum(await asyncio.gather(*map(posting, others))) == 240
        await check(store)
        for other in others:
            await other.close()

    play(ready, scene)


def test_who_dies_before_he_commits_has_posted_nothing(ready: str) -> None:
    """All he has done is undone with him, and another one does it."""

    async def scene(store: PostgresStore) -> None:
        await settle(store, 9)
        dying = await connect(store.spec)
        pid = await dying.value("select pg_backend_pid()")

        async def posting() -> None:
            async with dying.writing():
                assert await post(dying, 5) == 10
                await store._pool.fetch("select pg_terminate_backend($1)", pid)
                await dying.execute("select 1")

        with pytest.raises(Exception, match=r"terminat|clos"):  # the driver's, by when it notices
            await posting()
        assert (await store._pool.fetch("select count(*) from usage"))[0][0] == 0
        await check(store)

    play(ready, scene)


def test_who_dies_while_he_waits_posts_again(ready: str) -> None:
    """A connection that ends in the middle is replaced, or its end is told; sums are right either way."""

    async def scene(store: PostgresStore) -> None:
        await settle(store, 9)
        before = await connect(store.spec)
        async with before.writing():
            await before.execute("select pg_advisory_xact_lock($1)", LOCK)
            waiting = asyncio.ensure_future(store.reports.post())
            while not (found := await store._pool.fetch(POSTER, LOCK)):
                await asyncio.sleep(0.01)
            await store._pool.fetch("select pg_terminate_backend($1)", found[0][0])
        try:
            await waiting
        except Failure as failure:
            assert failure.kind is Kind.UNAVAILABLE  # noqa: PT017  it may also succeed
        await before.close(1.0)
        await check(store)

    play(ready, scene)


def test_who_waited_while_another_posted_all_posts_nothing(ready: str) -> None:
    """Whoever holds the lock next finds nothing, and that is no fault."""

    async def scene(store: PostgresStore) -> None:
        await settle(store, 9)
        before = await connect(store.spec)
        async with before.writing():
            assert await post(before, 100)
            waiting = asyncio.ensure_future(store.reports.post())
            while not await store._pool.fetch(POSTER, LOCK):
                await asyncio.sleep(0.01)
        assert await waiting == 0
        await before.close(1.0)
        await check(store)

    play(ready, scene)


def test_what_is_booked_and_priced_anew_meanwhile_is_posted_next(ready: str) -> None:
    """Neither waits for who posts, though it is about the same exchanges and the same sums."""

    async def scene(store: PostgresStore) -> None:
        await settle(store, 9)
        posting = await connect(store.spec)
        async with posting.writing():
            assert await post(posting, 100) == 18
            await store.prices.reprice(
                [Priced("3", 1, 10**6, "operator 1"), Priced("4", 1, None, "operator 1")]
            )
            await settle(store, 9, first=9)
            assert await posting.value("select count(*) from usage_entry") == 4 + 9
        await posting.close(1.0)
        await check(store)
        (cell,) = await store.reports.cells(Part())
        assert (cell.sums.unknown_cost, cell.sums.cost_micros) == (1, 10**6 + sum(range(18)) - 3 - 4)

    play(ready, scene)


def test_an_entry_that_is_committed_late_is_posted_late(ready: str) -> None:
    """Its number is smaller than what has been posted already, and it is not lost for that."""

    async def scene(store: PostgresStore) -> None:
        late = await connect(store.spec)
        async with late.writing():
            row = exchange("late", meters=Meters(cost_micros=7))
            await rows.insert(late, rows.SETTLE_EXCHANGES, [rows.values(row)])
            await settle(store, 3)
            assert await store.reports.post() == 6
            assert await store.reports.post() == 0
        await late.close(1.0)
        assert await store.reports.post() == 1
        (cell,) = await store.reports.cells(Part())
        assert (cell.sums.requests, cell.sums.cost_micros) == (4, 0 + 1 + 2 + 7)

    play(ready, scene)


def test_only_what_counts_otherwise_makes_entries(ready: str) -> None:
    """Claims, and changes of what no sum is of, append nothing; a new price takes off, and puts on."""

    async def scene(store: PostgresStore) -> None:
        row = exchange("x", state="reserved", meters=Meters(cost_micros=None))
        await store.open_exchange(row, attempt("x"))
        await change(store, "update exchange set held_micros = 5")
        assert await store.reports.post() == 0
        await store.settle(msgspec.structs.replace(row, state="settled"), [attempt("x", state="settled")])
        assert await store.reports.post() == 2
        await change(store, "update exchange set message = 'late', owner = 'you', cost_micros = null")
        assert await store.reports.post() == 0
        await store.prices.reprice([Priced("x", 1, 5, "operator 1")])
        found = await store._pool.fetch(
            "select requests, cost_micros, unknown_cost from usage_entry order by 1"
        )
        assert [tuple(one) for one in found] == [(-1, 0, -1), (1, 5, 0)]
        await change(store, "update exchange set opened_at = opened_at + 90000, key = 'c'")
        await check(store)

    play(ready, scene)


async def change(store: PostgresStore, statement: str) -> None:
    """Change rows as nobody does today."""

    async def act(connection: Connection) -> int:
        return await connection.execute(statement)

    await store._pool.write(act)


@pytest.mark.parametrize("number", range(1, 7))
def test_a_ledger_of_an_earlier_version_is_summed_up(server: PostgresServer, url: str, number: int) -> None:
    """Rows that are there, and what sums counted of rows that were deleted, are in reports afterwards."""
    name = url.rpartition("/")[2]
    listed: Sequence[ExchangeRow] = [
        exchange(
            "old", BEGAN, losses=("a:b",), latency_ms=2.0, first_event_ms=1.0, meters=Meters(cost_micros=3)
        ),
        exchange("gone", BEGAN + 1, latency_ms=5.0, meters=Meters(input=5, cost_micros=40)),
        exchange("lost", BEGAN + 2, state="failed", latency_ms=6.0, meters=Meters(input=6, cost_micros=500)),
        exchange("past", BEGAN + 3, latency_ms=7.0),
        exchange("open", BEGAN, state="reserved"),
        exchange("count", BEGAN, task="count"),
    ]
    server.say("begin; " + f"set search_path = dragoman; {scripts()[0]}" + "; commit", name)
    for script in scripts()[1:number]:
        server.say(f"begin; set search_path = dragoman; {script}; commit", name)
    server.say(f"update dragoman.migration set number = {number}", name)
    columns = [column for column in rows.EXCHANGE if column not in {"route", "saved_micros", "course"}]

    async def old() -> None:
        connection = await connect(StoreSpec(url=url))
        places = ", ".join(f"${place}" for place, _ in enumerate(columns, 1))
        statement = f"insert into exchange ({rows.names(columns)}) values ({places})"
        for row in listed:
            values = dict(zip(rows.EXCHANGE, rows.values(row), strict=True))
            await connection.execute(statement, *(values[column] for column in columns))
        await connection.execute("delete from exchange where id in ('gone', 'lost', 'past')")
        await connection.execute(OLD_ATTEMPT, BEGAN)
        await connection.close(1.0)

    there = Sums(
        requests=1, lossy=1, attempts=1, cost_micros=3,
        latency_us=2000, latencies=1, first_event_us=1000, first_events=1,
    )  # fmt: skip
    gone = Sums(
        requests=3, failed=1, input=11, cost_micros=540, unknown_cost=1, latency_us=12_000, latencies=2
    )  # fmt: skip
    asyncio.run(old())

    async def scene(store: PostgresStore) -> None:
        (cell,) = await store.reports.cells(Part(key="a", model="m", provider="p"), every="hour", spread=True)
        assert cell.sums == (there if number == 1 else there + gone)
        assert cell.spread is not None
        assert [sum(counts.values()) for counts in (cell.spread.latency, cell.spread.first_event)] == [1, 1]
        states = await store.reports.cells(Part(), by="state")
        assert {cell.name: cell.sums for cell in states} == {"settled": there} | (
            {"": gone} if number > 1 else {}
        )
        assert [call.calls for call in await store.reports.calls(Part())] == [1]
        assert await store.reports.losses(Part()) == [("a:b", 1)]
        await store.settle(exchange("open"), [])
        assert [cell.sums.requests for cell in await store.reports.cells(Part())] == [2 if number == 1 else 5]

    play(url, scene)


SIDES = f"""
    select span, kind, at, key, team, "user", model, provider, route, state, failure, dialect, digest,
        {", ".join(MEASURES)}, latency, first_event
    from usage join usage_group on id = group_id where kind > {KINDS["attempt"]} and requests <> 0
"""


def test_an_upgrade_makes_the_sums_of_two_sides(server: PostgresServer, ready: str) -> None:
    """What a migration adds up from sums of each combination is what posting has added up, digests too."""

    async def told(store: PostgresStore) -> list[tuple[Any, ...]]:
        rows = (
            (*row[:-2], *({k: v for k, v in unpacked(spread).items() if v} for spread in row[-2:]))
            for row in await store._pool.fetch(SIDES)
        )
        return sorted(rows, key=repr)

    async def scene(store: PostgresStore) -> None:
        await happen([store], Random(7), steps=100)
        odd = exchange("odd", key='q"\\\n\t\r\b\f\x01\x1f\x7f/é\u2028😀', team="<&>'")
        await store.settle(odd, [])
        while await store.reports.post():
            pass
        posted = await told(store)
        assert len(posted) > 100
        (script,) = (one for one in scripts() if "usage_side" in one)
        server.say(
            f"""begin; set search_path = dragoman;
            delete from usage using usage_group where id = group_id and kind > {KINDS["attempt"]};
            delete from usage_group where kind > {KINDS["attempt"]};
            alter table usage rename group_id to "group";
            drop index usage_group_key; drop index usage_group_model;
            create index usage_group_kind on usage_group (kind);
            {script}; commit""",
            ready.rpartition("/")[2],
        )
        assert await told(store) == posted

    play(ready, scene)
