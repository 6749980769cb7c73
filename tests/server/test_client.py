"""A dialect's endpoint on a real socket: limits on the way in, and clients that leave."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.house import House, answer, ask, chat, house, message, post

from dragoman.server.client import SMALL, AsgiOut, Message, taken_in
from dragoman.simulator import Simulator
from dragoman.simulator.script import read


async def left(gate: House, sim: Simulator, request: bytes, *, after: bytes) -> None:
    """Send `request`, leave once `after` was read (or, empty, once the provider has it)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    before = len(sim.journal.entries)
    writer.write(request)
    if after:
        await reader.readuntil(after)
    else:
        await sim.journal.until(lambda journal: len(journal.entries) > before)
    writer.transport.abort()


async def cancelled(sim: Simulator, count: int) -> None:
    """Wait until the simulator saw so many of its answers cancelled."""
    await sim.journal.until(
        lambda journal: sum(entry.outcome == "cancelled" for entry in journal.entries) >= count
    )


@pytest.mark.parametrize("door", ["openai_chat", "anthropic"])
@pytest.mark.parametrize("target", ["sim-openai_chat/m", "sim-anthropic/m"])
def test_a_client_that_leaves_mid_stream_cancels_the_provider(tmp_path: Path, door: str, target: str) -> None:
    """The upstream socket closes, and the row says cancelled with the tokens so far, estimated."""
    path, body = (
        ("/v1/chat/completions", chat(model=target, stream=True))
        if door == "openai_chat"
        else ("/v1/messages", message(model=target, stream=True, max_tokens=100_000))
    )

    async def play() -> None:
        plot = read({"default": {"tokens": 100_000, "tokens_per_s": 500}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            await left(gate, sim, post(path, body), after=b"delta")
            await cancelled(sim, 1)
            [row] = await gate.rows(1)
            assert (row.state, row.status, row.stream) == ("cancelled", 499, True)
            assert row.meters.estimated
            assert row.meters.input > 0
            [attempt] = await gate.attempts(row)
            assert attempt.state == "cancelled"

    asyncio.run(asyncio.wait_for(play(), 30))


def test_a_client_that_leaves_a_whole_answer_cancels_the_provider(tmp_path: Path) -> None:
    """Also when nothing is streamed: the provider is let go while it still thinks."""

    async def play() -> None:
        plot = read({"default": {"latency_s": 3600}})
        async with Simulator(script=plot) as sim, house(tmp_path, sim.url) as gate:
            await left(gate, sim, post("/v1/chat/completions", chat()), after=b"")
            await cancelled(sim, 1)
            [row] = await gate.rows(1)
            assert (row.state, row.stream) == ("cancelled", False)

    asyncio.run(asyncio.wait_for(play(), 30))


def test_a_client_that_leaves_while_sending_costs_nothing(tmp_path: Path) -> None:
    """Half a body and gone: no provider is asked, nothing is booked."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            whole = post("/v1/chat/completions", chat())
            _, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            writer.write(whole[:-5])
            await writer.drain()
            writer.transport.abort()
            assert (await ask(gate.port, whole)).status == 200
            assert len(sim.journal.entries) == 1
            assert len(await gate.rows(1)) == 1

    asyncio.run(play())


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no body"),
    "not json": (b"{", "not a valid JSON object"),
    "array": (b"[]", "not a valid JSON object"),
    "NaN": (b'{"model": NaN}', "not a valid JSON object"),
    "infinity": (b'{"model": 1e999}', "not a valid JSON object"),
    "byte order mark": (b"\xef\xbb\xbf{}", "not a valid JSON object"),
    "UTF-16": ('{"model":"x"}'.encode("utf-16"), "not a valid JSON object"),
    "invalid UTF-8": (b'{"model": "\xff"}', "not valid UTF-8"),
    "NUL": (b'{"model": "a\x00b"}', "not a valid JSON object"),
    "lone surrogate": (rb'{"model": "\ud800"}', "lone surrogate"),
    "key twice": (b'{"model": "a", "model": "b"}', "given twice"),
    "too deep": (b'{"model": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deeper than"),
    "long number": (b'{"model": ' + b"1" * 1_000_000 + b"}", "not a valid JSON object"),
    "two documents": (b"{} {}", "not a valid JSON object"),
}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/messages/count_tokens"])
def test_json_is_read_strictly(tmp_path: Path, path: str) -> None:
    """Each malformed body is a 400 in the door's dialect that says what is wrong, and never a 500."""

    async def play() -> None:
        async with house(tmp_path) as gate:
            for name, (body, said) in BAD.items():
                got = await ask(gate.port, post(path, body))
                assert got.status == 400, name
                assert said in got.json["error"]["message"], name
                assert got.json["error"]["type"] == "invalid_request_error", name

    asyncio.run(play())


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content-length": "999999"}, b"", 413),
        ({"content-encoding": "gzip"}, b"\x1f\x8b", 400),
        ({"content-type": "text/plain"}, b"{}", 403),
        ({"host": "evil.example"}, b"{}", 403),
        ({"origin": "https://evil.example"}, b"{}", 403),
    ],
    ids=["too large by declaration", "gzip", "not declared JSON", "rebound", "cross-site"],
)
def test_refused_before_anything_is_read(
    tmp_path: Path, headers: dict[str, str], body: bytes, status: int
) -> None:
    """Sizes and encodings are judged by their declaration; a keyless gateway serves no web page."""

    async def play() -> None:
        async with house(tmp_path, DRAGOMAN_SERVER_MAX_BODY="10000") as gate:
            got = await ask(gate.port, post("/v1/chat/completions", body, headers))
            assert got.status == status

    asyncio.run(play())


