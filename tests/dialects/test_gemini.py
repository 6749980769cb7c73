"""Gemini generateContent: what its own corpus and the shared laws do not say by themselves."""

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
from dragoman.dialects.gemini import DIALECT, PLACEHOLDER

CORPUS = Path(__file__).parent / "corpus" / "gemini"
PATH = "/v1beta/models/gemini-3.8-flash:generateContent"
HI: dict[str, Json] = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = Tool("get_weather", "Weather.", SCHEMA)


def read(body: Json, path: str = PATH, **query: str) -> Request:
    """Read a request as a client sent it."""
    return DIALECT.read_request(Call("POST", path, query=query, body=body))


def body_of(name: str) -> dict[str, Json]:
    """Return the body of a request of the corpus."""
    body: dict[str, Json] = json.loads((CORPUS / "requests" / f"{name}.json").read_text())["body"]
    return body


def said(*parts: Part | str, role: Any = "user") -> Message:
    """Return a message; a str is a Text."""
    return Message(role, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def asked(*messages: Message, **fields: Any) -> Request:
    """Return a request another dialect read."""
    return Request("openai_chat", "m", messages or (said("Hi"),), **fields)


def sent(request: Request) -> tuple[dict[str, Json], set[str]]:
    """Return the body a request becomes, and its losses as a header would name them."""
    call = DIALECT.write_request(request)
    return call.body, {str(loss) for loss in call.losses}


# --- the address --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1beta/models/gemini-3.8-flash:generateContent", "gemini-3.8-flash"),
        ("/v1/models/gemini-3.8-flash:generateContent", "gemini-3.8-flash"),
        ("/v1/models/org/model:free:generateContent", "org/model:free"),
        ("/v1/models/org%2Fmodel:generateContent", "org/model"),
        ("/v1beta/tunedModels/my-cat:generateContent", "tunedModels/my-cat"),
        ("/v1/projects/p/locations/l/publishers/google/models/m:generateContent", "m"),
    ],
)
def test_the_path_names_the_model(path: str, model: str) -> None:
    """The model is what stands between ``models/`` and the last colon, and goes back there."""
    request = read(HI, path)
    assert request.model == model
    assert not request.stream
    prefix = "" if model.startswith("tunedModels/") else "models/"
    assert DIALECT.write_request(request).path == f"/{prefix}{model}:generateContent"


@pytest.mark.parametrize("path", ["/v1/models/:generateContent", "/v1/models", "/v1/x/m:generateContent"])
def test_a_path_without_a_model_is_refused(path: str) -> None:
    """A client that names no model is told so."""
    with pytest.raises(Failure) as caught:
        read(HI, path)
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, "$.model")


def test_every_method_has_an_endpoint() -> None:
    """Both versions serve models and tuned models, with five methods each."""
    paths = [endpoint.path for endpoint in DIALECT.endpoints]
    assert len(paths) == len(set(paths)) == 20
    assert paths[0] == "/v1beta/models/{model}:generateContent"
    counted = [endpoint.path for endpoint in DIALECT.endpoints if endpoint.task == "count"]
    assert all(path.endswith(":countTokens") for path in counted)
    assert len(counted) == 4


def test_the_method_says_whether_to_stream() -> None:
    """A stream is asked for by its method, and upstream always as server-sent events."""
    request = read(HI, "/v1/models/m:streamGenerateContent", alt="sse")
    assert request.stream
    assert request.extras is None
    call = DIALECT.write_request(request)
    assert (call.path, dict(call.query)) == ("/models/m:streamGenerateContent", {"alt": "sse"})
    array = read(HI, "/v1/models/m:streamGenerateContent")
    assert array.extras == Extras("gemini", {}, ("array",))
    assert DIALECT.write_request(array) == call


