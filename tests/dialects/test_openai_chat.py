"""OpenAI Chat Completions: what its own corpus and the shared laws do not say by themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.core.events import Choice, Response, Stop
from dragoman.core.extras import Extras, Json
from dragoman.core.failure import Failure, Kind, Retry
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
from dragoman.core.usage import Usage
from dragoman.dialects import Call, Reply
from dragoman.dialects.catalog import DIALECTS
from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.openai_chat_parts import SYNTHETIC

CORPUS = Path(__file__).parent / "corpus" / "openai_chat"
OPEN = {"type": "object", "properties": {"city": {"type": "string"}}}
CLOSED = {**OPEN, "required": ["city"], "additionalProperties": False}


def read(body: Json) -> Request:
    """Read a request as a client sent it."""
    return DIALECT.read_request(Call("POST", "/v1/chat/completions", body=body))


def own(name: str) -> Request:
    """Read a request of the corpus."""
    return read(json.loads((CORPUS / "requests" / f"{name}.json").read_text())["body"])


def asked(*messages: Message, **fields: Any) -> Request:
    """Return a request another dialect read."""
    return Request("anthropic", "m", messages or (said("Hi"),), **fields)


def said(*parts: Part | str, role: Any = "user") -> Message:
    """Return a message; a str is a Text."""
    return Message(role, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def written(request: Request) -> tuple[dict[str, Json], list[str]]:
    """Write a request; return its body and what was lost."""
    call = DIALECT.write_request(request)
    assert (call.method, call.path) == ("POST", "/chat/completions")
    return call.body, [str(loss) for loss in call.losses]


def turns(*messages: Message) -> list[Json]:
    """Return the messages another dialect's conversation becomes."""
    body, _ = written(asked(*messages))
    found: list[Json] = body["messages"]
    return found


# ---------------------------------------------------------------------------- requests read


def test_a_request_is_understood() -> None:
    """Every field with a place in the core is there, and only the rest is in the extras."""
    request = own("everything")
    assert request.messages[0] == said("Be brief.", role="system")
    assert request.sampling == Sampling(1, 0.9, None, -0.5, 2, 7)
    assert (request.max_output, request.candidates, request.stop) == (256, 2, ("END", "\n\n"))
    assert (request.stream, request.stream_usage, request.parallel_tools) == (True, True, False)
    assert (request.user, request.tier, request.format) == ("u-1", "flex", Format("text"))
    assert request.reasoning == Reasoning(effort="xhigh")
    assert request.tool_choice == ToolChoice("auto")
    assert request.tools == (
        Tool("get_weather", "The weather in a city.", CLOSED, strict=True),
        Tool("get_time"),
    )
    assert request.extras is not None
    assert set(request.extras.rest) == {
        *("logit_bias", "logprobs", "top_logprobs", "stream_options", "verbosity", "prompt_cache_key"),
        *("prompt_cache_options", "metadata", "store", "safety_identifier", "prediction", "modalities"),
        "web_search_options",
    }


def test_a_conversation_is_understood() -> None:
    """A tool message is a user's ToolResult, and the developer and later system messages stay in place."""
    request = own("tool_loop")
    roles = [message.role for message in request.messages]
    assert roles == ["user", "assistant", "user", "user", "assistant", "system", "user"]
    assert request.messages[1].parts == (
        ToolCall("call_1", "get_weather", '{"city": "Zürich"}'),
        ToolCall("call_2", "get_time", "{}"),
    )
    assert request.messages[2].parts == (ToolResult("call_1", (Text("Rain"),)),)
    assert request.tool_choice == ToolChoice("required", ("get_weather",))
    assert own("media").messages[0].role == "system"


