"""What a configuration says before any gateway runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.cli.configured import configured, wanting
from dragoman.cli.terminal import Trouble

OFF = {"DRAGOMAN_LOCAL_ENABLED": "false"}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_named_file_is_read_instead(tmp_path: Path) -> None:
    """``--config`` names the file; without it the usual one is read if it is there."""
    (tmp_path / "other.toml").write_text("[server]\nport = 9000\n")
    assert configured({}).server.port == 8080
    assert configured({}, "other.toml").server.port == 9000


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """A configuration that cannot be used is a person's business: exit code 2, with file and line."""
    (tmp_path / "dragoman.toml").write_text('[server]\nport = "x"\nhots = "y"\n')
    with pytest.raises(Trouble) as caught:
        configured({})
    assert caught.value.code == 2
    assert "dragoman.toml:2: " in str(caught.value)
    assert "dragoman.toml:3: " in str(caught.value)


def test_a_provider_says_what_it_lacks() -> None:
    """What is missing is named by the variable that would supply it."""
    lacks = wanting(configured(OFF))
    assert lacks["anthropic"] == "set ANTHROPIC_API_KEY"
    assert lacks["local"] == "the embedded model is switched off"
    assert "anthropic" not in wanting(configured({**OFF, "ANTHROPIC_API_KEY": "sk-ant-1"}))


def test_the_names_are_those_a_gateway_would_answer_to() -> None:
    """A name is there when a provider of it is ready."""
    off = configured(OFF)
    assert off.table(wanting(off)).names() == []
    config = configured({**OFF, "ANTHROPIC_API_KEY": "sk-ant-1"})
    names = config.table(wanting(config))
    assert "claude-opus-4-8" in names.names()
    assert str(names.resolve("claude-opus-4-8").targets[0]) == "anthropic/claude-opus-4-8"
