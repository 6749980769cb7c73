"""What was changed, as the history of a key, a team or a budget tells it: the fields, from what, to what."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.server.dashboard.office import HOSTILE, Office, play, words

from dragoman.accounts.issuing import Draft
from dragoman.accounts.terms import LimitTerms, Terms
from dragoman.server.dashboard.changes import Change, changes

KEY: dict[str, Any] = {"role": "member", "user": "", "team": "", "expires_at": None, "terms": {}}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"team": "red"}, Change("team", "none", "red")),
        ({"role": "admin"}, Change("role", "member", "admin")),
        ({"expires_at": 4_070_908_800.0}, Change("expires", "never", "2099-01-01 00:00:00 UTC")),
        ({"terms": {"models": ["m", "n*"]}}, Change("models", "all", "m, n*")),
        ({"terms": {"text": False}}, Change("prompts and answers", "as everybody's", "not logged")),
        ({"terms": {"labels": {"a": "1", "b": "2"}}}, Change("labels", "none", "a=1, b=2")),
        (
            {"terms": {"limits": {"tokens_per_day": 2_000_000}}},
            Change("tokens a day", "as everybody", "2,000,000"),
        ),
        ({"terms": {"limits": {"parallel": 0}}}, Change("requests at once", "as everybody", "any number")),
    ],
)
def test_a_field_is_told_with_both_its_values(more: dict[str, Any], told: Change) -> None:
    """There and back: what is not kept is told as what that means."""
    there = {**KEY, **more}
    assert changes({"was": KEY, "is": there}) == [told]
    assert changes({"was": there, "is": KEY}) == [Change(told.field, told.now, told.was)]


def test_what_was_made_and_removed() -> None:
    """Only what it has: of what was made what it is, of what is removed what it was."""
    assert changes({"is": KEY, "hint": "wxyz"}) == [
        Change("role", None, "member"),
        Change("new secret ends with", None, "\u2026wxyz"),
    ]
    assert changes({"was": None, "is": {"limits": {"parallel": 2}}}) == [
        Change("requests at once", None, "2")
    ]
    assert changes({"was": {"description": "x"}}) == [Change("description", "x", None)]


def test_budgets_and_rotations() -> None:
    """Money is money, shares have their sign, and times are instants."""
    row = {"name": "b", "cap_micros": 5_000_000, "hard": True, "alerts": [50, 80], "created_at": 1.0}
    now = {**row, "cap_micros": 12_500_000, "hard": False, "alerts": []}
    assert changes({"was": row, "is": now}) == [
        Change("cap", "$5.00", "$12.50"),
        Change("beyond it", "refuse", "only tell"),
        Change("alerts at", "50 %, 80 %", "nothing"),
    ]
    assert changes({"hint": "abcd", "old_until": 4_070_908_800.0})[1] == Change(
        "old secrets hold until", None, "2099-01-01 00:00:00 UTC"
    )


@pytest.mark.parametrize("detail", [None, {}, [], "x", {"was": KEY, "is": KEY}, {"was": 1, "is": "y"}])
def test_what_says_nothing(detail: Any) -> None:
    """An entry without a detail, or of a change that changed nothing, has no fields."""
    assert changes(detail) == []


def test_a_history_names_the_fields(tmp_path: Path) -> None:
    """On the pages of a key and of a team; whatever was typed is text, and no secret is in it."""

    async def scene(office: Office) -> None:
        await office.group("team", "red", description=HOSTILE)
        await office.group("team", "red", description="plain")
        _, secret = await office.key("apple", team="red")
        limits = Terms(limits=LimitTerms(requests_per_minute=60))
        await office.issuing.change("a test", Draft(name="apple", role="reader", terms=limits))
        page = words(await office.page("/admin/keys/apple"))
        assert (
            '>role</span> member <span aria-hidden="true">→</span><span class="sr">to</span> reader' in page
        )
        assert re.search(r">requests a minute</span> as everybody <.*?</span> 60<", page)
        assert re.search(r">team</span> red <.*?</span> none<", page)
        assert " fields</summary>" not in page
        assert secret not in page
        team = await office.page("/admin/teams/red")
        assert "<script>alert" not in team
        assert re.search(r">description</span> <script>alert.*?</span> plain<", words(team))

    play(tmp_path, scene)