def test_legacy_functions_are_tools() -> None:
    """A function message answers the call before it, by an id that names itself as ours."""
    request = own("legacy_functions")
    assert [getattr(tool, "name", "") for tool in request.tools] == ["get_weather", "get_time"]
    assert request.tool_choice is not None
    assert (request.tool_choice.mode, request.tool_choice.names) == ("required", ("get_weather",))
    first, second = request.messages[1].parts[0], request.messages[3].parts[0]
    assert isinstance(first, ToolCall)
    assert isinstance(second, ToolCall)
    assert first.synthetic
    assert first.id.startswith(SYNTHETIC)
    assert first.id != second.id
    answers = [request.messages[index].parts[0] for index in (2, 4)]
    assert [getattr(answer, "call_id", "") for answer in answers] == [first.id, second.id]


def test_every_form_of_tool_choice_is_understood() -> None:
    """Named, custom and allowed tools are a mode and names; Mistral's ``any`` is ``required``."""
    choices = {
        name: own(name).tool_choice
        for name in ("custom_tools", "allowed_tools", "allowed_one_tool", "mistral", "legacy_auto")
    }
    assert {name: (c.mode, c.names) for name, c in choices.items() if c is not None} == {
        "custom_tools": ("required", ("shell",)),
        "allowed_tools": ("required", ("get_weather", "shell")),
        "allowed_one_tool": ("required", ("get_weather",)),
        "mistral": ("required", ()),
        "legacy_auto": ("auto", ()),
    }


def test_openrouters_reasoning_is_understood() -> None:
    """A budget is a budget and ``exclude`` hides the thinking; Groq's ``default`` asks for nothing."""
    budget, effort = own("reasoning_budget").reasoning, own("thinking_echoed").reasoning
    assert budget is not None
    assert (budget.budget, budget.show) == (2000, "none")
    assert effort is not None
    assert (effort.effort, effort.show) == ("high", None)
    assert own("groq").reasoning is None


PART = "$.messages[0].content[0]"
CALLS = "$.messages[0].tool_calls[0]"


def user(part: Json) -> Json:
    """Return a request with one part of content."""
    return {"model": "m", "messages": [{"role": "user", "content": [part]}]}


def calling(call: Json) -> Json:
    """Return a request with one call in its history."""
    return {"model": "m", "messages": [{"role": "assistant", "tool_calls": [call]}]}


