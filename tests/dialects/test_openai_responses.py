"""OpenAI Responses: requests and whole answers, where the corpus and the shared laws do not say it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.core.events import Choice, Response, Stop
from dragoman.core.extras import Extras, Json
from dragoman.core.failure import Failure, Kind, Retry, Source
from dragoman.core.request import (
    Format,
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
)
from dragoman.core.usage import Usage
from dragoman.dialects import Call, Reply, anthropic, openai_chat
from dragoman.dialects.openai_responses import DIALECT

CORPUS = Path(__file__).parent / "corpus" / "openai_responses"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
CLOSED = {**SCHEMA, "required": ["city"], "additionalProperties": False}
ABROAD = (anthropic.DIALECT, openai_chat.DIALECT)


def read(body: Json, path: str = "/v1/responses") -> Request:
    """Read a request as a client sent it."""
    return DIALECT.read_request(Call("POST", path, body=body))


def corpus(kind: str, name: str) -> dict[str, Json]:
    """Return the body of one file of the corpus."""
    body: dict[str, Json] = json.loads((CORPUS / kind / f"{name}.json").read_text())["body"]
    return body


def said(*parts: Part | str, role: Any = "user") -> Message:
    """Return a message; a str is a Text."""
    return Message(role, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def asked(*messages: Message, **fields: Any) -> Request:
    """Return a request another dialect read."""
    return Request("anthropic", "m", messages or (said("Hi"),), **fields)


def sent(request: Request) -> tuple[dict[str, Json], set[str]]:
    """Return the body a request becomes, and its losses as a header would name them."""
    call = DIALECT.write_request(request)
    assert (call.method, call.path) == ("POST", "/responses")
    return call.body, {str(loss) for loss in call.losses}


def answer(*parts: Part, stop: Stop | None = None, **fields: Any) -> Response:
    """Return an answer another dialect's provider gave."""
    return Response("msg_1", "claude", (Choice(parts, stop or Stop("end")),), **fields)


def told(response: Response, body: Json = None) -> tuple[dict[str, Json], set[str]]:
    """Return the body a client is answered with, and the losses."""
    reply = DIALECT.write_answer(response, read({"model": "m", "input": "Hi", **(body or {})}))
    assert reply.status == 200
    return reply.body, {str(loss) for loss in reply.losses}


# --- requests in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"model": None}, "$.model"),
        ({"input": None}, "$.input"),
        ({"input": 7}, "$.input"),
        ({"input": ["Hi"]}, "$.input[0]"),
        ({"input": [{}]}, "$.input[0].type"),
        ({"input": [{"type": ""}]}, "$.input[0].type"),
        ({"input": [{"role": "tool", "content": "Hi"}]}, "$.input[0].role"),
        ({"input": [{"type": "message", "content": "Hi"}]}, "$.input[0].role"),
        ({"input": [{"role": "user"}]}, "$.input[0].content"),
        ({"input": [{"role": "assistant", "content": None}]}, "$.input[0].content"),
        ({"input": [{"role": "user", "content": [{"text": "Hi"}]}]}, "$.input[0].content[0].type"),
        (
            {"input": [{"role": "user", "content": [{"type": "output_text", "text": "Hi"}]}]},
            "$.input[0].content[0].type",
        ),
        (
            {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "Hi"}]}]},
            "$.input[0].content[0].type",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "$.input[0].content[0].image_url",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:x,y"}]}]},
            "$.input[0].content[0].image_url",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file"}]}]},
            "$.input[0].content[0].file_data",
        ),
        ({"input": [{"type": "function_call", "name": "f", "arguments": ""}]}, "$.input[0].call_id"),
        ({"input": [{"type": "function_call", "call_id": "c", "name": "f"}]}, "$.input[0].arguments"),
        ({"input": [{"type": "custom_tool_call", "call_id": "c", "name": "f"}]}, "$.input[0].input"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "$.input[0].output"),
        ({"input": [{"type": "reasoning", "summary": ["a"]}]}, "$.input[0].summary[0]"),
        ({"instructions": 7}, "$.instructions"),
        ({"tools": [{"name": "f"}]}, "$.tools[0].type"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "$.tools[0].name"),
        ({"tools": [{"type": "custom", "name": "f", "format": "lark"}]}, "$.tools[0].format"),
        ({"tool_choice": "any"}, "$.tool_choice"),
        ({"tool_choice": {"type": "function"}}, "$.tool_choice.name"),
        ({"tool_choice": {"type": "allowed_tools", "tools": []}}, "$.tool_choice.mode"),
        ({"text": {"format": {"type": "grammar"}}}, "$.text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "$.text.format.schema"),
        ({"reasoning": {"effort": "huge"}}, "$.reasoning.effort"),
        ({"reasoning": {"summary": "none"}}, "$.reasoning.summary"),
        ({"max_output_tokens": 0}, "$.max_output_tokens"),
        ({"temperature": "hot"}, "$.temperature"),
        ({"store": "no"}, "$.store"),
        ({"background": 1}, "$.background"),
        ({"include": [1]}, "$.include"),
        ({"truncation": "some"}, "$.truncation"),
        ({"previous_response_id": 7}, "$.previous_response_id"),
        ({"stream": "yes"}, "$.stream"),
    ],
)
def test_fault_is_refused_with_its_path(change: dict[str, Json], at: str) -> None:
    """A wrong field is a 400 that names it."""
    with pytest.raises(Failure) as caught:
        read({"model": "m", "input": "Hi"} | change)
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)


