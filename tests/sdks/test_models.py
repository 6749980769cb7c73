"""Models as the official SDKs list them, and the OpenAI SDK's Azure client."""

from __future__ import annotations

import asyncio
from pathlib import Path

import anthropic
import openai
import pytest
from tests.house import house

from dragoman.simulator import Simulator
from dragoman.simulator.script import read

ALIASES = """
[aliases]
"org/model:free" = "groq/llama-3.1-8b-instant"
mine = "sim-openai_chat/m"
"""
HELLO = {"default": {"text": "Hello there."}}


def test_openai_lists_and_retrieves(tmp_path: Path) -> None:
    """Also names with slashes and colons, and none that is not there."""

    async def play() -> None:
        (tmp_path / "dragoman.toml").write_text('[aliases]\n"org/model:free" = "groq/llama-3.1-8b-instant"\n')
        async with (
            house(tmp_path, GROQ_API_KEY="x") as gate,
            openai.AsyncOpenAI(base_url=f"{gate.url}/v1", api_key="any", max_retries=0) as sdk,
        ):
            names = [model.id async for model in sdk.models.list()]
            assert {"org/model:free", "llama-3.1-8b-instant"} <= {*names}
            for name in ("org/model:free", "llama-3.1-8b-instant", "groq/llama-3.1-8b-instant"):
                model = await sdk.models.retrieve(name)
                assert (model.id, model.owned_by, model.object) == (name, "groq", "model")
            with pytest.raises(openai.NotFoundError) as caught:
                await sdk.models.retrieve("nope")
            assert caught.value.code == "model_not_found"

    asyncio.run(play())


def test_anthropic_lists_page_by_page_and_retrieves(tmp_path: Path) -> None:
    """The SDK follows the pages by itself; every model comes once."""

    async def play() -> None:
        async with (
            house(tmp_path, GROQ_API_KEY="x", COHERE_API_KEY="y") as gate,
            anthropic.AsyncAnthropic(base_url=gate.url, api_key="any", max_retries=0) as sdk,
        ):
            whole = [model.id async for model in sdk.models.list()]
            paged = [model.id async for model in sdk.models.list(limit=3)]
            assert paged == whole
            assert len({*whole}) == len(whole) > 3
            page = await sdk.models.list(limit=2, before_id=whole[3])
            assert [model.id for model in page.data] == whole[1:3]
            assert page.has_more
            model = await sdk.models.retrieve("llama-3.1-8b-instant")
            assert (model.display_name, model.type, model.created_at.year) == ("Llama 3.1 8B", "model", 1970)
            with pytest.raises(anthropic.NotFoundError):
                await sdk.models.retrieve("nope")
            with pytest.raises(anthropic.BadRequestError):
                await sdk.models.list(after_id="nope")

    asyncio.run(play())


def test_azures_client_works_unchanged(tmp_path: Path) -> None:
    """Its key header, its paths, its version in the query; the deployment is the model."""

    async def play() -> None:
        (tmp_path / "dragoman.toml").write_text(ALIASES)
        async with Simulator(script=read(HELLO)) as sim, house(tmp_path, sim.url, API_KEYS="k") as gate:
            async with openai.AsyncAzureOpenAI(
                azure_endpoint=gate.url, api_key="k", api_version="2025-03-01-preview", max_retries=0
            ) as sdk:
                assert "mine" in [model.id async for model in sdk.models.list()]
                assert (await sdk.models.retrieve("mine")).id == "mine"
                for name in ("mine", "sim-anthropic/m"):
                    answer = await sdk.chat.completions.create(
                        model=name, messages=[{"role": "user", "content": "Hi"}]
                    )
                    assert answer.choices[0].message.content == "Hello there."
                words = [
                    chunk.choices[0].delta.content or ""
                    async for chunk in await sdk.chat.completions.create(
                        model="mine", messages=[{"role": "user", "content": "Hi"}], stream=True
                    )
                    if chunk.choices
                ]
                assert "".join(words) == "Hello there."
                assert (await sdk.responses.create(model="mine", input="Hi")).output_text == "Hello there."
                vectors = await sdk.embeddings.create(model="mine", input="Hi")
                assert vectors.data[0].embedding
            async with openai.AsyncAzureOpenAI(
                azure_endpoint=gate.url,
                azure_deployment="mine",
                api_key="k",
                api_version="2025-03-01-preview",
                max_retries=0,
            ) as fixed:
                answer = await fixed.chat.completions.create(
                    model="whatever", messages=[{"role": "user", "content": "Hi"}]
                )
                assert answer.choices[0].message.content == "Hello there."
                last = sim.journal[-1].body
                assert isinstance(last, dict)
                assert last["model"] == "m"

    asyncio.run(play())
