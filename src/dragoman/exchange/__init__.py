"""THE LINE: one request from admit to settle.

    admit -> read -> route -> ledger open -> attempts -> COMMIT -> deliver -> settle

A straight line, not an onion: the order below is the order of effects. Three rules carry it.

* **Durable before money.** The ledger's rows survive ``kill -9`` before the first upstream byte.
* **One commit point.** An attempt's first content is peeked; until then a fault may be retried or
  another target asked, silently. Once a byte has left for the client, a fault is told in the stream.
* **Settled exactly once, however it ends**: answered, refused, failed, or left by the client, whose
  leaving arrives here as a cancellation of the task. Cancellation closes the upstream socket at once.

The line knows no HTTP server: it takes a :class:`Call` and writes to an :class:`Out`. What it works on
is in ``life.py``; what it books is in ``booking.py``.
"""

from __future__ import annotations

import re
from asyncio import CancelledError

import msgspec

from dragoman.core.events import Choice, Event, Response, Start, Stop
from dragoman.core.extras import Loss
from dragoman.core.failure import Failure, Kind, malformed, unsupported
from dragoman.core.request import Request
from dragoman.core.tasks import Asked
from dragoman.dialects import Call, Dialect, Task, framing_of
from dragoman.exchange.booking import attempt_row, exchange_row
from dragoman.exchange.estimates import tokens_in
from dragoman.exchange.life import Attempt, Exchange, Out, Services, Snapshot
from dragoman.exchange.tasks import read, retell, tell
from dragoman.providers.upstream import Prepared, ask, prepare
from dragoman.routing import Route, Target, plan
from dragoman.routing.retry import PAUSE_S, decide

__all__ = ["Exchange", "Out", "Services", "Snapshot", "run"]


async def run(services: Services, door: Dialect, task: Task, call: Call, out: Out) -> None:
    """Serve one request; a refusal is told in the door's own dialect.

    Raises:
        CancelledError: The client left, or the process stops; everything is closed and booked.
    """
    ex = Exchange(services, door, task, _request_id(call))
    try:
        ex.account = services.admit(call)  # 1 who
        ex.asked = asked = read(door, task, call)  # 2 what, strictly
        ex.route = ex.live.table.resolve(asked.model, task)  # 3 where to
        strict = ex.route.strict or call.headers.get("x-dragoman-strict", "").lower() in ("1", "true")
        if isinstance(asked, Request) and task == "count":
            await _count(ex, asked, ex.route, out, strict=strict)
        elif isinstance(asked, Request) and not asked.messages:
            await _present(ex, asked, out)
        else:
            attempt = await _answered(ex, asked, ex.route, strict=strict)  # 4 plan, ledger, send, peek
            await _deliver(ex, asked, attempt, out)  # 5 COMMIT: the first byte leaves
        ex.state = "failed" if ex.failure else "settled"
    except Failure as failure:
        ex.failure, ex.state = failure, "failed"
        await out.reply(door.write_failure(failure), ex.headers())
    except CancelledError:
        ex.state = "settled" if out.over else "cancelled"
        raise
    except Exception as bug:  # the last resort: told with the request's id, never a silent 500
        services.complain(f"request {ex.request_id} failed on a bug", bug)
        ex.failure, ex.state = Failure(Kind.INTERNAL, f"internal error, request {ex.request_id}"), "failed"
        if out.begun:
            raise
        await out.reply(door.write_failure(ex.failure), ex.headers())
    finally:
        await _settle(ex)  # 6 usage, cost, ledger


async def _answered(ex: Exchange, asked: Asked, route: Route, *, strict: bool) -> Attempt:
    """Ask target after target until one begins to answer."""
    targets = list(plan(route))
    while True:
        target = targets[0]
        try:
            prepared = _prepared(ex, asked, target, strict=strict)
            assert prepared is not None
            return await _peek(ex, await _open(ex, target), prepared, asked)
        except Failure as failure:
            tries = sum(attempt.target == target for attempt in ex.attempts)
            verdict = decide(failure, tries=tries, more=len(targets) > 1)
            if verdict == "stop":
                raise
        if verdict == "again":
            await ex.services.pause(ex.services.chance() * PAUSE_S)
        else:
            targets.pop(0)


def _prepared(ex: Exchange, asked: Asked, target: Target, *, strict: bool) -> Prepared | None:
    """Write what is asked for one target, and note what that loses."""
    provider = ex.live.providers[target.provider]
    aimed = {"stream_usage": asked.stream} if isinstance(asked, Request) else {}
    prepared = prepare(
        msgspec.structs.replace(asked, model=target.model, **aimed),
        model=ex.live.catalog.find_model(target.provider, target.model),
        provider=provider,
        dialect=ex.live.dialects[provider.dialect],
        task=ex.task,
    )
    if prepared is not None:
        if strict and prepared.losses:
            lost = ", ".join(map(str, prepared.losses))
            raise unsupported(f"refused, because it was asked strictly: {target} cannot carry {lost}", "$")
        ex.losses = dict.fromkeys(prepared.losses)
    return prepared


