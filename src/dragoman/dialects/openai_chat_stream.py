"""A Chat Completions answer as it comes: chunks to events and back; and what ends an answer in either form.

The theory of reading is in ``openai_chat``: lanes, Stops that wait for the end, what says nothing. Writing:
a choice's first chunk carries its role, every event is at most one chunk, all chunks share the envelope Start
brought, and the constant bytes of a part's chunks are encoded once, when the part opens.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from itertools import count as counter
from typing import assert_never

import msgspec

from dragoman.core.events import Append, Close, End, Event, Open, Reason, Start, Stop
from dragoman.core.extras import Extras, Json, Loss, at_home
from dragoman.core.failure import Failure, malformed, truncated
from dragoman.core.request import Opaque, Part, Request, Text, Thinking, ToolCall
from dragoman.core.usage import Usage
from dragoman.dialects import Amend
from dragoman.dialects.border import Crossing, merged
from dragoman.dialects.fields import decode, encode
from dragoman.dialects.figures import beside, bill, count, searched, tier
from dragoman.dialects.framing import Frame
from dragoman.dialects.lanes import Lane
from dragoman.dialects.openai_chat_parts import (
    DETAIL,
    NAME,
    QUIET,
    STRINGS,
    SYNTHETIC,
    Fragment,
    everything,
    kept,
    prove,
    read_piece,
    read_signature,
    read_thoughts,
    spell,
    write_odd,
    write_signature,
    write_thoughts,
)
from dragoman.dialects.openai_failure import read_fault, write_error
from dragoman.dialects.openai_terms import REFUSED

REASONS: dict[str, Reason] = {
    "stop": "end",
    "length": "length",
    "model_length": "context",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "filter",
    "error": "error",
    "insufficient_system_resource": "error",
}
REASON_WORD: dict[Reason, str] = {
    "end": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "context": "length",
    "tool_use": "tool_calls",
    "refusal": "stop",
    "filter": "content_filter",
    "pause": "stop",
    "bad_tool_call": "stop",
    "error": "error",
}
NEAREST: dict[Reason, str] = {
    "context": "told as a limit of tokens",
    "pause": "the turn is not over, and no word says so",
    "bad_tool_call": "no word says that a call went wrong",
}
NOTHING: tuple[Json, ...] = (None, "", [], {})
"""What says nothing in a stream."""


def synthetic(id_: str, choice: int) -> str:
    """Return how the ids of an answer's nameless calls begin: the same for the same answer."""
    return f"{SYNTHETIC}{zlib.crc32(id_.encode()):08x}_{choice}"


# --- THE END ------------------------------------------------------------------------------------------


def read_stop(word: str | None, kinds: set[str], choice: int, rest: dict[str, Json], form: list[str]) -> Stop:
    """Say why a choice stopped, from the wire's `word` and the kinds of its parts.

    A word nobody has told us of is an end if anything was said. What the reason alone would not write
    again is kept in `rest`.
    """
    reason = REASONS.get(word or "") or ("end" if kinds - {"other"} else "error")
    sequence = rest.get("stop_reason")  # vLLM names the stop sequence, or the token
    if reason == "end":
        if "call" in kinds:
            reason = "tool_use"
        elif "refusal" in kinds:
            reason = "refusal"
        elif isinstance(sequence, str):
            reason = "stop_sequence"
    if word is not None and word != REASON_WORD[reason]:
        rest["finish_reason"] = word
    named = sequence if reason == "stop_sequence" else None
    return Stop(reason, choice, named, word, kept(rest, form))


