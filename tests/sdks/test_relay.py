"""The official SDKs, on what of their APIs passes through: images, audio, files, batches, moderations."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from tests.house import House, house

from dragoman.simulator import Simulator
from dragoman.simulator.journal import Entry, masked
from dragoman.simulator.script import Script, read

FILE = {
    "id": "file-1",
    "object": "file",
    "bytes": 3,
    "created_at": 1,
    "filename": "a.jsonl",
    "purpose": "batch",
}
BATCH = {
    "id": "batch-1",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "input_file_id": "file-1",
    "completion_window": "24h",
    "status": "validating",
    "created_at": 1,
}
IMAGE = {
    "created": 1,
    "data": [{"b64_json": "aGk="}],
    "usage": {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30},
}
FLAGS = {
    "id": "modr-1",
    "model": "omni",
    "results": [{"flagged": True, "categories": {}, "category_scores": {}}],
}
HEARD = {
    "text": "hello",
    "usage": {"type": "tokens", "input_tokens": 4, "output_tokens": 1, "total_tokens": 5},
}
SOUND = "\u00e9\u20ac" * 50_000
MESSAGE_BATCH = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "ended",
    "request_counts": {"processing": 0, "succeeded": 1, "errored": 0, "canceled": 0, "expired": 0},
    "created_at": "2026-01-01T00:00:00Z",
    "expires_at": "2026-01-02T00:00:00Z",
}


def plot() -> Script:
    """Return what the provider says at each path."""
    replies: dict[str, Any] = {
        "/v1/images/generations": {"body": IMAGE},
        "/v1/audio/speech": {"body": SOUND, "headers": {"content-type": "audio/mpeg"}},
        "/v1/audio/transcriptions": {"body": HEARD},
        "/v1/moderations": {"body": FLAGS},
        "/v1/batches": {"body": BATCH},
        "/v1/files/none": {"status": 404, "body": {"error": {"message": "no such file", "code": "gone"}}},
        "/v1/messages/batches": {"body": {"data": [MESSAGE_BATCH], "has_more": False}},
    }
    rules = [{"match": {"path": path}, "then": {"reply": reply}} for path, reply in replies.items()]
    listed = {"object": "list", "data": [FILE], "has_more": False}
    rules += [
        {"match": {"path": "/v1/files", "nth": 1}, "then": {"reply": {"body": FILE}}},
        {"match": {"path": "/v1/files", "nth": 2}, "then": {"reply": {"body": listed}}},
    ]
    return read({"rules": rules})


def vendors(sim: Simulator) -> dict[str, str]:
    """Return the environment that takes the simulator for both vendors."""
    return {
        "OPENAI_API_KEY": "sk-ours",
        "OPENAI_BASE_URL": f"{sim.url}/v1",
        "ANTHROPIC_API_KEY": "sk-ant-ours",
        "ANTHROPIC_BASE_URL": sim.url,
    }


def client(gate: House, base: str = "/v1") -> openai.AsyncOpenAI:
    """Return OpenAI's client, pointed at the gateway."""
    return openai.AsyncOpenAI(base_url=f"{gate.url}{base}", api_key="any", max_retries=0)


def signed(entry: Entry) -> bool:
    """Say whether the provider got our key and not the client's."""
    return entry.headers["authorization"] == masked("Bearer sk-ours")


