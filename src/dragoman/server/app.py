"""The one ASGI callable: data-path routes before any framework, Starlette for everything else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route

from dragoman.core.failure import Failure, Kind, Source
from dragoman.dialects import Dialect, Surface
from dragoman.dialects.catalog import DIALECTS, Doors, owner, plain
from dragoman.dialects.listings import asker
from dragoman.dialects.surfaces import SURFACES
from dragoman.gateway import Gateway
from dragoman.server import admin, metrics, models, offers, pages, playground, relay, stored, templates, usage
from dragoman.server.answers import in_json, slashless, told
from dragoman.server.assets import Assets
from dragoman.server.client import Edge, Receive, Scope, Send, headers_of
from dragoman.server.dashboard import Dashboard
from dragoman.server.openapi import docs


class App:
    """Serves one gateway; its lifespan starts and stops it."""

    def __init__(self, gateway: Gateway) -> None:
        server = gateway.config.server
        self._gateway = gateway
        self._edge = Edge(
            lambda: gateway.services,
            max_body=server.max_body,
            body_timeout_s=server.body_timeout_s,
            keepalive_s=server.keepalive_s,
        )
        self._doors: Doors[Dialect | Surface] = Doors([*gateway.config.dialects.values(), *SURFACES])
        self._refusal = ""
        self._assets = Assets()
        self._dashboard = Dashboard(gateway, self._assets)
        self._rest = self._starlette()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._rest(scope, receive, partial(self._said, send))
            return
        if scope["type"] == "http":
            scope = _plain(scope)
            found = self._doors.find(scope["method"], scope["path"])
            if found is not None:
                door, endpoint = found
                await self._edge.serve(door, endpoint, scope, receive, send)
                return
            # A path a dialect reads, asked with another method, is refused as such.
            place = None if self._doors.find("POST", scope["path"]) else relay.found(self._edge, scope)
            if place is not None:
                await relay.serve(self._edge, place, scope, receive, send)
                return
            if self._dashboard.wants(scope):
                await self._dashboard(scope, receive, send)
                return
        await self._rest(scope, receive, send)

    async def _said(self, send: Send, message: Any) -> None:
        """Send a message of the lifespan; why it did not start is told in a line, and not as a traceback."""
        if message["type"] == "lifespan.startup.failed" and self._refusal:
            message = {**message, "message": self._refusal}
        await send(message)

    def _starlette(self) -> Starlette:
        gateway = self._gateway

        routes = [Route(path, page, methods=["GET"]) for path, page in pages.health(gateway).items()]
        routes += [*models.routes(gateway, self._edge), *stored.routes(gateway), *metrics.routes(gateway)]
        routes += [*offers.routes(gateway), *templates.routes(gateway), *docs.routes(gateway)]
        routes += [*playground.routes(self._assets), *self._assets.routes(), *admin.routes(gateway)]
        routes += usage.routes(gateway, self._edge, tell=gateway.tell)

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            try:
                await gateway.start()
            except Failure as failure:
                self._refusal = failure.message
                raise
            try:
                yield
            finally:
                await gateway.stop()

        refusals: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
            HTTPException: partial(_refused, self._doors),
            Exception: _bug,
        }
        rest = Starlette(routes=routes, lifespan=lifespan, exception_handlers=refusals)
        rest.router.redirect_slashes = False  # to the host a client named, without its TLS: see _refused
        return rest


def _plain(scope: Scope) -> Scope:
    """Return `scope` with OpenAI's own path, where its clients may put another before it."""
    path = plain(scope["path"])
    if path == scope["path"]:
        return scope
    return {**scope, "path": path, "raw_path": plain(scope["raw_path"].decode("latin-1")).encode("latin-1")}


async def _refused(doors: Doors[Dialect | Surface], request: Request, error: Exception) -> Response:
    """Answer an unknown path or a wrong method, in the words of the dialect that owns the path."""
    assert isinstance(error, HTTPException)
    status, headers = (
        error.status_code,
        {name.lower(): words for name, words in (error.headers or {}).items()},
    )
    path = request.scope["path"]
    if status == 404 and (there := slashless(request.scope, request.app.routes)):
        return RedirectResponse(there, 307)
    found = doors.find("POST", path)
    if found is not None:
        status, headers = 405, {"allow": "POST"}
    elif status == 405:
        headers["allow"] = ", ".join(_methods(request))
    door = found[0] if found is not None else DIALECTS[_owner(request)]
    if status == 405:
        message = f"this path does not take {request.method}, but {headers.get('allow', 'another method')}"
    else:
        message = "nothing is served at this path; the documentation lists what is"
    code = "method_not_allowed" if status == 405 else "path_not_found"
    reply = door.write_failure(Failure(Kind.NOT_FOUND, message, source=Source.CLIENT, code=code))
    return in_json(reply.body, status, {**reply.headers, **headers})


def _methods(request: Request) -> list[str]:
    """Return every method that a path takes: each may have a route of its own, and Starlette names one's."""
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)


def _owner(request: Request) -> str:
    """Return the name of the dialect of whoever asks at a path nobody answers."""
    path: str = request.scope["path"]
    if f"{path}/".startswith("/v1/models/"):
        return asker(path, request.query_params, headers_of(request.scope))
    return owner(path)


async def _bug(_: Request, __: Exception) -> Response:
    return told(DIALECTS["openai_chat"].write_failure(Failure(Kind.INTERNAL, "internal error")))
