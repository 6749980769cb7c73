"""Every dialect before every other: thirty-six pairs, whole and streamed.

The client is a codec used the other way round: it writes the request and reads the answer. What comes
out is compared with what the simulator was told to say, so a pair that loses words, arguments,
thinking, tokens or the reason to stop fails by name.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.house import Answer, House, ask, house, post

from dragoman.core.events import Response, fold
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import (
    Message,
    Reasoning,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    plain_text,
)
from dragoman.dialects import Dialect, Reply
from dragoman.dialects.catalog import DIALECTS
from dragoman.simulator import Simulator
from dragoman.simulator.script import read

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
WORDS = "Né 😀\u2028 one two three, end."


@pytest.fixture(params=DIALECTS)
def door(request: pytest.FixtureRequest) -> Dialect:
    """What the client speaks."""
    return DIALECTS[str(request.param)]


@pytest.fixture(params=DIALECTS)
def target(request: pytest.FixtureRequest) -> str:
    """Whom it is sent to, by the dialect spoken there."""
    return f"sim-{request.param}/m"


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def stream(request: pytest.FixtureRequest) -> bool:
    """How the client wants it."""
    return bool(request.param)


def asked(door: Dialect, target: str, *, stream: bool, **more: Any) -> Request:
    """Return a request in the core's words."""
    hello = Message("user", (Text("say hello"),))
    fields: dict[str, Any] = {"messages": (hello,), "max_output": 2000, "stream_usage": stream, **more}
    return Request(door.name, target, stream=stream, **fields)


async def send(gate: House, door: Dialect, request: Request) -> Answer:
    """Send a request as the door's own client would."""
    call = door.write_request(request)
    query = "&".join(f"{name}={value}" for name, value in call.query.items())
    path = f"{door.root}{call.path}" + (f"?{query}" if query else "")
    return await ask(gate.port, post(path, call.body, call.headers))


def understood(door: Dialect, got: Answer, *, stream: bool) -> Response:
    """Return what the door's own client makes of an answer."""
    assert got.status == 200, got.body
    if not stream:
        return door.read_answer(Reply(got.status, got.headers, got.json))
    assert got.headers["content-type"] == door.framing.content_type
    decoder, reader = door.framing.decoder(), door.reader()
    events = [event for frame in decoder.feed(got.body) + decoder.close() for event in reader.feed(frame)]
    return fold([*events, *reader.close()])


def play(folder: Path, door: Dialect, request: Request, **default: Any) -> tuple[Response, Any]:
    """Ask across; return what the client understood, and the body the provider heard."""

    async def one() -> tuple[Response, Any]:
        async with Simulator(script=read({"default": default})) as sim, house(folder, sim.url) as gate:
            got = await send(gate, door, request)
            [row] = await gate.rows(1)
            assert (row.state, row.dialect) == ("settled", door.name)
            return understood(door, got, stream=request.stream), sim.journal[-1].body

    return asyncio.run(one())


def test_text_and_tokens(tmp_path: Path, door: Dialect, target: str, *, stream: bool) -> None:
    """The words to the letter, the reason to stop, and the same totals."""
    counts = {"input": 31, "output": 12}
    response, _ = play(tmp_path, door, asked(door, target, stream=stream), text=WORDS, counts=counts)
    [choice] = response.choices
    assert plain_text(choice.parts) == WORDS
    assert choice.stop.reason == "end"
    assert response.usage is not None
    assert (response.usage.total_input, response.usage.total_output) == (31, 12)


def test_a_limit_that_is_reached_is_told(tmp_path: Path, door: Dialect, target: str, *, stream: bool) -> None:
    """An answer cut at its limit never looks complete."""
    response, _ = play(tmp_path, door, asked(door, target, stream=stream), text="cut", stop="length")
    assert response.choices[0].stop.reason == "length"


def test_parallel_tool_calls(tmp_path: Path, door: Dialect, target: str, *, stream: bool) -> None:
    """Two calls whose arguments are whole at the other end."""
    tool = Tool("weather", "Say the weather.", WEATHER)
    default = {"calls": 2, "chunk_size": 3, "tool_calls": "always"}
    response, _ = play(tmp_path, door, asked(door, target, stream=stream, tools=(tool,)), **default)
    [choice] = response.choices
    calls = [part for part in choice.parts if isinstance(part, ToolCall)]
    assert [call.name for call in calls] == ["weather", "weather"]
    assert all(json.loads(call.arguments).keys() == {"city", "days"} for call in calls)
    assert choice.stop.reason == "tool_use"


def test_thinking(tmp_path: Path, door: Dialect, target: str, *, stream: bool) -> None:
    """Thoughts come as thoughts, apart from the words."""
    request = asked(door, target, stream=stream, reasoning=Reasoning(enabled=True, effort="low", show="full"))
    response, _ = play(tmp_path, door, request, text="Done.", thinking="always")
    parts = response.choices[0].parts
    assert plain_text(parts) == "Done."
    assert any(isinstance(part, Thinking) and part.text for part in parts)


def test_a_tool_loop_reaches_the_provider(tmp_path: Path, door: Dialect, target: str) -> None:
    """History with a call and its result arrives in the provider's words."""
    history = (
        Message("user", (Text("weather?"),)),
        Message("assistant", (ToolCall("call_a1", "weather", '{"city":"Here","days":2}'),)),
        Message("user", (ToolResult("call_a1", (Text("sun and wind"),), name="weather"),)),
    )
    tool = Tool("weather", "Say the weather.", WEATHER)
    request = asked(door, target, stream=False, messages=history, tools=(tool,))
    response, heard = play(tmp_path, door, request, text="Sunny.", tool_calls="never")
    assert plain_text(response.choices[0].parts) == "Sunny."
    told = msgspec.json.encode(heard).decode()
    assert "sun and wind" in told
    assert "Here" in told


@pytest.mark.parametrize("status", [400, 429, 500])
def test_errors(tmp_path: Path, door: Dialect, target: str, status: int) -> None:
    """A provider's error means the same on the other side."""

    async def one() -> Failure:
        plot = read({"default": {"error": {"status": status}}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            got = await send(gate, door, asked(door, target, stream=False))
            return door.read_failure(Reply(got.status, got.headers, got.json))

    failure = asyncio.run(one())
    expected = {
        400: {Kind.INVALID},
        429: {Kind.RATE_LIMITED},
        500: {Kind.UPSTREAM, Kind.OVERLOADED, Kind.INTERNAL},
    }
    assert failure.kind in expected[status]


def test_a_fault_in_mid_stream_is_no_clean_end(tmp_path: Path, door: Dialect, target: str) -> None:
    """The door's own reader raises: it never takes half an answer for a whole one."""

    async def one() -> Answer:
        plot = read({"default": {"tokens": 40, "faults": [{"kind": "reset", "at_frame": 12}]}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            return await send(gate, door, asked(door, target, stream=True))

    got = asyncio.run(one())
    with pytest.raises(Failure):
        understood(door, got, stream=True)
