"""What is not the data path: health and the list of models.

Health says whether to send traffic here (`ready`), whether to restart (`live`), and who may answer. It
needs no key and shows no secret. The list of models answers in the asker's own shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dragoman import __version__
from dragoman.core.failure import Failure, Kind, Source
from dragoman.dialects import Call, Dialect
from dragoman.dialects.catalog import DIALECTS
from dragoman.dialects.fields import encode
from dragoman.exchange import Services
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


async def models(gateway: Gateway, request: Request) -> Response:
    """Answer ``GET /v1/models`` and ``/v1/models/{id}``."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    door = asker(headers)
    try:
        gateway.services.admit(Call("GET", request.url.path, dict(request.query_params), headers))
        rows = listing(gateway.services)
        wanted = request.path_params.get("id")
        return _json(shape(door, rows) if wanted is None else _one(door, rows, wanted))
    except Failure as failure:
        reply = door.write_failure(failure)
        return _json(reply.body, reply.status, dict(reply.headers))


def _one(door: Dialect, rows: list[dict[str, Any]], wanted: str) -> Any:
    for row in rows:
        if row["id"] == wanted:
            return shape(door, [row])["data"][0]
    raise Failure(
        Kind.NOT_FOUND,
        "no model has this name; GET /v1/models lists what there is",
        source=Source.CLIENT,
        code="model_not_found",
    )


def asker(headers: dict[str, str]) -> Dialect:
    """Return the dialect of whoever asks for models (dialects that share the path tell by a header)."""
    name = "anthropic" if "anthropic-version" in headers else "openai_chat"
    return DIALECTS[name]


def listing(services: Services) -> list[dict[str, Any]]:
    """Return a row for every model name that can be answered now."""
    snapshot = services.live()
    rows = []
    for name in snapshot.table.names():
        target = snapshot.table.resolve(name, None).targets[0]
        model = snapshot.catalog.find_model(target.provider, target.model)
        rows.append({"id": name, "owned_by": target.provider, "model": model})
    return rows


def shape(door: Dialect, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Write model rows as the asker's API lists them.

    OpenAI: https://platform.openai.com/docs/api-reference/models/list; Anthropic:
    https://docs.anthropic.com/en/api/models-list (both read 2026-11-21).
    """
    if door.name == "anthropic":
        data = [_anthropic(row) for row in rows]
        ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
        return {"data": data, "has_more": False, "first_id": None, "last_id": None, **ends}
    return {
        "object": "list",
        "data": [
            {"id": row["id"], "object": "model", "created": 0, "owned_by": row["owned_by"]} for row in rows
        ],
    }


def _anthropic(row: dict[str, Any]) -> dict[str, Any]:
    model = row["model"]
    shown: dict[str, Any] = {
        "type": "model",
        "id": row["id"],
        "display_name": (model and model.title) or row["id"],
        "created_at": "1970-01-01T00:00:00Z",
    }
    if model and model.context:
        shown["max_input_tokens"] = model.context
    if model and model.max_output:
        shown["max_tokens"] = model.max_output
    return shown


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(encode(body), status, headers, media_type="application/json")
