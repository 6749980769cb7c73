"""The drills' client hears what there is to hear, asked straight at a simulator that misbehaves by script."""

from __future__ import annotations

import asyncio
import json

import pytest
from drills.ask import DOORS, MARK, Ask, Door, Heard, Watch, ask

from dragoman.core.extras import Json
from dragoman.simulator import Simulator
from dragoman.simulator.script import read


def hear(asked: Ask, watch: Watch | None = None, **behaviour: Json) -> Heard:
    """Ask a simulator that does so."""

    async def play() -> Heard:
        async with Simulator(read({"default": behaviour})) as simulator:
            return await ask(simulator.port, asked, watch or Watch())

    return asyncio.run(asyncio.wait_for(play(), 30))


def question(door: Door = "chat", *, stream: bool = True, leave: int | None = None) -> Ask:
    """Return a request."""
    return Ask(id="a-1", key="k", target="m", door=door, stream=stream, most=100, leave=leave)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("stream", [True, False])
def test_a_whole_answer_is_whole(door: Door, *, stream: bool) -> None:
    """In every dialect, streamed or not."""
    heard = hear(question(door, stream=stream), tokens=200)
    assert (heard.status, heard.end) == (200, "whole")


@pytest.mark.parametrize("door", DOORS)
def test_a_stream_that_is_cut_is_broken_if_it_says_so(door: Door) -> None:
    """HTTP may end in order where the answer has not."""
    assert hear(question(door), faults=[{"kind": "end", "at_frame": 3}]).end == "silent"
    assert hear(question(door), error={"status": 500, "at_frame": 3}).end == "broken"


@pytest.mark.parametrize("door", DOORS)
def test_a_connection_that_breaks_is_lost(door: Door) -> None:
    """The head had come, and says so."""
    heard = hear(question(door), faults=[{"kind": "reset", "at_frame": 3}])
    assert (heard.status, heard.end) == (200, "lost")


def test_a_refusal_is_heard_whole() -> None:
    """Status, code and how long to wait."""
    heard = hear(question(), error={"status": 503, "retry_after_s": 2})
    assert (heard.status, heard.end, heard.retry_after) == (503, "whole", "2")
    assert heard.code


@pytest.mark.parametrize("leave", [0, 2])
def test_a_client_leaves_when_it_is_told_to(leave: int) -> None:
    """At once, or after so many pieces of an answer that goes on."""
    heard = hear(question(leave=leave), tokens=10_000, tokens_per_s=200.0)
    assert heard.end == "left"
    assert heard.left_at > 0


def test_nobody_there_is_heard_as_such() -> None:
    """A refused connection raises nothing."""

    async def play() -> Heard:
        async with Simulator() as simulator:
            port = simulator.port
        return await ask(port, question(), Watch())

    assert asyncio.run(play()).end == "unreached"


def test_a_secret_that_comes_back_is_noticed() -> None:
    """The prompt holds one: an answer that repeats it leaks it."""
    watch = Watch()
    hear(question(stream=False), watch, echo=True)
    assert watch.leaks == ["the answer to a-1 holds a secret"]


def test_a_request_is_one_the_gateway_reads() -> None:
    """Its head says how long its body is, and the prompt names the request."""
    head, _, body = question().request().partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert json.loads(body)["messages"][0]["content"].startswith(f"{MARK} ask:a-1 ")