# --- requests in --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"contents": None}, "$.contents"),
        ({"contents": []}, "$.contents"),
        ({"contents": "Hi"}, "$.contents"),
        ({"contents": ["Hi"]}, "$.contents[0]"),
        ({"contents": [{"role": "system", "parts": []}]}, "$.contents[0].role"),
        ({"contents": [{"parts": ["Hi"]}]}, "$.contents[0].parts[0]"),
        ({"contents": [{"parts": [{"text": 1}]}]}, "$.contents[0].parts[0].text"),
        ({"contents": [{"parts": [{"text": "a", "inlineData": {}}]}]}, "$.contents[0].parts[0]"),
        ({"contents": [{"parts": [{"functionCall": {}}]}]}, "$.contents[0].parts[0].functionCall.name"),
        (
            {"contents": [{"parts": [{"function_call": {"name": "f", "args": "{}"}}]}]},
            "$.contents[0].parts[0].functionCall.args",
        ),
        (
            {"contents": [{"parts": [{"functionResponse": {"name": "f", "response": "x"}}]}]},
            "$.contents[0].parts[0].functionResponse.response",
        ),
        (
            {"contents": [{"parts": [{"inline_data": {"data": "QQ=="}}]}]},
            "$.contents[0].parts[0].inlineData.mimeType",
        ),
        ({"systemInstruction": "Hm."}, "$.systemInstruction"),
        (
            {"systemInstruction": {"parts": [{"functionCall": {"name": "f"}}]}},
            "$.systemInstruction.parts[0]",
        ),
        ({"generationConfig": {"temperature": 3}}, "$.generationConfig.temperature"),
        ({"generation_config": {"topK": 1.5}}, "$.generationConfig.topK"),
        ({"generationConfig": {"stopSequences": "END"}}, "$.generationConfig.stopSequences"),
        (
            {"generationConfig": {"thinkingConfig": {"thinkingLevel": "HUGE"}}},
            "$.generationConfig.thinkingConfig.thinkingLevel",
        ),
        (
            {"generationConfig": {"thinkingConfig": {"thinkingBudget": -2}}},
            "$.generationConfig.thinkingConfig.thinkingBudget",
        ),
        ({"tools": [{"functionDeclarations": [{}]}]}, "$.tools[0].functionDeclarations[0].name"),
        (
            {"toolConfig": {"functionCallingConfig": {"mode": "SOMETIMES"}}},
            "$.toolConfig.functionCallingConfig.mode",
        ),
        ({"generationConfig": {}, "generation_config": {}}, "$.generationConfig"),
    ],
)
def test_a_fault_is_refused_with_its_path(change: dict[str, Json], at: str) -> None:
    """A client's mistake is a 400 that names the field, in camelCase however it was spelt."""
    with pytest.raises(Failure) as caught:
        read({**HI, **change})
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)


def test_the_fields_of_a_request_are_understood() -> None:
    """Sampling, limits, thinking, format and tier arrive in the core's words."""
    body = body_of("system_and_sampling")
    request = read(body, "/v1/models/m:generateContent")
    assert request.sampling == Sampling(0.4, 0.95, 40, -0.5, 0.5, 7)
    assert (request.max_output, request.candidates, request.tier) == (256, 2, "flex")
    assert request.stop == ("END", "\n\n")
    assert [message.role for message in request.messages] == ["system", "user", "assistant", "user"]


def test_snake_case_is_understood() -> None:
    """A body in snake_case, with single objects for lists, reads as the same request."""
    request = read(body_of("snake_case"))
    assert request.messages[1].parts == (Text("Hello"),)
    assert request.reasoning == Reasoning(enabled=True, budget=1024, show="summary")
    assert request.tool_choice is not None
    assert (request.tool_choice.mode, request.tool_choice.names) == ("required", ("purr",))
    assert request.format is not None
    properties = {"sizes": {"type": "array", "items": {"type": "integer"}, "minItems": 1}}
    assert request.format.schema == {
        "type": "object",
        "properties": {**properties, "a_name": {"type": "string"}},
    }
    assert list(request.format.schema["properties"]) == ["sizes", "a_name"]


