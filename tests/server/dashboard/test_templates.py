"""The page of templates: those there are, found by words and category, shown as text."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.house import house
from tests.server.dashboard.signed import signed


def test_templates_are_found_and_shown_as_text(tmp_path: Path) -> None:
    """The operator's own are shown with their variables; hostile ones are words like any other."""
    own = [
        {
            "id": "one",
            "title": "<b>One</b>",
            "prompt": "Tell {{who}} <script>alert(1)",
            "category": "A",
        },
        {"id": "two", "title": "Two", "prompt": "Nothing", "category": "B"},
    ]
    (tmp_path / "prompt_templates.json").write_text(json.dumps(own))

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            browser = await signed(gate)
            page = (await browser.open("/admin/templates")).body.decode()
            assert "2 of 2 templates" in page
            assert "<code>who</code>" in page
            assert "<b>One" not in page
            assert "<script>alert" not in page
            some = (await browser.open("/admin/templates?q=nothing&category=B")).body.decode()
            assert "1 of 2 templates" in some
            none = (await browser.open("/admin/templates?q=tell&category=B")).body.decode()
            assert "No template is like that" in none

    asyncio.run(play())
