"""Cohere v2 chat: what its corpus and the shared laws do not say by themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.core.events import (
    Append,
    Choice,
    Close,
    End,
    Event,
    Open,
    Reason,
    Response,
    Start,
    Stop,
    fold,
    unfold,
)
from dragoman.core.extras import Extras, Json
from dragoman.core.failure import Failure, Kind, Retry, Source, truncated
from dragoman.core.request import (
    Format,
    Media,
    Message,
    Opaque,
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
from dragoman.dialects import Call, Reply
from dragoman.dialects.cohere import DIALECT
from dragoman.dialects.framing import SSE, Frame

CORPUS = Path(__file__).parent / "corpus" / "cohere"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER, CLOCK = Tool("get_weather", "Weather.", SCHEMA), Tool("get_time")
HI = {"role": "user", "content": "Hi"}


def names(kind: str) -> list[str]:
    """Return the names of one kind of sample."""
    return sorted(path.stem for path in (CORPUS / kind).iterdir())


def body_of(name: str, kind: str = "requests") -> dict[str, Json]:
    """Return the body of a sample."""
    body: dict[str, Json] = json.loads((CORPUS / kind / f"{name}.json").read_text())["body"]
    return body


def read(body: Json) -> Request:
    """Read a request as a client sent it."""
    return DIALECT.read_request(Call("POST", "/v2/chat", body=body))


def asked(*messages: Message, **fields: Any) -> Request:
    """Return a request another dialect read."""
    return Request("openai_chat", "m", messages or (Message("user", (Text("Hi"),)),), **fields)


def sent(request: Request) -> tuple[dict[str, Json], set[str]]:
    """Return the body a request becomes, and its losses as a header would name them."""
    call = DIALECT.write_request(request)
    return call.body, {str(loss) for loss in call.losses}


def heard(raw: bytes, *, cut: int | None = None) -> list[Event]:
    """Return the events of a whole stream, read in pieces of `cut` bytes."""
    decoder, reader, size = SSE.decoder(), DIALECT.reader(), cut or len(raw)
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
    cut_up = [frame for piece in pieces for frame in decoder.feed(piece)] + decoder.close()
    return [*(event for frame in cut_up for event in reader.feed(frame)), *reader.close()]


def stream(name: str) -> bytes:
    """Return a stream of the corpus."""
    return (CORPUS / "streams" / f"{name}.sse").read_bytes()


def written(events: list[Event]) -> tuple[list[Frame], set[str]]:
    """Return the frames a writer makes of `events`, and its losses."""
    writer = DIALECT.writer(asked())
    frames = [frame for event in events for frame in writer.feed(event)]
    return frames, {str(loss) for loss in writer.losses}


def told(events: list[Event]) -> list[dict[str, Json]]:
    """Return the data of the frames a writer makes of `events`, but for the last, which is [DONE]."""
    frames, _ = written(events)
    assert frames[-1].data == b"[DONE]"
    data = [msgspec.json.decode(frame.data) for frame in frames[:-1]]
    assert [frame.event for frame in frames[:-1]] == [value["type"] for value in data]
    return data


# --- at home ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", names("requests"))
def test_request_goes_home_as_it_came(name: str) -> None:
    """Every request of the corpus is written as it was read, and loses nothing."""
    call = DIALECT.write_request(read(body_of(name)))
    assert (call.method, call.path, call.body, call.losses) == ("POST", "/chat", body_of(name), ())


@pytest.mark.parametrize("name", names("answers"))
def test_answer_goes_home_as_it_came(name: str) -> None:
    """Every answer of the corpus is written as it was read, and survives being told as events."""
    answer = DIALECT.read_answer(Reply(200, body=body_of(name, "answers")))
    reply = DIALECT.write_answer(answer, asked())
    assert (reply.body, reply.losses) == (body_of(name, "answers"), ())
    assert fold(unfold(answer)) == answer


@pytest.mark.parametrize("name", sorted({*names("streams")} - {"error_in_the_middle", "timeout", "cut_off"}))
def test_stream_goes_home_as_it_came(name: str) -> None:
    """Events written and read again are the same events, however the bytes are cut."""
    events = heard(stream(name))
    frames, losses = written(events)
    assert heard(b"".join(map(SSE.encode, frames))) == events
    assert heard(stream(name), cut=1) == events
    assert not losses


# --- requests in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"model": None}, "$.model"),
        ({"stream": "yes"}, "$.stream"),
        ({"temperature": -1}, "$.temperature"),
        ({"p": 1.5}, "$.p"),
        ({"k": 0.5}, "$.k"),
        ({"frequency_penalty": 2}, "$.frequency_penalty"),
        ({"stop_sequences": "END"}, "$.stop_sequences"),
        ({"max_tokens": "9"}, "$.max_tokens"),
        ({"tool_choice": "auto"}, "$.tool_choice"),
        ({"tools": {}}, "$.tools"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}], "strict_tools": 1}, "$.strict_tools"),
        ({"response_format": {"type": "json_schema"}}, "$.response_format.type"),
        ({"response_format": {}}, "$.response_format.type"),
        ({"response_format": {"type": "json_object", "json_schema": 1}}, "$.response_format.json_schema"),
        ({"thinking": {"type": "adaptive"}}, "$.thinking.type"),
        ({"thinking": {"token_budget": 9}}, "$.thinking.type"),
        ({"thinking": {"type": "enabled", "token_budget": 0}}, "$.thinking.token_budget"),
    ],
)
def test_fault_is_refused_with_its_path(change: dict[str, Json], at: str) -> None:
    """A wrong field is a 400 that names it."""
    with pytest.raises(Failure) as caught:
        read({"model": "m", "messages": [HI]} | change)
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)


def test_settings_are_read() -> None:
    """Fields p and k are top_p and top_k; what has no place in the core stays in the extras."""
    request = read(body_of("sampling_and_stops"))
    assert request.sampling == Sampling(0.3, 0.75, 40, 0.5, 0.0, 7)
    assert (request.stop, request.max_output) == (("END", "\n\n"), 100)
    assert request.extras is not None
    assert request.extras.rest == {"logprobs": True, "safety_mode": "STRICT", "priority": 3}


def test_stream_is_off_unless_asked_for() -> None:
    """Absent and false are the same wish, spelt differently."""
    assert [read(body_of(name)).stream for name in ("minimal", "not_streaming", "streaming")] == [
        False,
        False,
        True,
    ]


def test_thinking_is_read() -> None:
    """Mode and budget come apart into Reasoning."""
    assert read(body_of("thinking_with_budget")).reasoning == Reasoning(enabled=True, budget=500)
    assert read(body_of("thinking_off")).reasoning == Reasoning(enabled=False)
    assert read(body_of("minimal")).reasoning is None


def test_choice_and_strictness_are_read() -> None:
    """REQUIRED and NONE are a choice; strict_tools speaks for every tool."""
    required, none = read(body_of("strict_and_required")), read(body_of("tool_none"))
    assert (required.tool_choice, none.tool_choice) == (ToolChoice("required"), ToolChoice("none"))
    assert [tool.strict for tool in required.tools if isinstance(tool, Tool)] == [True, True]
    assert [tool.strict for tool in none.tools if isinstance(tool, Tool)] == [False]


def test_format_is_read() -> None:
    """json_object with a schema is a JSON schema."""
    shapes = [read(body_of(name)).format for name in ("text_format", "json_object", "json_schema")]
    assert [shape.kind for shape in shapes if shape] == ["text", "json", "json_schema"]
    assert shapes[2] is not None
    assert shapes[2].schema["required"] == ["name"]


# --- requests out -----------------------------------------------------------------------------------------


def test_plain_foreign_request() -> None:
    """A request of another dialect has strings where it can, and no field nobody asked for."""
    body, losses = sent(asked(Message("system", (Text("Be brief."),)), Message("user", (Text("Hi"),))))
    assert body == {"model": "m", "messages": [{"role": "system", "content": "Be brief."}, HI]}
    assert not losses


@pytest.mark.parametrize(
    ("reasoning", "body", "losses"),
    [
        (Reasoning(effort="none"), {"type": "disabled"}, set()),
        (Reasoning(enabled=False), {"type": "disabled"}, set()),
        (Reasoning(budget=0), {"type": "disabled"}, set()),
        (Reasoning(enabled=True), {"type": "enabled"}, set()),
        (Reasoning(budget=700), {"type": "enabled", "token_budget": 700}, set()),
        (
            Reasoning(effort="minimal"),
            {"type": "enabled", "token_budget": 512},
            {"approximated:reasoning.effort"},
        ),
        (
            Reasoning(effort="xhigh"),
            {"type": "enabled", "token_budget": 32768},
            {"approximated:reasoning.effort"},
        ),
        (Reasoning(effort="max"), {"type": "enabled"}, {"approximated:reasoning.effort"}),
        (Reasoning(show="none"), None, {"dropped:reasoning.show"}),
    ],
)
def test_reasoning_is_asked_for(reasoning: Reasoning, body: Json, losses: set[str]) -> None:
    """An effort is a budget here; the highest has none."""
    found, lost = sent(asked(reasoning=reasoning))
    assert (found.get("thinking"), lost) == (body, losses)


def test_sampling_is_clamped_and_declared() -> None:
    """Values stay in Cohere's ranges, and one penalty is taken."""
    sampling = Sampling(1.7, 1, 600, frequency_penalty=0.5, presence_penalty=-1, seed=3)
    body, losses = sent(asked(sampling=sampling))
    assert [body[name] for name in ("temperature", "p", "k", "frequency_penalty", "presence_penalty")] == [
        1,
        0.99,
        500,
        0.5,
        0,
    ]
    assert losses == {"clamped:temperature", "clamped:top_p", "clamped:top_k", "clamped:presence_penalty"}
    body, losses = sent(asked(sampling=Sampling(frequency_penalty=0.5, presence_penalty=0.5)))
    assert "presence_penalty" not in body
    assert losses == {"dropped:presence_penalty"}


