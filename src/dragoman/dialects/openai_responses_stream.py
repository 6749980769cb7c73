"""A Responses answer as it comes: named events to the core's and back.

How a stream is read. The wire names each item and part, and says when it is done; items may still overlap
(OpenRouter ends its reasoning after the words, MCP lists are never ended). The core has one open part:

* a new part closes the one before it, except a call that is not done: that one is waited for;
* a part closes with the end of its *item* if it was the last of it, for only then are its signature, status
  and citations final;
* a hosted tool's item is Opaque when it is done. What it tells until then is an Opaque of kind ``progress``
  holding the item as it began, and its events ride on Appends without text; so a client at home sees it
  work. What was never done is taken from the final response.

Everything is told twice by the wire (delta, then done, then the whole): what came first is believed, and the
rest only fills in what was left out. The stream ends with ``response.completed`` or ``response.incomplete``;
``[DONE]`` is neither needed nor enough. Fields that change until then are End's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import msgspec

from dragoman.core.events import Append, Close, End, Event, Open, Start, Stop
from dragoman.core.extras import Extras, Json, Loss, at_home, extras
from dragoman.core.failure import Failure, Kind, malformed, truncated
from dragoman.core.request import Media, Opaque, Part, Signature, Text, Thinking, ToolCall, ToolResult
from dragoman.dialects import Amend
from dragoman.dialects.border import Crossing
from dragoman.dialects.fields import Fields, decode, encode
from dragoman.dialects.figures import beside
from dragoman.dialects.framing import Frame
from dragoman.dialects.openai_failure import read_fault, write_error
from dragoman.dialects.openai_responses_envelope import (
    envelope,
    failed,
    maker,
    read_start,
    read_stop,
    refusal,
    split_echo,
    write_stop,
)
from dragoman.dialects.openai_responses_parts import (
    CALLS,
    EVENT,
    NAME,
    PROGRESS,
    Natives,
    begin,
    entry,
    identity,
    is_void,
    joins,
    label,
    read_output,
    read_said,
    read_usage,
    read_voice,
    seal,
    spelt_arguments,
    stamp,
    unseal,
    write_other,
    write_usage,
)

# --- IN -----------------------------------------------------------------------------------------------

DELTAS = {
    "response.output_text.delta": "content",
    "response.function_call_arguments.delta": "call",
    "response.reasoning_summary_text.delta": "summary",
    "response.reasoning_text.delta": "content",
    "response.refusal.delta": "content",
    "response.custom_tool_call_input.delta": "call",
}
FINALS = {
    "response.output_text.done": ("content", "text"),
    "response.refusal.done": ("content", "refusal"),
    "response.reasoning_text.done": ("content", "text"),
    "response.reasoning_summary_text.done": ("summary", "text"),
    "response.function_call_arguments.done": ("call", "arguments"),
    "response.custom_tool_call_input.done": ("call", "input"),
}
PARTS = {
    "response.content_part": "content",
    "response.reasoning_part": "content",  # Bedrock
    "response.reasoning_summary_part": "summary",
}
BEGUN = ("response.created", "response.queued", "response.in_progress")
ENDED = ("response.completed", "response.incomplete", "response.cancelled")
IDLE = ("ping", "keepalive", "")
DERIVED = {
    "message": ("type", "role", "content"),
    "reasoning": ("type", "summary"),
    "function_call": ("type", "call_id", "name", "arguments"),
    "custom_tool_call": ("type", "call_id", "name", "input"),
}
"""What the parts of an item say; the rest of it is the item's own."""


class _Strand:
    """One part being written, or waiting to be."""

    __slots__ = ("closed", "done", "held", "index", "place", "quiet", "rest", "said", "shell", "signature")

    def __init__(self, shell: Part, place: int) -> None:
        self.shell = shell
        self.place = place
        self.index = -1
        self.said = self.done = self.closed = False
        self.held: list[tuple[str, Extras | None]] = []
        self.signature: Signature | None = None
        self.rest: dict[str, Json] = {}
        self.quiet: dict[str, Json] = {}

    def waits_for(self, head: _Strand) -> bool:
        """Whether this part may only begin when `head` is done."""
        if head.done or isinstance(head.shell, Opaque):
            return False
        return isinstance(head.shell, ToolCall) or isinstance(self.shell, Opaque)


