"""Whose model is whose, on a bill and in the ledger."""

from __future__ import annotations

import pytest

from dragoman.accounts.reconcile.names import Pairing, family, paired


def test_names_that_are_alike_are_each_by_themselves() -> None:
    """Two dated names of one family that both sides have are two models, and nothing is said."""
    names = ["gpt-4o-2024-08-06", "gpt-4o"]
    assert paired(names, names) == [
        Pairing("gpt-4o", ("gpt-4o",), ("gpt-4o",)),
        Pairing("gpt-4o-2024-08-06", ("gpt-4o-2024-08-06",), ("gpt-4o-2024-08-06",)),
    ]


def test_a_date_that_only_the_bill_has_is_said() -> None:
    """An alias is compared with what answered for it, and that is told."""
    assert paired(["gpt-4o-2024-08-06"], ["gpt-4o"]) == [
        Pairing(
            "gpt-4o",
            ("gpt-4o-2024-08-06",),
            ("gpt-4o",),
            "gpt-4o-2024-08-06 on the bill is taken for gpt-4o",
        )
    ]


def test_an_alias_and_its_model_are_compared_together() -> None:
    """Of calls by both names the bill knows one: apart, one would be too many and the other missing."""
    [found] = paired(["gpt-4o-2024-08-06"], ["gpt-4o", "gpt-4o-2024-08-06"])
    assert (found.name, found.theirs, found.ours) == (
        "gpt-4o",
        ("gpt-4o-2024-08-06",),
        ("gpt-4o", "gpt-4o-2024-08-06"),
    )


def test_names_for_people_are_found() -> None:
    """A file of costs and one of usage call one model differently; both are what was asked."""
    [found] = paired(["Claude Haiku 4.5", "claude-haiku-4-5-20251001"], ["claude-haiku-4-5"])
    assert found.theirs == ("Claude Haiku 4.5", "claude-haiku-4-5-20251001")
    assert found.ours == ("claude-haiku-4-5",)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-4-0613", "gpt-4"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku-20241022"),
        ("claude-3-7-sonnet@20250219", "Claude Sonnet 3.7"),
        ("gpt-4.1-nano-2025-04-14", "gpt-4.1-nano"),
    ],
)
def test_a_family_has_no_date(one: str, other: str) -> None:
    """However a date is written, what is left is the same."""
    assert family(one) == family(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18"),
        ("gpt-4.1", "gpt-4-1"),
        ("o1", "o1-mini"),
        ("claude-sonnet-4-5", "claude-opus-4-5"),
    ],
)
def test_other_models_are_no_family(one: str, other: str) -> None:
    """A smaller model, or one with another number, is not taken for it."""
    assert family(one) != family(other)


def test_models_of_one_side_stay_alone() -> None:
    """What only one side has is not hidden in anything."""
    assert paired(["a"], ["b"]) == [Pairing("a", ("a",), ()), Pairing("b", (), ("b",))]
    assert paired(["gpt-4o-2024-08-06", "gpt-4o-2024-11-20"], []) == [
        Pairing("gpt-4o-2024-08-06", ("gpt-4o-2024-08-06",), ()),
        Pairing("gpt-4o-2024-11-20", ("gpt-4o-2024-11-20",), ()),
    ]
