"""Anthropic Messages: what its own corpus and the shared laws do not say by themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.core.extras import Extras, Json
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import (
    Format,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    Sampling,
    Signature,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from dragoman.dialects import Call, Reply
from dragoman.dialects.anthropic import DIALECT

CORPUS = Path(__file__).parent / "corpus" / "anthropic"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER, CLOCK = Tool("get_weather", "Weather.", SCHEMA), Tool("get_time", schema={"type": "object"})


def read(body: Json, path: str = "/v1/messages", **headers: str) -> Request:
    """Read a request as a client sent it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return DIALECT.read_request(Call("POST", path, headers=named, body=body))


def body_of(name: str) -> dict[str, Json]:
    """Return the body of a request of the corpus."""
    body: dict[str, Json] = json.loads((CORPUS / "requests" / f"{name}.json").read_text())["body"]
    return body


def asked(*messages: Message, **fields: Any) -> Request:
    """Return a request another dialect read."""
    return Request("openai_chat", "m", messages or (said("Hi"),), **fields)


def said(*parts: Part | str, role: Any = "user") -> Message:
    """Return a message; a str is a Text."""
    return Message(role, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def sent(request: Request) -> tuple[dict[str, Json], set[str]]:
    """Return the body a request becomes, and its losses as a header would name them."""
    call = DIALECT.write_request(request)
    return call.body, {str(loss) for loss in call.losses}


# --- requests in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"model": None}, "$.model"),
        ({"max_tokens": None}, "$.max_tokens"),
        ({"max_tokens": -1}, "$.max_tokens"),
        ({"max_tokens": True}, "$.max_tokens"),
        ({"messages": []}, "$.messages"),
        ({"messages": "Hi"}, "$.messages"),
        ({"messages": ["Hi"]}, "$.messages[0]"),
        ({"messages": [{"content": "Hi"}]}, "$.messages[0].role"),
        ({"messages": [{"role": "tool", "content": "Hi"}]}, "$.messages[0].role"),
        ({"messages": [{"role": "user"}]}, "$.messages[0].content"),
        ({"messages": [{"role": "user", "content": 7}]}, "$.messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}, "$.messages[0].content[0].type"),
        ({"system": [{"type": "image"}]}, "$.system[0].source"),
        ({"system": [{"type": "fancy"}]}, "$.system[0].type"),
        ({"temperature": 1.5}, "$.temperature"),
        ({"top_k": 0.5}, "$.top_k"),
        ({"stop_sequences": "END"}, "$.stop_sequences"),
        ({"stream": "yes"}, "$.stream"),
        ({"tools": [{"input_schema": {}}]}, "$.tools[0].name"),
        ({"tools": [{"name": "f"}]}, "$.tools[0].input_schema"),
        ({"tool_choice": {"type": "required"}}, "$.tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "$.tool_choice.name"),
        ({"thinking": {"type": "enabled"}}, "$.thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 100}}, "$.thinking.budget_tokens"),
        ({"thinking": {"type": "deep"}}, "$.thinking.type"),
        ({"thinking": {"type": "adaptive", "display": "all"}}, "$.thinking.display"),
        ({"output_config": {"effort": "huge"}}, "$.output_config.effort"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "$.output_config.format"),
        ({"metadata": {"user_id": 7}}, "$.metadata.user_id"),
        ({"service_tier": "flex"}, "$.service_tier"),
    ],
)
def test_fault_is_refused_with_its_path(change: dict[str, Json], at: str) -> None:
    """A wrong field is a 400 that names it."""
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]} | change
    with pytest.raises(Failure) as caught:
        read(body)
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)


