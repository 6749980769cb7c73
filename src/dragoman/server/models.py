"""Which models can be asked for, told to every client in its own shape; and Ollama's small endpoints.

A list names what can be answered now and what the key may ask: routes and aliases, then what ready providers
offer. One model is shown by any name that would be answered, ``provider/model`` included. What the shapes are
is :mod:`dragoman.dialects.listings`'s business; here are the paths.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dragoman.accounts.grants import allowed, restricted
from dragoman.accounts.keys import Account
from dragoman.core.extras import Json
from dragoman.core.failure import Failure, Kind, Source, invalid
from dragoman.dialects import Call
from dragoman.dialects.catalog import DIALECTS
from dragoman.dialects.fields import Fields, parse
from dragoman.dialects.listings import OLLAMA_VERSION, Listed, asker, listed, loaded, shown
from dragoman.exchange import Snapshot
from dragoman.gateway import Gateway
from dragoman.server.answers import in_json, told
from dragoman.server.client import UNREAD, Edge, headers_of

LISTS = ("/v1/models", "/v1beta/models", "/openai/v1/models", "/openai/models")


class Asking(NamedTuple):
    """One request of somebody who may ask."""

    live: Snapshot
    account: Account
    request: Request
    call: Call


Page = Callable[[Asking], Awaitable[Json]]


def routes(gateway: Gateway, edge: Edge) -> list[Route]:
    """Return the pages that tell of models."""

    async def show(asking: Asking) -> Json:
        name = _model(await edge.body(asking.call, asking.request.receive))
        return shown("ollama", _allowed(asking, name))

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


def rows(live: Snapshot, account: Account) -> list[Listed]:
    """Return a row for every name that can be answered now, and that the account may ask."""
    return [row(live, name) for name in names(live, account)]


def names(live: Snapshot, account: Account) -> list[str]:
    """Return every name that can be answered now, and that the account may ask."""
    every = live.table.names()
    if not restricted(account):
        return every
    return [name for name in every if may(live, account, name)]


def may(live: Snapshot, account: Account, name: str) -> bool:
    """Say whether an account may ask a name; raise NOT_FOUND where nobody answers to it now."""
    route = live.table.resolve(name, None)
    if not route.targets:  # another model stands in, and has to be allowed as itself
        return allowed(account, "", map(str, route.instead), is_route=False)
    targets = map(str, route.targets)
    return allowed(account, route.name, targets, is_route=route.name in live.table.routes)


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
            account = await gateway.services.admit(call)
            return in_json(await page(Asking(gateway.services.live(), account, request, call)))
        except Failure as failure:
            close = {"connection": "close"} if failure.kind in UNREAD else {}
            return told(DIALECTS[asker(call.path, call.query, call.headers)].write_failure(failure), close)

    return served


async def _list(asking: Asking) -> Json:
    """Answer with every model there is, in the asker's shape."""
    call = asking.call
    found = rows(asking.live, asking.account)
    return listed(asker(call.path, call.query, call.headers), found, call.query)


async def _one(asking: Asking) -> Json:
    """Answer with one model; its name may hold slashes and colons."""
    call = asking.call
    found = _allowed(asking, asking.request.path_params["id"])
    return shown(asker(call.path, call.query, call.headers), found)


async def _loaded(asking: Asking) -> Json:
    """Answer ``GET /api/ps``: the embedded model is in memory while it is ready; of others nobody knows."""
    found = rows(asking.live, asking.account)
    routes = asking.live.table.routes
    return loaded([one for one in found if one.provider == "local" and one.name not in routes])


async def _version(_: Request) -> Response:
    return in_json({"version": OLLAMA_VERSION})


def _allowed(asking: Asking, name: str) -> Listed:
    """Return what is known of one model; one that may not be asked is as good as none."""
    if may(asking.live, asking.account, name):
        return row(asking.live, name)
    message = "no model of this name may be asked with this key; GET /v1/models lists what may"
    raise Failure(Kind.NOT_FOUND, message, source=Source.CLIENT, at="$.model", code="model_not_found")


def _model(body: bytes | None) -> str:
    """Return the model a request names; Ollama's older clients say ``name``."""
    fields = Fields(parse(body or b""), strict=True)
    name = fields.text("model") or fields.text("name")
    if not name:
        raise invalid("model is required", "$.model")
    return name
