"""``GET /models``: what can be asked for, at which price, in one plain list for people's own programs.

The vendors' clients have their own lists (:mod:`dragoman.server.models`); this one belongs to the simpler
surfaces and to our pages, and hides nothing they would have to look up elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dragoman.accounts.grants import restricted
from dragoman.accounts.keys import Account
from dragoman.core.extras import Json
from dragoman.core.failure import Failure
from dragoman.core.usage import Price
from dragoman.dialects import Call
from dragoman.exchange import Snapshot
from dragoman.gateway import Gateway
from dragoman.providers import Model
from dragoman.server.answers import in_json, refused
from dragoman.server.client import headers_of
from dragoman.server.models import names

NOTE = "models of every provider that is configured; prices in US dollars for a million tokens, null: unknown"
NOBODY = (
    "no provider is configured, so nobody can answer yet: this is the catalogue's own list; "
    "set a provider's key, such as GROQ_API_KEY or GEMINI_API_KEY"
)


def routes(gateway: Gateway) -> list[Route]:
    """Return the page."""

    async def page(request: Request) -> Response:
        call = Call("GET", "/models", dict(request.query_params), headers_of(request.scope))
        try:
            account = await gateway.services.admit(call)
        except Failure as failure:
            return refused(failure)
        services = gateway.services
        return in_json(available(services.live(), account, now=services.now()))

    return [Route("/models", page, methods=["GET"])]


def available(live: Snapshot, account: Account, *, now: float) -> dict[str, Json]:
    """Return every model that generates and that this account can ask now; where there is none, all known.

    Names a provider has retired are among them: who still asks for one is answered by what stands in for it.
    """
    models = list(_ready(live, account, now=now))
    if not models and not (restricted(account) and live.table.ready):
        models = list(_known(live, now=now))
    note = NOTE if live.table.ready else NOBODY
    return {"available_models": [model["id"] for model in models], "models": models, "note": note}


def _ready(live: Snapshot, account: Account, *, now: float) -> Iterator[dict[str, Json]]:
    for name in names(live, account):
        target = live.table.resolve(name, None).targets[0]
        model = live.catalog.find_model(target.provider, target.model)
        if model is None or model.task == "generate":
            price = live.prices.find(target.provider, target.model, now).price
            title = "" if name in live.table.routes or model is None else model.title
            yield _told(name, target.provider, title, model, price)


def _known(live: Snapshot, *, now: float) -> Iterator[dict[str, Json]]:
    for model in live.catalog.models.values():
        if model.task == "generate" and model.offers:
            offer = model.offers[0]
            price = live.prices.find(offer.provider, offer.name, now).price
            yield _told(model.id, offer.provider, model.title, model.on(offer.provider), price)


def _told(name: str, provider: str, title: str, model: Model | None, price: Price | None) -> dict[str, Json]:
    return {
        "id": name,
        "provider": provider,
        "title": title or None,
        "context": model and model.context,
        "max_output": model and model.max_output,
        "inputs": list(model.inputs) if model else None,
        "tools": model and model.tools,
        "reasoning": model and model.reasoning != "none",
        "retired": bool(model and model.retired),
        "prices": None if price is None else _prices(price),
    }


def _prices(price: Price) -> dict[str, Json]:
    """Return a price's counters as numbers; what has none of its own is left out."""
    rates = {name: getattr(price, name) for name in Price.__struct_fields__[:9]}
    told: dict[str, Json] = {name: float(rate) for name, rate in rates.items() if rate is not None}
    if price.long is not None:
        told["above"] = {"input_tokens": price.long_after, **_prices(price.long)}
    if price.tiers:
        told["tiers"] = {name: _prices(own) for name, own in price.tiers.items()}
    return told