def hello(**fields: Json) -> Json:
    """Return a good request with more fields."""
    return {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ([], "$"),
        ({"messages": [{"role": "user", "content": "x"}]}, "$.model"),
        ({"model": 1, "messages": []}, "$.model"),
        ({"model": "m"}, "$.messages"),
        ({"model": "m", "messages": []}, "$.messages"),
        ({"model": "m", "messages": {}}, "$.messages"),
        ({"model": "m", "messages": ["x"]}, "$.messages[0]"),
        ({"model": "m", "messages": [{"content": "x"}]}, "$.messages[0].role"),
        ({"model": "m", "messages": [{"role": "robot", "content": "x"}]}, "$.messages[0].role"),
        ({"model": "m", "messages": [{"role": "user"}]}, "$.messages[0].content"),
        ({"model": "m", "messages": [{"role": "user", "content": None}]}, "$.messages[0].content"),
        ({"model": "m", "messages": [{"role": "user", "content": 1}]}, "$.messages[0].content"),
        ({"model": "m", "messages": [{"role": "assistant", "content": None}]}, "$.messages[0].content"),
        ({"model": "m", "messages": [{"role": "tool", "content": "x"}]}, "$.messages[0].tool_call_id"),
        ({"model": "m", "messages": [{"role": "tool", "tool_call_id": "c"}]}, "$.messages[0].content"),
        ({"model": "m", "messages": [{"role": "function", "content": "x"}]}, "$.messages[0].name"),
        (
            {
                "model": "m",
                "messages": [{"role": "system", "content": [{"type": "image_url", "image_url": "u"}]}],
            },
            f"{PART}.type",
        ),
        (user("x"), PART),
        (user({"text": "x"}), f"{PART}.type"),
        (user({"type": "text"}), f"{PART}.text"),
        (user({"type": "text", "text": 1}), f"{PART}.text"),
        (user({"type": "image_url"}), f"{PART}.image_url"),
        (user({"type": "image_url", "image_url": {}}), f"{PART}.image_url.url"),
        (user({"type": "image_url", "image_url": {"url": 1}}), f"{PART}.image_url.url"),
        (user({"type": "image_url", "image_url": {"url": "data:,x"}}), f"{PART}.image_url.url"),
        (
            user({"type": "image_url", "image_url": {"url": "u", "detail": "huge"}}),
            f"{PART}.image_url.detail",
        ),
        (user({"type": "input_audio", "input_audio": {"data": "x"}}), f"{PART}.input_audio.format"),
        (user({"type": "file", "file": {}}), f"{PART}.file.file_data"),
        (user({"type": "file", "file": {"file_data": "data:x"}}), f"{PART}.file.file_data"),
        (calling({"type": "function", "function": {"name": "f", "arguments": ""}}), f"{CALLS}.id"),
        (calling({"id": "c", "type": "nothing"}), f"{CALLS}.type"),
        (calling({"id": "c", "type": "function"}), f"{CALLS}.function"),
        (calling({"id": "c", "type": "function", "function": {"arguments": ""}}), f"{CALLS}.function.name"),
        (
            calling({"id": "c", "type": "function", "function": {"name": "f", "arguments": {}}}),
            f"{CALLS}.function.arguments",
        ),
        (calling({"id": "c", "type": "custom", "custom": {"name": "f"}}), f"{CALLS}.custom.input"),
        ({"model": "m", "messages": [{"role": "assistant", "reasoning": 1}]}, "$.messages[0].reasoning"),
        (
            {"model": "m", "messages": [{"role": "assistant", "reasoning_details": ["x"]}]},
            "$.messages[0].reasoning_details[0]",
        ),
        (hello(temperature=2.1), "$.temperature"),
        (hello(temperature="hot"), "$.temperature"),
        (hello(top_p=-0.1), "$.top_p"),
        (hello(presence_penalty=3), "$.presence_penalty"),
        (hello(seed=1.5), "$.seed"),
        (hello(max_tokens=0), "$.max_tokens"),
        (hello(max_completion_tokens="x"), "$.max_completion_tokens"),
        (hello(n=0), "$.n"),
        (hello(stop=1), "$.stop"),
        (hello(stop=["x", 1]), "$.stop"),
        (hello(stream="yes"), "$.stream"),
        (hello(stream_options=1), "$.stream_options"),
        (hello(stream_options={"include_usage": 1}), "$.stream_options.include_usage"),
        (hello(reasoning_effort="extreme"), "$.reasoning_effort"),
        (hello(reasoning={"effort": "extreme"}), "$.reasoning.effort"),
        (hello(tools={}), "$.tools"),
        (hello(tools=["x"]), "$.tools[0]"),
        (hello(tools=[{}]), "$.tools[0].type"),
        (hello(tools=[{"type": "function"}]), "$.tools[0].function"),
        (hello(tools=[{"type": "function", "function": {}}]), "$.tools[0].function.name"),
        (
            hello(tools=[{"type": "function", "function": {"name": "f", "parameters": 1}}]),
            "$.tools[0].function.parameters",
        ),
        (hello(functions=[{}]), "$.functions[0].name"),
        (hello(tool_choice="maybe"), "$.tool_choice"),
        (hello(tool_choice=1), "$.tool_choice"),
        (hello(tool_choice={}), "$.tool_choice.type"),
        (hello(tool_choice={"type": "function"}), "$.tool_choice.function"),
        (hello(tool_choice={"type": "function", "function": {}}), "$.tool_choice.function.name"),
        (
            hello(tool_choice={"type": "allowed_tools", "allowed_tools": {"tools": []}}),
            "$.tool_choice.allowed_tools.mode",
        ),
        (
            hello(tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{}]}}),
            "$.tool_choice.allowed_tools.tools[0].type",
        ),
        (hello(response_format={}), "$.response_format.type"),
        (hello(response_format={"type": "xml"}), "$.response_format.type"),
        (hello(response_format={"type": "json_schema"}), "$.response_format.json_schema"),
        (
            hello(response_format={"type": "json_schema", "json_schema": {"schema": 1}}),
            "$.response_format.json_schema.schema",
        ),
    ],
)
def test_a_faulty_request_is_refused_with_its_path(body: Json, at: str) -> None:
    """A wrong type, a word out of its set, or a missing field is a 400 that says where."""
    with pytest.raises(Failure) as caught:
        read(body)
    assert (caught.value.kind, caught.value.retry, caught.value.at) == (Kind.INVALID, Retry.NEVER, at)


