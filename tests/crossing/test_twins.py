"""A service that speaks two protocols is asked in its client's own, where nothing is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.house import ask, chat, house, post

from dragoman.simulator import Simulator

ROWS = """
[providers.plain]
dialect = "openai_chat"
base_url = "{url}/v1"
keyless = true
auth = {{ scheme = "none" }}

[providers.plain-responses]
dialect = "openai_responses"
base_url = "{url}/v1"
keyless = true
auth = {{ scheme = "none" }}
twin = "plain"

[models.large]
offers = [{{ provider = "plain", name = "large", price = {{ input = "1", output = "1" }} }}]
"""
SEARCH = {"type": "web_search"}


@pytest.mark.parametrize("model", ["large", "plain/large"])
@pytest.mark.parametrize(
    ("path", "body", "dialect"),
    [
        ("/v1/responses", {"input": "Hi", "tools": [SEARCH]}, "openai_responses"),
        ("/v1/responses/input_tokens", {"input": "Hi"}, "openai_responses"),
        ("/v1/chat/completions", chat(), "openai_chat"),
        ("/api/chat", {"messages": chat()["messages"], "stream": False}, "openai_chat"),
    ],
)
def test_the_twin_that_speaks_the_clients_dialect_is_asked(
    tmp_path: Path, path: str, body: dict[str, Any], dialect: str, model: str
) -> None:
    """A hosted tool gets through at home, others go where they went, and the price is the same."""

    async def play() -> None:
        async with Simulator() as sim:
            (tmp_path / "dragoman.toml").write_text(ROWS.format(url=sim.url))
            async with house(tmp_path) as gate:
                got = await ask(gate.port, post(path, {**body, "model": model}))
                assert got.status == 200, got.body
                assert sim.journal[-1].dialect == dialect
                [row] = await gate.rows(1)
                assert (
                    row.provider == {"openai_chat": "plain", "openai_responses": "plain-responses"}[dialect]
                )
                assert row.losses == ()
                assert (row.meters.cost_micros or 0) > 0 or row.task == "count"

    asyncio.run(play())