async def _open(ex: Exchange, target: Target) -> Attempt:
    """Note an attempt in the ledger; when this returns, it survives a crash."""
    attempt = Attempt(len(ex.attempts) + 1, target, ex.services.now())
    ex.attempts.append(attempt)
    if attempt.number == 1:
        await ex.services.ledger.open(exchange_row(ex), attempt_row(ex, attempt))
    else:
        await ex.services.ledger.next(attempt_row(ex, attempt))
    return attempt


async def _peek(ex: Exchange, attempt: Attempt, prepared: Prepared, asked: Asked) -> Attempt:
    """Send, and wait for the first content: up to there a fault is still retried silently."""
    try:
        attempt.answer = await ask(ex.services.transport, prepared, ex.live.deadlines)
        if not isinstance(asked, Request):
            await tell(ex, attempt, prepared.dialect, asked)
        else:
            attempt.batches = attempt.answer.batches()
            while not attempt.held or isinstance(attempt.held[-1], Start):
                if not (batch := await _next(ex, attempt)):
                    raise malformed("the provider answered nothing")
                attempt.held += batch
    except Failure as failure:
        attempt.failure = failure
        if attempt.answer is not None:
            await attempt.answer.close()
        raise
    attempt.first_at = ex.services.tick()
    return attempt


async def _next(ex: Exchange, attempt: Attempt) -> list[Event]:
    """Return the next events of an answer, folded as they pass; none at its end."""
    assert attempt.batches is not None
    try:
        batch: list[Event] = await anext(attempt.batches, [])
    except Failure as failure:
        attempt.failure = failure
        raise
    for place, event in enumerate(batch):
        if isinstance(event, Start):
            # The provider need not give an id or a time; a client's dialect may want both.
            batch[place] = msgspec.structs.replace(
                event, id=event.id or ex.id, created_at=event.created_at or int(ex.opened_at)
            )
        attempt.folder.feed(batch[place])
    return batch


async def _deliver(ex: Exchange, request: Asked, attempt: Attempt, out: Out) -> None:
    """Write the answer in the client's dialect, as a stream or whole."""
    if not isinstance(request, Request):
        reply = retell(ex, attempt, request)
        ex.losses.update(dict.fromkeys(reply.losses))
        await out.reply(reply, ex.headers())
        return
    if not request.stream:
        while await _next(ex, attempt):
            pass
        reply = ex.door.write_answer(attempt.folder.response(), request)
        ex.losses.update(dict.fromkeys(reply.losses))
        await out.reply(reply, ex.headers())
        return
    writer = ex.door.writer(request)
    framing = framing_of(ex.door, writer)
    encode = framing.encode
    await out.start(framing.content_type, ex.headers(), writer.keepalive)
    batch = attempt.held
    try:
        while batch:
            frames = [frame for event in batch for frame in writer.feed(event)]
            if frames:
                await out.send(b"".join(map(encode, frames)))
            batch = await _next(ex, attempt)
    except Failure as failure:
        ex.failure = failure
        await out.send(b"".join(map(encode, writer.fail(failure))))
    ex.losses.update(dict.fromkeys(writer.losses))
    await out.send(b"", last=True)


async def _present(ex: Exchange, request: Request, out: Out) -> None:
    """Answer a request that says nothing: it only asks that the model be there (Ollama's load)."""
    nothing = Response(ex.id, request.model, (Choice((), Stop("end")),), created_at=int(ex.opened_at))
    await out.reply(ex.door.write_answer(nothing, request), ex.headers())


async def _count(ex: Exchange, request: Request, route: Route, out: Out, *, strict: bool) -> None:
    """Count input tokens where the target's protocol can, else estimate and say so."""
    target = next(plan(route))
    prepared = _prepared(ex, request, target, strict=strict)
    if prepared is None:
        ex.losses[Loss("approximated", "answer.input_tokens", "estimated from characters")] = None
        tokens = tokens_in(request)
    else:
        attempt = await _open(ex, target)
        try:
            attempt.answer = await ask(ex.services.transport, prepared, ex.live.deadlines)
            tokens = prepared.dialect.read_count(await attempt.answer.reply())
        except Failure as failure:
            attempt.failure = failure
            raise
    await out.reply(ex.door.write_counted(tokens), ex.headers())


async def _settle(ex: Exchange) -> None:
    """Close what is open and book what it cost.

    A request without a known key is not booked: a flood of them must not grow the ledger. The store
    writes what it was given even if this task is cancelled while it waits for the commit.
    """
    try:
        for attempt in ex.attempts:
            if attempt.answer is not None:
                await attempt.answer.close()
    finally:
        if ex.account is not None:
            at = ex.services.now()
            rows = [attempt_row(ex, attempt, at) for attempt in ex.attempts]
            try:
                await ex.services.ledger.settle(exchange_row(ex, at, rows), rows)
            except Failure as failure:
                ex.services.complain(f"request {ex.request_id} could not be settled in the ledger", failure)


def _request_id(call: Call) -> str | None:
    """Return the client's own request id if it is one, so that it cannot smuggle anything anywhere."""
    asked = call.headers.get("x-request-id", "")
    return asked if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", asked) else None
