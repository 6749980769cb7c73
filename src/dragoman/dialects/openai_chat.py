"""OpenAI Chat Completions, both sides.

WIRE
    POST /v1/chat/completions         an answer; server-sent events with ``"stream": true``
    POST /openai/deployments/{model}/chat/completions   the same at Azure; the path's model is the one meant

Read 2026-11-21: the types of OpenAI's Python SDK 3.52 (``types/chat``), which state the protocol;
https://developers.openai.com/api/docs/guides/prompt-caching; for OpenRouter https://openrouter.ai/docs/
``use-cases/usage-accounting``, ``api_reference/errors-and-debugging``. Where other compatible servers differ
(Mistral, Groq, DeepSeek, xAI, Azure, Perplexity, Snowflake, ...), it is as their recorded traffic shows.

    stream := chunk(role)  chunk(delta)*  chunk(finish)  chunk(usage)?  [DONE]     | chunk* error
    delta  := content | refusal | tool_calls[index] | reasoning_content, reasoning, reasoning_details

What is said (content, thinking, calls) is in ``openai_chat_parts``, chunks are in ``openai_chat_stream``, and
the error object, which OpenAI's protocols share, is in ``openai_failure``. Here is what is around them.

* A ``tool`` message is a user message of one ToolResult. The legacy ``functions``, ``function_call``
  and role ``function`` are tools and calls by another spelling, and are written only where they were read.
* An answer's message is its parts; what is left of it is ``message`` in the extras of its Stop. A form
  ``-name`` says that a field this module would write was absent.
* Usage includes cached tokens in the prompt and reasoning in the completion; where the total says that
  reasoning is not included (xAI, Gemini), it is not taken out.
* Extras lose against modelled fields at the top of a request (the gateway may have set what the client left
  null) and win everywhere else.

How a stream is read. Each choice has a lane (``lanes``), since chunks of several choices interleave and one
chunk says many things. Stops wait for the end: some servers finish twice, or say more after finishing. The
stream is complete with ``[DONE]``, finish reason or not (Snowflake gives none), or when it closes after every
choice has finished (gpustack and Perplexity send no ``[DONE]``); else it was cut off. A null or empty field
says nothing, random padding (``obfuscation``, Mistral's ``p``) is ignored, and so is a ``message`` beside the
delta, which repeats what was said. A field that comes with words rides on their Append; one that comes alone
is an Opaque part ``delta``, or Stop's if it is the choice's; top-level fields are Start's, and where they
change later, End's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from dragoman.core.events import Choice, Response
from dragoman.core.extras import Extras, Json, at_home, extras
from dragoman.core.failure import Failure, invalid, malformed, unsupported
from dragoman.core.request import (
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
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from dragoman.dialects import Amend, Call, Dialect, Endpoint, Reply, StreamReader, StreamWriter
from dragoman.dialects import openai_chat_parts as said
from dragoman.dialects.border import BINDING, Crossing, merged
from dragoman.dialects.fields import Fields
from dragoman.dialects.figures import beside
from dragoman.dialects.framing import SSE
from dragoman.dialects.lanes import kind_of
from dragoman.dialects.openai_chat_parts import NAME, SYNTHETIC, Content, without
from dragoman.dialects.openai_chat_stream import (
    Reader,
    Writer,
    read_stop,
    read_usage,
    refusal_of,
    synthetic,
    write_stop,
    write_usage,
)
from dragoman.dialects.openai_failure import read_fault, write_fault
from dragoman.dialects.openai_tasks import TASKS
from dragoman.dialects.openai_terms import EFFORTS, SHAPE_WORD, SHAPES, effort_of, is_closed, strictly

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
MODES: dict[str, Literal["auto", "none", "required"]] = {
    "auto": "auto",
    "none": "none",
    "required": "required",
    "any": "required",
}
DEPLOYMENT = re.compile(r"/deployments/(.+)/chat/completions$")
MOST_STOPS = 4
"""Stop sequences a request may have (completion_create_params of the SDK, 2026-11-21)."""
MOVED = "The answer is in the user's next message."
"""Stands in for a tool's answer of which nothing is text."""

