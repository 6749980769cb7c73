"""What is served where, and how an unknown path is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.house import ask, get, house, post

from dragoman.simulator import Simulator


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nope", 404),
        ("GET", "/v1/chat/completions", 405),
        ("GET", "/v1/messages", 405),
        ("POST", "/health", 405),
        ("POST", "/v1//chat/completions", 404),
        ("POST", "/v1/chat/completions/", 404),
        ("GET", "/..;/health", 404),
    ],
)
def test_unknown_paths_and_methods_are_refused_in_words(
    tmp_path: Path, method: str, path: str, status: int
) -> None:
    """JSON in the shape the path's dialect uses; 405 names the methods there are."""

    async def play() -> None:
        async with house(tmp_path) as gate:
            request = get(path) if method == "GET" else post(path, {})
            got = await ask(gate.port, request)
            assert got.status == status
            assert got.json["error"]["message"]
            assert ("type" in got.json) == (path == "/v1/messages")
            code = "method_not_allowed" if status == 405 else "path_not_found"
            assert got.json["error"].get("code", code) == code
            if status == 405:
                assert got.headers["allow"] in got.json["error"]["message"]

    asyncio.run(play())


def test_every_method_of_a_path_is_named(tmp_path: Path) -> None:
    """Also where each has a route of its own."""

    async def play() -> None:
        async with house(tmp_path) as gate:
            got = await ask(gate.port, get("/admin/keys/alice/rotate"))
            assert (got.status, got.headers["allow"]) == (405, "POST")
            got = await ask(gate.port, post("/admin/teams/research", {}))
            assert (got.status, got.headers["allow"]) == (405, "DELETE, GET, HEAD, PUT")

    asyncio.run(play())


@pytest.mark.parametrize(
    ("path", "headers", "shape"),
    [
        ("/nope", {}, {"message", "type", "param", "code"}),
        ("/v1/nope", {}, {"message", "type", "param", "code"}),
        ("/openai/v1/nope", {}, {"message", "type", "param", "code"}),
        ("/v1betamax", {}, {"message", "type", "param", "code"}),
        ("/v1beta/nope", {}, {"code", "message", "status", "details"}),
        ("/v1beta", {}, {"code", "message", "status", "details"}),
        ("/v1/messages/nope", {}, {"type", "message"}),
        ("/v1/models/m:nope", {"x-goog-api-key": "k"}, {"code", "message", "status", "details"}),
        ("/v1/models/m", {"anthropic-version": "1"}, {"type", "message"}),
    ],
)
def test_an_unknown_path_is_refused_in_its_neighbours_words(
    tmp_path: Path, path: str, headers: dict[str, str], shape: set[str]
) -> None:
    """Whoever calls a path of a dialect reads that dialect's errors."""

    async def play() -> None:
        async with house(tmp_path, DRAGOMAN_RELAY_ENABLED="false") as gate:
            got = await ask(gate.port, post(path, {}, headers))
            assert got.status in (404, 405)
            assert set(got.json["error"]) == shape
            words = {"/v2/nope": "message", "/v2": "message", "/api/pull": "error", "/api/nope": "error"}
            for place, word in words.items():
                got = await ask(gate.port, post(place, {}))
                assert (got.status, set(got.json)) == (404, {word})

    asyncio.run(play())


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/openai/v1/chat/completions", "sim-openai_chat/m"),
        ("/openai/chat/completions?api-version=2025-03-01-preview", "sim-openai_chat/m"),
        ("/openai/deployments/sim-openai_chat/m/chat/completions?api-version=1", "sim-openai_chat/m"),
        ("/openai/deployments/mine/chat/completions", "sim-openai_chat/other"),
        ("/openai/deployments/org%2Fmodel:free/chat/completions", "sim-openai_chat/third"),
    ],
)
def test_azures_paths_are_openais(tmp_path: Path, path: str, name: str) -> None:
    """The prefix says nothing; a deployment in the path is the model, whatever the body says."""

    async def play() -> None:
        aliases = '[aliases]\nmine = "sim-openai_chat/other"\n"org/model:free" = "sim-openai_chat/third"\n'
        (tmp_path / "dragoman.toml").write_text(aliases)
        async with Simulator() as sim, house(tmp_path, sim.url, API_KEYS="k") as gate:
            model = {} if "deployments" in path and "mine" not in path else {"model": "sim-openai_chat/m"}
            body = {**model, "messages": [{"role": "user", "content": "Hi"}]}
            got = await ask(gate.port, post(path, body, {"api-key": "k"}))
            assert got.status == 200, got.body
            [entry] = sim.journal.entries
            assert isinstance(entry.body, dict)
            assert entry.body["model"] == name.partition("/")[2]

    asyncio.run(play())


def test_azures_clients_find_every_endpoint_of_openai(tmp_path: Path) -> None:
    """Responses, what is kept of them, and embeddings, with the deployment in the path or without."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            made = await ask(
                gate.port, post("/openai/v1/responses", {"model": "sim-gemini/m", "input": "Hi"})
            )
            kept = await ask(gate.port, get(f"/openai/v1/responses/{made.json['id']}"))
            assert (kept.status, kept.json["id"]) == (200, made.json["id"])
            kept = await ask(gate.port, get(f"/openai/responses/{made.json['id']}?api-version=preview"))
            assert kept.status == 200
            for path in ("/openai/v1/embeddings", "/openai/deployments/sim-openai_chat/e/embeddings"):
                vectors = await ask(gate.port, post(path, {"model": "sim-openai_chat/e", "input": "Hi"}))
                assert vectors.json["object"] == "list"
            missing = await ask(gate.port, post("/openai/deployments/m/nope", {}))
            assert missing.status == 404

    asyncio.run(play())


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/health/", "/health"),
        ("/v1/usage/stats/?period=week&model=%C3%A9", "/v1/usage/stats?period=week&model=%C3%A9"),
        ("/admin/usage//", "/admin/usage"),
        ("/docs/", "/docs"),
    ],
)
def test_a_slash_too_many_leads_to_the_same_server(tmp_path: Path, path: str, there: str) -> None:
    """By a path alone: neither to a host that somebody named, nor from TLS that ended before us to none."""

    async def play() -> None:
        async with house(tmp_path) as gate:
            for accept in ("application/json", "text/html"):
                got = await ask(gate.port, get(path, {"host": "elsewhere.example", "accept": accept}))
                assert (got.status, got.headers["location"]) == (307, there)

    asyncio.run(play())


@pytest.mark.parametrize("path", ["/nope/", "//elsewhere.example/", "//", "/admin/nope/"])
def test_a_slash_behind_nothing_leads_nowhere(tmp_path: Path, path: str) -> None:
    """It is refused as an unknown path is."""

    async def play() -> None:
        async with house(tmp_path) as gate:
            assert (await ask(gate.port, get(path))).status == 404

    asyncio.run(play())
