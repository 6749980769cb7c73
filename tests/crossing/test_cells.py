"""Each cell of the matrix, end to end: what one dialect asks, what the other hears, what is lost.

Every request goes through a running gateway to the simulator, whose journal says what arrived. The
losses are compared whole, so a field that goes missing without being declared fails its cell.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.house import Answer, ask, house, post

from dragoman.simulator import Simulator
from dragoman.simulator.script import read

DOT = "iVBORw0KGgo="
PATHS = {"openai_chat": "/v1/chat/completions", "anthropic": "/v1/messages"}
OTHER = {"openai_chat": "sim-anthropic/m", "anthropic": "sim-openai_chat/m"}
USER = {"role": "user", "content": "hi"}
HEARD = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLOSED = {**WEATHER, "additionalProperties": False}


def plain(door: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return a whole request body of `door` for a target that speaks the other dialect."""
    base = {"model": OTHER[door], "messages": [USER]}
    return {**base, **({"max_tokens": 900} if door == "anthropic" else {}), **body}


async def cross(folder: Path, door: str, body: dict[str, Any], **default: Any) -> tuple[Answer, Any]:
    """Send one request across; return the answer and the body the provider heard, if any."""
    plot = read({"default": default})
    async with Simulator(script=plot) as sim, house(folder, sim.url) as gate:
        got = await ask(gate.port, post(PATHS[door], plain(door, body)))
        return got, sim.journal[-1].body if len(sim.journal) else None


CHAT_TO_ANTHROPIC: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "text": ({}, {"messages": [HEARD], "max_tokens": 4096}, ""),
    "system": (
        {"messages": [{"role": "system", "content": "s"}, {"role": "developer", "content": "d"}, USER]},
        {"system": [{"type": "text", "text": "s"}, {"type": "text", "text": "d"}], "messages": [HEARD]},
        "",
    ),
    "system in the middle": (
        {"messages": [USER, {"role": "system", "content": "mid"}, {"role": "user", "content": "go"}]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "hi"},
                        {"type": "text", "text": "<system>\nmid\n</system>"},
                        {"type": "text", "text": "go"},
                    ],
                }
            ]
        },
        "approximated:messages[1]",
    ),
    "images": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "see"},
                        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DOT}"}},
                        {
                            "type": "image_url",
                            "image_url": {"url": "https://example.com/a.png", "detail": "low"},
                        },
                    ],
                }
            ]
        },
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "see"},
                        {
                            "type": "image",
                            "source": {"type": "base64", "media_type": "image/png", "data": DOT},
                        },
                        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                    ],
                }
            ]
        },
        "dropped:messages[0].parts[2].detail",
    ),
    "tools": (
        {
            "tools": [
                {"type": "function", "function": {"name": "w", "description": "d", "parameters": WEATHER}}
            ],
            "tool_choice": "required",
            "parallel_tool_calls": False,
        },
        {
            "tools": [{"name": "w", "description": "d", "input_schema": WEATHER}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        },
        "",
    ),
    "named tool": (
        {
            "tools": [{"type": "function", "function": {"name": "w", "parameters": WEATHER}}],
            "tool_choice": {"type": "function", "function": {"name": "w"}},
        },
        {"tool_choice": {"type": "tool", "name": "w"}},
        "",
    ),
    "tool results": (
        {
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "a",
                            "type": "function",
                            "function": {"name": "w", "arguments": '{"city":"x"}'},
                        },
                        {"id": "b", "type": "function", "function": {"name": "w", "arguments": ""}},
                    ],
                },
                {"role": "tool", "tool_call_id": "a", "content": "sun"},
                {"role": "tool", "tool_call_id": "b", "content": "rain"},
            ]
        },
        {
            "messages": [
                HEARD,
                {
                    "role": "assistant",
                    "content": [
                        {"type": "tool_use", "id": "a", "name": "w", "input": {"city": "x"}},
                        {"type": "tool_use", "id": "b", "name": "w", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "a",
                            "content": [{"type": "text", "text": "sun"}],
                        },
                        {
                            "type": "tool_result",
                            "tool_use_id": "b",
                            "content": [{"type": "text", "text": "rain"}],
                        },
                    ],
                },
            ]
        },
        "",
    ),
    "signed thoughts that a Chat client brings back": (
        {
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "content": "x",
                    "reasoning_content": "hm",
                    "reasoning_details": [
                        {
                            "type": "reasoning.text",
                            "text": "hm",
                            "signature": "c2ln",
                            "format": "anthropic-claude-v1",
                            "index": 0,
                        }
                    ],
                },
                {"role": "user", "content": "go"},
            ]
        },
        {
            "messages": [
                HEARD,
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                        {"type": "text", "text": "x"},
                    ],
                },
                {"role": "user", "content": [{"type": "text", "text": "go"}]},
            ]
        },
        "",
    ),
    "thinking": (
        {"reasoning_effort": "high"},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        "",
    ),
    "structured output": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": CLOSED}}},
        {"output_config": {"format": {"type": "json_schema", "schema": CLOSED}}},
        "",
    ),
    "structured output, open schema": (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "response", "schema": WEATHER, "strict": True},
            }
        },
        {"output_config": {"format": {"type": "json_schema", "schema": CLOSED}}},
        "approximated:format.schema",
    ),
    "any JSON": (
        {"response_format": {"type": "json_object"}},
        {
            "system": [
                {
                    "type": "text",
                    "text": "Answer with one JSON object and nothing else: no prose, no code fence.",
                }
            ]
        },
        "emulated:format",
    ),
    "sampling": (
        {"temperature": 1.5, "top_p": 0.5, "stop": ["x"], "seed": 1, "presence_penalty": 0.1},
        {"temperature": 1, "top_p": 0.5, "stop_sequences": ["x"]},
        "clamped:temperature, dropped:presence_penalty, dropped:seed",
    ),
    "what only OpenAI has": (
        {"user": "u", "logit_bias": {"5": 1}, "metadata": {"a": "b"}, "store": True, "new_next_week": 1},
        {"metadata": {"user_id": "u"}},
        "dropped:logit_bias, dropped:metadata, dropped:store, dropped:new_next_week",
    ),
}

