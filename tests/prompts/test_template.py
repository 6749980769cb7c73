"""A template: a text with places in it, and what goes there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.failure import Failure, Kind
from dragoman.prompts.template import MOST_FILLED, filled, places

names = st.from_regex(r"\w[\w-]{0,8}", fullmatch=True)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
tricky = st.sampled_from(
    ["{{a}}", "{{ b }}", "{prompt}", "{{prompt}}", "{{", "}}", "{", "}", "\\1", "\\g<0>", "%s", "{0}", "$a"]
)
values = st.lists(words | tricky, max_size=4).map("".join)
"""What people give; braces and the marks of other template languages among it."""
literals = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}"), max_size=20)
space = st.text(" \t\n\u00a0\u2003", max_size=3)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ()),
        ("no place", ()),
        ("{{a}} and {{ b }} and {{\n a\t}}", ("a", "b")),
        ("{{topic-name}} {{тема}} {{1}} {{_x}}", ("topic-name", "тема", "1", "_x")),
        ("{prompt}", ("prompt",)),
        ("{{prompt}} {prompt}", ("prompt",)),
        ("{{{prompt}}}", ("prompt",)),
        ("{topic} {{}} {{ }} { {a} } {{a}", ()),
        ("{{a.b}} {{a b}} {{a|upper}} {{1+1}} {{a()}} {{-a}} {% a %} ${a} {{'a'}}", ()),
        ("{{{{a}}}}", ("a",)),
    ],
)
def test_a_place_is_a_name_in_double_braces(text: str, wanted: tuple[str, ...]) -> None:
    """Nothing else is: no expression, no attribute, no call; and the one old spelling."""
    assert places(text) == wanted


def test_values_go_in_as_they_are() -> None:
    """Whatever a value looks like, it is words; each place of a name gets it, and extras are ignored."""
    told = filled("{{ a }}+{{b}}={{a}} {c}", {"a": "{{b}}", "b": "\\g<0>", "c": "no"})
    assert told == "{{b}}+\\g<0>={{b}} {c}"
    assert filled("{{{prompt}}} {prompt}", {"prompt": "{prompt}"}) == "{{prompt}} {prompt}"
    assert filled("no place", {}) == "no place"
    assert filled("{{a}}", {"a": ""}) == ""


def test_every_missing_variable_is_named_once() -> None:
    """In the order of the text, whatever else was given."""
    with pytest.raises(Failure) as refused:
        filled("{{c}} {{a}} {{b}} {{a}}", {"b": "x", "d": "y"})
    failure = refused.value
    assert (failure.kind, failure.at, failure.code) == (
        Kind.INVALID,
        "$.template_vars",
        "missing_template_variables",
    )
    assert failure.message.endswith(": c, a")


def test_a_value_is_not_told_in_a_refusal() -> None:
    """It may be anybody's secret."""
    with pytest.raises(Failure) as refused:
        filled("{{a}} {{b}}", {"a": "canary"})
    assert "canary" not in refused.value.message


def test_a_text_has_an_end() -> None:
    """A long value in many places is refused before it is written; the longest allowed text is not."""
    value = "x" * (MOST_FILLED // 4)
    with pytest.raises(Failure) as refused:
        filled("{{a}}" * 5, {"a": value})
    assert (refused.value.kind, refused.value.at) == (Kind.TOO_LARGE, "$.template_vars")
    assert len(filled("{{a}}{{a}}{{a}}", {"a": value})) == 3 * len(value)


def test_braces_without_end_are_read_once() -> None:
    """Text of nothing but openings is no place, however long it is."""
    assert places("{{" * 200_000 + " " * 200_000) == ()
    assert places(("{{" + " " * 50) * 20_000) == ()


@given(st.lists(st.tuples(literals, names, space), max_size=6), literals, st.data())
def test_a_text_is_its_pieces_with_the_values_between_them(
    pieces: list[tuple[str, str, str]], end: str, data: st.DataObject
) -> None:
    """Filling is concatenation: no value changes where another goes, and none is read again."""
    given_ = {name: data.draw(values) for _, name, _ in pieces}
    text = "".join(f"{before}{{{{{gap}{name}{gap}}}}}" for before, name, gap in pieces) + end
    wanted = "".join(before + given_[name] for before, name, _ in pieces) + end
    assert places(text) == tuple(given_)
    assert filled(text, given_) == wanted
    assert filled(text, {**given_, "nobody's": "x"}) == wanted


@given(values, values)
def test_any_text_is_a_template(text: str, value: str) -> None:
    """Whatever an operator writes, its own places are enough to fill it in."""
    asked = places(text)
    told = filled(text, dict.fromkeys(asked, value))
    assert asked or told == text
