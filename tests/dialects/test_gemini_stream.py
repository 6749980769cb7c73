"""Gemini's streams: how chunks become events, and what a client is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.core.events import Append, Close, End, Event, Open, Start, Stop, fold, unfold
from dragoman.core.extras import Extras, Json
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import (
    Message,
    Opaque,
    Request,
    Signature,
    Text,
    Thinking,
    ToolCall,
)
from dragoman.core.usage import Usage
from dragoman.dialects import framing_of
from dragoman.dialects.framing import SSE, Frame, JsonArrayDecoder
from dragoman.dialects.gemini import DIALECT
from dragoman.dialects.gemini_stream import Reader, Writer

CORPUS = Path(__file__).parent / "corpus" / "gemini" / "streams"
ASKED = Request("gemini", "m", (Message("user", (Text("Hi"),)),), stream=True)
ARRAY = Request("gemini", "m", stream=True, extras=Extras("gemini", {}, ("array",)))
TAIL = {"modelVersion": "m", "responseId": "r"}


def events_of(name: str) -> list[Event]:
    """Return what a stream of the corpus says."""
    decoder, reader = SSE.decoder(), Reader()
    frames = decoder.feed((CORPUS / f"{name}.sse").read_bytes()) + decoder.close()
    return [event for frame in frames for event in reader.feed(frame)] + reader.close()


def said(*chunks: Json) -> list[Event]:
    """Return the events of these chunks, and of the end of the stream."""
    reader = Reader()
    return [
        event for chunk in chunks for event in reader.feed(Frame(json.dumps(chunk).encode()))
    ] + reader.close()


def told(*events: Event, request: Request = ASKED) -> tuple[list[Any], set[str]]:
    """Return the chunks these events become, and the losses as a header would name them."""
    writer = Writer(request)
    frames = [frame for event in events for frame in writer.feed(event)]
    return [json.loads(frame.data) for frame in frames], {str(loss) for loss in writer.losses}


def chunk(*parts: Json, **more: Json) -> dict[str, Json]:
    """Return one chunk as Gemini sends it."""
    return {"candidates": [{"content": {"parts": list(parts), "role": "model"}, "index": 0, **more}], **TAIL}


# --- in -----------------------------------------------------------------------------------------------


def test_deltas_go_on_in_one_part_until_it_is_signed() -> None:
    """Text and thoughts append to the open part; a signature closes it; what follows is a new one."""
    signed = [
        (type(part).__name__, getattr(part, "text", ""), getattr(part, "signature", None))
        for part in fold(events_of("signed_parts")).choices[0].parts
    ]
    assert signed == [
        ("Thinking", "Think", Signature("gemini", "VA==")),
        ("Text", "ab", Signature("gemini", "Qg==")),
        ("Text", "c", Signature("gemini", "Qw==")),
        ("Text", "", Signature("gemini", "RA==")),
    ]


def test_a_call_comes_whole() -> None:
    """A call is opened, filled and closed at once, with its signature and an id if it had none."""
    events = events_of("tools")
    opened = [event.part for event in events if isinstance(event, Open)]
    assert opened[1] == ToolCall("x1", "f", signature=Signature("gemini", "QUJD"))
    assert [type(part) for part in opened] == [Thinking, ToolCall, ToolCall, ToolCall]
    second = opened[2]
    assert isinstance(second, ToolCall)
    assert second.synthetic
    assert [event.text for event in events if isinstance(event, Append)] == ["Look it up.", '{"a":1}', "{}"]
    stop = events[-2]
    assert isinstance(stop, Stop)
    assert (stop.reason, stop.native) == ("tool_use", "STOP")


def test_usage_is_cumulative() -> None:
    """The first figures are known at Start, the last ones count."""
    events = events_of("thinking")
    start, end = events[0], events[-1]
    assert isinstance(start, Start)
    assert isinstance(end, End)
    assert start.usage is not None
    assert end.usage is not None
    assert (start.usage.total, end.usage.total) == (9, 33)
    assert end.usage.reasoning == 20


def test_figures_without_a_prompt_are_no_figures_yet() -> None:
    """Vertex counts at the end only: nothing is known at Start."""
    start, end = events_of("vertex_counts_at_the_end")[0], events_of("vertex_counts_at_the_end")[-1]
    assert isinstance(start, Start)
    assert isinstance(end, End)
    assert start.usage is None
    assert end.usage is not None
    assert end.usage.total == 192


def test_candidates_may_interleave() -> None:
    """Chunks of two candidates in turn are two answers."""
    answer = fold(events_of("two_candidates"))
    assert [(choice.parts, choice.stop.reason) for choice in answer.choices] == [
        ((Text("Heads"),), "end"),
        ((Text("Tails"),), "length"),
    ]


def test_what_is_said_after_the_finish_still_counts() -> None:
    """The end is the end of the stream: metadata and words may come behind a finishReason."""
    late = chunk({"text": "b"}, groundingMetadata={"x": 1})
    events = said(chunk({"text": "a"}, finishReason="STOP"), late)
    assert fold(events).choices[0].parts == (Text("ab"),)
    stop = events[-2]
    assert isinstance(stop, Stop)
    assert stop.extras == Extras("gemini", {"groundingMetadata": {"x": 1}})


def test_a_blocked_prompt_is_an_answer() -> None:
    """No candidate, but a reason for that: the stream is complete and stops for the filter."""
    answer = fold(events_of("blocked_prompt"))
    assert (answer.choices[0].parts, answer.choices[0].stop.reason) == ((), "filter")
    assert answer.choices[0].stop.native == "SAFETY"


@pytest.mark.parametrize(
    "chunks",
    [(), ({},), (chunk({"text": "a"}),), ({"usageMetadata": {"promptTokenCount": 1}},)],
)
def test_a_stream_without_a_finish_was_cut_off(chunks: tuple[Json, ...]) -> None:
    """Nothing else ends a stream, so nothing else makes it complete."""
    with pytest.raises(Failure) as caught:
        said(*chunks)
    assert caught.value.kind is Kind.TRUNCATED


@pytest.mark.parametrize("data", [b"{", b"[1, 2]", b'"x"', b"\xff"])
def test_what_is_no_chunk_is_a_failure(data: bytes) -> None:
    """A chunk is one JSON object."""
    with pytest.raises(Failure) as caught:
        Reader().feed(Frame(data))
    assert caught.value.kind is Kind.UPSTREAM


def test_an_error_chunk_is_a_failure() -> None:
    """Also as the one element of a list."""
    error = {"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}
    for value in (error, [error]):
        with pytest.raises(Failure) as caught:
            Reader().feed(Frame(json.dumps(value).encode()))
        assert caught.value.kind is Kind.OVERLOADED


def test_a_quirk_is_applied_to_each_chunk() -> None:
    """A provider's deviation is put right before the chunk is read."""
    reader = Reader(lambda value: value["wrapped"])
    events = reader.feed(Frame(json.dumps({"wrapped": chunk({"text": "a"})}).encode()))
    assert [type(event) for event in events] == [Start, Open, Append]


