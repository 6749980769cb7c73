"""Who may do what: every operation of the published document, by everyone who could ask.

Nothing here lists operations. Each says in the document who may (``x-dragoman-access``), the table below says
what that means for each asker, and a gateway is asked every pair: an operation that is added is held to it,
and one that does not say who may is a fault.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from secrets import token_bytes
from typing import Any, get_args
from urllib.parse import quote

import pytest
from tests.house import House, ask, chat, house, post
from tests.server.openapi.scene import Case, Document, gate, published

from dragoman.accounts.issuing import Draft
from dragoman.accounts.keys import mint
from dragoman.server.openapi.operation import Access
from dragoman.simulator import Simulator

KEYS: Mapping[str, dict[str, Any]] = {
    "boss": {"role": "admin"},
    "reader": {"role": "reader"},
    "member": {},
    "restricted": {"models": ["a-model-of-its-own"]},
    "granted": {},
    "expired": {"role": "admin", "expires": "2020-01-01"},
}
"""Keys of the configuration; the others are made, or are none."""

ASKERS = ("nobody", "garbage", "unknown", "revoked", *KEYS)
STRANGERS = frozenset({"nobody", "garbage", "unknown", "revoked", "expired"})
EVERY_KEY = frozenset(ASKERS) - STRANGERS

HOMES: Mapping[str, str] = {"Anthropic": "anthropic", "Google": "gemini", "Cohere": "cohere"}
"""Whose models are named where a vendor's request passes through."""

MAY: Mapping[str, frozenset[str]] = {
    "none": frozenset(ASKERS),
    "key": EVERY_KEY,
    "own": EVERY_KEY - {"reader"},
    "ask": EVERY_KEY - {"reader", "restricted"},
    "grant": frozenset({"boss", "granted"}),
    "view": frozenset({"boss", "reader"}),
    "edit": frozenset({"boss"}),
}
"""Who gets further than who he is. A stranger is told 401, whoever else may not 403."""

LOOKS = frozenset({"POST /admin/reconcile"})
"""What is sent something and changes nothing."""


def settings() -> dict[str, str]:
    """Return a configuration in which each of :data:`KEYS` is a key."""
    keys = {name: {"value": f"sk-{name}", **terms} for name, terms in KEYS.items()}
    return {"DRAGOMAN_KEYS": json.dumps(keys), "DRAGOMAN_RELAY_KEYS": "granted"}


async def credentials(running: House) -> dict[str, str]:
    """Return what each asker sends."""
    issuing = running.gateway.directory.issuing(token_bytes)
    _, revoked = await issuing.create("test", Draft(name="revoked", role="admin"))
    await issuing.revoke("test", "revoked")
    sent = {"nobody": "", "garbage": "sk-garbage", "unknown": mint(token_bytes), "revoked": revoked}
    return {**sent, **{name: f"sk-{name}" for name in KEYS}}


def request(key: str, operation: dict[str, Any], credential: str) -> bytes:
    """Return an operation's first example as `credential` sends it; what passes through names a model."""
    method, _, path = key.partition(" ")
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    body = next((one["value"] for one in content.get("examples", {}).values()), None)
    if "default" in operation["responses"] and method in ("POST", "PUT", "PATCH"):
        home = HOMES.get(operation["summary"].partition(":")[0], "openai_chat")
        body = {"model": f"sim-{home}/m"}
    headers = {"authorization": f"Bearer {credential}"} if credential else {}
    wanted = [one["name"] for one in operation["parameters"] if one.get("in") == "header" and "name" in one]
    case = Case(key, operation, "", body)
    raw = case.request({**headers, **dict.fromkeys(wanted, "1")})
    if path.startswith("/relay/"):
        return raw.replace(b"/relay/openai/", b"/relay/sim-openai_chat/", 1)
    return raw


async def answers(running: House, document: Document, credential: str) -> dict[str, int]:
    """Return the status of every operation."""
    found: dict[str, int] = {}
    for key, operation in document.operations():
        got = await ask(running.port, request(key, operation, credential))
        assert not credential or credential.encode() not in got.body, key
        found[key] = got.status
    return found


