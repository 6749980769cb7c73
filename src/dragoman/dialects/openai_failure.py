"""The error object of OpenAI's protocols, and what compatible servers make of it.

    {"error": {"message", "type", "param", "code"}}

Read 2026-11-21: https://openrouter.ai/docs/api_reference/errors-and-debugging (integer codes, also with
status 200; ``metadata.reasons`` of a moderated input). Azure adds ``innererror``; Mistral answers with
FastAPI's ``detail``; others send a bare string, the fields without the envelope, a list of one, or a
proxy's HTML.

A provider's complaint about the gateway's account (401, 402, 403, a spent quota) is not the client's: its
words may quote our key, so they are neither told nor kept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from dragoman.core.extras import Extras, Json, at_home
from dragoman.core.failure import Failure, Kind, Retry, Source
from dragoman.dialects import Reply
from dragoman.dialects.border import LONGEST_S, delay_s, judged

EXCERPT = 500
"""Characters of a provider's message that are told."""

CONTEXT = re.compile(
    r"context[_ ](?:length|window)|prompt (?:is )?too long|too[_ ]many[_ ](?:prompt[_ ]|input[_ ])?tokens"
    r"|input token count|length of all messages is too long|reduce the length of the (?:messages|prompt)",
    re.IGNORECASE,
)
POLICY = ("content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation")
QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
ACCOUNT = (401, 402, 403)

WORDS = {
    "invalid_request_error": 400,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_error": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "overloaded": 503,
    "overloaded_error": 503,
    "service_unavailable": 503,
    "timeout": 504,
}
"""The status an error inside a stream would have had."""

DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d*)?)s)?")
MILLISECONDS = re.compile(r"(\d+(?:\.\d*)?)ms")

KINDS: dict[Kind, tuple[str, str | None]] = {
    Kind.INVALID: ("invalid_request_error", None),
    Kind.UNSUPPORTED: ("invalid_request_error", "unsupported_value"),
    Kind.CONTEXT_LENGTH: ("invalid_request_error", "context_length_exceeded"),
    Kind.UNAUTHENTICATED: ("invalid_request_error", "invalid_api_key"),
    Kind.EXHAUSTED: ("insufficient_quota", "insufficient_quota"),
    Kind.FORBIDDEN: ("permission_error", "permission_denied"),
    Kind.NOT_FOUND: ("invalid_request_error", "model_not_found"),
    Kind.CONFLICT: ("conflict_error", None),
    Kind.TOO_LARGE: ("invalid_request_error", "request_too_large"),
    Kind.CONTENT_POLICY: ("invalid_request_error", "content_policy_violation"),
    Kind.RATE_LIMITED: ("rate_limit_error", "rate_limit_exceeded"),
    Kind.TIMEOUT: ("timeout", "timeout"),
    Kind.OVERLOADED: ("server_error", "overloaded"),
    Kind.UPSTREAM: ("server_error", "upstream_error"),
    Kind.TRUNCATED: ("server_error", "upstream_error"),
    Kind.CANCELLED: ("server_error", "cancelled"),
    Kind.UNAVAILABLE: ("server_error", "unavailable"),
    Kind.INTERNAL: ("server_error", "internal_error"),
}
"""Type and code of each kind. SDKs tell the classes by status; people and scripts read the code."""


def read_fault(body: Json, status: int | None, headers: Mapping[str, str], dialect: str) -> Failure:
    """Read a provider's error.

    Args:
        body: What came, of whatever shape.
        status: The HTTP status; None for an error inside a stream or a 200.
        headers: Of the answer.
        dialect: Who reads: the error object goes home there.
    """
    error = _error(body)
    code, words = _words(error)
    told = status if status is not None and status >= 300 else _status(error, words)
    kind, source, retry = judged(told)
    message = _message(error, told)
    if told in (400, 413, 422) and (CONTEXT.search(message) or any(map(CONTEXT.search, words))):
        kind, source, retry = Kind.CONTEXT_LENGTH, Source.CLIENT, Retry.NEXT
    elif told < 500 and (any(word in POLICY for word in words) or _is_flagged(error)):
        kind, source, retry = Kind.CONTENT_POLICY, Source.CLIENT, Retry.NEVER
    elif any(word in QUOTA for word in words):
        kind, source, retry = Kind.UPSTREAM, Source.UPSTREAM, Retry.NEXT
    param = error.get("param")
    private = kind is Kind.UPSTREAM and told < 500
    if private:
        message = f"the provider refused the gateway's account ({code or told})"
    return Failure(
        kind,
        message,
        source=source,
        retry=retry,
        at=param if isinstance(param, str) and param else None,
        code=code,
        status=status,
        retry_after_s=_delay_s(headers),
        request_id=headers.get("x-request-id") or headers.get("apim-request-id"),
        native=None if private or not error else Extras(dialect, error),
    )


