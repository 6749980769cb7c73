"""Ollama's own protocol: what its corpus and the shared laws do not say by themselves."""

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
from dragoman.core.extras import Json
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
from dragoman.dialects import Call, Reply, anthropic
from dragoman.dialects.framing import NDJSON, Frame
from dragoman.dialects.ollama import DIALECT

CORPUS = Path(__file__).parent / "corpus" / "ollama"
WEATHER, CLOCK = Tool("get_weather", "Weather.", {"type": "object"}), Tool("get_time", strict=True)
HI = {"role": "user", "content": "Hi"}
AT = 1790000000
TIME = "2026-09-21T14:13:20Z"


def names(kind: str) -> list[str]:
    """Return the names of one kind of sample."""
    return sorted(path.stem for path in (CORPUS / kind).iterdir() if path.suffix != ".md")


def record(name: str, kind: str) -> dict[str, Any]:
    """Return a sample."""
    found: dict[str, Any] = json.loads((CORPUS / kind / f"{name}.json").read_text())
    return found


def read(body: Json, path: str = "/api/chat") -> Request:
    """Read a request as a client sent it."""
    return DIALECT.read_request(Call("POST", path, body=body))


def corpus(name: str) -> Request:
    """Read a request of the corpus."""
    found = record(name, "requests")
    return read(found["body"], found["path"])


def asked(*messages: Message, **fields: Any) -> Request:
    """Return a request another dialect read."""
    return Request("openai_chat", "m", messages or (Message("user", (Text("Hi"),)),), **fields)


def sent(request: Request) -> tuple[dict[str, Json], set[str]]:
    """Return the body a request becomes, and its losses as a header would name them."""
    call = DIALECT.write_request(request)
    return call.body, {str(loss) for loss in call.losses}


def heard(raw: bytes, *, cut: int | None = None) -> list[Event]:
    """Return the events of a whole stream, read in pieces of `cut` bytes."""
    decoder, reader, size = NDJSON.decoder(), DIALECT.reader(), cut or len(raw)
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
    frames = [frame for piece in pieces for frame in decoder.feed(piece)] + decoder.close()
    return [*(event for frame in frames for event in reader.feed(frame)), *reader.close()]


def stream(name: str) -> bytes:
    """Return a stream of the corpus."""
    return (CORPUS / "streams" / f"{name}.ndjson").read_bytes()


def told(events: list[Event], request: Request | None = None) -> tuple[list[dict[str, Json]], set[str]]:
    """Return the lines a writer makes of `events`, and its losses."""
    writer = DIALECT.writer(request or asked())
    frames = [frame for event in events for frame in writer.feed(event)]
    return [msgspec.json.decode(frame.data) for frame in frames], {str(loss) for loss in writer.losses}


# --- at home ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", names("requests"))
def test_request_goes_home_as_it_came(name: str) -> None:
    """Every request is written as it was read, for the endpoint it came to, and loses nothing."""
    found = record(name, "requests")
    call = DIALECT.write_request(corpus(name))
    assert (call.method, f"/api{call.path}", call.body, call.losses) == (
        "POST",
        found["path"],
        found["body"],
        (),
    )


@pytest.mark.parametrize("name", names("answers"))
def test_answer_goes_home_as_it_came(name: str) -> None:
    """Every answer is written as it was read, and survives being told as events."""
    body = record(name, "answers")["body"]
    answer = DIALECT.read_answer(Reply(200, body=body))
    reply = DIALECT.write_answer(answer, asked())
    assert (reply.body, reply.losses) == (body, ())
    assert fold(unfold(answer)) == answer


@pytest.mark.parametrize("name", sorted({*names("streams")} - {"error_in_the_middle", "cut_off"}))
def test_stream_goes_home_as_it_came(name: str) -> None:
    """Events written and read again are the same events, however the bytes are cut."""
    events = heard(stream(name))
    lines, losses = told(events)
    assert heard(b"".join(NDJSON.encode(Frame(msgspec.json.encode(line))) for line in lines)) == events
    assert heard(stream(name), cut=1) == events
    assert not losses


