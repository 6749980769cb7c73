"""Every page of the operator's is under /admin/ or a key's own, each at one path."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.house import ask, get, house

from dragoman.config import load
from dragoman.gateway import Gateway
from dragoman.server.admin import routes


def test_every_module_is_there(tmp_path: Path) -> None:
    """No method at a path is answered twice, and each module has its pages."""
    found = routes(Gateway(load({"DRAGOMAN_DATA": str(tmp_path)}, tmp_path)))
    served = [(method, route.path) for route in found for method in sorted(route.methods or ())]
    assert len(served) == len(set(served))
    paths = {path for _, path in served}
    assert {"/admin/keys", "/admin/teams", "/admin/users", "/admin/audit"} <= paths
    assert all(path.startswith(("/admin/", "/v1/")) for path in paths)


def test_a_list_has_no_filter_that_it_does_not_know(tmp_path: Path) -> None:
    """A list that took any parameter would look like one with it: what is not known is refused by name."""
    paths = ("keys", "teams", "users", "budgets", "alerts", "audit", "requests", "overview", "live", "routes")
    lists = [*(f"/admin/{path}" for path in paths), "/v1/budgets", "/v1/requests"]

    async def scene() -> None:
        boss = '{"boss": {"value": "sk-boss-0123456789abcdef", "role": "admin"}}'
        async with house(tmp_path, DRAGOMAN_KEYS=boss) as gate:
            key = {"x-api-key": "sk-boss-0123456789abcdef", "accept": "application/json"}
            for path in lists:
                assert (await ask(gate.port, get(path, key))).status == 200, path
                answer = await ask(gate.port, get(f"{path}?colour=red", key))
                assert (answer.status, answer.json["error"]["at"]) == (400, "colour"), path

    asyncio.run(scene())
