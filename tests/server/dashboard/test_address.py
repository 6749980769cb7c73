"""Addresses of pages: parameters change one by one, and no value is anything but a value."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from dragoman.server.dashboard.address import Address, link


def test_one_parameter_changes_and_the_others_stay() -> None:
    """A link sets, changes or takes away what it is for, and keeps the rest in order."""
    at = Address("/admin/usage", {"period": "week", "model": "m", "from": "2026-11-01T10:00Z"})
    assert at.to(model=None) == "/admin/usage?period=week&from=2026-11-01T10:00Z"
    assert at.to(period="day", key="k").startswith("/admin/usage?period=day&model=m&")
    assert at.at("/admin/requests", period=None) == "/admin/requests?model=m&from=2026-11-01T10:00Z"
    assert at.others("model", "from") == [("period", "week")]


@pytest.mark.parametrize("value", ["a&b=c#d", "<script>", '"', "a b+c%", "\u202eltr", "🐉" * 200, "ünïcode"])
def test_whatever_a_value_is_it_comes_back(value: str) -> None:
    """A name with every delimiter there is arrives as it was, and as one parameter."""
    query = urlsplit(link("/admin/usage", {"model": value, "none": None})).query
    assert parse_qsl(query) == [("model", value)]
    assert not set(query) & set("<>\"&# '")


def test_no_parameter_is_no_question_mark() -> None:
    """The plain page has the plain address."""
    assert link("/admin", {"period": None}) == "/admin"