# --- REQUEST IN ---------------------------------------------------------------------------------------


def _read_request(call: Call) -> Request:
    fields = Fields(call.body, strict=True)
    form = [BINDING + name for name in _bound(fields)]
    deployment = DEPLOYMENT.search(call.path)
    model = fields.text("model") if deployment else fields.need_text("model")
    messages = tuple(_read_messages(fields))
    limit = fields.integer("max_completion_tokens", least=1)
    if limit is not None:
        form.append("max_completion_tokens")
    stream, choice = fields.flag("stream"), _read_choice(fields)
    if stream is False:
        form.append("stream")
    if isinstance(fields.rest.get("stop"), str):
        form.append("stop")
        fields.rest["stop"] = [fields.rest["stop"]]
    if (top_k := fields.integer("top_k", least=0)) is not None:
        form.append("top_k")
    return Request(
        NAME,
        deployment[1] if deployment else model or "",
        messages,
        tools=tuple(_read_tools(fields)),
        tool_choice=choice,
        parallel_tools=fields.flag("parallel_tool_calls"),
        format=_read_format(fields),
        reasoning=_read_reasoning(fields),
        sampling=Sampling(
            fields.number("temperature", least=0, most=2),
            fields.number("top_p", least=0, most=1),
            top_k,
            fields.number("frequency_penalty", least=-2, most=2),
            fields.number("presence_penalty", least=-2, most=2),
            fields.integer("seed"),
        ),
        stop=() if fields.rest.get("stop") == [] else fields.strings("stop") or (),
        max_output=fields.integer("max_tokens", least=1) if limit is None else limit,
        candidates=fields.integer("n", least=1),
        stream=bool(stream),
        stream_usage=_read_stream_usage(fields),
        user=fields.text("user"),
        tier=fields.text("service_tier"),
        extras=extras(NAME, fields.rest, form),
    )


def _bound(fields: Fields) -> Iterator[str]:
    """Yield the fields that ask for another kind of answer: a spoken one, or one that searched the web."""
    if fields.rest.get("web_search_options") is not None:
        yield "web_search_options"
    spoken = fields.rest.get("modalities")
    if isinstance(spoken, list) and "audio" in spoken:
        yield "modalities"


def _read_stream_usage(fields: Fields) -> bool:
    options = fields.rest.get("stream_options")
    if options is None:
        return False
    inner = Fields(options, fields.path("stream_options"), strict=True)
    if not inner.flag("include_usage"):
        return False
    del fields.rest["stream_options"]
    fields.leave("stream_options", inner)
    return True


def _read_messages(fields: Fields) -> Iterable[Message]:
    values = fields.need_array("messages")
    if not values:
        raise invalid("at least one message is required", "$.messages")
    asked = 0  # the message whose function_call a `function` message answers
    for index, value in enumerate(values):
        inner = Fields(value, f"$.messages[{index}]", strict=True)
        if inner.rest.get("function_call"):
            asked = index
        yield _read_message(inner, f"{SYNTHETIC}{asked}")


def _read_message(fields: Fields, legacy: str) -> Message:
    role = fields.one_of("role", ROLES)
    if role is None:
        raise invalid("role is required", fields.path("role"))
    if role == "assistant":
        parts, form = said.read_voice(fields, legacy)
        if not parts and not {"empty", "list"} & set(form) and fields.rest.get("audio") is None:
            raise invalid("content is required where there are no tool_calls", fields.path("content"))
        return Message("assistant", parts, extras(NAME, fields.rest, form))
    content, form = said.read_content(fields)
    if not content and not form:
        fields.missing("content")
    if role in ("tool", "function"):
        return Message("user", (_read_result(fields, role, content, form, legacy),))
    if role != "user":
        for index, part in enumerate(content):
            if not isinstance(part, (Text, Opaque)):
                raise invalid(f"a {role} message holds text only", f"{fields.path('content')}[{index}].type")
        form += ["developer"] if role == "developer" else []
    return Message("user" if role == "user" else "system", tuple(content), extras(NAME, fields.rest, form))


