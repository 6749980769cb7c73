"""Ollama's own protocol, both sides.

WIRE
    POST /api/chat                    a conversation; the answer has a ``message``
    POST /api/generate                one prompt; the answer has a ``response``
    POST /api/embed, /api/embeddings  vectors: ``ollama_tasks``

Both stream newline-delimited JSON *by default*; only ``"stream": false`` asks for one object. Read
2026-11-21: https://docs.ollama.com/api (``chat``, ``generate``, ``streaming``, ``errors``),
``docs.ollama.com/capabilities`` (``thinking``, ``tool-calling``, ``structured-outputs``); the server's
source of 2026-08-21 (api/types.go, server/routes.go); and the types of the Python client 0.6.

    stream  := object{done:false}*  object{done:true, done_reason, metrics}      | ...  {"error": "text"}

Every object repeats model and time, so there is no frame for the start of an answer. A call comes whole.

* The form of a request names its endpoint (``chat``, ``generate``), since the answer's shape hangs on it. An
  answer has it too, and keeps its shape where nobody asked: a request without such a form is no client's.
* A prompt is a user's message, ``system`` a system message before it. ``suffix``, ``template``, ``raw`` and a
  ``context`` change what the model sees and no other protocol has them: they are binding.
* **No messages, or an empty prompt, asks for no answer**: the model is loaded, or unloaded with
  ``keep_alive: 0``. Such a request has no messages here, and its form says ``load`` or ``unload``. An answer
  to it without words gets that very ``done_reason``, so whoever serves it need only write an empty one.
* ``options`` holds sampling, stop sequences and the output limit. The rest of it stays in the extras;
  a ``num_predict`` below 1 ("infinite", "fill the context") is no limit and stays there, too.
* There is no tool choice: ``none`` sends no tools, a choice of some sends those.
* The time of an answer is kept as the wire wrote it, quietly. So is what a client says that changes nothing:
  the vendor's own sends ``"suffix": ""`` and ``"raw": false`` with every prompt.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator
from typing import assert_never

import msgspec

from dragoman.core.events import Append, Choice, Close, End, Event, Open, Reason, Response, Start, Stop, fold
from dragoman.core.extras import Extras, Json, at_home, extras
from dragoman.core.failure import Failure, Kind, Retry, Source, invalid, malformed, truncated, unsupported
from dragoman.core.request import (
    Effort,
    Format,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    Sampling,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from dragoman.dialects import Amend, Call, Dialect, Endpoint, Reply
from dragoman.dialects.border import (
    BINDING,
    Crossing,
    delay_s,
    hushed,
    judged,
    merged,
    uncountable,
    uncounted,
)
from dragoman.dialects.fields import Fields, decode, encode
from dragoman.dialects.framing import NDJSON, Frame
from dragoman.dialects.ollama_parts import (
    METRICS,
    NAME,
    Ids,
    read_call,
    read_images,
    read_message,
    read_time,
    read_tool,
    read_usage,
    unmark,
    write_call,
    write_messages,
    write_time,
    write_tool,
    write_turn,
    write_usage,
)
from dragoman.dialects.ollama_tasks import TASKS

WHOLE = ("top_k", "seed", "num_predict")
"""Options that are whole numbers; the server takes 40.0 for one."""
SILENT = ("load", "unload")
ODD = ("suffix", "template", "raw", "context")
IDLE = (*ODD, "system", "format", "logprobs", "top_logprobs")
"""What says nothing where it is empty, false or zero."""
LEVELS: dict[str, Effort] = {"low": "low", "medium": "medium", "high": "high", "max": "max"}
NEAREST_LEVEL: dict[Effort, str] = {"minimal": "low", "xhigh": "max"}
BUDGETS = ((4096, "low"), (12_288, "medium"), (24_576, "high"))
"""The level a budget of at most so many thinking tokens stands for; ours, no standard."""
REASONS: dict[str, Reason] = {"stop": "end", "length": "length"}
REASON_WORDS: dict[Reason, str] = {
    "end": "stop",
    "stop_sequence": "stop",
    "tool_use": "stop",
    "length": "length",
}
NEAREST: dict[Reason, str] = {"context": "length", "refusal": "stop", "filter": "stop", "pause": "stop"}
EPOCH = "1970-01-01T00:00:00Z"
"""The time of an answer nobody dated."""

# --- REQUEST IN ---------------------------------------------------------------------------------------


def _read_request(call: Call) -> Request:
    fields = Fields(call.body, strict=True)
    model, stream = fields.need_text("model"), fields.flag("stream")
    prompted = call.path.endswith("/generate")
    form = ["generate" if prompted else "chat", *(["stream"] if stream is not None else [])]
    messages = tuple(_read_prompt(fields) if prompted else _read_messages(fields))
    if not messages:
        form.append("unload" if _is_over(fields.rest.get("keep_alive")) else "load")
    elif prompted:
        form += [f"{BINDING}{name}" for name in ODD if fields.rest.get(name)]
    offered = [] if prompted or fields.rest.get("tools") == [] else fields.array("tools") or []
    sampling, stops, limit = _read_options(fields)
    shape, quiet = _read_format(fields), hushed(fields.rest, *IDLE)
    return Request(
        NAME,
        model,
        messages,
        tools=tuple(read_tool(tool, f"$.tools[{index}]") for index, tool in enumerate(offered)),
        format=shape,
        reasoning=_read_reasoning(fields),
        sampling=sampling,
        stop=stops,
        max_output=limit,
        stream=stream is not False,
        extras=extras(NAME, fields.rest, form, quiet),
    )


def _read_messages(fields: Fields) -> Iterator[Message]:
    if fields.rest.get("messages") in (None, []):
        return
    ids = Ids()
    for index, value in enumerate(fields.array("messages") or ()):
        yield read_message(Fields(value, f"$.messages[{index}]", strict=True), ids)


def _read_prompt(fields: Fields) -> Iterator[Message]:
    """Yield the messages a prompt stands for; none where it is empty."""
    prompt = fields.words("prompt")
    if prompt is None:
        return
    if (system := fields.words("system")) is not None:
        yield Message("system", (Text(system),))
    yield Message("user", (*read_images(fields), Text(prompt)))


def _is_over(keep_alive: Json) -> bool:
    """Say whether a model is kept for no time at all: a number, or a duration like ``0s``."""
    if isinstance(keep_alive, str):
        return bool(keep_alive) and not re.search(r"[1-9]", keep_alive)
    return keep_alive == 0 and not isinstance(keep_alive, bool)


def _read_options(fields: Fields) -> tuple[Sampling, tuple[str, ...], int | None]:
    if fields.rest.get("options") in (None, {}):
        return Sampling(), (), None
    inner = fields.object("options") or Fields({})
    for name in WHOLE:
        value = inner.rest.get(name)
        if isinstance(value, float) and value.is_integer():
            inner.rest[name] = int(value)
    sampling = Sampling(
        inner.number("temperature", least=0),
        inner.number("top_p", least=0, most=1),
        inner.integer("top_k"),
        inner.number("frequency_penalty"),
        inner.number("presence_penalty"),
        inner.integer("seed"),
    )
    stops = () if inner.rest.get("stop") == [] else inner.strings("stop") or ()
    limit = inner.integer("num_predict")
    if limit is not None and limit < 1:
        inner.rest["num_predict"], limit = limit, None
    fields.leave("options", inner)
    return sampling, stops, limit


def _read_format(fields: Fields) -> Format | None:
    value = fields.rest.get("format")
    if value is None or value == "":
        return None
    if value == "json":
        del fields.rest["format"]
        return Format("json")
    if not isinstance(value, dict):
        raise invalid('format must be "json" or a JSON Schema', fields.path("format"))
    return Format("json_schema", fields.any("format"))


def _read_reasoning(fields: Fields) -> Reasoning | None:
    if isinstance(fields.rest.get("think"), bool):
        return Reasoning(fields.flag("think"))
    word = fields.one_of("think", LEVELS)
    return Reasoning(effort=LEVELS[word]) if word else None


# --- REQUEST OUT --------------------------------------------------------------------------------------


def _write_request(request: Request) -> Call:
    out = Crossing(NAME, home=request.dialect == NAME)
    own = out.own(request.extras, "")
    prompted = "generate" in own.form
    _refuse(request, out)
    body: dict[str, Json] = {**own.quiet, **own.rest, "model": request.model}
    if prompted:
        body |= _write_prompt(request, out)
    elif request.messages:
        body["messages"] = write_messages(request.messages, out)
    written = {
        "tools": _write_tools(request, out) or None,
        "format": _write_format(request.format, out),
        "think": _write_reasoning(request.reasoning, out),
        "options": _write_options(request, own) or None,
    }
    body |= {name: value for name, value in written.items() if value is not None}
    if "stream" in own.form or not request.stream or not out.home:
        body["stream"] = request.stream
    path = "/generate" if prompted else "/chat"
    return Call("POST", path, body=body, losses=tuple(out.losses))


def _refuse(request: Request, out: Crossing) -> None:
    """Refuse what has no field and would change the answer; declare what only guides."""
    if (request.candidates or 1) > 1:
        raise unsupported("Ollama gives one answer to a request", "candidates")
    for name in ("user", "tier"):
        if getattr(request, name) is not None:
            out.lose("dropped", name, "Ollama has no such field")
    if request.parallel_tools is False:
        out.lose("dropped", "parallel_tools", "Ollama always may call several tools at once")


def _write_prompt(request: Request, out: Crossing) -> dict[str, Json]:
    """Write messages as the prompt they were; what the gateway put beside it joins it."""
    body: dict[str, Json] = {}
    told: dict[str, list[tuple[str, Part]]] = {"system": [], "user": []}
    for index, message in enumerate(request.messages):
        for place, part in enumerate(message.parts):
            field = "system" if message.role == "system" else "user"
            told[field].append((f"messages[{index}].parts[{place}]", part))
    for role, field in (("system", "system"), ("user", "prompt")):
        if told[role]:
            turn = write_turn(role, told[role], Extras(NAME), out)
            body[field] = turn["content"]
            body |= {"images": turn["images"]} if "images" in turn else {}
    return body


def _write_tools(request: Request, out: Crossing) -> list[Json]:
    tools, choice = list(enumerate(request.tools)), request.tool_choice
    if choice is not None:
        out.own(choice.extras, "tool_choice")
        if choice.mode == "none":
            if tools:
                out.lose("emulated", "tool_choice", "no tools are sent")
            return []
        if choice.names:
            tools = [(place, tool) for place, tool in tools if getattr(tool, "name", "") in choice.names]
        if choice.names or choice.mode == "required":
            out.lose("approximated", "tool_choice", "the model is free to call a tool or none")
    return [write_tool(tool, f"tools[{place}]", out) for place, tool in tools]


def _write_format(shape: Format | None, out: Crossing) -> Json:
    if shape is None or shape.kind == "text":
        return None
    out.own(shape.extras, "format")
    if shape.strict is False:
        out.lose("approximated", "format.strict", "a schema is always kept to here")
    if shape.description:
        out.lose("dropped", "format.description", "no place for it")
    return shape.schema if shape.kind == "json_schema" and isinstance(shape.schema, dict) else "json"


def _write_reasoning(want: Reasoning | None, out: Crossing) -> bool | str | None:
    if want is None:
        return None
    out.own(want.extras, "reasoning")
    if want.show is not None:
        out.lose("dropped", "reasoning.show", "thinking is always shown here")
    if want.enabled is False or want.effort == "none" or want.budget == 0:
        return False
    if want.effort is not None:
        if want.effort in NEAREST_LEVEL:
            out.lose("approximated", "reasoning.effort", "low, medium, high and max only")
        return NEAREST_LEVEL.get(want.effort, want.effort)
    if want.budget is not None:
        out.lose("approximated", "reasoning.budget", "thinking is asked for by level here")
        return next((level for most, level in BUDGETS if want.budget <= most), "max")
    return want.enabled


def _write_options(request: Request, own: Extras) -> dict[str, Json]:
    given = {
        **msgspec.structs.asdict(request.sampling),
        "stop": list(request.stop) or None,
        "num_predict": request.max_output,
    }
    options: dict[str, Json] = dict(own.rest.get("options") or {})
    return options | {name: value for name, value in given.items() if value is not None}


# --- ANSWER IN ----------------------------------------------------------------------------------------

SAID = frozenset(("role", "content", "thinking", "tool_calls"))
KNOWN = frozenset(("model", "created_at", "done", "done_reason", *METRICS))
CHAT, GENERATE = KNOWN | {"message"}, KNOWN | {"response", "thinking", "tool_calls"}
"""What an answer's object has, by its shape."""
PASSING = frozenset(("logprobs",))
"""Fields of one object alone; any other unknown one is the answer's, and repeated in each."""