def test_what_only_guides_is_declared() -> None:
    """Fields without a place are dropped, and stop sequences beyond the fifth."""
    stops = tuple("abcdef")
    body, losses = sent(asked(user="u", tier="flex", parallel_tools=False, stop=stops, max_output=9))
    assert (body["stop_sequences"], body["max_tokens"]) == (list("abcde"), 9)
    assert losses == {"dropped:user", "dropped:tier", "dropped:parallel_tools", "clamped:stop"}


@pytest.mark.parametrize(
    ("choice", "word", "tools", "losses"),
    [
        (None, None, 2, set()),
        (ToolChoice(), None, 2, set()),
        (ToolChoice("none"), "NONE", 2, set()),
        (ToolChoice("required"), "REQUIRED", 2, set()),
        (ToolChoice("required", ("get_time",)), "REQUIRED", 1, {"approximated:tool_choice"}),
        (ToolChoice("auto", ("get_time",)), None, 1, {"approximated:tool_choice"}),
    ],
)
def test_choice_is_written(choice: ToolChoice | None, word: Json, tools: int, losses: set[str]) -> None:
    """A named tool is the only one sent, and required."""
    body, lost = sent(asked(tools=(WEATHER, CLOCK), tool_choice=choice))
    assert (body.get("tool_choice"), len(body["tools"]), lost) == (word, tools, losses)


