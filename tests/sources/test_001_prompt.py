"""Source 001: prompts to Groq or Gemini, with templates, fallback, a cache, ratings, statistics and logs."""

# ruff: noqa: E501  the document's own lines

from __future__ import annotations

import asyncio
import csv
import json
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from tests.examples.test_curl import by_cmd
from tests.house import Answer, House, ask, get, house, post, spawned
from tests.sources.scene import Scene, command, elsewhere, play, play_real

from dragoman.simulator import Simulator
from dragoman.simulator.script import read

ENV = """
GROQ_API_KEY=your_api_key
GEMINI_API_KEY=your_api_key
"""
GROQ, GEMINI = "llama-3.1-8b-instant", "gemini-2.5-flash"

GROQ_MODELS = (
    "llama-3.1-8b-instant",
    "llama-3.3-70b-versatile",
    "deepseek-r1-distill-llama-70b",
    "meta-llama/llama-4-maverick-17b-128e-instruct",
    "meta-llama/llama-4-scout-17b-16e-instruct",
    "meta-llama/llama-prompt-guard-2-22m",
    "meta-llama/llama-prompt-guard-2-86m",
    "mistral-saba-24b",
    "moonshotai/kimi-k2-instruct",
)
GEMINI_MODELS = (
    "gemini-2.5-pro",
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite-preview-06-17",
    "gemini-2.0-flash",
    "gemini-2.0-flash-lite",
)

ASK_GROQ = (
    r"""curl -X POST "http://127.0.0.1:8000/chat?model=llama-3.1-8b-instant" -H "Content-Type: application/json" -d "{\"prompt\": \"What is the capital of France?\"}" """,
    """curl -X POST 'http://127.0.0.1:8000/chat?model=llama-3.1-8b-instant' -H 'Content-Type: application/json' -d '{"prompt": "What is the capital of France?"}'""",
)
ASK_GEMINI = (
    r"""curl -X POST "http://127.0.0.1:8000/chat?model=gemini-2.5-flash" -H "Content-Type: application/json" -d "{\"prompt\": \"Tell me a joke.\"}" """,
    """curl -X POST 'http://127.0.0.1:8000/chat?model=gemini-2.5-flash' -H 'Content-Type: application/json' -d '{"prompt": "Tell me a joke."}'""",
)
FILL_GROQ = (
    r"""curl -X POST "http://127.0.0.1:8000/chat?model=llama-3.1-8b-instant" -H "Content-Type: application/json" -d "{\"template_id\": \"friendly\", \"template_vars\": {\"audience\": \"kids\", \"topic\": \"gravity\"}}" """,
    """curl -X POST 'http://127.0.0.1:8000/chat?model=llama-3.1-8b-instant' -H 'Content-Type: application/json' -d '{"template_id": "friendly", "template_vars": {"audience": "kids", "topic": "gravity"}}'""",
)
FILL_GEMINI = (
    r"""curl -X POST "http://127.0.0.1:8000/chat?model=gemini-2.5-flash" -H "Content-Type: application/json" -d "{\"template_id\": \"friendly\", \"template_vars\": {\"audience\": \"kids\", \"topic\": \"gravity\"}}" """,
    """curl -X POST 'http://127.0.0.1:8000/chat?model=gemini-2.5-flash' -H 'Content-Type: application/json' -d '{"template_id": "friendly", "template_vars": {"audience": "kids", "topic": "gravity"}}'""",
)
AFRESH = (
    r"""curl -X POST "http://127.0.0.1:8000/chat?model=llama-3.1-8b-instant&ignore_cache=true" -H "Content-Type: application/json" -d "{\"prompt\": \"What is the capital of France?\"}" """,
    """curl -X POST 'http://127.0.0.1:8000/chat?model=llama-3.1-8b-instant&ignore_cache=true' -H 'Content-Type: application/json' -d '{"prompt": "What is the capital of France?"}'""",
)
RATE = (
    r"""curl -X POST "http://127.0.0.1:8000/rate" -H "Content-Type: application/json" -d "{\"prompt_id\": \"YOUR_PROMPT_ID\", \"model\": \"llama-3.1-8b-instant\", \"rating\": 5, \"feedback\": \"Great answer!\"}" """,
    """curl -X POST 'http://127.0.0.1:8000/rate' -H 'Content-Type: application/json' -d '{"prompt_id": "YOUR_PROMPT_ID", "model": "llama-3.1-8b-instant", "rating": 5, "feedback": "Great answer!"}'""",
)
FALLBACK = (
    r"""curl -X POST "http://127.0.0.1:8000/chat?model=llama-3.1-8b-instant" -H "Content-Type: application/json" -d "{\"prompt\": \"Fallback test.\"}" """,
    """curl -X POST 'http://127.0.0.1:8000/chat?model=llama-3.1-8b-instant' -H 'Content-Type: application/json' -d '{"prompt": "Fallback test."}'""",
)
COMMANDS = (ASK_GROQ, ASK_GEMINI, FILL_GROQ, FILL_GEMINI, AFRESH, RATE, FALLBACK)
WINDOWS, BASH = 0, 1

