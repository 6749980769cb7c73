"""Models as JSON: those of the page at the same address, part by part, with their prices and their use."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.house import House, ask, get, house
from tests.server.dashboard.booked import book, exchange
from tests.server.dashboard.signed import key_of, signed
from tests.server.dashboard.test_models import rows

from dragoman.simulator import Simulator
from dragoman.store import RatingRow

ROUTES = """
[routes.fast]
targets = ["openai/gpt-5-mini", "sim-openai_chat/m"]
"""


async def told(gate: House, query: str, *, status: int = 200) -> Any:
    """Return what a reader is told."""
    name = f"reader-{len(await gate.gateway.store.keys.keys())}"
    bearer = {"authorization": f"Bearer {await key_of(gate, name, role='reader')}"}
    answer = await ask(gate.port, get(f"/admin/models?{query}", bearer))
    assert answer.status == status, answer.body
    return answer.json


def test_a_model_is_told_with_its_sellers_and_its_use(tmp_path: Path) -> None:
    """A route in its order, with what is missing; a model with its price; what was used, with its figures."""

    async def play() -> None:
        (tmp_path / "dragoman.toml").write_text(ROUTES)
        async with Simulator() as sim, house(tmp_path, sim.url, API_KEYS="right") as gate:
            now = gate.gateway.services.now()
            own = {"model": "m-own", "answered_model": "m-own", "provider": "sim-openai_chat"}
            await book(gate, *(exchange(n, now - 5, **own) for n in range(3)))
            await book(gate, exchange(9, now - 40 * 86_400, **own))
            rating = RatingRow(exchange(0, now).id, "alpha", "m-own", 4, "", now)
            await gate.gateway.store.ratings.keep(rating)
            found = {one["name"]: one for one in (await told(gate, "can=all&limit=1000"))["models"]}
            route = found["fast"]
            assert (route["kind"], route["can"], route["use"]) == ("route", True, None)
            assert [(one["provider"], one["missing"]) for one in route["sellers"]] == [
                ("openai", "set OPENAI_API_KEY"),
                ("sim-openai_chat", None),
            ]
            mini = found["gpt-4.1-mini"]
            assert (mini["kind"], mini["can"], mini["rating"]) == ("catalogue", False, None)
            (price,) = (one["price"] for one in mini["sellers"] if one["provider"] == "openai")
            assert (Decimal(price["input"]), Decimal(price["output"])) == (Decimal("0.4"), Decimal("1.6"))
            used = found["m-own"]
            assert (used["kind"], used["use"]["requests"], used["use"]["cost_usd"]) == ("other", 3, 0.003)
            assert (used["rating"], used["ratings"]) == (4.0, 1)

    asyncio.run(play())


def test_it_is_the_page_of_the_same_address(tmp_path: Path) -> None:
    """Whatever is asked for, a program and a browser are told the same models in the same order."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right", OPENAI_API_KEY="sk-x") as gate:
            browser = await signed(gate)
            for query in ("", "can=missing&sort=price", "q=mini&sort=name", "task=embed&can=all&after=3"):
                page = (await browser.open(f"/admin/models?{query}")).body.decode()
                found = await told(gate, f"{query}&limit=40".removeprefix("&"))
                assert [one["name"] for one in found["models"]] == list(rows(page))
                assert found["models"]

    asyncio.run(play())


def test_parts_follow_each_other(tmp_path: Path) -> None:
    """By ``next`` every model is told once, as many as are counted; the last part says it is."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            names: list[str] = []
            after: int | None = 0
            while after is not None:
                found = await told(gate, f"can=all&sort=name&limit=70&after={after}")
                names += [one["name"] for one in found["models"]]
                after = found["next"]
            assert names == sorted(set(names))
            assert len(names) == found["counts"]["all"] > 100
            beyond = await told(gate, "can=all&after=999999")
            assert (beyond["models"], beyond["next"]) == ([], None)

    asyncio.run(play())


@pytest.mark.parametrize(
    "query", ["can=x", "sort=x", "task=x", "after=-1", "limit=0", "limit=1001", "page=2", "can=now&x=1"]
)
def test_an_unknown_word_is_refused(tmp_path: Path, query: str) -> None:
    """A parameter that is not known, or says what is not, is a 400 that names it."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            refused = await told(gate, query, status=400)
            name = "x" if query.endswith("&x=1") else query.partition("=")[0]
            assert name in refused["error"]["at"]

    asyncio.run(play())
