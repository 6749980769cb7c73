"""The wire over redis-py: addresses, refusals, and what must never be said."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.servers import free_port, program, redis_server

from dragoman.core.failure import Failure, Kind
from dragoman.store.redis.driver import dialler
from dragoman.store.redis.wire import Refusal
from dragoman.store.spec import RedisSpec

SECRET = "canary-9f2c"


@pytest.mark.parametrize(
    "url",
    [
        f"http://:{SECRET}@127.0.0.1:1/0",
        f"redis://:{SECRET}@127.0.0.1:port/0",
        f"redis://:{SECRET}@127.0.0.1:1/0?socket_timeout=9",
        f"{SECRET}",
        f"redis://[{SECRET}",
    ],
)
def test_a_wrong_address_is_refused_without_being_told(url: str) -> None:
    """A fault of the configuration names the setting, and holds nothing of the address."""
    with pytest.raises(Failure) as caught:
        dialler(RedisSpec(url=url))
    assert caught.value.kind is Kind.INVALID
    assert caught.value.at == "redis.url"
    assert SECRET not in repr(caught.value)


def test_the_settings_do_not_show_the_password() -> None:
    """What is printed of the settings has no address."""
    assert SECRET not in repr(RedisSpec(url=f"redis://:{SECRET}@127.0.0.1:1/0"))


def test_a_password_is_sent_and_a_wrong_one_never_told(tmp_path: Path) -> None:
    """The right password opens; the wrong one is a 503 that does not hold it, and has no cause that does."""

    async def run(url: str) -> list[Any]:
        wire = dialler(RedisSpec(url=url))(None)
        try:
            await wire.open()
            return await wire.ask([("PING",)])
        finally:
            wire.close()

    with redis_server(tmp_path, "--requirepass", SECRET) as redis:
        good = f"redis://:{SECRET}@127.0.0.1:{redis.port}/0"
        assert asyncio.run(run(good)) == [b"PONG"]
        wrong = f"redis://:{SECRET}-wrong@127.0.0.1:{redis.port}/0"
        with pytest.raises(Failure, match="user or password") as caught:
            asyncio.run(run(wrong))
        assert caught.value.kind is Kind.UNAVAILABLE
        assert SECRET not in repr(caught.value)
        assert caught.value.__suppress_context__
        with pytest.raises(Failure, match="user or password"):
            asyncio.run(run(redis.url))


def test_a_socket_of_this_machine_is_an_address(tmp_path: Path) -> None:
    """`unix://` leads to a server without a port, wherever a cluster would send us."""

    async def run() -> list[Any]:
        wire = dialler(RedisSpec(url=f"unix://{tmp_path}/redis.sock?db=3"))(("127.0.0.1", 1))
        await wire.open()
        answers = await wire.ask([("CLIENT", "INFO")])
        wire.close()
        return answers

    with redis_server(tmp_path, "--unixsocket", str(tmp_path / "redis.sock")):
        [info] = asyncio.run(run())
    assert b" db=3 " in info


def test_over_tls_a_stranger_is_not_talked_to(tmp_path: Path) -> None:
    """`rediss://` wants a certificate that somebody vouches for, and can be told who does."""
    port, certificate, key = str(free_port()), tmp_path / "cert.pem", tmp_path / "key.pem"
    wanted = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=redis"]
    files = ["-keyout", str(key), "-out", str(certificate), "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([program("openssl"), "req", *wanted, *files], check=True, capture_output=True)

    async def run(query: str) -> list[Any]:
        wire = dialler(RedisSpec(url=f"rediss://127.0.0.1:{port}/0{query}"))(None)
        try:
            await wire.open()
            return await wire.ask([("PING",)])
        finally:
            wire.close()

    tls = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no"]
    with redis_server(tmp_path, "--tls-port", port, *tls, "--tls-ca-cert-file", str(certificate)):
        with pytest.raises(Failure, match="cannot be reached"):
            asyncio.run(run(""))
        assert asyncio.run(run(f"?ssl_ca_certs={certificate}")) == [b"PONG"]


def test_refusals_are_values_and_quote_nothing(tmp_path: Path) -> None:
    """A wrong type, a script nobody knows and an unknown command are told by their first word."""

    async def run(url: str) -> list[Any]:
        wire = dialler(RedisSpec(url=url))(None)
        await wire.open()
        answers = await wire.ask(
            [("SET", "a", SECRET), ("LPUSH", "a", SECRET), ("EVALSHA", "0" * 40, 0), (SECRET,), ("GET", "a")]
        )
        assert await wire.fresh()
        wire.close()
        assert not await wire.fresh()
        return answers

    with redis_server(tmp_path) as redis:
        answers = asyncio.run(run(redis.url))
    refusals = [Refusal("WRONGTYPE"), Refusal("NOSCRIPT"), Refusal("ERR")]
    assert answers == [b"OK", *refusals, SECRET.encode()]


def test_what_is_no_redis_is_unavailable() -> None:
    """A server that speaks something else is one that cannot be had."""

    async def run() -> Failure:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        wire = dialler(RedisSpec(url=f"redis://127.0.0.1:{port}/0"))(None)
        try:
            await wire.open()
            with pytest.raises(Failure) as caught:
                await wire.ask([("PING",)])
        finally:
            wire.close()
            server.close()
            await server.wait_closed()
        return caught.value

    assert asyncio.run(run()).kind is Kind.UNAVAILABLE
