"""What every transport must do with a request, an answer and a connection."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tests.providers.wire import CHUNKED, MIB, OK, Bench, Server, Wire, ask, collect, failing, post, repeat

from dragoman.core.failure import Failure, Kind, Retry
from dragoman.providers.transport import STALE, Deadlines, Limits, Transport

# What goes out


def test_the_request_goes_out_as_given(bench: Bench) -> None:
    """Method, path and query byte for byte; the caller's headers but for those of the connection."""

    async def client(transport: Transport, server: Server) -> None:
        url = server.url.replace("/v1/chat", "/v1/a%2Fb/../c+d")
        headers = {"X-Own": "räksmörgås\t1", "Host": "evil.example", "Accept-Encoding": "gzip, br"}
        headers |= {"Transfer-Encoding": "chunked", "Content-Length": "999", "Connection": "close"}
        upstream = await transport.send("POST", url, headers, b'{"a":1}', deadlines=Deadlines())
        assert await upstream.read() == b"ok"
        await upstream.close()

    server = bench.run(repeat, client)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    fields = {line.split(b": ", 1)[0].lower(): line.split(b": ", 1)[1] for line in lines[1:]}
    assert lines[0] == b"POST /v1/a%2Fb/../c+d?key=canary-secret HTTP/1.1"
    assert body == b'{"a":1}'
    assert len(lines) == len(fields) + 1
    assert fields[b"x-own"].decode() == "räksmörgås\t1"
    assert fields[b"host"] == b"127.0.0.1:%d" % server.port
    assert fields[b"accept-encoding"] == b"identity"
    assert fields[b"content-length"] == b"7"
    assert fields[b"user-agent"].startswith(b"dragoman/")
    assert fields.keys().isdisjoint({b"transfer-encoding", b"connection", b"cookie"})


@pytest.mark.parametrize("size", [0, 1, 65_536, 8 * MIB])
def test_bodies_of_any_size_go_out_whole(bench: Bench, size: int) -> None:
    """From no body at all to one no socket buffer holds."""

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server, b"x" * size)
        assert await upstream.read() == b"ok"
        await upstream.close()

    server = bench.run(repeat, client)
    assert server.requests[0].partition(b"\r\n\r\n")[2] == b"x" * size


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-a", "1\r\nx-evil: 1"),
        ("x-a", "1\nx-evil: 1"),
        ("x-a", "1\r"),
        ("x-a", "nul\x00"),
        ("x-a", "\ud800"),
        ("x a", "1"),
        ("x-a: 1\r\nx-evil", "1"),
        ("", "1"),
    ],
)
def test_a_header_that_would_split_is_refused(bench: Bench, name: str, value: str) -> None:
    """Nothing is sent, and the message holds no value."""

    async def client(transport: Transport, server: Server) -> None:
        with pytest.raises(Failure) as caught:
            await post(transport, server, headers={name: value})
        assert caught.value.kind is Kind.INVALID
        assert "evil" not in str(caught.value)

    assert bench.run(repeat, client).accepted == 0


def test_a_method_that_would_split_is_refused(bench: Bench) -> None:
    """The request line is guarded like the headers."""

    async def client(transport: Transport, server: Server) -> None:
        with pytest.raises(Failure, match="method"):
            await transport.send("GET / HTTP/1.1\r\nx:", server.url, {}, b"", deadlines=Deadlines())

    assert bench.run(repeat, client).accepted == 0


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1/x",
        "ftp://127.0.0.1/x",
        "http:///x",
        "http://user:canary-secret@127.0.0.1/x",
        "http://127.0.0.1/x y",
        "http://127.0.0.1/x\r\nx: y",
        "http://127.0.0.1:99999/x",
        "http://127.0.0.1/x#canary-secret",
        "http://2130706433/x",
    ],
)
def test_what_is_no_url_is_unreachable(bench: Bench, url: str) -> None:
    """An address that cannot be called is a provider that cannot be reached."""

    async def client(transport: Transport, _: Server) -> None:
        with failing(Kind.UPSTREAM, code="upstream_unreachable"):
            await transport.send("POST", url, {}, b"", deadlines=Deadlines())

    bench.run(repeat, client)


