"""``GET /templates``: the prompt templates there are, in the form their file has.

So a copy of the answer is a file to begin one's own with.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dragoman.core.failure import Failure
from dragoman.dialects import Call
from dragoman.gateway import Gateway
from dragoman.server.answers import in_json, refused
from dragoman.server.client import headers_of


def routes(gateway: Gateway) -> list[Route]:
    """Return the page."""

    async def page(request: Request) -> Response:
        call = Call("GET", "/templates", dict(request.query_params), headers_of(request.scope))
        try:
            await gateway.services.admit(call)
        except Failure as failure:
            return refused(failure)
        return in_json(gateway.templates.list())

    return [Route("/templates", page, methods=["GET"])]
