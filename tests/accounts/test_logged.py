"""The log in JSON and CSV: what is unknown is null, and no name is a formula."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from dragoman.accounts import logged
from dragoman.accounts.requests import Progress, Running
from dragoman.store import AttemptRow, ExchangeRow, Meters
from dragoman.store.requests import Live, Page


def row(**more: Any) -> ExchangeRow:
    """Return an exchange that has ended."""
    fields: dict[str, Any] = {
        "id": "x",
        "request_id": "theirs",
        "owner": "me",
        "key": "a",
        "dialect": "openai_chat",
        "task": "generate",
        "model": "m",
        "stream": False,
        "opened_at": 1_795_000_000.25,
        "state": "settled",
        "provider": "p",
        "latency_ms": 12.34,
        "meters": Meters(input=5, cache_read=2, output=3, cost_micros=1234),
    }
    return ExchangeRow(**(fields | more))


def read(text: str) -> list[dict[str, str]]:
    """Return the lines of a table as any reader of CSV has them."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_row_is_told() -> None:
    """Its figures with their units; money in dollars, and null where nobody knows."""
    told = logged.row(row())
    assert told["cost_usd"] == 0.001234
    assert told["latency_ms"] == 12.3
    assert told["usage"] == {"input_tokens": 7, "cached_tokens": 2, "output_tokens": 3, "reasoning_tokens": 0,
                             "total_tokens": 10, "estimated": False}  # fmt: skip
    unknown = logged.row(row(meters=Meters(), saved_micros=None))
    assert (unknown["cost_usd"], unknown["usage"], unknown["saved_usd"]) == (None, None, None)
    assert logged.row(row(state="reserved"))["usage"] is None


def test_a_page_says_what_it_was_taken_from() -> None:
    """With the cursor, the count, and what was looked through."""
    told = logged.page(Page((row(),), "next", 9, None, 50, 1.0, None))
    assert [told[name] for name in ("next", "total", "at_most")] == ["next", 9, None]
    assert told["looked"] == {"rows": 50, "from": 1.0, "to": None}


@pytest.mark.parametrize(
    "name",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "a,b",
        'say "hi"',
        "two\r\nlines",
        "<script>alert(1)</script>",
        "plain",
    ],
)
def test_a_table_comes_back_as_it_was_and_runs_nothing(name: str) -> None:
    """Any reader has the name again, behind an apostrophe if a spreadsheet would run it."""
    (line,) = read(logged.csv_of([row(key=name, message=name)]))
    for cell in (line["key"], line["message"]):
        assert cell.removeprefix("'") == name
        assert cell.startswith("'") == (name.lstrip()[0] in "=+-@" or name.startswith("\t"))


def test_a_table_has_every_figure() -> None:
    """Under its head, which comes once; what is unknown is an empty cell."""
    text = logged.csv_of([row(), row(meters=Meters(), losses=("dropped:a", "dropped:b"))])
    first, second = read(text)
    assert tuple(first) == logged.HEAD
    assert (first["opened_at"], first["cost_usd"], first["input_tokens"]) == (
        "2026-11-18T11:06:40.250Z",
        "0.001234",
        "7",
    )
    assert (second["cost_usd"], second["losses"]) == ("", "dropped:a dropped:b")
    assert logged.csv_of([row()], head=False) == text.split("\r\n")[1] + "\r\n"


def test_what_is_under_way_is_told() -> None:
    """Whom it asks, what is held, and its progress only where that is known."""
    attempt = AttemptRow(exchange_id="x", number=1, provider="q", model="n", opened_at=1.0)
    live = Live(row(state="reserved"), (attempt,), 500)
    here = logged.running(Running(live, 1.5, Progress(4, 30, 20)))
    names = ("provider", "target", "held_usd", "here", "chunks", "tokens", "cost_usd")
    assert [here[name] for name in names] == [
        "q", "n", 0.0005, True, 4, 30, 0.00002]  # fmt: skip
    there = logged.running(Running(Live(row(state="reserved"), (), 0), 1.5))
    assert [there[name] for name in ("provider", "target", "held_usd", "here", "chunks")] == [
        "p", None, None, False, None]  # fmt: skip