# --- out ----------------------------------------------------------------------------------------------


def test_a_foreign_answer_is_streamed() -> None:
    """Words leave as they come, calls when they are whole, the stop with the usage at the end."""
    chunks, losses = told(
        Start("r", "m", usage=Usage(input=7)),
        Open(0, Thinking("")),
        Append(0, "Hm."),
        Close(0, signature=Signature("anthropic", "x")),
        Open(1, Text("")),
        Append(1, "Hel"),
        Append(1, "lo"),
        Close(1),
        Open(2, ToolCall("c", "f")),
        Append(2, '{"a"'),
        Append(2, ":1}"),
        Close(2),
        Stop("tool_use", native="tool_calls"),
        End(Usage(input=7, output=5)),
    )
    empty = {"parts": [{"text": ""}], "role": "model"}
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 0, "totalTokenCount": 7}
    assert chunks == [
        {**chunk({"text": "Hm.", "thought": True}), "usageMetadata": usage},
        chunk({"text": "Hel"}),
        chunk({"text": "lo"}),
        chunk({"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}}),
        {
            "candidates": [{"content": empty, "index": 0, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12},
            **TAIL,
        },
    ]
    assert losses == {"dropped:answer.parts[0].signature"}


def test_a_signature_comes_last() -> None:
    """A signature of Gemini's closes its part as an empty text."""
    chunks, losses = told(
        Start("r", "m"), Open(0, Text("a", signature=Signature("gemini", "Uw=="))), Append(0, "b"), Close(0)
    )
    assert chunks == [
        chunk({"text": "a"}),
        chunk({"text": "b"}),
        chunk({"text": "", "thoughtSignature": "Uw=="}),
    ]
    assert not losses


def test_a_call_that_is_none_is_told_as_google_does() -> None:
    """Arguments that are no object make the candidate end in MALFORMED_FUNCTION_CALL."""
    chunks, losses = told(
        Start("r", "m"),
        Open(0, ToolCall("c", "f")),
        Append(0, "{oops"),
        Close(0),
        Stop("tool_use", native="tool_calls"),
        End(),
    )
    last = chunks[-1]["candidates"][0]
    assert len(chunks) == 1
    assert (last["finishReason"], last["finishMessage"]) == (
        "MALFORMED_FUNCTION_CALL",
        "Malformed function call: f({oops)",
    )
    assert losses == {"approximated:answer.parts[0]"}


@pytest.mark.parametrize(
    ("stop", "word", "losses"),
    [
        (Stop("end", native="end_turn"), "STOP", set()),
        (Stop("stop_sequence", sequence="X"), "STOP", {"dropped:answer.stop.sequence"}),
        (Stop("length"), "MAX_TOKENS", set()),
        (Stop("context"), "MAX_TOKENS", {"approximated:answer.stop"}),
        (Stop("refusal"), "SAFETY", {"approximated:answer.stop"}),
        (Stop("filter", native="content_filter"), "SAFETY", set()),
        (Stop("filter", native="RECITATION"), "RECITATION", set()),
        (Stop("pause"), "OTHER", {"approximated:answer.stop"}),
        (Stop("bad_tool_call"), "MALFORMED_FUNCTION_CALL", set()),
    ],
)
def test_every_reason_has_a_word(stop: Stop, word: str, losses: set[str]) -> None:
    """Each reason is told in Google's nearest word, and declared where that is not exact."""
    chunks, lost = told(Start("r", "m"), stop, End())
    assert chunks[-1]["candidates"][0]["finishReason"] == word
    assert lost == losses


def test_a_refusal_in_words_stops_for_safety() -> None:
    """OpenAI refuses with a refusal part and an ordinary stop."""
    chunks, losses = told(
        Start("r", "m"), Open(0, Text("", refusal=True)), Append(0, "No."), Close(0), Stop("end"), End()
    )
    assert chunks[-1]["candidates"][0]["finishReason"] == "SAFETY"
    assert losses == {"approximated:answer.parts[0].refusal"}


def test_an_error_is_no_clean_end() -> None:
    """A provider that stopped with an error is told as one."""
    chunks, _ = told(Start("r", "m"), Stop("error"), End())
    assert next(iter(chunks[-1])) == "error"


def test_foreign_blocks_are_declared_lost() -> None:
    """What no Gemini part can hold is left out and named."""
    chunks, losses = told(
        Start("r", "m"),
        Open(0, Opaque("anthropic", "web_search_tool_result", {})),
        Close(0),
        Stop("end"),
        End(),
    )
    assert len(chunks) == 1
    assert losses == {"dropped:answer.parts[0]"}


def test_a_recorded_answer_can_be_streamed() -> None:
    """A whole answer told as events is the answer that a stream's reader puts together."""
    answer = fold(events_of("tools"))
    writer, reader = Writer(ASKED), Reader()
    events = [seen for event in unfold(answer) for frame in writer.feed(event) for seen in reader.feed(frame)]
    again = fold([*events, *reader.close()])
    assert (again.choices, again.usage) == (answer.choices, answer.usage)


# --- the form of a JSON array -------------------------------------------------------------------------


def test_without_sse_a_stream_is_one_json_array() -> None:
    """Who does not ask for server-sent events gets the same chunks as the elements of one array."""
    writer = DIALECT.writer(ARRAY)
    framing = framing_of(DIALECT, writer)
    events = events_of("thinking")
    data = b"".join(framing.encode(frame) for event in events for frame in writer.feed(event))
    assert framing.content_type.startswith("application/json")
    whole = json.loads(data)
    assert whole == told(*events)[0]
    decoder, reader = JsonArrayDecoder(), Reader()
    again = [event for frame in decoder.feed(data) for event in reader.feed(frame)] + reader.close()
    assert again == events


def test_an_array_that_fails_is_closed() -> None:
    """An error is the last element, whether or not anything came before it, and blank lines do no harm."""
    half: list[Event] = [Start("r", "m"), Open(0, Text("")), Append(0, "Half")]
    for begun in (half[:0], half):
        writer = DIALECT.writer(ARRAY)
        frames = [frame for event in begun for frame in writer.feed(event)]
        frames += writer.fail(Failure(Kind.OVERLOADED, "m"))
        encode = framing_of(DIALECT, writer).encode
        elements = json.loads(b"".join(writer.keepalive() + encode(frame) for frame in frames))
        assert elements[-1]["error"]["status"] == "UNAVAILABLE"


def test_other_streams_are_server_sent_events() -> None:
    """Every other client of this dialect, and every other dialect's, gets the dialect's own framing."""
    assert framing_of(DIALECT, DIALECT.writer(ASKED)) is SSE
    assert framing_of(DIALECT, DIALECT.writer(Request("openai_chat", "m", stream=True))) is SSE
