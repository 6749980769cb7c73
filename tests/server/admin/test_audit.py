"""``/admin/audit``: in pages, the newest first, for those who may look."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.server.admin.test_keys import Office, play


def test_the_log_comes_in_pages(tmp_path: Path) -> None:
    """`before` of one answer asks for the next; the last has none; who did what is told."""

    async def scene(office: Office) -> None:
        for number in range(5):
            await office.send("PUT", f"/admin/teams/t{number}", {"description": "d"})
        seen, before = [], 10**6
        while before is not None:
            path = f"/admin/audit?limit=2&before={before}"
            page = (await office.send("GET", path, secret="sk-eye")).json
            seen += page["entries"]
            before = page["before"]
        assert [entry["subject"] for entry in seen] == ["t4", "t3", "t2", "t1", "t0"]
        assert {entry["actor"] for entry in seen} == {"boss"}
        assert seen[0]["detail"] == {"was": None, "is": {"description": "d"}}

    play(tmp_path, scene)


BEHIND_ZEROS = f"limit={19 * '0'}1{30 * '9'}"


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "before=-1", "limit=%D9%A1", BEHIND_ZEROS, "to=5"]
)
def test_a_wrong_parameter_is_refused(tmp_path: Path, query: str) -> None:
    """By its name, and never taken for another."""

    async def scene(office: Office) -> None:
        got = await office.send("GET", f"/admin/audit?{query}")
        assert (got.status, got.json["error"]["at"]) == (400, query.partition("=")[0])

    play(tmp_path, scene)
