"""What models are worth: their ratings beside what they cost.

    cost per request = what all of a model's requests cost whose cost is known, divided by how many these are
    cost per point   = cost per request, divided by its mean rating

So a model at $0.004 a request that is rated 4.0 on average costs $0.001 a point, as does one at $0.003 that
is rated 3.0. Both are of all time and of all requests, rated or not: few are rated, and these are no fair
sample of what is paid for. A recorded answer costs nothing and is a request like any other. None where nobody
knows a cost.
"""

from __future__ import annotations

import msgspec

from dragoman.accounts.figures import figures, iso, usd
from dragoman.core.extras import Json
from dragoman.store import RatingRow, Store
from dragoman.store.reports import Part, Sums

NEWEST, MOST = 20, 200
"""Ratings that are told one by one, and how many may be asked for."""

Stars = tuple[int, int, int, int, int]


class Rated(msgspec.Struct, frozen=True):
    """What is thought of one model, and what it costs.

    Attributes:
        stars: How many gave it 1, 2, 3, 4 and 5.
        sums: All requests it answered, rated or not.
    """

    model: str
    stars: Stars
    sums: Sums

    @property
    def ratings(self) -> int:
        """How many rated it."""
        return sum(self.stars)

    @property
    def mean(self) -> float:
        """The mean rating."""
        return sum(place * count for place, count in enumerate(self.stars, 1)) / self.ratings

    @property
    def cost_per_request_micros(self) -> float | None:
        """Micro-dollars of a request whose cost is known; None: there is none."""
        known = self.sums.requests - self.sums.unknown_cost
        return self.sums.cost_micros / known if known else None

    @property
    def cost_per_point_micros(self) -> float | None:
        """Micro-dollars of a request for each point of the mean rating."""
        cost = self.cost_per_request_micros
        return None if cost is None else cost / self.mean


class Worth(msgspec.Struct, frozen=True):
    """What is thought of all models, the best first, and the newest ratings."""

    models: tuple[Rated, ...]
    newest: tuple[RatingRow, ...]


async def worth(store: Store, *, newest: int = NEWEST) -> Worth:
    """Return what is thought of every model that was rated.

    Raises:
        Failure: The store's.
    """
    stars = await store.ratings.stars()
    cells = await store.reports.cells(Part(), by="model") if stars else []
    sums = {cell.name: cell.sums for cell in cells}
    models = [Rated(model, counts, sums.get(model, Sums())) for model, counts in stars.items() if any(counts)]
    models.sort(key=lambda one: (-one.mean, -one.ratings, one.model))
    return Worth(tuple(models), tuple(await store.ratings.newest(newest)))


def shown(found: Worth) -> dict[str, Json]:
    """Return what models are worth as JSON."""
    return {
        "models": [
            {
                "model": one.model,
                "ratings": one.ratings,
                "mean": round(one.mean, 3),
                "stars": {str(place): count for place, count in enumerate(one.stars, 1)},
                "cost_per_request_usd": _nano(one.cost_per_request_micros),
                "cost_per_point_usd": _nano(one.cost_per_point_micros),
                **figures(one.sums),
            }
            for one in found.models
        ],
        "newest": [
            {
                "exchange_id": row.exchange_id,
                "key": row.key,
                "model": row.model,
                "rating": row.rating,
                "feedback": row.feedback or None,
                "rated_at": iso(row.rated_at),
            }
            for row in found.newest
        ],
    }


def _nano(micros: float | None) -> float | None:
    """Return US dollars of a quotient, to a billionth of one."""
    found = usd(micros)
    return None if found is None else round(found, 9)
