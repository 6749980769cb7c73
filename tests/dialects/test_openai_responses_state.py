"""Kept answers on the wire: input items and their ids, whose fault is where, and an answer told again."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman.core.events import Choice, Response, Stop
from dragoman.core.request import Message, Request, Text
from dragoman.dialects import Call, Reply
from dragoman.dialects.openai_responses import DIALECT
from dragoman.dialects.openai_responses_state import (
    begun,
    blamed,
    ended,
    error_of,
    item_ids,
    placed,
    read_items,
    referred,
    replay,
    shown,
)

BODY: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 5,
    "model": "m",
    "status": "completed",
    "error": None,
    "previous_response_id": "resp_0",
    "store": True,
    "output": [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Look it up."}],
        },
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello there.", "annotations": []}],
        },
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": "f",
            "arguments": "{}",
            "status": "completed",
        },
    ],
    "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
}


def told(body: dict[str, Any], after: int = -1) -> list[dict[str, Any]]:
    """Return the events of a replay."""
    frames = replay(body, after)
    values: list[dict[str, Any]] = [msgspec.json.decode(frame.data) for frame in frames]
    assert [frame.event for frame in frames] == [value["type"] for value in values]
    return values


@pytest.mark.parametrize(
    ("value", "items"),
    [
        ("hi", [{"role": "user", "content": "hi"}]),
        (None, []),
        ([], []),
        ([{"role": "user", "content": "hi"}, 5], [{"role": "user", "content": "hi"}, 5]),
        (5, None),
        ({}, None),
    ],
)
def test_input_becomes_items(value: Any, items: Any) -> None:
    """A string is one message of the user's; what is neither is the codec's to refuse."""
    assert read_items(value) == items


def test_ids_of_ours_name_their_place_and_are_not_sent_on() -> None:
    """What was listed can be referred to, and loses its id when it is sent as input."""
    items = [
        {"role": "user", "content": "hi"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
    ]
    listed = shown(items, "resp_ab12")
    assert [item["id"] for item in listed] == ["msg_dragoman_ab12_i0", "fco_dragoman_ab12_i1"]
    assert placed("fco_dragoman_ab12_i1") == ("resp_ab12", 1)
    assert placed("msg_1") is None
    assert placed("msg_dragoman_ab12_0") is None, "an item of an answer"
    again = read_items(listed)
    assert again is not None
    assert not any("id" in item for item in again)
    reference = {"type": "item_reference", "id": "msg_dragoman_ab12_i0"}
    assert read_items([reference]) == [reference]


def test_items_are_listed_with_type_status_and_parts() -> None:
    """As the SDK's types want them; what an item says itself stands, and oddities pass."""
    user, assistant, called, odd = shown(
        [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "ho", "id": "msg_own", "status": "incomplete"},
            {"type": "item_reference", "id": "rs_1"},
            7,
        ],
        "resp_a",
    )
    assert user == {
        "id": "msg_dragoman_a_i0",
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_text", "text": "hi"}],
    }
    assert (assistant["id"], assistant["status"]) == ("msg_own", "incomplete")
    assert assistant["content"] == [{"type": "output_text", "text": "ho", "annotations": []}]
    assert called == {"type": "item_reference", "id": "rs_1"}
    assert odd == 7


@pytest.mark.parametrize(
    ("item", "id_"),
    [
        ({"type": "item_reference", "id": "a"}, "a"),
        ({"id": "a"}, "a"),
        ({"id": "a", "role": "user"}, ""),
        ({"type": "message", "id": "a"}, ""),
        ({"type": "item_reference"}, ""),
        (5, ""),
    ],
)
def test_a_reference_is_told_from_an_item(item: Any, id_: str) -> None:
    """Only references may leave out everything but the id."""
    assert referred(item) == id_