def _read_result(
    fields: Fields, role: str, content: Sequence[Content], form: list[str], legacy: str
) -> ToolResult:
    if role == "function":
        call_id, name, form = legacy, fields.words("name"), [*form, "function"]
        if name is None:
            fields.missing("name")
    else:
        call_id, name = fields.need_text("tool_call_id"), fields.words("name")
    parts = tuple(part for part in content if isinstance(part, (Text, Media, Opaque)))
    if len(parts) < len(content):
        raise invalid("a tool does not think", fields.path("content"))
    return ToolResult(call_id, parts, name=name, extras=extras(NAME, fields.rest, form))


def _read_tools(fields: Fields) -> Iterable[Tool | Opaque]:
    for name in ("tools", "functions"):
        if fields.rest.get(name) == []:
            continue
        for index, value in enumerate(fields.array(name) or ()):
            inner = Fields(value, f"$.{name}[{index}]", strict=True)
            if name == "tools":
                yield _read_tool(inner, value)
            else:
                yield _read_function(inner, Fields({}), ("functions",))


def _read_tool(fields: Fields, value: Json) -> Tool | Opaque:
    form = () if "type" in fields.rest else ("-type",)
    kind = fields.text("type")
    if kind is None and "function" not in fields.rest:
        fields.missing("type")
    if kind not in (None, "function", "custom"):
        return Opaque(NAME, kind, value)
    inner = fields.need_object(kind or "function")
    if kind != "custom":
        return _read_function(inner, fields, form)
    name, description, grammar = inner.need_text("name"), inner.text("description"), inner.any("format")
    fields.leave("custom", inner)
    return Tool(name, description, custom=True, grammar=grammar, extras=extras(NAME, fields.rest))


def _read_function(inner: Fields, outer: Fields, form: tuple[str, ...]) -> Tool:
    name, description = inner.need_text("name"), inner.text("description")
    schema, strict = inner.object("parameters"), inner.flag("strict")
    outer.leave("function", inner)
    ttl, mark = said.read_mark(outer)
    kept = extras(NAME, outer.rest, form + mark)
    return Tool(name, description, schema.rest if schema else None, strict, cache_ttl_s=ttl, extras=kept)


def _read_choice(fields: Fields) -> ToolChoice | None:
    name = "tool_choice" if fields.rest.get("tool_choice") is not None else "function_call"
    legacy = [name] if name == "function_call" else []
    if isinstance(fields.rest.get(name), str):
        word = fields.one_of(name, MODES) or "auto"
        kept = extras(NAME, {}, legacy + (["any"] if word == "any" else []))
        return ToolChoice(MODES[word], extras=kept)
    inner = fields.object(name)
    if inner is None:
        return None
    if legacy:
        return ToolChoice("required", (inner.need_text("name"),), extras(NAME, inner.rest, legacy))
    kind = inner.one_of("type", ("function", "custom", "allowed_tools"))
    if kind is None:
        raise invalid("type is required", inner.path("type"))
    named = inner.need_object(kind)
    if kind != "allowed_tools":
        names: tuple[str, ...] = (named.need_text("name"),)
        inner.leave(kind, named)
        return ToolChoice(
            "required", names, extras(NAME, inner.rest, [f"custom {names[0]}"] if kind == "custom" else ())
        )
    mode = named.one_of("mode", ("auto", "required"))
    if mode is None:
        named.missing("mode")
    entries = [
        Fields(value, f"{named.path('tools')}[{index}]", strict=True)
        for index, value in enumerate(named.need_array("tools"))
    ]
    kinds = [entry.need_text("type") for entry in entries]
    if set(kinds) - {"function", "custom"}:
        raise invalid("only functions and custom tools can be named", named.path("tools"))
    names = tuple(e.need_object(kind).need_text("name") for e, kind in zip(entries, kinds, strict=True))
    inner.leave("allowed_tools", named)
    spelt = [f"custom {name}" for kind, name in zip(kinds, names, strict=True) if kind == "custom"]
    kept = extras(NAME, inner.rest, ["allowed_tools", *spelt])
    return ToolChoice("required" if mode == "required" else "auto", names, kept)