def test_choice_without_tools_is_not_sent() -> None:
    """There is nothing to choose from; only a required choice is a loss."""
    body, losses = sent(asked(tool_choice=ToolChoice("required")))
    assert (sorted(body), losses) == (["messages", "model"], {"dropped:tool_choice"})


def test_tools_are_strict_together_or_not_at_all() -> None:
    """strict_tools needs every tool to ask for it, and each to have a required parameter."""
    strict = msgspec.structs.replace(WEATHER, strict=True)
    assert sent(asked(tools=(strict,)))[0]["strict_tools"] is True
    for others in ((CLOCK,), (msgspec.structs.replace(CLOCK, strict=True),)):
        body, losses = sent(asked(tools=(strict, *others)))
        assert "strict_tools" not in body
        assert "dropped:tools[0].strict" in losses


def test_format_is_written() -> None:
    """A schema is held to without its name; plain text is what there is anyway."""
    shape = Format("json_schema", SCHEMA, "city", strict=False, description="A city.")
    body, losses = sent(asked(format=shape))
    assert body["response_format"] == {"type": "json_object", "json_schema": SCHEMA}
    assert losses == {"approximated:format.strict", "dropped:format.description"}
    assert sent(asked(format=Format("json")))[0]["response_format"] == {"type": "json_object"}
    assert "response_format" not in sent(asked(format=Format("text")))[0]


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"candidates": 2}, "candidates"),
        ({"tools": (WEATHER,), "format": Format("json")}, "format"),
        ({"tools": (Opaque("anthropic", "web_search"),)}, "tools[0]"),
        ({"tools": (Tool("t", custom=True, grammar={"type": "grammar"}),)}, "tools[0].grammar"),
    ],
)
def test_what_cannot_be_said_is_refused(fields: dict[str, Any], at: str) -> None:
    """What would change the answer has no silent way out; another target may do."""
    with pytest.raises(Failure) as caught:
        DIALECT.write_request(asked(**fields))
    assert (caught.value.kind, caught.value.retry, caught.value.at) == (Kind.UNSUPPORTED, Retry.NEXT, at)


