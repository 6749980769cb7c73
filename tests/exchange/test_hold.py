"""What is held: how much is asked for, what it pays for, and where an answer has to end."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.accounts.estimate import Rates
from dragoman.core.events import Append, Close, Event, Open, Stop
from dragoman.core.request import Text, Thinking, ToolCall
from dragoman.exchange.hold import AHEAD, BLIND, LEAST, SLACK, Hold, Written, text_of
from dragoman.providers.tokens import count
from dragoman.store.budgets import Share

RATES = Rates(Decimal(10), Decimal(100))
"""Micro-dollars for a token that is read, and for one that is written."""


def share(cap: int | None) -> Share:
    """Return a window with a cap."""
    return Share("b", "all", "", 0, cap)


def aimed(
    *,
    bound: int | None = None,
    expected: int = 100,
    read: int = 5,
    before: int = 0,
    most: int | None = None,
    hidden: bool = False,
    least: int = LEAST,
) -> Hold:
    """Return the hold of an attempt that begins."""
    hold = Hold((share(1_000_000),), most)
    hold.aim(
        RATES,
        model="m",
        before=before,
        read=read,
        bound=bound,
        expected=expected,
        hidden=hidden,
        least=least,
    )
    return hold


def test_what_is_claimed_is_the_input_and_the_expected_answer() -> None:
    """And what earlier attempts have cost."""
    assert aimed().claim().micros == 5 * 10 + 100 * 100
    assert aimed(before=7).claim().micros == 7 + 5 * 10 + 100 * 100
    assert aimed(bound=3).claim().micros == 5 * 10 + 3 * 100


@pytest.mark.parametrize(
    ("hold", "hard"),
    [
        (Hold(), False),
        (Hold((share(None),)), False),
        (Hold((share(None), share(0))), True),
        (Hold((), 0), True),
    ],
)
def test_only_what_could_refuse_is_hard(hold: Hold, *, hard: bool) -> None:
    """A soft budget counts, and refuses nothing; what the client would pay is a cap."""
    assert hold.hard is hard


def test_what_is_held_for_the_present_attempt_is_known() -> None:
    """Without what earlier ones have cost, and nothing before any money is held."""
    hold = aimed(before=7)
    assert hold.present == 0
    hold.grant(hold.claim())
    assert hold.present == 5 * 10 + 100 * 100


def test_some_of_what_is_held_is_kept_back() -> None:
    """A provider runs ahead of us, unless it will stop by itself where the money ends."""
    open_ended, bounded = aimed(), aimed(bound=100)
    assert open_ended.pays(100 - AHEAD)
    assert not open_ended.pays(101 - AHEAD)
    assert bounded.pays(100)
    assert bounded.pays(100 * SLACK), "its count is believed, and ours may be larger"
    assert not bounded.pays(100 * SLACK + AHEAD + 1), "but not one that does not stop at all"


def test_who_has_less_makes_do_with_it() -> None:
    """The provider is told; what does not pay for the beginning of an answer is not enough."""
    hold = aimed()
    assert hold.narrow(50 + 40 * 100)
    assert (hold.bound, hold.allowed, hold.told) == (40, 40, True)
    assert not aimed().narrow(50 + LEAST * 100 - 1)
    assert aimed(bound=3).narrow(50 + 3 * 100), "an answer of three tokens needs no more"
    roomy = aimed(bound=30)
    assert roomy.narrow(10**9)
    assert (roomy.bound, roomy.told) == (30, False)


@given(
    cap=st.integers(0, 200_000),
    bound=st.none() | st.integers(0, 3_000),
    expected=st.integers(0, 2_000),
    read=st.integers(0, 500),
    before=st.integers(0, 10_000),
)
def test_what_was_narrowed_fits(cap: int, bound: int | None, expected: int, read: int, before: int) -> None:
    """Whatever is left, the claim is no larger, and all it allows is paid for."""
    hold = aimed(bound=bound, expected=expected, read=read, before=before)
    if not hold.narrow(cap):
        assert hold.least().micros > cap
        return
    assert hold.claim().micros <= cap
    assert hold.claim(hold.bound).micros <= cap
    assert hold.worth(cap) <= (hold.bound or 0)


@given(
    tokens=st.integers(0, 5_000),
    bound=st.none() | st.integers(0, 5_000),
    most=st.none() | st.integers(0, 10**6),
)
def test_what_is_wanted_next_pays_for_what_there_is(tokens: int, bound: int | None, most: int | None) -> None:
    """If nothing bounds it; and never more than the bound, or than the client would pay, is wanted."""
    hold = aimed(bound=bound, most=most)
    wanted = hold.wanted(tokens)
    if bound is not None:
        assert wanted <= max(bound, tokens)
    if most is not None:
        assert wanted == 0 or hold.claim(wanted).micros <= max(most, hold.claim(0).micros)
    if bound is None and most is None:
        hold.grant(hold.claim(wanted), wanted)
        assert hold.pays(tokens)


def test_it_knows_what_of_an_answer_is_open() -> None:
    """Parts that have not been closed, and choices that have not stopped, in the order they came."""
    hold = aimed()
    hold.follow([Open(0, Text("")), Open(1, Text(""), 1), Append(0, "x"), Close(0), Stop("end", 0)])
    assert (hold.parts, hold.choices) == ({1: 1}, {1})
    hold.follow([Close(1), Stop("length", 1)])
    assert (hold.parts, hold.choices) == ({}, set())


def test_a_growing_text_has_as_many_tokens_as_the_whole() -> None:
    """Whatever pieces it comes in, and however long it is: a block of it is counted once."""
    words = [f" word{number}" for number in range(2_000)]
    written = Written("llama")
    for word in words:
        written = written.with_(word)
    whole, _ = count("llama", "".join(words))
    assert whole <= written.tokens <= whole * 1.02
    assert sum(count("llama", word)[0] for word in words) > whole


@pytest.mark.parametrize("text", ["word ", "\u1200\u1201", "\U0001f600", "}]);\n\t", "\ud800"])
def test_without_counting_it_is_never_taken_for_too_few(text: str) -> None:
    """Whatever is written, in whatever pieces, there are no more tokens than it says at most."""
    written = Written("claude")
    for _ in range(300):
        written = written.with_(text)
        assert written.most >= count("claude", written._tail)[0] + written._tokens
    assert written.tokens == written.most


def test_what_is_not_seen_is_held_from_the_beginning() -> None:
    """All that an answer may have; where nobody says how much that is, it is told the provider."""
    hold = aimed(bound=5_000, hidden=True)
    assert (hold.allowed, hold.told) == (5_000, False)
    hold = aimed(hidden=True)
    assert (hold.allowed, hold.bound, hold.told) == (BLIND, BLIND, True)


def test_who_holds_what_is_not_seen_leaves_half_to_others() -> None:
    """But no less than such an answer usually takes, and only who holds more than that."""
    hold = aimed(bound=5_000, hidden=True)
    assert hold.share(50 + 400_000)
    assert (hold.allowed, hold.told) == (1_999, True)
    assert hold.share(50 + 15_000)
    assert hold.allowed == 100
    assert not hold.share(50 + 15_000)
    assert not aimed(bound=5_000).share(1_000_000)


def test_an_answer_may_have_to_begin_with_a_long_thought() -> None:
    """Where there is no money for that there is none for the answer."""
    hold = aimed(expected=5_000, least=1_000)
    assert hold.least().micros == 50 + 100_000
    assert not hold.narrow(50 + 99_999)


def test_an_estimate_is_no_more_than_what_was_held() -> None:
    """Of this attempt, and not of those before it."""
    hold = aimed(before=1_000)
    hold.grant(hold.claim())
    assert hold.at_most(10) == 10
    assert hold.at_most(10**9) == 5 * 10 + 100 * 100


def test_everything_a_model_writes_counts() -> None:
    """Words, thoughts, and what tools are called with."""
    events: list[Event] = [
        Open(0, Text("a")),
        Open(1, Thinking("b")),
        Open(2, ToolCall("id", "c", "d")),
        Append(2, "e"),
        Close(2),
        Stop("end"),
    ]
    assert [text_of(event) for event in events] == ["a", "b", "cd", "e", "", ""]