@pytest.mark.parametrize(
    ("config", "reasoning"),
    [
        ({"thinkingLevel": "HIGH"}, Reasoning(effort="high")),
        ({"thinkingBudget": 0}, Reasoning(enabled=False, budget=0)),
        ({"thinkingBudget": -1}, Reasoning(enabled=True)),
        ({"thinkingBudget": 512, "includeThoughts": True}, Reasoning(True, None, 512, "summary")),
        ({"includeThoughts": False}, Reasoning(show="none")),
        ({}, None),
    ],
)
def test_thinking_is_understood(config: Json, reasoning: Reasoning | None) -> None:
    """Levels are efforts, budgets are budgets, and -1 leaves the amount to the model."""
    assert read({**HI, "generationConfig": {"thinkingConfig": config}}).reasoning == reasoning


def test_calls_without_ids_are_counted() -> None:
    """Calls get ids by their place, results find the first open call of their name."""
    request = read(body_of("calls_without_ids"))
    calls = [part for part in request.messages[1].parts if isinstance(part, ToolCall)]
    results = [part for part in request.messages[2].parts if isinstance(part, ToolResult)]
    assert [call.id for call in calls] == ["call_dragoman_0", "call_dragoman_1", "call_dragoman_2"]
    assert all(call.synthetic for call in calls)
    assert [result.call_id for result in results] == ["call_dragoman_0", "call_dragoman_2", "call_dragoman_1"]
    assert request.messages[2].role == "user"
    assert read(body_of("calls_without_ids")) == request


def test_results_say_what_the_tool_said() -> None:
    """``output`` and ``error`` hold the result; any other object is the result itself."""
    request = read(body_of("calls_without_ids"))
    results = [part for part in request.messages[2].parts if isinstance(part, ToolResult)]
    assert [result.parts for result in results] == [
        (Text('{"result":1}'),),
        (Text('{"n":[1,2.5,null]}'),),
        (),
    ]
    failed = read(body_of("tools_in_parallel")).messages[2].parts[1]
    assert failed == ToolResult("c2", (Text("no such station"),), error=True, name="get_weather")


def test_cached_content_stands_first_and_is_for_nobody_else() -> None:
    """What only Gemini has seen is an Opaque, so that no other provider answers without it."""
    request = read(body_of("cached_content"))
    assert request.messages[0] == said(
        Opaque("gemini", "cachedContent", "cachedContents/abc123"), role="system"
    )
    assert request.messages[1] == said("Short.", role="system")


def test_a_text_only_answer_is_no_loss_abroad() -> None:
    """Asking for text is asking for what everybody answers."""
    request = read({**HI, "generationConfig": {"responseModalities": ["TEXT"], "speechConfig": {"x": 1}}})
    assert request.extras is not None
    assert request.extras.rest == {"generationConfig": {"speechConfig": {"x": 1}}}


# --- requests out -------------------------------------------------------------------------------------


def test_a_foreign_conversation_is_arranged() -> None:
    """Turns alternate, results lead in the order of their calls, and get the names of the tools."""
    request = asked(
        said("Be brief.", role="system"),
        said("Weather?"),
        said("Looking.", role="assistant"),
        said(ToolCall("a", "get_weather", '{"city":"Oslo"}'), ToolCall("b", "now", ""), role="assistant"),
        said(ToolResult("b", (Text("noon"),))),
        said(ToolResult("a", (Text("cold"), Text("wet")), error=True)),
        said("And?"),
        tools=(WEATHER, Tool("now")),
    )
    body, losses = sent(request)
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert [content["role"] for content in body["contents"]] == ["user", "model", "user"]
    model, user = body["contents"][1]["parts"], body["contents"][2]["parts"]
    assert model == [
        {"text": "Looking."},
        {"functionCall": {"id": "a", "name": "get_weather", "args": {"city": "Oslo"}}},
        {"functionCall": {"id": "b", "name": "now", "args": {}}},
    ]
    assert user == [
        {"functionResponse": {"id": "a", "name": "get_weather", "response": {"error": "cold\nwet"}}},
        {"functionResponse": {"id": "b", "name": "now", "response": {"output": "noon"}}},
        {"text": "And?"},
    ]
    declared = [
        {"name": "get_weather", "parametersJsonSchema": SCHEMA, "description": "Weather."},
        {"name": "now"},
    ]
    assert body["tools"] == [{"functionDeclarations": declared}]
    assert losses == set()


