"""``GET /models``: one plain list of what can be asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.house import ask, get, house
from tests.providers.test_catalog import PROMISED


def test_only_models_of_configured_providers_are_listed(tmp_path: Path) -> None:
    """With a key of Groq's there are Groq's models, with their price and context; and nobody else's."""

    async def play() -> None:
        async with house(tmp_path, "", GROQ_API_KEY="k") as gate:
            told = (await ask(gate.port, get("/models"))).json
            assert set(told["available_models"]) == {model["id"] for model in told["models"]}
            assert {model["provider"] for model in told["models"]} == {"groq"}
            [row] = [model for model in told["models"] if model["id"] == "llama-3.1-8b-instant"]
            assert row["prices"] == {"input": 0.05, "output": 0.08}
            assert row["context"] == 131072
            assert "null: unknown" in told["note"]

    asyncio.run(play())


def test_with_nobody_configured_the_catalogue_is_listed(tmp_path: Path) -> None:
    """The note says that nobody can answer, and what to do."""

    async def play() -> None:
        async with house(tmp_path, "") as gate:
            told = (await ask(gate.port, get("/models"))).json
            assert "gemini-2.5-flash" in told["available_models"]
            assert "GROQ_API_KEY" in told["note"]

    asyncio.run(play())


def test_every_model_of_the_prompt_surface_is_known(tmp_path: Path) -> None:
    """With keys of both providers each name of the surface's document is there."""

    async def play() -> None:
        async with house(tmp_path, "", GROQ_API_KEY="k", GEMINI_API_KEY="k") as gate:
            told = (await ask(gate.port, get("/models"))).json
            assert set(PROMISED) - set(told["available_models"]) == set()

    asyncio.run(play())


def test_a_stranger_is_refused_in_the_surfaces_words(tmp_path: Path) -> None:
    """Where keys are configured the list wants one."""

    async def play() -> None:
        async with house(tmp_path, "", API_KEYS="sk-a") as gate:
            got = await ask(gate.port, get("/models"))
            assert (got.status, set(got.json)) == (401, {"detail", "error"})

    asyncio.run(play())