# --- requests in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"model": None}, "$.model"),
        ({"stream": "yes"}, "$.stream"),
        ({"messages": "Hi"}, "$.messages"),
        ({"tools": {}}, "$.tools"),
        ({"tools": [{"type": "function"}]}, "$.tools[0].function"),
        ({"format": "xml"}, "$.format"),
        ({"format": 7}, "$.format"),
        ({"think": "deeply"}, "$.think"),
        ({"think": 1}, "$.think"),
        ({"options": []}, "$.options"),
        ({"options": {"temperature": "hot"}}, "$.options.temperature"),
        ({"options": {"top_k": 4.5}}, "$.options.top_k"),
        ({"options": {"stop": "END"}}, "$.options.stop"),
        ({"options": {"num_predict": True}}, "$.options.num_predict"),
    ],
)
def test_fault_is_refused_with_its_path(change: dict[str, Json], at: str) -> None:
    """A wrong field is a 400 that names it."""
    with pytest.raises(Failure) as caught:
        read({"model": "m", "messages": [HI]} | change)
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)


@pytest.mark.parametrize(
    ("change", "at"),
    [({"prompt": 7}, "$.prompt"), ({"system": []}, "$.system"), ({"images": ["a", 7]}, "$.images")],
)
def test_fault_in_a_prompt_is_refused_with_its_path(change: dict[str, Json], at: str) -> None:
    """So is one of /api/generate."""
    with pytest.raises(Failure) as caught:
        read({"model": "m", "prompt": "Hi"} | change, "/api/generate")
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)


def test_stream_is_on_unless_turned_off() -> None:
    """Absent and true are the same wish, spelt differently."""
    assert [corpus(name).stream for name in ("minimal", "streaming_said", "not_streaming")] == [
        True,
        True,
        False,
    ]


def test_stream_the_gateway_turned_off_is_said() -> None:
    """What was absent is written where it has become false."""
    changed = msgspec.structs.replace(corpus("minimal"), stream=False)
    assert sent(changed)[0]["stream"] is False


def test_options_are_read() -> None:
    """Sampling, stops and the limit come out of `options`; the rest stays in it."""
    request = corpus("options")
    assert request.sampling == Sampling(0.8, 0.9, 40, 1.0, 1.5, 42)
    assert (request.stop, request.max_output) == (("\n", "user:"), 100)
    assert request.extras is not None
    assert request.extras.rest["options"].keys() == {
        "num_ctx",
        "min_p",
        "typical_p",
        "repeat_penalty",
        "repeat_last_n",
        "num_keep",
        "num_gpu",
        "use_mmap",
    }


def test_endless_is_no_limit() -> None:
    """A negative num_predict sets none, and 40.0 is a whole number."""
    request = corpus("endless")
    assert (request.max_output, request.sampling.top_k) == (None, 40)


def test_think_is_read() -> None:
    """A switch turns thinking on or off, a word is an effort."""
    found = [corpus(name).reasoning for name in ("think", "think_not", "think_level", "minimal")]
    assert found == [Reasoning(enabled=True), Reasoning(enabled=False), Reasoning(effort="high"), None]


def test_format_is_read() -> None:
    """An object is a JSON schema."""
    assert corpus("json").format == Format("json")
    shape = corpus("schema").format
    assert shape is not None
    assert (shape.kind, shape.schema["required"]) == ("json_schema", ["name"])


def test_prompt_is_a_conversation() -> None:
    """A system text leads, images stand before the words."""
    system, user = corpus("generate_all").messages
    assert (system.role, system.parts) == ("system", (Text("Be brief."),))
    assert [type(part) for part in user.parts] == [Media, Text]


