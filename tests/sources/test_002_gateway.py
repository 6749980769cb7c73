"""Source 002: one API before Ollama and OpenRouter, with keys, limits, usage, cost and streams."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.house import Answer, House, ask, get, house, post, spawned
from tests.sources.scene import Scene, command, elsewhere, events, play, play_real

from dragoman import __version__
from dragoman.simulator import Simulator
from dragoman.simulator.script import read
from dragoman.store.audit import AuditRow
from dragoman.store.budgets import BudgetRow

ENV = """
API_KEYS=your-secret-api-key,another-key
OPENROUTER_API_KEY=your-openrouter-key
"""
"""What its `.env.example` must have had; the document names `API_KEYS` alone."""

BODY = """
    {
      "provider": "openrouter",
      "model": "meta-llama/llama-3.2-3b-instruct:free",
      "messages": [
        {
          "role": "user",
          "content": "Hello, who are you?"
        }
      ],
      "temperature": 0.7,
      "max_tokens": 100,
      "stream": false
    }
"""
HEALTH = """
    curl -X GET http://localhost:8000/v1/health
"""
CHAT = """
    curl -X POST http://localhost:8000/v1/chat/completions \\
    -H "Content-Type: application/json" \\
    -H "Authorization: Bearer your-secret-api-key" \\
    -d '{
      "provider": "openrouter",
      "model": "meta-llama/llama-3.2-3b-instruct:free",
      "messages": [
        {
          "role": "user",
          "content": "Tell me a joke."
        }
      ]
    }'
"""
STREAM = """
    curl -X POST http://localhost:8000/v1/chat/stream \\
    -H "Content-Type: application/json" \\
    -H "Authorization: Bearer your-secret-api-key" \\
    -d '{
      "provider": "openrouter",
      "model": "meta-llama/llama-3.2-3b-instruct:free",
      "messages": [
        {
          "role": "user",
          "content": "Tell me a story about a brave knight."
        }
      ],
      "stream": true
    }'
"""
USAGE = """
    curl -X GET http://localhost:8000/v1/usage/stats \\
    -H "Authorization: Bearer your-secret-api-key"
"""
FREE = "meta-llama/llama-3.2-3b-instruct:free"

TEXT = "I am a brave knight."
OURS, OTHERS = ({"authorization": f"Bearer {key}"} for key in ("your-secret-api-key", "another-key"))
HANGS: dict[str, Any] = {"default": {"text": TEXT, "faults": [{"kind": "hang", "at_frame": 4}]}}
COSTS: dict[str, Any] = {"default": {"text": TEXT, "patch": {"usage": {"cost": 0.00025}}}}
"""OpenRouter says what each answer cost; here 250 millionths of a dollar."""

ELSEWHERE = {
    "This application is containerized using Docker, which makes it easy to deploy": "tests/test_ship.py",
    "Create a `.env` file as described in the local development section.": "tests/test_ship.py",
    "docker-compose up --build": "tests/test_ship.py",
    "docker build -t streaming-llm-api .": "tests/test_ship.py",
    "cp .env.example .env": "tests/test_ship.py",
    "Create a `.env` file by copying the example:": "tests/test_ship.py",
    "The API will be available at `http://localhost:8000`.": "tests/test_ship.py",
    "essential features for scalability, monitoring, and cost management": "tests/sinks/test_prometheus.py",
    "Administrative Dashboard: A web-based dashboard could be developed": "tests/pages/test_dashboard.py",
}
"""Passages that other tests hold."""

APART = {
    "This project is a demonstration of a production-ready API gateway": "an introduction",
    "Whether you're building a chatbot, a content generation tool": "an introduction",
    "Building a scalable and reliable application on top of LLMs presents several": "an introduction",
    "This project comes with a range of features designed for a production environment:": "an introduction",
    "The project is organized as follows:": "theirs",
    "`app/main.py`: The entry point of the FastAPI application.": "theirs",
    "`app/api/`: Contains the API-related modules": "theirs",
    "`app/core/`: Core components": "theirs",
    "`app/models/`: Pydantic models": "theirs",
    "`app/providers/`: Integration with different LLM providers.": "theirs",
    "`app/services/`: Business logic and services.": "theirs",
    "Endpoint: `GET /v1/health`": "the command below it",
    "Endpoint: `POST /v1/chat/completions`": "the command below it",
    "Endpoint: `POST /v1/chat/stream`": "the command below it",
    "Endpoint: `GET /v1/usage/stats`": "the command below it",
    "Example:": "a title",
    "Request Body: `application/json`": "the body below it",
    "Python 3.8+": "docs/getting-started.md says which Python it takes",
    "Docker (optional)": "docs/docker.md",
    "git clone git@github.com:Prosen-Ghosh/llm_demo.git": "theirs",
    "cd streaming-llm-api": "theirs",
    "python3 -m venv venv": "docs/getting-started.md",
    "source venv/bin/activate": "docs/getting-started.md",
    "pip install -r requirements.txt": "docs/getting-started.md",
    "uvicorn app.main:app --reload": "Dragoman is started by `dragoman serve`, which the walk does",
    "docker push your-container-registry/streaming-llm-api": "whose registry",
    "For more detailed instructions, please refer to your cloud provider's documentation.": "advice",
    "Contributions are welcome!": "CONTRIBUTING.md",
    "This project provides a solid foundation for a production-grade LLM API, but": "an introduction",
}
"""Passages that promise nothing of their own."""


def body(**more: Any) -> dict[str, Any]:
    """Return the document's request body, with other fields where `more` says so."""
    return {**json.loads(BODY), **more}


