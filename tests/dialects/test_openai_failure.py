"""OpenAI's error object: what every server's version of it means, and what a client is told."""

from __future__ import annotations

import json

import pytest
from tests.dialects.corpus import OWN

from dragoman.core.extras import Extras, Json
from dragoman.core.failure import STATUS, Failure, Kind, Retry, Source, invalid
from dragoman.dialects import Reply
from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.openai_chat_parts import NAME
from dragoman.dialects.openai_failure import KINDS, read_fault, write_fault


def own(name: str) -> Failure:
    """Read a failure of the corpus."""
    data = json.loads((OWN / NAME / "failures" / f"{name}.json").read_text())
    return DIALECT.read_failure(Reply(data["status"], data["headers"], data["body"]))


@pytest.mark.parametrize(
    ("name", "kind", "retry", "code"),
    [
        ("invalid", Kind.INVALID, Retry.NEVER, "invalid_type"),
        ("context_length", Kind.CONTEXT_LENGTH, Retry.NEXT, "context_length_exceeded"),
        ("content_policy", Kind.CONTENT_POLICY, Retry.NEVER, "content_policy_violation"),
        ("azure_filter", Kind.CONTENT_POLICY, Retry.NEVER, "content_filter"),
        ("moderated", Kind.CONTENT_POLICY, Retry.NEVER, None),
        ("invalid_key", Kind.UPSTREAM, Retry.NEXT, "invalid_api_key"),
        ("payment", Kind.UPSTREAM, Retry.NEXT, "invalid_request_error"),
        ("insufficient_quota", Kind.UPSTREAM, Retry.NEXT, "insufficient_quota"),
        ("model_not_found", Kind.NOT_FOUND, Retry.NEXT, "model_not_found"),
        ("azure_deployment", Kind.NOT_FOUND, Retry.NEXT, "DeploymentNotFound"),
        ("bare_string", Kind.NOT_FOUND, Retry.NEXT, None),
        ("mistral_unprocessable", Kind.INVALID, Retry.NEVER, None),
        ("mistral_message", Kind.INVALID, Retry.NEVER, None),
        ("list_of_one", Kind.INVALID, Retry.NEVER, None),
        ("rate_limit", Kind.RATE_LIMITED, Retry.AGAIN, "rate_limit_exceeded"),
        ("openrouter_rate_limit", Kind.RATE_LIMITED, Retry.AGAIN, None),
        ("server_error", Kind.UPSTREAM, Retry.AGAIN, None),
        ("overloaded", Kind.OVERLOADED, Retry.AGAIN, "overloaded"),
        ("proxy_html", Kind.UPSTREAM, Retry.AGAIN, None),
        ("plain_text", Kind.TIMEOUT, Retry.AGAIN, None),
    ],
)
def test_what_a_providers_error_means(name: str, kind: Kind, retry: Retry, code: str | None) -> None:
    """Kind, what may be tried next, and the finer word."""
    failure = own(name)
    assert (failure.kind, failure.retry, failure.code) == (kind, retry, code)


@pytest.mark.parametrize(
    ("name", "wait_s"),
    [
        ("rate_limit", 1.25),
        ("rate_limit_by_headers", 90.5),
        ("overloaded", 60.0),
        ("insufficient_quota", None),
    ],
)
def test_how_long_to_wait(name: str, wait_s: float | None) -> None:
    """As asked; else until what is spent is filled again."""
    assert own(name).retry_after_s == wait_s


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after-ms": "0", "retry-after": "1"}, 1.0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "20ms"}, 0.02),
        ({"retry-after": "1h2m3s"}, 3723.0),
        ({"retry-after": "Sat, 21 Nov 2026 07:00:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1e308"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "9" * 400 + "s"}, None),
        ({}, None),
    ],
)
def test_every_way_to_say_how_long(headers: dict[str, str], wait_s: float | None) -> None:
    """Numbers and durations are read; a date would need a clock and is not."""
    assert read_fault({}, 429, headers, NAME).retry_after_s == wait_s


def test_the_providers_words_about_our_account_stay_here() -> None:
    """A message about the gateway's key may quote it: neither it nor the error object is kept."""
    failure = own("invalid_key")
    assert "sk-" not in repr(failure)
    assert failure.native is None
    assert "sk-" not in json.dumps(DIALECT.write_failure(failure).body)


