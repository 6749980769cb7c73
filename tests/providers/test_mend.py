"""Mend: a call told as text, and an answer cut, whatever the pieces they come in."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.events import (
    Append,
    Choice,
    Close,
    End,
    Event,
    Open,
    Response,
    Start,
    Stop,
    fold,
    unfold,
)
from dragoman.core.request import Part, Text, Thinking, ToolCall
from dragoman.core.usage import Usage
from dragoman.providers.mend import Mend, Mender

USAGE = Usage(input=3, output=4)
CALLED = Mend(called=True)


def answer(*parts: Part, reason: Any = "end", index: int = 0) -> Choice:
    """Return one choice."""
    return Choice(parts, Stop(reason, index, native="theirs"), index)


def mended(mend: Mend, *choices: Choice) -> Response:
    """Return an answer of these choices, mended."""
    return fold(Mender(mend).feed(unfold(Response("id", "m", choices, USAGE))))


def pieces(text: str, cuts: list[int], part: Part | None = None) -> list[Event]:
    """Return an answer whose one text comes in pieces cut at `cuts`."""
    places = [0, *sorted({min(cut, len(text)) for cut in cuts}), len(text)]
    told = [Append(0, text[a:b]) for a, b in itertools.pairwise(places)]
    return [Start("id", "m"), Open(0, part or Text("")), *told, Close(0), Stop("end"), End(USAGE)]


def stream(mend: Mend, events: list[Event]) -> list[Event]:
    """Feed events one by one."""
    mender = Mender(mend)
    return [told for event in events for told in mender.feed([event])]


def sound(events: list[Event]) -> None:
    """Hold events to their laws: numbered from 0, opened before more and closed before the Stop."""
    opened: dict[int, int] = {}
    closed: set[int] = set()
    stopped: set[int] = set()
    for event in events:
        match event:
            case Open(index, _, choice):
                assert index == len(opened)
                assert choice not in stopped
                opened[index] = choice
            case Append(index):
                assert index in opened
                assert index not in closed
            case Close(index):
                assert index in opened
                assert index not in closed
                closed.add(index)
            case Stop(choice=choice):
                assert all(index in closed for index, of in opened.items() if of == choice)
                stopped.add(choice)
    assert isinstance(events[0], Start)
    assert isinstance(events[-1], End)


def test_nothing_to_mend_is_false() -> None:
    """The usual answer passes without a step."""
    assert not Mend()
    assert CALLED
    assert Mend(stops=("x",))
    events = unfold(Response("id", "m", (answer(Text("a")),), USAGE))
    assert Mender(Mend()).feed(events) == events


# ---------------------------------------------------------------------------- a call told as text


def test_a_call_becomes_the_answers_text() -> None:
    """Its arguments are the text, verbatim, and the answer ends instead of asking for a tool."""
    call = ToolCall("c", "final_answer", '{"a": 1}')
    [choice] = mended(CALLED, answer(Thinking("Hm."), call, reason="tool_use")).choices
    assert choice.parts == (Thinking("Hm."), Text('{"a": 1}'))
    assert choice.stop == Stop("end")


def test_words_beside_the_call_are_left_out() -> None:
    """They would spoil the JSON the client asked for; a second call would, too."""
    call, again = ToolCall("c", "f", "{}"), ToolCall("d", "f", "{}")
    parts = (Text("Sure!"), call, again, Text("Done."))
    [choice] = mended(CALLED, answer(*parts, reason="tool_use")).choices
    assert choice.parts == (Text("{}"),)


@pytest.mark.parametrize("reason", ["refusal", "length", "end"])
def test_words_without_a_call_are_the_answer(reason: Any) -> None:
    """A model that refuses, or has no room left, is heard as it spoke."""
    [choice] = mended(CALLED, answer(Text("I will not."), Thinking("x"), reason=reason)).choices
    assert set(choice.parts) == {Text("I will not."), Thinking("x")}
    assert choice.stop == Stop(reason, native="theirs")


def test_a_call_cut_short_stays_cut_short() -> None:
    """The reason is the model's: a client must not take half a document for a whole one."""
    [choice] = mended(CALLED, answer(ToolCall("c", "f", '{"a": '), reason="length")).choices
    assert (choice.parts, choice.stop.reason) == ((Text('{"a": '),), "length")


def test_a_call_without_arguments_is_an_empty_object() -> None:
    """No pieces at all means ``{}`` in every dialect."""
    [choice] = mended(CALLED, answer(ToolCall("c", "f", ""), reason="tool_use")).choices
    assert choice.parts == (Text("{}"),)