@pytest.mark.parametrize("base", ["/v1", "/relay/openai/v1", "/relay/openai"])
def test_openai(tmp_path: Path, base: str) -> None:
    """Images, speech, transcriptions, moderations, files and batches, at either base URL."""

    async def play() -> None:
        async with (
            Simulator(script=plot()) as sim,
            house(tmp_path, **vendors(sim)) as gate,
            client(gate, base) as sdk,
        ):
            image = await sdk.images.generate(model="gpt-image-1", prompt="a cat")
            assert image.data is not None
            assert image.data[0].b64_json == "aGk="
            speech = await sdk.audio.speech.create(model="tts-1", voice="alloy", input="hello")
            assert speech.content == SOUND.encode()
            file = ("a.wav", bytes(range(256)) * 100, "audio/wav")
            heard = await sdk.audio.transcriptions.create(model="whisper-1", file=file)
            assert heard.text == "hello"
            assert (await sdk.moderations.create(model="omni", input="x")).results[0].flagged
            made = await sdk.files.create(file=("a.jsonl", b"{}\n"), purpose="batch")
            assert made.id == "file-1"
            assert [one.id async for one in sdk.files.list()] == ["file-1"]
            batch = await sdk.batches.create(
                input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h"
            )
            assert batch.id == "batch-1"
            with pytest.raises(openai.NotFoundError, match="no such file"):
                await sdk.files.retrieve("none")
            rows = await gate.rows(8)
            assert [row.task for row in rows] == ["relay"] * 8
            assert [row.state for row in rows] == ["settled"] * 7 + ["failed"]
            assert (rows[0].meters.input, rows[0].meters.output) == (10, 20)
            assert (rows[2].meters.input, rows[2].meters.output) == (4, 1)
            assert all(signed(entry) for entry in sim.journal.entries)
            assert len(sim.journal.entries) == 8

    asyncio.run(asyncio.wait_for(play(), 60))


def test_openai_names_a_provider_with_the_model(tmp_path: Path) -> None:
    """In JSON and in a form; the provider gets its own name for it."""

    async def play() -> None:
        async with (
            Simulator(script=plot()) as sim,
            house(tmp_path, **vendors(sim)) as gate,
            client(gate) as sdk,
        ):
            await sdk.images.generate(model="openai/gpt-image-1", prompt="a cat")
            await sdk.audio.transcriptions.create(model="openai/whisper-1", file=("a.wav", b"RIFF"))
            for entry in sim.journal.entries:
                assert "openai/" not in str(entry.body)
            rows = await gate.rows(2)
            assert [row.model for row in rows] == ["openai/gpt-image-1", "openai/whisper-1"]
            assert [row.answered_model for row in rows] == ["gpt-image-1", "whisper-1"]

    asyncio.run(asyncio.wait_for(play(), 60))


def test_anthropic(tmp_path: Path) -> None:
    """Message batches, with Anthropic's own way to sign."""

    async def play() -> None:
        async with (
            Simulator(script=plot()) as sim,
            house(tmp_path, **vendors(sim)) as gate,
            anthropic.AsyncAnthropic(base_url=gate.url, api_key="any", max_retries=0) as sdk,
        ):
            assert [batch.id async for batch in sdk.messages.batches.list()] == ["msgbatch_1"]
            [entry] = sim.journal.entries
            assert entry.headers["x-api-key"] == masked("sk-ant-ours")
            [row] = await gate.rows(1)
            assert (row.dialect, row.provider, row.state) == ("anthropic", "anthropic", "settled")

    asyncio.run(asyncio.wait_for(play(), 60))


def test_azure(tmp_path: Path) -> None:
    """Azure's client puts the deployment into the path; pictures and sound get through all the same."""

    async def play() -> None:
        async with Simulator(script=plot()) as sim, house(tmp_path, **vendors(sim)) as gate:
            sdk = openai.AsyncAzureOpenAI(
                azure_endpoint=gate.url, api_key="any", api_version="2025-03-01-preview", max_retries=0
            )
            async with sdk:
                image = await sdk.images.generate(model="gpt-image-1", prompt="a cat")
                assert image.data is not None
                assert image.data[0].b64_json == "aGk="
                file = ("a.wav", bytes(range(256)) * 100, "audio/wav")
                heard = await sdk.audio.transcriptions.create(model="whisper-1", file=file)
                assert heard.text == "hello"
            assert all(signed(entry) for entry in sim.journal.entries)
            assert [entry.path for entry in sim.journal.entries] == [
                "/v1/images/generations",
                "/v1/audio/transcriptions",
            ]

    asyncio.run(play())
