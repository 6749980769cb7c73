"""Source 000: a service before Requesty, with its data in InfluxDB, a Swagger page and a page that streams.

The document has no command; it describes a backend and a page, and above all what a stream is good for. Each
of those advantages is a promise of whoever passes the stream on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.house import Answer, House, ask, get, post
from tests.sinks.databases import InfluxDb
from tests.sources.scene import Scene, events, play, play_real

ENV = """
REQUESTY_API_KEY=your_api_key
"""

MODEL = "requesty/anthropic/claude-haiku-5-5"
TEXT = "It is sunny in Paris."
HANGS: dict[str, Any] = {"default": {"text": TEXT, "faults": [{"kind": "hang", "at_frame": 5}]}}

ELSEWHERE = {
    "Reduced server load for large responses": "tests/drills/test_load.py",
    "Optimized for mobile devices": "tests/pages/test_playground.py",
    "More engaging user experience": "tests/pages/test_playground.py",
    "Dynamic content rendering": "tests/pages/test_playground.py",
    "Real-time UI updates": "tests/pages/test_playground.py",
}
"""Passages that are held by the tests of the page."""

APART = {
    "you can choose between streaming and non-streaming responses. Here's a comparison": "an introduction",
    "Non-streaming responses might be preferred in these scenarios": "an introduction",
    "Choose the appropriate mode based on your specific use case and requirements": "advice",
    "// ... other fields": "Anthropic's own, which tests/dialects/test_anthropic.py holds",
    "For simpler applications where real-time updates aren't necessary": "as the first of the list",
    "type AnthropicRequest struct {": "Go",
    "}": "Go",
}
"""Passages that promise nothing, or nothing more than another one."""


def asked(**more: Any) -> dict[str, Any]:
    """Return an AnthropicRequest."""
    return {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}], **more}


def streamed(got: Answer) -> bool:
    """Say whether an answer came as events."""
    return got.headers["content-type"].startswith("text/event-stream")


def said(got: Answer) -> str:
    """Return the text of an answer, whichever way it came."""
    if not streamed(got):
        return "".join(block["text"] for block in got.json["content"])
    pieces = (data["delta"] for name, data in events(got) if name == "content_block_delta")
    return "".join(piece.get("text", "") for piece in pieces)


async def begun(there: Scene, body: dict[str, Any]) -> tuple[bytes, asyncio.StreamWriter]:
    """Ask for a stream that will hang; return what had come when it did, and the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", there.gate.port)
    writer.write(post("/v1/messages", body))
    seen = await reader.readuntil(b"text_delta")
    await there.sim.journal.until(lambda journal: any(one.outcome == "hung" for one in journal.entries))
    return seen, writer


def test_a_request_goes_to_requesty_in_the_clients_own_shape(tmp_path: Path) -> None:
    """OpenAI's clients get Requesty's OpenAI shape, Anthropic's its Anthropic shape, and nothing is lost.

    "Testing LLM routing with requesty"
    """

    async def act(there: Scene) -> None:
        for path, provider in (
            ("/v1/chat/completions", "requesty"),
            ("/v1/messages", "requesty-anthropic"),
        ):
            got = await ask(there.gate.port, post(path, asked()))
            assert (got.status, got.headers["x-dragoman-provider"]) == (200, provider)
            assert "x-dragoman-losses" not in got.headers
        shapes = [(one.dialect, one.path, one.model) for one in there.sim.journal.entries]
        assert shapes == [
            ("openai_chat", "/v1/chat/completions", "anthropic/claude-haiku-5-5"),
            ("anthropic", "/v1/messages", "anthropic/claude-haiku-5-5"),
        ]

    play(tmp_path, ENV, act)


@pytest.fixture
def influx(tmp_path: Path) -> Iterator[InfluxDb]:
    """A real InfluxDB."""
    database = InfluxDb(tmp_path / "influx")
    database.start()
    try:
        database.create("llm")
        yield database
    finally:
        database.stop()


def stored_in(database: InfluxDb) -> str:
    """Return the document's .env, with where the data go."""
    return f"""{ENV}
INFLUXDB_URL={database.url}
INFLUXDB_DB=llm
INFLUXDB_USER={database.user}
INFLUXDB_PASSWORD="{database.password}"
"""


async def points(database: InfluxDb, count: int) -> list[dict[str, Any]]:
    """Return every point, tags and fields by name, once there are `count` of them."""
    while True:
        found = await asyncio.to_thread(database.query, "select * from llm_request", "llm")
        if len(found) >= count:
            return found
        await asyncio.sleep(0.02)


