"""Failure + attempt -> again, next or stop.

Only ever asked before the commit point: once a byte has left, nothing is tried again.

``again`` is for a fault that is likely gone a moment later (a reset connection, a 5xx): once per
target, after a short random pause. A provider that asks to wait (429, Retry-After) is not asked again
here: another target may answer now, and if there is none the client is told how long to wait.
"""

from __future__ import annotations

from typing import Literal

from dragoman.core.failure import Failure, Kind, Retry

Verdict = Literal["again", "next", "stop"]

TRIES_PER_TARGET = 2
PAUSE_S = 0.2
"""The pause before a second try is drawn evenly from 0 to this many seconds."""


def decide(failure: Failure, *, tries: int, more: bool) -> Verdict:
    """Say what to do after `failure`.

    Args:
        failure: What the attempt ended in.
        tries: How often this target was asked so far, this time included.
        more: Whether another target is left.
    """
    if failure.retry is Retry.NEVER:
        return "stop"
    if failure.retry is Retry.AGAIN and tries < TRIES_PER_TARGET and not _waits(failure):
        return "again"
    return "next" if more else "stop"


def _waits(failure: Failure) -> bool:
    return failure.kind is Kind.RATE_LIMITED or failure.retry_after_s is not None
