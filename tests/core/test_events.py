"""Events: an answer folded from its own events is the same answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.events import (
    Append,
    Choice,
    Close,
    End,
    Event,
    Folder,
    Open,
    Response,
    Start,
    Stop,
    fold,
    unfold,
)
from dragoman.core.extras import Extras, extras
from dragoman.core.request import Media, Opaque, Part, Signature, Text, Thinking, ToolCall, ToolResult
from dragoman.core.usage import Usage

WORDS = st.text(max_size=8)
LEFT = st.dictionaries(WORDS, st.none() | st.integers() | WORDS, max_size=2)
EXTRAS = st.builds(extras, WORDS, LEFT, st.lists(WORDS, max_size=2), LEFT)
SIGNATURES = st.none() | st.builds(Signature, WORDS, WORDS, st.none() | WORDS, st.none() | WORDS)
TEXTS = st.builds(Text, WORDS, st.booleans(), SIGNATURES, st.none() | st.integers(0, 9), EXTRAS)
MEDIA = st.builds(
    Media,
    st.sampled_from(["image", "audio", "video", "document"]),
    st.sampled_from(["base64", "url", "file_id", "text"]),
    WORDS,
    mime=st.none() | WORDS,
    signature=SIGNATURES,
    extras=EXTRAS,
)
OPAQUE = st.builds(Opaque, WORDS, WORDS, LEFT)
CALLS = st.builds(
    ToolCall, WORDS, WORDS, WORDS, st.booleans(), st.booleans(), signature=SIGNATURES, extras=EXTRAS
)
RESULTS = st.builds(
    ToolResult, WORDS, st.lists(TEXTS | MEDIA | OPAQUE, max_size=2).map(tuple), st.booleans(), extras=EXTRAS
)
THOUGHTS = st.builds(Thinking, WORDS, st.booleans(), st.booleans(), SIGNATURES, EXTRAS)
PARTS = st.lists(TEXTS | MEDIA | OPAQUE | CALLS | RESULTS | THOUGHTS, max_size=4).map(tuple)
COUNTS = st.integers(0, 9)
USAGES = st.none() | st.builds(Usage, COUNTS, COUNTS, output=COUNTS, estimated=st.booleans(), native=EXTRAS)


@st.composite
def responses(draw: st.DrawFn) -> Response:
    """Draw an answer; its choices are numbered in order."""
    choices = []
    for index in range(draw(st.integers(0, 3))):
        stop = Stop(
            draw(st.sampled_from(["end", "length", "tool_use", "error"])),
            index,
            draw(st.none() | WORDS),
            draw(st.none() | WORDS),
            draw(EXTRAS),
        )
        choices.append(Choice(draw(PARTS), stop, index))
    created_at = draw(st.none() | COUNTS)
    return Response(draw(WORDS), draw(WORDS), tuple(choices), draw(USAGES), created_at, draw(EXTRAS))


@given(responses())
def test_an_answer_is_what_its_events_write(answer: Response) -> None:
    """The law everything above stands on."""
    assert fold(unfold(answer)) == answer


@given(responses())
def test_events_come_in_order(answer: Response) -> None:
    """Start, then parts one after the other with rising numbers, then Stops after their parts, then End."""
    events = unfold(answer)
    assert isinstance(events[0], Start)
    assert isinstance(events[-1], End)
    opened = [event.index for event in events if isinstance(event, Open)]
    assert opened == list(range(len(opened)))
    open_: set[int] = set()
    for event in events:
        if isinstance(event, Open):
            assert not open_
            open_.add(event.index)
        elif isinstance(event, Append):
            assert event.index in open_
        elif isinstance(event, Close):
            open_.remove(event.index)
        elif isinstance(event, Stop):
            assert not open_


@given(responses())
def test_an_answer_survives_being_stored(answer: Response) -> None:
    """JSON keeps an answer as it is, tags and all."""
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Response) == answer


@given(responses(), st.data())
def test_text_may_come_in_pieces(answer: Response, data: st.DataObject) -> None:
    """However finely a text is cut, the answer is the same."""
    events: list[Event] = []
    for event in unfold(answer):
        if isinstance(event, Append):
            at = data.draw(st.integers(0, len(event.text)))
            events += [Append(event.index, event.text[:at]), Append(event.index, event.text[at:])]
        else:
            events.append(event)
    assert fold(events) == answer


def said(*events: Event) -> Response:
    """Fold events of a begun answer."""
    return fold([Start("id", "m"), *events])


def test_interleaved_choices_are_put_in_order() -> None:
    """Parts belong to the choice they were opened for, and choices are sorted."""
    answer = said(
        Open(0, Text("b"), 1),
        Open(1, Text("a"), 0),
        Append(0, "B"),
        Append(1, "A"),
        Stop("length", 1),
        Stop("end", 0),
    )
    assert [(choice.index, choice.parts, choice.stop.reason) for choice in answer.choices] == [
        (0, (Text("aA"),), "end"),
        (1, (Text("bB"),), "length"),
    ]


def test_what_comes_last_replaces() -> None:
    """A signature at Close wins over the shell's, and extras of one dialect are laid over each other."""
    first = Extras("d", {"a": 1, "b": 1}, ("x",), {"q": 1})
    last = Extras("d", {"b": 2}, ("y",), {"r": 2})
    answer = said(
        Open(0, Thinking(signature=Signature("o", "1"), extras=first)),
        Append(0, "Hm"),
        Close(0, Signature("o", "2"), last),
        Open(1, Thinking(signature=Signature("o", "1"))),
        Close(1),
    )
    changed, kept = answer.choices[0].parts
    both = Extras("d", {"a": 1, "b": 2}, ("x", "y"), {"q": 1, "r": 2})
    assert changed == Thinking("Hm", signature=Signature("o", "2"), extras=both)
    assert kept == Thinking(signature=Signature("o", "1"))