@pytest.mark.parametrize("name", ["previous_response_id", "conversation", "prompt"])
def test_stored_input_may_be_all_there_is(name: str) -> None:
    """What the provider stores is input enough."""
    value = {"id": "x_1"} if name == "prompt" else "x_1"
    assert read({"model": "m", name: value}).messages == ()


def test_instructions_lead() -> None:
    """`instructions` is the first system message; developers' messages stay where they stood."""
    request = read(corpus("requests", "everything_said"))
    roles = [message.role for message in request.messages]
    assert roles == ["system", "system", "system", "user", "assistant", "user"]
    assert request.messages[0].parts == (Text("Be brief."),)


def test_tool_loop_is_two_turns() -> None:
    """What the model thought, said and called is one message; each answer of a tool is a user's."""
    request = read(corpus("requests", "tool_loop"))
    assert [message.role for message in request.messages] == [
        "user",
        "assistant",
        "user",
        "user",
        "assistant",
    ]
    kinds = [type(part).__name__ for part in request.messages[1].parts]
    assert kinds == ["Thinking", "Thinking", "Text", "ToolCall", "ToolCall"]
    first, last, _, call, _ = request.messages[1].parts
    assert isinstance(first, Thinking)
    assert isinstance(last, Thinking)
    assert isinstance(call, ToolCall)
    assert (first.text, first.signature) == ("Two calls.", None)
    assert last.signature == Signature("openai", "gAAAAABo-1", id="rs_1")
    assert (call.id, call.arguments) == ("call_1", '{ "city" : "Ghent" }')


def test_choice_is_read_in_the_words_of_the_core() -> None:
    """Named, allowed and hosted tools; only what the core cannot say stays."""
    allowed = read(corpus("requests", "allowed_tools")).tool_choice
    assert allowed is not None
    assert (allowed.mode, allowed.names) == ("auto", ("get_weather", "note"))
    assert read(corpus("requests", "named_function")).tool_choice == ToolChoice("required", ("get_weather",))
    hosted = read(corpus("requests", "named_hosted_tool")).tool_choice
    assert hosted is not None
    assert (hosted.mode, hosted.names) == ("required", ())


def test_format_and_effort_are_read() -> None:
    """`text.format` is flat, the verbosity stays behind; a summary is what is shown of reasoning."""
    request = read(corpus("requests", "structured_output"))
    assert request.format is not None
    assert (request.format.kind, request.format.name, request.format.strict) == ("json_schema", "city", True)
    assert request.extras is not None
    assert request.extras.rest == {"text": {"verbosity": "low"}}
    thinking = read(corpus("requests", "reasoning")).reasoning
    assert thinking is not None
    assert (thinking.effort, thinking.show) == ("xhigh", "summary")


