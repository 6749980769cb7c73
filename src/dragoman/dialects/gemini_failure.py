"""How Gemini says that it failed: as an answer, as the one element of a list, or in the middle of a stream.

    {"error": {"code": 429, "message", "status": "RESOURCE_EXHAUSTED", "details": [...]}}

Read 2026-11-21: https://ai.google.dev/gemini-api/docs/generate-content/api-errors; recorded traffic. A delay
is a ``RetryInfo`` in the details, not a header; a quota that is spent for the day is a ``QuotaFailure`` whose
id says ``PerDay``; a bad key is a 400 like any other but for its ``reason``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from dragoman.core.extras import Extras, Json, at_home
from dragoman.core.failure import Failure, Kind, Retry, Source
from dragoman.dialects import Reply
from dragoman.dialects.border import LONGEST_S, delay_s, judged
from dragoman.dialects.gemini_parts import NAME

STATUSES: dict[Kind, str] = {
    Kind.UNAUTHENTICATED: "UNAUTHENTICATED",
    Kind.EXHAUSTED: "RESOURCE_EXHAUSTED",
    Kind.FORBIDDEN: "PERMISSION_DENIED",
    Kind.NOT_FOUND: "NOT_FOUND",
    Kind.CONFLICT: "ABORTED",
    Kind.RATE_LIMITED: "RESOURCE_EXHAUSTED",
    Kind.TIMEOUT: "DEADLINE_EXCEEDED",
    Kind.OVERLOADED: "UNAVAILABLE",
    Kind.UPSTREAM: "UNAVAILABLE",
    Kind.TRUNCATED: "UNAVAILABLE",
    Kind.CANCELLED: "CANCELLED",
    Kind.UNAVAILABLE: "UNAVAILABLE",
    Kind.INTERNAL: "INTERNAL",
}
"""Kind -> canonical status; what is not here is INVALID_ARGUMENT (api-errors, 2026-11-21)."""
RPC = "type.googleapis.com/google.rpc."
TOO_LONG = ("input token count", "exceeds the maximum number of tokens")
ACCOUNT = ("FAILED_PRECONDITION", "UNAUTHENTICATED", "PERMISSION_DENIED")
"""Statuses about the gateway's account: its region, its billing, its key (api-errors, 2026-11-21)."""


def read_failure(reply: Reply) -> Failure:
    """Read an error answer, alone or as the one element of a list, or the error chunk of a stream (200)."""
    body = reply.body[0] if isinstance(reply.body, list) and reply.body else reply.body
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else {"message": error or reply.body}
    told, word, code = error.get("message"), error.get("status"), error.get("code")
    message = told if isinstance(told, str) and told else f"the provider answered {reply.status}"
    status = reply.status if reply.status >= 400 else code if isinstance(code, int) and code >= 400 else 500
    given = error.get("details")
    details = [entry for entry in (given if isinstance(given, list) else ()) if isinstance(entry, dict)]
    reason = next((str(entry["reason"]) for entry in details if entry.get("reason")), None)
    kind, source, retry = judged(status)
    if status == 400 and (word in ACCOUNT or (reason or "").startswith("API_KEY")):
        kind, source, retry = judged(401)
    elif status in (400, 413) and any(sign in message.lower() for sign in TOO_LONG):
        kind, retry = Kind.CONTEXT_LENGTH, Retry.NEXT
    elif status == 429 and _spent_for_today(details):
        retry = Retry.NEXT
    elif status == 499:
        kind, source, retry = Kind.UPSTREAM, Source.UPSTREAM, Retry.AGAIN
    wait = _retry_delay_s(details)
    return Failure(
        kind,
        message,
        source=source,
        retry=retry,
        code=reason,
        status=reply.status if reply.status >= 400 else None,
        retry_after_s=delay_s(reply.headers) if wait is None else wait,
        request_id=reply.headers.get("x-request-id"),
        native=Extras(NAME, error),
    )


def _spent_for_today(details: Sequence[Mapping[str, Json]]) -> bool:
    """Say whether a quota is used up that fills again tomorrow only."""
    for entry in details:
        violations = entry.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict) and "PerDay" in str(violation.get("quotaId")):
                return True
    return False


def _retry_delay_s(details: Sequence[Mapping[str, Json]]) -> float | None:
    for entry in details:
        try:
            wait = float(str(entry.get("retryDelay", "")).removesuffix("s"))
        except ValueError:
            continue
        if 0 <= wait <= LONGEST_S:
            return wait
    return None


def write_failure(failure: Failure) -> Reply:
    """Write a failure; a provider's own details go with it where it still means the same."""
    status, word = failure.http_status, STATUSES.get(failure.kind, "INVALID_ARGUMENT")
    native = at_home(failure.native, NAME).rest
    same = native.get("status") == word and isinstance(native.get("details"), list)
    details: list[Json] = [*native["details"]] if same else []
    if failure.at is not None:
        violation = {"field": failure.at, "description": failure.message}
        details.append({"@type": f"{RPC}BadRequest", "fieldViolations": [violation]})
    # A provider's code may be about the gateway's own key: that is nothing to the client.
    if failure.code is not None and failure.kind is not Kind.UPSTREAM and not details:
        details.append({"@type": f"{RPC}ErrorInfo", "reason": failure.code, "domain": "dragoman"})
    headers = {}
    if failure.retry_after_s is not None:
        headers["retry-after"] = str(math.ceil(failure.retry_after_s))
        if not any("retryDelay" in detail for detail in details):
            details.append({"@type": f"{RPC}RetryInfo", "retryDelay": f"{failure.retry_after_s:g}s"})
    error: dict[str, Json] = {"code": status, "message": failure.message, "status": word}
    return Reply(status, headers, {"error": {**error, "details": details} if details else error})


def is_error(body: Json) -> bool:
    """Say whether a body is an error; in answer to the array form it is the one element of a list."""
    inner = body[0] if isinstance(body, list) and len(body) == 1 else body
    return isinstance(inner, dict) and inner.get("error") is not None