def read_usage(native: dict[str, Json]) -> Usage:
    """Take the inclusive figures apart. No counter exceeds what it is part of."""
    prompt, completion = count(native.get("prompt_tokens")), count(native.get("completion_tokens"))
    read, written = _figures(native, "prompt_tokens_details"), _figures(native, "completion_tokens_details")
    # OpenAI and most; DeepSeek; Together; Mistral.
    cached = max(
        count(read.get("cached_tokens")),
        *(
            count(native.get(name))
            for name in ("prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens")
        ),
    )
    cached = min(cached, prompt)
    stored = min(count(read.get("cache_write_tokens")), prompt - cached)
    heard = min(count(read.get("audio_tokens")), prompt - cached - stored)
    thought = count(written.get("reasoning_tokens"))
    beside = count(native.get("total_tokens")) - prompt - completion
    if beside > 0 and thought in (0, beside):
        # xAI leaves reasoning out of the completion, Gemini does not even tell it.
        thought = beside
    else:
        thought = min(thought, completion)
        completion -= thought
    spoken = min(count(written.get("audio_tokens")), completion)
    cost = bill(native)
    return Usage(
        input=prompt - cached - stored - heard,
        cache_read=cached,
        cache_write=stored,
        audio_input=heard,
        output=completion - spoken,
        reasoning=thought,
        audio_output=spoken,
        cost=cost,
        estimated=cost is None and searched(native.get("server_tool_use_details")),
        native=Extras(NAME, native),
        tier=tier(native.get("service_tier")),
    )


def _figures(native: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    value = native.get(name)
    return value if isinstance(value, dict) else {}


def write_usage(usage: Usage) -> dict[str, Json]:
    """Write usage the inclusive way; a provider's own object goes home as it came."""
    native = at_home(usage.native, NAME).rest
    if native:
        return native
    body: dict[str, Json] = {
        "prompt_tokens": usage.total_input,
        "completion_tokens": usage.total_output,
        "total_tokens": usage.total,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write + usage.cache_write_long,
            "audio_tokens": usage.audio_input,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_output,
        },
    }
    if usage.cost is not None:
        # The wire's number; ours stays exact.
        body["cost"] = float(usage.cost)
    return body


def write_stop(stop: Stop, own: Extras, out: Crossing) -> str | None:
    """Return the finish reason; declare what it cannot say."""
    if "-finish_reason" in own.form:
        return None
    if stop.sequence is not None and "stop_reason" not in everything(own):
        out.lose("dropped", "answer.stop_sequence", "Chat Completions does not name it")
    if stop.reason in NEAREST and "finish_reason" not in own.rest:
        out.lose("approximated", "answer.stop", NEAREST[stop.reason])
    return REASON_WORD[stop.reason]


def refusal_of(stop: Stop, out: Crossing) -> dict[str, Json]:
    """Return the words of a refusal that came without any: the finish reason alone is that of a good end."""
    if stop.reason != "refusal" or (stop.extras is not None and stop.extras.dialect == NAME):
        return {}
    out.lose("emulated", "answer.stop", "a refusal has words here")
    return {"refusal": REFUSED}


# --- IN -----------------------------------------------------------------------------------------------

ENVELOPE = frozenset(("id", "object", "created", "model", "choices", "usage", "obfuscation", "p"))
CHOICE = frozenset(("index", "delta", "finish_reason", "message"))
PLAIN = frozenset(("index", "delta", "finish_reason", "logprobs", "native_finish_reason"))
DELTA = frozenset(
    ("role", "content", "refusal", "tool_calls", "function_call", "reasoning_details", *STRINGS)
)
WORDS = frozenset(("role", "content"))
CALL = frozenset(("index", "id", "type", "function", "custom"))
TEXT, REFUSAL, NO_CALL = Text(""), Text("", refusal=True), ToolCall("", "")
THOUGHTS = frozenset(("reasoning_details", *STRINGS))
STABLE = frozenset(("system_fingerprint", "service_tier", "provider"))
"""Top-level fields that every chunk of a stream repeats."""


class _Candidate:
    """What was read of one choice so far."""

    __slots__ = ("calls", "count", "finish", "lane", "rest")

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.calls: dict[Json, tuple[int, str]] = {}  # by the wire's index: which call, and its id
        self.count = 0
        self.finish: str | None = None
        self.rest: dict[str, Json] = {}