TEXT = "It is Paris."
FIELDS = {
    *("prompt_id", "model_used", "response_text", "latency_ms", "token_count", "from_cache"),
    *("fallback_used", "error_message"),
}

ELSEWHERE = {
    "Streamlit frontend: Modern UI for chat, analytics, ratings, and session management": "tests/frontend/test_streamlit_app.py",
    "Streamlit Frontend: Modern UI for all features, including analytics and session management": "tests/frontend/test_streamlit_app.py",
    "A modern Streamlit-based frontend is included for interactive use and analytics.": "tests/frontend/test_in_browser.py",
    "Choose from all supported models and prompt templates in the sidebar.": "tests/frontend/test_streamlit_app.py",
    "Send prompts (raw or templated), view responses, and see model/latency/cache/fallback info.": "tests/frontend/test_streamlit_app.py",
    "Browse and preview all available prompt templates by category.": "tests/frontend/test_streamlit_app.py",
    "Real-time charts for model usage, average latency, average rating, fallback count, and total prompts.": "tests/frontend/test_streamlit_app.py",
    "Rate and comment on responses directly in the chat history.": "tests/frontend/test_streamlit_app.py",
    "Reset chat history and manage session state.": "tests/frontend/test_streamlit_app.py",
    "Option to ignore cache for any prompt.": "tests/frontend/test_streamlit_app.py",
    "streamlit run streamlit_app.py": "tests/frontend/test_in_browser.py",
    "The UI will be available at": "tests/frontend/test_in_browser.py",
    "Docker support: Easy deployment": "tests/test_ship.py",
    "Docker Support: Easy containerized deployment": "tests/test_ship.py",
    "All the above commands (and more) are available in `codes.txt` in both Windows and Bash formats. Use it as a quick reference for testing all endpoints.": "tests/examples/test_curl.py",
    "Pytest Test Suite: Automated tests for endpoints, fallback, and caching": "tests/sources/test_001_prompt.py",
    "Pytest test suite: With mocks for endpoints and fallback": "tests/sources/test_001_prompt.py",
    "`test_main.py`: Pytest test suite for endpoints and fallback": "tests/sources/test_001_prompt.py",
}
"""Passages that other tests hold."""

APART = {
    "@models": "a folder of theirs",
    "`groq_handler.py`: Handles GROQ API requests": "a module of theirs",
    "`gemini_handler.py`: Handles Gemini API requests": "a module of theirs",
    "@utils": "a folder of theirs",
    "@tests": "a folder of theirs",
    "`logger.py`": "a module of theirs; what it does is promised above it",
    "`tokens.py`": "as logger.py",
    "`cache.py`": "as logger.py",
    "pip install -r requirements.txt": "docs/getting-started.md says how Dragoman is installed",
    "Replace the values with your actual API keys.": "advice",
    "uvicorn main:app --reload": "Dragoman is started by `dragoman serve`, which the walk does",
    "The API will be available at `http://127.0.0.1:8000`.": "the port is configured; here it is a free one",
    "Example template usage": "the third and the fourth example",
    '`template_id`: "friendly"': "as above",
    '`template_vars`: {"audience": "kids", "topic": "gravity"}': "as above",
    "FastAPI: High-performance Python web framework": "how theirs is built",
    "Modular Codebase: Handlers, utils, and templates are cleanly separated": "how theirs is built",
    "If you encounter issues, check the FastAPI logs for error messages.": "advice",
    "If you have any recommendations or suggestions, please let me know.": "no promise",
    "Thank you": "no promise",
}
"""Passages that promise nothing of their own."""


