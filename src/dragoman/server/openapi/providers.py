"""Who can answer, how they do, whom a name would reach now, and what every model costs and is used."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from dragoman.server.openapi.operation import PAGE, Operation, Operations, Param, Tag

PROVIDERS = Tag(
    "Providers and routes",
    "Who can answer and what keeps the others from it, how providers did in the last 24 hours, and whom each "
    "route would ask now and why; and every model there is a name for, who serves it, its price and its use.",
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


class Seller(Struct):
    """Who serves a model.

    Attributes:
        model: Its name there.
        missing: What has to be done before it can be asked; null: nothing.
        price: US dollars for a million tokens, by kind; null: nobody knows.
        by: By whose word, as in `/admin/prices`; "": nobody's.
    """

    provider: str
    model: str
    missing: str | None
    price: dict[str, Any] | None
    by: str


class ModelNow(Struct):
    """One model.

    Attributes:
        kind: Where its name comes from: a route of the configuration, the catalogue, or what was answered.
        title: Its name for people; null: it has none.
        context: How many tokens it reads at most; null: nobody says.
        retired: Whether its provider serves it no longer.
        can: Whether it can be asked now.
        sellers: Who serves it: of a route in its order, else those that can be asked first.
        use: Its figures of the last 30 days, as of a group in `/admin/usage`; null: it was not asked.
        rating: The mean of what people thought of it, 1 to 5; null: nobody said.
        ratings: How many said.
    """

    name: str
    kind: Literal["route", "catalogue", "other"]
    title: str | None
    task: str
    context: int | None
    retired: bool
    can: bool
    sellers: list[Seller]
    use: dict[str, Any] | None
    rating: float | None
    ratings: int


class ModelCounts(Struct):
    """How many models are meant: that can be asked now, that cannot, and all."""

    now: int
    missing: int
    all: int


class ModelTable(Struct):
    """A part of the list.

    Attributes:
        can: Which of them are listed.
        next: `after` of the next part; null: this is the last.
    """

    can: Literal["now", "missing", "all"]
    counts: ModelCounts
    models: list[ModelNow]
    next: int | None


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
    "GET /admin/models": Operation(
        tag=PROVIDERS.name,
        title="List models, their prices and their use",
        text="Return every model there is a name for: who serves it, at what price, whether it can be asked, "
        "and its use in the last 30 days. A dated name that was not used stands behind its model: search for "
        "it.",
        tells=(ModelTable,),
        params=(
            Param("q", "Only where every one of these words is in the name, title or a provider."),
            Param(
                "can",
                "Only those that can be asked now, or cannot; not given: `now`, or `all` where none can.",
                Literal["now", "missing", "all"],
            ),
            Param("provider", "Only those this provider serves."),
            Param("task", "Only those for this.", Literal["generate", "embed", "rerank", "moderate"]),
            Param("sort", "Their order; `use` if not given.", Literal["use", "name", "price", "context"]),
            Param("limit", "How many, at most 1000; 100 if not given.", int, example=10),
            Param("after", "How many come before these: `next` of the part before.", int),
        ),
        statuses=(*PAGE, 503),
        words="chat",
        access="view",
        line=False,
    ),
}
