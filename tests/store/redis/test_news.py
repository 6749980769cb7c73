"""News: what one process says every other hears, and what nobody should believe nobody does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.servers import RedisServer, redis_server
from tests.store.redis.linked import Clock, linked

from dragoman.store.redis.link import Link
from dragoman.store.redis.news import BURST, BURST_S, LONGEST, News


class Process:
    """A process that listens, and what it was made to do."""

    def __init__(self, link: Link, clock: Clock, *, silence_s: float) -> None:
        self.hints = 0
        self.revoked: list[str] = []
        self.pauses: asyncio.Queue[float] = asyncio.Queue()
        self.go_on = asyncio.Event()
        self.news = News(
            link,
            hint=self._hint,
            revoke=self.revoked.append,
            tick=clock,
            chance=lambda: 0.5,
            pause=self._pause,
            silence_s=silence_s,
        )

    async def until_hinted(self, times: int) -> None:
        """Return once it was made to look so many times in all."""
        while self.hints < times:
            await self.news.listening.wait()
            await asyncio.sleep(0)

    def _hint(self) -> None:
        self.hints += 1

    async def _pause(self, seconds: float) -> None:
        self.pauses.put_nowait(seconds)
        await self.go_on.wait()


@asynccontextmanager
async def listening(
    link: Link, clock: Clock | None = None, *, silence_s: float = 60.0
) -> AsyncIterator[Process]:
    """Run a process that listens."""
    process = Process(link, clock or Clock(), silence_s=silence_s)
    following = asyncio.ensure_future(process.news.following())
    try:
        yield process
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def test_what_one_says_all_hear(tmp_path: Path) -> None:
    """A process looks when it begins to listen and when it is told to, and refuses a key it is told of."""

    async def run(url: str) -> None:
        async with linked(url) as one, linked(url) as two, listening(one) as here, listening(two) as there:
            for process in (here, there):
                await process.until_hinted(1)
            await here.news.tell("")
            for process in (here, there):
                await process.until_hinted(2)
            await there.news.tell("annä key")
            for process in (here, there):
                await process.until_hinted(3)
                assert process.revoked == ["annä key"]
                assert process.news.counts()["heard"] == 2
            assert [process.news.counts()["said"] for process in (here, there)] == [1, 1]

    with redis_server(tmp_path) as redis:
        asyncio.run(run(redis.url))


def test_f55_after_a_restart_it_listens_and_looks_by_itself(tmp_path: Path) -> None:
    """Redis killed: what cannot be said is no error; restarted, every process looks again."""

    async def run() -> None:
        with redis_server(tmp_path) as redis:
            clock = Clock()
            async with (
                linked(redis.url, clock=clock) as one,
                linked(redis.url) as two,
                listening(one) as here,
                listening(two) as there,
            ):
                await here.until_hinted(1)
                await there.until_hinted(1)
                redis.kill()
                assert await here.pauses.get() > 0
                assert not here.news.listening.is_set()
                assert not await here.news.revoked("anna")
                redis.start()
                there.go_on.set()
                await there.until_hinted(2)
                here.go_on.set()
                await here.until_hinted(2)
                # What was not said while Redis was away is made good by having everybody look.
                await there.until_hinted(3)
                assert there.revoked == []

    asyncio.run(run())


def test_f55_the_pause_between_attempts_grows(tmp_path: Path) -> None:
    """A Redis that is not there is asked ever less often, up to a bound."""

    async def run() -> None:
        async with linked("redis://127.0.0.1:1/0") as link, listening(link) as process:
            process.go_on.set()
            pauses = [await process.pauses.get() for _ in range(10)]
            assert pauses == sorted(pauses)
            assert pauses[1] == 2 * pauses[0]
            assert pauses[-1] == pauses[-2] <= 5

    asyncio.run(run())


def test_f55_a_server_that_stands_still_is_noticed(tmp_path: Path) -> None:
    """A connection on which nothing comes is lost, though it is open; one that is merely quiet is not."""

    async def pings(redis: RedisServer) -> int:
        told = await asyncio.to_thread(redis.say, "INFO", "commandstats")
        found = re.search(r"cmdstat_ping:calls=(\d+)", told)
        return int(found[1]) if found else 0

    async def tried(redis: RedisServer) -> bool:
        async with linked(redis.url) as link, listening(link, silence_s=1.0) as process:
            await process.until_hinted(1)
            enough = await pings(redis) + 5
            while process.pauses.empty() and await pings(redis) < enough:
                await asyncio.sleep(0)
            if not process.pauses.empty():
                return False
            redis.freeze()
            await process.pauses.get()
            redis.thaw()
            process.go_on.set()
            await process.until_hinted(2)
            return True

    async def run() -> None:
        with redis_server(tmp_path) as redis:
            # On a machine that stands still itself for so long nothing comes either: then once more.
            for _ in range(5):
                if await tried(redis):
                    return
            pytest.fail("a quiet connection is lost")

    asyncio.run(run())


def test_what_is_no_news_is_dropped(tmp_path: Path) -> None:
    """Anything but the two things that can be said is counted, changes nothing and ends nothing."""
    junk: list[bytes] = [
        b"",
        b"revoked ",
        b"revoked \x07bell",
        b"revoked \xff",
        b"admit anna",
        b"Look",
        b"look ",
        b"\xff\xfe",
        b"revoked " + b"a" * LONGEST,
        b"x" * 1_000_000,
    ]

    async def run(url: str) -> None:
        async with linked(url) as link, listening(link) as process:
            await process.until_hinted(1)
            for words in junk:
                await link.ask("PUBLISH", link.name("news"), words)
            await process.news.look()
            await process.until_hinted(2)
            assert process.hints == 2
            assert process.revoked == []
            assert process.news.counts()["dropped"] == len(junk)

    with redis_server(tmp_path) as redis:
        asyncio.run(run(redis.url))


def test_a_flood_of_revocations_is_not_believed(tmp_path: Path) -> None:
    """More keys than anybody revokes are not refused by hearsay; the process looks instead."""

    async def run(url: str) -> None:
        clock = Clock()
        async with linked(url) as link, listening(link, clock) as process:
            await process.until_hinted(1)
            await asyncio.gather(*(process.news.revoked(f"k{number}") for number in range(BURST + 50)))
            await process.until_hinted(1 + BURST + 50)
            assert len(process.revoked) == BURST
            clock.now += BURST_S
            await process.news.revoked("later")
            await process.until_hinted(2 + BURST + 50)
            assert process.revoked[-1] == "later"

    with redis_server(tmp_path) as redis:
        asyncio.run(run(redis.url))


def test_a_name_too_long_to_say_is_a_look(tmp_path: Path) -> None:
    """What does not fit into a piece of news is left to the store, which everybody then looks at."""

    async def run(url: str) -> None:
        async with linked(url) as link, listening(link) as process:
            await process.until_hinted(1)
            assert await process.news.revoked("a" * LONGEST)
            await process.until_hinted(2)
            assert process.revoked == []

    with redis_server(tmp_path) as redis:
        asyncio.run(run(redis.url))