def test_start_and_end_share_the_answers_extras() -> None:
    """What came first and what came last are one; those of another dialect do not mix."""
    first, last = Extras("d", {"a": 1}), Extras("d", {"b": 2})
    assert fold([Start("", "", extras=first), End(extras=last)]).extras == Extras("d", {"a": 1, "b": 2})
    assert fold([Start("", "", extras=first), End(extras=Extras("e", {"b": 2}))]).extras == first
    assert fold([Start("", ""), End(extras=last)]).extras == last


def test_a_cut_off_answer_is_folded_too() -> None:
    """Open parts are taken as they are, and their choice stopped for an error."""
    answer = said(Open(0, ToolCall("c", "f")), Append(0, '{"x'))
    assert answer.choices == (Choice((ToolCall("c", "f", '{"x'),), Stop("error")),)
    assert fold([]) == Response("", "", ())


def test_the_folder_can_be_asked_on_the_way() -> None:
    """It knows whether anything was said, how much, what it cost so far, and whether it is over."""
    folder = Folder()
    assert (folder.begun, folder.ended, folder.usage, folder.written) == (False, False, None, "")
    folder.feed(Start("id", "m", usage=Usage(input=3)))
    folder.feed(Open(0, Text("")))
    folder.feed(Append(0, "four"))
    assert (folder.begun, folder.ended, folder.usage, folder.written) == (True, False, Usage(input=3), "four")
    folder.feed(Close(0))
    folder.feed(End())
    assert (folder.ended, folder.usage) == (True, Usage(input=3))
    folder.feed(End(Usage(input=3, output=1)))
    assert folder.usage == Usage(input=3, output=1)


@pytest.mark.parametrize("part", [Media("image", "url", "u"), Opaque("d", "k", 1), ToolResult("c")])
def test_parts_without_text_are_whole_at_once(part: Any) -> None:
    """Text appended to them is nothing; they have none."""
    events = unfold(Response("", "", (Choice((part,), Stop("end")),)))
    assert events[1:3] == [Open(0, part), Close(0)]
    assert said(Open(0, part), Append(0, "x"), Close(0)).choices[0].parts == (part,)


def test_values_are_frozen() -> None:
    """Nobody changes an event or a part that somebody else holds."""
    values: tuple[Event | Part, ...] = (
        Start("", ""),
        Open(0, Text("")),
        Append(0, ""),
        Text(""),
        ToolCall("", ""),
    )
    for value in values:
        with pytest.raises(AttributeError):
            value.extras = None  # type: ignore[misc, union-attr]


def test_an_answer_tells_about_itself_while_it_is_written() -> None:
    """Model and characters as they come, words inside an Open included; the reason only at the end."""
    folder = Folder()
    assert (folder.model, folder.reason, folder.written) == (None, None, "")
    folder.feed(Start("id", "m"))
    folder.feed(Open(0, Text("abc")))
    folder.feed(Append(0, "de"))
    folder.feed(Close(0))
    folder.feed(Open(1, ToolCall("c", "f", "{")))
    folder.feed(Append(1, "}"))
    folder.feed(Close(1))
    folder.feed(Stop("tool_use"))
    assert (folder.model, folder.reason, folder.written) == ("m", None, "abc{de}")
    folder.feed(End())
    assert folder.reason == "tool_use"
