"""Who can answer, how they do, and whom a name would reach now."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from dragoman.server.openapi.operation import PAGE, Operation, Operations, Tag

PROVIDERS = Tag(
    "Providers and routes",
    "Who can answer and what keeps the others from it, how providers did in the last 24 hours, and whom each "
    "route would ask now and why.",
)


class ProviderNow(Struct):
    """One provider.

    Attributes:
        title: Its name for people.
        missing: Why it cannot be asked; null: it can.
        models: How many models of the catalogue it offers.
        docs: The vendor's API page.
        health: Its calls in the last 24 hours, as in `/admin/overview`; null: there were none.
    """

    name: str
    title: str
    dialect: str
    ready: bool
    missing: str | None
    models: int
    docs: str | None
    health: dict[str, Any] | None


class ProviderTable(Struct):
    """Every provider there is a row of: those that were called first, then those that are ready."""

    providers: list[ProviderNow]


class TargetNow(Struct):
    """One place of a route. ``missing``: why it cannot be asked; null: it can."""

    provider: str
    model: str
    missing: str | None


class RouteNow(Struct):
    """One route or alias of the configuration.

    Attributes:
        strict: Whether it refuses rather than lose anything in translation.
        chosen: Whom it would ask first now; null: nobody can be asked.
        why: Why, in a sentence.
    """

    name: str
    strict: bool
    targets: list[TargetNow]
    chosen: str | None
    why: str


class RouteTable(Struct):
    """Every route and alias, in the configuration's order."""

    routes: list[RouteNow]


TAGS = (PROVIDERS,)
OPERATIONS: Operations = {
    "GET /admin/providers": Operation(
        tag=PROVIDERS.name,
        title="List providers and how they do",
        text="Return every provider: whether it can be asked, what is missing, its calls of the last day.",
        tells=(ProviderTable,),
        statuses=(*PAGE, 503),
        words="chat",
        access="view",
        line=False,
    ),
    "GET /admin/routes": Operation(
        tag=PROVIDERS.name,
        title="List routes and whom they would ask now",
        text="Return every route and alias with its targets, the one it would ask first now, and why.",
        tells=(RouteTable,),
        statuses=(*PAGE, 503),
        words="chat",
        access="view",
        line=False,
    ),
}
