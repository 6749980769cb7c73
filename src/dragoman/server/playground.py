"""The playground: the page at ``/``.

A browser that opens the gateway gets the page; any other client is told what Ollama's clients expect. The
page is static and knows nothing: what it shows it asks of the same API as everybody, with the same keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dragoman.dialects.listings import RUNNING
from dragoman.server.assets import ASKED_AGAIN, Assets, packed, told


def routes(assets: Assets) -> list[Route]:
    """Return the page at ``/``; it needs no key and is the same for every gateway."""
    return [Route("/", Playground(assets).front, methods=["GET"])]


def wants_page(headers: Mapping[str, str]) -> bool:
    """Say whether who asks reads HTML: it says so by name, as browsers do and API clients do not."""
    offers = (offer.split(";") for offer in headers.get("accept", "").lower().split(","))
    return any(
        kind.strip() == "text/html" and "q=0" not in {word.strip() for word in words}
        for kind, *words in offers
    )


class Playground:
    """The page, read once."""

    def __init__(self, assets: Assets) -> None:
        page = (files("dragoman.server") / "web" / "playground.html").read_text(encoding="utf-8")
        page = page.replace('="assets/', f'="assets/{assets.version}/')
        self.page = packed(page.encode(), "text/html; charset=utf-8")

    async def front(self, request: Request) -> Response:
        """Answer ``GET /``."""
        if not wants_page(request.headers):
            return PlainTextResponse(RUNNING, headers={"vary": "accept"})
        return told(request, self.page, ASKED_AGAIN, "accept, accept-encoding")
