"""What every dialect does alike at its border."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.extras import Extras
from dragoman.core.failure import Failure, Kind, Retry
from dragoman.core.request import Media, Signature
from dragoman.dialects.border import (
    BINDING,
    Crossing,
    as_object,
    closed,
    delay_s,
    hushed,
    inlined,
    is_safe,
    judged,
    merged,
    safe,
)


def test_crossing_keeps_its_own_and_declares_the_rest_once() -> None:
    """Own extras come back, foreign ones are losses; saying a loss twice is saying it once."""
    out = Crossing("a")
    assert out.own(Extras("a", {"x": 1}), "m").rest == {"x": 1}
    for _ in range(2):
        assert not out.own(Extras("b", {"y": 1, "z": None}), "m")
        out.unsign(Signature("b", "c2ln"), "m")
    out.unsign(Signature("a", "c2ln"), "n")
    assert [str(loss) for loss in out.losses] == ["dropped:m.y", "dropped:m.signature"]


def test_any_number_of_losses_is_declared_in_order() -> None:
    """As many as the largest body has fields: each is compared with none of those before it."""
    names = [f"x{number}" for number in range(500_000)]
    out = Crossing("a")
    out.own(Extras("b", dict.fromkeys(names, 1)), "m")
    assert [loss.at for loss in out.losses] == [f"m.{name}" for name in names]


def test_binding_field_is_refused_abroad() -> None:
    """A field the model's view depends on is no loss but a refusal, unless it goes home."""
    value = Extras("a", {"state": "s"}, (f"{BINDING}state",))
    assert Crossing("a").own(value, "") == value
    with pytest.raises(Failure, match="only a has state") as caught:
        Crossing("b").own(value, "")
    assert (caught.value.kind, caught.value.at) == (Kind.UNSUPPORTED, "$.state")


@given(st.text(), st.text())
def test_safe_words_are_safe_and_stay_two(first: str, second: str) -> None:
    """Any name becomes a safe one, a safe one stays, and two that look alike afterwards are two."""
    assert is_safe(safe(first))
    assert safe(safe(first)) == safe(first)
    if first != second and not is_safe(first) and not is_safe(second):
        assert safe(first) != safe(second)


@pytest.mark.parametrize(
    ("text", "value"),
    [("", {}), ('{"a": 1}', {"a": 1}), ("[]", None), ("{", None), ("[" * 5000, None), ('"a"', None)],
)
def test_arguments_are_an_object_or_nothing(text: str, value: object) -> None:
    """Empty text is an empty object; what is no object is None, however it is broken."""
    assert as_object(text) == value


def test_data_uri_is_read_as_what_it_is() -> None:
    """A data URI is base64 of its type, bare base64 is told by its first bytes, an address stays one."""
    uri = Media("image", "url", "data:image/webp;base64,UklGRg==")
    assert inlined(uri, "p") == Media("image", "base64", "UklGRg==", mime="image/webp")
    assert inlined(Media("image", "base64", "R0lGODlh"), "p").mime == "image/gif"
    assert inlined(Media("image", "base64", "????"), "p").mime is None
    address = Media("image", "url", "https://example.com/a.png")
    assert inlined(address, "p") == address
    with pytest.raises(Failure):
        inlined(Media("image", "url", "data:text/plain,hi"), "p")


def test_schema_is_closed_wherever_it_is_one() -> None:
    """Objects that do not say so are closed; data that looks like a schema is left alone."""
    schema = {
        "type": "object",
        "properties": {"type": {"type": "string"}, "open": {"type": "object", "additionalProperties": True}},
        "$defs": {"d": {"anyOf": [{"type": "object"}, {"const": {"type": "object"}}]}},
    }
    assert closed(schema) == {
        **schema,
        "additionalProperties": False,
        "$defs": {
            "d": {"anyOf": [{"type": "object", "additionalProperties": False}, {"const": {"type": "object"}}]}
        },
    }


@pytest.mark.parametrize(
    ("status", "kind", "retry"),
    [
        (400, Kind.INVALID, Retry.NEVER),
        (401, Kind.UPSTREAM, Retry.NEXT),
        (403, Kind.UPSTREAM, Retry.NEXT),
        (404, Kind.NOT_FOUND, Retry.NEXT),
        (422, Kind.INVALID, Retry.NEVER),
        (429, Kind.RATE_LIMITED, Retry.AGAIN),
        (500, Kind.UPSTREAM, Retry.AGAIN),
        (503, Kind.OVERLOADED, Retry.AGAIN),
        (529, Kind.OVERLOADED, Retry.AGAIN),
        (302, Kind.UPSTREAM, Retry.NEXT),
    ],
)
def test_status_is_judged(status: int, kind: Kind, retry: Retry) -> None:
    """A provider's status says whose fault it is and what may be tried."""
    found = judged(status)
    assert (found[0], found[2]) == (kind, retry)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "9", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e308"}, None),
    ],
)
def test_delay_is_read(headers: dict[str, str], wait: float | None) -> None:
    """Milliseconds win over seconds; dates and nonsense say nothing."""
    assert delay_s(headers) == wait


def test_objects_are_laid_over_each_other() -> None:
    """What was left over wins, and stands inside what was modelled."""
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9}, "d": {}}) == {
        "a": {"b": 9, "c": 2},
        "d": {},
    }


def test_what_says_nothing_is_taken_off_quietly() -> None:
    """Empty and false fields go; a word, a number and a null stay."""
    rest = {"a": "", "b": False, "c": "x", "d": None, "e": 1}
    assert hushed(rest, "a", "b", "c", "d", "z") == {"a": "", "b": False}
    assert rest == {"c": "x", "d": None, "e": 1}