def told(got: Answer) -> str:
    """Hold a good stream of named events; return its text."""
    assert got.status == 200, got.body
    assert got.headers["content-type"].startswith("text/event-stream")
    *messages, (last, done) = events(got)
    assert {name for name, _ in messages} == {"message"}
    fields = {"id", "model", "provider", "delta", "finish_reason", "index"}
    assert all(data.keys() == fields for _, data in messages)
    assert (last, done["status"], done["chunks"]) == ("done", "complete", len(messages))
    assert done["usage"]["total_tokens"] > 0
    assert "cost_usd" in done
    return "".join(data["delta"] for _, data in messages)


async def used(there: Scene, query: str = "", headers: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the usage report, once everything asked so far is booked."""
    await there.gate.rows(len(await there.gate.rows()))
    got = await ask(there.gate.port, get(f"/v1/usage/stats{query}", headers or OURS))
    assert got.status == 200, got.body
    report: dict[str, Any] = got.json
    return report


def test_a_provider_is_a_word_in_the_request(tmp_path: Path) -> None:
    """The same body is answered in the same shape by Ollama and by OpenRouter; an unknown name is a 400.

    "acting as a central hub to connect your applications to various LLM providers like Ollama and OpenRouter"
    "Simplified Integration: Instead of writing separate integrations for each LLM provider, you can use a
    single, unified API. This dramatically reduces complexity and development time."
    "Unified API for Multiple Providers: A single, consistent API endpoint for chat completions, regardless of
    the backend LLM provider (e.g., Ollama, OpenRouter)."
    """

    async def act(there: Scene) -> None:
        port = there.gate.port
        shapes = []
        for provider in ("openrouter", "ollama"):
            got = await ask(port, post("/v1/chat/completions", body(provider=provider), OURS))
            assert (got.status, got.json["provider"]) == (200, provider)
            assert got.json["choices"][0]["message"]["content"] == TEXT
            shapes.append({name for name, value in got.json.items() if value is not None})
        assert shapes[0] == shapes[1]
        assert [one.dialect for one in there.sim.journal.entries] == ["openai_chat", "ollama"]
        for path in ("/v1/chat/completions", "/v1/chat/stream"):
            for name in ("nobody", "gemini"):
                got = await ask(port, post(path, body(provider=name), OURS))
                assert (got.status, set(got.json)) == (400, {"error"}), name
                assert got.json["error"]["code"] == "provider_not_available"
        assert len(there.sim.journal) == 2

    async def whole() -> None:
        async with Simulator(read({"default": {"text": TEXT}})) as sim:
            await played(sim, tmp_path, act)

    asyncio.run(whole())


async def played(sim: Simulator, folder: Path, act: Any) -> None:
    """Play with OLLAMA_BASE_URL set, which has no address of its own."""
    (folder / ".env").write_text(f"{ENV}\nOLLAMA_BASE_URL={sim.url}\n")
    async with house(folder, DRAGOMAN_PROVIDERS=elsewhere(sim.url)) as gate:
        await act(Scene(sim, gate))


def test_events_come_as_the_answer_does(tmp_path: Path) -> None:
    """The first pieces are there while the provider has not ended; an idle stream shows that it lives.

    "Streaming with Server-Sent Events (SSE): For real-time, interactive applications, the `/v1/chat/stream`
    endpoint provides a seamless streaming experience."
    "Centralized Control & Monitoring: Gain a single pane of glass for monitoring usage, tracking costs, and
    enforcing policies across all LLM providers and applications."
    "Enhanced Performance & User Experience: Support for streaming responses ensures that your users get
    real-time feedback from the LLM, which is critical for interactive applications."
    """

    async def act(there: Scene) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", there.gate.port)
        writer.write(command(STREAM).raw)
        await reader.readuntil(b"event: message\ndata: ")
        await there.sim.journal.until(lambda journal: any(one.outcome == "hung" for one in journal.entries))
        assert there.sim.journal.open == 1
        await reader.readuntil(b": ka")
        writer.close()
        await writer.wait_closed()
        await there.sim.journal.until(lambda journal: journal.open == 0)

    play(tmp_path, ENV, act, HANGS, DRAGOMAN_SERVER_KEEPALIVE_S="0.02")


@pytest.mark.parametrize("path", ["/v1/chat/stream", "/v1/chat/completions"])
def test_a_client_that_leaves_ends_the_providers_work(tmp_path: Path, path: str) -> None:
    """The provider's connection is closed in the middle of its answer, and the row says cancelled.

    "Automatic Request Cancellation: If a client disconnects from a streaming request, the connection to the
    LLM provider is automatically terminated. This saves computational resources and costs."
    "Resource Efficiency: Automatic cancellation of requests when a client disconnects prevents wasted
    resources on the server and with the LLM provider."
    """

    async def act(there: Scene) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", there.gate.port)
        writer.write(post(path, body(stream=True), OURS))
        await reader.readuntil(b"data: ")
        writer.close()
        await writer.wait_closed()
        await there.sim.journal.until(lambda journal: len(journal) == 1 and journal.open == 0)
        [entry] = there.sim.journal.entries
        assert (entry.outcome, entry.frames < 500) == ("cancelled", True)
        [row] = await there.gate.rows(1)
        assert (row.state, row.status, row.key) == ("cancelled", 499, "key-1")
        assert row.meters.output < 500
        report = await used(there)
        assert (report["total_requests"], report["failed_requests"]) == (1, 0)

    endless = {"default": {"tokens": 500, "tokens_per_s": 50}}
    play(tmp_path, ENV, act, endless)


def test_requests_tokens_and_cost_are_counted_by_key(tmp_path: Path) -> None:
    """Each key's report has its own requests, their tokens and cost, and nothing of another's.

    "Usage and Cost Tracking: The API monitors the number of requests, prompt tokens, and completion tokens
    for each API key. It also provides a cost estimate in USD."
    "Cost Management: With built-in cost tracking and estimation, you can keep a close eye on your expenses
    and avoid surprises on your bill."
    """

    async def act(there: Scene) -> None:
        port = there.gate.port
        for _ in range(2):
            await ask(port, post("/v1/chat/completions", body(), OURS))
        told(await ask(port, post("/v1/chat/stream", body(), OURS)))
        await ask(port, post("/v1/chat/completions", body(), OTHERS))
        await there.gate.rows(4)
        usages = [one.usage for one in there.sim.journal.entries]
        for headers, own in ((OURS, usages[:3]), (OTHERS, usages[3:])):
            report = await used(there, headers=headers)
            read_ = sum(usage.total_input for usage in own if usage)
            wrote = sum(usage.total_output for usage in own if usage)
            assert report["total_requests"] == len(own)
            assert (report["prompt_tokens"], report["completion_tokens"]) == (read_, wrote)
            assert report["total_tokens"] == read_ + wrote
            assert report["estimated_cost_usd"] == pytest.approx(0.00025 * len(own), abs=1e-9)

    play(tmp_path, ENV, act, COSTS)


def test_a_key_has_so_many_requests_a_minute(tmp_path: Path) -> None:
    """MAX_REQUESTS_PER_MINUTE holds for each key by itself; who goes beyond is told when to come back.

    "Rate Limiting: Protect your API from abuse and control costs with a configurable, per-API-key rate
    limiter."
    """

    async def act(there: Scene) -> None:
        port = there.gate.port
        for left in (2, 1, 0):
            got = await there.run(CHAT)
            assert got.status == 200
            assert (got.headers["x-ratelimit-limit"], got.headers["x-ratelimit-remaining"]) == (
                "3",
                str(left),
            )
            assert got.headers["x-ratelimit-remaining-requests"] == str(left)
            assert int(got.headers["x-ratelimit-reset"]) > 0
        for text in (CHAT, STREAM):
            got = await there.run(text)
            assert (got.status, set(got.json)) == (429, {"error"})
            assert 1 <= int(got.headers["retry-after"]) <= 60
            assert got.headers["x-ratelimit-remaining"] == "0"
        assert (await ask(port, post("/v1/chat/completions", body(), OTHERS))).status == 200
        assert len(there.sim.journal) == 4

    play(tmp_path, f"{ENV}\nMAX_REQUESTS_PER_MINUTE=3\n", act)


def test_every_answer_says_how_a_key_stands(tmp_path: Path) -> None:
    """Good or refused, an answer to a key with a limit says what is left, and which request it was.

    "Rate Limiting: Protect your API from abuse and control costs with a configurable, per-API-key rate
    limiter."
    """
    asked = {
        "good": body(),
        "an unknown provider": body(provider="nobody"),
        "a wrong type": body(messages=5),
        "no JSON": b"{",
        "too large": b" " * 5000,
    }
    names = {f"x-ratelimit-{what}" for what in ("limit", "remaining", "reset")} | {
        "x-request-id",
        "x-dragoman-id",
    }

    async def act(there: Scene) -> None:
        for name, sent in asked.items():
            got = await ask(there.gate.port, post("/v1/chat/completions", sent, OURS))
            assert names <= got.headers.keys(), name

    play(tmp_path, f"{ENV}\nMAX_REQUESTS_PER_MINUTE=60\nDRAGOMAN_SERVER_MAX_BODY=4096\n", act)


def test_a_new_provider_is_an_entry(tmp_path: Path) -> None:
    """A provider that no release knows is four words of configuration, pinned and asked like the others.

    "Modular Provider System: The project is designed to be easily extensible. Adding a new LLM provider is as
    simple as creating a new class that inherits from a common base and implementing the required methods."
    "Future-Proof Your Application: The modular provider system makes it easy to adopt new models and
    providers as they become available, without requiring a major overhaul of your application."
    """

    async def act(sim: Simulator, port: int) -> None:
        for path in ("/v1/chat/completions", "/v1/chat/stream"):
            got = await ask(port, post(path, body(provider="ours", model="m"), OURS))
            assert got.status == 200
            assert got.headers["x-dragoman-provider"] == "ours"
        assert {one.dialect for one in sim.journal.entries} == {"anthropic"}

    async def whole() -> None:
        (tmp_path / ".env").write_text(f"{ENV}\nOURS_API_KEY=x\n")
        async with Simulator() as sim:
            auth = {"scheme": "bearer", "env": ["OURS_API_KEY"]}
            ours = {"dialect": "anthropic", "base_url": f"{sim.url}/v1", "auth": auth}
            with spawned(tmp_path, DRAGOMAN_PROVIDERS=elsewhere(sim.url, ours=ours)) as child:
                await act(sim, child.port)

    asyncio.run(asyncio.wait_for(whole(), 120))


PAGES = (
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/chat/stream"),
    ("GET", "/v1/usage/stats"),
    ("GET", "/v1/usage/series"),
    ("GET", "/v1/models"),
    ("GET", "/v1/exchanges/any"),
    ("GET", "/stats"),
    ("GET", "/models"),
    ("GET", "/templates"),
    ("POST", "/rate"),
    ("POST", "/chat"),
)


@pytest.mark.parametrize(("method", "path"), PAGES)
def test_everything_but_health_asks_for_a_key(tmp_path: Path, method: str, path: str) -> None:
    """Without a key, or with a wrong one, it is a 401 and nobody is asked; with one it is not.

    "All API endpoints (except for the health check) require an API key. The API key should be included in the
    `Authorization` header as a Bearer token."
    "`Authorization: Bearer YOUR_API_KEY`"
    "Configuration via Environment Variables: All settings, including API keys and provider configurations,
    are managed through a `.env` file for easy setup and deployment."
    """

    def asked(headers: dict[str, str]) -> bytes:
        return post(path, body(), headers) if method == "POST" else get(path, headers)

    async def act(there: Scene) -> None:
        port = there.gate.port
        wrong: tuple[dict[str, str], ...] = (
            {},
            {"authorization": "Bearer YOUR_API_KEY"},
            {"authorization": "Bearer your-secret-api-key,another-key"},
        )
        for headers in wrong:
            got = await ask(port, asked(headers))
            assert got.status == 401
            assert "error" in got.json
        assert not there.sim.journal.entries
        known = await ask(port, asked(OURS))
        assert known.status not in (401, 405)
        assert b"path_not_found" not in known.body

    play(tmp_path, ENV, act)


def test_health_names_the_providers(tmp_path: Path) -> None:
    """The command needs no key, and gets the state, the version, the environment and who can be asked.

    "Description: Checks the health of the application and lists the available LLM providers."
    """

    async def act(there: Scene) -> None:
        got = await there.run(HEALTH)
        assert got.status == 200
        assert got.json["status"] == "healthy"
        assert got.json["version"] == __version__
        assert got.json["environment"] == "development"
        assert got.json["providers"] == ["ollama", "openrouter"]
        for path, status in (("/health", "healthy"), ("/health/live", "live"), ("/health/ready", "ready")):
            assert (await ask(there.gate.port, get(path))).json == {"status": status}

    async def whole() -> None:
        async with Simulator() as sim:
            await played(sim, tmp_path, act)

    asyncio.run(whole())


def test_a_prompt_gets_a_complete_response(tmp_path: Path) -> None:
    """The command and the body are answered whole, in OpenAI's shape with who answered and how long it took.

    "Description: Sends a prompt to the LLM and receives a complete response."
    """

    async def act(there: Scene) -> None:
        by_command = await there.run(CHAT)
        by_body = await ask(there.gate.port, post("/v1/chat/completions", BODY.encode(), OURS))
        for got in (by_command, by_body):
            assert got.status == 200
            answer = got.json
            assert answer["object"] == "chat.completion"
            assert answer["model"] == FREE
            assert answer["choices"][0]["message"]["role"] == "assistant"
            assert answer["choices"][0]["message"]["content"] == TEXT
            assert answer["choices"][0]["finish_reason"] == "stop"
            usage = answer["usage"]
            assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
            assert answer["provider"] == "openrouter"
            assert answer["latency_ms"] >= 0
        sent = [one.body for one in there.sim.journal.entries]
        assert [one["model"] for one in sent] == [FREE, FREE]
        assert (sent[1]["temperature"], sent[1]["max_tokens"]) == (0.7, 100)
        assert "provider" not in sent[0]
        got = await ask(there.gate.port, post("/v1/chat/completions", body(stream=True), OURS))
        assert events(got)[-1] == ("", "[DONE]"), "OpenAI's own stream"

    play(tmp_path, ENV, act, {"default": {"text": TEXT}})


def test_a_prompt_gets_a_stream_of_events(tmp_path: Path) -> None:
    """The command is answered by message events and one done, and so is the non-streaming body.

    "Description: Sends a prompt to the LLM and receives a stream of events as the response is generated. If
    the client disconnects, the request is automatically cancelled."
    "Request Body: Same as the non-streaming endpoint, but `stream` should ideally be set to `true`."
    """

    async def act(there: Scene) -> None:
        assert told(await there.run(STREAM)) == TEXT
        got = await ask(there.gate.port, post("/v1/chat/stream", BODY.encode(), OURS))
        assert told(got) == TEXT
        assert events(got)[-1][1]["cost_usd"] == 0.00025
        assert {data["provider"] for _, data in events(got)[:-1]} == {"openrouter"}
        there.sim.script = read({"default": {"text": TEXT, "error": {"status": 500, "at_frame": 4}}})
        name, data = events(await there.run(STREAM))[-1]
        assert (name, set(data)) == ("error", {"error"})
        there.sim.script = read({"default": {"error": {"status": 500}}})
        got = await there.run(STREAM)
        assert (got.status, set(got.json)) == (502, {"error"})

    play(tmp_path, ENV, act, COSTS)


def test_usage_is_told_to_whose_it_is(tmp_path: Path) -> None:
    """The command gets five figures, all zero before anything was asked.

    "Description: Retrieves usage statistics for the authenticated API key."
    """
    figures = ("total_requests", "total_tokens", "prompt_tokens", "completion_tokens", "estimated_cost_usd")

    async def act(there: Scene) -> None:
        before = (await there.run(USAGE)).json
        assert [before[name] for name in figures] == [0, 0, 0, 0, 0]
        await there.run(CHAT)
        await there.gate.rows(1)
        got = await there.run(USAGE)
        assert got.status == 200
        assert got.json["total_requests"] == 1
        assert got.json["total_tokens"] == got.json["prompt_tokens"] + got.json["completion_tokens"] > 0
        assert got.json["estimated_cost_usd"] == 0.00025

    play(tmp_path, ENV, act, COSTS)


def test_every_key_of_the_list_opens(tmp_path: Path) -> None:
    """API_KEYS is a comma list: each of its keys opens by itself, spaces around it or not.

    "Now, edit the `.env` file and add your API keys and other settings. You must set `API_KEYS` to a
    comma-separated list of valid keys."
    "You can set your API key in the `.env` file (see "Running the Project" section)."
    """

    async def act(there: Scene) -> None:
        for key, status in (
            ("one", 200),
            ("two", 200),
            ("three", 200),
            ("one,two", 401),
            ("four", 401),
            ("", 401),
        ):
            got = await ask(there.gate.port, get("/v1/models", {"authorization": f"Bearer {key}"}))
            assert got.status == status, key

    play(tmp_path, "API_KEYS=one, two ,three,\nOPENROUTER_API_KEY=x\n", act)


def test_the_environment_is_enough(tmp_path: Path) -> None:
    """Without any file, the same variables in the process's own environment serve the same.

    "Configure the environment variables in your cloud provider's environment."
    "Deploy the container."
    """

    async def whole() -> None:
        settings = dict(line.split("=", 1) for line in ENV.split())
        async with Simulator(read({"default": {"text": TEXT}})) as sim:
            with spawned(tmp_path, DRAGOMAN_PROVIDERS=elsewhere(sim.url), **settings) as child:
                assert (await ask(child.port, command(CHAT).raw)).status == 200
                assert told(await ask(child.port, command(STREAM).raw)) == TEXT

    asyncio.run(asyncio.wait_for(whole(), 120))


def test_usage_outlives_the_process(tmp_path: Path) -> None:
    """What was counted is there after a restart, and after a process that was killed.

    "For a production system, this should be replaced with a persistent database like Redis or a relational
    database to ensure that usage data is not lost when the application restarts."
    """

    async def whole() -> None:
        (tmp_path / ".env").write_text(ENV)
        async with Simulator(read(COSTS)) as sim:
            there = {"DRAGOMAN_PROVIDERS": elsewhere(sim.url)}
            for count in (1, 2, 3):
                with spawned(tmp_path, **there) as child:
                    await ask(child.port, command(CHAT).raw)

                    async def report(port: int = child.port) -> dict[str, Any]:
                        told: dict[str, Any] = (await ask(port, command(USAGE).raw)).json
                        return told

                    while (await report())["total_requests"] != count:
                        await asyncio.sleep(0.02)
                    assert (await report())["estimated_cost_usd"] == pytest.approx(0.00025 * count)
                    if count == 2:
                        child.child.kill()

    asyncio.run(asyncio.wait_for(whole(), 120))


def test_cost_is_what_the_model_costs(tmp_path: Path) -> None:
    """Tokens at the model's price where the provider tells no cost; unknown is unknown and not 0.

    "The cost estimation is currently based on a rough estimate. This could be improved by integrating with
    the pricing APIs of the respective LLM providers to get real-time cost information."
    """

    async def act(there: Scene) -> None:
        port = there.gate.port
        for model, cost in (("openai/gpt-4o", 0.025 + 0.1), ("nobody/knows-its-price", None)):
            got = await ask(port, post("/v1/chat/stream", body(model=model), OURS))
            assert events(got)[-1][1]["cost_usd"] == (cost and pytest.approx(cost)), model
        report = await used(there)
        assert report["estimated_cost_usd"] == pytest.approx(0.125)
        assert (report["total_requests"], report["unknown_cost_requests"]) == (2, 1)

    # gpt-4o at OpenRouter: $2.50 for a million tokens read, $10 for a million written.
    play(tmp_path, ENV, act, {"default": {"text": TEXT, "counts": {"input": 10_000, "output": 10_000}}})


def test_usage_is_reported_for_any_time(tmp_path: Path) -> None:
    """By day, week, month or any stretch, by model, provider, day and hour; and as a series for a chart.

    "Time-Based Usage Reporting: The API could be enhanced to provide more granular usage reports, allowing
    users to view their usage data for specific time periods (e.g., daily, weekly, or monthly)."
    """

    async def act(there: Scene) -> None:
        port = there.gate.port
        for model in ("a/a", "a/a", "b/b"):
            await ask(port, post("/v1/chat/completions", body(model=model), OURS))
        rows = await there.gate.rows(3)
        at = datetime.fromtimestamp(rows[0].opened_at, UTC)
        for period in ("day", "week", "month", "all"):
            report = await used(there, f"?period={period}")
            assert (report["total_requests"], report["period"]) == (3, period)
        before, after = at - timedelta(hours=3), at + timedelta(hours=1)
        inside = f"?from={before:%Y-%m-%dT%H:%M:%SZ}&to={after:%Y-%m-%dT%H:%M:%SZ}"
        assert (await used(there, inside))["total_requests"] == 3
        outside = f"?from=2020-01-01&to={before:%Y-%m-%dT%H:%M:%SZ}"
        assert (await used(there, outside))["total_requests"] == 0
        for group, names in (("model", {"a/a": 2, "b/b": 1}), ("provider", {"openrouter": 3})):
            groups = (await used(there, f"?group_by={group}"))["groups"]
            assert {one[group]: one["total_requests"] for one in groups} == names
        for group in ("day", "hour"):
            groups = (await used(there, f"?group_by={group}"))["groups"]
            assert sum(one["total_requests"] for one in groups) == 3
            assert all(one[group] for one in groups)
        for interval in ("hour", "day"):
            series = (await ask(port, get(f"/v1/usage/series?interval={interval}&period=day", OURS))).json
            assert series["interval"] == interval
            assert sum(point["requests"] for point in series["series"]) == 3
            assert sum(point["cost_usd"] or 0 for point in series["series"]) == pytest.approx(0.00075)
        for wrong in (
            "?period=year",
            "?group_by=colour",
            "?from=yesterday",
            "?from=2026-01-03&to=2026-01-01",
        ):
            got = await ask(port, get(f"/v1/usage/stats{wrong}", OURS))
            assert (got.status, set(got.json)) == (400, {"detail", "error"}), wrong

    play(tmp_path, ENV, act, COSTS)


def test_an_administrator_sees_every_key(tmp_path: Path) -> None:
    """The admin key, printed once at the first start, gets the sum over all keys and can tell them apart.

    "including the ability to view statistics for all users"
    """

    async def whole() -> None:
        (tmp_path / ".env").write_text(ENV)
        async with Simulator(read(COSTS)) as sim:
            with spawned(tmp_path, DRAGOMAN_PROVIDERS=elsewhere(sim.url)) as child:
                [admin] = [line.rpartition(" ")[2] for line in child.said if "admin key" in line]
                for headers in (OURS, OTHERS, OTHERS):
                    await ask(child.port, post("/v1/chat/completions", body(), headers))
                key = {"authorization": f"Bearer {admin}"}
                while True:
                    report = (await ask(child.port, get("/v1/usage/stats?group_by=key", key))).json
                    if report["total_requests"] == 3:
                        break
                    await asyncio.sleep(0.02)
                names = {one["key"]: one["total_requests"] for one in report["groups"]}
                assert names == {"key-1": 1, "key-2": 2}

    asyncio.run(asyncio.wait_for(whole(), 120))


def test_a_budget_warns_and_holds(tmp_path: Path) -> None:
    """A budget of a key's own: its shares are told once each, it is there to be read, and then it is used up.

    "Budget Alerts and Management: The system could be extended to allow users to set budgets for their API
    usage and receive alerts when they are close to exceeding their budget."
    """

    async def act(there: Scene) -> None:
        gate, now = there.gate, there.gate.gateway.services.now()
        row = BudgetRow(
            name="mine",
            scope="key",
            subject="key-1",
            cap_micros=2_500,
            period="total",
            alerts=(50, 90),
            created_at=now,
        )
        await gate.gateway.store.budgets.put(row, AuditRow(now, "test", "budget.create", "mine"))
        await gate.gateway.directory.refresh()
        asked = post("/v1/chat/completions", body(model="openai/gpt-4o"), OURS)
        told = []
        while 402 not in told:
            told.append((await ask(gate.port, asked)).status)
            await gate.rows(len(told))
        assert told == [200, 200, 200, 402], "the third is cut where the money ends"
        assert (await ask(gate.port, post("/v1/chat/completions", body(), OTHERS))).status == 200
        [mine] = (await ask(gate.port, get("/v1/budgets", OURS))).json["budgets"]
        assert (mine["name"], mine["dollars"], mine["hard"]) == ("mine", 0.0025, True)
        assert 0.0022 < mine["spent_usd"] <= 0.0025
        while len(alerts := await gate.gateway.store.budgets.alerts()) < 2:
            await asyncio.sleep(0.02)
        assert sorted(alert.percent for alert in alerts) == [50, 90]

    # gpt-4o at OpenRouter: $2.50 for a million tokens read, $10 for a million written.
    play(tmp_path, ENV, act, {"default": {"tokens": 100}})


def test_a_real_model_answers(tmp_path: Path) -> None:
    """With a language model in OpenRouter's place: the document's commands, and tokens in the report.

    "Budget Alerts and Management"
    """

    async def act(gate: House) -> None:
        got = await ask(gate.port, command(CHAT).raw)
        assert got.status == 200
        assert got.json["choices"][0]["message"]["content"].strip()
        assert got.json["provider"] == "openrouter"
        assert told(await ask(gate.port, command(STREAM).raw)).strip()
        await gate.rows(2)
        report = (await ask(gate.port, command(USAGE).raw)).json
        assert report["total_requests"] == 2
        assert report["prompt_tokens"] > 0
        assert report["completion_tokens"] > 0

    play_real(tmp_path, ENV, [FREE], act)