def _read_answer(reply: Reply) -> Response:
    """Read a whole answer: a stream of one object."""
    if not isinstance(reply.body, dict):
        raise malformed("the provider's answer is not a JSON object")
    return fold(_Reader().read(reply.body, last=True))


class _Reader:
    """Reads one stream. Text and thinking end where something else begins; a call comes whole."""

    def __init__(self, amend: Amend | None = None) -> None:
        self._amend = amend
        self._known: frozenset[str] | None = None  # the fields whose meaning is told, once it has begun
        self._index = -1  # of the part that began last
        self._open = ""  # what it is, if it is open
        self._ids = Ids()
        self._held: dict[str, Json] = {}  # what came before there was a part to say it with
        self._called = self._done = False

    def feed(self, frame: Frame) -> list[Event]:
        if self._done:
            return []
        try:
            value = decode(frame.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise malformed("the provider sent a line that is not JSON") from None
        if self._amend is not None:
            value = self._amend(value)
        if not isinstance(value, dict):
            raise malformed("the provider sent a line that is not an object")
        return self.read(value)

    def close(self) -> list[Event]:
        if not self._done:
            raise truncated()
        return []

    def read(self, value: dict[str, Json], *, last: bool = False) -> list[Event]:
        """Return the events of one object; the `last` one ends the answer."""
        if value.get("error"):
            raise _read_failure(Reply(200, body=value))
        last = last or value.get("done") is True
        message = value.get("message")
        said, word = (message, "content") if isinstance(message, dict) else (value, "response")
        thought, text, calls = said.get("thinking"), said.get(word), said.get("tool_calls")
        events: list[Event] = []
        if self._known is None and not (last or thought or text or calls or value.keys() & PASSING):
            return events  # keeps the connection alive until there is something to say
        if self._known is None:
            events.append(self._start(value, CHAT if said is message else GENERATE, last=last))
        assert self._known is not None
        more: dict[str, Json] = {}
        if not value.keys() <= self._known:
            more = {name: field for name, field in value.items() if name not in self._known}
        if said is message and not said.keys() <= SAID:
            more["message"] = {name: field for name, field in said.items() if name not in SAID}
        kept = extras(NAME, more) if more and not last else None
        if isinstance(thought, str) and thought:
            self._say("thinking", thought, None if text else kept, events)
        if isinstance(text, str) and text:
            self._say("text", text, kept, events)
        elif kept is not None and not thought:
            self._hold(kept, events)
        for call in calls if isinstance(calls, list) else ():
            self._call(call, events)
        return [*events, *self._end(value, more)] if last else events

    def _start(self, value: dict[str, Json], known: frozenset[str], *, last: bool) -> Start:
        """Begin. What the one object of a whole answer has besides comes with its end."""
        fields = Fields(value)
        model, at = fields.need_text("model"), fields.text("created_at")
        rest = {name: v for name, v in value.items() if name not in known and name not in PASSING}
        rest = {} if last else rest
        self._known = known | rest.keys()
        # Nameless calls of one answer are told from another's by its time.
        self._ids = Ids(f"{zlib.crc32(str(at).encode()):08x}_")
        shape, quiet = "chat" if known is CHAT else "generate", {} if at is None else {"created_at": at}
        kept = extras(NAME, rest, (shape,), quiet)
        return Start("", model, None if at is None else read_time(at), extras=kept)

    def _say(self, kind: str, text: str, more: Extras | None, events: list[Event]) -> None:
        if kind != self._open:
            self._close(events)
            self._open = kind
            self._index += 1
            events.append(Open(self._index, Text("") if kind == "text" else Thinking()))
        events.append(Append(self._index, text, more))

    def _hold(self, kept: Extras, events: list[Event]) -> None:
        """Say what comes without words in the open part, or with the end."""
        if self._open:
            events.append(Append(self._index, "", kept))
            return
        for name, field in kept.rest.items():
            before = self._held.get(name)
            both = isinstance(before, list) and isinstance(field, list)
            self._held[name] = (before or []) + field if both else field

    def _call(self, value: Json, events: list[Event]) -> None:
        call = read_call(Fields(value), self._ids)
        self._close(events)
        self._called = True
        self._index += 1
        events.append(Open(self._index, msgspec.structs.replace(call, arguments="")))
        if call.arguments:
            events.append(Append(self._index, call.arguments))
        events.append(Close(self._index))

    def _close(self, events: list[Event]) -> None:
        if self._open:
            self._open = ""
            events.append(Close(self._index))

    def _end(self, value: dict[str, Json], more: dict[str, Json]) -> list[Event]:
        self._done = True
        events: list[Event] = []
        self._close(events)
        word = value.get("done_reason")
        word = word if isinstance(word, str) else None
        reason = REASONS.get(word or "", "end")
        reason = "tool_use" if reason == "end" and self._called else reason
        form = () if word == REASON_WORDS[reason] else ("-done_reason",) if word is None else ("native",)
        stop = Stop(reason, native=word, extras=extras(NAME, {}, form))
        return [*events, stop, End(read_usage(value), extras(NAME, {**self._held, **more}))]


# --- ANSWER OUT ---------------------------------------------------------------------------------------


def _write_answer(response: Response, request: Request) -> Reply:
    out = Crossing(NAME)
    own = out.own(response.extras, "answer")
    for choice in response.choices[1:]:
        out.lose("dropped", f"answer.choices[{choice.index}]", "an answer has one choice here")
    first = response.choices[0] if response.choices else Choice((), Stop("end"))
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Json] = []
    for place, part in enumerate(first.parts):
        at = f"answer.parts[{place}]"
        match part:
            case ToolCall():
                calls.append(_whole(part, at, len(calls), own, out))
            case Text() | Thinking() if _is_said(part, at, out):
                (texts if isinstance(part, Text) else thoughts).append(part.text)
            case _:
                _is_said(part, at, out)
    more: dict[str, Json] = {"thinking": "".join(thoughts)} if any(thoughts) else {}
    more |= {"tool_calls": calls} if calls else {}
    body = {
        **_top(response, own, request),
        **_object(_shape(request, own), "".join(texts), more),
        "done": True,
        **_write_stop(first.stop, request, out, silent=not first.parts),
        **write_usage(response.usage),
    }
    return Reply(200, body=merged(body, own.rest), losses=tuple(out.losses))


