"""Cohere v2 chat, both sides.

WIRE
    POST /v2/chat                     an answer; server-sent events with ``"stream": true``
    POST /v2/embed, /v2/rerank        vectors, and an order of documents: ``cohere_tasks``

Read 2026-11-21, below https://docs.cohere.com/: ``reference/chat``, ``reference/chat-stream``,
``reference/errors``, ``docs/reasoning``, ``docs/tool-use-overview``, ``docs/structured-outputs``,
``docs/retrieval-augmented-generation-rag``; and the types of the Python SDK 7.3.

    stream  := message-start  ( content | plan | call | citation )*  message-end  [DONE]
    content := content-start  content-delta*  content-end            text or thinking
    call    := tool-call-start  tool-call-delta*  tool-call-end
    plan    := tool-plan-delta*        citation := citation-start  citation-end

In a delta ``content``, ``tool_calls`` and ``citations`` are objects, not arrays, and each has an index
space of its own. Parts follow one another; only citations stand between the deltas of a text.

* ``tool_plan`` is what older models think before they call: a Thinking part of the form ``plan``.
* A document is a text document: of a tool's answer, where it stands; of the request (``documents``), at
  the head of the user's last message, so that a model of another provider reads it too.
* Citations belong to the whole answer: ``citations`` in its extras, and in a stream those of its End.
* ``strict_tools`` speaks for every tool of a request.
* A choice of certain tools is not in the protocol: only those are sent.
* An answer does not name its model.
* An error in the middle of a stream is a ``message-end`` with finish reason ERROR or TIMEOUT, which the SDKs
  hand on without raising.
* What was not understood wins over modelled fields, save at the top of a request (the gateway may have set
  what the client left null).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, assert_never

import msgspec

from dragoman.core.events import Append, Choice, Close, End, Event, Open, Reason, Response, Start, Stop
from dragoman.core.extras import Extras, Json, at_home, extras
from dragoman.core.failure import Failure, Kind, Retry, Source, invalid, malformed, truncated, unsupported
from dragoman.core.request import (
    Effort,
    Format,
    Opaque,
    Part,
    Reasoning,
    Request,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
)
from dragoman.dialects import Amend, Call, Dialect, Endpoint, Reply
from dragoman.dialects.border import Crossing, delay_s, hushed, judged, merged, uncountable, uncounted
from dragoman.dialects.cohere_parts import (
    NAME,
    is_plan,
    read_call,
    read_messages,
    read_tool,
    read_usage,
    read_voice,
    write_messages,
    write_said,
    write_tool,
    write_usage,
)
from dragoman.dialects.cohere_tasks import TASKS
from dragoman.dialects.fields import Fields, decode, encode
from dragoman.dialects.framing import SSE, Frame

CHOICES: dict[str, Literal["none", "required"]] = {"REQUIRED": "required", "NONE": "none"}
CHOICE_WORDS: dict[str, str] = {mode: word for word, mode in CHOICES.items()}
MOST_STOPS = 5
BUDGETS: dict[Effort, int] = {"minimal": 512, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768}
"""Thinking tokens an effort stands for; ``max`` has no limit. Ours, no standard."""
RANGES = (
    ("temperature", "temperature", 0, 1),
    ("p", "top_p", 0.01, 0.99),
    ("k", "top_k", 0, 500),
    ("frequency_penalty", "frequency_penalty", 0, 1),
    ("presence_penalty", "presence_penalty", 0, 1),
    ("seed", "seed", 0, math.inf),
)
"""Field here, its name in the core, least, most (reference/chat; errors, for temperature; 2026-11-21)."""
REASONS: dict[str, Reason] = {
    "COMPLETE": "end",
    "STOP_SEQUENCE": "stop_sequence",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_use",
}
REASON_WORDS: dict[Reason, str] = {reason: word for word, reason in REASONS.items()}
NEAREST: dict[Reason, str] = {
    "context": "MAX_TOKENS",
    "refusal": "COMPLETE",
    "pause": "COMPLETE",
    "filter": "ERROR",
    "bad_tool_call": "ERROR",
}
FAULTS = ("ERROR", "TIMEOUT")
"""Finish reasons of an answer that failed."""
BEGUN: dict[str, Json] = {
    "role": "assistant",
    "content": [],
    "tool_plan": "",
    "tool_calls": [],
    "citations": [],
}
"""The message of every message-start."""
DONE = Frame(b"[DONE]")
"""Follows message-end on Cohere's own wire; the grammar does without."""

