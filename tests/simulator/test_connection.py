"""Sockets: every fault as a client sees it, clients that leave, pipelining, and slow readers."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest
from tests.simulator.raw import Heard, ask, line, once, play, post, until_end

from dragoman.simulator import Behaviour, Error, Fault, Match, Rule, Script, Simulator
from dragoman.simulator.connection import MAX_BODY, MAX_PIPELINED
from dragoman.simulator.journal import Entry

DIALECTS = ["openai_chat", "anthropic"]


def heard(fault: Fault, request: bytes, **more: Any) -> tuple[Heard, Entry]:
    """Return what a client hears of an answer with a fault, and the journal's entry."""
    found: list[tuple[Heard, Entry]] = []

    async def one() -> None:
        async with Simulator(Behaviour(tokens=5, faults=(fault,), **more)) as simulator:
            sound = await until_end(simulator, request.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
            await simulator.journal.until(lambda journal: not journal.open)
            found.append((sound, simulator.journal[0]))

    play(one())
    return found[0]


def whole(request: bytes) -> Heard:
    """Return what a client hears without a fault."""
    return heard(Fault("raw"), request)[0]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("at_frame", [None, 0])
def test_a_reset_is_a_reset(dialect: str, at_frame: int | None, *, stream: bool) -> None:
    """The client's kernel is told that the connection is gone, not that the answer is over."""
    sound, entry = heard(Fault("reset", at_frame), ask(dialect, stream=stream))
    assert sound.reset
    assert (entry.outcome, entry.frames, entry.usage) == ("reset", 0, None)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_was_sent_before_a_reset_arrives(dialect: str) -> None:
    """A reset after three frames comes after three frames."""

    async def one() -> None:
        behaviour = Behaviour(tokens=5, faults=(Fault("reset", 3),))
        async with Simulator(behaviour) as simulator, line(simulator) as client:
            client.send(ask(dialect, stream=True))
            for _ in range(3):
                await client.reader.readuntil(b"\n\n\r\n")
            assert (await client.rest()).reset
            assert simulator.journal[0].frames == 3

    play(one())


@pytest.mark.parametrize("stream", [True, False])
def test_a_close_before_the_headers_says_nothing(*, stream: bool) -> None:
    """The line ends in order, and empty."""
    sound, entry = heard(Fault("close"), ask(stream=stream))
    assert sound == Heard(b"", reset=False)
    assert entry.outcome == "cut"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_close_in_a_stream_leaves_out_the_rest(dialect: str) -> None:
    """What was sent is a beginning of the whole, and not even the HTTP body is complete."""
    request = ask(dialect, stream=True)
    sound, entry = heard(Fault("close", 4), request)
    assert whole(request).data.startswith(sound.data)
    assert sound.data.endswith(b"\n\n\r\n")
    assert sound.data.count(b"data: ") == 4
    assert (entry.outcome, entry.frames, sound.reset) == ("cut", 4, False)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_end_without_terminator_is_clean_http(dialect: str) -> None:
    """Only the dialect knows that something is missing."""
    request = ask(dialect, stream=True)
    sound, entry = heard(Fault("end", -1), request)
    assert sound.data.endswith(b"\n\n\r\n0\r\n\r\n")
    assert sound.data.count(b"data: ") == whole(request).data.count(b"data: ") - 1
    assert b"[DONE]" not in sound.data
    assert b"message_stop" not in sound.data
    assert entry.outcome == "cut"


def test_a_connection_goes_on_after_a_clean_end() -> None:
    """An answer that lacks its terminator is still a complete HTTP message."""

    async def one() -> None:
        rules = (Rule(Match(nth=1), Behaviour(faults=(Fault("end", 2),))),)
        async with Simulator(Script(rules=rules)) as simulator, line(simulator) as client:
            client.send(ask(stream=True))
            assert len((await client.answer()).chunks) == 2
            client.send(ask(stream=True))
            assert b"[DONE]" in (await client.answer()).body

    play(one())


@pytest.mark.parametrize("stream", [True, False])
def test_a_truncated_answer_stops_in_the_middle_of_a_frame(*, stream: bool) -> None:
    """Half of a frame comes, then the line ends."""
    request = ask(stream=stream)
    sound, entry = heard(Fault("truncate", 3), request)
    assert whole(request).data.startswith(sound.data)
    assert not sound.data.endswith((b"\n\r\n", b"}"))
    assert sound.body
    assert (entry.outcome, entry.frames) == ("cut", 3 if stream else 0)


def test_truncated_headers() -> None:
    """The head itself may stop in its middle."""
    sound, _ = heard(Fault("truncate"), ask())
    assert sound.data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\n\r\n" not in sound.data


@pytest.mark.parametrize("dialect", DIALECTS)
def test_one_malformed_frame_in_a_sound_stream(dialect: str) -> None:
    """The frame's JSON lacks its end, every other byte is as it should be."""
    request = ask(dialect, stream=True)
    sound, entry = heard(Fault("malformed", 2), request)
    good = whole(request).body.split(b"\n\n")
    bad = sound.body.split(b"\n\n")
    assert [index for index, frame in enumerate(good) if bad[index] != frame] == [2]
    with pytest.raises(json.JSONDecodeError):
        json.loads(bad[2].partition(b"data: ")[2])
    assert entry.outcome == "completed"


def test_a_malformed_unary_answer_has_its_length() -> None:
    """It is HTTP without fault, and no JSON."""
    sound, _ = heard(Fault("malformed", 0), ask())
    assert len(sound.body) == len(whole(ask()).body)
    with pytest.raises(json.JSONDecodeError):
        json.loads(sound.body)


@pytest.mark.parametrize("stream", [True, False])
def test_garbage_is_not_text(*, stream: bool) -> None:
    """The frame is no UTF-8, and HTTP is none the worse."""
    sound, entry = heard(Fault("garbage", 1), ask(stream=stream))
    assert len(sound.data) == len(whole(ask(stream=stream)).data)
    with pytest.raises(UnicodeDecodeError):
        sound.data.decode()
    assert entry.outcome == "completed"


def test_garbage_instead_of_headers_is_not_http() -> None:
    """The first byte is already wrong."""
    sound, entry = heard(Fault("garbage"), ask())
    assert sound.data.startswith(b"\xff")
    assert (len(sound.data), entry.outcome) == (64, "cut")


def test_a_malformed_status_line() -> None:
    """The head is complete and its first line is none."""
    sound, _ = heard(Fault("malformed"), ask())
    assert sound.data.startswith(b"HTTP 200 OK\r\n")


@pytest.mark.parametrize("at_frame", [None, 0, 2])
def test_a_drip_is_the_same_answer(at_frame: int | None) -> None:
    """However slowly the bytes come, they are the bytes."""
    request = ask(stream=True)
    sound, entry = heard(Fault("drip", at_frame, interval_s=0), request)
    assert sound == whole(request)
    assert (entry.outcome, entry.tokens) == ("completed", 5)


def test_a_drip_waits_before_each_byte() -> None:
    """With an interval nobody lives to see, nothing but the bytes before it comes."""

    async def one() -> None:
        behaviour = Behaviour(faults=(Fault("drip", 0, interval_s=3600),))
        async with Simulator(behaviour) as simulator, line(simulator) as client:
            client.send(ask())
            await client.reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0)
            assert simulator.journal.open == 1
            assert simulator.journal[0].frames == 0

    play(one())


