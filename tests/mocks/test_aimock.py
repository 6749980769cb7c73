"""A mock that others wrote stands behind the gateway: what we write is read by somebody else.

Our own simulator is made of our own codecs, so the two could agree on a mistake. aimock (npm
``@copilotkit/aimock``) speaks all six dialects by its own code. Its journal tells what it understood of each
request, in its own words, and what a client gets shows what the gateway understood of its answers. Its token
counts are mostly zero, and it is no judge of why an answer stops: neither is looked at beyond what it says
everywhere.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.house import House, ask, get, house, post

from dragoman.dialects.catalog import DIALECTS

HERE = Path(__file__).parent
PROGRAM = HERE / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"

GREETING = "Good morning, envoy: peace be upon both courts, said the dragoman. ☀"
FORECAST = "Take an umbrella: it will rain in Évora. ☂"
CITY = {"city": "Évora", "days": 3}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}

PATHS = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/mock:",
    "cohere": "/v2/chat",
    "ollama": "/api/chat",
}
"""Where each dialect's provider is asked; Gemini's path goes on with the method."""


def need() -> None:
    """Skip where aimock is not installed, and say so; where CI has npm, it has to be."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("aimock is not tried: there is no Node.js with npm")
    if not PROGRAM.exists():
        assert os.environ.get("CI") != "true", "npm is here and aimock is not: make peers"
        pytest.skip("aimock is not tried: it is not installed (make peers)")


