"""Budgets as pages show them, and as forms say them."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.accounts.budgets import Standing
from dragoman.core.failure import Failure
from dragoman.server.dashboard import caps, typed
from dragoman.store.budgets import BudgetRow, Window


def row(**more: Any) -> BudgetRow:
    """Return a budget."""
    fields: dict[str, Any] = {"name": "b", "scope": "all", "cap_micros": 1_000_000, "created_at": 1.0}
    return BudgetRow(**(fields | more))


def cap(spent: int, held: int = 0, **more: Any) -> caps.Cap:
    """Return a window of a budget."""
    budget = row(**more)
    return caps.Cap(budget, Standing(budget, Window("b", budget.subject, 0, spent, held), 1_796_079_600))


@pytest.mark.parametrize(
    ("spent", "cap_micros", "state", "share"),
    [
        (0, 100, "fine", 0.0),
        (79, 100, "fine", 0.79),
        (80, 100, "nearly used up", 0.8),
        (99, 100, "nearly used up", 0.99),
        (100, 100, "used up", 1.0),
        (150, 100, "used up", 1.5),
        (0, 0, "used up", 1.0),
    ],
)
def test_how_a_window_stands(spent: int, cap_micros: int, state: str, share: float) -> None:
    """Nearly used up from four fifths on; a budget of nothing is used up."""
    found = cap(spent, cap_micros=cap_micros)
    assert (found.state, found.share) == (state, share)
    assert found.tone == {"fine": "good", "nearly used up": "warn", "used up": "bad"}[state]


def test_what_is_held_is_not_spent_and_not_left() -> None:
    """What requests under way hold counts against what is left only."""
    found = cap(600_000, 300_000)
    assert (found.spent, found.held, found.left, found.state) == (600_000, 300_000, 100_000, "fine")


def test_a_window_nobody_has_spent_of() -> None:
    """It has all that it may have, and begins anew nobody knows when."""
    found = caps.Cap(row(scope="key", subject="*"))
    assert (found.spent, found.held, found.left, found.ends_at, found.ends) == (0, 0, 1_000_000, None, "")
    assert (found.subject, found.href) == ("*", "")


def test_the_clock_of_a_place() -> None:
    """A window ends at its own place's midnight; a zone that is none here is told in UTC."""
    assert cap(0, zone="Europe/Rome").ends == "2026-12-01 00:00 Europe/Rome"
    assert caps.on_clock(1_796_079_600, "Mars/Base") == "2026-11-30 23:00 UTC"


def test_whom_a_budget_is_about_has_a_page() -> None:
    """Names are quoted, whatever is in them."""
    assert caps.href("key", "a/b?c") == "/admin/keys/a%2Fb%3Fc"
    assert caps.href("team", "x") == "/admin/teams/x"
    assert caps.href("model", "openai/gpt") == "/admin/usage?model=openai%2Fgpt"
    assert caps.href("all", "") == caps.href("user", "*") == ""


def test_the_furthest_is_the_worst() -> None:
    """Of several, the one of which the largest share is spent; of none, none."""
    low, high = cap(10), cap(5, cap_micros=10)
    assert caps.worst([low, high]) is high
    assert caps.worst([]) is None


@pytest.mark.parametrize(
    "budget",
    [
        row(),
        row(cap_micros=12_500_000, period="day", zone="Asia/Tokyo", hard=False, alerts=()),
        row(scope="key", subject="*", cap_micros=1, alerts=(1, 1000)),
        row(cap_micros=0),
    ],
)
def test_a_form_says_what_it_is_shown(budget: BudgetRow) -> None:
    """A form that is sent as it is changes nothing, to the last micro-dollar."""
    assert caps.spec_of(caps.typed_cap(budget)).row("b", 1.0) == budget


@pytest.mark.parametrize(
    ("form", "field", "words"),
    [
        ({"cap": "12,50"}, "cap", "comma"),
        ({"cap": "9999999999"}, "cap", "dollars must be"),
        ({"cap": "0.0000001"}, "cap", "dollars must be"),
        ({"cap": "1", "scope": "key"}, "subject", "subject must be the name of a key"),
        ({"cap": "1", "scope": "all", "subject": "x"}, "subject", "has no subject"),
        ({"cap": "1", "zone": "Mars/Base"}, "zone", "no time zone"),
        ({"cap": "1", "alerts": "x"}, "alerts", "whole percents"),
        ({"cap": "1", "alerts": "0"}, "alerts", "expected"),
        ({"cap": "1", "alerts": "1,2,3,4,5,6,7,8,9,10,11"}, "alerts", "10 shares"),
        ({"cap": "1", "scope": "moon"}, "scope", "one of all, key, model, team, user"),
        ({"cap": "1", "period": "hour"}, "period", "one of day, month, total, week"),
    ],
)
def test_what_is_no_budget_is_refused_at_its_field(form: dict[str, str], field: str, words: str) -> None:
    """As strictly as by the API, in its words, with the field it is of."""
    with pytest.raises(Failure, match=words) as caught:
        caps.spec_of(form)
    assert typed.fault_of(caught.value, caps.FIELDS).field == field
