"""Fields: what is taken is gone, what is not goes home, and a client's fault has a path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.failure import Failure, Kind
from dragoman.dialects.fields import MAX_DEPTH, MAX_ITEMS, Fields, decode, encode, parse

TAKERS: dict[str, Callable[[Fields], Any]] = {
    "text": lambda fields: fields.text("x"),
    "words": lambda fields: fields.words("x"),
    "flag": lambda fields: fields.flag("x"),
    "integer": lambda fields: fields.integer("x"),
    "number": lambda fields: fields.number("x"),
    "object": lambda fields: fields.object("x"),
    "array": lambda fields: fields.array("x"),
    "strings": lambda fields: fields.strings("x"),
    "one_of": lambda fields: fields.one_of("x", ("a", "b")),
}
GOOD: dict[str, Any] = {
    "text": "a",
    "words": "a",
    "flag": False,
    "integer": 3,
    "number": 0.5,
    "object": {"y": 1},
    "array": [1],
    "strings": ["a"],
    "one_of": "b",
}
VALUES: tuple[Any, ...] = ("", "c", True, 7, 1.5, {}, {"y": 1}, [], [1], ["a"])


@pytest.mark.parametrize("name", TAKERS)
def test_what_is_taken_is_gone(name: str) -> None:
    """A field of the right type is returned and leaves the rest."""
    fields = Fields({"x": GOOD[name], "y": 1}, strict=True)
    found = TAKERS[name](fields)
    if isinstance(found, Fields):
        assert (found.rest, found.at) == (GOOD[name], "$.x")
    else:
        assert found == (tuple(GOOD[name]) if name == "strings" else GOOD[name])
    assert fields.rest == {"y": 1}


@pytest.mark.parametrize("name", TAKERS)
def test_null_is_nothing_and_stays(name: str) -> None:
    """Null and absent read alike, and a null goes home."""
    fields = Fields({"x": None}, strict=True)
    assert TAKERS[name](fields) is None
    assert fields.rest == {"x": None}
    assert TAKERS[name](Fields({}, strict=True)) is None


@pytest.mark.parametrize("name", TAKERS)
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_wrong_type_is_refused_or_left(name: str, value: Any) -> None:
    """A client is told where; a provider's field is left where it was; neither is changed or guessed."""
    fields = Fields({"x": value}, "$.a", strict=True)
    try:
        found = TAKERS[name](fields)
    except Failure as failure:
        assert (failure.kind, failure.at) == (Kind.INVALID, "$.a.x")  # noqa: PT017  either outcome will do
        lenient = Fields({"x": value})
        assert TAKERS[name](lenient) is None
        assert lenient.rest == {"x": value}
    else:
        if found is None:
            assert fields.rest == {"x": value}
        else:
            assert fields.rest == {}


def test_the_input_is_not_changed() -> None:
    """Taking works on a private copy."""
    body = {"x": "a"}
    Fields(body).text("x")
    assert body == {"x": "a"}


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_only_an_object_has_fields(value: Any) -> None:
    """A client's mistake is a 400; a provider's is a 502."""
    with pytest.raises(Failure) as caught:
        Fields(value, "$.a", strict=True)
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, "$.a")
    with pytest.raises(Failure) as caught:
        Fields(value)
    assert caught.value.kind is Kind.UPSTREAM


def test_what_must_be_there() -> None:
    """A client must send it; for a provider something empty stands in."""
    strict, lenient = Fields({}, strict=True), Fields({})
    for name in ("need_text", "need_array", "need_object"):
        with pytest.raises(Failure) as caught:
            getattr(strict, name)("x")
        assert caught.value.at == "$.x"
    assert lenient.need_text("x") == ""
    assert lenient.need_array("x") == []
    assert lenient.need_object("x").rest == {}


def test_bounds_bind_clients_only() -> None:
    """A number out of range is a client's 400 and a provider's own business."""
    assert Fields({"x": 5}).number("x", most=1) == 5
    assert Fields({"x": -5}).integer("x", least=0) == -5
    with pytest.raises(Failure, match="between"):
        Fields({"x": 5}, strict=True).number("x", least=0, most=1)
    with pytest.raises(Failure, match="at least"):
        Fields({"x": 5}, strict=True).integer("x", least=9)