def _error(body: Json) -> dict[str, Json]:
    """Return the error object of any body; an empty one if there is none."""
    match body:
        case [dict(first), *_]:
            return _error(first)
        case {"error": dict(error)}:
            return error
        case {"error": str(message)}:
            return {name: value for name, value in body.items() if name != "error"} | {"message": message}
        case {"detail": str(message)}:
            return {"message": message}
        case {"detail": list(items)}:
            return {"message": "; ".join(filter(None, map(_complaint, items)))}
        case {"message": str()}:
            return dict(body)
        case str() if body.strip() and not body.lstrip().startswith("<"):
            return {"message": body.strip()}
        case _:
            return {}


def _complaint(item: Json) -> str:
    """Return one of FastAPI's complaints in words; its ``input`` may be the prompt, and is left out."""
    match item:
        case {"loc": list(where), "msg": str(words)}:
            return f"{'.'.join(map(str, where))}: {words}"
        case {"msg": str(words)}:
            return words
        case _:
            return ""


def _words(error: Mapping[str, Json]) -> tuple[str | None, list[str]]:
    """Return the code, where it is a word, and every word that classifies the error."""
    inner = error.get("innererror")
    inner = inner if isinstance(inner, dict) else {}
    found = [error.get("code"), error.get("type"), inner.get("code")]
    words = [word for word in found if isinstance(word, str) and word and not word.isdigit()]
    code = error.get("code")
    return (code if code in words else None), words


def _status(error: Mapping[str, Json], words: list[str]) -> int:
    """Return the status an error without one would have had."""
    for field in ("status_code", "code", "status"):
        value = error.get(field)
        number = int(value) if isinstance(value, str) and value.isdigit() else value
        if isinstance(number, int) and 400 <= number < 600:
            return number
    return next((WORDS[word] for word in words if word in WORDS), 502)


def _message(error: Mapping[str, Json], status: int) -> str:
    message = error.get("message")
    if not isinstance(message, str) or not message.strip():
        return f"the provider answered with status {status}"
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    more = f": {raw}" if isinstance(raw, str) and raw else ""
    return f"{message}{more}"[:EXCERPT]


def _is_flagged(error: Mapping[str, Json]) -> bool:
    """Say whether OpenRouter's 403 is about the input: then it gives reasons."""
    metadata = error.get("metadata")
    return isinstance(metadata, dict) and bool(metadata.get("reasons"))


def _delay_s(headers: Mapping[str, str]) -> float | None:
    """Return how long to wait: as asked, or until what is spent is filled again."""
    asked = delay_s(headers)
    if asked:
        return asked
    spent = [what for what in ("requests", "tokens") if headers.get(f"x-ratelimit-remaining-{what}") == "0"]
    names = ("retry-after", *(f"x-ratelimit-reset-{what}" for what in spent))
    waits = [_seconds(headers.get(name, "")) for name in names]
    return max((wait for wait in waits if wait and wait <= LONGEST_S), default=asked)


def _seconds(text: str) -> float | None:
    """Read ``6m0s``, ``1.5s``, ``20ms`` or a plain number of seconds."""
    if found := MILLISECONDS.fullmatch(text):
        return float(found[1]) / 1000
    if text and (found := DURATION.fullmatch(text)):
        hours, minutes, seconds = (float(group or 0) for group in found.groups())
        return hours * 3600 + minutes * 60 + seconds
    return float(text) if re.fullmatch(r"\d+(?:\.\d*)?", text) else None


def write_error(failure: Failure, dialect: str) -> dict[str, Json]:
    """Write the error object; a provider's own words of this dialect go home as they came."""
    kind, code = KINDS[failure.kind]
    error: dict[str, Json] = {
        "message": failure.message,
        "type": kind,
        "param": failure.at,
        "code": failure.code or code,
    }
    return {"error": {**error, **at_home(failure.native, dialect).rest}}


def write_fault(failure: Failure, dialect: str) -> Reply:
    """Write a failure: the status of its kind, when to come back, and whether that helps.

    The SDKs retry 408, 409, 429 and 5xx themselves; what the gateway has tried already, it forbids.
    """
    headers: dict[str, str] = {}
    if failure.retry_after_s is not None:
        headers["retry-after"] = str(math.ceil(failure.retry_after_s))
        headers["retry-after-ms"] = str(math.ceil(failure.retry_after_s * 1000))
    if failure.source is Source.UPSTREAM:
        headers["x-should-retry"] = "false"
    return Reply(failure.http_status, headers, write_error(failure, dialect))