def _read_format(fields: Fields) -> Format | None:
    outer = fields.object("response_format")
    if outer is None:
        return None
    word = outer.one_of("type", SHAPES)
    if word is None:
        raise invalid("type is required", outer.path("type"))
    if word != "json_schema":
        return Format(SHAPES[word], extras=extras(NAME, outer.rest))
    inner = outer.need_object(word)
    schema, name, strict = inner.object("schema"), inner.text("name"), inner.flag("strict")
    description = inner.text("description")
    outer.leave(word, inner)
    kept = extras(NAME, outer.rest)
    return Format("json_schema", schema.rest if schema else None, name, strict, description, kept)


def _read_reasoning(fields: Fields) -> Reasoning | None:
    """Take the effort, or OpenRouter's ``reasoning`` object. Groq's ``default`` asks for nothing."""
    if fields.rest.get("reasoning_effort") not in (None, "default"):
        return Reasoning(effort=EFFORTS.get(fields.one_of("reasoning_effort", EFFORTS) or ""))
    inner = fields.object("reasoning")
    if inner is None:
        return None
    effort = EFFORTS.get(inner.one_of("effort", EFFORTS) or "")
    budget, enabled, hide = inner.integer("max_tokens", least=0), inner.flag("enabled"), inner.flag("exclude")
    form = ("reasoning",) if hide is not False else ("reasoning", "exclude")
    show: Literal["none"] | None = "none" if hide else None
    return Reasoning(enabled, effort, budget, show, extras(NAME, inner.rest, form))


# --- REQUEST OUT --------------------------------------------------------------------------------------


def _write_request(request: Request) -> Call:
    out = Crossing(NAME, home=request.dialect == NAME)
    own = out.own(request.extras, "")
    body: dict[str, Json] = {**own.rest, "model": request.model}
    body["messages"] = _write_messages(request.messages, out)
    limit = "max_completion_tokens" if "max_completion_tokens" in own.form else "max_tokens"
    written = {
        limit: request.max_output,
        **_write_sampling(request.sampling, own, out),
        **_write_tools(request, out),
        "parallel_tool_calls": request.parallel_tools,
        "response_format": _write_format(request.format, out),
        **_write_reasoning(request.reasoning, out),
        "stop": _write_stops(request.stop, own, out),
        "n": request.candidates,
        "user": request.user,
        "service_tier": request.tier,
    }
    body |= {name: value for name, value in written.items() if value is not None}
    if request.stream or "stream" in own.form:
        body["stream"] = request.stream
    if request.stream_usage:
        body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    return Call("POST", "/chat/completions", body=body, losses=tuple(out.losses))


def _write_sampling(sampling: Sampling, own: Extras, out: Crossing) -> dict[str, Json]:
    body = msgspec.structs.asdict(sampling)
    if sampling.top_k is not None and "top_k" not in own.form:
        out.lose("dropped", "top_k", "Chat Completions has no such field")
        del body["top_k"]
    return body


def _write_stops(stops: tuple[str, ...], own: Extras, out: Crossing) -> Json:
    if len(stops) > MOST_STOPS and not out.home:
        out.lose("clamped", "stop", f"at most {MOST_STOPS} stop sequences")
        stops = stops[:MOST_STOPS]
    return stops[0] if len(stops) == 1 and "stop" in own.form else list(stops) or None


def _write_messages(messages: Sequence[Message], out: Crossing) -> list[Json]:
    """Write the conversation. What a tool answered besides text follows once all tools have answered."""
    turns: list[Json] = []
    moved: list[Json] = []
    for index, message in enumerate(messages):
        at, others = f"messages[{index}]", []
        for place, part in enumerate(message.parts):
            where = f"{at}.parts[{place}]"
            if isinstance(part, ToolResult) and message.role == "user":
                turns.append(_write_result(part, where, out, moved))
            else:
                others.append((where, part))
        own = out.own(message.extras, at)
        if message.parts and not others:
            continue
        if moved:
            turns.append({"role": "user", "content": moved})
            moved = []
        if message.role == "assistant":
            turns.append(said.write_voice(message.parts, own, at, out, answer=False))
            continue
        role = "developer" if "developer" in own.form else message.role
        content = said.write_content([_shown(part, where) for where, part in others], own.form, out)
        turns.append({"role": role, "content": content or "" if not isinstance(content, list) else content})
        turns[-1] |= own.rest
    return [*turns, {"role": "user", "content": moved}] if moved else turns


