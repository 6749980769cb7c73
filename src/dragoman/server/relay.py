"""Paths nobody reads: bytes -> provider -> bytes, with the same limits and the same race as everywhere.

What is relayed is a table (:mod:`dragoman.dialects.relayed`); how it lives is the exchange's business.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from dragoman.core.failure import Failure
from dragoman.dialects import Call
from dragoman.dialects.relayed import Place, place_of
from dragoman.exchange.aim import Incoming, door_of
from dragoman.exchange.relay import relay
from dragoman.server.client import Edge, Receive, Scope, Send, headers_of, race


def found(edge: Edge, scope: Scope) -> Place | None:
    """Return where a request is relayed to; None: nothing is served at its path, or relaying is off."""
    if not edge.services.live().relay.enabled:
        return None
    return place_of(scope["method"], scope["path"], headers_of(scope))


async def serve(edge: Edge, place: Place, scope: Scope, receive: Receive, send: Send) -> None:
    """Relay one request. Returns silently if the client left."""
    headers, out = headers_of(scope), edge.out(send)
    query = scope["query_string"].decode("latin-1")
    call = Call(scope["method"], scope["path"], dict(parse_qsl(query)), headers)
    try:
        body = await edge.body(call, receive)
    except Failure as failure:
        await edge.refuse(door_of(edge.services.live(), place), "relay", call, failure, out)
        return
    if body is None:
        return
    incoming = Incoming(
        call,
        scope["raw_path"].decode("latin-1"),
        query,
        body,
        f"{scope['scheme']}://{headers.get('host', '')}",
    )
    await race(relay(edge.services, place, incoming, out), receive, out)