def test_every_answer_is_a_point_in_influxdb(tmp_path: Path, influx: InfluxDb) -> None:
    """A real InfluxDB has one point for each exchange, streamed or not: its figures, and not its words.

    "This repo contains a sample backend for a LLM routing service using requesty and store the data in
    influxdb."
    """
    tags = {"provider", "model", "key", "status", "stream", "cached"}
    fields = {"prompt_tokens", "completion_tokens", "latency_ms", "ttft_ms", "chunks", "fallback"}

    async def act(there: Scene) -> None:
        for stream in (False, True):
            await ask(there.gate.port, post("/v1/messages", asked(stream=stream)))
        await ask(there.gate.port, post("/v1/messages", asked(model="nobody-knows-it")))
        found = await points(influx, 3)
        good = [point for point in found if point["status"] == "200"]
        assert sorted(point["stream"] for point in good) == ["false", "true"]
        for point in good:
            assert {name for name, value in point.items() if value is not None} >= tags | fields
            assert {"cost_usd", "tokens_per_s"} <= point.keys()
            assert point["provider"] == "requesty-anthropic"
            assert TEXT not in str(point)
        assert [point["status"] for point in found if point not in good] == ["404"]

    costs = {"default": {"text": TEXT, "patch": {"usage": {"cost": 0.001}}}}
    play(tmp_path, stored_in(influx), act, costs)


def test_a_database_that_is_down_costs_nothing(tmp_path: Path, influx: InfluxDb) -> None:
    """Requests are answered while InfluxDB is away, and their points are there when it is back.

    "store the data in influxdb"
    """

    async def act(there: Scene) -> None:
        influx.stop()
        for _ in range(3):
            got = await ask(there.gate.port, post("/v1/messages", asked()))
            assert got.status == 200
        influx.start()
        assert len(await points(influx, 3)) == 3

    play(tmp_path, stored_in(influx), act)


def test_the_api_has_a_page_to_try_it(tmp_path: Path) -> None:
    """Swagger's page needs no key, and its document has both forms of an answer and the bearer scheme.

    "It has a swagger ui for testing the api."
    """

    async def act(there: Scene) -> None:
        page = await ask(there.gate.port, get("/docs", {"accept": "text/html"}))
        assert page.status == 200
        assert b"swagger" in page.body.lower()
        spec = (await ask(there.gate.port, get("/openapi.json"))).json
        operation = spec["paths"]["/v1/messages"]["post"]
        answers = operation["responses"]["200"]["content"]
        assert {"application/json", "text/event-stream"} <= answers.keys()
        assert any(
            scheme.get("scheme") == "bearer" for scheme in spec["components"]["securitySchemes"].values()
        )

    play(tmp_path, ENV, act)


def test_the_front_page_sends_messages_both_ways(tmp_path: Path) -> None:
    """A browser gets the page; another client gets what Ollama's clients want.

    "This repo also contains a sample frontend for testing the api."
    "The frontend is a simple html page that allows you to send messages to the api and see the response using
    streaming or non-streaming."
    "This clearly shows the difference between streaming and non-streaming responses and how to use requesty
    to use the streaming responses"
    """

    async def act(there: Scene) -> None:
        page = await ask(there.gate.port, get("/", {"accept": "text/html,application/xhtml+xml"}))
        assert page.status == 200
        assert page.headers["content-type"].startswith("text/html")
        assert b"streaming" in page.body.lower()
        other = await ask(there.gate.port, get("/", {"accept": "*/*"}))
        assert other.body == b"Ollama is running"

    play(tmp_path, ENV, act)


def test_words_are_there_before_the_answer_is(tmp_path: Path) -> None:
    """While the provider is still thinking about the rest, the client has what it has said.

    "Real-time response generation visible to users"
    "Immediate feedback that the system is working"
    "Users can start reading while the response is still being generated"
    "Particularly valuable for long responses"
    "First tokens appear quickly (typically within 100-200ms)"
    "Better perceived responsiveness"
    "Progressive content display"
    "No need to wait for complete response generation"
    "Immediate visual feedback"
    """

    async def act(there: Scene) -> None:
        seen, writer = await begun(there, asked(stream=True))
        assert b"HTTP/1.1 200" in seen
        assert there.sim.journal.open == 1, "the provider has not ended"
        writer.close()
        await writer.wait_closed()
        await there.sim.journal.until(lambda journal: journal.open == 0)

    play(tmp_path, ENV, act, HANGS)


def test_every_chunk_is_counted(tmp_path: Path) -> None:
    """The ledger says how many pieces an answer came in, when the first did, and how it ended.

    "Chunk-by-chunk monitoring capability"
    "Detailed logging of streaming events"
    "Easier to track performance metrics"
    "Better visibility into the generation process"
    """

    async def act(there: Scene) -> None:
        got = await ask(there.gate.port, post("/v1/messages", asked(stream=True)))
        pieces = [data for name, data in events(got) if name == "content_block_delta"]
        [row] = await there.gate.rows(1)
        assert (row.state, row.stream, row.chunks) == ("settled", True, len(pieces))
        assert row.first_event_ms is not None
        assert row.latency_ms is not None
        assert 0 < row.first_event_ms <= row.latency_ms
        told = (await ask(there.gate.port, get(f"/v1/exchanges/{got.headers['x-dragoman-id']}"))).json
        assert (told["state"], told["stream"], told["chunks"]) == ("settled", True, len(pieces))
        assert told["attempts"][0]["provider"] == "requesty-anthropic"

    play(tmp_path, ENV, act, {"default": {"text": TEXT}})


