"""The official OpenAI SDK's Responses API, with all it expects a server to remember, before every dialect."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.house import House, house

from dragoman.simulator import Simulator
from dragoman.simulator.script import read

TOOL: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


def client(gate: House, key: str = "any") -> openai.AsyncOpenAI:
    """Return the SDK's client, pointed at the gateway."""
    return openai.AsyncOpenAI(base_url=f"{gate.url}/v1", api_key=key, max_retries=0)


def test_a_conversation_of_three_turns(tmp_path: Path, target: str) -> None:
    """Each turn names the one before; the provider hears everything but earlier instructions."""

    async def play() -> None:
        plot = read({"default": {"text": "Hello there."}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            first = await sdk.responses.create(model=target, input="I am Ada.", instructions="Be brief.")
            second = await sdk.responses.create(
                model=target,
                input=[{"role": "user", "content": [{"type": "input_text", "text": "I like tea."}]}],
                previous_response_id=first.id,
            )
            async with sdk.responses.stream(
                model=target, input="Who am I?", previous_response_id=second.id
            ) as stream:
                kinds = [event.type async for event in stream]
                third = await stream.get_final_response()
            assert kinds[0] == "response.created"
            assert third.previous_response_id == second.id
            assert third.to_dict()["store"] is True
            heard = json.dumps(sim.journal[-1].body)
            places = [
                heard.index(words) for words in ("I am Ada.", "Hello there.", "I like tea.", "Who am I?")
            ]
            assert places == sorted(places)
            assert heard.count("Hello there.") == 2
            assert "Be brief." not in heard
            again = await sdk.responses.retrieve(third.id)
            assert (again.output_text, again.usage) == (third.output_text, third.usage)

    asyncio.run(play())


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_answered_by_naming_the_call(tmp_path: Path, target: str, *, stream: bool) -> None:
    """The follow-up sends the tool's result alone; the call it answers is remembered."""

    async def play() -> None:
        plot = read({"default": {"calls": 1, "text": "Sunny."}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            asked: dict[str, Any] = {"model": target, "input": "Use the tool.", "tools": [TOOL]}
            if stream:
                async with sdk.responses.stream(**asked) as events:
                    first: Any = await events.get_final_response()
            else:
                first = await sdk.responses.create(**asked)
            [call] = [item for item in first.output if item.type == "function_call"]
            final = await sdk.responses.create(
                model=target,
                input=[{"type": "function_call_output", "call_id": call.call_id, "output": "sun in Oslo"}],
                tools=[TOOL],
                previous_response_id=first.id,
            )
            assert final.output_text == "Sunny."
            heard = json.dumps(sim.journal[-1].body)
            assert heard.index("Use the tool.") < heard.index("weather") < heard.index("sun in Oslo")

    asyncio.run(play())


def test_what_is_kept_is_listed_replayed_and_deleted(tmp_path: Path, target: str) -> None:
    """input_items page by page, retrieve as a stream from a number on, delete; then it is not found."""

    async def play() -> None:
        plot = read({"default": {"text": "Hello there."}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            first = await sdk.responses.create(model=target, input="one")
            second = await sdk.responses.create(model=target, input="two", previous_response_id=first.id)
            items: list[Any] = [
                item async for item in sdk.responses.input_items.list(second.id, limit=1, order="asc")
            ]
            assert [item.role for item in items] == ["user", "assistant", "user"]
            assert [item.content[0].text for item in items] == ["one", "Hello there.", "two"]
            events: list[Any] = [
                event async for event in await sdk.responses.retrieve(second.id, stream=True)
            ]
            assert events[-1].response.output_text == "Hello there."
            rest = [
                event.sequence_number
                async for event in await sdk.responses.retrieve(second.id, stream=True, starting_after=2)
            ]
            assert rest == [event.sequence_number for event in events[3:]]
            await sdk.responses.delete(first.id)
            with pytest.raises(openai.NotFoundError):
                await sdk.responses.retrieve(first.id)
            with pytest.raises(openai.BadRequestError) as caught:
                await sdk.responses.create(model=target, input="x", previous_response_id=first.id)
            assert caught.value.code == "previous_response_not_found"
            with pytest.raises(openai.BadRequestError):
                await sdk.responses.cancel(second.id)

    asyncio.run(play())


def test_in_the_background(tmp_path: Path, target: str) -> None:
    """One is polled until it is complete; another is cancelled, at the provider too."""

    async def play() -> None:
        hang = {"match": {"contains": "hang"}, "then": {"faults": [{"kind": "hang", "at_frame": 0}]}}
        plot = read({"default": {"text": "Hello there."}, "rules": [hang]})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate, client(gate) as sdk:
            made = await sdk.responses.create(model=target, input="Hi", background=True)
            assert made.status == "queued"
            while made.status in ("queued", "in_progress"):
                made = await sdk.responses.retrieve(made.id)
            assert (made.status, made.output_text) == ("completed", "Hello there.")
            hung = await sdk.responses.create(model=target, input="hang", background=True)
            await sim.journal.until(lambda journal: len(journal) == 2 and journal.open == 1)
            assert (await sdk.responses.retrieve(hung.id)).status == "in_progress"
            assert (await sdk.responses.cancel(hung.id)).status == "cancelled"
            await sim.journal.until(lambda journal: journal.open == 0)
            assert [row.state for row in await gate.rows(2)] == ["settled", "cancelled"]

    asyncio.run(play())


def test_another_keys_answers_do_not_exist(tmp_path: Path) -> None:
    """The same calls with another key are told that there is nothing."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, API_KEYS="anna,bert") as gate:
            async with client(gate, "anna") as sdk:
                mine = await sdk.responses.create(model="sim-anthropic/m", input="a secret")
            async with client(gate, "bert") as sdk:
                for ask in (sdk.responses.retrieve, sdk.responses.delete, sdk.responses.cancel):
                    with pytest.raises(openai.NotFoundError):
                        await ask(mine.id)
                with pytest.raises(openai.NotFoundError):
                    await sdk.responses.input_items.list(mine.id)
                with pytest.raises(openai.BadRequestError):
                    await sdk.responses.create(
                        model="sim-anthropic/m", input="what was it?", previous_response_id=mine.id
                    )

    asyncio.run(play())
