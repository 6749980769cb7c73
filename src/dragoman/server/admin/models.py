"""``/admin/models``: every model there is a name for: who serves it, at what price, and its use.

    routes     the operator's own names: used as often as requests took the route
    catalogue  public names, each with who offers it; a dated name that nobody used stands behind its model
    others     what was answered in the last 30 days under a name that no catalogue has

A model's use is that of its name at a provider, whoever served it: so the reports count, and so budgets do.
"""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec
from starlette.routing import Route

from dragoman.accounts.explored import Group, explored
from dragoman.accounts.figures import figures
from dragoman.accounts.rated import Rated, worth
from dragoman.accounts.reports import check_names, one_of, read, whole
from dragoman.core.extras import Json
from dragoman.core.failure import invalid
from dragoman.core.usage import Price
from dragoman.exchange import Snapshot
from dragoman.gateway import Gateway
from dragoman.providers import Model
from dragoman.providers.auth import missing
from dragoman.routing import Target
from dragoman.server.admin.access import Asking, served, viewer
from dragoman.store.reports import Dimension, Part, Spread, Sums
from dragoman.store.spread import added

PATH = "/admin/models"
QUERY = ("q", "can", "provider", "task", "sort", "limit", "after")

LIMIT, MOST = 100, 1000
"""Models that are told, if nothing is said, and at most."""

CAN = ("now", "missing", "all")
TASKS = ("generate", "embed", "rerank", "moderate")
SORTS = ("use", "name", "price", "context")


class Seller(msgspec.Struct, frozen=True):
    """Who serves a model, and for what.

    Attributes:
        target: The provider, and the model's name there.
        missing: What an operator has to do before it can be asked; "": nothing.
        price: US dollars for a million tokens; None: nobody knows.
        by: By whose word.
    """

    target: Target
    missing: str
    price: Price | None
    by: str


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row.

    Attributes:
        kind: Where its name comes from.
        sellers: Who serves it: of a route in its order, else those that can be asked first.
        dated: It is another's dated name.
        sums: Of the last 30 days.
        rated: What is thought of it; None: nobody said.
        counted: The name its use is counted by: a route's, or a model's at a provider.
    """

    name: str
    kind: Literal["route", "catalogue", "other"]
    sellers: tuple[Seller, ...]
    model: Model | None = None
    sums: Sums = Sums()
    spread: Spread = Spread()
    rated: Rated | None = None
    counted: str = ""
    dated: bool = False

    @property
    def can(self) -> bool:
        """Whether it can be asked now."""
        return any(not one.missing for one in self.sellers) and not (self.model and self.model.retired)

    @property
    def first(self) -> Seller | None:
        """Who answers first now, else who would."""
        return next(
            (one for one in self.sellers if not one.missing), self.sellers[0] if self.sellers else None
        )

    @property
    def task(self) -> str:
        """What it is for."""
        return self.model.task if self.model is not None else "generate"


class Used(msgspec.Struct, frozen=True):
    """What was used in the last 30 days: by route, by model, and under which names of which providers."""

    routes: Mapping[str, Group]
    models: Mapping[str, Group]
    rated: Mapping[str, Rated]
    calls: tuple[Target, ...]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which models are asked for.

    Attributes:
        sought: Words of a name, a title or a provider; "": any.
        can: One of :data:`CAN`; "": those that can be asked now, or all where none can.
        provider: Who serves them; "": anybody.
        task: What they are for; "": anything.
        sort: One of :data:`SORTS`.
        limit: How many.
        after: How many come before these.
    """

    sought: str = ""
    can: str = ""
    provider: str = ""
    task: str = ""
    sort: str = "use"
    limit: int = LIMIT
    after: int = 0


class Listed(msgspec.Struct, frozen=True):
    """Models that were asked for.

    Attributes:
        rows: Those of this part of the list, in order.
        can: Which of :data:`CAN` they are.
        counts: How many there are of each of :data:`CAN`.
        providers: Everybody who serves any model.
    """

    rows: tuple[ModelRow, ...]
    can: str
    counts: Mapping[str, int]
    providers: tuple[str, ...]


