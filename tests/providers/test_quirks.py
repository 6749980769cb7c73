"""Quirks: each with the wire it changes, and the wire it leaves alone."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.dialects import Amend
from dragoman.providers import Provider
from dragoman.providers.catalog import catalog
from dragoman.providers.quirks import ANSWER, DROPS, REQUEST, amend_answer, amend_request, losses

ALL: dict[str, Amend] = {
    f"{kind}:{name}": q for kind, t in (("ask", REQUEST), ("tell", ANSWER)) for name, q in t.items()
}

CALL = {"id": "call_abc", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SAID = {"role": "assistant", "content": None, "tool_calls": [CALL]}


MARKED = {
    "role": "user",
    "content": [{"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}}, "odd"],
}


def provider(*quirks: str) -> Provider:
    """Return a provider that has `quirks`."""
    return Provider(name="odd", dialect="openai_chat", quirks=quirks)


def sent(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a request body."""
    return {"model": "m", "messages": list(messages), **fields}


def chunk(delta: dict[str, Any], **choice: Any) -> dict[str, Any]:
    """Return a stream chunk."""
    return {"id": "c", "choices": [{"index": 0, "delta": delta, **choice}]}


def used(completion: int, reasoning: int) -> dict[str, Any]:
    """Return an answer that read 10 tokens, wrote 3 and thought 7, counted one way or the other."""
    details = {"reasoning_tokens": reasoning}
    counts = {"prompt_tokens": 10, "completion_tokens": completion, "total_tokens": 20}
    return {"usage": {**counts, "completion_tokens_details": details}}


FORCED = {"tool_choice": "required", "thinking": {"type": "disabled"}}

REQUESTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("max_tokens", {"max_completion_tokens": 5}, {"max_tokens": 5}),
    ("max_tokens", {"max_completion_tokens": 5, "max_tokens": 6}, {"max_tokens": 6}),
    ("max_completion_tokens", {"max_tokens": 5}, {"max_completion_tokens": 5}),
    ("random_seed", {"seed": 7}, {"random_seed": 7}),
    ("tool_choice_any", {"tool_choice": "required"}, {"tool_choice": "any"}),
    ("reasoning_object", {"reasoning_effort": "high"}, {"reasoning": {"effort": "high"}}),
    (
        "reasoning_object",
        {"reasoning_effort": "high", "reasoning": {"max_tokens": 9}},
        {"reasoning": {"max_tokens": 9}},
    ),
    (
        "developer_as_system",
        sent({"role": "developer", "content": "x"}, {"role": "user", "content": "y"}),
        sent({"role": "system", "content": "x"}, {"role": "user", "content": "y"}),
    ),
    ("content_null", sent(SAID), sent({**SAID, "content": ""})),
    ("include_usage", {"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
    (
        "include_usage",
        {"stream": True, "stream_options": {"include_obfuscation": False}},
        {"stream": True, "stream_options": {"include_obfuscation": False, "include_usage": True}},
    ),
    ("no_stream_options", {"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
    ("no_penalties", {"presence_penalty": 1, "frequency_penalty": 1, "top_p": 1}, {"top_p": 1}),
    ("no_logit_bias", {"logit_bias": {"1": 2}}, {}),
    (
        "no_cache_marks",
        sent(MARKED, tools=[{"type": "function", "prompt_cache_breakpoint": {"mode": "explicit"}}]),
        sent(
            {"role": "user", "content": [{"type": "text", "text": "x"}, "odd"]}, tools=[{"type": "function"}]
        ),
    ),
    (
        "cache_control_marks",
        sent(MARKED),
        sent(
            {
                "role": "user",
                "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}, "odd"],
            }
        ),
    ),
    (
        "no_past_thinking",
        sent({"role": "assistant", "content": "x", "reasoning_content": "t", "reasoning_details": []}),
        sent({"role": "assistant", "content": "x"}),
    ),
    ("no_logprobs", {"logprobs": True, "top_logprobs": 3}, {}),
    (
        "no_names",
        sent({"role": "user", "name": "ann", "content": "x"}, {"role": "tool", "name": "f", "content": "y"}),
        sent({"role": "user", "content": "x"}, {"role": "tool", "name": "f", "content": "y"}),
    ),
    ("no_tier", {"service_tier": "flex", "top_p": 1}, {"top_p": 1}),
    ("groq_tier", {"service_tier": "default"}, {"service_tier": "on_demand"}),
    ("groq_tier", {"service_tier": "priority"}, {}),
    ("deepseek_forced_tools", {"tool_choice": "required"}, FORCED),
    ("deepseek_forced_tools", {"tool_choice": "required", "reasoning_effort": "high"}, FORCED),
    ("deepseek_sampling", {"temperature": 0, "presence_penalty": 1, "top_p": 0.9}, {"top_p": 0.9}),
    (
        "mistral_fields",
        {"model": "m", "user": "u", "store": True, "safe_prompt": True},
        {"model": "m", "safe_prompt": True},
    ),
    ("deepseek_thinking", {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
    ("deepseek_thinking", sent(SAID), sent({**SAID, "reasoning_content": ""})),
    (
        "groq_reasoning",
        {"model": "qwen/qwen3-32b", "reasoning_effort": "high"},
        {"model": "qwen/qwen3-32b", "reasoning_effort": "default", "reasoning_format": "parsed"},
    ),
    (
        "groq_reasoning",
        {"model": "qwen/qwen3-32b"},
        {"model": "qwen/qwen3-32b", "reasoning_format": "parsed"},
    ),
    (
        "mistral_thinking",
        sent({"role": "assistant", "content": "Yes.", "reasoning_content": "Hm.", "refusal": None}),
        sent(
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                    {"type": "text", "text": "Yes."},
                ],
            }
        ),
    ),
    (
        "mistral_thinking",
        sent(
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [CALL],
                "reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "signature": "c2ln"}],
            }
        ),
        sent(
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}], "signature": "c2ln"}
                ],
                "tool_calls": [CALL],
            }
        ),
    ),
]


