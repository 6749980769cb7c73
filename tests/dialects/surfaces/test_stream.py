"""The stream surface's codec."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dialects.surfaces.scene import USAGE, ScriptedDesk, answer, call, cut, parts, spoken, streamed

from dragoman.core.events import fold, unfold
from dragoman.core.extras import Extras
from dragoman.core.failure import STATUS, Failure, Kind, truncated
from dragoman.core.request import Message, Part, Request, Text, Thinking
from dragoman.core.usage import Usage
from dragoman.dialects import framing_of
from dragoman.dialects.framing import SSE, Frame
from dragoman.dialects.surfaces.stream import NAME, SURFACE, StreamDoor, prefers_json

ASKED = Request(NAME, "gpt-4o", (Message("user", (Text("Your instructions..."),)),), stream=True)
DESK = ScriptedDesk()
EVENTS, VALUE = StreamDoor(DESK, as_json=False), StreamDoor(DESK, as_json=True)


def read(body: Any) -> Request:
    """Return what is read of a body."""
    return EVENTS.read_request(call(body, "/stream"))


@pytest.mark.parametrize("stream", [{}, {"stream": False}])
def test_a_prompt_is_a_users_turn_and_always_streamed(stream: dict[str, bool]) -> None:
    """The document's own example; other fields are ignored, and declared lost by whoever asks a provider."""
    request = read({"model": "gpt-4o", "prompt": "Your instructions...", **stream})
    assert (request.model, request.messages, request.stream) == ("gpt-4o", ASKED.messages, True)
    assert request.extras == (Extras(NAME, stream) if stream else None)
    assert EVENTS.early