def chat(model: str, prompt: str = "hi", more: str = "", **body: Any) -> bytes:
    """Return a prompt for a model."""
    return post(f"/chat?model={model}{more}", {"prompt": prompt, **body})


def held(got: Answer, model: str, text: str = TEXT, **facts: Any) -> dict[str, Any]:
    """Hold what every good answer has, and `facts`; return it."""
    assert got.status == 200, got.body
    told: dict[str, Any] = got.json
    assert told.keys() >= FIELDS
    expected = {"from_cache": False, "fallback_used": False, "error_message": None, **facts}
    assert {name: told[name] for name in expected} == expected
    assert (told["model_used"], told["response_text"]) == (model, text)
    assert told["latency_ms"] >= 0
    assert told["token_count"] > 0
    return told


async def once(happens: Any) -> None:
    """Wait until what `happens` returns is true."""
    while not await happens():
        await asyncio.sleep(0.05)


def test_every_model_is_asked_where_it_is(tmp_path: Path) -> None:
    """Each of the fourteen models is answered under its own name, by Groq or by Gemini.

    "A FastAPI-based backend to route chat prompts to either GROQ (OpenAI-compatible, e.g., Llama, Mistral, DeepSeek,
    Moonshot, Meta) or Gemini (Google Generative AI) models, with logging, fallback, rating, prompt templates,
    analytics, persistent caching, and a modern Streamlit frontend."
    "Supports 12+ models"
    "GROQ (OpenAI-compatible, via Groq):"
    "Gemini (Google Generative AI):"
    """

    async def act(there: Scene) -> None:
        for provider, models in (("groq", GROQ_MODELS), ("gemini", GEMINI_MODELS)):
            for model in models:
                held(await ask(there.gate.port, chat(model)), model, provider=provider)
        asked = [(one.dialect, one.model) for one in there.sim.journal.entries]
        expected = [("openai_chat", model) for model in GROQ_MODELS]
        assert asked == expected + [("gemini", model) for model in GEMINI_MODELS]

    play(tmp_path, ENV, act, {"default": {"text": TEXT}})


def test_a_model_is_added_by_an_entry(tmp_path: Path) -> None:
    """A provider and a model of the operator's own are two entries in the configuration, and are asked like any.

    "easily extensible"
    """

    async def act(there: Scene) -> None:
        held(await ask(there.gate.port, chat("our-model")), "our-model", provider="ours")
        [entry] = there.sim.journal.entries
        assert entry.dialect == "cohere"
        listed = (await ask(there.gate.port, get("/models"))).json["available_models"]
        assert "our-model" in listed

    async def whole() -> None:
        async with Simulator() as sim:
            ours = {
                "dialect": "cohere",
                "base_url": f"{sim.url}/v2",
                "keyless": True,
                "auth": {"scheme": "none"},
            }
            there = {
                "DRAGOMAN_PROVIDERS": json.dumps({"ours": ours}),
                "DRAGOMAN_MODELS": json.dumps(
                    {"our-model": {"offers": [{"provider": "ours", "name": "our-model"}]}}
                ),
            }
            sim.script = read({"default": {"text": TEXT}})
            async with house(tmp_path, **there) as gate:
                await act(Scene(sim, gate))

    asyncio.run(whole())


def test_a_fault_that_passes_is_not_noticed(tmp_path: Path) -> None:
    """A provider that fails once is asked again, and answers; latency and tokens are told with it.

    "/chat endpoint: Route prompt to GROQ or Gemini, with fallback, retry, latency/tokens, and prompt
    templates (with variable substitution)"
    "Fallback and retry logic: Automatic fallback to alternate provider/model on failure"
    """

    async def act(there: Scene) -> None:
        got = await ask(there.gate.port, chat(GROQ))
        told = held(got, GROQ)
        assert got.headers["x-dragoman-attempts"] == "2"
        good = there.sim.journal[-1]
        assert good.usage is not None
        assert told["token_count"] == good.usage.total

    fails = {"match": {"nth": 1}, "then": {"error": {"status": 500}}}
    play(tmp_path, ENV, act, {"default": {"text": TEXT}, "rules": [fails]})