# ---------------------------------------------------------------------------- requests written


def test_a_plain_foreign_request() -> None:
    """What another dialect asks is said in the commonest words of this one."""
    body, losses = written(
        asked(
            said("Be brief.", role="system"),
            said("Hi"),
            tools=(Tool("f", schema=OPEN), Tool("note", custom=True)),
            tool_choice=ToolChoice("required", ("note",)),
            max_output=9,
            sampling=Sampling(0.5, top_k=3),
            stop=("a",),
            stream=True,
            stream_usage=True,
            tier="flex",
            user="u",
            candidates=2,
        )
    )
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "max_tokens": 9,
        "temperature": 0.5,
        "tools": [
            {"type": "function", "function": {"name": "f", "parameters": OPEN}},
            {"type": "custom", "custom": {"name": "note"}},
        ],
        "tool_choice": {"type": "custom", "custom": {"name": "note"}},
        "stop": ["a"],
        "stream": True,
        "stream_options": {"include_usage": True},
        "service_tier": "flex",
        "user": "u",
        "n": 2,
    }
    assert losses == ["dropped:top_k"]


def test_asking_for_usage_keeps_the_clients_own_options() -> None:
    """The gateway may ask for usage where the client did not, without losing what else it said."""
    request = read(hello(stream=True, stream_options={"include_usage": False, "include_obfuscation": False}))
    assert not request.stream_usage
    body, _ = written(msgspec.structs.replace(request, stream_usage=True))
    assert body["stream_options"] == {"include_usage": True, "include_obfuscation": False}


def test_foreign_extras_are_declared() -> None:
    """Each field only another dialect has is named as lost, wherever it stood."""
    foreign = Extras("anthropic", {"top": 1, "nothing": None})
    request = asked(
        Message("user", (Text("Hi", extras=Extras("anthropic", {"citations": [1]})),), foreign),
        tools=(Tool("f", extras=foreign),),
        extras=foreign,
    )
    assert sorted(written(request)[1]) == [
        "dropped:messages[0].parts[0].citations",
        "dropped:messages[0].top",
        "dropped:tools[0].top",
        "dropped:top",
    ]


def test_a_failed_tool_says_so_once() -> None:
    """There is no flag for a tool's error, so the text begins with the word."""
    parts = (
        ToolResult("c", (Text("no such city"),), error=True),
        ToolResult("d", (Text("Error: no"),), error=True),
        ToolResult("e", (), error=True),
    )
    body, losses = written(asked(Message("user", parts)))
    assert [turn["content"] for turn in body["messages"]] == ["Error: no such city", "Error: no", "Error: "]
    assert losses[0] == "approximated:messages[0].parts[0].error"
    listed = ToolResult("f", (Text("no", cache_ttl_s=0),), error=True)
    assert [part["text"] for part in turns(said(listed))[0]["content"]] == ["Error: ", "no"]


def test_a_tools_image_follows_in_a_user_message() -> None:
    """All tools answer first; then the user shows what is not text."""
    image = Media("image", "base64", "AA==", mime="image/png")
    body, losses = written(
        asked(
            said(ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}"), role="assistant"),
            said(ToolResult("a", (Text("see"), image))),
            said(ToolResult("b", (image,)), "Well?"),
        )
    )
    assert [turn["role"] for turn in body["messages"]] == ["assistant", "tool", "tool", "user", "user"]
    shown = body["messages"][3]["content"]
    assert [part["type"] for part in shown] == ["text", "image_url", "text", "image_url"]
    assert "a" in shown[0]["text"]
    assert body["messages"][2]["content"]
    assert body["messages"][4]["content"] == "Well?"
    assert losses == [
        "emulated:messages[1].parts[0].parts[1]",
        "emulated:messages[2].parts[0].parts[0]",
    ]


