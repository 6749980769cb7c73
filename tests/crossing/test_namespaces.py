"""A client's namespaces of tools before providers that know none: end to end, whole and streamed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.house import Answer, House, ask, house, post

from dragoman.dialects.catalog import DIALECTS
from dragoman.simulator import Simulator
from dragoman.simulator.script import read

SPAWN = {
    "type": "function",
    "name": "spawn_agent",
    "description": "Spawn a sub-agent.",
    "strict": False,
    "parameters": {"type": "object", "properties": {"task": {"type": "string"}}, "required": ["task"]},
}
WAIT = {"type": "function", "name": "wait", "parameters": {"type": "object", "properties": {}}}
AGENTS = {"type": "namespace", "name": "agents", "description": "Sub-agents.", "tools": [SPAWN, WAIT]}
CALL = {"name": "agents__spawn_agent", "arguments": {"task": "look"}}
ABROAD = sorted(DIALECTS.keys() - {"openai_responses"})


def play(folder: Path, scene: Callable[[House, Simulator], Awaitable[None]]) -> None:
    """Run a scene whose provider calls a tool of the namespace once, and says what it answered."""

    async def run() -> None:
        plot = read({"default": {"tokens": 4, "call": [CALL], "echo": "tool"}})
        async with Simulator(script=plot) as sim, house(folder, sim.url) as gate:
            await scene(gate, sim)

    asyncio.run(run())


def output(got: Answer, *, stream: bool) -> list[dict[str, Any]]:
    """Return the items of an answer; of a stream, those that its events tell one by one."""
    assert got.status == 200, got.body
    if not stream:
        items: list[dict[str, Any]] = got.json["output"]
        return items
    told = [json.loads(frame) for frame in got.frames]
    items = [value["item"] for value in told if value["type"] == "response.output_item.done"]
    assert told[-1]["response"]["output"] == items
    return items


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", ABROAD)
def test_a_namespaces_tool_is_called_abroad(tmp_path: Path, dialect: str, *, stream: bool) -> None:
    """The provider knows it by one name, the client by two; the result finds its call, nothing is lost."""

    async def scene(gate: House, sim: Simulator) -> None:
        start = [{"role": "user", "content": "Have somebody look."}]
        body = {"model": f"sim-{dialect}/m", "tools": [AGENTS], "stream": stream}
        got = await ask(gate.port, post("/v1/responses", {**body, "input": start}))
        (call,) = output(got, stream=stream)
        assert (call["type"], call["name"], call["namespace"]) == ("function_call", "spawn_agent", "agents")
        assert json.loads(call["arguments"]) == {"task": "look"}
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "seen"}
        got = await ask(gate.port, post("/v1/responses", {**body, "input": [*start, call, result]}))
        (said,) = output(got, stream=stream)
        assert said["content"][0]["text"] == "seen"
        first, second = (json.dumps(entry.body) for entry in sim.journal.entries)
        assert "agents__spawn_agent" in first
        assert "agents__wait" in first
        assert "agents: Sub-agents." in first
        assert second.count("agents__spawn_agent") >= 2, "offered, and called in the history"
        opened, answered = await gate.rows(2)
        assert opened.losses == ()
        # Gemini wants calls in the history signed, whoever made them.
        assert answered.losses == (("emulated:messages.signature",) if dialect == "gemini" else ())

    play(tmp_path, scene)


def test_a_remembered_call_is_answered_abroad(tmp_path: Path) -> None:
    """A turn that continues a stored answer names only the call; the provider sees it by its one name."""

    async def scene(gate: House, sim: Simulator) -> None:
        body = {"model": "sim-anthropic/m", "tools": [AGENTS], "store": True}
        got = await ask(gate.port, post("/v1/responses", {**body, "input": "Have somebody look."}))
        (call,) = output(got, stream=False)
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "seen"}
        more = {**body, "previous_response_id": got.json["id"], "input": [result]}
        (said,) = output(await ask(gate.port, post("/v1/responses", more)), stream=False)
        assert said["content"][0]["text"] == "seen"
        uses = [block for turn in sim.journal[1].body["messages"] for block in turn["content"]]
        assert [block["name"] for block in uses if block["type"] == "tool_use"] == ["agents__spawn_agent"]

    play(tmp_path, scene)


def test_a_namespace_goes_home_as_it_came(tmp_path: Path) -> None:
    """A provider of the same protocol is offered the namespace itself."""

    async def scene(gate: House, sim: Simulator) -> None:
        body = {"model": "sim-openai_responses/m", "tools": [AGENTS], "input": "Hi"}
        got = await ask(gate.port, post("/v1/responses", body))
        assert got.status == 200
        assert sim.journal[0].body["tools"] == [AGENTS]
        assert got.json["tools"] == [AGENTS]

    play(tmp_path, scene)