def _shown(part: Part, at: str) -> tuple[str, Content]:
    if isinstance(part, (ToolCall, Thinking, ToolResult)):
        raise unsupported("only the model thinks and calls tools", at)
    return at, part


def _write_result(part: ToolResult, at: str, out: Crossing, moved: list[Json]) -> dict[str, Json]:
    own = out.own(part.extras, at)
    kept: list[tuple[str, Content]] = []
    for index, inner in enumerate(part.parts):
        place = f"{at}.parts[{index}]"
        if isinstance(inner, Media) and inner.source != "text" and not out.home:
            out.lose("emulated", place, "a tool answers in text here; the rest follows in the user's turn")
            moved.append({"type": "text", "text": f"Answer of the tool call {part.call_id}:"})
            moved += said.write_content([(place, inner)], ("list",), out)
        else:
            kept.append((place, inner))
    if part.cache_ttl_s is not None and kept and isinstance(kept[-1][1], Text):
        place, last = kept[-1]
        kept[-1] = (place, msgspec.structs.replace(last, cache_ttl_s=part.cache_ttl_s))
    content = said.write_content(kept, own.form, out)
    if part.error:
        out.lose("approximated", f"{at}.error", "told in words")
        content = _failed(content)
    body: dict[str, Json] = {"role": "tool", "tool_call_id": part.call_id}
    if "function" in own.form:
        body = {"role": "function"}
    if part.name is not None and out.home:
        body["name"] = part.name
    return {**body, "content": content if content is not None else MOVED if part.parts else "", **own.rest}


def _failed(content: Json) -> Json:
    """Say once, in front, that a tool failed."""
    if isinstance(content, list):
        first = content[0].get("text", "") if content else ""
        return content if first.startswith("Error: ") else [{"type": "text", "text": "Error: "}, *content]
    return content if (content or "").startswith("Error: ") else f"Error: {content or ''}"


def _write_tools(request: Request, out: Crossing) -> dict[str, Json]:
    tools: list[Json] = []
    functions: list[Json] = []
    for index, tool in enumerate(request.tools):
        at = f"tools[{index}]"
        if isinstance(tool, Opaque):
            if tool.dialect != NAME:
                raise unsupported(f"only {tool.dialect} has the tool {tool.kind}", at)
            tools.append(tool.data)
        elif "functions" in at_home(tool.extras, NAME).form:
            functions.append(_write_tool(tool, at, out)["function"])
        else:
            tools.append(_write_tool(tool, at, out))
    return {"tools": tools or None, "functions": functions or None, **_write_choice(request, out)}


def _write_tool(tool: Tool, at: str, out: Crossing) -> dict[str, Json]:
    own = out.own(tool.extras, at)
    inner: dict[str, Json] = {"name": tool.name}
    if tool.custom:
        given = {"description": tool.description, "format": tool.grammar}
    else:
        strict = tool.strict if out.home else strictly(schema=tool.schema, strict=tool.strict, at=at, out=out)
        given = {"description": tool.description, "parameters": tool.schema, "strict": strict}
    inner |= {name: value for name, value in given.items() if value is not None}
    mark: dict[str, Json] = {}
    if tool.cache_ttl_s is not None and said.CONTROL in own.form:
        mark = said.write_mark(tool.cache_ttl_s, own, at, out)
    elif tool.cache_ttl_s is not None:
        out.lose("dropped", f"{at}.cache_ttl_s", "a tool takes no cache breakpoint here")
    word = "custom" if tool.custom else "function"
    return without(merged({"type": word, word: inner, **mark}, own.rest), own.form)


