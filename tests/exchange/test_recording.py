"""Recorded answers in the line: told again in any dialect, to the same key only, at no cost."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from tests.crossing.test_pairs import asked, understood
from tests.house import Answer, House, ask, house, post

from dragoman.core.events import Response
from dragoman.core.request import Request, Tool, plain_text
from dragoman.dialects import Dialect
from dragoman.dialects.catalog import DIALECTS
from dragoman.simulator import Simulator
from dragoman.simulator.script import read
from dragoman.store import Meters

ON = {"x-dragoman-cache": "on"}
MODEL = "sim-openai_chat/m"
WORDS = "Né 😀\u2028 one two three, and a little more, end."


def plot(*rules: dict[str, Any], **default: Any) -> Any:
    """Return a simulator's script."""
    return read({"default": default, "rules": list(rules)})


async def send(gate: House, door: Dialect, request: Request, **headers: str) -> Answer:
    """Send a request as the door's own client would, its answer to be recorded."""
    call = door.write_request(request)
    query = "&".join(f"{name}={value}" for name, value in call.query.items())
    path = f"{door.root}{call.path}" + (f"?{query}" if query else "")
    return await ask(gate.port, post(path, call.body, {**call.headers, **ON, **headers}))


def said(response: Response) -> list[tuple[str, list[str], str]]:
    """Return what an answer says: words, calls and why it stopped."""
    return [
        (
            plain_text(choice.parts),
            [part.arguments for part in choice.parts if hasattr(part, "arguments")],
            choice.stop.reason,
        )
        for choice in response.choices
    ]


def unnamed(body: bytes) -> bytes:
    """Return a stream without the id of a kept response: each answer that is kept has its own."""
    return re.sub(rb"resp_[0-9a-f]+", b"resp", body)


@pytest.fixture(params=DIALECTS)
def door(request: pytest.FixtureRequest) -> Dialect:
    """Whose stream is recorded."""
    return DIALECTS[str(request.param)]


@pytest.mark.parametrize("calls", [False, True], ids=["words", "calls"])
def test_a_recorded_stream_is_byte_equal_at_home_and_means_the_same_abroad(
    tmp_path: Path, door: Dialect, *, calls: bool
) -> None:
    """One provider's stream serves all six dialects, streamed and whole, and the provider is asked once."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = {"tools": (Tool("weather", "Say the weather.", schema),)} if calls else {}
    default = {"tool_calls": "always"} if calls else {"text": WORDS}

    async def play() -> None:
        script = plot(chunk_size=4, counts={"input": 31, "output": 12}, **default)
        async with Simulator(script=script) as sim, house(tmp_path, sim.url) as gate:
            model = f"sim-{door.name}/m"
            first = await send(gate, door, asked(door, model, stream=True, **tools))
            heard = understood(door, first, stream=True)
            assert first.headers["x-dragoman-cache"] == "miss"
            again = await send(gate, door, asked(door, model, stream=True, **tools))
            assert again.headers["x-dragoman-cache"] == "hit"
            assert unnamed(again.body) == unnamed(first.body)
            assert again.body == first.body or door.name == "openai_responses"
            for other in DIALECTS.values():
                for stream in (True, False):
                    got = await send(gate, other, asked(other, model, stream=stream, **tools))
                    assert got.headers["x-dragoman-cache"] == "hit", other.name
                    assert said(understood(other, got, stream=stream)) == said(heard), other.name
            assert sim.journal.totals.requests == 1
            rows = await gate.rows(14)
            assert [row.cached for row in rows] == [False, *[True] * 13]
            assert {row.meters for row in rows[1:]} == {Meters(cost_micros=0)}
            assert {(row.provider, row.attempts, row.state) for row in rows[1:]} == {
                (f"sim-{door.name}", 0, "settled")
            }

    asyncio.run(play())


def test_a_stream_that_is_not_kept_is_byte_equal_for_a_responses_client_too(tmp_path: Path) -> None:
    """With ``store: false`` an answer has its provider's id, recorded or not."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            body = {"model": MODEL, "input": "hello", "store": False, "stream": True}
            first, again = [await ask(gate.port, post("/v1/responses", body, ON)) for _ in range(2)]
            assert [got.headers["x-dragoman-cache"] for got in (first, again)] == ["miss", "hit"]
            assert first.body == again.body

    asyncio.run(play())


