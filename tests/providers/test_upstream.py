"""One attempt: answers that are none, and what is made of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from tests.house import ask, chat, house, post

from dragoman.core.events import Choice, Folder, Response, Stop, unfold
from dragoman.core.request import Message, Request, Text
from dragoman.core.usage import Usage
from dragoman.dialects import framing_of
from dragoman.dialects.catalog import DIALECTS
from dragoman.providers import Provider
from dragoman.providers.transport import Upstream
from dragoman.providers.upstream import Answer
from dragoman.simulator import Simulator
from dragoman.simulator.script import read

HTML = {"status": 200, "headers": {"content-type": "text/html"}, "body": "<html>log in, secret-page</html>"}


SHORT: dict[str, Any] = {"faults": [{"kind": "bad_length"}]}
"""Its length promises more than comes."""


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "default",
    [
        {"reply": HTML},
        {"reply": {"status": 302, "headers": {"location": "http://127.0.0.1:1/"}, "body": ""}},
        {"reply": {"status": 200, "body": {"error": {"message": "no credit", "code": 402}}}},
        {"reply": {"status": 200, "body": []}},
        {"reply": {"status": 500, "headers": {"content-type": "text/html"}, "body": "<h1>secret-page</h1>"}},
        {"reply": {"status": 418, "body": {"odd": True}}},
        {"faults": [{"kind": "garbage", "at_frame": 0}]},
        {"faults": [{"kind": "malformed", "at_frame": 0}]},
        SHORT,
        {"faults": [{"kind": "big_header"}]},
        {"faults": [{"kind": "bomb"}]},
    ],
    ids=[
        "html", "redirect", "error in a 200", "array", "html 500", "teapot",
        "garbage", "malformed", "short", "big header", "bomb",
    ],
)  # fmt: skip
def test_no_provider_fault_is_a_500(tmp_path: Path, default: dict[str, Any], *, stream: bool) -> None:
    """Each is told as the provider's fault, and nothing of a foreign page is passed on."""

    async def play() -> None:
        plot = read({"default": default})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            got = await ask(gate.port, post("/v1/chat/completions", chat(stream=stream)))
            [row] = await gate.rows(1)
            if stream and default == SHORT:
                # Every event came, its last one too: only the connection ended badly.
                assert (row.state, got.frames[-1]) == ("settled", "[DONE]")
                return
            if got.status == 200:
                assert stream
                assert '"error"' in got.frames[-1]
            else:
                assert got.status in (400, 502, 503, 504), got.body
            assert b"secret-page" not in got.body
            assert row.state == "failed"
            assert row.failure != "internal"

    asyncio.run(play())


def test_a_provider_that_does_not_stream_still_serves_a_stream(tmp_path: Path) -> None:
    """A whole JSON answer to a streamed request is delivered as a stream."""
    whole = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "all"}}
        ],
    }

    async def play() -> None:
        plot = read({"default": {"reply": {"status": 200, "body": whole}}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            got = await ask(gate.port, post("/v1/chat/completions", chat(stream=True)))
            assert got.headers["content-type"].startswith("text/event-stream")
            assert '"content":"all"' in got.body.decode()
            assert got.frames[-1] == "[DONE]"

    asyncio.run(play())


class Waiting:
    """An answer of which one read came, and more that nobody read."""

    status = 200

    def __init__(self, kind: str, first: bytes, more: bytes) -> None:
        self.headers = {"content-type": kind}
        self._first = first
        self._more = more

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the first read, and then nothing for ever."""
        yield self._first
        await asyncio.Event().wait()

    def waiting(self) -> bytes:
        """Return what was not read."""
        return self._more


@pytest.mark.parametrize("name", DIALECTS)
def test_what_came_and_was_not_told_is_still_there(name: str) -> None:
    """Whoever leaves a stream, all that had come of it counts; with its end, what the provider counted."""
    dialect = DIALECTS[name]
    request = Request(name, "m", (Message("user", (Text("hi"),)),), stream=True, stream_usage=True)
    parts = (Text("one two three four"),)
    whole = Response("id", "m", (Choice(parts, Stop("end")),), Usage(input=3, output=4))
    writer = dialect.writer(request)
    frames = [frame for event in unfold(whole) for frame in writer.feed(event)]
    framing = framing_of(dialect, writer)
    sent = b"".join(map(framing.encode, frames))
    provider = Provider(name="p", dialect=name)

    async def play(cut: int) -> Folder:
        upstream = Waiting(framing.content_type, sent[:cut], sent[cut:])
        answer = Answer(provider, dialect, cast("Upstream", upstream))
        folder = Folder()
        reading = asyncio.get_running_loop().create_task(_read(answer, folder))
        for _ in range(5):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        for event in answer.rest():
            folder.feed(event)
        return folder

    for cut in (0, 1, len(sent) // 3, len(sent) // 2, len(sent) - 1):
        folder = asyncio.run(play(cut))
        assert folder.written == "one two three four"
        assert folder.usage is not None
        assert (folder.usage.total_input, folder.usage.total_output) == (3, 4)


async def _read(answer: Answer, folder: Folder) -> None:
    async for batch in answer.batches():
        for event in batch:
            folder.feed(event)