def _shape(request: Request, own: Extras) -> str:
    """Return which endpoint's shape an answer has: the one that was asked, else its own."""
    for form in (at_home(request.extras, NAME).form, own.form):
        for shape in ("chat", "generate"):
            if shape in form:
                return shape
    return "chat"


def _top(start: Start | Response, own: Extras, request: Request) -> dict[str, Json]:
    """Return what every object of an answer says."""
    told = EPOCH if start.created_at is None else write_time(start.created_at)
    return {"model": start.model or request.model, "created_at": told, **own.quiet}


def _object(shape: str, text: str, more: dict[str, Json]) -> dict[str, Json]:
    if shape == "generate":
        return {"response": text, **more}
    return {"message": {"role": "assistant", "content": text, **more}}


def _is_said(part: Part, at: str, out: Crossing) -> bool:
    """Say whether an answer has words for a part; declare it lost if not."""
    if isinstance(part, (Media, ToolResult, Opaque)) or (isinstance(part, Thinking) and part.redacted):
        out.lose("dropped", at, "no part of an answer holds it here")
        return False
    out.own(part.extras, at)
    unmark(part, at, out)
    return True


def _whole(call: ToolCall, at: str, index: int, own: Extras, out: Crossing) -> dict[str, Json]:
    """Return a whole call. One from abroad is numbered, as the server numbers its own."""
    block = write_call(call, at, out, answer=True)
    return block if own else merged(block, {"function": {"index": index}})


