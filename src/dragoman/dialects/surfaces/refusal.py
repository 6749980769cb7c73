"""How a refusal is told by the surfaces, and by the JSON pages that belong to no vendor's protocol.

    {"detail": message, "error": {"message", "type", "code", "at"}}

Clients written for FastAPI read ``detail``; scripts read ``type`` (a :class:`~dragoman.core.failure.Kind`),
the finer ``code`` where there is one, and ``at``, the place of the fault in what they sent.
"""

from __future__ import annotations

import math

from dragoman.core.extras import Json
from dragoman.core.failure import Failure
from dragoman.dialects import Reply


def described(failure: Failure) -> dict[str, Json]:
    """Return the error object of a failure."""
    return {
        "message": failure.message,
        "type": failure.kind.value,
        "code": failure.code,
        "at": failure.at,
    }


def write_refusal(failure: Failure) -> Reply:
    """Write a failure: the status of its kind, both forms of its message, and when to come back."""
    body = {"detail": failure.message, "error": described(failure)}
    return Reply(failure.http_status, delay(failure), body)


def delay(failure: Failure) -> dict[str, str]:
    """Return the header that says when to come back, in whole seconds; none if nobody said."""
    if failure.retry_after_s is None:
        return {}
    return {"retry-after": str(math.ceil(failure.retry_after_s))}
