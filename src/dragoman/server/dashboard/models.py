"""``/admin/models``: every model there is a name for: who serves it, at what price, and its use.

    routes     the operator's own names: used as often as requests took the route
    catalogue  public names, each with who offers it; a dated name that nobody used stands behind its model
    others     what was answered in the last 30 days under a name that no catalogue has

A model's use is that of its name at a provider, whoever served it: so the reports count, and so budgets do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from dragoman.accounts.explored import Group, explored
from dragoman.accounts.rated import Rated, worth
from dragoman.accounts.reports import check_names, one_of, read
from dragoman.core.failure import invalid
from dragoman.core.usage import Price
from dragoman.exchange import Snapshot
from dragoman.providers import Model
from dragoman.providers.auth import missing
from dragoman.routing import Target
from dragoman.server.dashboard.address import Address, link
from dragoman.server.dashboard.visit import Page, View, Visit
from dragoman.store.reports import Dimension, Part, Spread, Sums
from dragoman.store.spread import added

PATH = "/admin/models"
QUERY = ("q", "can", "provider", "task", "sort", "after")

SHOWN = 40
"""Models of one page."""

CAN = ("now", "missing", "all")
TASKS = ("generate", "embed", "rerank", "moderate")
SORTS = ("use", "name", "price", "context")

MICROS = 1_000_000


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


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One row.

    Attributes:
        kind: Where its name comes from.
        sellers: Who serves it: of a route in its order, else those that can be asked first.
        dated: It is another's dated name.
        sums: Of the last 30 days.
        rated: What is thought of it; None: nobody said.
        use: Where its use is explored.
    """

    name: str
    kind: Literal["route", "catalogue", "other"]
    sellers: tuple[Seller, ...]
    model: Model | None = None
    sums: Sums = Sums()
    spread: Spread = Spread()
    rated: Rated | None = None
    use: str = ""
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


async def _show(visit: Visit) -> View:
    query = visit.query
    check_names(query, QUERY)
    live = visit.gateway.services.live()
    rows = shown(live, await _used(visit), visit.now)
    at = Address(PATH, query)
    can = one_of("can", query.get("can", "now" if any(row.can for row in rows) else "all"), CAN)
    sort = one_of("sort", query.get("sort", "use"), SORTS)
    task = query.get("task", "")
    if task:
        one_of("task", task, TASKS)
    found = [row for row in rows if _meant(row, query.get("q", ""), query.get("provider", ""), task)]
    counts = {"now": sum(row.can for row in found), "all": len(found)}
    counts["missing"] = counts["all"] - counts["now"]
    found = [row for row in found if can == "all" or row.can == (can == "now")]
    found.sort(key=lambda row: _place(row, sort))
    after = _after(query)
    return View(
        "models.html",
        {
            "at": at,
            "rows": found[after : after + SHOWN],
            "count": len(found),
            "counts": counts,
            "can": can,
            "sort": sort,
            "sorts": SORTS,
            "task": task,
            "tasks": TASKS,
            "after": after,
            "older": at.to(after=str(after + SHOWN)) if after + SHOWN < len(found) else "",
            "newer": at.to(after=str(after - SHOWN) if after > SHOWN else None) if after else "",
            "sellers": sorted({one.target.provider for row in rows for one in row.sellers}),
            "rate": rate,
        },
    )


async def _used(visit: Visit) -> Used:
    """Return what was used in the last 30 days."""
    reports, now = visit.gateway.store.reports, visit.now

    async def by(dimension: Dimension) -> dict[str, Group]:
        found = await explored(reports, read({"period": "month", "group_by": dimension}, own=None, now=now))
        return {group.name: group for group in found.groups if group.name}

    since = read({"period": "month"}, own=None, now=now).part.since
    assert since is not None
    calls = await reports.calls(Part(since // 3600 * 3600))
    return Used(
        await by("route"),
        await by("model"),
        {one.model: one for one in (await worth(visit.gateway.store, newest=1)).models},
        tuple(dict.fromkeys(Target(call.provider, call.model) for call in calls if call.model)),
    )


def shown(live: Snapshot, used: Used, now: float) -> list[Shown]:
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
        row = Shown(
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
            row = Shown(
                name=name,
                kind="other",
                sellers=_ready_first(live, targets, now),
                rated=used.rated.get(name),
            )
            rows.append(_with_use(row, [group]))
    return rows


def _route(live: Snapshot, used: Used, name: str, now: float) -> Shown:
    """Return a route's row: its targets in order, and what is known of the one that answers first."""
    targets = [Target(*text.partition("/")[::2]) for text in live.table.routes[name].targets]
    row = Shown(name=name, kind="route", sellers=tuple(_seller(live, target, now) for target in targets))
    if row.first is not None:
        model = live.catalog.find_model(row.first.target.provider, row.first.target.model)
        row = msgspec.structs.replace(row, model=model)
    return _with_use(row, [used.routes[name]] if name in used.routes else [])


def _with_use(row: Shown, groups: Sequence[Group]) -> Shown:
    """Return a row with its use: that of all names it has at providers."""
    name = next((group.name for group in groups if group.name), row.name)
    dimension = "route" if row.kind == "route" else "model"
    spreads = [group.spread for group in groups if group.spread is not None]
    return msgspec.structs.replace(
        row,
        sums=sum((group.sums for group in groups), Sums()),
        spread=Spread(
            added(*(spread.latency for spread in spreads)),
            added(*(spread.first_event for spread in spreads)),
        ),
        use=link("/admin/usage", {"period": "month", "group_by": "key", dimension: name}),
    )


def _seller(live: Snapshot, target: Target, now: float) -> Seller:
    quote = live.prices.find(target.provider, target.model, now)
    row = live.providers.get(target.provider)
    why = missing(row) if row is not None else "no such provider is configured"
    return Seller(target, why, quote.price, quote.version)


def _ready_first(live: Snapshot, targets: Iterable[Target], now: float) -> tuple[Seller, ...]:
    return tuple(sorted((_seller(live, one, now) for one in targets), key=lambda one: bool(one.missing)))


def _meant(row: Shown, sought: str, provider: str, task: str) -> bool:
    """Say whether a row is asked for; a dated name that nobody used is shown to who seeks it."""
    if row.dated and not sought and not row.sums.requests:
        return False
    title = row.model.title if row.model is not None else ""
    text = " ".join((row.name, title, *(str(one.target) for one in row.sellers))).casefold()
    return (
        all(word in text for word in sought.casefold().split())
        and (not provider or any(one.target.provider == provider for one in row.sellers))
        and (not task or row.task == task)
    )


def _place(row: Shown, sort: str) -> tuple[float, str]:
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


def _after(query: Mapping[str, str]) -> int:
    text = query.get("after", "0")
    if not (text.isascii() and text.isdecimal() and len(text) < 7):
        raise invalid("after must be a whole number", "after")
    return int(text)


def rate(amount: Any) -> float:
    """Return US dollars for a million tokens in micro-dollars, for the words of money."""
    return float(amount * MICROS)


PAGES = (Page(PATH, _show),)