# --- REQUEST IN ---------------------------------------------------------------------------------------


def _read_request(call: Call) -> Request:
    fields = Fields(call.body, strict=True)
    model, stream = fields.need_text("model"), fields.flag("stream")
    mode = CHOICES.get(fields.one_of("tool_choice", CHOICES) or "")
    tools, quiet = _read_tools(fields), hushed(fields.rest, "logprobs", "priority")
    return Request(
        NAME,
        model,
        read_messages(fields),
        tools=tools,
        tool_choice=ToolChoice(mode) if mode else None,
        format=_read_format(fields),
        reasoning=_read_reasoning(fields),
        sampling=Sampling(
            fields.number("temperature", least=0),
            fields.number("p", least=0, most=1),
            fields.integer("k", least=0),
            fields.number("frequency_penalty", least=0, most=1),
            fields.number("presence_penalty", least=0, most=1),
            fields.integer("seed", least=0),
        ),
        stop=() if fields.rest.get("stop_sequences") == [] else fields.strings("stop_sequences") or (),
        max_output=fields.integer("max_tokens", least=0),
        stream=bool(stream),
        extras=extras(NAME, fields.rest, ("stream",) if stream is False else (), quiet),
    )


def _read_tools(fields: Fields) -> tuple[Tool | Opaque, ...]:
    if fields.rest.get("tools") in (None, []):
        return ()
    at = fields.path("tools")
    tools = [read_tool(value, f"{at}[{index}]") for index, value in enumerate(fields.array("tools") or ())]
    if not any(isinstance(tool, Tool) for tool in tools):
        return tuple(tools)
    strict = fields.flag("strict_tools")
    return tuple(
        msgspec.structs.replace(tool, strict=strict) if isinstance(tool, Tool) else tool for tool in tools
    )


def _read_format(fields: Fields) -> Format | None:
    inner = fields.object("response_format")
    if inner is None:
        return None
    kind = inner.one_of("type", ("text", "json_object"))
    if kind is None:
        raise invalid("type is required", inner.path("type"))
    schema = inner.object("json_schema") if kind == "json_object" else None
    kept = extras(NAME, inner.rest)
    if schema is not None:
        return Format("json_schema", schema.rest, extras=kept)
    return Format("text" if kind == "text" else "json", extras=kept)


def _read_reasoning(fields: Fields) -> Reasoning | None:
    inner = fields.object("thinking")
    if inner is None:
        return None
    kind = inner.one_of("type", ("enabled", "disabled"))
    if kind is None:
        raise invalid("type is required", inner.path("type"))
    budget = inner.integer("token_budget", least=1) if kind == "enabled" else None
    return Reasoning(kind == "enabled", budget=budget, extras=extras(NAME, inner.rest))


# --- REQUEST OUT --------------------------------------------------------------------------------------


def _write_request(request: Request) -> Call:
    out = Crossing(NAME, home=request.dialect == NAME)
    own = out.own(request.extras, "")
    _refuse(request, out)
    shape = _write_format(request, out)
    turns, documents = write_messages(request.messages, out, attach=shape is None)
    body: dict[str, Json] = {**own.quiet, **own.rest, "model": request.model, "messages": turns}
    stops = request.stop
    if len(stops) > MOST_STOPS and not out.home:
        out.lose("clamped", "stop", f"at most {MOST_STOPS} stop sequences")
        stops = stops[:MOST_STOPS]
    written = {
        "documents": documents or None,
        "response_format": shape,
        **_write_tools(request, out),
        "thinking": _write_reasoning(request.reasoning, out),
        **_write_sampling(request.sampling, out),
        "stop_sequences": list(stops) or None,
        "max_tokens": request.max_output,
    }
    body |= {name: value for name, value in written.items() if value is not None}
    if request.stream or "stream" in own.form:
        body["stream"] = request.stream
    return Call("POST", "/chat", body=body, losses=tuple(out.losses))


