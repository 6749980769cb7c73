"""A Responses stream: reading what servers really send, writing what SDKs accept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.core.events import (
    Append,
    Close,
    End,
    Event,
    Open,
    Start,
    Stop,
    fold,
)
from dragoman.core.extras import Extras, Json
from dragoman.core.failure import Failure, Kind, Source, malformed
from dragoman.core.request import Media, Message, Opaque, Request, Signature, Text, Thinking, ToolCall
from dragoman.core.usage import Usage
from dragoman.dialects import Dialect, anthropic, openai_chat
from dragoman.dialects.framing import SSE, Frame
from dragoman.dialects.openai_responses import DIALECT
from dragoman.dialects.openai_responses_parts import NAME
from dragoman.dialects.openai_responses_stream import Reader

CORPUS = Path(__file__).parent / "corpus"
ASKED = Request(NAME, "m", (Message("user", (Text("Hi"),)),), stream=True)
BEGUN = {"type": "response.created", "response": {"id": "resp_1", "object": "response", "model": "m"}}
ENDED = {"type": "response.completed", "response": {**BEGUN["response"], "status": "completed"}}  # type: ignore[dict-item]


def heard(name: str, codec: Dialect = DIALECT) -> tuple[list[Event], Failure | None]:
    """Return the events of a stream of the corpus, and the failure it ends in."""
    raw = (CORPUS / codec.name / "streams" / f"{name}.sse").read_bytes()
    decoder, reader = SSE.decoder(), codec.reader()
    events: list[Event] = []
    try:
        for frame in [*decoder.feed(raw), *decoder.close()]:
            events += reader.feed(frame)
        events += reader.close()
    except Failure as failure:
        return events, failure
    return events, None


def read(*values: Json, begun: bool = True) -> list[Event]:
    """Return the events of these frames, after Start."""
    reader = Reader()
    frames = [Frame(msgspec.json.encode(value)) for value in ([BEGUN, *values] if begun else values)]
    events = [event for frame in frames for event in reader.feed(frame)]
    return events[1:] if begun else events


def told(*events: Event) -> tuple[list[dict[str, Any]], set[str]]:
    """Return the data of the frames a writer makes of `events`, and its losses."""
    writer = DIALECT.writer(ASKED)
    written = [frame for event in events for frame in writer.feed(event)]
    data = [msgspec.json.decode(frame.data) for frame in written]
    assert [frame.event for frame in written] == [value["type"] for value in data]
    assert [value["sequence_number"] for value in data] == list(range(len(data)))
    return data, {str(loss) for loss in writer.losses}


def kinds(data: list[dict[str, Any]]) -> list[str]:
    """Return the names of events, without what they all begin with."""
    return [value["type"].removeprefix("response.") for value in data]


def added(place: int, item: Json) -> dict[str, Json]:
    """Return the event that begins an item."""
    return {"type": "response.output_item.added", "output_index": place, "item": item}


def done(place: int, item: Json) -> dict[str, Json]:
    """Return the event that ends an item."""
    return {"type": "response.output_item.done", "output_index": place, "item": item}


def call(number: int, arguments: str = "") -> dict[str, Json]:
    """Return the item of a call."""
    return {
        "type": "function_call",
        "id": f"fc_{number}",
        "call_id": f"call_{number}",
        "name": "f",
        "arguments": arguments,
    }


# --- in ---------------------------------------------------------------------------------------------------


def test_words_come_as_they_are_said() -> None:
    """A message of one part is Open, its pieces, and a Close that brings the item's last fields."""
    events, _ = heard("text")
    item = {"id": "msg_1", "status": "in_progress"}
    shell = Text("", extras=Extras(NAME, {}, (), {"item": item, "logprobs": []}))
    assert events[1:6] == [
        Open(0, shell),
        Append(0, "Hello"),
        Append(0, " there"),
        Append(0, "."),
        Close(0, None, Extras(NAME, {}, (), {"done": {"status": "completed"}})),
    ]
    assert events[6] == Stop("end", native="completed")


