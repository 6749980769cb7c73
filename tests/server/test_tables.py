"""Tables: when CSV is meant, and how it is sent."""

from __future__ import annotations

import pytest

from dragoman.core.failure import Failure
from dragoman.server.tables import in_csv, split


@pytest.mark.parametrize(
    ("query", "accept", "table"),
    [
        ({}, "", False),
        ({}, "*/*", False),
        ({}, "text/csv", True),
        ({}, "TEXT/CSV;q=0.9, */*;q=0.1", True),
        ({}, "text/html, text/csv", False),
        ({}, "application/json, text/csv", False),
        ({"format": "csv"}, "text/html", True),
        ({"format": "json"}, "text/csv", False),
    ],
)
def test_csv_is_meant_where_it_is_asked_for(query: dict[str, str], accept: str, table: bool) -> None:  # noqa: FBT001  a row of the table
    """The query counts before the header; who takes JSON or HTML as well gets these."""
    headers = {"accept": accept} if accept else {}
    assert split({**query, "period": "day"}, headers) == ({"period": "day"}, table)


def test_an_unknown_format_is_refused() -> None:
    """The parameter is named, with what it may be."""
    with pytest.raises(Failure, match="json, csv") as caught:
        split({"format": "xls"}, {})
    assert caught.value.at == "format"


def test_a_table_is_a_file() -> None:
    """With its type, its name and the page's own headers."""
    answer = in_csv("a\r\n", "usage", {"cache-control": "no-store"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="usage.csv"'
    assert (answer.headers["cache-control"], answer.body) == ("no-store", b"a\r\n")
