"""Cost lines: they add up to what was booked, or say why they do not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.accounts.costing import BOOKED, cost_lines
from dragoman.core.usage import MILLION, Price, Usage, cost, micros
from dragoman.store import AttemptRow, Meters

PRICE = Price(Decimal("2.5"), Decimal(10), cache_read=Decimal("1.25"), request=Decimal("0.01"))
LONG = Price(Decimal(1), Decimal(2), long_after=100, long=Price(Decimal(3), Decimal(4)))


def attempt(price: str = "operator 1", tier: str = "", state: Any = "settled", **meters: Any) -> AttemptRow:
    """Return an attempt that used these meters."""
    more = {"state": state, "price": price, "tier": tier, "meters": Meters(**meters)}
    return AttemptRow(exchange_id="x", number=1, provider="p", model="m", opened_at=5.0, **more)


def find(price: Price | None, version: str = "operator 1") -> Any:
    """Return what finds this price for the attempt's model at its time."""

    def found(provider: str, model: str, at: float) -> tuple[Price | None, str]:
        assert (provider, model, at) == ("p", "m", 5.0)
        return price, version

    return found


@given(
    st.fixed_dictionaries(
        {name: st.integers(0, 10**6) for name in ("input", "cache_read", "output", "reasoning")}
    ),
    st.sampled_from([PRICE, LONG]),
)
def test_lines_add_up_to_what_was_booked(used: dict[str, Any], price: Price) -> None:
    """Each meter at its rate, and what each request costs: exactly the booked micro-dollars, rounded."""
    exact = cost(Usage(**used), price)
    assert exact is not None
    booked = micros(exact)
    lines = cost_lines([attempt(**used, cost_micros=booked)], find(price))
    assert micros(sum((line.micros or Decimal(0) for line in lines), Decimal(0)) / MILLION) == booked
    assert all(line.rate is not None for line in lines if line.tokens)
    assert {line.meter: line.tokens for line in lines if line.tokens} == {k: v for k, v in used.items() if v}


@pytest.mark.parametrize(
    ("row", "version", "why"),
    [
        (attempt("provider", input=5, cost_micros=77), "operator 1", "the provider's own figure"),
        (
            attempt("operator 1", input=5, cost_micros=77),
            "operator 2",
            "by operator 1, which is no longer the price",
        ),
        (attempt("operator 1", input=5, cost_micros=77), "operator 1", "as much as was held for it"),
    ],
)
def test_what_the_price_does_not_explain_is_told_as_booked(row: AttemptRow, version: str, why: str) -> None:
    """The meters have no amounts then, and one line has all of it and by whose word."""
    meter, booked = cost_lines([row], find(PRICE, version))
    assert (meter.tokens, meter.rate, meter.micros) == (5, None, None)
    assert (booked.meter, booked.micros, booked.tokens) == (BOOKED, Decimal(77), None)
    assert booked.why.startswith(why)


def test_what_nobody_knows_is_unknown() -> None:
    """A cost nobody knows is no 0; nor is that of an attempt of which not even the tokens are known."""
    (line,) = cost_lines([attempt("", input=5)], find(None, ""))
    assert (line.micros, line.why) == (None, "nobody knows its price")
    (line,) = cost_lines([attempt("")], find(None, ""))
    assert (line.micros, line.why) == (None, "nobody knows what was used")


def test_what_cost_nothing_is_nothing() -> None:
    """A refused attempt is booked at 0 and says so."""
    (line,) = cost_lines([attempt("", cost_micros=0)], find(None, ""))
    assert line.micros == 0


def test_what_is_under_way_has_no_lines() -> None:
    """Nothing is known of it yet."""
    assert cost_lines([attempt(state="reserved")], find(PRICE)) == ()
