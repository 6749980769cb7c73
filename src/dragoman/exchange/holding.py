"""Room and money in the line: taken before anything is spent, more of it as the answer grows, cut at the cap.

    enter      one request, and a place, of its key                     on admission
    book       tokens and money, with the attempt's ledger rows         before each attempt
    covered    what is paid for of each batch of an answer              while it comes
    leave      its place, to others                                     before the end is told
    let_go     the truth in the place of estimates                      however it ends

What runs under a hard budget may never cost more than what is held for it. So its answer is asked for as a
stream, also where the client waits for the whole: what is held begins at what such answers usually take, is
raised while more comes, and where that is refused the answer is cut, before a word is told that nobody
pays for, and stops for its length. Where an answer can only be had whole, all it may take is held.

Whether there is money the store decides, in the transaction that writes the request's rows; how much is
asked for is reckoned in ``hold.py``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from dragoman.accounts.estimate import Rates, may_serve, sounds
from dragoman.core.events import Close, End, Event, Open, Stop
from dragoman.core.extras import Loss
from dragoman.core.failure import Failure, Kind, Retry, Source
from dragoman.core.request import Request, ToolCall
from dragoman.core.tasks import Asked
from dragoman.core.usage import COUNTERS, Usage
from dragoman.exchange.booking import attempt_row, exchange_row, spent_before
from dragoman.exchange.estimates import reckoned, units_of
from dragoman.exchange.hold import AHEAD, LEAST, Hold, text_of
from dragoman.exchange.life import Attempt, Exchange, Relayed
from dragoman.routing import Target
from dragoman.store import Meters
from dragoman.store.budgets import Claim, Short

WHOLE = frozenset(
    {"audio", "logprobs", "modalities", "responseLogprobs", "response_logprobs", "top_logprobs"}
)
"""What only a whole answer brings whole to a client that asks for one."""

TRIES, PAUSE_S = 4, 0.02
"""How often, and after how long, a request asks once more: who has been answered is booked a moment later."""

WAITS, WAIT_S = 20, 0.1
"""How often, and after how long, an answer asks once more for money that others hold."""


async def enter(ex: Exchange) -> None:
    """Count a request, and give it a place, under the limits of its key.

    Raises:
        Failure: RATE_LIMITED.
    """
    assert ex.account is not None
    limits = ex.services.limits
    ex.stay = limits.stay(ex.account, ex.id)
    await limits.enter(ex.stay)


async def leave(ex: Exchange) -> None:
    """Give a request's places to others before its end is told: who hears it may ask again at once."""
    if ex.stay is not None:
        await ex.services.limits.leave(ex.stay)


async def book(ex: Exchange, attempt: Attempt) -> None:
    """Open an attempt's rows, with room and money for it; when this returns, they survive a crash.

    Raises:
        Failure: RATE_LIMITED, there is no room, or others hold what is left of a budget; EXHAUSTED, a budget
            is used up; FORBIDDEN, nobody knows what it would cost. Nothing is written then.
    """
    hold = ex.hold = _hold(ex, attempt)
    if hold.hard:
        _aim(ex, hold, attempt)
    await _reserve(ex, attempt)
    if not hold.hard:
        await _written(ex, attempt, Claim(0, hold.shares) if hold.shares else None)
        return
    tries = 0
    while True:
        claim = hold.claim()
        short = await _written(ex, attempt, claim if hold.shares else None)
        if short is None:
            hold.grant(claim)
            return
        room = _cap(short) - short.spent_micros
        if hold.share(room - short.held_micros) or (claim.micros > room and hold.narrow(room)):
            continue
        tries += 1
        if hold.least().micros <= room and tries <= TRIES:
            await ex.services.pause(PAUSE_S)
            continue
        ex.unpaid = True
        raise ex.services.budgets.refusal(short, hold.least(), ex.services.now(), account=ex.account)


