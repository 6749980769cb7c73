"""How Gemini's failures are read, and how a Gemini client is told of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dragoman.core.extras import Extras, Json
from dragoman.core.failure import Failure, Kind, Retry, Source, invalid
from dragoman.dialects import Reply
from dragoman.dialects.gemini_failure import is_error, read_failure, write_failure

CORPUS = Path(__file__).parent / "corpus" / "gemini" / "failures"


JUDGED = [
    ("invalid", Kind.INVALID, Source.CLIENT, Retry.NEVER),
    ("key_invalid", Kind.UPSTREAM, Source.UPSTREAM, Retry.NEXT),
    ("location", Kind.UPSTREAM, Source.UPSTREAM, Retry.NEXT),
    ("too_long", Kind.CONTEXT_LENGTH, Source.CLIENT, Retry.NEXT),
    ("missing_signature", Kind.INVALID, Source.CLIENT, Retry.NEVER),
    ("forbidden", Kind.UPSTREAM, Source.UPSTREAM, Retry.NEXT),
    ("not_found", Kind.NOT_FOUND, Source.UPSTREAM, Retry.NEXT),
    ("rate_limit", Kind.RATE_LIMITED, Source.UPSTREAM, Retry.AGAIN),
    ("quota_of_the_day", Kind.RATE_LIMITED, Source.UPSTREAM, Retry.NEXT),
    ("listed", Kind.OVERLOADED, Source.UPSTREAM, Retry.AGAIN),
    ("cancelled", Kind.UPSTREAM, Source.UPSTREAM, Retry.AGAIN),
    ("internal", Kind.UPSTREAM, Source.UPSTREAM, Retry.AGAIN),
    ("deadline", Kind.TIMEOUT, Source.UPSTREAM, Retry.AGAIN),
    ("not_json", Kind.UPSTREAM, Source.UPSTREAM, Retry.AGAIN),
]


def reply(name: str) -> Reply:
    """Return a failure of the corpus."""
    data = json.loads((CORPUS / f"{name}.json").read_text())
    return Reply(data["status"], data["headers"], data["body"])


@pytest.mark.parametrize(("name", "kind", "source", "retry"), JUDGED)
def test_a_failure_is_judged(name: str, kind: Kind, source: Source, retry: Retry) -> None:
    """Each refusal says what went wrong, whose fault it is, and what may be tried next."""
    failure = read_failure(reply(name))
    assert (failure.kind, failure.source, failure.retry) == (kind, source, retry)
    assert failure.status == reply(name).status


def test_every_failure_of_the_corpus_is_judged_above() -> None:
    """No sample is left out of the table."""
    assert {row[0] for row in JUDGED} == {path.stem for path in CORPUS.glob("*.json")}


@pytest.mark.parametrize(
    ("details", "headers", "delay"),
    [
        ([{"retryDelay": "48.5s"}], {"retry-after": "3"}, 48.5),
        ([{"retryDelay": "soon"}], {"retry-after": "3"}, 3),
        ([{"retryDelay": "-1s"}, {"retryDelay": "infs"}, {"retryDelay": "1e308s"}], {}, None),
        ("nonsense", {}, None),
    ],
)
def test_the_delay_is_read(details: Json, headers: dict[str, str], delay: float | None) -> None:
    """RetryInfo wins over the header; what is no delay is none."""
    error = {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": details}
    assert read_failure(Reply(429, headers, {"error": error})).retry_after_s == delay


def test_an_error_in_a_stream_is_judged_by_its_code() -> None:
    """In the middle of a stream the status was 200; the chunk has its own."""
    failure = read_failure(Reply(200, body={"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}))
    assert (failure.kind, failure.status) == (Kind.OVERLOADED, None)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {}}, True),
        ([{"error": "x"}], True),
        ({"error": None}, False),
        ([], False),
        ("error", False),
        ({"candidates": []}, False),
    ],
)
def test_an_error_is_known_by_its_key(body: Json, *, said: bool) -> None:
    """An object with an error, or a list of just that."""
    assert is_error(body) is said


def test_a_failure_is_told_with_its_place_and_delay() -> None:
    """A client's SDK finds code, status and message, and the details say where and when."""
    told = write_failure(invalid("is required", "$.contents"))
    assert told == Reply(
        400,
        {},
        {
            "error": {
                "code": 400,
                "message": "is required",
                "status": "INVALID_ARGUMENT",
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.BadRequest",
                        "fieldViolations": [{"field": "$.contents", "description": "is required"}],
                    }
                ],
            }
        },
    )
    slow = write_failure(Failure(Kind.RATE_LIMITED, "slow down", code="rpm", retry_after_s=6.2))
    assert slow.headers == {"retry-after": "7"}
    assert [sorted(detail) for detail in slow.body["error"]["details"]] == [
        ["@type", "domain", "reason"],
        ["@type", "retryDelay"],
    ]
    assert slow.body["error"]["details"][1]["retryDelay"] == "6.2s"


def test_a_providers_own_details_go_home_while_they_are_true() -> None:
    """A quota's details reach a Gemini client; what was about our key does not."""
    quota = write_failure(read_failure(reply("rate_limit")))
    assert quota.body["error"]["details"] == reply("rate_limit").body["error"]["details"]
    key = write_failure(read_failure(reply("key_invalid")))
    assert (key.status, key.body["error"]["status"]) == (502, "UNAVAILABLE")
    assert "details" not in key.body["error"]
    foreign = Failure(Kind.RATE_LIMITED, "m", native=Extras("anthropic", {"type": "rate_limit_error"}))
    assert "details" not in write_failure(foreign).body["error"]
