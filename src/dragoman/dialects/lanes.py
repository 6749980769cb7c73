"""Lanes: fragments that interleave on the wire become parts that follow one another.

A wire may mix what the core keeps apart: pieces of two calls in turn, words in the middle of a call,
several answers at once. The core promises writers that within one choice at most one part is open, and that
parts are numbered in order of opening. So each choice has a lane, each part in it is a strand, and a strand
that starts while another is open either closes it or waits:

* text and thinking are closed by whatever comes next, and may come again as a new part;
* a call is closed once its arguments are a complete JSON object. Until then the newcomer waits, and so
  does everything after it; at the end those that still wait follow in order.

Nothing is lost and nothing is said twice; only the order between strands changes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import msgspec

from dragoman.core.events import Append, Close, Event, Open
from dragoman.core.extras import Extras, Json, extras
from dragoman.core.failure import malformed
from dragoman.core.request import Opaque, Part, Signature, Text, ToolCall
from dragoman.dialects.fields import decode


class Strand:
    """One part being written, or waiting to be."""

    __slots__ = ("_held", "index", "key", "quiet", "rest", "said", "shell", "signature")

    def __init__(self, key: Hashable, shell: Part) -> None:
        self.key = key
        self.shell = shell
        self.index = -1
        self.said: list[str] = []
        self.signature: Signature | None = None
        self.rest: dict[str, Json] = {}
        """What Close brings besides the signature; `quiet` likewise."""
        self.quiet: dict[str, Json] = {}
        self._held: list[tuple[str, Extras | None]] = []

    @property
    def settled(self) -> bool:
        """Whether nothing more can come, so that another part may follow."""
        if not isinstance(self.shell, ToolCall):
            return True
        return not self.shell.custom and _is_object("".join(self.said))

    def open(self, index: int, choice: int, events: list[Event]) -> None:
        """Begin the part, and say what was held back."""
        self.index = index
        events.append(Open(index, self.shell, choice))
        events += [Append(index, text, more) for text, more in self._held]
        self._held = []

    def say(self, text: str, more: Extras | None, events: list[Event]) -> None:
        """Add `text`: at once if the part is open, else when it is."""
        self.said.append(text)
        if self.index < 0:
            self._held.append((text, more))
        else:
            events.append(Append(self.index, text, more))

    def close(self, dialect: str, events: list[Event]) -> None:
        """End the part. A call without any arguments says so, for they are then spelt ``""``."""
        form = ("empty",) if isinstance(self.shell, ToolCall) and not any(self.said) else ()
        events.append(Close(self.index, self.signature, extras(dialect, self.rest, form, self.quiet)))


class Lane:
    """The parts of one choice."""

    __slots__ = ("_count", "_done", "_strands", "choice", "dialect", "head", "kinds")

    def __init__(self, dialect: str, choice: int, count: Iterator[int]) -> None:
        self.dialect = dialect
        self.choice = choice
        self.head: Strand | None = None
        """The open part."""
        self.kinds: set[str] = set()
        """What was said so far: ``call``, ``refusal``, ``words``."""
        self._count = count
        self._strands: dict[Hashable, Strand] = {}
        self._done: set[Hashable] = set()

    def find(self, key: Hashable) -> Strand | None:
        """Return the part that is open or waits under `key`."""
        return self._strands.get(key)

    def add(
        self, key: Hashable, shell: Part, text: str, events: list[Event], *, more: Extras | None = None
    ) -> Strand | None:
        """Say `text` in the part of that key, begun with `shell` if there is none.

        Returns:
            The part; None if it is a call that is already complete and `text` is blank.

        Raises:
            Failure: More arguments for a complete call.
        """
        strand = self._strands.get(key)
        if strand is None:
            if key in self._done:
                if text.strip():
                    raise malformed("the provider went on with a tool call that was complete")
                return None
            strand = self._strands[key] = Strand(key, shell)
            self.kinds.add(kind_of(shell))
            self._advance(events)
        if text or more is not None:
            strand.say(text, more, events)
            if len(self._strands) > 1 and strand is self.head and text.rstrip().endswith("}"):
                self._advance(events)
        return strand

    def flush(self, events: list[Event]) -> None:
        """Close what is open and say what waits: nothing more will come."""
        while self._strands:
            if self.head is None:
                self._advance(events)
            self._close(events)

    def _advance(self, events: list[Event]) -> None:
        """Let the next strand begin, as long as the open one is settled."""
        while self.head is None or (len(self._strands) > 1 and self.head.settled):
            if self.head is not None:
                self._close(events)
            self.head = next(iter(self._strands.values()))
            self.head.open(next(self._count), self.choice, events)

    def _close(self, events: list[Event]) -> None:
        head = self.head
        assert head is not None
        head.close(self.dialect, events)
        del self._strands[head.key]
        if isinstance(head.shell, ToolCall):
            self._done.add(head.key)
        self.head = None


def kind_of(shell: Part) -> str:
    """Say what a part is to its choice: a call, a refusal, words, or something else."""
    if isinstance(shell, ToolCall):
        return "call"
    if isinstance(shell, Text) and shell.refusal:
        return "refusal"
    return "other" if isinstance(shell, Opaque) else "words"


def _is_object(text: str) -> bool:
    try:
        value: Any = decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return isinstance(value, dict)
