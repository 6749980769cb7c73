"""The log as it is described: what the pages tell is what the document says, field by field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest

from dragoman.accounts import logged
from dragoman.accounts.ratings import Ledgered
from dragoman.accounts.requests import QUERY, Progress, Running, Words, tell
from dragoman.core.usage import Price
from dragoman.server.openapi import requests
from dragoman.server.openapi.operation import Access
from dragoman.store import AttemptRow, ExchangeRow, Meters, RatingRow
from dragoman.store.requests import Live, Page

METERS = Meters(input=3, output=4, cost_micros=11)
ATTEMPT = AttemptRow(
    exchange_id="x", number=1, provider="p", model="m", opened_at=1.0, state="settled", meters=METERS
)


def row(**more: Any) -> ExchangeRow:
    """Return an exchange, of which little is known unless said."""
    fields: dict[str, Any] = dict.fromkeys(("owner", "key", "dialect", "task", "model"), "") | more
    return ExchangeRow(id="x", request_id="x", stream=False, opened_at=1.0, **fields)


ROW = row(key="a", model="m", state="settled", losses=("dropped:a",), latency_ms=5.0, meters=METERS)


def same(told: Any, kind: type) -> None:
    """Check that a JSON value is what a struct describes, and has no field more or less."""
    read: Any = msgspec.convert(told, kind, strict=True)
    assert set(msgspec.to_builtins(read)) == set(told)


@pytest.mark.parametrize("one", [ROW, row()])
def test_a_page_is_as_described(one: ExchangeRow) -> None:
    """Every row and what it was taken from."""
    page: Any = logged.page(Page((one,), None, None, 4, 9, 1.0))
    same(page, requests.RequestPage)
    same(page["requests"][0], requests.Request)
    same(page["looked"], requests.LookedThrough)


def test_one_is_as_described() -> None:
    """With its spans, lines, losses and words."""
    told: Any = logged.told(
        tell(
            Ledgered(ROW, (ATTEMPT,), RatingRow("x", "a", "m", 4, "fine", 2.0)),
            find=lambda *_: (Price(Decimal(1), Decimal(2)), ""),
            words=Words("a", "b"),
            url="http://here",
        )
    )
    same(told, requests.RequestTold)
    kinds: dict[str, type] = {"attempts": requests.RequestAttempt, "spans": requests.RequestSpan,
                              "cost_lines": requests.CostTold, "lost": requests.LossTold}  # fmt: skip
    for name, kind in kinds.items():
        assert told[name], name
        for one in told[name]:
            same(one, kind)


def test_what_is_under_way_is_as_described() -> None:
    """Here and elsewhere."""
    for progress in (None, Progress(1, 2, 3)):
        same(logged.running(Running(Live(ROW, (ATTEMPT,), 5), 1.0, progress)), requests.LiveRequest)


def test_every_parameter_is_described() -> None:
    """All that may be asked, and the table's form; only the operator's list asks for others' keys."""
    described = {
        path: [one.name for one in operation.params] for path, operation in requests.OPERATIONS.items()
    }
    assert set(described["GET /admin/requests"]) == {*QUERY, "format"}
    assert set(described["GET /v1/requests"]) == {*QUERY, "format"} - {"key", "team", "user"}
    assert {operation.access for operation in requests.OPERATIONS.values()} <= set(get_args(Access))
