"""``GET /metrics``: what was counted, for Prometheus and whoever reads its format.

What all keys ask, and what it costs, is nobody's business but the operator's: the page wants the admin key,
a reader's, or one that ``metrics.readers`` names, so that a scraper need not hold the admin's. While there is
no key at all it serves this machine, like everything else; ``metrics.open`` serves everybody.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dragoman.accounts.grants import EVERYONE
from dragoman.accounts.keys import Account
from dragoman.core.failure import Failure, Kind, Source
from dragoman.dialects import Call
from dragoman.gateway import Gateway
from dragoman.server.answers import refused
from dragoman.server.client import headers_of
from dragoman.sinks.prometheus import MetricsSpec

PATH = "/metrics"


def routes(gateway: Gateway) -> list[Route]:
    """Return the page."""

    async def page(request: Request) -> Response:
        try:
            return await _told(gateway, request)
        except Failure as failure:
            return refused(failure)

    return [Route(PATH, page, methods=["GET"])]


async def _told(gateway: Gateway, request: Request) -> Response:
    """Answer ``GET /metrics``."""
    spec, headers = gateway.config.metrics, headers_of(request.scope)
    if gateway.metrics is None:
        raise Failure(Kind.NOT_FOUND, "metrics are switched off", source=Source.CLIENT, code="path_not_found")
    if not spec.open:
        call = Call(request.method, PATH, dict(request.query_params), headers)
        _require_reader(spec, await gateway.services.admit(call))
    body, kind = await gateway.metrics.page(headers.get("accept", ""))
    return Response(body, headers={"content-type": kind, "cache-control": "no-store"})


def _require_reader(spec: MetricsSpec, account: Account) -> None:
    if account.looks or account.anonymous or not {EVERYONE, account.name}.isdisjoint(spec.readers):
        return
    raise Failure(
        Kind.FORBIDDEN,
        "metrics tell of every key, and this key may not read them; use the admin key, or "
        f'write readers = ["{account.name}"] under [metrics] in the configuration',
        source=Source.CLIENT,
        code="metrics_not_granted",
    )