def test_unsigned_calls_of_the_open_turn_get_the_placeholder() -> None:
    """Gemini 3 refuses an unsigned first call of a step, in the turn that goes on only."""
    loop = (
        said(ToolCall("a", "f"), ToolCall("b", "f"), role="assistant"),
        said(ToolResult("a"), ToolResult("b")),
    )
    signed = said(ToolCall("c", "f", signature=Signature("gemini", "QUJD")), role="assistant")
    request = asked(said("1"), *loop, said("2"), *loop, signed, said(ToolResult("c")))
    body, losses = sent(request)
    marks = [
        [part.get("thoughtSignature") for part in content["parts"]]
        for content in body["contents"]
        if content["role"] == "model"
    ]
    assert marks == [[None, None], [PLACEHOLDER, None], ["QUJD"]]
    assert losses == {"emulated:messages.signature"}


def test_a_conversation_begins_with_the_user() -> None:
    """Where it does not, a word of ours stands first; later system messages stand in the user's turn."""
    body, losses = sent(asked(said("Hello.", role="assistant"), said("Now rhyme.", role="system")))
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "Begin."}]},
        {"role": "model", "parts": [{"text": "Hello."}]},
        {"role": "user", "parts": [{"text": "<system>\nNow rhyme.\n</system>"}]},
    ]
    assert losses == {"approximated:messages", "approximated:messages[1]"}