@pytest.mark.parametrize("model", [GROQ, GEMINI])
def test_tokens_are_estimated_where_nobody_counts(tmp_path: Path, model: str) -> None:
    """A provider that tells no usage still has a token count in its answer, and the ledger says that it is ours.

    "Token usage estimation: Model-specific heuristics, tiktoken if available"
    "Token Counting: Model-specific heuristics, with tiktoken support if available"
    """

    async def act(there: Scene) -> None:
        told = held(await ask(there.gate.port, chat(model, "What is the capital of France?")), model)
        [row] = await there.gate.rows(1)
        assert row.counted in ("tokenizer", "heuristic")
        assert row.meters.estimated
        assert told["token_count"] == row.meters.input + row.meters.output
        assert 8 <= told["token_count"] <= 24, "eleven words and two marks"

    play(tmp_path, ENV, act, {"default": {"text": TEXT, "usage": False}})


def test_models_lists_every_name(tmp_path: Path) -> None:
    """The list has the fourteen names as they are spelt; with one provider's key it has that provider's models.

    "Model names are case-sensitive and must match those returned by `/models`. Use `/models` to see all
    available models for your API keys."
    "/models endpoint: List all supported models"
    "`/models` endpoint lists all supported models."
    """

    async def listed(there: Scene) -> list[str]:
        told = (await ask(there.gate.port, get("/models"))).json
        assert [model["id"] for model in told["models"]] == told["available_models"]
        names: list[str] = told["available_models"]
        return names

    async def both(there: Scene) -> None:
        assert {*GROQ_MODELS, *GEMINI_MODELS} - {*await listed(there)} == set()

    async def groq(there: Scene) -> None:
        names = {*await listed(there)}
        assert {*GROQ_MODELS} - names == set()
        assert not names & {*GEMINI_MODELS}

    play(tmp_path / "both", ENV, both)
    play(tmp_path / "groq", "GROQ_API_KEY=your_api_key", groq)


def test_names_are_case_sensitive(tmp_path: Path) -> None:
    """A name in other letters is an unknown model, and the refusal says which was perhaps meant.

    "Model names are case-sensitive"
    """

    async def act(there: Scene) -> None:
        for name in ("Llama-3.1-8b-instant", "Gemini-2.5-flash", "GEMINI-2.5-PRO"):
            got = await ask(there.gate.port, chat(name))
            assert (got.status, got.json["error"]["code"]) == (404, "model_not_found")
        got = await ask(there.gate.port, chat("Gemini-2.5-flash"))
        assert "gemini-2.5-flash" in got.json["detail"]
        assert not there.sim.journal.entries

    play(tmp_path, ENV, act)