@pytest.mark.parametrize("asker", ASKERS)
def test_every_route_and_every_role(tmp_path: Path, asker: str) -> None:
    """Who may is never refused for who he is; who may not is, and gets nothing else; nothing is a 500."""

    async def play() -> None:
        async with gate(tmp_path, **settings()) as running:
            document = await published(running)
            access = {key: one["x-dragoman-access"] for key, one in document.operations()}
            told = await answers(running, document, (await credentials(running))[asker])
            refusal = 401 if asker in STRANGERS else 403
            wrong = {}
            for key, status in told.items():
                may = asker in MAY[access[key]]
                if (status in (401, 403)) == may or (not may and status != refusal) or status == 500:
                    wrong[key] = (access[key], status)
            assert wrong == {}
            assert {MAY[one] for one in access.values()} == set(MAY.values()), "a row nobody is held to"

    asyncio.run(asyncio.wait_for(play(), 300))


def test_who_may_is_said_of_everything(tmp_path: Path) -> None:
    """No operation lacks it; what is the operator's is under /admin/, and nothing else is."""

    async def play() -> None:
        async with gate(tmp_path) as running:
            for key, operation in (await published(running)).operations():
                access = operation["x-dragoman-access"]
                assert access in MAY, key
                assert (operation.get("security") == []) == (access == "none"), key
                if "/admin/" in key:
                    looks = key.startswith("GET ") or key in LOOKS
                    assert access == ("view" if looks else "edit"), key
                else:
                    assert access != "edit", key

    asyncio.run(play())


def test_while_there_is_no_key_this_machine_may_look_and_not_edit(tmp_path: Path) -> None:
    """The open gateway's stranger is let in everywhere but where others' keys are changed."""

    async def play() -> None:
        async with gate(tmp_path) as running:
            document = await published(running)
            told = await answers(running, document, "")
            for key, operation in document.operations():
                edits = operation["x-dragoman-access"] == "edit"
                assert (told[key] == 403) == edits, (key, told[key])
                assert told[key] != 401, key

    asyncio.run(play())


@pytest.mark.parametrize(
    "path", ["//admin/keys", "/admin//keys", "/admin/keys/", "/admin/%6beys", "/ADMIN/keys"]
)
def test_no_spelling_of_a_path_leads_around_it(tmp_path: Path, path: str) -> None:
    """Another spelling is the same page with the same refusal, or no page."""

    async def play() -> None:
        async with gate(tmp_path, **settings()) as running:
            for name in ("", "sk-member"):
                lines = {"host": "127.0.0.1", **({"authorization": f"Bearer {name}"} if name else {})}
                head = "".join(f"{header}: {value}\r\n" for header, value in lines.items())
                got = await ask(running.port, f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
                assert got.status in (401, 403, 404, 307), (path, got.status)
                assert b"sk-" not in got.body

    asyncio.run(play())


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("sim-openai_chat/other", "model_not_allowed"),
        ("smollm2-135m", "model_not_allowed"),
        ("sim-openai_chat/a-model-of-its-own", None),
        ("tempting", "model_not_allowed"),
        ("sim-gemini", "model_not_allowed"),
    ],
)
def test_no_name_of_a_model_leads_around_a_restriction(tmp_path: Path, name: str, code: str | None) -> None:
    """What is really asked counts, be it called by an alias, by its provider, or pinned to one."""
    aliases = {"DRAGOMAN_ALIASES": json.dumps({"tempting": "sim-openai_chat/forbidden"})}

    async def play() -> None:
        async with gate(tmp_path, **settings(), **aliases) as running:
            for pinned in ({}, {"x-dragoman-provider": "sim-openai_chat"}):
                body = {"model": name, "messages": [{"role": "user", "content": "Hi"}]}
                case = Case("POST /v1/chat/completions", {"parameters": []}, "asked", body)
                got = await ask(
                    running.port, case.request({"authorization": "Bearer sk-restricted", **pinned})
                )
                assert (got.status == 200) == (code is None), got.body
                if code is not None:
                    assert got.status == 403 or (name == "sim-gemini" and got.status in (400, 404)), got.body

    asyncio.run(play())


