"""Failure: the one exception that crosses the gateway.

    Failure(kind, source, retry, message, at)

*kind* says what went wrong and fixes the HTTP status; *source* says whose fault it is; *retry* says
what the line may do about it and is set where it is known, not guessed later. Foreign exceptions
become Failures at three borders only: the transport, the store and the configuration. Everything
else is a bug.

A provider's complaint about *our* credentials (401, 402, 403) is not the client's: it is
``UPSTREAM`` and reported as 502. A fault of our own infrastructure is ``UNAVAILABLE`` and 503,
never 401, 404 or 429.
"""

from __future__ import annotations

from enum import StrEnum

from dragoman.core.extras import Extras


class Kind(StrEnum):
    """What went wrong. The value is what ledgers, logs and metrics print."""

    INVALID = "invalid"
    UNSUPPORTED = "unsupported"
    CONTEXT_LENGTH = "context_length"
    UNAUTHENTICATED = "unauthenticated"
    EXHAUSTED = "exhausted"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    CONTENT_POLICY = "content_policy"
    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    OVERLOADED = "overloaded"
    UPSTREAM = "upstream"
    TRUNCATED = "truncated"
    CANCELLED = "cancelled"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


STATUS: dict[Kind, int] = {
    Kind.INVALID: 400,
    Kind.UNSUPPORTED: 400,
    Kind.CONTEXT_LENGTH: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.EXHAUSTED: 402,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.TOO_LARGE: 413,
    Kind.CONTENT_POLICY: 400,
    Kind.RATE_LIMITED: 429,
    Kind.TIMEOUT: 504,
    Kind.OVERLOADED: 503,
    Kind.UPSTREAM: 502,
    Kind.TRUNCATED: 502,
    Kind.CANCELLED: 499,
    Kind.UNAVAILABLE: 503,
    Kind.INTERNAL: 500,
}
"""The HTTP status of each kind. A dialect may refine it (Anthropic: OVERLOADED is 529)."""


class Source(StrEnum):
    """Whose fault it is."""

    CLIENT = "client"
    GATEWAY = "gateway"
    UPSTREAM = "upstream"


class Retry(StrEnum):
    """What may be tried next, before the first byte has left."""

    NEVER = "never"
    """The request itself is at fault: every target would refuse it."""
    NEXT = "next"
    """This target will not do; another may."""
    AGAIN = "again"
    """The same target may do a moment later; so may another."""


class Failure(Exception):
    """A request that cannot be served, and everything its dialect needs to say so.

    Args:
        kind: What went wrong.
        message: For people. Never holds a credential or a prompt.
        source: Whose fault it is.
        retry: What the line may try next.
        at: JSON path of the offending field (``$.messages[0].content``), for client faults.
        code: A finer, stable word (``invalid_api_key``, ``insufficient_quota``), when there is one.
        status: The HTTP status a provider answered with, when one did.
        retry_after_s: How long the other side asked to wait, in seconds.
        request_id: The provider's id of the failed request.
        native: The provider's own error object; it goes home only.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        source: Source = Source.GATEWAY,
        retry: Retry = Retry.NEVER,
        at: str | None = None,
        code: str | None = None,
        status: int | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
        native: Extras | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.source = source
        self.retry = retry
        self.at = at
        self.code = code
        self.status = status
        self.retry_after_s = retry_after_s
        self.request_id = request_id
        self.native = native

    @property
    def http_status(self) -> int:
        """The status this failure has toward a client."""
        return STATUS[self.kind]

    def __repr__(self) -> str:
        where = f" at {self.at}" if self.at else ""
        return f"Failure({self.kind}, {self.source}, {self.retry}: {self.message}{where})"


def invalid(message: str, at: str, *, code: str | None = None) -> Failure:
    """Return the failure of a client's own request: 400, with the JSON path of the fault."""
    return Failure(Kind.INVALID, message, source=Source.CLIENT, at=at, code=code)


def unsupported(message: str, at: str) -> Failure:
    """Return the refusal of something no honest translation exists for: 400, naming the field."""
    return Failure(Kind.UNSUPPORTED, message, source=Source.CLIENT, retry=Retry.NEXT, at=at)


def malformed(message: str) -> Failure:
    """Return the failure of a provider whose answer cannot be read: 502; another may do better."""
    return Failure(Kind.UPSTREAM, message, source=Source.UPSTREAM, retry=Retry.NEXT)


def truncated(message: str = "the provider closed the stream before its end") -> Failure:
    """Return the failure of an answer that stopped without its terminator: 502."""
    return Failure(Kind.TRUNCATED, message, source=Source.UPSTREAM, retry=Retry.NEXT)