def test_no_cookie_is_kept(bench: Bench) -> None:
    """A Set-Cookie has no effect on the next request."""

    async def script(wire: Wire) -> None:
        while True:
            await wire.answer(b"HTTP/1.1 200 OK\r\nset-cookie: a=1\r\ncontent-length: 2\r\n\r\nok")

    async def client(transport: Transport, server: Server) -> None:
        await ask(transport, server)
        await ask(transport, server)

    assert b"cookie" not in bench.run(script, client).requests[1].lower()


def test_no_proxy_is_taken_from_the_environment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment would see every key."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def client(transport: Transport, server: Server) -> None:
        assert await ask(transport, server) == b"ok"

    bench.run(repeat, client)


# What comes back


@pytest.mark.parametrize("drip", [False, True], ids=["whole", "drip"])
@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (OK, 200, b"ok"),
        (CHUNKED + b"2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n", 200, b"abcde"),
        (CHUNKED + b"2\r\nab\r\n0\r\nx-trailer: 1\r\n\r\n", 200, b"ab"),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 200 OK\r\n\r\nno length at all", 200, b"no length at all"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", 200, b"old"),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nold", 200, b"old"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 529 Overloaded\r\ncontent-length: 2\r\n\r\nno", 529, b"no"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-length: 2\r\n\r\nok", 200, b"ok"),
    ],
)
@pytest.mark.parametrize("whole", [True, False], ids=["read", "chunks"])
def test_answers_of_every_framing_are_read(
    bench: Bench, answer: bytes, status: int, body: bytes, *, drip: bool, whole: bool
) -> None:
    """Lengths, chunks, trailers, ends of connection, no body, hints before; in one piece or byte by byte."""

    async def script(wire: Wire) -> None:
        await wire.request()
        for start in range(len(answer) if drip else 1):
            await wire.send(answer[start : start + 1] if drip else answer)
            await asyncio.sleep(0)

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        assert upstream.status == status
        parts: list[bytes] = []
        if whole:
            parts.append(await upstream.read())
        else:
            await collect(upstream, parts)
            assert all(parts)
        assert b"".join(parts) == body
        await upstream.close()

    bench.run(script, client)


def test_header_names_are_lower_case(bench: Bench) -> None:
    """And a name given twice keeps both values."""

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        assert upstream.headers["content-type"] == "text/plain"
        assert upstream.headers["x-two"] == "1, 2"
        await upstream.close()

    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Two: 1\r\nx-two: 2\r\ncontent-length: 0\r\n\r\n"
    bench.run(lambda wire: wire.answer(head), client)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(bench: Bench, status: int) -> None:
    """The caller gets the 3xx; the place it points to gets nothing, above all no key."""
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.setblocking(False)
        target = b"http://127.0.0.1:%d/" % canary.getsockname()[1]
        head = b"HTTP/1.1 %d Moved\r\nlocation: %s\r\ncontent-length: 0\r\n\r\n" % (status, target)

        async def client(transport: Transport, server: Server) -> None:
            upstream = await post(transport, server)
            assert upstream.status == status
            assert upstream.headers["location"].encode() == target
            await upstream.close()

        assert len(bench.run(lambda wire: wire.answer(head), client).requests) == 1
        with pytest.raises(BlockingIOError):
            canary.accept()


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"zstd", b"deflate, gzip"])
def test_a_compressed_answer_is_refused(bench: Bench, coding: bytes) -> None:
    """It was asked for as it is; what is never unpacked cannot be a bomb."""
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: %s\r\ncontent-length: 100\r\n\r\n\x1f\x8b" % coding

    async def script(wire: Wire) -> None:
        await wire.answer(head)
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        with failing(Kind.UPSTREAM):
            await post(transport, server)
        await server.left.wait()

    bench.run(script, client)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000 + b"\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000,
    ],
    ids=["ssh", "status", "header", "negative", "lengths", "upgrade", "line", "lines", "hints"],
)
def test_a_head_that_cannot_be_used_is_refused(bench: Bench, answer: bytes) -> None:
    """Not HTTP, against its rules, or over the limit: the socket is closed, and nothing is tried again."""

    async def script(wire: Wire) -> None:
        await wire.answer(answer)
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        with failing(Kind.UPSTREAM):
            await post(transport, server)
        await server.left.wait()

    assert bench.run(script, client).accepted == 1


