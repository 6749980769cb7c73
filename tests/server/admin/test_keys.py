"""``/admin/keys``: from the first secret to the last refusal, over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.house import Answer, House, ask, chat, house, post

from dragoman.accounts.keys import well_formed
from dragoman.simulator import Simulator

KEYS = json.dumps(
    {"boss": {"value": "sk-boss", "role": "admin"}, "eye": {"value": "sk-eye", "role": "reader"}}
)


class Office:
    """A gateway, and an admin who asks it."""

    def __init__(self, gate: House) -> None:
        self.gate = gate

    async def send(self, method: str, path: str, body: Any = None, *, secret: str = "sk-boss") -> Answer:
        """Send a request with a key."""
        headers = {"authorization": f"Bearer {secret}"}
        raw = post(path, b"" if body is None else body, headers)
        return await ask(self.gate.port, raw.replace(b"POST", method.encode(), 1))

    async def made(self, name: str, **terms: Any) -> str:
        """Make a key; return its secret."""
        got = await self.send("POST", "/admin/keys", {"name": name, **terms})
        assert got.status == 200, got.body
        secret: str = got.json["secret"]
        return secret

    async def asked(self, secret: str) -> int:
        """Return what becomes of a request with a key."""
        got = await ask(
            self.gate.port, post("/v1/chat/completions", chat(), {"authorization": f"Bearer {secret}"})
        )
        return got.status


def play(folder: Path, scene: Callable[[Office], Awaitable[None]]) -> None:
    """Run `scene` in the office of a gateway."""

    async def run() -> None:
        async with Simulator() as sim, house(folder, sim.url, DRAGOMAN_KEYS=KEYS) as gate:
            await scene(Office(gate))

    asyncio.run(asyncio.wait_for(run(), 60))


def test_a_key_lives(tmp_path: Path) -> None:
    """Made it works, rotated both its secrets do, revoked neither: each at the very next request."""

    async def scene(office: Office) -> None:
        first = await office.made("alice")
        assert well_formed(first)
        assert await office.asked(first) == 200
        got = await office.send("POST", "/admin/keys/alice/rotate")
        second = got.json["secret"]
        assert [await office.asked(secret) for secret in (first, second)] == [200, 200]
        got = await office.send("POST", "/admin/keys/alice/rotate", {"overlap_s": 0})
        third = got.json["secret"]
        assert [await office.asked(secret) for secret in (first, second, third)] == [401, 401, 200]
        got = await office.send("POST", "/admin/keys/alice/revoke", {})
        assert got.json["status"] == "revoked"
        assert await office.asked(third) == 401
        listed = (await office.send("GET", "/admin/keys", secret="sk-eye")).json["keys"]
        assert [key["name"] for key in listed] == ["alice", "boss", "eye"]
        assert not any(secret in str(listed) for secret in (first, second, third))

    play(tmp_path, scene)


def test_a_change_is_of_what_is_given(tmp_path: Path) -> None:
    """The rest stays; null takes off; the key is held to it at once."""

    async def scene(office: Office) -> None:
        secret = await office.made("alice", models=["nothing"], expires="2099-01-01", limits={"parallel": 2})
        assert await office.asked(secret) == 403
        got = await office.send("PATCH", "/admin/keys/alice", {"models": [], "expires": None})
        assert (got.json["models"], got.json["expires_at"]) == ([], None)
        assert got.json["limits"]["parallel"] == 2
        assert await office.asked(secret) == 200
        await office.send("PATCH", "/admin/keys/alice", {"role": "reader"})
        assert await office.asked(secret) == 403
        got = await office.send("PATCH", "/admin/keys/alice", {})
        assert (got.status, got.json["role"]) == (200, "reader")

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("body", "status", "at"),
    [
        ({}, 400, "$"),
        ([], 400, "$"),
        (b'{"name":"a","name":"b"}', 400, "$.name"),
        (b"{", 400, "$"),
        ({"name": "a", "rights": []}, 400, "$"),
        ({"name": 5}, 400, "$.name"),
        ({"name": "a b"}, 400, "$.name"),
        ({"name": "a", "role": "god"}, 400, "$.role"),
        ({"name": "a", "expires": "soon"}, 400, "$.expires"),
        ({"name": "a", "expires": 5}, 400, "$.expires"),
        ({"name": "a", "team": "nobody"}, 400, "$.team"),
        ({"name": "a", "limits": {"parallel": -1}}, 400, "$.limits.parallel"),
        ({"name": "a", "limits": {"per_week": 1}}, 400, "$.limits"),
        ({"name": "a", "models": ["a", ""]}, 400, "$.models[1]"),
        ({"name": "admin"}, 409, "$.name"),
        ({"name": "boss"}, 409, "$.name"),
        ({"name": "x" * (1 << 20)}, 413, None),
    ],
)
def test_a_fault_has_its_place(tmp_path: Path, body: Any, status: int, at: str | None) -> None:
    """The JSON path of what is wrong, in the words of the surfaces; and nothing is made."""

    async def scene(office: Office) -> None:
        got = await office.send("POST", "/admin/keys", body)
        assert (got.status, got.json["error"]["at"]) == (status, at), got.body
        assert got.json["detail"] == got.json["error"]["message"]
        assert (await office.send("GET", "/admin/audit")).json == {"entries": [], "before": None}

    play(tmp_path, scene)


def test_ones_own_key_wants_a_second_word(tmp_path: Path) -> None:
    """An admin's key that revokes itself has to name itself; the first admin key cannot be revoked at all."""

    async def scene(office: Office) -> None:
        secret = await office.made("second", role="admin")
        got = await office.send("POST", "/admin/keys/second/revoke", secret=secret)
        assert (got.status, got.json["error"]["at"]) == (400, "$.confirm")
        got = await office.send("PATCH", "/admin/keys/second", {"role": "member"}, secret=secret)
        assert (got.status, got.json["error"]["at"]) == (400, "$.confirm")
        got = await office.send("POST", "/admin/keys/second/revoke", {"confirm": "second"}, secret=secret)
        assert got.status == 200
        assert (await office.send("GET", "/admin/keys", secret=secret)).status == 401
        assert (await office.send("POST", "/admin/keys/admin/revoke", {})).status == 404
        entries = (await office.send("GET", "/admin/audit")).json["entries"]
        assert [(entry["actor"], entry["action"]) for entry in entries] == [
            ("second", "key.revoke"),
            ("boss", "key.create"),
        ]

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/admin/keys/nobody", 404),
        ("PATCH", "/admin/keys/nobody", 404),
        ("POST", "/admin/keys/nobody/rotate", 404),
        ("POST", "/admin/keys/nobody/revoke", 404),
        ("PATCH", "/admin/keys/boss", 409),
        ("POST", "/admin/keys/eye/rotate", 409),
        ("POST", "/admin/keys/eye/revoke", 409),
        ("DELETE", "/admin/keys/eye", 405),
    ],
)
def test_what_is_not_there_or_not_ours_to_change(tmp_path: Path, method: str, path: str, status: int) -> None:
    """404 where there is none, 409 for the configuration's, 405 for what nobody takes."""

    async def scene(office: Office) -> None:
        assert (await office.send(method, path, {} if method != "GET" else None)).status == status

    play(tmp_path, scene)