def test_nothing_is_counted() -> None:
    """The protocol has no token count."""
    assert DIALECT.write_count(asked()) is None
    for ask in (lambda: DIALECT.read_count(Reply(200)), lambda: DIALECT.write_counted(3)):
        with pytest.raises(Failure, match="cannot count"):
            ask()


# --- answers in -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("COMPLETE", "end"),
        ("STOP_SEQUENCE", "stop_sequence"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_use"),
        ("MOONRISE", "end"),
    ],
)
def test_stop_reasons_are_read(word: str, reason: Reason) -> None:
    """Each word has a reason, and an unknown one goes home as it came."""
    body = {"id": "1", "finish_reason": word, "message": {"content": [{"type": "text", "text": "x"}]}}
    stop = DIALECT.read_answer(Reply(200, body=body)).choices[0].stop
    assert (stop.reason, stop.native) == (reason, word)
    assert DIALECT.write_answer(Response("1", "", (Choice((), stop),)), asked()).body["finish_reason"] == word


def test_call_without_its_reason_is_tool_use() -> None:
    """A call that stops with COMPLETE is a call all the same, and goes home as it came."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body = {"id": "1", "finish_reason": "COMPLETE", "message": {"role": "assistant", "tool_calls": [call]}}
    answer = DIALECT.read_answer(Reply(200, body=body))
    assert answer.choices[0].stop.reason == "tool_use"
    assert DIALECT.write_answer(answer, asked()).body == body


@pytest.mark.parametrize(("word", "kind"), [("ERROR", Kind.UPSTREAM), ("TIMEOUT", Kind.TIMEOUT)])
def test_answer_that_failed_is_raised(word: str, kind: Kind) -> None:
    """An answer that says it failed is a failure, with status 200 or not."""
    body = {"id": "1", "finish_reason": word, "message": {"role": "assistant", "content": []}}
    with pytest.raises(Failure) as caught:
        DIALECT.read_answer(Reply(200, body=body))
    assert (caught.value.kind, caught.value.retry) == (kind, Retry.AGAIN)


@pytest.mark.parametrize("body", [None, "<html>", [], {"message": "internal server error"}])
def test_answer_that_is_none_is_the_providers_fault(body: Json) -> None:
    """What is not an answer is told as the provider's fault."""
    with pytest.raises(Failure) as caught:
        DIALECT.read_answer(Reply(200, body=body))
    assert caught.value.source is Source.UPSTREAM


def test_stream_and_whole_answer_say_the_same() -> None:
    """A stream of a plan and a call folds to what the unary answer is."""
    plan, call = fold(heard(stream("plan_and_call"))).choices[0].parts
    assert plan == Thinking("I will look.", extras=Extras("cohere", {}, ("plan",)))
    assert call == ToolCall("get_weather_1", "get_weather", '{"city": "Köln"}')


def test_citations_belong_to_the_answer() -> None:
    """Citations between the deltas of a text are the answer's, in a stream as in a unary answer."""
    streamed, whole = (
        fold(heard(stream("citations"))),
        DIALECT.read_answer(Reply(200, body=body_of("citations", "answers"))),
    )
    assert streamed.choices[0].parts == (Text("Penguins swim."),)
    assert streamed.extras is not None
    assert whole.extras is not None
    assert [found["text"] for found in streamed.extras.rest["citations"]] == ["Penguins", "swim"]
    assert [found["text"] for found in whole.extras.rest["citations"]] == ["Emperor penguins"]


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("error_in_the_middle", Kind.UPSTREAM, "reported to our developers"),
        ("timeout", Kind.TIMEOUT, "stopped with TIMEOUT"),
        ("cut_off", Kind.TRUNCATED, "before its end"),
    ],
)
def test_stream_that_fails_is_raised(name: str, kind: Kind, said: str) -> None:
    """An error at the end of a stream is a failure, and so is no end."""
    with pytest.raises(Failure, match=said) as caught:
        heard(stream(name))
    assert caught.value.kind is kind


