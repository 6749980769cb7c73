"""``dragoman audit``: the newest first, in pages, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dragoman.cli import main


def test_the_log_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table with who did what to whom; `--before` goes on where a page ended."""
    monkeypatch.chdir(tmp_path)
    environ = {"DRAGOMAN_DATA": str(tmp_path / "data")}
    assert main(["audit"], environ) == 0
    assert "nothing was changed" in capsys.readouterr().err
    for name in ("a", "b", "c"):
        main(["teams", "put", name], environ)
    capsys.readouterr()
    main(["audit"], environ)
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "NUMBER"
    assert [line.split()[0] for line in lines] == ["3", "2", "1"]
    assert all("command line" in line and "team.put" in line for line in lines)
    main(["audit", "--limit", "1", "--before", "3", "--json"], environ)
    assert [entry["subject"] for entry in json.loads(capsys.readouterr().out)] == ["b"]


@pytest.mark.parametrize("words", [("--limit", "0"), ("--limit", "9" * 20), ("--before", "-1")])
def test_a_number_of_no_entry_is_refused(
    words: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a line, whatever the store's largest number is."""
    assert main(["audit", *words], {"DRAGOMAN_DATA": str(tmp_path / "data")}) == 2
    assert capsys.readouterr().err.count("\n") == 1
