"""Tasks of an exchange: read in the door's words, booked as any other answer (all pairs: tests/crossing)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.house import House, ask, chat, house, post

from dragoman.core.failure import Failure
from dragoman.core.request import Request
from dragoman.core.tasks import Embed, Rerank
from dragoman.dialects import Call
from dragoman.dialects.catalog import DIALECTS
from dragoman.exchange.tasks import read
from dragoman.simulator import Simulator

EMBED = {"model": "sim-openai_chat/m", "input": ["one", "two"]}


def test_a_call_is_read_by_its_task() -> None:
    """The same door has words for several tasks."""
    door = DIALECTS["openai_chat"]
    embed = read(door, "embed", Call("POST", "/v1/embeddings", body={"model": "m", "input": "x"}))
    ranked = {"model": "m", "query": "q", "documents": ["a"]}
    assert isinstance(embed, Embed)
    assert isinstance(read(door, "rerank", Call("POST", "/v1/rerank", body=ranked)), Rerank)
    assert isinstance(read(door, "generate", Call("POST", "/v1/chat/completions", body=chat())), Request)


def test_a_fault_has_its_path() -> None:
    """A task's codec is as strict as a dialect's."""
    with pytest.raises(Failure) as refused:
        read(
            DIALECTS["openai_chat"], "embed", Call("POST", "/v1/embeddings", body={"model": "m", "input": 3})
        )
    assert refused.value.at == "$.input"


def played(folder: Path, path: str, body: Any) -> tuple[int, Any, Any, int]:
    """Ask; return status, body, the ledger's row and how many calls went upstream."""

    async def play() -> tuple[int, Any, Any, int]:
        async with Simulator() as sim, house(folder, sim.url) as gate:
            got = await ask(gate.port, post(path, body))
            [row] = await gate.rows(1)
            return got.status, got.json, row, len(sim.journal)

    return asyncio.run(play())


def test_a_task_is_in_the_books(tmp_path: Path) -> None:
    """Its name, its tokens, its end; an answer without words has no output."""
    status, told, row, calls = played(tmp_path, "/v1/embeddings", EMBED)
    assert (status, calls, len(told["data"])) == (200, 1, 2)
    assert (row.task, row.state, row.dialect, row.attempts) == ("embed", "settled", "openai_chat", 1)
    assert row.meters.input == told["usage"]["prompt_tokens"] > 0
    assert row.meters.output == 0
    assert not row.meters.estimated


def test_who_cannot_is_not_asked(tmp_path: Path) -> None:
    """A provider without words for the task is a 400 before anything leaves."""
    status, told, row, calls = played(tmp_path, "/v1/embeddings", {**EMBED, "model": "sim-anthropic/m"})
    assert (status, calls, row.state) == (400, 0, "failed")
    assert "cannot embed" in told["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", chat(model="text-embedding-3-small")),
        ("/v1/embeddings", {"model": "gpt-5-mini", "input": "x"}),
    ],
)
def test_a_model_is_asked_what_it_is_for(tmp_path: Path, path: str, body: Any) -> None:
    """A model to embed is not chatted with, nor the other way round: 400, and nobody is asked."""

    async def play(gate: House) -> Any:
        got = await ask(gate.port, post(path, body))
        return got.status, got.json["error"]["code"]

    async def one() -> Any:
        async with house(tmp_path, OPENAI_API_KEY="k", OPENAI_BASE_URL="http://127.0.0.1:9/v1") as gate:
            return await play(gate)

    assert asyncio.run(one()) == (400, "wrong_task")


def test_what_only_a_provider_knows_is_not_nothing(tmp_path: Path) -> None:
    """A request whose conversation is the provider's own is sent, though it has no turn of its own."""
    body = {"model": "sim-openai_responses/m", "conversation": "conv_1"}
    status, _, _, calls = played(tmp_path, "/v1/responses", body)
    assert (status, calls) == (200, 1)
