"""``/admin/providers`` and ``/admin/routes``: who can answer, how they do, and whom a name would reach now.

Readiness is the configuration's: a provider is ready when it has an address and, if it wants one, a key.
Health is of the calls of the last 24 hours, whichever exchange they were made for, so that a provider others
stood in for is seen failing. What a route chooses does not depend on health.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from starlette.routing import Route

from dragoman.accounts.overview import HOURS, ProviderHealth, health
from dragoman.accounts.overview import provider as health_told
from dragoman.accounts.reports import check_names
from dragoman.core.extras import Json
from dragoman.gateway import Gateway
from dragoman.providers import Provider
from dragoman.routing import Table
from dragoman.server.admin.access import Asking, served, viewer
from dragoman.store.cover import HOUR, beginning
from dragoman.store.reports import Part


class ProviderRow(Struct, frozen=True):
    """One provider.

    Attributes:
        row: As it is configured.
        missing: Why it cannot be asked; "": it can.
        models: How many models of the catalogue it offers.
        health: How it did in the last 24 hours; None: it was not called.
    """

    row: Provider
    missing: str
    models: int
    health: ProviderHealth | None

    @property
    def ready(self) -> bool:
        """Whether it can be asked."""
        return not self.missing


class TargetRow(Struct, frozen=True):
    """One place of a route. ``missing`` as a provider's."""

    provider: str
    model: str
    missing: str
    health: ProviderHealth | None


class RouteRow(Struct, frozen=True):
    """One route or alias.

    Attributes:
        name: What clients ask for.
        targets: In order.
        strict: Whether it refuses rather than lose anything in translation.
        chosen: The place among `targets` that is asked first now; None: nobody can be.
    """

    name: str
    targets: tuple[TargetRow, ...]
    strict: bool
    chosen: int | None

    @property
    def why(self) -> str:
        """Why that one is, in a sentence."""
        if self.chosen is None:
            return "nobody can be asked: " + "; ".join(one.missing for one in self.targets if one.missing)
        passed = [f"{one.provider} cannot be asked ({one.missing})" for one in self.targets[: self.chosen]]
        reason = "; ".join(passed) or "it is the first in the route's order"
        rest = len(self.targets) - self.chosen - 1
        return f"{reason}; {rest} more behind it" if rest else reason


async def outlook(gateway: Gateway) -> dict[str, ProviderHealth]:
    """Return how each provider that was called did in the last 24 hours.

    Raises:
        Failure: The store's.
    """
    hour = beginning(int(gateway.services.now()), "hour")
    calls = await gateway.store.reports.calls(Part(hour - (HOURS - 1) * HOUR), every="hour")
    return {one.provider: one for one in health(calls, hour)}


def providers(gateway: Gateway, known: Mapping[str, ProviderHealth]) -> list[ProviderRow]:
    """Return every provider: those called by how often, then those that are ready, then the others."""
    live = gateway.services.live()
    models: dict[str, int] = {}
    for model in live.catalog.models.values():
        for offer in model.offers:
            models[offer.provider] = models.get(offer.provider, 0) + 1
    rows = [
        ProviderRow(row, _missing(live.table, name), models.get(name, 0), known.get(name))
        for name, row in live.catalog.providers.items()
    ]
    return sorted(
        rows, key=lambda one: (-(one.health.calls if one.health else 0), not one.ready, one.row.name)
    )


def named_routes(gateway: Gateway, known: Mapping[str, ProviderHealth]) -> list[RouteRow]:
    """Return every route and alias of the configuration, in its order."""
    table = gateway.services.live().table
    found = []
    for name, spec in table.routes.items():
        targets = []
        for target in spec.targets:
            provider, _, model = target.partition("/")
            targets.append(TargetRow(provider, model, _missing(table, provider), known.get(provider)))
        chosen = next((place for place, one in enumerate(targets) if not one.missing), None)
        found.append(RouteRow(name, tuple(targets), spec.strict, chosen))
    return found


def routes(gateway: Gateway) -> list[Route]:
    """Return the pages."""
    return [
        Route("/admin/providers", served(gateway, _providers, may=viewer), methods=["GET"]),
        Route("/admin/routes", served(gateway, _routes, may=viewer), methods=["GET"]),
    ]


async def _providers(asking: Asking) -> Json:
    check_names(asking.query, ())
    found = providers(asking.gateway, await outlook(asking.gateway))
    return {"providers": [_provider(one) for one in found]}


async def _routes(asking: Asking) -> Json:
    check_names(asking.query, ())
    found = named_routes(asking.gateway, await outlook(asking.gateway))
    return {"routes": [_route(one) for one in found]}


def _provider(one: ProviderRow) -> dict[str, Json]:
    return {
        "name": one.row.name,
        "title": one.row.title or one.row.name,
        "dialect": one.row.dialect,
        "ready": one.ready,
        "missing": one.missing or None,
        "models": one.models,
        "docs": one.row.docs or None,
        "health": None if one.health is None else health_told(one.health),
    }


def _route(one: RouteRow) -> dict[str, Json]:
    return {
        "name": one.name,
        "strict": one.strict,
        "targets": [
            {"provider": target.provider, "model": target.model, "missing": target.missing or None}
            for target in one.targets
        ],
        "chosen": None
        if one.chosen is None
        else f"{one.targets[one.chosen].provider}/{one.targets[one.chosen].model}",
        "why": one.why,
    }


def _missing(table: Table, provider: str) -> str:
    """Return why a provider cannot be asked; "": it can."""
    if provider in table.ready:
        return ""
    return table.waiting.get(provider, "") or "no provider has this name"
