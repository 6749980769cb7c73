"""Write the generated parts of the documentation from the code they describe.

    python docs/generate.py             write them anew
    python docs/generate.py --check     fail if any is stale

A part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``. Most are made of what the code says;
the matrix is measured, by a run over real sockets that takes some seconds.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from decimal import Decimal
from functools import partial
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.crossing.conformance import Cell, Matrix, perform  # noqa: E402

from dragoman.cli import COMMANDS, main  # noqa: E402
from dragoman.config.reference import render as render_settings  # noqa: E402
from dragoman.dialects.catalog import DIALECTS  # noqa: E402
from dragoman.providers import Model, Provider  # noqa: E402
from dragoman.providers.catalog import Catalog, catalog  # noqa: E402

PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
WIDTH = "100"
"""Columns the command line's help is set in."""


def command_line() -> str:
    """Return the help of `dragoman`, of each command, and of each of its actions."""
    return "\n".join(
        f"##{'#' * (title.count(' ') > 1)} {title}\n\n```\n{shown}```\n" for title, shown in _helps()
    )


def _helps() -> Iterable[tuple[str, str]]:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = WIDTH
    try:
        waiting: list[list[str]] = [[], *([name] for name in COMMANDS)]
        while waiting:
            words = waiting.pop(0)
            shown = StringIO()
            with redirect_stdout(shown):
                main([*words, "--help"])
            yield " ".join(["dragoman", *words]), shown.getvalue()
            actions = shown.getvalue().partition("\n  ACTION\n")[2].partition("\n\n")[0]
            waiting[:0] = [[*words, name] for name in re.findall(r"^    (\w+) ", actions, re.MULTILINE)]
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
    """Return every model of the shipped catalogue, with its first offer's price when prices were read."""
    known = catalog()
    rows = (
        (
            f"`{model.id}`",
            ", ".join(f"`{offer.provider}`" for offer in model.offers),
            _tokens(model.context),
            _tokens(model.max_output),
            _price(known, model),
            ", ".join(_abilities(model)),
        )
        for model in known.models.values()
        if not model.retired
    )
    return _table(("model", "offered by", "context", "output", "$ a million in / out", "beyond text"), rows)


def _tokens(count: int | None) -> str:
    return "" if count is None else f"{count:,}".replace(",", " ")


def _price(known: Catalog, model: Model) -> str:
    prices = (known.price(offer.provider, offer.name) for offer in model.offers)
    price = next((price for price in prices if price is not None), None)
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


def measured_matrix() -> str:
    """Return what the conformance run found.

    Raises:
        SystemExit: A pair loses something and does not say so.
    """
    matrix, wrong = perform()
    if wrong:
        sys.exit("\n".join(f"{cell}: {fault}" for cell, fault in wrong.items()))
    return matrix_tables(matrix)


def matrix_tables(matrix: Matrix) -> str:
    """Return a table of each pair's sum, and one for each feature that is not exact everywhere."""
    exact = [name for name, cells in matrix.items() if all(cell.mark == "=" for cell in cells.values())]
    others: list[tuple[str, dict[tuple[str, str], Cell]]] = []
    for name, cells in matrix.items():
        if others and cells == others[-1][1]:
            others[-1] = (f"{others[-1][0]}; {name}", cells)
        elif name not in exact:
            others.append((name, cells))
    parts = [
        "## In sum",
        "Of the features a pair can carry, so many are exact:",
        _square(lambda client, provider: _sum([cells[client, provider] for cells in matrix.values()])),
        "Exact in all thirty-six pairs: " + "; ".join(exact) + ".",
    ]
    for name, cells in others:
        notes: list[str] = []
        table = _square(partial(_shown, cells, notes))
        parts += [f"## {name[0].upper()}{name[1:]}", table]
        parts += ["\n".join(f"{number}. {note}" for number, note in enumerate(notes, 1))] if notes else []
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _square(shown: Callable[[str, str], str]) -> str:
    rows = ((f"`{client}`", *(shown(client, provider) for provider in DIALECTS)) for client in DIALECTS)
    return _table(("", *(f"`{name}`" for name in DIALECTS)), rows)


def _sum(cells: list[Cell]) -> str:
    carried = [cell.mark for cell in cells if cell.mark != "-"]
    return f"{carried.count('=')} of {len(carried)}"


def _shown(cells: Mapping[tuple[str, str], Cell], notes: list[str], client: str, provider: str) -> str:
    """Return a cell with the number of its note, which is added to `notes` if it is new."""
    cell = cells[client, provider]
    if cell.mark == "-":
        return "-"
    if not cell.notes:
        return f"`{cell.mark}`"
    note = "; ".join(cell.notes)
    if note not in notes:
        notes.append(note)
    return f"`{cell.mark}` {notes.index(note) + 1}"


PARTS: dict[str, Callable[[], str]] = {
    "command_line": command_line,
    "dialects": dialects_table,
    "settings": render_settings,
    "providers": providers_table,
    "models": models_table,
}
MEASURED: dict[str, Callable[[], str]] = {"matrix": measured_matrix}
"""Parts that take a run; what they say is tested where the run is."""


def render(text: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """Return a page with those of its generated parts written anew that are in `parts`."""
    return PART.sub(
        lambda part: f"{part[1]}\n{parts[part[2]]()}\n{part[3]}" if part[2] in parts else part[0], text
    )


def stale(parts: Mapping[str, Callable[[], str]] = PARTS) -> dict[Path, str]:
    """Return each page whose generated parts are not what they should be, as it should be."""
    pages = {page: page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md"))}
    return {page: fresh for page, text in pages.items() if (fresh := render(text, parts)) != text}


def run() -> int:
    """Write what is stale, or say so; the measured parts last, since they can fail."""
    checking, found = "--check" in sys.argv, 0
    for parts in (PARTS, MEASURED):
        for path, text in stale(parts).items():
            found += 1
            print(f"{path.relative_to(ROOT)} {'is stale' if checking else 'written'}")
            if not checking:
                path.write_text(text, encoding="utf-8")
    return found if checking else 0


if __name__ == "__main__":
    sys.exit(bool(run()))
