"""A request refused before it can be read: it counts and it is booked, a stranger's is neither."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.house import ask, house, post

PATHS = ("/v1/chat/completions", "/v1/messages", "/chat", "/stream", "/v1/images/generations")


@pytest.mark.parametrize("path", PATHS)
def test_a_broken_body_counts_and_is_booked(tmp_path: Path, path: str) -> None:
    """With the ids and the limit in its headers, as on any answer; the third is over the limit."""

    async def play() -> None:
        keys = {"API_KEYS": "sk-a", "MAX_REQUESTS_PER_MINUTE": "2", "DRAGOMAN_SERVER_MAX_BODY": "2048"}
        async with house(tmp_path, "", **keys) as gate:
            key = {"authorization": "Bearer sk-a", "x-request-id": "mine"}
            large = post(path, b'"' + b"x" * 3000 + b'"', key)
            got = [await ask(gate.port, large) for _ in range(3)]
            assert [one.status for one in got] == [413, 413, 429]
            assert {one.headers["x-request-id"] for one in got} == {"mine"}
            assert got[0].headers["x-ratelimit-remaining"] == "1"
            assert got[0].headers["connection"] == "close"
            rows = await gate.rows(3)
            assert [(row.status, row.state, row.attempts) for row in rows] == [
                (413, "failed", 0),
                (413, "failed", 0),
                (429, "failed", 0),
            ]
            assert [row.id for row in rows] == [one.headers["x-dragoman-id"] for one in got]

    asyncio.run(play())


def test_a_stranger_hears_that_it_is_one(tmp_path: Path) -> None:
    """Nothing of it is read, counted or booked."""

    async def play() -> None:
        async with house(tmp_path, "", API_KEYS="sk-a") as gate:
            got = await ask(gate.port, post("/v1/chat/completions", b"{", {"authorization": "Bearer no"}))
            assert got.status == 401
            assert await gate.rows() == []

    asyncio.run(play())