def test_stream_without_a_start_begins_anyway() -> None:
    """A server that leaves message-start and content-start out is understood."""
    events = heard(stream("late_and_bare"))
    assert events[0] == Start("", "")
    assert fold(events).choices[0].parts == (Text("Hello"),)


@pytest.mark.parametrize("kind", ["text", "thinking"])
def test_block_that_begins_without_words_is_what_it_says(kind: str) -> None:
    """A start need not have the empty text that Cohere's own has (aimock 1.43 leaves it out)."""
    told: list[tuple[str, dict[str, Json]]] = [
        ("content-start", {"index": 0, "delta": {"message": {"content": {"type": kind}}}}),
        ("content-delta", {"index": 0, "delta": {"message": {"content": {"type": kind, kind: "Hello"}}}}),
        ("content-end", {"index": 0}),
        ("message-end", {"delta": {"finish_reason": "COMPLETE"}}),
    ]
    frames = [Frame(msgspec.json.encode({"type": name, **body}), name) for name, body in told]
    [part] = fold(heard(b"".join(map(SSE.encode, frames)))).choices[0].parts
    assert part == (Text("Hello") if kind == "text" else Thinking("Hello"))


def test_block_of_unknown_type_is_held_until_it_is_whole() -> None:
    """An Opaque part has no text to append to."""
    odd = fold(heard(stream("unknown_words"))).choices[0].parts[0]
    assert odd == Opaque("cohere", "hologram", {"type": "hologram", "hologram": "zz"})


def test_arguments_outside_a_call_are_malformed() -> None:
    """Calls follow one another; what goes on with a finished one cannot be placed."""
    reader = DIALECT.reader()
    late = {"type": "tool-call-delta", "index": 3}
    with_text = late | {"delta": {"message": {"tool_calls": {"function": {"arguments": "{}"}}}}}
    assert reader.feed(Frame(msgspec.json.encode(late))) == []
    with pytest.raises(Failure, match="not open"):
        reader.feed(Frame(msgspec.json.encode(with_text)))


@pytest.mark.parametrize("data", [b"nonsense", b"[]", b"\xff"])
def test_event_that_is_no_object_is_malformed(data: bytes) -> None:
    """What cannot be read is the provider's fault."""
    with pytest.raises(Failure) as caught:
        DIALECT.reader().feed(Frame(data))
    assert caught.value.source is Source.UPSTREAM


def test_end_may_repeat_the_id() -> None:
    """The id at the end says nothing new, and neither does [DONE], wherever it stands."""
    reader = DIALECT.reader()
    start, end = b'{"type":"message-start","id":"a"}', b'{"type":"message-end","id":"a","delta":{}}'
    events = [event for data in (start, b"[DONE]", end, b"[DONE]", end) for event in reader.feed(Frame(data))]
    assert [*events, *reader.close()] == [Start("a", ""), Stop("error"), End()]


def test_bare_message_in_a_stream_is_an_error() -> None:
    """A line with a message and no type is how a proxy tells its own faults."""
    with pytest.raises(Failure, match="no upstream"):
        DIALECT.reader().feed(Frame(b'{"message":"no upstream"}'))


def test_chunk_is_amended_first() -> None:
    """A quirk sees each chunk before it is read."""
    reader = DIALECT.reader(lambda chunk: chunk | {"id": "amended"})
    assert reader.feed(Frame(b'{"type":"message-start"}')) == [Start("amended", "")]


# --- answers out ------------------------------------------------------------------------------------------

ANSWER = Response(
    "id-1",
    "gpt",
    (
        Choice(
            (
                Thinking("Hm.", signature=Signature("openai", "x")),
                Text("Yes"),
                ToolCall("c1", "f", '{"a":1}'),
            ),
            Stop("tool_use", native="tool_calls"),
        ),
        Choice((Text("No"),), Stop("end", 1), 1),
    ),
    Usage(input=5, cache_read=4, output=6, reasoning=2),
)


