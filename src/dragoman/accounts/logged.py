"""The log of requests in JSON and as a table: what pages, programs and the command line are shown of it.

Names are those of ``/v1/exchanges/{id}``. What is unknown is null, never 0; money is US dollars, times are
Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from dragoman.accounts.costing import CostLine
from dragoman.accounts.course import Span
from dragoman.accounts.figures import Cell, iso, table, tenth, usd
from dragoman.accounts.requests import Running, Told
from dragoman.core.extras import Json
from dragoman.core.usage import COUNTERS, Usage
from dragoman.store.ledger import AttemptRow, ExchangeRow, Meters
from dragoman.store.requests import Page

FIELDS = (
    *("id", "request_id", "key", "team", "user", "dialect", "task", "model", "answered_model", "provider"),
    *("route", "state", "status", "stream", "cached", "fallback", "attempts", "chunks", "counted", "stop"),
)
"""What is told of a row as it is."""

HEAD = (
    *("opened_at", "id", "request_id", "key", "team", "user", "dialect", "task", "model", "answered_model"),
    *("provider", "route", "state", "status", "failure", "stream", "cached", "fallback", "attempts"),
    *("input_tokens", "cached_tokens", "output_tokens", "estimated", "cost_usd", "saved_usd"),
    *("first_event_ms", "latency_ms", "losses", "message"),
)
"""The columns of a table."""


def page(found: Page) -> dict[str, Json]:
    """Return a page."""
    return {
        "requests": [row(one) for one in found.rows],
        "next": found.next,
        "total": found.total,
        "at_most": found.at_most,
        "looked": {"rows": found.looked, "from": found.looked_since, "to": found.looked_until},
    }


def row(found: ExchangeRow) -> dict[str, Json]:
    """Return a row of a list."""
    return {
        **{name: getattr(found, name) for name in FIELDS},
        "losses": list(found.losses),
        **course(found),
        "latency_ms": tenth(found.latency_ms),
        "saved_usd": usd(found.saved_micros),
    }


def told(found: Told) -> dict[str, Json]:
    """Return all there is to know of a request."""
    rating = found.rating
    return {
        **row(found.row),
        "attempts": [_attempt(one) for one in found.attempts],
        "lost": [{"how": one.how, "what": one.what, "words": one.words} for one in found.losses],
        "rating": None if rating is None else {"rating": rating.rating, "feedback": rating.feedback or None},
        "spans": [_span(one) for one in found.spans],
        "cost_lines": [_line(one) for one in found.lines],
        "words": {
            "prompt": found.words.prompt,
            "response": found.words.response,
            "why": found.words.why or None,
        },
        "replay": found.replay,
    }


def running(found: Running) -> dict[str, Json]:
    """Return an exchange under way."""
    live, progress = found.live, found.progress
    last = live.attempts[-1] if live.attempts else None
    return {
        **{name: getattr(live.row, name) for name in ("id", "request_id", "key", "team", "user")},
        **{name: getattr(live.row, name) for name in ("dialect", "task", "model", "route", "stream")},
        "opened_at": live.row.opened_at,
        "age_s": round(found.age_s, 3),
        "attempts": len(live.attempts),
        "provider": last.provider if last else live.row.provider,
        "target": last.model if last else None,
        "held_usd": usd(live.held_micros) if live.held_micros else None,
        "here": progress is not None,
        "chunks": progress.chunks if progress else None,
        "tokens": progress.tokens if progress else None,
        "cost_usd": usd(progress.cost_micros) if progress else None,
    }


def csv_of(rows: Iterable[ExchangeRow], *, head: bool = True) -> str:
    """Return rows as lines of a table, under its head; what a spreadsheet would run as a formula is text."""
    lines = table(HEAD, [_cells(one) for one in rows])
    return lines if head else lines.partition("\r\n")[2]


def _cells(found: ExchangeRow) -> list[Cell]:
    usage = counted(found.meters)
    known = found.state != "reserved"
    told: dict[str, Cell] = {
        **{name: getattr(found, name) for name in FIELDS},
        "opened_at": iso(found.opened_at),
        "failure": found.failure,
        "input_tokens": usage.total_input if known else None,
        "cached_tokens": usage.cached if known else None,
        "output_tokens": usage.total_output if known else None,
        "estimated": found.meters.estimated,
        "cost_usd": usd(found.meters.cost_micros) if known else None,
        "saved_usd": usd(found.saved_micros),
        "first_event_ms": tenth(found.first_event_ms),
        "latency_ms": tenth(found.latency_ms),
        "losses": " ".join(found.losses),
        "message": found.message,
    }
    return [told[name] for name in HEAD]


def _attempt(found: AttemptRow) -> Json:
    names = ("number", "provider", "model", "state", "status")
    more = {"tier": found.tier or None, "price": found.price or None, "upstream_id": found.upstream_id}
    return {**{name: getattr(found, name) for name in names}, **course(found), **more}


def course(found: ExchangeRow | AttemptRow) -> dict[str, Json]:
    """Return what exchanges and attempts have in common: when, how it failed, what it took."""
    known = found.state != "reserved"
    return {
        "opened_at": found.opened_at,
        "settled_at": found.settled_at,
        "first_event_ms": tenth(found.first_event_ms),
        "usage": _tokens(found.meters) if known else None,
        "cost_usd": usd(found.meters.cost_micros) if known else None,
        "failure": found.failure,
        "message": found.message,
    }


def counted(meters: Meters) -> Usage:
    """Return what was counted, with its totals."""
    return Usage(**{name: getattr(meters, name) for name in COUNTERS})


def _tokens(meters: Meters) -> Json:
    """Return tokens; null where nobody knows even whether there were any."""
    usage = counted(meters)
    if not usage.total and meters.cost_micros is None:
        return None
    return {
        "input_tokens": usage.total_input,
        "cached_tokens": usage.cache_read,
        "output_tokens": usage.total_output,
        "reasoning_tokens": usage.reasoning,
        "total_tokens": usage.total,
        "estimated": meters.estimated,
    }


def _span(found: Span) -> Json:
    return {
        "name": found.name,
        "start_ms": round(found.start_ms, 3),
        "end_ms": None if found.end_ms is None else round(found.end_ms, 3),
        "attempt": found.attempt,
        "target": found.target or None,
        "first": found.first,
        "fault": found.fault or None,
    }


def _line(found: CostLine) -> Json:
    return {
        "attempt": found.attempt,
        "meter": found.meter,
        "tokens": found.tokens,
        "usd_per_million": _exact(found.rate) if found.tokens is not None else None,
        "cost_usd": None if found.micros is None else _exact(found.micros / 1_000_000),
        "why": found.why or None,
    }


def _exact(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
