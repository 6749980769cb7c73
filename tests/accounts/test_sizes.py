"""Sizes: cautious at first, right before long, bounded for ever."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from dragoman.accounts.sizes import FACTOR, FIRST, LARGEST, LEAST, SLACK, Sizes


def test_without_history_an_answer_is_taken_for_a_long_one() -> None:
    """A model nobody has asked gets the first guess, and its input a margin."""
    sizes = Sizes()
    assert sizes.expect("acme", "big") == FIRST
    assert sizes.factor("acme", "big") == FACTOR
    assert sizes.reads("acme", "big", 100) == (100 + SLACK) * FACTOR


def test_what_most_answers_stay_below_is_learned() -> None:
    """After a few hundred answers nineteen of twenty are covered, at little more than the longest of them."""
    chance = random.Random(5)
    sizes, lengths = Sizes(), [max(1, round(chance.gauss(300, 60))) for _ in range(1000)]
    covered = 0
    for length in lengths:
        covered += length <= sizes.expect("acme", "big")
        sizes.learn("acme", "big", length)
    assert covered > 950
    assert 350 < sizes.expect("acme", "big") < 600


def test_the_guess_gives_way_answer_by_answer() -> None:
    """One short answer is no rule; sixteen are."""
    sizes, seen = Sizes(), []
    for _ in range(16):
        sizes.learn("acme", "big", 10)
        seen.append(sizes.expect("acme", "big"))
    assert seen == sorted(seen, reverse=True)
    assert seen[0] > FIRST * 0.8
    assert seen[-1] == LEAST


def test_longer_answers_are_expected_at_once() -> None:
    """A first answer far beyond the guess is believed."""
    sizes = Sizes()
    sizes.learn("acme", "big", 9000)
    assert sizes.expect("acme", "big") >= 9000


def test_candidates_are_counted_one_by_one() -> None:
    """What four candidates wrote together is four answers' length."""
    one, four = Sizes(), Sizes()
    for _ in range(40):
        one.learn("a", "m", 500)
        four.learn("a", "m", 2000, candidates=4)
    assert one.expect("a", "m") == four.expect("a", "m") == 500


def test_the_largest_ratio_of_late_is_the_factor() -> None:
    """An input once counted at twice what was reckoned is reckoned so again, and forgotten slowly."""
    sizes = Sizes()
    sizes.compare("a", "m", 100 - SLACK, 200)
    assert sizes.reads("a", "m", 100 - SLACK) >= 200
    for _ in range(20):
        sizes.compare("a", "m", 100 - SLACK, 100)
    assert sizes.factor("a", "m") > 1.5
    for _ in range(1000):
        sizes.compare("a", "m", 100 - SLACK, 50)
    assert sizes.factor("a", "m") == 1.0
    assert sizes.factor("a", "other") == FACTOR


@given(st.lists(st.tuples(st.integers(0, 100_000), st.integers(1, 800_000)), min_size=1, max_size=40))
def test_what_was_counted_last_is_always_covered(counts: list[tuple[int, int]]) -> None:
    """Whatever came before, the very same input again would be covered, unless nothing sane could."""
    sizes = Sizes()
    for reckoned, counted in counts:
        sizes.compare("a", "m", reckoned, counted)
    if counted <= LARGEST * (reckoned + SLACK):
        assert sizes.reads("a", "m", reckoned) >= counted


@given(st.lists(st.integers(-5, 10_000_000), max_size=60))
def test_nonsense_teaches_nothing_terrible(lengths: list[int]) -> None:
    """Whatever a provider says, what is expected stays a number of tokens."""
    sizes = Sizes()
    for length in lengths:
        sizes.learn("a", "m", length)
        sizes.compare("a", "m", length, length - 3)
    assert LEAST <= sizes.expect("a", "m") <= 10 * max([FIRST, *lengths])
    assert 1.0 <= sizes.factor("a", "m") <= LARGEST


def test_memory_is_bounded() -> None:
    """Of ever new models the one that answered longest ago is forgotten."""
    sizes = Sizes(most=3)
    for name in "abc":
        sizes.learn("p", name, 5000)
    sizes.learn("p", "a", 5000)
    sizes.learn("p", "d", 5000)
    assert len(sizes) == 3
    assert sizes.expect("p", "b") == FIRST
    assert sizes.expect("p", "a") > FIRST