def test_a_chunked_body_over_the_limit_is_cut_off(tmp_path: Path) -> None:
    """Without a declared length the bytes are counted; the connection is closed."""

    async def play() -> None:
        async with house(tmp_path, DRAGOMAN_SERVER_MAX_BODY="10000") as gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            writer.write(
                b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                b"transfer-encoding: chunked\r\n\r\n" + b"2000\r\n" + b" " * 0x2000 + b"\r\n" * 1
            )
            writer.write(b"2000\r\n" + b" " * 0x2000 + b"\r\n")
            got = await answer(reader)
            assert got.status == 413
            assert got.json["error"]["type"] == "request_too_large"
            assert got.headers["connection"] == "close"
            writer.close()

    asyncio.run(play())


def test_a_body_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    """A client that promises bytes and sends none is answered and let go."""

    async def play() -> None:
        async with house(tmp_path, DRAGOMAN_SERVER_BODY_TIMEOUT_S="0.05") as gate:
            got = await ask(gate.port, post("/v1/chat/completions", b"", {"content-length": "10"}))
            assert got.status == 504
            assert "not sent within" in got.json["error"]["message"]

    asyncio.run(play())


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-DEF_123", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("é", False), ("", False)],
)
def test_a_request_id_comes_back_if_it_is_one(tmp_path: Path, given: str, *, kept: bool) -> None:
    """A sane id of the client is used everywhere; anything else is replaced by ours."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            request = post("/v1/chat/completions", chat(), {"x-request-id": given})
            got = await ask(gate.port, request)
            told = got.headers["x-request-id"]
            assert (told == given) == kept
            assert kept or told.startswith("req_")
            [row] = await gate.rows(1)
            assert row.request_id == told

    asyncio.run(play())


def test_hostile_names_split_no_header(tmp_path: Path) -> None:
    """A model name with line breaks, spaces and letters beyond ASCII stays one header value."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            body = {**chat(model="sim-anthropic/a\r\nx-evil: 1 é\u2028"), "odd\r\nfield": 1}
            got = await ask(gate.port, post("/v1/chat/completions", body))
            assert got.status == 200
            assert "x-evil" not in got.headers
            assert got.headers["x-dragoman-model"] == "a__x-evil:_1___"
            assert got.headers["x-dragoman-losses"] == "dropped:odd__field"

    asyncio.run(play())