def test_two_keys_never_share(tmp_path: Path) -> None:
    """The same question of another key is another question."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, API_KEYS="sk-a,sk-b") as gate:
            told = []
            for key in ("sk-a", "sk-b", "sk-a", "sk-b"):
                header = {"authorization": f"Bearer {key}"}
                request = asked(DIALECTS["openai_chat"], MODEL, stream=False)
                got = await send(gate, DIALECTS["openai_chat"], request, **header)
                told.append(got.headers["x-dragoman-cache"])
            assert told == ["miss", "miss", "hit", "hit"]
            assert sim.journal.totals.requests == 2

    asyncio.run(play())


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"cache-control": "no-cache"}, ["hit", "bypass", "hit"]),
        ({"cache-control": "no-store"}, ["hit", "bypass", "hit"]),
        ({"x-dragoman-cache": "off"}, ["hit", "bypass", "hit"]),
    ],
)
def test_a_client_may_ask_afresh(tmp_path: Path, headers: dict[str, str], told: list[str]) -> None:
    """``no-cache`` refreshes the recording; ``no-store`` leaves it as it is."""
    refreshes = headers.get("cache-control") == "no-cache"

    async def play() -> None:
        script = plot({"match": {"nth": 2}, "then": {"text": "new"}}, text="old")
        async with Simulator(script=script) as sim, house(tmp_path, sim.url) as gate:
            door = DIALECTS["openai_chat"]
            request = asked(door, MODEL, stream=False)
            await send(gate, door, request)
            got = [await send(gate, door, request, **more) for more in ({}, headers, {})]
            assert [one.headers["x-dragoman-cache"] for one in got] == told
            words = [said(understood(door, one, stream=False))[0][0] for one in got]
            assert words == ["old", "new", "new" if refreshes else "old"]

    asyncio.run(play())


def test_a_recording_survives_a_restart(tmp_path: Path) -> None:
    """The prompt surface records unless it is told not to; ``ignore_cache`` refreshes."""

    async def one(gate: House, path: str) -> Any:
        return (await ask(gate.port, post(path, {"prompt": "hello"}))).json

    async def play() -> None:
        script = plot({"match": {"nth": 2}, "then": {"text": "new"}}, text="old")
        async with Simulator(script=script) as sim:
            path = f"/chat?model={MODEL}"
            async with house(tmp_path, sim.url) as gate:
                first = await one(gate, path)
                assert (first["response_text"], first["from_cache"]) == ("old", False)
            async with house(tmp_path, sim.url) as gate:
                again = await one(gate, path)
                assert (again["response_text"], again["from_cache"], again["cost_usd"]) == ("old", True, 0)
                assert again["prompt_id"] != first["prompt_id"]
                fresh = await one(gate, f"{path}&ignore_cache=true")
                assert (fresh["response_text"], fresh["from_cache"]) == ("new", False)
                assert (await one(gate, path))["response_text"] == "new"

    asyncio.run(play())


@pytest.mark.parametrize(
    "then",
    [
        {"stop": "length"},
        {"error": {"status": 500}},
        {"tokens": 30, "error": {"status": 500, "at_frame": 2}},
        {"tokens": 30, "faults": [{"kind": "reset", "at_frame": 3}]},
        {"tokens": 30, "faults": [{"kind": "end", "at_frame": 3}]},
    ],
    ids=["length", "refused", "error in mid-stream", "reset", "cut"],
)
def test_what_is_no_whole_answer_is_never_told_again(tmp_path: Path, then: dict[str, Any]) -> None:
    """A failure or a truncated answer is not recorded."""

    async def play() -> None:
        async with Simulator(script=plot(**then)) as sim, house(tmp_path, sim.url) as gate:
            door = DIALECTS["openai_chat"]
            request = asked(door, MODEL, stream=True)
            got = [await send(gate, door, request) for _ in range(2)]
            assert [one.headers["x-dragoman-cache"] for one in got] == ["miss", "miss"]

    asyncio.run(play())


def test_an_answer_a_client_left_is_not_recorded(tmp_path: Path) -> None:
    """Who comes back gets a whole answer, from the provider."""

    async def play() -> None:
        script = plot(tokens=200, tokens_per_s=200)
        async with Simulator(script=script) as sim, house(tmp_path, sim.url) as gate:
            door = DIALECTS["openai_chat"]
            call = door.write_request(asked(door, MODEL, stream=True))
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            writer.write(post("/v1/chat/completions", call.body, ON))
            await reader.readuntil(b"data: ")
            writer.close()
            [row] = await gate.rows(1)
            assert row.state == "cancelled"
            sim.script = plot(tokens=3)
            got = await send(gate, door, asked(door, MODEL, stream=True))
            assert got.headers["x-dragoman-cache"] == "miss"

    asyncio.run(play())


def test_who_stood_in_is_not_recorded_for_the_model_that_was_asked(tmp_path: Path) -> None:
    """The fault passes; the answer of another model must not stay in its place for a day."""
    table = '{"groq": {"base_url": "%s/v1", "key": "k"}, "gemini": {"base_url": "%s/v1beta", "key": "k"}}'

    async def play() -> None:
        rules = [{"match": {"model": "llama*", "nth": 1}, "then": {"error": {"status": 429}}}]
        async with Simulator(script=plot(*rules)) as sim:
            rows = table.replace("%s", sim.url)
            async with house(tmp_path, "", DRAGOMAN_PROVIDERS=rows) as gate:
                path = "/chat?model=llama-3.1-8b-instant"
                told = [(await ask(gate.port, post(path, {"prompt": "hello"}))).json for _ in range(3)]
                assert [one["provider"] for one in told] == ["gemini", "groq", "groq"]
                assert [one["from_cache"] for one in told] == [False, False, True]

    asyncio.run(play())


def test_a_strict_client_gets_no_recording_that_lost_something(tmp_path: Path) -> None:
    """It is refused, as it would be without the recording."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            door = DIALECTS["openai_chat"]
            body = {
                "model": "sim-anthropic/m",
                "seed": 7,
                "messages": [{"role": "user", "content": "hello"}],
            }
            got = await ask(gate.port, post(f"{door.root}/chat/completions", body, ON))
            assert "dropped:seed" in got.headers["x-dragoman-losses"]
            again = await ask(gate.port, post(f"{door.root}/chat/completions", body, ON))
            assert again.headers["x-dragoman-cache"] == "hit"
            assert again.headers["x-dragoman-losses"] == got.headers["x-dragoman-losses"]
            strict = {**ON, "x-dragoman-strict": "true"}
            refused = await ask(gate.port, post(f"{door.root}/chat/completions", body, strict))
            assert refused.status == 400

    asyncio.run(play())