def test_reasoning_and_calls_are_parts_in_order() -> None:
    """Summaries, words and calls follow one another; the signature is the item's last."""
    events, _ = heard("reasoning_and_tools")
    parts = fold(events).choices[0].parts
    assert [type(part).__name__ for part in parts] == ["Thinking"] * 2 + ["Text"] + ["ToolCall"] * 3
    first, second, words, *calls = parts
    assert isinstance(first, Thinking)
    assert isinstance(second, Thinking)
    assert (first.text, first.summary, first.signature) == ("First this.", True, None)
    assert second.signature == Signature("openai", "gAAAAABo-2", id="rs_1")
    assert isinstance(words, Text)
    assert words.extras is not None
    assert words.extras.rest == {"item.phase": "commentary"}
    said = [(part.id, part.name, part.arguments, part.custom) for part in calls if isinstance(part, ToolCall)]
    assert said == [
        ("call_1", "get_weather", '{"city":"Ghent"}', False),
        ("call_2", "get_time", "{}", False),
        ("call_3", "shell_line", "ls -l", True),
    ]
    assert events[-2] == Stop("tool_use", native="completed")


@pytest.mark.parametrize(
    "name", ["no_event_lines", "crlf", "content_index_one", "queued", "done_without_deltas"]
)
def test_oddities_of_servers_say_the_same(name: str) -> None:
    """Lines that are missing, line ends, indices and deltas that are not there change nothing."""
    events, failure = heard(name)
    assert failure is None
    text = "".join(part.text for part in fold(events).choices[0].parts if isinstance(part, Text))
    assert text in ("Hello there.", "1 2", "Hello.")


def test_reasoning_may_end_after_the_words() -> None:
    """A part closes when the next begins; a signature that comes later is a part of its own."""
    events, _ = heard("reasoning_ends_late")
    assert [type(event).__name__ for event in events[1:]] == (
        ["Open", "Append", "Append", "Close", "Open", "Append", "Close", "Stop", "End"]
    )
    events, _ = heard("signature_comes_late")
    last = fold(events).choices[0].parts[-1]
    assert isinstance(last, Thinking)
    assert (last.redacted, last.signature) == (True, Signature("openai", "gAAAAABo-9"))


def test_calls_wait_for_one_another() -> None:
    """Arguments of two calls may come in turn; they are told one call after the other."""
    pieces = [
        {"type": "response.function_call_arguments.delta", "output_index": place, "delta": piece}
        for place, piece in ((0, '{"a"'), (1, '{"b"'), (0, ":1}"), (1, ":2}"))
    ]
    events = read(
        added(0, call(1)),
        added(1, call(2)),
        *pieces,
        done(1, call(2, '{"b":2}')),
        done(0, call(1, '{"a":1}')),
        ENDED,
    )
    assert [event for event in events if isinstance(event, Append)] == [
        Append(0, '{"a"'),
        Append(0, ":1}"),
        Append(1, '{"b"'),
        Append(1, ":2}"),
    ]
    assert [type(event).__name__ for event in events[:6]] == (
        ["Open", "Append", "Append", "Close", "Open", "Append"]
    )