ANTHROPIC_TO_CHAT: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "text": ({}, {"messages": [USER], "max_tokens": 900}, ""),
    "system with a cache mark": (
        {"system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]},
        {
            "messages": [
                {
                    "role": "system",
                    "content": [
                        {"type": "text", "text": "s", "prompt_cache_breakpoint": {"mode": "explicit"}}
                    ],
                },
                USER,
            ]
        },
        "",
    ),
    "images and documents": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "image",
                            "source": {"type": "base64", "media_type": "image/png", "data": DOT},
                        },
                        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                        {
                            "type": "document",
                            "title": "t.pdf",
                            "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
                        },
                    ],
                }
            ]
        },
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DOT}"}},
                        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                        {
                            "type": "file",
                            "file": {
                                "file_data": "data:application/pdf;base64,AAAA",
                                "filename": "t.pdf",
                            },
                        },
                    ],
                }
            ]
        },
        "",
    ),
    "tools": (
        {
            "tools": [{"name": "w", "description": "d", "input_schema": WEATHER}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        },
        {
            "tools": [
                {"type": "function", "function": {"name": "w", "description": "d", "parameters": WEATHER}}
            ],
            "tool_choice": "required",
            "parallel_tool_calls": False,
        },
        "",
    ),
    "thoughts and results": (
        {
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                        {"type": "tool_use", "id": "a", "name": "w", "input": {"city": "x"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "a", "is_error": True, "content": "no"},
                        {"type": "text", "text": "go"},
                    ],
                },
            ]
        },
        {
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "content": None,
                    "reasoning_content": "hm",
                    "reasoning_details": [
                        {
                            "type": "reasoning.text",
                            "text": "hm",
                            "signature": "c2ln",
                            "format": "anthropic-claude-v1",
                            "index": 0,
                        }
                    ],
                    "tool_calls": [
                        {
                            "id": "a",
                            "type": "function",
                            "function": {"name": "w", "arguments": '{"city":"x"}'},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "a", "content": "Error: no"},
                {"role": "user", "content": "go"},
            ]
        },
        "approximated:messages[2].parts[0].error",
    ),
    "thinking by budget": (
        {"thinking": {"type": "enabled", "budget_tokens": 2048}, "max_tokens": 4000},
        {"reasoning_effort": "low"},
        "approximated:reasoning.budget",
    ),
    "structured output and effort": (
        {
            "output_config": {
                "effort": "low",
                "format": {"type": "json_schema", "schema": CLOSED},
            }
        },
        {
            "reasoning_effort": "low",
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "response", "schema": CLOSED, "strict": True},
            },
        },
        "",
    ),
    "sampling": (
        {"temperature": 0.5, "top_k": 5, "top_p": 0.9, "stop_sequences": ["a", "b"]},
        {"temperature": 0.5, "top_p": 0.9, "stop": ["a", "b"]},
        "dropped:top_k",
    ),
    "what only Anthropic has": (
        {"metadata": {"user_id": "u"}, "container": "c", "speed": "fast"},
        {"user": "u"},
        "dropped:container, dropped:speed",
    ),
}

