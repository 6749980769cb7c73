"""What is tried after a failure, before the commit point."""

from __future__ import annotations

import pytest

from dragoman.core.failure import Failure, Kind, Retry
from dragoman.routing.retry import Verdict, decide


@pytest.mark.parametrize(
    ("kind", "retry", "after_s", "tries", "more", "verdict"),
    [
        (Kind.INVALID, Retry.NEVER, None, 1, True, "stop"),
        (Kind.CONTEXT_LENGTH, Retry.NEXT, None, 1, True, "next"),
        (Kind.CONTEXT_LENGTH, Retry.NEXT, None, 1, False, "stop"),
        (Kind.UPSTREAM, Retry.AGAIN, None, 1, True, "again"),
        (Kind.UPSTREAM, Retry.AGAIN, None, 1, False, "again"),
        (Kind.UPSTREAM, Retry.AGAIN, None, 2, True, "next"),
        (Kind.UPSTREAM, Retry.AGAIN, None, 2, False, "stop"),
        (Kind.RATE_LIMITED, Retry.AGAIN, None, 1, True, "next"),
        (Kind.RATE_LIMITED, Retry.AGAIN, 3.0, 1, False, "stop"),
        (Kind.OVERLOADED, Retry.AGAIN, 3.0, 1, True, "next"),
    ],
)
def test_decide(
    kind: Kind, retry: Retry, *, after_s: float | None, tries: int, more: bool, verdict: Verdict
) -> None:
    """A fault of the moment is tried once more here; one that asks to wait goes elsewhere."""
    failure = Failure(kind, "x", retry=retry, retry_after_s=after_s)
    assert decide(failure, tries=tries, more=more) == verdict
