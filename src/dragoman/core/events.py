"""An answer is a message being written.

    Start( Open Append* Close )* Stop* End

    Start(id, model)      once, first
    Open(index, part)     a part begins; `part` is its shell (a tool's id and name, first text)
    Append(index, text)   more text of the open part: words, thinking, or raw tool arguments
    Close(index)          the part is complete; a signature that came last rides here
    Stop(reason, choice)  once a choice: why the model stopped
    End(usage)            once, last

Inside the gateway everything is events: a unary answer is ``fold(events)``, a recorded one is
``unfold(response)``, and ``fold(unfold(r)) == r``. So the ledger, the cache, the sinks and fallback
handle one shape; any client may stream from a non-streaming provider, and the reverse.

Invariants a reader guarantees and a writer may rely on:

* part indices are 0, 1, 2, ... in order of opening, over all choices of the answer;
* within one choice at most one part is open at a time, and all are closed before its Stop;
* usage may be known at Start (Anthropic's input) and is final at End;
* an error is not an event: it is a raised :class:`~dragoman.core.failure.Failure`, also mid-stream.

``Append.extras`` (log probabilities, provider metadata of one chunk) live in the stream only; a fold
does not keep them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, assert_never

import msgspec

from dragoman.core.extras import Extras
from dragoman.core.request import Media, Opaque, Part, Signature, Text, Thinking, ToolCall, ToolResult
from dragoman.core.usage import Usage

Reason = Literal[
    "end", "stop_sequence", "length", "context", "tool_use",
    "refusal", "filter", "pause", "bad_tool_call", "error",
]  # fmt: skip


class Start(msgspec.Struct, frozen=True, omit_defaults=True, tag="start"):
    """The answer begins. ``created_at``: Unix seconds, where the provider says it."""

    id: str
    model: str
    created_at: int | None = None
    usage: Usage | None = None
    extras: Extras | None = None


class Open(msgspec.Struct, frozen=True, omit_defaults=True, tag="open"):
    """A part begins. Its text so far is in `part`; more comes by Append."""

    index: int
    part: Part
    choice: int = 0


class Append(msgspec.Struct, frozen=True, omit_defaults=True, tag="append"):
    """More of an open part: words, thinking, or a fragment of tool arguments."""

    index: int
    text: str
    extras: Extras | None = None


class Close(msgspec.Struct, frozen=True, omit_defaults=True, tag="close"):
    """A part is complete. A signature given here replaces the shell's, and so do extras."""

    index: int
    signature: Signature | None = None
    extras: Extras | None = None


class Stop(msgspec.Struct, frozen=True, omit_defaults=True, tag="stop"):
    """A choice is complete. ``native`` is the provider's own word for the reason."""

    reason: Reason
    choice: int = 0
    sequence: str | None = None
    native: str | None = None
    extras: Extras | None = None


class End(msgspec.Struct, frozen=True, omit_defaults=True, tag="end"):
    """The answer is complete."""

    usage: Usage | None = None
    extras: Extras | None = None


Event = Start | Open | Append | Close | Stop | End


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """One candidate answer: its parts, and why it stopped."""

    parts: tuple[Part, ...]
    stop: Stop
    index: int = 0


class Response(msgspec.Struct, frozen=True, omit_defaults=True):
    """A complete answer."""

    id: str
    model: str
    choices: tuple[Choice, ...]
    usage: Usage | None = None
    created_at: int | None = None
    extras: Extras | None = None


def unfold(response: Response) -> list[Event]:
    """Return the events that write `response`, one Append for each part with text."""
    events: list[Event] = [
        Start(response.id, response.model, created_at=response.created_at, extras=response.extras)
    ]
    index = 0
    for choice in response.choices:
        for part in choice.parts:
            shell, text = _empty(part)
            events.append(Open(index, shell, choice.index))
            if text:
                events.append(Append(index, text))
            events.append(Close(index))
            index += 1
        events.append(choice.stop)
    events.append(End(response.usage))
    return events


def fold(events: Iterable[Event]) -> Response:
    """Return the answer that `events` write.

    Also folds an unfinished stream (a client that left): parts still open are taken as they are, and
    choices without a Stop are absent unless they have parts, which then stop for ``error``.
    """
    folder = Folder()
    for event in events:
        folder.feed(event)
    return folder.response()