def test_raw_bytes_go_on_the_socket_as_they_are() -> None:
    """Before the headers an interim response can be said, as any bytes at all."""
    hints = "HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n"
    sound, entry = heard(Fault("raw", data=hints), ask())
    assert sound.data == hints.encode() + whole(ask()).data
    assert entry.outcome == "completed"


def test_bytes_can_be_injected_into_the_body() -> None:
    """They are a chunk of their own, and characters stand for bytes."""
    sound, _ = heard(Fault("inject", 1, data=": caf\xe9\r\n\r\n"), ask(stream=True))
    assert b"\r\na\r\n: caf\xe9\r\n\r\n\r\n" in sound.data


def test_a_chunk_size_that_is_none() -> None:
    """The chunked coding itself is broken."""
    sound, entry = heard(Fault("bad_chunk", 1), ask(stream=True))
    assert b"\n\n\r\nthis is no size\r\n" in sound.data
    assert entry.outcome == "cut"


@pytest.mark.parametrize("stream", [True, False])
def test_a_length_that_is_not_kept(*, stream: bool) -> None:
    """More is promised than is sent before the line ends."""
    sound, entry = heard(Fault("bad_length", size=500), ask(stream=stream))
    head = sound.data.partition(b"\r\n\r\n")[0].decode()
    promised = int(head.partition("content-length: ")[2].split()[0])
    assert b"transfer-encoding" not in sound.data
    assert promised == 500 + (0 if stream else len(sound.body))
    assert entry.outcome == "cut"