@pytest.mark.parametrize("name", ["generate_suffix", "generate_context", "generate_raw"])
def test_what_only_ollama_can_do_with_a_prompt_is_refused_abroad(name: str) -> None:
    """Another protocol would show the model something else."""
    with pytest.raises(Failure) as caught:
        anthropic.DIALECT.write_request(corpus(name))
    assert caught.value.kind is Kind.UNSUPPORTED


@pytest.mark.parametrize("name", ["generate_nothing_odd", "generate", "minimal", "tools_with_ids"])
def test_what_says_nothing_is_no_loss_abroad(name: str) -> None:
    """Empty fields, which the vendor's client always sends, are missed by nobody; nor are calls' numbers."""
    lost = {str(loss) for loss in anthropic.DIALECT.write_request(corpus(name)).losses}
    assert lost <= {"dropped:messages[1].parts[0]"}  # unsigned thinking


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("load", "load"),
        ("load_with_options", "load"),
        ("unload", "unload"),
        ("generate_load", "load"),
        ("generate_unload", "unload"),
    ],
)
def test_loading_asks_for_no_answer(name: str, word: str) -> None:
    """Such a request has no messages, and an empty answer to it says what was done."""
    request = corpus(name)
    assert request.messages == ()
    empty = Response("", request.model, (Choice((), Stop("end")),), created_at=AT)
    body = DIALECT.write_answer(empty, request).body
    shape = {"response": ""} if "generate" in name else {"message": {"role": "assistant", "content": ""}}
    assert body == {
        "model": "llama3.2",
        "created_at": TIME,
        **shape,
        "done": True,
        "done_reason": word,
    }
    assert told(unfold(empty), request)[0] == [body]


@pytest.mark.parametrize(
    ("keep_alive", "word"),
    [
        *((nothing, "unload") for nothing in (0, 0.0, "0", "0h0m")),
        *((some, "load") for some in ("", "5m", -1, None, False)),
    ],
)
def test_no_time_at_all_unloads(keep_alive: Json, word: str) -> None:
    """Seconds and durations of nothing unload the model."""
    request = read({"model": "m", "messages": [], "keep_alive": keep_alive})
    assert request.extras is not None
    assert word in request.extras.form


# --- requests out -----------------------------------------------------------------------------------------


def test_plain_foreign_request() -> None:
    """Another dialect's request is a chat, and says whether it streams."""
    request = asked(
        Message("system", (Text("Be brief."),)), Message("user", (Text("Hi"),)), max_output=9, stop=("x",)
    )
    call = DIALECT.write_request(request)
    assert (call.path, call.losses) == ("/chat", ())
    assert call.body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, HI],
        "options": {"stop": ["x"], "num_predict": 9},
        "stream": False,
    }
    assert sent(asked(stream=True))[0]["stream"] is True


@pytest.mark.parametrize(
    ("reasoning", "think", "losses"),
    [
        (Reasoning(effort="none"), False, set()),
        (Reasoning(enabled=False), False, set()),
        (Reasoning(budget=0), False, set()),
        (Reasoning(enabled=True), True, set()),
        (Reasoning(effort="minimal"), "low", {"approximated:reasoning.effort"}),
        (Reasoning(effort="medium"), "medium", set()),
        (Reasoning(effort="xhigh"), "max", {"approximated:reasoning.effort"}),
        (Reasoning(budget=2000), "low", {"approximated:reasoning.budget"}),
        (Reasoning(budget=16384), "high", {"approximated:reasoning.budget"}),
        (Reasoning(budget=40000), "max", {"approximated:reasoning.budget"}),
        (Reasoning(show="summary"), None, {"dropped:reasoning.show"}),
    ],
)
def test_reasoning_is_asked_for(reasoning: Reasoning, think: Json, losses: set[str]) -> None:
    """Thinking is a switch or one of four levels."""
    body, lost = sent(asked(reasoning=reasoning))
    assert (body.get("think"), lost) == (think, losses)