@pytest.mark.parametrize(("name", "body", "amended"), REQUESTS)
def test_a_request_is_rewritten(name: str, body: dict[str, Any], amended: dict[str, Any]) -> None:
    """What our dialect says becomes what the server understands."""
    before = copy.deepcopy(body)
    assert REQUEST[name](body) == amended
    assert body == before


UNTOUCHED: list[tuple[str, dict[str, Any]]] = [
    ("max_tokens", {"max_tokens": 5}),
    ("tool_choice_any", {"tool_choice": "auto"}),
    ("reasoning_object", {"model": "m"}),
    ("developer_as_system", sent({"role": "user", "content": "x"})),
    ("content_null", sent({"role": "assistant", "tool_calls": [CALL]})),
    ("include_usage", {"stream": False}),
    ("include_usage", {}),
    ("no_penalties", {"top_p": 1}),
    ("no_names", sent({"role": "user", "content": "x"})),
    ("mistral_fields", {"model": "m", "messages": []}),
    ("deepseek_thinking", sent({**SAID, "reasoning_content": "Hm."})),
    ("deepseek_thinking", sent(SAID, thinking={"type": "disabled"})),
    ("deepseek_thinking", {"reasoning_effort": "high"}),
    ("groq_tier", {"service_tier": "flex"}),
    ("groq_tier", {"model": "m"}),
    ("deepseek_forced_tools", FORCED),
    ("deepseek_forced_tools", {"tool_choice": "required", "reasoning_effort": "none"}),
    ("deepseek_forced_tools", {"tool_choice": "auto", "reasoning_effort": "high"}),
    ("deepseek_sampling", {"temperature": 0, "thinking": {"type": "disabled"}}),
    ("deepseek_sampling", {"temperature": 0, "reasoning_effort": "none"}),
    ("groq_reasoning", {"model": "openai/gpt-oss-20b", "reasoning_effort": "high"}),
    ("groq_reasoning", {"model": "qwen/qwen3-32b", "reasoning_effort": "none"}),
    ("groq_reasoning", {"model": "qwen/qwen3-32b", "include_reasoning": False}),
    ("groq_reasoning", {"model": "qwen/qwen3-32b", "reasoning_format": "hidden"}),
    ("mistral_thinking", sent({"role": "assistant", "content": "Yes."})),
]


@pytest.mark.parametrize(("name", "body"), UNTOUCHED)
def test_a_request_with_nothing_odd_stays(name: str, body: dict[str, Any]) -> None:
    """A quirk touches what it is about and nothing else."""
    assert REQUEST[name](body) == body


def test_tool_ids_become_nine_characters_and_stay_paired() -> None:
    """The call and its result keep one id, the same every time; a fitting id is kept."""
    body = sent(
        {**SAID, "tool_calls": [CALL, {**CALL, "id": "abcdefgh9"}]},
        {"role": "tool", "tool_call_id": "call_abc", "content": "1"},
        {"role": "tool", "tool_call_id": "abcdefgh9", "content": "2"},
    )
    called, first, second = REQUEST["nine_character_ids"](body)["messages"]
    made = called["tool_calls"][0]["id"]
    assert len(made) == 9
    assert made.isalnum()
    assert made.isascii()
    assert (first["tool_call_id"], called["tool_calls"][1]["id"]) == (made, "abcdefgh9")
    assert second["tool_call_id"] == "abcdefgh9"
    assert REQUEST["nine_character_ids"](body) == REQUEST["nine_character_ids"](body)


