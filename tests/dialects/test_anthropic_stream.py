"""Anthropic Messages, answers: unary, streamed, and in the eyes of the vendor's own SDK."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
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
    Message,
    Opaque,
    Request,
    Signature,
    Text,
    Thinking,
    Tool,
    ToolCall,
)
from dragoman.core.usage import Usage
from dragoman.dialects import Reply
from dragoman.dialects.anthropic import DIALECT
from dragoman.dialects.framing import SSE, Frame

CORPUS = Path(__file__).parent / "corpus" / "anthropic"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER, CLOCK = Tool("get_weather", "Weather.", SCHEMA), Tool("get_time", schema={"type": "object"})


def asked() -> Request:
    """Return a request another dialect read."""
    return Request("openai_chat", "m", (Message("user", (Text("Hi"),)),))


def frames(raw: bytes) -> list[Frame]:
    """Cut a recorded stream into frames."""
    decoder = SSE.decoder()
    return [*decoder.feed(raw), *decoder.close()]


def heard(raw: bytes | list[Frame]) -> list[Event]:
    """Return the events of a whole stream."""
    reader = DIALECT.reader()
    cut = frames(raw) if isinstance(raw, bytes) else raw
    return [*(event for frame in cut for event in reader.feed(frame)), *reader.close()]


def stream(name: str) -> list[Event]:
    """Return the events of a stream of the corpus."""
    return heard((CORPUS / "streams" / f"{name}.sse").read_bytes())


def told(events: list[Event], request: Request | None = None) -> tuple[list[dict[str, Json]], set[str]]:
    """Return the data of the frames a writer makes of `events`, and its losses."""
    writer = DIALECT.writer(request or asked())
    written = [frame for event in events for frame in writer.feed(event)]
    data = [msgspec.json.decode(frame.data) for frame in written]
    assert [frame.event for frame in written] == [value["type"] for value in data]
    return data, {str(loss) for loss in writer.losses}


# --- answers in -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "end"),
        ("max_tokens", "length"),
        ("stop_sequence", "stop_sequence"),
        ("tool_use", "tool_use"),
        ("pause_turn", "pause"),
        ("refusal", "refusal"),
        ("model_context_window_exceeded", "context"),
        ("gave_up", "end"),
    ],
)
def test_stop_reasons_are_read(word: str, reason: Reason) -> None:
    """Each word has a reason, an unknown one goes home as it came."""
    body = {"id": "msg_1", "content": [{"type": "text", "text": "x"}], "stop_reason": word}
    stop = DIALECT.read_answer(Reply(200, body=body)).choices[0].stop
    assert (stop.reason, stop.native) == (reason, word)
    written = DIALECT.write_answer(Response("msg_1", "m", (Choice((), stop),)), asked())
    assert written.body["stop_reason"] == word


def test_error_in_disguise_is_raised() -> None:
    """An error object in a 200 is a failure."""
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    with pytest.raises(Failure) as caught:
        DIALECT.read_answer(Reply(200, body=body))
    assert (caught.value.kind, caught.value.status) == (Kind.OVERLOADED, None)


@pytest.mark.parametrize("body", [None, "<html>", [], 7])
def test_answer_that_is_no_object_is_malformed(body: Json) -> None:
    """What is not an answer is the provider's fault."""
    with pytest.raises(Failure) as caught:
        DIALECT.read_answer(Reply(200, body=body))
    assert caught.value.source is Source.UPSTREAM


def test_stream_of_tools() -> None:
    """Fragments stay as they came, a call without any has the input it began with."""
    calls = [
        part for part in fold(stream("tools_in_parallel")).choices[0].parts if isinstance(part, ToolCall)
    ]
    assert [call.arguments for call in calls] == ['{"city": "Köln", "unit": "c"}', "{}", '{"a":[1,2]}']
    pieces = [event.text for event in stream("tools_in_parallel") if isinstance(event, Append)]
    assert '{"city": "Kö' in pieces


