"""The operator's pages as they are described: every example is answered so, and so are their refusals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from secrets import token_bytes
from typing import Any

import msgspec
from tests.house import House, ask
from tests.server.openapi.scene import Case, gate, published

from dragoman.accounts.issuing import Draft
from dragoman.accounts.terms import Terms
from dragoman.server.openapi.keys import OPERATIONS

KEYS = {
    "DRAGOMAN_KEYS": json.dumps({"boss": {"value": "sk-boss", "role": "admin"}, "eye": {"value": "sk-eye"}})
}
BOSS = {"authorization": "Bearer sk-boss"}


def named(case: Case, name: str) -> Case:
    """Return a case that speaks of another name."""
    params = [
        {**one, "example": name} if one.get("in") == "path" else one for one in case.operation["parameters"]
    ]
    return msgspec.structs.replace(case, operation={**case.operation, "parameters": params})


async def furnished(running: House) -> None:
    """Make a key and groups of the names the examples ask for; groups that are empty, and one that is not."""
    issuing = running.gateway.directory.issuing(token_bytes)
    for kind in ("team", "user"):
        for name in ("research", "busy"):
            await issuing.put_group("test", kind, name, Terms())
    await issuing.create("test", Draft(name="busy", team="busy", user="busy"))


def test_every_example_is_answered_as_described(tmp_path: Path) -> None:
    """What the document says to send can be sent, and what comes back is what it says."""

    async def play() -> None:
        async with gate(tmp_path, **KEYS) as running:
            document = await published(running)
            await furnished(running)
            ours = [case for case in document.cases(operator=True) if case.key in OPERATIONS]
            assert {case.key for case in ours} == OPERATIONS.keys()
            # What makes comes first, what takes away last.
            for case in sorted(ours, key=lambda case: (case.method == "DELETE", "revoke" in case.key)):
                document.asks(case)
                if case.key.endswith("/admin/keys/{name}") and case.method == "GET":
                    case = named(case, "busy")  # noqa: PLW2901  a key that is there already
                if case.key == "POST /admin/keys" or "{name}" not in case.key:
                    got = await ask(running.port, case.request(BOSS))
                else:
                    name = "busy" if "/keys/" in case.key else "research"
                    got = await ask(running.port, named(case, name).request(BOSS))
                assert got.status == 200, (case.key, got.body)
                document.tells(case, got)

    asyncio.run(play())


def wrong(case: Case) -> Iterator[tuple[Case, dict[str, str]]]:
    """Yield ways to get a case wrong."""
    yield case, {}
    yield case, {"authorization": "Bearer sk-eye"}
    yield case, {**BOSS, "x-api-key": "another"}
    yield named(case, "no-such-thing"), BOSS
    yield named(case, "eye"), BOSS
    yield named(case, "busy"), BOSS
    if case.body is not None:
        body: Any
        for body in (
            [],
            {"no": "such field"},
            {**case.body, "name": "eye"},
            {"description": "x" * 2_000_000},
        ):
            yield msgspec.structs.replace(case, body=body), BOSS


def test_refusals_are_told_as_described(tmp_path: Path) -> None:
    """Whatever is wrong, the status is one the document has, in its shape; most of them are met here."""

    async def play() -> None:
        told: set[int] = set()
        async with gate(tmp_path, **KEYS) as running:
            document = await published(running)
            await furnished(running)
            ours = [case for case in document.cases(operator=True) if case.key in OPERATIONS]
            for case in ours:
                for varied, headers in wrong(case):
                    got = await ask(running.port, varied.request(headers))
                    document.tells(case, got)
                    told.add(got.status)
            await running.gateway.store.close()
            for case in ours:
                got = await ask(running.port, case.request(BOSS))
                document.tells(case, got)
                told.add(got.status)
        assert told >= {200, 400, 401, 403, 404, 409, 413, 503}

    asyncio.run(play())
