"""Figures a provider tells: whatever is sent, nothing insane is booked."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dragoman.core.extras import Json
from dragoman.core.usage import Usage
from dragoman.dialects.figures import beside, bill, count, dollars, searched, tier


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (0.00256995, "0.00256995"),
        (1.4e-07, "1.4E-7"),
        (0.1, "0.1"),
        (3, "3"),
        ("0.05", "0.05"),
        (0, "0"),
        (True, None),
        (-1, None),
        (float("nan"), None),
        (float("inf"), None),
        ("x", None),
        (1e9, None),
    ],
)
def test_a_providers_figure_is_read_digit_by_digit(value: float | str, amount: str | None) -> None:
    """What was printed is what counts; what is no sane amount is unknown."""
    assert dollars(value) == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize(
    ("value", "tokens"),
    [
        (7, 7),
        (7.9, 7),
        (0, 0),
        (None, 0),
        ("7", 0),
        (True, 0),
        (-3, 0),
        (float("inf"), 0),
        (float("nan"), 0),
        (1e13, 0),
    ],
)
def test_a_providers_token_figure(value: object, tokens: int) -> None:
    """Whatever they send, a counter is a whole number that is not negative."""
    found = count(value)
    assert (found, type(found)) == (tokens, int)


@pytest.mark.parametrize(
    ("native", "amount"),
    [
        ({}, None),
        ({"cost": 0.25}, "0.25"),
        ({"cost": "x"}, None),
        ({"cost": {"total_cost": 0.006}}, "0.006"),
        ({"cost_in_usd_ticks": 37756000}, "0.0037756"),
        ({"cost_in_usd_ticks": 0}, None),
        ({"cost_in_usd_ticks": 0, "cost": 0.5}, "0.5"),
        ({"cost_in_usd_ticks": True}, None),
        ({"cost_in_usd_ticks": 10**17}, None),
        ({"cost": {}}, None),
        ({"cost": 0.01, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.2}}, "0.01"),
        ({"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}}, "0.21"),
        ({"cost": 0.01, "is_byok": True, "cost_details": None}, "0.01"),
    ],
)
def test_a_bill_is_what_the_customer_pays(native: dict[str, Json], amount: str | None) -> None:
    """A number, a sum of numbers, a fee with the provider's own bill on top, or ticks."""
    assert bill(native) == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize(
    ("told", "served"),
    [
        (("priority",), "priority"),
        (("standard",), "default"),
        (("on_demand",), "default"),
        (("ON_DEMAND_FLEX",), "flex"),
        (("SERVICE_TIER_PRIORITY",), "priority"),
        (("PROVISIONED_THROUGHPUT",), "scale"),
        (("performance",), "scale"),
        (("auto", "flex"), "flex"),
        ((None, "", 7, {}, "batch"), "batch"),
        (("auto",), ""),
        ((), ""),
        (("x" * 33,), "unknown"),
        (("a b",), "unknown"),
    ],
)
def test_a_tier_is_said_in_openais_words(told: tuple[Json, ...], served: str) -> None:
    """The first that says one; what is no name has no price."""
    assert tier(*told) == served


@pytest.mark.parametrize(
    ("told", "is_so"),
    [
        ({"web_search_requests": 1}, True),
        ({"web_search_requests": 0, "web_fetch_requests": 2}, False),
        ({"web_search": {"num_requests": 2}}, True),
        ({"web_search": {"num_requests": 0}}, False),
        ({"web_search": 1}, False),
        (None, False),
    ],
)
def test_a_search_is_seen(told: Json, *, is_so: bool) -> None:
    """As the vendors count it; fetching a page costs no fee."""
    assert searched(told) is is_so


def test_what_stands_beside_a_usage_counts() -> None:
    """Its tier goes before the usage's own; without a usage nothing is known."""
    assert beside(None, {"service_tier": "flex"}) is None
    assert beside(Usage(1, tier="default"), {"service_tier": "flex"}) == Usage(1, tier="flex")
    assert beside(Usage(1, tier="default"), {"service_tier": None}) == Usage(1, tier="default")