def test_foreign_answer_is_written() -> None:
    """Parts stand in their fields, usage counts all that was read and written."""
    reply = DIALECT.write_answer(ANSWER, asked())
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    figures = {"input_tokens": 9, "output_tokens": 8}
    assert reply.body == {
        "id": "id-1",
        "finish_reason": "TOOL_CALL",
        "message": {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Yes"}],
            "tool_calls": [call],
        },
        "usage": {
            "billed_units": figures,
            "tokens": {**figures, "reasoning_tokens": 2},
            "cached_tokens": 4,
        },
    }
    assert {str(loss) for loss in reply.losses} == {
        "dropped:answer.parts[0].signature",
        "dropped:answer.choices[1]",
    }


def test_foreign_stream_is_written() -> None:
    """Content and calls count by themselves, and one choice is told."""
    data = told(unfold(ANSWER))
    assert [(value["type"], value.get("index")) for value in data] == [
        ("message-start", None),
        ("content-start", 0),
        ("content-delta", 0),
        ("content-end", 0),
        ("content-start", 1),
        ("content-delta", 1),
        ("content-end", 1),
        ("tool-call-start", 0),
        ("tool-call-delta", 0),
        ("tool-call-end", 0),
        ("message-end", None),
    ]
    assert data[0]["id"] == "id-1"
    assert data[-1]["delta"]["finish_reason"] == "TOOL_CALL"
    assert data[-1]["delta"]["usage"]["cached_tokens"] == 4


@pytest.mark.parametrize(
    "change",
    [
        {"message": ["Hi"]},
        {"citations": None},
        {"citations": 5},
        {"message": {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": []}]}},
    ],
)
def test_odd_answer_goes_home_as_it_came(change: dict[str, Json]) -> None:
    """What is of another type than it should be stays where it was, whole and streamed."""
    body = {"id": "a", "finish_reason": "COMPLETE", "message": {"role": "assistant", "content": []}, **change}
    answer = DIALECT.read_answer(Reply(200, {}, body))
    assert DIALECT.write_answer(answer, asked()).body == body
    frames, _ = written(unfold(answer))
    assert frames[-1].data == b"[DONE]" or b"message-end" in frames[-1].data


def test_free_text_call_is_told_as_a_function() -> None:
    """The pieces of a free text are the escaped pieces of one argument."""
    call = ToolCall("c", "sh", custom=True)
    events: list[Event] = [
        Start("", ""),
        Open(0, call),
        Append(0, 'ls "'),
        Append(0, "x\n"),
        Close(0),
        Stop("tool_use"),
        End(),
    ]
    pieces = [
        value["delta"]["message"]["tool_calls"]["function"]["arguments"]
        for value in told(events)
        if value["type"] == "tool-call-delta"
    ]
    assert json.loads("".join(pieces)) == {"input": 'ls "x\n'}
    whole = DIALECT.write_answer(fold(events), asked()).body["message"]["tool_calls"][0]
    assert json.loads(whole["function"]["arguments"]) == {"input": 'ls "x\n'}


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("end", "COMPLETE"),
        ("stop_sequence", "STOP_SEQUENCE"),
        ("length", "MAX_TOKENS"),
        ("context", "MAX_TOKENS"),
        ("tool_use", "TOOL_CALL"),
        ("refusal", "COMPLETE"),
        ("pause", "COMPLETE"),
        ("filter", "ERROR"),
        ("bad_tool_call", "ERROR"),
    ],
)
def test_stop_reasons_are_written(reason: Reason, word: str) -> None:
    """The nearest word is declared; a cut-off answer tells why, in a stream."""
    near = (
        {"approximated:answer.stop"}
        if reason not in ("end", "stop_sequence", "length", "tool_use")
        else set()
    )
    reply = DIALECT.write_answer(Response("", "", (Choice((), Stop(reason)),)), asked())
    assert (reply.body["finish_reason"], {str(loss) for loss in reply.losses}) == (word, near)
    end = told([Start("", ""), Stop(reason), End()])[-1]["delta"]
    assert (end["finish_reason"], "error" in end) == (word, word == "ERROR")


def test_answer_that_failed_is_not_written_as_one() -> None:
    """A stop for an error is a failure whole, and the end of a stream that tells it."""
    with pytest.raises(Failure, match="stopped with an error"):
        DIALECT.write_answer(Response("", "", (Choice((), Stop("error")),)), asked())
    end = told([Start("", ""), Stop("error"), End()])[-1]["delta"]
    assert end["finish_reason"] == "ERROR"