def test_a_big_header() -> None:
    """One header is as large as asked."""
    sound, _ = heard(Fault("big_header", size=200_000), ask())
    assert b"x-padding: " + b"a" * 200_000 + b"\r\n" in sound.data


@pytest.mark.parametrize("stream", [True, False])
def test_a_bomb_unpacks(*, stream: bool) -> None:
    """Few bytes unpack to many, and at their end is the answer."""

    async def one() -> None:
        behaviour = Behaviour(faults=(Fault("bomb", size=1 << 22),))
        async with Simulator(behaviour) as simulator:
            answer = await once(simulator, ask(stream=stream))
            assert answer.header("content-encoding") == "gzip"
            assert len(answer.body) < 20_000
            unpacked = gzip.decompress(answer.body)
            assert unpacked.startswith(b" " * (1 << 22))
            assert (b"[DONE]" if stream else b"chat.completion") in unpacked

    play(one())


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("at_frame", [None, 0])
def test_a_hang_lasts_until_the_client_leaves(at_frame: int | None, *, stream: bool) -> None:
    """Nothing comes and nothing ends; that the client gave up is in the journal."""

    async def one() -> None:
        async with Simulator(Behaviour(faults=(Fault("hang", at_frame),))) as simulator:
            journal = simulator.journal
            async with line(simulator) as client:
                client.send(ask(stream=stream))
                await journal.until(lambda journal: len(journal) > 0 and journal[0].outcome == "hung")
                if at_frame is not None:
                    await client.reader.readuntil(b"\r\n\r\n")
                assert simulator.connections == 1
            await journal.until(lambda journal: not journal.open)
            entry = journal[0]
            assert (entry.outcome, entry.cancelled_at_frame, entry.frames) == ("hung", 0, 0)
            assert (entry.first_at_s is None) is (at_frame is None)

    play(one())


def test_a_hang_after_frames() -> None:
    """The frames before it come, and are counted."""

    async def one() -> None:
        async with Simulator(Behaviour(faults=(Fault("hang", 3),))) as simulator:
            async with line(simulator) as client:
                client.send(ask(stream=True))
                for _ in range(3):
                    await client.reader.readuntil(b"\n\n\r\n")
            await simulator.journal.until(lambda journal: not journal.open)
            assert simulator.journal[0].cancelled_at_frame == 3

    play(one())


def test_faults_follow_each_other() -> None:
    """Several faults at one place happen in the order they are listed."""

    async def one() -> None:
        faults = (Fault("inject", 1, data="first"), Fault("inject", 1, data="second"), Fault("close", 2))
        async with Simulator(Behaviour(faults=faults)) as simulator:
            sound = await until_end(simulator, ask(stream=True))
            assert b"5\r\nfirst\r\n6\r\nsecond\r\n" in sound.data
            assert sound.data.count(b"data: ") == 2

    play(one())


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("gone", ["reset", "shut"])
def test_a_client_that_leaves_mid_stream_is_noticed(dialect: str, gone: str) -> None:
    """However it leaves, the answer ends there, with the frames sent until then."""

    async def one() -> None:
        behaviour = Behaviour(tokens=10**6, tokens_per_s=1000)
        async with Simulator(behaviour) as simulator:
            async with line(simulator) as client:
                client.send(ask(dialect, stream=True, max_tokens=10**6))
                for _ in range(5):
                    await client.reader.readuntil(b"\n\n\r\n")
                if gone == "shut":
                    client.writer.write_eof()
                    await client.rest()
            await simulator.journal.until(lambda journal: not journal.open)
            entry = simulator.journal[0]
            assert entry.outcome == "cancelled"
            assert entry.cancelled_at_frame == entry.frames
            assert 5 <= entry.frames < 10**6
            assert entry.usage is None
            assert 0 < entry.tokens <= entry.frames

    play(one())


def test_a_client_that_leaves_while_it_waits_is_noticed() -> None:
    """Also before the first byte of an answer."""

    async def one() -> None:
        async with Simulator(Behaviour(latency_s=3600)) as simulator:
            async with line(simulator) as client:
                client.send(ask())
                await simulator.journal.until(lambda journal: journal.open == 1)
            await simulator.journal.until(lambda journal: not journal.open)
            assert simulator.journal[0].cancelled_at_frame == 0

    play(one())


