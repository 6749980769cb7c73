"""THE LINE: one request from admit to settle.

    admit -> read -> route -> recall -> ledger open -> attempts -> COMMIT -> deliver -> settle

A straight line, not an onion: the order below is the order of effects. Three rules carry it.

* **Durable before money.** The ledger's rows survive ``kill -9`` before the first upstream byte.
* **One commit point.** An attempt's first content is peeked; until then a fault may be retried or
  another target asked, silently. Once a byte has left for the client, a fault is told in the stream.
* **Settled exactly once, however it ends**: answered, refused, failed, or left by the client, whose
  leaving arrives here as a cancellation of the task. Cancellation closes the upstream socket at once.

The line knows no HTTP server: it takes a :class:`Call` and writes to an :class:`Out`. What it works on
is in ``life.py``, how it ends in ``ending.py``, what it books in ``booking.py``.
"""

from __future__ import annotations

import msgspec

from dragoman.accounts.budgets import MAX_COST, max_cost
from dragoman.core.events import Append, Choice, Event, Response, Start, Stop
from dragoman.core.extras import Loss
from dragoman.core.failure import Failure, malformed, unsupported
from dragoman.core.request import Request
from dragoman.core.tasks import Asked
from dragoman.dialects import Call, Dialect, Surface, Task, framing_of
from dragoman.dialects.border import says_nothing
from dragoman.exchange.access import route as route_to
from dragoman.exchange.desk import ExchangeDesk, door_of, pinned
from dragoman.exchange.early import begin_early
from dragoman.exchange.ending import ending, opened, request_id
from dragoman.exchange.estimates import tokens_in
from dragoman.exchange.holding import covered, enter, leave, streamed
from dragoman.exchange.life import Attempt, Exchange, Out, Services, Snapshot
from dragoman.exchange.recording import keep, recalled
from dragoman.exchange.tasks import read, retell, tell
from dragoman.exchange.turn import recall as remember
from dragoman.providers.upstream import Prepared, ask, prepare
from dragoman.routing import Route, Target
from dragoman.routing.retry import PAUSE_S, decide

__all__ = ["Exchange", "Out", "Services", "Snapshot", "run"]


async def run(services: Services, entrance: Dialect | Surface, task: Task, call: Call, out: Out) -> None:
    """Serve one request; a refusal is told in the door's own words.

    Raises:
        CancelledError: The client left, or the process stops; everything is closed and booked.
    """
    ex = Exchange(services, task, request_id(call))
    ex.door = door = door_of(entrance, call, ExchangeDesk(ex))
    async with ending(ex, out):  # 7 usage, cost, ledger, recording, sinks
        ex.account = await services.admit(call)  # 1 who
        await enter(ex)
        if MAX_COST in call.headers:
            ex.most = max_cost(call.headers[MAX_COST])
        ex.passed("admit")
        ex.turn = await remember(services.stored, door, task, call, key=ex.account.name, id_=ex.id)
        ex.asked = asked = ex.turn.read(door) if ex.turn else read(door, task, call)  # 2 what, strictly
        ex.passed("read")
        ex.route = route_to(ex, asked.model, provider=pinned(asked, call))  # 3 where to
        ex.passed("route")
        strict = ex.route.strict or call.headers.get("x-dragoman-strict", "").lower() in ("1", "true")
        if ex.turn and isinstance(asked, Request):
            await ex.turn.accept(asked, out, ex.headers())  # in the background: told that it is queued
        if isinstance(asked, Request) and task == "count":
            await _count(ex, asked, ex.route, out, strict=strict)
        elif isinstance(asked, Request) and says_nothing(asked):
            await _present(ex, asked, out)
        else:
            attempt = await recalled(ex, asked, call, strict=strict)  # 4 known already?
            if attempt is not None:
                attempt.held = await _next(ex, attempt)
            else:
                begin_early(ex, asked, out)
                attempt = await _answered(ex, asked, ex.route, strict=strict)  # 5 plan, ledger, send, peek
            await _deliver(ex, asked, attempt, out)  # 6 COMMIT: the first byte leaves
            ex.passed("deliver")