@pytest.mark.parametrize(
    ("body", "at"),
    [
        (None, "$"),
        ({"model": "gpt-4o"}, "$.prompt"),
        ({"model": "gpt-4o", "prompt": None}, "$.prompt"),
        ({"model": "gpt-4o", "prompt": ""}, "$.prompt"),
        ({"model": "gpt-4o", "prompt": 7}, "$.prompt"),
        ({"prompt": "x"}, "$.model"),
        ({"prompt": "x", "model": ""}, "$.model"),
        ({"prompts": "x", "model": "m"}, "$.prompts"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(body: Any, at: str) -> None:
    """A client's fault is a 400 that says where."""
    with pytest.raises(Failure) as refused:
        read(body)
    assert (refused.value.kind, refused.value.at) == (Kind.INVALID, at)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/event-stream", False),
        ("text/html", False),
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/*", True),
        ("application/json, text/plain, */*", True),
        ("application/json, text/event-stream", False),
        ("text/event-stream, application/json;q=0.9", False),
        ("text/event-stream;q=0.5, application/json", True),
        ("application/json;q=0.1, */*", False),
        ("application/json;q=0", False),
        ("application/json;q=oops", False),
        ("text/*, application/json", True),
        (";,;q=,", False),
    ],
)
def test_the_accept_header_says_which_form(accept: str, *, wanted: bool) -> None:
    """The more wanted type, then the one that is named, then events."""
    assert prefers_json(accept) is wanted
    door = SURFACE.door(call({}, "/stream", accept=accept), ScriptedDesk())
    kind = framing_of(door, door.writer(ASKED)).content_type
    assert kind == ("application/json" if wanted else SSE.content_type)


def test_events_byte_by_byte() -> None:
    """Data-only events: each piece, then all of it with what it used."""
    assert (
        streamed(EVENTS, ASKED, answer("Hel", "", "lo ж"))
        == (
            'data: {"type":"delta","text":"Hel"}\n\n'
            'data: {"type":"delta","text":"lo ж"}\n\n'
            'data: {"type":"done","result":"Hello ж","usage":{"input":13,"output":6}}\n\n'
        ).encode()
    )


def test_unknown_usage_is_null() -> None:
    """An answer without words is an answer; what nobody counted is not zero."""
    assert streamed(EVENTS, ASKED, answer(usage=None)) == (
        b'data: {"type":"done","result":"","usage":null}\n\n'
    )


def test_what_the_gateway_counted_stands_in_for_what_nobody_told() -> None:
    """Only where the provider tells nothing."""
    door = StreamDoor(ScriptedDesk(usage=Usage(input=1, output=2)), as_json=False)
    for usage, told in (
        (None, b'"usage":{"input":1,"output":2}'),
        (USAGE, b'"usage":{"input":13,"output":6}'),
    ):
        assert told in streamed(door, ASKED, answer("Hi", usage=usage))


def test_events_that_fail_byte_by_byte() -> None:
    """The failure comes in place of the end."""
    assert streamed(EVENTS, ASKED, [*answer("Hel")[:3], truncated("it was cut")]) == (
        b'data: {"type":"delta","text":"Hel"}\n\ndata: {"type":"error","error":"it was cut"}\n\n'
    )


def test_one_value_byte_by_byte() -> None:
    """Nothing until all is there, and then the document's own answer."""
    writer = VALUE.writer(ASKED)
    *before, last = answer("Hel", "lo")
    assert [writer.feed(event) for event in before] == [[]] * len(before)
    assert writer.feed(last) == [Frame(b'{"result":"Hello"}')]
    assert streamed(VALUE, ASKED, answer("Hel", "lo")) == b'{"result":"Hello"}'


def test_one_value_that_fails_byte_by_byte() -> None:
    """Half a result is never told."""
    assert streamed(VALUE, ASKED, [*answer("Hel")[:3], truncated("it was cut")]) == b'{"error":"it was cut"}'


@pytest.mark.parametrize("door", [EVENTS, VALUE])
def test_an_answer_the_provider_broke_off_ends_in_a_failure(door: StreamDoor) -> None:
    """No result after half an answer, in either form."""
    told = streamed(door, ASKED, answer("Hel", reason="error"))
    assert b"stopped with an error" in told
    assert b"result" not in told


def test_signs_of_life() -> None:
    """A comment between events; white space before a value, which stays the same value."""
    assert EVENTS.writer(ASKED).keepalive() == b": ka\n\n"
    space = VALUE.writer(ASKED).keepalive()
    assert space
    assert json.loads(space * 3 + streamed(VALUE, ASKED, answer("Hi"))) == {"result": "Hi"}


@given(spoken, st.lists(st.integers(0, 10_000), max_size=8))
def test_both_forms_say_the_same_however_the_bytes_are_cut(said: list[Part], places: list[int]) -> None:
    """Joined deltas, the last event's result, the one value and the whole answer are one text."""
    response = parts(*said)
    text = "".join(part.text for part in said if isinstance(part, Text))
    told = {}
    for door in (EVENTS, VALUE):
        framing = framing_of(door, door.writer(ASKED))
        decoder, data = framing.decoder(), streamed(door, ASKED, unfold(response))
        frames = [frame for piece in cut(data, places) for frame in decoder.feed(piece)] + decoder.close()
        told[door] = [json.loads(frame.data) for frame in frames]
    *deltas, done = told[EVENTS]
    assert "".join(delta["text"] for delta in deltas) == done["result"] == text
    assert told[VALUE] == [{"result": text}]
    assert EVENTS.write_answer(response, ASKED).body == {"result": text}


@pytest.mark.parametrize("door", [EVENTS, VALUE])
def test_losses_are_declared(door: StreamDoor) -> None:
    """By the writer, whichever form it has, and by the whole answer."""
    response = parts(Thinking("hm"), Text("Hi"))
    writer = door.writer(ASKED)
    for event in unfold(response):
        writer.feed(event)
    assert list(map(str, writer.losses)) == ["dropped:answer.parts[0]"]
    assert tuple(writer.losses) == door.write_answer(response, ASKED).losses


@pytest.mark.parametrize("kind", Kind)
def test_every_failure_has_one_field(kind: Kind) -> None:
    """Who is not known is told a message, everybody else an error, with the status of its cause."""
    failure = Failure(kind, "no", retry_after_s=2)
    name = "message" if kind is Kind.UNAUTHENTICATED else "error"
    for reply in (EVENTS.write_failure(failure), SURFACE.write_failure(failure)):
        assert (reply.status, reply.body, reply.headers) == (STATUS[kind], {name: "no"}, {"retry-after": "2"})


def test_whose_fault_it_is_can_be_told_by_the_status() -> None:
    """500 is ours; 502, 503 and 504 are the provider's, by cause."""
    kinds = (Kind.INTERNAL, Kind.UPSTREAM, Kind.TRUNCATED, Kind.OVERLOADED, Kind.UNAVAILABLE, Kind.TIMEOUT)
    statuses = [EVENTS.write_failure(Failure(kind, "no")).status for kind in kinds]
    assert statuses == [500, 502, 502, 503, 503, 504]


def test_it_answers_at_one_path_and_cannot_count() -> None:
    """A fold of a stream is the whole answer too."""
    assert [endpoint.path for endpoint in SURFACE.endpoints] == ["/stream"]
    assert EVENTS.write_answer(fold(answer("Hi")), ASKED).body == {"result": "Hi"}
    with pytest.raises(Failure, match="count"):
        EVENTS.write_counted(3)