@pytest.mark.parametrize("path", sorted((CORPUS / "requests").glob("*.json")), ids=lambda path: path.stem)
def test_request_goes_home_with_its_headers(path: Path) -> None:
    """Body and headers of every request of the corpus leave as they came, and nothing is lost."""
    record = json.loads(path.read_text())
    call = DIALECT.write_request(
        DIALECT.read_request(Call("POST", "/v1/messages", headers=record["headers"], body=record["body"]))
    )
    assert call.body == record["body"]
    assert {"anthropic-version": "2023-06-01"} | record["headers"] == call.headers
    assert not call.losses


def test_counting_needs_no_limit() -> None:
    """A token count may leave max_tokens out, and its body goes home whole."""
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "thinking": {"type": "adaptive"}}
    request = read(body, "/v1/messages/count_tokens")
    call = DIALECT.write_count(request)
    assert call is not None
    assert (call.path, call.body) == ("/messages/count_tokens", body)


def test_counting_takes_only_its_own_fields() -> None:
    """A generation is counted without what the count endpoint refuses."""
    call = DIALECT.write_count(read(body_of("sampling_and_stops")))
    assert call is not None
    assert call.body.keys() == {"model", "messages", "system"}
    assert DIALECT.read_count(DIALECT.write_counted(2095)) == 2095
    with pytest.raises(Failure, match="counted no tokens"):
        DIALECT.read_count(Reply(200, body={}))


def test_version_and_betas_go_home_as_headers() -> None:
    """A client's version and betas are headers again, and no part of the body."""
    request = read(body_of("minimal"), anthropic_version="2026-10-21", anthropic_beta="a-1,b-2")
    call = DIALECT.write_request(request)
    assert call.headers == {"anthropic-version": "2026-10-21", "anthropic-beta": "a-1,b-2"}
    assert call.body == body_of("minimal")


def test_client_without_version_means_the_first() -> None:
    """What Anthropic does without the header is the first version."""
    assert DIALECT.write_request(read(body_of("no_version"))).headers == {"anthropic-version": "2023-06-01"}


@pytest.mark.parametrize(
    ("sampling", "version"),
    [(Sampling(), "2026-10-21"), (Sampling(temperature=0), "2023-06-01"), (Sampling(top_k=3), "2023-06-01")],
)
def test_foreign_request_gets_the_version_that_takes_its_fields(sampling: Sampling, version: str) -> None:
    """Sampling is refused by the current version, so a request that has it names the first."""
    assert DIALECT.write_request(asked(sampling=sampling)).headers["anthropic-version"] == version


def test_thinking_is_read() -> None:
    """Mode, budget, effort and display come apart into Reasoning."""
    assert read(body_of("thinking_manual")).reasoning == Reasoning(enabled=True, budget=10000, show="summary")
    adaptive = read(body_of("thinking_adaptive"))
    assert adaptive.reasoning == Reasoning(enabled=True, effort="xhigh", show="none")
    assert adaptive.extras is not None
    assert adaptive.extras.rest == {"output_config": {"task_budget": {"type": "tokens", "total": 50000}}}
    assert read(body_of("thinking_disabled")).reasoning == Reasoning(enabled=False)


def test_choice_and_parallelism_are_read() -> None:
    """`disable_parallel_tool_use` is the opposite of parallel_tools; a named tool is a required one."""
    named = read(body_of("tool_named_serial"))
    assert (named.tool_choice, named.parallel_tools) == (ToolChoice("required", ("get_weather",)), False)
    many = read(body_of("tools_in_parallel"))
    assert (many.tool_choice, many.parallel_tools) == (ToolChoice("required"), True)


def test_user_and_tier_are_read_in_the_words_of_the_core() -> None:
    """metadata.user_id is the user, standard_only is the default tier; other metadata stays."""
    request = read(body_of("thinking_disabled"))
    assert (request.user, request.tier) == ("u-17", "default")
    assert request.extras is not None
    assert request.extras.rest == {"metadata": {"team": "blue"}}


def test_system_lies_where_it_stood() -> None:
    """The top-level prompt leads; system messages inside keep their place."""
    request = read(body_of("system_inside"))
    assert [message.role for message in request.messages] == [
        "system",
        "user",
        "system",
        "assistant",
        "user",
        "system",
    ]


