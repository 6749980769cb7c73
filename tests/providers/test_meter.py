"""Usage read off passing bytes: every shape, any split, bounded, and never a failure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.usage import Usage
from dragoman.providers.meter import KEPT, Meter

JSON, SSE, NDJSON = "application/json", "text/event-stream; charset=utf-8", "application/x-ndjson"


def metered(dialect: str, kind: str, *pieces: bytes) -> tuple[Usage | None, str]:
    """Return what a meter read."""
    meter = Meter(dialect, kind)
    for piece in pieces:
        meter.feed(piece)
    return meter.close(), meter.model


def counts(usage: Usage | None) -> dict[str, int] | None:
    """Return the counters that are not zero."""
    if usage is None:
        return None
    names = ("input", "cache_read", "cache_write", "audio_input", "output", "reasoning", "audio_output")
    return {name: number for name in names if (number := getattr(usage, name))}


IMAGE = {
    "total_tokens": 100,
    "input_tokens": 50,
    "output_tokens": 50,
    "input_tokens_details": {"text_tokens": 10},
}
SPEECH = {
    "type": "tokens",
    "input_tokens": 14,
    "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
    "output_tokens": 45,
    "total_tokens": 59,
}
CHAT = {
    "prompt_tokens": 9,
    "completion_tokens": 4,
    "total_tokens": 13,
    "prompt_tokens_details": {"cached_tokens": 3},
}

WHOLE: list[tuple[str, dict[str, Any], dict[str, int] | None]] = [
    ("openai_chat", {"usage": IMAGE}, {"input": 50, "output": 50}),
    ("openai_chat", {"usage": SPEECH}, {"input": 4, "audio_input": 10, "output": 45}),
    ("openai_chat", {"usage": {"type": "duration", "seconds": 9}}, None),
    ("openai_chat", {"usage": CHAT}, {"input": 6, "cache_read": 3, "output": 4}),
    ("openai_responses", {"usage": CHAT}, {"input": 6, "cache_read": 3, "output": 4}),
    (
        "anthropic",
        {"usage": {"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 2}},
        {"input": 5, "cache_read": 7, "output": 2},
    ),
    ("gemini", {"usageMetadata": {"promptTokenCount": 8, "totalTokenCount": 8}}, {"input": 8}),
    ("cohere", {"meta": {"billed_units": {"input_tokens": 3}}}, {"input": 3}),
    ("cohere", {"usage": {"tokens": {"input_tokens": 3, "output_tokens": 1}}}, {"input": 3, "output": 1}),
    ("ollama", {"prompt_eval_count": 6, "eval_count": 2, "done": True}, {"input": 6, "output": 2}),
    ("openai_chat", {"id": "file-1"}, None),
    ("openai_chat", {"usage": None}, None),
    ("openai_chat", {"usage": [1]}, None),
    ("openai_chat", {"usage": {"prompt_tokens": "many", "completion_tokens": None}}, {}),
]


@pytest.mark.parametrize(("dialect", "body", "wanted"), WHOLE)
def test_a_whole_answer(dialect: str, body: dict[str, Any], wanted: dict[str, int] | None) -> None:
    """The same answer in one read or a byte at a time."""
    raw = json.dumps(body).encode()
    assert counts(metered(dialect, JSON, raw)[0]) == wanted
    assert counts(metered(dialect, JSON, *(raw[i : i + 1] for i in range(len(raw))))[0]) == wanted


def frames(*values: Any) -> bytes:
    """Return server-sent events."""
    return (
        b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values) + b"data: [DONE]\n\n"
    )


STREAMS: list[tuple[str, bytes, dict[str, int] | None, str]] = [
    (
        "openai_chat",
        frames({"model": "m", "usage": None}, {"usage": CHAT}),
        {"input": 6, "cache_read": 3, "output": 4},
        "m",
    ),
    (
        "anthropic",
        frames(
            {
                "type": "message_start",
                "message": {"model": "c", "usage": {"input_tokens": 5, "output_tokens": 1}},
            },
            {"type": "message_delta", "usage": {"output_tokens": 9}},
        ),
        {"input": 5, "output": 9},
        "c",
    ),
    (
        "openai_chat",
        frames({"type": "transcript.text.done", "usage": SPEECH}),
        {"input": 4, "audio_input": 10, "output": 45},
        "",
    ),
    (
        "openai_responses",
        frames({"response": {"model": "r", "usage": IMAGE}}),
        {"input": 50, "output": 50},
        "r",
    ),
    (
        "cohere",
        frames({"delta": {"usage": {"tokens": {"input_tokens": 3, "output_tokens": 1}}}}),
        {"input": 3, "output": 1},
        "",
    ),
    ("openai_chat", frames({"x": 1}), None, ""),
]


@pytest.mark.parametrize(("dialect", "raw", "wanted", "model"), STREAMS)
def test_a_stream(dialect: str, raw: bytes, wanted: dict[str, int] | None, model: str) -> None:
    """What a later frame says replaces what an earlier one said; the model is told as well."""
    usage, named = metered(dialect, SSE, raw)
    assert (counts(usage), named) == (wanted, model)
    assert counts(metered(dialect, SSE, *(raw[i : i + 1] for i in range(len(raw))))[0]) == wanted


def test_lines_of_json() -> None:
    """Ollama counts in its last line."""
    raw = b'{"response":"a","done":false}\n{"done":true,"prompt_eval_count":3,"eval_count":1}\n'
    assert counts(metered("ollama", NDJSON, raw)[0]) == {"input": 3, "output": 1}


@given(st.binary(max_size=200), st.sampled_from([JSON, SSE, NDJSON, "audio/mpeg", ""]))
def test_no_bytes_make_it_fail(raw: bytes, kind: str) -> None:
    """A meter is no judge: what it cannot read is unknown."""
    metered("openai_chat", kind, raw, b'\n{"usage": ', raw)


def test_other_kinds_are_not_looked_at() -> None:
    """Audio that happens to hold the word is audio."""
    assert metered("openai_chat", "audio/mpeg", json.dumps({"usage": CHAT}).encode()) == (None, "")


def test_no_more_is_kept_than_it_says() -> None:
    """An answer beyond the limit is unknown; a frame beyond it ends the looking, and what was seen stands."""
    large = json.dumps({"data": "x" * KEPT, "usage": CHAT}).encode()
    meter = Meter("openai_chat", JSON)
    meter.feed(large)
    assert meter._buffer is None
    assert meter.close() is None
    stream = Meter("openai_chat", SSE)
    stream.feed(frames({"usage": CHAT}))
    stream.feed(b"data: " + b"x" * (KEPT + 1))
    stream.feed(frames({"usage": IMAGE}))
    assert counts(stream.close()) == {"input": 6, "cache_read": 3, "output": 4}