def test_grammar_is_held_as_chat_completions_nests_it() -> None:
    """Both of OpenAI's dialects read the same free-text tool."""
    tool = read(corpus("requests", "custom_tools")).tools[0]
    assert isinstance(tool, Tool)
    grammar = {"syntax": "lark", "definition": "start: /.+/"}
    assert tool.grammar == {"type": "grammar", "grammar": grammar}
    call = openai_chat.DIALECT.write_request(asked(tools=(msgspec.structs.replace(tool, extras=None),)))
    assert call.body["tools"][0]["custom"]["format"] == {"type": "grammar", "grammar": grammar}


@pytest.mark.parametrize("abroad", ABROAD, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("state", "$.previous_response_id"),
        ("stored_prompt", "$.conversation"),
        ("hosted_items", "messages[0].parts[0]"),
        ("named_hosted_tool", "tools[0]"),
    ],
)
def test_what_only_the_provider_knows_is_refused_abroad(abroad: Any, name: str, at: str) -> None:
    """Where another provider would see something else, the request is refused with its path."""
    with pytest.raises(Failure) as caught:
        abroad.write_request(read(corpus("requests", name)))
    assert (caught.value.kind, caught.value.at) == (Kind.UNSUPPORTED, at)
    assert "openai_responses" in caught.value.message


@pytest.mark.parametrize("abroad", ABROAD, ids=lambda dialect: dialect.name)
def test_only_what_carried_meaning_is_lost_abroad(abroad: Any) -> None:
    """Not storing is what others do anyway; what the client really asked for is declared."""
    assert not abroad.write_request(read(corpus("requests", "idle_fields"))).losses
    body = {
        "model": "m",
        "input": "Hi",
        "store": True,
        "truncation": "auto",
        "include": ["a"],
        "metadata": {},
    }
    losses = {str(loss) for loss in abroad.write_request(read(body)).losses}
    assert losses == {"dropped:store", "dropped:truncation", "dropped:include"}


def test_ids_of_items_are_no_loss() -> None:
    """A history crosses without its bookkeeping, and only the phase is told to be lost."""
    call = openai_chat.DIALECT.write_request(read(corpus("requests", "everything_said")))
    assert {str(loss) for loss in call.losses} == {
        "dropped:messages[4].parts[0].item.phase",
        "dropped:messages[4].parts[1].annotations",
        "dropped:messages[4].parts[2].item.phase",
        "dropped:messages[4].parts[4].item.phase",
    }


# --- requests out -----------------------------------------------------------------------------------------


def test_plain_foreign_request() -> None:
    """One leading system message is `instructions`, and nothing is to be stored."""
    body, losses = sent(asked(said("Be brief.", role="system"), said("Hi"), max_output=100, user="u"))
    assert body == {
        "model": "m",
        "instructions": "Be brief.",
        "input": [{"role": "user", "content": "Hi"}],
        "max_output_tokens": 100,
        "user": "u",
        "store": False,
    }
    assert not losses


def test_system_messages_stand_where_they_stood() -> None:
    """Several leading ones, marked ones and later ones are items."""
    body, _ = sent(asked(said("A", role="system"), said("B", role="system"), said("Hi")))
    assert "instructions" not in body
    assert [item["role"] for item in body["input"]] == ["system", "system", "user"]
    body, _ = sent(asked(said("A", role="system"), said("Hi"), said("B", role="system")))
    assert body["instructions"] == "A"
    assert body["input"][1] == {"role": "system", "content": "B"}
    marked = Message("system", (Text("A", cache_ttl_s=0),))
    body, losses = sent(asked(marked, said("Hi")))
    content = [{"type": "input_text", "text": "A", "prompt_cache_breakpoint": {"mode": "explicit"}}]
    assert body["input"][0] == {"role": "system", "content": content}
    assert not losses