class Reader:
    """Reads one stream."""

    __slots__ = ("_amend", "_candidates", "_count", "_done", "_first", "_late", "_salt", "_started", "_usage")

    def __init__(self, amend: Amend | None = None) -> None:
        self._amend = amend
        self._candidates: dict[int, _Candidate] = {}
        self._count = counter()
        self._first: dict[str, Json] = {}
        self._late: dict[str, Json] = {}
        self._usage: dict[str, Json] = {}
        self._salt = ""
        self._started = self._done = False

    def feed(self, frame: Frame) -> list[Event]:
        """Return the events `frame` completes; raise Failure for an error frame."""
        data = frame.data.strip()
        if self._done or not data:
            return []
        if data == b"[DONE]":
            return self._end()
        chunk = self._chunk(data)
        if "error" in chunk or frame.event == "error" or "x_groq" in chunk:
            _raise_fault(chunk, at_all=frame.event == "error")
        events: list[Event] = []
        choices, usage = chunk.get("choices"), chunk.get("usage")
        if isinstance(usage, dict) and usage:
            self._usage = usage
        for name, value in chunk.items():
            if name not in ENVELOPE and value not in NOTHING:
                self._note(name, value)
        if not self._started and (choices or self._usage):
            self._start(chunk, events)
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._choice(choice, events)
        return events

    def close(self) -> list[Event]:
        """Return what is left at end of stream; without a terminator every choice must have finished."""
        if self._done:
            return []
        if not all(candidate.finish for candidate in self._candidates.values()):
            raise truncated()
        return self._end()

    def _chunk(self, data: bytes) -> dict[str, Json]:
        try:
            chunk = decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise malformed("the provider sent a stream event that is not JSON") from None
        if self._amend is not None:
            chunk = self._amend(chunk)
        if not isinstance(chunk, dict):
            raise malformed("the provider sent a stream event that is not a JSON object")
        return chunk

    def _note(self, name: str, value: Json) -> None:
        """Keep a top-level field: Start's until that is told, then End's, if it is another value."""
        if not self._started:
            self._first[name] = value
        elif self._first.get(name) == value:
            self._late.pop(name, None)
        else:
            self._late[name] = value

    def _start(self, chunk: dict[str, Json], events: list[Event]) -> None:
        id_, model, created = chunk.get("id"), chunk.get("model"), chunk.get("created")
        self._started = True
        self._salt = id_ if isinstance(id_, str) else ""
        model = model if isinstance(model, str) else ""
        at = int(created) if isinstance(created, (int, float)) and created else None
        events.append(Start(self._salt, model, at, extras=kept(dict(self._first))))

    def _candidate(self, number: Json) -> _Candidate:
        index = number if isinstance(number, int) else 0
        candidate = self._candidates.get(index)
        if candidate is None:
            candidate = self._candidates[index] = _Candidate(Lane(NAME, index, self._count))
        return candidate

    def _choice(self, choice: dict[str, Json], events: list[Event]) -> None:
        candidate = self._candidate(choice.get("index"))
        lane, delta, finish = candidate.lane, choice.get("delta"), choice.get("finish_reason")
        if not isinstance(delta, dict):
            delta = {}
        text, head = delta.get("content"), lane.head
        if (
            head is not None
            and head.key == "text"
            and text
            and isinstance(text, str)
            and not finish
            and delta.keys() <= WORDS
            and choice.keys() <= PLAIN
            and choice.get("logprobs") is None
            and choice.get("native_finish_reason") is None
        ):
            events.append(Append(head.index, text))
            return
        if choice.get("error"):
            raise read_fault(choice, None, {}, NAME)
        rest = {name: v for name, v in choice.items() if name not in CHOICE and v not in NOTHING}
        odd = {name: v for name, v in delta.items() if name not in DELTA and v not in NOTHING}
        odd |= _odd_details(delta.get("reasoning_details"))
        told = {**({} if finish else rest), **({"delta": odd} if odd else {})}
        more = kept(told)
        for fragment in self._fragments(candidate, delta):
            if _repeats(fragment, lane):
                assert lane.head is not None
                lane.head.signature = fragment.signature
                continue
            strand = lane.add(
                fragment.key, fragment.shell, fragment.text, events, more=more if fragment.text else None
            )
            if fragment.text:
                more = None
            if strand is not None:
                strand.signature = fragment.signature or strand.signature
                known = everything(at_home(getattr(strand.shell, "extras", None), NAME))
                for name, value in fragment.rest.items():
                    if known.get(name) != value:
                        (strand.quiet if name in QUIET else strand.rest)[name] = value
        if more is not None and odd:
            lane.add(object(), Opaque(NAME, "delta", odd), "", events)
        if more is not None or finish:
            candidate.rest |= rest
        if isinstance(finish, str) and finish:
            candidate.finish = finish

    def _fragments(self, candidate: _Candidate, delta: dict[str, Json]) -> Iterator[Fragment]:
        """Yield what one delta adds, in the order thinking, content, refusal, calls."""
        if not delta.keys().isdisjoint(THOUGHTS):
            yield from read_thoughts(delta)
        content, refusal, calls = delta.get("content"), delta.get("refusal"), delta.get("tool_calls")
        if isinstance(content, str):
            if content:
                yield Fragment("text", TEXT, content, None, {})
        elif isinstance(content, list):
            for item in content:
                yield _read_item(item)
        if isinstance(refusal, str) and refusal:
            yield Fragment("refusal", REFUSAL, refusal, None, {})
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                yield self._call(candidate, call)
        function = delta.get("function_call")
        if isinstance(function, dict) and (function.get("name") or function.get("arguments")):
            shell = ToolCall(
                synthetic(self._salt, candidate.lane.choice),
                _text(function.get("name")),
                synthetic=True,
                extras=Extras(NAME, {}, ("function_call",)),
            )
            yield Fragment("function_call", shell, _text(function.get("arguments")), None, {})

    def _call(self, candidate: _Candidate, call: dict[str, Json]) -> Fragment:
        """Read a fragment of a call: a new one, or more of one that its index or its silence names."""
        word = "custom" if isinstance(call.get("custom"), dict) and "function" not in call else "function"
        inner = call.get(word)
        inner = inner if isinstance(inner, dict) else {}
        index, id_, name = call.get("index"), _text(call.get("id")), _text(inner.get("name"))
        index = index if isinstance(index, int) else None
        text = _text(inner.get("input" if word == "custom" else "arguments"))
        known = candidate.calls.get(index)
        more = known is not None and (not name or (id_ == known[1] if id_ else index is not None))
        rest = {field: v for field, v in call.items() if field not in CALL and v not in NOTHING}
        signature = read_signature(rest)
        if more and known is not None:
            return Fragment(("call", known[0]), NO_CALL, text, signature, rest)
        number = candidate.count
        candidate.count += 1
        candidate.calls[index] = (number, id_)
        shell = ToolCall(
            id_ or f"{synthetic(self._salt, candidate.lane.choice)}_{number}",
            name,
            custom=word == "custom",
            synthetic=not id_ or id_.startswith(SYNTHETIC),
            signature=signature,
            extras=kept(rest),
        )
        return Fragment(("call", number), shell, text, None, {})

    def _end(self) -> list[Event]:
        """Close everything, tell why each choice stopped, and end."""
        self._done = True
        if not self._candidates:
            raise truncated("the provider ended the stream without an answer")
        events: list[Event] = []
        candidates = [self._candidates[index] for index in sorted(self._candidates)]
        for candidate in candidates:
            candidate.lane.flush(events)
        for candidate in candidates:
            form = [] if candidate.finish else ["-finish_reason"]
            lane = candidate.lane
            events.append(read_stop(candidate.finish, lane.kinds, lane.choice, candidate.rest, form))
        groq = self._late.get("x_groq", self._first.get("x_groq"))
        usage = self._usage or (groq.get("usage") if isinstance(groq, dict) else None)
        counted = read_usage(usage) if isinstance(usage, dict) and usage else None
        events.append(End(beside(counted, {**self._first, **self._late}), kept(self._late)))
        return events