@pytest.mark.parametrize(
    ("choice", "tools", "losses"),
    [
        (None, 2, set()),
        (ToolChoice(), 2, set()),
        (ToolChoice("none"), 0, {"emulated:tool_choice"}),
        (ToolChoice("required"), 2, {"approximated:tool_choice"}),
        (ToolChoice("required", ("get_weather",)), 1, {"approximated:tool_choice"}),
        (ToolChoice("auto", ("get_weather",)), 1, {"approximated:tool_choice"}),
    ],
)
def test_choice_is_made_by_sending_fewer_tools(
    choice: ToolChoice | None, tools: int, losses: set[str]
) -> None:
    """There is no tool choice here."""
    body, lost = sent(asked(tools=(WEATHER, CLOCK), tool_choice=choice))
    assert len(body.get("tools", ())) == tools
    assert lost - {"dropped:tools[1].strict"} == losses


def test_format_is_written() -> None:
    """A schema is the format itself; its name goes without saying."""
    shape = Format("json_schema", {"type": "object"}, "x", strict=False, description="X.")
    body, losses = sent(asked(format=shape))
    assert body["format"] == {"type": "object"}
    assert losses == {"approximated:format.strict", "dropped:format.description"}
    assert sent(asked(format=Format("json_schema")))[0]["format"] == "json"
    assert "format" not in sent(asked(format=Format("text")))[0]


def test_sampling_goes_into_the_options() -> None:
    """Every value the core knows has an option."""
    body, losses = sent(asked(sampling=Sampling(0.1, 0.2, 3, 0.4, 0.5, 6)))
    assert body["options"] == {
        "temperature": 0.1,
        "top_p": 0.2,
        "top_k": 3,
        "frequency_penalty": 0.4,
        "presence_penalty": 0.5,
        "seed": 6,
    }
    assert not losses


def test_limit_of_the_gateway_joins_the_clients_options() -> None:
    """What was set on the way is laid over what the client left."""
    changed = msgspec.structs.replace(corpus("endless"), max_output=50)
    assert sent(changed)[0]["options"] == {"num_predict": 50, "top_k": 40, "stop": []}


def test_words_of_the_gateway_join_the_prompt() -> None:
    """A prompt has one system text, whoever wrote it."""
    request = corpus("generate_all")
    more = msgspec.structs.replace(
        request, messages=(Message("system", (Text("Answer in JSON."),)), *request.messages)
    )
    assert sent(more)[0]["system"] == "Answer in JSON.\n\nBe brief."


def test_what_only_guides_is_declared() -> None:
    """Fields without a place are dropped."""
    losses = sent(asked(user="u", tier="flex", parallel_tools=False))[1]
    assert losses == {"dropped:user", "dropped:tier", "dropped:parallel_tools"}


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"candidates": 2}, "candidates"),
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
    ("name", "reason", "native"),
    [
        ("text", "end", "stop"),
        ("length", "length", "length"),
        ("tools_with_ids", "tool_use", "stop"),
        ("no_reason", "end", None),
        ("load", "end", "load"),
        ("unknown_words", "end", "moonrise"),
    ],
)
def test_stop_reasons_are_read(name: str, reason: Reason, native: str | None) -> None:
    """A call stops with `stop`, and is tool use all the same."""
    stop = DIALECT.read_answer(Reply(200, body=record(name, "answers")["body"])).choices[0].stop
    assert (stop.reason, stop.native) == (reason, native)


def test_answer_is_dated_and_counted() -> None:
    """The time is whole seconds, and usage what was read and written."""
    answer = DIALECT.read_answer(Reply(200, body=record("text", "answers")["body"]))
    assert answer.created_at == 1795255200
    assert answer.usage is not None
    assert (answer.usage.input, answer.usage.output, answer.usage.total) == (9, 24, 33)
    assert DIALECT.read_answer(Reply(200, body=record("no_reason", "answers")["body"])).usage is None