def test_stream_of_thinking() -> None:
    """Signatures ride on Close, redacted thinking comes whole, omitted thinking is a signature alone."""
    thought, hidden, _ = fold(stream("thinking")).choices[0].parts
    assert thought == Thinking("Two and two.", signature=Signature("anthropic", "EqQBCgIYAhIM"))
    assert hidden == Thinking(redacted=True, signature=Signature("anthropic", "EmwKAhgBEgy3"))
    events = stream("thinking_omitted")
    assert events[1:3] == [
        Open(0, Thinking()),
        Close(0, signature=Signature("anthropic", "EqQBCgIYAhIN")),
    ]


def test_stream_of_server_tools() -> None:
    """A server tool's input is whole, citations are the text's, container and stop details the Stop's."""
    events = stream("server_tools")
    response = fold(events)
    _, call, result, cited = response.choices[0].parts
    assert isinstance(call, Opaque)
    assert call.data["input"] == {"query": "who won"}
    assert isinstance(result, Opaque)
    assert isinstance(cited, Text)
    assert cited.extras is not None
    assert [citation["cited_text"] for citation in cited.extras.rest["citations"]] == ["won", "did"]
    stop = response.choices[0].stop
    assert stop.extras is not None
    assert (stop.reason, stop.extras.rest["container"]["id"]) == ("pause", "container_1")
    assert response.extras == Extras("anthropic", {"context_management": {"applied_edits": []}})


def test_unknown_events_pass_and_unknown_deltas_stay() -> None:
    """A new event is skipped; a new delta goes home with the Close of its block."""
    closes = [event for event in stream("unknown_words") if isinstance(event, Close)]
    assert [close.extras and close.extras.rest["deltas"][0]["type"] for close in closes] == [
        "tempo_delta",
        "frame_delta",
    ]


def test_crlf_named_or_not_and_unicode_read_alike() -> None:
    """Line ends, missing event names and U+2028 in the text change nothing."""
    for name, text in (
        ("crlf", "Hello\nthere"),
        ("no_event_lines", "Hello"),
        ("unicode", 'Grüße \u2028 new line? \u2029\u0085🦊👩‍👩‍👧"quoted\\" \t'),
    ):
        assert fold(stream(name)).choices[0].parts == (Text(text),)


def test_error_event_is_raised_where_it_came() -> None:
    """What was read before an error stands; the error itself is a Failure."""
    reader = DIALECT.reader()
    cut = frames((CORPUS / "streams" / "error_in_the_middle.sse").read_bytes())
    before = [event for frame in cut[:-1] for event in reader.feed(frame)]
    assert before[-1] == Append(0, "Hel")
    with pytest.raises(Failure) as caught:
        reader.feed(cut[-1])
    assert (caught.value.kind, caught.value.retry) == (Kind.OVERLOADED, Retry.AGAIN)
    assert caught.value.request_id == "req_011CSHoEeqs5C35K2UUqR7Fy"


@pytest.mark.parametrize("name", sorted(path.stem for path in (CORPUS / "streams").glob("*.sse")))
def test_stream_without_its_end_is_truncated(name: str) -> None:
    """Nothing but message_stop ends a stream."""
    raw = (CORPUS / "streams" / f"{name}.sse").read_bytes()
    with pytest.raises(Failure) as caught:
        heard(frames(raw)[:-1])
    assert caught.value.kind is Kind.TRUNCATED


@pytest.mark.parametrize("data", [b"{", b"[]", b"\xff", b'{"type":"content_block_delta","delta":{}}'])
def test_nonsense_frame_is_malformed(data: bytes) -> None:
    """A frame that is no event, or stands where none may, is the provider's fault."""
    with pytest.raises(Failure) as caught:
        DIALECT.reader().feed(Frame(data))
    assert caught.value.kind is Kind.UPSTREAM


def test_amend_sees_each_event_first() -> None:
    """A quirk may rewrite what the provider said."""

    def amend(value: Json) -> Json:
        return {**value, "type": "ping"}

    assert DIALECT.reader(amend).feed(Frame(b'{"type":"error"}')) == []


