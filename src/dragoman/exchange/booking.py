"""What an exchange is in the ledger: as it opens, and as it ends.

Tokens the provider counted are booked as counted. Where it could not (the answer was cut short, by
the client or by a fault), what it told at the start stands, the rest is estimated from the text that
passed, and the row says so. Where nothing is known the cost is unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dragoman.core.failure import Failure
from dragoman.core.request import Request
from dragoman.core.usage import COUNTERS, Usage, cost, micros
from dragoman.exchange.estimates import estimate, tokens_in
from dragoman.exchange.life import Attempt, Exchange, Relayed
from dragoman.store import AttemptRow, ExchangeRow, Meters

NOTHING = Meters(cost_micros=0)

LONGEST = 2000
"""Characters of a name or a message that are booked: a client's, or a provider's, may have millions."""

UNSENT = ("upstream_unreachable", "upstream_tls", "invalid_header")
"""Codes of the transport's failures in which no request left."""


def exchange_row(ex: Exchange, at: float | None = None, rows: Sequence[AttemptRow] = ()) -> ExchangeRow:
    """Return the exchange's ledger row: as it opens, or (`at`, `rows`) as it ends."""
    asked, last = ex.asked, ex.attempts[-1] if ex.attempts else None
    row = ExchangeRow(
        id=ex.id,
        request_id=ex.request_id,
        owner=ex.services.ledger.owner,
        key=ex.account.name if ex.account else "",
        dialect=ex.door.name,
        task=ex.task,
        model=asked.model[:LONGEST] if asked else "",
        stream=isinstance(asked, Request | Relayed) and asked.stream,
        opened_at=ex.opened_at,
        attempts=len(ex.attempts),
        provider=last.target.provider if last else None,
    )
    if at is None:
        return row
    return msgspec.structs.replace(
        row,
        state=ex.state,
        settled_at=at,
        answered_model=(last.folder.model or last.target.model)[:LONGEST] or None if last else None,
        status=_status(ex),
        failure=str(ex.failure.kind) if ex.failure else None,
        message=ex.failure.message[:LONGEST] if ex.failure else None,
        stop=last.folder.reason if last else None,
        losses=tuple(map(str, ex.losses)),
        first_event_ms=(last.first_at - ex.began) * 1000 if last and last.first_at else None,
        latency_ms=(ex.services.tick() - ex.began) * 1000,
        meters=_sum([row.meters for row in rows]),
    )


def attempt_row(ex: Exchange, attempt: Attempt, at: float | None = None) -> AttemptRow:
    """Return an attempt's ledger row: as it opens, or (`at`) as it ends."""
    target, failure = attempt.target, attempt.failure
    row = AttemptRow(
        exchange_id=ex.id,
        number=attempt.number,
        provider=target.provider,
        model=target.model[:LONGEST],
        opened_at=attempt.opened_at,
    )
    if at is None:
        return row
    return msgspec.structs.replace(
        row,
        state="failed" if failure else ex.state,
        settled_at=at,
        status=failure.status if failure else attempt.answer.status if attempt.answer else None,
        failure=str(failure.kind) if failure else None,
        message=failure.message[:LONGEST] if failure else None,
        upstream_id=attempt.answer.upstream_id if attempt.answer else failure.request_id if failure else None,
        first_event_ms=(attempt.first_at - ex.began) * 1000 if attempt.first_at else None,
        meters=_meters(ex, attempt),
    )


def _meters(ex: Exchange, attempt: Attempt) -> Meters:
    """Return what one attempt consumed, and what that costs at the target's price."""
    folder = attempt.folder
    if not folder.begun:
        return NOTHING if _unasked(attempt.failure) or ex.task == "count" else Meters()
    usage = folder.usage or Usage()
    if not folder.ended or folder.usage is None:
        asked = ex.asked
        read = 0 if usage.total_input or asked is None or isinstance(asked, Relayed) else tokens_in(asked)
        wrote = max(0, estimate(folder.written) - usage.total_output)
        usage = usage + Usage(input=read, output=wrote, cost=None, estimated=True)
    spent = cost(usage, ex.live.catalog.price(attempt.target.provider, attempt.target.model))
    counters = {name: getattr(usage, name) for name in COUNTERS}
    return Meters(**counters, estimated=usage.estimated, cost_micros=None if spent is None else micros(spent))


def _unasked(failure: Failure | None) -> bool:
    """Whether the provider surely did no work: it refused in words, or was never reached."""
    return failure is not None and (failure.status is not None or failure.code in UNSENT)


def _sum(meters: Sequence[Meters]) -> Meters:
    """Return the meters of all attempts; one unknown cost makes the sum unknown."""
    costs = [one.cost_micros for one in meters]
    known = [one for one in costs if one is not None]
    return Meters(
        **{name: sum(getattr(one, name) for one in meters) for name in COUNTERS},
        estimated=any(one.estimated for one in meters),
        cost_micros=sum(known) if len(known) == len(costs) else None,
    )


def _status(ex: Exchange) -> int:
    """Return the HTTP status the client was, or would have been, told."""
    if ex.failure is not None:
        return ex.status or ex.failure.http_status
    return 499 if ex.state == "cancelled" else ex.status or 200