def _write_stop(stop: Stop, request: Request, out: Crossing, *, silent: bool) -> dict[str, Json]:
    """Return ``done_reason``; `silent`: nothing was said."""
    if stop.reason in ("error", "bad_tool_call"):
        raise malformed(f"the provider stopped with an error ({stop.native or stop.reason})")
    own = out.own(stop.extras, "answer.stop")
    asked = at_home(request.extras, NAME).form
    if silent and (word := next((word for word in SILENT if word in asked), None)):
        return {"done_reason": word}
    if "-done_reason" in own.form:
        return {}
    if "native" in own.form:
        return {"done_reason": stop.native}
    if stop.reason in NEAREST:
        out.lose("approximated", "answer.stop", "the nearest word there is")
    return {"done_reason": NEAREST.get(stop.reason) or REASON_WORDS[stop.reason]}


HEADS = {
    ("chat", True): b',"message":{"role":"assistant","content":',
    ("chat", False): b',"message":{"role":"assistant","content":"","thinking":',
    ("generate", True): b',"response":',
    ("generate", False): b',"response":"","thinking":',
}
"""An object from behind its top up to its text, by shape and whether it is text or thinking."""
TAILS = {"chat": b'},"done":false}', "generate": b',"done":false}'}


class _Writer:
    """Writes one stream: an object for each piece of text, one for each call, and the last."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._out = Crossing(NAME)
        self.losses = self._out.losses
        self._own = Extras(NAME)  # the answer's own extras
        self._shape = _shape(request, self._own)
        self._top: dict[str, Json] = {"model": request.model, "created_at": EPOCH}
        self._index = -1  # the part that is open
        self._part: Part = Text("")
        self._head = b""  # an object of the open part, up to its text
        self._pieces: list[str] = []  # a call's arguments so far
        self._calls = 0
        self._silent = True
        self._stop = Stop("end")

    def feed(self, event: Event) -> list[Frame]:
        match event:
            case Append():
                return self._append(event)
            case Open():
                return self._open(event)
            case Close():
                return self._close(event)
            case Start():
                self._own = self._out.own(event.extras, "answer")
                self._shape = _shape(self._request, self._own)
                self._top = {**_top(event, self._own, self._request), **self._own.rest}
                return []
            case Stop():
                self._stop = event if event.choice == 0 else self._stop
                return []
            case End():
                return self._end(event)
            case _:
                assert_never(event)

    def fail(self, failure: Failure) -> list[Frame]:
        """Return the line on which the client raises."""
        return [Frame(encode(_write_failure(failure).body))]

    def keepalive(self) -> bytes:
        """Return an object without words; a blank line would break the client."""
        return self._line("", {}).data + b"\n"

    def _line(self, text: str, more: dict[str, Json], rest: dict[str, Json] | None = None) -> Frame:
        body = {**self._top, **_object(self._shape, text, more), "done": False}
        return Frame(encode(merged(body, rest) if rest else body))

    def _open(self, event: Open) -> list[Frame]:
        part, at = event.part, f"answer.parts[{event.index}]"
        if event.choice:
            self._out.lose("dropped", f"answer.choices[{event.choice}]", "an answer has one choice here")
            return []
        if not isinstance(part, ToolCall) and not _is_said(part, at, self._out):
            return []
        self._index, self._part, self._silent = event.index, part, False
        if isinstance(part, ToolCall):
            self._pieces = [part.arguments]
            return []
        self._head = encode(self._top)[:-1] + HEADS[self._shape, isinstance(part, Text)]
        text = part.text if isinstance(part, (Text, Thinking)) else ""
        return [self._piece(text)] if text else []

    def _piece(self, text: str) -> Frame:
        return Frame(self._head + encode(text) + TAILS[self._shape])

    def _append(self, event: Append) -> list[Frame]:
        own = None if event.extras is None else self._out.own(event.extras, "answer")
        if event.index != self._index:
            return []
        if isinstance(self._part, ToolCall):
            self._pieces.append(event.text)
            return []
        if own:
            if isinstance(self._part, Text) or not event.text:
                return [self._line(event.text, {}, own.rest)]
            return [self._line("", {"thinking": event.text}, own.rest)]
        return [self._piece(event.text)] if event.text else []

    def _close(self, event: Close) -> list[Frame]:
        at = f"answer.parts[{event.index}]"
        self._out.own(event.extras, at)
        self._out.unsign(event.signature, at)
        if event.index != self._index:
            return []
        self._index = -1
        if not isinstance(self._part, ToolCall):
            return []
        whole = msgspec.structs.replace(self._part, arguments="".join(self._pieces))
        block = _whole(whole, at, self._calls, self._own, self._out)
        self._calls += 1
        return [self._line("", {"tool_calls": [block]})]

    def _end(self, event: End) -> list[Frame]:
        try:
            word = _write_stop(self._stop, self._request, self._out, silent=self._silent)
        except Failure as failure:
            return self.fail(failure)
        last = {**_object(self._shape, "", {}), "done": True, **word, **write_usage(event.usage)}
        rest = self._out.own(event.extras, "answer").rest
        return [Frame(encode(merged({**self._top, **last}, rest)))]


# --- FAILURE ------------------------------------------------------------------------------------------

TOO_LONG = ("context length", "exceeds the available context")
"""How an error says that the prompt is too long (llm/llama_server.go and server/routes.go, 2026-08-21)."""


def _read_failure(reply: Reply) -> Failure:
    """Read an error answer, or the error line of a stream (status 200)."""
    body = reply.body if isinstance(reply.body, dict) else {"error": reply.body}
    error = body.get("error")
    said = error.get("message") if isinstance(error, dict) else error
    message = said if isinstance(said, str) and said else f"the provider answered {reply.status}"
    status = reply.status if reply.status >= 400 else 500
    kind, source, retry = judged(status)
    lower = message.lower()
    if any(sign in lower for sign in TOO_LONG):
        kind, source, retry = Kind.CONTEXT_LENGTH, Source.CLIENT, Retry.NEXT
    elif status == 400 and "does not support" in lower:
        kind, retry = Kind.UNSUPPORTED, Retry.NEXT
    elif status == 499:
        kind, source, retry = Kind.UPSTREAM, Source.UPSTREAM, Retry.NEXT
    if status in (401, 402, 403):
        message = f"the provider refused the gateway's account: {message}"
    return Failure(
        kind,
        message,
        source=source,
        retry=retry,
        status=reply.status if reply.status >= 400 else None,
        retry_after_s=delay_s(reply.headers),
        native=Extras(NAME, body),
    )


def _write_failure(failure: Failure) -> Reply:
    path = (failure.at or "").removeprefix("$").removeprefix(".")
    body = {"error": f"{path}: {failure.message}" if path else failure.message}
    headers = {}
    if failure.retry_after_s is not None:
        headers["retry-after"] = str(math.ceil(failure.retry_after_s))
    return Reply(failure.http_status, headers, body)


class Ollama:
    """The codec: the sections above, under the names of the Dialect protocol."""

    name = NAME
    root = "/api"
    endpoints: tuple[Endpoint, ...] = (
        Endpoint("POST", "/api/chat", "generate"),
        Endpoint("POST", "/api/generate", "generate"),
        Endpoint("POST", "/api/embed", "embed"),
        Endpoint("POST", "/api/embeddings", "embed"),
    )
    framing = NDJSON
    tasks = TASKS
    read_request = staticmethod(_read_request)
    write_request = staticmethod(_write_request)
    write_count = staticmethod(uncountable)
    read_count = staticmethod(uncounted)
    write_counted = staticmethod(uncounted)
    read_answer = staticmethod(_read_answer)
    write_answer = staticmethod(_write_answer)
    reader = staticmethod(_Reader)
    writer = staticmethod(_Writer)
    read_failure = staticmethod(_read_failure)
    write_failure = staticmethod(_write_failure)


DIALECT: Dialect = Ollama()
