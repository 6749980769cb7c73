"""What the tests of surfaces are played on: a desk that says what it is told to, and answers to be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from dragoman.core.events import (
    Append,
    Choice,
    Close,
    End,
    Event,
    Open,
    Reason,
    Response,
    Start,
    Stop,
)
from dragoman.core.failure import Failure, Kind, Source
from dragoman.core.request import Part, Request, Text, Thinking, ToolCall
from dragoman.core.usage import Usage
from dragoman.dialects import Call, Door, Facts, framing_of
from dragoman.prompts.template import filled

USAGE = Usage(input=11, cache_read=2, output=5, reasoning=1)
TEMPLATES = {"friendly": "Explain {{topic}} to {{audience}}.", "kind": "Kindly: {prompt}", "plain": "Hello."}


class ScriptedDesk:
    """A desk with fixed facts and a few templates."""

    def __init__(self, **facts: Any) -> None:
        known = {"provider": "groq", "latency_ms": 12.3456, "cost_micros": 1500}
        self.told = Facts("req_1", **{**known, **facts})

    def facts(self) -> Facts:
        """Return what is known."""
        return self.told

    def fill(self, template: str, values: Mapping[str, str]) -> str:
        """Fill in a template."""
        if template not in TEMPLATES:
            raise Failure(Kind.NOT_FOUND, "no template has this id", source=Source.CLIENT)
        return filled(TEMPLATES[template], values)


def call(body: Any, path: str = "/chat", **headers: str) -> Call:
    """Return a request; a query in `path` is its own."""
    path, _, query = path.partition("?")
    pairs = dict(pair.split("=", 1) for pair in query.split("&") if pair)
    return Call("POST", path, pairs, headers, body)


def answer(
    *pieces: str, reason: Reason = "end", usage: Usage | None = USAGE, native: str | None = None
) -> list[Event]:
    """Return an answer of one text that comes in these pieces."""
    said = [Append(0, piece) for piece in pieces]
    stop = Stop(reason, native=native)
    return [Start("a1", "m-1", 5), Open(0, Text("")), *said, Close(0), stop, End(usage)]


def parts(*given: Part, reason: Reason = "end") -> Response:
    """Return a whole answer of these parts."""
    return Response("a1", "m-1", (Choice(given, Stop(reason)),), USAGE, 5)


def streamed(door: Door, request: Request, events: Iterable[Event | Failure]) -> bytes:
    """Return a stream's bytes; a Failure among the events ends it."""
    writer = door.writer(request)
    encode = framing_of(door, writer).encode
    frames = [
        frame
        for event in events
        for frame in (writer.fail(event) if isinstance(event, Failure) else writer.feed(event))
    ]
    return b"".join(map(encode, frames))


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """Return `data` in pieces, cut at `places`."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
texts = st.builds(Text, words)
calls = st.builds(ToolCall, st.just("c1"), st.just("look"), st.just('{"a":1}'))
spoken = st.lists(texts | st.builds(Thinking, words) | calls, max_size=4)
"""Parts of an answer."""
