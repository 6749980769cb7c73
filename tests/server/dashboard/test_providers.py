"""Providers and routes on the page: what is missing, how they do, whom a name reaches."""

from __future__ import annotations

import asyncio
import html
import re
from pathlib import Path

import pytest
from tests.house import ask, chat, house, post
from tests.server.dashboard.signed import signed

from dragoman.accounts.overview import ProviderHealth
from dragoman.server.dashboard.providers import verdict
from dragoman.simulator import Simulator
from dragoman.simulator.script import read

ROUTES = """
[routes.fast]
targets = ["openai/gpt-5-mini", "sim-openai_chat/m", "sim-anthropic/m"]

[routes.nobody]
targets = ["openai/gpt-5-mini"]
strict = true
"""


def health(calls: int, failed: int, *, recent: int = 0, recent_failed: int = 0) -> ProviderHealth:
    """Return how a provider did."""
    return ProviderHealth("p", calls, failed, recent, recent_failed, (), {}, ())


@pytest.mark.parametrize(
    ("found", "word", "tone"),
    [
        (None, "not called", "quiet"),
        (health(0, 0), "not called", "quiet"),
        (health(9, 9), "idle", "quiet"),
        (health(100, 0, recent=10), "healthy", "good"),
        (health(100, 4, recent=100, recent_failed=4), "healthy", "good"),
        (health(100, 5, recent=100, recent_failed=5), "troubled", "warn"),
        (health(100, 5, recent=2, recent_failed=1), "failing", "bad"),
    ],
)
def test_a_verdict_is_of_now(found: ProviderHealth | None, word: str, tone: str) -> None:
    """How a provider does is told by its last calls, and nothing is said of one that was not called."""
    assert verdict(found) == (word, tone)


def test_calls_are_told_beside_what_is_missing(tmp_path: Path) -> None:
    """A provider that was called is first, with its failures; one without a key says which it wants."""

    async def play() -> None:
        faulty = read({"default": {}, "rules": [{"match": {"nth": 3}, "then": {"error": {"status": 400}}}]})
        async with Simulator(script=faulty) as sim, house(tmp_path, sim.url, API_KEYS="right") as gate:
            key = {"authorization": "Bearer right"}
            for _ in range(3):
                await ask(gate.port, post("/v1/chat/completions", chat(), key))
            await gate.rows(3)
            browser = await signed(gate)
            page = html.unescape((await browser.open("/admin/providers")).body.decode())
            assert page.index('id="provider-sim-openai_chat"') < page.index('id="provider-openai"')
            assert "set OPENAI_API_KEY" in page
            some = (await browser.open("/admin/providers?state=ready&q=sim-anth")).body.decode()
            assert 'id="provider-sim-anthropic"' in some
            assert 'id="provider-openai"' not in some
            assert (await browser.open("/admin/providers?x=1")).status == 400

    asyncio.run(play())


def test_many_routes_come_in_pages(tmp_path: Path) -> None:
    """A hundred to a page, each once; a page after a route that is gone is the first."""
    routes = [f'[routes.r{number:03}]\ntargets = ["sim-openai_chat/m"]\n' for number in range(205)]
    (tmp_path / "dragoman.toml").write_text("".join(routes))

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, API_KEYS="right") as gate:
            browser = await signed(gate)
            found, path, pages = [], "/admin/routes", 0
            while path:
                page = html.unescape((await browser.open(path)).body.decode())
                found += re.findall(r'<th scope="row"><a [^>]*>(r\d+)</a>', page)
                path = "".join(re.findall(r'href="([^"]+)" rel="next"', page))
                assert "205 routes" in page
                pages += 1
            assert found == [f"r{number:03}" for number in range(205)]
            assert pages == 3
            assert b"r000" in (await browser.open("/admin/routes?after=gone")).body

    asyncio.run(play())


def test_a_route_says_whom_it_asks_and_why(tmp_path: Path) -> None:
    """The first that can be asked, why those before it cannot, and where a name leads."""
    (tmp_path / "dragoman.toml").write_text(ROUTES)

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, API_KEYS="right") as gate:
            browser = await signed(gate)
            page = html.unescape((await browser.open("/admin/routes")).body.decode())
            assert "openai cannot be asked (set OPENAI_API_KEY); 1 more behind it" in page
            assert "nobody can be asked: set OPENAI_API_KEY" in page
            assert "strict" in page
            found = (await browser.open("/admin/routes?name=fast")).body.decode()
            assert found.index("sim-openai_chat") < found.index("asked first")
            unknown = await browser.open("/admin/routes?name=%3Cscript%3Ealert(1)%3C/script%3E")
            assert unknown.status == 200
            assert b"<script>alert" not in unknown.body

    asyncio.run(play())