def _refuse(request: Request, out: Crossing) -> None:
    """Refuse what has no field and would change the answer; declare what only guides."""
    if (request.candidates or 1) > 1:
        raise unsupported("Cohere gives one answer to a request", "candidates")
    for name in ("user", "tier"):
        if getattr(request, name) is not None:
            out.lose("dropped", name, "Cohere has no such field")
    if request.parallel_tools is False:
        out.lose("dropped", "parallel_tools", "Cohere always may call several tools at once")


def _write_tools(request: Request, out: Crossing) -> dict[str, Json]:
    tools, choice = list(enumerate(request.tools)), request.tool_choice
    word: str | None = None
    if choice is not None:
        out.own(choice.extras, "tool_choice")
        word = CHOICE_WORDS.get(choice.mode)
        if choice.names and choice.mode != "none":
            out.lose("approximated", "tool_choice", "only the tools that may be called are sent")
            tools = [(place, tool) for place, tool in tools if getattr(tool, "name", "") in choice.names]
    if not tools and not out.home:
        if word == "REQUIRED":
            out.lose("dropped", "tool_choice", "there is no tool to call")
        return {}
    written = [write_tool(tool, f"tools[{place}]", out) for place, tool in tools]
    strict = _write_strict([(place, tool) for place, tool in tools if isinstance(tool, Tool)], out)
    return {"tools": written or None, "strict_tools": strict, "tool_choice": word}


def _write_strict(tools: Sequence[tuple[int, Tool]], out: Crossing) -> bool | None:
    """Hold the model to the schemas if every tool asks for it and has a required parameter.

    "Tools with only optional parameters are not supported in this mode" (structured-outputs, 2026-11-21).
    """
    if out.home:
        return next((tool.strict for _, tool in tools if tool.strict is not None), None)
    asked = [place for place, tool in tools if tool.strict]
    if asked and len(asked) == len(tools) and all((tool.schema or {}).get("required") for _, tool in tools):
        return True
    for place in asked:
        out.lose("dropped", f"tools[{place}].strict", "all tools are strict here, or none")
    return None


def _write_format(request: Request, out: Crossing) -> Json:
    shape = request.format
    if shape is None or (shape.kind == "text" and not out.home):
        return None
    own = out.own(shape.extras, "format")
    if shape.kind == "text":
        return {"type": "text", **own.rest}
    if request.tools and not out.home:
        # "Not supported when used in combinations with the documents or tools parameters" (reference/chat).
        raise unsupported("Cohere holds no answer to a format where there are tools", "format")
    schema = {"json_schema": shape.schema} if isinstance(shape.schema, dict) else {}
    if shape.strict is False:
        out.lose("approximated", "format.strict", "a schema is always kept to here")
    if shape.description:
        out.lose("dropped", "format.description", "no place for it")
    return {"type": "json_object", **schema, **own.rest}


def _write_reasoning(want: Reasoning | None, out: Crossing) -> Json:
    if want is None:
        return None
    own = out.own(want.extras, "reasoning")
    if want.show is not None:
        out.lose("dropped", "reasoning.show", "thinking is always shown here")
    if want.enabled is False or want.effort == "none" or want.budget == 0:
        return {"type": "disabled", **own.rest}
    budget = want.budget
    if budget is None and want.effort is not None:
        out.lose("approximated", "reasoning.effort", "thinking is asked for by a token budget here")
        budget = BUDGETS.get(want.effort)
    if budget is None and want.effort is None and not want.enabled:
        return None
    return {"type": "enabled", **({} if budget is None else {"token_budget": budget}), **own.rest}


