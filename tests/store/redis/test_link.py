"""The link: every call is answered by its deadline or not at all, whatever the server does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.servers import free_port, redis_server
from tests.store.redis.linked import Clock, FakeWire, fake, linked

from dragoman.core.failure import Failure, Kind
from dragoman.store.redis import breaker
from dragoman.store.redis.link import COMPLAIN_S, QUICK_WIRES, Link, Script
from dragoman.store.redis.wire import Address, Command, Refusal, Wire, unavailable

SECRET = "canary-51d0"
ECHO = Script("return ARGV[1]")


async def refused(link: Link, *command: str) -> Failure:
    """Return what a call raises, which is nothing but a 503 of Redis."""
    with pytest.raises(Failure) as caught:
        await link.ask(*(command or ("PING",)))
    assert (caught.value.kind, caught.value.code) == (Kind.UNAVAILABLE, "redis_unavailable")
    return caught.value


async def never(commands: Sequence[Command]) -> list[Any]:
    """Answer nothing, ever."""
    await asyncio.Event().wait()
    return []


def test_calls_of_one_instant_share_a_round_trip(tmp_path: Path) -> None:
    """Many calls go out in few groups, and each gets its own answer."""

    async def run(url: str) -> None:
        async with linked(url) as link:
            await link.run(ECHO, (), ("first",))
            told = [link.run(ECHO, (), (str(number),)) for number in range(600)]
            assert await asyncio.gather(*told) == [str(number).encode() for number in range(600)]
            assert link.counts()["calls"] == 601
            assert link.counts()["groups"] < 20
            assert link.counts()["connected"] <= QUICK_WIRES

    with redis_server(tmp_path) as redis:
        asyncio.run(run(redis.url))


def test_f55_a_frozen_server_costs_a_call_its_deadline_and_then_nothing(tmp_path: Path) -> None:
    """While the server stands still each call ends; soon the breaker lets none wait; then it heals."""

    async def run(clock: Clock) -> None:
        complaints: list[str] = []
        async with linked(redis.url, clock=clock, complaints=complaints) as patient:
            await patient.ask("PING")
        async with linked(redis.url, clock=clock, complaints=complaints, deadline_s=0.05) as link:
            redis.freeze()
            while link.state().up:
                # That this returns at all while nobody answers is the deadline's doing.
                await refused(link)
            waited = link.counts()["groups"]
            assert (await refused(link)).message == "Redis is not to be had"
            assert link.counts()["groups"] == waited, "nothing is sent while the breaker is open"
            assert len(complaints) == 1
            redis.thaw()
            while not link.state().up:
                # A busy machine may let a probe or two be late; each waits for its pause by this clock.
                clock.now += breaker.LAST_PAUSE_S
                await asyncio.gather(link.ask("PING"), return_exceptions=True)
            assert link.state().why == ""

    with redis_server(tmp_path) as redis:
        asyncio.run(run(Clock()))


def test_f55_a_killed_server_fails_calls_and_a_new_one_serves_them(tmp_path: Path) -> None:
    """Killed in the middle of calls: every one ends; a restart is found without help, scripts and all."""

    async def run(clock: Clock) -> None:
        async with linked(redis.url, clock=clock) as link:
            assert await link.run(ECHO, (), ("a",)) == b"a"
            busy = [asyncio.ensure_future(link.run(ECHO, (), ("b" * 10_000,))) for _ in range(2000)]
            await asyncio.sleep(0)
            redis.kill()
            for ended in await asyncio.gather(*busy, return_exceptions=True):
                assert ended == b"b" * 10_000 or isinstance(ended, Failure)
            while link.state().up:
                await refused(link)
            redis.start()
            clock.now += breaker.LAST_PAUSE_S
            assert await link.run(ECHO, (), ("c",)) == b"c"
            assert link.state().up

    with redis_server(tmp_path) as redis:
        asyncio.run(run(Clock()))


def test_f55_a_server_that_forgot_its_scripts_is_told_them(tmp_path: Path) -> None:
    """NOSCRIPT is no failure of a call."""

    async def run() -> None:
        async with linked(redis.url) as link:
            assert await link.run(ECHO, (), ("a",)) == b"a"
            redis.say("SCRIPT", "FLUSH")
            assert await link.run(ECHO, (), ("b",)) == b"b"
            assert "failed" not in link.counts()

    with redis_server(tmp_path) as redis:
        asyncio.run(run())


def test_f55_a_connection_that_was_idle_and_closed_costs_no_call(tmp_path: Path) -> None:
    """The server may close what nobody uses; the next call has a new connection."""

    async def run() -> None:
        async with linked(redis.url) as link:
            number = await link.ask("CLIENT", "ID")
            redis.say("CLIENT", "KILL", "ID", str(number))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert await link.ask("PING") == b"PONG"
            assert link.counts()["connected"] == 2

    with redis_server(tmp_path) as redis:
        asyncio.run(run())


def test_f55_a_wrong_type_fails_one_call_and_opens_nothing(tmp_path: Path) -> None:
    """What is one key's fault is not the server's, however often it is met."""

    async def run() -> None:
        async with linked(redis.url) as link:
            await link.ask("SET", "a", SECRET)
            for _ in range(2 * breaker.MOST):
                failure = await refused(link, "LPUSH", "a", SECRET)
                assert "WRONGTYPE" in failure.message
                assert SECRET not in repr(failure)
            assert link.state().up
            assert link.counts()["refused"] == 2 * breaker.MOST

    with redis_server(tmp_path) as redis:
        asyncio.run(run())


def test_f55_a_replica_is_as_good_as_none(tmp_path: Path) -> None:
    """A server that became a replica refuses writes: calls fail, and go on once it is the master again."""

    async def run(clock: Clock) -> None:
        async with linked(redis.url, clock=clock) as link:
            assert await link.ask("SET", "a", "1") == b"OK"
            redis.say("REPLICAOF", "127.0.0.1", "1")
            while link.state().up:
                await refused(link, "SET", "a", "2")
            assert "READONLY" in link.state().why
            redis.say("REPLICAOF", "NO", "ONE")
            clock.now += breaker.LAST_PAUSE_S
            assert await link.ask("SET", "a", "3") == b"OK"

    with redis_server(tmp_path) as redis:
        asyncio.run(run(Clock()))


def test_f55_a_cluster_is_followed_to_who_has_the_keys(tmp_path: Path) -> None:
    """Asked at the wrong node, the link goes to the one that was named; every name of ours is there."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    ports = [str(free_port()) for _ in range(2)]
    options = [("--cluster-enabled", "yes", "--cluster-port", port) for port in ports]

    async def run() -> None:
        async with linked(asked.url) as link:
            await refused(link, "SET", link.name("a"), "1")
            assert await link.ask("SET", link.name("a"), "1") == b"OK"
            both = Script("redis.call('SET', KEYS[1], 1) redis.call('SET', KEYS[2], 2) return 3")
            assert await link.run(both, (link.name("b"), link.name("c"))) == 3
            assert link.state().up

    with (
        redis_server(tmp_path / "a", *options[0]) as asked,
        redis_server(tmp_path / "b", *options[1]) as holder,
    ):
        holder.say("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        asked.say("CLUSTER", "MEET", "127.0.0.1", str(holder.port), ports[1])
        while not all("cluster_state:ok" in one.say("CLUSTER", "INFO") for one in (asked, holder)):
            pass
        asyncio.run(run())


def test_no_call_waits_longer_than_the_deadline() -> None:
    """No timer of a call is set beyond its deadline, whatever it waits for."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        set_at = loop.call_at
        longest = 0.0

        def call_at(when: float, *rest: Any, **more: Any) -> asyncio.TimerHandle:
            nonlocal longest
            longest = max(longest, when - loop.time())
            return set_at(when, *rest, **more)

        async with linked(dial=fake(never, made), deadline_s=0.03) as link:
            loop.call_at = call_at  # type: ignore[method-assign, assignment]
            calls = [link.ask("PING") for _ in range(5)] + [link.ask("PING", bulk=True) for _ in range(9)]
            ended = await asyncio.gather(*calls, return_exceptions=True)
            loop.call_at = set_at  # type: ignore[method-assign]
        assert all(isinstance(one, Failure) for one in ended)
        assert 0 < longest <= 0.03

    made: list[FakeWire] = []
    asyncio.run(run())


def test_a_group_that_is_late_takes_its_connection_with_it() -> None:
    """Answers of a connection that was given up are nobody's."""

    async def run() -> None:
        async with linked(dial=fake(never, made), deadline_s=0.01) as link:
            await refused(link)
            await refused(link)
        assert len(made) == 2
        assert all(wire.closed for wire in made)

    made: list[FakeWire] = []
    asyncio.run(run())


@pytest.mark.parametrize("fails", [True, False])
def test_a_probe_that_was_never_sent_ends_as_well(*, fails: bool) -> None:
    """A call that waits its turn past its deadline does not leave the breaker probing for ever."""

    async def run(clock: Clock) -> None:
        gate = asyncio.Event()

        async def answer(commands: Sequence[Command]) -> list[Any]:
            await gate.wait()
            if fails:
                raise unavailable("Redis cannot be reached")
            return [b"PONG" for _ in commands]

        async with linked(dial=fake(answer, []), clock=clock) as link:
            hanging = []
            for _ in range(QUICK_WIRES):
                hanging.append(asyncio.ensure_future(link.ask("PING")))
                await asyncio.sleep(0)
            while link.state().up:
                link._quick.breaker.failed()
            clock.now += breaker.LAST_PAUSE_S
            with pytest.raises(Failure, match="in time"):
                await link.ask("PING", within_s=0.001)
            assert link.state().breaker == "probing"
            gate.set()
            await asyncio.gather(*hanging, return_exceptions=True)
            assert link.state().breaker == ("open" if fails else "closed")

    asyncio.run(run(Clock()))


def test_complaints_are_no_flood() -> None:
    """A Redis that comes and goes is complained of once a minute, however often it goes."""
    complaints: list[str] = []

    async def run(clock: Clock) -> None:
        async def answer(commands: Sequence[Command]) -> list[Any]:
            if commands[0][1] == "fail":
                raise unavailable("Redis cannot be reached")
            return [b"" for _ in commands]

        async with linked(dial=fake(answer, []), clock=clock, complaints=complaints) as link:
            for times in range(1 + int(COMPLAIN_S / breaker.LAST_PAUSE_S)):
                while link.state().up:
                    await refused(link, "ECHO", "fail")
                assert len(complaints) == 1 + (times * breaker.LAST_PAUSE_S >= COMPLAIN_S)
                clock.now += breaker.LAST_PAUSE_S
                await link.ask("ECHO", "fine")

    asyncio.run(run(Clock()))


def test_a_late_process_does_not_blame_redis() -> None:
    """Where the loop itself stood still past the deadline, nothing is held against Redis."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        started = asyncio.Event()
        stood = 0.0
        clock = loop.time

        async def slow(commands: Sequence[Command]) -> list[Any]:
            nonlocal stood
            started.set()
            stood += 60.0
            await asyncio.Event().wait()
            return []

        loop.time = lambda: clock() + stood  # type: ignore[method-assign]
        async with linked(dial=fake(slow, made), deadline_s=5.0) as link:
            for _ in range(2 * breaker.MOST):
                await refused(link)
            assert link.state().up
            assert link.counts()["late"] >= breaker.MOST

    made: list[FakeWire] = []
    asyncio.run(run())


def test_a_caller_that_leaves_disturbs_nobody() -> None:
    """A cancelled call is answered to nobody, and the one beside it is answered."""

    async def run() -> None:
        gate = asyncio.Event()

        async def answer(commands: Sequence[Command]) -> list[Any]:
            await gate.wait()
            return [command[1] for command in commands]

        async with linked(dial=fake(answer, made)) as link:
            left = asyncio.ensure_future(link.ask("ECHO", "left"))
            stays = asyncio.ensure_future(link.ask("ECHO", "stays"))
            await asyncio.sleep(0)
            left.cancel()
            gate.set()
            assert await stays == "stays"
            assert left.cancelled() or (await asyncio.gather(left, return_exceptions=True))
            assert await link.ask("ECHO", "later") == "later"

    made: list[FakeWire] = []
    asyncio.run(run())


def test_a_bug_in_a_wire_is_not_a_hanging_call() -> None:
    """Whatever a connection raises, who waits is told."""

    async def run() -> None:
        async def refuse(commands: Sequence[Command]) -> list[Any]:
            raise unavailable("Redis cannot be reached")

        async with linked(dial=fake(refuse, made)) as link:
            assert (await refused(link)).message == "Redis cannot be reached"

    made: list[FakeWire] = []
    asyncio.run(run())


def test_a_closed_link_fails_every_call() -> None:
    """After close() nothing is sent, and what was under way has ended."""

    async def run() -> None:
        async with linked(dial=fake(never, made)) as link:
            under_way = asyncio.ensure_future(refused(link))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await under_way
        await refused(link)
        assert all(wire.closed for wire in made)

    made: list[FakeWire] = []
    asyncio.run(run())


@pytest.mark.parametrize("moved", [None, ("bad host", 1), ("127.0.0.1", 70_000), ("127.0.0.1", 0)])
def test_a_name_that_is_none_is_not_followed(moved: Address | None) -> None:
    """What a server calls a node of its cluster is followed only if it can be an address."""

    async def run() -> None:
        async def stray(commands: Sequence[Command]) -> list[Any]:
            return [Refusal("MOVED", moved) for _ in commands]

        made: list[FakeWire] = []
        make = fake(stray, made)

        def dial(elsewhere: Address | None) -> Wire:
            asked.append(elsewhere)
            return make(elsewhere)

        asked: list[Address | None] = []
        async with linked(dial=dial) as link:
            await refused(link)
            await refused(link)
        assert asked == [None, None]

    asyncio.run(run())


def test_a_password_shows_nowhere(tmp_path: Path) -> None:
    """Neither a failure, nor the state, nor a complaint, nor a repr holds it."""

    async def run() -> None:
        complaints: list[str] = []
        url = f"redis://:{SECRET}@127.0.0.1:{redis.port}/0"
        async with linked(url, complaints=complaints) as link:
            while link.state().up:
                assert SECRET not in repr(await refused(link))
            assert "password" in link.state().why
            assert SECRET not in repr((link, link.state(), complaints, vars(link)))

    with redis_server(tmp_path, "--requirepass", "another") as redis:
        asyncio.run(run())
