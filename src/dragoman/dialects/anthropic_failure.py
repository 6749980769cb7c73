"""Anthropic's errors, both sides: ``{"type": "error", "error": {"type", "message"}, "request_id"}``.

Read 2026-11-21: https://platform.claude.com/docs/en/api/errors.
"""

from __future__ import annotations

import math

from dragoman.core.extras import Extras, at_home
from dragoman.core.failure import Failure, Kind, Retry, Source
from dragoman.dialects import Reply
from dragoman.dialects.anthropic_parts import (
    NAME,
)
from dragoman.dialects.border import delay_s, judged

ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Status -> type; every other status is an ``api_error`` (api/errors, 2026-11-21)."""
STATUSES = {word: status for status, word in ERRORS.items()}
TOO_LONG = ("prompt is too long", "exceed context limit", "exceeds the context window")
UNPAID = ("credit balance is too low", "usage limits")
"""How a 400 says that the account, not the request, is at its end (api/errors, 2026-11-21)."""


def read_failure(reply: Reply) -> Failure:
    """Read an error answer, or the error event of a stream (status 200)."""
    body = reply.body if isinstance(reply.body, dict) else {"message": reply.body}
    error = body["error"] if isinstance(body.get("error"), dict) else body
    word, details = error.get("type"), error.get("details")
    message = str(error.get("message") or f"the provider answered {reply.status}")
    code = details.get("error_code") if isinstance(details, dict) else None
    code = code or word
    status = reply.status if reply.status >= 400 else STATUSES.get(str(word), 500)
    kind, source, retry = judged(529 if word == "overloaded_error" else status)
    said = message.lower()
    if "spend_limit" in str(code) or (status == 400 and any(sign in said for sign in UNPAID)):
        status = 402
        kind, source, retry = judged(status)
    elif status in (400, 413) and any(sign in said for sign in TOO_LONG):
        kind, retry = Kind.CONTEXT_LENGTH, Retry.NEXT
    elif status == 400 and "content filtering policy" in said:
        kind = Kind.CONTENT_POLICY
    if status in (401, 402, 403):
        message = f"the provider refused the gateway's account: {message}"
    return Failure(
        kind,
        message,
        source=source,
        retry=retry,
        code=code if isinstance(code, str) else None,
        status=reply.status if reply.status >= 400 else None,
        retry_after_s=delay_s(reply.headers),
        request_id=body.get("request_id") or reply.headers.get("request-id"),
        native=Extras(NAME, error),
    )


def write_failure(failure: Failure) -> Reply:
    """Write a failure the way Anthropic's SDKs map to their exception classes."""
    status = 529 if failure.kind is Kind.OVERLOADED else failure.http_status
    word = ERRORS.get(status, "api_error")
    path = (failure.at or "").removeprefix("$").removeprefix(".").replace("[", ".").replace("]", "")
    message = f"{path}: {failure.message}" if path else failure.message
    native = at_home(failure.native, NAME).rest
    error = {**(native if native.get("type") == word else {}), "type": word, "message": message}
    headers = {}
    if failure.retry_after_s is not None:
        headers["retry-after"] = str(math.ceil(failure.retry_after_s))
    if failure.source is Source.UPSTREAM:
        headers["x-should-retry"] = "false"  # the gateway has retried already; the SDK must not again
    body = {"type": "error", "error": error, "request_id": failure.request_id}
    return Reply(status, headers, body)