def test_foreign_tools_are_not_strict() -> None:
    """Left out, strictness would be assumed; asked for, it is kept where the schema allows it."""
    tools = (
        Tool("a", "A.", SCHEMA),
        Tool("b", None, CLOSED, strict=True),
        Tool("c", None, SCHEMA, strict=True),
        Tool("d"),
        Tool(
            "e", custom=True, grammar={"type": "grammar", "grammar": {"syntax": "regex", "definition": "a"}}
        ),
    )
    body, losses = sent(asked(tools=tools))
    assert body["tools"] == [
        {"type": "function", "name": "a", "description": "A.", "parameters": SCHEMA, "strict": False},
        {"type": "function", "name": "b", "parameters": CLOSED, "strict": True},
        {"type": "function", "name": "c", "parameters": SCHEMA, "strict": False},
        {
            "type": "function",
            "name": "d",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        },
        {"type": "custom", "name": "e", "format": {"type": "grammar", "syntax": "regex", "definition": "a"}},
    ]
    assert losses == {"approximated:tools[2].strict"}


@pytest.mark.parametrize(
    ("fields", "losses"),
    [
        ({"stop": ("END",)}, {"dropped:stop"}),
        (
            {"sampling": Sampling(0.5, 0.9, 40, 0.1, 0.2, 7)},
            {"dropped:top_k", "dropped:frequency_penalty", "dropped:presence_penalty", "dropped:seed"},
        ),
        ({"max_output": 1}, {"clamped:max_output"}),
        ({"reasoning": Reasoning(budget=9000)}, {"approximated:reasoning.budget"}),
        ({"reasoning": Reasoning(enabled=True)}, {"approximated:reasoning.enabled"}),
        ({"reasoning": Reasoning(effort="low", show="full")}, {"approximated:reasoning.show"}),
        ({"tool_choice": ToolChoice("required")}, {"dropped:tool_choice"}),
        ({"tools": (Tool("f", schema=SCHEMA, cache_ttl_s=0),)}, {"dropped:tools[0].cache_ttl_s"}),
        ({"extras": Extras("openai_chat", {"logit_bias": {"1": 2}})}, {"dropped:logit_bias"}),
    ],
)
def test_what_has_no_field_is_declared(fields: dict[str, Any], losses: set[str]) -> None:
    """Sampling and hints are dropped or bent, and said to be."""
    assert sent(asked(**fields))[1] == losses


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"candidates": 2}, "candidates"),
        ({"tools": (Opaque("anthropic", "web_search_20260318"),)}, "tools[0]"),
        ({"tools": (Tool("a.b"),)}, "tools[0].name"),
        ({"messages": (said(Opaque("anthropic", "container_upload")),)}, "messages[0].parts[0]"),
    ],
)
def test_what_cannot_be_said_is_refused(fields: dict[str, Any], at: str) -> None:
    """What changes what the model sees, or the shape of the answer, is a 400."""
    with pytest.raises(Failure) as caught:
        sent(msgspec.structs.replace(asked(), **fields))
    assert (caught.value.kind, caught.value.at) == (Kind.UNSUPPORTED, at)


@pytest.mark.parametrize(
    ("reasoning", "block"),
    [
        (Reasoning(effort="high", show="summary"), {"effort": "high", "summary": "auto"}),
        (Reasoning(enabled=False, effort="high"), {"effort": "none"}),
        (Reasoning(budget=0, show="summary"), {"effort": "none"}),
        (Reasoning(budget=60000), {"effort": "max"}),
        (Reasoning(enabled=True, show="none"), None),
    ],
)
def test_reasoning_is_asked_for_by_effort(reasoning: Reasoning, block: Json) -> None:
    """Budgets become efforts, and showing anything is a summary."""
    assert sent(asked(reasoning=reasoning))[0].get("reasoning") == block


@pytest.mark.parametrize(
    ("request_", "encrypted"),
    [
        (asked(), False),
        (asked(reasoning=Reasoning(effort="high")), True),
        (asked(reasoning=Reasoning(enabled=False)), False),
        (asked(reasoning=Reasoning(effort="none")), False),
        (
            asked(
                said("Hi"),
                said(Thinking(redacted=True, signature=Signature("openai", "g")), role="assistant"),
            ),
            True,
        ),
        (
            asked(said("Hi"), said(Thinking("A", signature=Signature("anthropic", "g")), role="assistant")),
            False,
        ),
    ],
)
def test_reasoning_comes_so_that_it_can_be_sent_back(request_: Request, *, encrypted: bool) -> None:
    """Nothing is stored for a foreign client, so reasoning must travel encrypted."""
    body, _ = sent(request_)
    assert body["store"] is False
    assert body.get("include") == (["reasoning.encrypted_content"] if encrypted else None)


