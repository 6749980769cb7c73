"""What of an answer the surfaces tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from tests.dialects.surfaces.scene import USAGE, answer, parts, spoken

from dragoman.core.events import Append, Close, Event, Open, Reason, Start, Stop, unfold
from dragoman.core.extras import Extras
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import Media, Part, Signature, Text, Thinking, ToolCall
from dragoman.core.usage import Usage
from dragoman.dialects.openai_terms import REFUSED
from dragoman.dialects.surfaces.told import Words, dollars, milliseconds, tokens, whole


def lost(words: Words) -> list[str]:
    """Return the losses as the header names them."""
    return list(map(str, words.losses))


def played(events: list[Event]) -> tuple[str, Words]:
    """Return all words of an answer, and who took them."""
    words = Words("prompt")
    return "".join([words.feed(event) for event in events]), words


def test_words_come_as_they_are_said() -> None:
    """Every piece is given back at once, and nothing is lost of a plain answer."""
    words = Words("prompt")
    assert [words.feed(event) for event in answer("Hel", "lo")] == ["", "", "Hel", "lo", "", "", ""]
    assert words.usage == USAGE
    assert not words.losses


def test_all_texts_are_one() -> None:
    """A second text goes on where the first ended; a refusal's words are words."""
    text, losses = whole("prompt", parts(Text("One. "), Text("Two.", refusal=True)))
    assert (text, losses) == ("One. Two.", ())


@pytest.mark.parametrize(
    "part", [Thinking("hm"), ToolCall("c", "f", "{}"), Media("image", "url", "https://x/y.png")]
)
def test_what_is_no_text_is_declared_lost(part: Part) -> None:
    """Thinking, calls and media have no place, and nothing of them is among the words."""
    text, losses = whole("prompt", parts(part, Text("Yes.")))
    assert (text, list(map(str, losses))) == ("Yes.", ["dropped:answer.parts[0]"])


def test_a_second_choice_is_declared_lost() -> None:
    """Only the first is told, also where both come interleaved."""
    events: list[Event] = [
        Start("a", "m"),
        Open(0, Text("a")),
        Open(1, Text("b"), 1),
        Append(1, "b"),
        Append(0, "a"),
        Close(0),
        Close(1),
        Stop("length", 1),
        Stop("end", 0),
    ]
    text, words = played(events)
    assert (text, lost(words)) == ("aa", ["dropped:answer.choices[1]"])


def test_another_dialects_fields_are_declared_lost_once() -> None:
    """Extras and signatures of every event are named."""
    odd = Extras("openai_chat", {"logprobs": 1})
    events: list[Event] = [
        Start("a", "m", extras=Extras("openai_chat", {"citations": [1]})),
        Open(0, Text("", signature=Signature("gemini", "s"), extras=odd)),
        Append(0, "a", odd),
        Append(0, "b", odd),
        Close(0, extras=Extras("openai_chat", {"annotations": [1]})),
    ]
    text, words = played(events)
    assert text == "ab"
    assert lost(words) == [
        "dropped:answer.citations",
        "dropped:answer.parts[0].logprobs",
        "dropped:answer.parts[0].signature",
        "dropped:answer.parts[0].annotations",
    ]


@pytest.mark.parametrize("reason", ["length", "context", "filter", "refusal", "pause", "tool_use"])
def test_why_an_answer_was_cut_is_declared_lost(reason: Reason) -> None:
    """No field says it, so the header does."""
    text, words = played(answer("Well", reason=reason))
    assert (text, lost(words)) == ("Well", ["dropped:answer.stop"])


@pytest.mark.parametrize("reason", ["error", "bad_tool_call"])
def test_an_answer_the_provider_broke_off_is_a_failure(reason: Reason) -> None:
    """Half an answer must not look like a whole one."""
    with pytest.raises(Failure, match="stopped with an error") as failed:
        played(answer("Well", reason=reason, native="oops"))
    assert failed.value.kind is Kind.UPSTREAM


def test_an_answer_a_filter_left_empty_is_a_failure() -> None:
    """An empty text says nothing of a filter."""
    with pytest.raises(Failure) as failed:
        played(answer(reason="filter"))
    assert failed.value.kind is Kind.CONTENT_POLICY


def test_a_refusal_without_words_gets_some() -> None:
    """It is told, and declared as ours."""
    text, words = played(answer(reason="refusal"))
    assert (text, lost(words)) == (REFUSED, ["emulated:answer.stop"])


@given(spoken)
def test_a_whole_answer_has_the_words_of_its_stream(said: list[Part]) -> None:
    """Whole and streamed, the words are those of the texts, in their order."""
    response = parts(*said)
    text, losses = whole("prompt", response)
    assert text == "".join(part.text for part in said if isinstance(part, Text))
    assert len(losses) == sum(not isinstance(part, Text) for part in said)
    assert played(unfold(response))[0] == text


def test_figures_are_told_or_null() -> None:
    """Tokens have OpenAI's names, money is dollars, and what nobody knows is not zero."""
    assert tokens(Usage(input=3, cache_read=4, output=5, reasoning=6)) == {
        "prompt_tokens": 7,
        "completion_tokens": 11,
        "total_tokens": 18,
    }
    assert tokens(None) is None
    assert (dollars(None), dollars(0), dollars(1), dollars(1_500_000)) == (None, 0.0, 0.000001, 1.5)
    assert (milliseconds(12.3456), milliseconds(0.04)) == (12.3, 0.0)
