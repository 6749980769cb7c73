"""Prices on the page: found, set, taken back, and history tried before it is changed."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.house import House, ask, chat, house, post
from tests.server.dashboard.signed import Browser, signed

from dragoman.simulator import Simulator


def play(folder: Path, act: Callable[[House, Browser], Awaitable[None]]) -> None:
    """Play before a gateway with a simulated provider, signed in as admin."""

    async def run() -> None:
        async with Simulator() as sim, house(folder, sim.url, API_KEYS="right") as gate:
            await act(gate, await signed(gate))

    asyncio.run(run())


def test_prices_are_found(tmp_path: Path) -> None:
    """By model, provider, and beyond what can be asked; a page that is none is refused."""

    async def act(_: House, browser: Browser) -> None:
        found = (await browser.open("/admin/prices?all=true&provider=openai&q=gpt-5-mini")).body.decode()
        assert "gpt-5-mini" in found
        assert "claude" not in found
        assert "genai-prices" in found
        assert (
            "No price is like that" in (await browser.open("/admin/prices?q=nothing-like-it")).body.decode()
        )
        pages = (await browser.open("/admin/prices?all=true")).body.decode()
        assert "page=2" in pages
        assert (await browser.open("/admin/prices?all=true&page=2")).status == 200
        for page in ("0", "999999", "x", "-1", "٢"):
            assert (await browser.open(f"/admin/prices?page={page}")).status == 400

    play(tmp_path, act)


def test_a_price_is_set_and_history_follows(tmp_path: Path) -> None:
    """What was asked before costs what is set now, once that was tried and done; the audit log has it."""

    async def act(gate: House, browser: Browser) -> None:
        await ask(gate.port, post("/v1/chat/completions", chat(), {"authorization": "Bearer right"}))
        (row,) = await gate.rows(1)
        assert row.meters.cost_micros is None
        price = {"provider": "sim-openai_chat", "model": "*", "input": "$1000", "output": "2000"}
        since = {"since": "2020-01-01"}
        done = await browser.send("/admin/prices", {**price, **since})
        page = (await browser.follow(done)).body.decode()
        assert "Price of sim-openai_chat/* set; it is booked as operator 1" in html.unescape(page)
        tried = await browser.send("/admin/prices/reprice", {"do": "try", **since})
        assert tried.status == 200
        assert "Change 1 attempts" in tried.body.decode()
        assert (await gate.rows())[0].meters.cost_micros is None
        done = await browser.send("/admin/prices/reprice", {"do": "change", **since})
        assert "1 of 1 attempts were priced anew" in (await browser.follow(done)).body.decode()
        meters = (await gate.rows())[0].meters
        assert meters.cost_micros == meters.input * 1000 + meters.output * 2000
        done = await browser.send("/admin/prices", {**price, "withdraw": "true"})
        assert "taken back" in (await browser.follow(done)).body.decode()
        actions = [entry.action for _, entry in await gate.gateway.store.audit.rows()]
        assert actions[:3] == ["prices.unset", "prices.reprice", "prices.set"]

    play(tmp_path, act)


def test_what_is_typed_wrongly_is_said_beside_its_field(tmp_path: Path) -> None:
    """Nothing is set, the field is named, and what was typed is still there."""

    async def act(gate: House, browser: Browser) -> None:
        good = {"provider": "sim-openai_chat", "model": "m", "input": "1", "output": "2"}
        for name, value, words in (
            ("input", "", "needed here"),
            ("output", "1,5", "without a comma"),
            ("cache_read", "much", "no amount"),
            ("provider", "nobody<script>", "no provider is named"),
            ("model", "", "is wanted"),
            ("since", "yesterday", "must be"),
        ):
            answer = await browser.send("/admin/prices", {**good, name: value})
            page = answer.body.decode()
            assert (answer.status, words in html.unescape(page)) == (400, True), name
            assert f'id="set-{name}-fault"' in page, name
            assert "<script>" not in page.replace("<script ", "")
            assert 'value="sim-openai_chat"' in page or name == "provider"
        assert (await browser.send("/admin/prices/reprice", {"since": "x"})).status == 400
        assert await gate.gateway.store.prices.rows() == []

    play(tmp_path, act)
