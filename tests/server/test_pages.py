"""Health: who may answer, and whether anybody can."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from tests.house import House, ask, chat, get, house, post
from tests.servers import redis_server

from dragoman.core.failure import Failure, Kind
from dragoman.dialects.catalog import DIALECTS
from dragoman.simulator import Simulator
from dragoman.store.sqlite import SqliteStore


def pragma(gate: House, wanted: str) -> int:
    """Ask the database of a gateway, where it writes, for something, or set it."""
    assert isinstance(gate.gateway.store, SqliteStore)
    found = gate.gateway.store._writer._connection.execute(f"pragma {wanted}").fetchone()
    return found[0] if found else 0


def test_health_needs_no_key_and_shows_no_secret(tmp_path: Path) -> None:
    """Four pages; the described one names who may answer."""

    async def play() -> None:
        settings = {"API_KEYS": "secret-one", "GROQ_API_KEY": "secret-two"}
        async with house(tmp_path, "http://127.0.0.1:9", **settings) as gate:
            assert (await ask(gate.port, get("/health"))).json == {"status": "healthy"}
            assert (await ask(gate.port, get("/health/live"))).json == {"status": "live"}
            assert (await ask(gate.port, get("/health/ready"))).json == {"status": "ready"}
            told = await ask(gate.port, get("/v1/health"))
            assert told.json["status"] == "healthy"
            assert told.json["providers"] == sorted(["groq", *(f"sim-{name}" for name in DIALECTS)])
            assert set(told.json) >= {"version", "environment"}
            assert b"secret" not in told.body

    asyncio.run(play())


def test_not_ready_while_the_store_is_away_or_the_gateway_drains(tmp_path: Path) -> None:
    """503 with what is missing; live stays."""

    async def play() -> None:
        async with house(tmp_path) as gate:
            store, setting = gate.gateway.store, gate.gateway.store.setting

            async def broken(name: str) -> str | None:
                raise Failure(Kind.UNAVAILABLE, f"the ledger is away, {name} cannot be read")

            store.setting = broken  # type: ignore[method-assign]
            got = await ask(gate.port, get("/health/ready"))
            assert (got.status, got.json["missing"]) == (503, ["the ledger is away, alive cannot be read"])
            store.setting = setting  # type: ignore[method-assign]
            gate.gateway.draining = True
            got = await ask(gate.port, get("/health/ready"))
            assert (got.status, got.json["missing"]) == (503, ["the gateway is shutting down"])
            assert (await ask(gate.port, get("/health/live"))).status == 200

    asyncio.run(play())


@pytest.mark.parametrize(
    ("broken", "mended", "why"),
    [
        ("max_page_count = 1", "max_page_count = 100000", "the disk that holds the database is full"),
        ("query_only = on", "query_only = off", "the database is read-only"),
    ],
    ids=["full", "read-only"],
)
def test_f48_not_ready_while_nothing_can_be_written(
    tmp_path: Path, broken: str, mended: str, why: str
) -> None:
    """Once a request was refused for want of a row, 503 and why; 200 again by itself, without a request."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            assert (await ask(gate.port, post("/v1/chat/completions", chat()))).status == 200
            served = len(await gate.rows(1))
            pragma(gate, broken)
            while (got := await ask(gate.port, post("/v1/chat/completions", chat()))).status == 200:
                served += 1
            assert (got.status, got.json["error"]["message"]) == (503, why)
            for _ in range(3):
                got = await ask(gate.port, get("/health/ready"))
                assert (got.status, got.json) == (503, {"status": "not ready", "missing": [why]})
                await gate.gateway.services.ledger.prove()
            assert (await ask(gate.port, get("/v1/health"))).json["status"] == "not ready"
            assert (await ask(gate.port, get("/health/live"))).status == 200
            pragma(gate, mended)
            while (await ask(gate.port, get("/health/ready"))).status != 200:
                await asyncio.sleep(0.01)
            rows = await gate.rows(served + 1)
            assert sorted(row.state for row in rows) == ["failed", *["settled"] * served]
            assert (await ask(gate.port, post("/v1/chat/completions", chat()))).status == 200

    asyncio.run(asyncio.wait_for(play(), 60))


def test_health_tells_of_redis(tmp_path: Path) -> None:
    """That it is there, or what is wrong; the gateway is ready all the same, and says nothing without one."""

    async def play() -> None:
        with redis_server(tmp_path) as redis:
            async with house(tmp_path, DRAGOMAN_REDIS_URL=redis.url) as gate:
                assert (await ask(gate.port, get("/v1/health"))).json["redis"] == "up"
                redis.kill()
                while (await ask(gate.port, get("/v1/health"))).json["redis"] == "up":
                    link = gate.gateway.sharing._link
                    assert link is not None
                    with suppress(Failure):
                        await link.ask("PING")
                assert "Redis" in (await ask(gate.port, get("/v1/health"))).json["redis"]
                assert (await ask(gate.port, get("/health/ready"))).status == 200
                redis.start()
        async with house(tmp_path) as gate:
            assert "redis" not in (await ask(gate.port, get("/v1/health"))).json

    asyncio.run(play())