def test_a_tools_image_stays_at_home() -> None:
    """A client of this dialect that puts an image into a tool's answer (Groq takes it) knows why."""
    body, losses = written(own("groq"))
    assert body["messages"][2]["content"][1]["type"] == "image_url"
    assert losses == []


def test_an_assistant_who_said_nothing_has_content() -> None:
    """Without calls the content must be there: servers refuse a message that has neither."""
    (turn,) = turns(Message("assistant", ()))
    assert turn == {"role": "assistant", "content": ""}


def test_foreign_thinking_takes_its_signature_along() -> None:
    """Thinking is a string beside the content; where any is signed or hidden, all of it is a detail too."""
    proof = Signature("anthropic", "c2ln")
    parts = (
        Thinking("Hm", signature=proof),
        Thinking(redacted=True, signature=Signature("openai", "ZW5j", id="rs_1")),
        Thinking(" So."),
        Text("Yes"),
    )
    (turn,) = turns(Message("assistant", parts))
    assert turn["reasoning_content"] == "Hm So."
    assert turn["reasoning_details"] == [
        {
            "type": "reasoning.text",
            "text": "Hm",
            "signature": "c2ln",
            "format": "anthropic-claude-v1",
            "index": 0,
        },
        {
            "type": "reasoning.encrypted",
            "data": "ZW5j",
            "id": "rs_1",
            "format": "openai-responses-v1",
            "index": 1,
        },
        {"type": "reasoning.text", "text": " So.", "index": 2},
    ]
    (back,) = read({"model": "m", "messages": [turn]}).messages
    assert "".join(part.text for part in back.parts if isinstance(part, Thinking)) == "Hm So."
    signed = [part for part in back.parts if isinstance(part, Thinking) and part.signature is not None]
    assert signed[0].signature == proof
    assert signed[0].text == "Hm"