@pytest.mark.parametrize("path", sorted((CORPUS / "answers").glob("*.json")), ids=lambda path: path.stem)
def test_answer_goes_home_whole_and_streamed(path: Path) -> None:
    """An answer is written as it was read; told as a stream and put together again it is the same."""
    body = json.loads(path.read_text())["body"]
    response = DIALECT.read_answer(Reply(200, body=body))
    assert DIALECT.write_answer(response, asked()) == Reply(200, body=body)
    writer = DIALECT.writer(asked())
    again = fold(heard([frame for event in unfold(response) for frame in writer.feed(event)]))
    assert DIALECT.write_answer(again, asked()) == Reply(200, body=body)
    assert not writer.losses


@pytest.mark.parametrize(
    ("streamed", "unary"),
    [
        ("cache", "cache"),
        ("thinking", "thinking"),
        ("compaction", "compaction"),
        ("thinking_omitted", "thinking_omitted"),
    ],
)
def test_streams_and_answers_count_alike_and_say_the_same(streamed: str, unary: str) -> None:
    """The same answer, streamed or not, folds to the same parts and output."""
    body = json.loads((CORPUS / "answers" / f"{unary}.json").read_text())["body"]
    whole, folded = DIALECT.read_answer(Reply(200, body=body)), fold(stream(streamed))
    assert whole.usage is not None
    assert folded.usage is not None
    assert folded.choices[0].parts == whole.choices[0].parts
    assert (folded.usage.output, folded.usage.reasoning) == (whole.usage.output, whole.usage.reasoning)
    if streamed == "cache":
        # Of these two recordings only one says what it was served as.
        told = [msgspec.structs.replace(usage, native=None, tier="") for usage in (folded.usage, whole.usage)]
        assert told[0] == told[1]


def test_usage_of_a_stream_is_merged_field_by_field() -> None:
    """message_delta overrides message_start where it says something; a null does not."""
    usage = fold(stream("two_message_deltas")).usage
    assert usage is not None
    assert (usage.input, usage.output) == (25, 4)
    assert usage.native is not None
    assert usage.native.rest["service_tier"] == "standard"


# --- answers out ------------------------------------------------------------------------------------------


def test_foreign_stream_follows_the_grammar() -> None:
    """Blocks come in sequence with their own indices, and the stop waits for usage."""
    events: list[Event] = [
        Start("chatcmpl-1", "m"),
        Open(0, Thinking()),
        Append(0, "Hm."),
        Close(0, signature=Signature("gemini", "eHl6")),
        Open(1, Text("")),
        Append(1, "Hi"),
        Close(1),
        Open(2, Opaque("gemini", "executableCode")),
        Close(2),
        Open(3, ToolCall("call_1", "f")),
        Append(3, '{"a"'),
        Append(3, ": 1}"),
        Close(3),
        Stop("tool_use", native="tool_calls"),
        End(Usage(input=7, cache_read=2, output=3, reasoning=4)),
    ]
    data, losses = told(events)
    none = {"input_tokens": 0, "output_tokens": 0}
    begun = {"id": "msg_chatcmpl-1", "type": "message", "role": "assistant", "model": "m", "content": []}
    final = {
        "input_tokens": 7,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 2,
        "output_tokens": 7,
    }

    def delta(index: int, kind: str, **field: str) -> dict[str, Json]:
        return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **field}}

    def start(index: int, block: dict[str, Json]) -> dict[str, Json]:
        return {"type": "content_block_start", "index": index, "content_block": block}

    assert data == [
        {
            "type": "message_start",
            "message": {**begun, "stop_reason": None, "stop_sequence": None, "usage": none},
        },
        start(0, {"type": "thinking", "thinking": "", "signature": ""}),
        delta(0, "thinking_delta", thinking="Hm."),
        {"type": "content_block_stop", "index": 0},
        start(1, {"type": "text", "text": ""}),
        delta(1, "text_delta", text="Hi"),
        {"type": "content_block_stop", "index": 1},
        start(2, {"type": "tool_use", "id": "call_1", "name": "f", "input": {}}),
        delta(2, "input_json_delta", partial_json=""),
        delta(2, "input_json_delta", partial_json='{"a"'),
        delta(2, "input_json_delta", partial_json=": 1}"),
        {"type": "content_block_stop", "index": 2},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {**final, "output_tokens_details": {"thinking_tokens": 4}},
        },
        {"type": "message_stop"},
    ]
    assert losses == {"dropped:answer.parts[0].signature", "dropped:answer.parts[2]"}