@pytest.mark.parametrize(
    ("choice", "block"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none", ("f",)), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("required", ("f",)), {"type": "function", "name": "f"}),
        (ToolChoice("required", ("g",)), {"type": "custom", "name": "g"}),
        (
            ToolChoice("auto", ("f", "g")),
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "g"}],
            },
        ),
    ],
)
def test_choice_is_written_flat(choice: ToolChoice, block: Json) -> None:
    """A named tool is told by its own kind; several are a list of allowed ones."""
    tools = (Tool("f", schema=SCHEMA), Tool("g", custom=True))
    body, losses = sent(asked(tools=tools, tool_choice=choice, parallel_tools=False))
    assert (body["tool_choice"], body["parallel_tool_calls"]) == (block, False)
    assert not losses


def test_format_is_flat_and_strict_where_it_can_be() -> None:
    """A schema gets a name; strictness follows the schema unless the client said otherwise."""
    body, losses = sent(asked(format=Format("json_schema", CLOSED)))
    assert body["text"]["format"] == {
        "type": "json_schema",
        "name": "response",
        "schema": CLOSED,
        "strict": True,
    }
    assert not losses
    body, losses = sent(asked(format=Format("json_schema", SCHEMA, "n", strict=True)))
    assert body["text"]["format"]["strict"] is False
    assert losses == {"approximated:format.strict"}
    assert sent(asked(format=Format("json")))[0]["text"] == {"format": {"type": "json_object"}}


def test_home_settings_follow_what_the_gateway_changed() -> None:
    """A changed limit or effort is written over what the client sent, and its other words stay."""
    request = read(corpus("requests", "reasoning"))
    assert request.reasoning is not None
    less = msgspec.structs.replace(request.reasoning, effort="low")
    body, losses = sent(msgspec.structs.replace(request, reasoning=less, max_output=5))
    assert body["reasoning"] == {**corpus("requests", "reasoning")["reasoning"], "effort": "low"}
    assert body["max_output_tokens"] == 5
    assert not losses


def test_injected_system_message_keeps_the_clients_instructions() -> None:
    """What the gateway puts before or behind a client's prompt is an item of its own."""
    request = read({"model": "m", "instructions": "Be brief.", "input": "Hi"})
    more = (said("First.", role="system"), request.messages[0], said("Then.", role="system"))
    body, _ = sent(msgspec.structs.replace(request, messages=(*more, *request.messages[1:])))
    assert body["instructions"] == "Be brief."
    assert [item["role"] for item in body["input"]] == ["system", "system", "user"]


def test_counting() -> None:
    """A request is counted without what the count endpoint refuses; a client's count needs no input."""
    call = DIALECT.write_count(read(corpus("requests", "structured_output")))
    assert call is not None
    assert call.path == "/responses/input_tokens"
    assert call.body.keys() == {"model", "input", "text"}
    request = read(corpus("requests", "counting"), "/v1/responses/input_tokens")
    counting = DIALECT.write_count(request)
    assert counting is not None
    assert counting.body == corpus("requests", "counting")
    reply = DIALECT.write_counted(2095)
    assert reply.body == {"object": "response.input_tokens", "input_tokens": 2095}
    assert DIALECT.read_count(reply) == 2095
    with pytest.raises(Failure, match="counted no tokens"):
        DIALECT.read_count(Reply(200, body={}))