def _write_choice(request: Request, out: Crossing) -> dict[str, Json]:
    choice = request.tool_choice
    if choice is None:
        return {}
    own = out.own(choice.extras, "tool_choice")
    legacy = "function_call" in own.form
    name = "function_call" if legacy else "tool_choice"
    if choice.mode == "none" or not (choice.names or "allowed_tools" in own.form):
        return {name: "any" if "any" in own.form else choice.mode}
    if legacy:
        return {name: merged({"name": choice.names[0]}, own.rest)}
    custom = {f"custom {tool.name}" for tool in request.tools if isinstance(tool, Tool) and tool.custom}
    custom = {*own.form} if out.home else custom
    words = ["custom" if f"custom {tool}" in custom else "function" for tool in choice.names]
    entries = [{"type": word, word: {"name": tool}} for word, tool in zip(words, choice.names, strict=True)]
    if choice.mode == "required" and len(entries) == 1 and "allowed_tools" not in own.form:
        return {name: merged(entries[0], own.rest)}
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": entries}}
    return {name: merged(allowed, own.rest)}


def _write_format(shape: Format | None, out: Crossing) -> Json:
    if shape is None:
        return None
    own = out.own(shape.extras, "format")
    word = SHAPE_WORD[shape.kind]
    if shape.kind != "json_schema":
        return {"type": word, **own.rest}
    strict, name = shape.strict, shape.name
    if not out.home:
        name = name or "response"
        strict = is_closed(shape.schema) if strict is None else strict
        strict = strictly(schema=shape.schema, strict=strict, at="format", out=out)
    given = {"name": name, "schema": shape.schema, "strict": strict, "description": shape.description}
    inner = {field: value for field, value in given.items() if value is not None}
    return merged({"type": word, word: inner}, own.rest)


def _write_reasoning(want: Reasoning | None, out: Crossing) -> dict[str, Json]:
    if want is None:
        return {}
    own = out.own(want.extras, "reasoning")
    if "reasoning" in own.form:
        hide = True if want.show == "none" else False if "exclude" in own.form else None
        given = {"effort": want.effort, "max_tokens": want.budget, "enabled": want.enabled, "exclude": hide}
        return {
            "reasoning": {**own.rest, **{name: value for name, value in given.items() if value is not None}}
        }
    effort = want.effort
    if want.show is not None:
        out.lose("dropped", "reasoning.show", "Chat Completions has no such field")
    if want.enabled is False:
        effort = "none"
    elif effort is None and want.budget is not None:
        out.lose("approximated", "reasoning.budget", "thinking is asked for by effort here")
        effort = effort_of(want.budget)
    elif effort is None and want.enabled:
        out.lose("approximated", "reasoning.enabled", "the model's default effort is asked for")
    return {"reasoning_effort": effort}


# --- ANSWER IN ----------------------------------------------------------------------------------------


def _read_answer(reply: Reply) -> Response:
    if not isinstance(reply.body, dict):
        raise malformed("the provider's answer is not a JSON object")
    fields = Fields(reply.body)
    if fields.rest.get("error"):
        raise read_fault(reply.body, None, reply.headers, NAME)
    form = _absent(fields, "id", "object", "created", "model")
    if fields.rest.get("object") == "chat.completion":
        del fields.rest["object"]
    values = fields.array("choices")
    if not values:
        raise malformed("the provider's answer has no choices")
    id_, model, created = fields.text("id") or "", fields.text("model") or "", fields.integer("created")
    choices = tuple(_read_candidate(value, index, id_) for index, value in enumerate(values))
    native = fields.rest.get("usage")
    usage = read_usage(fields.rest.pop("usage")) if isinstance(native, dict) and native else None
    usage = beside(usage, fields.rest)
    return Response(id_, model, choices, usage, created or None, said.kept(fields.rest, form))


def _absent(fields: Fields, *names: str) -> list[str]:
    return [f"-{name}" for name in names if name not in fields.rest]


