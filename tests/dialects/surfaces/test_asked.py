"""What the surfaces' requests have in common."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core.failure import Failure, Kind
from dragoman.core.request import Text
from dragoman.dialects import Call
from dragoman.dialects.fields import Fields
from dragoman.dialects.surfaces.asked import (
    FLAGS,
    LONGEST_NAME,
    either_flag,
    either_text,
    refuse_misspelt,
    turn,
    words,
)


def fields(**body: Any) -> Fields:
    """Return a client's body."""
    return Fields(body, strict=True)


def asked(**query: str) -> Call:
    """Return a request with a query."""
    return Call("POST", "/chat", query)


def test_words_are_taken_as_they_are() -> None:
    """Nothing is trimmed off what a user says."""
    assert words(fields(prompt="  hello\n"), "prompt") == "  hello\n"
    assert turn(" hi ").parts == (Text(" hi "),)


@pytest.mark.parametrize("value", ["", " \n", None, 7, ["x"]])
def test_words_that_say_nothing_are_refused_with_their_path(value: Any) -> None:
    """An empty prompt is no request."""
    with pytest.raises(Failure) as refused:
        words(fields(prompt=value), "prompt")
    assert (refused.value.kind, refused.value.at) == (Kind.INVALID, "$.prompt")


@pytest.mark.parametrize(
    ("query", "body", "wanted"),
    [
        ({}, {}, None),
        ({"model": "a"}, {}, "a"),
        ({}, {"model": "b"}, "b"),
        ({"model": "a"}, {"model": "a"}, "a"),
    ],
)
def test_a_text_comes_from_the_query_or_the_body(
    query: dict[str, str], body: dict[str, Any], wanted: str | None
) -> None:
    """Either may say it, and both may say the same."""
    given = fields(**body)
    assert either_text(asked(**query), given, "model") == wanted
    assert given.rest == {}


def test_a_query_and_a_body_that_differ_are_refused() -> None:
    """Nobody guesses which of two models was meant."""
    with pytest.raises(Failure, match="differ in model"):
        either_text(asked(model="a"), fields(model="b"), "model")
    with pytest.raises(Failure, match="differ in ignore_cache"):
        either_flag(asked(ignore_cache="true"), fields(ignore_cache=False), "ignore_cache")


@pytest.mark.parametrize(("word", "flag"), FLAGS.items())
def test_a_querys_flag_is_read_as_fastapi_reads_it(word: str, *, flag: bool) -> None:
    """Every spelling of yes and no, in any case."""
    assert either_flag(asked(ignore_cache=f" {word.upper()} "), fields(), "ignore_cache") is flag
    assert either_flag(asked(ignore_cache=word), fields(ignore_cache=flag), "ignore_cache") is flag


def test_a_flag_that_is_none_is_refused() -> None:
    """Neither `maybe` in the query nor a string in the body is a flag; absent is false."""
    assert either_flag(asked(), fields(ignore_cache=None), "ignore_cache") is False
    assert either_flag(asked(), fields(ignore_cache=True), "ignore_cache") is True
    for query, body in (({"ignore_cache": "maybe"}, {}), ({}, {"ignore_cache": "true"})):
        with pytest.raises(Failure) as refused:
            either_flag(asked(**query), fields(**body), "ignore_cache")
        assert refused.value.kind is Kind.INVALID


KNOWN = ("prompt", "template_id", "template_vars", "max_tokens", "temperature", "ignore_cache")


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("promt", "prompt"),
        ("Prompt", "prompt"),
        ("templateId", "template_id"),
        ("template-vars", "template_vars"),
        ("maxTokens", "max_tokens"),
        ("temprature", "temperature"),
        ("ignoreCache", "ignore_cache"),
    ],
)
def test_a_slip_is_refused_with_the_name_that_was_meant(slip: str, meant: str) -> None:
    """A field whose loss would silently change the answer is not ignored."""
    with pytest.raises(Failure, match=f"did you mean {meant}") as refused:
        refuse_misspelt(fields(**{slip: 1}), KNOWN)
    assert refused.value.at == f"$.{slip}"


@pytest.mark.parametrize(
    "body",
    [
        {"user": "ada", "session_id": "s", "top_p": 1, "metadata": {}, "prompt_id": "p"},
        {"promt": None},
        {"prompts": 1, "prompt": "x"},
        {"p" * (LONGEST_NAME + 1): 1},
        {"template_id": "a", "template_vars": {}},
    ],
)
def test_what_is_no_slip_is_left_alone(body: dict[str, Any]) -> None:
    """Strangers, nulls, names whose true one is given too, and known names are no slips."""
    given = fields(**body)
    refuse_misspelt(given, KNOWN)
    assert given.rest == body


def test_what_the_query_gives_is_not_missing() -> None:
    """A name like one that was given elsewhere is a stranger."""
    refuse_misspelt(fields(ignoreCache=True), KNOWN, elsewhere={"ignore_cache": "true"})


def test_a_body_of_countless_fields_costs_no_more_than_a_few() -> None:
    """Only the first strangers are compared; a slip far behind them is ignored like them."""
    many = {f"x{number}": 1 for number in range(50_000)}
    refuse_misspelt(fields(**many, promt="x"), KNOWN)
