r"""Exchanges as points in line protocol, the text that InfluxDB and its relatives take.

    llm_request,cached=false,key=alice,model=...,provider=...,status=200,stream=true
        prompt_tokens=12i,completion_tokens=48i,cost_usd=0.000153,latency_ms=812.402,... 1732190400123456789

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/ (read 2026-11-21): in a tag's value a
comma, an equals sign and a space are escaped with a backslash, a line break cannot be written at all, and no
value is empty. Of a backslash that stands before one of those, or at the end, servers do not agree what it
means (InfluxDB 1.6.7 refuses ``a\\`` at the end of a tag); so a name never has one: what cannot be written
is ``_``, an empty name is ``none``.

**Two points never share a time.** Points of one series with one timestamp are one point, the later replaces
the earlier (same page, "Duplicate points"), and a busy gateway begins many exchanges of one series in one
millisecond. A point's time is the millisecond its exchange began in, and below that six digits that are
made of the exchange's id: they order nothing, they tell apart, and they are the same however often the point
is sent. Where two of one process meet all the same, the second moves on by a nanosecond; two of
different processes meet once in a million such pairs.

**Series are bounded** whatever clients ask for: a model's name is told once a model of it answered, or if it
is configured; until then it is ``other``.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable

from dragoman.sinks.telling import dollars, tokens
from dragoman.store import ExchangeRow

MEASUREMENT = b"llm_request"

LONGEST = 200
"""Characters of a name that are told."""

REMEMBERED = 20_000
"""Points whose time is remembered, so that no other of the series takes it."""

OTHER, NONE = "other", "none"

UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\\]")
SPECIAL = re.compile(r"[,= ]")


class Points:
    """Makes points of exchanges.

    Args:
        known: Says whether somebody configured a model of this name.
    """

    def __init__(self, known: Callable[[str], bool] = lambda _: False) -> None:
        self._known = known
        self._times: OrderedDict[tuple[bytes, int], None] = OrderedDict()

    def line(self, row: ExchangeRow) -> bytes:
        """Return the point of an exchange, with its line break."""
        series = self._series(row)
        return b"%s %s %d\n" % (series, _fields(row), self._time(series, row))

    def _series(self, row: ExchangeRow) -> bytes:
        """Return measurement and tags; sorted by name, which is what a server likes best."""
        tags = {
            "cached": _yes(row.cached),
            "key": row.key,
            "model": self._model(row),
            "provider": row.provider or "",
            "status": str(row.status or 0),
            "stream": _yes(row.stream),
        }
        told = "".join(f",{name}={escaped(value)}" for name, value in tags.items())
        return MEASUREMENT + told.encode("utf-8", "replace")

    def _model(self, row: ExchangeRow) -> str:
        model = row.answered_model or row.model
        answered = row.provider is not None and (row.cached or row.first_event_ms is not None)
        return model if answered or self._known(model) or self._known(row.model) else OTHER

    def _time(self, series: bytes, row: ExchangeRow) -> int:
        """Return a time in nanoseconds that no other point of the series has."""
        digits = int.from_bytes(hashlib.sha256(row.id.encode()).digest()[:8], "big") % 1_000_000
        at = int(row.opened_at * 1000) * 1_000_000 + digits
        while (series, at) in self._times:
            at += 1
        self._times[series, at] = None
        if len(self._times) > REMEMBERED:
            self._times.popitem(last=False)
        return at


def escaped(name: str) -> str:
    """Return `name` as a tag's value has it."""
    return SPECIAL.sub(r"\\\g<0>", UNWRITABLE.sub("_", name[:LONGEST])) or NONE


def _fields(row: ExchangeRow) -> bytes:
    """Return what was measured; what nobody knows is left out, and never 0."""
    counted, cost = tokens(row.meters), dollars(row.meters)
    told = [f"prompt_tokens={counted.read}i", f"completion_tokens={counted.wrote}i"]
    if cost is not None:
        told.append(f"cost_usd={cost:.6f}")
    if row.latency_ms is not None:
        told.append(f"latency_ms={row.latency_ms:.3f}")
    if row.first_event_ms is not None:
        told.append(f"ttft_ms={row.first_event_ms:.3f}")
    told.append(f"chunks={row.chunks}i")
    if (pace := _pace(row, counted.wrote)) is not None:
        told.append(f"tokens_per_s={pace:.3f}")
    told.append(f"fallback={_yes(row.fallback)}")
    return ",".join(told).encode()


def _pace(row: ExchangeRow, wrote: int) -> float | None:
    """Return tokens a second: of a stream from its first piece on, of a whole answer from the request on."""
    if row.latency_ms is None or row.cached or not wrote:
        return None
    lasted_ms = row.latency_ms - (row.first_event_ms or 0.0 if row.stream else 0.0)
    return wrote * 1000 / lasted_ms if lasted_ms > 0 else None


def _yes(value: bool) -> str:  # noqa: FBT001  it is what is written
    return "true" if value else "false"