# --- answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason", "native"),
    [
        ("text", "end", "completed"),
        ("tools_in_parallel", "tool_use", "completed"),
        ("refusal", "refusal", "completed"),
        ("max_output_tokens", "length", "max_output_tokens"),
        ("content_filter", "filter", "content_filter"),
        ("steered", "pause", "steered"),
        ("queued", "pause", "queued"),
        ("unknown_words", "tool_use", "pondered"),
    ],
)
def test_reason_is_read(name: str, reason: str, native: str) -> None:
    """The status, what is incomplete and the items say together why the model stopped."""
    stop = DIALECT.read_answer(Reply(200, body=corpus("answers", name))).choices[0].stop
    assert (stop.reason, stop.native) == (reason, native)


@pytest.mark.parametrize("status", ["failed", "completed"])
def test_failed_answer_is_a_failure(status: str) -> None:
    """A 200 that holds an error is one, with its code."""
    error = {"code": "rate_limit_exceeded", "message": "Slow down."}
    body = {**corpus("answers", "text"), "status": status, "error": error}
    with pytest.raises(Failure, match=r"Slow down\.") as caught:
        DIALECT.read_answer(Reply(200, body=body))
    assert (caught.value.kind, caught.value.retry) == (Kind.RATE_LIMITED, Retry.AGAIN)


def test_error_in_disguise_is_a_failure() -> None:
    """OpenRouter and others answer 200 with an error object, or with nothing of use."""
    with pytest.raises(Failure, match="Provider down"):
        DIALECT.read_answer(Reply(200, body={"error": {"code": 502, "message": "Provider down"}}))
    with pytest.raises(Failure, match="no output") as caught:
        DIALECT.read_answer(Reply(200, body={"id": "resp_1"}))
    assert caught.value.source is Source.UPSTREAM


@pytest.mark.parametrize(
    ("reason", "status", "word", "losses"),
    [
        ("end", "completed", None, set()),
        ("tool_use", "completed", None, set()),
        ("stop_sequence", "completed", None, {"approximated:answer.stop"}),
        ("length", "incomplete", "max_output_tokens", set()),
        ("context", "incomplete", "max_output_tokens", {"approximated:answer.stop"}),
        ("pause", "incomplete", "max_output_tokens", {"approximated:answer.stop"}),
        ("filter", "incomplete", "content_filter", set()),
    ],
)
def test_reason_is_written(reason: Any, status: str, word: str | None, losses: set[str]) -> None:
    """Each reason of the core has a status, and what has no word of its own is declared."""
    body, lost = told(answer(Text("Hi"), stop=Stop(reason)))
    assert (body["status"], body["incomplete_details"]) == (status, {"reason": word} if word else None)
    assert lost == losses


@pytest.mark.parametrize("reason", ["error", "bad_tool_call"])
def test_broken_answer_is_a_failure(reason: Any) -> None:
    """An answer that broke is never told as one that ended."""
    with pytest.raises(Failure) as caught:
        told(answer(Text("Hi"), stop=Stop(reason, native="MALFORMED")))
    assert (caught.value.kind, "MALFORMED" in caught.value.message) == (Kind.UPSTREAM, True)