def test_words_wait_for_an_unfinished_call() -> None:
    """Words in the middle of a call follow it, and are not lost if it never ends."""
    delta = {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "Hi"}
    arguments = {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{}"}
    message = {"type": "message", "role": "assistant", "id": "msg_1", "content": []}
    parts = fold(read(added(0, call(1)), added(1, message), delta, arguments, ENDED)).choices[0].parts
    assert isinstance(parts[0], ToolCall)
    assert isinstance(parts[1], Text)
    assert (parts[0].arguments, parts[1].text) == ("{}", "Hi")


@pytest.mark.parametrize("begun", ["", {}])
def test_arguments_may_come_as_an_object_at_the_end(begun: Json) -> None:
    """A server that does not encode them loses nothing in a stream either."""
    item = {**call(1), "arguments": begun}
    (part,) = fold(read(added(0, item), done(0, {**item, "arguments": {"a": 1}}), ENDED)).choices[0].parts
    assert isinstance(part, ToolCall)
    assert part.arguments == '{"a":1}'


def test_hosted_tool_shows_its_work() -> None:
    """What a hosted tool tells before it is done is a part of its own; then its item is there whole."""
    events, _ = heard("hosted_tools")
    opened = [event.part for event in events if isinstance(event, Open)]
    assert [part.kind for part in opened if isinstance(part, Opaque)] == [
        "progress",
        "web_search_call",
        "progress",
        "code_interpreter_call",
    ]
    rides = [event.extras.rest for event in events if isinstance(event, Append) and event.extras]
    assert [ride["event"]["type"].rpartition(".")[2] for ride in rides[:3]] == (
        ["in_progress", "searching", "completed"]
    )
    words = fold(events).choices[0].parts[-1]
    assert isinstance(words, Text)
    assert words.extras is not None
    assert words.extras.rest["annotations"][0]["url"] == "https://example.com/sky"


def test_hosted_item_that_was_never_done_is_taken_from_the_end() -> None:
    """The final response holds what the stream left out."""
    events, _ = heard("hosted_items_never_done")
    parts = fold(events).choices[0].parts
    lists = [part.data for part in parts if isinstance(part, Opaque) and part.kind == "mcp_list_tools"]
    assert [len(found["tools"]) for found in lists] == [1, 1]


def test_answer_may_come_with_the_end_alone() -> None:
    """A server that streams nothing before the final response is read all the same."""
    events, _ = heard("only_the_end")
    names = [type(part).__name__ for part in fold(events).choices[0].parts]
    assert names == ["Thinking", "Thinking", "Text", "Text", "ToolCall", "Opaque"]
    assert events[-2] == Stop("tool_use", native="completed")


def test_unknown_events_are_kept() -> None:
    """With the item they are about, with the part that is open, or by themselves."""
    events, _ = heard("unknown_words")
    assert events[1] == Open(0, Opaque(NAME, "event", {"type": "response.weather.changed", "sky": "grey"}))
    kept = [event.extras.rest for event in events if isinstance(event, Append) and event.extras is not None]
    assert [rest["event"]["type"] for rest in kept] == [
        "response.hologram.flickered",
        "response.output_text.sparkled",
    ]


def test_log_probabilities_ride_on_their_words() -> None:
    """Each piece has its own, and the part has them all."""
    events, _ = heard("logprobs")
    rides = [event.extras.rest["logprobs"] for event in events if isinstance(event, Append) and event.extras]
    assert [[one["token"] for one in ride] for ride in rides] == [["H"], ["i"]]
    (part,) = fold(events).choices[0].parts
    assert isinstance(part, Text)
    assert part.extras is not None
    assert [one["token"] for one in part.extras.rest["logprobs"]] == ["H", "i"]


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("failed", Kind.RATE_LIMITED, "Hel"),
        ("error_event", Kind.UPSTREAM, ""),
        ("error_nested", Kind.UPSTREAM, "Hello."),
        ("cut_off", Kind.TRUNCATED, '{"ci'),
    ],
)
def test_failure_in_the_middle_is_one(name: str, kind: Kind, said: str) -> None:
    """All three forms, and a stream that just ends, are failures; what was said before stands."""
    events, failure = heard(name)
    assert failure is not None
    assert (failure.kind, failure.source) == (kind, Source.UPSTREAM)
    assert "".join(event.text for event in events if isinstance(event, Append)) == said


@pytest.mark.parametrize("data", [b"{", b"7", b"\xff"])
def test_what_is_no_event_is_the_providers_fault(data: bytes) -> None:
    """A frame that is not a JSON object is malformed; an end marker of others is not."""
    assert Reader().feed(Frame(b"[DONE]")) == []
    with pytest.raises(Failure) as caught:
        Reader().feed(Frame(data))
    assert caught.value.kind is Kind.UPSTREAM


