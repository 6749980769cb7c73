"""Anthropic's exports, of usage and cost, in CSV and JSON."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.accounts.reconcile.test_openai import FIRST, SECOND, read

from dragoman.accounts.reconcile.exports import ALL, Line
from dragoman.core.failure import Failure

HAIKU = "claude-haiku-4-5-20251001"


@pytest.mark.parametrize("name", ["anthropic-usage.csv", "anthropic-usage.json"])
def test_usage_is_read(name: str) -> None:
    """Tokens read are those out of a cache, into one, and neither, together; nobody counts requests."""
    export = read(name)
    assert export.lines == (
        Line(FIRST, HAIKU, {"input": 2100, "cache_read": 300, "cache_write": 300, "output": 100}),
        Line(SECOND, HAIKU, {"input": 10, "cache_read": 0, "cache_write": 0, "output": 5}),
    )
    assert (export.kinds, export.tasks, export.costs) == (
        ("Anthropic's usage",),
        frozenset({"generate"}),
        False,
    )
    assert (export.since, export.until) == (FIRST, SECOND + 86_400)


@pytest.mark.parametrize(
    ("name", "model"), [("anthropic-cost.csv", "Claude Haiku 4.5"), ("anthropic-cost.json", HAIKU)]
)
def test_cost_is_read(name: str, model: str) -> None:
    """Dollars in a file, cents in JSON, are the same money; a search is no model's."""
    export = read(name)
    assert export.lines == (
        Line(FIRST, model, {"cost": Decimal("0.002")}),
        Line(FIRST, "web_search", {"cost": Decimal("0.01")}),
        Line(SECOND, model, {"cost": Decimal("0.000035")}),
    )
    assert (export.kinds, export.tasks, export.costs) == (("Anthropic's cost",), None, True)


def test_what_is_not_grouped_is_of_all_models() -> None:
    """A cost report that was not asked for by description has one amount a day."""
    page = (
        b'{"data":[{"starting_at":"2026-03-01T00:00:00Z","ending_at":"2026-03-02T00:00:00Z",'
        b'"results":[{"amount":"12.5","currency":"USD","description":null,"model":null,"cost_type":null}]}]}'
    )
    assert read(("c.json", page)).lines == (Line(FIRST, ALL, {"cost": Decimal("0.125")}),)


def test_older_files_have_one_column_of_cache_writes() -> None:
    """Before there were two lifetimes a file had one column, which counts as well."""
    rows = (
        b"usage_date_utc,model_version,usage_input_tokens_no_cache,usage_input_tokens_cache_write,"
        b"usage_input_tokens_cache_read,usage_output_tokens\n2026-03-01,m,1,2,4,8\n"
    )
    assert read(("old.csv", rows)).lines[0].known == {
        "input": 7,
        "cache_read": 4,
        "cache_write": 2,
        "output": 8,
    }


def test_other_money_is_refused() -> None:
    """An amount in a currency that is no dollar is none we can compare."""
    page = b'{"data":[{"starting_at":"2026-03-01T00:00:00Z","results":[{"amount":"12.5","currency":"EUR"}]}]}'
    with pytest.raises(Failure, match=r"results\[0\], column currency: 'EUR' is no US dollars"):
        read(("c.json", page))