def test_a_slow_reader_holds_an_endless_answer_back() -> None:
    """What nobody reads is not written: a hundred million tokens do not pile up in memory."""

    async def one() -> None:
        async with Simulator(Behaviour(tokens=10**8)) as simulator:
            async with line(simulator) as client:
                client.pause()
                client.send(ask(stream=True, max_tokens=10**8))
                await simulator.journal.until(lambda journal: journal.open == 1)
                [connection] = simulator._connections
                while not connection._full:
                    await asyncio.sleep(0)
                held = simulator.journal[0].frames
                client.resume()
                while simulator.journal[0].frames == held:
                    await client.reader.read(65536)
            await simulator.journal.until(lambda journal: not journal.open)
            assert simulator.journal[0].outcome == "cancelled"

    play(one())


def test_pipelined_requests_are_answered_in_order() -> None:
    """Requests sent at once get their answers one after the other, each its own."""

    async def one() -> None:
        count = MAX_PIPELINED * 3
        rules = (Rule(Match(every=2), Behaviour(echo=True, tokens_per_s=5000)),)
        async with Simulator(Script(Behaviour(echo=True), rules)) as simulator, line(simulator) as client:
            client.send(b"".join(ask(text=f"number {n}", stream=n % 3 == 0) for n in range(count)))
            for number in range(count):
                body = (await client.answer()).body
                assert b"number" in body
                assert str(number).encode() in body
            assert simulator.journal.totals.outcomes == {"completed": count}
            assert simulator.accepted == 1

    play(one())


def test_a_request_may_come_in_any_pieces() -> None:
    """Byte by byte it is the same request."""

    async def one() -> None:
        async with Simulator() as simulator, line(simulator) as client:
            for byte in ask():
                client.send(bytes([byte]))
                await client.writer.drain()
            assert (await client.answer()).status == 200

    play(one())


def test_what_is_not_http_is_refused() -> None:
    """Bytes that are no request get a 400, and the line ends."""

    async def one() -> None:
        async with Simulator() as simulator:
            sound = await until_end(simulator, b"this is not HTTP\r\n\r\n")
            assert sound.data.startswith(b"HTTP/1.1 400 ")
            assert len(simulator.journal) == 0

    play(one())


def test_a_body_beyond_the_limit_is_refused() -> None:
    """It is not read to its end."""

    async def one() -> None:
        async with Simulator() as simulator, line(simulator) as client:
            client.send(post("/v1/chat/completions", b"", {"content-length": str(MAX_BODY * 2)}))
            client.send(bytes(MAX_BODY + 1))
            assert b" 413 " in await client.reader.readuntil(b"\r\n\r\n")

    play(one())


def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    """``Expect: 100-continue`` is answered before the body has come."""

    async def one() -> None:
        async with Simulator() as simulator, line(simulator) as client:
            head, _, body = ask().partition(b"\r\n\r\n")
            client.send(head + b"\r\nexpect: 100-continue\r\n\r\n")
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.send(body)
            assert (await client.answer()).status == 200

    play(one())


def test_an_offer_to_upgrade_is_passed_over() -> None:
    """A client that would rather speak HTTP/2 is answered in HTTP/1.1."""

    async def one() -> None:
        async with Simulator() as simulator:
            offer = {"connection": "Upgrade, close", "upgrade": "h2c"}
            request = post("/v1/models", b"", offer, method="GET")
            assert (await once(simulator, request)).status == 200

    play(one())


def test_an_error_mid_stream_ends_the_stream_in_order() -> None:
    """The frames before it, the error as the dialect says it, no terminator that looks like success."""

    async def one() -> None:
        behaviour = Behaviour(error=Error(status=529, message="too much", at_frame=3))
        async with Simulator(behaviour) as simulator:
            for dialect in DIALECTS:
                answer = await once(simulator, ask(dialect, stream=True))
                assert answer.status == 200
                assert b"too much" in answer.body
                assert b"too much" not in b"".join(answer.chunks[:3])
                assert b"message_stop" not in answer.body
                assert b'"finish_reason":"stop"' not in answer.body
            assert simulator.journal.totals.outcomes == {"failed": 2}

    play(one())


def test_closing_ends_what_is_still_going_on() -> None:
    """No connection outlives the simulator."""

    async def one() -> None:
        simulator = Simulator(Behaviour(latency_s=3600))
        async with simulator, line(simulator) as client:
            client.send(ask())
            await simulator.journal.until(lambda journal: journal.open == 1)
            await simulator.close()
            await client.rest()
            assert simulator.connections == 0
            assert simulator.journal[0].outcome == "stopped"

    play(one())
