"""The model in a body nobody reads: found exactly, replaced alone."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.failure import Failure, Kind
from dragoman.exchange.naming import Named, glimpsed, named, renamed

JSON = "application/json; charset=utf-8"
FORM = "multipart/form-data; boundary=xX"

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
)


def part(name: str, content: bytes, more: str = "") -> bytes:
    """Return one part of a form."""
    return f'--xX\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"


@given(
    st.dictionaries(st.text(max_size=4), VALUES, max_size=4),
    st.dictionaries(st.text(max_size=4), VALUES, max_size=4),
    st.text(max_size=8),
    st.sampled_from([None, 1, "\t"]),
)
def test_in_json_only_the_value_changes(
    before: dict[str, Any], after: dict[str, Any], model: str, indent: int | str | None
) -> None:
    """Wherever the field stands, however the rest is written, a nested one of the same name included."""
    value = {**before, "nested": {"model": "inner"}, "model": model, **after}
    value["model"] = model
    body = json.dumps(value, indent=indent).encode()
    told = named(JSON, body)
    assert told.model == model
    changed = renamed(JSON, body, told, 'new "name"')
    assert json.loads(changed) == {**value, "model": 'new "name"'}
    assert changed[: told.begin] == body[: told.begin]
    assert changed.endswith(body[told.end :])


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"stream": true}', Named(stream=True)),
        (b"", Named()),
        (b"  ", Named()),
        (b'{"a": {"model": "x"}}', Named()),
        (rb'{"mod\u0065l": "x"}', Named("x", begin=15, end=18)),
    ],
)
def test_what_json_says(body: bytes, wanted: Named) -> None:
    """Nothing, a stream, or a name under whatever spelling of the key."""
    assert named(JSON, body) == wanted


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{", b'{"model": 1}', b'{"model": "a", "model": "b"}', b'{"model": "a", "mod\\u0065l": "b"}'],
)
def test_json_that_could_be_read_in_two_ways_is_refused(body: bytes) -> None:
    """The provider might see another model than the one that was checked."""
    with pytest.raises(Failure) as caught:
        named(JSON, body)
    assert caught.value.kind is Kind.INVALID


def test_in_a_form_only_the_field_changes() -> None:
    """Files stay as they are, whatever bytes they hold, and one called like the field is not it."""
    file = bytes(range(256)) + b'\r\n--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nfake'
    body = part("file", file, '; filename="model"') + part("model", b"acme/whisper") + b"--xX--\r\n"
    told = named(FORM, body)
    assert told.model == "acme/whisper"
    assert renamed(FORM, body, told, "whisper") == body.replace(b"acme/whisper", b"whisper")


@pytest.mark.parametrize(
    "head",
    [
        b"content-disposition: form-data; name=model",
        b'Content-Type: text/plain\r\nContent-Disposition: form-data; name="model"',
        b'Content-Disposition: form-data; name="model"; x=y\r\nContent-Type: text/plain',
    ],
)
def test_a_field_is_found_however_its_head_is_written(head: bytes) -> None:
    """Clients differ in order, quotes and case."""
    assert (
        named('multipart/form-data; boundary="xX"', b"--xX\r\n" + head + b"\r\n\r\nm\r\n--xX--").model == "m"
    )


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--xX--"),
        (FORM, b"no boundary at all"),
        (FORM, part("model", b"a") + part("model", b"b") + b"--xX--"),
        (FORM, part("model", b"\xff") + b"--xX--"),
    ],
)
def test_a_form_that_is_none_is_refused(content_type: str, body: bytes) -> None:
    """Without a boundary, with two models, or with one that is no text."""
    with pytest.raises(Failure) as caught:
        named(content_type, body)
    assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize(
    "body", [b"--xX--", part("a", b"b"), part("a", b"b") + b"--xX--", part("model", b"m")[:-2]]
)
def test_a_form_may_say_nothing(body: bytes) -> None:
    """No such field, or one that never ends."""
    assert named(FORM, body) == Named()


@given(st.binary(max_size=60))
def test_any_other_body_says_nothing(body: bytes) -> None:
    """It is not ours to read; and what is glimpsed for the ledger is never a reason to refuse."""
    assert named("application/octet-stream", body) == Named()
    assert named("", body) == Named()
    glimpsed(JSON, body)


def test_a_glimpse_is_of_the_top_level() -> None:
    """Enough for the ledger."""
    assert glimpsed(JSON, b'{"model": "m", "stream": true}') == Named("m", stream=True)
    assert glimpsed(JSON, b'{"model": 5, "stream": 1}') == Named()
    assert glimpsed(FORM, b'{"model": "m"}') == Named()


def test_what_a_file_is_called_is_no_field() -> None:
    """Who chooses a file's name chooses no model, and has no bytes of the file replaced."""
    for name in ("; name=model;.wav", '\\"; name=\\"model\\"', "a; name=model"):
        body = part("file", b"RIFF", f'; filename="{name}"') + b"--xX--\r\n"
        assert named(FORM, body) == Named()
    body = b"--xX\r\ncontent-disposition:form-data ;filename=a; NAME = model\r\n\r\nm\r\n--xX--"
    assert named(FORM, body).model == "m"


def test_a_form_of_any_shape_is_looked_through_once() -> None:
    """A head that begins the same thing a million times, and a body of a million parts."""
    head = b"\r\n" + b"content-disposition:form-data;" * 300_000 + b"\r\n\r\n"
    assert named(FORM, b"--xX" + head + b"v\r\n--xX--") == Named()
    with pytest.raises(Failure, match="more than 1000 parts"):
        named(FORM, b"--xX" + b"\r\n--xX" * 1_000_000)


def test_a_long_key_costs_no_more_memory_than_its_body() -> None:
    """A pattern that could go back would note every character it has passed."""
    body = b'{"' + b"k" * 2_000_000 + b'": 1, "model": "x"}'
    tracemalloc.start()
    try:
        assert named(JSON, body).model == "x"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * len(body)