def test_arguments_need_a_call() -> None:
    """Without its item nobody knows which tool is called; words need no announcement."""
    delta = {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{}"}
    with pytest.raises(Failure, match="has not begun"):
        read(delta)
    words = {"type": "response.output_text.delta", "delta": "Hi"}
    assert [type(event).__name__ for event in read(words, begun=False)] == ["Start", "Open", "Append"]


def test_chunks_are_amended_first() -> None:
    """A provider's quirk sees each event before it is read."""
    reader = Reader(lambda value: {**value, "type": "response.created"})
    (start,) = reader.feed(Frame(b'{"response":{"id":"resp_1"}}', "odd"))
    assert isinstance(start, Start)
    assert start.id == "resp_1"


# --- out --------------------------------------------------------------------------------------------------


def test_foreign_answer_keeps_the_grammar() -> None:
    """Each item is begun, filled and done in its place; the whole response stands at the end."""
    data, losses = told(
        Start("msg_1", "claude", created_at=17),
        Open(0, Thinking()),
        Append(0, "Hm."),
        Close(0, Signature("anthropic", "c2ln")),
        Open(1, Text("")),
        Append(1, "A"),
        Append(1, ""),
        Close(1),
        Open(2, Text("")),
        Append(2, "B"),
        Close(2),
        Open(3, ToolCall("toolu_1", "f")),
        Append(3, '{"a"'),
        Append(3, ":1}"),
        Close(3),
        Open(4, ToolCall("toolu_2", "g", custom=True)),
        Append(4, "ls"),
        Close(4),
        Stop("tool_use"),
        End(Usage(input=3, output=2)),
    )
    text = ["content_part.added", "output_text.delta", "output_text.done", "content_part.done"]
    assert kinds(data) == [
        *("created", "in_progress"),
        *("output_item.added", "content_part.added", "reasoning_text.delta", "reasoning_text.done"),
        *("content_part.done", "output_item.done"),
        *("output_item.added", *text, *text, "output_item.done"),
        *("output_item.added", *["function_call_arguments.delta"] * 2, "function_call_arguments.done"),
        *("output_item.done", "output_item.added", "custom_tool_call_input.delta"),
        *("custom_tool_call_input.done", "output_item.done", "completed"),
    ]
    assert not losses
    begun = [value for value in data if value["type"].endswith("added") and "item" in value]
    assert [value["output_index"] for value in begun] == [0, 1, 2, 3]
    assert all(value["item"]["status"] == "in_progress" for value in begun)
    texts = [value["content_index"] for value in data if value["type"] == "response.output_text.done"]
    assert texts == [0, 1]
    final = data[-1]["response"]
    assert final["output"] == [value["item"] for value in data if value["type"].endswith("output_item.done")]
    assert all(item["status"] == "completed" for item in final["output"])
    assert (final["status"], final["usage"]["total_tokens"], final["id"]) == ("completed", 5, "resp_msg_1")
    assert data[0]["response"]["status"] == "in_progress"
    assert data[0]["response"]["output"] == []


def test_every_event_of_a_part_says_where_it_is() -> None:
    """Item, place and index are on each of them."""
    data, _ = told(Start("a", "m"), Open(0, Text("")), Append(0, "A"), Close(0), Stop("end"), End())
    part = [value for value in data if "content_index" in value]
    assert len(part) == 4
    where = {(value["item_id"], value["output_index"], value["content_index"]) for value in part}
    assert where == {(data[2]["item"]["id"], 0, 0)}
    assert part[1]["logprobs"] == []


@pytest.mark.parametrize(
    ("thinking", "signature", "items"),
    [
        (Thinking(), None, 0),
        (Thinking(), Signature("anthropic", "c2ln"), 1),
        (Thinking(redacted=True), Signature("anthropic", "c2ln"), 1),
        (Thinking(redacted=True, signature=Signature("anthropic", "c2ln")), None, 1),
    ],
)
def test_silent_thinking_shows_only_if_it_is_signed(
    thinking: Thinking, signature: Signature | None, items: int
) -> None:
    """An item appears with its first words, or with its signature."""
    data, _ = told(Start("a", "m"), Open(0, thinking), Close(0, signature), Stop("end"), End())
    output = data[-1]["response"]["output"]
    assert len(output) == items
    assert all(item["encrypted_content"] == "dragoman:anthropic:c2ln" for item in output)


def test_call_without_arguments_has_an_empty_object() -> None:
    """Every client parses them; a custom call's input may be empty."""
    data, _ = told(
        Start("a", "m"),
        Open(0, ToolCall("a", "f")),
        Close(0),
        Open(1, ToolCall("b", "g", custom=True)),
        Close(1),
        Stop("tool_use"),
        End(),
    )
    output = data[-1]["response"]["output"]
    assert (output[0]["arguments"], output[1]["input"]) == ("{}", "")
    assert [value["delta"] for value in data if "delta" in value] == ["{}"]


@pytest.mark.parametrize(
    ("reason", "kind", "details"),
    [
        ("end", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("filter", "incomplete", {"reason": "content_filter"}),
        ("error", "failed", None),
        ("bad_tool_call", "failed", None),
    ],
)
def test_end_is_told_by_its_event(reason: Any, kind: str, details: Json) -> None:
    """Complete, incomplete and failed answers end in different events."""
    data, _ = told(Start("a", "m"), Stop(reason), End())
    assert kinds(data)[-1] == kind
    response = data[-1]["response"]
    assert (response["status"], response["incomplete_details"]) == (kind, details)
    assert (response["error"] is not None) is (kind == "failed")


def test_odd_annotations_break_nothing() -> None:
    """Annotations that are no list are none in the stream, and those that come one by one are kept."""
    shell = Text("", extras=Extras(NAME, {"annotations": True}))
    data, _ = told(Start("r", "m"), Open(0, shell), Append(0, "x"), Close(0), Stop("end"), End())
    assert "response.output_text.annotation.added" not in kinds(data)
    part: dict[str, Json] = {"type": "output_text", "text": "", "annotations": True}
    where: dict[str, Json] = {"item_id": "i", "output_index": 0, "content_index": 0}
    events = read(
        added(0, {"type": "message", "id": "i", "role": "assistant", "content": []}),
        {"type": "response.content_part.added", **where, "part": part},
        {"type": "response.output_text.annotation.added", **where, "annotation": {"type": "url"}},
    )
    assert any(isinstance(event, Open) for event in events)


def test_refusal_gets_its_own_events() -> None:
    """A refusal part has refusal events; one without words is said at the end."""
    data, losses = told(
        Start("a", "m"), Open(0, Text("", refusal=True)), Append(0, "No."), Close(0), Stop("refusal"), End()
    )
    assert kinds(data)[4:6] == ["refusal.delta", "refusal.done"]
    assert not losses
    data, losses = told(Start("a", "m"), Stop("refusal"), End())
    assert data[-1]["response"]["output"][0]["content"][0]["type"] == "refusal"
    assert kinds(data)[2:] == ["output_item.added", "output_item.done", "completed"]
    assert losses == {"emulated:answer.stop"}


def test_what_has_no_item_is_declared() -> None:
    """Other choices and other dialects' blocks are lost; an image becomes a hosted tool's result."""
    data, losses = told(
        Start("a", "m"),
        Open(0, Opaque("anthropic", "server_tool_use", {})),
        Close(0),
        Open(1, Media("image", "base64", "AA==", mime="image/png")),
        Close(1),
        Open(2, Text(""), 1),
        Append(2, "B"),
        Close(2),
        Stop("end", 1),
        Stop("end"),
        End(),
    )
    assert losses == {"dropped:answer.parts[0]", "emulated:answer.parts[1]", "dropped:answer.choices[1]"}
    assert [item["type"] for item in data[-1]["response"]["output"]] == ["image_generation_call"]


def test_failure_after_the_beginning_fails_the_response() -> None:
    """The response says so itself, with what was said so far and its open item incomplete."""
    writer = DIALECT.writer(ASKED)
    whole = (Open(0, Text("")), Append(0, "Once"), Close(0))
    for event in (Start("a", "m"), *whole, Open(1, Text("")), Append(1, "up")):
        writer.feed(event)
    (frame,) = writer.fail(malformed("gone"))
    data = msgspec.json.decode(frame.data)
    assert (frame.event, data["type"]) == ("response.failed", "response.failed")
    response = data["response"]
    assert response["error"] == {"code": "server_error", "message": "gone"}
    (item,) = response["output"]
    assert (item["status"], [part["text"] for part in item["content"]]) == ("incomplete", ["Once", "up"])


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (Kind.RATE_LIMITED, "rate_limit_exceeded"),
        (Kind.CONTEXT_LENGTH, "context_length_exceeded"),
        (Kind.OVERLOADED, "server_error"),
    ],
)
def test_failed_response_has_a_code_clients_know(kind: Kind, code: str) -> None:
    """The vendor's few codes stand for our kinds."""
    writer = DIALECT.writer(ASKED)
    writer.feed(Start("a", "m"))
    failure = Failure(kind, "words", code="overloaded_error")
    assert msgspec.json.decode(writer.fail(failure)[0].data)["response"]["error"]["code"] == code


