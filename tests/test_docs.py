"""What the documentation says is so."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path
from runpy import run_path

import pytest

from dragoman.cli import COMMANDS, build
from dragoman.config.reference import settings

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "changes").glob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
GENERATED = re.compile(r"<!-- generated: \w+ -->.*?<!-- end -->", re.DOTALL)

name_of = [path.relative_to(ROOT).as_posix() for path in PAGES]


def written(path: Path) -> str:
    """Return a page without its generated parts."""
    return GENERATED.sub("", path.read_text())


def shell_lines() -> list[list[str]]:
    """Return every command line in the pages, as words; a line that ends in a backslash goes on."""
    blocks = [body for path in PAGES for kind, body in FENCE.findall(written(path)) if kind in ("", "sh")]
    lines = [line for body in blocks for line in body.replace("\\\n", " ").splitlines()]
    known = ("make ", "curl ", "dragoman ", ".venv/bin/dragoman ")
    return [shlex.split(line, comments=True) for line in lines if line.startswith(known)]


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    """A relative link names a file that is there."""
    targets = [link.partition("#")[0] for link in LINK.findall(path.read_text()) if "://" not in link]
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_every_page_can_be_found() -> None:
    """A page nobody links to does not exist for a reader."""
    for folder in (ROOT / "docs", ROOT / "docs" / "decisions"):
        index = (folder / "README.md").read_text()
        assert [
            page.name for page in folder.glob("*.md") if page.name != "README.md" and page.name not in index
        ] == []


def test_generated_parts_are_fresh() -> None:
    """What is generated was generated from this code; `make docs` writes it anew."""
    stale = run_path(str(ROOT / "docs" / "generate.py"))["stale"]()
    assert [path.name for path in stale] == []


def test_commands_in_the_pages_exist() -> None:
    """Every `dragoman` and `make` line uses a command, options and targets that exist."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = shell_lines()
    assert lines
    for words in lines:
        if words[0] == "make":
            assert set(words[1:]) - {"&&"} <= targets, words
        elif words[0].endswith("dragoman"):
            name = next(word for word in words[1:] if not word.startswith("-"))
            assert name in COMMANDS, words
            parser, _ = build([name])
            parser.parse_args(words[1:])


def test_bodies_in_the_pages_are_json() -> None:
    """What a curl line sends can be pasted."""
    bodies = [words[words.index("-d") + 1] for words in shell_lines() if words[0] == "curl" and "-d" in words]
    assert bodies
    assert all(isinstance(json.loads(body), dict) for body in bodies)


def test_python_in_the_pages_is_python() -> None:
    """Examples parse."""
    blocks = [body for path in PAGES for kind, body in FENCE.findall(written(path)) if kind == "python"]
    assert blocks
    for block in blocks:
        ast.parse(block)


def test_variables_in_the_pages_are_read() -> None:
    """A variable the pages name is a setting's, or one that the command line reads."""
    known = {name for setting in settings() for name in setting.env}
    known |= {"DRAGOMAN_CONFIG", "DRAGOMAN_URL", "DRAGOMAN_KEY"}
    named = {name for path in PAGES for name in re.findall(r"DRAGOMAN_[A-Z_]+\b", written(path))}
    assert named
    assert named - known == set()


def test_headers_in_the_pages_are_sent() -> None:
    """A header the pages promise is one the code writes or reads."""
    code = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    promised = {header for path in PAGES for header in re.findall(r"x-dragoman-[a-z]+", path.read_text())}
    assert {header for header in promised if header not in code} == set()
