"""Budgets: which windows a request counts in, and what is said to whom when one is short."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.accounts.budgets import (
    MAX_COST,
    Budgets,
    BudgetSpec,
    Standing,
    about,
    max_cost,
    micros_of,
    money,
    sees,
    standings,
)
from dragoman.accounts.keys import Account
from dragoman.core.failure import Failure, Kind
from dragoman.dialects.catalog import DIALECTS
from dragoman.dialects.surfaces import SURFACES
from dragoman.store.budgets import EACH, AlertRow, BudgetRow, Claim, Share, Short, Window

NOON = 1_795_262_400.0
"""2026-11-21T12:00:00Z, a Saturday."""

DAY, WEEK, MONTH = 1_795_219_200, 1_794_787_200, 1_793_491_200
"""When its day, week and month begin in UTC."""

ANN = Account("ann", user="ann.b", team="red")
ADMIN = Account("admin", role="admin")
READER = Account("eye", role="reader")


def row(name: str, scope: str = "all", subject: str = "", **changes: Any) -> BudgetRow:
    """Return a budget of a dollar a month."""
    fields = {"cap_micros": 1_000_000, "created_at": 0.0, **changes}
    return msgspec.convert({"name": name, "scope": scope, "subject": subject, **fields}, BudgetRow)


def budgets(*rows: BudgetRow, now: float = NOON) -> Budgets:
    """Return the budgets of a process."""
    return Budgets(lambda: rows, lambda: now)


def places(shares: Sequence[Share]) -> list[tuple[str, str]]:
    """Return budget and subject of each share."""
    return [(share.budget, share.subject) for share in shares]


EVERY = (
    row("all"),
    row("ann", "key", "ann", period="day"),
    row("bob", "key", "bob"),
    row("each-key", "key", EACH, period="week"),
    row("red", "team", "red", hard=False),
    row("each-team", "team", EACH, period="total"),
    row("each-user", "user", EACH),
    row("public", "model", "best"),
    row("bare", "model", "gpt-4o"),
    row("full", "model", "openai/gpt-4o"),
    row("other", "model", "gpt-5"),
    row("each-model", "model", EACH),
)
MODELS = ("best", "gpt-4o", "openai/gpt-4o")


class Kept:
    """A store's budgets that were never claimed from, but for some windows."""

    def __init__(self, *windows: Window) -> None:
        self._windows = {(one.budget, one.subject, one.at): one for one in windows}

    async def window(self, share: Share) -> Window:
        """Return a window."""
        place = (share.budget, share.subject, share.at)
        return self._windows.get(place, Window(*place, 0, 0))

    async def windows(self, *, at: Collection[int] | None = None) -> list[Window]:
        """Return every window that began then."""
        return [one for one in self._windows.values() if at is None or one.at in at]

    async def rows(self) -> list[BudgetRow]:
        """Return none: these tests have their own."""
        return []

    async def put(self, row: BudgetRow, audit: object) -> None:
        """Keep nothing."""

    async def remove(self, name: str, audit: object) -> bool:
        """Have nothing."""
        return False

    async def spent_on(self, models: Collection[str], since: int) -> dict[str, int]:
        """Have no rows."""
        return {}

    async def tell(self, row: AlertRow) -> bool:
        """Know of nothing."""
        return False

    async def alerts(
        self, *, limit: int | None = 100, budget: str | None = None, since: float = 0.0
    ) -> list[AlertRow]:
        """Return none."""
        return []

    async def open_claims(self) -> list[tuple[str, int]]:
        """Return none."""
        return []


def test_a_request_counts_in_every_budget_that_is_about_it() -> None:
    """All, its key, team, user and model: by their names, and where each has its own."""
    found = budgets(*EVERY).shares(ANN, MODELS)
    assert places(found) == [
        ("all", ""),
        ("ann", "ann"),
        ("each-key", "ann"),
        ("red", "red"),
        ("each-team", "red"),
        ("each-user", "ann.b"),
        ("public", "best"),
        ("bare", "gpt-4o"),
        ("full", "openai/gpt-4o"),
        ("each-model", "openai/gpt-4o"),
    ]
    by_name = {share.budget: share for share in found}
    assert (by_name["ann"].at, by_name["each-key"].at, by_name["all"].at) == (DAY, WEEK, MONTH)
    assert by_name["each-team"].at == 0
    assert (by_name["red"].cap_micros, by_name["all"].cap_micros) == (None, 1_000_000)