REQUESTS = [
    *(
        pytest.param("openai_chat", *cell, id=f"chat>anthropic {name}")
        for name, cell in CHAT_TO_ANTHROPIC.items()
    ),
    *(
        pytest.param("anthropic", *cell, id=f"anthropic>chat {name}")
        for name, cell in ANTHROPIC_TO_CHAT.items()
    ),
]


@pytest.mark.parametrize(("door", "asked", "heard", "losses"), REQUESTS)
def test_request(
    tmp_path: Path, door: str, asked: dict[str, Any], heard: dict[str, Any], losses: str
) -> None:
    """The provider hears it in its own words, and what is lost is named in the answer's header."""
    got, body = asyncio.run(cross(tmp_path, door, asked))
    assert got.status == 200, got.body
    assert {name: body.get(name) for name in heard} == heard
    told = sorted(filter(None, got.headers.get("x-dragoman-losses", "").split(", ")))
    assert told == sorted(filter(None, losses.split(", ")))


REFUSED = [
    pytest.param(
        "openai_chat",
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}],
                }
            ]
        },
        "messages",
        id="chat>anthropic audio",
    ),
    pytest.param("openai_chat", {"n": 2}, "candidates", id="chat>anthropic two answers"),
    pytest.param(
        "openai_chat",
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
        "messages",
        id="chat>anthropic file id",
    ),
    pytest.param(
        "anthropic",
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        "tools",
        id="anthropic>chat hosted tool",
    ),
]


@pytest.mark.parametrize(("door", "asked", "where"), REFUSED)
def test_refusal(tmp_path: Path, door: str, asked: dict[str, Any], where: str) -> None:
    """What the model would have to see or do, and cannot, is a 400 that names it; nothing is sent."""
    got, body = asyncio.run(cross(tmp_path, door, asked))
    assert got.status == 400
    assert where in json.dumps(got.json["error"])
    assert body is None


def said(door: str, got: Answer, *, stream: bool) -> dict[str, Any]:
    """Return what a client of `door` makes of an answer: text, thinking, calls, stop and tokens."""
    found: dict[str, Any] = {"text": "", "thinking": "", "calls": {}, "stop": None, "tokens": None}
    if door == "openai_chat":
        chunks = [json.loads(frame) for frame in got.frames if frame != "[DONE]"] if stream else [got.json]
        for chunk in chunks:
            usage = chunk.get("usage") or {}
            cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
            if usage:
                found["tokens"] = (usage["prompt_tokens"], cached, usage["completion_tokens"])
            for choice in chunk["choices"]:
                delta = choice["delta"] if stream else choice["message"]
                found["text"] += delta.get("content") or ""
                found["thinking"] += delta.get("reasoning_content") or ""
                found["stop"] = choice["finish_reason"] or found["stop"]
                for number, call in enumerate(delta.get("tool_calls") or []):
                    at = call.get("index", number)
                    name, arguments = found["calls"].get(at, ("", ""))
                    name += call["function"].get("name") or ""
                    found["calls"][at] = (name, arguments + (call["function"].get("arguments") or ""))
    else:
        whole = _assembled(got) if stream else got.json
        for number, block in enumerate(whole["content"]):
            if block["type"] == "tool_use":
                found["calls"][number] = (block["name"], json.dumps(block["input"]))
            else:
                found[block["type"]] += block[block["type"]]
        usage = whole["usage"]
        cached = usage.get("cache_read_input_tokens", 0)
        found["tokens"] = (usage["input_tokens"] + cached, cached, usage["output_tokens"])
        found["stop"] = whole["stop_reason"]
    found["calls"] = [(name, json.loads(arguments)) for name, arguments in found["calls"].values()]
    return found


def _assembled(got: Answer) -> dict[str, Any]:
    """Assemble Anthropic's stream the way its SDK does."""
    whole: dict[str, Any] = {}
    for frame in map(json.loads, got.frames):
        match frame["type"]:
            case "message_start":
                whole = frame["message"]
            case "content_block_start":
                assert frame["index"] == len(whole["content"])
                whole["content"].append({**frame["content_block"], "json": ""})
            case "content_block_delta":
                block, delta = whole["content"][frame["index"]], frame["delta"]
                for name, field in (("text", "text"), ("thinking", "thinking"), ("partial_json", "json")):
                    if name in delta:
                        block[field] += delta[name]
            case "content_block_stop":
                block = whole["content"][frame["index"]]
                if block["type"] == "tool_use":
                    block["input"] = json.loads(block["json"] or "{}")
            case "message_delta":
                whole.update(frame["delta"])
                whole["usage"] = {**whole["usage"], **frame["usage"]}
    return whole


