"""The gateway surface's codec."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dialects.surfaces.scene import USAGE, ScriptedDesk, answer, call, cut, parts, spoken, streamed

from dragoman.core.events import Append, Choice, Close, End, Event, Open, Response, Start, Stop, fold, unfold
from dragoman.core.extras import Extras
from dragoman.core.failure import Failure, Kind, truncated
from dragoman.core.request import Part, Request, Text, Thinking, ToolCall
from dragoman.core.usage import Usage
from dragoman.dialects import Door, Reply
from dragoman.dialects.framing import SSE
from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.surfaces.gateway import HOME, SURFACES, CompletionsDoor, EventsDoor

COMPLETIONS, EVENTS = SURFACES
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
ASKED = Request(HOME, "m", ())


def opened(door: type[CompletionsDoor | EventsDoor], body: Any = BODY, **facts: Any) -> tuple[Door, Request]:
    """Return the door of a new exchange, and what it read."""
    made = door(ScriptedDesk(**facts))
    return made, made.read_request(call(body, "/v1/chat/completions"))


def told(body: Any = BODY, native: dict[str, Any] | None = None, **facts: Any) -> Reply:
    """Return the whole answer to a body; `native`: what a provider of OpenAI's protocol says beside it."""
    door, request = opened(CompletionsDoor, body, **facts)
    response = fold(answer("Hi"))
    kept = Extras(HOME, {}, (), native) if native else None
    return door.write_answer(Response("a1", "m-1", response.choices, USAGE, 5, kept), request)


def messages(data: bytes) -> list[dict[str, Any]]:
    """Return the data of a stream's message events."""
    return [json.loads(frame.data) for frame in SSE.decoder().feed(data) if frame.event == "message"]


def test_it_stands_before_openais_own_path() -> None:
    """One path is the dialect's, under its name, so that who speaks it is asked in it; the other is new."""
    assert [endpoint.path for endpoint in COMPLETIONS.endpoints] == ["/v1/chat/completions"]
    assert [endpoint.path for endpoint in EVENTS.endpoints] == ["/v1/chat/stream"]
    assert (COMPLETIONS.name, EVENTS.name) == ("openai_chat", "gateway")
    for surface in SURFACES:
        door = surface.door(call(BODY), ScriptedDesk())
        assert (door.name, door.framing, door.tasks) == (surface.name, SSE, DIALECT.tasks)


@pytest.mark.parametrize("door", [CompletionsDoor, EventsDoor])
def test_a_provider_is_pinned_and_taken_out(door: type[CompletionsDoor | EventsDoor]) -> None:
    """Nothing of it reaches a provider; all else is what OpenAI's codec reads."""
    _, request = opened(door, {**BODY, "provider": "openrouter", "top_p": 1})
    assert request.provider == "openrouter"
    assert "provider" not in DIALECT.write_request(request).body
    _, plain = opened(door, {**BODY, "top_p": 1})
    assert plain.provider is None
    assert (plain.messages, plain.sampling, plain.extras) == (
        request.messages,
        request.sampling,
        request.extras,
    )


@pytest.mark.parametrize("value", [{"order": ["Azure"], "allow_fallbacks": False}, ["x"], 7, None])
def test_openrouters_own_field_goes_where_it_went(value: Any) -> None:
    """What is no string pins nobody, and goes home as it came."""
    body = {**BODY, "provider": value}
    _, request = opened(CompletionsDoor, body)
    assert request.provider is None
    assert request == DIALECT.read_request(call(body))
    assert DIALECT.write_request(request).body["provider"] == value


