"""Who may look and change, and how a page reads and refuses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from secrets import token_bytes

import pytest
from tests.house import ask, get, house, post
from tests.server.admin.test_keys import Office, play

from dragoman.accounts.budgets import BudgetSpec
from dragoman.accounts.keys import mint
from dragoman.core.failure import Failure
from dragoman.server.admin.access import converted
from dragoman.server.admin.keys import KeyBody, Rotation


def test_the_open_gateways_stranger_looks_and_changes_nothing(tmp_path: Path) -> None:
    """Without any key this machine sees the pages; to change one takes the admin key or the command line."""

    async def scene() -> None:
        async with house(tmp_path) as gate:
            assert (await ask(gate.port, get("/admin/keys"))).json == {"keys": []}
            got = await ask(gate.port, post("/admin/keys", {"name": "a"}))
            assert (got.status, got.json["error"]["code"]) == (403, "admin_only")
            assert "command line" in got.json["detail"]
            got = await ask(gate.port, get("/admin/keys", {"origin": "https://example.com"}))
            assert got.status == 403

    asyncio.run(scene())


def test_no_answer_is_kept_by_a_proxy(tmp_path: Path) -> None:
    """Neither what is told nor what is refused; a refusal before the body closes the connection."""

    async def scene(office: Office) -> None:
        for secret in ("sk-boss", "sk-eye", "sk-nobody"):
            got = await office.send("POST", "/admin/keys", {"name": "a"}, secret=secret)
            assert got.headers["cache-control"] == "no-store"
            assert (got.headers.get("connection") == "close") == (secret != "sk-boss")

    play(tmp_path, scene)


def test_a_key_in_the_query_is_no_parameter(tmp_path: Path) -> None:
    """What lets in is not read as a filter."""

    async def scene(office: Office) -> None:
        got = await ask(office.gate.port, get("/admin/audit?key=sk-boss&limit=1"))
        assert got.status == 200

    play(tmp_path, scene)


def test_a_compressed_body_is_refused(tmp_path: Path) -> None:
    """It is not unpacked, whatever is in it."""

    async def scene(office: Office) -> None:
        headers = {"authorization": "Bearer sk-boss", "content-encoding": "gzip"}
        got = await ask(office.gate.port, post("/admin/keys", b"\x1f\x8b", headers))
        assert (got.status, got.json["error"]["at"]) == (400, "content-encoding")

    play(tmp_path, scene)


def test_an_outage_is_503(tmp_path: Path) -> None:
    """The store away: a time to come back, and never 401."""

    async def scene(office: Office) -> None:
        await office.gate.gateway.store.close()
        for method, path in (("GET", "/admin/keys"), ("POST", "/admin/keys"), ("GET", "/admin/audit")):
            got = await office.send(method, path, {"name": "a"} if method == "POST" else None)
            assert got.status == 503, got.body
        got = await office.send("GET", "/v1/models", secret=mint(token_bytes))
        assert (got.status, got.headers["retry-after"]) == (503, "1"), "it may be a key"
        assert (await office.send("GET", "/v1/models", secret="garbage")).status == 401

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("value", "at"), [([], "$"), ({"overlap_s": "x"}, "$.overlap_s"), ({"overlap": 1}, "$")]
)
def test_a_value_is_what_it_should_be_or_has_a_place(value: object, at: str) -> None:
    """The path stands in the failure, its words begin small."""
    with pytest.raises(Failure) as caught:
        converted(value, Rotation)
    assert caught.value.at == at
    assert caught.value.message[0].islower()


@pytest.mark.parametrize(
    ("kind", "value", "at", "words"),
    [
        (KeyBody, {"name": "a", "role": "sk-canary" * 999}, "$.role", "one of admin, member, reader"),
        (BudgetSpec, {"dollars": 1, "period": "sk-canary"}, "$.period", "one of day, month, total, week"),
        (Rotation, {"overlap": 1}, "$", "there is no field `overlap`; there are overlap_s"),
        (KeyBody, {"name": "a", "limits": {"x" * 9999: 1}}, "$.limits", "there are requests_per_minute, "),
        (KeyBody, {"name": "a", "labels": {"role": 1}}, "$.labels[...]", "expected `str`, got `int`"),
    ],
)
def test_a_value_that_may_not_be_is_answered_with_what_may(
    kind: type, value: object, at: str, words: str
) -> None:
    """Its choices or fields are named; what was sent may be a secret in the wrong place and is not echoed."""
    with pytest.raises(Failure) as caught:
        converted(value, kind)
    assert caught.value.at == at
    assert words in caught.value.message
    assert "canary" not in caught.value.message
    assert len(caught.value.message) < 300
