"""What the commands for teams and users have in common: restrictions come off, faults are one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dragoman.cli import main


def test_restrictions_come_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --any-model a team asks everything again; its limits stay."""
    monkeypatch.chdir(tmp_path)
    environ = {"DRAGOMAN_DATA": str(tmp_path / "data")}
    main(["teams", "put", "t", "--model", "m", "--route", "r", "--parallel", "2"], environ)
    capsys.readouterr()
    assert main(["teams", "put", "t", "--any-model", "--json"], environ) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert (found["models"], found["routes"], found["limits"]["parallel"]) == ([], [], 2)


@pytest.mark.parametrize(
    ("words", "code"),
    [(("remove", "nobody"), 1), (("put", "a b"), 2), (("put", "t", "--model", "a*b"), 2)],
)
def test_a_fault_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: int,
) -> None:
    """With the exit code of whose fault it is; nothing was written."""
    monkeypatch.chdir(tmp_path)
    environ = {"DRAGOMAN_DATA": str(tmp_path / "data")}
    assert main(["teams", *words], environ) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert main(["teams", "list", "--json"], environ) == 0
    assert capsys.readouterr().out.strip() == "[]"
