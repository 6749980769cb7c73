"""What models are worth: stars, and what a request and a point of them cost."""

from __future__ import annotations

from pathlib import Path
from random import Random
from statistics import mean

import pytest
from tests.accounts.rows import NOW, book, by_chance, exchange, grouped, meant, play, sums

from dragoman.accounts.rated import Rated, shown, worth
from dragoman.store import Meters, RatingRow
from dragoman.store.reports import Part, Sums
from dragoman.store.sqlite import SqliteStore


def test_worth_is_reckoned_from_rows(tmp_path: Path) -> None:
    """Stars, means and costs are those of the ratings and rows, one by one; one given anew counts once."""
    chance = Random(2)
    rows = by_chance(chance, 150)

    async def scene(db: SqliteStore) -> None:
        await book(db, rows)
        kept: dict[tuple[str, str], RatingRow] = {}
        for place in range(120):
            row = chance.choice(rows)
            model = row.answered_model or row.model
            rating = RatingRow(row.id, chance.choice("ab"), model, chance.randrange(1, 6), "", NOW + place)
            kept[rating.exchange_id, rating.key] = rating
            await db.ratings.keep(rating)
        found = await worth(db, newest=7)
        by = grouped(meant(rows, Part()), "model")
        assert {one.model for one in found.models} == {rating.model for rating in kept.values()}
        for one in found.models:
            given = [rating.rating for rating in kept.values() if rating.model == one.model]
            assert one.stars == tuple(given.count(stars) for stars in range(1, 6))
            assert one.ratings == len(given)
            assert one.mean == pytest.approx(mean(given))
            own = sums(by[one.model])
            assert one.sums == own
            cost = own.cost_micros / (own.requests - own.unknown_cost)
            assert one.cost_per_request_micros == pytest.approx(cost)
            assert one.cost_per_point_micros == pytest.approx(cost / mean(given))
        assert [one.mean for one in found.models] == sorted((one.mean for one in found.models), reverse=True)
        late = sorted(kept.values(), key=lambda rating: -rating.rated_at)
        assert list(found.newest) == late[:7]

    play(tmp_path, scene)


def test_the_cost_of_a_point() -> None:
    """A model at $0.004 a request that is rated 4 on average costs $0.001 a point; unknown stays unknown."""
    model = Rated("m", (0, 0, 1, 0, 1), Sums(requests=3, cost_micros=8_000, unknown_cost=1))
    assert (model.mean, model.cost_per_request_micros, model.cost_per_point_micros) == (4.0, 4_000, 1_000)
    nobody = Rated("m", (0, 0, 1, 0, 1), Sums(requests=2, unknown_cost=2))
    assert (nobody.cost_per_request_micros, nobody.cost_per_point_micros) == (None, None)
    free = Rated("m", (0, 0, 1, 0, 1), Sums(requests=2))
    assert (free.cost_per_request_micros, free.cost_per_point_micros) == (0, 0)


def test_worth_is_told_in_dollars(tmp_path: Path) -> None:
    """Fields have their names and units; what was said is there as it was said."""

    async def scene(db: SqliteStore) -> None:
        assert shown(await worth(db)) == {"models": [], "newest": []}
        await book(db, [exchange("x", meters=Meters(input=1, cost_micros=9))])
        await db.ratings.keep(RatingRow("x", "one", "m", 4, "so <b>so</b>", NOW))
        told = shown(await worth(db))
        models = told["models"]
        assert isinstance(models, list)
        (model,) = models
        assert isinstance(model, dict)
        assert (
            model.items()
            >= {
                "model": "m",
                "ratings": 1,
                "mean": 4.0,
                "cost_per_request_usd": 0.000009,
                "cost_per_point_usd": 0.00000225,
                "requests": 1,
            }.items()
        )
        assert model["stars"] == {"1": 0, "2": 0, "3": 0, "4": 1, "5": 0}
        assert told["newest"] == [
            {
                "exchange_id": "x",
                "key": "one",
                "model": "m",
                "rating": 4,
                "feedback": "so <b>so</b>",
                "rated_at": "2026-11-21T15:30:00.500Z",
            }
        ]

    play(tmp_path, scene)
