"""Source 003: one message to OpenAI, Anthropic or Cohere, answered whole or line by line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.house import Answer, House, ask, get, post, spawned
from tests.sinks.databases import free_port
from tests.sources.scene import Scene, elsewhere, lines, play, play_real

from dragoman.simulator import Simulator
from dragoman.simulator.journal import masked

ENV = """
OPENAI_API_KEY='<your_openai_api_key>'
ANTHROPIC_API_KEY='<your_anthropic_api_key>'
COHERE_API_KEY='<your_cohere_api_key>'
"""

PAYLOAD = """
{
  "message": "Hello, world!",
  "chat_model_name": "openai",
  "stream": false
}
"""

TEXT = "Hello to you, too."
DIALECTS = {"openai": "openai_chat", "anthropic": "anthropic", "cohere": "cohere"}
NAMES = list(DIALECTS)
named = pytest.mark.parametrize("name", NAMES)
HANGS: dict[str, Any] = {"default": {"text": TEXT, "faults": [{"kind": "hang", "at_frame": 5}]}}

ELSEWHERE = {
    "docker compose --project-name": "tests/test_ship.py",
    "Use the following command to start a Docker instance of the LLM Router APIs:": "tests/test_ship.py",
}
"""Passages that other tests hold."""

APART = {
    "a comprehensive guide to the API's structure, usage, and deployment.": "no promise",
    "The project is structured into several Python modules": "how theirs is built",
    "`app.py`: The main FastAPI application module.": "how theirs is built",
    "`factory.py`: Contains the ChatModelFactory class": "how theirs is built",
    "`common.py`: Defines an abstract base class ChatModel": "how theirs is built",
    "The `ChatModel` abstract base class defines two abstract methods": "how theirs is built",
    "`__init__`: Initializes the chat model, typically setting up the API client.": "how theirs is built",
    "`send_message`: Sends a message to the LLM and returns the response.": "how theirs is built",
    "Each chat model module implements the `ChatModel` interface": "how theirs is built",
    "Example payload": "a title",
}
"""Passages that promise nothing of their own."""


def payload(**more: Any) -> bytes:
    """Return the document's example, with other fields where `more` says so."""
    return post("/chat/", {**json.loads(PAYLOAD), **more})


def pieces(got: Answer) -> str:
    """Return the text of a stream, whose lines have nothing else."""
    assert got.headers["content-type"].startswith("application/x-ndjson")
    assert all(line.keys() == {"response"} for line in lines(got))
    return "".join(line["response"] for line in lines(got))


@named
@pytest.mark.parametrize("stream", [None, False, True])
def test_a_message_is_answered_by_whom_it_names(tmp_path: Path, name: str, stream: bool | None) -> None:  # noqa: FBT001
    """The named provider is asked in its own protocol with the .env's key; the answer is its text.

    "designed to route chat messages to different Language Learning Models (LLMs) like OpenAI's GPT-3,
    Anthropic's Claude, and Cohere's language model. It supports both synchronous and streaming responses,
    allowing for real-time interaction with the models."
    "The LLM Router API provides a flexible and easy-to-use interface for interacting with multiple LLM
    providers."
    "With support for both synchronous and streaming responses, it caters to a wide range of use cases."
    "The API will route the message to the specified LLM and return the response."
    """

    async def act(there: Scene) -> None:
        more = {} if stream is None else {"stream": stream}
        body = {"message": "Hello, world!", "chat_model_name": name, **more}
        got = await ask(there.gate.port, post("/chat/", body))
        assert got.status == 200
        if stream:
            assert pieces(got) == TEXT
            assert len(lines(got)) > 1
        else:
            assert got.json == {"response": TEXT}
        [entry] = there.sim.journal.entries
        assert entry.dialect == DIALECTS[name]
        assert "Hello, world!" in json.dumps(entry.body)
        key = masked(f"<your_{name}_api_key>")
        assert entry.headers.get("x-api-key", entry.headers.get("authorization", "").partition(" ")[2]) == key

    play(tmp_path, ENV, act, {"default": {"text": TEXT}})


def test_one_endpoint_takes_the_three_fields(tmp_path: Path) -> None:
    """POST /chat/ takes the three fields; one that is missing or of another type is a 400.

    "The FastAPI application defines a single `POST` endpoint `/chat/` that accepts a JSON payload with the
    following fields:"
    "`message`: The chat message to be sent to the LLM."
    "`chat_model_name`: The name of the LLM to route the message to (openai, anthropic, or cohere)."
    """

    async def act(there: Scene) -> None:
        good = json.loads(PAYLOAD)
        for field in ("message", "chat_model_name"):
            got = await ask(there.gate.port, post("/chat/", {**good, field: None}))
            assert (got.status, set(got.json)) == (400, {"detail", "error"})
            assert field in got.json["detail"]
        for more in ({"stream": "yes please"}, {"message": 5}, {"chat_model_name": ["openai"]}):
            got = await ask(there.gate.port, payload(**more))
            assert (got.status, set(got.json)) == (400, {"detail", "error"})
        assert (await ask(there.gate.port, get("/chat/"))).status == 405
        assert (await ask(there.gate.port, post("/chat", good))).status == 200, "with or without the slash"

    play(tmp_path, ENV, act)


@named
def test_a_stream_comes_in_chunks(tmp_path: Path, name: str) -> None:
    """The first pieces are there while the provider has not ended; a client that leaves ends it.

    "`stream`: A boolean indicating whether the response should be streamed. Depending on the value of the
    stream field, the endpoint either returns a single JSON response or streams the response back to the
    client in chunks."
    """

    async def act(there: Scene) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", there.gate.port)
        writer.write(payload(chat_model_name=name, stream=True))
        await reader.readuntil(b'{"response":"')
        await there.sim.journal.until(lambda journal: any(one.outcome == "hung" for one in journal.entries))
        assert there.sim.journal.open == 1
        writer.close()
        await writer.wait_closed()
        await there.sim.journal.until(lambda journal: journal.open == 0)
        [row] = await there.gate.rows(1)
        assert row.state == "cancelled"

    play(tmp_path, ENV, act, HANGS)


