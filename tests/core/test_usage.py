"""Usage and money: counters are disjoint, totals add up, and no amount is ever a float."""

from __future__ import annotations

import typing
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core import usage as module
from dragoman.core.extras import Extras
from dragoman.core.usage import COUNTERS, Micros, Price, Usage, cost, micros

TOKENS = st.integers(0, 10**9)
RATES = st.decimals(0, 1000, allow_nan=False, places=9)
USAGES = st.builds(Usage, *([TOKENS] * len(COUNTERS)))
PRICES = st.builds(
    Price,
    RATES,
    RATES,
    **{name: st.none() | RATES for name in Price.__struct_fields__[2:8]},
)


@given(USAGES)
def test_totals_hold_every_counter_once(usage: Usage) -> None:
    """The counters are disjoint: all of them together are the total, each in one half."""
    assert usage.total == sum(getattr(usage, name) for name in COUNTERS)
    assert usage.total == usage.total_input + usage.total_output
    assert usage.cached == usage.cache_read + usage.cache_write + usage.cache_write_long


@pytest.mark.parametrize("name", COUNTERS)
def test_each_counter_is_in_one_half(name: str) -> None:
    """A token read is input, a token written is output, never both."""
    usage = msgspec.structs.replace(Usage(), **{name: 7})
    assert {usage.total_input, usage.total_output} == {7, 0}
    assert usage.total == 7


def test_no_counter_was_forgotten() -> None:
    """Every whole number of a Usage is in the list the sums go over."""
    hints = typing.get_type_hints(Usage)
    assert [name for name in Usage.__struct_fields__ if hints[name] is int] == [*COUNTERS, "searches"]


@given(USAGES, USAGES)
def test_usages_add_up(one: Usage, two: Usage) -> None:
    """The sum of two attempts is the sum of their counters."""
    both = one + two
    assert all(getattr(both, name) == getattr(one, name) + getattr(two, name) for name in COUNTERS)


def test_an_unknown_cost_makes_the_sum_unknown() -> None:
    """Half a bill is no bill; an estimate stays one; a provider's own object belongs to one answer."""
    known, unknown = Usage(1, cost=Decimal("0.1"), native=Extras("d", {"x": 1})), Usage(1, estimated=True)
    assert (known + known).cost == Decimal("0.2")
    assert (known + unknown).cost is None
    assert (known + unknown).estimated
    assert (known + known).native is None


@given(USAGES, PRICES)
def test_cost_is_exact(usage: Usage, price: Price) -> None:
    """Decimal arithmetic gives what fractions give, to the last digit."""
    write = price.cache_write if price.cache_write is not None else price.input
    rates = {
        "input": price.input,
        "cache_read": price.input if price.cache_read is None else price.cache_read,
        "cache_write": write,
        "cache_write_long": write if price.cache_write_long is None else price.cache_write_long,
        "audio_input": price.input if price.audio_input is None else price.audio_input,
        "output": price.output,
        "reasoning": price.output if price.reasoning is None else price.reasoning,
        "audio_output": price.output if price.audio_output is None else price.audio_output,
    }
    exact = sum((getattr(usage, name) * Fraction(rates[name]) for name in COUNTERS), Fraction(0)) / 10**6
    found = cost(usage, price)
    assert found is not None
    assert Fraction(found) == exact


def test_a_long_prompt_has_its_own_price() -> None:
    """Above the limit all of the request is charged by the other table, cached tokens counted."""
    price = Price(
        Decimal(1), Decimal(2), long_after=100, long=Price(Decimal(10), Decimal(20), cache_read=Decimal(0))
    )
    assert cost(Usage(input=100, output=1), price) == Decimal("0.000102")
    assert cost(Usage(input=100, cache_read=1, output=1), price) == Decimal("0.00102")