def test_failure_before_the_beginning_is_an_error_event() -> None:
    """Nothing has an id yet; the nested object is what the SDK raises on."""
    (frame,) = DIALECT.writer(ASKED).fail(malformed("gone"))
    data = msgspec.json.decode(frame.data)
    assert (frame.event, data["type"], data["message"]) == ("error", "error", "gone")
    assert data["error"]["message"] == "gone"


STREAMS = [
    pytest.param(codec, path.stem, id=f"{codec.name}/{path.stem}")
    for codec in (anthropic.DIALECT, openai_chat.DIALECT, DIALECT)
    for path in sorted((CORPUS / codec.name / "streams").glob("*.sse"))
]
BEHIND = {"hosted_items_never_done", "signature_comes_late"}
"""Streams whose items end in another order than they begin: only the stream itself knows their places."""


@pytest.mark.parametrize(("codec", "name"), STREAMS)
def test_stream_and_whole_answer_agree(codec: Dialect, name: str) -> None:
    """The response at the end of a stream is the one a client is given that did not stream."""
    events, failure = heard(name, codec)
    if failure is not None:
        assert not any(isinstance(event, End) for event in events)
        return
    data, losses = told(*events)
    if data[-1]["type"] == "response.failed":
        with pytest.raises(Failure):
            DIALECT.write_answer(fold(events), ASKED)
        return
    reply = DIALECT.write_answer(fold(events), ASKED)
    if not (codec is DIALECT and name in BEHIND):
        assert json.loads(json.dumps(reply.body)) == data[-1]["response"]
    assert {str(loss) for loss in reply.losses} <= losses