STOPS = {
    "end": ("stop", "end_turn"),
    "length": ("length", "max_tokens"),
    "stop_sequence": ("stop", "stop_sequence"),
    "filter": ("content_filter", "refusal"),
    "refusal": ("stop", "refusal"),
}
"""Each reason in Chat's word and in Anthropic's."""

HEARD_AS = {"anthropic": {"stop_sequence": "end"}, "openai_chat": {"filter": "refusal"}}
"""What a provider of the other dialect can say in place of a reason it has no word for, by door."""


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("door", ["openai_chat", "anthropic"])
class TestAnswer:
    """What the provider says, as the other dialect's client reads it."""

    def heard(self, folder: Path, door: str, body: dict[str, Any], *, stream: bool, **default: Any) -> Any:
        """Ask across, and return what the client makes of the answer."""
        options = {"stream_options": {"include_usage": True}} if stream and door == "openai_chat" else {}
        got, _ = asyncio.run(cross(folder, door, {**body, "stream": stream, **options}, **default))
        assert got.status == 200, got.body
        return said(door, got, stream=stream)

    def test_text_and_cached_tokens(self, tmp_path: Path, door: str, *, stream: bool) -> None:
        """Words to the letter, and the same totals however each dialect counts cached tokens."""
        counts = {"input": 70, "cache_read": 30, "output": 12}
        words = "né 😀\u2028 \u0085 end"
        found = self.heard(tmp_path, door, {}, stream=stream, text=words, counts=counts)
        assert found["text"] == words
        assert found["tokens"] == (100, 30, 12)

    def test_thinking(self, tmp_path: Path, door: str, *, stream: bool) -> None:
        """Thinking comes apart from the text, before it."""
        found = self.heard(tmp_path, door, {}, stream=stream, text="done", thinking="always")
        assert found["text"] == "done"
        assert found["thinking"]

    def test_parallel_tool_calls(self, tmp_path: Path, door: str, *, stream: bool) -> None:
        """Two calls, their arguments in pieces of three characters, whole at the other end."""
        tool: dict[str, Any] = {"name": "w", "description": "d"}
        offered = (
            {"type": "function", "function": {**tool, "parameters": CLOSED}}
            if door == "openai_chat"
            else {**tool, "input_schema": CLOSED}
        )
        default = {"calls": 2, "chunk_size": 3, "tool_calls": "always"}
        found = self.heard(tmp_path, door, {"tools": [offered]}, stream=stream, **default)
        assert len(found["calls"]) == 2
        assert all(name == "w" and isinstance(given["city"], str) for name, given in found["calls"])
        assert found["stop"] == {"openai_chat": "tool_calls", "anthropic": "tool_use"}[door]

    @pytest.mark.parametrize("reason", STOPS)
    def test_stop_reasons(self, tmp_path: Path, door: str, reason: str, *, stream: bool) -> None:
        """Each reason in the client's own word; where the provider has none, the nearest it can say."""
        found = self.heard(tmp_path, door, {}, stream=stream, text="x", stop=reason)
        heard_as = HEARD_AS[door].get(reason, reason)
        assert found["stop"] == STOPS[heard_as][0 if door == "openai_chat" else 1]


@pytest.mark.parametrize("door", ["openai_chat", "anthropic"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 503, 529])
def test_errors(tmp_path: Path, door: str, status: int) -> None:
    """A provider's error is told in the client's words; our key's troubles are 502, never 401."""
    got, _ = asyncio.run(cross(tmp_path, door, {}, error={"status": status, "retry_after_s": 3}))
    busy = 529 if door == "anthropic" else 503
    expected = {401: 502, 403: 502, 500: 502, 503: busy, 529: busy}.get(status, status)
    assert got.status == expected
    assert got.json["error"]["message"]
    assert ("type" in got.json) == (door == "anthropic")


@pytest.mark.parametrize("door", ["openai_chat", "anthropic"])
def test_errors_in_mid_stream(tmp_path: Path, door: str) -> None:
    """The stream ends in the client's own error form, and not in its terminator."""
    failing = {"tokens": 30, "error": {"status": 529, "at_frame": 9}}
    got, _ = asyncio.run(cross(tmp_path, door, {"stream": True}, **failing))
    assert got.status == 200
    last = json.loads(got.frames[-1])
    assert last["error"]["message"]
    if door == "anthropic":
        assert last["type"] == "error"
        assert b"event: error\n" in got.body
    assert "[DONE]" not in got.frames
    assert not any('"message_stop"' in frame for frame in got.frames)
