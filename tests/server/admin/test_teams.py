"""``/admin/teams`` and ``/admin/users``: what keys may do together, over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.server.admin.test_keys import Office, play


@pytest.mark.parametrize("kind", ["team", "user"])
def test_a_group_lives(tmp_path: Path, kind: str) -> None:
    """Put, shown, held to at once, replaced whole, kept while it is in use, removed."""

    async def scene(office: Office) -> None:
        path = f"/admin/{kind}s/research"
        terms = {"models": ["nothing"], "limits": {"parallel": 2}}
        got = await office.send("PUT", path, terms)
        assert (got.status, got.json["models"], got.json["limits"]["parallel"]) == (200, ["nothing"], 2)
        secret = await office.made("alice", **{kind: "research"})
        assert await office.asked(secret) == 403
        assert (await office.send("PUT", path, {})).json["models"] == []
        assert await office.asked(secret) == 200
        listed = (await office.send("GET", f"/admin/{kind}s", secret="sk-eye")).json[f"{kind}s"]
        assert [one["name"] for one in listed] == ["research"]
        assert (await office.send("GET", path, secret="sk-eye")).json == listed[0]
        assert (await office.send("DELETE", path)).status == 409
        await office.send("POST", "/admin/keys/alice/revoke", {})
        assert (await office.send("DELETE", path)).json == {"removed": "research"}
        assert (await office.send("GET", path)).status == 404
        assert (await office.send("DELETE", path)).status == 404

    play(tmp_path, scene)


def test_a_fault_has_its_place(tmp_path: Path) -> None:
    """Terms are read strictly, and a name has to be one."""

    async def scene(office: Office) -> None:
        for path, body, at in (
            ("/admin/teams/t", {"limit": {}}, "$"),
            ("/admin/teams/t", {"limits": {"parallel": "2"}}, "$.limits.parallel"),
            ("/admin/users/a%20b", {}, "name"),
        ):
            got = await office.send("PUT", path, body)
            assert (got.status, got.json["error"]["at"]) == (400, at), got.body

    play(tmp_path, scene)