def test_each_choice_has_a_call_of_its_own() -> None:
    """Candidates that come side by side are mended one by one."""
    events: list[Event] = [
        Start("id", "m"),
        Open(0, Text(""), 0),
        Open(1, ToolCall("c", "f", ""), 1),
        Append(0, "Ah."),
        Append(1, "{}"),
        Close(0),
        Close(1),
        Stop("tool_use", 1),
        Open(2, ToolCall("d", "f", "[1]"), 0),
        Close(2),
        Stop("tool_use", 0),
        End(),
    ]
    told = stream(CALLED, events)
    sound(told)
    assert [choice.parts for choice in fold(told).choices] == [(Text("[1]"),), (Text("{}"),)]


@given(st.text(min_size=1, max_size=20), st.lists(st.integers(0, 20)))
def test_a_call_is_told_as_it_comes(text: str, cuts: list[int]) -> None:
    """Each piece of the arguments is a piece of text at once: nothing waits for the end."""
    events = pieces(text, cuts, ToolCall("c", "f"))
    mender = Mender(CALLED)
    for event in events:
        told = mender.feed([event])
        assert len(told) == 1
        if isinstance(event, Append):
            assert told == [event]


# ---------------------------------------------------------------------------- an answer cut


@pytest.mark.parametrize(
    ("text", "stops", "left", "found"),
    [
        ("one END two", ("END",), "one ", "END"),
        ("END", ("END",), "", "END"),
        ("one EN", ("END",), "one EN", None),
        ("a\n\nb", ("\n\n", "b"), "a", "\n\n"),
        ("xaab", ("aab",), "x", "aab"),
        ("aaab", ("aab",), "a", "aab"),
        ("abc", ("c", "b"), "a", "b"),
        ("plain", ("END",), "plain", None),
    ],
)
def test_an_answer_ends_before_the_stop_sequence(
    text: str, stops: tuple[str, ...], left: str, found: str | None
) -> None:
    """The first one that is complete counts, and is told as the reason."""
    [choice] = mended(Mend(stops=stops), answer(Text(text))).choices
    assert "".join(part.text for part in choice.parts if isinstance(part, Text)) == left
    assert choice.stop == (Stop("end", native="theirs") if found is None else Stop("stop_sequence", 0, found))


@given(
    st.text("ab", max_size=30),
    st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3),
    st.lists(st.integers(0, 30)),
)
def test_however_it_is_cut_into_pieces_the_answer_is_the_same(
    text: str, stops: list[str], cuts: list[int]
) -> None:
    """A stop sequence is found across pieces, and what only begins like one is not lost."""
    told = stream(Mend(stops=tuple(stops)), pieces(text, cuts))
    sound(told)
    [choice] = fold(told).choices
    left = "".join(part.text for part in choice.parts if isinstance(part, Text))
    assert text.startswith(left)
    assert not any(stop in left for stop in stops)
    if choice.stop.reason == "end":
        assert left == text
    else:
        assert choice.stop.sequence in stops
        assert text[len(left) :].startswith(choice.stop.sequence or "?")


def test_what_comes_after_the_cut_is_read_and_not_told() -> None:
    """The usage is the provider's, which wrote on; a tool it then called was never asked for."""
    parts = (Thinking("END"), Text("a END b"), Text("c"), ToolCall("i", "f", "{}"))
    other = answer(Text("other"), index=1)
    whole = mended(Mend(stops=("END",)), answer(*parts, reason="tool_use"), other)
    assert [choice.parts for choice in whole.choices] == [(Thinking("END"), Text("a ")), (Text("other"),)]
    assert whole.usage == USAGE


def test_only_what_may_begin_a_stop_sequence_is_held_back() -> None:
    """A stream stays a stream."""
    mender = Mender(Mend(stops=("END",)))
    mender.feed([Start("id", "m"), Open(0, Text(""))])
    assert mender.feed([Append(0, "one E")]) == [Append(0, "one ")]
    assert mender.feed([Append(0, "N")]) == []
    assert mender.feed([Append(0, "T two")]) == [Append(0, "ENT two")]


def test_a_refusal_is_not_cut() -> None:
    """It is no part of the answer the client wanted stopped."""
    [choice] = mended(Mend(stops=("END",)), answer(Text("no END", refusal=True))).choices
    assert choice.parts == (Text("no END", refusal=True),)


def test_both_together() -> None:
    """The text a call became is cut like any other."""
    mend = Mend(called=True, stops=("}",))
    [choice] = mended(mend, answer(ToolCall("c", "f", '{"a": 1}'), reason="tool_use")).choices
    assert choice.parts == (Text('{"a": 1'),)