@pytest.mark.parametrize(
    "block",
    [
        {"text": "no type"},
        {"type": ["text"]},
        {"type": "thinking"},
        {"type": "text", "text": "x", "citations": True},
    ],
)
def test_odd_block_goes_home_as_it_came(block: Json) -> None:
    """A block nobody has told us of, or half of a known one, breaks neither the answer nor the stream."""
    body = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [block]}
    answer = DIALECT.read_answer(Reply(200, {}, {**body, "stop_reason": "end_turn"}))
    data, losses = told(unfold(answer))
    assert data[-1]["type"] == "message_stop"
    assert not losses
    DIALECT.write_answer(answer, asked())


@pytest.mark.parametrize("redacted", [False, True])
def test_proof_without_words_is_not_shown(*, redacted: bool) -> None:
    """A foreign thinking part that only carries a signature writes nothing but its loss, streamed or not."""
    empty = Thinking(redacted=redacted, signature=Signature("openai", "gAAA"))
    response = Response("msg_1", "m", (Choice((empty, Text("Hi")), Stop("end")),))
    events: list[Event] = [
        Start("msg_1", "m"),
        Open(0, Thinking(redacted=redacted)),
        Close(0, empty.signature),
        *unfold(response)[3:],
    ]
    data, losses = told([*events[:3], Stop("end"), End()])
    assert [value["type"] for value in data] == ["message_start", "message_delta", "message_stop"]
    assert losses == {"dropped:answer.parts[0].signature"}
    written = DIALECT.write_answer(response, asked())
    assert written.body["content"] == [{"type": "text", "text": "Hi"}]
    assert {str(loss) for loss in written.losses} == losses


def test_free_text_call_is_one_argument() -> None:
    """A custom call's text is escaped into one string, in pieces or whole."""
    text = 'say "hi"\n🦊'
    events: list[Event] = [Start("msg_1", "m"), Open(0, ToolCall("c", "shell", custom=True))]
    events += [*(Append(0, piece) for piece in text), Close(0), Stop("tool_use"), End()]
    data, losses = told(events)
    deltas = [value["delta"] for value in data if value["type"] == "content_block_delta"]
    assert json.loads("".join(delta["partial_json"] for delta in deltas)) == {"input": text}
    written = DIALECT.write_answer(fold(events), asked())
    assert written.body["content"][0]["input"] == {"input": text}
    assert losses == {str(loss) for loss in written.losses} == {"emulated:answer.parts[0]"}


def test_one_choice_is_written() -> None:
    """Of several choices the first is the answer, the others are declared dropped."""
    choices = (Choice((Text("A"),), Stop("end")), Choice((Text("B"),), Stop("length", 1), 1))
    response = Response("msg_1", "m", choices)
    written = DIALECT.write_answer(response, asked())
    assert written.body["content"] == [{"type": "text", "text": "A"}]
    assert {str(loss) for loss in written.losses} == {"dropped:answer.choices[1]"}
    data, losses = told(unfold(response))
    assert [value["delta"]["text"] for value in data if value["type"] == "content_block_delta"] == ["A"]
    assert data[-2]["delta"]["stop_reason"] == "end_turn"
    assert losses == {"dropped:answer.choices[1]"}


@pytest.mark.parametrize(
    ("stop", "part", "word", "losses"),
    [
        (Stop("end"), Text("x"), "end_turn", set()),
        (Stop("length", native="length"), Text("x"), "max_tokens", set()),
        (Stop("context"), Text("x"), "model_context_window_exceeded", set()),
        (Stop("filter"), Text("x"), "refusal", {"approximated:answer.stop"}),
        (Stop("bad_tool_call"), Text("x"), "end_turn", {"approximated:answer.stop"}),
        (Stop("end", native="stop"), Text("No.", refusal=True), "refusal", set()),
        (Stop("stop_sequence", sequence="END"), Text("x"), "stop_sequence", set()),
    ],
)
def test_stop_reasons_are_written(stop: Stop, part: Text, word: str, losses: set[str]) -> None:
    """Every reason has its nearest word, and refusal text is a refusal."""
    response = Response("msg_1", "m", (Choice((part,), stop),))
    written = DIALECT.write_answer(response, asked())
    assert (written.body["stop_reason"], written.body["stop_sequence"]) == (word, stop.sequence)
    assert {str(loss) for loss in written.losses} == losses
    assert told(unfold(response))[0][-2]["delta"]["stop_reason"] == word


