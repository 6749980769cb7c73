"""Media behind URLs: fetched for those who take bytes only, from the public internet only."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
from tests.house import ask, house, post

from dragoman.core.failure import Failure, Retry, Source
from dragoman.core.request import Media, Message, Request, Text, ToolResult
from dragoman.providers.media import Fetcher, MediaSpec
from dragoman.providers.transport import AiohttpTransport, Transport
from dragoman.simulator import Simulator

PIXEL = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Shelf:
    """A web server with a few files; notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.heads: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1]
        self.asked.append(path)
        self.heads.append(head)
        status, lines, body = "200 OK", ["content-type: image/png"], PIXEL
        if path == "/away":
            status, lines, body = "302 Found", ["location: /pixel.png"], b""
        elif path == "/round":
            status, lines, body = "302 Found", ["location: /round"], b""
        elif path == "/page":
            lines, body = ["content-type: text/html; charset=utf-8"], b"<p>secret"
        elif path.startswith("/half"):
            body = bytes(2500)
        elif path == "/nowhere":
            status, lines, body = "302 Found", ["location: http://[x"], b""
        elif path == "/inside":
            status, lines, body = (
                "302 Found",
                [f"location: {self.url.replace('127.0.0.2', '127.0.0.1')}"],
                b"",
            )
        elif path == "/slow":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n")
            with suppress(ConnectionError):
                while not writer.is_closing():
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0)
            return
        elif path == "/none":
            status, body = "404 Not Found", b"secret"
        elif path == "/large":
            body = bytes(5000)
        lines += [f"content-length: {len(body)}", "connection: close"]
        writer.write(f"HTTP/1.1 {status}\r\n{chr(13).join(chr(10) + line for line in lines)[1:]}".encode())
        writer.write(b"\r\n\r\n" + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def shelf() -> AsyncIterator[Shelf]:
    """Serve on a free port of this machine."""
    files = Shelf()
    server = await asyncio.start_server(files.serve, "127.0.0.1", 0)
    files.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield files


def picture(url: str) -> Request:
    """Return a request that shows a picture, in a turn and in a tool's result."""
    shown = Media("image", "url", url)
    result = ToolResult("c", (Text("see"), shown))
    return Request("openai_chat", "m", (Message("user", (Text("what?"), shown)), Message("user", (result,))))


def fetched(path: str, dialect: str = "gemini") -> tuple[Request, list[str]]:
    """Fetch without the guard, for a server of this machine; return the request and what was asked."""

    async def play() -> tuple[Request, list[str]]:
        async with shelf() as files:
            fetcher = Fetcher(MediaSpec(max_bytes=4096), AiohttpTransport())
            try:
                return await fetcher.inlined(picture(f"{files.url}{path}"), dialect), files.asked
            finally:
                await fetcher.close()

    return asyncio.run(play())


@pytest.mark.parametrize("dialect", ["gemini", "ollama"])
@pytest.mark.parametrize("path", ["/pixel.png", "/away"])
def test_a_picture_becomes_bytes(dialect: str, path: str) -> None:
    """Once for all the places that show it, through a redirect, inside a tool's result too."""
    request, asked = fetched(path, dialect)
    data = b64encode(PIXEL).decode()
    inside = request.messages[1].parts[0]
    assert isinstance(inside, ToolResult)
    assert request.messages[0].parts[1] == inside.parts[1] == Media("image", "base64", data, "image/png")
    assert asked == ["/pixel.png"] if path != "/away" else ["/away", "/pixel.png"]


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic", "cohere", "openai_responses"])
def test_who_takes_urls_is_given_the_url(dialect: str) -> None:
    """Nothing is fetched in vain."""
    request, asked = fetched("/pixel.png", dialect)
    assert asked == []
    assert isinstance(part := request.messages[0].parts[1], Media)
    assert part.source == "url"


@pytest.mark.parametrize("path", ["/none", "/page", "/round", "/large", "/nowhere", "/slow"])
def test_what_cannot_be_had_is_told_with_its_path(path: str) -> None:
    """A 400 that another target may still serve; nothing of the other side's words is repeated."""
    with pytest.raises(Failure) as refused:
        fetched(path)
    failure = refused.value
    assert (failure.at, failure.code, failure.http_status) == (
        "$.messages[0].content[1]",
        "media_unreachable",
        400,
    )
    assert (failure.source, failure.retry) == (Source.CLIENT, Retry.NEXT)
    assert "secret" not in failure.message


def test_too_many_are_refused_before_the_first_is_fetched() -> None:
    """One request cannot make the gateway a crawler."""
    parts = tuple(Media("image", "url", f"http://127.0.0.1:9/{place}") for place in range(3))

    async def play() -> None:
        fetcher = Fetcher(MediaSpec(max_count=2), AiohttpTransport())
        await fetcher.inlined(Request("openai_chat", "m", (Message("user", parts),)), "gemini")

    with pytest.raises(Failure, match="more than 2"):
        asyncio.run(play())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1", "2130706433"])
def test_a_client_cannot_make_the_gateway_call_inside(tmp_path: Path, host: str) -> None:
    """Whatever the address is dressed as, nobody inside is called, and nothing tells whether he is there."""

    async def play() -> None:
        async with shelf() as files, Simulator() as sim, house(tmp_path, sim.url) as gate:
            url = files.url.replace("127.0.0.1", host)
            content = [{"type": "image_url", "image_url": {"url": f"{url}/pixel.png"}}]
            body = {"model": "sim-gemini/m", "messages": [{"role": "user", "content": content}]}
            got = await ask(gate.port, post("/v1/chat/completions", body))
            assert got.status == 400
            assert got.json["error"]["code"] == "media_unreachable"
            assert files.asked == []
            assert not sim.journal

    asyncio.run(play())


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    """Then the provider's dialect refuses, as it does what it cannot say."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url, DRAGOMAN_MEDIA_FETCH="false") as gate:
            content = [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
            body = {"model": "sim-ollama/m", "messages": [{"role": "user", "content": content}]}
            got = await ask(gate.port, post("/v1/chat/completions", body))
            assert got.status == 400
            assert "media_unreachable" not in got.body.decode()

    asyncio.run(play())


ODD = [
    "http://[x",
    "http://[::1",
    "http://",
    "http:x",
    "http://a..b/",
    "http://.",
    f"http://{'a' * 70}/",
    "http://u@x/",
]


@pytest.mark.parametrize("url", ODD)
def test_what_is_no_url_is_the_clients_fault(tmp_path: Path, url: str) -> None:
    """A 400 with the part's path, whichever of those who read it would stumble."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            content = [{"type": "image_url", "image_url": {"url": url}}]
            body = {"model": "sim-gemini/m", "messages": [{"role": "user", "content": content}]}
            got = await ask(gate.port, post("/v1/chat/completions", body))
            assert (got.status, got.json["error"]["code"]) == (400, "media_unreachable")
            assert got.json["error"]["param"] == "$.messages[0].content[0]"

    asyncio.run(play())


@pytest.mark.parametrize(("count", "taken"), [(1, True), (2, False)])
def test_the_files_of_one_request_share_their_room(count: int, *, taken: bool) -> None:
    """Each alone would be small enough; what is held in memory is what a request has together."""

    async def play() -> None:
        async with shelf() as files:
            parts = tuple(Media("image", "url", f"{files.url}/half{place}") for place in range(count))
            fetcher = Fetcher(MediaSpec(max_bytes=4096), AiohttpTransport())
            try:
                await fetcher.inlined(Request("openai_chat", "m", (Message("user", parts),)), "gemini")
            finally:
                await fetcher.close()

    if taken:
        asyncio.run(play())
    else:
        with pytest.raises(Failure, match="4096 bytes together"):
            asyncio.run(play())


def test_redirects_do_not_begin_the_time_anew() -> None:
    """However many servers a file is behind, it has one time to come."""

    class Slow:
        """A transport whose first answer comes never."""

        async def send(self, *_: Any, **__: Any) -> Any:
            await asyncio.Event().wait()

    async def play() -> None:
        fetcher = Fetcher(MediaSpec(timeout_s=0.001), cast("Transport", Slow()))
        await fetcher.inlined(picture("http://x.example/"), "gemini")

    with pytest.raises(Failure, match="it took over"):
        asyncio.run(asyncio.wait_for(play(), 30))


def test_a_server_outside_cannot_send_the_gateway_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect is looked at where every call is: at its socket. Nothing tells who is there."""
    monkeypatch.setattr("dragoman.providers.transport.is_public", lambda address: address == "127.0.0.2")

    async def play() -> tuple[Failure, list[str]]:
        outside, inside = Shelf(), Shelf()
        first = await asyncio.start_server(outside.serve, "127.0.0.2", 0)
        port = first.sockets[0].getsockname()[1]
        second = await asyncio.start_server(inside.serve, "127.0.0.1", port)
        outside.url = f"http://127.0.0.2:{port}"
        fetcher = Fetcher(MediaSpec())
        async with first, second:
            fetched = await fetcher.inlined(picture(f"{outside.url}/pixel.png"), "gemini")
            assert fetched.messages[0].parts[1] != picture(f"{outside.url}/pixel.png").messages[0].parts[1]
            with pytest.raises(Failure) as refused:
                await fetcher.inlined(picture(f"{outside.url}/inside"), "gemini")
            await fetcher.close()
            return refused.value, inside.asked

    failure, asked = asyncio.run(play())
    assert failure.message == "this file cannot be fetched: its server cannot be reached"
    assert asked == []