def test_injected_system_message_joins_the_clients_own() -> None:
    """What the gateway puts before a client's prompt is one `system` with it."""
    request = read(body_of("sampling_and_stops"))
    more = msgspec.structs.replace(request, messages=(said("First.", role="system"), *request.messages))
    body, losses = sent(more)
    assert body["system"] == [{"type": "text", "text": "First."}, {"type": "text", "text": "Be brief."}]
    assert not losses


# --- requests out -----------------------------------------------------------------------------------------


def test_plain_foreign_request() -> None:
    """Leading system text is `system`, and a limit is sent although the client gave none."""
    body, losses = sent(asked(said("Be brief.", role="system"), said("Hi")))
    assert body == {
        "model": "m",
        "max_tokens": 4096,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }
    assert not losses


def test_results_lead_one_user_turn() -> None:
    """Adjacent turns of one role merge, and tool results stand before words."""
    calls = said(ToolCall("a", "f", "{}"), ToolCall("b", "f", '{"x": 1}'), role="assistant")
    turns = (
        said("Go"),
        calls,
        said("By the way"),
        said(ToolResult("a", (Text("1"),))),
        said(ToolResult("b")),
    )
    body, losses = sent(asked(*turns, said("Thanks")))
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in body["messages"][2]["content"]] == [
        "tool_result",
        "tool_result",
        "text",
        "text",
    ]
    assert body["messages"][1]["content"][1]["input"] == {"x": 1}
    assert not losses


def test_later_system_message_stands_in_the_users_turn() -> None:
    """A foreign system message in the middle is wrapped so that the model knows it for one."""
    body, losses = sent(asked(said("Hi"), said("Be terse.", role="system")))
    assert body["messages"][0]["content"][1]["text"] == "<system>\nBe terse.\n</system>"
    assert losses == {"approximated:messages[1]"}


@pytest.mark.parametrize(
    "messages",
    [(said("Only this.", role="system"),), (said("Hello", role="assistant"), said("Hi")), (said(" "),)],
)
def test_conversation_begins_with_the_user(messages: tuple[Message, ...]) -> None:
    """Where no user speaks first, a placeholder does."""
    body, losses = sent(asked(*messages))
    assert body["messages"][0] == {"role": "user", "content": [{"type": "text", "text": "Begin."}]}
    assert losses == {"approximated:messages"}


def test_prefill_is_trimmed() -> None:
    """White space at the end of a last assistant turn is a 400."""
    body, losses = sent(asked(said("Hi"), said("Well, ", role="assistant")))
    assert body["messages"][1]["content"][0]["text"] == "Well,"
    assert losses == {"approximated:messages"}


def test_only_anthropics_own_thinking_is_sent() -> None:
    """Signed thinking goes back byte for byte; what others thought is dropped and declared."""
    ours, theirs = Signature("anthropic", "c2ln"), Signature("gemini", "eHl6")
    thoughts = (
        Thinking("A", signature=ours),
        Thinking(redacted=True, signature=ours),
        Thinking("B", signature=theirs),
        Thinking("C"),
    )
    body, losses = sent(asked(said("Hi"), said(*thoughts, "Yes", role="assistant"), said("So?")))
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "A", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "c2ln"},
        {"type": "text", "text": "Yes"},
    ]
    assert losses == {"dropped:messages[1].parts[2]", "dropped:messages[1].parts[3]"}


