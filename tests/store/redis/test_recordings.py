"""Recorded answers in Redis: the store's rules, whichever machine keeps and finds them."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.servers import RedisServer, redis_server
from tests.store.redis.linked import linked

from dragoman.cache import Cache, CacheSpec, Question
from dragoman.cache.terms import Terms
from dragoman.core.failure import Failure
from dragoman.store import RecordingRow
from dragoman.store.counters import Slot, Want
from dragoman.store.redis.counters import RedisCounters
from dragoman.store.redis.link import Link
from dragoman.store.redis.peers import Peers
from dragoman.store.redis.recordings import OVERHEAD, STEP, RedisRecordings
from dragoman.store.sqlite import SqliteStore

NOW = time.time()  # noqa: TID251  Redis lets go by its own clock
MOST = 1 << 30
ALIKE = 100

Scene = Callable[[RedisRecordings, Link], Awaitable[None]]


def play(folder: Path, scene: Scene) -> None:
    """Play a scene on the recordings of a Redis of its own."""

    async def run(redis: RedisServer) -> None:
        async with linked(redis.url) as link:
            await scene(RedisRecordings(link), link)

    with redis_server(folder) as redis:
        asyncio.run(run(redis))


def row(key: str, **more: Any) -> RecordingRow:
    """Return a recording that is used for an hour."""
    fields: dict[str, Any] = {
        "tenant": "anna",
        "recorded_at": NOW,
        "expires_at": NOW + 3600,
        "body": b"\x00\r\nbody\xff",
    }
    return RecordingRow(key=key.encode() + b"\x00\xff", **(fields | more))


async def put(rows: RedisRecordings, *kept: RecordingRow, most: int = MOST, alike: int = ALIKE) -> None:
    """Keep rows one after the other."""
    for one in kept:
        await rows.keep(one, most=most, alike=alike)


async def there(rows: RedisRecordings, *keys: str) -> str:
    """Return which of some keys are there, joined."""
    return "".join([key for key in keys if await rows.find(row(key).key, now=NOW)])


def test_every_field_is_found_again_until_its_time(tmp_path: Path) -> None:
    """Bytes of any kind and times to the last digit come back as they were; past its time nothing does."""

    async def scene(rows: RedisRecordings, link: Link) -> None:
        kept = row("a", recorded_at=NOW + 0.1 + 0.2, scope=b"s\x00", vector=b"\xff" * 1536)
        plain = row("b", body=b"")
        await put(rows, kept, plain)
        assert await rows.find(kept.key, now=kept.expires_at - 0.001) == kept
        assert await rows.find(plain.key, now=NOW) == plain
        assert await rows.find(kept.key, now=kept.expires_at) is None
        assert await rows.find(b"nobody", now=NOW) is None
        left = await link.ask("PTTL", rows._base.encode() + b"answer:" + kept.key)
        assert 0 < left <= 3_600_000, "Redis lets go of it by itself"

    play(tmp_path, scene)


@pytest.mark.parametrize("seed", range(4))
def test_it_keeps_what_the_store_keeps(seed: int, tmp_path: Path) -> None:
    """Whatever is kept, deleted, forgotten and swept: Redis and the store's file say the same."""

    async def scene(rows: RedisRecordings, link: Link) -> None:
        chance = random.Random(seed)
        store = SqliteStore.open(tmp_path / "dragoman.db")
        model = store.recordings
        begun = NOW + 86_400  # a day ahead, so that Redis' own clock ends nothing meanwhile
        now, most = begun, 12 * (OVERHEAD + 500)
        names = "abcdefghijklmnop"
        owners = {key: (chance.choice(["anna", "ben"]), chance.choice([None, b"s", b"t"])) for key in names}
        times = iter(range(10_000))
        for _ in range(250):
            key = chance.choice(names)
            tenant, scope = owners[key]
            now += chance.random()
            match chance.randint(0, 9):
                case 0:
                    name = row(key).key
                    found = await rows.find(name, now=now)
                    at = found.recorded_at if found and chance.random() < 0.7 else now
                    assert await rows.delete(name, recorded_at=at) == await model.delete(name, recorded_at=at)
                case 1:
                    assert await rows.sweep(now, most=most) == await model.sweep(now, most=most)
                case 2 if chance.random() < 0.3:
                    assert await rows.forget(tenant) == await model.forget(tenant)
                case _:
                    kept = row(
                        key,
                        tenant=tenant,
                        recorded_at=now - chance.choice([0, 0, 0, 50]) + next(times) * 1e-4,
                        expires_at=begun + 60 + chance.randint(0, 200) + next(times) * 1e-3,
                        body=bytes(chance.randint(0, 600)),
                        scope=scope,
                        vector=None if scope is None else bytes(64),
                    )
                    await put(rows, kept, most=most, alike=3)
                    await model.keep(kept, most=most, alike=3)
            for one in owners:
                name = row(one).key
                assert await rows.find(name, now=now) == await model.find(name, now=now)
            for where in (b"s", b"t"):
                assert await rows.alike(where, now=now, most=2) == await model.alike(where, now=now, most=2)
            assert await rows.total() == await model.total()
        await store.close()

    play(tmp_path, scene)