def test_an_endless_head_is_cut_at_its_limit(bench: Bench) -> None:
    """Long before the first-byte deadline."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await wire.send(b"x: " + b"a" * 1000 + b"\r\n")

    async def client(transport: Transport, server: Server) -> None:
        with failing(Kind.UPSTREAM):
            await post(transport, server)

    bench.run(script, client)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + b"x" * 101,
        CHUNKED + b"65\r\n" + b"x" * 101 + b"\r\n",
    ],
    ids=["length", "chunked"],
)
def test_a_unary_body_over_its_limit_is_refused(bench: Bench, answer: bytes) -> None:
    """And its socket closed; a stream has no such limit."""

    async def script(wire: Wire) -> None:
        await wire.answer(answer)
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        with failing(Kind.UPSTREAM):
            await upstream.read()
        await server.left.wait()
        await upstream.close()
        upstream = await post(transport, server)
        assert len(await anext(upstream.chunks())) == 101
        await upstream.close()

    bench.run(script, client, limits=Limits(max_body=100))


# The pool


def test_a_connection_is_used_again(bench: Bench) -> None:
    """Ten requests one after another need one connection, whatever the status."""
    answers = [OK, CHUNKED + b"2\r\nok\r\n0\r\n\r\n", b"HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\nok"]

    async def script(wire: Wire) -> None:
        for number in range(10):
            await wire.answer(answers[number % 3])
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        for _ in range(10):
            assert await ask(transport, server) == b"ok"
        assert transport.open_connections == 1

    server = bench.run(script, client)
    assert (server.accepted, len(server.requests)) == (1, 10)


def test_a_connection_the_server_ends_is_not_used_again(bench: Bench) -> None:
    """Connection: close means what it says, even if the server is slow to do it."""

    async def script(wire: Wire) -> None:
        await wire.answer(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        for _ in range(3):
            assert await ask(transport, server) == b"ok"

    assert bench.run(script, client).accepted == 3


def test_two_hundred_at_once(bench: Bench) -> None:
    """Each gets its own answer, no connection too many is made, and all are used again."""
    all_there = asyncio.Barrier(200)

    async def script(wire: Wire) -> None:
        while True:
            body = (await wire.request()).partition(b"\r\n\r\n")[2]
            await all_there.wait()
            await wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
            await wire.send(body)

    async def one(transport: Transport, server: Server, number: int) -> None:
        upstream = await post(transport, server, b"%d" % number * 100)
        assert await upstream.read() == b"%d" % number * 100
        await upstream.close()

    async def client(transport: Transport, server: Server) -> None:
        for _ in range(3):
            async with asyncio.TaskGroup() as group:
                for number in range(200):
                    group.create_task(one(transport, server, number))
            assert transport.open_connections == 200

    server = bench.run(script, client)
    assert server.accepted == 200
    assert len(server.requests) == 600


def test_connections_per_host_are_limited(bench: Bench) -> None:
    """A request over the limit waits for a connection to come back."""

    async def client(transport: Transport, server: Server) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(transport, server)) for _ in range(20)]
        assert [task.result() for task in tasks] == [b"ok"] * 20

    server = bench.run(repeat, client, limits=Limits(connections_per_host=2))
    assert server.accepted <= 2


def test_an_idle_connection_is_closed_after_its_time(bench: Bench) -> None:
    """The pool does not wait for the next request to tidy up."""

    async def script(wire: Wire) -> None:
        await wire.answer()
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        await ask(transport, server)
        await server.left.wait()

    bench.run(script, client, limits=Limits(keepalive_s=0.05))


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_pooled_connection_given_up_is_told_and_replaced(bench: Bench, end: str) -> None:
    """Nothing is sent twice behind the ledger's back; whoever asks next has a connection of his own."""

    async def script(wire: Wire) -> None:
        await wire.answer()
        if wire.number == 1:
            await wire.request()
            if end == "reset":
                wire.reset()

    async def client(transport: Transport, server: Server) -> None:
        assert await ask(transport, server) == b"ok"
        with failing(Kind.UPSTREAM, Retry.AGAIN, STALE):
            await ask(transport, server)
        assert await ask(transport, server) == b"ok"

    server = bench.run(script, client)
    assert (server.accepted, len(server.requests)) == (2, 3)