@pytest.mark.parametrize(
    ("reasoning", "limit", "body"),
    [
        (Reasoning(effort="high"), None, {"thinking": {"type": "adaptive"}, "effort": "high"}),
        (Reasoning(effort="minimal"), None, {"thinking": {"type": "adaptive"}, "effort": "low"}),
        (Reasoning(effort="none"), None, {"thinking": {"type": "disabled"}}),
        (Reasoning(enabled=False), None, {"thinking": {"type": "disabled"}}),
        (
            Reasoning(enabled=True, show="none"),
            None,
            {"thinking": {"type": "adaptive", "display": "omitted"}},
        ),
        (
            Reasoning(effort="high", budget=16384),
            None,
            {"thinking": {"type": "enabled", "budget_tokens": 16384}, "limit": 20480},
        ),
        (
            Reasoning(budget=5000, show="full"),
            4000,
            {
                "thinking": {"type": "enabled", "budget_tokens": 3999, "display": "summarized"},
                "limit": 4000,
            },
        ),
        (
            Reasoning(budget=10),
            4000,
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "limit": 4000},
        ),
        (Reasoning(budget=2048), 1000, {"thinking": {"type": "disabled"}, "limit": 1000}),
        (Reasoning(budget=0), None, {"thinking": {"type": "disabled"}}),
    ],
)
def test_reasoning_is_asked_for(reasoning: Reasoning, limit: int | None, body: dict[str, Json]) -> None:
    """Effort asks adaptively, a budget manually; the budget stays under a limit the client gave."""
    found, losses = sent(asked(reasoning=reasoning, max_output=limit))
    assert found["thinking"] == body["thinking"]
    assert found.get("output_config", {}).get("effort") == body.get("effort")
    assert found["max_tokens"] == body.get("limit", 4096)
    changed = reasoning.effort == "minimal" or (reasoning.budget or 0) != body["thinking"].get(
        "budget_tokens", 0
    )
    assert bool(losses) is changed


def test_manual_thinking_yields_to_a_forced_tool_and_to_a_loop_without_thoughts() -> None:
    """Both are a 400 with manual thinking; adaptive thinking takes them."""
    loop = (said("Go"), said(ToolCall("a", "f", "{}"), role="assistant"), said(ToolResult("a")))
    for request in (
        asked(tools=(CLOCK,), tool_choice=ToolChoice("required"), reasoning=Reasoning(budget=2048)),
        asked(*loop, reasoning=Reasoning(budget=2048)),
    ):
        body, losses = sent(request)
        assert body["thinking"] == {"type": "disabled"}
        assert losses == {"dropped:reasoning"}
    assert sent(asked(*loop, reasoning=Reasoning(effort="low")))[0]["thinking"] == {"type": "adaptive"}


def test_sampling_is_clamped_and_the_rest_declared() -> None:
    """Temperature ends at 1 here; penalties and seeds have no field."""
    sampling = Sampling(1.7, 0.5, 3, frequency_penalty=0.1, presence_penalty=0, seed=0)
    body, losses = sent(asked(sampling=sampling))
    assert (body["temperature"], body["top_p"], body["top_k"]) == (1, 0.5, 3)
    assert losses == {"clamped:temperature", "dropped:frequency_penalty", "dropped:seed"}


def test_sampling_yields_to_thinking() -> None:
    """Beside thinking only a high top_p is allowed."""
    body, losses = sent(asked(sampling=Sampling(0.2, 0.98, 5), reasoning=Reasoning(effort="low")))
    assert "temperature" not in body
    assert body["top_p"] == 0.98
    assert losses == {"dropped:temperature", "dropped:top_k"}