@pytest.mark.parametrize(
    ("choice", "tools", "config"),
    [
        (None, (WEATHER,), None),
        (None, (Tool("f", strict=True),), {"mode": "VALIDATED"}),
        (ToolChoice("auto"), (WEATHER,), {"mode": "AUTO"}),
        (ToolChoice("none"), (WEATHER,), {"mode": "NONE"}),
        (ToolChoice("required"), (WEATHER,), {"mode": "ANY"}),
        (ToolChoice("required", ("f",)), (WEATHER,), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice("auto", ("f",)), (WEATHER,), {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
        (ToolChoice("auto"), (), None),
    ],
)
def test_the_choice_between_tools_is_a_mode(
    choice: ToolChoice | None, tools: tuple[Tool, ...], config: Json
) -> None:
    """Every choice has a mode; names go beside it where there may be names."""
    body, losses = sent(asked(tools=tools, tool_choice=choice))
    assert body.get("toolConfig") == (config and {"functionCallingConfig": config})
    assert losses == ({"approximated:tools.strict"} if tools and tools[0].strict else set())


@pytest.mark.parametrize(
    ("reasoning", "config", "losses"),
    [
        (Reasoning(effort="low"), {"thinkingLevel": "LOW"}, set()),
        (Reasoning(effort="max"), {"thinkingLevel": "XHIGH"}, {"clamped:reasoning.effort"}),
        (Reasoning(effort="none"), {"thinkingBudget": 0}, set()),
        (Reasoning(enabled=False, effort="high"), {"thinkingBudget": 0}, set()),
        (Reasoning(enabled=True), {"thinkingBudget": -1, "includeThoughts": True}, set()),
        (Reasoning(True, None, 2048), {"thinkingBudget": 2048, "includeThoughts": True}, set()),
        (
            Reasoning(True, "high", 2048, "none"),
            {"thinkingBudget": 2048, "includeThoughts": False},
            {"dropped:reasoning.effort"},
        ),
        (Reasoning(effort="high", show="full"), {"thinkingLevel": "HIGH", "includeThoughts": True}, set()),
    ],
)
def test_thinking_is_asked_for(reasoning: Reasoning, config: Json, losses: set[str]) -> None:
    """An effort is a level, a budget a budget, never both; who turns thinking on gets to see it."""
    body, lost = sent(asked(reasoning=reasoning))
    assert body["generationConfig"] == {"thinkingConfig": config}
    assert lost == losses


@pytest.mark.parametrize(
    ("shape", "config", "losses"),
    [
        (Format("text"), None, set()),
        (Format("json"), {"responseMimeType": "application/json"}, set()),
        (
            Format("json_schema", SCHEMA, "n", strict=False, description="d"),
            {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA},
            {"approximated:format.strict", "dropped:format.description"},
        ),
    ],
)
def test_a_shape_is_asked_for(shape: Format, config: Json, losses: set[str]) -> None:
    """JSON is a media type, and a schema goes beside it as it is."""
    body, lost = sent(asked(format=shape))
    assert body.get("generationConfig") == config
    assert lost == losses


def test_other_fields_cross_or_are_declared_lost() -> None:
    """Seed, penalties, top_k and candidates have a place; the rest is named, never silently gone."""
    body, losses = sent(
        asked(
            sampling=Sampling(0.5, 0.9, 3, 0.1, 0.2, 7),
            stop=tuple("abcdef"),
            max_output=9,
            candidates=2,
            parallel_tools=False,
            user="u",
            tier="priority",
        )
    )
    assert body["generationConfig"] == {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 3,
        "frequencyPenalty": 0.1,
        "presencePenalty": 0.2,
        "seed": 7,
        "stopSequences": list("abcde"),
        "maxOutputTokens": 9,
        "candidateCount": 2,
    }
    assert body["serviceTier"] == "priority"
    assert losses == {"clamped:stop", "dropped:parallel_tools", "dropped:user"}
    assert sent(asked(tier="scale"))[1] == {"dropped:tier"}
    assert "serviceTier" not in sent(asked(tier="auto", candidates=1))[0]


def test_what_others_read_is_declared_lost() -> None:
    """Another dialect's own fields do not travel, and each is named."""
    request = asked(extras=Extras("openai_chat", {"logit_bias": {"1": 2}}))
    assert sent(request)[1] == {"dropped:logit_bias"}


@pytest.mark.parametrize(
    ("request_", "at"),
    [
        (asked(said(Opaque("anthropic", "server_tool_use", {}))), "messages[0].parts[0]"),
        (asked(tools=(Opaque("anthropic", "web_search", {}),)), "tools[0]"),
        (asked(tools=(Tool("1st"),)), "tools[0].name"),
        (asked(tools=(Tool("f", custom=True, grammar={"type": "grammar"}),)), "tools[0].grammar"),
        (asked(said(Media("image", "url", "https://example.com/a.png"))), "messages[0].parts[0]"),
        (asked(said(Media("document", "file_id", "file_1"))), "messages[0].parts[0]"),
        (asked(said(Media("document", "base64", "AAAA"))), "messages[0].parts[0]"),
        (asked(said(ToolResult("nobody", (Text("x"),)))), "messages[0].parts[0].name"),
    ],
)
def test_what_cannot_be_said_honestly_is_refused(request_: Request, at: str) -> None:
    """What Gemini would not see, or could not be held to, is a refusal that names its place."""
    with pytest.raises(Failure) as caught:
        DIALECT.write_request(request_)
    assert (caught.value.kind, caught.value.at) == (Kind.UNSUPPORTED, at)


def test_what_a_rule_changed_at_home_is_written() -> None:
    """A request may be fitted to a model before it goes home: its own spelling does not win over that."""
    request = read(body_of("thinking_automatic"), "/v1beta/models/m:generateContent")
    assert request.reasoning is not None
    fitted = msgspec.structs.replace(
        request,
        reasoning=msgspec.structs.replace(request.reasoning, effort="medium", show=None),
        messages=(said("JSON only.", role="system"), *request.messages),
    )
    body, _ = sent(fitted)
    assert body["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "MEDIUM"}
    assert body["systemInstruction"] == {"parts": [{"text": "JSON only."}]}


# --- counting -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        HI,
        {
            "generateContentRequest": {
                "model": "models/m",
                **HI,
                "systemInstruction": {"parts": [{"text": "s"}]},
            }
        },
    ],
)
def test_a_count_goes_home_as_it_came(body: dict[str, Json]) -> None:
    """Both forms of a count are read and written again."""
    request = read(body, "/v1beta/models/m:countTokens")
    call = DIALECT.write_count(request)
    assert call is not None
    assert (call.path, call.body, call.losses) == ("/models/m:countTokens", body, ())


def test_a_foreign_count_is_whole() -> None:
    """A foreign request is counted with its system instruction and tools."""
    call = DIALECT.write_count(asked(said("s", role="system"), said("Hi"), tools=(WEATHER,)))
    assert call is not None
    assert call.body["generateContentRequest"].keys() == {"model", "contents", "systemInstruction", "tools"}
    assert call.body["generateContentRequest"]["model"] == "models/m"


def test_counts_are_read_and_written() -> None:
    """A count is one number; without it the provider is at fault."""
    assert DIALECT.read_count(DIALECT.write_counted(31)) == 31
    with pytest.raises(Failure) as caught:
        DIALECT.read_count(Reply(200, body={}))
    assert caught.value.kind is Kind.UPSTREAM


# --- answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("text", ["end"]),
        ("tools_in_parallel", ["tool_use"]),
        ("max_tokens_without_words", ["length"]),
        ("safety", ["filter"]),
        ("blocked_prompt", ["filter"]),
        ("unexpected_tool_call", ["bad_tool_call"]),
        ("malformed_function_call", ["bad_tool_call"]),
        ("two_candidates", ["end", "end"]),
        ("unknown_words", ["end"]),
    ],
)
def test_why_an_answer_stopped_is_understood(name: str, reasons: list[str]) -> None:
    """Each way to stop has its reason."""
    body = json.loads((CORPUS / "answers" / f"{name}.json").read_text())["body"]
    answer = DIALECT.read_answer(Reply(200, body=body))
    assert [choice.stop.reason for choice in answer.choices] == reasons


