"""Health: whether to send traffic here (`ready`), whether to restart (`live`), and who may answer.

It needs no key and shows no secret.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dragoman import __version__
from dragoman.dialects.fields import encode
from dragoman.gateway import Gateway

Page = Callable[[Request], Any]


def health(gateway: Gateway) -> dict[str, Page]:
    """Return the health pages by path."""

    async def healthy(_: Request) -> Response:
        return _json({"status": "healthy"})

    async def live(_: Request) -> Response:
        return _json({"status": "live"})

    async def ready(_: Request) -> Response:
        missing = await gateway.missing()
        if missing:
            return _json({"status": "not ready", "missing": missing}, 503, {"retry-after": "1"})
        return _json({"status": "ready"})

    async def described(_: Request) -> Response:
        missing = await gateway.missing()
        snapshot = gateway.services.live()
        return _json(
            {
                "status": "not ready" if missing else "healthy",
                "version": __version__,
                "environment": gateway.config.environment,
                "providers": sorted(snapshot.table.ready),
                "models": len(snapshot.table.names()),
            }
        )

    return {"/health": healthy, "/health/live": live, "/health/ready": ready, "/v1/health": described}


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(encode(body), status, headers, media_type="application/json")
