"""What every transport must do when it goes wrong: slow readers, cuts, deadlines, leaving, TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from tests.providers.wire import (
    CHUNKED,
    GUARD_S,
    MIB,
    PATH,
    Bench,
    Server,
    Wire,
    ask,
    collect,
    failing,
    post,
    repeat,
)

from dragoman.core.failure import Failure, Kind
from dragoman.providers.transport import AiohttpTransport, Deadlines, Transport

# Back-pressure


def test_an_answer_nobody_reads_pauses_its_socket(bench: Bench) -> None:
    """Of 64 MiB only what the buffers of kernel and reader hold leaves the server until somebody reads."""
    sent = 0

    async def script(wire: Wire) -> None:
        nonlocal sent
        await wire.answer(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (64 * MIB))
        for _ in range(64 * 16):
            await wire.send(b"x" * (MIB // 16))
            sent += MIB // 16

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        for _ in range(20_000):
            await asyncio.sleep(0)  # each turn lets an unbounded reader read
        assert sent < 24 * MIB
        size = 0
        async for chunk in upstream.chunks():
            size += len(chunk)
        assert size == 64 * MIB
        await upstream.close()

    bench.run(script, client)


def test_an_answer_nobody_reads_can_be_left(bench: Bench) -> None:
    """A paused socket closes like any other."""

    async def script(wire: Wire) -> None:
        await wire.answer(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (64 * MIB))
        try:
            await wire.send(b"x" * (64 * MIB))
        finally:
            wire.server.left.set()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        await anext(upstream.chunks())
        await upstream.close()
        await server.left.wait()

    bench.run(script, client)


# Faults of an answer


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize(
    ("begun", "came"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", b""),
        (CHUNKED + b"3\r\nabc\r\n", b"abc"),
        (CHUNKED + b"9\r\nabc", b"abc"),
        (CHUNKED + b"3\r\nabc\r\n0\r\n", b"abc"),
    ],
    ids=["length", "nothing", "chunk", "inside", "last"],
)
def test_a_body_cut_short_is_truncated(bench: Bench, begun: bytes, came: bytes, end: str) -> None:
    """However it breaks off, what came before is delivered and the end is a failure."""

    async def script(wire: Wire) -> None:
        await wire.answer(begun)
        await wire.server.idle.wait()
        if end == "reset":
            wire.reset()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        parts: list[bytes] = []
        if came:
            parts.append(await anext(upstream.chunks()))
        server.idle.set()
        with failing(Kind.TRUNCATED):
            await collect(upstream, parts)
        assert b"".join(parts) == came
        with failing(Kind.TRUNCATED):
            await upstream.read()
        await upstream.close()

    bench.run(script, client)


@pytest.mark.parametrize("garbled", [b"zz\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"\r\n", b"fffffffffffffffff\r\n"])
def test_a_body_with_broken_framing_is_truncated(bench: Bench, garbled: bytes) -> None:
    """Nobody can say where such a body ends: it is a failure, and the socket is closed."""

    async def script(wire: Wire) -> None:
        await wire.answer(CHUNKED + b"3\r\nabc\r\n")
        await wire.server.idle.wait()
        await wire.send(garbled)
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        assert await anext(upstream.chunks()) == b"abc"
        server.idle.set()
        with failing(Kind.TRUNCATED):
            await upstream.read()
        await server.left.wait()
        await upstream.close()

    bench.run(script, client)


def test_a_reset_does_not_end_a_body(bench: Bench) -> None:
    """A body without length ends with its connection, but not with a broken one."""

    async def script(wire: Wire) -> None:
        await wire.answer(b"HTTP/1.1 200 OK\r\n\r\nabc")
        await wire.server.idle.wait()
        wire.reset()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        assert await anext(upstream.chunks()) == b"abc"
        server.idle.set()
        with failing(Kind.TRUNCATED):
            await upstream.read()
        await upstream.close()

    bench.run(script, client)


def test_what_came_before_a_cut_is_delivered_though_nobody_waited(bench: Bench) -> None:
    """A slow reader gets the bytes first and the failure after them."""

    async def script(wire: Wire) -> None:
        await wire.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        while transport.open_connections:
            await asyncio.sleep(0)
        parts: list[bytes] = []
        with failing(Kind.TRUNCATED):
            await collect(upstream, parts)
        assert parts == [b"abc"]
        await upstream.close()

    bench.run(script, client)


def test_a_refusal_that_comes_early_is_read(bench: Bench) -> None:
    """A server that answers before it took the whole body is understood all the same."""

    async def script(wire: Wire) -> None:
        await wire.reader.readuntil(b"\r\n\r\n")
        await wire.send(b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno")
        await wire.server.left.wait()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server, b"x" * (32 * MIB))
        assert upstream.status == 413
        assert await upstream.read() == b"no"
        await upstream.close()
        server.left.set()

    bench.run(script, client)


# Deadlines


@pytest.mark.parametrize(
    ("deadlines", "begun"),
    [
        (Deadlines(first_byte_s=0.05), b""),
        (Deadlines(first_byte_s=0.05), b"HTTP/1.1 200 OK\r\nx: "),
        (Deadlines(first_byte_s=0.05), b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (Deadlines(total_s=0.05), b""),
    ],
)
def test_a_head_that_does_not_come_in_time(bench: Bench, deadlines: Deadlines, begun: bytes) -> None:
    """Silence, half a head or a hint: the deadline closes the socket."""

    async def script(wire: Wire) -> None:
        await wire.answer(begun)
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        with failing(Kind.TIMEOUT, code="first_byte_timeout"):
            await post(transport, server, deadlines=deadlines)
        await server.left.wait()

    bench.run(script, client)


def test_a_body_that_stops_coming(bench: Bench) -> None:
    """The idle deadline runs between chunks; what came is delivered, then the socket is closed."""

    async def script(wire: Wire) -> None:
        await wire.answer(CHUNKED + b"3\r\nabc\r\n")
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server, deadlines=Deadlines(idle_s=0.05))
        parts: list[bytes] = []
        with failing(Kind.TIMEOUT, code="idle_timeout"):
            await collect(upstream, parts)
        assert parts == [b"abc"]
        await server.left.wait()
        await upstream.close()

    bench.run(script, client)


def test_a_body_that_never_ends(bench: Bench) -> None:
    """A drip keeps the idle deadline away and not the total one."""

    async def script(wire: Wire) -> None:
        await wire.answer(CHUNKED)
        while True:
            await wire.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.005)  # the pace of the drip

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server, deadlines=Deadlines(idle_s=30, total_s=0.2))
        with failing(Kind.TIMEOUT, code="total_timeout"):
            await upstream.read()
        await upstream.close()

    bench.run(script, client)


def test_a_slow_reader_is_not_an_idle_provider(bench: Bench) -> None:
    """The idle deadline runs only while somebody wants to read."""

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server, deadlines=Deadlines(idle_s=0.05))
        await asyncio.sleep(0.2)  # longer than the deadline under test
        assert await upstream.read() == b"ok"
        await upstream.close()

    bench.run(repeat, client)


def test_a_connection_nobody_accepts(bench: Bench) -> None:
    """A listener whose queue is full drops the SYN: unreachable once connect_s is over."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())

        async def client(transport: Transport, _: Server) -> None:
            url = f"http://127.0.0.1:{full.getsockname()[1]}{PATH}"
            with failing(Kind.UPSTREAM, code="upstream_unreachable"):
                await transport.send("POST", url, {}, b"", deadlines=Deadlines(connect_s=0.1))
            assert transport.open_connections == 0

        bench.run(repeat, client)


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "nowhere.invalid", "[::ffff:127.0.0.1]:{port}"])
def test_who_is_not_there_is_unreachable(bench: Bench, host: str) -> None:
    """Refused, or a name that does not resolve: nothing was sent, another target may do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://{host.format(port=taken.getsockname()[1])}{PATH}"

        async def client(transport: Transport, _: Server) -> None:
            with failing(Kind.UPSTREAM, code="upstream_unreachable"):
                await transport.send("POST", url, {}, b"", deadlines=Deadlines())

        bench.run(repeat, client)


def test_a_slow_name_server_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one look-up hangs, the loop goes on and connect_s holds."""
    answer = threading.Event()

    def hang(*_: object, **__: object) -> None:
        answer.wait(GUARD_S)
        raise socket.gaierror(socket.EAI_NONAME, "too late")

    async def main() -> None:
        transport = AiohttpTransport()
        try:
            with failing(Kind.UPSTREAM, code="upstream_unreachable"):
                await transport.send(
                    "POST", f"http://slow.example{PATH}", {}, b"", deadlines=Deadlines(connect_s=0.05)
                )
        finally:
            answer.set()
            await transport.close()

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    asyncio.run(main())