@pytest.mark.parametrize(
    ("at", "before", "blames"),
    [
        ("$.input[5].role", 3, "$.input[2].role"),
        ("$.input[3]", 3, "$.input[0]"),
        ("$.input[2].content", 3, "$.previous_response_id"),
        ("$.input[2]", 0, "$.input[2]"),
        ("$.tools[4]", 3, "$.tools[4]"),
        (None, 3, None),
    ],
)
def test_a_fault_is_told_where_the_client_made_it(at: str | None, before: int, blames: str | None) -> None:
    """The history in front of the input is not in the client's body."""
    assert blamed(at, before) == blames


def test_items_of_an_answer_have_places() -> None:
    """By id; an output that is none has no items."""
    assert item_ids(BODY) == [("rs_1", 0), ("msg_1", 1), ("fc_1", 2)]
    assert item_ids({"output": [{}, 5, {"id": "x"}]}) == [("x", 2)]
    assert item_ids({"output": None}) == []


def test_a_replay_is_a_whole_stream() -> None:
    """It begins as every stream does, tells each item, and ends with the answer as it was kept."""
    events = told(BODY)
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds.count("response.output_item.done") == 3
    assert events[0]["response"]["output"] == []
    assert events[0]["response"]["previous_response_id"] == "resp_0"
    assert events[-1]["type"] == "response.completed"
    assert events[-1]["response"] == BODY
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


def test_a_replay_goes_on_after_a_number() -> None:
    """Only what comes later is told, the same each time; the end always, with a number that fits."""
    events = told(BODY)
    for after in range(len(events) - 1):
        assert told(BODY, after) == events[after + 1 :]
    (last,) = told(BODY, 500)
    assert (last["type"], last["sequence_number"]) == ("response.completed", 501)


@pytest.mark.parametrize(
    ("status", "kind"), [("failed", "response.failed"), ("incomplete", "response.incomplete")]
)
def test_an_answer_that_was_not_completed_is_replayed_as_such(status: str, kind: str) -> None:
    """A failure ends in its own event, whatever the answer had said by then."""
    error = {"code": "server_error", "message": "no"} if status == "failed" else None
    details = {"reason": "max_output_tokens"} if status == "incomplete" else None
    body = {**BODY, "status": status, "error": error, "incomplete_details": details}
    events = told(body)
    assert events[0]["response"]["error"] is None
    assert (events[-1]["type"], events[-1]["response"]) == (kind, body)


def test_an_answer_of_any_provider_can_be_replayed() -> None:
    """What the codec writes for another dialect's answer is read again without loss."""
    request = DIALECT.read_request(Call("POST", "/v1/responses", body={"model": "m", "input": "hi"}))
    answer = Response("x", "m", (Choice((Text("Hi"), Text("No", refusal=True)), Stop("length")),))
    body = DIALECT.write_answer(answer, request).body
    assert told(body)[-1]["response"] == body


def test_an_answer_before_there_is_any() -> None:
    """It has its id and echoes the request; ended without an answer, it says so."""
    request = Request("openai_responses", "m", (Message("user", (Text("hi"),)),), max_output=7)
    body = begun(request, "resp_1", 9)
    assert (body["id"], body["created_at"], body["status"]) == ("resp_1", 9, "queued")
    assert (body["output"], body["usage"], body["max_output_tokens"]) == ([], None, 7)
    error = {"code": "server_error", "message": "no"}
    assert ended(body, "failed", error) == {**body, "status": "failed", "error": error}


@pytest.mark.parametrize(
    ("status", "code"), [(429, "rate_limit_exceeded"), (400, "invalid_prompt"), (502, "server_error")]
)
def test_a_refusal_becomes_an_error_of_an_answer(status: int, code: str) -> None:
    """Its words stay, and its code is one of those an answer may have."""
    reply = Reply(status, body={"error": {"message": "no", "type": "x", "param": None, "code": "y"}})
    assert error_of(reply) == {"code": code, "message": "no"}
    assert error_of(Reply(status, body="?"))["code"] == code
