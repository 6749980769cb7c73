"""Anthropic's errors: what each means here, and how each of ours is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dragoman.core.failure import Failure, Kind, Retry, Source, invalid
from dragoman.dialects import Reply
from dragoman.dialects.anthropic import DIALECT

CORPUS = Path(__file__).parent / "corpus" / "anthropic"


@pytest.mark.parametrize(
    ("name", "read_as", "status", "word"),
    [
        ("invalid", (Kind.INVALID, Retry.NEVER, None), 400, "invalid_request_error"),
        ("too_long", (Kind.CONTEXT_LENGTH, Retry.NEXT, None), 400, "invalid_request_error"),
        ("own_spend_limit", (Kind.UPSTREAM, Retry.NEXT, None), 502, "api_error"),
        ("authentication", (Kind.UPSTREAM, Retry.NEXT, None), 502, "api_error"),
        ("billing", (Kind.UPSTREAM, Retry.NEXT, None), 502, "api_error"),
        ("permission", (Kind.UPSTREAM, Retry.NEXT, None), 502, "api_error"),
        ("not_found", (Kind.NOT_FOUND, Retry.NEXT, None), 404, "not_found_error"),
        ("too_large", (Kind.TOO_LARGE, Retry.NEXT, None), 413, "request_too_large"),
        ("rate_limit", (Kind.RATE_LIMITED, Retry.AGAIN, 37), 429, "rate_limit_error"),
        ("spend_limit", (Kind.UPSTREAM, Retry.NEXT, None), 502, "api_error"),
        ("api_error", (Kind.UPSTREAM, Retry.AGAIN, None), 502, "api_error"),
        ("timeout", (Kind.TIMEOUT, Retry.AGAIN, None), 504, "timeout_error"),
        ("overloaded", (Kind.OVERLOADED, Retry.AGAIN, None), 529, "overloaded_error"),
        ("not_json", (Kind.UPSTREAM, Retry.AGAIN, None), 502, "api_error"),
    ],
)
def test_failures_are_read_and_written(
    name: str, read_as: tuple[Kind, Retry, float | None], status: int, word: str
) -> None:
    """A provider's complaint says what may be tried next, and never passes for the client's own."""
    record = json.loads((CORPUS / "failures" / f"{name}.json").read_text())
    failure = DIALECT.read_failure(Reply(record["status"], record["headers"], record["body"]))
    assert (failure.kind, failure.retry, failure.retry_after_s) == read_as
    assert failure.status == record["status"]
    reply = DIALECT.write_failure(failure)
    assert (reply.status, reply.body["type"], reply.body["error"]["type"]) == (status, "error", word)
    assert (reply.headers.get("x-should-retry") == "false") is (failure.source is Source.UPSTREAM)
    if status == record["status"] and isinstance(record["body"], dict):
        assert reply.body == record["body"]


def test_clients_own_fault_names_the_field_as_the_vendor_does() -> None:
    """A JSON path reads as Anthropic writes it, and the SDK may not be told not to retry."""
    reply = DIALECT.write_failure(invalid("expected a string", "$.messages[0].content"))
    assert reply.body["error"]["message"] == "messages.0.content: expected a string"
    assert reply.headers == {}


def test_delay_is_whole_seconds_rounded_up() -> None:
    """SDKs read seconds; a fraction less would be too early."""
    failure = Failure(Kind.RATE_LIMITED, "slow down", retry_after_s=1.2, request_id="req_1")
    reply = DIALECT.write_failure(failure)
    assert reply.headers == {"retry-after": "2"}
    assert reply.body["request_id"] == "req_1"