def test_more_than_a_step_goes_in_steps(tmp_path: Path) -> None:
    """A bound that was lowered, a tenant and what is past its time are worked off a step at a time."""

    async def scene(rows: RedisRecordings, link: Link) -> None:
        for tenant in ("anna", "ben"):
            many = [
                row(f"{tenant}{number}", tenant=tenant, expires_at=NOW + 3600 + number)
                for number in range(2 * STEP + 5)
            ]
            await asyncio.gather(*(rows.keep(one, most=MOST, alike=ALIKE) for one in many))
        assert [await rows.forget("anna") for _ in range(4)] == [STEP, STEP, 5, 0]
        one = OVERHEAD + len(row("a").body)
        assert [await rows.sweep(NOW, most=STEP * one) for _ in range(3)] == [STEP, 5, 0]
        assert await rows.total() == STEP * one
        assert await there(rows, "ben104", "ben105") == "ben105"
        assert [await rows.sweep(NOW + 9999, most=MOST) for _ in range(2)] == [STEP, 0]
        assert await rows.total() == 0
        left = await link.ask("KEYS", "*")
        assert all(name.endswith(b"total") for name in left), left

    play(tmp_path, scene)


def test_tenants_are_apart(tmp_path: Path) -> None:
    """Forgetting one tenant's recordings leaves another's."""

    async def scene(rows: RedisRecordings, link: Link) -> None:
        await put(rows, row("a"), row("b", tenant="ben"), row("c", tenant="anna:ben"))
        assert await rows.forget("anna") == 1
        assert await there(rows, "a", "b", "c") == "bc"

    play(tmp_path, scene)


def test_an_index_does_not_outgrow_what_it_names(tmp_path: Path) -> None:
    """A tenant that goes on for years is not remembered by everything it ever asked."""

    async def scene(rows: RedisRecordings, link: Link) -> None:
        await put(rows, row("a"))
        of = f"{rows._base}of:anna"
        await link.ask("ZADD", of, NOW - 1, "past")
        await put(rows, row("b"))
        assert await link.ask("ZCARD", of) == 2
        assert 0 < await link.ask("PTTL", of) < 3_700_000

    play(tmp_path, scene)


def test_what_redis_let_go_of_is_counted_until_it_is_swept(tmp_path: Path) -> None:
    """A recording that expired in Redis leaves the sum with the next sweep."""

    async def scene(rows: RedisRecordings, link: Link) -> None:
        await put(rows, row("a"), row("b"))
        await link.ask("DEL", rows._base.encode() + b"answer:" + row("a").key)
        size = OVERHEAD + len(row("a").body)
        assert await rows.total() == 2 * size
        await put(rows, row("a", body=b""))
        assert await rows.total() == size + OVERHEAD
        assert await rows.sweep(NOW + 9999, most=MOST) == 2
        assert await rows.total() == 0

    play(tmp_path, scene)