@given(st.sets(st.text(max_size=40), min_size=2, max_size=50))
def test_different_tool_ids_stay_different(ids: set[str]) -> None:
    """Nine characters are enough to keep the calls of a conversation apart."""
    body = sent({**SAID, "tool_calls": [{**CALL, "id": name} for name in ids]})
    made = REQUEST["nine_character_ids"](body)["messages"][0]["tool_calls"]
    assert len({call["id"] for call in made}) == len(ids)


THINK = {"type": "thinking", "thinking": [{"type": "text", "text": "Okay"}, {"type": "text", "text": ", so"}]}

ANSWERS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "mistral_thinking",
        chunk({"content": [THINK]}),
        chunk({"content": None, "reasoning_content": "Okay, so"}),
    ),
    (
        "mistral_thinking",
        {"choices": [{"message": {"role": "assistant", "content": [THINK, {"type": "text", "text": "Hi"}]}}]},
        {"choices": [{"message": {"role": "assistant", "content": "Hi", "reasoning_content": "Okay, so"}}]},
    ),
    (
        "mistral_thinking",
        chunk({"content": [{**THINK, "signature": "c2ln"}]}),
        chunk(
            {
                "content": None,
                "reasoning_details": [{"type": "reasoning.text", "text": "Okay, so", "signature": "c2ln"}],
            }
        ),
    ),
    (
        "arguments_text",
        chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": {"a": 1}}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": '{"a":1}'}}]}),
    ),
    ("model_length", chunk({}, finish_reason="model_length"), chunk({}, finish_reason="length")),
    (
        "x_groq",
        {"choices": [], "x_groq": {"id": "r", "usage": {"prompt_tokens": 4}}},
        {"choices": [], "x_groq": {"id": "r", "usage": {"prompt_tokens": 4}}, "usage": {"prompt_tokens": 4}},
    ),
    ("x_groq", {"x_groq": {"error": "over"}}, {"x_groq": {"error": "over"}, "error": {"message": "over"}}),
    ("reasoning_apart", used(3, 7), used(10, 7)),
    (
        "cache_hit_tokens",
        {"usage": {"prompt_tokens": 9, "prompt_cache_hit_tokens": 8}},
        {
            "usage": {
                "prompt_tokens": 9,
                "prompt_cache_hit_tokens": 8,
                "prompt_tokens_details": {"cached_tokens": 8},
            }
        },
    ),
]


@pytest.mark.parametrize(("name", "body", "amended"), ANSWERS)
def test_an_answer_is_rewritten(name: str, body: dict[str, Any], amended: dict[str, Any]) -> None:
    """What the server says becomes what our dialect reads; doing it twice changes nothing more."""
    before = copy.deepcopy(body)
    assert ANSWER[name](body) == amended
    assert ANSWER[name](amended) == amended
    assert body == before


PLAIN: list[tuple[str, dict[str, Any]]] = [
    ("mistral_thinking", chunk({"content": "Hi"})),
    ("arguments_text", chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a'}}]})),
    ("model_length", chunk({}, finish_reason="stop")),
    ("x_groq", {"usage": {"prompt_tokens": 5}, "x_groq": {"usage": {"prompt_tokens": 4}}}),
    ("x_groq", {"x_groq": {"id": "r"}}),
    ("reasoning_apart", used(10, 7)),
    (
        "cache_hit_tokens",
        {"usage": {"prompt_cache_hit_tokens": 8, "prompt_tokens_details": {"cached_tokens": 6}}},
    ),
]


@pytest.mark.parametrize(("name", "body"), PLAIN)
def test_an_answer_with_nothing_odd_stays(name: str, body: dict[str, Any]) -> None:
    """An answer already as the dialect says passes as it is."""
    assert ANSWER[name](body) == body


def test_every_quirk_has_an_example() -> None:
    """A quirk nobody has shown a wire for does not exist."""
    assert {name for name, *_ in REQUESTS} | {"nine_character_ids"} == REQUEST.keys()
    assert {name for name, *_ in ANSWERS} == ANSWER.keys()
    assert REQUEST.keys() > DROPS


def test_every_quirk_is_used_by_some_provider() -> None:
    """No row lists it: then it is dead."""
    listed = {name for row in catalog().providers.values() for name in row.quirks}
    assert listed == REQUEST.keys() | ANSWER.keys()


# fmt: off
NAMES = st.sampled_from([
    "messages", "choices", "usage", "stream", "tool_choice", "x_groq", "role", "content", "tool_calls", "id",
    "function", "arguments", "message", "delta", "prompt_tokens", "total_tokens", "reasoning_tokens", "model",
    "completion_tokens_details", "thinking", "text", "type", "error", "reasoning_details", "tool_call_id",
])
# fmt: on
WORDS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["thinking", "text", "qwen/x", "required", ""])
)
DOCUMENTS = st.recursive(
    WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5)
)


