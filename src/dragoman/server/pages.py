"""Health: whether to send traffic here (`ready`), whether to restart (`live`), and who may answer.

It needs no key and shows no secret.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dragoman import __version__
from dragoman.gateway import Gateway
from dragoman.server.answers import in_json

Page = Callable[[Request], Any]


def health(gateway: Gateway) -> dict[str, Page]:
    """Return the health pages by path."""

    async def healthy(_: Request) -> Response:
        return in_json({"status": "healthy"})

    async def live(_: Request) -> Response:
        return in_json({"status": "live"})

    async def ready(_: Request) -> Response:
        missing = await gateway.missing()
        if missing:
            return in_json({"status": "not ready", "missing": missing}, 503, {"retry-after": "1"})
        return in_json({"status": "ready"})

    async def described(_: Request) -> Response:
        missing = await gateway.missing()
        snapshot = gateway.services.live()
        return in_json(
            {
                "status": "not ready" if missing else "healthy",
                "version": __version__,
                "environment": gateway.config.environment,
                "providers": sorted(snapshot.table.ready),
                "models": len(snapshot.table.names()),
                **_redis(gateway),
            }
        )

    return {"/health": healthy, "/health/live": live, "/health/ready": ready, "/v1/health": described}


def _redis(gateway: Gateway) -> dict[str, str]:
    """Say how the link to Redis stands, where there is one; without it the gateway serves all the same."""
    state = gateway.sharing.state
    if state is None:
        return {}
    return {"redis": "up" if state.up else state.why or "away"}