def test_an_idle_stream_is_kept_alive(tmp_path: Path) -> None:
    """While the provider is silent, each door sends what its own SDK survives."""

    async def play() -> None:
        plot = read({"default": {"tokens": 4, "tokens_per_s": 4}})
        async with (
            Simulator(script=plot) as sim,
            house(tmp_path, sim.url, DRAGOMAN_SERVER_KEEPALIVE_S="0.02") as gate,
        ):
            first = await ask(gate.port, post("/v1/chat/completions", chat(stream=True)))
            assert b"\n: " in first.body or first.body.startswith(b": ")
            assert first.frames[-1] == "[DONE]"
            second = await ask(gate.port, post("/v1/messages", message(stream=True)))
            assert b"event: ping\n" in second.body
            assert json.loads(second.frames[-1])["type"] == "message_stop"

    asyncio.run(play())


def test_a_client_that_is_slow_to_read_is_sent_no_signs_of_life() -> None:
    """They would wait for it one behind the other, and come when the answer is over."""
    told: list[bytes] = []

    async def play() -> None:
        reads = asyncio.Event()

        async def send(event: Message) -> None:
            if event["type"] == "http.response.body":
                await reads.wait()
                told.append(event["body"])

        out = AsgiOut(send, keepalive_s=0)
        await out.start("text/event-stream", {}, lambda: b": ping")
        writing = asyncio.get_running_loop().create_task(out.send(b"words"))
        for _ in range(100):
            await asyncio.sleep(0)  # lets the timer of the signs of life run
        assert asyncio.all_tasks() == {writing, asyncio.current_task()}
        reads.set()
        await writing
        await out.send(b"", last=True)

    asyncio.run(play())
    assert [words for words in told if words != b": ping"] == [b"words", b""]
    assert told[-1] == b""


def test_one_sign_of_life_that_waits_is_not_overtaken() -> None:
    """What was begun first is sent first, and nothing after the end."""
    told: list[bytes] = []

    async def play() -> None:
        reads, waits = asyncio.Event(), asyncio.Event()

        async def send(event: Message) -> None:
            if event["type"] == "http.response.body":
                waits.set()
                await reads.wait()
                if event["body"]:
                    await asyncio.sleep(0)
                told.append(event["body"])

        out = AsgiOut(send, keepalive_s=0)
        await out.start("text/event-stream", {}, lambda: b": ping")
        await waits.wait()
        ending = asyncio.get_running_loop().create_task(out.send(b"", last=True))
        reads.set()
        await ending

    asyncio.run(play())
    assert told == [b": ping", b""]


def test_one_connection_serves_many_requests(tmp_path: Path) -> None:
    """Unary and streamed answers follow each other on a kept-alive connection."""

    async def play() -> None:
        async with Simulator() as sim, house(tmp_path, sim.url) as gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            for stream in (False, True, False, True):
                writer.write(post("/v1/chat/completions", chat(stream=stream)))
                assert (await answer(reader)).status == 200
            writer.close()
            assert [row.state for row in await gate.rows(4)] == ["settled"] * 4

    asyncio.run(play())


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/rate", "/admin/prices", "/api/show"])
def test_a_refusal_is_not_lost_with_the_connection(tmp_path: Path, path: str) -> None:
    """A stranger who sends his body after the head, as many clients do, is told why he is refused."""

    async def play() -> None:
        async with house(tmp_path, API_KEYS="right") as gate:
            body = b'{"model": "m"}' + b" " * 30_000
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            try:
                head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer wrong\r\n"
                more = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
                writer.write(f"{head}{more}".encode())
                await writer.drain()
                for start in range(0, len(body), 10_000):
                    writer.write(body[start : start + 10_000])
                    await writer.drain()
                assert b" 401 " in await reader.readuntil(b"\r\n")
            finally:
                writer.close()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("declared", "pieces", "taken"),
    [("9", 3, 3), ("", 3, 0), ("0", 1, 0), (str(SMALL), 2, 2), (str(SMALL + 1), 2, 0), ("x", 2, 0)],
)
def test_only_a_small_body_is_taken_in(declared: str, pieces: int, taken: int) -> None:
    """A body that is large, or of a length nobody said, is left alone; one that ends early does no harm."""

    async def play() -> None:
        left = [{"type": "http.request", "more_body": n + 1 < pieces} for n in range(pieces)]

        async def receive() -> Message:
            return left.pop(0) if left else {"type": "http.disconnect"}

        await taken_in({"content-length": declared} if declared else {}, receive)
        assert pieces - len(left) == taken

    asyncio.run(play())
