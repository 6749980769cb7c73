"""``dragoman config check``."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.cli import main

ENVIRON = {
    "DRAGOMAN_LOCAL_ENABLED": "false",
    "ANTHROPIC_API_KEY": "sk-ant-secret-secret",
    "API_KEYS": "one-secret",
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_good_one_is_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it amounts to is said, and no secret with it."""
    (tmp_path / "dragoman.toml").write_text("[server]\nport = 9000\n")
    assert main(["config", "check"], ENVIRON) == 0
    shown = capsys.readouterr()
    assert "port 9000" in shown.out
    assert "anthropic" in shown.out
    assert "secret" not in shown.out + shown.err


def test_problems_are_told_with_their_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each problem has file and line, and all are told at once."""
    (tmp_path / "own.toml").write_text('[server]\nport = "x"\nhots = "y"\n')
    assert main(["config", "check", "--config", "own.toml"], ENVIRON) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "own.toml:2: " in shown.err
    assert "own.toml:3: " in shown.err
    assert shown.err.endswith("2 problems\n")


def test_nothing_is_made(tmp_path: Path) -> None:
    """A check leaves no trace."""
    assert main(["config", "check"], ENVIRON) == 0
    assert list(tmp_path.iterdir()) == []