def test_a_complaint_does_not_repeat_the_prompt() -> None:
    """FastAPI echoes the input; only where and what is told."""
    failure = own("mistral_unprocessable")
    assert "secret" not in failure.message
    assert failure.message.startswith("body.verbosity: Extra inputs")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<html>502</html>", "the provider answered with status 502"),
        ("  ", "the provider answered with status 502"),
        ("gone", "gone"),
        (None, "the provider answered with status 502"),
        ([], "the provider answered with status 502"),
        ({"error": None}, "the provider answered with status 502"),
        ({"error": {"message": 7}}, "the provider answered with status 502"),
        ({"error": "words", "code": "x"}, "words"),
        ({"detail": "words"}, "words"),
        ({"detail": [7, {"msg": "words"}]}, "words"),
        ({"error": {"message": "A", "metadata": {"raw": "B"}}}, "A: B"),
        ({"error": {"message": "x" * 900}}, "x" * 500),
    ],
)
def test_every_shape_of_error_has_words(body: Json, message: str) -> None:
    """Whatever came instead of the error object, there is something short to say."""
    assert read_fault(body, 502, {}, NAME).message == message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 429, "message": "x"}, Kind.RATE_LIMITED),
        ({"code": "503", "message": "x"}, Kind.OVERLOADED),
        ({"status_code": 400, "code": "tool_use_failed", "message": "x"}, Kind.INVALID),
        ({"type": "invalid_request_error", "message": "maximum context length is 9"}, Kind.CONTEXT_LENGTH),
        ({"type": "rate_limit_error", "message": "x"}, Kind.RATE_LIMITED),
        ({"type": "server_error", "message": "x"}, Kind.UPSTREAM),
        ({"message": "x"}, Kind.UPSTREAM),
    ],
)
def test_an_error_without_a_status_is_judged_by_its_words(error: Json, kind: Kind) -> None:
    """Inside a stream, or behind a 200, the error's own number or words stand for the status."""
    failure = read_fault({"error": error}, None, {}, NAME)
    assert (failure.kind, failure.status) == (kind, None)


@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 8192 tokens.",
        "prompt too long; exceeded max context length by 12 tokens",
        "prompt is too long: 9 tokens > 8 maximum",
        "The total length of all messages is too long.",
        "The input token count exceeds the maximum number of tokens allowed",
    ],
)
def test_a_full_context_is_told_by_its_words(text: str) -> None:
    """Servers without a code for it say it in words; another model may have room."""
    failure = read_fault({"error": {"message": text}}, 400, {}, NAME)
    assert (failure.kind, failure.retry) == (Kind.CONTEXT_LENGTH, Retry.NEXT)


def test_the_request_id_is_kept() -> None:
    """OpenAI's and Azure's names for it."""
    assert own("invalid").request_id == "req_1"
    assert own("azure_filter").request_id == "a-1"


def test_every_kind_has_a_status_and_words() -> None:
    """The status is the kind's, and type and code are never missing where the SDKs look."""
    assert KINDS.keys() == STATUS.keys() == set(Kind)
    for kind in Kind:
        reply = write_fault(Failure(kind, "words"), NAME)
        assert reply.status == STATUS[kind]
        assert reply.body["error"].keys() == {"message", "type", "param", "code"}


def test_a_clients_fault_says_where() -> None:
    """The path of the fault is ``param``, and the finer word wins over the kind's."""
    reply = write_fault(invalid("no", "$.messages[0]", code="duplicate"), NAME)
    assert reply.body == {
        "error": {
            "message": "no",
            "type": "invalid_request_error",
            "param": "$.messages[0]",
            "code": "duplicate",
        }
    }
    assert "x-should-retry" not in reply.headers


def test_when_to_come_back() -> None:
    """Whole seconds, rounded up, and milliseconds; what the gateway has tried, the SDK need not."""
    failure = Failure(Kind.RATE_LIMITED, "slow", source=Source.UPSTREAM, retry_after_s=1.0004)
    assert write_fault(failure, NAME).headers == {
        "retry-after": "2",
        "retry-after-ms": "1001",
        "x-should-retry": "false",
    }


def test_an_error_goes_home_as_it_came() -> None:
    """The provider's own object is told to a client of the same dialect, and to no other."""
    failure = own("azure_filter")
    assert write_fault(failure, NAME).body["error"]["innererror"]["code"] == "ResponsibleAIPolicyViolation"
    foreign = Failure(Kind.INVALID, "words", native=Extras("anthropic", {"type": "x"}))
    assert write_fault(foreign, NAME).body["error"]["type"] == "invalid_request_error"