def test_what_an_answer_cannot_hold_is_dropped() -> None:
    """Media, foreign blocks and hidden thinking have no place in an answer."""
    parts = (
        Media("image", "base64", "iVBOR", mime="image/png"),
        Opaque("anthropic", "server_tool_use", {}),
        Thinking(redacted=True, signature=Signature("anthropic", "x")),
    )
    answer = Response("", "", (Choice(parts, Stop("end")),))
    dropped = {f"dropped:answer.parts[{index}]" for index in range(3)}
    reply = DIALECT.write_answer(answer, asked())
    assert ({str(loss) for loss in reply.losses}, reply.body["message"]) == (dropped, {"role": "assistant"})
    frames, losses = written(unfold(answer))
    assert (losses, [frame.event for frame in frames]) == (dropped, ["message-start", "message-end", ""])


@pytest.mark.parametrize(("kind", "word"), [(Kind.TRUNCATED, "ERROR"), (Kind.TIMEOUT, "TIMEOUT")])
def test_failure_in_a_stream_ends_it(kind: Kind, word: str) -> None:
    """The client finds an error where it looks for a finish reason, and its reader raises."""
    frames = DIALECT.writer(asked()).fail(Failure(kind, "words"))
    end = msgspec.json.decode(frames[0].data)
    assert end == {"type": "message-end", "delta": {"error": "words", "finish_reason": word}}
    with pytest.raises(Failure, match="words"):
        heard(b"".join(map(SSE.encode, frames)))


def test_keepalive_is_a_comment() -> None:
    """A comment is no frame."""
    assert SSE.decoder().feed(DIALECT.writer(asked()).keepalive()) == []


# --- failures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "retry"),
    [
        ("invalid", Kind.INVALID, Retry.NEVER),
        ("too_many_tokens", Kind.CONTEXT_LENGTH, Retry.NEXT),
        ("max_tokens_too_high", Kind.INVALID, Retry.NEVER),
        ("unauthorized", Kind.UPSTREAM, Retry.NEXT),
        ("payment", Kind.UPSTREAM, Retry.NEXT),
        ("not_found", Kind.NOT_FOUND, Retry.NEXT),
        ("unprocessable", Kind.INVALID, Retry.NEVER),
        ("rate_limit", Kind.RATE_LIMITED, Retry.AGAIN),
        ("trial_is_over", Kind.UPSTREAM, Retry.NEXT),
        ("blocked", Kind.CONTENT_POLICY, Retry.NEXT),
        ("cancelled", Kind.UPSTREAM, Retry.NEXT),
        ("internal", Kind.UPSTREAM, Retry.AGAIN),
        ("unavailable", Kind.OVERLOADED, Retry.AGAIN),
        ("timeout", Kind.TIMEOUT, Retry.AGAIN),
        ("not_json", Kind.UPSTREAM, Retry.AGAIN),
    ],
)
def test_failures_are_read(name: str, kind: Kind, retry: Retry) -> None:
    """Status and words together say what went wrong and what may be tried."""
    record = json.loads((CORPUS / "failures" / f"{name}.json").read_text())
    failure = DIALECT.read_failure(Reply(record["status"], record["headers"], record["body"]))
    assert (failure.kind, failure.retry, failure.status) == (kind, retry, record["status"])


def test_failure_keeps_what_the_provider_said() -> None:
    """Id, word and delay come along, and go home."""
    body = {"id": "e2", "error_type": "TOO_MANY_TOKENS", "message": "too many tokens"}
    failure = DIALECT.read_failure(Reply(400, {"retry-after": "2"}, body))
    assert (failure.request_id, failure.code, failure.retry_after_s) == ("e2", "TOO_MANY_TOKENS", 2)
    reply = DIALECT.write_failure(failure)
    assert (reply.status, reply.headers, reply.body) == (400, {"retry-after": "2"}, body)


def test_failure_is_written_with_its_path() -> None:
    """The message is all there is, so it begins with the field."""
    reply = DIALECT.write_failure(Failure(Kind.INVALID, "is required", at="$.messages[0].role"))
    assert (reply.status, reply.body) == (400, {"message": "messages[0].role: is required"})
    assert DIALECT.write_failure(truncated()).status == 502