def test_calls_without_ids_get_some() -> None:
    """Calls of one answer are told apart, and so are those of two; a stream gives the same as a whole."""
    body = record("tools_without_ids", "answers")["body"]
    later = body | {"created_at": "2026-11-21T10:00:01Z"}
    first, second = (
        [
            part
            for part in DIALECT.read_answer(Reply(200, body=one)).choices[0].parts
            if isinstance(part, ToolCall)
        ]
        for one in (body, later)
    )
    assert all(call.synthetic and call.id.startswith("call_dragoman_") for call in first + second)
    assert len({call.id for call in first + second}) == 4
    line = msgspec.json.encode(body)
    assert fold(heard(line)) == DIALECT.read_answer(Reply(200, body=body))


def test_arguments_may_come_as_text() -> None:
    """Some servers quote them; they are taken as they are, and go home so."""
    body = record("tools_with_ids", "answers")["body"]
    call = {"id": "c", "function": {"name": "f", "arguments": '{"a": 1}'}}
    body["message"]["tool_calls"] = [call]
    answer = DIALECT.read_answer(Reply(200, body=body))
    assert [part.arguments for part in answer.choices[0].parts if isinstance(part, ToolCall)] == ['{"a": 1}']
    assert DIALECT.write_answer(answer, asked()).body == body


def test_nothing_is_read_after_the_end() -> None:
    """The last object is the last."""
    line = Frame(msgspec.json.encode(record("text", "answers")["body"]))
    reader = DIALECT.reader()
    assert reader.feed(line)
    assert reader.feed(line) == []


@pytest.mark.parametrize("body", [None, "<html>", [], {"error": "llama runner process has terminated"}])
def test_answer_that_is_none_is_the_providers_fault(body: Json) -> None:
    """What is not an answer is told as the provider's fault."""
    with pytest.raises(Failure) as caught:
        DIALECT.read_answer(Reply(200, body=body))
    assert caught.value.source is Source.UPSTREAM


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("error_in_the_middle", Kind.UPSTREAM, "exit status 2"),
        ("cut_off", Kind.TRUNCATED, "before its end"),
    ],
)
def test_stream_that_fails_is_raised(name: str, kind: Kind, said: str) -> None:
    """An error line is a failure, and so is no end."""
    with pytest.raises(Failure, match=said) as caught:
        heard(stream(name))
    assert caught.value.kind is kind


@pytest.mark.parametrize("line", [b"nonsense", b"[]", b"\xff"])
def test_line_that_is_no_object_is_malformed(line: bytes) -> None:
    """What cannot be read is the provider's fault."""
    with pytest.raises(Failure) as caught:
        DIALECT.reader().feed(Frame(line))
    assert caught.value.source is Source.UPSTREAM


def test_stream_begins_with_its_first_word() -> None:
    """Objects without words keep the connection alive, and say nothing."""
    kinds = [type(event) for event in heard(stream("nothing_at_first"))]
    assert kinds == [Start, Open, Append, Close, Stop, End]


def test_log_probabilities_ride_on_their_words() -> None:
    """Those of words nobody hears wait for the end."""
    events = heard(stream("logprobs"))
    ridden = [
        event.extras.rest["logprobs"][0]["token"]
        for event in events
        if isinstance(event, Append) and event.extras
    ]
    assert ridden == ["Hm", "Hi", "!"]
    end = events[-1]
    assert isinstance(end, End)
    assert end.extras is not None
    assert [entry["token"] for entry in end.extras.rest["logprobs"]] == ["."]


