"""The one ASGI callable: data-path routes before any framework, Starlette for everything else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dragoman.core.failure import Failure, Kind, Source
from dragoman.dialects.catalog import DIALECTS, Doors, find
from dragoman.dialects.fields import encode
from dragoman.gateway import Gateway
from dragoman.server import pages
from dragoman.server.client import Edge, Receive, Scope, Send


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
        self._doors = Doors(gateway.config.dialects.values())
        self._rest = self._starlette()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "http":
            found = self._doors.find(scope["method"], scope["path"])
            if found is not None:
                door, endpoint = found
                await self._edge.serve(door, endpoint, scope, receive, send)
                return
        await self._rest(scope, receive, send)

    def _starlette(self) -> Starlette:
        gateway = self._gateway

        async def models(request: Request) -> Response:
            return await pages.models(gateway, request)

        routes = [Route(path, page, methods=["GET"]) for path, page in pages.health(gateway).items()]
        routes += [
            Route("/v1/models", models, methods=["GET"]),
            Route("/v1/models/{id:path}", models, methods=["GET"]),
        ]

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            await gateway.start()
            try:
                yield
            finally:
                await gateway.stop()

        refusals = {HTTPException: _refused, Exception: _bug}
        return Starlette(routes=routes, lifespan=lifespan, exception_handlers=refusals)


async def _refused(request: Request, error: Exception) -> Response:
    """Answer an unknown path or a wrong method, in the words of the dialect that owns the path."""
    assert isinstance(error, HTTPException)
    status, headers = error.status_code, dict(error.headers or {})
    owner = find("POST", request.url.path)
    if owner is not None:
        status, headers = 405, {"allow": "POST"}
    door = owner[0] if owner is not None else DIALECTS["openai_chat"]
    if status == 405:
        message = f"this path does not take {request.method}, but {headers.get('allow', 'another method')}"
    else:
        message = "nothing is served at this path; the documentation lists what is"
    reply = door.write_failure(Failure(Kind.NOT_FOUND, message, source=Source.CLIENT))
    return Response(encode(reply.body), status, {**reply.headers, **headers}, media_type="application/json")


async def _bug(_: Request, __: Exception) -> Response:
    reply = DIALECTS["openai_chat"].write_failure(Failure(Kind.INTERNAL, "internal error"))
    return Response(encode(reply.body), 500, dict(reply.headers), media_type="application/json")
