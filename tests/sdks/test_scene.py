"""The scene itself: what happens where an SDK has no environment, and to an oracle that dies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.sdks import scene as stage
from tests.sdks.scene import ORACLES, Oracles, why_not


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in which nothing was made."""
    shutil.copytree(stage.ROOT / "requirements", tmp_path / "requirements")
    monkeypatch.setattr(stage, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize("sdk", sorted({*ORACLES.values()}))
def test_what_is_missing_is_named_with_the_command_that_makes_it(bare: Path, sdk: str) -> None:
    """Whether an environment was never made, or was made from another lock."""
    missing = why_not(sdk)
    assert missing is not None
    assert "make sdks" in missing
    made = bare / ".venvs" / sdk / "ready"
    made.parent.mkdir(parents=True)
    made.write_text("another lock")
    stale = why_not(sdk)
    assert stale is not None
    assert stale != missing
    assert "make sdks" in stale
    shutil.copy(bare / "requirements" / "sdks" / f"{sdk}.txt", made)
    assert why_not(sdk) is None


def test_a_stranger_is_told_and_ci_fails(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline the tests are skipped, loudly; where CI is true nothing may be missing."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="make sdks"):
        Oracles(bare).ask("cohere", do="models")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="make sdks"):
        Oracles(bare).ask("cohere", do="models")


def test_an_oracle_that_dies_says_why(tmp_path: Path) -> None:
    """What it said last is in the error, and the next command finds a new one."""
    own = Oracles(tmp_path)
    with pytest.raises(AssertionError, match="KeyError: 'base_url'"):
        own.ask("ollama", do="models")
    said = own.ask("ollama", do="models", base_url="http://127.0.0.1:1")
    own.close()
    assert "error" in said