def test_chunk_is_amended_first() -> None:
    """A quirk sees each line before it is read."""
    reader = DIALECT.reader(lambda chunk: chunk | {"model": "amended"})
    (start, *_) = reader.feed(Frame(b'{"message":{"content":"x"}}'))
    assert isinstance(start, Start)
    assert start.model == "amended"


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
                ToolCall("call_dragoman_7", "g", "", synthetic=True),
            ),
            Stop("tool_use", native="tool_calls"),
        ),
        Choice((Text("No"),), Stop("end", 1), 1),
    ),
    Usage(input=5, cache_read=4, output=6, reasoning=2),
    created_at=AT,
)
CALLS = [
    {"id": "c1", "function": {"name": "f", "arguments": {"a": 1}, "index": 0}},
    {"id": "call_dragoman_7", "function": {"name": "g", "arguments": {}, "index": 1}},
]
LOST = {"dropped:answer.parts[0].signature", "dropped:answer.choices[1]"}


def test_foreign_answer_is_written() -> None:
    """A chat has a message, its calls are numbered, and only what was counted is told."""
    reply = DIALECT.write_answer(ANSWER, corpus("minimal"))
    assert reply.body == {
        "model": "gpt",
        "created_at": TIME,
        "message": {"role": "assistant", "content": "Yes", "thinking": "Hm.", "tool_calls": CALLS},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 9,
        "eval_count": 8,
    }
    assert {str(loss) for loss in reply.losses} == LOST


def test_answer_has_the_shape_of_its_endpoint() -> None:
    """Who asked with a prompt gets a response, whole and streamed; an answer nobody dated is of 1970."""
    prompt = corpus("generate")
    plain = Response("", "", (Choice((Thinking("Hm."), Text("Yes")), Stop("length")),))
    top = {"model": "llama3.2", "created_at": "1970-01-01T00:00:00Z"}
    end = {"done": True, "done_reason": "length"}
    body = DIALECT.write_answer(plain, prompt).body
    assert body == {**top, "response": "Yes", "thinking": "Hm.", **end}
    assert told(unfold(plain), prompt)[0] == [
        {**top, "response": "", "thinking": "Hm.", "done": False},
        {**top, "response": "Yes", "done": False},
        {**top, "response": "", **end},
    ]


def test_foreign_stream_is_written() -> None:
    """Every object repeats model and time, and a call comes whole."""
    lines, losses = told(unfold(ANSWER))
    top = {"model": "gpt", "created_at": TIME}
    spoken: list[dict[str, Json]] = [
        {"content": "", "thinking": "Hm."},
        {"content": "Yes"},
        {"content": "", "tool_calls": CALLS[:1]},
        {"content": "", "tool_calls": CALLS[1:]},
    ]
    assert lines[:-1] == [
        {**top, "message": {"role": "assistant", **words}, "done": False} for words in spoken
    ]
    assert lines[-1] == {
        **top,
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 9,
        "eval_count": 8,
    }
    assert losses == LOST


def test_answer_of_one_endpoint_goes_to_a_client_of_the_other() -> None:
    """What the client asked decides, not what the provider answered."""
    answer = DIALECT.read_answer(Reply(200, body=record("generate", "answers")["body"]))
    assert "message" in DIALECT.write_answer(answer, corpus("minimal")).body


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("end", "stop"),
        ("stop_sequence", "stop"),
        ("length", "length"),
        ("context", "length"),
        ("tool_use", "stop"),
        ("refusal", "stop"),
        ("pause", "stop"),
        ("filter", "stop"),
    ],
)
def test_stop_reasons_are_written(reason: Reason, word: str) -> None:
    """The nearest word is declared."""
    near = {"approximated:answer.stop"} if reason in ("context", "refusal", "pause", "filter") else set()
    reply = DIALECT.write_answer(Response("", "", (Choice((Text("x"),), Stop(reason)),)), asked())
    assert (reply.body["done_reason"], {str(loss) for loss in reply.losses}) == (word, near)


