"""``GET /templates``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.house import House, ask, get, house, post

from dragoman.simulator import Simulator

FIELDS = ["id", "title", "prompt", "tags", "category", "variables"]


async def told(gate: House) -> list[dict[str, object]]:
    """Return what the page tells."""
    got = await ask(gate.port, get("/templates"))
    assert (got.status, got.headers["content-type"]) == (200, "application/json")
    listed: list[dict[str, object]] = got.json
    return listed


def test_templates_are_listed_with_all_their_fields(tmp_path: Path) -> None:
    """The shipped ones, where the operator has none."""

    async def play() -> None:
        async with house(tmp_path) as gate:
            listed = await told(gate)
            assert all(list(template) == FIELDS for template in listed)
            [friendly] = [template for template in listed if template["id"] == "friendly"]
            assert friendly["variables"] == ["audience", "topic"]
            assert await told(gate) == listed

    asyncio.run(play())


def test_a_copy_of_the_page_is_a_file_and_an_edit_needs_no_restart(tmp_path: Path) -> None:
    """The watch sees the new file; what it holds is listed and filled in."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            before = await told(gate)
            path = tmp_path / "prompt_templates.json"
            path.write_bytes((await ask(gate.port, get("/templates"))).body)
            gate.gateway.templates.look()
            assert await told(gate) == before
            path.write_text('{"mine": "Tell {{who}}"}')
            while [template["id"] for template in await told(gate)] != ["mine"]:
                await asyncio.sleep(0.01)  # the gateway's own watch
            body = {"template_id": "mine", "template_vars": {"who": "Ada"}}
            got = await ask(gate.port, post("/chat?model=sim-gemini/m", body))
            assert got.status == 200
            assert "Tell Ada" in str(sim.journal.entries[-1].body)

    asyncio.run(play())


@pytest.mark.parametrize("path", ["/templates"])
def test_nobody_sees_them_without_a_key(tmp_path: Path, path: str) -> None:
    """A prompt may be worth something; the refusal has the surfaces' shape."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="anna-secret") as gate:
            got = await ask(gate.port, get(path))
            assert (got.status, set(got.json)) == (401, {"detail", "error"})
            got = await ask(gate.port, get(path, {"authorization": "Bearer anna-secret"}))
            assert got.status == 200

    asyncio.run(play())
