"""The walks are honest and whole: each document is quoted as it is, in its order, and nothing is left out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.sources.scene import command, elsewhere

ROOT = Path(__file__).parents[2]
SOURCES = ROOT.parent / "shared" / "sources"
"""The documents themselves; not part of the project, looked for beside it."""

HERE = Path(__file__).parent
WALKS = sorted(HERE.glob("test_0*.py"))

walks = pytest.mark.parametrize("path", WALKS, ids=lambda path: path.stem)

QUOTE = re.compile(r'^ *"(.+?)"$', re.MULTILINE | re.DOTALL)
"""A passage of the document in a docstring: a paragraph of its own, or several lines of one."""

TITLE = re.compile(r"[-=]*|- \[.+\]\(#.+\)|\d+\. \*\*[^*]+\*\*")
"""Rules, lines of a table of contents, and what begins a list and is only a title in it."""


class Walk(NamedTuple):
    """One test module: what its tests quote, in order, and what it says of the rest of its document."""

    quotes: dict[str, list[str]]
    texts: list[str]
    elsewhere: dict[str, str]
    apart: dict[str, str]


def plain(text: str) -> str:
    """Return `text` on one line, without emphasis and bullets."""
    return " ".join(re.sub(r"^ *[-*](?= )|\*", "", text, flags=re.MULTILINE).split())


def document(path: Path) -> str:
    """Return the document a module walks; skips where it is not beside the project."""
    found = sorted(SOURCES.glob(f"{path.stem.split('_')[1]}_*.txt"))
    if not found:
        pytest.skip("the source documents are not beside the project")
    return found[0].read_text()


def walk(path: Path) -> Walk:
    """Read a test module."""
    tree = ast.parse(path.read_text())
    tables: dict[str, dict[str, str]] = {"ELSEWHERE": {}, "APART": {}}
    quotes: dict[str, list[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign | ast.Assign):
            [target] = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            if isinstance(target, ast.Name) and target.id in tables:
                assert node.value is not None
                tables[target.id] = ast.literal_eval(node.value)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            quotes[node.name] = [plain(quote) for quote in QUOTE.findall(ast.get_docstring(node) or "")]
    texts = [
        plain(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return Walk(quotes, texts, tables["ELSEWHERE"], tables["APART"])


def told(text: str) -> Iterator[str]:
    """Yield every line of a document that may promise something: no title, no tree of files, no rule."""
    for block in re.split(r"(^ *```.*?^ *```)", text, flags=re.MULTILINE | re.DOTALL):
        fenced = block.lstrip().startswith("```")
        if fenced and "├──" in block:
            continue
        for line in block.splitlines():
            bare = line.strip()
            title = not fenced and (bare.startswith("#") or TITLE.fullmatch(bare))
            if bare and not title and not bare.startswith("```") and re.search(r"\w", bare):
                yield plain(line)


@walks
def test_every_walk_quotes_its_document(path: Path) -> None:
    """Each test holds a passage of the document, which stands there word for word."""
    text, found = plain(document(path)), walk(path)
    assert found.quotes
    for name, quotes in found.quotes.items():
        assert quotes, f"{name} quotes nothing"
        for quote in quotes:
            assert quote in text, f"{name}: {quote}"
    for quote in (*found.elsewhere, *found.apart):
        assert plain(quote) in text, quote


@walks
def test_every_walk_goes_in_the_documents_order(path: Path) -> None:
    """The first passage of each test comes after that of the test before."""
    text, found = plain(document(path)), walk(path)
    places = [(text.index(quotes[0]), name) for name, quotes in found.quotes.items()]
    for (before, earlier), (after, later) in pairwise(places):
        assert before <= after, f"{later} belongs before {earlier}"


@walks
def test_every_line_of_a_document_is_held(path: Path) -> None:
    """What a document says is quoted by a test, sent by one, held elsewhere, or named as no promise."""
    found = walk(path)
    passages = [quote for quotes in found.quotes.values() for quote in quotes]
    passages += [plain(quote) for quote in (*found.elsewhere, *found.apart)]
    left = [
        line
        for line in told(document(path))
        if not any(passage in line or line in passage for passage in passages)
        and not any(line in text for text in found.texts)
    ]
    assert left == []


@walks
def test_what_is_held_elsewhere_is_there(path: Path) -> None:
    """The test file that a walk leaves a passage to exists."""
    for quote, place in walk(path).elsewhere.items():
        assert (ROOT / place).is_file(), f"{quote}: {place}"


@walks
def test_every_command_is_run(path: Path) -> None:
    """Each curl command of the document stands in its walk as it stands there."""
    found = walk(path)
    for block in re.findall(r"^ *```\w*\n(.*?)^ *```", document(path), re.MULTILINE | re.DOTALL):
        if block.strip().startswith("curl"):
            assert plain(block) in found.texts, block


def test_a_command_is_sent_as_curl_sends_it() -> None:
    """The request line, curl's own headers, the command's, and the body in its bytes."""
    told = command(
        """curl -X POST 'http://127.0.0.1:8000/chat?model=m' -H 'Content-Type: x/y' -d '{"a": "é"}'"""
    )
    assert (
        told.raw
        == (
            "POST /chat?model=m HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: curl/8.14.1\r\n"
            'Accept: */*\r\nContent-Type: x/y\r\nContent-Length: 11\r\n\r\n{"a": "é"}'
        ).encode()
    )
    windows = command(
        r'curl -X POST "http://127.0.0.1:8000/chat?model=m" -H "Content-Type: x/y" -d "{\"a\": 1}"'
    )
    assert windows.json == {"a": 1}


def test_no_provider_is_asked_on_the_internet() -> None:
    """Whatever key a document sets, its provider is at the simulator."""
    assert "https" not in elsewhere("http://127.0.0.1:1")
