"""Figures a provider tells: whatever is sent, nothing insane is booked."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dragoman.core.extras import Json
from dragoman.dialects.figures import bill, count, dollars


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
        ({"cost": {}}, None),
        ({"cost": 0.01, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.2}}, "0.01"),
        ({"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}}, "0.21"),
        ({"cost": 0.01, "is_byok": True, "cost_details": None}, "0.01"),
    ],
)
def test_a_bill_is_what_the_customer_pays(native: dict[str, Json], amount: str | None) -> None:
    """A number, a sum of numbers, or a fee with the provider's own bill on top."""
    assert bill(native) == (None if amount is None else Decimal(amount))