def test_every_example_is_answered(tmp_path: Path) -> None:
    """A real process over the document's .env answers each example, in both forms, in the order they stand in.

    The key is commented out while it runs, as the last example asks; the process takes it up by itself.

    "Create a `.env` file in the project root with the following content:"
    "Remove or comment out `GROQ_API_KEY` in your `.env`, then run:"
    "Environment Variables: API keys and config via `.env`"
    "Use the `template_id` and `template_vars` fields in the `/chat` endpoint to select and fill templates."
    """

    async def act(sim: Simulator, port: int) -> None:
        async def run(text: str) -> Answer:
            return await ask(port, command(text).raw)

        async def ready() -> set[str]:
            return set((await ask(port, get("/v1/health"))).json["providers"])

        assert await ready() == {"groq", "gemini"}
        first = held(await run(ASK_GROQ[WINDOWS]), GROQ)
        held(await run(ASK_GROQ[BASH]), GROQ, from_cache=True)
        held(await run(ASK_GEMINI[WINDOWS]), GEMINI)
        held(await run(ASK_GEMINI[BASH]), GEMINI, from_cache=True)
        held(await run(FILL_GROQ[WINDOWS]), GROQ)
        held(await run(FILL_GROQ[BASH]), GROQ, from_cache=True)
        held(await run(FILL_GEMINI[WINDOWS]), GEMINI)
        held(await run(FILL_GEMINI[BASH]), GEMINI, from_cache=True)
        held(await run(AFRESH[WINDOWS]), GROQ)
        held(await run(AFRESH[BASH]), GROQ)
        told = [json.dumps(one.body) for one in sim.journal.entries]
        assert len(told) == 6
        assert "capital of France" in told[0]
        assert all("gravity" in one and "kids" in one and "{{" not in one for one in told[2:4])
        for form in RATE:
            got = await run(form.replace("YOUR_PROMPT_ID", first["prompt_id"]))
            assert (got.status, got.json["status"], got.json["rating"]) == (200, "ok", 5)
        (tmp_path / ".env").write_text(ENV.replace("GROQ_API_KEY", "# GROQ_API_KEY"))

        async def gone() -> bool:
            return await ready() == {"gemini"}

        await once(gone)
        why = held(await run(FALLBACK[WINDOWS]), GEMINI, fallback_used=True, error_message=ANY)[
            "error_message"
        ]
        assert "GROQ_API_KEY" in why
        held(await run(FALLBACK[BASH]), GEMINI, fallback_used=True, error_message=why, from_cache=True)

        async def counted() -> bool:  # the last one is booked behind its answer
            stats = (await ask(port, get("/stats"))).json
            return (stats["total_prompts"], stats["total_fallbacks"]) == (12, 2)

        await once(counted)

    async def whole() -> None:
        (tmp_path / ".env").write_text(ENV)
        async with Simulator(read({"default": {"text": TEXT}})) as sim:
            with spawned(tmp_path, DRAGOMAN_PROVIDERS=elsewhere(sim.url)) as child:
                await act(sim, child.port)

    asyncio.run(asyncio.wait_for(whole(), 120))


@pytest.mark.parametrize("forms", COMMANDS)
def test_both_forms_ask_the_same(forms: tuple[str, str]) -> None:
    """What cmd makes of the Windows form is what Bash makes of the other.

    "Chat with Llama-3.1-8b-instant (Groq)"
    """
    windows, bash = (command(form) for form in forms)
    assert (windows.method, windows.target, windows.headers) == (bash.method, bash.target, bash.headers)
    assert windows.json == bash.json
    judged = by_cmd(forms[WINDOWS].strip())
    assert (judged.method, judged.body) == (bash.method, bash.json)
    assert judged.url.endswith(bash.target)


def test_ignoring_the_cache_asks_afresh_and_refreshes_it(tmp_path: Path) -> None:
    """With ignore_cache the provider is asked, whatever is recorded; what it says then is what is recorded after.

    "Force a fresh response from the model, bypassing the persistent cache:"
    "ignore_cache: Force fresh response, bypassing persistent cache (see usage examples)"
    "`ignore_cache` can be used with any /chat request (prompt or template)."
    """

    async def act(there: Scene) -> None:
        for plain in (ASK_GROQ[BASH], FILL_GROQ[BASH]):
            afresh = plain.replace(f"model={GROQ}", f"model={GROQ}&ignore_cache=true")
            there.sim.script = read({"default": {"text": "old"}})
            held(await there.run(plain), GROQ, "old")
            there.sim.script = read({"default": {"text": "new"}})
            held(await there.run(plain), GROQ, "old", from_cache=True)
            held(await there.run(afresh), GROQ, "new")
            held(await there.run(plain), GROQ, "new", from_cache=True)
        assert len(there.sim.journal) == 4

    play(tmp_path, ENV, act)


