"""Counting in Redis: the laws, what expires, what Redis forgets, and what holds while it is away."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.servers import RedisServer, redis_server
from tests.store import counting
from tests.store.counting import HOUR_NS, TIMELESS, Bench, Law, hourly, law_a_lease_ends, named, near
from tests.store.redis.linked import Clock, linked

from dragoman.core.failure import Failure
from dragoman.store.counters import LEASE_S, Slot, Stand, Want
from dragoman.store.memory import LocalCounters, Spared
from dragoman.store.redis import breaker
from dragoman.store.redis.counters import RedisCounters
from dragoman.store.redis.link import Link, Script

AGE = Script(
    """
for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('TYPE', key).ok == 'zset' then
    local all = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    for i = 1, #all, 2 do redis.call('ZADD', key, string.format('%.0f', all[i + 1] - ARGV[1]), all[i]) end
  else
    redis.call('SET', key, string.format('%.0f', redis.call('GET', key) - ARGV[1]), 'KEEPTTL')
  end
end
"""
)
"""Makes everything older by some microseconds: nobody can move Redis' clock."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Run one Redis for the tests that leave it running."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(shared: RedisServer) -> RedisServer:
    """Return an empty Redis."""
    shared.say("FLUSHALL")
    return shared


class Aged(counting.Clock):
    """A clock for benches whose time passes in Redis."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link
        self._told_ns = self.now_ns

    async def catch_up(self) -> None:
        """Let as much time pass in Redis as has passed here."""
        await self._link.run(AGE, (), ((self.now_ns - self._told_ns) // 1000,))
        self._told_ns = self.now_ns


class Aging(RedisCounters):
    """Counters that notice that the clock of their bench has moved."""

    clock: Aged

    async def take(
        self, wants: Sequence[Want], slots: Sequence[Slot] = (), *, holder: str = ""
    ) -> list[Stand]:
        """Take, now."""
        await self.clock.catch_up()
        return await super().take(wants, slots, holder=holder)

    async def renew(self, holders: Sequence[str]) -> None:
        """Renew, now."""
        await self.clock.catch_up()
        await super().renew(holders)


@pytest.mark.parametrize("law", TIMELESS, ids=named)
def test_laws(law: Law, redis: RedisServer) -> None:
    """Every law of counting that needs no time holds in Redis."""

    async def run() -> None:
        async with linked(redis.url) as link:
            await law(Bench(RedisCounters(link), grain_ns=1000))

    asyncio.run(run())


def test_a_lease_ends(redis: RedisServer) -> None:
    """Who is not heard of for the length of a lease is outside; who is renewed stays."""

    async def run() -> None:
        async with linked(redis.url) as link:
            counters = Aging(link)
            counters.clock = Aged(link)
            await law_a_lease_ends(Bench(counters, counters.clock))

    asyncio.run(run())


@pytest.mark.parametrize("seed", range(5))
def test_it_counts_as_memory_does(seed: int, redis: RedisServer) -> None:
    """Whatever is taken, given back, entered and left: Redis says what the counters of one process say."""

    async def run() -> None:
        chance = random.Random(seed)
        async with linked(redis.url) as link:
            ours, model = RedisCounters(link), LocalCounters(counting.Clock())
            for _ in range(150):
                wants = [
                    hourly(chance.choice("abc"), chance.randint(0, 4)) for _ in range(chance.randint(0, 3))
                ]
                slots = [Slot(name, 2) for name in chance.sample("xy", chance.randint(0, 2))]
                holder = chance.choice("123")
                match chance.randint(0, 5):
                    case 0:
                        back = [hourly(want.name, chance.randint(-5, 5)) for want in wants]
                        await ours.adjust(back)
                        await model.adjust(back)
                    case 1:
                        await ours.leave(slots, holder=holder)
                        await model.leave(slots, holder=holder)
                    case _:
                        told = await ours.take(wants, slots, holder=holder)
                        meant = await model.take(wants, slots, holder=holder)
                        for one, other in zip(told, meant, strict=True):
                            assert near(one.used_ns, other.used_ns)
                            assert bool(one.wait_ns) == bool(other.wait_ns)

    asyncio.run(run())


def test_processes_count_together(redis: RedisServer) -> None:
    """Two that ask at once get what there is between them, and not each."""

    async def run() -> None:
        async with linked(redis.url) as one, linked(redis.url) as other:
            benches = [Bench(RedisCounters(link)) for link in (one, other)]
            got = await asyncio.gather(*(bench.granted(hourly("a", 1, 50)) for bench in benches * 100))
            assert sum(got) == 50

    asyncio.run(run())


def test_prefixes_are_strangers(redis: RedisServer) -> None:
    """Gateways with another prefix count apart."""

    async def run() -> None:
        async with linked(redis.url) as one, linked(redis.url, prefix="other") as other:
            assert await Bench(RedisCounters(one)).granted(hourly("a", 10))
            assert await Bench(RedisCounters(other)).granted(hourly("a", 10))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("units", "share_ns"), [(1, 0.6), (3, 333.4), (1, 60e9 / 7), (7, 1000.0), (1000, 1.0)]
)
def test_an_operation_errs_by_less_than_a_microsecond(
    units: int, share_ns: float, redis: RedisServer
) -> None:
    """A thousand takes charge what they should, or at most a microsecond each too much, never too little."""

    async def run() -> None:
        async with linked(redis.url) as link:
            counters = RedisCounters(link)
            # Behind so much that what comes back while the test runs can be told from what was charged.
            await counters.adjust([Want("a", 10, HOUR_NS // 10, HOUR_NS)])
            before = await link.ask("GET", link.name("level", "a"))
            want = Want("a", units, share_ns, 10 * HOUR_NS)
            await asyncio.gather(*(counters.take([want]) for _ in range(1000)))
            charged = int(await link.ask("GET", link.name("level", "a"))) - int(before)
            exact = 1000 * units * share_ns / 1000
            assert exact - 1e-3 <= charged < exact + 1000

    asyncio.run(run())


def test_everything_expires_by_itself(redis: RedisServer) -> None:
    """Nothing that is counted stays for ever, and a level that is whole is gone."""

    async def run() -> None:
        async with linked(redis.url) as link:
            counters = RedisCounters(link)
            await counters.take([hourly("a", 1), hourly("b", 1)], [Slot("s", 1)], holder="x")
            await counters.renew(["x"])
            for name in await link.ask("KEYS", "*"):
                assert 0 < await link.ask("PTTL", name) <= HOUR_NS // 1_000_000
            await counters.adjust([hourly("a", -1), hourly("b", -1)])
            await counters.leave([Slot("s", 1)], holder="x")
            assert await link.ask("DBSIZE") == 0

    asyncio.run(run())


@pytest.mark.parametrize(
    "spoil",
    [
        ("SET", "level:a", "abc"),
        ("SET", "level:a", "nan"),
        ("SET", "level:a", "1e999"),
        ("SET", "level:a", "-5"),
        ("LPUSH", "level:a", "x"),
        ("SET", "inside:s", "x"),
        ("LPUSH", "inside:s", "x"),
    ],
    ids=" ".join,
)
def test_f55_what_is_no_level_counts_as_none(spoil: tuple[str, str, str], redis: RedisServer) -> None:
    """Garbage and wrong types where we count are mended by the next call, whichever it is."""

    async def run() -> None:
        async with linked(redis.url) as link:
            counters = RedisCounters(link)
            verb, name, value = spoil
            slot = Slot("s", 1)
            calls: list[Callable[[], object]] = [
                lambda: counters.take([hourly("a", 10)], [slot], holder="x"),
                lambda: counters.adjust([hourly("a", 10)]),
                lambda: counters.leave([slot], holder="x"),
                lambda: counters.renew(["x"]),
            ]
            for call in calls:
                await link.ask("DEL", link.name(name))
                await link.ask(verb, link.name(name), value)
                await call()  # type: ignore[misc]
            await link.ask("FLUSHALL")
            await link.ask(verb, link.name(name), value)
            assert await Bench(counters).granted(hourly("a", 10), slots=[slot], holder="x")
            assert not await Bench(counters).granted(hourly("a", 1))
            assert not await Bench(counters).granted(slots=[slot], holder="y")

    asyncio.run(run())


def test_what_is_owed_beyond_a_day_is_forgiven(redis: RedisServer) -> None:
    """A level that lies years ahead holds a name up for a day and its burst, and no longer."""

    async def run() -> None:
        async with linked(redis.url) as link:
            counters = RedisCounters(link)
            await counters.adjust([hourly("a", 1_000_000)])
            [stand] = await counters.take([hourly("a", 1)])
            assert near(stand.used_ns, 26 * HOUR_NS)

    asyncio.run(run())


def test_f55_after_flushall_running_requests_are_put_back(redis: RedisServer) -> None:
    """Redis emptied: limits begin anew, and who still runs is inside again with the next renewal."""

    async def run() -> None:
        async with linked(redis.url) as link:
            counters, slot = RedisCounters(link), Slot("s", 2)
            bench = Bench(counters)
            assert await bench.granted(hourly("a", 10), slots=[slot], holder="x")
            redis.say("FLUSHALL")
            assert await bench.granted(hourly("a", 10), slots=[slot], holder="y")
            await counters.renew(["x", "y"])
            assert not await bench.granted(slots=[slot], holder="z")
            await counters.leave([slot], holder="x")
            await counters.renew(["y"])
            assert await bench.granted(slots=[slot], holder="z")

    asyncio.run(run())


def test_who_was_refused_or_has_left_is_not_put_back(redis: RedisServer) -> None:
    """Renewing a holder that holds nothing gives it nothing, and what nobody renews is forgotten."""

    async def run() -> None:
        async with linked(redis.url) as link:
            counters, slot = RedisCounters(link), Slot("s", 1)
            bench = Bench(counters)
            assert await bench.granted(slots=[slot], holder="x")
            assert not await bench.granted(slots=[slot], holder="y")
            await counters.leave([slot], holder="x")
            await counters.renew(["x", "y"])
            assert await bench.granted(slots=[slot], holder="z")
            await counters.renew([])
            assert counters._inside
            await counters.renew([])
            assert not counters._inside

    asyncio.run(run())


def test_renewing_many_goes_in_steps(redis: RedisServer) -> None:
    """Hundreds of holders of several slots are all renewed."""

    async def run() -> None:
        async with linked(redis.url) as link:
            counters = RedisCounters(link)
            slots = [Slot("s", 5000), Slot("t", 5000)]
            holders = [f"{number}" for number in range(1234)]
            await asyncio.gather(*(counters.take([], slots, holder=holder) for holder in holders))
            await link.ask("FLUSHALL")
            await counters.renew(holders)
            assert [await link.ask("ZCARD", link.name("inside", name)) for name in "st"] == [1234, 1234]

    asyncio.run(run())


def test_f55_while_redis_is_away_each_process_counts_its_part(tmp_path: Path) -> None:
    """Killed half-way: nobody gets an error, a part of the limit holds, and Redis counts again afterwards."""

    async def run(clock: Clock) -> None:
        with redis_server(tmp_path) as redis:
            async with linked(redis.url, clock=clock) as link:
                complaints: list[str] = []
                spare = LocalCounters(counting.Clock(), share=1 / 2)
                counters = Spared(
                    RedisCounters(link),
                    spare,
                    complain=lambda message, error: complaints.append(message),
                    tick=clock,
                )
                bench, slot = Bench(counters), Slot("s", 4)
                assert await bench.granted(hourly("a", 7), slots=[slot], holder="0")
                redis.kill()
                got = [await bench.granted(hourly("a", 1)) for _ in range(8)]
                assert got == [True] * 5 + [False] * 3, "half of ten"
                inside = [await bench.granted(slots=[slot], holder=holder) for holder in "123"]
                assert inside == [True, True, False], "half of four"
                await counters.adjust([hourly("a", -1)])
                await counters.leave([slot], holder="1")
                await counters.renew(["0", "2"])
                assert len(complaints) == 1
                redis.start()
                clock.now += breaker.LAST_PAUSE_S
                await counters.renew(["0", "2"])
                assert link.state().up
                # Redis lost its memory; who runs is inside again, whoever let it in.
                assert await link.ask("ZCARD", link.name("inside", "s")) == 2
                assert await bench.granted(hourly("a", 10))

    asyncio.run(run(Clock()))


def test_f55_an_answer_that_makes_no_sense_is_unavailable(redis: RedisServer) -> None:
    """What stands in for Redis and answers something else has counted nothing."""

    async def run(answer: object) -> None:
        async with linked(redis.url) as link:
            counters = RedisCounters(link)

            async def lie(*_: object, **__: object) -> object:
                return answer

            link.run = lie  # type: ignore[method-assign]
            with pytest.raises(Failure):
                await counters.take([hourly("a", 1)])

    for answer in (None, b"OK", [], [1], [b"1", b"0"], [1, 0, 1, 0]):
        asyncio.run(run(answer))


def test_a_lease_is_as_long_as_everywhere(redis: RedisServer) -> None:
    """The lease in Redis is the one that the other counters have."""

    async def run() -> None:
        async with linked(redis.url) as link:
            await RedisCounters(link).take([], [Slot("s", 1)], holder="x")
            left = await link.ask("PTTL", link.name("inside", "s"))
            assert 0 < left <= LEASE_S * 1000 + 1000

    asyncio.run(run())
