"""What nobody translates: one request that passes through, bytes untouched, and is booked all the same.

    admit -> may it? -> whom to (aim.py) -> ledger open -> sign, send -> COMMIT -> each read goes on -> settle

The order is the line's own, and so are the rules: durable before money, settled exactly once, a client that
leaves closes the upstream socket. What differs: there is one attempt, since nobody knows whether a request
nobody reads may be repeated; and what a provider says is told as it said it, errors included. Only its
complaint about *our* credential stays here, and is a 502 like everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from dragoman.accounts.grants import require_asking, require_shared
from dragoman.core.events import End, Start
from dragoman.core.extras import Json
from dragoman.core.failure import Failure, Kind, Retry, Source
from dragoman.dialects import Dialect, Reply
from dragoman.dialects.fields import decode
from dragoman.dialects.relayed import Place
from dragoman.exchange.aim import Aim, Incoming, aimed, door_of, told_of
from dragoman.exchange.ending import ending, opened, request_id
from dragoman.exchange.holding import enter
from dragoman.exchange.life import Attempt, Exchange, Out, Relayed, Services
from dragoman.providers import Provider
from dragoman.providers.auth import sign
from dragoman.providers.meter import Meter
from dragoman.providers.passage import forwarded, returned
from dragoman.providers.transport import STALE, Upstream
from dragoman.providers.upstream import EXCERPT, Answer
from dragoman.routing import Target

BODILESS = (204, 304)
"""Statuses whose answers have no body, whatever their headers say of one (RFC 9110, 8.6)."""


class RelayOut(Out, Protocol):
    """Where an answer goes that is not ours to shape."""

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send a status and headers; the bytes follow by `send`."""


async def relay(services: Services, place: Place, incoming: Incoming, out: RelayOut) -> None:
    """Pass one request through; a refusal of ours is told in the dialect that owns the path.

    Raises:
        CancelledError: The client left, or the process stops; everything is closed and booked.
    """
    ex = Exchange(services, "relay", request_id(incoming.call))
    ex.door = door_of(ex.live, place)
    shared = place.row is not None and place.row.reach == "shared"
    async with ending(ex, out):
        ex.account = await services.admit(incoming.call)
        await enter(ex)
        if shared or place.provider:
            require_shared(ex.live.relay, ex.account)
        told = told_of(place, incoming)
        ex.asked = Relayed(place.model or told.model, told.stream)
        aim = aimed(ex.live, place, incoming, told)
        # Under /relay/ nobody reads strictly what is asked: it takes a key that may ask all of the provider.
        whom = f"{aim.provider.name}/{'' if place.provider else aim.model}"
        require_asking(ex.account, whom, [whom], is_route=False)
        headers = sign(aim.provider, forwarded(aim.provider, incoming.call.headers))
        target = Target(aim.provider.name, aim.model)
        attempt = await opened(ex, target)
        try:
            upstream = await _sent(ex, attempt, incoming.call.method, aim, headers)
        except Failure as failure:
            if failure.code != STALE:
                raise
            attempt = await opened(ex, target)  # nobody had read it
            upstream = await _sent(ex, attempt, incoming.call.method, aim, headers)
        dialect = ex.live.dialects[aim.provider.dialect]
        refused = await _refused(attempt, aim.provider, dialect, upstream)
        ex.status, ex.failure = upstream.status, attempt.failure
        back = returned(aim.provider, dialect.root, upstream.headers, origin=incoming.origin)
        if upstream.status in BODILESS:
            back.pop("content-length", None)  # it tells the length of what is not sent
        await out.begin(upstream.status, {**back, **ex.headers()})
        if refused is not None:
            await out.send(refused, last=True)
        else:
            # What a batch has used is told whenever somebody asks about the batch: it is not that answer's.
            kind = "" if shared or incoming.call.method != "POST" else back.get("content-type", "")
            await _passed(ex, attempt, upstream, out, Meter(dialect.name, kind))


async def _sent(ex: Exchange, attempt: Attempt, method: str, aim: Aim, headers: dict[str, str]) -> Upstream:
    """Send, once, and return the answer with its head in."""
    try:
        upstream = await ex.services.transport.send(
            method, aim.url, headers, aim.body, deadlines=ex.live.deadlines
        )
    except Failure as failure:
        attempt.failure = failure
        raise
    attempt.answer = Answer(aim.provider, ex.live.dialects[aim.provider.dialect], upstream)
    return upstream


async def _refused(
    attempt: Attempt, provider: Provider, dialect: Dialect, upstream: Upstream
) -> bytes | None:
    """Return the bytes a provider refuses with, for the client to read; None: it does not refuse.

    Raises:
        Failure: It refused the gateway's own account, or answered with a redirect or no status of HTTP's.
    """
    status = upstream.status
    if status >= 600:
        attempt.failure = _ours(status, f"answered with the status {status}, which HTTP does not have")
        raise attempt.failure
    if status < 300 or status == 304:
        return None
    try:
        said = await upstream.read()
    except Failure as failure:
        attempt.failure = failure
        raise
    if status < 400:
        attempt.failure = _ours(status, f"answered with a redirect ({status}), which is never followed")
        raise attempt.failure
    if provider.key and provider.key.encode() in said:
        attempt.failure = _ours(status, f"refused ({status}) in words that hold the gateway's own key")
        raise attempt.failure
    attempt.failure = dialect.read_failure(Reply(status, upstream.headers, _json(said)))
    if attempt.failure.kind is Kind.UPSTREAM and status < 500:
        # Its words may quote our key: they are neither told nor kept.
        why = attempt.failure.code or status
        attempt.failure = _ours(status, f"refused the gateway's account ({why})")
        raise attempt.failure
    return said


def _ours(status: int, what: str) -> Failure:
    """Return the failure of a call that went wrong between the gateway and its provider."""
    return Failure(
        Kind.UPSTREAM, f"the provider {what}", source=Source.UPSTREAM, retry=Retry.NEXT, status=status
    )


def _json(said: bytes) -> Json:
    try:
        return decode(said)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return said[:EXCERPT].decode("utf-8", "replace")


async def _passed(ex: Exchange, attempt: Attempt, upstream: Upstream, out: Out, meter: Meter) -> None:
    """Send every read on at once. An answer that breaks off keeps its end open: it must not look whole."""
    over = False
    try:
        async for chunk in upstream.chunks():
            attempt.first_at = attempt.first_at or ex.services.tick()
            meter.feed(chunk)
            await out.send(chunk)
        over = True
        await out.send(b"", last=True)
    except Failure as failure:
        attempt.failure = ex.failure = failure
    finally:
        # Nothing is estimated: where the provider does not count, what it used is unknown.
        if (usage := meter.close()) is not None:
            attempt.folder.feed(Start("", meter.model, usage=usage))
            if over:
                attempt.folder.feed(End(usage))