@pytest.mark.parametrize(
    "spoil",
    [
        ("FLUSHALL",),
        ("DEL", "expiring"),
        ("DEL", "sizes"),
        ("DEL", "total"),
        ("SET", "total", "abc"),
        ("SET", "expiring", "x"),
        ("SET", "sizes", "x"),
        ("SET", "of:anna", "x"),
        ("SET", "alike:s", "x"),
        ("SET", "answer:a\x00", "x"),
    ],
    ids=" ".join,
)
def test_f55_what_is_lost_or_spoilt_is_mended(spoil: tuple[str, ...], tmp_path: Path) -> None:
    """Emptied, half emptied or written over: recordings are kept and found again, their sum bounded."""

    async def scene(rows: RedisRecordings, link: Link) -> None:
        kept = msgspec.structs.replace(row("a", scope=b"s", vector=b"v", body=b"b" * 100), key=b"a\x00")
        await put(rows, kept)
        verb, *rest = spoil
        if rest:
            await link.ask("DEL", rows._base + rest[0])
            rest[0] = rows._base + rest[0]
        await link.ask(verb, *rest)
        others = [row(f"{number}", body=b"c" * 100) for number in range(30)]
        await put(rows, *others, kept, most=10 * (OVERHEAD + 101))
        assert await rows.find(kept.key, now=NOW) == kept
        assert await rows.alike(b"s", now=NOW, most=5) == [(b"a\x00", b"v")]
        assert 0 < await rows.total() <= 10 * (OVERHEAD + 101)
        assert await rows.forget("anna") > 0
        assert await rows.find(kept.key, now=NOW) is None

    play(tmp_path, scene)


@pytest.mark.parametrize("field", ["tenant", "recorded_at", "expires_at", "body"])
def test_a_recording_that_is_none_is_a_miss(field: str, tmp_path: Path) -> None:
    """A part that is missing or no text or number makes it nobody's answer."""

    async def scene(rows: RedisRecordings, link: Link) -> None:
        await put(rows, row("a"))
        name = rows._base.encode() + b"answer:" + row("a").key
        if field != "body":
            await link.ask("HSET", name, field, b"\xff")
            assert await rows.find(row("a").key, now=NOW) is None
        await link.ask("HDEL", name, field)
        assert await rows.find(row("a").key, now=NOW) is None

    play(tmp_path, scene)


def test_f55_without_redis_every_answer_is_a_miss_and_one_complaint(tmp_path: Path) -> None:
    """The cache goes on while Redis is away: nothing is found or kept, nothing fails, and it says so once."""
    complaints: list[str] = []
    question = Question("anna", b"key")

    async def run() -> None:
        async with linked("redis://127.0.0.1:1/0") as link:
            cache = Cache(
                CacheSpec(),
                RedisRecordings(link),
                now=lambda: NOW,
                complain=lambda message, error: complaints.append(f"{message}: {error}"),
            )
            terms = Terms(read=True, record=True)
            for _ in range(20):
                assert await cache.recall(terms, question) is None
            with pytest.raises(Failure):
                await cache.forget("anna")
            await cache.close()
            assert link.counts()["skipped"] > 10, "most did not even ask"

    asyncio.run(run())
    assert len(complaints) == 1


def test_the_user_in_the_docs_may_do_what_is_needed_and_no_more(tmp_path: Path) -> None:
    """As the user of docs/redis.md everything here works, and other names and commands are refused."""
    page = Path(__file__).parents[3] / "docs" / "redis.md"
    [command] = re.findall(r"^ACL SETUSER gateway .*$", page.read_text(), re.MULTILINE)

    async def run(redis: RedisServer) -> None:
        redis.say(*command.split())
        async with linked(f"redis://gateway:secret@127.0.0.1:{redis.port}/0") as link:
            slot = Slot("s", 1)
            counters = RedisCounters(link)
            await counters.take([Want("a", 1, 1e9, 10**10)], [slot], holder="x")
            await counters.adjust([Want("a", -1, 1e9, 10**10)])
            await counters.renew(["x"])
            await counters.leave([slot], holder="x")
            rows = RedisRecordings(link)
            await put(rows, row("a", scope=b"s", vector=b"v"), row("b"))
            assert await there(rows, "a", "b") == "ab"
            assert len(await rows.alike(b"s", now=NOW, most=1)) == 1
            assert await rows.delete(row("b").key, recorded_at=NOW)
            assert await rows.forget("anna") == 1
            assert await rows.sweep(NOW, most=MOST) == await rows.total() == 0
            peers = Peers(link, "me", told=lambda _: None, pause=asyncio.sleep)
            assert await peers.announce() == 1
            await peers.leave()
            assert await link.ask("PUBLISH", link.name("news"), "look") == 0
            assert link.state().up
            for forbidden in (("KEYS", "*"), ("SET", "other", "1")):
                with pytest.raises(Failure, match="NOPERM"):
                    await link.ask(*forbidden)

    with redis_server(tmp_path) as redis:
        asyncio.run(run(redis))
