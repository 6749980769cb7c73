"""The document at ``/openapi.json``, and Swagger UI over it at ``/docs``, served from here and nowhere else.

Swagger UI (https://github.com/swagger-api/swagger-ui, vendored in ``web/swagger``) runs under a strict
content security policy with one thing more than other pages have: pictures in ``data:`` addresses, which its
style sheet is full of. It loads no script but ours, and talks to this server only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dragoman import __version__
from dragoman.accounts.loopback import is_loopback
from dragoman.core.failure import Failure, Kind, Source
from dragoman.dialects import Dialect, Surface
from dragoman.dialects.fields import encode
from dragoman.dialects.surfaces import SURFACES
from dragoman.gateway import Gateway
from dragoman.server.answers import refused
from dragoman.server.openapi.document import Facts, document, recordings
from dragoman.server.openapi.operation import MODEL
from dragoman.server.openapi.served import served

FILES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "docs.js": ("docs", "text/javascript"),
        "docs.css": ("docs", "text/css"),
        "swagger-ui-bundle.js": ("swagger", "text/javascript"),
        "swagger-ui.css": ("swagger", "text/css"),
        "swagger-ui-bundle.js.LICENSE.txt": ("swagger", "text/plain"),
        "LICENSE": ("swagger", "text/plain"),
        "NOTICE.txt": ("swagger", "text/plain"),
    }
)
"""What the page is made of, by name: the folder in ``web`` and the type."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
    }
)


def routes(gateway: Gateway) -> list[Route]:
    """Return the document, the page, and the files of the page."""
    pages = Pages(gateway)
    return [
        Route("/openapi.json", pages.document, methods=["GET"]),
        Route("/docs", pages.front, methods=["GET"]),
        Route("/docs/{file}", pages.file, methods=["GET"], include_in_schema=False),
    ]


class Pages:
    """The document and the page over it; each is made when it is first asked for, and kept."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._made: dict[tuple[str, bool], bytes] = {}
        self._read: dict[str, bytes] = {}

    async def document(self, request: Request) -> Response:
        """Answer ``GET /openapi.json``. It changes with what the operator reloads, and is then made anew."""
        live = self._gateway.services.live()
        asked = (self._model(), live.relay.enabled)
        if asked not in self._made:
            self._made = {asked: self._document(request, *asked)}
        return _told(request, self._made[asked], "application/json")

    async def front(self, request: Request) -> Response:
        """Answer ``GET /docs``."""
        return _told(request, self._bytes("docs", "docs.html"), "text/html; charset=utf-8")

    async def file(self, request: Request) -> Response:
        """Answer ``GET /docs/{file}``."""
        name = request.path_params["file"]
        if name not in FILES:
            failure = Failure(Kind.NOT_FOUND, "no such file", source=Source.CLIENT, code="path_not_found")
            return refused(failure)
        folder, kind = FILES[name]
        return _told(request, self._bytes(folder, name), f"{kind}; charset=utf-8")

    def _document(self, request: Request, model: str, relaying: bool) -> bytes:  # noqa: FBT001  a key's parts
        config = self._gateway.config
        answered = served(SURFACES, config.dialects.values(), request.app.routes, relaying=relaying)
        doors: list[Dialect | Surface] = [*config.dialects.values(), *SURFACES]
        facts = Facts(
            version=__version__,
            model=model,
            open=not config.keys and is_loopback(config.server.host),
            writers={door.name: door.write_failure for door in doors},
            recorded=recordings(),
        )
        return encode(document(answered, facts))

    def _model(self) -> str:
        """Return what the examples ask: the embedded model, else another that is ready."""
        live = self._gateway.services.live()
        ready = [live.providers[name].default_model for name in sorted(live.table.ready)]
        return MODEL if MODEL in live.table.names() else next(filter(None, ready), MODEL)

    def _bytes(self, folder: str, name: str) -> bytes:
        if name not in self._read:
            self._read[name] = (files("dragoman.server") / "web" / folder / name).read_bytes()
        return self._read[name]


def _told(request: Request, body: bytes, kind: str) -> Response:
    """Answer with `body`, unless whoever asks has it already."""
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {**HEADERS, "etag": tag}
    if tag in re.findall(r'"[^"]*"', request.headers.get("if-none-match", "")):  # a proxy adds W/ to it
        return Response(status_code=304, headers=headers)
    return Response(body, 200, {**headers, "content-type": kind})
