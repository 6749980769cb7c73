"""Estimates: what is held covers what is booked, whatever a provider counts as what."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.accounts.estimate import FARTHEST, Rates, dearest, may_serve, sounds, writes
from dragoman.core.extras import Extras
from dragoman.core.request import Media, Message, Request, Text, ToolResult
from dragoman.core.tasks import Embed
from dragoman.core.usage import COUNTERS, Price, Usage, cost, micros

SONNET = Price(
    input=Decimal(3),
    output=Decimal(15),
    cache_read=Decimal("0.3"),
    cache_write=Decimal("3.75"),
    cache_write_long=Decimal(6),
)
LONG = Price(
    input=Decimal(2),
    output=Decimal(12),
    audio_input=Decimal(40),
    audio_output=Decimal(80),
    request=Decimal("0.01"),
    long_after=1000,
    long=Price(input=Decimal(4), output=Decimal(10), long_after=5000, long=Price(Decimal(9), Decimal(18))),
)
RATE = st.decimals(0, 200, places=4)
MAYBE = st.none() | RATE


@st.composite
def prices(draw: st.DrawFn, depth: int = 1) -> Price:
    """Return any price, with a dearer or cheaper one for long inputs."""
    rates = {name: draw(MAYBE) for name in Price.__struct_fields__[2:-3]}
    price = msgspec.structs.replace(Price(input=draw(RATE), output=draw(RATE)), **rates)
    if depth == 0 or draw(st.booleans()):
        return price
    if draw(st.booleans()):
        price = msgspec.structs.replace(price, tiers={"priority": draw(prices(depth - 1))})
    after, long = draw(st.integers(0, 2000)), draw(prices(depth - 1))
    return msgspec.structs.replace(price, long_after=after, long=long)


def said(*parts: Text | Media | ToolResult, **rest: object) -> Request:
    """Return a request of these parts, with fields of its dialect's own."""
    extras = Extras("x", rest) if rest else None
    return Request(model="m", dialect="x", messages=(Message("user", parts),), extras=extras)


@given(prices(2), st.lists(st.integers(0, 3000), min_size=8, max_size=8))
def test_what_is_held_covers_whatever_is_counted_as_what(price: Price, counts: list[int]) -> None:
    """However tokens are spread over the counters, they cost no more than was held for their number."""
    usage = msgspec.convert(dict(zip(COUNTERS, counts, strict=True)), Usage)
    booked = cost(usage, price)
    assert booked is not None
    held = dearest(price, read=usage.total_input, wrote=usage.total_output)
    assert micros(booked) <= held
    for tier in price.tiers:
        served = cost(msgspec.structs.replace(usage, tier=tier), price)
        assert served is not None
        assert micros(served) <= held
    more = dearest(price, read=usage.total_input + 100, wrote=usage.total_output + 7)
    assert micros(booked) <= more


@given(prices(1), st.integers(0, 5000), st.integers(0, 10**9))
def test_an_amount_buys_as_many_tokens_as_it_pays_for(price: Price, read: int, amount: int) -> None:
    """What it buys costs no more than it, and one token more would."""
    rates = Rates.of(price, read, sound=True)
    bought = rates.buys(amount, read)
    if bought < 0:
        assert rates.charge(read, 0) > amount
        return
    assert rates.charge(read, bought) <= amount
    if bought < FARTHEST:
        assert rates.charge(read, bought + 1) > amount
    else:
        assert rates.write < Decimal("0.001")


def test_the_dearest_rates_are_those_that_could_apply() -> None:
    """What is read might be written to the long cache; sound counts only where there is any."""
    assert dearest(SONNET, read=1000, wrote=100) == 1000 * 6 + 100 * 15
    assert dearest(LONG, read=1000, wrote=10, asked=said(Text("x"))) == 1000 * 2 + 10 * 12 + 10_000
    assert dearest(LONG, read=1000, wrote=10) == 1000 * 40 + 10 * 80 + 10_000
    assert dearest(LONG, read=1001, wrote=10, asked=said(Text("x"))) == 1001 * 4 + 10 * 12 + 10_000
    assert dearest(LONG, read=6000, wrote=10, asked=said(Text("x"))) == 6000 * 9 + 10 * 18 + 10_000


def test_what_is_held_is_rounded_up() -> None:
    """A millionth of a millionth is a whole micro-dollar."""
    tiny = Price(input=Decimal("0.000001"), output=Decimal(0))
    assert (dearest(tiny, read=1, wrote=0), dearest(tiny, read=0, wrote=9)) == (1, 0)
    assert Rates.of(tiny, 1).buys(0, 0) == FARTHEST
    assert Rates.of(tiny, 1).buys(0, 1) == -1


@pytest.mark.parametrize(
    ("bounds", "candidates", "tokens"),
    [((), 1, 500), ((None, None), 1, 500), ((100, None), 1, 100), ((900, 80), 3, 240), ((900,), 0, 500)],
)
def test_the_least_bound_or_the_expected_length_counts(
    bounds: tuple[int | None, ...], candidates: int, tokens: int
) -> None:
    """What the client or the model allows bounds each candidate."""
    assert writes(500, *bounds, candidates=candidates) == tokens


@pytest.mark.parametrize(
    ("asked", "heard"),
    [
        (said(Text("a")), False),
        (said(Media("image", "url", "https://x.example/a.png")), False),
        (said(Media("audio", "base64", "AAAA")), True),
        (said(ToolResult("1", (Media("video", "file_id", "f"),))), True),
        (said(Text("a"), modalities=["audio"]), True),
        (said(Text("a"), generationConfig={"responseModalities": ["AUDIO"]}), True),
        (said(Text("a"), generationConfig={"topK": 1}), False),
        (Embed(model="m", dialect="x", inputs=()), False),
    ],
)
def test_sound_is_looked_for(asked: Request | Embed, heard: bool) -> None:  # noqa: FBT001  a row of the table
    """In what is said, in what tools brought, and in what is asked of the answer."""
    assert sounds(asked) is heard


def test_a_dearer_tier_is_held_where_it_is_asked_for() -> None:
    """By name, or left to a provider that may choose it; a cheaper one may be served as the standard one."""
    price = Price(Decimal(10), Decimal(10), tiers={"flex": Price(Decimal(5), Decimal(5))})
    price.tiers["priority"] = Price(
        Decimal(20), Decimal(20), long_after=100, long=Price(Decimal(40), Decimal(40))
    )
    held = {
        tier: dearest(price, read=10, wrote=0, asked=msgspec.structs.replace(said(Text("x")), tier=tier))
        for tier in (None, "default", "flex", "auto", "priority", "on_demand")
    }
    assert held == {None: 100, "default": 100, "flex": 100, "auto": 200, "priority": 200, "on_demand": 100}
    asked = msgspec.structs.replace(said(Text("x")), tier="priority")
    assert dearest(price, read=101, wrote=0, asked=asked) == 101 * 40


def test_what_may_be_served_is_said_in_one_vocabulary() -> None:
    """Whatever the vendor calls it; a speed is a tier, and what is no request of words has none."""
    asked = said(Text("x"), speed="fast")
    assert may_serve(asked) == ("fast",)
    assert may_serve(msgspec.structs.replace(asked, tier="performance")) == ("fast", "scale")
    assert may_serve(said(Text("x"))) == ()
    assert may_serve(Embed("d", "m", ())) == ()