def _raise_fault(chunk: dict[str, Json], *, at_all: bool) -> None:
    """Raise the error a chunk tells: its own, Groq's, or by the name of its event."""
    groq = chunk.get("x_groq")
    told = groq.get("error") if isinstance(groq, dict) else None
    if chunk.get("error") or at_all:
        raise read_fault(chunk, None, {}, NAME)
    if told:
        raise read_fault({"error": told}, None, {}, NAME)


def _text(value: Json) -> str:
    """Return a string as it is, an object as its JSON text, and anything else as nothing."""
    if isinstance(value, dict):
        return encode(value).decode()
    return value if isinstance(value, str) else ""


def _read_item(item: Json) -> Fragment:
    """Read one part of a content list."""
    match item:
        case {"type": "text", "text": str(text)}:
            return Fragment("text", TEXT, text, None, {})
        case {"type": "thinking"}:
            return read_piece(item)
        case _:
            return Fragment(object(), Opaque(NAME, "delta", {"content": [item]}), "", None, {})


def _odd_details(details: Json) -> dict[str, Json]:
    """Return the reasoning details of a type nobody has told us of."""
    if not details or not isinstance(details, list):
        return {}
    odd = [
        detail for detail in details if not isinstance(detail, dict) or detail.get("type") not in [*DETAIL]
    ]
    return {"reasoning_details": odd} if odd else {}


