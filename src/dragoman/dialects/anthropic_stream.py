"""An Anthropic answer as a stream, and what a whole one shares with it: its start and its stop.

    stream := message_start  ( block | ping )*  message_delta+  message_stop      | ... error
    block  := content_block_start  content_block_delta*  content_block_stop       strictly in sequence

What the wire is, and where it is documented, stands at the head of ``anthropic``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import msgspec

from dragoman.core.events import Append, Close, End, Event, Open, Reason, Response, Start, Stop
from dragoman.core.extras import Json, at_home, extras
from dragoman.core.failure import Failure, malformed, truncated
from dragoman.core.request import (
    Opaque,
    Part,
    Request,
    Signature,
    Text,
    Thinking,
    ToolCall,
)
from dragoman.dialects import Amend, Reply
from dragoman.dialects.anthropic_failure import read_failure, write_failure
from dragoman.dialects.anthropic_parts import (
    NAME,
    read_block,
    read_usage,
    write_block,
    write_usage,
)
from dragoman.dialects.border import Crossing, as_object
from dragoman.dialects.fields import Fields, decode, encode
from dragoman.dialects.framing import Frame

REASONS: dict[str, Reason] = {
    "end_turn": "end",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "pause_turn": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "context",
    "compaction": "pause",
}
REASON_WORDS = {reason: word for word, reason in reversed(REASONS.items())}
APPENDED = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
HEADS = {
    "text": b'{"type":"text_delta","text":',
    "thinking": b'{"type":"thinking_delta","thinking":',
    "input": b'{"type":"input_json_delta","partial_json":',
}
"""A delta up to its text, by the block's field it appends to: the hot path of a stream."""
DELTA = "content_block_delta"
CUMULATIVE = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
"""What message_delta repeats even when message_start said the same."""
USUAL: dict[str, Json] = {"type": "message", "role": "assistant", "content": []}
USUAL |= dict.fromkeys(("stop_reason", "stop_sequence"))
"""What every answer says anyway, and message_start says before it knows."""
NEAREST: dict[Reason, str] = {"filter": "refusal", "bad_tool_call": "end_turn"}


def read_start(fields: Fields) -> Start:
    """Read what surrounds the content, as an answer or a message_start has it."""
    id_, model, usage = fields.need_text("id"), fields.need_text("model"), fields.object("usage")
    for name, usual in USUAL.items():
        if fields.rest.get(name) == usual:
            fields.rest.pop(name, None)
    kept = extras(NAME, fields.rest, () if id_.startswith("msg_") else ("id",))
    return Start(id_, model, usage=read_usage(usage.rest) if usage else None, extras=kept)


def read_stop(fields: Fields, details: dict[str, Json], parts: Sequence[Part]) -> Stop:
    """Read why an answer ended; `parts` tell it where no word does."""
    word, sequence = fields.text("stop_reason"), fields.text("stop_sequence")
    reason = REASONS.get(word or "")
    form = ("native",) if word and reason is None else ()
    if reason is None:
        called = any(isinstance(part, ToolCall) for part in parts)
        reason = "tool_use" if called else "end" if parts or word else "error"
    kept = {name: value for name, value in details.items() if name not in ("stop_reason", "stop_sequence")}
    return Stop(reason, sequence=sequence, native=word, extras=extras(NAME, kept, form))


