"""Facts about the tree: sizes, names, twins, and what no committed file may hold."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "dragoman"
TESTS = ROOT / "tests"

CAP = 800
DIALECT_CAP = 900
LONGER: dict[str, str] = {}
"""Files above the cap, each with its reason."""

NO_TWIN: dict[str, str] = {}
"""Modules without a test file of their own name, each with its reason."""

VAGUE = re.compile(r"utils?|helpers?|manager|handler|base|common|service|factory", re.IGNORECASE)

MACHINE = re.compile(r"(?<![\w.$~/])/(?:work|root|home|Users)/\w")
"""An absolute path of one machine."""

SOURCE = re.compile(r"://|(?<!no-emit-)(?:index-url|find-links|trusted-host)")
"""What would tie an installation to one registry."""


def tracked() -> list[Path]:
    """Return every file that is or would be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is no git checkout, so nobody can say what is committed")
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def modules() -> list[Path]:
    """Return every module of the package."""
    return sorted(SRC.rglob("*.py"))


def lines(path: Path) -> int:
    """Count a file's lines."""
    return len(path.read_text().splitlines())


def twin(path: Path) -> Path:
    """Return where a module's own tests are."""
    inside = path.relative_to(SRC)
    return TESTS / inside.parent / f"test_{'init' if inside.stem == '__init__' else inside.stem}.py"


def test_no_file_is_too_long() -> None:
    """A file that outgrows its cap is split, or listed with a reason."""
    sources = [path for path in tracked() if path.suffix == ".py"]
    assert sources
    long = {
        path.relative_to(ROOT).as_posix()
        for path in sources
        if lines(path) > (DIALECT_CAP if path.parent == SRC / "dialects" else CAP)
    }
    assert long == LONGER.keys()


def test_the_core_and_the_line_stay_small() -> None:
    """The values fit on a thousand lines, and the line on two screens and a half."""
    assert sum(lines(path) for path in (SRC / "core").rglob("*.py")) <= 1000
    assert lines(SRC / "exchange" / "__init__.py") <= 300


def test_architecture_is_one_sitting() -> None:
    """The page that explains the house stays short enough to be read."""
    assert lines(ROOT / "ARCHITECTURE.md") <= 120
    assert [page.name for page in (ROOT / "docs" / "decisions").glob("*.md") if lines(page) > 40] == []


def test_names_say_what_a_thing_is() -> None:
    """No module, class or package is called by a word that fits anything."""
    vague = []
    for path in modules():
        names = [
            path.stem,
            *(node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)),
        ]
        words = [word for name in names for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)]
        vague += [f"{path.relative_to(SRC)}: {word}" for word in words if VAGUE.fullmatch(word)]
    assert not vague


def test_nothing_is_global() -> None:
    """State lives in objects: two gateways in one process must not meet."""
    guilty = [
        path.relative_to(SRC).as_posix()
        for path in modules()
        if any(isinstance(node, ast.Global) for node in ast.walk(ast.parse(path.read_text())))
    ]
    assert not guilty


def behaves(tree: ast.AST) -> bool:
    """Say whether a module does anything: it has a function that is more than a docstring."""
    return any(
        len(node.body) > 1 or ast.get_docstring(node) is None
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_every_module_with_behaviour_has_a_twin() -> None:
    """What a module does is tested in the file of the same name."""
    lonely = {
        path.relative_to(SRC).as_posix()
        for path in modules()
        if behaves(ast.parse(path.read_text())) and not twin(path).is_file()
    }
    assert lonely == NO_TWIN.keys()


def test_every_test_says_what_it_holds() -> None:
    """A test's docstring is the sentence that is false when it fails."""
    silent = [
        f"{path.relative_to(TESTS)}::{node.name}"
        for path in sorted(TESTS.rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert not silent


def test_no_file_names_a_machine() -> None:
    """What is committed works in any folder of any machine."""
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {hit[0]}" for hit in MACHINE.finditer(text)]
    assert not found


def test_the_set_up_names_no_registry() -> None:
    """Dependencies come, by name and hash, from whatever registry the machine's tools are set up for."""
    files = [ROOT / "pyproject.toml", ROOT / "Makefile", ROOT / ".ci" / "run"]
    files += [
        path for part in ("requirements", "scripts") for path in (ROOT / part).rglob("*") if path.is_file()
    ]
    assert [path.name for path in files if SOURCE.search(path.read_text())] == []
