"""What processes share: one limit for two gateways, over a file or Redis, and what is left without it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.house import House, ask, chat, house, post
from tests.servers import RedisServer, redis_server

from dragoman.simulator import Simulator

ANNA = {"authorization": "Bearer sk-anna"}
SETTINGS = {
    "DRAGOMAN_KEYS": '{"anna": {"value": "sk-anna", "requests_per_minute": 10}}',
    "DRAGOMAN_PEPPER": "the same for all of them, long enough",
}


async def granted(gates: list[House], times: int) -> int:
    """Ask each gateway in turn; return how many requests were served."""
    served = 0
    for number in range(times):
        got = await ask(
            gates[number % len(gates)].port, post("/v1/chat/completions", chat("hi", max_tokens=1), ANNA)
        )
        assert got.status in (200, 429), got.body
        served += got.status == 200
    return served


def test_a_process_by_itself_counts_for_itself(tmp_path: Path) -> None:
    """No file is made for one process."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, **SETTINGS) as gate:
            assert await granted([gate], 15) == 10
            assert not (tmp_path / "data" / "limits.db").exists()

    asyncio.run(play())


def test_workers_of_a_machine_share_a_file(tmp_path: Path) -> None:
    """Two processes' worth of gateways over one data folder serve one limit together."""

    async def play() -> None:
        settings = {**SETTINGS, "DRAGOMAN_SERVER_WORKERS": "2"}
        async with (
            Simulator() as sim,
            house(tmp_path, sim.url, **settings) as one,
            house(tmp_path, sim.url, **settings) as two,
        ):
            assert await granted([one, two], 20) == 10

    asyncio.run(play())


def test_machines_share_through_redis_and_go_on_without(tmp_path: Path) -> None:
    """One limit together; each at least its part while Redis is gone; together again when it is back."""

    async def play(redis: RedisServer) -> None:
        settings = {**SETTINGS, "DRAGOMAN_REDIS_URL": redis.url}
        async with (
            Simulator() as sim,
            house(tmp_path / "a", sim.url, **settings) as one,
            house(tmp_path / "b", sim.url, **settings) as two,
        ):
            assert await granted([one, two], 20) == 10
            state = one.gateway.sharing.state
            assert state is not None
            assert state.up
            redis.kill()
            assert 1 <= await granted([one, two], 20) <= 20
            assert await one.gateway.missing() == []

    with redis_server(tmp_path) as redis:
        asyncio.run(play(redis))


def test_a_revoked_key_is_news(tmp_path: Path) -> None:
    """What one process hears through Redis it refuses at once, before it looks at any store."""

    async def play(redis: RedisServer) -> None:
        settings = {**SETTINGS, "DRAGOMAN_REDIS_URL": redis.url}
        async with house(tmp_path / "a", **settings) as one, house(tmp_path / "b", **settings) as two:
            directory = two.gateway.directory
            while "gone" not in directory._told:
                await one.gateway.directory.tell("gone")
                await asyncio.sleep(0.02)

    with redis_server(tmp_path) as redis:
        asyncio.run(play(redis))
