"""What surrounds the output of a Responses answer."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core.events import Start, Stop
from dragoman.core.extras import Extras, at_home
from dragoman.core.failure import Kind, Retry, Source
from dragoman.dialects.border import Crossing
from dragoman.dialects.fields import Fields
from dragoman.dialects.openai_responses_envelope import (
    envelope,
    failed,
    maker,
    read_start,
    read_stop,
    refusal,
    without,
    write_stop,
)
from dragoman.dialects.openai_responses_parts import NAME

BODY: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 17,
    "model": "m",
    "tools": [],
    "error": None,
    "moderation": {"flagged": True},
}


@pytest.mark.parametrize(
    "change", [{}, {"id": "gen-1"}, {"object": "response.compaction"}, {"created_at": 1.5}]
)
def test_what_was_read_is_written(change: dict[str, Any]) -> None:
    """The echo is quiet, what says something is in the rest, and both are there again."""
    start = read_start(Fields({**BODY, **change}))
    assert start.extras is not None
    assert start.extras.rest == {"moderation": {"flagged": True}}
    assert {"tools", "error"} <= start.extras.quiet.keys()
    assert envelope(start, start.extras, {"store": False}) == {**BODY, **change}


def test_what_was_absent_stays_absent() -> None:
    """Fields a server left out are not invented at home."""
    start = read_start(Fields({"id": "resp_1", "object": "response"}), "usage")
    assert start.extras is not None
    body = {**envelope(start, start.extras, {}), "usage": None}
    assert without(body, start.extras) == {"id": "resp_1", "object": "response"}


def test_foreign_envelope_is_the_echo() -> None:
    """Another provider's answer gets a response's id, and what a server owes its client."""
    body = envelope(Start("msg_1", "claude"), Extras(NAME), {"store": False})
    assert body == {
        "store": False,
        "id": "resp_msg_1",
        "object": "response",
        "created_at": 0,
        "model": "claude",
    }


@pytest.mark.parametrize(
    ("status", "details", "called", "refused", "reason"),
    [
        ("completed", None, False, False, "end"),
        ("completed", None, True, True, "tool_use"),
        ("completed", None, False, True, "refusal"),
        ("incomplete", {"reason": "max_output_tokens"}, True, False, "length"),
        ("incomplete", {"reason": "content_filter"}, False, False, "filter"),
        ("incomplete", {"reason": "max_messages"}, False, False, "pause"),
        ("incomplete", {"reason": 7}, False, False, "pause"),
        ("incomplete", None, False, False, "pause"),
        ("in_progress", None, False, False, "pause"),
        ("cancelled", None, False, False, "error"),
        ("pondered", None, False, False, "end"),
        (None, "odd", False, False, "end"),
    ],
)
def test_stop_goes_home_as_it_came(
    status: str | None, details: Any, reason: str, *, called: bool, refused: bool
) -> None:
    """Every status has a reason in the core, and is the same status again without a loss."""
    out = Crossing(NAME)
    stop = read_stop(status, details, called=called, refused=refused)
    assert stop.reason == reason
    told, word = write_stop(stop, out)
    assert told == (status or "completed")
    assert status != "incomplete" or word == (
        details["reason"] if isinstance(details, dict) and isinstance(details["reason"], str) else None
    )
    assert ("-status" in at_home(stop.extras, NAME).form) is (status is None)
    assert not out.losses


def test_stop_of_another_provider_that_failed_is_a_failure() -> None:
    """It is told as such by whoever asks for the status."""
    with pytest.raises(Exception, match="OTHER"):
        write_stop(Stop("error", native="OTHER"), Crossing(NAME))


@pytest.mark.parametrize(
    ("error", "kind", "retry"),
    [
        ({"code": "server_error", "message": "m"}, Kind.UPSTREAM, Retry.AGAIN),
        ({"code": "rate_limit_exceeded", "message": "m"}, Kind.RATE_LIMITED, Retry.AGAIN),
        ({"code": "invalid_prompt", "message": "m"}, Kind.INVALID, Retry.NEVER),
        ({"code": "failed_to_download_image", "message": "m"}, Kind.INVALID, Retry.NEVER),
        ("gone", Kind.UPSTREAM, Retry.AGAIN),
        (None, Kind.UPSTREAM, Retry.AGAIN),
    ],
)
def test_failed_response_is_judged_by_its_code(error: Any, kind: Kind, retry: Retry) -> None:
    """What is wrong with the request is the client's fault, and everything else the provider's."""
    failure = failed({"error": error})
    assert (failure.kind, failure.retry) == (kind, retry)
    assert failure.source is (Source.CLIENT if kind is Kind.INVALID else Source.UPSTREAM)


def test_made_ids_are_the_same_for_the_same_answer() -> None:
    """Two answers differ, two places differ, and one place of one answer is always the same."""
    ids = {maker(answer)(prefix, place) for answer in "ab" for prefix in ("msg", "rs") for place in (0, 1)}
    assert len(ids) == 8
    assert maker("a")("msg", 0) == maker("a")("msg", 0)
    assert refusal("msg_1")["content"][0]["refusal"]
