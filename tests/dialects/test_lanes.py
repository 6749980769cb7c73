"""Lanes: whatever interleaves on the wire, parts follow one another and nothing is lost."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.events import Append, Close, Event, Open, Start, Stop, fold
from dragoman.core.extras import Extras
from dragoman.core.failure import Failure
from dragoman.core.request import Opaque, Signature, Text, Thinking, ToolCall
from dragoman.dialects.lanes import Lane, kind_of

CALL, OTHER, WORDS = ToolCall("a", "f"), ToolCall("b", "g"), Text("")


def lane() -> Lane:
    """Return an empty lane."""
    return Lane("d", 0, count())


def said(*steps: tuple[str, ToolCall | Text | Thinking, str]) -> list[Event]:
    """Return the events of steps: which part, how it begins, and what is added."""
    one, events = lane(), list[Event]()
    for key, shell, text in steps:
        one.add(key, shell, text, events)
    one.flush(events)
    return events


def test_words_are_closed_by_what_comes_next() -> None:
    """Text gives way at once, and may come again as a new part."""
    assert said(("t", WORDS, "A"), ("c", CALL, "{}"), ("t", WORDS, "B")) == [
        Open(0, WORDS),
        Append(0, "A"),
        Close(0),
        Open(1, CALL),
        Append(1, "{}"),
        Close(1),
        Open(2, WORDS),
        Append(2, "B"),
        Close(2),
    ]


def test_a_newcomer_waits_for_an_incomplete_call() -> None:
    """It begins as soon as the open call's arguments are an object, not only at the end."""
    one, events = lane(), list[Event]()
    one.add("a", CALL, '{"x":', events)
    one.add("b", OTHER, "{", events, more=Extras("d", {"y": 1}))
    assert events == [Open(0, CALL), Append(0, '{"x":')]
    one.add("a", CALL, "1} ", events)
    assert events[3:] == [Close(0), Open(1, OTHER), Append(1, "{", Extras("d", {"y": 1}))]
    one.add("b", OTHER, "}", events)
    assert events[-1] == Append(1, "}")


def test_free_text_is_never_complete() -> None:
    """A custom call's input may be any text, so whatever follows waits for the end."""
    shell = ToolCall("a", "f", custom=True)
    events = said(("a", shell, "{}"), ("b", OTHER, "{}"), ("a", shell, "!"))
    assert [event.text for event in events if isinstance(event, Append)] == ["{}", "!", "{}"]


def test_a_call_without_arguments_says_so() -> None:
    """Its Close tells that they were empty, so that they are spelt so at home."""
    assert said(("a", CALL, "")) == [Open(0, CALL), Close(0, extras=Extras("d", form=("empty",)))]


def test_close_brings_what_came_last() -> None:
    """A signature and fields that came late ride on Close."""
    one, events = lane(), list[Event]()
    strand = one.add("t", Thinking(), "Hm", events)
    assert strand is not None
    assert one.find("t") is one.head is strand
    strand.signature, strand.rest, strand.quiet = Signature("o", "s"), {"x": 1}, {"id": 2}
    one.flush(events)
    assert events[-1] == Close(0, Signature("o", "s"), Extras("d", {"x": 1}, quiet={"id": 2}))
    assert one.head is None


def test_a_complete_call_takes_no_more() -> None:
    """Blanks after it are nothing; anything else cannot be told honestly."""
    one, events = lane(), list[Event]()
    one.add("a", CALL, "{}", events)
    one.add("b", OTHER, "", events)
    assert one.add("a", CALL, " ", events) is None
    with pytest.raises(Failure, match="complete"):
        one.add("a", CALL, "{}", events)


@pytest.mark.parametrize(
    ("shell", "kind"),
    [
        (CALL, "call"),
        (Text("", refusal=True), "refusal"),
        (Text(""), "words"),
        (Thinking(), "words"),
        (Opaque("d", "x"), "other"),
    ],
)
def test_kinds(shell: Text | Thinking | ToolCall | Opaque, kind: str) -> None:
    """What a part is to its choice decides why it stopped."""
    assert kind_of(shell) == kind


PIECES = {"a": ['{"x"', ":1", "}"], "b": ["{", '"y":2}'], "c": ["{}"], "t": ["A", "B"]}
SHELLS: dict[str, ToolCall | Text | Thinking] = {
    "a": ToolCall("a", "f"),
    "b": ToolCall("b", "f"),
    "c": ToolCall("c", "f"),
    "t": Text(""),
}


@given(st.permutations([key for key, pieces in PIECES.items() for _ in pieces]))
def test_any_interleaving_gives_the_same_calls(order: list[str]) -> None:
    """However the pieces of several parts are mixed, each is whole, and only one is open at a time."""
    left = {key: list(pieces) for key, pieces in PIECES.items()}
    events = said(*((key, SHELLS[key], left[key].pop(0)) for key in order))
    open_: list[int] = []
    for event in events:
        if isinstance(event, Open):
            open_.append(event.index)
        elif isinstance(event, Close):
            open_.remove(event.index)
        assert len(open_) <= 1
    parts = fold([Start("", ""), *events, Stop("end")]).choices[0].parts
    calls = {part.id: part.arguments for part in parts if isinstance(part, ToolCall)}
    assert calls == {key: "".join(PIECES[key]) for key in "abc"}
    assert "".join(part.text for part in parts if isinstance(part, Text)) == "AB"