ODD = (
    "a/b",
    "a b",
    "a%b",
    "a?b",
    "a#b",
    "\u00fcn\u00ef\U0001f989",
    "..",
    ".",
    "a\\b",
    "a%2Fb",
    "_x",
    "x" * 65,
    "",
)


@pytest.mark.parametrize("name", ODD)
def test_a_name_that_no_address_could_have_is_refused(tmp_path: Path, name: str) -> None:
    """It is said what one may be made of; and who asks of such a key is told that there is none."""

    async def scene(office: Office) -> None:
        got = await office.send("POST", "/admin/keys", {"name": name})
        assert (got.status, "dots, dashes and underscores" in got.json["error"]["message"]) == (400, True)
        there = quote(name, safe="")
        if not name or name in (".", ".."):
            return
        for kind in ("key", "team", "user"):
            got = await office.send("GET", f"/admin/{kind}s/{there}")
            missing = "path" if kind == "key" and "/" in name else kind  # what follows is what is done to it
            assert (got.status, got.json["error"]["code"]) == (404, f"{missing}_not_found")
        for kind in ("team", "user"):
            got = await office.send("PUT", f"/admin/{kind}s/{there}", {})
            assert (got.status, "dots, dashes and underscores" in got.json["error"]["message"]) == (400, True)
        for action in ("rotate", "revoke"):
            got = await office.send("POST", f"/admin/keys/{there}/{action}", {})
            assert (got.status, got.json["error"]["code"]) == (404, "key_not_found")

    play(tmp_path, scene)


@pytest.mark.parametrize("name", ["a..b", "A.B-c_9", "9", "x" * 64])
def test_a_name_that_is_one_is_reached(tmp_path: Path, name: str) -> None:
    """Shown, changed, rotated and revoked by it."""

    async def scene(office: Office) -> None:
        await office.made(name)
        path = f"/admin/keys/{name}"
        assert (await office.send("GET", path)).json["name"] == name
        assert (await office.send("PATCH", path, {"description": "d"})).json["description"] == "d"
        assert (await office.send("POST", f"{path}/rotate", {})).json["key"]["name"] == name
        assert (await office.send("POST", f"{path}/revoke", {})).json["status"] == "revoked"

    play(tmp_path, scene)