def asked_for(query: Mapping[str, str], *, limit: int = LIMIT) -> Asked:
    """Read a page's parameters; `limit` is how many are told where they do not say.

    Raises:
        Failure: INVALID, naming the parameter.
    """
    can, task = query.get("can", ""), query.get("task", "")
    return Asked(
        sought=query.get("q", ""),
        can=one_of("can", can, CAN) if can else "",
        provider=query.get("provider", ""),
        task=one_of("task", task, TASKS) if task else "",
        sort=one_of("sort", query.get("sort", "use"), SORTS),
        limit=whole("limit", query.get("limit", str(limit)), MOST),
        after=_after(query.get("after", "0")),
    )


async def listed(gateway: Gateway, asked: Asked) -> Listed:
    """Return the models that are asked for.

    Raises:
        Failure: The store's.
    """
    now = gateway.services.now()
    rows = named(gateway.services.live(), await _used(gateway, now), now)
    can = asked.can or ("now" if any(row.can for row in rows) else "all")
    meant = [row for row in rows if _meant(row, asked)]
    ready = sum(row.can for row in meant)
    found = [row for row in meant if can == "all" or row.can == (can == "now")]
    found.sort(key=lambda row: _place(row, asked.sort))
    return Listed(
        tuple(found[asked.after : asked.after + asked.limit]),
        can,
        {"now": ready, "missing": len(meant) - ready, "all": len(meant)},
        tuple(sorted({one.target.provider for row in rows for one in row.sellers})),
    )


def routes(gateway: Gateway) -> list[Route]:
    """Return the page."""
    return [Route(PATH, served(gateway, _list, may=viewer), methods=["GET"])]


async def _list(asking: Asking) -> Json:
    check_names(asking.query, QUERY)
    asked = asked_for(asking.query)
    found = await listed(asking.gateway, asked)
    behind = asked.after + len(found.rows)
    return {
        "can": found.can,
        "counts": dict(found.counts),
        "models": await to_thread(lambda: [_told(row) for row in found.rows]),
        "next": behind if found.rows and behind < found.counts[found.can] else None,
    }


def _told(row: ModelRow) -> dict[str, Json]:
    model = row.model
    return {
        "name": row.name,
        "kind": row.kind,
        "title": (model.title or None) if model is not None else None,
        "task": row.task,
        "context": (model.context or None) if model is not None else None,
        "retired": bool(model is not None and model.retired),
        "can": row.can,
        "sellers": [
            {
                "provider": one.target.provider,
                "model": one.target.model,
                "missing": one.missing or None,
                "price": msgspec.to_builtins(one.price),
                "by": one.by,
            }
            for one in row.sellers
        ],
        "use": figures(row.sums, row.spread) if row.sums.requests else None,
        "rating": None if row.rated is None else round(row.rated.mean, 2),
        "ratings": 0 if row.rated is None else row.rated.ratings,
    }


