"""``dragoman users``: made, changed, listed and removed, under that name and no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dragoman.cli import main


def test_users_have_a_life(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step is in the list and in the log; another kind's of the same name is another one."""
    monkeypatch.chdir(tmp_path)
    environ = {"DRAGOMAN_DATA": str(tmp_path / "data")}

    def run(*words: str, code: int = 0) -> str:
        assert main(words, environ) == code
        return capsys.readouterr().out.strip()

    run("users", "put", "research", "--parallel", "4", "--model", "gpt-*", "--description", "d")
    run("users", "put", "research", "--tokens-per-day", "9")
    [found] = json.loads(run("users", "list", "--json"))
    assert (found["name"], found["models"], found["description"]) == ("research", ["gpt-*"], "d")
    assert (found["limits"]["parallel"], found["limits"]["tokens_per_day"]) == (4, 9)
    assert "parallel 4" in run("users", "list")
    assert run("teams", "list") == ""
    run("keys", "create", "alice", "--user", "research")
    run("users", "remove", "research", code=1)
    run("keys", "revoke", "alice")
    run("users", "remove", "research")
    assert run("users", "list") == ""
    actions = [entry["action"] for entry in json.loads(run("audit", "--json"))]
    assert actions == ["user.remove", "key.revoke", "key.create", "user.put", "user.put"]