class Reader:
    """Reads one stream. At most one block is open, so only its state is kept."""

    def __init__(self, amend: Amend | None = None) -> None:
        self._amend = amend
        self._parts: list[Part] = []
        self._part: Part | None = None  # the open part, as it began
        self._wanted = ""  # the delta that appends to it
        self._input: list[str] = []  # an Opaque's JSON so far; the input a tool_use began with
        self._signature: str | None = None
        self._tail: dict[str, Json] = {}  # what its Close will bring
        self._figures: dict[str, Json] = {}
        self._delta: dict[str, Json] = {}
        self._rest: dict[str, Json] = {}
        self._done = False

    def feed(self, frame: Frame) -> list[Event]:
        """Return the events `frame` completes; raise Failure for an error event."""
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
        match value.get("type") or frame.event:
            case "content_block_delta":
                return self._append(value.get("delta"))
            case "content_block_start":
                return [*self._close(), *self._begin(value.get("content_block"))]
            case "content_block_stop":
                return self._close()
            case "message_start":
                fields = Fields(value.get("message"))
                start = read_start(fields)
                self._figures = dict(start.usage.native.rest) if start.usage and start.usage.native else {}
                return [start]
            case "message_delta":
                self._settle(value)
            case "message_stop":
                self._done, last = True, self._close()
                stop = read_stop(Fields(self._delta), self._delta, self._parts)
                usage = read_usage(self._figures) if self._figures else None
                return [*last, stop, End(usage, extras(NAME, self._rest))]
            case "error":
                raise read_failure(Reply(200, body=value))
        return []  # a ping, or an event that does not exist yet

    def close(self) -> list[Event]:
        """Say that nothing is left; raise ``truncated()`` where message_stop never came."""
        if not self._done:
            raise truncated()
        return []

    def _begin(self, block: Json) -> list[Event]:
        if isinstance(block, dict) and block.get("signature") == "":
            block = {name: value for name, value in block.items() if name != "signature"}
        part = read_block(block, "$.content_block", "assistant", strict=False)
        self._part, self._wanted, self._input, self._signature, self._tail = part, "", [], None, {}
        index = len(self._parts)
        match part:
            case Text() | Thinking(redacted=False):
                self._wanted = "text_delta" if isinstance(part, Text) else "thinking_delta"
                self._part = msgspec.structs.replace(part, text="", signature=None)
                self._signature = part.signature.data if part.signature else None
                return [Open(index, self._part), *([Append(index, part.text)] if part.text else [])]
            case ToolCall():
                self._wanted, self._input = "input_json_delta", [part.arguments or "{}"]
                self._part = msgspec.structs.replace(part, arguments="")
            case Opaque():
                return []
        return [Open(index, self._part)]

    def _append(self, delta: Json) -> list[Event]:
        if self._part is None or not isinstance(delta, dict):
            raise malformed("the provider sent a delta outside a block")
        kind = delta.get("type")
        if kind and kind == self._wanted:
            text = delta.get(APPENDED[kind])
            if not isinstance(text, str) or not text:
                return []
            self._input = []
            return [Append(len(self._parts), text)]
        match kind:
            case "input_json_delta" if isinstance(self._part, Opaque):
                self._input.append(str(delta.get("partial_json") or ""))
            case "signature_delta":
                self._signature = str(delta.get("signature") or "")
            case "citations_delta":
                self._tail.setdefault("citations", []).append(delta.get("citation"))
            case "compaction_delta" if isinstance(self._part, Opaque):
                given = {name: value for name, value in delta.items() if name != "type"}
                self._part = msgspec.structs.replace(self._part, data={**self._part.data, **given})
            case _:
                self._tail.setdefault("deltas", []).append(delta)
        return []

    def _close(self) -> list[Event]:
        part, index, whole = self._part, len(self._parts), "".join(self._input)
        if part is None:
            return []
        self._part = None
        self._parts.append(part)
        signature = Signature(NAME, self._signature) if self._signature else None
        close = Close(index, signature, extras(NAME, self._tail))
        if not isinstance(part, Opaque):
            return [Append(index, whole), close] if whole else [close]
        if whole:
            given = as_object(whole)
            data = {**part.data, "input": whole if given is None else given}
            part = msgspec.structs.replace(part, data=data)
        return [Open(index, part), close]

    def _settle(self, value: dict[str, Json]) -> None:
        """Take a message_delta: its figures are cumulative, and a null says nothing new."""
        for name, target in (("delta", self._delta), ("usage", self._figures)):
            given = value.get(name)
            for key, field in given.items() if isinstance(given, dict) else ():
                if field is not None or key not in target:
                    target[key] = field
        self._rest |= {k: v for k, v in value.items() if k not in ("type", "delta", "usage")}


def envelope(start: Start | Response, request: Request) -> dict[str, Json]:
    """Return what surrounds the content of an answer."""
    known = start.id.startswith("msg_") or "id" in at_home(start.extras, NAME).form
    id_, model = start.id if known else f"msg_{start.id}", start.model or request.model
    return {"id": id_, "type": "message", "role": "assistant", "model": model}


def write_stop(stop: Stop, out: Crossing, *, refused: bool) -> dict[str, Json]:
    """Return the fields that say why an answer ended; raise Failure where it did not end, but failed."""
    if stop.reason == "error":
        raise malformed(f"the provider stopped with an error ({stop.native or 'no reason given'})")
    own, word = out.own(stop.extras, "answer.stop"), stop.native
    if "native" not in own.form and REASONS.get(word or "") != stop.reason:
        if stop.reason in NEAREST:
            out.lose("approximated", "answer.stop", "the nearest word there is")
        reason = "refusal" if refused and stop.reason == "end" else stop.reason
        word = NEAREST.get(reason) or REASON_WORDS[reason]
    return {"stop_reason": word, "stop_sequence": stop.sequence, **own.rest}


