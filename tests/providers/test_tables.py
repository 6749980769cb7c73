"""The catalogue as Markdown."""

from __future__ import annotations

import pytest

from dragoman.providers.catalog import Catalog, catalog
from dragoman.providers.tables import model_table, provider_table


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    """Return the catalogue as it is shipped."""
    return catalog()


def cells(table: str) -> list[list[str]]:
    """Return a Markdown table's cells, heading and rule left out."""
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]


def test_every_provider_has_a_row(shipped: Catalog) -> None:
    """The table lists the providers in the catalogue's order, with what to set."""
    rows = cells(provider_table(shipped))
    assert [row[1] for row in rows] == [f"`{name}`" for name in shipped.providers]
    groq = next(row for row in rows if row[1] == "`groq`")
    assert "`GROQ_API_KEY`" in groq[4]


def test_models_still_served_have_a_row_each(shipped: Catalog) -> None:
    """Retired models and snapshots are left out; everything else is there once."""
    names = [row[0].strip("`") for row in cells(model_table(shipped))]
    assert len(names) == len(set(names))
    assert "gpt-4o" in names
    assert "gpt-4o-2024-11-20" not in names
    assert not [name for name in names if shipped.models[name].retired]


def test_every_row_has_every_cell(shipped: Catalog) -> None:
    """No cell is empty, and none breaks its row."""
    for table in (provider_table(shipped), model_table(shipped)):
        widths = {line.count(" | ") for line in table.splitlines()}
        assert len(widths) == 1


def test_prices_are_plain_numbers_and_unknown_is_not_zero() -> None:
    """Money is shown without noise; a price nobody knows is a question mark."""
    offers = [{"provider": "openai", "name": "m", "price": {"input": "2.50", "output": "100"}}]
    ours = catalog(models={"m": {"offers": offers, "context": 128000}, "n": {"formats": [], "tools": False}})
    rows = {row[0]: row for row in cells(model_table(ours))}
    assert rows["`m`"][6] == "2.5 / 100"
    assert rows["`m`"][2] == "128,000"
    assert rows["`n`"][6] == "?"
    assert rows["`n`"][5] == "text only"


def test_a_price_that_grows_says_where(shipped: Catalog) -> None:
    """A long prompt costs more for some models; the table does not hide it."""
    rows = {row[0]: row for row in cells(model_table(shipped))}
    assert rows["`gpt-5.5`"][6] == "5 / 30; more above 272,000"
