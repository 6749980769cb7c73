"""The playground: the page at ``/``, and the files our pages are made of.

A browser that opens the gateway gets the page; any other client is told what Ollama's clients expect. The
page is static and knows nothing: what it shows it asks of the same API as everybody, with the same keys.
It loads nothing from elsewhere and runs no script that is not one of these files, which its policy holds
the browser to.

    /assets/FILE             asked again each time, answered 304 while it is the same
    /assets/VERSION/FILE     kept by browsers for good: the version is a digest of all files together, so
                             modules that import their neighbours never meet those of another version
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dragoman.core.failure import Failure, Kind, Source
from dragoman.dialects.listings import RUNNING
from dragoman.gateway import Gateway
from dragoman.server.answers import refused

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "css": "text/css; charset=utf-8",
        "js": "text/javascript; charset=utf-8",
        "svg": "image/svg+xml",
    }
)
"""The types of the files that are served, by how their names end; others are not."""

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }
)
KEPT = "public, max-age=31536000, immutable"
ASKED_AGAIN = "no-cache"


def routes(_: Gateway) -> list[Route]:
    """Return the page at ``/`` and its files; they need no key and are the same for every gateway."""
    pages = Pages()
    return [
        Route("/", pages.front, methods=["GET"]),
        Route("/assets/{file}", pages.asset, methods=["GET"], include_in_schema=False),
        Route("/assets/{version}/{file}", pages.asset, methods=["GET"], include_in_schema=False),
    ]


def wants_page(headers: Mapping[str, str]) -> bool:
    """Say whether who asks reads HTML: it says so by name, as browsers do and API clients do not."""
    offers = (offer.split(";") for offer in headers.get("accept", "").lower().split(","))
    return any(
        kind.strip() == "text/html" and "q=0" not in {word.strip() for word in words}
        for kind, *words in offers
    )


class File(msgspec.Struct, frozen=True):
    """A file as it is sent, also packed: the whole page is then a third of its size."""

    body: bytes
    packed: bytes
    tag: str
    kind: str


class Pages:
    """The page and the files, read once."""

    def __init__(self) -> None:
        web = files("dragoman.server") / "web"
        self.assets: Mapping[str, File] = {
            one.name: _file(one.read_bytes(), kind)
            for one in (web / "assets").iterdir()
            if (kind := KINDS.get(one.name.rpartition(".")[2]))
        }
        tags = "\n".join(f"{name} {file.tag}" for name, file in sorted(self.assets.items()))
        self.version = sha256(tags.encode()).hexdigest()[:16]
        page = (web / "playground.html").read_text(encoding="utf-8")
        page = page.replace('="assets/', f'="assets/{self.version}/')
        self.page = _file(page.encode(), "text/html; charset=utf-8")

    async def front(self, request: Request) -> Response:
        """Answer ``GET /``."""
        if not wants_page(request.headers):
            return PlainTextResponse(RUNNING, headers={"vary": "accept"})
        return _told(request, self.page, ASKED_AGAIN, "accept, accept-encoding")

    async def asset(self, request: Request) -> Response:
        """Answer ``GET /assets/FILE`` and ``GET /assets/VERSION/FILE``."""
        name = request.path_params["file"]
        file = self.assets.get(name)
        if file is None:
            failure = Failure(Kind.NOT_FOUND, "no such file", source=Source.CLIENT, code="path_not_found")
            return refused(failure)
        # A page of another version may still be open somewhere: it gets today's file, and does not keep it.
        same = request.path_params.get("version") == self.version
        return _told(request, file, KEPT if same else ASKED_AGAIN, "accept-encoding")


def _file(body: bytes, kind: str) -> File:
    return File(body, gzip.compress(body, mtime=0), sha256(body).hexdigest()[:32], kind)


def _told(request: Request, file: File, cache: str, vary: str) -> Response:
    """Answer with a file, unless whoever asks has it already; packed for who can unpack it."""
    packed = "gzip" in request.headers.get("accept-encoding", "")
    tag = f'"{file.tag}{"-gzip" if packed else ""}"'
    headers = {**HEADERS, "cache-control": cache, "vary": vary, "etag": tag}
    if tag in re.findall(r'"[^"]*"', request.headers.get("if-none-match", "")):  # a proxy adds W/ to it
        return Response(status_code=304, headers=headers)
    headers["content-type"] = file.kind
    if packed:
        headers["content-encoding"] = "gzip"
    return Response(file.packed if packed else file.body, headers=headers)