class Folder:
    """Folds events as they pass; ask :meth:`response` at any time for the answer so far."""

    __slots__ = ("_choices", "_end", "_parts", "_start", "_stops", "_tails", "_texts")

    def __init__(self) -> None:
        self._start: Start | None = None
        self._parts: dict[int, Part] = {}
        self._choices: dict[int, int] = {}
        self._texts: dict[int, list[str]] = {}
        self._tails: dict[int, Close] = {}
        self._stops: dict[int, Stop] = {}
        self._end: End | None = None

    def feed(self, event: Event) -> None:
        """Take one more event."""
        match event:
            case Append(index, text):
                self._texts[index].append(text)
            case Open(index, part, choice):
                self._parts[index] = part
                self._choices[index] = choice
                self._texts[index] = []
            case Close(index, signature, extras):
                if signature is not None or extras is not None:
                    self._tails[index] = event
            case Start():
                self._start = event
            case Stop():
                self._stops[event.choice] = event
            case End():
                self._end = event
            case _:
                assert_never(event)

    @property
    def usage(self) -> Usage | None:
        """The usage known so far: the final one once it came, else what Start told."""
        if self._end is not None and self._end.usage is not None:
            return self._end.usage
        return self._start.usage if self._start is not None else None

    @property
    def begun(self) -> bool:
        """Whether anything was written at all."""
        return self._start is not None or bool(self._parts)

    @property
    def ended(self) -> bool:
        """Whether the answer is complete."""
        return self._end is not None

    @property
    def written(self) -> str:
        """What the model has written so far, in parts of every kind."""
        begun = [_empty(part)[1] for part in self._parts.values()]
        return "".join([*begun, *(text for texts in self._texts.values() for text in texts)])

    @property
    def model(self) -> str | None:
        """Which model says it answers, once it does."""
        return self._start.model if self._start is not None else None

    @property
    def reason(self) -> Reason | None:
        """Why the first choice stopped, once the answer is complete."""
        if self._end is None or not self._stops:
            return None
        return self._stops[min(self._stops)].reason

    def response(self) -> Response:
        """Return the answer so far."""
        parts: dict[int, list[Part]] = {choice: [] for choice in self._stops}
        for index, shell in self._parts.items():
            part = _filled(shell, "".join(self._texts[index]), self._tails.get(index))
            parts.setdefault(self._choices[index], []).append(part)
        choices = tuple(
            Choice(tuple(found), self._stops.get(choice, Stop("error", choice)), choice)
            for choice, found in sorted(parts.items())
        )
        start = self._start or Start("", "")
        end_extras = self._end.extras if self._end is not None else None
        return Response(
            start.id, start.model, choices, self.usage, start.created_at, _merged(start.extras, end_extras)
        )


def _empty(part: Part) -> tuple[Part, str]:
    """Return `part` without its text, and the text."""
    match part:
        case Text() | Thinking():
            return msgspec.structs.replace(part, text=""), part.text
        case ToolCall():
            return msgspec.structs.replace(part, arguments=""), part.arguments
        case Media() | ToolResult() | Opaque():
            return part, ""
        case _:
            assert_never(part)


def _filled(part: Part, text: str, tail: Close | None) -> Part:
    """Return the shell `part` with appended `text` and what its Close brought."""
    match part:
        case Text() | Thinking():
            part = msgspec.structs.replace(part, text=part.text + text) if text else part
        case ToolCall():
            part = msgspec.structs.replace(part, arguments=part.arguments + text) if text else part
        case Media() | ToolResult() | Opaque():
            return part
        case _:
            assert_never(part)
    if tail is None:
        return part
    return msgspec.structs.replace(
        part, signature=tail.signature or part.signature, extras=_merged(part.extras, tail.extras)
    )


def _merged(first: Extras | None, second: Extras | None) -> Extras | None:
    if first is None or second is None or first.dialect != second.dialect:
        return first or second
    rest, quiet = {**first.rest, **second.rest}, {**first.quiet, **second.quiet}
    return Extras(first.dialect, rest, first.form + second.form, quiet)