def streamed(ex: Exchange, asked: Request) -> Request:
    """Return what a provider is asked: a stream where it may have to be cut, and no more than is paid for."""
    hold = ex.hold
    if hold is None or not hold.hard:
        return asked
    most = asked.max_output
    if hold.told and hold.bound is not None:
        most = max(1, hold.bound // (asked.candidates or 1))
    stream, tier = asked.stream or not _whole(asked), asked.tier or hold.tier
    return msgspec.structs.replace(asked, stream=stream, max_output=most, tier=tier)


async def covered(ex: Exchange, attempt: Attempt, batch: list[Event]) -> list[Event]:
    """Return the events of an answer that are paid for; the answer ends with them where not all are."""
    hold = ex.hold
    if hold is None or not hold.hard or attempt.folder.ended or attempt is ex.replayed:
        return batch
    text = "".join(map(text_of, batch))
    written = hold.written.with_(text) if text else hold.written
    if hold.pays(written.most) or hold.pays(written.tokens) or await _raised(ex, hold, written.tokens):
        hold.written = written
        hold.follow(batch)
        return batch
    return await _cut(ex, hold, attempt, batch, seen=written.tokens)


async def let_go(ex: Exchange, meters: Meters) -> None:
    """Let what was used take the place of what was taken, and learn from it."""
    stay, last = ex.stay, ex.answering
    if stay is not None:
        if ex.unpaid:
            await ex.services.limits.refund(stay)
        else:
            used = sum(getattr(meters, name) for name in COUNTERS)
            await ex.services.limits.settle(stay, used if ex.attempts else 0)
    if last is None or last is ex.replayed or not last.folder.ended or isinstance(ex.asked, Relayed):
        return
    usage = last.folder.usage
    if usage is None or usage.estimated or not isinstance(ex.asked, Request):
        return
    sizes, target = ex.services.sizes, last.target
    if last.folder.reason != "length":
        sizes.learn(target.provider, target.model, usage.total_output, candidates=ex.asked.candidates or 1)
    if ex.reckoned is not None:
        sizes.compare(target.provider, target.model, ex.reckoned, usage.total_input)


async def _reserve(ex: Exchange, attempt: Attempt) -> None:
    """Take tokens, and what the target's own limits ask."""
    assert ex.stay is not None
    assert ex.asked is not None
    limits, target = ex.services.limits, attempt.target
    tokens, asked = 0, ex.asked.model
    if limits.weighs(ex.stay, provider=target.provider, model=target.model, asked=asked):
        tokens = _expected(ex, target) + _reckoned(ex, target.model)
    await limits.reserve(ex.stay, tokens, provider=target.provider, model=target.model, asked=asked)


def _hold(ex: Exchange, attempt: Attempt) -> Hold:
    """Return the money of an exchange, with every budget that its targets so far count in."""
    assert ex.account is not None
    assert ex.asked is not None
    before = ex.hold
    if ex.task == "count":
        return before or Hold()
    target = attempt.target
    models = tuple(dict.fromkeys((ex.asked.model, target.model, str(target))))
    shares = ex.services.budgets.shares(ex.account, models, at=ex.opened_at)
    if before is None:
        return Hold(shares, ex.most)
    counted = {(share.budget, share.subject): share for share in (*shares, *before.shares)}
    before.shares = tuple(counted.values())
    return before


def _reckoned(ex: Exchange, model: str) -> int:
    """Return about how many tokens the request is read as; reckoned once, for reckoning takes time."""
    if ex.reckoned is None:
        asked = ex.asked
        ex.reckoned = 0 if asked is None or isinstance(asked, Relayed) else reckoned(asked, model)
    return ex.reckoned


def _expected(ex: Exchange, target: Target) -> int:
    """Return how many tokens an answer usually has at most, and no more than it may."""
    asked = ex.asked
    if not isinstance(asked, Request):
        return 0
    bound = _bound(ex, asked, target)
    expected = ex.services.sizes.expect(target.provider, target.model) * (asked.candidates or 1)
    return expected if bound is None else min(expected, bound)


def _bound(ex: Exchange, asked: Request, target: Target) -> int | None:
    """Return how many tokens an answer may have, all candidates together; None: nobody knows."""
    row = ex.live.catalog.find_model(target.provider, target.model)
    limits = (asked.max_output, row.max_output if row is not None else None)
    known = [most for most in limits if most is not None]
    return min(known) * (asked.candidates or 1) if known else None


def _aim(ex: Exchange, hold: Hold, attempt: Attempt) -> None:
    """Reckon what an attempt may cost.

    Raises:
        Failure: FORBIDDEN, nobody knows; EXHAUSTED, it is more than the client would pay.
    """
    asked, target, price = ex.asked, attempt.target, attempt.quote.price
    if price is None or asked is None or isinstance(asked, Relayed):
        raise _unpriced(target, relayed=isinstance(asked, Relayed))
    tiers = _tiers(ex, asked)
    chosen = "priority" if isinstance(asked, Request) and asked.tier == "auto" else None
    for name in tiers:
        if name != chosen and price.served(name) is None:
            raise _unpriced(target, tier=name)
    # Where nothing is asked for, it is the project's setting at OpenAI, and that may be the dear one.
    hold.tier = "default" if "priority" in price.tiers else None
    read = ex.services.sizes.reads(target.provider, target.model, _reckoned(ex, target.model))
    bound: int | None = 0
    hidden, least = False, LEAST
    if isinstance(asked, Request):
        bound = _bound(ex, asked, target)
        hidden = _thinks(ex, asked, target) or (_whole(asked) and not asked.stream)
        # One that is told to think so long before it says anything is refused by some with room for less.
        thought = asked.reasoning.budget if asked.reasoning is not None else None
        least = (LEAST + max(thought or 0, 0)) * (asked.candidates or 1)
    rates = Rates.of(price, read, sound=sounds(asked), units=units_of(asked), tiers=tiers)
    before = spent_before(ex)
    hold.aim(
        rates,
        model=target.model,
        before=before,
        read=read,
        bound=bound,
        expected=_expected(ex, target),
        hidden=hidden,
        least=least,
    )
    if hold.most is not None and hold.claim().micros > hold.most and not hold.narrow(hold.most):
        raise Failure(
            Kind.EXHAUSTED,
            f"this request would cost more than the ${hold.most / 1e6:.6f} that x-dragoman-max-cost allows",
            source=Source.CLIENT,
            code="max_cost_exceeded",
        )


def _thinks(ex: Exchange, asked: Request, target: Target) -> bool:
    """Say whether a model may think: what that takes is charged, and cannot be counted as it comes."""
    row = ex.live.catalog.find_model(target.provider, target.model)
    if row is not None:
        return row.reasoning != "none"
    return asked.reasoning is not None and asked.reasoning.enabled is not False


def _tiers(ex: Exchange, asked: Asked) -> tuple[str, ...]:
    """Return the tiers that may be served, but for those that the way to this target has dropped."""
    lost = {loss.at for loss in ex.losses}
    if "tier" in lost and isinstance(asked, Request):
        asked = msgspec.structs.replace(asked, tier=None)
    return () if "speed" in lost else may_serve(asked)


async def _written(ex: Exchange, attempt: Attempt, claim: Claim | None) -> Short | None:
    """Write an attempt's rows; return why its claim was not granted, if so."""
    ledger, row = ex.services.ledger, attempt_row(ex, attempt)
    if attempt.number == 1:
        return await ledger.open(exchange_row(ex), row, claim)
    return await ledger.next(row, claim)


async def _raised(ex: Exchange, hold: Hold, tokens: int) -> bool:
    """Hold more, so that `tokens` are paid for, or as many of them as can be; return whether all are."""
    wanted = hold.wanted(tokens)
    for tries in range(WAITS):
        claim = hold.claim(wanted)
        short = None
        if claim.micros > hold.micros and hold.shares:
            short = await ex.services.ledger.claim(ex.id, claim)
        if short is None:
            hold.grant(claim, wanted)
            return hold.pays(tokens)
        room = _cap(short) - short.spent_micros
        free = hold.worth(room - short.held_micros)
        if free < tokens + AHEAD <= hold.worth(room) and tries + 1 < WAITS:
            await ex.services.pause(WAIT_S)  # others hold it, and may need less
        else:
            wanted = min(wanted, free)
    return False


async def _cut(ex: Exchange, hold: Hold, attempt: Attempt, batch: list[Event], *, seen: int) -> list[Event]:
    """End an answer where what is held ends; what was seen of it is charged, if not told."""
    told: list[Event] = []
    for event in batch:
        written = hold.written.with_(text_of(event))
        if not hold.pays(written.tokens):
            break
        hold.written = written
        told.append(event)
    if told and isinstance(told[-1], Open) and isinstance(told[-1].part, ToolCall):
        told.pop()  # else it would look like a call that has no arguments
    hold.follow(told)
    attempt.batches = _nothing()
    if attempt.answer is not None:
        await attempt.answer.close()
    ex.losses[Loss("dropped", "answer", "the budget was used up before the answer was complete")] = None
    known = attempt.folder.usage or Usage()
    read = 0 if known.total_input else hold.read
    wrote = max(0, min(seen, hold.allowed) - known.total_output)
    usage = known + Usage(input=read, output=wrote, cost=None, estimated=True)
    told += [Close(index) for index in sorted(hold.parts)]
    told += [Stop("length", choice) for choice in sorted(hold.choices) or (0,)]
    return [*told, End(usage)]


async def _nothing() -> AsyncIterator[list[Event]]:
    """Yield nothing: what a cut answer has left."""
    return
    yield  # so that this is a generator


def _whole(asked: Request) -> bool:
    """Say whether an answer is asked for that only comes whole."""
    return asked.extras is not None and not WHOLE.isdisjoint(asked.extras.rest)


def _cap(short: Short) -> int:
    assert short.share.cap_micros is not None
    return short.share.cap_micros


def _unpriced(target: Target, *, relayed: bool = False, tier: str = "") -> Failure:
    what = "what passes through unread" if relayed else f"what {target} charges"
    if tier:
        what += f" for the tier {tier}"
    return Failure(
        Kind.FORBIDDEN,
        f"nobody knows beforehand what this would cost: {what} has no price, and this key has a budget"
        + (
            ""
            if relayed
            else "; the operator can set one: dragoman prices set, or default_input under [prices]"
        ),
        source=Source.GATEWAY,
        retry=Retry.NEXT,
        code="price_unknown",
    )