def test_geminis_signature_rides_on_the_call() -> None:
    """A call's signature has a place if Gemini made it; another one is declared lost."""
    call = ToolCall("c", "f", "{}", signature=Signature("gemini", "Zw=="))
    (turn,) = turns(said(call, role="assistant"))
    assert turn["content"] is None
    assert turn["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "Zw=="}}
    (back,) = read({"model": "m", "messages": [turn]}).messages
    assert back.parts == (call,)
    other = msgspec.structs.replace(call, signature=Signature("anthropic", "x"))
    assert written(asked(said(other, role="assistant")))[1] == ["dropped:messages[0].parts[0].signature"]


def test_a_foreign_call_without_arguments_has_an_empty_object() -> None:
    """Clients and servers parse a call's arguments, so none at all is written ``{}``."""
    (turn,) = turns(said(ToolCall("c", "f"), role="assistant"))
    assert turn["tool_calls"][0]["function"]["arguments"] == "{}"


def test_cache_breakpoints_take_the_nearest_lifetime() -> None:
    """Five minutes and an hour are half an hour here, and that is declared; the default is the default."""
    body, losses = written(
        asked(
            said(Text("A", cache_ttl_s=0), Text("B", cache_ttl_s=300), Text("C", cache_ttl_s=50_000)),
            said(ToolResult("c", (Text("D"),), cache_ttl_s=1800)),
            tools=(Tool("f", cache_ttl_s=300),),
        )
    )
    marks = [part["prompt_cache_breakpoint"] for part in body["messages"][0]["content"]]
    assert [mark.get("ttl") for mark in marks] == [None, "30m", "12h"]
    assert body["messages"][1]["content"][0]["prompt_cache_breakpoint"]["ttl"] == "30m"
    assert sorted(losses) == [
        "approximated:messages[0].parts[1].cache_ttl_s",
        "approximated:messages[0].parts[2].cache_ttl_s",
        "dropped:tools[0].cache_ttl_s",
    ]


@pytest.mark.parametrize(
    ("shape", "strict", "losses"),
    [
        (Format("json_schema", OPEN), False, []),
        (Format("json_schema", CLOSED), True, []),
        (Format("json_schema", OPEN, strict=True), False, ["approximated:format.strict"]),
        (Format("json_schema", CLOSED, strict=True), True, []),
        (
            Format("json_schema", {"type": "object", "properties": {"x": CLOSED}, "required": ["x"]}),
            False,
            [],
        ),
    ],
)
def test_a_schema_is_strict_only_if_it_is_closed(shape: Format, strict: bool, losses: list[str]) -> None:  # noqa: FBT001  a parameter of the table
    """OpenAI refuses a strict schema with open objects or optional properties."""
    body, lost = written(asked(format=shape))
    assert body["response_format"]["json_schema"] == {
        "name": "response",
        "schema": shape.schema,
        "strict": strict,
    }
    assert lost == losses


@pytest.mark.parametrize(
    ("want", "effort", "losses"),
    [
        (Reasoning(enabled=False), "none", []),
        (Reasoning(effort="high", show="summary"), "high", ["dropped:reasoning.show"]),
        (Reasoning(budget=0), "none", ["approximated:reasoning.budget"]),
        (Reasoning(enabled=True, budget=4000), "low", ["approximated:reasoning.budget"]),
        (Reasoning(enabled=True, budget=100_000), "max", ["approximated:reasoning.budget"]),
        (Reasoning(enabled=True), None, ["approximated:reasoning.enabled"]),
    ],
)
def test_thinking_is_asked_for_by_effort(want: Reasoning, effort: str | None, losses: list[str]) -> None:
    """A budget is the level it stands for, and that is declared."""
    body, lost = written(asked(reasoning=want))
    assert body.get("reasoning_effort") == effort
    assert lost == losses


def test_more_stop_sequences_than_four_are_cut() -> None:
    """The fifth is declared lost, and nothing is cut at home."""
    body, losses = written(asked(stop=tuple("abcde")))
    assert (body["stop"], losses) == (["a", "b", "c", "d"], ["clamped:stop"])
    assert written(read(hello(stop=list("abcde"))))[0]["stop"] == list("abcde")


@pytest.mark.parametrize(
    ("request_", "at"),
    [
        (asked(said(Opaque("anthropic", "server_tool_use", {}))), "messages[0].parts[0]"),
        (asked(said(ToolResult("c", (Opaque("anthropic", "x", {}),)))), "messages[0].parts[0].parts[0]"),
        (asked(tools=(Opaque("anthropic", "web_search", {}),)), "tools[0]"),
        (asked(said(Media("document", "url", "https://example.com/a.pdf"))), "messages[0].parts[0]"),
        (asked(said(Media("document", "file_id", "f"))), "messages[0].parts[0]"),
        (asked(said(Media("image", "file_id", "f"))), "messages[0].parts[0]"),
        (asked(said(Media("video", "base64", "AA==", mime="video/mp4"))), "messages[0].parts[0]"),
        (asked(said(Media("audio", "base64", "AA==", mime="audio/ogg"))), "messages[0].parts[0]"),
        (asked(said(Media("image", "url", "https://e.com"), role="assistant")), "messages[0].parts[0]"),
        (asked(said(ToolCall("c", "f"))), "messages[0].parts[0]"),
        (asked(said(ToolResult("c"), role="assistant")), "messages[0].parts[0]"),
    ],
)
def test_what_cannot_be_said_honestly_is_refused(request_: Request, at: str) -> None:
    """What the model would see differently is a refusal that names the part; another target may do."""
    with pytest.raises(Failure) as caught:
        DIALECT.write_request(request_)
    assert (caught.value.kind, caught.value.retry, caught.value.at) == (Kind.UNSUPPORTED, Retry.NEXT, at)


def test_tokens_cannot_be_counted() -> None:
    """The protocol has no such endpoint, and says so."""
    assert DIALECT.write_count(asked()) is None
    with pytest.raises(Failure, match="count"):
        DIALECT.read_count(Reply(200))
    with pytest.raises(Failure, match="count"):
        DIALECT.write_counted(1)


# ---------------------------------------------------------------------------- answers


def told(*parts: Part, stop: Stop = Stop("end"), usage: Usage | None = None) -> tuple[Json, list[str]]:  # noqa: B008  frozen
    """Write another dialect's answer; return its body and what was lost."""
    response = Response("id", "m", (Choice(parts, stop),), usage)
    reply = DIALECT.write_answer(response, asked())
    return reply.body, [str(loss) for loss in reply.losses]


def test_a_foreign_answer() -> None:
    """An answer has every field OpenAI's clients read, and usage counted the inclusive way."""
    body, losses = told(
        Thinking("Hm", signature=Signature("anthropic", "c2ln")),
        Text("It "),
        Text("rains."),
        ToolCall("c", "f"),
        stop=Stop("tool_use", native="tool_use"),
        usage=Usage(input=5, cache_read=3, cache_write=2, output=4, reasoning=6),
    )
    assert losses == []
    assert body == {
        "id": "id",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "It rains.",
                    "refusal": None,
                    "reasoning_content": "Hm",
                    "reasoning_details": [
                        {
                            "type": "reasoning.text",
                            "text": "Hm",
                            "signature": "c2ln",
                            "format": "anthropic-claude-v1",
                            "index": 0,
                        }
                    ],
                    "tool_calls": [
                        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                    ],
                },
                "finish_reason": "tool_calls",
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 10,
            "total_tokens": 20,
            "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 6, "audio_tokens": 0},
        },
    }


