"""Read a file of templates."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.failure import Failure, Kind
from dragoman.prompts.reading import GENERAL, MOST_BYTES, read
from dragoman.prompts.template import Template

NAME = "prompt_templates.json"


def of(value: Any) -> list[Template]:
    """Return the templates of a file that holds `value`."""
    return list(read(json.dumps(value).encode(), NAME).values())


def fault(raw: bytes) -> str:
    """Return what is said of a broken file."""
    with pytest.raises(Failure) as refused:
        read(raw, NAME)
    assert refused.value.kind is Kind.INVALID
    return refused.value.message


def test_a_list_of_templates_is_read_in_its_order() -> None:
    """All fields as they are; variables as declared, then those only the text has."""
    full = {
        "id": "b",
        "title": "Bee",
        "prompt": "{{z}} {{ y }} {{x}}",
        "tags": ["one", "two"],
        "category": "Insects",
        "variables": ["x", "w"],
        "author": "ignored",
    }
    assert of([full, {"id": "a_long-name", "prompt": "Say {{it}}"}]) == [
        Template("b", "Bee", "{{z}} {{ y }} {{x}}", ("one", "two"), "Insects", ("x", "w", "z", "y")),
        Template("a_long-name", "A long name", "Say {{it}}", (), GENERAL, ("it",)),
    ]


def test_a_mapping_of_texts_is_read_too() -> None:
    """The short form: an id and its text, with the older placeholder."""
    assert of({"friendly": "Answer kindly: {prompt}", "plain": "Hello."}) == [
        Template("friendly", "Friendly", "Answer kindly: {prompt}", (), GENERAL, ("prompt",)),
        Template("plain", "Plain", "Hello.", (), GENERAL, ()),
    ]


@pytest.mark.parametrize("value", [[], {}])
def test_a_file_may_hold_nothing(value: Any) -> None:
    """An operator may want no templates at all."""
    assert of(value) == []


def test_a_mark_at_the_beginning_is_no_fault() -> None:
    """Some editors write one."""
    assert [*read(b'\xef\xbb\xbf{"a": "b"}', NAME)] == ["a"]


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b"", "1:1: "),
        (b'{"a": "x",}', "1:11: "),
        (b'{\n  "a": "x"\n  "b": "y"\n}', "3:3: "),
        (b'[\n {"id": "a", "prompt": "x"\n', "3:1: "),
        (b'{"a": "x"} more', "1:12: "),
        (b'{"a": "line\nend"}', "1:12: "),
        (b'{"a":\n "\xff"}', "2:3: this is not UTF-8"),
        (b"\xff\xfe{\x00", "1:1: this is not UTF-8"),
    ],
)
def test_a_fault_of_json_is_told_by_line_and_column(raw: bytes, where: str) -> None:
    """As editors count them, from one."""
    assert fault(raw).startswith(f"{NAME}:{where}")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (7, "got `int`"),
        ("text", "got `str`"),
        (None, "got `null`"),
        ([7], "$[0]"),
        ([{"id": "a", "prompt": "x"}, {"id": "b"}], "`prompt` - at `$[1]`"),
        ([{"prompt": "x"}], "`id` - at `$[0]`"),
        ([{"id": "", "prompt": "x"}], "$[0].id"),
        ([{"id": "a" * 101, "prompt": "x"}], "$[0].id"),
        ([{"id": "a", "prompt": ""}], "$[0].prompt"),
        ([{"id": "a", "prompt": "x", "tags": "one"}], "$[0].tags"),
        ([{"id": "a", "prompt": "x", "variables": [1]}], "$[0].variables[0]"),
        ([{"id": "a", "prompt": "x"}, {"id": "a", "prompt": "y"}], "two templates have the id a"),
        ({"a": 7}, "got `int`"),
        ({"a": {"prompt": "x"}}, "got `object`"),
        ({"": "x"}, "length"),
    ],
)
def test_any_other_fault_is_told_by_its_path(value: Any, words: str) -> None:
    """The file is named first."""
    message = fault(json.dumps(value).encode())
    assert message.startswith(f"{NAME}: ")
    assert words in message


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b'{"a": "x", "a": "y"}', "the key a is given twice"),
        (b'[{"id": "a", "prompt": "x", "prompt": "y"}]', "the key prompt is given twice"),
        (b'{"a": NaN}', "NaN is no JSON"),
        (b'{"a": "\\ud800"}', "a lone surrogate"),
        (b'["\\udfff"]', "a lone surrogate"),
        (b"[" * 100_000, "nests too deeply"),
        (b"1" * 5000, "4300 digits"),
        (b" " * (MOST_BYTES + 1), f"more than {MOST_BYTES} bytes"),
    ],
)
def test_what_json_readers_let_pass_is_a_fault(raw: bytes, words: str) -> None:
    """None of it may reach a client, nor end the gateway."""
    assert words in fault(raw)


def attempted(raw: bytes) -> list[Template] | str:
    """Return the templates of a file, or what is said of it."""
    try:
        return list(read(raw, NAME).values())
    except Failure as failure:
        return failure.message


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["id", "prompt", "tags", "title", "x"]), inner)
    ),
    max_leaves=8,
)


@given(st.binary(max_size=80) | values.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_do_more_than_fail(raw: bytes) -> None:
    """A file is read, or refused by its name; nothing else is ever raised."""
    told = attempted(raw)
    assert told.startswith(NAME) if isinstance(told, str) else msgspec.json.encode(told)


def test_what_clients_are_shown_is_a_file_again() -> None:
    """An operator may begin with a copy of the answer."""
    found = read(b'[{"id": "a", "prompt": "{{x}} {y}", "tags": ["t"]}, {"id": "b", "prompt": "z"}]', NAME)
    assert read(msgspec.json.encode([*found.values()]), NAME) == found
