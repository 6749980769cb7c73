"""``dragoman models``: what can be asked now, and what the rest lacks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dragoman.cli import main

ENVIRON = {"DRAGOMAN_LOCAL_ENABLED": "false", "ANTHROPIC_API_KEY": "sk-ant-1"}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_only_what_can_be_asked_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """The table is the result; how many more there would be is a remark."""
    assert main(["models"], ENVIRON) == 0
    shown = capsys.readouterr()
    head, *lines = shown.out.splitlines()
    assert head.split()[:2] == ["MODEL", "ANSWERED"]
    row = next(line for line in lines if line.startswith("claude-opus-4-8 "))
    assert "anthropic/claude-opus-4-8" in row
    assert not [line for line in lines if "openai/" in line]
    assert "dragoman models --all" in shown.err


def test_the_rest_says_what_it_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    """``--all`` lists every model, and for each that cannot be asked which variable would help."""
    assert main(["models", "--all"], ENVIRON) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("set OPENAI_API_KEY" in line for line in lines)


def test_programs_get_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Routes come first, with the targets in the order they are tried, and exact prices."""
    (tmp_path / "own.toml").write_text(
        '[routes.best]\ntargets = ["openai/gpt-x", "anthropic/claude-opus-4-8"]\n'
    )
    assert main(["models", "--json", "--config", "own.toml"], ENVIRON) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["name"] == "best"
    assert rows[0]["targets"] == ["anthropic/claude-opus-4-8"]
    assert isinstance(rows[0]["input"], str)


def test_nobody_to_ask(capsys: pytest.CaptureFixture[str]) -> None:
    """Without any provider the table is empty, and the next step is named."""
    assert main(["models"], {"DRAGOMAN_LOCAL_ENABLED": "false"}) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "dragoman doctor" in shown.err