@asynccontextmanager
async def aimock() -> AsyncIterator[int]:
    """Run aimock on a port of its own; it refuses what no fixture matches."""
    command = ["node", str(PROGRAM), "--port", "0", "--fixtures", str(HERE / "fixtures.json"), "--strict"]
    child = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
    try:
        assert child.stdout is not None
        said = ""
        while (found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", said)) is None:
            line = await child.stdout.readline()
            assert line, f"aimock did not start: {said}"
            said += line.decode()
        yield int(found[1])
    finally:
        child.kill()
        await child.communicate()


def configured(folder: Path, port: int) -> None:
    """Write a configuration with a provider of each dialect, all of them aimock."""
    tables = [
        f'[providers.mock-{name}]\ndialect = "{name}"\nbase_url = "http://127.0.0.1:{port}{dialect.root}"\n'
        f'key = "any"\n'
        for name, dialect in DIALECTS.items()
    ]
    (folder / "dragoman.toml").write_text("\n".join(tables))


class Chat:
    """A client of Chat Completions that only knows JSON."""

    def __init__(self, gate: House, model: str, *, stream: bool) -> None:
        self.gate = gate
        self.stream = stream
        self.asked: dict[str, Any] = {"model": model, "messages": [], "stream": stream}
        self.asked["tools"] = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]

    async def say(self, text: str) -> tuple[str, list[tuple[str, Any]]]:
        """Say something; return the words and the calls of the answer."""
        self.asked["messages"].append({"role": "user", "content": text})
        return await self._go()

    async def answer(self, text: str) -> tuple[str, list[tuple[str, Any]]]:
        """Answer the call that was made last; return as above."""
        call_id = self.asked["messages"][-1]["tool_calls"][0]["id"]
        self.asked["messages"].append({"role": "tool", "tool_call_id": call_id, "content": text})
        return await self._go()

    async def _go(self) -> tuple[str, list[tuple[str, Any]]]:
        got = await ask(self.gate.port, post("/v1/chat/completions", self.asked))
        assert got.status == 200, got.body
        if self.stream:
            assert got.frames[-1] == "[DONE]"
            deltas = [choice["delta"] for data in got.frames[:-1] for choice in json.loads(data)["choices"]]
        else:
            deltas = [got.json["choices"][0]["message"]]
        text = "".join(delta.get("content") or "" for delta in deltas)
        pieces = [call for delta in deltas for call in delta.get("tool_calls") or []]
        calls: dict[int, dict[str, Any]] = {}
        for piece in pieces:
            call = calls.setdefault(
                piece.get("index", 0), {"type": "function", "function": {"name": "", "arguments": ""}}
            )
            call["id"] = piece.get("id") or call["id"]
            for field in ("name", "arguments"):
                call["function"][field] += piece["function"].get(field) or ""
        said = {"role": "assistant", "content": text or None}
        self.asked["messages"].append({**said, "tool_calls": list(calls.values())} if calls else said)
        made = [
            (call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls.values()
        ]
        return text, made


class Messages:
    """A client of Anthropic's Messages that only knows JSON."""

    def __init__(self, gate: House, model: str, *, stream: bool) -> None:
        self.gate = gate
        self.stream = stream
        self.asked: dict[str, Any] = {"model": model, "max_tokens": 200, "messages": [], "stream": stream}
        self.asked["tools"] = [{"name": "weather", "input_schema": SCHEMA}]

    async def say(self, text: str) -> tuple[str, list[tuple[str, Any]]]:
        """Say something; return the words and the calls of the answer."""
        return await self._go({"role": "user", "content": text})

    async def answer(self, text: str) -> tuple[str, list[tuple[str, Any]]]:
        """Answer the call that was made last; return as above."""
        call_id = self.asked["messages"][-1]["content"][-1]["id"]
        result = {"type": "tool_result", "tool_use_id": call_id, "content": text}
        return await self._go({"role": "user", "content": [result]})

    async def _go(self, message: dict[str, Any]) -> tuple[str, list[tuple[str, Any]]]:
        self.asked["messages"].append(message)
        got = await ask(self.gate.port, post("/v1/messages", self.asked))
        assert got.status == 200, got.body
        blocks = _blocks([json.loads(data) for data in got.frames]) if self.stream else got.json["content"]
        self.asked["messages"].append({"role": "assistant", "content": blocks})
        text = "".join(block["text"] for block in blocks if block["type"] == "text")
        return text, [(block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]


def _blocks(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the content of a stream."""
    assert events[-1]["type"] == "message_stop"
    blocks: list[dict[str, Any]] = []
    for event in events:
        if event["type"] == "content_block_start":
            blocks.append({**event["content_block"]})
            told = ""
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            told += delta.get("text", "") + delta.get("partial_json", "")
            blocks[-1]["text" if delta["type"] == "text_delta" else "input"] = told
    return [
        {**block, "input": json.loads(block["input"])} if block["type"] == "tool_use" else block
        for block in blocks
    ]


CLIENTS: dict[str, type[Chat | Messages]] = {
    **dict.fromkeys(("openai_responses", "anthropic", "gemini", "ollama"), Chat),
    **dict.fromkeys(("openai_chat", "cohere"), Messages),
}
"""Who asks a provider of each dialect: never one who speaks it."""


def play(
    folder: Path, upstream: str, act: Callable[[Any], Coroutine[Any, Any, None]], *, stream: bool
) -> tuple[list[dict[str, Any]], list[tuple[Any, ...]]]:
    """Have a client act before aimock; return what aimock says it was asked, and what was booked."""

    async def scene() -> tuple[list[dict[str, Any]], list[tuple[Any, ...]]]:
        async with aimock() as port:
            configured(folder, port)
            async with house(folder) as gate:
                await act(CLIENTS[upstream](gate, f"mock-{upstream}/mock", stream=stream))
                journal = (await ask(port, get("/__aimock/journal"))).json
                rows = await gate.rows(len(journal))
        return journal, [(row.provider, row.state, row.status, row.stop, row.attempts) for row in rows]

    return asyncio.run(scene())


def heard(entry: dict[str, Any]) -> list[tuple[str, Any, list[tuple[str, Any]]]]:
    """Return what aimock understood of a conversation: role, words and calls of each message."""
    return [
        (
            message["role"],
            message["content"] or "",
            [
                (call["function"]["name"], json.loads(call["function"]["arguments"]))
                for call in message.get("tool_calls", [])
            ],
        )
        for message in entry["body"]["messages"]
    ]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("upstream", DIALECTS)
def test_words(tmp_path: Path, upstream: str, *, stream: bool) -> None:
    """What is asked is understood by a foreign provider of every dialect, and so is what it says."""
    need()

    async def act(client: Any) -> None:
        assert await client.say("Please greet both courts: “¿qué tal?”") == (GREETING, [])

    [entry], booked = play(tmp_path, upstream, act, stream=stream)
    assert heard(entry) == [("user", "Please greet both courts: “¿qué tal?”", [])]
    assert entry["path"].startswith(PATHS[upstream])
    assert (entry["body"]["model"], entry["response"]["status"]) == ("mock", 200)
    assert (entry["body"].get("stream", False) or "stream" in entry["path"]) is stream
    assert booked == [(f"mock-{upstream}", "settled", 200, "end", 1)]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("upstream", DIALECTS)
def test_a_tool_loop(tmp_path: Path, upstream: str, *, stream: bool) -> None:
    """A foreign provider sees the tool, calls it, and gets the call and its result back."""
    need()

    async def act(client: Any) -> None:
        assert await client.say("How will the weather be?") == ("", [("weather", CITY)])
        assert await client.answer("rain") == (FORECAST, [])

    journal, booked = play(tmp_path, upstream, act, stream=stream)
    first, second = journal
    [tool] = first["body"]["tools"]
    assert tool["function"]["name"] == "weather"
    if upstream != "gemini":  # aimock does not look at Gemini's parametersJsonSchema
        assert tool["function"]["parameters"] == SCHEMA
    result = '{"output":"rain"}' if upstream == "gemini" else "rain"
    assert heard(first) == [("user", "How will the weather be?", [])]
    assert heard(second) == [
        ("user", "How will the weather be?", []),
        ("assistant", "", [("weather", CITY)]),
        ("tool", result, []),
    ]
    settled = (f"mock-{upstream}", "settled", 200)
    assert booked == [(*settled, "tool_use", 1), (*settled, "end", 1)]
