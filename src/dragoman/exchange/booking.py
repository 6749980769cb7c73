"""What an exchange is in the ledger: as it opens, and as it ends.

Tokens the provider counted are booked as counted. Where it could not (the answer was cut short, by
the client or by a fault), what it told at the start stands, the rest is estimated from the text that
passed, and the row says so. Where nothing is known the cost is unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dragoman.core.failure import Failure
from dragoman.core.request import Request, plain_text
from dragoman.core.usage import COUNTERS, Micros, Usage
from dragoman.exchange.estimates import tokens_in
from dragoman.exchange.life import Attempt, Exchange, Relayed
from dragoman.providers.prices import booked
from dragoman.providers.tokens import count
from dragoman.providers.transport import STALE
from dragoman.sinks import Record
from dragoman.store import AttemptRow, Counted, ExchangeRow, Meters

NOTHING = Meters(cost_micros=0)

LONGEST = 2000
"""Characters of a name or a message that are booked: a client's, or a provider's, may have millions."""

UNSENT = ("upstream_unreachable", "upstream_tls", "invalid_header", STALE, "store_unavailable")
"""Codes of failures in which no request left, or none that anybody read."""


def exchange_row(ex: Exchange, at: float | None = None, rows: Sequence[AttemptRow] = ()) -> ExchangeRow:
    """Return the exchange's ledger row: as it opens, or (`at`, `rows`) as it ends."""
    asked, last = ex.asked, ex.answering
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
        team=ex.account.team if ex.account else "",
        user=ex.account.user if ex.account else "",
        route=_route(ex),
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
        cached=ex.replayed is not None,
        fallback=ex.fallback and ex.failure is None,
        chunks=last.chunks if last else 0,
        counted=_counted(ex, last),
        saved_micros=_saved(ex),
        course=tuple(ex.course),
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
    meters, price = _priced(ex, attempt)
    return msgspec.structs.replace(
        row,
        state="failed" if failure else ex.state,
        settled_at=at,
        status=failure.status if failure else attempt.answer.status if attempt.answer else None,
        failure=str(failure.kind) if failure else None,
        message=failure.message[:LONGEST] if failure else None,
        upstream_id=attempt.answer.upstream_id if attempt.answer else failure.request_id if failure else None,
        first_event_ms=(attempt.first_at - ex.began) * 1000 if attempt.first_at else None,
        price=price,
        tier=attempt.folder.usage.tier if attempt.folder.usage else "",
        meters=meters,
    )


def used_so_far(ex: Exchange) -> Usage | None:
    """Return the tokens of whoever answers, as they would be booked now; None: nobody has begun to."""
    last = ex.answering
    return _used(ex, last)[0] if last is not None and last.folder.begun else None


def cost_so_far(ex: Exchange) -> int | None:
    """Return what all attempts have cost until now, in micro-dollars; None: nobody knows."""
    return _sum([_meters(ex, attempt) for attempt in ex.attempts]).cost_micros


def spent_before(ex: Exchange) -> int:
    """Return what the attempts before the present one have cost, as far as anybody knows; for good.

    What was held for them, which bounds an estimate, is forgotten as the next one is paid for.
    """
    for attempt in ex.attempts[:-1]:
        attempt.priced = _priced(ex, attempt)
    return sum(_meters(ex, attempt).cost_micros or 0 for attempt in ex.attempts[:-1])


def record(ex: Exchange, row: ExchangeRow) -> Record:
    """Return what the sinks are told; with its words only where they are to be logged."""
    asked, account = ex.asked, ex.account
    if not isinstance(asked, Request) or account is None:
        return Record(row)
    wanted = ex.live.words(ex.door.name) if account.text is None else account.text
    if not wanted:
        return Record(row)
    last = ex.answering
    said = [choice.parts for choice in last.folder.response().choices] if last else []
    return Record(row, _conversation(asked), "\n".join(map(plain_text, said)))


def _conversation(asked: Request) -> str:
    """Return a request's words: one prompt as it is, of a conversation each turn with who said it."""
    words = [(message.role, plain_text(message.parts)) for message in asked.messages]
    return words[0][1] if len(words) == 1 else "\n".join(f"{role}: {text}" for role, text in words)


def _route(ex: Exchange) -> str:
    """Return the configuration's name for what was asked, where it has one."""
    return ex.route.name if ex.route is not None and ex.route.name in ex.live.table.routes else ""


def _saved(ex: Exchange) -> int | None:
    """Return what the answer would have cost, had it not been recorded; None: nobody knows."""
    if ex.replayed is None:
        return 0
    return booked(_used(ex, ex.replayed)[0], ex.replayed.quote)[0]


def _counted(ex: Exchange, last: Attempt | None) -> Counted:
    """Return who counted the tokens of the attempt that answered."""
    if last is None or not last.folder.begun or ex.task == "count":
        return ""
    return _used(ex, last)[1]


def _meters(ex: Exchange, attempt: Attempt) -> Meters:
    return _priced(ex, attempt)[0]


def _priced(ex: Exchange, attempt: Attempt) -> tuple[Meters, str]:
    """Return what one attempt consumed, what that costs, and by whose price; "" by nobody's."""
    if attempt.priced is not None:
        return attempt.priced
    if not attempt.folder.begun:
        if _unasked(attempt.failure) or ex.task == "count":
            return NOTHING, ""
        hold = ex.hold
        if hold is None or not hold.hard:
            return Meters(), ""
        # It was asked and never answered. A budget must not be spent on by what nobody counts.
        usage = Usage(input=hold.read, estimated=True)
    else:
        usage, _ = _used(ex, attempt)
    spent, price = booked(usage, attempt.quote)
    hold = ex.hold
    if hold is not None and hold.hard:
        if spent is None and attempt.quote.price is not None:
            # It was served as something that has no price, and nobody asked for: all that was held for it.
            spent, price = Micros(hold.present), attempt.quote.version
        elif spent is not None and usage.estimated:
            spent = Micros(hold.at_most(spent))  # what its provider was told to stop at, our count may pass
    counters = {name: getattr(usage, name) for name in COUNTERS}
    return Meters(**counters, estimated=usage.estimated, cost_micros=spent), price


def _used(ex: Exchange, attempt: Attempt) -> tuple[Usage, Counted]:
    """Return the tokens of an attempt that answered, and who counted them."""
    folder, asked, model = attempt.folder, ex.asked, attempt.target.model
    usage = folder.usage or Usage()
    told = usage.total or usage.cost is not None  # zeros are no count, and a search has no tokens
    if folder.ended and told:
        counted = usage.native is not None or not usage.estimated  # else what it counted is not all of it
        return usage, "provider" if counted else "heuristic"
    wrote, how = count(model, folder.written)
    read = 0
    if not usage.total_input and asked is not None and not isinstance(asked, Relayed):
        read, how = tokens_in(asked, model)
    more = Usage(input=read, output=max(0, wrote - usage.total_output), cost=None, estimated=True)
    return usage + more, how


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
