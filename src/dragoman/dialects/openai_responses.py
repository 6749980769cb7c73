"""OpenAI Responses, both sides.

WIRE
    POST /v1/responses                 an answer; named server-sent events with ``"stream": true``
    POST /v1/responses/input_tokens    ``{"object": "response.input_tokens", "input_tokens": n}``

Read 2026-11-21, below https://platform.openai.com/docs/: ``api-reference/responses`` (create, object,
input-tokens), ``api-reference/responses-streaming``, ``guides/reasoning``, ``guides/function-calling``,
``guides/conversation-state``, ``guides/prompt-caching``; the types of the Python SDK 3.52. Others that speak
it: https://docs.x.ai/docs, https://openrouter.ai/docs, https://api-docs.deepseek.com, Bedrock, Azure.

    stream := created  in_progress  item*  ( completed | incomplete | failed | error )
    item   := output_item.added  part* | pieces of a call | a hosted tool's own events   output_item.done
    part   := content_part.added  output_text.delta*  annotation*  output_text.done  content_part.done

Items and parts are read and written in ``openai_responses_parts``, tools in ``openai_responses_tools``, a
stream in ``openai_responses_stream``, what surrounds an answer's output in ``openai_responses_envelope``;
here are requests and whole answers.

* ``instructions`` is the leading system message; any other stands in ``input`` where it stood.
* What the provider stores is named, not sent: ``previous_response_id``, ``conversation``, ``prompt``. Such
  fields, and ``background``, are *binding*: a request that has them is refused to other dialects.
* Another dialect's client expects nothing to be stored, so ``store`` is false. If it thinks, the reasoning is
  asked for encrypted, since only what the client sends back can be seen again.
* There are no stop sequences, seeds or penalties here.
* Extras lose against modelled fields at the top of a request (the gateway may have set what the client left
  null) and win everywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from dragoman.core.events import Choice, Response, Start, Stop
from dragoman.core.extras import Extras, Json, at_home, extras
from dragoman.core.failure import Failure, invalid, malformed, unsupported
from dragoman.core.request import (
    Format,
    Message,
    Reasoning,
    Request,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
)
from dragoman.dialects import Amend, Call, Dialect, Endpoint, Reply, StreamReader, StreamWriter
from dragoman.dialects.border import BINDING, Crossing
from dragoman.dialects.fields import Fields
from dragoman.dialects.figures import beside
from dragoman.dialects.framing import SSE
from dragoman.dialects.openai_failure import read_fault, write_fault
from dragoman.dialects.openai_responses_envelope import (
    envelope,
    failed,
    maker,
    read_start,
    read_stop,
    refusal,
    without,
    write_stop,
)
from dragoman.dialects.openai_responses_parts import (
    NAME,
    ORIGIN,
    FullNames,
    read_input,
    read_output,
    read_usage,
    write_input,
    write_output,
    write_usage,
)
from dragoman.dialects.openai_responses_stream import Reader, Writer
from dragoman.dialects.openai_responses_tools import (
    Offered,
    called,
    full_names,
    natives,
    read_tools,
    write_tools,
)
from dragoman.dialects.openai_tasks import TASKS
from dragoman.dialects.openai_terms import (
    EFFORTS,
    SHAPE_WORD,
    SHAPES,
    effort_of,
    is_closed,
    strictly,
)

COUNT = "/responses/input_tokens"
COUNTED = frozenset(
    {
        *("conversation", "input", "instructions", "model", "parallel_tool_calls", "personality"),
        *("previous_response_id", "reasoning", "text", "tool_choice", "tools", "truncation"),
    }
)
"""The fields input_tokens takes (SDK 3.52, input_token_count_params)."""
STORED = ("previous_response_id", "conversation", "prompt")
"""What stands for input that the provider has."""
ENCRYPTED = ["reasoning.encrypted_content"]
IDLE: dict[str, Json] = {"store": False, "background": False, "truncation": "disabled", "include": ENCRYPTED}
IDLE |= {"stream_options": {"include_obfuscation": False}, "instructions": ""}
"""Fields that ask, with these values, for what every other dialect does anyway."""
LEAST_OUTPUT = 16
"""Fewer tokens are a 400: "Expected a value >= 16" (the API's own words, read 2026-11-21)."""
MODES: dict[str, Literal["auto", "none", "required"]] = {
    "auto": "auto",
    "none": "none",
    "required": "required",
}
ADDRESS = frozenset({"type", "name", "namespace"})
"""What an entry of the tools that may be called says to name one."""
SUMMARIES = ("auto", "concise", "detailed")
ECHOED: dict[str, Json] = {
    "background": False,
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": False,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""What a server repeats of the request, with its defaults (SDK 3.52, response)."""

# --- REQUEST IN ---------------------------------------------------------------------------------------


def _read_request(call: Call) -> Request:
    _check(Fields(call.body, strict=True))
    fields = Fields(call.body, strict=True)
    form = [BINDING + name for name in STORED if fields.rest.get(name) is not None]
    model = fields.need_text("model")
    tools = [] if fields.rest.get("tools") == [] else fields.array("tools") or []
    offered = read_tools(tools, "$.tools")
    needed = not (form or call.path.endswith(COUNT))
    messages = _read_input(fields, form, full_names(offered), needed=needed)
    instructions = fields.words("instructions")
    if instructions is not None:
        leading = Message("system", (Text(instructions),), Extras(NAME, {}, ("instructions",)))
        messages = [leading, *messages]
    if fields.rest.get("background"):
        form.append(f"{BINDING}background")
    stream, shape = fields.flag("stream"), _read_format(fields)
    if stream is False:
        form.append("stream")
    quiet = {name: fields.rest.pop(name) for name, idle in IDLE.items() if call.body.get(name) == idle}
    return Request(
        NAME,
        model,
        tuple(messages),
        tools=offered,
        tool_choice=_read_choice(fields, offered),
        parallel_tools=fields.flag("parallel_tool_calls"),
        format=shape,
        reasoning=_read_reasoning(fields),
        # Their ranges are the model's: servers of this dialect differ, and say so themselves.
        sampling=Sampling(fields.number("temperature"), fields.number("top_p")),
        max_output=fields.integer("max_output_tokens", least=1),
        stream=bool(stream),
        user=fields.text("user"),
        tier=fields.text("service_tier"),
        extras=extras(NAME, fields.rest, form, quiet),
    )


def _check(fields: Fields) -> None:
    """Refuse wrong types among the fields that are kept as they are."""
    for name in ("store", "background"):
        fields.flag(name)
    for name in ("previous_response_id", "prompt_cache_key", "safety_identifier"):
        fields.text(name)
    for name in ("metadata", "prompt", "stream_options"):
        fields.object(name)
    fields.strings("include")
    fields.one_of("truncation", ("auto", "disabled"))
    fields.integer("max_tool_calls", least=0)
    fields.integer("top_logprobs", least=0)


def _read_input(fields: Fields, form: list[str], names: FullNames, *, needed: bool) -> list[Message]:
    value = fields.any("input")
    if isinstance(value, str):
        return [Message("user", (Text(value),), Extras(NAME, {}, ("input", "-type", "string")))]
    if isinstance(value, list):
        return read_input(value, "$.input", names)
    if value is not None:
        raise invalid("expected a string or an array of items", "$.input")
    if needed:
        fields.missing("input")
    form.append("-input")
    return []


def _read_choice(fields: Fields, tools: Offered) -> ToolChoice | None:
    if isinstance(fields.rest.get("tool_choice"), str):
        return ToolChoice(MODES[fields.one_of("tool_choice", MODES) or "auto"])
    inner = fields.object("tool_choice")
    if inner is None:
        return None
    kind = inner.need_text("type")
    if kind in ("function", "custom"):
        return _read_forced(inner, kind, tools)
    if kind == "allowed_tools":
        return _read_allowed(inner, tools)
    # A hosted tool; such a tool among the others is refused to other dialects by itself.
    return ToolChoice("required", extras=extras(NAME, {}, ("hosted",), {"type": kind, **inner.rest}))


def _read_forced(inner: Fields, kind: str, tools: Offered) -> ToolChoice:
    entry = {"name": inner.need_text("name")}
    if (space := inner.words("namespace")) is not None:
        entry["namespace"] = space
    names = called(entry, tools)
    form = ("custom",) if kind == "custom" else ()
    quiet = entry if names != [entry["name"]] or space is not None else {}
    return ToolChoice("required", tuple(names), extras(NAME, inner.rest, form, quiet))


def _read_allowed(inner: Fields, tools: Offered) -> ToolChoice:
    mode = inner.one_of("mode", ("auto", "required"))
    if mode is None:
        inner.missing("mode")
    entries = inner.need_array("tools")
    names: list[str] = []
    for index, entry in enumerate(entries):
        Fields(entry, f"{inner.path('tools')}[{index}]", strict=True).text("name")
        names += called(entry, tools)
    quiet: dict[str, Json] = {}
    if entries != _allowed(names, tools):
        # Quiet if the names tell all of it; else there is what only this protocol has.
        told = all(set(entry) <= ADDRESS and called(entry, tools) for entry in entries)
        (quiet if told else inner.rest)["tools"] = entries
    kept = extras(NAME, inner.rest, ("allowed_tools",), quiet)
    return ToolChoice("required" if mode == "required" else "auto", tuple(names), kept)


def _allowed(names: Sequence[str], tools: Offered) -> list[Json]:
    custom = {tool.name for tool in tools if isinstance(tool, Tool) and tool.custom}
    return [{"type": "custom" if name in custom else "function", "name": name} for name in names]


def _read_format(fields: Fields) -> Format | None:
    """Take ``text.format``; the verbosity stays."""
    outer = None if fields.rest.get("text") == {} else fields.object("text")
    if outer is None:
        return None
    inner = outer.object("format")
    fields.leave("text", outer)
    if inner is None:
        return None
    word = inner.one_of("type", SHAPES)
    if word is None:
        raise invalid("type is required", inner.path("type"))
    if word != "json_schema":
        return Format(SHAPES[word], extras=extras(NAME, inner.rest))
    name, schema = inner.need_text("name"), inner.need_object("schema")
    strict, description = inner.flag("strict"), inner.text("description")
    return Format("json_schema", schema.rest, name, strict, description, extras(NAME, inner.rest))


def _read_reasoning(fields: Fields) -> Reasoning | None:
    inner = None if fields.rest.get("reasoning") == {} else fields.object("reasoning")
    if inner is None:
        return None
    effort = EFFORTS.get(inner.one_of("effort", EFFORTS) or "")
    summary = inner.one_of("summary", SUMMARIES)
    quiet = {} if summary in (None, "auto") else {"summary": summary}
    kept = extras(NAME, inner.rest, (), quiet)
    return Reasoning(effort=effort, show="summary" if summary else None, extras=kept)


# --- REQUEST OUT --------------------------------------------------------------------------------------


def _write_request(request: Request) -> Call:
    out = Crossing(NAME, home=request.dialect == NAME)
    return Call("POST", "/responses", body=_write_body(request, out), losses=tuple(out.losses))


def _write_count(request: Request) -> Call:
    out = Crossing(NAME, home=request.dialect == NAME)
    body = {name: value for name, value in _write_body(request, out).items() if name in COUNTED}
    return Call("POST", COUNT, body=body, losses=tuple(out.losses))


def _write_body(request: Request, out: Crossing) -> dict[str, Json]:
    own = out.own(request.extras, "")
    if (request.candidates or 1) > 1:
        raise unsupported("the Responses API gives one answer to a request", "candidates")
    if request.stop:
        out.lose("dropped", "stop", "the Responses API has no stop sequences")
    body: dict[str, Json] = {**own.quiet, **own.rest, "model": request.model}
    instructions, items, bare = write_input(request.messages, out)
    if items or "-input" not in own.form:
        body["input"] = items[0]["content"] if bare else items
    if instructions is not None:
        body["instructions"] = instructions
    body |= _write_settings(request, body, out)
    if not out.home:
        body |= _write_memory(request)
    if request.stream or "stream" in own.form:
        body["stream"] = request.stream
    return body


def _write_settings(request: Request, given: Mapping[str, Json], out: Crossing) -> dict[str, Json]:
    """Write what is asked besides the conversation; `given` is what the client's own objects still hold."""
    limit = request.max_output
    if limit is not None and limit < LEAST_OUTPUT and not out.home:
        out.lose("clamped", "max_output", f"at least {LEAST_OUTPUT} tokens")
        limit = LEAST_OUTPUT
    tools = write_tools(request.tools, out)
    shape = _write_format(request.format, out)
    sampling = request.sampling
    for name in ("top_k", "frequency_penalty", "presence_penalty", "seed"):
        if getattr(sampling, name) is not None:
            out.lose("dropped", name, "the Responses API has no such field")
    written = {
        "tools": tools or None,
        "tool_choice": _write_choice(request, out),
        "parallel_tool_calls": request.parallel_tools if tools or out.home else None,
        "text": {**(given.get("text") or {}), "format": shape} if shape else None,
        "reasoning": _write_reasoning(request.reasoning, out),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_output_tokens": limit,
        "user": request.user,
        "service_tier": request.tier,
    }
    return {name: value for name, value in written.items() if value is not None}


def _write_memory(request: Request) -> dict[str, Json]:
    """Write that nothing is to be stored, and that reasoning is to come so that it can be sent back."""
    asked = request.reasoning
    thinks = asked is not None and asked.enabled is not False and asked.effort != "none" and asked.budget != 0
    signed = any(
        isinstance(part, Thinking) and part.signature is not None and part.signature.origin == ORIGIN
        for message in request.messages
        for part in message.parts
    )
    return {"store": False, **({"include": [*ENCRYPTED]} if thinks or signed else {})}


def _write_choice(request: Request, out: Crossing) -> Json:
    choice = request.tool_choice
    if choice is None:
        return None
    own = out.own(choice.extras, "tool_choice")
    if "hosted" in own.form:
        return own.quiet
    if not request.tools and not out.home:
        if choice.mode == "required":
            out.lose("dropped", "tool_choice", "there is no tool to call")
        return None
    if choice.mode == "none" or not (choice.names or own):
        return choice.mode
    entries = _allowed(choice.names, request.tools)
    if choice.mode == "required" and len(entries) == 1 and "allowed_tools" not in own.form:
        told = {"type": "custom" if "custom" in own.form else "function"} if out.home else {}
        return {**entries[0], **told, **own.quiet, **own.rest}
    return {"type": "allowed_tools", "mode": choice.mode, "tools": entries, **own.quiet, **own.rest}


def _write_format(shape: Format | None, out: Crossing) -> dict[str, Json] | None:
    if shape is None:
        return None
    own = out.own(shape.extras, "format")
    block: dict[str, Json] = {"type": SHAPE_WORD[shape.kind]}
    if shape.kind != "json_schema":
        return {**block, **own.rest}
    strict, name, schema = shape.strict, shape.name, shape.schema
    if not out.home:
        name, schema = name or "response", schema or {}
        strict = is_closed(schema) if strict is None else strictly(schema, "format", out, strict=strict)
    given = {"name": name, "schema": schema, "strict": strict, "description": shape.description}
    return {**block, **{field: value for field, value in given.items() if value is not None}, **own.rest}


def _write_reasoning(want: Reasoning | None, out: Crossing) -> dict[str, Json] | None:
    if want is None:
        return None
    own = out.own(want.extras, "reasoning")
    block: dict[str, Json] = {}
    effort = want.effort
    if want.enabled is False:
        effort = "none"
    elif effort is None and want.budget is not None:
        out.lose("approximated", "reasoning.budget", "thinking is asked for by effort here")
        effort = effort_of(want.budget)
    elif effort is None and want.enabled:
        out.lose("approximated", "reasoning.enabled", "the model's default effort is asked for")
    if effort is not None:
        block["effort"] = effort
    if want.show in ("summary", "full") and effort != "none":
        if want.show == "full":
            out.lose("approximated", "reasoning.show", "only summaries are shown here")
        block["summary"] = own.quiet.get("summary", "auto")
    return {**block, **own.rest} or None


# --- ANSWER IN ----------------------------------------------------------------------------------------


def _read_answer(reply: Reply) -> Response:
    fields = Fields(reply.body)
    if fields.rest.get("error") and fields.rest.get("object") != "response":
        raise read_fault(reply.body, None, reply.headers, NAME)
    if fields.rest.get("error") or fields.rest.get("status") == "failed":
        raise failed(fields.rest)
    output = fields.array("output")
    if output is None:
        raise malformed("the provider's answer has no output")
    parts = tuple(read_output(output))
    called = any(isinstance(part, ToolCall) for part in parts)
    refused = any(isinstance(part, Text) and part.refusal for part in parts)
    details = fields.rest.get("incomplete_details")
    stop = read_stop(fields.text("status"), details, called=called, refused=refused)
    absent = () if "usage" in fields.rest else ("usage",)
    native = fields.rest.get("usage")
    usage = read_usage(fields.rest.pop("usage")) if isinstance(native, dict) and native else None
    usage = beside(usage, fields.rest)
    start = read_start(fields, *absent)
    return Response(start.id, start.model, (Choice(parts, stop),), usage, start.created_at, start.extras)


# --- ANSWER OUT ---------------------------------------------------------------------------------------


def _write_answer(response: Response, request: Request) -> Reply:
    out = Crossing(NAME)
    own = out.own(response.extras, "answer")
    for choice in response.choices[1:]:
        out.lose("dropped", f"answer.choices[{choice.index}]", "an answer has one choice here")
    first = response.choices[0] if response.choices else Choice((), Stop("end"))
    made = maker(response.id)
    output = write_output(first.parts, made, out, natives(request.tools))
    status, word = write_stop(first.stop, out)
    if first.stop.reason == "refusal" and not any(_is_refusal(part) for part in first.parts):
        out.lose("emulated", "answer.stop", "a refusal has words here")
        output.append(refusal(made("msg", len(output))))
    start = Start(response.id, response.model, response.created_at, extras=response.extras)
    body = envelope(start, own, {} if own else _echo(request))
    body |= {"status": status, "output": output}
    if response.usage is not None or "usage" not in body:
        body["usage"] = write_usage(response.usage)
    if word and not body.get("incomplete_details"):
        body["incomplete_details"] = {"reason": word}
    body = without(body, own)
    if "-status" in at_home(first.stop.extras, NAME).form:
        del body["status"]
    return Reply(200, body=body, losses=tuple(out.losses))


def _is_refusal(part: object) -> bool:
    return isinstance(part, Text) and part.refusal


def _echo(request: Request) -> dict[str, Json]:
    """Return what a server repeats of a client's request."""
    if request.dialect != NAME:
        return dict(ECHOED)
    own = at_home(request.extras, NAME)
    asked = {**own.quiet, **own.rest}
    asked |= _write_settings(request, asked, Crossing(NAME, home=True))
    lead = request.messages[0] if request.messages else Message("user")
    if lead.role == "system" and "instructions" in at_home(lead.extras, NAME).form:
        asked["instructions"] = "".join(part.text for part in lead.parts if isinstance(part, Text))
    given = {name: value for name, value in asked.items() if name in ECHOED and value is not None}
    echo = {**ECHOED, **given}
    for name in ("text", "reasoning"):
        echo[name] = {**ECHOED[name], **echo[name]}
    if echo["service_tier"] == "auto":
        echo["service_tier"] = "default"
    return echo


# --- FAILURE ------------------------------------------------------------------------------------------


class OpenAIResponses:
    """The codec: the sections above, under the names of the Dialect protocol."""

    name = NAME
    root = "/v1"
    endpoints: tuple[Endpoint, ...] = (
        Endpoint("POST", "/v1/responses", "generate"),
        Endpoint("POST", "/v1/responses/input_tokens", "count"),
    )
    framing = SSE
    tasks = TASKS
    read_request = staticmethod(_read_request)
    write_request = staticmethod(_write_request)
    write_count = staticmethod(_write_count)
    read_answer = staticmethod(_read_answer)
    write_answer = staticmethod(_write_answer)

    def read_count(self, reply: Reply) -> int:
        """Read the answer to :meth:`write_count`."""
        tokens = Fields(reply.body).integer("input_tokens")
        if tokens is None:
            raise malformed("the provider counted no tokens")
        return tokens

    def write_counted(self, tokens: int) -> Reply:
        """Write the answer to a client's token-count request."""
        return Reply(200, body={"object": "response.input_tokens", "input_tokens": tokens})

    def reader(self, amend: Amend | None = None) -> StreamReader:
        """Return a new reader."""
        return Reader(amend)

    def writer(self, request: Request) -> StreamWriter:
        """Return a new writer for the client that asked `request`."""
        return Writer(_echo(request), natives(request.tools))

    def read_failure(self, reply: Reply) -> Failure:
        """Read a provider's refusal."""
        return read_fault(reply.body, reply.status, reply.headers, NAME)

    def write_failure(self, failure: Failure) -> Reply:
        """Write a failure the way the SDKs map to their exception classes."""
        return write_fault(failure, NAME)


DIALECT: Dialect = OpenAIResponses()