@pytest.mark.parametrize(
    ("fields", "choice", "tools", "losses"),
    [
        ({}, None, 2, set()),
        ({"tool_choice": ToolChoice("none")}, {"type": "none"}, 2, set()),
        ({"tool_choice": ToolChoice("required")}, {"type": "any"}, 2, set()),
        ({"parallel_tools": True}, None, 2, set()),
        ({"parallel_tools": False}, {"type": "auto", "disable_parallel_tool_use": True}, 2, set()),
        (
            {"tool_choice": ToolChoice("required", ("get_time",)), "parallel_tools": False},
            {"type": "tool", "name": "get_time", "disable_parallel_tool_use": True},
            2,
            set(),
        ),
        (
            {"tool_choice": ToolChoice("auto", ("get_time",))},
            {"type": "auto"},
            1,
            {"approximated:tool_choice"},
        ),
    ],
)
def test_choice_is_written(fields: dict[str, Any], choice: Json, tools: int, losses: set[str]) -> None:
    """Every choice has its word; an allowed subset is sent as the only tools there are."""
    body, lost = sent(asked(tools=(WEATHER, CLOCK), **fields))
    assert (body.get("tool_choice"), len(body["tools"]), lost) == (choice, tools, losses)


def test_choice_without_tools_is_not_sent() -> None:
    """A tool_choice without tools is a 400; only a required one is a loss."""
    assert sent(asked(tool_choice=ToolChoice("none"), parallel_tools=False))[1] == set()
    body, losses = sent(asked(tool_choice=ToolChoice("required")))
    assert "tool_choice" not in body
    assert losses == {"dropped:tool_choice"}


def test_schema_is_closed_and_json_is_asked_for_in_words() -> None:
    """json_schema has a field and json has none."""
    nested = {"type": "object", "properties": {"a": {"type": ["object", "null"]}, "enum": {"enum": [{}]}}}
    body, losses = sent(asked(format=Format("json_schema", nested, name="r", strict=True)))
    schema = body["output_config"]["format"]["schema"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["a"] == {"type": ["object", "null"], "additionalProperties": False}
    assert schema["properties"]["enum"] == {"enum": [{}]}
    assert losses == {"approximated:format.schema"}
    body, losses = sent(asked(said("Be kind.", role="system"), said("Hi"), format=Format("json")))
    assert body["system"][0]["text"] == "Be kind."
    assert "JSON" in body["system"][1]["text"]
    assert losses == {"emulated:format"}
    assert "output_config" not in body


def test_what_schema_cannot_say_is_declared() -> None:
    """A schema is always strict here and has no description."""
    closed = {"type": "object", "additionalProperties": False}
    shape = Format("json_schema", closed, name="r", strict=False, description="The answer.")
    assert sent(asked(format=shape))[1] == {"approximated:format.strict", "dropped:format.description"}


def test_other_fields_of_foreign_requests() -> None:
    """User, tier and stops have fields; unknown tiers, blank stops and foreign extras are declared."""
    body, losses = sent(
        asked(
            user="u",
            tier="flex",
            stop=("END", "\n"),
            extras=Extras("openai_chat", {"logit_bias": {"1": 2}, "metadata": {}, "store": None}),
        )
    )
    assert body["metadata"] == {"user_id": "u"}
    assert body["stop_sequences"] == ["END"]
    assert losses == {"dropped:tier", "dropped:stop", "dropped:logit_bias"}
    assert sent(asked(tier="default"))[0]["service_tier"] == "standard_only"


@pytest.mark.parametrize(
    ("request_", "at"),
    [
        (asked(candidates=2), "candidates"),
        (asked(said(Opaque("gemini", "executableCode"))), "messages[0].parts[0]"),
        (asked(said(Media("audio", "base64", "UklG", mime="audio/wav"))), "messages[0].parts[0]"),
        (asked(tools=(Opaque("openai_responses", "web_search"),)), "tools[0]"),
        (asked(tools=(Tool("a.b", schema={}),)), "tools[0].name"),
        (asked(tools=(Tool("f", custom=True, grammar={"type": "grammar"}),)), "tools[0].grammar"),
    ],
)
def test_what_cannot_be_said_honestly_is_refused(request_: Request, at: str) -> None:
    """What the model would see otherwise, or answer in another shape, is a 400 naming the field."""
    with pytest.raises(Failure) as caught:
        DIALECT.write_request(request_)
    assert (caught.value.kind, caught.value.at) == (Kind.UNSUPPORTED, at)
