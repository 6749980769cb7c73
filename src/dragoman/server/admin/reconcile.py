"""``POST /admin/reconcile``: a provider's bill beside the ledger.

The export is the body, as the provider wrote it; nothing of it is kept. It is read, compared and told in
threads: the event loop has requests to serve.
"""

from __future__ import annotations

from asyncio import to_thread
from io import BytesIO

from starlette.responses import Response
from starlette.routing import Route

from dragoman.accounts.reconcile import TOLERANCE, Reconciled, read_exports, read_tolerance, reconciled
from dragoman.accounts.reconcile.told import in_csv, in_json
from dragoman.accounts.reports import check_names, one_of
from dragoman.core.failure import invalid
from dragoman.gateway import Gateway
from dragoman.server import answers
from dragoman.server.admin.access import PRIVATE, Asking, served, viewer

LARGEST = 16 << 20
"""Bytes an export may have."""

PARAMETERS = ("provider", "tolerance", "format")


def routes(gateway: Gateway) -> list[Route]:
    """Return the page."""
    return [Route("/admin/reconcile", served(gateway, _reconcile, may=viewer), methods=["POST"])]


async def _reconcile(asking: Asking) -> Response:
    query = asking.query
    check_names(query, PARAMETERS)
    provider = query.get("provider")
    if not provider:
        raise invalid("provider is missing: whose export it is, by its name in the ledger", "provider")
    tolerance = read_tolerance(query.get("tolerance", str(TOLERANCE)))
    form = one_of("format", query.get("format", "json"), ("json", "csv"))
    body = BytesIO(await asking.raw(LARGEST))
    export = await to_thread(read_exports, [(body, "export")])
    bills = asking.gateway.store.bills
    found = await reconciled(bills, export, provider=provider, tolerance=tolerance)
    return await to_thread(_table if form == "csv" else _json, found)


def _table(found: Reconciled) -> Response:
    lines = "".join(f"{line}\r\n" for line in in_csv(found))
    return Response(lines, media_type="text/csv; charset=utf-8", headers=PRIVATE)


def _json(found: Reconciled) -> Response:
    return answers.in_json(in_json(found), headers=PRIVATE)