def _read_candidate(value: Json, index: int, id_: str) -> Choice:
    fields = Fields(value, f"$.choices[{index}]")
    if fields.rest.get("error"):
        raise read_fault(value, None, {}, NAME)
    form = _absent(fields, "index", "finish_reason", "logprobs")
    message = fields.need_object("message")
    if fields.rest.get("index") == index:
        del fields.rest["index"]
    form += _absent(message, "role", "refusal")
    if message.rest.get("role") == "assistant":
        del message.rest["role"]
    parts, spelt = said.read_voice(message, synthetic(id_, index))
    fields.leave("message", message)
    word = fields.text("finish_reason")
    stop = read_stop(word, {kind_of(part) for part in parts}, index, fields.rest, form + spelt)
    return Choice(parts, stop, index)


# --- ANSWER OUT ---------------------------------------------------------------------------------------


def _write_answer(response: Response) -> Reply:
    out = Crossing(NAME)
    own = out.own(response.extras, "answer")
    body: dict[str, Json] = {
        "id": response.id,
        "object": "chat.completion",
        "created": response.created_at or 0,
        "model": response.model,
        "choices": [_write_candidate(choice, out) for choice in response.choices],
    }
    if response.usage is not None:
        body["usage"] = write_usage(response.usage)
    return Reply(200, body=without({**body, **said.everything(own)}, own.form), losses=tuple(out.losses))


def _write_candidate(choice: Choice, out: Crossing) -> dict[str, Json]:
    own = out.own(choice.stop.extras, "answer")
    left = own.rest.get("message")
    message = Extras(NAME, left if isinstance(left, dict) else {}, own.form)
    spoken = said.write_voice(choice.parts, message, "answer", out, answer=True)
    body: dict[str, Json] = {
        "index": choice.index,
        "message": spoken if spoken.get("refusal") else {**spoken, **refusal_of(choice.stop, out)},
        "finish_reason": write_stop(choice.stop, own, out),
        "logprobs": None,
    }
    return without(
        {**body, **{name: v for name, v in said.everything(own).items() if name != "message"}}, own.form
    )


# --- FAILURE ------------------------------------------------------------------------------------------


class OpenAIChat:
    """OpenAI Chat Completions."""

    name = NAME
    root = "/v1"
    endpoints: tuple[Endpoint, ...] = (
        Endpoint("POST", "/v1/chat/completions", "generate"),
        Endpoint("POST", "/openai/deployments/{model}/chat/completions", "generate"),
        Endpoint("POST", "/v1/embeddings", "embed"),
        Endpoint("POST", "/openai/deployments/{model}/embeddings", "embed"),
        Endpoint("POST", "/v1/rerank", "rerank"),
    )
    framing = SSE
    tasks = TASKS

    def read_request(self, call: Call) -> Request:
        """Read a client's request, strictly."""
        return _read_request(call)

    def write_request(self, request: Request) -> Call:
        """Write a request for a provider."""
        return _write_request(request)

    def write_count(self, request: Request) -> Call | None:  # noqa: ARG002  the protocol's signature
        """Return None: this protocol cannot count."""
        return None

    def read_count(self, reply: Reply) -> int:  # noqa: ARG002  the protocol's signature
        """Refuse: this protocol cannot count."""
        raise unsupported("Chat Completions cannot count tokens", "$")

    def write_counted(self, tokens: int) -> Reply:  # noqa: ARG002  the protocol's signature
        """Refuse: this protocol cannot count."""
        raise unsupported("Chat Completions cannot count tokens", "$")

    def read_answer(self, reply: Reply) -> Response:
        """Read a provider's unary answer, leniently."""
        return _read_answer(reply)

    def write_answer(self, response: Response, request: Request) -> Reply:  # noqa: ARG002  as above
        """Write a unary answer."""
        return _write_answer(response)

    def reader(self, amend: Amend | None = None) -> StreamReader:
        """Return a new reader."""
        return Reader(amend)

    def writer(self, request: Request) -> StreamWriter:
        """Return a new writer."""
        return Writer(request)

    def read_failure(self, reply: Reply) -> Failure:
        """Read a provider's refusal."""
        return read_fault(reply.body, reply.status, reply.headers, NAME)

    def write_failure(self, failure: Failure) -> Reply:
        """Write a failure the way the SDKs map to their exception classes."""
        return write_fault(failure, NAME)


DIALECT: Dialect = OpenAIChat()