def _write_sampling(sampling: Sampling, out: Crossing) -> dict[str, Json]:
    written: dict[str, Json] = {}
    for field, name, least, most in RANGES:
        value = getattr(sampling, name)
        if value is not None and not out.home and not least <= value <= most:
            out.lose("clamped", name, f"between {least} and {most} here")
            value = min(max(value, least), most)
        written[field] = value
    if written["frequency_penalty"] and written["presence_penalty"] and not out.home:
        # "Only one of 'presence_penalty' and 'frequency_penalty' can be specified" (errors, 2026-11-21).
        out.lose("dropped", "presence_penalty", "one of the two penalties is taken here")
        written["presence_penalty"] = None
    return written


# --- ANSWER IN ----------------------------------------------------------------------------------------


def _read_answer(reply: Reply) -> Response:
    fields = Fields(reply.body)
    if isinstance(fields.rest.get("message"), str):
        raise _read_failure(reply)
    word = fields.text("finish_reason")
    if word in FAULTS:
        raise _failed(word, None)
    message = fields.need_object("message")
    id_, citations = fields.need_text("id"), message.array("citations")
    if message.rest.get("role") == "assistant":
        del message.rest["role"]
    parts, form = read_voice(message)
    empty = hushed(message.rest, "tool_plan")
    fields.leave("message", message)
    if citations is not None:
        fields.rest["citations"] = citations
    native = fields.rest.get("usage")
    usage = read_usage(fields.rest.pop("usage")) if isinstance(native, dict) and native else None
    called = any(isinstance(part, ToolCall) for part in parts)
    stop = _read_stop(word, {}, form, called=called, said=bool(parts))
    kept = extras(NAME, fields.rest, (), {"message": empty} if empty else {})
    return Response(id_, "", (Choice(parts, stop),), usage, extras=kept)


def _read_stop(
    word: str | None, rest: dict[str, Json], form: tuple[str, ...], *, called: bool, said: bool
) -> Stop:
    reason = REASONS.get(word or "", "end" if said or word else "error")
    if reason == "end" and called:
        reason = "tool_use"
    if word is not None and REASONS.get(word) != reason:
        form = (*form, "native")
    return Stop(reason, native=word, extras=extras(NAME, rest, form))


def _failed(word: str | None, said: Json) -> Failure:
    """Return the failure an answer with this finish reason is."""
    kind = Kind.TIMEOUT if word == "TIMEOUT" else Kind.UPSTREAM
    message = said if isinstance(said, str) and said else f"the provider stopped with {word}"
    return Failure(kind, message, source=Source.UPSTREAM, retry=Retry.AGAIN, code=word)


ENVELOPE = ("type", "index", "delta")
PLAN = ("plan", None)


