"""The official OpenAI SDK against the gateway, before providers of every dialect."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pydantic
import pytest
from tests.house import House, house

from dragoman.simulator import Simulator
from dragoman.simulator.script import read

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Say the weather.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}


WHOLE_CALLS = ("sim-gemini/m", "sim-ollama/m")
"""Whose dialect has a tool call whole, in one frame."""

FAULTY: list[Any] = [{"role": "user", "content": 5}]


def client(gate: House, **options: Any) -> openai.AsyncOpenAI:
    """Return the SDK's client, pointed at the gateway."""
    return openai.AsyncOpenAI(base_url=f"{gate.url}/v1", api_key="any", max_retries=0, **options)


def test_text_and_usage(tmp_path: Path, target: str) -> None:
    """A whole answer: its words, its reason to stop, and the tokens."""

    async def play() -> None:
        plot = read({"default": {"text": "Hello there.", "counts": {"input": 9, "output": 4}}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            got = await sdk.chat.completions.create(
                model=target,
                messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
                temperature=0.5,
                max_completion_tokens=50,
            )
            assert got.choices[0].message.content == "Hello there."
            assert got.choices[0].finish_reason == "stop"
            assert got.usage is not None
            assert (got.usage.prompt_tokens, got.usage.completion_tokens) == (9, 4)
            [row] = await gate.rows(1)
            assert (row.meters.input, row.meters.output) == (9, 4)

    asyncio.run(play())


def test_streamed_text_and_usage(tmp_path: Path, target: str) -> None:
    """Piece by piece, with usage in the last chunk because it was asked for."""

    async def play() -> None:
        plot = read({"default": {"text": "one two three four", "counts": {"input": 9, "output": 4}}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            pieces, usage, finish = [], None, None
            stream = await sdk.chat.completions.create(
                model=target,
                messages=[{"role": "user", "content": "Hi"}],
                stream=True,
                stream_options={"include_usage": True},
            )
            async for chunk in stream:
                usage = chunk.usage or usage
                for choice in chunk.choices:
                    pieces.append(choice.delta.content or "")
                    finish = choice.finish_reason or finish
            assert "".join(pieces) == "one two three four"
            assert sum(bool(piece) for piece in pieces) > 1
            assert finish == "stop"
            assert usage is not None
            assert (usage.prompt_tokens, usage.completion_tokens) == (9, 4)

    asyncio.run(play())


def test_a_stream_without_asking_has_no_usage_chunk(tmp_path: Path, target: str) -> None:
    """The gateway asks the provider for usage all the same: the ledger has it."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            stream = await sdk.chat.completions.create(
                model=target, messages=[{"role": "user", "content": "Hi"}], stream=True
            )
            chunks = [chunk async for chunk in stream]
            assert chunks
            assert all(chunk.usage is None and chunk.choices for chunk in chunks)
            [row] = await gate.rows(1)
            assert row.meters.output > 0
            assert not row.meters.estimated

    asyncio.run(play())


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_loop(tmp_path: Path, target: str, *, stream: bool) -> None:
    """Two parallel calls with arguments valid against the schema, results sent back, then an answer."""

    async def play() -> None:
        plot = read({"default": {"calls": 2, "text": "Sunny.", "chunk_size": 4}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            messages: list[Any] = [{"role": "user", "content": "use the tool"}]
            if stream:
                async with sdk.chat.completions.stream(
                    model=target,
                    messages=messages,
                    tools=[TOOL],  # type: ignore[list-item]  # a plain dict is what most callers send
                ) as events:
                    fragments = [
                        event.arguments_delta
                        async for event in events
                        if event.type == "tool_calls.function.arguments.delta"
                    ]
                    got: Any = await events.get_final_completion()
                assert len(fragments) > 4 or target in WHOLE_CALLS, "arguments come in pieces"
            else:
                got = await sdk.chat.completions.create(
                    model=target,
                    messages=messages,
                    tools=[TOOL],  # type: ignore[list-item]  # a plain dict is what most callers send
                )
            choice = got.choices[0]
            assert choice.finish_reason == "tool_calls"
            calls = choice.message.tool_calls
            assert len({call.id for call in calls}) == 2
            for call in calls:
                assert call.function.name == "weather"
                arguments = json.loads(call.function.arguments)
                assert isinstance(arguments["city"], str)
                assert arguments["days"] >= 1
            messages.append(choice.message.model_dump(exclude_none=True))
            messages += [
                {"role": "tool", "tool_call_id": call.id, "content": f"sun {call.id}"} for call in calls
            ]
            final = await sdk.chat.completions.create(
                model=target,
                messages=messages,
                tools=[TOOL],  # type: ignore[list-item]  # a plain dict is what most callers send
            )
            assert final.choices[0].message.content == "Sunny."
            sent = json.dumps(sim.journal.entries[-1].body)
            assert all(f"sun {call.id}" in sent for call in calls)

    asyncio.run(play())


class City(pydantic.BaseModel):
    """What the structured answer has to be."""

    name: str
    people: int


def test_structured_output(tmp_path: Path, target: str) -> None:
    """The SDK's parse() gets an object of the given type."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            got = await sdk.chat.completions.parse(
                model=target,
                messages=[{"role": "user", "content": "a city"}],
                response_format=City,
            )
            assert isinstance(got.choices[0].message.parsed, City)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ({"status": 400, "message": "no such thing"}, openai.BadRequestError),
        ({"status": 429, "retry_after_s": 2}, openai.RateLimitError),
        ({"status": 500}, openai.InternalServerError),
        ({"status": 529}, openai.InternalServerError),
        ({"status": 401}, openai.InternalServerError),
    ],
    ids=["400", "429", "500", "529", "401 of ours"],
)
def test_errors_are_the_sdks_own(
    tmp_path: Path, target: str, error: dict[str, Any], raised: type[openai.APIStatusError]
) -> None:
    """Each provider error becomes the SDK's exception for it; our key's trouble is a server error."""

    async def play() -> None:
        plot = read({"default": {"error": error}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            with pytest.raises(raised) as caught:
                await sdk.chat.completions.create(model=target, messages=[{"role": "user", "content": "Hi"}])
            assert caught.value.request_id
            if error["status"] == 429:
                assert caught.value.response.headers["retry-after"] == "2"

    asyncio.run(play())


def test_our_own_refusals_are_the_sdks_own(tmp_path: Path) -> None:
    """An unknown model, a wrong key and a malformed message."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, API_KEYS="right") as gate:
            async with client(gate) as sdk:
                with pytest.raises(openai.AuthenticationError):
                    await sdk.models.list()
            async with client(gate).with_options(api_key="right") as sdk:
                with pytest.raises(openai.NotFoundError):
                    await sdk.chat.completions.create(
                        model="none", messages=[{"role": "user", "content": "Hi"}]
                    )
                with pytest.raises(openai.BadRequestError) as caught:
                    await sdk.chat.completions.create(
                        model="sim-openai_chat/m",
                        messages=FAULTY,
                    )
                assert caught.value.param == "$.messages[0].content"
                assert [model.id async for model in sdk.models.list()] == []

    asyncio.run(play())


def test_an_error_in_mid_stream_raises(tmp_path: Path, target: str) -> None:
    """The SDK sees an APIError, not a short answer."""

    async def play() -> None:
        plot = read({"default": {"tokens": 20, "error": {"status": 503, "at_frame": 8}}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            stream = await sdk.chat.completions.create(
                model=target, messages=[{"role": "user", "content": "Hi"}], stream=True
            )
            with pytest.raises(openai.APIError):
                async for _ in stream:
                    pass

    asyncio.run(play())