@named
def test_a_stream_that_breaks_says_so(tmp_path: Path, name: str) -> None:
    """Its last line is an error; a whole answer that breaks is a 502 and no answer.

    "or streams the response back to the client in chunks"
    """

    async def act(there: Scene) -> None:
        got = await ask(there.gate.port, payload(chat_model_name=name, stream=True))
        *good, last = lines(got)
        assert good
        assert set(last) == {"error"}
        got = await ask(there.gate.port, payload(chat_model_name=name))
        assert (got.status, set(got.json)) == (502, {"detail", "error"})

    play(tmp_path, ENV, act, {"default": {"text": TEXT, "error": {"status": 500, "at_frame": 5}}})


def test_a_new_model_is_an_entry(tmp_path: Path) -> None:
    """Any model is a name, and so is a provider of the operator's own; an unknown name is a 404.

    "takes the name of a chat model and returns an instance of the corresponding class. This allows for easy
    addition of new chat models to the application."
    """

    async def whole() -> None:
        async with Simulator() as sim:
            ours = {
                "dialect": "ollama",
                "base_url": f"{sim.url}/api",
                "keyless": True,
                "default_model": "tiny",
            }
            there = {"DRAGOMAN_PROVIDERS": elsewhere(sim.url, ours={**ours, "auth": {"scheme": "none"}})}
            (tmp_path / ".env").write_text(ENV)
            with spawned(tmp_path, **there) as child:
                for name in ("ours", "gpt-4o", "claude-haiku-5-5", "command-a-03-2025"):
                    got = await ask(child.port, payload(chat_model_name=name))
                    assert (got.status, set(got.json)) == (200, {"response"}), got.body
                asked = [one.model for one in sim.journal.entries]
                assert asked == ["tiny", "gpt-4o", "claude-haiku-5-5", "command-a-03-2025"]
                for stream in (False, True):
                    got = await ask(child.port, payload(chat_model_name="opneai", stream=stream))
                    assert (got.status, set(got.json)) == (404, {"detail", "error"})

    asyncio.run(asyncio.wait_for(whole(), 120))


def test_the_example_is_answered(tmp_path: Path) -> None:
    """The payload as it is printed, byte for byte, sent to a real process.

    "To use the LLM Router API, send a `POST` request to the `/chat/` endpoint with a JSON payload containing
    the `message`, `chat_model_name`, and optionally, the `stream` field."
    """

    async def whole() -> None:
        (tmp_path / ".env").write_text(ENV)
        async with Simulator() as sim:
            with spawned(tmp_path, DRAGOMAN_PROVIDERS=elsewhere(sim.url)) as child:
                got = await ask(child.port, post("/chat/", PAYLOAD.encode()))
                assert got.status == 200
                assert got.json["response"]

    asyncio.run(asyncio.wait_for(whole(), 120))


def test_other_machines_are_served_with_a_key_alone(tmp_path: Path) -> None:
    """On 0.0.0.0 a gateway without a key does not start, and says what to set; with one it serves who has it.

    "The LLM Router API can be deployed as a standard FastAPI application. Ensure that the required
    environment variables are set (API keys for the LLM providers)"
    "To deploy it locally, issue the following command:"
    "python -m poetry run uvicorn app:app --reload --host 0.0.0.0 --port 8000"
    """

    async def whole() -> None:
        (tmp_path / ".env").write_text(ENV)
        port = str(free_port())
        where = ("--host", "0.0.0.0", "--port", port)
        with pytest.raises(RuntimeError), spawned(tmp_path, *where):
            pass
        async with Simulator() as sim:
            there = {"DRAGOMAN_PROVIDERS": elsewhere(sim.url), "API_KEYS": "secret"}
            with spawned(tmp_path, *where, **there) as child:
                assert str(child.port) == port
                assert (await ask(child.port, payload())).status == 401
                key = {"authorization": "Bearer secret"}
                assert (await ask(child.port, post("/chat/", json.loads(PAYLOAD), key))).status == 200

    asyncio.run(asyncio.wait_for(whole(), 120))


@named
def test_keys_come_from_the_environment(tmp_path: Path, name: str) -> None:
    """Without its key a provider is a 404 that names the variable; the others are served.

    "The application requires API keys for the LLM providers to be set in the environment."
    "Ensure that the .env file is loaded before starting the application."
    """
    variable = f"{name.upper()}_API_KEY"
    dotenv = "\n".join(line for line in ENV.splitlines() if variable not in line)

    async def act(there: Scene) -> None:
        for other in NAMES:
            got = await ask(there.gate.port, payload(chat_model_name=other))
            assert got.status == (404 if other == name else 200)
            if other == name:
                assert variable in got.json["detail"]

    play(tmp_path, dotenv, act)


def test_a_real_model_answers_all_three(tmp_path: Path) -> None:
    """With a language model in each provider's place: words, whole and in lines.

    "using a `.env` file"
    """
    models = ["gpt-5.4-mini", "claude-haiku-5-5", "command-a-03-2025"]

    async def act(gate: House) -> None:
        for name in NAMES:
            assert pieces(await ask(gate.port, payload(chat_model_name=name, stream=True))).strip()
        whole = await ask(gate.port, payload())
        assert whole.status == 200
        assert whole.json["response"].strip()
        rows = await gate.rows(4)
        assert [row.provider for row in rows] == [*NAMES, "openai"]

    play_real(tmp_path, ENV, models, act)