class _Reader:
    """Reads one stream. At most one part is open; what begins closes the one before."""

    def __init__(self, amend: Amend | None = None) -> None:
        self._amend = amend
        self._index = -1  # of the part that began last
        self._key: tuple[str, Json] | None = None  # the open part's, in the index space of its kind
        self._odd: dict[str, Json] | None = None  # a block of unknown type so far: held until it is whole
        self._citations: list[Json] = []
        self._id = ""
        self._begun = self._called = self._done = False

    def feed(self, frame: Frame) -> list[Event]:
        if self._done:
            return []
        value = self._chunk(frame)
        match value.get("type") or frame.event:
            case "content-delta":
                return self._content(value)
            case "tool-call-delta":
                function = _inside(value, "tool_calls").get("function")
                text = function.get("arguments") if isinstance(function, dict) else None
                return self._more_of_call(value.get("index"), text)
            case "tool-plan-delta":
                return self._plan(_inside(value).get("tool_plan"))
            case "content-start":
                return self._content(value)
            case "tool-call-start":
                return self._call(value.get("index"), _inside(value, "tool_calls"))
            case "content-end" | "tool-call-end":
                return self._close()
            case "citation-start":
                found = _inside(value).get("citations")
                self._citations += found if isinstance(found, list) else [found] if found else []
            case "message-start":
                return self._start(value)
            case "message-end":
                return self._end(value)
            case "" if isinstance(value.get("message"), str):
                raise _read_failure(Reply(200, body=value))
        return []  # a citation's end, or an event that does not exist yet

    def close(self) -> list[Event]:
        if not self._done:
            raise truncated()
        return []

    def _chunk(self, frame: Frame) -> dict[str, Json]:
        try:
            value = decode(frame.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if frame.data.strip() in (b"[DONE]", b""):
                return {"type": "done"}
            raise malformed("the provider sent a stream event that is not JSON") from None
        if self._amend is not None:
            value = self._amend(value)
        if not isinstance(value, dict):
            raise malformed("the provider sent a stream event that is not an object")
        return value

    def _start(self, value: dict[str, Json]) -> list[Event]:
        self._begun, self._id = True, str(value.get("id") or "")
        rest = {name: field for name, field in value.items() if name not in ("type", "id", "delta")}
        message = {k: v for k, v in _inside(value).items() if BEGUN.get(k, self) != v}
        return [Start(self._id, "", extras=extras(NAME, rest | ({"message": message} if message else {})))]

    def _content(self, value: dict[str, Json]) -> list[Event]:
        """Begin a block, or go on with one; a delta whose block has not begun begins it."""
        content, key = _inside(value, "content"), ("content", value.get("index"))
        more = None
        if len(value) > 3:
            more = extras(NAME, {name: v for name, v in value.items() if name not in ENVELOPE})
        if key == self._key and value.get("type") == "content-delta":
            if self._odd is not None:
                self._odd = _joined(self._odd, content)
                return []
            text = content.get("text")
            return self._more(content.get("thinking") if text is None else text, more)
        if content.get("type") not in (None, "text", "thinking"):
            events = self._begin(key)
            self._odd = content
            return events
        word = content.get("type") or ("text" if "text" in content else "thinking")
        rest = extras(NAME, {name: v for name, v in content.items() if name not in ("type", word)})
        shell = Text("", extras=rest) if word == "text" else Thinking(extras=rest)
        return [*self._open(key, shell), *self._more(content.get(word), more)]

    def _plan(self, text: Json) -> list[Event]:
        begin = [] if self._key == PLAN else self._open(PLAN, Thinking(extras=Extras(NAME, {}, ("plan",))))
        return [*begin, *self._more(text)]

    def _call(self, index: Json, call: dict[str, Json]) -> list[Event]:
        shell = read_call(Fields(call))
        own = at_home(shell.extras, NAME)
        self._called = True
        kept = extras(NAME, own.rest, tuple(word for word in own.form if word == "-type"))
        begin = self._open(("call", index), msgspec.structs.replace(shell, arguments="", extras=kept))
        return [*begin, *self._more(shell.arguments)]

    def _more_of_call(self, index: Json, text: Json) -> list[Event]:
        if ("call", index) == self._key:
            return self._more(text)
        if isinstance(text, str) and text.strip():
            raise malformed("the provider went on with a tool call that was not open")
        return []

    def _begin(self, key: tuple[str, Json]) -> list[Event]:
        events: list[Event] = self._close() if self._begun else [Start("", "")]
        self._begun, self._key = True, key
        return events

    def _open(self, key: tuple[str, Json], shell: Part) -> list[Event]:
        events = self._begin(key)
        self._index += 1
        return [*events, Open(self._index, shell)]

    def _more(self, text: Json, more: Extras | None = None) -> list[Event]:
        if not isinstance(text, str) or not (text or more):
            return []
        return [Append(self._index, text, more)]

    def _close(self) -> list[Event]:
        if self._key is None:
            return []
        self._key = None
        if self._odd is None:
            return [Close(self._index)]
        part, self._odd = Opaque(NAME, str(self._odd.get("type")), self._odd), None
        self._index += 1
        return [Open(self._index, part), Close(self._index)]

    def _end(self, value: dict[str, Json]) -> list[Event]:
        self._done = True
        delta = value.get("delta")
        fields = Fields(delta if isinstance(delta, dict) else {})
        word, native = fields.text("finish_reason"), fields.any("usage")
        if word in FAULTS or fields.rest.get("error"):
            raise _failed(word or "ERROR", fields.rest.get("error"))
        stop = _read_stop(word, fields.rest, (), called=self._called, said=self._index >= 0)
        rest = {name: field for name, field in value.items() if name not in ("type", "delta")}
        if rest.get("id") == self._id:
            del rest["id"]
        if self._citations:
            rest["citations"] = self._citations
        usage = read_usage(native) if isinstance(native, dict) and native else None
        begin: list[Event] = [] if self._begun else [Start("", "")]
        return [*begin, *self._close(), stop, End(usage, extras(NAME, rest))]


def _joined(block: Mapping[str, Json], delta: Mapping[str, Json]) -> dict[str, Json]:
    """Return `block` with a delta's strings appended to its own, and all else replaced."""
    both = {**block, **delta}
    for name in block.keys() & delta.keys():
        if isinstance(block[name], str) and isinstance(delta[name], str):
            both[name] = block[name] + delta[name]
    return both


def _inside(value: dict[str, Json], name: str | None = None) -> dict[str, Json]:
    """Return ``delta.message`` of a stream event, or the object `name` in it; empty if it is not there."""
    found: dict[str, Json] = value
    for step in ("delta", "message", name):
        inner = found if step is None else found.get(step)
        if not isinstance(inner, dict):
            return {}
        found = inner
    return found


# --- ANSWER OUT ---------------------------------------------------------------------------------------


def _list(kept: dict[str, Json]) -> list[Json]:
    """Take the citations off `kept`, if they are a list; what else stands there goes home where it stood."""
    found: list[Json] = kept.pop("citations") if isinstance(kept.get("citations"), list) else []
    return found


def _write_answer(response: Response, request: Request) -> Reply:  # noqa: ARG001  the protocol's signature
    out = Crossing(NAME)
    whole = out.own(response.extras, "answer")
    kept = merged(whole.quiet, whole.rest)
    for choice in response.choices[1:]:
        out.lose("dropped", f"answer.choices[{choice.index}]", "an answer has one choice here")
    first = response.choices[0] if response.choices else Choice((), Stop("end"))
    word, own = _write_stop(first.stop, out)
    message: dict[str, Json] = {"role": "assistant"}
    content: list[Json] = []
    for place, part in enumerate(first.parts):
        field, block = write_said(part, f"answer.parts[{place}]", out)
        if field == "content":
            content.append(block)
        elif field == "tool_plan":
            message[field] = message.get(field, "") + block
        elif field:
            message.setdefault(field, []).append(block)
    if content or "empty" in own.form:
        message["content"] = content[0]["text"] if "string" in own.form else content
    if isinstance(kept.get("citations"), list):
        message["citations"] = kept.pop("citations")
    if isinstance(kept.get("message"), dict):
        message |= kept.pop("message")
    body: dict[str, Json] = {"id": response.id, "finish_reason": word, "message": message}
    if response.usage is not None:
        body["usage"] = write_usage(response.usage)
    return Reply(200, body={**body, **kept, **own.rest}, losses=tuple(out.losses))


def _write_stop(stop: Stop, out: Crossing) -> tuple[str, Extras]:
    """Return the finish reason, and the dialect's own extras of the stop."""
    if stop.reason == "error":
        raise malformed(f"the provider stopped with an error ({stop.native or 'no reason given'})")
    own, word = out.own(stop.extras, "answer.stop"), stop.native or ""
    if "native" in own.form or REASONS.get(word) == stop.reason:
        return word, own
    if stop.reason in NEAREST:
        out.lose("approximated", "answer.stop", "the nearest word there is")
    return NEAREST.get(stop.reason) or REASON_WORDS[stop.reason], own


HEADS = {
    "text": b'{"type":"content-delta","index":%d,"delta":{"message":{"content":{"text":',
    "thinking": b'{"type":"content-delta","index":%d,"delta":{"message":{"content":{"thinking":',
    "plan": b'{"type":"tool-plan-delta","delta":{"message":{"tool_plan":',
    "call": b'{"type":"tool-call-delta","index":%d,"delta":{"message":'
    b'{"tool_calls":{"function":{"arguments":',
}
"""A delta up to its text, by what it appends to: the hot path of a stream."""
TAILS = {"text": b"}}}", "thinking": b"}}}", "call": b"}}}}", "plan": b"}}"}
"""What closes a delta, but for its last brace."""
EVENTS = {"text": "content", "thinking": "content", "call": "tool-call", "plan": "tool-plan"}


class _Writer:
    """Writes one stream: one part at a time, and citations, stop and usage at its end."""

    def __init__(self, request: Request) -> None:  # noqa: ARG002  the protocol's signature
        self._out = Crossing(NAME)
        self.losses = self._out.losses
        self._index = -1  # the part that is open
        self._counts = {"content": 0, "tool-call": 0, "tool-plan": 0}
        self._kind = ""
        self._head = self._tail = b""
        self._event = ""
        self._custom = False
        self._citations: list[Json] = []
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
                own = self._out.own(event.extras, "answer")
                kept = merged(own.quiet, own.rest)
                self._citations += _list(kept)
                odd = kept.get("message")
                message = {**BEGUN, **(kept.pop("message") if isinstance(odd, dict) else {})}
                body = {"id": event.id, "type": "message-start", "delta": {"message": message}, **kept}
                return [Frame(encode(body), "message-start")]
            case Stop():
                self._stop = event if event.choice == 0 else self._stop
                return []
            case End():
                return self._end(event)
            case _:
                assert_never(event)

    def fail(self, failure: Failure) -> list[Frame]:
        """Return a ``message-end`` that tells the error; a client must look at its finish reason."""
        word = "TIMEOUT" if failure.kind is Kind.TIMEOUT else "ERROR"
        return [_frame("message-end", delta={"error": failure.message, "finish_reason": word}), DONE]

    def keepalive(self) -> bytes:
        """Return a comment, which every SDK of this dialect skips."""
        return b": ka\n\n"

    def _open(self, event: Open) -> list[Frame]:
        part, at = event.part, f"answer.parts[{event.index}]"
        if event.choice:
            self._out.lose("dropped", f"answer.choices[{event.choice}]", "an answer has one choice here")
            return []
        field, block = write_said(part, at, self._out)
        if not field:
            return []
        if isinstance(part, Opaque):
            place = self._counts["content"]
            self._counts["content"] += 1
            start = _frame("content-start", index=place, delta={"message": {"content": block}})
            return [start, _frame("content-end", index=place)]
        kind = "call" if isinstance(part, ToolCall) else "text" if isinstance(part, Text) else "thinking"
        self._kind = kind = "plan" if is_plan(part) else kind
        self._index, self._event = event.index, f"{EVENTS[kind]}-delta"
        place = self._counts[EVENTS[kind]]
        self._head = HEADS[kind] % place if kind != "plan" else HEADS[kind]
        self._tail = TAILS[kind]
        self._custom = isinstance(part, ToolCall) and part.custom
        text = part.arguments if isinstance(part, ToolCall) else getattr(part, "text", "")
        frames: list[Frame] = []
        if isinstance(part, ToolCall):
            if isinstance(block.get("function"), dict):
                block["function"]["arguments"] = ""
            frames.append(_frame("tool-call-start", index=place, delta={"message": {"tool_calls": block}}))
        elif kind != "plan":
            block[kind] = ""
            frames.append(_frame("content-start", index=place, delta={"message": {"content": block}}))
        if self._custom:
            text = '{"input":"' + encode(text).decode()[1:-1]
        return [*frames, self._delta(encode(text))] if text else frames

    def _delta(self, text: bytes) -> Frame:
        return Frame(self._head + text + self._tail + b"}", self._event)

    def _append(self, event: Append) -> list[Frame]:
        own = None if event.extras is None else self._out.own(event.extras, "answer")
        if event.index != self._index or not (event.text or own):
            return []
        text = encode(event.text)
        if self._custom:
            text = encode(text[1:-1].decode())
        if own:
            more = encode(own.rest)[1:]
            return [Frame(self._head + text + self._tail + b"," + more, self._event)]
        return [self._delta(text)]

    def _close(self, event: Close) -> list[Frame]:
        at = f"answer.parts[{event.index}]"
        self._out.own(event.extras, at)
        self._out.unsign(event.signature, at)
        if event.index != self._index:
            return []
        self._index = -1
        frames = [self._delta(encode('"}'))] if self._custom else []
        word = EVENTS[self._kind]
        if self._kind != "plan":
            frames.append(_frame(f"{word}-end", index=self._counts[word]))
        self._counts[word] += 1
        return frames

    def _end(self, event: End) -> list[Frame]:
        try:
            word, own = _write_stop(self._stop, self._out)
        except Failure as failure:
            return self.fail(failure)
        kept = dict(self._out.own(event.extras, "answer").rest)
        frames: list[Frame] = []
        for place, citation in enumerate([*self._citations, *_list(kept)]):
            frames.append(_frame("citation-start", index=place, delta={"message": {"citations": citation}}))
            frames.append(_frame("citation-end", index=place))
        usage = {"usage": write_usage(event.usage)} if event.usage is not None else {}
        delta = {"finish_reason": word, **usage, **own.rest}
        if word in FAULTS:
            delta["error"] = f"the answer was cut off ({self._stop.reason})"
        return [*frames, _frame("message-end", delta=delta, **kept), DONE]


def _frame(kind: str, **fields: Json) -> Frame:
    return Frame(encode({"type": kind, **fields}), kind)


# --- FAILURE ------------------------------------------------------------------------------------------

UNPAID = ("api calls / month", "calls per month", "monthly limit")
"""How a 429 says that the account is at its end for longer than a retry waits (errors, 2026-11-21)."""


def _read_failure(reply: Reply) -> Failure:
    """Read an error answer: a message, an id, and sometimes a word for the kind."""
    body = reply.body if isinstance(reply.body, dict) else {"message": reply.body}
    said, word, id_ = body.get("message"), body.get("error_type"), body.get("id")
    message = said if isinstance(said, str) and said else f"the provider answered {reply.status}"
    status = reply.status if reply.status >= 400 else 500
    kind, source, retry = judged(status)
    lower = message.lower()
    if status == 429 and any(sign in lower for sign in UNPAID):
        kind, source, retry = judged(402)
    elif word == "TOO_MANY_TOKENS" or ("too many tokens" in lower and "max tokens must" not in lower):
        kind, retry = Kind.CONTEXT_LENGTH, Retry.NEXT
    elif status == 498:
        # "Blocked input or output": a deny-listed word (reference/errors, 2026-11-21).
        kind, retry = Kind.CONTENT_POLICY, Retry.NEXT
    elif status in (499, 501):
        kind, source, retry = Kind.UPSTREAM, Source.UPSTREAM, Retry.NEXT
    if status in (401, 402, 403):
        message = f"the provider refused the gateway's account: {message}"
    return Failure(
        kind,
        message,
        source=source,
        retry=retry,
        code=word if isinstance(word, str) else None,
        status=reply.status if reply.status >= 400 else None,
        retry_after_s=delay_s(reply.headers),
        request_id=id_ if isinstance(id_, str) else reply.headers.get("x-debug-trace-id"),
        native=Extras(NAME, body),
    )


def _write_failure(failure: Failure) -> Reply:
    path = (failure.at or "").removeprefix("$").removeprefix(".")
    body: dict[str, Json] = {"message": f"{path}: {failure.message}" if path else failure.message}
    if failure.request_id is not None:
        body["id"] = failure.request_id
    if isinstance(word := at_home(failure.native, NAME).rest.get("error_type"), str):
        body["error_type"] = word
    headers = {}
    if failure.retry_after_s is not None:
        headers["retry-after"] = str(math.ceil(failure.retry_after_s))
    return Reply(failure.http_status, headers, body)


class Cohere:
    """The codec: the sections above, under the names of the Dialect protocol."""

    name = NAME
    root = "/v2"
    endpoints: tuple[Endpoint, ...] = (
        Endpoint("POST", "/v2/chat", "generate"),
        Endpoint("POST", "/v2/embed", "embed"),
        Endpoint("POST", "/v2/rerank", "rerank"),
    )
    framing = SSE
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


DIALECT: Dialect = Cohere()