def test_it_is_replaced_by_a_new_one_though_others_are_pooled(bench: Bench) -> None:
    """Where one pooled connection was given up, the others may be, too."""
    pair = asyncio.Barrier(2)

    async def script(wire: Wire) -> None:
        await wire.request()
        if wire.number <= 2:
            await pair.wait()
        await wire.send(OK)
        if wire.number <= 2:
            await wire.request()

    async def client(transport: Transport, server: Server) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(ask(transport, server))
        with failing(Kind.UPSTREAM, Retry.AGAIN, STALE):
            await ask(transport, server)
        assert await ask(transport, server) == b"ok"

    server = bench.run(script, client)
    assert (server.accepted, len(server.requests)) == (3, 4)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_new_connection_lost_is_not_replaced(bench: Bench, method: str) -> None:
    """The provider may have begun to work: whether to ask again is the line's decision."""

    async def client(transport: Transport, server: Server) -> None:
        with failing(Kind.UPSTREAM, Retry.AGAIN, "upstream_disconnected"):
            await transport.send(method, server.url, {}, b"", deadlines=Deadlines())

    assert bench.run(Wire.request, client).accepted == 1


def test_a_loss_on_the_new_one_is_the_providers_own(bench: Bench) -> None:
    """It may have begun to work on that request; what it never read it cannot have."""

    async def script(wire: Wire) -> None:
        if wire.number == 1:
            await wire.answer()
        await wire.request()

    async def client(transport: Transport, server: Server) -> None:
        await ask(transport, server)
        with failing(Kind.UPSTREAM, Retry.AGAIN, STALE):
            await ask(transport, server)
        with failing(Kind.UPSTREAM, Retry.AGAIN, "upstream_disconnected"):
            await ask(transport, server)

    server = bench.run(script, client)
    assert (server.accepted, len(server.requests)) == (2, 3)


@pytest.mark.parametrize("seen", [b"H", b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 103 Early Hints\r\n\r\n"])
@pytest.mark.parametrize("end", ["close", "reset"])
def test_an_answer_begun_is_not_asked_for_again(bench: Bench, seen: bytes, end: str) -> None:
    """One byte of it, or a hint, shows that the pooled connection was alive."""

    async def script(wire: Wire) -> None:
        await wire.answer()
        await wire.answer(seen)
        if end == "reset":
            wire.reset()

    async def client(transport: Transport, server: Server) -> None:
        await ask(transport, server)
        with failing(Kind.UPSTREAM, Retry.AGAIN, "upstream_disconnected"):
            await ask(transport, server)

    server = bench.run(script, client)
    assert (server.accepted, len(server.requests)) == (1, 2)


EVIL = OK.replace(b"ok", b"no")


@pytest.mark.parametrize("words", [EVIL, EVIL[:20]], ids=["whole", "begun"])
def test_words_on_an_idle_connection_are_no_answer(bench: Bench, words: bytes) -> None:
    """What the server says unasked would be taken for the next answer: the connection is dropped."""

    async def script(wire: Wire) -> None:
        await wire.answer()
        if wire.number == 1:
            await wire.server.idle.wait()
            await wire.send(words)
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        assert await ask(transport, server) == b"ok"
        server.idle.set()
        await server.left.wait()
        assert await ask(transport, server) == b"ok"

    assert bench.run(script, client).accepted == 2


@pytest.mark.parametrize("split", [0, len(OK) - 1, len(OK)])
def test_a_second_answer_is_no_answer(bench: Bench, split: int) -> None:
    """Two answers to one request, in one packet or two: the next request gets its own."""

    async def script(wire: Wire) -> None:
        await wire.request()
        if wire.number == 1:
            await wire.send((OK + EVIL)[:split])
            if split:
                await wire.server.idle.wait()
            await wire.send((OK + EVIL)[split:])
            await wire.gone()
        await wire.send(OK)

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        server.idle.set()
        assert await upstream.read() == b"ok"
        await upstream.close()
        await server.left.wait()
        assert await ask(transport, server) == b"ok"

    assert bench.run(script, client).accepted == 2
