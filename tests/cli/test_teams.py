"""``dragoman teams``: made, changed, listed and removed, under that name and no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dragoman.cli import main

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs a command over a data folder of its own, and what it said."""
    monkeypatch.chdir(tmp_path)
    environ = {"DRAGOMAN_DATA": str(tmp_path / "data")}

    def ran(*words: str, code: int = 0) -> str:
        assert main(words, environ) == code
        return capsys.readouterr().out.strip()

    return ran


def live(run: Run, kind: str, other: str) -> None:
    """Make, change, list and remove one of a kind; another kind's of the same name is another one."""
    run(f"{kind}s", "put", "research", "--parallel", "4", "--model", "gpt-*", "--description", "d")
    run(f"{kind}s", "put", "research", "--tokens-per-day", "9")
    [found] = json.loads(run(f"{kind}s", "list", "--json"))
    assert (found["name"], found["models"], found["description"]) == ("research", ["gpt-*"], "d")
    assert (found["limits"]["parallel"], found["limits"]["tokens_per_day"]) == (4, 9)
    assert "parallel 4" in run(f"{kind}s", "list")
    assert run(f"{other}s", "list") == ""
    run("keys", "create", "alice", f"--{kind}", "research")
    run(f"{kind}s", "remove", "research", code=1)
    run("keys", "revoke", "alice")
    run(f"{kind}s", "remove", "research")
    assert run(f"{kind}s", "list") == ""
    actions = [entry["action"] for entry in json.loads(run("audit", "--json"))]
    assert actions == [f"{kind}.remove", "key.revoke", "key.create", f"{kind}.put", f"{kind}.put"]


def test_teams_have_a_life(run: Run) -> None:
    """Each step is in the list and in the log."""
    live(run, "team", "user")