def test_what_a_request_has_not_it_does_not_count_in() -> None:
    """Without a team, a user or a known model those budgets are not asked."""
    found = budgets(*EVERY).shares(Account("local"))
    assert places(found) == [("all", ""), ("each-key", "local")]
    assert budgets().shares(ANN, MODELS) == ()


@pytest.mark.parametrize(
    "models",
    [
        ("gpt-4o", "openai/gpt-4o"),
        ("openai/gpt-4o", "gpt-4o"),
        ("best", "gpt-4o", "openai/gpt-4o"),
        ("openrouter/best", "gpt-4o", "openai/gpt-4o"),
    ],
)
def test_no_alias_of_a_model_is_a_second_budget(models: tuple[str, ...]) -> None:
    """However it is asked for, where each model has its own it is counted as that of its provider."""
    assert places(budgets(row("b", "model", EACH)).shares(ANN, models)) == [("b", "openai/gpt-4o")]


def test_a_model_called_as_anothers_is_still_its_providers() -> None:
    """A name with a provider in it, asked of another one, is that other's."""
    models = ("openrouter/openai/gpt-4o", "openai/gpt-4o")
    assert places(budgets(row("b", "model", EACH)).shares(ANN, models)) == [("b", models[0])]


def test_a_change_is_seen_with_the_next_request() -> None:
    """Other rows are other shares, and another time is another window."""
    rows, now = [(row("a"),)], [NOON]
    mine = Budgets(lambda: rows[0], lambda: now[0])
    assert places(mine.shares(ANN)) == [("a", "")]
    rows[0] = (row("b", period="day", zone="Asia/Tokyo"),)
    assert [share.at for share in mine.shares(ANN)] == [DAY - 9 * 3600]
    now[0] += 4 * 3600
    assert [share.at for share in mine.shares(ANN)] == [DAY + 15 * 3600]
    now[0] -= 4 * 3600
    assert [share.at for share in mine.shares(ANN)] == [DAY - 9 * 3600]


def test_a_request_is_counted_where_its_row_is() -> None:
    """One that began before midnight counts in that day, however late its shares are asked for."""
    mine = budgets(row("a", period="day"), now=DAY + 86_400)
    assert [share.at for share in mine.shares(ANN, at=NOON)] == [DAY]
    assert [share.at for share in mine.shares(ANN)] == [DAY + 86_400]


def test_a_made_up_name_is_not_longer_than_a_name() -> None:
    """A client cannot fill the store with the names of models."""
    [share] = budgets(row("a", "model", EACH)).shares(ANN, ("x" * 10_000,))
    assert len(share.subject) == 256


def test_a_zone_that_is_not_here_is_no_fault_of_a_clients() -> None:
    """It is 503: nothing is asked that nobody can count."""
    with pytest.raises(Failure) as caught:
        budgets(row("a", zone="Mars/Olympus")).shares(ANN)
    assert (caught.value.kind, caught.value.code) == (Kind.UNAVAILABLE, "budget_unavailable")


def short(subject: str = "ann", *, spent: int, held: int, scope: str = "key") -> Short:
    """Return why a claim on a dollar's budget was not granted."""
    place = {"budget": "ann", "scope": scope, "subject": subject, "at": DAY, "cap_micros": 1_000_000}
    share = msgspec.convert(place, Share)
    return Short(share, spent, held)


@pytest.mark.parametrize(
    ("spent", "held", "claim", "kind", "words"),
    [
        (
            1_000_000,
            0,
            1,
            Kind.EXHAUSTED,
            "the budget 'ann' is used up ($0.00 of $1.00 left, it may cost $0.000001)",
        ),
        (
            900_000,
            0,
            100_001,
            Kind.EXHAUSTED,
            "what is left of the budget 'ann' does not pay for this request",
        ),
        (900_000, 100_000, 100_000, Kind.RATE_LIMITED, "held by requests under way"),
        (0, 1_000_000, 1, Kind.RATE_LIMITED, "held by requests under way"),
    ],
)
def test_spent_money_is_402_and_held_money_429(
    spent: int, held: int, claim: int, kind: Kind, words: str
) -> None:
    """What would not fit if nothing were held is exhausted; the rest may come back in a moment."""
    found = budgets(row("ann", "key", "ann", period="day")).refusal(
        short(spent=spent, held=held), Claim(claim, ()), NOON, account=ANN
    )
    assert found.kind is kind
    assert words in found.message
    if kind is Kind.EXHAUSTED:
        assert found.code == "budget_exhausted"
        assert found.message.endswith("it begins anew at 2026-11-22T00:00:00Z")
        assert found.retry_after_s is None
    else:
        assert (found.code, found.retry_after_s) == ("budget_held", 1.0)