def test_a_long_wait_is_no_timeout(tmp_path: Path) -> None:
    """While the provider says nothing the stream shows that it lives, as Anthropic's clients know it.

    "Prevents timeout issues with large responses"
    "Reduced risk of connection issues"
    """

    async def act(there: Scene) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", there.gate.port)
        writer.write(post("/v1/messages", asked(stream=True)))
        await reader.readuntil(b"event: ping")
        await reader.readuntil(b"event: ping")
        writer.close()
        await writer.wait_closed()
        await there.sim.journal.until(lambda journal: journal.open == 0)

    play(tmp_path, ENV, act, HANGS, DRAGOMAN_SERVER_KEEPALIVE_S="0.02")


def test_a_long_answer_comes_whole_either_way(tmp_path: Path) -> None:
    """Thousands of pieces arrive one by one, in order and complete: the same text as the whole answer.

    "Progressive rendering of content"
    "Better memory management"
    "Incremental processing of data"
    "Better memory utilization"
    """
    text = " ".join(f"word{place}" for place in range(5000))

    async def act(there: Scene) -> None:
        pieces = await ask(there.gate.port, post("/v1/messages", asked(stream=True, max_tokens=8000)))
        whole = await ask(there.gate.port, post("/v1/messages", asked(max_tokens=8000)))
        assert said(pieces) == said(whole) == text
        assert len(events(pieces)) > 5000

    play(tmp_path, ENV, act, {"default": {"text": text}})


def test_who_stops_reading_stops_the_provider(tmp_path: Path) -> None:
    """A client that leaves closes the provider's connection; the ledger says so, and what was said by then.

    "Users can stop generation if needed"
    "Saves computation resources"
    "Reduces wasted time"
    "More user control"
    """

    async def act(there: Scene) -> None:
        _, writer = await begun(there, asked(stream=True))
        writer.close()
        await writer.wait_closed()
        await there.sim.journal.until(lambda journal: journal.open == 0)
        [row] = await there.gate.rows(1)
        assert (row.state, row.status) == ("cancelled", 499)
        assert row.meters.output > 0
        assert row.meters.estimated

    play(tmp_path, ENV, act, HANGS)


def test_a_whole_answer_is_one_piece(tmp_path: Path) -> None:
    """One JSON value with a length, nothing of which is sent before the provider has ended.

    "Simple applications without real-time update requirements"
    "Batch processing scenarios"
    "When you need to process the entire response as a single unit"
    "When you need to perform validation or modification on the entire response before showing it to the user"
    """

    async def act(there: Scene) -> None:
        got = await ask(there.gate.port, post("/v1/messages", asked(stream=False)))
        assert got.status == 200
        assert int(got.headers["content-length"]) == len(got.body)
        assert said(got) == TEXT
        assert got.json["stop_reason"] == "end_turn"

    play(tmp_path, ENV, act, {"default": {"text": TEXT}})


@pytest.mark.parametrize("kind", ["truncate", "reset", "close", "malformed"])
def test_half_an_answer_is_none(tmp_path: Path, kind: str) -> None:
    """Who asks for a whole answer gets it complete or gets an error, never a part that looks like one.

    "When ensuring response completeness is critical"
    "In scenarios where you want to ensure the complete response meets certain criteria before displaying
    anything"
    """

    async def act(there: Scene) -> None:
        got = await ask(there.gate.port, post("/v1/messages", asked()))
        assert (got.status, got.json["type"]) == (502, "error")
        [row] = await there.gate.rows(1)
        assert row.state == "failed"

    play(tmp_path, ENV, act, {"default": {"text": TEXT, "faults": [{"kind": kind, "at_frame": 0}]}})


@pytest.mark.parametrize(
    ("flag", "streams"), [({}, False), ({"stream": False}, False), ({"stream": True}, True)]
)
def test_one_flag_chooses(tmp_path: Path, flag: dict[str, bool], streams: bool) -> None:  # noqa: FBT001
    """Without the flag, or with it false, the answer is whole; with it true the same text is a stream.

    "This repository supports both streaming and non-streaming modes through the `stream` parameter in
    requests."
    "The `stream` parameter in the `AnthropicRequest` struct makes it easy to toggle between the two modes:"
    "Stream bool `json:"stream,omitempty" example:"false"`"
    """

    async def act(there: Scene) -> None:
        got = await ask(there.gate.port, post("/v1/messages", asked(**flag)))
        assert (got.status, said(got)) == (200, TEXT)
        assert streamed(got) is streams

    play(tmp_path, ENV, act, {"default": {"text": TEXT}})


def test_a_real_model_answers_both_ways(tmp_path: Path) -> None:
    """With a language model in Requesty's place: text, tokens and a reason to stop, streamed and whole.

    "Choose the appropriate mode"
    """

    async def act(gate: House) -> None:
        for stream in (False, True):
            got = await ask(gate.port, post("/v1/messages", asked(stream=stream, max_tokens=20)))
            assert got.status == 200
            assert got.headers["x-dragoman-provider"] == "requesty-anthropic"
            assert said(got)
        for row in await gate.rows(2):
            assert row.state == "settled"
            assert 0 < row.meters.output <= 20

    play_real(tmp_path, ENV, ["anthropic/claude-haiku-5-5"], act)
