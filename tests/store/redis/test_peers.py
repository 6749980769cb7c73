"""How many processes there are, as each hears it through Redis."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.servers import redis_server
from tests.store.redis.linked import linked

from dragoman.core.failure import Failure
from dragoman.store.redis.link import Link
from dragoman.store.redis.peers import GONE_S, Peers


def peer(link: Link, me: str, told: list[int], *, least: int = 1) -> Peers:
    """Return a process that never waits."""
    return Peers(link, me, told=told.append, pause=lambda _: asyncio.sleep(0), least=least)


def test_each_hears_how_many_there_are(tmp_path: Path) -> None:
    """Who announces itself is counted once, however often; who leaves, or is not heard of, no longer."""

    async def run(url: str) -> None:
        async with linked(url) as link:
            told: list[int] = []
            a, b, c = (peer(link, name, told if name == "a" else []) for name in "abc")
            assert [await a.announce(), await a.announce(), await b.announce(), await c.announce()] == [
                1,
                1,
                2,
                3,
            ]
            assert await a.announce() == 3
            await b.leave()
            assert [await a.announce() for _ in range(4)] == [3, 3, 3, 2]
            await link.ask("ZADD", link.name("processes"), 1, "c")
            assert [await a.announce() for _ in range(4)] == [2, 2, 2, 1]
            assert told == [3, 2, 1]
            assert 0 < await link.ask("PTTL", link.name("processes")) <= GONE_S * 1000 + 1000

    with redis_server(tmp_path) as redis:
        asyncio.run(run(redis.url))


def test_f55_without_redis_the_count_stays(tmp_path: Path) -> None:
    """Killed, each goes on with how many there were; restarted, it is counted anew without being told to."""

    async def run() -> None:
        with redis_server(tmp_path) as redis:
            async with linked(redis.url) as link:
                told: list[int] = []
                a, b = peer(link, "a", told), peer(link, "b", [])
                await b.announce()
                assert await a.announce() == 2
                redis.kill()
                with pytest.raises(Failure):
                    await a.announce()
                await a.leave()
                assert a.count == 2
                redis.start()
                announcing = asyncio.ensure_future(a.announcing())
                while a.count != 1:
                    await asyncio.sleep(0)
                announcing.cancel()
                await asyncio.gather(announcing, return_exceptions=True)
                assert told == [2, 1]

    asyncio.run(run())


def test_f55_an_emptied_redis_does_not_make_a_process_the_only_one(tmp_path: Path) -> None:
    """After FLUSHALL who speaks first is alone in Redis, and believes it only after a while."""

    async def run() -> None:
        with redis_server(tmp_path) as redis:
            async with linked(redis.url) as link:
                a, b = peer(link, "a", []), peer(link, "b", [])
                await b.announce()
                assert await a.announce() == 2
                redis.say("FLUSHALL")
                assert await a.announce() == 2
                assert [await b.announce(), await a.announce()] == [2, 2]

    asyncio.run(run())


def test_there_are_at_least_this_machines_workers(tmp_path: Path) -> None:
    """A process knows how many workers it has, whatever Redis has heard; a wrong type there is mended."""

    async def run(url: str) -> None:
        async with linked(url) as link:
            await link.ask("SET", link.name("processes"), "x")
            a = peer(link, "a", [], least=4)
            assert a.count == await a.announce() == 4

    with redis_server(tmp_path) as redis:
        asyncio.run(run(redis.url))
