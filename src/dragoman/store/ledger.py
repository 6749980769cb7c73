"""The ledger's rows: an exchange for each client request, an attempt for each upstream call."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["reserved", "settled", "cancelled", "failed", "interrupted"]


Counted = Literal["", "provider", "bpe", "heuristic"]


class Meters(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was counted: disjoint tokens (see core.usage), and integer micro-dollars or None."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_long: int = 0
    audio_input: int = 0
    output: int = 0
    reasoning: int = 0
    audio_output: int = 0
    estimated: bool = False
    cost_micros: int | None = None


class AttemptRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One upstream call. Times are Unix seconds; durations milliseconds.

    ``price``: by which price it was booked (``genai-prices 0.2.3``, ``operator 7``, ``provider``), or "".
    ``tier``: what the provider says it served it as (``flex``, ``priority``), in OpenAI's words, or "".
    """

    exchange_id: str
    number: int
    provider: str
    model: str
    opened_at: float
    state: State = "reserved"
    settled_at: float | None = None
    status: int | None = None
    failure: str | None = None
    message: str | None = None
    upstream_id: str | None = None
    first_event_ms: float | None = None
    price: str = ""
    tier: str = ""
    meters: Meters = Meters()


class ExchangeRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One client request.

    ``request_id`` is what the client sees (its own ``x-request-id`` if it sent a sane one);
    ``id`` is ours and unique. ``owner`` names the process that serves it, so that a later start can
    tell which open rows nobody will ever settle. ``cached``: answered from a recording, which costs
    nothing. ``fallback``: another model answered than the one asked for. ``chunks``: pieces the answer came
    in. ``counted``: who counted the tokens ("" while nobody has). ``team`` and ``user``: whose
    the key was then. ``route``: the route of the configuration it was asked by, or "". ``saved_micros``: what
    an answer that was recorded would have cost; None: nobody knows. ``course``: what it came past and
    when, in milliseconds from its beginning (:meth:`Exchange.passed <dragoman.exchange.Exchange.passed>`).
    """

    id: str
    request_id: str
    owner: str
    key: str
    dialect: str
    task: str
    model: str
    stream: bool
    opened_at: float
    state: State = "reserved"
    settled_at: float | None = None
    provider: str | None = None
    answered_model: str | None = None
    attempts: int = 1
    status: int | None = None
    failure: str | None = None
    message: str | None = None
    stop: str | None = None
    losses: tuple[str, ...] = ()
    first_event_ms: float | None = None
    latency_ms: float | None = None
    cached: bool = False
    fallback: bool = False
    chunks: int = 0
    counted: Counted = ""
    team: str = ""
    user: str = ""
    route: str = ""
    saved_micros: int | None = 0
    course: tuple[tuple[str, float], ...] = ()
    meters: Meters = Meters()
