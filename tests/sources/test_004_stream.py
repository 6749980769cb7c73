"""Source 004: one prompt, and its answer kept alive until it is there."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.house import Answer, House, ask, get, post, spawned
from tests.sinks.databases import free_port
from tests.sources.scene import Scene, command, elsewhere, events, play, play_real

from dragoman.config import ServerSpec
from dragoman.simulator import Simulator
from dragoman.simulator.script import read

ENV = """
# Authentication
API_TOKEN=your_secure_token

# API Keys
ANTHROPIC_API_KEY=your_anthropic_api_key
GOOGLE_API_KEY=your_google_api_key

# Server configuration
PORT=3000
"""
KEYED = f"{ENV}\nOPENAI_API_KEY=your_openai_api_key\n"
"""The same with the key that its example's model needs and its .env leaves out."""

TOKEN = "Authorization: Bearer your_secure_token"

BODY = """
{
    "model": "gpt-4o",
    "prompt": "Your instructions..."
}
"""
ANSWER = """
{
    "result": "processed_definition_here"
}
"""
HEALTHY = """
{
    "status": "healthy"
}
"""
EXAMPLE = """curl -X POST http://localhost:5500/stream \\
  -H "Authorization: Bearer your_secure_token" \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "gpt-4o",
    "prompt": "Your instructions..."
  }'
"""
PATH = "POST /stream"
HEALTH = "GET /health"

TEXT: str = json.loads(ANSWER)["result"]
RIGHT = {"authorization": TOKEN.partition(": ")[2]}
AS_JSON = {**RIGHT, "accept": "application/json"}
HANGS: dict[str, Any] = {"default": {"text": TEXT, "faults": [{"kind": "hang", "at_frame": 0}]}}

ELSEWHERE = {
    "Use the provided `bin/dev-server` script to start the server in development mode.": "tests/test_ship.py",
}
"""Passages that other tests hold."""

APART = {
    "Clone the repository": "docs/getting-started.md",
    "Install the dependencies": "docs/getting-started.md",
    "pip install -r requirements.txt": "docs/getting-started.md",
    "[Anthropic Models]": "a link",
    "[OpenAI Models]": "a link",
    "[Google Models]": "a link",
    "References:": "a title",
    "Example:": "a title",
}
"""Passages that promise nothing of their own."""


def stream(headers: dict[str, str], **more: Any) -> bytes:
    """Return the document's example, with other fields where `more` says so."""
    return post("/stream", {**json.loads(BODY), **more}, headers)


def held(got: Answer) -> None:
    """Hold a good stream: its pieces, then the whole and what it took."""
    assert got.status == 200
    assert got.headers["content-type"].startswith("text/event-stream")
    *deltas, (_, done) = events(got)
    assert {name for name, _ in events(got)} == {""}
    assert all(data.keys() == {"type", "text"} and data["type"] == "delta" for _, data in deltas)
    assert "".join(data["text"] for _, data in deltas) == done["result"] == TEXT
    assert done["type"] == "done"
    assert set(done["usage"]) == {"input", "output"}
    assert min(done["usage"].values()) > 0


def test_a_prompt_is_streamed(tmp_path: Path) -> None:
    """Pieces as events, the first of them while the provider has not ended.

    "A simple web server for stream processing your prompts with LLMS"
    """

    async def act(there: Scene) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", there.gate.port)
        writer.write(stream(RIGHT))
        await reader.readuntil(b'data: {"type":"delta","text":"')
        await there.sim.journal.until(lambda journal: any(one.outcome == "hung" for one in journal.entries))
        writer.close()
        await writer.wait_closed()
        await there.sim.journal.until(lambda journal: journal.open == 0)
        [row] = await there.gate.rows(1)
        assert row.state == "cancelled"

    play(tmp_path, KEYED, act, {"default": {"faults": [{"kind": "hang", "at_frame": 4}]}})


def test_the_env_file_is_taken_as_it_is(tmp_path: Path) -> None:
    """Over the document's .env a real process listens on its PORT and has its token and two providers.

    "Configure your environment variables in `.env`:"
    "The server will start on port 3000 by default (can be changed in `.env` file)."
    """

    async def whole() -> None:
        port = str(free_port())
        (tmp_path / ".env").write_text(ENV.replace("3000", port))
        async with Simulator() as sim:
            there = {"DRAGOMAN_PROVIDERS": elsewhere(sim.url), "DRAGOMAN_SERVER_PORT": ""}
            with spawned(tmp_path, **there) as child:
                assert str(child.port) == port
                got = await ask(child.port, get("/v1/health"))
                assert got.json["providers"] == ["anthropic", "gemini"]
                assert (await ask(child.port, stream({}, model="gemini-2.5-flash"))).status == 401
                for model in ("claude-haiku-5-5", "gemini-2.5-flash"):
                    got = await ask(child.port, stream(RIGHT, model=model))
                    assert (got.status, events(got)[-1][1]["type"]) == (200, "done")

    asyncio.run(asyncio.wait_for(whole(), 120))