def test_a_response_is_rated(tmp_path: Path) -> None:
    """Any model's answer is rated by its prompt_id; a second rating replaces the first; nonsense is refused.

    "Rate a response (works for any model)"
    "Replace `YOUR_PROMPT_ID` with the `prompt_id` from a `/chat` response."
    "/rate endpoint: Rate a previous response and provide feedback"
    """

    async def act(there: Scene) -> None:
        port = there.gate.port

        async def average() -> dict[str, float]:
            rated: dict[str, float] = (await ask(port, get("/stats"))).json["avg_rating"]
            return rated

        for model in (GROQ, GEMINI):
            id_ = (await ask(port, chat(model))).json["prompt_id"]
            for rating in (5, 2):
                body = {"prompt_id": id_, "model": model, "rating": rating, "feedback": "Great answer!"}
                got = await ask(port, post("/rate", body))
                assert (got.status, got.json) == (200, {"status": "ok", **body})
        assert await average() == {GROQ: 2, GEMINI: 2}
        bad = [
            ({"prompt_id": "YOUR_PROMPT_ID", "model": GROQ, "rating": 5}, 404),
            ({"prompt_id": id_, "model": GEMINI, "rating": 0}, 400),
            ({"prompt_id": id_, "model": GEMINI, "rating": 6}, 400),
            ({"prompt_id": id_, "model": GEMINI, "rating": 4.5}, 400),
            ({"prompt_id": id_, "model": GEMINI, "rating": "5"}, 400),
            ({"prompt_id": id_, "model": GEMINI}, 400),
            ({"model": GEMINI, "rating": 5}, 400),
        ]
        for body, status in bad:
            got = await ask(port, post("/rate", body))
            assert (got.status, set(got.json)) == (status, {"detail", "error"}), body
        got = await ask(port, post(f"/rate?prompt_id={id_}&score=4", b""))
        assert got.status == 200
        assert await average() == {GROQ: 2, GEMINI: 4}

    play(tmp_path, ENV, act)


def test_templates_are_edited_while_it_runs(tmp_path: Path) -> None:
    """A template that is added or changed in the file is used by the next request, without a restart.

    "Edit `prompt_templates.json` to add or modify templates."
    "Prompt templates: Use and customize prompt templates with variable substitution"
    """
    file = tmp_path / "prompt_templates.json"

    async def act(there: Scene) -> None:
        port = there.gate.port

        async def shown() -> dict[str, str]:
            return {one["id"]: one["prompt"] for one in (await ask(port, get("/templates"))).json}

        assert {"friendly", "summarize"} <= (await shown()).keys(), "those that come with Dragoman"
        for text in ("Greet {{name}}.", "Greet {{ name }} twice."):
            file.write_text(json.dumps([{"id": "greet", "title": "Greet", "prompt": text}]))

            async def taken(text: str = text) -> bool:
                return await shown() == {"greet": text}

            await once(taken)
            body = {"template_id": "greet", "template_vars": {"name": "Ada"}}
            assert (await ask(port, post(f"/chat?model={GROQ}", body))).status == 200
        told = [json.dumps(one.body) for one in there.sim.journal.entries]
        assert ["Greet Ada." in told[0], "Greet Ada twice." in told[1]] == [True, True]

    play(tmp_path, ENV, act)


def test_placeholders_are_text_and_all_of_them_are_filled(tmp_path: Path) -> None:
    """Variables go where their names stand and are words there, whatever they look like; a missing one is named.

    "Use `{{variable}}` placeholders for custom variables in your template."
    "Prompt Templates: Variable substitution using `{{variable}}` syntax, loaded from JSON"
    """

    async def act(there: Scene) -> None:
        port = there.gate.port
        got = await ask(port, post(f"/chat?model={GROQ}", {"template_id": "friendly", "template_vars": {}}))
        assert got.status == 400
        assert "audience" in got.json["detail"]
        assert "topic" in got.json["detail"]
        got = await ask(port, post(f"/chat?model={GROQ}", {"template_id": "freindly", "template_vars": {}}))
        assert got.status == 404
        assert "friendly" in got.json["detail"]
        values = {"audience": "{{topic}} {% x %} ${y}", "topic": "gravity", "more": "is ignored"}
        got = await ask(
            port, post(f"/chat?model={GROQ}", {"template_id": "friendly", "template_vars": values})
        )
        assert got.status == 200
        [entry] = there.sim.journal.entries
        assert "{{topic}} {% x %} ${y}" in entry.body["messages"][-1]["content"]

    play(tmp_path, ENV, act)


