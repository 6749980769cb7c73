"""Models over the wire: the same names in every client's shape, and Ollama's small endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.house import House, ask, get, house, post

from dragoman.routing import Table
from dragoman.simulator import Simulator

KEY = {"authorization": "Bearer k"}
ANTHROPIC = {**KEY, "anthropic-version": "2026-10-21"}
COHERE = {**KEY, "x-fern-sdk-name": "cohere"}
SETTINGS = {"API_KEYS": "k", "GROQ_API_KEY": "x", "COHERE_API_KEY": "y"}
ALIASES = """
[aliases]
mine = "groq/llama-3.1-8b-instant"
"org/model:free" = "groq/llama-3.1-8b-instant"
llama3 = "sim-ollama/llama3:latest"
"""


def at_home(
    folder: Path, play: Callable[[House], Awaitable[None]], simulator: str = "http://127.0.0.1:9"
) -> None:
    """Play against a gateway with two providers and three aliases."""

    async def scene() -> None:
        (folder / "dragoman.toml").write_text(ALIASES)
        async with house(folder, simulator, **SETTINGS) as gate:
            await play(gate)

    asyncio.run(scene())


def test_models_answer_in_the_askers_shape(tmp_path: Path) -> None:
    """One path, four shapes, the same models; only what can be asked now."""

    async def play(gate: House) -> None:
        openai = (await ask(gate.port, get("/v1/models", KEY))).json
        names = [row["id"] for row in openai["data"]]
        assert openai["object"] == "list"
        assert names[:3] == ["mine", "org/model:free", "llama3"]
        assert {"llama-3.1-8b-instant", "embed-v4.0"} <= {*names}
        assert "gpt-4o" not in names
        tasks = {name: model.task for name, model in gate.gateway.config.models.items()}

        def those(*kinds: str) -> list[str]:
            return [name for name in names if tasks.get(name, "generate") in kinds]

        anthropic = (await ask(gate.port, get("/v1/models", ANTHROPIC))).json
        assert [row["id"] for row in anthropic["data"]] == those("generate")
        assert {row["type"] for row in anthropic["data"]} == {"model"}
        for path, headers in (("/v1/models", COHERE), ("/v1/models?endpoint=embed", KEY)):
            cohere = [row["name"] for row in (await ask(gate.port, get(path, headers))).json["models"]]
            assert cohere == (those("embed") if "?" in path else those("generate", "embed", "rerank"))
        for path in ("/v1/models?key=k", "/v1beta/models?key=k&pageSize=1000"):
            gemini = (await ask(gate.port, get(path))).json["models"]
            assert [row["name"] for row in gemini] == [
                f"models/{name}" for name in those("generate", "embed")
            ]
        for path in ("/openai/v1/models", "/openai/models?api-version=2025-03-01-preview"):
            assert (await ask(gate.port, get(path, ANTHROPIC))).json == openai
        ollama = (await ask(gate.port, get("/api/tags", KEY))).json
        assert [row["model"] for row in ollama["models"]] == those("generate", "embed")

    at_home(tmp_path, play)


@pytest.mark.parametrize(
    ("path", "headers", "field", "told"),
    [
        ("/v1/models/llama-3.1-8b-instant", KEY, "owned_by", "groq"),
        ("/v1/models/groq/llama-3.1-8b-instant", KEY, "context_length", 131_072),
        ("/v1/models/org/model:free", KEY, "id", "org/model:free"),
        ("/v1/models/org%2Fmodel%3Afree", KEY, "id", "org/model:free"),
        ("/openai/v1/models/org/model:free", ANTHROPIC, "object", "model"),
        ("/openai/models/org%2Fmodel:free?api-version=1", {"api-key": "k"}, "id", "org/model:free"),
        ("/v1/models/org/model:free", ANTHROPIC, "display_name", "org/model:free"),
        ("/v1/models/llama-3.1-8b-instant", ANTHROPIC, "display_name", "Llama 3.1 8B"),
        ("/v1/models/org%2Fmodel:free", {"x-goog-api-key": "k"}, "name", "models/org/model:free"),
        ("/v1beta/models/org/model:free", KEY, "name", "models/org/model:free"),
        ("/v1/models/embed-v4.0", COHERE, "endpoints", ["embed"]),
    ],
)
def test_one_model_by_any_name_that_is_answered(
    tmp_path: Path, path: str, headers: dict[str, str], field: str, told: Any
) -> None:
    """Slashes and colons as they are or in percent signs; aliases, bare names, ``provider/model``."""

    async def play(gate: House) -> None:
        got = await ask(gate.port, get(path, headers))
        assert got.status == 200, got.body
        assert got.json[field] == told

    at_home(tmp_path, play)


@pytest.mark.parametrize(
    ("path", "headers", "shape"),
    [
        ("/v1/models/nope", KEY, {"error"}),
        ("/v1/models/gpt-4o", KEY, {"error"}),
        ("/v1/models/nope", ANTHROPIC, {"type", "error", "request_id"}),
        ("/v1beta/models/nope", KEY, {"error"}),
        ("/v1/models/nope", COHERE, {"message"}),
        ("/v1/models/embed-v4.0", ANTHROPIC, {"type", "error", "request_id"}),
    ],
)
def test_no_such_model_is_told_in_the_askers_words(
    tmp_path: Path, path: str, headers: dict[str, str], shape: set[str]
) -> None:
    """404: it is unknown, nobody who has it is ready, or the asker cannot ask it."""

    async def play(gate: House) -> None:
        got = await ask(gate.port, get(path, headers))
        assert (got.status, set(got.json)) == (404, shape), got.body

    at_home(tmp_path, play)


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/mine", "/v1beta/models", "/openai/models", "/api/tags", "/api/ps"]
)
def test_models_are_nobodys_business_without_a_key(tmp_path: Path, path: str) -> None:
    """401 wherever keys are configured."""

    async def play(gate: House) -> None:
        assert (await ask(gate.port, get(path))).status == 401
        assert (await ask(gate.port, post("/api/show", {"model": "mine"}))).status == 401

    at_home(tmp_path, play)


def test_ollama_shows_a_model(tmp_path: Path) -> None:
    """By `model` or by the old `name`, with or without the default tag; a fault is told in its words."""

    async def play(gate: House) -> None:
        for body in (
            {"model": "mine"},
            {"name": "mine"},
            {"model": "mine:latest", "verbose": True},
            {"model": "groq/llama-3.1-8b-instant:latest"},
        ):
            got = await ask(gate.port, post("/api/show", body, KEY))
            assert got.status == 200, got.body
            assert got.json["capabilities"] == ["completion", "tools"]
            assert got.json["model_info"]["dragoman.context_length"] == 131_072
        for wrong, status in (
            ({"model": "nope"}, 404),
            ({}, 400),
            ({"model": 5}, 400),
            (b"{", 400),
            (b"", 400),
        ):
            got = await ask(gate.port, post("/api/show", wrong, KEY))
            assert (got.status, set(got.json)) == (status, {"error"}), got.body

    at_home(tmp_path, play)


def test_a_body_without_end_is_not_read(tmp_path: Path) -> None:
    """Showing a model has the limit every request has."""

    async def play() -> None:
        async with house(tmp_path, DRAGOMAN_SERVER_MAX_BODY="1024") as gate:
            got = await ask(gate.port, post("/api/show", {"model": "m" * 2000}))
            assert (got.status, got.headers["connection"]) == (413, "close")

    asyncio.run(play())


def test_ollama_is_running_for_everybody(tmp_path: Path) -> None:
    """The front page and the version need no key; HEAD is how clients look for a server."""

    async def play(gate: House) -> None:
        front = await ask(gate.port, get("/", {"accept": "*/*"}))
        assert (front.status, front.body) == (200, b"Ollama is running")
        assert front.headers["content-type"].startswith("text/plain")
        version = await ask(gate.port, get("/api/version"))
        assert set(version.json) == {"version"}
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(b"HEAD / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        said = await reader.read()
        writer.close()
        assert said.startswith(b"HTTP/1.1 200 ")
        assert said.endswith(b"\r\n\r\n")

    at_home(tmp_path, play)


def test_the_embedded_model_is_loaded_while_it_is_ready(tmp_path: Path) -> None:
    """Of everybody else's models nobody knows; an alias is no second model."""

    async def play() -> None:
        (tmp_path / "dragoman.toml").write_text('[aliases]\nsmall = "local/smollm2-135m"\n')
        async with house(tmp_path, GROQ_API_KEY="x") as gate:
            assert (await ask(gate.port, get("/api/ps"))).json == {"models": []}
            live = gate.gateway.services.live()
            with_local = msgspec.structs.replace(live.table, ready=live.table.ready | {"local"})
            assert isinstance(with_local, Table)
            gate.gateway._snapshot = msgspec.structs.replace(live, table=with_local)
            [row] = (await ask(gate.port, get("/api/ps"))).json["models"]
            assert (row["model"], row["context_length"]) == ("smollm2-135m", 2048)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("sim-ollama/llama3:latest", "llama3:latest"),
        ("sim-ollama/llama3", "llama3"),
        ("llama3", "llama3:latest"),
        ("llama3:latest", "llama3:latest"),
    ],
)
def test_a_default_tag_reaches_who_has_it(tmp_path: Path, asked: str, sent: str) -> None:
    """Ollama's clients append ``:latest``: a route is found without it, Ollama gets its own name."""

    async def play() -> None:
        (tmp_path / "dragoman.toml").write_text(ALIASES)
        async with Simulator() as sim, house(tmp_path, sim.url, **SETTINGS) as gate:
            body = {"model": asked, "stream": False, "messages": [{"role": "user", "content": "Hi"}]}
            got = await ask(gate.port, post("/api/chat", body, KEY))
            assert got.status == 200, got.body
            [entry] = sim.journal.entries
            assert isinstance(entry.body, dict)
            assert entry.body["model"] == sent

    asyncio.run(play())


def test_a_reload_changes_the_list(tmp_path: Path) -> None:
    """What is listed is what the present configuration answers to."""

    async def play(gate: House) -> None:
        (tmp_path / "dragoman.toml").write_text('[aliases]\nnewer = "groq/llama-3.1-8b-instant"\n')
        assert gate.gateway.reload()
        assert (await ask(gate.port, get("/v1/models/newer", KEY))).status == 200
        assert (await ask(gate.port, get("/v1/models/mine", KEY))).status == 404

    at_home(tmp_path, play)
