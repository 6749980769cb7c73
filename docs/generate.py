"""Write the generated parts of the documentation from the code they describe.

    python docs/generate.py             write them anew
    python docs/generate.py --check     fail if any is stale

A part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from decimal import Decimal
from io import StringIO
from pathlib import Path

from dragoman.cli import COMMANDS, main
from dragoman.config.reference import render as render_settings
from dragoman.dialects.catalog import DIALECTS
from dragoman.providers import Model, Provider
from dragoman.providers.catalog import catalog

ROOT = Path(__file__).parents[1]
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
WIDTH = "100"
"""Columns the command line's help is set in."""


def command_line() -> str:
    """Return the help of `dragoman` and of each command."""
    return "\n".join(f"## {title}\n\n```\n{shown}```\n" for title, shown in _helps())


def _helps() -> Iterable[tuple[str, str]]:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = WIDTH
    try:
        for words in ([], *([name] for name in COMMANDS)):
            shown = StringIO()
            with redirect_stdout(shown):
                main([*words, "--help"])
            yield " ".join(["dragoman", *words]), shown.getvalue()
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def dialects_table() -> str:
    """Return every dialect: where clients find it, and which providers speak it."""
    rows = (
        (
            f"`{dialect.name}`",
            "<br>".join(f"`{endpoint.method} {endpoint.path}`" for endpoint in dialect.endpoints),
            ", ".join(f"`{row.name}`" for row in catalog().providers.values() if row.dialect == dialect.name),
        )
        for dialect in DIALECTS.values()
    )
    return _table(("dialect", "clients call", "spoken by"), rows)


def providers_table() -> str:
    """Return every provider of the shipped catalogue and what makes it ready."""
    rows = (
        (
            f"[{row.title or row.name}]({row.docs})" if row.docs else row.title or row.name,
            f"`{row.name}`",
            f"`{row.dialect}`",
            _needs(row),
            row.notes,
        )
        for row in catalog().providers.values()
    )
    return _table(("provider", "name", "dialect", "set", ""), rows)


def _needs(row: Provider) -> str:
    names = [] if row.base_url else [_either(row.base_url_env)]
    if not row.keyless and row.auth.env:
        names.append(_either(row.auth.env))
    return " and ".join(filter(None, names)) or "nothing"


def _either(names: Iterable[str]) -> str:
    return " or ".join(f"`{name}`" for name in names)


def models_table() -> str:
    """Return every model of the shipped catalogue, with its first offer's price."""
    rows = (
        (
            f"`{model.id}`",
            ", ".join(f"`{offer.provider}`" for offer in model.offers),
            _tokens(model.context),
            _tokens(model.max_output),
            _price(model),
            ", ".join(_abilities(model)),
        )
        for model in catalog().models.values()
        if not model.retired
    )
    return _table(("model", "offered by", "context", "output", "$ a million in / out", "beyond text"), rows)


def _tokens(count: int | None) -> str:
    return "" if count is None else f"{count:,}".replace(",", " ")


def _price(model: Model) -> str:
    price = next((offer.price for offer in model.offers if offer.price is not None), None)
    return "unknown" if price is None else f"{_plain(price.input)} / {_plain(price.output)}"


def _plain(amount: Decimal) -> str:
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _abilities(model: Model) -> Iterable[str]:
    if model.task != "generate":
        yield model.task
        return
    yield from (kind for kind in model.inputs if kind != "text")
    if model.tools:
        yield "tools"
    if model.reasoning != "none":
        yield "thinking"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


PARTS: dict[str, Callable[[], str]] = {
    "command_line": command_line,
    "dialects": dialects_table,
    "settings": render_settings,
    "providers": providers_table,
    "models": models_table,
}


def render(text: str) -> str:
    """Return a page with its generated parts written anew."""
    return PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n{part[3]}", text)


def stale() -> dict[Path, str]:
    """Return each page whose generated parts are not what they should be, as it should be."""
    pages = {page: page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md"))}
    return {page: fresh for page, text in pages.items() if (fresh := render(text)) != text}


if __name__ == "__main__":
    found = stale()
    for path, text in found.items():
        print(f"{path.relative_to(ROOT)} {'is stale' if '--check' in sys.argv else 'written'}")
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    sys.exit(bool(found) and "--check" in sys.argv)