@pytest.mark.parametrize("door", [CompletionsDoor, EventsDoor])
@pytest.mark.parametrize(
    ("body", "at"),
    [
        (None, "$"),
        ({**BODY, "provider": ""}, "$.provider"),
        ({**BODY, "provider": " "}, "$.provider"),
        ({**BODY, "stream": "yes"}, "$.stream"),
        ({**BODY, "messages": []}, "$.messages"),
        ({"provider": "x", "messages": BODY["messages"]}, "$.model"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(
    door: type[CompletionsDoor | EventsDoor], body: Any, at: str
) -> None:
    """As OpenAI's codec refuses it; a provider without a name is no wish for anybody."""
    with pytest.raises(Failure) as refused:
        opened(door, body)
    assert (refused.value.kind, refused.value.at) == (Kind.INVALID, at)


def test_a_clients_body_is_left_as_it_is() -> None:
    """Reading changes nothing of what came."""
    body = {**BODY, "provider": "openrouter", "stream": False}
    before = json.dumps(body)
    opened(CompletionsDoor, body)
    opened(EventsDoor, body)
    assert json.dumps(body) == before


def test_a_whole_answer_has_two_fields_more() -> None:
    """Who answered and how long it took stand beside OpenAI's own fields, which are untouched."""
    plain = DIALECT.write_answer(fold(answer("Hi")), ASKED)
    reply = told()
    assert reply.body == {**plain.body, "provider": "groq", "latency_ms": 12.3}
    assert (reply.status, reply.losses) == (200, plain.losses)
    assert told(provider="").body["provider"] is None


def test_openrouters_word_stays_unless_a_provider_was_pinned() -> None:
    """A client that named its provider reads that name, and what it displaced is declared."""
    native = {"provider": "Azure"}
    stays = told(native=native, provider="openrouter")
    assert (stays.body["provider"], stays.losses) == ("Azure", ())
    pinned = told({**BODY, "provider": "openrouter"}, native, provider="openrouter")
    assert pinned.body["provider"] == "openrouter"
    assert list(map(str, pinned.losses)) == ["dropped:answer.provider"]
    same = told({**BODY, "provider": "openrouter"}, {"provider": "openrouter"}, provider="openrouter")
    assert (same.body["provider"], same.losses) == ("openrouter", ())


def test_a_stream_at_openais_path_is_openais() -> None:
    """Byte for byte."""
    door, request = opened(CompletionsDoor, {**BODY, "stream": True, "provider": "groq"})
    assert request.stream
    assert streamed(door, request, answer("Hel", "lo")) == streamed(DIALECT, request, answer("Hel", "lo"))


@pytest.mark.parametrize("told_", [{}, {"stream": True}, {"stream": False}, {"stream": None}])
def test_the_other_path_always_streams(told_: dict[str, Any]) -> None:
    """Whatever the body says of it, and a provider of the same protocol is asked for a stream."""
    _, request = opened(EventsDoor, {**BODY, **told_})
    assert request.stream
    assert DIALECT.write_request(request).body["stream"] is True


def test_named_events_byte_by_byte() -> None:
    """A message for each piece and one for the end of it, then what it cost."""
    door, request = opened(EventsDoor)
    head = 'event: message\ndata: {"id":"a1","model":"m-1","provider":"groq","delta":'
    assert streamed(door, request, answer("Hel", "lo ж")).decode() == (
        f'{head}"Hel","finish_reason":null,"index":0}}\n\n'
        f'{head}"lo ж","finish_reason":null,"index":0}}\n\n'
        f'{head}"","finish_reason":"stop","index":0}}\n\n'
        'event: done\ndata: {"status":"complete","chunks":3,"usage":{"prompt_tokens":13,'
        '"completion_tokens":6,"total_tokens":19},"cost_usd":0.0015}\n\n'
    )


def test_named_events_that_fail_byte_by_byte() -> None:
    """OpenAI's error object, in place of the end."""
    door, request = opened(EventsDoor)
    data = streamed(door, request, [*answer("Hel")[:3], truncated("it was cut")]).decode()
    assert data == (
        'event: message\ndata: {"id":"a1","model":"m-1","provider":"groq","delta":"Hel",'
        '"finish_reason":null,"index":0}\n\n'
        'event: error\ndata: {"error":{"message":"it was cut","type":"server_error","param":null,'
        '"code":"upstream_error"}}\n\n'
    )


def test_what_nobody_knows_is_null() -> None:
    """Neither tokens nor money nor a provider is made up."""
    door, request = opened(EventsDoor, provider="", cost_micros=None)
    frames = SSE.decoder().feed(streamed(door, request, answer("Hi", usage=None)))
    assert json.loads(frames[0].data)["provider"] is None
    assert json.loads(frames[-1].data) == {"status": "complete", "chunks": 2, "usage": None, "cost_usd": None}


def test_what_the_gateway_counted_stands_in_for_what_nobody_told() -> None:
    """Only where the provider tells nothing."""
    door, request = opened(EventsDoor, usage=Usage(input=1, output=2))
    for usage, total in ((None, 3), (USAGE, 19)):
        frames = SSE.decoder().feed(streamed(door, request, answer("Hi", usage=usage)))
        assert json.loads(frames[-1].data)["usage"]["total_tokens"] == total


def test_an_answer_the_provider_broke_off_is_not_complete() -> None:
    """The reason is told, and then an error and no end."""
    door, request = opened(EventsDoor)
    frames = SSE.decoder().feed(streamed(door, request, answer("Hel", reason="error", native="oops")))
    assert [frame.event for frame in frames] == ["message", "message", "error"]
    assert json.loads(frames[1].data)["finish_reason"] == "error"
    assert "oops" in json.loads(frames[2].data)["error"]["message"]


def test_a_call_and_thinking_have_openais_names() -> None:
    """They stand beside an empty delta, piece by piece."""
    door, request = opened(EventsDoor)
    events: list[Event] = [
        Start("a1", "m-1", 5),
        Open(0, Thinking("")),
        Append(0, "hm"),
        Close(0),
        Open(1, ToolCall("c1", "look")),
        Append(1, '{"a"'),
        Append(1, ":1}"),
        Close(1),
        Stop("tool_use"),
        End(USAGE),
    ]
    said = messages(streamed(door, request, events))
    assert [(one["delta"], one["finish_reason"]) for one in said] == [("", None)] * 4 + [("", "tool_calls")]
    assert said[0]["reasoning_content"] == "hm"
    head = {"index": 0, "id": "c1", "type": "function", "function": {"name": "look", "arguments": ""}}
    assert said[1]["tool_calls"] == [head]
    pieces = [one["tool_calls"][0]["function"]["arguments"] for one in said[1:4]]
    assert "".join(pieces) == '{"a":1}'


def test_choices_are_told_apart_by_their_index() -> None:
    """Two candidates come interleaved, and each has its own end."""
    door, request = opened(EventsDoor)
    response = Response(
        "a1", "m", (Choice((Text("a"),), Stop("end"), 0), Choice((Text("b"),), Stop("length", 1), 1))
    )
    said = messages(streamed(door, request, unfold(response)))
    assert [(one["index"], one["delta"], one["finish_reason"]) for one in said] == [
        (0, "a", None),
        (0, "", "stop"),
        (1, "b", None),
        (1, "", "length"),
    ]


def test_what_has_no_room_is_declared_once() -> None:
    """Citations of a whole answer are no message's; what served it says nothing outside."""
    door, request = opened(EventsDoor)
    kept = Extras(HOME, {"citations": ["u"]}, (), {"system_fingerprint": "f", "provider": "Azure"})
    events = answer("Hel", "lo")
    events[0] = Start("a1", "m-1", 5, extras=kept)
    events[3] = Append(0, "lo", Extras(HOME, {"logprobs": {"content": []}}))
    writer = door.writer(request)
    frames = [frame for event in events for frame in writer.feed(event)]
    assert list(map(str, writer.losses)) == ["dropped:answer.citations"]
    assert {json.loads(frame.data)["provider"] for frame in frames[:-1]} == {"groq"}
    assert json.loads(frames[1].data)["logprobs"] == {"content": []}


def test_a_field_of_a_chunk_displaces_none_of_ours() -> None:
    """A delta may hold anything, and the message's own names stay what they mean."""
    door, request = opened(EventsDoor)
    events = answer("Hi")
    events[2] = Append(0, "Hi", Extras(HOME, {"delta": {"provider": "x", "id": 7, "mood": "good"}}))
    [first, _] = messages(streamed(door, request, events))
    assert (first["provider"], first["id"], first["mood"]) == ("groq", "a1", "good")


@given(spoken, st.lists(st.integers(0, 10_000), max_size=8))
def test_messages_say_what_openais_chunks_say_however_the_bytes_are_cut(
    said: list[Part], places: list[int]
) -> None:
    """Words, thinking and calls are the same, and the end counts the messages."""
    door, request = opened(EventsDoor)
    events = unfold(parts(*said))
    decoder, data = SSE.decoder(), streamed(door, request, events)
    frames = [frame for piece in cut(data, places) for frame in decoder.feed(piece)] + decoder.close()
    *ours, done = [json.loads(frame.data) for frame in frames]
    assert {frame.event for frame in frames[:-1]} == {"message"}
    assert done["chunks"] == len(ours)
    chunks = [
        json.loads(frame.data)
        for frame in SSE.decoder().feed(streamed(DIALECT, request, events))
        if frame.data != b"[DONE]"
    ]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert "".join(one["delta"] for one in ours) == "".join(delta.get("content") or "" for delta in deltas)
    for name in ("reasoning_content", "tool_calls"):
        assert [one[name] for one in ours if name in one] == [
            delta[name] for delta in deltas if name in delta
        ]


@pytest.mark.parametrize("kind", [Kind.INVALID, Kind.UNAUTHENTICATED, Kind.NOT_FOUND, Kind.RATE_LIMITED])
def test_refusals_are_openais(kind: Kind) -> None:
    """Before a stream begins, at both paths."""
    failure = Failure(kind, "no", at="$.model")
    wanted = DIALECT.write_failure(failure)
    for surface in SURFACES:
        assert surface.write_failure(failure) == wanted
        assert surface.door(call(BODY), ScriptedDesk()).write_failure(failure) == wanted


def test_signs_of_life_and_whole_answers_are_openais() -> None:
    """A comment; and what nobody asks the second path for is at least OpenAI's."""
    door, request = opened(EventsDoor)
    assert door.writer(request).keepalive() == b": ka\n\n"
    response = fold(answer("Hi"))
    assert door.write_answer(response, request) == DIALECT.write_answer(response, request)
    with pytest.raises(Failure, match="count"):
        door.write_counted(3)
