"""The conformance run, and the page that shows it."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
from tests.crossing.conformance import PLAYS, Cell, Matrix, perform

from dragoman.dialects.catalog import DIALECTS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "matrix.md"
FEATURES = {
    *("text", "system", "images", "documents", "tools", "parallel tools", "streaming arguments"),
    *("tool results", "thinking", "signatures", "structured output", "stop", "usage", "cached tokens"),
    *("errors", "mid-stream errors"),
}


@pytest.fixture(scope="module")
def found() -> tuple[Matrix, dict[str, str]]:
    """What one run finds."""
    return perform()


@pytest.fixture(scope="module")
def generate() -> dict[str, Any]:
    """The program that writes the page."""
    return run_path(str(ROOT / "docs" / "generate.py"))


def sections(page: str) -> dict[str, str]:
    """Return what a page says, by heading."""
    return {
        head.strip(): body.strip() for head, _, body in (part.partition("\n") for part in page.split("\n## "))
    }


def test_nothing_is_lost_in_silence(found: tuple[Matrix, dict[str, str]]) -> None:
    """Every pair carries every feature, declares what it does not, or refuses with a field."""
    assert found[1] == {}


def test_every_cell_is_there(found: tuple[Matrix, dict[str, str]]) -> None:
    """All features were tried with all thirty-six pairs."""
    pairs = {(client, provider) for client in DIALECTS for provider in DIALECTS}
    assert {name: set(cells) for name, cells in found[0].items()} == dict.fromkeys(PLAYS, pairs)
    assert {name.partition(",")[0].partition(":")[0] for name in PLAYS} == FEATURES


def test_the_page_is_what_the_run_found(
    found: tuple[Matrix, dict[str, str]], generate: dict[str, Any]
) -> None:
    """A cell that has changed changes the page: if it is meant, `make docs` writes it anew."""
    parts = {"matrix": lambda: generate["matrix_tables"](found[0])}
    page = PAGE.read_text()
    kept, fresh = sections(page), sections(generate["render"](page, parts))
    changed = {name: (kept.get(name), fresh.get(name)) for name in {*kept, *fresh}}
    assert {name: both for name, both in changed.items() if both[0] != both[1]} == {}


def test_at_home_everything_is_exact(found: tuple[Matrix, dict[str, str]]) -> None:
    """A client before a provider of its own dialect loses nothing it can say."""
    for name, cells in found[0].items():
        assert {cells[dialect, dialect].mark for dialect in DIALECTS} <= {"=", "-"}, name


def test_something_is_carried_everywhere(found: tuple[Matrix, dict[str, str]]) -> None:
    """No feature is out of every client's and provider's words: then its scene would prove nothing."""
    for name, cells in found[0].items():
        assert any(cell.mark == "=" for cell in cells.values()), name


def test_a_table_shows_each_reason_once(generate: dict[str, Any]) -> None:
    """Cells of the same reason share its note; what is exact has none."""
    pairs = [(client, provider) for client in DIALECTS for provider in DIALECTS]
    cells = {pair: Cell("=") for pair in pairs}
    cells["gemini", "ollama"] = cells["gemini", "cohere"] = Cell("x", ("it will not",))
    cells["ollama", "gemini"] = Cell("~", ("nearly", "told so"))
    cells["cohere", "gemini"] = Cell("-", ("nobody says it",))
    page = sections(
        "\n" + generate["matrix_tables"]({"odd things": cells, "plain ones": {p: Cell("=") for p in pairs}})
    )
    assert "Exact in all thirty-six pairs: plain ones." in page["In sum"]
    lines = page["Odd things"].splitlines()
    assert "| `gemini` | `=` | `=` | `=` | `=` | `x` 1 | `x` 1 |" in lines
    assert "| `ollama` | `=` | `=` | `=` | `~` 2 | `=` | `=` |" in lines
    assert "| `cohere` | `=` | `=` | `=` | - | `=` | `=` |" in lines
    assert lines[-2:] == ["1. it will not", "2. nearly; told so"]
