"""A Gemini answer as it comes: chunks to events and back; and what ends an answer in either form.

The theory is in ``gemini``: text and thoughts are deltas and everything else is whole, a signature closes
its part, Stops wait for the end. Writing: a chunk holds one part; the first one also says what was known
of usage, and the last one, which real clients look into like any other, says it all.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import assert_never

import msgspec

from dragoman.core.events import Append, Close, End, Event, Open, Reason, Start, Stop
from dragoman.core.extras import Extras, Json, at_home, extras
from dragoman.core.failure import Failure, malformed, truncated
from dragoman.core.request import Media, Opaque, Part, Request, Text, Thinking, ToolCall, ToolResult
from dragoman.dialects import Amend, Reply
from dragoman.dialects.border import Crossing, as_object
from dragoman.dialects.fields import Fields, decode, encode
from dragoman.dialects.framing import SSE, Frame, Framing, JsonArray
from dragoman.dialects.gemini_failure import is_error, read_failure, write_failure
from dragoman.dialects.gemini_parts import (
    NAME,
    Ids,
    left,
    over,
    read_part,
    read_usage,
    remains,
    write_part,
    write_usage,
)

REASONS: dict[str, Reason] = {
    "STOP": "end",
    "MAX_TOKENS": "length",
    "SAFETY": "filter",
    "RECITATION": "filter",
    "LANGUAGE": "filter",
    "BLOCKLIST": "filter",
    "PROHIBITED_CONTENT": "filter",
    "SPII": "filter",
    "MODEL_ARMOR": "filter",
    "IMAGE_SAFETY": "filter",
    "IMAGE_PROHIBITED_CONTENT": "filter",
    "IMAGE_RECITATION": "filter",
    "MALFORMED_FUNCTION_CALL": "bad_tool_call",
    "UNEXPECTED_TOOL_CALL": "bad_tool_call",
    "TOO_MANY_TOOL_CALLS": "bad_tool_call",
    "MISSING_THOUGHT_SIGNATURE": "bad_tool_call",
    "CONTINUATION": "pause",
    "MALFORMED_RESPONSE": "error",
    "NO_IMAGE": "error",
    "IMAGE_OTHER": "error",
    "OTHER": "error",
}
REASON_WORDS: dict[Reason, str] = {
    "end": "STOP",
    "stop_sequence": "STOP",
    "length": "MAX_TOKENS",
    "context": "MAX_TOKENS",
    "tool_use": "STOP",
    "refusal": "SAFETY",
    "filter": "SAFETY",
    "pause": "OTHER",
    "bad_tool_call": "MALFORMED_FUNCTION_CALL",
}
NEAREST = ("context", "refusal", "pause")
"""Reasons that have no word of their own here."""

# --- BEGINNING AND END --------------------------------------------------------------------------------


def read_start(fields: Fields) -> Start:
    """Take what is said of an answer as a whole."""
    id_, model, usage = fields.text("responseId"), fields.text("modelVersion"), fields.object("usageMetadata")
    return Start(id_ or "", model or "", usage=read_usage(usage.rest) if usage else None)


def ids_of(answer_id: str) -> Ids:
    """Return ids that the calls of no other answer have."""
    return Ids(f"{zlib.crc32(answer_id.encode()):08x}_")


def read_blocked(rest: Mapping[str, Json]) -> Stop:
    """Read why there is no candidate; raise if nothing says so."""
    feedback = rest.get("promptFeedback")
    if not isinstance(feedback, dict):
        raise malformed("the provider answered without a candidate")
    word = feedback.get("blockReason")
    native = word if isinstance(word, str) else None
    return Stop("filter", native=native, extras=extras(NAME, {}, ("no candidate",)))


def read_stop(
    word: str | None, choice: int, parts: Sequence[Part], rest: dict[str, Json], form: Sequence[str] = ()
) -> Stop:
    """Read how a candidate ended; a word nobody knows is its own form."""
    reason = REASONS.get(word or "")
    if reason in (None, "end"):
        called = any(isinstance(part, ToolCall) for part in parts)
        spoke = bool(parts) or reason == "end"
        form = (*form, "native") if word and reason is None else form
        reason = "tool_use" if called else "end" if spoke else "error"
    return Stop(reason or "error", choice, native=word, extras=remains(rest, form))


def write_block(part: Part, at: str, out: Crossing, bad: list[str]) -> dict[str, Json] | None:
    """Return one part of an answer; None where this dialect has none for it."""
    if (isinstance(part, Opaque) and part.dialect != NAME) or isinstance(part, ToolResult):
        out.lose("dropped", at, "no part of an answer holds it here")
        return None
    if isinstance(part, Media) and part.source not in ("base64", "url") and part.extras is None:
        out.lose("dropped", at, "only its own provider can read it")
        return None
    if isinstance(part, ToolCall) and not part.custom and as_object(part.arguments) is None:
        out.lose("approximated", at, "arguments that are no JSON object are no call here")
        bad.append(f"Malformed function call: {part.name}({part.arguments[:500]})")
        return None
    return write_part(part, at, out)


def write_stop(stop: Stop, out: Crossing, *, refused: bool, bad: Sequence[str]) -> dict[str, Json] | None:
    """Return what a candidate says of its end; None where there was no candidate.

    Raises:
        Failure: UPSTREAM; another provider stopped with an error.
    """
    own = out.own(stop.extras, "answer.stop")
    if "no candidate" in own.form:
        return None
    if "no reason" in own.form:
        return left(own)
    told = REASONS.get(stop.native or "")
    if bad:
        return {"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": bad[0], **left(own)}
    if "native" in own.form or told == stop.reason or (told == "end" and stop.reason == "tool_use"):
        return {"finishReason": stop.native, **left(own)}
    if stop.reason == "error":
        raise malformed(f"the provider stopped with an error ({stop.native or 'no reason given'})")
    if stop.reason in NEAREST:
        out.lose("approximated", "answer.stop", "the nearest word there is")
    if stop.sequence is not None:
        out.lose("dropped", "answer.stop.sequence", "Gemini does not say which")
    reason = "refusal" if refused and stop.reason == "end" else stop.reason
    return {"finishReason": REASON_WORDS[reason], **left(own)}


# --- IN -----------------------------------------------------------------------------------------------


HEAD = ("candidates", "usageMetadata", "modelVersion", "responseId")
CHUNKED = ("logprobsResult", "citationMetadata")
"""What a chunk says of its own words only."""


class _Candidate:
    """One candidate of a stream: the part that is open, and what will be said at its end."""

    __slots__ = ("called", "choice", "index", "kind", "rest", "word")

    def __init__(self, choice: int) -> None:
        self.choice = choice
        self.index = -1
        self.kind: type[Part] | None = None  # of the open part
        self.word: str | None = None
        self.called: list[Part] = []
        self.rest: dict[str, Json] = {}


class Reader:
    """Reads one stream. Text and thoughts go on in the open part, until a signature or another kind."""

    def __init__(self, amend: Amend | None = None) -> None:
        self._amend = amend
        self._count = 0
        self._candidates: dict[int, _Candidate] = {}
        self._ids: Ids | None = None
        self._first: dict[str, Json] = {}
        self._rest: dict[str, Json] = {}
        self._figures: dict[str, Json] = {}

    def feed(self, frame: Frame) -> list[Event]:
        """Return the events of one chunk; raise Failure for an error chunk."""
        try:
            value = decode(frame.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if frame.data.strip() in (b"[DONE]", b""):
                return []
            raise malformed("the provider sent a stream chunk that is not JSON") from None
        if self._amend is not None:
            value = self._amend(value)
        if is_error(value):
            raise read_failure(Reply(200, body=value))
        if not isinstance(value, dict):
            raise malformed("the provider sent a stream chunk that is not an object")
        events: list[Event] = []
        ids = self._ids
        if ids is None:
            if not value:
                return events  # a keep-alive
            ids = self._begin(value, events)
        if isinstance(figures := value.get("usageMetadata"), dict):
            self._figures = figures
        for name, field in value.items():
            if name not in HEAD and self._first.get(name) != field:
                self._rest[name] = field
        candidates = value.get("candidates")
        for place, candidate in enumerate(candidates if isinstance(candidates, list) else ()):
            if isinstance(candidate, dict):
                self._take(candidate, place, ids, events)
        return events

    def close(self) -> list[Event]:
        """Return the end; raise ``truncated()`` if a candidate has none."""
        if self._ids is None:
            raise truncated()
        stops: list[Event] = []
        events: list[Event] = []
        for choice, candidate in self._candidates.items():
            if candidate.word is None:
                raise truncated()
            self._shut(candidate, events)
            stops.append(read_stop(candidate.word, choice, candidate.called, candidate.rest))
        if not stops:
            rest = {**self._first, **self._rest}
            if "promptFeedback" not in rest:
                raise truncated()
            stops.append(read_blocked(rest))
        usage = read_usage(self._figures) if self._figures else None
        return [*events, *stops, End(usage, remains(self._rest))]

    def _begin(self, value: dict[str, Json], events: list[Event]) -> Ids:
        fields = Fields(value)
        start = read_start(fields)
        fields.rest.pop("candidates", None)
        # Vertex counts nothing before the end: figures without a prompt are no figures yet.
        counted = start.usage and start.usage.native and "promptTokenCount" in start.usage.native.rest
        self._first, self._ids = fields.rest, ids_of(start.id)
        usage = start.usage if counted else None
        events.append(Start(start.id, start.model, usage=usage, extras=remains(fields.rest)))
        return self._ids

    def _take(self, value: dict[str, Json], place: int, ids: Ids, events: list[Event]) -> None:
        given = value.get("index")
        choice = given if isinstance(given, int) else place
        candidate = self._candidates.get(choice)
        if candidate is None:
            candidate = self._candidates[choice] = _Candidate(choice)
        content, word = value.get("content"), value.get("finishReason")
        parts = content.get("parts") if isinstance(content, dict) else None
        rest = {
            name: field for name, field in value.items() if name not in ("content", "index", "finishReason")
        }
        more = None
        if rest and parts and not word:
            more = extras(NAME, {name: rest.pop(name) for name in CHUNKED if name in rest})
        candidate.rest |= rest
        if isinstance(word, str):
            candidate.word = word
        for part in parts if isinstance(parts, list) else ():
            more = self._say(part, candidate, ids, events, more)

    def _say(
        self, value: Json, lane: _Candidate, ids: Ids, events: list[Event], more: Extras | None
    ) -> Extras | None:
        """Tell one part; return what of `more` is still to be told with the next."""
        part = _read_words(value) or read_part(value, "$.parts", ids, strict=False)
        if isinstance(part, (Text, Thinking)):
            rest = at_home(part.extras, NAME).rest
            if not (part.text or part.signature or rest):
                return more
            if lane.kind is not type(part) or rest:
                kept = extras(NAME, rest)
                shell = msgspec.structs.replace(part, text="", signature=None, extras=kept)
                self._open(shell, lane, events)
            if part.text:
                events.append(Append(lane.index, part.text, more))
                more = None
            if part.signature or rest:
                self._shut(lane, events, Close(lane.index, part.signature))
            return more
        text = part.arguments if isinstance(part, ToolCall) else ""
        if isinstance(part, ToolCall):
            lane.called.append(part)
            part = msgspec.structs.replace(part, arguments="")
        self._open(part, lane, events)
        if text:
            events.append(Append(lane.index, text))
        self._shut(lane, events)
        return more

    def _open(self, shell: Part, lane: _Candidate, events: list[Event]) -> None:
        self._shut(lane, events)
        lane.index, lane.kind = self._count, type(shell)
        self._count += 1
        events.append(Open(lane.index, shell, lane.choice))

    def _shut(self, lane: _Candidate, events: list[Event], close: Close | None = None) -> None:
        if lane.kind is not None:
            events.append(close or Close(lane.index))
            lane.kind = None


def _read_words(value: Json) -> Text | Thinking | None:
    """Return what most chunks hold: words or thoughts and nothing else."""
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str):
        return None
    if len(value) == 1:
        return Text(text)
    return Thinking(text, summary=True) if len(value) == 2 and value.get("thought") is True else None


# --- OUT ----------------------------------------------------------------------------------------------


BEFORE = b'{"candidates":[{"content":{"parts":[{"text":'


class _Written:
    """A part being written: text and thoughts at once (`after` is set), everything else when it is whole."""

    __slots__ = ("after", "choice", "part", "pieces")

    def __init__(self, event: Open, head: bytes) -> None:
        self.part = part = event.part
        self.choice = event.choice
        self.pieces: list[str] = []
        self.after = b""
        if isinstance(part, (Text, Thinking)) and not at_home(part.extras, NAME).rest:
            thought = b',"thought":true' if isinstance(part, Thinking) else b""
            self.after = b'%s}],"role":"model"},"index":%d}]%s' % (thought, event.choice, head)


class Writer:
    """Writes one stream, as server-sent events or as a JSON array. Stops leave with the usage, at the end."""

    def __init__(self, request: Request) -> None:
        array = "array" in at_home(request.extras, NAME).form
        self.framing: Framing = JsonArray() if array else SSE
        self._terminator = [Frame(b"")] if array else []
        self._out = Crossing(NAME, home=True)
        self.losses = self._out.losses
        self._open: dict[int, _Written] = {}
        self._head: dict[str, Json] = {}  # of every chunk
        self._figures: dict[str, Json] = {}  # of the first chunk
        self._said = False
        self._refused: set[int] = set()
        self._bad: dict[int, list[str]] = {}
        self._stops: list[Stop] = []

    def feed(self, event: Event) -> list[Frame]:
        """Return the chunks that tell `event`."""
        match event:
            case Append(index, text, more):
                return self._append(index, text, more)
            case Open():
                return self._begin(event)
            case Close():
                return self._close(event)
            case Start():
                own = self._out.own(event.extras, "answer")
                head = {"modelVersion": event.model or None, "responseId": event.id or None}
                self._head = {**{name: value for name, value in head.items() if value}, **left(own)}
                self._figures = write_usage(event.usage)
                return []
            case Stop():
                self._stops.append(event)
                return []
            case End():
                return self._end(event)
            case _:
                assert_never(event)

    def fail(self, failure: Failure) -> list[Frame]:
        """Return an error chunk; SDKs raise on it."""
        return [Frame(encode(write_failure(failure).body)), *self._terminator]

    def keepalive(self) -> bytes:
        """Return a blank line: the one thing between chunks that every SDK of this dialect ignores."""
        return b"\r\n\r\n"

    def _begin(self, event: Open) -> list[Frame]:
        part = event.part
        entry = self._open[event.index] = _Written(
            event, b"," + encode(self._head)[1:] if self._head else b"}"
        )
        if entry.after:
            # Words leave as they come, so what they lose is said before them.
            write_part(part, f"answer.parts[{event.index}]", self._out)
        if isinstance(part, Text) and part.refusal:
            self._refused.add(event.choice)
        if isinstance(part, (Text, Thinking)) and part.text:
            return self._append(event.index, part.text, None)
        return []

    def _append(self, index: int, text: str, more: Extras | None) -> list[Frame]:
        entry = self._open[index]
        if not entry.after:
            entry.pieces.append(text)
            return []
        if self._said and more is None:
            return [Frame(BEFORE + encode(text) + entry.after)]
        rest = self._out.own(more, "answer").rest
        thought = {"thought": True} if isinstance(entry.part, Thinking) else {}
        return self._chunk({"text": text, **thought}, entry.choice, rest)

    def _close(self, event: Close) -> list[Frame]:
        entry, at = self._open.pop(event.index), f"answer.parts[{event.index}]"
        part = entry.part
        self._out.own(event.extras, at)
        if isinstance(part, (Opaque, ToolResult)):
            changed: dict[str, Json] = {}
        else:
            changed = {"signature": event.signature or part.signature}
        if entry.after:
            self._out.unsign(changed["signature"], at)
            if changed["signature"] is None or changed["signature"].origin != NAME:
                return []
            changed["text"] = ""
        elif isinstance(part, (Text, Thinking)):
            changed["text"] = "".join(entry.pieces)
        elif isinstance(part, ToolCall):
            changed["arguments"] = part.arguments + "".join(entry.pieces)
        part = msgspec.structs.replace(part, **changed)
        block = write_block(part, at, self._out, self._bad.setdefault(entry.choice, []))
        return [] if block is None else self._chunk(block, entry.choice, {})

    def _chunk(self, part: dict[str, Json], choice: int, rest: Mapping[str, Json]) -> list[Frame]:
        candidate = {"content": {"parts": [part], "role": "model"}, "index": choice, **rest}
        body: dict[str, Json] = {"candidates": [candidate], **self._head}
        if not self._said:
            self._said = True
            if self._figures:
                body["usageMetadata"] = self._figures
        return [Frame(encode(body))]

    def _end(self, event: End) -> list[Frame]:
        candidates: list[Json] = []
        try:
            for stop in self._stops:
                refused, bad = stop.choice in self._refused, self._bad.get(stop.choice, ())
                block = write_stop(stop, self._out, refused=refused, bad=bad)
                if block is not None:
                    # Clients look into the content of every candidate, also of the last.
                    content = {"parts": [{"text": ""}], "role": "model"}
                    candidates.append(over({"content": content, "index": stop.choice}, block))
        except Failure as failure:
            return self.fail(failure)
        figures, frames = write_usage(event.usage), []
        own = self._out.own(event.extras, "answer")
        if not self._said and (own or figures != self._figures):
            first = {"usageMetadata": self._figures} if self._figures else {}
            frames.append(Frame(encode({**first, **self._head})))
        body: dict[str, Json] = {"candidates": candidates} if candidates else {}
        body |= {"usageMetadata": figures} if figures else {}
        return [*frames, Frame(encode({**body, **self._head, **left(own)})), *self._terminator]
