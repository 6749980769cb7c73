"""The official Anthropic SDK against the gateway, before providers of every dialect."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import anthropic
import pytest
from tests.house import House, house

from dragoman.simulator import Simulator
from dragoman.simulator.script import read

TOOL = {
    "name": "weather",
    "description": "Say the weather.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
        "required": ["city", "days"],
        "additionalProperties": False,
    },
}
HI: list[Any] = [{"role": "user", "content": "Hi"}]


WHOLE_CALLS = ("sim-gemini/m", "sim-ollama/m")
"""Whose dialect has a tool call whole, in one frame."""

FAULTY: list[Any] = [{"role": "user", "content": 5}]


def client(gate: House, **options: Any) -> anthropic.AsyncAnthropic:
    """Return the SDK's client, pointed at the gateway."""
    return anthropic.AsyncAnthropic(base_url=gate.url, max_retries=0, **{"api_key": "any", **options})


def test_text_and_usage(tmp_path: Path, target: str) -> None:
    """A whole answer: its words, its reason to stop, and the tokens."""

    async def play() -> None:
        plot = read({"default": {"text": "Hello there.", "counts": {"input": 9, "output": 4}}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            got = await sdk.messages.create(
                model=target, max_tokens=50, system="Be brief.", messages=HI, stop_sequences=["END"]
            )
            assert [block.text for block in got.content if block.type == "text"] == ["Hello there."]
            assert got.stop_reason == "end_turn"
            assert (got.usage.input_tokens, got.usage.output_tokens) == (9, 4)
            [row] = await gate.rows(1)
            assert (row.meters.input, row.meters.output) == (9, 4)

    asyncio.run(play())


def test_streamed_text_and_usage(tmp_path: Path, target: str) -> None:
    """Piece by piece; the final message has the usage."""

    async def play() -> None:
        plot = read({"default": {"text": "one two three four", "counts": {"input": 9, "output": 4}}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            async with sdk.messages.stream(model=target, max_tokens=50, messages=HI) as stream:
                pieces = [piece async for piece in stream.text_stream]
                final = await stream.get_final_message()
            assert "".join(pieces) == "one two three four"
            assert len(pieces) > 1
            assert final.stop_reason == "end_turn"
            assert (final.usage.input_tokens, final.usage.output_tokens) == (9, 4)

    asyncio.run(play())


@pytest.mark.parametrize("stream", [False, True])
def test_thinking(tmp_path: Path, target: str, *, stream: bool) -> None:
    """Thinking arrives as thinking blocks, before the text."""

    async def play() -> None:
        plot = read({"default": {"text": "Done.", "thinking": "always"}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            asked: dict[str, Any] = {
                "model": target,
                "max_tokens": 4000,
                "thinking": {"type": "enabled", "budget_tokens": 2000},
                "messages": HI,
            }
            if stream:
                async with sdk.messages.stream(**asked) as events:
                    got = await events.get_final_message()
            else:
                got = await sdk.messages.create(**asked)
            first, *_, last = got.content
            assert first.type == "thinking"
            assert first.thinking
            assert last.type == "text"
            assert last.text == "Done."

    asyncio.run(play())


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_loop(tmp_path: Path, target: str, *, stream: bool) -> None:
    """Two parallel calls, arguments in pieces, results in one turn, then an answer."""

    async def play() -> None:
        plot = read({"default": {"calls": 2, "text": "Sunny.", "chunk_size": 4}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            asked: dict[str, Any] = {"model": target, "max_tokens": 500, "tools": [TOOL]}
            messages: list[Any] = [{"role": "user", "content": "use the tool"}]
            if stream:
                async with sdk.messages.stream(**asked, messages=messages) as events:
                    kinds = [event.type async for event in events]
                    got = await events.get_final_message()
                assert kinds.count("input_json") > 4 or target in WHOLE_CALLS, "arguments come in pieces"
            else:
                got = await sdk.messages.create(**asked, messages=messages)
            calls = [block for block in got.content if block.type == "tool_use"]
            assert got.stop_reason == "tool_use"
            assert len({call.id for call in calls}) == 2
            for call in calls:
                assert isinstance(call.input["city"], str)
                assert isinstance(call.input["days"], int)
            results = [
                {"type": "tool_result", "tool_use_id": call.id, "content": f"sun {call.id}"} for call in calls
            ]
            messages += [{"role": "assistant", "content": got.content}, {"role": "user", "content": results}]
            final = await sdk.messages.create(**asked, messages=messages)
            assert [block.text for block in final.content if block.type == "text"] == ["Sunny."]
            sent = json.dumps(sim.journal.entries[-1].body)
            assert all(f"sun {call.id}" in sent for call in calls)

    asyncio.run(play())


def test_structured_output(tmp_path: Path, target: str) -> None:
    """A JSON schema shapes the text."""

    async def play() -> None:
        schema = {
            "type": "object",
            "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
            "required": ["name", "people"],
            "additionalProperties": False,
        }
        async with Simulator() as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            got = await sdk.messages.create(
                model=target,
                max_tokens=100,
                messages=HI,
                output_config={"format": {"type": "json_schema", "schema": schema}},
            )
            [text] = [block.text for block in got.content if block.type == "text"]
            assert set(json.loads(text)) == {"name", "people"}

    asyncio.run(play())


def test_images_arrive(tmp_path: Path, target: str) -> None:
    """A base64 image reaches the provider in its own words."""

    async def play() -> None:
        dot = (
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGD4DwABBAEAX+XDSwAAAABJRU5ErkJggg=="
        )
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": dot}}
        async with Simulator() as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            messages: list[Any] = [{"role": "user", "content": [image, {"type": "text", "text": "what?"}]}]
            await sdk.messages.create(
                model=target,
                max_tokens=100,
                messages=messages,
            )
            assert dot in json.dumps(sim.journal.entries[-1].body)

    asyncio.run(play())


def test_counting(tmp_path: Path, target: str) -> None:
    """count_tokens answers a number for every target."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            counted = await sdk.messages.count_tokens(model=target, messages=HI)
            assert counted.input_tokens > 0

    asyncio.run(play())


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ({"status": 400, "message": "no such thing"}, anthropic.BadRequestError),
        ({"status": 429, "retry_after_s": 2}, anthropic.RateLimitError),
        ({"status": 500}, anthropic.InternalServerError),
        ({"status": 529}, anthropic.InternalServerError),
        ({"status": 401}, anthropic.InternalServerError),
    ],
    ids=["400", "429", "500", "529", "401 of ours"],
)
def test_errors_are_the_sdks_own(
    tmp_path: Path, target: str, error: dict[str, Any], raised: type[anthropic.APIStatusError]
) -> None:
    """Each provider error becomes the SDK's exception for it; our key's trouble is a server error."""

    async def play() -> None:
        plot = read({"default": {"error": error}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            with pytest.raises(raised) as caught:
                await sdk.messages.create(model=target, max_tokens=10, messages=HI)
            assert caught.value.request_id
            if error["status"] == 429:
                assert caught.value.response.headers["retry-after"] == "2"

    asyncio.run(play())


def test_our_own_refusals_are_the_sdks_own(tmp_path: Path) -> None:
    """An unknown model, a wrong key in either header, and a malformed message."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, API_KEYS="right") as gate:
            async with client(gate) as sdk:
                with pytest.raises(anthropic.AuthenticationError):
                    await sdk.messages.create(model="x", max_tokens=1, messages=HI)
            for way in ({"api_key": "right"}, {"api_key": None, "auth_token": "right"}):
                async with client(gate, **way) as sdk:
                    with pytest.raises(anthropic.NotFoundError):
                        await sdk.messages.create(model="none", max_tokens=1, messages=HI)
                    with pytest.raises(anthropic.BadRequestError) as caught:
                        await sdk.messages.create(
                            model="sim-anthropic/m",
                            max_tokens=1,
                            messages=FAULTY,
                        )
                    assert "messages.0.content" in str(caught.value)
                    assert [model.id async for model in sdk.models.list()] == []

    asyncio.run(play())


def test_an_error_in_mid_stream_raises(tmp_path: Path, target: str) -> None:
    """The SDK sees an error, not a short answer."""

    async def play() -> None:
        plot = read({"default": {"tokens": 20, "error": {"status": 503, "at_frame": 8}}})
        async with (
            Simulator(script=plot) as sim,
            house(tmp_path, sim.url) as gate,
            client(gate) as sdk,
            sdk.messages.stream(model=target, max_tokens=10, messages=HI) as stream,
        ):
            with pytest.raises(anthropic.APIStatusError):
                await stream.until_done()

    asyncio.run(play())
