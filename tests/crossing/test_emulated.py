"""What a model cannot be held to, and its client gets all the same: end to end, whole and streamed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.house import Answer, House, ask, house, post

from dragoman.simulator import Simulator
from dragoman.simulator.script import read

MODELS = """
[models.unheld]
formats = []
offers = [
  { provider = "sim-anthropic", name = "claude" },
]
[models.unheld-gemini]
formats = []
offers = [{ provider = "sim-gemini", name = "older" }]
[models.unheld-chat]
formats = []
offers = [{ provider = "sim-openai_chat", name = "small" }]
[models.unstoppable]
lacks = ["stop"]
offers = [{ provider = "sim-openai_chat", name = "grok" }]
"""

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "sunny": {"type": "boolean"}},
    "required": ["city", "sunny"],
}
SHAPE = {"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA}}
QUESTION = [{"role": "user", "content": "How is the weather?"}]


def play(folder: Path, scene: Callable[[House, Simulator], Awaitable[None]], **default: Any) -> None:
    """Run a scene against a gateway that knows the models above."""

    async def run() -> None:
        (folder / "dragoman.toml").write_text(MODELS)
        plot = read({"default": default})
        async with Simulator(script=plot) as sim, house(folder, sim.url) as gate:
            await scene(gate, sim)

    asyncio.run(run())


def said(got: Answer, *, stream: bool) -> tuple[str, set[str]]:
    """Return the words of a chat answer, and why its choice ended."""
    assert got.status == 200, got.body
    if not stream:
        [choice] = got.json["choices"]
        assert not choice["message"].get("tool_calls")
        return choice["message"]["content"], {choice["finish_reason"]}
    assert got.frames[-1] == "[DONE]"
    choices = [choice for frame in got.frames[:-1] for choice in json.loads(frame)["choices"]]
    assert not any(choice["delta"].get("tool_calls") for choice in choices)
    words = "".join(choice["delta"].get("content") or "" for choice in choices)
    return words, {choice["finish_reason"] for choice in choices} - {None}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["unheld", "unheld-gemini", "unheld-chat"])
def test_a_tools_arguments_are_the_answer(tmp_path: Path, model: str, *, stream: bool) -> None:
    """The client sees JSON of its schema and nothing of the tool; the loss is declared and booked."""

    async def scene(gate: House, sim: Simulator) -> None:
        body = {"model": model, "messages": QUESTION, "response_format": SHAPE, "stream": stream}
        got = await ask(gate.port, post("/v1/chat/completions", body))
        words, reasons = said(got, stream=stream)
        assert json.loads(words).keys() == {"city", "sunny"}
        assert reasons == {"stop"}
        assert "emulated:format" in got.headers["x-dragoman-losses"]
        [row] = await gate.rows(1)
        assert row.state == "settled"
        [attempt] = await gate.attempts(row)
        assert attempt.meters.output > 0
        [sent] = sim.journal.entries
        assert "final_answer" in json.dumps(sent.body)

    play(tmp_path, scene, calls=2)


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_does_not_call_is_heard_as_it_spoke(tmp_path: Path, *, stream: bool) -> None:
    """Words that came instead of the call are not lost on the way."""

    async def scene(gate: House, _: Simulator) -> None:
        body = {"model": "unheld", "messages": QUESTION, "response_format": SHAPE, "stream": stream}
        got = await ask(gate.port, post("/v1/chat/completions", body))
        assert said(got, stream=stream) == ("I will not.", {"stop"})

    play(tmp_path, scene, text="I will not.", tool_calls="never")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["unstoppable", "sim-openai_responses/any"])
def test_the_gateway_stops_where_the_provider_does_not(tmp_path: Path, model: str, *, stream: bool) -> None:
    """The answer ends before the client's stop sequence, and says which one it was."""

    async def scene(gate: House, sim: Simulator) -> None:
        body = {
            "model": model,
            "max_tokens": 100,
            "messages": QUESTION,
            "stop_sequences": ["END"],
            "stream": stream,
        }
        got = await ask(gate.port, post("/v1/messages", body))
        assert got.status == 200, got.body
        assert "emulated:stop" in got.headers["x-dragoman-losses"]
        if stream:
            events = [json.loads(frame) for frame in got.frames]
            words = "".join(event["delta"].get("text", "") for event in events if "delta" in event)
            [ended] = [event["delta"] for event in events if event["type"] == "message_delta"]
        else:
            words, ended = got.json["content"][0]["text"], got.json
        assert words == "one two "
        assert (ended["stop_reason"], ended["stop_sequence"]) == ("stop_sequence", "END")
        [sent] = sim.journal.entries
        assert "END" not in json.dumps(sent.body)
        [row] = await gate.rows(1)
        [attempt] = await gate.attempts(row)
        assert attempt.meters.output > 0

    play(tmp_path, scene, text="one two END three", chunk_size=2)


def test_a_strict_client_is_refused_instead(tmp_path: Path) -> None:
    """Who wants no emulation is told that this model cannot be held to a schema."""

    async def scene(gate: House, sim: Simulator) -> None:
        body = {"model": "unheld", "messages": QUESTION, "response_format": SHAPE}
        headers = {"x-dragoman-strict": "1"}
        got = await ask(gate.port, post("/v1/chat/completions", body, headers))
        assert got.status == 400
        assert "emulated:format" in got.json["error"]["message"]
        assert sim.journal.totals.requests == 0

    play(tmp_path, scene)