def test_a_restricted_key_sees_what_it_may_ask(tmp_path: Path) -> None:
    """Lists have nothing else, and a model it may not ask is as good as none; a member sees all."""

    async def play() -> None:
        keys = {
            "DRAGOMAN_KEYS": json.dumps(
                {
                    "few": {"value": "sk-few", "models": ["gpt-4o-mini"], "routes": ["smollm2-135m"]},
                    "many": {"value": "sk-many"},
                }
            )
        }
        async with gate(tmp_path, **keys, OPENAI_API_KEY="k") as running:
            for path, field in (("/v1/models", "data"), ("/models", "models")):
                seen = {}
                for name in ("few", "many"):
                    case = Case(f"GET {path}", {"parameters": []})
                    got = await ask(running.port, case.request({"authorization": f"Bearer sk-{name}"}))
                    seen[name] = {one["id"] for one in got.json[field]}
                assert seen["few"] == {"gpt-4o-mini", "smollm2-135m"}
                assert seen["few"] < seen["many"]
            for model, status in (("gpt-4o-mini", 200), ("gpt-4o", 404)):
                case = Case(f"GET /v1/models/{quote(model)}", {"parameters": []})
                got = await ask(running.port, case.request({"authorization": "Bearer sk-few"}))
                assert got.status == status

    asyncio.run(play())


def test_the_table_has_every_word() -> None:
    """Each word an operation may say has a row, and no row speaks of anybody else."""
    assert set(get_args(Access)) == MAY.keys()
    assert frozenset[str]().union(*MAY.values()) == frozenset(ASKERS)


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/octet-stream"])
def test_what_nobody_reads_is_no_way_around_a_restriction(tmp_path: Path, kind: str) -> None:
    """Through the relay a restricted key needs the whole provider: a body may say anything of its model."""
    keys = {
        "few": {"value": "sk-few", "models": ["m"]},
        "whole": {"value": "sk-whole", "models": ["sim-openai_chat/*"]},
    }
    given = {"DRAGOMAN_KEYS": json.dumps(keys), "DRAGOMAN_RELAY_KEYS": "few,whole"}

    async def play() -> None:
        async with gate(tmp_path, **given) as running:
            for name, refused in (("few", True), ("whole", False)):
                headers = {"authorization": f"Bearer sk-{name}", "content-type": kind}
                body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
                case = Case("POST /relay/sim-openai_chat/chat/completions", {"parameters": []}, "", body)
                got = await ask(running.port, case.request(headers))
                assert (got.status == 403) == refused, got.body

    asyncio.run(play())


@pytest.mark.parametrize(
    ("models", "asked", "provider"),
    [
        (["groq/*"], "gemini-2.5-flash", None),  # its fallback is allowed, it is not
        (["groq/*"], "gemini", None),
        (["groq/*"], "groq", "groq"),
        (["gemini-2.5-flash"], "gemini-2.5-flash", "gemini"),
        (["gemini-2.5-flash", "groq/*"], "gemini-2.5-flash", "gemini"),
    ],
)
def test_what_stands_in_is_held_to_the_restriction_too(
    tmp_path: Path, models: list[str], asked: str, provider: str | None
) -> None:
    """A model that is not allowed is refused, not answered by another; and no other answers that is not."""

    async def play() -> None:
        async with Simulator() as sim, Simulator() as broken:
            broken_url = f"{broken.url}/nothing-is-here"
            for gemini in (f"{sim.url}/v1", broken_url):
                urls = {"groq": f"{sim.url}/v1", "gemini": gemini}
                providers = {
                    name: {"dialect": "openai_chat", "base_url": url, "key": "k"}
                    for name, url in urls.items()
                }
                given = {
                    "DRAGOMAN_PROVIDERS": json.dumps(providers),
                    "DRAGOMAN_KEYS": json.dumps({"few": {"value": "sk-few", "models": models}}),
                }
                async with house(tmp_path, sim.url, **given) as running:
                    headers = {"authorization": "Bearer sk-few"}
                    got = await ask(running.port, post("/v1/chat/completions", chat(model=asked), headers))
                by = got.headers.get("x-dragoman-provider")
                if provider is None:
                    assert (got.status, by) == (403, None), got.body
                elif gemini == broken_url and provider == "gemini":
                    assert by == ("groq" if "groq/*" in models else "gemini"), got.body
                else:
                    assert (got.status, by) == (200, provider), got.body

    asyncio.run(asyncio.wait_for(play(), 60))
