"""The page of ratings: what models are worth, as the store has it, and the newest words as text."""

from __future__ import annotations

import asyncio
import html
from pathlib import Path

from tests.house import ask, chat, house, post
from tests.server.dashboard.signed import signed

from dragoman.simulator import Simulator


def test_ratings_are_told_beside_costs(tmp_path: Path) -> None:
    """Mean, stars and feedback of every rated model; before there is one, how to rate."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, API_KEYS="right") as gate:
            browser = await signed(gate)
            at = {"host": gate.url.removeprefix("http://")}
            empty = html.unescape((await browser.open("/admin/ratings", at)).body.decode())
            assert "No answer was rated yet" in empty
            assert f"curl -s {gate.url}/rate -H" in empty
            key = {"authorization": "Bearer right"}
            for stars in (5, 4):
                answer = await ask(gate.port, post("/v1/chat/completions", chat(), key))
                rating = {
                    "prompt_id": answer.headers["x-dragoman-id"],
                    "rating": stars,
                    "feedback": "<i>good",
                }
                assert (await ask(gate.port, post("/rate", rating, key))).status == 200
            await gate.rows(2)
            page = (await browser.open("/admin/ratings")).body.decode()
            assert "<i>good" not in page
            assert html.unescape(page).count("<i>good") == 2
            assert ">4.50<" in page
            assert page.count("★★★★") >= 2

    asyncio.run(play())