def test_refusal_without_words_gets_some() -> None:
    """Where only the reason tells of a refusal, a refusal part does."""
    body, losses = told(answer(Text("Well"), stop=Stop("refusal")))
    assert body["status"] == "completed"
    assert body["output"][1]["content"][0]["type"] == "refusal"
    assert losses == {"emulated:answer.stop"}
    body, losses = told(answer(Text("No.", refusal=True), stop=Stop("refusal")))
    assert body["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]
    assert (len(body["output"]), losses) == (1, set())


def test_foreign_answer_is_whole() -> None:
    """Thinking, words and calls are items with ids; usage is inclusive again, the id is a response's."""
    usage = Usage(input=10, cache_read=5, cache_write=3, cache_write_long=2, output=7, reasoning=4)
    call = ToolCall("toolu_1", "f")
    body, losses = told(answer(Thinking("Hm."), Text("A"), Text("B"), call, usage=usage, created_at=17))
    assert (body["id"], body["object"], body["created_at"]) == ("resp_msg_1", "response", 17)
    reasoning, message, function = body["output"]
    assert reasoning["content"] == [{"type": "reasoning_text", "text": "Hm."}]
    assert reasoning["summary"] == []
    assert [part["text"] for part in message["content"]] == ["A", "B"]
    assert (function["call_id"], function["arguments"]) == ("toolu_1", "{}")
    assert [item["id"].partition("_dragoman_")[0] for item in body["output"]] == ["rs", "msg", "fc"]
    assert all(item["status"] == "completed" for item in body["output"])
    assert body["usage"] == {
        "input_tokens": 20,
        "input_tokens_details": {
            "cached_tokens": 5,
            "cache_write_tokens": 5,
            "cache_write_tokens_details": {"ttl_30m_tokens": 3, "ttl_12h_tokens": 2},
        },
        "output_tokens": 11,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 31,
    }
    assert not losses


def test_request_is_echoed() -> None:
    """A server repeats what it was asked; what it was not asked has a default."""
    asks = {
        "instructions": "Be brief.",
        "tools": [{"type": "function", "name": "f", "parameters": SCHEMA, "strict": False}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "temperature": 0.5,
        "max_output_tokens": 99,
        "reasoning": {"effort": "low"},
        "text": {"verbosity": "low"},
        "metadata": {"team": "blue"},
        "prompt_cache_key": "k",
        "truncation": "auto",
        "service_tier": "auto",
        "store": True,
    }
    body, _ = told(answer(Text("Hi")), asks)
    assert body["reasoning"] == {"effort": "low", "summary": None}
    assert body["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert body["service_tier"] == "default"
    same = asks.keys() - {"reasoning", "text", "service_tier"}
    assert {name: body[name] for name in same} == {name: asks[name] for name in same}
    assert (body["top_p"], body["user"], body["error"]) == (1.0, None, None)


def test_only_one_choice_is_told() -> None:
    """The others are declared lost."""
    choices = tuple(Choice((Text(word),), Stop("end", index), index) for index, word in enumerate("AB"))
    body, losses = told(Response("x", "m", choices))
    assert body["output"][0]["content"][0]["text"] == "A"
    assert losses == {"dropped:answer.choices[1]"}
    assert told(Response("x", "m", ()))[0]["output"] == []


@pytest.mark.parametrize("abroad", ABROAD, ids=lambda dialect: dialect.name)
def test_echo_is_no_loss_abroad(abroad: Any) -> None:
    """Nobody else misses what the server repeats of the request."""
    answer_ = DIALECT.read_answer(Reply(200, body=corpus("answers", "text")))
    reply = abroad.write_answer(answer_, Request(abroad.name, "m"))
    assert not reply.losses


# --- failures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "retry"),
    [
        ("invalid", Kind.INVALID, Retry.NEVER),
        ("too_long", Kind.CONTEXT_LENGTH, Retry.NEXT),
        ("stored_response_gone", Kind.INVALID, Retry.NEVER),
        ("authentication", Kind.UPSTREAM, Retry.NEXT),
        ("not_found", Kind.NOT_FOUND, Retry.NEXT),
        ("rate_limit", Kind.RATE_LIMITED, Retry.AGAIN),
        ("quota", Kind.UPSTREAM, Retry.NEXT),
        ("server_error", Kind.UPSTREAM, Retry.AGAIN),
        ("overloaded", Kind.OVERLOADED, Retry.AGAIN),
        ("not_json", Kind.UPSTREAM, Retry.AGAIN),
    ],
)
def test_failure_is_judged(name: str, kind: Kind, retry: Retry) -> None:
    """Each error of the vendor has a kind, and says what may be tried."""
    data = json.loads((CORPUS / "failures" / f"{name}.json").read_text())
    failure = DIALECT.read_failure(Reply(data["status"], data["headers"], data["body"]))
    assert (failure.kind, failure.retry) == (kind, retry)
    assert failure.request_id == data["headers"].get("x-request-id")


def test_failure_goes_home_as_it_came() -> None:
    """A complaint about the client's request keeps the vendor's words and status."""
    data = json.loads((CORPUS / "failures" / "invalid.json").read_text())
    failure = DIALECT.read_failure(Reply(data["status"], data["headers"], data["body"]))
    reply = DIALECT.write_failure(failure)
    assert (reply.status, reply.body) == (data["status"], data["body"])
