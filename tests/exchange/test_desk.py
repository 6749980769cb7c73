"""Surfaces through the line: their doors tell what the gateway did, the ledger says the same."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.house import House, ask, chat, house, post

from dragoman.simulator import Simulator
from dragoman.simulator.script import read


def plot(*rules: dict[str, Any], **default: Any) -> Any:
    """Return a simulator's script."""
    return read({"default": default, "rules": list(rules)})


def providers(url: str, *names: str) -> str:
    """Return providers' tables, as JSON: each asks the simulator."""
    roots = {"groq": "/v1", "gemini": "/v1beta", "openai": "/v1", "cohere": "/v2"}
    return json.dumps({name: {"base_url": url + roots[name], "key": "k"} for name in names})


async def prompt(gate: House, model: str, **more: Any) -> Any:
    """Ask the prompt surface; return its answer."""
    return (await ask(gate.port, post(f"/chat?model={model}", {"prompt": "hello", **more}))).json


def test_the_prompt_surface_tells_what_the_ledger_says(tmp_path: Path) -> None:
    """Id, provider, tokens and cost are the exchange's own."""

    async def play() -> None:
        async with Simulator(script=plot(text="Paris.")) as sim:
            rows = providers(sim.url, "groq")
            async with house(tmp_path, sim.url, DRAGOMAN_PROVIDERS=rows) as gate:
                told = await prompt(gate, "llama-3.1-8b-instant")
                assert told["response_text"] == "Paris."
                assert told["provider"] == "groq"
                assert (told["requested_model"], told["fallback_used"]) == ("llama-3.1-8b-instant", False)
                [row] = await gate.rows(1)
                assert (row.id, row.dialect, row.provider) == (told["prompt_id"], "prompt", "groq")
                assert row.meters.cost_micros is not None
                assert told["cost_usd"] == row.meters.cost_micros / 1e6
                assert told["token_count"] == row.meters.input + row.meters.output
                assert (row.counted, row.fallback, row.cached) == ("provider", False, False)

    asyncio.run(play())


def test_without_its_providers_key_another_model_answers_and_says_so(tmp_path: Path) -> None:
    """GROQ_API_KEY unset: Gemini's default serves a Groq model, and both client and ledger are told."""

    async def play() -> None:
        async with Simulator() as sim:
            rows = providers(sim.url, "gemini")
            async with house(tmp_path, "", DRAGOMAN_PROVIDERS=rows) as gate:
                told = await prompt(gate, "llama-3.3-70b-versatile")
                assert (told["fallback_used"], told["provider"]) == (True, "gemini")
                assert told["model_used"] == "gemini-2.5-flash"
                assert "GROQ_API_KEY" in told["error_message"]
                [row] = await gate.rows(1)
                assert (row.fallback, row.model) == (True, "llama-3.3-70b-versatile")
                assert row.answered_model == "gemini-2.5-flash"

    asyncio.run(play())


@pytest.mark.parametrize(
    ("failing", "answers"),
    [(("llama-3.3-70b-versatile",), "llama-3.1-8b-instant"), (("llama-*",), "gemini-2.5-flash")],
)
def test_a_model_that_fails_is_stood_in_for(tmp_path: Path, failing: tuple[str, ...], answers: str) -> None:
    """First by its provider's default, then by the other's; the reason is what the model itself said."""
    rules = [{"match": {"model": name}, "then": {"error": {"status": 429}}} for name in failing]

    async def play() -> None:
        async with Simulator(script=plot(*rules)) as sim:
            rows = providers(sim.url, "groq", "gemini")
            async with house(tmp_path, "", DRAGOMAN_PROVIDERS=rows) as gate:
                told = await prompt(gate, "llama-3.3-70b-versatile")
                assert (told["fallback_used"], told["model_used"]) == (True, answers)
                assert "simulated" in told["error_message"]

    asyncio.run(play())


def test_when_nobody_answers_the_client_hears_of_the_model_it_asked_for(tmp_path: Path) -> None:
    """What stood in for it failed too, in another way: that is not the client's business."""
    rules = [
        {"match": {"model": "gemini-2.5-pro"}, "then": {"error": {"status": 429, "retry_after_s": 7}}},
        {"match": {"model": "*"}, "then": {"error": {"status": 401}}},
    ]

    async def play() -> None:
        async with Simulator(script=plot(*rules)) as sim:
            rows = providers(sim.url, "groq", "gemini")
            async with house(tmp_path, "", DRAGOMAN_PROVIDERS=rows) as gate:
                got = await ask(gate.port, post("/chat?model=gemini-2.5-pro", {"prompt": "hello"}))
                assert (got.status, got.headers["retry-after"]) == (429, "7")
                [row] = await gate.rows(1)
                assert (row.state, row.attempts, row.fallback) == ("failed", 3, False)

    asyncio.run(play())


def test_a_client_chooses_its_provider_in_the_body_or_a_header(tmp_path: Path) -> None:
    """Nobody else is asked; a provider that is not there is a 400 that says which are."""

    async def play() -> None:
        async with Simulator() as sim:
            rows = providers(sim.url, "groq", "openai")
            async with house(tmp_path, "", DRAGOMAN_PROVIDERS=rows) as gate:
                body = chat(model="some/model:free", provider="groq")
                got = await ask(gate.port, post("/v1/chat/completions", body))
                assert got.json["provider"] == got.headers["x-dragoman-provider"] == "groq"
                assert got.json["latency_ms"] > 0
                header = {"x-dragoman-provider": "openai"}
                got = await ask(gate.port, post("/v1/chat/completions", chat(model="m"), header))
                assert got.headers["x-dragoman-provider"] == "openai"
                got = await ask(gate.port, post("/v1/chat/stream", chat(model="m", provider="nobody")))
                assert got.status == 400
                assert "there are groq, openai" in got.json["error"]["message"]
                assert got.json["error"]["param"] == "$.provider"

    asyncio.run(play())


def test_a_limited_key_is_told_how_it_stands_and_then_to_wait(tmp_path: Path) -> None:
    """MAX_REQUESTS_PER_MINUTE holds for every key that has no limit of its own."""
    (tmp_path / "dragoman.toml").write_text('[keys.free]\nvalue = "sk-free"\nrequests_per_minute = 0\n')

    async def play() -> None:
        async with Simulator() as sim:
            limits = {"API_KEYS": "sk-a", "MAX_REQUESTS_PER_MINUTE": "2"}
            async with house(tmp_path, sim.url, **limits) as gate:
                key = {"authorization": "Bearer sk-a"}
                told = [await ask(gate.port, post("/v1/chat/completions", chat(), key)) for _ in range(3)]
                assert [got.status for got in told] == [200, 200, 429]
                assert [got.headers["x-ratelimit-remaining"] for got in told] == ["1", "0", "0"]
                assert told[0].headers["x-ratelimit-limit-requests"] == "2"
                assert 0 < int(told[2].headers["retry-after"]) <= 30
                assert told[2].json["error"]["code"] == "rate_limit_exceeded"
                free = {"authorization": "Bearer sk-free"}
                got = await ask(gate.port, post("/v1/chat/completions", chat(), free))
                assert "x-ratelimit-limit" not in got.headers
                assert [row.status for row in await gate.rows(4)] == [200, 200, 429, 200]
                assert not gate.gateway.services.under_way

    asyncio.run(play())
