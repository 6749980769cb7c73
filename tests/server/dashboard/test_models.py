"""The page of models: what can be asked and what is missing, its price by whose word, and its use."""

from __future__ import annotations

import asyncio
import html
import re
from pathlib import Path

import pytest
from tests.house import house
from tests.server.dashboard.booked import book, exchange
from tests.server.dashboard.signed import signed

from dragoman.simulator import Simulator
from dragoman.store import RatingRow

ROUTES = """
[routes.fast]
targets = ["openai/gpt-5-mini", "sim-openai_chat/m"]

[routes.nobody]
targets = ["openai/gpt-5-mini"]
"""


def rows(page: str) -> dict[str, str]:
    """Return the text of each row, by its name."""
    found = {}
    for one in re.findall(r'<tr id="model-\d+">(.*?)</tr>', page, re.DOTALL):
        head = re.sub("<[^>]+>", " ", one[: one.index("</th>")].partition("<span")[0])
        found[html.unescape(head).strip()] = html.unescape(" ".join(re.sub("<[^>]+>", " ", one).split()))
    return found


def test_what_can_be_asked_is_told_apart(tmp_path: Path) -> None:
    """A route that one of its targets can answer is there; one that none can says what is missing."""

    async def play() -> None:
        (tmp_path / "dragoman.toml").write_text(ROUTES)
        async with Simulator() as sim, house(tmp_path, sim.url, API_KEYS="right") as gate:
            browser = await signed(gate)
            now = rows((await browser.open("/admin/models?can=now")).body.decode())
            assert "sim-openai_chat" in now["fast"]
            assert "nobody" not in now
            missing = rows((await browser.open("/admin/models?can=missing&q=nobody")).body.decode())
            assert "set OPENAI_API_KEY" in missing["nobody"]
            assert "fast" not in missing

    asyncio.run(play())


def test_a_configured_provider_makes_its_models_ready(tmp_path: Path) -> None:
    """With a key the catalogue's models of a provider can be asked, with a price and by whose word it is."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right", OPENAI_API_KEY="sk-x") as gate:
            page = (await (await signed(gate)).open("/admin/models?q=gpt-4.1-mini")).body.decode()
            row = rows(page)["gpt-4.1-mini"]
            assert "openai" in row
            assert "$0.40 / $1.60" in row
            assert "genai-prices" in row
            assert "sk-x" not in page

    asyncio.run(play())


def test_use_and_rating_stand_beside_a_model(tmp_path: Path) -> None:
    """Requests, cost and rating are the ledger's; what no catalogue has is there once it was used."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, API_KEYS="right") as gate:
            now = gate.gateway.services.now()
            own = {"model": "m-own", "answered_model": "m-own", "provider": "sim-openai_chat"}
            await book(gate, *(exchange(n, now - 5, **own) for n in range(3)))
            await book(gate, exchange(9, now - 40 * 86_400, **own))
            rating = RatingRow(exchange(0, now).id, "alpha", "m-own", 4, "", now)
            await gate.gateway.store.ratings.keep(rating)
            row = rows((await (await signed(gate)).open("/admin/models")).body.decode())["m-own"]
            assert "in no catalogue" in row
            assert re.search(r"\b3 \$0\.003\b", row)
            assert row.endswith("4.0")

    asyncio.run(play())


def test_filters_sort_and_pages(tmp_path: Path) -> None:
    """A search, a provider and a task leave what they say; pages follow each other without gap or repeat."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            embed = rows(
                (await browser.open("/admin/models?can=all&task=embed&provider=openai")).body.decode()
            )
            assert embed
            assert all("embed" in row for row in embed.values())
            names: list[str] = []
            path = "/admin/models?can=all&sort=name"
            while path:
                page = (await browser.open(path)).body.decode()
                names += rows(page)
                older = re.search(r'href="([^"]+)" rel="next"', page)
                path = html.unescape(older[1]) if older else ""
            assert names == sorted(set(names))
            assert len(names) > 100
            nothing = (await browser.open("/admin/models?q=no+such+model+at+all")).body.decode()
            assert "No model is meant by this" in nothing

    asyncio.run(play())


def test_a_dated_name_is_shown_to_who_seeks_it(tmp_path: Path) -> None:
    """A model's dated names stand behind it, until somebody searches."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            catalog = gate.gateway.services.live().catalog
            model = next(one for one in catalog.models.values() if one.snapshots)
            plain = (
                await browser.open(f"/admin/models?can=all&sort=name&provider={model.offers[0].provider}")
            ).body
            assert model.snapshots[0] not in rows(plain.decode())
            found = rows((await browser.open(f"/admin/models?can=all&q={model.snapshots[0]}")).body.decode())
            assert model.snapshots[0] in found

    asyncio.run(play())


@pytest.mark.parametrize("query", ["can=perhaps", "sort=joy", "task=dance", "after=-1", "after=x", "page=2"])
def test_an_unknown_word_is_refused(tmp_path: Path, query: str) -> None:
    """A parameter that is not known, or says what is not, is a 400."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            assert (await (await signed(gate)).open(f"/admin/models?{query}")).status == 400

    asyncio.run(play())


def test_names_are_text(tmp_path: Path) -> None:
    """A model's name of markup is text in its row, in what it leads to, and in the search."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            hostile = "<script>alert(1)</script>\"'" + "y" * 300
            now = gate.gateway.services.now()
            await book(gate, exchange(1, now - 5, model=hostile, answered_model=hostile))
            page = (await browser.open("/admin/models?can=all&q=%3Cscript%3E")).body.decode()
            assert "<script>alert" not in page
            assert any("<script>alert(1)" in name for name in rows(page))

    asyncio.run(play())