class Reader:
    """Reads one stream."""

    def __init__(self, amend: Amend | None = None) -> None:
        self._amend = amend
        self._begun: dict[str, Json] | None = None  # the response as it began
        self._items: dict[int, dict[str, Json]] = {}  # as they were added, until they are done
        self._of: dict[int, list[_Strand]] = {}  # the parts of each item
        self._keyed: dict[tuple[int, str, int], _Strand] = {}
        self._head: _Strand | None = None
        self._queue: list[_Strand] = []
        self._count = 0
        self._called = self._refused = self._done = False

    def feed(self, frame: Frame) -> list[Event]:
        """Return the events `frame` completes."""
        try:
            value = decode(frame.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if frame.data.strip() in (b"[DONE]", b""):
                return []
            raise malformed("the provider sent a stream event that is not JSON") from None
        if self._amend is not None:
            value = self._amend(value)
        if not isinstance(value, dict):
            raise malformed("the provider sent a stream event that is not an object")
        kind = value.get("type")
        kind = kind if isinstance(kind, str) and kind else frame.event
        events: list[Event] = []
        if self._done:
            return []
        if kind in DELTAS:
            self._delta(kind, value, events)
        else:
            self._tell(kind, value, events)
        return events

    def close(self) -> list[Event]:
        """Return nothing; raise ``truncated()`` if the answer never ended."""
        if not self._done:
            raise truncated()
        return []

    def _tell(self, kind: str, value: dict[str, Json], events: list[Event]) -> None:
        part, _, moment = kind.rpartition(".")
        if kind in BEGUN:
            self._begin(value.get("response"), events)
        elif kind == "response.output_item.added":
            self._add(value, events)
        elif kind == "response.output_item.done":
            self._finish_item(value, events)
        elif kind in FINALS:
            field, name = FINALS[kind]
            strand = self._keyed.get(_key(value, field))
            self._fill(strand, value.get(name), events)
            if strand is not None and value.get("logprobs"):
                strand.rest["logprobs"] = value["logprobs"]
        elif part in PARTS:
            strand = self._keyed.get(_key(value, PARTS[part]))
            if moment == "added" and strand is None:
                self._add_part(PARTS[part], value, events)
            elif moment == "done" and strand is not None:
                self._finish_part(strand, value.get("part"), events)
        elif kind == "response.output_text.annotation.added":
            if (strand := self._keyed.get(_key(value, "content"))) is not None:
                known = strand.rest.get("annotations")
                strand.rest["annotations"] = [
                    *(known if isinstance(known, list) else ()),
                    value.get("annotation"),
                ]
        elif kind in ENDED:
            self._end(value.get("response"), events)
        elif kind == "response.failed":
            response = value.get("response")
            raise failed(response if isinstance(response, dict) else {})
        elif kind == "error" or value.get("error"):
            error = value.get("error") or {
                n: v for n, v in value.items() if n not in ("type", "sequence_number")
            }
            raise read_fault({"error": error}, None, {}, NAME)
        else:
            self._other(kind, value, events)

    # what surrounds the items

    def _begin(self, response: Json, events: list[Event]) -> None:
        if self._begun is None:
            self._begun = dict(response) if isinstance(response, dict) else {}
            fields = Fields({n: v for n, v in self._begun.items() if n not in ("output", "status", "usage")})
            events.append(read_start(fields))

    def _end(self, response: Json, events: list[Event]) -> None:
        response = response if isinstance(response, dict) else {}
        if response.get("status") == "failed" or response.get("error"):
            raise failed(response)
        self._begin(response, events)
        self._done = True
        self._flush(events)
        self._backfill(response.get("output"), events)
        status = response.get("status")
        status = status if isinstance(status, str) else None
        called, refused = self._called, self._refused
        events.append(read_stop(status, response.get("incomplete_details"), called=called, refused=refused))
        begun, native = self._begun or {}, response.get("usage")
        late = {
            name: value
            for name, value in response.items()
            if name not in ("id", "model", "object", "created_at", "output", "status", "usage")
            and (name not in begun or begun[name] != value)
        }
        rest, quiet = split_echo(late)
        usage = read_usage(native) if isinstance(native, dict) and native else None
        events.append(End(beside(usage, {**begun, **response}), extras(NAME, rest, (), quiet)))

    def _backfill(self, output: Json, events: list[Event]) -> None:
        """Take from the final response what the stream left out: hosted items, or everything."""
        output = output if isinstance(output, list) else []
        if not self._count:
            for place, item in enumerate(output):
                self._whole(read_output([item]), place, events)
            return
        pending = {label(item, "id") for item in self._items.values() if label(item, "type") not in DERIVED}
        for item in output:
            if isinstance(item, dict) and label(item, "id") in pending - {""}:
                self._whole(read_output([item]), -1, events)

    # items

    def _add(self, value: dict[str, Json], events: list[Event]) -> None:
        self._begin(None, events)
        item, place = value.get("item"), _number(value, "output_index")
        if not isinstance(item, dict):
            return
        self._items[place] = item
        kind = label(item, "type")
        if kind in CALLS:
            self._called = True
            for call in read_voice(item, "$.item", strict=False) or ():
                shell = msgspec.structs.replace(call, arguments="") if isinstance(call, ToolCall) else call
                self._keyed[place, "call", 0] = self._open(_Strand(shell, place), events)

    def _finish_item(self, value: dict[str, Json], events: list[Event]) -> None:
        self._begin(None, events)
        item, place = value.get("item"), _number(value, "output_index")
        if not isinstance(item, dict):
            return
        added, strands = self._items.pop(place, {}), self._of.get(place, [])
        kind = label(item, "type")
        if kind not in DERIVED or not strands:
            for strand in strands:
                self._finish(strand, events)
            self._whole(read_output([item]), place, events)
            return
        last = strands[-1]
        for call in read_voice(item, "$.item", strict=False) or () if kind in CALLS else ():
            self._fill(last, call.arguments if isinstance(call, ToolCall) else None, events)
        data, id_ = label(item, "encrypted_content"), label(item, "id")
        # Where the words have begun meanwhile, it becomes an item of its own, and no two have one id.
        signature = unseal(data, None if last.closed else id_ or None)
        if last.closed and signature is not None:
            kept = Extras(NAME, {}, ("void",), {"item": {}})
            last = self._open(_Strand(Thinking(redacted=True, extras=kept), place), events)
        last.signature = signature
        changed = _own(item, kind, done=True)
        before = _own(added, kind, done=True)
        last.quiet["done"] = {n: v for n, v in changed.items() if n != "id" and before.get(n, last) != v}
        self._finish(last, events)

    def _whole(self, parts: list[Part], place: int, events: list[Event]) -> None:
        """Tell the parts of an item that came at once."""
        for part in parts:
            shell, text = part, ""
            if isinstance(part, (Text, Thinking)):
                self._refused = self._refused or (isinstance(part, Text) and part.refusal)
                shell, text = msgspec.structs.replace(part, text="", signature=None), part.text
            elif isinstance(part, ToolCall):
                self._called = True
                shell, text = msgspec.structs.replace(part, arguments=""), part.arguments
            strand = self._open(_Strand(shell, place), events)
            strand.signature = part.signature if isinstance(part, Thinking) else None
            if text:
                self._say(strand, text, None, events)
            if part is parts[-1]:
                self._finish(strand, events)

    # parts

    def _add_part(self, field: str, value: dict[str, Json], events: list[Event]) -> None:
        self._begin(None, events)
        part, key = value.get("part"), _key(value, field)
        shell = _read_shell(part) if isinstance(part, dict) else None
        if shell is None:
            self._other(str(value.get("type")), value, events)
            return
        strand = self._open_part(shell, key, events)
        self._fill(strand, shell.text, events)

    def _open_part(self, shell: Text | Thinking, key: tuple[int, str, int], events: list[Event]) -> _Strand:
        place = key[0]
        self._refused = self._refused or (isinstance(shell, Text) and shell.refusal)
        empty = msgspec.structs.replace(shell, text="")
        if not self._of.get(place):
            item = self._items.get(place, {})
            own = _own(item, label(item, "type"))
            form = ("-summary",) if isinstance(shell, Thinking) and item and "summary" not in item else ()
            (first,) = stamp([empty], Fields(own), form)
            assert isinstance(first, (Text, Thinking))
            empty = first
        strand = self._keyed[key] = self._open(_Strand(empty, place), events)
        return strand

    def _delta(self, kind: str, value: dict[str, Json], events: list[Event]) -> None:
        field = DELTAS[kind]
        key = _key(value, field)
        strand = self._keyed.get(key)
        if strand is None:
            if field == "call":
                raise malformed("the provider sent arguments of a call that has not begun")
            self._begin(None, events)
            words = Text("", refusal="refusal" in kind)
            thoughts = Thinking(summary=field == "summary")
            strand = self._open_part(thoughts if "reasoning" in kind else words, key, events)
        text, logprobs = value.get("delta"), value.get("logprobs")
        more = Extras(NAME, {"logprobs": logprobs}) if logprobs else None
        if isinstance(text, str) and (text or more is not None):
            self._say(strand, text, more, events)

    def _fill(self, strand: _Strand | None, text: Json, events: list[Event]) -> None:
        """Take the whole text of a part whose pieces did not come."""
        if strand is not None and not strand.said and isinstance(text, str) and text:
            self._say(strand, text, None, events)

    def _finish_part(self, strand: _Strand, part: Json, events: list[Event]) -> None:
        """Keep what is final about a part; it closes with its item, or when the next one begins."""
        shell = _read_shell(part) if isinstance(part, dict) else None
        if shell is None:
            return
        self._fill(strand, shell.text, events)
        before, after = _extras(strand.shell), _extras(shell)
        strand.rest |= {n: v for n, v in after.rest.items() if before.rest.get(n, strand) != v}

    def _other(self, kind: str, value: dict[str, Json], events: list[Event]) -> None:
        """Keep an event that is not modelled: with its item, with what is open, or by itself."""
        if kind in IDLE or self._begun is None:
            return
        place = _number(value, "output_index")
        data = {n: v for n, v in value.items() if n not in ("type", "sequence_number", "obfuscation")}
        item = self._items.get(place)
        if "output_index" in value and item is not None and label(item, "type") not in DERIVED:
            data.pop("output_index")
            strands = self._of.get(place) or [
                self._open(_Strand(Opaque(NAME, PROGRESS, item), place), events)
            ]
            self._say(strands[-1], "", Extras(NAME, {"event": {"type": kind, **data}}), events)
        elif self._head is not None:
            more = Extras(NAME, {"event": {"type": kind, **data}})
            events.append(Append(self._head.index, "", more))
        else:
            self._whole([Opaque(NAME, EVENT, {"type": kind, **data})], -1, events)

    # one part at a time

    def _open(self, strand: _Strand, events: list[Event]) -> _Strand:
        self._of.setdefault(strand.place, []).append(strand)
        if self._queue or (self._head is not None and strand.waits_for(self._head)):
            self._queue.append(strand)
        else:
            self._close(events, strand)
            self._start(strand, events)
        return strand

    def _start(self, strand: _Strand, events: list[Event]) -> None:
        strand.index = self._count
        self._count += 1
        self._head = strand
        events.append(Open(strand.index, strand.shell))
        events += [Append(strand.index, text, more) for text, more in strand.held]

    def _say(self, strand: _Strand, text: str, more: Extras | None, events: list[Event]) -> None:
        if strand.closed:
            strand = self._reopen(strand, events)
        strand.said = strand.said or bool(text)
        if strand.index < 0:
            strand.held.append((text, more))
        else:
            events.append(Append(strand.index, text, more))

    def _reopen(self, strand: _Strand, events: list[Event]) -> _Strand:
        """Go on with a part that was closed for another: as a new one."""
        shell = strand.shell
        if isinstance(shell, (Text, Thinking)):
            shell = msgspec.structs.replace(shell, extras=Extras(NAME, {}, (), {"item": {}}))
        again = self._open(_Strand(shell, strand.place), events)
        for key, known in self._keyed.items():
            if known is strand:
                self._keyed[key] = again
        return again

    def _finish(self, strand: _Strand, events: list[Event]) -> None:
        strand.done = True
        if strand is self._head:
            self._close(events)
            self._advance(events)

    def _advance(self, events: list[Event]) -> None:
        """Let begin what has waited, as far as it need not wait any more."""
        while self._queue and (self._head is None or not self._queue[0].waits_for(self._head)):
            strand = self._queue.pop(0)
            self._close(events, strand)
            self._start(strand, events)
            if strand.done:
                self._close(events)

    def _flush(self, events: list[Event]) -> None:
        """Close what is open, and tell what waits."""
        for strand in self._queue:
            self._close(events, strand)
            self._start(strand, events)
        self._queue = []
        self._close(events)

    def _close(self, events: list[Event], after: _Strand | None = None) -> None:
        """Close the open part; if `after` is of another item, its own item is thereby over."""
        head, self._head = self._head, None
        if head is None:
            return
        head.closed = True
        over = after is None or after.place != head.place
        if over and "done" not in head.quiet and not isinstance(head.shell, Opaque):
            going = self._items.get(head.place, {}).get("status") == "in_progress"
            head.quiet["done"] = {"status": "completed"} if going else {}
        events.append(Close(head.index, head.signature, extras(NAME, head.rest, (), head.quiet)))


def _number(value: Mapping[str, Json], name: str) -> int:
    found = value.get(name)
    return found if isinstance(found, int) else 0


def _key(value: Mapping[str, Json], field: str) -> tuple[int, str, int]:
    """Return which part of which item an event is about."""
    return _number(value, "output_index"), field, _number(value, f"{field}_index")


def _own(item: Mapping[str, Json], kind: str, *, done: bool = False) -> dict[str, Json]:
    """Return what an item says besides its parts; reasoning is signed only when it is `done`."""
    own = {name: value for name, value in item.items() if name not in DERIVED.get(kind, ())}
    if kind == "reasoning":
        gone = [name for name in ("content", "encrypted_content") if own.get(name)]
        if not done and own.get("encrypted_content") is not None:
            gone.append("encrypted_content")
        own = {name: value for name, value in own.items() if name not in gone}
    return own


def _read_shell(part: Mapping[str, Json]) -> Text | Thinking | None:
    """Return a part of a message or of reasoning; None for a type nobody has told us of."""
    kind = label(part, "type")
    if kind not in ("summary_text", "reasoning_text"):
        return read_said(part, "$.part", strict=False)
    fields = Fields({name: value for name, value in part.items() if name != "type"})
    return Thinking(
        fields.need_text("text"), summary=kind == "summary_text", extras=extras(NAME, fields.rest)
    )


def _extras(part: Part) -> Extras:
    return at_home(part.extras, NAME) if isinstance(part, (Text, Thinking)) else Extras(NAME)


# --- OUT ----------------------------------------------------------------------------------------------

DELTA = {
    "output_text": "response.output_text",
    "refusal": "response.refusal",
    "reasoning_text": "response.reasoning_text",
    "summary_text": "response.reasoning_summary_text",
    "function_call": "response.function_call_arguments",
    "custom_tool_call": "response.custom_tool_call_input",
}
"""How the events begin that tell the text of a part, by its type."""
CODES = {
    Kind.RATE_LIMITED: "rate_limit_exceeded",
    Kind.CONTEXT_LENGTH: "context_length_exceeded",
    Kind.EXHAUSTED: "insufficient_quota",
    Kind.INVALID: "invalid_prompt",
    Kind.CONTENT_POLICY: "invalid_prompt",
}
"""Codes of a failed response that clients act on; any other is ``server_error``."""
FINAL = {"refusal": "refusal", "function_call": "arguments", "custom_tool_call": "input"}
"""The field that holds the whole text in the event that ends it; else it is ``text``."""


class Writer:
    """Writes one stream: one item at a time, and the whole response once more at its end."""

    def __init__(self, echo: Mapping[str, Json], spaces: Natives) -> None:
        self._out = Crossing(NAME)
        self.losses: list[Loss] = self._out.losses
        self._echo = echo
        self._spaces = spaces
        self._base: dict[str, Json] = {}
        self._made = maker("")
        self._begun = self._refused = False
        self._number = 0
        self._output: list[Json] = []
        self._hosted: dict[str, int] = {}  # where an item is that has begun, by its id
        self._stop = Stop("end")
        self._item: dict[str, Json] = {}
        self._foreign = False
        self._place = -1  # the open item's place; -1: none is open
        self._last: Part | None = None  # the part before, if it is in the open item
        self._index = -1  # the open part's
        self._part: Text | Thinking | ToolCall | None = None
        self._own = Extras(NAME)
        self._kind = ""
        self._where: dict[str, Json] = {}  # what every event of the open part says
        self._said: list[str] = []
        self._head, self._name = b"", ""  # a delta of the open part up to its text, and its event
        self._held = False  # the part shows only when it says something

    def feed(self, event: Event) -> list[Frame]:
        """Return the frames that tell `event`."""
        match event:
            case Append():
                if event.index != self._index:
                    return []
                if event.extras is None and not self._held:
                    return self._say(event.text)
                return self._append(event)
            case Open():
                return self._open(event)
            case Close():
                return self._close(event)
            case Start():
                return self._start(event)
            case Stop():
                self._stop = event if event.choice == 0 else self._stop
                return []
            case End():
                return self._end(event)
            case _:
                assert_never(event)

    def fail(self, failure: Failure) -> list[Frame]:
        """Return ``response.failed`` with what was said so far; before anything was, an ``error`` event."""
        error = write_error(failure, NAME)["error"]
        if not self._begun:
            told = {name: error.get(name) for name in ("code", "message", "param")}
            return [self._frame("error", **told, error=error)]
        output = list(self._output)
        if self._place >= 0:
            self._keep()
            output[self._place] = {**self._item, "status": "incomplete"}
        native = at_home(failure.native, NAME).rest
        code = label(native, "code") or CODES.get(failure.kind, "server_error")
        told = {"code": code, "message": error["message"]}
        body = {**self._base, "status": "failed", "error": told, "output": output, "usage": None}
        return [self._frame("response.failed", response=body)]

    def keepalive(self) -> bytes:
        """Return a comment."""
        return b": ka\n\n"

    def _frame(self, kind: str, **fields: Json) -> Frame:
        number, self._number = self._number, self._number + 1
        return Frame(encode({"type": kind, **fields, "sequence_number": number}), kind)

    # what surrounds the items

    def _start(self, event: Start) -> list[Frame]:
        own = self._out.own(event.extras, "answer")
        self._begun, self._made = True, maker(event.id)
        self._base = {**envelope(event, own, self._echo), "usage": None}
        names = ("object", "created_at", "model")
        self._base = {n: v for n, v in self._base.items() if n not in names or f"-{n}" not in own.form}
        body = {**self._base, "status": "in_progress", "output": []}
        return [self._frame(kind, response=body) for kind in ("response.created", "response.in_progress")]

    def _end(self, event: End) -> list[Frame]:
        frames = self._settle()
        own = self._out.own(event.extras, "answer")
        try:
            status, word = write_stop(self._stop, self._out)
        except Failure as failure:
            return [*frames, *self.fail(failure)]
        if self._stop.reason == "refusal" and not self._refused:
            self._out.lose("emulated", "answer.stop", "a refusal has words here")
            frames += self._whole(refusal(self._made("msg", len(self._output))))
        usage = write_usage(event.usage)
        body = {
            **self._base,
            **own.quiet,
            **own.rest,
            "status": status,
            "output": self._output,
            "usage": usage,
        }
        if word and not body.get("incomplete_details"):
            body["incomplete_details"] = {"reason": word}
        if "-status" in at_home(self._stop.extras, NAME).form:
            del body["status"]
        kind = "response.incomplete" if status == "incomplete" else "response.completed"
        return [*frames, self._frame(kind, response=body)]

    # items

    def _whole(self, item: dict[str, Json]) -> list[Frame]:
        """Tell an item at once; only its end if it has begun already."""
        place = self._hosted.pop(label(item, "id"), None)
        frames = []
        if place is None:
            place = len(self._output)
            self._output.append(item)
            frames.append(self._frame("response.output_item.added", output_index=place, item=item))
        self._output[place] = item
        return [*frames, self._frame("response.output_item.done", output_index=place, item=item)]

    def _settle(self) -> list[Frame]:
        """End the open item, if there is one."""
        if self._place < 0:
            return []
        place, item, self._place, self._last = self._place, self._item, -1, None
        if self._foreign:
            item["status"] = "completed"
        self._output[place] = item
        return [self._frame("response.output_item.done", output_index=place, item=item)]

    def _open(self, event: Open) -> list[Frame]:
        if event.choice:
            self._out.lose("dropped", f"answer.choices[{event.choice}]", "an answer has one choice here")
            return []
        self._index = -1
        part, at = event.part, f"answer.parts[{event.index}]"
        if isinstance(part, (Opaque, Media, ToolResult)):
            return [*self._settle(), *self._open_other(part, event.index, at)]
        own = self._out.own(part.extras, at)
        self._unsign(part.signature, part, at)
        self._index, self._part, self._own, self._said, self._head = event.index, part, own, [], b""
        self._refused = self._refused or (isinstance(part, Text) and part.refusal)
        text = part.arguments if isinstance(part, ToolCall) else part.text
        self._held = isinstance(part, Thinking) and not own and not text
        if self._held:
            return []
        return [*self._show(part), *(self._say(text) if text else [])]

    def _unsign(self, signature: Signature | None, part: Part | None, at: str) -> None:
        if signature is not None and not isinstance(part, Thinking):
            self._out.lose("dropped", f"{at}.signature", "only reasoning has room for a signature")

    def _open_other(self, part: Opaque | Media | ToolResult, index: int, at: str) -> list[Frame]:
        if isinstance(part, Opaque) and part.dialect == NAME and part.kind == EVENT:
            return [self._echoed(part.data)]
        if isinstance(part, Opaque) and part.dialect == NAME and part.kind == PROGRESS:
            item, self._index, self._part, self._held = part.data, index, None, False
            place = self._hosted.get(label(item, "id"))
            self._where = {"output_index": len(self._output) if place is None else place}
            if place is not None:
                return []
            self._hosted[label(item, "id")] = len(self._output)
            self._output.append(item)
            return [self._frame("response.output_item.added", **self._where, item=item)]
        item = write_other(part, at, self._made("ig", len(self._output)), self._out)
        return [] if item is None else self._whole(item)

    def _echoed(self, data: Mapping[str, Json], **more: Json) -> Frame:
        """Return an event that is not modelled, as it came."""
        rest = {name: value for name, value in data.items() if name != "type"}
        return self._frame(data["type"], **{**rest, **more})

    # parts

    def _show(self, part: Text | Thinking | ToolCall) -> list[Frame]:
        """Begin a part, and its item if it is the first in it."""
        frames: list[Frame] = []
        if self._place < 0 or not joins(self._last, part, self._own):
            frames = self._settle()
            self._place, self._foreign = len(self._output), "item" not in self._own.quiet
            id_ = identity(part, self._own, self._made, self._place)
            self._item = begin(part, self._own, id_, "in_progress", self._spaces)
            self._output.append(self._item)
            added = self._frame("response.output_item.added", output_index=self._place, item=self._item)
            frames.append(added)
        self._last, self._held = part, False
        self._where = {"item_id": self._item.get("id") or "", "output_index": self._place}
        if isinstance(part, ToolCall):
            self._kind = self._item["type"]
        elif is_void(part, self._own):
            self._kind = ""
        else:
            shell = entry(part, self._own, "")
            self._kind = shell["type"]
            field = "summary" if self._kind == "summary_text" else "content"
            self._where[f"{field}_index"] = len(self._item.get(field) or ())
            what = "reasoning_summary_part" if field == "summary" else "content_part"
            frames.append(self._frame(f"response.{what}.added", **self._where, part=shell))
        more: dict[str, Json] = {"logprobs": []} if self._kind == "output_text" else {}
        if self._kind:
            self._name = f"{DELTA[self._kind]}.delta"
            self._head = encode({"type": self._name, **self._where, **more})[:-1] + b',"delta":'
        return frames

    def _say(self, text: str) -> list[Frame]:
        """Tell more of the open part: the hot path."""
        if not text or not self._head:
            return []
        self._said.append(text)
        data = b'%s%s,"sequence_number":%d}' % (self._head, encode(text), self._number)
        self._number += 1
        return [Frame(data, self._name)]

    def _append(self, event: Append) -> list[Frame]:
        rest = self._out.own(event.extras, f"answer.parts[{event.index}]").rest
        if self._part is None:
            told = rest.get("event")
            return [self._echoed(told, **self._where)] if told else []
        frames = self._show(self._part) if self._held and event.text else []
        if "event" in rest:
            frames.append(self._echoed(rest["event"]))
        if "logprobs" not in rest or self._kind != "output_text":
            return [*frames, *self._say(event.text)]
        self._said.append(event.text)
        kind, logprobs = "response.output_text.delta", rest["logprobs"]
        return [*frames, self._frame(kind, **self._where, delta=event.text, logprobs=logprobs)]

    def _close(self, event: Close) -> list[Frame]:
        if event.index != self._index:
            return []
        part, at = self._part, f"answer.parts[{event.index}]"
        late = self._out.own(event.extras, at)
        self._unsign(event.signature, part, at)
        if part is None:
            self._index = -1
            return []
        signature = event.signature or part.signature
        if self._held and signature is None:
            self._index = -1
            return []
        frames = self._show(part) if self._held else []
        rest, quiet = {**self._own.rest, **late.rest}, {**self._own.quiet, **late.quiet}
        self._own = Extras(NAME, rest, self._own.form + late.form, quiet)
        frames += self._tell_end(part)
        self._keep()
        if isinstance(part, Thinking) and signature is not None:
            self._item["encrypted_content"] = seal(signature)
            self._last = msgspec.structs.replace(part, signature=signature)
        self._index = -1
        if "done" in late.quiet or isinstance(part, ToolCall):
            self._item |= late.quiet.get("done", {})
            frames += self._settle()
        return frames

    def _tell_end(self, part: Text | Thinking | ToolCall) -> list[Frame]:
        """Return the events that say a part's text is whole."""
        frames: list[Frame] = []
        if isinstance(part, ToolCall) and not self._said:
            given = spelt_arguments(part, self._own, "")
            frames += self._say(given) if isinstance(given, str) else []
        if not self._kind:
            return frames
        text = "".join(self._said)
        final: dict[str, Json] = {FINAL.get(self._kind, "text"): text}
        if isinstance(part, ToolCall):
            return [*frames, self._frame(f"{DELTA[self._kind]}.done", **self._where, **final)]
        shell = entry(part, self._own, text)
        if self._kind == "output_text":
            given = shell.get("annotations")
            for index, annotation in enumerate(given if isinstance(given, list) else ()):
                more = {"annotation_index": index, "annotation": annotation}
                frames.append(self._frame("response.output_text.annotation.added", **self._where, **more))
            final["logprobs"] = shell.get("logprobs") or []
        frames.append(self._frame(f"{DELTA[self._kind]}.done", **self._where, **final))
        what = "reasoning_summary_part" if self._kind == "summary_text" else "content_part"
        return [*frames, self._frame(f"response.{what}.done", **self._where, part=shell)]

    def _keep(self) -> None:
        """Put the open part into its item."""
        part, text = self._part, "".join(self._said)
        if self._index < 0 or part is None or self._held or not self._kind:
            return
        if isinstance(part, ToolCall):
            self._item[CALLS[self._kind]] = spelt_arguments(part, self._own, text)
            return
        field = "summary" if self._kind == "summary_text" else "content"
        self._item[field] = [*(self._item.get(field) or ()), entry(part, self._own, text)]