def test_stop_for_an_error_is_no_clean_end() -> None:
    """An answer that broke off inside the provider is an error in the stream and in one piece."""
    response = Response("msg_1", "m", (Choice((Text("x"),), Stop("error", native="ERROR")),))
    assert told(unfold(response))[0][-1]["type"] == "error"
    with pytest.raises(Failure, match="ERROR"):
        DIALECT.write_answer(response, asked())


def test_failure_in_a_stream_is_an_error_event() -> None:
    """A cut stream ends in an event SDKs raise on."""
    (frame,) = DIALECT.writer(asked()).fail(truncated())
    assert frame.event == "error"
    assert msgspec.json.decode(frame.data)["error"]["type"] == "api_error"


# --- the vendor's own client ------------------------------------------------------------------------------


@contextmanager
def served(status: int, content_type: str, payload: bytes) -> Iterator[anthropic.Anthropic]:
    """Yield the SDK, pointed at a server that gives one answer to everything."""

    class Once(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer."""
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Once) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            host, port = str(server.server_address[0]), server.server_address[1]
            with anthropic.Anthropic(
                base_url=f"http://{host}:{port}", api_key="fake", max_retries=0
            ) as client:
                yield client
        finally:
            server.shutdown()
            thread.join()


def rendered(events: list[Event]) -> bytes:
    """Return the bytes of a stream, with a keep-alive after every frame."""
    writer = DIALECT.writer(asked())
    out = [frame for event in events for frame in writer.feed(event)]
    return b"".join(SSE.encode(frame) + writer.keepalive() for frame in out)


@pytest.mark.parametrize(
    "name", ["text", "tools_in_parallel", "thinking", "server_tools", "refusal", "cache"]
)
def test_sdk_accumulates_what_was_written(name: str) -> None:
    """The SDK puts a written stream together to the same message as the unary answer."""
    events = stream(name)
    expected = DIALECT.write_answer(fold(events), asked()).body
    ask: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    with (
        served(200, "text/event-stream", rendered(events)) as client,
        client.messages.stream(**ask) as live,
    ):
        found = live.get_final_message().model_dump(mode="json", exclude_unset=True)
    assert found["stop_reason"] == expected["stop_reason"]
    assert found["usage"]["output_tokens"] == expected["usage"]["output_tokens"]
    assert [block["type"] for block in found["content"]] == [block["type"] for block in expected["content"]]
    for block, wanted in zip(found["content"], expected["content"], strict=True):
        assert {key: block[key] for key in wanted if key in block} == {
            key: wanted[key] for key in wanted if key in block
        }


def test_sdk_raises_on_what_failed() -> None:
    """A failure after the first byte is an exception, as is one before it, of the class the vendor means."""
    events = stream("text")[:3]
    writer = DIALECT.writer(asked())
    payload = b"".join(SSE.encode(frame) for event in events for frame in writer.feed(event))
    payload += b"".join(SSE.encode(frame) for frame in writer.fail(truncated()))
    ask: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    with (
        served(200, "text/event-stream", payload) as client,
        client.messages.stream(**ask) as live,
        pytest.raises(anthropic.APIStatusError, match="before its end"),
    ):
        live.get_final_message()
    reply = DIALECT.write_failure(Failure(Kind.RATE_LIMITED, "slow down", retry_after_s=3))
    with (
        served(reply.status, "application/json", msgspec.json.encode(reply.body)) as client,
        pytest.raises(anthropic.RateLimitError, match="slow down"),
    ):
        client.messages.create(**ask)