@pytest.mark.parametrize(("headers", "sign"), [(RIGHT, b": ka\n\n"), (AS_JSON, b" \n")])
def test_no_proxy_gives_up_while_the_provider_thinks(
    tmp_path: Path, headers: dict[str, str], sign: bytes
) -> None:
    """Before the first word, signs of life come, every 15 s: a comment, or white space before the JSON.

    "Processes a prompt and streams response to prevent timeouts."
    """

    async def act(there: Scene) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", there.gate.port)
        writer.write(stream(headers))
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"200 OK" in head
        for _ in range(3):
            await reader.readuntil(sign)
        writer.close()
        await writer.wait_closed()
        await there.sim.journal.until(lambda journal: journal.open == 0)

    assert ServerSpec().keepalive_s == 15
    play(tmp_path, KEYED, act, HANGS, DRAGOMAN_SERVER_KEEPALIVE_S="0.02")


@pytest.mark.parametrize("headers", [RIGHT, AS_JSON])
def test_signs_of_life_are_no_part_of_the_answer(tmp_path: Path, headers: dict[str, str]) -> None:
    """A slow answer that was kept alive is the same answer to whoever parses it.

    "streams response to prevent timeouts"
    """

    async def act(there: Scene) -> None:
        got = await ask(there.gate.port, stream(headers))
        if headers is AS_JSON:
            assert got.body[:1].isspace()
            assert got.headers["content-type"].startswith("application/json")
            assert got.json == json.loads(ANSWER)
        else:
            assert got.body.startswith(b": ka\n\n")
            held(got)

    slow = {"default": {"text": TEXT, "latency_s": 0.3}}
    play(tmp_path, KEYED, act, slow, DRAGOMAN_SERVER_KEEPALIVE_S="0.02")


def test_who_has_the_token_is_served(tmp_path: Path) -> None:
    """The Bearer token of the .env opens; none, another, or another scheme is a 401 with a message.

    "Bearer token authentication is required. Include an `Authorization` header with the format: `Bearer
    your_token`, where `your_token` matches the `API_TOKEN` value set in the `.env` file."
    "`401 Unauthorized`: Missing or invalid Bearer token"
    """

    async def act(there: Scene) -> None:
        port = there.gate.port
        held(await ask(port, stream(RIGHT)))
        wrong = [{}, {"authorization": "Bearer your_token"}, {"authorization": "Basic your_secure_token"}]
        for headers in (*wrong, {"authorization": "Bearer"}, {"authorization": "Bearer your_secure_token2"}):
            for more in ({}, {"accept": "application/json"}):
                got = await ask(port, stream({**headers, **more}))
                assert (got.status, set(got.json)) == (401, {"message"}), headers
                assert "your_secure_token" not in got.body.decode()
        assert len(there.sim.journal) == 1

    play(tmp_path, KEYED, act, {"default": {"text": TEXT}})


@pytest.mark.parametrize(
    ("model", "dialect"),
    [
        ("gpt-4o", "openai_chat"),
        ("gpt-9-of-next-year", "openai_chat"),
        ("o3", "openai_chat"),
        ("o4-mini", "openai_chat"),
        ("claude-opus-4-8", "anthropic"),
        ("claude-of-next-year", "anthropic"),
        ("gemini-2.5-pro", "gemini"),
        ("gemini-of-next-year", "gemini"),
    ],
)
def test_the_models_name_says_whose_it_is(tmp_path: Path, model: str, dialect: str) -> None:
    """Its prefix decides the provider, for models that no list has, too.

    "`model`: The AI model to use for processing. Please refer to the provider's documentation for available
    models."
    "`prompt`: Instructions or text to be processed"
    """

    async def act(there: Scene) -> None:
        held(await ask(there.gate.port, stream(RIGHT, model=model)))
        [entry] = there.sim.journal.entries
        assert (entry.dialect, entry.model) == (dialect, model)
        assert "Your instructions..." in json.dumps(entry.body)

    play(tmp_path, KEYED, act, {"default": {"text": TEXT}})


def test_the_answer_is_one_object_for_who_wants_json(tmp_path: Path) -> None:
    """With Accept: application/json it has the shape the document prints.

    "result"
    """

    async def act(there: Scene) -> None:
        got = await ask(there.gate.port, stream(AS_JSON))
        assert (got.status, got.json) == (200, json.loads(ANSWER))

    play(tmp_path, KEYED, act, {"default": {"text": TEXT}})


