"""Providers and routes as JSON: who can answer, how they did, and whom a route would ask now."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.house import House, ask, chat, get, house, post
from tests.server.dashboard.signed import key_of

from dragoman.simulator import Simulator
from dragoman.simulator.script import read

ROUTES = """
[routes.fast]
targets = ["openai/gpt-5-mini", "sim-openai_chat/first", "sim-anthropic/second"]

[routes.nobody]
targets = ["openai/gpt-5-mini"]

[aliases]
mine = "sim-anthropic/m"
"""


async def told(gate: House, path: str) -> Any:
    """Return what a page tells a reader."""
    name = f"reader-{len(await gate.gateway.store.keys.keys())}"
    bearer = {"authorization": f"Bearer {await key_of(gate, name, role='reader')}"}
    return (await ask(gate.port, get(path, bearer))).json


def test_calls_are_counted_where_another_stood_in(tmp_path: Path) -> None:
    """A target that fails is seen failing though its exchange is fine; who was not called has no health."""
    (tmp_path / "dragoman.toml").write_text(ROUTES)
    plot = read({"default": {}, "rules": [{"match": {"model": "first"}, "then": {"error": {"status": 429}}}]})

    async def play() -> None:
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url, API_KEYS="right") as gate:
            key = {"authorization": "Bearer right"}
            for _ in range(3):
                answer = await ask(gate.port, post("/v1/chat/completions", chat(model="fast"), key))
                assert answer.status == 200
            await gate.rows(3)
            found = {one["name"]: one for one in (await told(gate, "/admin/providers"))["providers"]}
            first, second = found["sim-openai_chat"]["health"], found["sim-anthropic"]["health"]
            assert (first["calls"], first["failed"]) == (3, 3)
            assert first["failures"] == [{"failure": "rate_limited", "calls": 3}]
            assert (second["calls"], second["failed"]) == (3, 0)
            assert second["p50_first_event_ms"] > 0
            assert sum(hour["calls"] for hour in second["hours"]) == 3
            openai = found["openai"]
            assert (openai["ready"], openai["missing"], openai["health"]) == (
                False,
                "set OPENAI_API_KEY",
                None,
            )
            assert openai["models"] > 10
            names = list(found)
            assert set(names[:2]) == {"sim-openai_chat", "sim-anthropic"}

    asyncio.run(play())


def test_a_route_says_whom_it_would_ask(tmp_path: Path) -> None:
    """The first that can be asked is chosen, and what keeps the others from it is said."""
    (tmp_path / "dragoman.toml").write_text(ROUTES)

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, API_KEYS="right") as gate:
            found = {one["name"]: one for one in (await told(gate, "/admin/routes"))["routes"]}
            assert list(found) == ["fast", "nobody", "mine"]
            assert found["fast"]["chosen"] == "sim-openai_chat/first"
            assert found["fast"]["why"] == "openai cannot be asked (set OPENAI_API_KEY); 1 more behind it"
            assert [one["missing"] for one in found["fast"]["targets"]] == ["set OPENAI_API_KEY", None, None]
            assert found["nobody"]["chosen"] is None
            assert found["nobody"]["why"] == "nobody can be asked: set OPENAI_API_KEY"
            assert found["mine"]["why"] == "it is the first in the route's order"

    asyncio.run(play())
