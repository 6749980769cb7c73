"""What the sinks that write records down say alike: times, totals, and text that UTF-8 can have."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from dragoman.sinks import Rated, Telling
from dragoman.store import Meters
from dragoman.store.budgets import Alert


class Tokens(msgspec.Struct, frozen=True):
    """Totals of a row's counters. ``cached`` is a part of ``read``, ``reasoning`` of ``wrote``."""

    read: int
    cached: int
    wrote: int
    reasoning: int


def tokens(meters: Meters) -> Tokens:
    """Return the totals of counters that do not overlap."""
    cached = meters.cache_read + meters.cache_write + meters.cache_write_long
    return Tokens(
        read=meters.input + cached + meters.audio_input,
        cached=cached,
        wrote=meters.output + meters.reasoning + meters.audio_output,
        reasoning=meters.reasoning,
    )


def dollars(meters: Meters) -> float | None:
    """Return what something cost; None: nobody knows."""
    return None if meters.cost_micros is None else meters.cost_micros / 1_000_000


def instant(at: float) -> str:
    """Return Unix seconds as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def valid(text: str) -> str:
    """Return text as UTF-8 can have it: half a character becomes U+FFFD, two halves their whole."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def weight(record: Telling) -> int:
    """Return about how much memory a record's words take."""
    if isinstance(record, Rated):
        return len(record.feedback)
    if isinstance(record, Alert):
        return 0
    return len(record.prompt or "") + len(record.response or "")
