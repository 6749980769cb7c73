"""Kept answers of the Responses API: fetch, delete, cancel, and the input that led to them.

Each page serves the key that asks, and whatever is another key's is not there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from dragoman.core.failure import Failure, invalid
from dragoman.core.request import Request as Asked
from dragoman.dialects import Call
from dragoman.dialects.catalog import DIALECTS
from dragoman.dialects.fields import decode, encode
from dragoman.dialects.openai_responses_parts import label
from dragoman.dialects.openai_responses_state import replay
from dragoman.exchange.stored import LOOK_S
from dragoman.gateway import Gateway
from dragoman.server.client import STREAM_HEADERS, headers_of

DOOR = DIALECTS["openai_responses"]
PATH = "/v1/responses/{id}"
PAGE, LARGEST_PAGE = 20, 100
"""Items a page has, unless asked otherwise; at most."""
BEAT = b": ka\n\n"

Page = Callable[[Gateway, Request, str], Awaitable[Response]]
"""Answers one request; given whose it is."""


def routes(gateway: Gateway) -> list[Route]:
    """Return the pages of kept answers."""
    return [
        Route(PATH, _served(gateway, _fetch), methods=["GET"]),
        Route(PATH, _served(gateway, _delete), methods=["DELETE"]),
        Route(f"{PATH}/cancel", _served(gateway, _cancel), methods=["POST"]),
        Route(f"{PATH}/input_items", _served(gateway, _input_items), methods=["GET"]),
    ]


def _served(gateway: Gateway, page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def served(request: Request) -> Response:
        query = dict(parse_qsl(request.scope["query_string"].decode("latin-1")))
        call = Call(request.method, request.scope["path"], query, headers_of(request.scope))
        try:
            account = await gateway.services.admit(call)
            return await page(gateway, request, account.name)
        except Failure as failure:
            reply = DOOR.write_failure(failure)
            return _json(encode(reply.body), reply.status, dict(reply.headers))

    return served


async def _fetch(gateway: Gateway, request: Request, key: str) -> Response:
    """Answer ``GET /v1/responses/{id}``, whole or as a stream."""
    row = await gateway.services.stored.find(key, request.path_params["id"])
    if request.query_params.get("stream", "").lower() not in ("true", "1"):
        return _json(row.body)
    after = _number(request, "starting_after", 0, 10**9, default=-1)
    told = _replayed(gateway, key, row.id, after)
    headers = {name.decode(): value.decode() for name, value in STREAM_HEADERS}
    return StreamingResponse(told, 200, headers, media_type="text/event-stream")


async def _replayed(gateway: Gateway, key: str, id_: str, after: int) -> AsyncIterator[bytes]:
    """Yield an answer as a stream; one that is still being made once it is done."""
    services = gateway.services
    try:
        while await services.stored.is_going(key, id_):
            yield BEAT
            await services.pause(LOOK_S)
        frames = replay(decode((await services.stored.find(key, id_)).body), after)
    except Failure as failure:  # deleted meanwhile, or the store is away
        frames = DOOR.writer(Asked(DOOR.name, "", ())).fail(failure)
    for frame in frames:
        yield DOOR.framing.encode(frame)


async def _delete(gateway: Gateway, request: Request, key: str) -> Response:
    """Answer ``DELETE /v1/responses/{id}``."""
    id_ = request.path_params["id"]
    await gateway.services.stored.delete(key, id_)
    return _json(encode({"id": id_, "object": "response", "deleted": True}))


async def _cancel(gateway: Gateway, request: Request, key: str) -> Response:
    """Answer ``POST /v1/responses/{id}/cancel``."""
    row = await gateway.services.stored.cancel(key, request.path_params["id"])
    return _json(row.body)


async def _input_items(gateway: Gateway, request: Request, key: str) -> Response:
    """Answer ``GET /v1/responses/{id}/input_items``, a page at a time."""
    limit = _number(request, "limit", 1, LARGEST_PAGE, default=PAGE)
    order = request.query_params.get("order", "desc")
    if order not in ("asc", "desc"):
        raise invalid("order must be asc or desc", "order")
    items = await gateway.services.stored.input_items(key, request.path_params["id"])
    if order == "desc":
        items.reverse()
    after = request.query_params.get("after")
    if after is not None:
        ids = [label(item, "id") for item in items]  # a provider may give its own items none
        if after not in ids:
            raise invalid("no input item of this response has this id", "after")
        items = items[ids.index(after) + 1 :]
    page = items[:limit]
    ends = {"first_id": label(page[0], "id"), "last_id": label(page[-1], "id")} if page else {}
    more = {"first_id": None, "last_id": None, **ends, "has_more": len(items) > limit}
    return _json(encode({"object": "list", "data": page, **more}))


def _number(request: Request, name: str, least: int, most: int, *, default: int) -> int:
    """Return a number of the query."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and least <= int(text) <= most):
        raise invalid(f"{name} must be a whole number from {least} to {most}", name)
    return int(text)


def _json(body: bytes, status: int = 200, headers: dict[str, Any] | None = None) -> Response:
    return Response(body, status, headers, media_type="application/json")