def test_thoughts_and_signatures_are_understood() -> None:
    """A thought is Thinking; a signature stays on the part it came on."""
    body = json.loads((CORPUS / "answers" / "thinking.json").read_text())["body"]
    parts = DIALECT.read_answer(Reply(200, body=body)).choices[0].parts
    assert parts == (
        Thinking("**Adding**\n\nTwo and two.", summary=True),
        Text("4", signature=Signature("gemini", "U0lH")),
    )


def test_calls_of_two_answers_have_different_ids() -> None:
    """An id made here is the same for the same answer, and no other answer has it."""
    body = json.loads((CORPUS / "answers" / "calls_without_ids.json").read_text())["body"]
    ids = [
        part.id
        for response_id in ("one", "one", "two")
        for part in DIALECT.read_answer(Reply(200, body={**body, "responseId": response_id})).choices[0].parts
        if isinstance(part, ToolCall) and part.synthetic
    ]
    assert ids[:2] == ids[2:4]
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}},
        {"usageMetadata": {}},
        {"candidates": []},
    ],
)
def test_an_answer_that_is_none_is_a_failure(body: Json) -> None:
    """A 200 without a candidate or a reason for that is the provider's fault."""
    with pytest.raises(Failure) as caught:
        DIALECT.read_answer(Reply(200, body=body))
    assert caught.value.kind in (Kind.OVERLOADED, Kind.UPSTREAM)


def test_two_candidates_with_one_index_are_refused() -> None:
    """Nobody could tell which is which."""
    with pytest.raises(Failure):
        DIALECT.read_answer(Reply(200, body={"candidates": [{"index": 1}, {"index": 1}]}))


def test_losses_of_an_answer_are_told() -> None:
    """What a Gemini client cannot be given is named on the reply."""
    answer = DIALECT.read_answer(Reply(200, body={"candidates": [{"finishReason": "STOP"}]}))
    choice = msgspec.structs.replace(
        answer.choices[0],
        parts=(
            Opaque("anthropic", "server_tool_use", {}),
            Thinking(redacted=True),
            Media("image", "file_id", "f"),
        ),
    )
    reply = DIALECT.write_answer(msgspec.structs.replace(answer, choices=(choice,)), asked())
    assert {str(loss) for loss in reply.losses} == {f"dropped:answer.parts[{n}]" for n in range(3)}
