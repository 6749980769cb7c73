"""Limits over real sockets: what a client of each dialect is told, answered whole or streamed, or refused."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.house import Answer, House, ask, chat, house, message, post

from dragoman.simulator import Simulator
from dragoman.simulator.script import read

HEADERS = {
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    *(f"x-ratelimit-{what}-requests" for what in ("limit", "remaining", "reset")),
    *(f"x-ratelimit-{what}-tokens" for what in ("limit", "remaining", "reset")),
}
ANTHROPIC = {
    f"anthropic-ratelimit-{kind}-{what}"
    for what in ("limit", "remaining", "reset")
    for kind in ("requests", "tokens")
}
DOORS = ("openai_chat", "openai_responses", "anthropic", "gemini", "cohere", "ollama")


def asking(door: str, *, stream: bool = False, most: int = 50, model: str = "") -> bytes:
    """Return a request for an answer of at most so many tokens."""
    model = model or f"sim-{door}/m"
    said = [{"role": "user", "content": "hello"}]
    match door:
        case "openai_chat":
            return post("/v1/chat/completions", chat(model=model, stream=stream, max_tokens=most))
        case "openai_responses":
            body = {"model": model, "input": "hello", "stream": stream, "max_output_tokens": most}
            return post("/v1/responses", body)
        case "anthropic":
            return post("/v1/messages", message(model=model, stream=stream) | {"max_tokens": most})
        case "gemini":
            contents = [{"role": "user", "parts": [{"text": "hello"}]}]
            verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
            config = {"maxOutputTokens": most}
            return post(f"/v1beta/models/{model}:{verb}", {"contents": contents, "generationConfig": config})
        case "cohere":
            body = {"model": model, "messages": said, "stream": stream, "max_tokens": most}
            return post("/v2/chat", body)
        case _:
            options = {"num_predict": most}
            return post("/api/chat", {"model": model, "messages": said, "stream": stream, "options": options})


def play(folder: Path, toml: str, act: Any) -> None:
    """Play an act on a gateway with these settings."""

    async def run() -> None:
        (folder / "dragoman.toml").write_text(toml)
        async with Simulator() as sim, house(folder, sim.url) as gate:
            await act(gate, sim)

    asyncio.run(run())


def told(got: Answer) -> set[str]:
    """Return the names of the headers that tell of limits."""
    return {name for name in got.headers if "ratelimit" in name}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("door", DOORS)
def test_an_answer_says_how_its_key_stands(tmp_path: Path, door: str, *, stream: bool) -> None:
    """Everybody in OpenAI's names, Anthropic's clients in their own besides; tokens are held meanwhile."""

    async def act(gate: House, sim: Simulator) -> None:
        got = await ask(gate.port, asking(door, stream=stream, most=50_000))
        assert got.status == 200, got.body
        assert told(got) == (HEADERS | ANTHROPIC if door == "anthropic" else HEADERS)
        assert got.headers["x-ratelimit-limit-requests"] == got.headers["x-ratelimit-limit"] == "6"
        assert got.headers["x-ratelimit-remaining-requests"] == "5"
        assert got.headers["x-ratelimit-limit-tokens"] == "100000"
        left = int(got.headers["x-ratelimit-remaining-tokens"])
        assert left < 100_000
        if door == "anthropic":
            assert got.headers["anthropic-ratelimit-tokens-remaining"] == f"{left}"
            assert got.headers["anthropic-ratelimit-requests-limit"] == "6"
            assert got.headers["anthropic-ratelimit-tokens-reset"].endswith("Z")
        [row] = await gate.rows(1)
        assert row.meters.output
        again = await ask(gate.port, asking(door, stream=stream))
        assert again.headers["x-ratelimit-remaining-requests"] == "4"

    play(tmp_path, "[limits]\nrequests_per_minute = 6\ntokens_per_minute = 100000\n", act)


def said(door: str, got: Answer) -> tuple[object, str]:
    """Return the kind and the words of a refusal in a dialect's own shape."""
    body = got.json
    match door:
        case "openai_chat" | "openai_responses":
            return body["error"]["code"], body["error"]["message"]
        case "anthropic":
            assert body["type"] == "error"
            return body["error"]["type"], body["error"]["message"]
        case "gemini":
            [error] = body if isinstance(body, list) else [body]
            return error["error"]["status"], error["error"]["message"]
        case "cohere":
            return "", body["message"]
        case _:
            return "", body["error"]


KINDS = {
    "openai_chat": "rate_limit_exceeded",
    "openai_responses": "rate_limit_exceeded",
    "anthropic": "rate_limit_error",
    "gemini": "RESOURCE_EXHAUSTED",
    "cohere": "",
    "ollama": "",
}
"""The word a dialect has for it: openai.com, anthropic.com and ai.google.dev, read 2026-11-21."""


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("door", DOORS)
def test_a_refusal_says_when_to_come_back(tmp_path: Path, door: str, *, stream: bool) -> None:
    """A 429 in the dialect's own words, with `retry-after` in whole seconds; nobody was asked."""

    async def act(gate: House, sim: Simulator) -> None:
        assert (await ask(gate.port, asking(door))).status == 200
        got = await ask(gate.port, asking(door, stream=stream))
        assert got.status == 429, got.body
        kind, words = said(door, got)
        assert kind == KINDS[door]
        assert words.startswith("this key is limited to 1 request a minute; ask again in ")
        assert 55 <= int(got.headers["retry-after"]) <= 60
        assert got.headers["x-ratelimit-remaining-requests"] == "0"
        if door.startswith("openai"):
            assert 55_000 <= int(got.headers["retry-after-ms"]) <= 60_000
        if door == "gemini":
            assert "RetryInfo" in json.dumps(got.json)
        assert len(sim.journal) == 1
        rows = await gate.rows(2)
        assert (rows[1].status, rows[1].attempts) == (429, 0)

    play(tmp_path, "[limits]\nrequests_per_minute = 1\n", act)