@pytest.mark.parametrize(
    ("stop", "word", "losses"),
    [
        (Stop("end"), "stop", []),
        (Stop("stop_sequence", sequence="X"), "stop", ["dropped:answer.stop_sequence"]),
        (Stop("length"), "length", []),
        (Stop("context"), "length", ["approximated:answer.stop"]),
        (Stop("refusal"), "stop", ["emulated:answer.stop"]),
        (Stop("filter"), "content_filter", []),
        (Stop("pause"), "stop", ["approximated:answer.stop"]),
        (Stop("bad_tool_call"), "stop", ["approximated:answer.stop"]),
        (Stop("error"), "error", []),
    ],
)
def test_every_reason_to_stop_has_a_word(stop: Stop, word: str, losses: list[str]) -> None:
    """What the word does not say is declared."""
    body, lost = told(Text("x"), stop=stop)
    assert (body["choices"][0]["finish_reason"], lost) == (word, losses)


def test_a_refusal_has_words() -> None:
    """A refusal without words of its own gets some, for its finish reason is that of a good end."""
    for parts, words in (((), "The model refused to answer."), ((Text("No.", refusal=True),), "No.")):
        body, _ = told(*parts, stop=Stop("refusal"))
        assert body["choices"][0]["message"]["refusal"] == words


def test_foreign_parts_of_an_answer_are_declared() -> None:
    """A block only its dialect understands is dropped; an image is shown the way OpenRouter does."""
    body, losses = told(
        Opaque("anthropic", "web_search_tool_result", {}),
        Media("image", "base64", "AA==", mime="image/png"),
        Text("x", extras=Extras("anthropic", {"citations": [1]})),
    )
    message = body["choices"][0]["message"]
    assert message["content"] == "x"
    assert message["images"][0]["image_url"]["url"] == "data:image/png;base64,AA=="
    assert losses == [
        "dropped:answer.parts[0]",
        "emulated:answer.parts[1]",
        "dropped:answer.parts[2].citations",
    ]


def answered(message: Json, finish: Json = "stop") -> Choice:
    """Read a unary answer of one message."""
    body = {"id": "a", "model": "m", "choices": [{"message": message, "finish_reason": finish}]}
    return DIALECT.read_answer(Reply(200, body=body)).choices[0]


