"""Which models can be asked for, told to every client in its own shape; and Ollama's small endpoints.

A list names what can be answered now: routes and aliases, then what ready providers offer. One model is
shown by any name that would be answered, ``provider/model`` included. What the shapes are is
:mod:`dragoman.dialects.listings`'s business; here are the paths.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dragoman.core.extras import Json
from dragoman.core.failure import Failure, invalid
from dragoman.dialects import Call
from dragoman.dialects.catalog import DIALECTS
from dragoman.dialects.fields import Fields, parse
from dragoman.dialects.listings import OLLAMA_VERSION, Listed, asker, listed, loaded, shown
from dragoman.exchange import Snapshot
from dragoman.gateway import Gateway
from dragoman.server.answers import in_json, told
from dragoman.server.client import UNREAD, Edge, headers_of

LISTS = ("/v1/models", "/v1beta/models", "/openai/v1/models", "/openai/models")

Page = Callable[[Snapshot, Request, Call], Awaitable[Json]]
"""Answers one request of somebody who may ask."""


def routes(gateway: Gateway, edge: Edge) -> list[Route]:
    """Return the pages that tell of models."""

    async def show(live: Snapshot, request: Request, call: Call) -> Json:
        return shown("ollama", row(live, _model(await edge.body(call, request.receive))))

    lists = _served(gateway, _list)
    one = _served(gateway, _one)
    return [
        *(Route(path, lists, methods=["GET"]) for path in LISTS),
        *(Route(f"{path}/{{id:path}}", one, methods=["GET"]) for path in LISTS),
        Route("/api/tags", lists, methods=["GET"]),
        Route("/api/show", _served(gateway, show), methods=["POST"]),
        Route("/api/ps", _served(gateway, _loaded), methods=["GET"]),
        Route("/api/version", _version, methods=["GET"]),
    ]


def rows(live: Snapshot) -> list[Listed]:
    """Return a row for every name that can be answered now."""
    return [row(live, name) for name in live.table.names()]


def row(live: Snapshot, name: str) -> Listed:
    """Return what is known of the model a client's name stands for: of the one that answers first.

    Raises:
        Failure: NOT_FOUND, nobody answers to this name now.
    """
    target = live.table.resolve(name, None).targets[0]
    model = live.catalog.find_model(target.provider, target.model)
    if model is None:
        return Listed(name, target.provider)
    return Listed(
        name,
        target.provider,
        # A route's name is the operator's own: two of them may lead to one model.
        title="" if name in live.table.routes else model.title,
        task=model.task,
        context=model.context,
        max_output=model.max_output,
        inputs=model.inputs,
        formats=model.formats,
        tools=model.tools,
        thinking=model.reasoning != "none",
        retired=model.retired,
    )


def _served(gateway: Gateway, page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def served(request: Request) -> Response:
        params = request.query_params
        query = {name: ",".join(params.getlist(name)) for name in params}
        call = Call(request.method, request.scope["path"], query, headers_of(request.scope))
        try:
            await gateway.services.admit(call)
            return in_json(await page(gateway.services.live(), request, call))
        except Failure as failure:
            close = {"connection": "close"} if failure.kind in UNREAD else {}
            return told(DIALECTS[asker(call.path, call.query, call.headers)].write_failure(failure), close)

    return served


async def _list(live: Snapshot, _: Request, call: Call) -> Json:
    """Answer with every model there is, in the asker's shape."""
    return listed(asker(call.path, call.query, call.headers), rows(live), call.query)


async def _one(live: Snapshot, request: Request, call: Call) -> Json:
    """Answer with one model; its name may hold slashes and colons."""
    return shown(asker(call.path, call.query, call.headers), row(live, request.path_params["id"]))


async def _loaded(live: Snapshot, _: Request, __: Call) -> Json:
    """Answer ``GET /api/ps``: the embedded model is in memory while it is ready; of others nobody knows."""
    found = (one for one in rows(live) if one.provider == "local" and one.name not in live.table.routes)
    return loaded(list(found))


async def _version(_: Request) -> Response:
    return in_json({"version": OLLAMA_VERSION})


def _model(body: bytes | None) -> str:
    """Return the model a request names; Ollama's older clients say ``name``."""
    fields = Fields(parse(body or b""), strict=True)
    name = fields.text("model") or fields.text("name")
    if not name:
        raise invalid("model is required", "$.model")
    return name
