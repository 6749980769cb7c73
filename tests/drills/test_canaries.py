"""f52: secrets that are looked for everywhere after a gateway has met every way to go right and wrong.

Canaries are sent as provider key, pepper, client keys and prompts, through answers, streams, refusals, faults
of the provider and the operator's pages. Then every log line, answer, metric, page, file of the data folder
and printed object is searched: a key may be in none, but for the one answer that shows it; a prompt only in
what the client itself is told.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from secrets import token_bytes
from typing import Any

import pytest
from tests.house import Answer, House, ask, chat, get, house, message, post

from dragoman.accounts.keys import mint
from dragoman.simulator import Simulator
from dragoman.simulator.script import read

PROVIDER = "canary-of-the-provider-key-8f3a"
PEPPER = "canary-of-the-pepper-0d51-0d51-0d51-0d51"
CLIENT = "canary-of-a-configured-key-51c2"
BOSS = "canary-of-an-admin-key-90b7"
UNKNOWN = "canary-of-an-unknown-key-33e9"
PROMPT = "canary-of-a-prompt-77aa"

PLOT = read(
    {
        "default": {"tokens": 5, "text": "A merchant."},
        "rules": [
            {
                "match": {"model": "quotes"},
                "then": {"error": {"status": 401, "message": f"wrong key: {PROVIDER}"}},
            },
            {"match": {"model": "fails"}, "then": {"error": {"status": 500}}},
            {"match": {"model": "resets"}, "then": {"faults": [{"kind": "reset", "at_frame": 1}]}},
            {"match": {"model": "rambles"}, "then": {"faults": [{"kind": "garbage", "at_frame": 1}]}},
        ],
    }
)
MODELS = ("m", "quotes", "fails", "resets", "rambles")


def requests(secret: str) -> Iterator[bytes]:
    """Yield requests of every kind with this key: right and wrong ones, to every fault of the provider."""
    bearer, bare = {"authorization": f"Bearer {secret}"}, {"x-api-key": secret}
    for model in MODELS:
        for stream in (False, True):
            asked: dict[str, Any] = {"stream": stream}
            yield post("/v1/chat/completions", chat(PROMPT, f"mine/{model}", **asked), bearer)
            yield post("/v1/messages", message(PROMPT, f"mine/{model}", **asked), bare)
            body = {"model": f"mine/{model}", "input": PROMPT, "store": False, **asked}
            yield post("/v1/responses", body, bearer)
        yield post("/chat", {"prompt": PROMPT, "model": f"mine/{model}"}, bearer)
    yield post("/v1/chat/completions", chat(PROMPT, "no-such-model"), bearer)
    yield post("/v1/chat/completions", {"model": "mine/m", "messages": [{"role": PROMPT}]}, bearer)
    yield post("/v1/chat/completions", json.dumps(chat(PROMPT)).encode()[:-3], bearer)
    yield post("/v1/chat/completions", chat(PROMPT, "mine/m", temperature=PROMPT), bearer)
    yield post("/relay/mine/chat/completions", chat(PROMPT, "m"), bearer)
    yield post(f"/v1/chat/completions?key={secret}", chat(PROMPT, "mine/m"))
    yield post("/v1/chat/completions", chat(PROMPT, "mine/m"), {**bearer, "x-api-key": f"{secret}x"})
    yield post("/v1/chat/completions", chat(PROMPT, "mine/m"), {"authorization": f"Basic {secret}"})
    yield post("/v1/chat/completions", chat(PROMPT, "mine/m"), {"x-api-key": f"{secret}damaged"})
    yield post("/admin/keys", {"name": secret}, bearer)
    yield post("/admin/keys", {"name": "x", "secret": secret}, bearer)
    yield get(f"/admin/keys/{secret}", bearer)
    yield get(f"/v1/models/{secret}", bearer)
    yield get(f"/no/such/{secret}?key={secret}")


async def made(gate: House) -> tuple[list[str], list[Answer]]:
    """Make, rotate and revoke keys over HTTP; return their secrets, and the answers that show none."""
    headers = {"authorization": f"Bearer {BOSS}"}
    secrets: list[str] = []
    for path, body in (
        ("/admin/keys", {"name": "alice"}),
        ("/admin/keys/alice/rotate", {}),
        ("/admin/keys", {"name": "bob"}),
    ):
        got = await ask(gate.port, post(path, body, headers))
        assert got.status == 200, got.body
        assert got.body.decode().count(got.json["secret"]) == 1
        assert got.headers["cache-control"] == "no-store"
        secrets.append(got.json["secret"])
    return secrets, [await ask(gate.port, post("/admin/keys/bob/revoke", {}, headers))]


async def pages(gate: House) -> list[Answer]:
    """Return everything the operator can look at."""
    headers = {"authorization": f"Bearer {BOSS}"}
    served = (await ask(gate.port, get("/openapi.json"))).json["paths"]
    paths = [path for path, item in served.items() if "get" in item and "{" not in path]
    assert {"/metrics", "/admin/keys", "/admin/audit", "/stats"} <= set(paths)
    told = [await ask(gate.port, get(path, headers)) for path in paths]
    rows = await gate.rows()
    return [*told, *[await ask(gate.port, get(f"/v1/exchanges/{row.id}", headers)) for row in rows]]


def test_f52_canaries_are_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """No key in anything but the answer that shows it; no prompt in anything that is kept or counted."""
    caplog.set_level(logging.DEBUG)
    hidden = [PROVIDER, PEPPER, CLIENT, BOSS, UNKNOWN]
    answers: list[Answer] = []
    kept: list[str] = []

    async def play() -> None:
        async with Simulator(script=PLOT) as sim:
            providers = {"mine": {"dialect": "openai_chat", "base_url": f"{sim.url}/v1", "key": PROVIDER}}
            keys = {"plain": {"value": CLIENT}, "boss": {"value": BOSS, "role": "admin"}}
            given = {
                "DRAGOMAN_PROVIDERS": json.dumps(providers),
                "DRAGOMAN_KEYS": json.dumps(keys),
                "DRAGOMAN_PEPPER": PEPPER,
                "DRAGOMAN_FILES_TEXT": "none",
                "DRAGOMAN_FILES_FOLDER": str(tmp_path / "data" / "logs"),
                "DRAGOMAN_CACHE_MODE": "off",
                "DRAGOMAN_RELAY_KEYS": "plain,alice",
            }
            async with house(tmp_path, sim.url, **given) as gate:
                secrets, quiet = await made(gate)
                made_up = mint(token_bytes)
                hidden.extend([*secrets, made_up])
                answers.extend(quiet)
                for secret in (CLIENT, BOSS, UNKNOWN, made_up, *secrets):
                    for request in requests(secret):
                        answers.append(await ask(gate.port, request))  # noqa: PERF401
                kept.extend(answer.body.decode("latin-1") for answer in await pages(gate))
                gateway = gate.gateway
                kept.extend(map(repr, (gateway.config, gateway.directory.book, gateway.services.live())))
                kept.extend(map(repr, vars(gateway).values()))

    asyncio.run(asyncio.wait_for(play(), 120))
    assert {200, 400, 401, 404, 502} <= {answer.status for answer in answers}
    assert any(b"A merchant" in answer.body for answer in answers)
    kept.extend(record.getMessage() + str(record.exc_text or "") for record in caplog.records)
    kept.extend(capfd.readouterr())
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert {"dragoman.db", "prompts.json"} <= {path.name for path in files}
    kept.extend(path.read_bytes().decode("latin-1") for path in files)
    told = [f"{answer.headers} {answer.body.decode('latin-1')}" for answer in answers]
    for secret in hidden:
        for text in (*kept, *told):
            assert secret not in text, around(text, secret)
    for text in kept:
        assert PROMPT not in text, around(text, PROMPT)


def around(text: str, secret: str) -> str:
    """Return where a secret was found."""
    at = text.index(secret)
    return text[max(0, at - 200) : at + len(secret) + 100]