def test_everything_is_logged_twice(tmp_path: Path) -> None:
    """Both files have every prompt with its response, and every rating; a cell no spreadsheet runs.

    "All prompts and responses are logged to `logs/prompts.json` and `logs/prompts.csv`."
    "Each log includes: timestamp, prompt, model, response, latency, token count, prompt_id, rating, and
    feedback (if any)."
    "Structured logging: All interactions and ratings to `logs/prompts.json` and `logs/prompts.csv`"
    "Structured Logging: All interactions and ratings are logged in both JSON and CSV for analytics"
    "Check `logs/prompts.json` and `logs/prompts.csv` for all interactions and ratings."
    """
    answers: list[dict[str, Any]] = []

    async def act(there: Scene) -> None:
        port = there.gate.port
        for prompt in ("What is the capital of France?", "=cmd|' /C calc'!A0"):
            answers.append(held(await ask(port, chat(GROQ, prompt)), GROQ))  # noqa: PERF401  one after the other
        body = {"prompt_id": answers[0]["prompt_id"], "model": GROQ, "rating": 5, "feedback": "Great answer!"}
        assert (await ask(port, post("/rate", body))).status == 200

    play(tmp_path, ENV, act, {"default": {"text": TEXT}})
    objects = [json.loads(line) for line in (tmp_path / "logs" / "prompts.json").read_text().splitlines()]
    with (tmp_path / "logs" / "prompts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {"timestamp", "prompt", "model", "response", "latency_ms", "token_count"}
    columns |= {"prompt_id", "rating", "feedback"}
    assert len(objects) == len(rows) == 3
    for entries in (objects, rows):
        for entry, answer in zip(entries, answers, strict=False):
            assert columns <= set(entry)
            assert (entry["model"], entry["response"]) == (GROQ, TEXT)
            assert entry["prompt_id"] == answer["prompt_id"]
            assert int(entry["token_count"]) == answer["token_count"]
            assert float(entry["latency_ms"]) >= 0
            assert entry["timestamp"]
        rated = entries[2]
        assert (rated["prompt_id"], int(rated["rating"])) == (answers[0]["prompt_id"], 5)
        assert rated["feedback"] == "Great answer!"
    assert objects[0]["prompt"] == rows[0]["prompt"] == "What is the capital of France?"
    assert objects[1]["prompt"] == "=cmd|' /C calc'!A0"
    assert not rows[1]["prompt"].startswith("=")


def test_stats_add_up(tmp_path: Path) -> None:
    """Usage, latency and rating by model, fallbacks and prompts are those of what was asked, at once.

    "`/stats` endpoint returns model usage, average latency, average rating, fallback count, and total
    prompts."
    "/stats endpoint: Analytics (model usage, avg latency, avg rating, fallback count, total prompts)"
    "Analytics: Real-time stats, ratings, feedback, and usage"
    "Analytics Tab:"
    """

    async def act(there: Scene) -> None:
        port = there.gate.port
        for prompt in ("one", "two", "three"):
            await ask(port, chat(GROQ, prompt))
        id_ = (await ask(port, chat(GEMINI, "one"))).json["prompt_id"]
        await ask(port, post("/rate", {"prompt_id": id_, "model": GEMINI, "rating": 3}))
        held(
            await ask(port, chat("llama-3.3-70b-versatile", "fails")),
            GROQ,
            fallback_used=True,
            error_message=ANY,
        )
        rows = await there.gate.rows(5)
        told = (await ask(port, get("/stats"))).json
        assert told["model_usage"] == {GROQ: 4, GEMINI: 1}
        assert told["avg_rating"] == {GEMINI: 3}
        assert told["total_fallbacks"] == told["fallback_count"] == 1
        assert told["total_prompts"] == 5
        for model, seconds in told["avg_latency"].items():
            own = [row.latency_ms or 0 for row in rows if row.answered_model == model]
            assert seconds == pytest.approx(sum(own) / len(own) / 1000, rel=0.05, abs=0.002)

    fails = {"match": {"model": "llama-3.3-*"}, "then": {"error": {"status": 503}}}
    play(tmp_path, ENV, act, {"default": {"text": TEXT}, "rules": [fails]})


def test_the_cache_outlives_a_restart(tmp_path: Path) -> None:
    """What one process recorded the next one answers with, whether the first was stopped or killed.

    "Persistent SQLite Caching: All (prompt, model) pairs are cached for fast repeated responses"
    "Persistent SQLite caching: Fast repeated responses, cache bypass option"
    """

    async def whole() -> None:
        (tmp_path / ".env").write_text(ENV)
        async with Simulator(read({"default": {"text": TEXT}})) as sim:
            there = {"DRAGOMAN_PROVIDERS": elsewhere(sim.url)}
            with spawned(tmp_path, **there) as child:
                held(await ask(child.port, command(ASK_GROQ[BASH]).raw), GROQ)
                held(await ask(child.port, command(ASK_GROQ[BASH]).raw), GROQ, from_cache=True)
            with spawned(tmp_path, **there) as child:
                held(await ask(child.port, command(ASK_GROQ[BASH]).raw), GROQ, from_cache=True)
                held(await ask(child.port, chat(GEMINI, "What is the capital of France?")), GEMINI)
            assert len(sim.journal) == 2, "another model is another question"

    asyncio.run(asyncio.wait_for(whole(), 120))


@pytest.mark.parametrize(
    ("asked", "broken", "answers"),
    [
        ("llama-3.3-70b-versatile", ["llama-3.3-*"], GROQ),
        ("llama-3.3-70b-versatile", ["llama-*"], GEMINI),
        (GROQ, ["llama-*"], GEMINI),
        ("gemini-2.5-pro", ["gemini-2.5-pro"], GEMINI),
        ("gemini-2.5-pro", ["gemini-*"], GROQ),
        (GEMINI, ["gemini-*"], GROQ),
    ],
)
def test_what_fails_is_tried_again_and_then_another(
    tmp_path: Path, asked: str, broken: list[str], answers: str
) -> None:
    """First the provider's default model, then the other provider's; the answer names who it is, and why.

    "Fallback & Retry Logic: If a model fails, the system retries and falls back to a default model/provider"
    """

    async def act(there: Scene) -> None:
        told = held(await ask(there.gate.port, chat(asked)), answers, fallback_used=True, error_message=ANY)
        assert "out of order" in told["error_message"]
        assert told["requested_model"] == asked
        tries = [one.model for one in there.sim.journal.entries]
        assert tries[:2] == [asked, asked], "it was tried again"
        assert tries[-1] == answers

    wrong = {"error": {"status": 500, "message": "out of order"}}
    rules = [{"match": {"model": name}, "then": wrong} for name in broken]
    play(tmp_path, ENV, act, {"default": {"text": TEXT}, "rules": rules})


def test_a_missing_or_wrong_key_is_said(tmp_path: Path) -> None:
    """Without the .env the answer names the variable that is missing; with wrong keys, that the provider refused.

    "Make sure your `.env` file is present and contains valid API keys."
    """

    async def without(there: Scene) -> None:
        got = await ask(there.gate.port, chat(GROQ))
        assert got.status == 404
        assert "GROQ_API_KEY" in got.json["detail"]
        told = (await ask(there.gate.port, get("/models"))).json
        assert {*GROQ_MODELS, *GEMINI_MODELS} - {*told["available_models"]} == set()
        assert "GROQ_API_KEY" in told["note"]

    async def wrong(there: Scene) -> None:
        got = await ask(there.gate.port, chat(GROQ))
        assert (got.status, set(got.json)) == (502, {"detail", "error"})
        assert "your_api_key" not in got.body.decode()
        assert {one.dialect for one in there.sim.journal.entries} == {"openai_chat", "gemini"}

    play(tmp_path / "without", "", without)
    play(
        tmp_path / "wrong", ENV, wrong, {"default": {"error": {"status": 401, "message": "no: your_api_key"}}}
    )


def test_a_real_model_answers_every_example(tmp_path: Path) -> None:
    """With a language model in Groq's and Gemini's place: words and tokens for each, and one of them rated.

    "contains valid API keys"
    """

    async def act(gate: House) -> None:
        for forms in (ASK_GROQ, ASK_GEMINI, FILL_GROQ, FILL_GEMINI, FALLBACK):
            first = (await ask(gate.port, command(forms[WINDOWS]).raw)).json
            assert first["response_text"].strip()
            assert first["token_count"] > 0
            assert first["from_cache"] is False
        again = (await ask(gate.port, command(ASK_GROQ[BASH]).raw)).json
        assert (again["fallback_used"], again["error_message"]) == (False, None)
        rated = await ask(gate.port, command(RATE[BASH].replace("YOUR_PROMPT_ID", again["prompt_id"])).raw)
        assert (rated.status, rated.json["status"]) == (200, "ok")

    play_real(tmp_path, ENV, [GROQ, GEMINI], act)