async def _used(gateway: Gateway, now: float) -> Used:
    """Return what was used in the last 30 days."""
    reports = gateway.store.reports

    async def by(dimension: Dimension) -> dict[str, Group]:
        found = await explored(reports, read({"period": "month", "group_by": dimension}, own=None, now=now))
        return {group.name: group for group in found.groups if group.name}

    since = read({"period": "month"}, own=None, now=now).part.since
    assert since is not None
    calls = await reports.calls(Part(since // 3600 * 3600))
    return Used(
        await by("route"),
        await by("model"),
        {one.model: one for one in (await worth(gateway.store, newest=1)).models},
        tuple(dict.fromkeys(Target(call.provider, call.model) for call in calls if call.model)),
    )


def named(live: Snapshot, used: Used, now: float) -> list[ModelRow]:
    """Return a row for every name there is.

    Args:
        live: The configuration that holds now.
        used: What was used.
        now: Unix seconds, for the prices.
    """
    told: set[str] = set(live.table.routes)
    rows = [_route(live, used, name, now) for name in live.table.routes]
    dated = {name for model in live.catalog.models.values() for name in model.snapshots}
    for id_, model in live.catalog.models.items():
        targets = [Target(one.provider, one.name) for one in model.offers]
        targets = list(dict.fromkeys((*live.table.offers.get(id_, ()), *targets)))
        names = tuple(dict.fromkeys((id_, *(target.model for target in targets))))
        own = [used.models[name] for name in names if name in used.models and name not in told]
        told.update(names)
        row = ModelRow(
            name=id_,
            kind="catalogue",
            sellers=_ready_first(live, targets, now),
            model=model,
            rated=next((used.rated[name] for name in names if name in used.rated), None),
            dated=id_ in dated,
        )
        rows.append(_with_use(row, own))
    for name, group in used.models.items():
        if name not in told:
            targets = [target for target in used.calls if target.model == name]
            row = ModelRow(
                name=name,
                kind="other",
                sellers=_ready_first(live, targets, now),
                rated=used.rated.get(name),
            )
            rows.append(_with_use(row, [group]))
    return rows


def _route(live: Snapshot, used: Used, name: str, now: float) -> ModelRow:
    """Return a route's row: its targets in order, and what is known of the one that answers first."""
    targets = [Target(*text.partition("/")[::2]) for text in live.table.routes[name].targets]
    row = ModelRow(name=name, kind="route", sellers=tuple(_seller(live, target, now) for target in targets))
    if row.first is not None:
        model = live.catalog.find_model(row.first.target.provider, row.first.target.model)
        row = msgspec.structs.replace(row, model=model)
    return _with_use(row, [used.routes[name]] if name in used.routes else [])


def _with_use(row: ModelRow, groups: Sequence[Group]) -> ModelRow:
    """Return a row with its use: that of all names it has at providers."""
    name = next((group.name for group in groups if group.name), row.name)
    spreads = [group.spread for group in groups if group.spread is not None]
    return msgspec.structs.replace(
        row,
        sums=sum((group.sums for group in groups), Sums()),
        spread=Spread(
            added(*(spread.latency for spread in spreads)),
            added(*(spread.first_event for spread in spreads)),
        ),
        counted=name,
    )


def _seller(live: Snapshot, target: Target, now: float) -> Seller:
    quote = live.prices.find(target.provider, target.model, now)
    row = live.providers.get(target.provider)
    why = missing(row) if row is not None else "no such provider is configured"
    return Seller(target, why, quote.price, quote.version)


def _ready_first(live: Snapshot, targets: Iterable[Target], now: float) -> tuple[Seller, ...]:
    return tuple(sorted((_seller(live, one, now) for one in targets), key=lambda one: bool(one.missing)))


def _meant(row: ModelRow, asked: Asked) -> bool:
    """Say whether a row is asked for; a dated name that nobody used is shown to who seeks it."""
    if row.dated and not asked.sought and not row.sums.requests:
        return False
    title = row.model.title if row.model is not None else ""
    text = " ".join((row.name, title, *(str(one.target) for one in row.sellers))).casefold()
    return (
        all(word in text for word in asked.sought.casefold().split())
        and (not asked.provider or any(one.target.provider == asked.provider for one in row.sellers))
        and (not asked.task or row.task == asked.task)
    )


def _after(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 7):
        raise invalid("after must be a whole number", "after")
    return int(text)


def _place(row: ModelRow, sort: str) -> tuple[float, str]:
    match sort:
        case "price":
            price = row.first.price if row.first is not None else None
            return (float("inf") if price is None else float(price.input + price.output)), row.name
        case "context":
            return -float(row.model.context or 0 if row.model is not None else 0), row.name
        case "name":
            return 0.0, row.name
        case _:
            return -float(row.sums.requests), row.name
