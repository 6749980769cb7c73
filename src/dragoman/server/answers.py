"""What a page answers with: JSON, or a refusal in somebody's words."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

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


def refused(failure: Failure, headers: Mapping[str, str] | None = None) -> Response:
    """Return a refusal of a page that is no vendor's, in the words of the surfaces."""
    return told(write_refusal(failure), headers)
