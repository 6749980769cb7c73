"""The official SDKs against the gateway before the real embedded model."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import anthropic
import openai
import pytest
from tests.house import House, ask, house, post

from dragoman.providers.local import LocalModel, LocalSpec
from dragoman.simulator import Simulator

MODEL = "smollm2-135m"
SAY = "Say hello in one short sentence."
REAL = {"DRAGOMAN_LOCAL_ENABLED": "true", "DRAGOMAN_LOCAL_THREADS": "1"}
"""With one thread: two that compute wait for each other by spinning, and beside other tests for long."""

pytestmark = pytest.mark.skipif(
    not LocalModel.available(LocalSpec()), reason=f"no real model: {LocalModel.why_not(LocalSpec())}"
)


def test_every_way_of_asking_gets_real_text_usage_and_a_row(tmp_path: Path) -> None:
    """Two SDKs, streamed and whole: words, tokens that the ledger has too, and what was done in headers."""

    async def by_openai(gate: House) -> list[tuple[int, int]]:
        async with openai.AsyncOpenAI(base_url=f"{gate.url}/v1", api_key="any") as sdk:
            got = await sdk.chat.completions.with_raw_response.create(
                model=MODEL, max_tokens=20, messages=[{"role": "user", "content": SAY}]
            )
            assert got.headers["x-dragoman-provider"] == "local"
            whole = got.parse()
            assert whole.choices[0].message.content
            stream = await sdk.chat.completions.create(
                model=MODEL,
                max_tokens=20,
                messages=[{"role": "user", "content": SAY}],
                stream=True,
                stream_options={"include_usage": True},
            )
            chunks = [chunk async for chunk in stream]
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            usages = [whole.usage, chunks[-1].usage]
            assert all(usages)
            return [(usage.prompt_tokens, usage.completion_tokens) for usage in usages if usage]

    async def by_anthropic(gate: House) -> list[tuple[int, int]]:
        async with anthropic.AsyncAnthropic(base_url=gate.url, api_key="any") as sdk:
            whole = await sdk.messages.create(
                model=MODEL, max_tokens=20, messages=[{"role": "user", "content": SAY}]
            )
            async with sdk.messages.stream(
                model=MODEL, max_tokens=20, messages=[{"role": "user", "content": SAY}]
            ) as stream:
                pieces = [piece async for piece in stream.text_stream]
                final = await stream.get_final_message()
            assert "".join(pieces)
            assert [block.type for block in whole.content] == ["text"]
            return [
                (
                    told.usage.input_tokens + (told.usage.cache_read_input_tokens or 0),
                    told.usage.output_tokens,
                )
                for told in (whole, final)
            ]

    async def play() -> None:
        async with house(tmp_path, **REAL) as gate:
            told = await by_openai(gate) + await by_anthropic(gate)
            rows = await gate.rows(4)
            assert [row.state for row in rows] == ["settled"] * 4
            booked = [(row.meters.input + row.meters.cache_read, row.meters.output) for row in rows]
            assert booked == told
            assert all(0 < wrote <= 20 for _, wrote in booked)
            assert {row.meters.cost_micros for row in rows} == {0}, "what runs here costs nothing"

    asyncio.run(asyncio.wait_for(play(), 120))


def test_a_real_answer_is_held_to_a_schema(tmp_path: Path) -> None:
    """Asked in Anthropic's words, held by llama.cpp's grammar."""
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
        "additionalProperties": False,
    }

    async def play() -> None:
        async with house(tmp_path, **REAL) as gate:
            body = {
                "model": MODEL,
                "max_tokens": 60,
                "messages": [{"role": "user", "content": "Name a city as JSON."}],
                "output_config": {"format": {"type": "json_schema", "schema": schema}},
            }
            got = await ask(gate.port, post("/v1/messages", body))
            assert got.status == 200
            assert set(json.loads(got.json["content"][0]["text"])) == {"city"}

    asyncio.run(asyncio.wait_for(play(), 120))


def test_the_real_model_stands_in_for_a_provider_that_fails(tmp_path: Path) -> None:
    """A route falls back to the embedded model."""
    (tmp_path / "dragoman.toml").write_text(
        f'[routes.safe]\ntargets = ["sim-anthropic/x", "local/{MODEL}"]\n'
    )

    async def play() -> None:
        async with Simulator() as gone:
            url = gone.url
        async with house(tmp_path, url, **REAL) as gate:
            body = {"model": "safe", "max_tokens": 5, "messages": [{"role": "user", "content": SAY}]}
            got = await ask(gate.port, post("/v1/messages", body))
            assert got.status == 200
            assert got.headers["x-dragoman-provider"] == "local"
            [row] = await gate.rows(1)
            assert row.attempts == 2

    asyncio.run(asyncio.wait_for(play(), 120))
