"""The message surface's codec."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dialects.surfaces.scene import ScriptedDesk, answer, call, cut, parts, spoken, streamed

from dragoman.core.events import fold, unfold
from dragoman.core.extras import Extras
from dragoman.core.failure import Failure, Kind, invalid, truncated
from dragoman.core.request import Message, Part, Request, Text, Thinking
from dragoman.dialects.framing import NDJSON
from dragoman.dialects.surfaces.message import NAME, SURFACE, MessageDoor

ASKED = Request(NAME, "openai", (Message("user", (Text("Hello, world!"),)),))
DOOR = MessageDoor()


def read(body: Any) -> Request:
    """Return what is read of a body."""
    return DOOR.read_request(call(body, "/chat/"))


def test_it_is_served_at_both_paths() -> None:
    """With and without the last slash."""
    assert {endpoint.path for endpoint in SURFACE.endpoints} == {"/chat", "/chat/"}
    assert SURFACE.door(call({}), ScriptedDesk()).name == NAME


@pytest.mark.parametrize(
    ("told", "stream"), [({}, False), ({"stream": False}, False), ({"stream": True}, True)]
)
def test_a_message_is_a_users_turn(told: dict[str, bool], *, stream: bool) -> None:
    """The document's own example, streamed only where it says so."""
    request = read({"message": "Hello, world!", "chat_model_name": "openai", **told})
    assert (request.model, request.messages, request.stream) == ("openai", ASKED.messages, stream)


def test_strangers_are_ignored_and_go_nowhere_silently() -> None:
    """They stay in the extras of this surface, so any crossing declares them lost."""
    request = read({"message": "x", "chat_model_name": "m", "temperature": 1})
    assert request.extras == Extras(NAME, {"temperature": 1})


@pytest.mark.parametrize(
    ("body", "at"),
    [
        (None, "$"),
        ({"message": "x"}, "$.chat_model_name"),
        ({"message": "x", "chat_model_name": ""}, "$.chat_model_name"),
        ({"message": "x", "chat_model_name": 1}, "$.chat_model_name"),
        ({"chat_model_name": "openai"}, "$.message"),
        ({"message": " ", "chat_model_name": "openai"}, "$.message"),
        ({"message": 1, "chat_model_name": "openai"}, "$.message"),
        ({"message": "x", "chat_model_name": "openai", "stream": "true"}, "$.stream"),
        ({"message": "x", "chatModelName": "openai"}, "$.chatModelName"),
        ({"message": "x", "chat_model_name": "openai", "streams": True}, "$.streams"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(body: Any, at: str) -> None:
    """A client's fault is a 400 that says where."""
    with pytest.raises(Failure) as refused:
        read(body)
    assert (refused.value.kind, refused.value.at) == (Kind.INVALID, at)


def test_a_whole_answer_is_its_text() -> None:
    """And nothing else; what is lost is declared."""
    reply = DOOR.write_answer(fold(answer("Hel", "lo")), ASKED)
    assert (reply.status, reply.body, reply.losses) == (200, {"response": "Hello"}, ())
    reply = DOOR.write_answer(parts(Thinking("hm"), Text("Hi")), ASKED)
    assert (reply.body, list(map(str, reply.losses))) == ({"response": "Hi"}, ["dropped:answer.parts[0]"])


def test_a_stream_byte_by_byte() -> None:
    """A line for each piece, words of any script unescaped, and no line that says nothing."""
    assert DOOR.framing is NDJSON
    assert NDJSON.content_type == "application/x-ndjson"
    assert streamed(DOOR, ASKED, answer("Hel", "", 'l"o\n', "\u2028 ж")) == (
        '{"response":"Hel"}\n{"response":"l\\"o\\n"}\n{"response":"\u2028 ж"}\n'.encode()
    )


def test_a_stream_that_fails_byte_by_byte() -> None:
    """What was said stays said, and the last line is the failure."""
    events = answer("Hel", "lo")
    assert streamed(DOOR, ASKED, [*events[:3], truncated("it was cut")]) == (
        b'{"response":"Hel"}\n{"error":{"message":"it was cut","type":"truncated","code":null,"at":null}}\n'
    )


def test_an_answer_the_provider_broke_off_ends_in_a_failure() -> None:
    """No clean end after half an answer."""
    told = streamed(DOOR, ASKED, answer("Hel", reason="error")).splitlines()
    assert [list(json.loads(line)) for line in told] == [["response"], ["error"]]


def test_a_sign_of_life_breaks_no_client() -> None:
    """It is a line like any other, without words."""
    assert DOOR.writer(ASKED).keepalive() == b'{"response":""}\n'


def test_losses_of_a_stream_are_declared() -> None:
    """By the writer, as they come."""
    writer = DOOR.writer(ASKED)
    for event in unfold(parts(Thinking("hm"), Text("Hi"))):
        writer.feed(event)
    assert list(map(str, writer.losses)) == ["dropped:answer.parts[0]"]


@given(spoken, st.lists(st.integers(0, 10_000), max_size=8))
def test_pieces_are_the_whole_however_the_bytes_are_cut(said: list[Part], places: list[int]) -> None:
    """A client that joins the pieces has what the whole answer says, wherever packets end."""
    response = parts(*said)
    decoder = NDJSON.decoder()
    data = streamed(DOOR, ASKED, unfold(response))
    frames = [frame for piece in cut(data, places) for frame in decoder.feed(piece)] + decoder.close()
    pieces = [json.loads(frame.data)["response"] for frame in frames]
    assert {"response": "".join(pieces)} == DOOR.write_answer(response, ASKED).body
    assert "" not in pieces


def test_a_refusal_is_told_in_detail() -> None:
    """As the prompt surface's, since the path is the same; this door cannot count."""
    failure = invalid("no", "$.message")
    assert DOOR.write_failure(failure) == SURFACE.write_failure(failure)
    assert DOOR.write_failure(failure).body["detail"] == "no"
    with pytest.raises(Failure, match="count"):
        DOOR.write_counted(3)