def test_each_longer_prompt_has_a_price_of_its_own() -> None:
    """Of several limits the highest that is passed counts."""
    most = Price(Decimal(100), Decimal(0))
    price = Price(
        Decimal(1), Decimal(0), long_after=10, long=Price(Decimal(10), Decimal(0), long_after=20, long=most)
    )
    charged = [cost(Usage(input=read), price) for read in (10, 11, 20, 21)]
    assert charged == [Decimal(each) / 10**6 for each in (10, 110, 200, 2100)]


def test_a_request_may_cost_a_fee() -> None:
    """It is charged once, or for each search where these are counted, and whatever was read."""
    price = Price(Decimal(1), Decimal(1), request=Decimal("0.002"))
    assert cost(Usage(input=5), price) == Decimal("0.002005")
    assert cost(Usage(), price) == Decimal("0.002")
    assert cost(Usage(searches=3) + Usage(searches=1), price) == Decimal("0.008")


def test_unknown_is_not_zero() -> None:
    """Without a price nobody knows; the provider's own figure wins, zero included."""
    assert cost(Usage(1), None) is None
    assert cost(Usage(1, cost=Decimal("0.5")), Price(Decimal(1), Decimal(1))) == Decimal("0.5")
    assert cost(Usage(1, cost=Decimal(0)), Price(Decimal(1), Decimal(1))) == Decimal(0)


@pytest.mark.parametrize(
    ("amount", "booked"),
    [
        ("0", 0),
        ("0.0000004", 0),
        ("0.0000005", 0),
        ("0.0000015", 2),
        ("0.0000025", 2),
        ("1.2345678", 1_234_568),
        ("123456789", 123_456_789_000_000),
    ],
)
def test_money_is_booked_in_whole_micros(amount: str, booked: int) -> None:
    """Half to even, so that many small amounts do not drift."""
    found = micros(Decimal(amount))
    assert (found, type(found)) == (Micros(booked), int)


def test_money_is_never_a_float() -> None:
    """No field and no result that holds money is annotated with a binary float."""
    holders = {
        **{f"Usage.{name}": hint for name, hint in typing.get_type_hints(Usage).items()},
        **{f"Price.{name}": hint for name, hint in typing.get_type_hints(Price).items()},
        **{name: typing.get_type_hints(getattr(module, name)).get("return") for name in ("cost", "micros")},
    }
    floats = [name for name, hint in holders.items() if float in (hint, *typing.get_args(hint))]
    assert floats == []
    money = [name for name, hint in holders.items() if Decimal in (hint, *typing.get_args(hint))]
    assert len(money) == 11


def test_a_tier_has_a_price_of_its_own() -> None:
    """All of it, a long prompt's too; what the provider says itself goes before."""
    flex = Price(Decimal(1), Decimal(2), long_after=10, long=Price(Decimal(3), Decimal(4)))
    price = Price(Decimal(10), Decimal(20), request=Decimal(1), tiers={"flex": flex})
    assert cost(Usage(input=10, output=1, tier="flex"), price) == Decimal("0.000012")
    assert cost(Usage(input=11, output=1, tier="flex"), price) == Decimal("0.000037")
    assert cost(Usage(input=10, tier="flex", cost=Decimal(7)), price) == Decimal(7)


@pytest.mark.parametrize("tier", ["", "default", "flex", "batch", "scale"])
def test_a_tier_that_is_no_dearer_costs_the_standard_price_at_most(tier: str) -> None:
    """Where its own is not known."""
    assert cost(Usage(input=10, tier=tier), Price(Decimal(1), Decimal(1))) == Decimal("0.00001")


@pytest.mark.parametrize("tier", ["priority", "fast", "ultrafast", "unknown"])
def test_a_tier_that_may_be_dearer_is_unknown(tier: str) -> None:
    """The standard price would be too little."""
    assert cost(Usage(input=10, tier=tier), Price(Decimal(1), Decimal(1))) is None


def test_a_sum_keeps_the_tier() -> None:
    """What is added to an answer's count was served with it."""
    assert (Usage(1, tier="flex") + Usage(1)).tier == "flex"
    assert (Usage(1) + Usage(1, tier="flex")).tier == "flex"