class Writer:
    """Writes one stream: one block at a time, and the stop reason once usage is final."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._out = Crossing(NAME)
        self.losses = self._out.losses
        self._index = -1  # the part that is open
        self._count = 0  # blocks written
        self._held: list[Frame] = []  # a thinking block's start, until it says anything
        self._head = b""  # a delta of the open block, up to its text
        self._custom = False
        self._refused = False
        self._tail: dict[str, Json] = {}
        self._figures: dict[str, Json] = {}
        self._stop = Stop("end")

    def feed(self, event: Event) -> list[Frame]:
        """Return the frames that tell `event`."""
        match event:
            case Append():
                return self._append(event)
            case Open():
                return self._open(event)
            case Close():
                return self._close(event)
            case Start():
                self._figures = write_usage(event.usage)
                body = {**envelope(event, self._request), "content": [], "usage": self._figures}
                body |= {"stop_reason": None, "stop_sequence": None}
                own = self._out.own(event.extras, "answer")
                return [_frame("message_start", message={**body, **own.rest})]
            case Stop():
                self._stop = event if event.choice == 0 else self._stop
                return []
            case End():
                return self._end(event)
            case _:
                assert_never(event)

    def fail(self, failure: Failure) -> list[Frame]:
        """Return an ``error`` event; SDKs raise on it."""
        return [Frame(encode(write_failure(failure).body), "error")]

    def keepalive(self) -> bytes:
        """Return a ping, which every SDK of this dialect skips."""
        return b'event: ping\ndata: {"type": "ping"}\n\n'

    def _open(self, event: Open) -> list[Frame]:
        if event.choice:
            self._out.lose("dropped", f"answer.choices[{event.choice}]", "an answer has one choice here")
            return []
        part = event.part
        block = write_block(part, f"answer.parts[{event.index}]", self._out)
        if block is None:
            return []
        self._index, self._tail, kind = event.index, {}, str(block.get("type"))
        self._custom = isinstance(part, ToolCall) and part.custom
        self._refused = self._refused or (isinstance(part, Text) and part.refusal)
        first, field = None, {"text": "text", "thinking": "thinking"}.get(kind, "input")
        if isinstance(part, ToolCall):
            first, block["input"] = part.arguments, {}
            if self._custom:
                first = '{"input":"' + encode(first).decode()[1:-1]
        elif field in block:
            given = block[field]
            first = given if isinstance(given, str) else encode(given).decode() if given else ""
            block[field] = "" if field != "input" else {}
        for name, empty in (("signature", ""), ("citations", [])):
            if (given := block.get(name)) and isinstance(given, type(empty)) and kind in ("thinking", "text"):
                self._tail[name], block[name] = given, empty
        self._head = b'{"type":"content_block_delta","index":%d,"delta":%s' % (self._count, HEADS[field])
        frames = [_frame("content_block_start", index=self._count, content_block=block)]
        if field == "input" and first is not None:
            frames.append(Frame(self._head + b'""}}', DELTA))
        if first:
            frames.append(Frame(self._head + encode(first) + b"}}", DELTA))
        self._held = frames if kind == "thinking" and not first and not self._tail else []
        return [] if self._held else frames

    def _append(self, event: Append) -> list[Frame]:
        if event.extras is not None:
            self._out.own(event.extras, "answer")
        if event.index != self._index or not event.text:
            return []
        text = encode(event.text)
        if self._custom:
            text = encode(text[1:-1].decode())
        frame = Frame(self._head + text + b"}}", DELTA)
        if not self._held:
            return [frame]
        frames, self._held = [*self._held, frame], []
        return frames

    def _close(self, event: Close) -> list[Frame]:
        at = f"answer.parts[{event.index}]"
        self._out.unsign(event.signature, at)
        if event.index != self._index:
            return []
        self._index, tail = -1, {**self._tail, **self._out.own(event.extras, at).rest}
        if event.signature is not None and event.signature.origin == NAME:
            tail["signature"] = event.signature.data
        if self._held and not tail:
            return []
        frames, self._held = self._held, []
        if self._custom:
            frames.append(Frame(self._head + encode('"}') + b"}}", DELTA))
        deltas = [{"type": "citations_delta", "citation": citation} for citation in tail.get("citations", ())]
        deltas += tail.get("deltas", ())
        if "signature" in tail:
            deltas.append({"type": "signature_delta", "signature": tail["signature"]})
        frames += [_frame(DELTA, index=self._count, delta=delta) for delta in deltas]
        frames.append(_frame("content_block_stop", index=self._count))
        self._count += 1
        return frames

    def _end(self, event: End) -> list[Frame]:
        try:
            delta = write_stop(self._stop, self._out, refused=self._refused)
        except Failure as failure:
            return self.fail(failure)
        usage = write_usage(event.usage) if event.usage else {}
        usage = {"output_tokens": 0, **usage}
        changed = {k: v for k, v in usage.items() if k in CUMULATIVE or self._figures.get(k, self) != v}
        rest = self._out.own(event.extras, "answer").rest
        return [_frame("message_delta", delta=delta, usage=changed, **rest), _frame("message_stop")]


def _frame(kind: str, **fields: Json) -> Frame:
    return Frame(encode({"type": kind, **fields}), kind)