# Leaving


async def _cancelled(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_cancelling_before_the_head_closes_the_socket(bench: Bench) -> None:
    """The server sees it at once, and nothing is left."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        task = asyncio.get_running_loop().create_task(ask(transport, server))
        await server.asked.wait()
        await _cancelled(task)
        await server.left.wait()
        assert transport.open_connections == 0

    bench.run(script, client)


@pytest.mark.parametrize("reading", ["read", "chunks"])
def test_cancelling_inside_the_body_closes_the_socket(bench: Bench, reading: str) -> None:
    """Even before anybody calls close."""

    async def script(wire: Wire) -> None:
        await wire.answer(CHUNKED + b"3\r\nabc\r\n")
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        parts: list[bytes] = []
        waits = upstream.read() if reading == "read" else collect(upstream, parts)
        task: asyncio.Task[object] = asyncio.get_running_loop().create_task(waits)
        await asyncio.sleep(0)
        await _cancelled(task)
        await server.left.wait()
        assert transport.open_connections == 0
        await upstream.close()

    bench.run(script, client)


def test_cancelling_an_upload_does_not_finish_it(bench: Bench) -> None:
    """What the server did not take yet is thrown away, not flushed."""
    size = 64 * MIB

    async def script(wire: Wire) -> None:
        await wire.reader.readuntil(b"\r\n\r\n")
        wire.server.asked.set()
        await wire.server.idle.wait()
        assert await wire.gone() < size

    async def client(transport: Transport, server: Server) -> None:
        task: asyncio.Task[object] = asyncio.get_running_loop().create_task(
            post(transport, server, b"x" * size)
        )
        await server.asked.wait()
        await _cancelled(task)
        server.idle.set()
        await server.left.wait()
        assert transport.open_connections == 0

    bench.run(script, client)


def test_cancelling_while_connecting_leaves_nothing(bench: Bench) -> None:
    """A TLS handshake that never ends is let go as well."""

    async def script(wire: Wire) -> None:
        await wire.reader.read(1)
        wire.server.asked.set()
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        server.scheme = "https"
        task = asyncio.get_running_loop().create_task(ask(transport, server))
        await server.asked.wait()
        await _cancelled(task)
        await server.left.wait()
        assert transport.open_connections == 0

    bench.run(script, client)


def test_closing_before_the_end_closes_the_socket(bench: Bench) -> None:
    """That is how a provider learns that nobody listens any more; closing twice is fine."""

    async def script(wire: Wire) -> None:
        await wire.answer(CHUNKED + b"3\r\nabc\r\n")
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        assert await anext(upstream.chunks()) == b"abc"
        await upstream.close()
        await server.left.wait()
        await upstream.close()
        assert transport.open_connections == 0

    bench.run(script, client)


def test_closing_after_the_end_keeps_the_connection(bench: Bench) -> None:
    """And closing again later does not touch it."""

    async def client(transport: Transport, server: Server) -> None:
        first = await post(transport, server)
        assert await first.read() == b"ok"
        await first.close()
        second = await post(transport, server)
        await first.close()
        assert await second.read() == b"ok"
        await second.close()

    assert bench.run(repeat, client).accepted == 1


def test_closing_the_transport_ends_what_is_under_way(bench: Bench) -> None:
    """Answers fail instead of hanging, and nothing is sent any more."""

    async def script(wire: Wire) -> None:
        await wire.answer(CHUNKED + b"3\r\nabc\r\n")
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        upstream = await post(transport, server)
        assert await anext(upstream.chunks()) == b"abc"
        task = asyncio.get_running_loop().create_task(upstream.read())
        await asyncio.sleep(0)
        await transport.close()
        with failing(Kind.TRUNCATED):
            await task
        with pytest.raises(Failure) as caught:
            await post(transport, server)
        assert caught.value.kind is Kind.UNAVAILABLE

    assert bench.run(script, client).accepted == 1


# TLS


def _openssl(folder: Path, *arguments: str) -> None:
    try:
        subprocess.run(("openssl", *arguments), cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl command here to make a certificate with: TLS is not tested")


def _certificate(folder: Path, host: str, *, expired: bool = False) -> ssl.SSLContext:
    """Make a certificate of its own authority, in cert.pem; return the server's context."""
    key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        "key.pem",
        "-subj",
        "/CN=test",
    ]
    if expired:
        # Only the certificate authority of openssl 3.0 can sign for the past.
        (folder / "index").touch()
        (folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\nrand_serial=1\ndefault_md=sha256\n"
            f"policy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName={host}\n"
        )
        _openssl(folder, "req", "-new", *key, "-out", "request.pem")
        past = ["-startdate", "20200101000000Z", "-enddate", "20200102000000Z"]
        files = ["-config", "ca.cnf", "-keyfile", "key.pem", "-in", "request.pem", "-out", "cert.pem"]
        _openssl(folder, "ca", "-selfsign", "-batch", "-notext", *files, *past)
    else:
        _openssl(folder, "req", "-x509", *key, "-out", "cert.pem", "-addext", f"subjectAltName={host}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def test_tls_to_a_trusted_server(bench: Bench, tmp_path: Path) -> None:
    """Requests go through, connections are kept, and leaving closes at once."""
    theirs = _certificate(tmp_path, "IP:127.0.0.1")
    ours = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))

    async def script(wire: Wire) -> None:
        await wire.answer()
        await wire.answer(CHUNKED + b"3\r\nabc\r\n")
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        assert await ask(transport, server) == b"ok"
        upstream = await post(transport, server)
        assert await anext(upstream.chunks()) == b"abc"
        await upstream.close()
        await server.left.wait()

    assert bench.run(script, client, tls=(theirs, ours)).accepted == 1


@pytest.mark.parametrize("fault", ["self-signed", "wrong host", "expired", "old protocol"])
def test_tls_to_an_untrusted_server(bench: Bench, tmp_path: Path, fault: str) -> None:
    """Nothing is sent to a server that cannot prove who it is, or only in an old way."""
    host = "DNS:other.example" if fault == "wrong host" else "IP:127.0.0.1"
    theirs = _certificate(tmp_path, host, expired=fault == "expired")
    if fault == "old protocol":
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            theirs.maximum_version = ssl.TLSVersion.TLSv1_1
    ours = None if fault == "self-signed" else ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))

    async def client(transport: Transport, server: Server) -> None:
        with failing(Kind.UPSTREAM, code="upstream_tls"):
            await post(transport, server)

    assert bench.run(repeat, client, tls=(theirs, ours)).requests == []


def test_tls_to_a_server_without_it(bench: Bench) -> None:
    """An https address served in plain text is a TLS failure."""

    async def script(wire: Wire) -> None:
        await wire.reader.read(1)
        await wire.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        await wire.gone()

    async def client(transport: Transport, server: Server) -> None:
        server.scheme = "https"
        with failing(Kind.UPSTREAM, code="upstream_tls"):
            await post(transport, server)

    bench.run(script, client)