def test_health_needs_no_token(tmp_path: Path) -> None:
    """It says what the document prints.

    "Returns a simple health status to check if the server is running."
    """

    async def act(there: Scene) -> None:
        method, path = HEALTH.split()
        assert method == "GET"
        got = await ask(there.gate.port, get(path))
        assert (got.status, got.json) == (200, json.loads(HEALTHY))

    play(tmp_path, ENV, act)


@pytest.mark.parametrize("headers", [RIGHT, AS_JSON])
def test_what_is_missing_is_a_400(tmp_path: Path, headers: dict[str, str]) -> None:
    """A body without prompt or model, or that is no object, is refused with an error; nobody is asked.

    "The API returns appropriate HTTP status codes and error messages:"
    "`400 Bad Request`: Missing required parameters"
    """

    async def act(there: Scene) -> None:
        bodies = [
            {"model": "gpt-4o"},
            {"prompt": "x"},
            {"model": "gpt-4o", "prompt": ""},
            {},
            [],
            "x",
            5,
            b"{",
            b"",
        ]
        for body in bodies:
            got = await ask(there.gate.port, post("/stream", body, headers))
            assert (got.status, set(got.json)) == (400, {"error"}), body
            assert isinstance(got.json["error"], str)
        assert "prompt" in (await ask(there.gate.port, post("/stream", bodies[0], headers))).json["error"]
        assert "model" in (await ask(there.gate.port, post("/stream", bodies[1], headers))).json["error"]
        assert not there.sim.journal.entries

    play(tmp_path, KEYED, act)


@pytest.mark.parametrize("headers", [RIGHT, AS_JSON])
@pytest.mark.parametrize(("told", "status"), [(500, 502), (401, 502), (503, 503), (504, 504), (429, 429)])
def test_a_failure_has_a_status_by_its_cause(
    tmp_path: Path, headers: dict[str, str], told: int, status: int
) -> None:
    """A provider's failure is a 5xx that is not ours, told as an error; a stream that breaks ends in one.

    "`500 Internal Server Error`: Server-side processing errors"
    """

    async def act(there: Scene) -> None:
        got = await ask(there.gate.port, stream(headers))
        assert (got.status, set(got.json)) == (status, {"error"})
        there.sim.script = breaks
        got = await ask(there.gate.port, stream(headers))
        assert got.status == 200, "it has begun"
        if headers is AS_JSON:
            assert set(got.json) == {"error"}
        else:
            assert set(events(got)[-1][1]) == {"type", "error"}
            assert events(got)[-1][1]["type"] == "error"
        rows = await there.gate.rows(2)
        assert {row.state for row in rows} == {"failed"}

    breaks = read({"default": {"text": TEXT, "error": {"status": told, "at_frame": 4}}})
    play(tmp_path, KEYED, act, {"default": {"error": {"status": told}}})


def test_the_example_is_answered(tmp_path: Path) -> None:
    """The command as it is printed gets a stream; asked for JSON, one object; without a key, a reason.

    "Example Request with cURL"
    """

    async def act(there: Scene) -> None:
        assert f"{command(EXAMPLE).method} {command(EXAMPLE).target}" == PATH
        assert command(EXAMPLE).json == json.loads(BODY)
        assert command(EXAMPLE).headers["Authorization"] == TOKEN.partition(": ")[2]
        held(await there.run(EXAMPLE))
        got = await there.run(EXAMPLE, Accept="application/json")
        assert (got.status, got.json) == (200, json.loads(ANSWER))

    async def without(there: Scene) -> None:
        got = await there.run(EXAMPLE)
        assert (got.status, set(got.json)) == (404, {"error"})
        assert "OPENAI_API_KEY" in got.json["error"]

    play(tmp_path / "with", KEYED, act, {"default": {"text": TEXT}})
    play(tmp_path / "without", ENV, without)


def test_a_real_model_answers(tmp_path: Path) -> None:
    """With a language model in each provider's place: words, streamed and as one object.

    "http://localhost:5500/stream"
    """
    models = ["gpt-4o", "claude-haiku-5-5", "gemini-2.5-flash"]

    async def act(gate: House) -> None:
        for model in models:
            *deltas, (_, done) = events(await ask(gate.port, stream(RIGHT, model=model)))
            assert "".join(data["text"] for _, data in deltas) == done["result"]
            assert done["result"].strip()
            assert min(done["usage"].values()) > 0
        got = await ask(gate.port, stream(AS_JSON))
        assert got.json["result"].strip()

    play_real(tmp_path, KEYED, models, act)
