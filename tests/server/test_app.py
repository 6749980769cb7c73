"""What is served where, and how an unknown path is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.house import ask, get, house, post


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nope", 404),
        ("GET", "/v1/chat/completions", 405),
        ("GET", "/v1/messages", 405),
        ("POST", "/health", 405),
        ("POST", "/v1//chat/completions", 404),
        ("POST", "/v1/chat/completions/", 404),
        ("GET", "/..;/health", 404),
    ],
)
def test_unknown_paths_and_methods_are_refused_in_words(
    tmp_path: Path, method: str, path: str, status: int
) -> None:
    """JSON in the shape the path's dialect uses; 405 names the methods there are."""

    async def play() -> None:
        async with house(tmp_path) as gate:
            request = get(path) if method == "GET" else post(path, {})
            got = await ask(gate.port, request)
            assert got.status == status
            assert got.json["error"]["message"]
            assert ("type" in got.json) == (path == "/v1/messages")
            if status == 405:
                assert got.headers["allow"]

    asyncio.run(play())
