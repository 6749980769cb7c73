"""What a page answers with: JSON, or a refusal in somebody's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from dragoman.core.extras import Json
from dragoman.core.failure import Failure
from dragoman.dialects import Reply
from dragoman.dialects.fields import encode
from dragoman.dialects.surfaces.refusal import write_refusal


def in_json(body: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer."""
    return Response(encode(body), status, headers, media_type="application/json")


def told(reply: Reply, headers: Mapping[str, str] | None = None) -> Response:
    """Return a dialect's reply, with `headers` besides its own."""
    return in_json(reply.body, reply.status, {**reply.headers, **(headers or {})})


def slashless(scope: MutableMapping[str, Any], routes: Iterable[BaseRoute]) -> str:
    """Return the address of a request without the slash at its end, if anything is there; "": nothing is.

    It is a path: which host a client named is nobody's to repeat, and TLS may have ended before this server.
    """
    path = scope["path"].rstrip("/")
    there = {**scope, "path": path}
    if (
        path == scope["path"]
        or path.startswith("//")
        or all(route.matches(there)[0] is Match.NONE for route in routes)
    ):
        return ""
    query = scope["query_string"].decode("latin-1")
    return quote(path) + (f"?{query}" if query else "")


def refused(failure: Failure, headers: Mapping[str, str] | None = None) -> Response:
    """Return a refusal of a page that is no vendor's, in the words of the surfaces."""
    return told(write_refusal(failure), headers)