@pytest.mark.parametrize("reason", ["error", "bad_tool_call"])
def test_answer_that_failed_is_not_written_as_one(reason: Reason) -> None:
    """A stop for a fault is a failure whole, and an error line at the end of a stream."""
    with pytest.raises(Failure, match="stopped with an error"):
        DIALECT.write_answer(Response("", "", (Choice((), Stop(reason)),)), asked())
    assert told([Start("", ""), Stop(reason), End()])[0][-1].keys() == {"error"}


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
    assert {str(loss) for loss in reply.losses} == dropped
    lines, losses = told(unfold(answer))
    assert (losses, len(lines)) == (dropped, 1)


def test_arguments_that_are_no_object_are_wrapped() -> None:
    """Free text is one argument, and broken JSON is shown for what it is."""
    parts = (ToolCall("a", "sh", "ls", custom=True), ToolCall("b", "f", '{"broken'))
    reply = DIALECT.write_answer(Response("", "", (Choice(parts, Stop("tool_use")),)), asked())
    calls = reply.body["message"]["tool_calls"]
    assert [call["function"]["arguments"] for call in calls] == [
        {"input": "ls"},
        {"INVALID_JSON": '{"broken'},
    ]
    assert {str(loss) for loss in reply.losses} == {
        "emulated:answer.parts[0]",
        "approximated:answer.parts[1].arguments",
    }


def test_failure_in_a_stream_is_its_last_line() -> None:
    """The vendor's client raises on it."""
    (frame,) = DIALECT.writer(asked()).fail(truncated())
    assert msgspec.json.decode(frame.data) == {"error": "the provider closed the stream before its end"}
    with pytest.raises(Failure, match="before its end"):
        DIALECT.reader().feed(frame)


@pytest.mark.parametrize("name", ["minimal", "generate"])
def test_keepalive_is_an_object_without_words(name: str) -> None:
    """The vendor's client breaks on a blank line; before the answer began there is nothing but the model."""
    writer = DIALECT.writer(corpus(name))
    first = msgspec.json.decode(writer.keepalive())
    assert (first["model"], first["done"]) == ("llama3.2", False)
    assert writer.feed(Start("", "other", AT)) == []
    assert msgspec.json.decode(writer.keepalive())["model"] == "other"
    assert DIALECT.reader().feed(Frame(writer.keepalive())) == []


# --- failures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "retry"),
    [
        ("invalid", Kind.INVALID, Retry.NEVER),
        ("cannot_think", Kind.UNSUPPORTED, Retry.NEXT),
        ("too_long", Kind.CONTEXT_LENGTH, Retry.NEXT),
        ("unauthorized", Kind.UPSTREAM, Retry.NEXT),
        ("forbidden", Kind.UPSTREAM, Retry.NEXT),
        ("not_found", Kind.NOT_FOUND, Retry.NEXT),
        ("rate_limit", Kind.RATE_LIMITED, Retry.AGAIN),
        ("cancelled", Kind.UPSTREAM, Retry.NEXT),
        ("crashed", Kind.UPSTREAM, Retry.AGAIN),
        ("unreachable", Kind.UPSTREAM, Retry.AGAIN),
        ("busy", Kind.OVERLOADED, Retry.AGAIN),
        ("not_json", Kind.UPSTREAM, Retry.AGAIN),
    ],
)
def test_failures_are_read(name: str, kind: Kind, retry: Retry) -> None:
    """Status and words together say what went wrong and what may be tried."""
    found = record(name, "failures")
    failure = DIALECT.read_failure(Reply(found["status"], found["headers"], found["body"]))
    assert (failure.kind, failure.retry, failure.status) == (kind, retry, found["status"])


def test_failure_is_written_with_its_path() -> None:
    """The text is all there is, so it begins with the field; a delay is whole seconds."""
    reply = DIALECT.write_failure(
        Failure(Kind.RATE_LIMITED, "slow down", at="$.messages[0].role", retry_after_s=1.2)
    )
    assert (reply.status, reply.headers) == (429, {"retry-after": "2"})
    assert reply.body == {"error": "messages[0].role: slow down"}
