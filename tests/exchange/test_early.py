"""Streams that begin before there is anything to say."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.house import ask, chat, house, post

from dragoman.simulator import Simulator
from dragoman.simulator.script import read

SLOW = {"latency_s": 0.3, "text": "late"}
IDLE = {"DRAGOMAN_SERVER_KEEPALIVE_S": "0.05"}


def plot(*rules: dict[str, Any], **default: Any) -> Any:
    """Return a simulator's script."""
    return read({"default": default, "rules": list(rules)})


@pytest.mark.parametrize("fails", [False, True])
def test_a_json_answer_is_kept_alive_by_whitespace(tmp_path: Path, *, fails: bool) -> None:
    """While the provider thinks, blanks come; the body is one JSON value all the same, a failure's too."""
    error = {"latency_s": 0.3, "error": {"status": 400}}

    async def play() -> None:
        script = plot(**(error if fails else SLOW))
        async with Simulator(script=script) as sim, house(tmp_path, sim.url, **IDLE) as gate:
            body = {"model": "sim-openai_chat/m", "prompt": "hello"}
            got = await ask(gate.port, post("/stream", body, {"accept": "application/json"}))
            assert got.status == 200
            assert got.headers["content-type"].startswith("application/json")
            assert got.body[:1].isspace()
            assert set(got.json) == ({"error"} if fails else {"result"})
            [row] = await gate.rows(1)
            assert (row.state, row.status) == (("failed", 400) if fails else ("settled", 200))

    asyncio.run(play())


@pytest.mark.parametrize("fails", [False, True])
def test_a_stream_begins_with_a_comment(tmp_path: Path, *, fails: bool) -> None:
    """An SSE comment is the first sign of life, the answer or the error comes as an event."""
    error = {"latency_s": 0.3, "error": {"status": 503}}
    rules = [{"match": {"model": "broken"}, "then": error}] if fails else []

    async def play() -> None:
        script = plot(*rules, **SLOW)
        async with Simulator(script=script) as sim, house(tmp_path, sim.url, **IDLE) as gate:
            model = "sim-openai_chat/broken" if fails else "sim-openai_chat/m"
            got = await ask(gate.port, post("/stream", {"model": model, "prompt": "hello"}))
            assert got.status == 200
            assert got.body.startswith(b":")
            assert f'"type":"{"error" if fails else "done"}"' in got.frames[-1].replace(" ", "")

    asyncio.run(play())


def test_what_comes_in_time_begins_with_its_own_headers(tmp_path: Path) -> None:
    """Without a wait nothing is early: a refusal keeps its status."""

    async def play() -> None:
        script = plot(error={"status": 429})
        async with Simulator(script=script) as sim, house(tmp_path, sim.url) as gate:
            got = await ask(gate.port, post("/stream", {"model": "sim-openai_chat/m", "prompt": "hello"}))
            assert got.status == 429
            assert set(got.json) == {"error"}

    asyncio.run(play())


def test_other_doors_wait_for_the_first_content(tmp_path: Path) -> None:
    """An SDK knows what to do with a status: its stream begins with the answer only."""

    async def play() -> None:
        script = plot(latency_s=0.3, error={"status": 503})
        async with Simulator(script=script) as sim, house(tmp_path, sim.url, **IDLE) as gate:
            got = await ask(gate.port, post("/v1/chat/completions", chat(stream=True)))
            assert got.status == 503

    asyncio.run(play())