@settings(max_examples=400)
@given(name=st.sampled_from(sorted(ALL)), document=DOCUMENTS)
def test_no_document_breaks_a_quirk(name: str, document: Any) -> None:
    """A body of any shape passes: quirks guess nothing, crash on nothing and change nothing in place."""
    before = copy.deepcopy(document)
    ALL[name](document)
    assert document == before


def test_a_providers_quirks_apply_in_order() -> None:
    """The rename comes before the filter that knows only the new name."""
    odd = provider("max_tokens", "random_seed", "mistral_fields")
    body = {"model": "m", "max_completion_tokens": 5, "seed": 7, "store": True}
    assert amend_request(odd, body) == {"model": "m", "max_tokens": 5, "random_seed": 7}


def test_answer_quirks_become_one_function_or_none() -> None:
    """A provider without any costs nothing; with several they apply in order."""
    assert amend_answer(provider()) is None
    assert amend_answer(provider("max_tokens")) is None
    assert amend_answer(provider("x_groq")) is ANSWER["x_groq"]
    both = amend_answer(provider("x_groq", "cache_hit_tokens"))
    assert both is not None
    body = both({"x_groq": {"usage": {"prompt_cache_hit_tokens": 3}}})
    assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 3}


@pytest.mark.parametrize(
    ("quirks", "body", "lost"),
    [
        (("no_penalties",), {"presence_penalty": 1.5, "frequency_penalty": 0}, ["dropped:presence_penalty"]),
        (
            ("no_logprobs",),
            {"logprobs": True, "top_logprobs": 2},
            ["dropped:logprobs", "dropped:top_logprobs"],
        ),
        (("no_logprobs",), {"logprobs": False}, []),
        (("no_tier",), {"service_tier": "flex"}, ["dropped:tier"]),
        (("no_tier",), {"service_tier": "auto"}, []),
        (("groq_tier",), {"service_tier": "priority"}, ["dropped:tier"]),
        (("groq_tier",), {"service_tier": "default"}, []),
        (("deepseek_forced_tools",), {"tool_choice": "required"}, ["dropped:reasoning"]),
        (("deepseek_sampling",), {"temperature": 0.3, "top_p": 1}, ["dropped:temperature"]),
        (("deepseek_sampling",), {"temperature": 1, "frequency_penalty": 0}, []),
        (("random_seed", "mistral_fields"), {"seed": 1, "user": "u"}, ["dropped:user"]),
        (("max_tokens", "no_stream_options"), {"max_completion_tokens": 1, "stream_options": {"a": 1}}, []),
        (("no_names",), sent({"role": "user", "name": "ann", "content": "x"}), ["dropped:messages.name"]),
        (("x_groq",), {"logit_bias": {"1": 1}}, []),
    ],
)
def test_what_a_quirk_leaves_out_is_declared(
    quirks: tuple[str, ...], body: dict[str, Any], lost: list[str]
) -> None:
    """Nothing is lost silently; a rename, or a value that says nothing, loses nothing."""
    assert [str(loss) for loss in losses(provider(*quirks), body)] == lost


def test_shipped_rows_declare_what_they_drop() -> None:
    """The names in losses are the core's, and say whose limit it was."""
    groq = msgspec.structs.replace(catalog().providers["groq"], key="k")
    (loss,) = losses(groq, sent({"role": "user", "content": "x"}, logit_bias={"1": 2}))
    assert (loss.how, loss.at, loss.why) == ("dropped", "logit_bias", "groq does not take it")


def test_deepseek_is_asked_to_think_or_to_call_but_not_both() -> None:
    """In the row's order: the choice of a tool turns thinking off, and then sampling is heeded."""
    row = catalog().providers["deepseek"]
    body = sent(SAID, tool_choice="required", temperature=0.3)
    amended = amend_request(row, body)
    assert (amended["thinking"], amended["temperature"]) == ({"type": "disabled"}, 0.3)
    assert "reasoning_content" not in amended["messages"][0]
    assert [str(loss) for loss in losses(row, body)] == ["dropped:reasoning"]
