"""What people type: read strictly, refused at its field, and shown again as it may be sent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dragoman.accounts.terms import LimitTerms, Terms
from dragoman.core.failure import Failure, Kind, invalid
from dragoman.server.dashboard import typed
from dragoman.store.keys import GroupRow


@pytest.mark.parametrize(
    ("words", "meant"),
    [("12.50", "12.50"), ("$12.50", "12.50"), (" $ 3 ", "3"), ("0.000001", "0.000001"), ("0", "0")],
)
def test_dollars(words: str, meant: str) -> None:
    """A decimal with a dot, and a dollar sign before it if one likes."""
    assert typed.dollars({"cap": words}, "cap") == meant


@pytest.mark.parametrize(
    "words", ["", "12,50", "1,250.50", "12.50 €", "-3", "1e3", "٣", "12.", ".5", "$$1", "nan"]
)
def test_what_is_no_amount(words: str) -> None:
    """Anything else is refused at its field, and never guessed."""
    with pytest.raises(Failure) as caught:
        typed.dollars({"cap": words}, "cap")
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, "cap")
    assert ("comma" in caught.value.message) == ("," in words)


def test_whole_numbers() -> None:
    """Digits, or nothing at all."""
    assert [typed.whole({"n": words}, "n") for words in ("", " 7 ", "0")] == [None, 7, 0]
    assert typed.whole({}, "n") is None
    for words in ("7.5", "1,000", "-1", "٣", "9" * 14):
        with pytest.raises(Failure, match="whole number"):
            typed.whole({"n": words}, "n")


def test_lines() -> None:
    """One a line, however lines end; none twice; what stands in the field beside is one more."""
    form = {"models": " a \r\n\r\nb\na", "models_add": "c"}
    assert typed.lines(form, "models") == ("a", "b", "c")
    assert typed.lines({}, "models") == ()


def test_labels() -> None:
    """A name, a sign and a value a line, which may have signs of its own; faults tell the line."""
    assert typed.labels({"labels": "a=1\n\n b = x=y "}) == {"a": "1", "b": "x=y"}
    with pytest.raises(Failure, match="line 2 is no label"):
        typed.labels({"labels": "a=1\nb"})
    with pytest.raises(Failure, match="line 2 names a label"):
        typed.labels({"labels": "a=1\na=2"})


def test_times() -> None:
    """A date is its beginning, UTC; nothing is never."""
    assert typed.when({"expires": "2027-01-01"}, "expires") == datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    assert typed.when({"expires": " "}, "expires") is None
    with pytest.raises(Failure) as caught:
        typed.when({"expires": "tomorrow"}, "expires")
    assert caught.value.at == "expires"


def test_percents() -> None:
    """Whole ones with commas between, with their signs if one likes."""
    assert typed.percents({"alerts": "50, 80 %,100,"}, "alerts") == [50, 80, 100]
    assert typed.percents({}, "alerts") == []
    for words in ("50;80", "half", "12.5", "55555"):
        with pytest.raises(Failure, match="whole percents"):
            typed.percents({"alerts": words}, "alerts")


@pytest.mark.parametrize(
    "terms",
    [
        Terms(),
        Terms(
            description="<b>x</b>",
            labels={"project": "a=b"},
            models=("openai/*", "m"),
            routes=("fast",),
            text=False,
            limits=LimitTerms(requests_per_minute=0, tokens_per_day=9, parallel=1),
        ),
    ],
)
def test_terms_are_read_as_they_are_shown(terms: Terms) -> None:
    """A form that is sent as it is changes nothing."""
    assert typed.terms(typed.typed_terms(terms)) == terms


def test_a_fault_has_the_field_it_is_of() -> None:
    """A JSON path of the API, or a name; of none of the fields it is of all; what was not typed is raised."""
    fields = ("name", "labels", "models", "tokens_per_day")
    for at, field in (
        ("$.name", "name"),
        ("name", "name"),
        ("$.labels.x", "labels"),
        ("$.models[3]", "models"),
        ("$.limits.tokens_per_day", "tokens_per_day"),
        ("$", ""),
        ("$.other", ""),
    ):
        assert typed.fault_of(invalid("no", at), fields) == typed.Fault(field, "no")
    away = Failure(Kind.UNAVAILABLE, "away")
    with pytest.raises(Failure) as caught:
        typed.fault_of(away, fields)
    assert caught.value is away


def test_a_form_of_something_else_is_refused() -> None:
    """What was opened before somebody changed it does not undo that change; a name that is taken stays."""
    row = GroupRow(kind="team", name="a", created_at=1.0)
    typed.check_seen({"seen": typed.seen(row)}, row)
    for form in ({"seen": typed.seen(GroupRow(kind="team", name="b", created_at=1.0))}, {}):
        with pytest.raises(Failure) as caught:
            typed.check_seen(form, row)
        assert caught.value.kind is Kind.CONFLICT
    typed.check_free("c", ["a", "b"], "team")
    with pytest.raises(Failure, match="team of this name"):
        typed.check_free("a", ["a", "b"], "team")