@pytest.mark.parametrize(
    ("account", "scope", "subject", "told"),
    [
        (ANN, "key", "ann", True),
        (ANN, "key", "bob", False),
        (ANN, "team", "ann", False),
        (ANN, "all", "", False),
        (None, "key", "ann", False),
        (ADMIN, "team", "red", True),
        (READER, "all", "", True),
    ],
)
def test_amounts_are_told_to_whom_they_concern(
    account: Account | None,
    scope: str,
    subject: str,
    told: bool,  # noqa: FBT001  a row of the table
) -> None:
    """A key hears what is left of its own budget; of others only that nothing is."""
    found = short(subject, spent=1_000_000, held=0, scope=scope)
    message = budgets(row("ann", scope, subject)).refusal(found, Claim(1, ()), NOON, account=account).message
    assert ("$" in message) is told
    assert account is None or sees(account, found.share) is told


def test_a_budget_for_good_does_not_begin_anew() -> None:
    """A total has no end to tell, and one that was removed meanwhile neither."""
    for mine in (budgets(row("ann", "key", "ann", period="total")), budgets()):
        assert "anew" not in mine.refusal(short(spent=1_000_000, held=0), Claim(1, ()), NOON).message


EXHAUSTED: Mapping[str, dict[str, Any]] = {
    "openai_chat": {"type": "insufficient_quota", "code": "budget_exhausted"},
    "openai_responses": {"type": "insufficient_quota", "code": "budget_exhausted"},
    "anthropic": {"type": "billing_error"},
    "gemini": {"status": "RESOURCE_EXHAUSTED", "code": 402},
    "cohere": {},
    "ollama": {},
}


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_each_dialect_says_in_its_own_words_that_money_is_short(name: str) -> None:
    """402 and 429 with the words an SDK of that vendor looks for, and the message; only 429 says when."""
    mine = budgets(row("ann", "key", "ann"))
    spent = DIALECTS[name].write_failure(mine.refusal(short(spent=10**6, held=0), Claim(1, ()), NOON))
    assert spent.status == 402
    assert "is used up" in str(spent.body)
    if EXHAUSTED[name]:
        assert spent.body["error"].items() >= EXHAUSTED[name].items()
    held = DIALECTS[name].write_failure(mine.refusal(short(spent=0, held=10**6), Claim(1, ()), NOON))
    assert held.status == 429
    assert held.headers.get("retry-after") == "1" or "1s" in str(held.body)
    assert "retry-after" not in spent.headers


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_each_surface_says_that_money_is_short(surface: Any) -> None:
    """The simpler protocols too refuse with 402, and name the budget."""
    found = budgets(row("ann", "key", "ann")).refusal(short(spent=10**6, held=0), Claim(1, ()), NOON)
    reply = surface.write_failure(found)
    assert reply.status == 402
    assert "the budget 'ann' is used up" in str(reply.body)


@pytest.mark.parametrize(
    ("value", "micros"),
    [("0.05", 50_000), (" 1 ", 1_000_000), ("0", 0), ("0.0000019", 1), ("1000000000", 10**15)],
)
def test_a_request_says_in_dollars_what_it_may_cost(value: str, micros: int) -> None:
    """A decimal, exactly; what is less than a micro-dollar is none."""
    assert max_cost(value) == micros


@pytest.mark.parametrize(
    "value", ["", "x", "-1", "1e3", "$1", "1,5", "NaN", "inf", "1.", ".5", "٣", "9" * 11, "0x1"]
)
def test_what_is_no_amount_is_the_clients_fault(value: str) -> None:
    """It is 400 and says which header; what was sent is not echoed."""
    with pytest.raises(Failure) as caught:
        max_cost(value)
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, MAX_COST)


