"""Limits on the socket itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.house import answer, ask, get, house


def test_a_head_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    """A silent connection and half a head are both closed; others are served meanwhile."""

    async def play() -> None:
        async with house(tmp_path, DRAGOMAN_SERVER_HEADER_TIMEOUT_S="0.1") as gate:
            silent, silent_writer = await asyncio.open_connection("127.0.0.1", gate.port)
            half, half_writer = await asyncio.open_connection("127.0.0.1", gate.port)
            half_writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ")
            assert (await ask(gate.port, get("/health"))).status == 200
            for reader, writer in ((silent, silent_writer), (half, half_writer)):
                got = await answer(reader)
                assert got.status == 408
                assert "not sent in time" in got.json["error"]["message"]
                assert await reader.read() == b""
                writer.close()

    asyncio.run(asyncio.wait_for(play(), 20))


def test_a_second_head_on_a_kept_connection_has_a_deadline_too(tmp_path: Path) -> None:
    """The deadline starts with the first byte of the next request, not with the idle time before it."""

    async def play() -> None:
        async with house(tmp_path, DRAGOMAN_SERVER_HEADER_TIMEOUT_S="0.1") as gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            writer.write(get("/health"))
            assert (await answer(reader)).status == 200
            writer.write(b"GET /health HTTP/1.1\r\n")
            assert (await answer(reader)).status == 408
            writer.close()

    asyncio.run(asyncio.wait_for(play(), 20))


def test_a_head_without_end_is_cut_off(tmp_path: Path) -> None:
    """More than 64 KiB of headers are refused as they come."""

    async def play() -> None:
        async with house(tmp_path) as gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            writer.write(b"GET /health HTTP/1.1\r\n")
            for number in range(80):
                writer.write(b"x-%d: %s\r\n" % (number, b"a" * 1000))
            got = await answer(reader)
            assert got.status == 431
            writer.close()

    asyncio.run(asyncio.wait_for(play(), 20))


def test_a_large_body_is_no_large_head(tmp_path: Path) -> None:
    """Bytes after the head are the body's, however they are cut."""

    async def play() -> None:
        async with house(tmp_path) as gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            body = b" " * 300_000 + b"{}"
            head = (
                f"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            got = await answer(reader)
            assert got.status == 400
            assert "model" in got.json["error"]["message"]
            writer.close()

    asyncio.run(asyncio.wait_for(play(), 20))