def test_tokens_are_held_and_then_counted(tmp_path: Path) -> None:
    """What an answer may come to is reserved, what it came to is left of it."""

    async def act(gate: House, sim: Simulator) -> None:
        first = await ask(gate.port, asking("openai_chat", most=600))
        [row] = await gate.rows(1)
        used = (row.meters.input or 0) + (row.meters.output or 0)
        second = await ask(gate.port, asking("openai_chat", most=600))
        assert (first.status, second.status) == (200, 200)
        between = int(first.headers["x-ratelimit-remaining-tokens"]) - int(
            second.headers["x-ratelimit-remaining-tokens"]
        )
        # By the hour a token comes back every 86 s: none does between the two.
        assert between == used

    play(tmp_path, "[limits]\ntokens_per_day = 1000\n", act)


def test_what_never_fits_is_no_429(tmp_path: Path) -> None:
    """A request for more tokens than a day has is a 413 that says so, and takes nothing."""

    async def act(gate: House, sim: Simulator) -> None:
        got = await ask(gate.port, asking("openai_chat"))
        assert got.status == 413, got.body
        assert "it would wait for ever" in got.json["error"]["message"]
        assert "retry-after" not in got.headers
        assert len(sim.journal) == 0

    play(tmp_path, "[limits]\ntokens_per_day = 3\n", act)


def test_a_full_target_is_passed_over(tmp_path: Path) -> None:
    """Where a provider has had its requests, the next target of the route answers, and it is not asked."""
    toml = """
    [provider_limits.sim-openai_chat]
    requests_per_minute = 1

    [routes.both]
    targets = ["sim-openai_chat/m", "sim-anthropic/m"]
    """

    async def act(gate: House, sim: Simulator) -> None:
        got = [await ask(gate.port, asking("openai_chat", model="both")) for _ in range(3)]
        assert [one.status for one in got] == [200] * 3
        assert [one.headers["x-dragoman-provider"] for one in got] == [
            "sim-openai_chat",
            "sim-anthropic",
            "sim-anthropic",
        ]
        assert [entry.dialect for entry in sim.journal.entries] == ["openai_chat", "anthropic", "anthropic"]
        alone = await ask(gate.port, asking("openai_chat"))
        assert alone.status == 429
        assert "the provider sim-openai_chat is limited to 1 request a minute" in alone.body.decode()

    play(tmp_path, toml, act)


def test_so_many_at_once(tmp_path: Path) -> None:
    """With two under way the third is told to come back; when a client of one has left, there is room."""
    hangs = {
        "rules": [{"match": {"contains": "hang"}, "then": {"faults": [{"kind": "hang", "at_frame": 2}]}}]
    }

    async def run() -> None:
        (tmp_path / "dragoman.toml").write_text("[limits]\nparallel = 2\n")
        async with Simulator(script=read(hangs)) as sim, house(tmp_path, sim.url) as gate:
            clients = [await asyncio.open_connection("127.0.0.1", gate.port) for _ in range(2)]
            for _, writer in clients:
                writer.write(post("/v1/chat/completions", chat("hang", stream=True)))
            await sim.journal.until(lambda journal: journal.open == 2)
            got = await ask(gate.port, asking("openai_chat"))
            assert got.status == 429
            assert "limited to 2 requests at once" in got.json["error"]["message"]
            assert got.headers["retry-after"] == "1"
            clients[0][1].close()
            await gate.rows(2)
            assert (await ask(gate.port, asking("openai_chat"))).status == 200
            clients[1][1].close()
            await gate.rows(4)

    asyncio.run(run())


def test_workers_hold_one_limit_together(tmp_path: Path) -> None:
    """Of eighty that two gateways over one folder are asked at once, as many are answered as by one."""

    async def run() -> None:
        (tmp_path / "dragoman.toml").write_text("[limits]\nrequests_per_day = 30\n")
        workers = {"DRAGOMAN_SERVER_WORKERS": "2"}
        async with (
            Simulator() as sim,
            house(tmp_path, sim.url, **workers) as one,
            house(tmp_path, sim.url, **workers) as other,
        ):
            first = [await ask(gate.port, asking("openai_chat")) for gate in (one, other)]
            assert [answer.headers["x-ratelimit-remaining"] for answer in first] == ["29", "28"]
            asked = [ask(gate.port, asking("openai_chat")) for _ in range(39) for gate in (one, other)]
            got = [*first, *await asyncio.gather(*asked)]
            assert Counter(answer.status for answer in got) == {200: 30, 429: 50}
            assert len(sim.journal) == 30

    asyncio.run(run())