def _repeats(fragment: Fragment, lane: Lane) -> bool:
    """Say whether a signed detail only repeats the thinking that is open, to sign it."""
    head = lane.head
    return (
        fragment.signature is not None
        and bool(fragment.text)
        and head is not None
        and isinstance(head.shell, Thinking)
        and head.key != fragment.key
        and "".join(head.said) == fragment.text
    )


# --- OUT ----------------------------------------------------------------------------------------------


class _Part:
    """A part being written: its shell, where it is, and the bytes around each piece of its text."""

    __slots__ = ("call", "choice", "lead", "said", "shell", "tail")

    def __init__(self, shell: Part, choice: int) -> None:
        self.shell = shell
        self.choice = choice
        self.call = 0
        self.lead = b""
        self.tail = b""
        self.said: list[str] | None = None if isinstance(shell, Text) else []


class Writer:
    """Writes one stream."""

    __slots__ = (
        "_asked",
        "_begun",
        "_calls",
        "_envelope",
        "_once",
        "_out",
        "_parts",
        "_refused",
        "_unsigned",
        "losses",
    )

    def __init__(self, request: Request) -> None:
        self._out = Crossing(NAME)
        self.losses: list[Loss] = self._out.losses
        self._asked = request.stream_usage
        self._envelope: dict[str, Json] = {}
        self._once: dict[str, Json] = {}
        self._begun: set[int] = set()
        self._calls: dict[int, int] = {}
        self._parts: dict[int, _Part] = {}
        self._refused: set[int] = set()
        self._unsigned: dict[int, str] = {}
        """The thinking of each choice that no signature has followed yet."""

    def feed(self, event: Event) -> list[Frame]:
        """Return the frames that tell `event`. The frames of End include the terminator."""
        match event:
            case Append():
                part = self._parts[event.index]
                if part.said is not None:
                    part.said.append(event.text)
                if part.lead and event.extras is None:
                    return [Frame(part.lead + encode(event.text) + part.tail)]
                return self._append(part, event)
            case Open():
                return self._open(event)
            case Close():
                return self._close(event)
            case Start():
                return self._start(event)
            case Stop():
                return self._stop(event)
            case End():
                return self._end(event)
            case _:
                assert_never(event)

    def fail(self, failure: Failure) -> list[Frame]:
        """Return an error chunk and no ``[DONE]``: the SDK raises APIError."""
        return [Frame(encode(write_error(failure, NAME)))]

    def keepalive(self) -> bytes:
        """Return a comment."""
        return b": ka\n\n"

    def _start(self, event: Start) -> list[Frame]:
        own = everything(self._out.own(event.extras, "answer"))
        rest = {name: value for name, value in own.items() if name not in ENVELOPE and value not in NOTHING}
        self._once = {name: value for name, value in rest.items() if name not in STABLE}
        self._envelope = {
            "id": event.id,
            "object": "chat.completion.chunk",
            "created": event.created_at or 0,
            "model": event.model,
            **{name: value for name, value in rest.items() if name in STABLE},
        }
        return []

    def _frame(self, choices: list[Json], more: Mapping[str, Json]) -> Frame:
        body = {**self._envelope, **self._once, "choices": choices}
        self._once = {}
        if self._asked:
            body["usage"] = None
        return Frame(encode({**body, **more}))

    def _delta(
        self, choice: int, delta: Mapping[str, Json], rest: Mapping[str, Json] | None = None
    ) -> list[Frame]:
        """Return the chunk of one choice, after that of its role if this is its first."""
        frames = []
        if choice not in self._begun:
            self._begun.add(choice)
            said = None if "tool_calls" in delta or "function_call" in delta else ""
            first = {"role": "assistant", "content": said}
            frames.append(self._frame([{"index": choice, "delta": first, "finish_reason": None}], {}))
        if delta or rest:
            whole = {"index": choice, "delta": delta, "finish_reason": None, **(rest or {})}
            frames.append(self._frame([whole], {}))
        return frames

    def _open(self, event: Open) -> list[Frame]:
        shell, choice = event.part, event.choice
        part = self._parts[event.index] = _Part(shell, choice)
        at = f"answer.parts[{event.index}]"
        delta: dict[str, Json] = {}
        if not isinstance(shell, Thinking):
            self._unsigned.pop(choice, None)
        match shell:
            case Text():
                self._out.own(shell.extras, at)
                field = "refusal" if shell.refusal else "content"
                self._refused |= {choice} if shell.refusal else set()
                delta = {field: shell.text} if shell.text else {}
                self._lead(part, b'{"%s":' % field.encode(), b"}")
            case Thinking():
                self._out.own(shell.extras, at)
                delta = write_thoughts([shell]) if shell.redacted else {}
                delta = spell(shell, shell.text) if shell.text else delta
                names = [*spell(shell, "")]
                if len(names) == 1 and names[0] in STRINGS:
                    self._lead(part, b'{"%s":' % names[0].encode(), b"}")
            case ToolCall():
                delta = self._open_call(part, shell, at)
            case Opaque() if shell.dialect == NAME:
                delta = shell.data if shell.kind == "delta" else {"content": [shell.data]}
            case _:
                write_odd(shell, at, delta, self._out)
        frames = self._delta(choice, delta)
        if isinstance(shell, ToolCall) and "function_call" not in delta:
            before = b'{"tool_calls":[{"index":%d,"%s":{"%s":'
            names_ = (b"custom", b"input") if shell.custom else (b"function", b"arguments")
            self._lead(part, before % (part.call, *names_), b"}}]}")
        return frames

    def _open_call(self, part: _Part, call: ToolCall, at: str) -> dict[str, Json]:
        own = self._out.own(call.extras, at)
        if "function_call" in own.form:
            return {"function_call": {"name": call.name, "arguments": call.arguments}}
        part.call = self._calls.get(part.choice, 0)
        self._calls[part.choice] = part.call + 1
        rest = {name: value for name, value in everything(own).items() if name != "index"}
        word, field = ("custom", "input") if call.custom else ("function", "arguments")
        body = {"index": part.call, "id": call.id, "type": word}
        body[word] = {"name": call.name, field: call.arguments}
        return {"tool_calls": [merged({**body, **write_signature(call.signature, at, self._out)}, rest)]}

    def _lead(self, part: _Part, before: bytes, after: bytes) -> None:
        """Encode once what surrounds each piece of a part's text."""
        envelope = encode(self._envelope)[:-1]
        part.lead = b'%s,"choices":[{"index":%d,"delta":%s' % (envelope, part.choice, before)
        part.tail = after + b',"finish_reason":null}]' + (b',"usage":null}' if self._asked else b"}")

    def _append(self, part: _Part, event: Append) -> list[Frame]:
        own = everything(self._out.own(event.extras, f"answer.parts[{event.index}]"))
        odd = own.get("delta")
        rest = {name: value for name, value in own.items() if name != "delta"}
        delta = {**_spoken(part, event.text), **(odd if isinstance(odd, dict) else {})}
        return self._delta(part.choice, delta, rest)

    def _close(self, event: Close) -> list[Frame]:
        part, at = self._parts.pop(event.index), f"answer.parts[{event.index}]"
        own, shell = self._out.own(event.extras, at), part.shell
        if isinstance(shell, Thinking) and not shell.redacted:
            signed = msgspec.structs.replace(shell, signature=event.signature or shell.signature)
            # To whom the strings are one text, one signed text stands for all of them.
            text = self._unsigned.pop(part.choice, "") + shell.text + "".join(part.said or ())
            if signed.signature is None:
                self._unsigned[part.choice] = text
            return self._delta(part.choice, prove(signed, text, everything(own), event.index))
        if isinstance(shell, ToolCall):
            return self._close_call(part, shell, event, own, at)
        if event.signature is not None or (isinstance(shell, Text) and shell.signature is not None):
            self._out.lose("dropped", f"{at}.signature", "only a call has room for a signature")
        return []

    def _close_call(self, part: _Part, call: ToolCall, event: Close, own: Extras, at: str) -> list[Frame]:
        form = at_home(call.extras, NAME).form + own.form
        late = {**write_signature(event.signature, at, self._out), **everything(own)}
        if not (call.arguments or any(part.said or ()) or call.custom or "empty" in form):
            # Every client parses them, and a call of another dialect may have none.
            late["function"] = {"arguments": "{}"}
        return self._delta(part.choice, {"tool_calls": [{"index": part.call, **late}]}) if late else []

    def _stop(self, event: Stop) -> list[Frame]:
        own = self._out.own(event.extras, "answer")
        finish = everything(own).get("finish_reason", write_stop(event, own, self._out))
        message = everything(own).get("message")
        delta = {
            name: value
            for name, value in (message if isinstance(message, dict) else {}).items()
            if name not in DELTA and value not in NOTHING
        }
        odd = ("message", "finish_reason")
        rest = {
            name: value for name, value in everything(own).items() if name not in odd and value not in NOTHING
        }
        if event.choice not in self._refused:
            delta |= refusal_of(event, self._out)
        if finish is not None or rest:
            return self._delta(event.choice, delta, {**rest, "finish_reason": finish})
        return self._delta(event.choice, delta)

    def _end(self, event: End) -> list[Frame]:
        own = everything(self._out.own(event.extras, "answer"))
        rest = {name: value for name, value in own.items() if name not in ENVELOPE and value not in NOTHING}
        frames = []
        if self._asked and event.usage is not None:
            frames.append(self._frame([], {"usage": write_usage(event.usage), **rest}))
        elif (rest and event.usage is None) or self._once:
            # What came with a usage nobody but the gateway asked for stays with it: a chunk without
            # choices would surprise a client that did not ask for one.
            frames.append(self._frame([], rest))
        return [*frames, Frame(b"[DONE]")]


def _spoken(part: _Part, text: str) -> dict[str, Json]:
    """Return the delta that adds `text` to a part."""
    match part.shell:
        case Text():
            return {"refusal" if part.shell.refusal else "content": text}
        case Thinking():
            return spell(part.shell, text)
        case ToolCall():
            if "function_call" in at_home(part.shell.extras, NAME).form:
                return {"function_call": {"arguments": text}}
            word, field = ("custom", "input") if part.shell.custom else ("function", "arguments")
            return {"tool_calls": [{"index": part.call, word: {field: text}}]}
        case _:
            return {}
