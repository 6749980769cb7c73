"""Mend an answer: do to its events what fit could not have the model do; pure.

    called    the model was made to call one tool, whose arguments are the answer: the call becomes text
    stops     stop sequences the provider does not take: the answer is cut before the first of them

A :class:`Mend` is what `fit` leaves to be done; a :class:`Mender` does it to one answer, event by event, so
that a stream stays one. Events keep their laws: parts are numbered anew where some are left out, and a part
is closed before its choice stops. What is cut off is still read to its end, for the usage comes last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from dragoman.core.events import Append, Close, End, Event, Open, Start, Stop
from dragoman.core.request import Text, ToolCall


class Mend(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is left to be done to an answer; nothing, if it is false."""

    called: bool = False
    stops: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.called or bool(self.stops)


class Mender:
    """Mends the events of one answer as they pass."""

    __slots__ = ("_steps",)

    def __init__(self, mend: Mend) -> None:
        self._steps: list[_Told | _Cut] = []
        if mend.called:
            self._steps.append(_Told())
        if mend.stops:
            self._steps.append(_Cut(mend.stops))

    def feed(self, events: Iterable[Event]) -> list[Event]:
        """Return what becomes of `events`; there may be nothing to tell yet."""
        for step in self._steps:
            events = [told for event in events for told in step.feed(event)]
        return list(events)


class _Places:
    """Numbers the parts that are told, from 0 in order of opening."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: dict[int, int] = {}

    def __contains__(self, index: int) -> bool:
        return index in self._told

    def open(self, event: Open) -> Open:
        """Return `event` under its part's new number."""
        self._told[event.index] = len(self._told)
        return msgspec.structs.replace(event, index=self._told[event.index])

    def renumbered(self, event: Append | Close) -> Iterator[Append | Close]:
        """Yield `event` under its part's new number; nothing for a part that is not told."""
        if event.index in self._told:
            yield msgspec.structs.replace(event, index=self._told[event.index])


class _Told:
    """Tells the first tool call of a choice as its text.

    Words beside the call would spoil the answer's shape, so they wait: where no call follows (the model
    refused, or ran out of tokens) they are the answer after all.
    """

    __slots__ = ("_called", "_choices", "_empty", "_places", "_waiting")

    def __init__(self) -> None:
        self._places = _Places()
        self._called: set[int] = set()
        self._empty: set[int] = set()
        self._choices: dict[int, int] = {}
        self._waiting: dict[int, list[Open | Append | Close]] = {}

    def feed(self, event: Event) -> Iterator[Event]:
        match event:
            case Open(index, ToolCall(arguments=arguments), choice):
                if choice not in self._called:
                    self._called.add(choice)
                    self._empty |= set() if arguments else {index}
                    yield self._places.open(Open(index, Text(arguments), choice))
            case Open(index, Text(), choice):
                self._choices[index] = choice
                self._waiting.setdefault(choice, []).append(event)
            case Open():
                yield self._places.open(event)
            case Append(index) | Close(index) if index in self._choices:
                self._waiting[self._choices[index]].append(event)
            case Append(index):
                self._empty -= {index} if event.text else set()
                yield from self._places.renumbered(event)
            case Close(index):
                yield from self._closed(event)
            case Stop():
                yield from self._stopped(event)
            case Start() | End():
                yield event

    def _closed(self, event: Close) -> Iterator[Event]:
        if event.index in self._empty:
            # A call without arguments is a call with none: {}.
            yield from self._places.renumbered(Append(event.index, "{}"))
        yield from self._places.renumbered(event)

    def _stopped(self, event: Stop) -> Iterator[Event]:
        waiting = self._waiting.pop(event.choice, [])
        if event.choice in self._called:
            # The provider's own word for it, and its details, tell of the call.
            ended = event.reason == "tool_use"
            yield Stop("end", event.choice) if ended else event
            return
        for held in waiting:
            if isinstance(held, Open):
                yield self._places.open(held)
            else:
                yield from self._places.renumbered(held)
        yield event


class _Cut:
    """Cuts each choice before the first stop sequence in one of its texts.

    As much of a text's end as may be the beginning of a stop sequence is held back until it is known.
    """

    __slots__ = ("_choices", "_found", "_held", "_places", "_stops")

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._places = _Places()
        self._found: dict[int, str] = {}
        self._choices: dict[int, int] = {}
        self._held: dict[int, str] = {}

    def feed(self, event: Event) -> Iterator[Event]:
        match event:
            case Open(index, Text(refusal=False) as part, choice) if choice not in self._found:
                self._choices[index] = choice
                self._held[index] = ""
                yield self._places.open(Open(index, msgspec.structs.replace(part, text=""), choice))
                yield from self._more(Append(index, part.text))
            case Open(index, _, choice):
                if choice not in self._found:
                    yield self._places.open(event)
            case Append(index) if index in self._choices:
                yield from self._more(event)
            case Append():
                yield from self._places.renumbered(event)
            case Close(index):
                if held := self._held.pop(index, ""):
                    yield from self._places.renumbered(Append(index, held))
                if index not in self._choices or self._choices[index] not in self._found:
                    yield from self._places.renumbered(event)
            case Stop(choice=choice):
                found = self._found.get(choice)
                yield event if found is None else Stop("stop_sequence", choice, found)
            case Start() | End():
                yield event

    def _more(self, event: Append) -> Iterator[Event]:
        index, choice = event.index, self._choices[event.index]
        if index not in self._held:
            return
        text = self._held[index] + event.text
        places = [(place, stop) for stop in self._stops if (place := text.find(stop)) >= 0]
        place, stop = min(places, default=(len(text) - self._suspect(text), ""))
        if told := text[:place]:
            yield from self._places.renumbered(msgspec.structs.replace(event, text=told))
        if stop:
            del self._held[index]
            self._found[choice] = stop
            yield from self._places.renumbered(Close(index))
        else:
            self._held[index] = text[place:]

    def _suspect(self, text: str) -> int:
        """Return how many characters at the end of `text` may begin a stop sequence."""
        longest = max(map(len, self._stops)) - 1
        return next(
            (
                length
                for length in range(min(longest, len(text)), 0, -1)
                if any(stop.startswith(text[-length:]) for stop in self._stops)
            ),
            0,
        )