@given(st.integers(0, 10**15))
def test_money_is_read_as_it_is_shown(micros: int) -> None:
    """Not a micro-dollar is lost between an amount and its words."""
    assert micros_of(money(micros).removeprefix("$")) == micros


@pytest.mark.parametrize(
    ("given", "micros"), [(25, 25_000_000), (0.1, 100_000), (1e-6, 1), (2.5, 2_500_000), ("0.50", 500_000)]
)
def test_a_configurations_number_is_what_was_written(given: float | str, micros: int) -> None:
    """A tenth of a dollar is exactly that, though no binary number is."""
    found = msgspec.convert({"dollars": given}, BudgetSpec).row("x", 1.0)
    assert found == row("x", cap_micros=micros, created_at=1.0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "dollars"),
        ({"dollars": -1}, "an amount"),
        ({"dollars": float("nan")}, "an amount"),
        ({"dollars": 1e12}, "an amount"),
        ({"dollars": "0.0000009"}, "an amount"),
        ({"dollars": 1, "scope": "key", "subject": "a\nb"}, "printable"),
        ({"dollars": "much"}, "an amount"),
        ({"dollars": 1, "subject": "ann"}, "no subject"),
        ({"dollars": 1, "scope": "key"}, "each has its own"),
        ({"dollars": 1, "zone": "Mars"}, "no time zone"),
        ({"dollars": 1, "period": "year"}, "year"),
        ({"dollars": 1, "alerts": [0]}, ">= 1"),
        ({"dollars": 1, "alerts": list(range(1, 12))}, "10 shares"),
        ({"dollars": 1, "cap": 3}, "cap"),
    ],
)
def test_what_is_no_budget_is_refused_where_it_is_read(fields: dict[str, Any], words: str) -> None:
    """Each fault is told in words, as a fault of validation, so that it has its place."""
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.convert(fields, BudgetSpec)


def test_alerts_are_kept_in_order_and_once() -> None:
    """Two of the same share would be told twice."""
    assert BudgetSpec(dollars=1, alerts=(100, 50, 100)).row("x", 0.0).alerts == (50, 100)


def test_what_is_left_is_what_is_neither_spent_nor_held() -> None:
    """Of each budget of an account, with when it begins anew; less than nothing is nothing."""
    rows = (row("all"), row("each", "key", EACH, period="day"), row("total", period="total", hard=False))
    kept = Kept(Window("each", "ann", DAY, 300_000, 200_000), Window("total", "", 0, 3_000_000, 0))
    found = asyncio.run(budgets(*rows).left(ANN, kept))
    assert [(one.budget.name, one.left_micros, one.ends_at) for one in found] == [
        ("all", 1_000_000, 1_796_083_200),
        ("total", 0, None),
        ("each", 500_000, DAY + 86_400),
    ]
    assert found[2].share == Share("each", "key", "ann", DAY, 1_000_000)
    assert found[1].share.cap_micros is None


def test_budgets_about_one_stand_as_their_windows() -> None:
    """The present one, and none from before; of those for each nothing is told here."""
    rows = [row("each", "key", EACH, period="day"), row("bob", "key", "bob", period="day"), row("all")]
    kept = Kept(
        Window("each", "ann", DAY, 1, 2),
        Window("bob", "bob", DAY, 300_000, 4),
        Window("bob", "bob", DAY - 86_400, 5, 6),
    )
    found = asyncio.run(standings(rows, kept, NOON))
    assert found == [
        Standing(rows[1], Window("bob", "bob", DAY, 300_000, 4), DAY + 86_400),
        Standing(rows[2], Window("all", "", MONTH, 0, 0), 1_796_083_200),
    ]
    assert [one.share_spent for one in found] == [0.3, 0.0]
    assert Standing(row("none", cap_micros=0), found[1].window, None).share_spent == 1.0


def test_a_budget_is_described_in_words() -> None:
    """Whose spending it counts, for people."""
    assert [about(one) for one in EVERY[:4]] == ["everything", "key ann", "key bob", "each key"]
    assert about(Share("x", "team", "red", 0, 1)) == "team red"
