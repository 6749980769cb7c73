"""What of an answer the surfaces tell: its words, and a few figures.

A surface has one field for an answer, and that holds text. Thinking, calls and media have no place in it and
are declared lost, and so is why the answer ended, where that is not by itself. Two things must not look like
a good answer, since nothing beside the text would contradict it: an answer the provider broke off is a
failure, and one that a filter left empty is one, too. A refusal without words gets some.
"""

from __future__ import annotations

from typing import assert_never

from dragoman.core.events import Append, Close, End, Event, Open, Response, Start, Stop, unfold
from dragoman.core.extras import Json, Loss
from dragoman.core.failure import Failure, Kind, Source, malformed
from dragoman.core.request import Part, Text
from dragoman.core.usage import Usage
from dragoman.dialects.border import Crossing
from dragoman.dialects.openai_terms import REFUSED

FINE = ("end", "stop_sequence")
"""Reasons to stop that a text needs no word for."""


class Words:
    """Takes the events of one answer, and gives back its words as they come.

    Attributes:
        losses: What was said and cannot be told.
        usage: The tokens of the answer, once it has ended.
    """

    __slots__ = ("_index", "_out", "_silent", "_stop", "losses", "usage")

    def __init__(self, surface: str) -> None:
        self._out = Crossing(surface)
        self._index = -1  # the text that is open
        self._silent = True
        self._stop = Stop("end")
        self.losses: list[Loss] = self._out.losses
        self.usage: Usage | None = None

    def feed(self, event: Event) -> str:
        """Return the words of `event`; "" if it has none.

        Raises:
            Failure: At the end of an answer that is none.
        """
        text = self._text(event)
        self._silent = self._silent and not text
        return text

    def _text(self, event: Event) -> str:
        match event:
            case Append():
                self._out.own(event.extras, f"answer.parts[{event.index}]")
                return event.text if event.index == self._index else ""
            case Open():
                return self._open(event.index, event.part, event.choice)
            case Close():
                self._out.own(event.extras, at := f"answer.parts[{event.index}]")
                self._out.unsign(event.signature, at)
                return ""
            case Start():
                self._out.own(event.extras, "answer")
                return ""
            case Stop():
                self._stop = event if event.choice == 0 else self._stop
                return ""
            case End():
                self._out.own(event.extras, "answer")
                self.usage = event.usage
                return self._end()
            case _:
                assert_never(event)

    def _open(self, index: int, part: Part, choice: int) -> str:
        at = f"answer.parts[{index}]"
        if choice:
            self._out.lose("dropped", f"answer.choices[{choice}]", "an answer has one text here")
            return ""
        if not isinstance(part, Text):
            self._out.lose("dropped", at, "only words are told here")
            return ""
        self._out.own(part.extras, at)
        self._out.unsign(part.signature, at)
        self._index = index
        return part.text

    def _end(self) -> str:
        """Judge how the answer ended; return the words that must still be said."""
        stop = self._stop
        self._out.own(stop.extras, "answer")
        if stop.reason in ("error", "bad_tool_call"):
            raise malformed(f"the provider stopped with an error ({stop.native or stop.reason})")
        if stop.reason == "filter" and self._silent:
            raise Failure(
                Kind.CONTENT_POLICY, "the provider's filter held the answer back", source=Source.CLIENT
            )
        if stop.reason == "refusal" and self._silent:
            self._out.lose("emulated", "answer.stop", "a refusal has words here")
            return REFUSED
        if stop.reason not in FINE:
            self._out.lose("dropped", "answer.stop", "nothing says here why an answer ended")
        return ""


def whole(surface: str, response: Response) -> tuple[str, tuple[Loss, ...]]:
    """Return the words of a whole answer, and what of it they do not tell.

    Raises:
        Failure: It is no answer: see above.
    """
    words = Words(surface)
    text = "".join([words.feed(event) for event in unfold(response)])
    return text, tuple(words.losses)


def tokens(usage: Usage | None) -> dict[str, Json] | None:
    """Return an answer's tokens, by OpenAI's names; None where nobody knows."""
    if usage is None:
        return None
    return {
        "prompt_tokens": usage.total_input,
        "completion_tokens": usage.total_output,
        "total_tokens": usage.total,
    }


def dollars(micros: int | None) -> float | None:
    """Return the wire's number of US dollars; None where nobody knows. Ours stays exact."""
    return None if micros is None else micros / 1_000_000


def milliseconds(latency_ms: float) -> float:
    """Return the wire's number of milliseconds, to a tenth."""
    return round(latency_ms, 1)