def test_a_providers_whole_float_is_an_integer() -> None:
    """Cohere counts tokens in floats; a client may not."""
    assert Fields({"x": 3.0}).integer("x") == 3
    with pytest.raises(Failure):
        Fields({"x": 3.0}, strict=True).integer("x")


def test_numbers_keep_their_kind() -> None:
    """A whole number stays whole, so that it goes home as it came."""
    assert isinstance(Fields({"x": 1}).number("x"), int)


def test_leaving_puts_back_what_is_left() -> None:
    """An inner object's rest goes home under its name; an empty one is gone."""
    fields = Fields({"x": {"y": 1, "z": 2}})
    inner = fields.need_object("x")
    inner.integer("y")
    fields.leave("x", inner)
    assert fields.rest == {"x": {"z": 2}}
    inner.integer("z")
    fields = Fields({})
    fields.leave("x", inner)
    assert fields.rest == {}


def test_empty_words_stay() -> None:
    """An empty string says nothing, and goes home."""
    fields = Fields({"x": ""}, strict=True)
    assert fields.words("x") is None
    assert fields.rest == {"x": ""}


def test_any_takes_all_but_null() -> None:
    """`any` does not look at the type."""
    fields = Fields({"x": 0, "y": None})
    assert fields.any("x") == 0
    assert fields.any("y") is None
    assert fields.rest == {"y": None}


def test_paths() -> None:
    """A path names fields and elements."""
    fields = Fields({}, "$.a")
    assert (fields.path("b"), fields.path(2)) == ("$.a.b", "$.a[2]")


# ---------------------------------------------------------------------------- the JSON borders


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no body"),
        (b" \n", "no body"),
        (b"[]", "not a valid JSON object"),
        (b"{", "not a valid JSON object"),
        (b'{"a":NaN}', "not a valid JSON object"),
        (b'{"a":1e999}', "not a valid JSON object"),
        (b'{"a":"\\ud800"}', "lone surrogate"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b'{"a":1,"b":2,"a":3}', "twice"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "deeper"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deeper"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_a_body_that_cannot_be_trusted(body: bytes, words: str) -> None:
    """Each is a 400 that says what is wrong, and never repeats the body."""
    with pytest.raises(Failure, match=words) as caught:
        parse(body)
    assert caught.value.kind is Kind.INVALID
    assert len(caught.value.message) < 200


def test_the_key_given_twice_is_named() -> None:
    """Only its name, cut short: the value may be a secret."""
    with pytest.raises(Failure) as caught:
        parse(b'{"%s":1,"%s":2}' % (b"k" * 99, b"k" * 99))
    assert caught.value.at == "$." + "k" * 64


def test_the_deepest_body_that_is_read() -> None:
    """The limit is on nesting, not on size."""
    deep = b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}"
    assert parse(deep)
    assert parse(b'{"a":[%s]}' % b",".join([b"[]"] * 10_000))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, min_size=1))
def test_what_is_written_is_read(body: dict[str, Any]) -> None:
    """One line of UTF-8, and the same value again."""
    try:
        data = encode(body)
    except UnicodeEncodeError:
        return  # a lone surrogate, which no body that was read can hold
    assert b"\n" not in data
    assert decode(data) == parse(data) == body


def test_a_key_given_twice_is_found_among_many() -> None:
    """Half a million keys are looked through once, not each of them once for every other."""
    body = b"{" + b"".join(b'"%d":1,' % number for number in range(500_000)) + b'"499999":2}'
    with pytest.raises(Failure) as caught:
        parse(body)
    assert caught.value.at == "$.499999"


@pytest.mark.parametrize("item", ['{"role":"user","content":"x"}', '"x"'], ids=["turns", "texts"])
def test_an_array_without_end_is_refused_before_it_is_read(item: str) -> None:
    """Each turn is work on the event loop; numbers are not (token ids come by the ten thousand)."""
    many = f'{{"model":"m","messages":[{",".join([item] * (MAX_ITEMS + 1))}]}}'
    with pytest.raises(Failure) as refused:
        parse(many.encode())
    assert refused.value.at == "$.messages"
    assert len(parse(f'{{"input":[{",".join(["7"] * (MAX_ITEMS + 1))}]}}'.encode())["input"]) == MAX_ITEMS + 1
