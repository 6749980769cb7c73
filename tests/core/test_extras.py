"""Extras: they go home, and nowhere else, and leaving them behind is declared."""

from __future__ import annotations

import pytest

from dragoman.core.extras import Extras, Json, Loss, at_home, extras, foreign


def test_nothing_left_is_none() -> None:
    """An empty value is not kept; any of the three kinds makes it one."""
    assert extras("d", {}) is None
    assert extras("d", {}, ()) is None
    assert extras("d", {"a": None}) == Extras("d", {"a": None})
    assert extras("d", {}, ["f"]) == Extras("d", form=("f",))
    assert extras("d", {}, (), {"q": 1}) == Extras("d", quiet={"q": 1})
    assert not Extras("d")


def test_only_home_gets_them() -> None:
    """A codec sees its own extras, and an empty value of anybody else's."""
    own = Extras("d", {"a": 1})
    assert at_home(own, "d") is own
    assert at_home(own, "e") == Extras("e")
    assert at_home(None, "d") == Extras("d")


def test_abroad_each_field_is_a_loss() -> None:
    """By name and place; spelling and quiet fields lose nothing."""
    value = Extras("d", {"a": 1, "b": False}, ("f",), {"q": 1})
    assert list(foreign(value, "e", "messages[0]")) == [
        Loss("dropped", "messages[0].a", "only d has it"),
        Loss("dropped", "messages[0].b", "only d has it"),
    ]
    assert [loss.at for loss in foreign(value, "e", "")] == ["a", "b"]
    assert list(foreign(value, "d", "x")) == []
    assert list(foreign(None, "d", "x")) == []


@pytest.mark.parametrize("field", [None, [], {}])
def test_what_says_nothing_is_no_loss(field: Json) -> None:
    """Nulls and empty containers can be left out."""
    assert list(foreign(Extras("d", {"a": field}), "e", "x")) == []


def test_a_loss_reads_as_a_word() -> None:
    """How and where; why is for people only."""
    assert str(Loss("clamped", "stop", "four at most")) == "clamped:stop"
