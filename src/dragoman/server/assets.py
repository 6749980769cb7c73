"""The files our pages are made of: read once, packed once, sent to whoever asks; they need no key.

    /assets/FILE             asked again each time, answered 304 while it is the same
    /assets/VERSION/FILE     kept by browsers for good: the version is a digest of all files together, so
                             modules that import their neighbours never meet those of another version

A page loads nothing from elsewhere and runs no script that is not one of these files, which its policy holds
the browser to. Files of others (``web/vendor``) lie there as they were published, with their licences.
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
from starlette.responses import Response
from starlette.routing import Route

from dragoman.core.failure import Failure, Kind, Source
from dragoman.server.answers import refused

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "css": "text/css; charset=utf-8",
        "js": "text/javascript; charset=utf-8",
        "svg": "image/svg+xml",
    }
)
"""The types of the files that are served, by how their names end; others are not."""

FOLDERS = ("assets", "vendor")

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
)


def guards(forms: str = "'none'") -> dict[str, str]:
    """Return the headers that hold a browser to what a page is; `forms`: where its forms may go."""
    return {
        "content-security-policy": POLICY.format(forms=forms),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }


KEPT = "public, max-age=31536000, immutable"
ASKED_AGAIN = "no-cache"


class File(msgspec.Struct, frozen=True):
    """A file as it is sent, also packed: the whole page is then a third of its size."""

    body: bytes
    packed: bytes
    tag: str
    kind: str


class Assets:
    """The files, read once."""

    def __init__(self) -> None:
        web = files("dragoman.server") / "web"
        self.files: Mapping[str, File] = {
            one.name: packed(one.read_bytes(), kind)
            for folder in FOLDERS
            for one in (web / folder).iterdir()
            if (kind := KINDS.get(one.name.rpartition(".")[2]))
        }
        tags = "\n".join(f"{name} {file.tag}" for name, file in sorted(self.files.items()))
        self.version = sha256(tags.encode()).hexdigest()[:16]

    def routes(self) -> list[Route]:
        """Return where they are served."""
        paths = ("/assets/{file}", "/assets/{version}/{file}")
        return [Route(path, self.asset, methods=["GET"], include_in_schema=False) for path in paths]

    async def asset(self, request: Request) -> Response:
        """Answer ``GET /assets/FILE`` and ``GET /assets/VERSION/FILE``."""
        name = request.path_params["file"]
        file = self.files.get(name)
        if file is None:
            failure = Failure(Kind.NOT_FOUND, "no such file", source=Source.CLIENT, code="path_not_found")
            return refused(failure)
        # A page of another version may still be open somewhere: it gets today's file, and does not keep it.
        same = request.path_params.get("version") == self.version
        return told(request, file, KEPT if same else ASKED_AGAIN, "accept-encoding")


def packed(body: bytes, kind: str) -> File:
    """Return a file as it is sent."""
    return File(body, gzip.compress(body, mtime=0), sha256(body).hexdigest()[:32], kind)


def told(request: Request, file: File, cache: str, vary: str) -> Response:
    """Answer with a file, unless whoever asks has it already; packed for who can unpack it."""
    small = "gzip" in request.headers.get("accept-encoding", "")
    tag = f'"{file.tag}{"-gzip" if small else ""}"'
    headers = {**guards(), "cache-control": cache, "vary": vary, "etag": tag}
    if tag in re.findall(r'"[^"]*"', request.headers.get("if-none-match", "")):  # a proxy adds W/ to it
        return Response(status_code=304, headers=headers)
    headers["content-type"] = file.kind
    if small:
        headers["content-encoding"] = "gzip"
    return Response(file.packed if small else file.body, headers=headers)