@pytest.mark.parametrize(
    ("message", "finish", "reason"),
    [
        ({"content": "x"}, "stop", "end"),
        ({"content": "x"}, None, "end"),
        ({"content": "x"}, "", "end"),
        ({"content": "x"}, "wat", "end"),
        ({"content": None}, "wat", "error"),
        ({"content": "x"}, "eos", "end"),
        ({"content": "x"}, "length", "length"),
        ({"content": "x"}, "model_length", "context"),
        ({"content": "x"}, "content_filter", "filter"),
        ({"content": "x"}, "insufficient_system_resource", "error"),
        ({"refusal": "no"}, "stop", "refusal"),
        ({"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}, "stop", "tool_use"),
        ({"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}, "wat", "tool_use"),
        ({"function_call": {"name": "f", "arguments": "{}"}}, "function_call", "tool_use"),
    ],
)
def test_why_an_answer_stopped(message: Json, finish: str | None, reason: str) -> None:
    """A reason nobody knows is an end if anything was said; calls and refusals show through ``stop``."""
    stop = answered(message, finish).stop
    assert (stop.reason, stop.native) == (reason, finish)


def test_a_stop_sequence_is_named_where_the_server_does() -> None:
    """VLLM tells which sequence ended the answer; a token's number is no sequence."""
    body = {"choices": [{"message": {"content": "x"}, "finish_reason": "stop", "stop_reason": "END"}]}
    stop = DIALECT.read_answer(Reply(200, body=body)).choices[0].stop
    assert (stop.reason, stop.sequence) == ("stop_sequence", "END")


def test_a_call_without_an_id_gets_one_of_ours() -> None:
    """The id is the same for the same answer, differs between calls, and is known when it comes back."""
    calls = [{"function": {"name": "f", "arguments": "{}"}}] * 2
    parts = answered({"tool_calls": calls}).parts
    assert parts == answered({"tool_calls": calls}).parts
    ids = [part.id for part in parts if isinstance(part, ToolCall) and part.synthetic]
    assert len(set(ids)) == 2
    echoed = {"id": ids[0], "type": "function", "function": {"name": "f", "arguments": "{}"}}
    (back,) = read(calling(echoed)).messages[0].parts
    assert isinstance(back, ToolCall)
    assert back.synthetic


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        [],
        {},
        {"choices": []},
        {"choices": "x"},
        {"choices": ["x"]},
    ],
)
def test_what_is_no_answer_is_the_providers_fault(body: Json) -> None:
    """A 200 that cannot be read is a failure of the provider; another may do better."""
    with pytest.raises(Failure) as caught:
        DIALECT.read_answer(Reply(200, body=body))
    assert (caught.value.kind, caught.value.retry) == (Kind.UPSTREAM, Retry.NEXT)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"code": 429, "message": "slow down"}}, Kind.RATE_LIMITED),
        ({"error": {"code": 502, "message": "gone"}, "choices": []}, Kind.UPSTREAM),
        ({"choices": [{"error": {"code": 503, "message": "busy"}, "message": {}}]}, Kind.OVERLOADED),
    ],
)
def test_an_error_with_status_200_is_an_error(body: Json, kind: Kind) -> None:
    """OpenRouter answers 200 once a provider has begun, whatever comes of it."""
    with pytest.raises(Failure) as caught:
        DIALECT.read_answer(Reply(200, body=body))
    assert caught.value.kind is kind


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("web_search_options", {}),
        ("web_search_options", {"search_context_size": "low"}),
        ("modalities", ["text", "audio"]),
    ],
)
def test_another_kind_of_answer_goes_home_only(name: str, value: Any) -> None:
    """A search, even one without options, and speech: at home as they came, anywhere else refused by name."""
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], name: value}
    request = DIALECT.read_request(Call("POST", "/v1/chat/completions", body=body))
    assert DIALECT.write_request(request).body == body
    with pytest.raises(Failure) as refused:
        DIALECTS["anthropic"].write_request(request)
    assert (refused.value.kind, refused.value.at) == (Kind.UNSUPPORTED, f"$.{name}")
