"""Dialects from outside: each is checked like any other setting (tests/test_extending.py uses one)."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.config.outsiders import PARTS, read_dialects
from dragoman.config.sources import Sources
from dragoman.dialects.catalog import DIALECTS


def read(folder: Path, text: str, module: str = "") -> tuple[list[str], list[str]]:
    """Return the names of the dialects, and what is wrong, with a module of this source beside them."""
    (folder / "dragoman.toml").write_text(text)
    (folder / "outside_dialect.py").write_text(module)
    sources = Sources({}, folder)
    found = read_dialects(sources)
    return list(found), [f"{problem.where}: {problem.message}" for problem in sources.problems]


@pytest.fixture(autouse=True)
def _found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Python find the module of this test, and no other test's."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "outside_dialect", raising=False)


WHOLE = "\n".join(
    ["from dragoman.dialects.catalog import DIALECTS", "class D:", "    pass", "D = D()"]
    + [f"D.{part} = DIALECTS['cohere'].{part}" for part in PARTS]
)


def test_without_any_the_built_in_ones_are_there(tmp_path: Path) -> None:
    """No table, no change."""
    assert read(tmp_path, "") == (list(DIALECTS), [])


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("raise RuntimeError('of its own')", "cannot be imported (RuntimeError: of its own)"),
        ("D = 1", "it lacks endpoints"),
        (WHOLE, "it calls itself cohere"),
        (WHOLE + "\nD.name = 'mine'", "POST /v2/chat is another dialect's"),
        ("raise SystemExit(3)", "cannot be imported (SystemExit: 3)"),
        (WHOLE + "\nD.name = 'mine'\nD.endpoints = None", "outside_dialect:D is no dialect (TypeError"),
        (WHOLE + "\nD.name = 'mine'\nD.endpoints = (5,)", "outside_dialect:D is no dialect (AttributeError"),
    ],
    ids=["raises", "lacks", "misnamed", "taken", "exits", "nothing", "number"],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, module: str, said: str) -> None:
    """File, line, and what is the matter; nothing is half taken in."""
    names, [problem] = read(tmp_path, '[dialects]\nmine = "outside_dialect:D"\n', module)
    assert problem.startswith("dragoman.toml:2: dialects.mine: ")
    assert said in problem
    assert names == list(DIALECTS)


def test_a_good_one_is_taken_in(tmp_path: Path) -> None:
    """It stands beside the built-in ones."""
    good = WHOLE + "\nD.name = 'mine'\nD.endpoints = ()"
    names, problems = read(tmp_path, '[dialects]\nmine = "outside_dialect:D"\n', good)
    assert problems == []
    assert names == [*DIALECTS, "mine"]


@pytest.mark.parametrize("text", ["cohere = 'outside_dialect:D'", "mine = 3", "mine = 'outside_dialect'"])
def test_a_name_that_is_taken_or_no_reference_is_refused(tmp_path: Path, text: str) -> None:
    """Before anything is imported."""
    _, [problem] = read(tmp_path, f"[dialects]\n{text}\n", "raise SystemExit")
    assert problem.startswith("dragoman.toml:2: ")