async def _answered(ex: Exchange, asked: Asked, route: Route, *, strict: bool) -> Attempt:
    """Ask target after target until one begins to answer.

    Raises:
        Failure: Nobody does. What the model asked for said counts, and not what stood in for it did.
    """
    targets = ex.live.nearest(route, ex.door.name)
    own = len(route.targets)
    ex.reason = route.missing
    told: Failure | None = None
    for place, target in enumerate(targets):
        ex.fallback, ex.stood_in = place > 0 or own == 0, place >= own
        tries, verdict = 0, "again"
        while verdict == "again":
            if tries:
                await ex.services.pause(ex.services.chance() * PAUSE_S)
            try:
                if isinstance(asked, Request):
                    dialect = ex.live.providers[target.provider].dialect
                    asked = await ex.services.media.inlined(asked, dialect)
                prepared = _prepared(ex, asked, target, strict=strict)
                assert prepared is not None
                attempt = await opened(ex, target)
                if isinstance(asked, Request) and (paid := streamed(ex, asked)) is not asked:
                    prepared = _prepared(ex, paid, target, strict=strict)
                    assert prepared is not None
                attempt.losses = prepared.losses
                return await _peek(ex, attempt, prepared, asked)
            except Failure as failure:
                tries += 1
                told = failure if told is None or place < own or own == 0 else told
                ex.reason = ex.reason or failure.message
                verdict = decide(failure, tries=tries, more=place + 1 < len(targets))
        if verdict == "stop":
            break
    assert told is not None
    raise told


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
        ex.passed("fault")
        if attempt.answer is not None:
            await attempt.answer.close()
        raise
    attempt.first_at = ex.services.tick()
    ex.passed("first")
    return attempt


async def _next(ex: Exchange, attempt: Attempt) -> list[Event]:
    """Return the next events of an answer, folded as they pass; none at its end."""
    assert attempt.batches is not None
    try:
        batch: list[Event] = await anext(attempt.batches, [])
    except Failure as failure:
        if attempt.folder.ended:  # nothing of the answer is missing: only its connection ended badly
            return []
        attempt.failure = failure
        raise
    batch = await covered(ex, attempt, batch)
    for place, event in enumerate(batch):
        if isinstance(event, Start):
            # The provider need not give an id, a name or a time; a client's dialect may want them all.
            event = msgspec.structs.replace(  # noqa: PLW2901  the same event, whole
                event,
                id=event.id or ex.id,
                model=event.model or attempt.target.model,
                created_at=event.created_at or int(ex.opened_at),
            )
            batch[place] = event if not ex.turn else msgspec.structs.replace(event, id=ex.turn.id or event.id)
        elif isinstance(event, Append):
            attempt.chunks += 1
        attempt.folder.feed(batch[place])
        if ex.recorder is not None:
            ex.recorder.feed(event)
    return batch


async def _deliver(ex: Exchange, request: Asked, attempt: Attempt, out: Out) -> None:
    """Write the answer in the client's dialect, as a stream or whole."""
    if not isinstance(request, Request):
        reply = retell(ex, attempt, request)
        ex.losses.update(dict.fromkeys(reply.losses))
        await leave(ex)
        await out.reply(reply, ex.headers())
        return
    if not request.stream:
        while await _next(ex, attempt):
            pass
        reply = ex.door.write_answer(attempt.folder.response(), request)
        reply = await ex.turn.reply(reply) if ex.turn else reply
        ex.losses.update(dict.fromkeys(reply.losses))
        keep(ex)
        await leave(ex)
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
            frames = await ex.turn.frames(frames, writer.losses) if ex.turn else frames
            if attempt.folder.ended:
                keep(ex)  # before the end leaves: who asks again at once is told again
                await leave(ex)
            if frames:
                await out.send(b"".join(map(encode, frames)))
            batch = await _next(ex, attempt)
    except Failure as failure:
        ex.failure = failure
        frames = writer.fail(failure)
        frames = await ex.turn.frames(frames, writer.losses) if ex.turn else frames
        await out.send(b"".join(map(encode, frames)))
    ex.losses.update(dict.fromkeys(writer.losses))
    await out.send(b"", last=True)


async def _present(ex: Exchange, request: Request, out: Out) -> None:
    """Answer a request that says nothing: it only asks that the model be there (Ollama's load)."""
    nothing = Response(ex.id, request.model, (Choice((), Stop("end")),), created_at=int(ex.opened_at))
    await out.reply(ex.door.write_answer(nothing, request), ex.headers())


async def _count(ex: Exchange, request: Request, route: Route, out: Out, *, strict: bool) -> None:
    """Count input tokens where the target's protocol can, else estimate and say so."""
    [target, *_] = ex.live.nearest(route, ex.door.name)
    prepared = _prepared(ex, request, target, strict=strict)
    if prepared is None:
        ex.losses[Loss("approximated", "answer.input_tokens", "not counted by the provider")] = None
        tokens, _ = tokens_in(request, target.model)
    else:
        attempt = await opened(ex, target)
        try:
            attempt.answer = await ask(ex.services.transport, prepared, ex.live.deadlines)
            tokens = prepared.dialect.read_count(await attempt.answer.reply())
        except Failure as failure:
            attempt.failure = failure
            raise
    await out.reply(ex.door.write_counted(tokens), ex.headers())
