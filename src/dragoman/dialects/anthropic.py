"""Anthropic Messages, both sides.

WIRE
    POST /v1/messages                 an answer; server-sent events with ``"stream": true``
    POST /v1/messages/count_tokens    ``{"input_tokens": n}``

Read 2026-11-21, below https://platform.claude.com/docs/en/: ``api/messages``, ``api/versioning``,
``api/errors``, ``build-with-claude/`` ``streaming``, ``extended-thinking``, ``prompt-caching``,
``citations``, ``structured-outputs``, ``compaction``; and the types of the Python SDK 2.11.

    stream := message_start  ( block | ping )*  message_delta+  message_stop      | ... error
    block  := content_block_start  content_block_delta*  content_block_stop       strictly in sequence
    delta  := text_delta | input_json_delta | thinking_delta | signature_delta | citations_delta

A stream, and what a whole answer shares with it, is ``anthropic_stream``; errors are ``anthropic_failure``.

The SDKs drop an event without an ``event:`` line, so every frame written has one; what is read is told
by ``type`` in the data, since not every server that speaks this dialect sends the line.

* ``system`` is the leading system message. A system message that stands first *inside* ``messages``
  is marked ``inline``, so that both spellings go home as they came.
* ``anthropic-version`` and ``anthropic-beta`` are headers: they are kept as ``name: value`` in the
  request's ``Extras.form`` and never mix with body fields.
* A block not modelled here is Opaque. In a stream it is held until it is complete, because an Opaque
  part has no text to append to; a server tool's input is thereby whole.
* Citations come as deltas beside the text: they ride on Close, and become ``citations`` of the part.
* message_delta's usage is cumulative and replaces message_start's, field by field.
* What was not understood wins over modelled fields inside a block or an answer, and loses at the top
  of a request (the gateway may have set what the client left null).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from dragoman.core.events import Choice, Response, Stop
from dragoman.core.extras import Json, at_home, extras
from dragoman.core.failure import invalid, malformed, unsupported
from dragoman.core.request import (
    Effort,
    Format,
    Message,
    Opaque,
    Reasoning,
    Request,
    Role,
    Sampling,
    Text,
    Tool,
    ToolChoice,
)
from dragoman.dialects import Call, Dialect, Endpoint, Reply, Tasks
from dragoman.dialects.anthropic_failure import read_failure, write_failure
from dragoman.dialects.anthropic_parts import (
    NAME,
    THOUGHTS,
    is_void,
    read_block,
    read_content,
    read_tool,
    write_block,
    write_part,
    write_tool,
    write_usage,
)
from dragoman.dialects.anthropic_stream import Reader, Writer, envelope, read_start, read_stop, write_stop
from dragoman.dialects.border import Crossing, closed
from dragoman.dialects.fields import Fields
from dragoman.dialects.framing import SSE

FIRST, CURRENT = "2023-06-01", "2026-10-21"
"""API versions. The current one refuses temperature, top_p and top_k (api/versioning, 2026-11-21)."""
HEADERS = ("anthropic-version", "anthropic-beta")
COUNTED = ("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config")
COUNTED_TOO = ("cache_control", "speed", "billing_policy", "compaction", "context_management", "mcp_servers")
"""The fields count_tokens takes (SDK 2.11, message_count_tokens_params)."""
MAX_TOKENS = 4096
"""Sent where neither the client nor the model's row says a limit: the field is mandatory."""
SAMPLED = ("temperature", "top_p", "top_k")
LEAST_BUDGET, LEAST_TOP_P = 1024, 0.95
"""What manual thinking needs; it also refuses temperature and top_k (extended-thinking, 2026-11-21)."""
OPENING = "Begin."
"""The user's first turn, where a conversation has none."""
JSON_ONLY = "Answer with one JSON object and nothing else: no prose, no code fence."
ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
Mode = Literal["auto", "none", "required"]
CHOICES: dict[str, Mode] = {"auto": "auto", "none": "none", "any": "required", "tool": "required"}
SHOW: dict[str, Literal["none", "summary"]] = {"summarized": "summary", "omitted": "none"}
LEVELS: dict[str, Effort] = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
TIERS = {"auto": "auto", "standard_only": "default"}
TIER_WORDS = {tier: word for word, tier in TIERS.items()}

# --- REQUEST IN ---------------------------------------------------------------------------------------


def _read_request(call: Call) -> Request:
    fields = Fields(call.body, strict=True)
    form = [f"{name}: {value}" for name in HEADERS if (value := call.headers.get(name))]
    model, limit = fields.need_text("model"), fields.integer("max_tokens", least=0)
    if limit is None and not call.path.endswith("/count_tokens"):
        fields.missing("max_tokens")
    messages = (*_read_system(fields), *_read_messages(fields))
    effort, shape = _read_output(fields)
    choice, parallel = _read_choice(fields)
    tools = enumerate([] if fields.rest.get("tools") == [] else fields.array("tools") or [])
    stops = () if fields.rest.get("stop_sequences") == [] else fields.strings("stop_sequences")
    stream, metadata = fields.flag("stream"), _enter(fields, "metadata")
    user = metadata.text("user_id") if metadata else None
    return Request(
        NAME,
        model,
        messages,
        tools=tuple(read_tool(tool, f"$.tools[{index}]") for index, tool in tools),
        tool_choice=choice,
        parallel_tools=parallel,
        format=shape,
        reasoning=_read_reasoning(fields, effort),
        sampling=Sampling(
            fields.number("temperature", least=0, most=1),
            fields.number("top_p", least=0, most=1),
            fields.integer("top_k", least=0),
        ),
        stop=stops or (),
        max_output=limit,
        stream=bool(stream),
        user=user,
        tier=TIERS.get(fields.one_of("service_tier", TIERS) or ""),
        extras=extras(NAME, _kept(fields, "metadata", metadata), form + ["stream"] * (stream is False)),
    )


def _enter(fields: Fields, name: str) -> Fields | None:
    """Take an object; an empty one says nothing and stays in the rest."""
    return None if fields.rest.get(name) == {} else fields.object(name)


def _kept(fields: Fields, name: str, inner: Fields | None) -> dict[str, Json]:
    """Put back what nobody took of an object; return the rest of `fields`."""
    if inner is not None and inner.rest:
        fields.rest[name] = inner.rest
    return fields.rest


def _read_system(fields: Fields) -> list[Message]:
    value = fields.rest.get("system")
    if value is None or value == []:
        return []
    parts, form = read_content(fields.rest.pop("system"), "$.system", "system")
    for index, part in enumerate(parts):
        if not isinstance(part, Text):
            raise invalid("system holds text blocks only", f"$.system[{index}].type")
    return [Message("system", parts, extras(NAME, {}, form))]


def _read_messages(fields: Fields) -> list[Message]:
    values = fields.need_array("messages")
    if not values:
        raise invalid("at least one message is required", "$.messages")
    messages: list[Message] = []
    leading = True
    for index, value in enumerate(values):
        inner = Fields(value, f"$.messages[{index}]", strict=True)
        role = ROLES.get(inner.one_of("role", ROLES) or "")
        if role is None:
            raise invalid("role is required", inner.path("role"))
        parts, form = read_content(inner.any("content"), inner.path("content"), role)
        leading = leading and role == "system"
        messages.append(Message(role, parts, extras(NAME, inner.rest, form + ("inline",) * leading)))
    return messages


def _read_choice(fields: Fields) -> tuple[ToolChoice | None, bool | None]:
    inner = fields.object("tool_choice")
    if inner is None:
        return None, None
    kind = inner.one_of("type", CHOICES)
    if kind is None:
        raise invalid("type is required", inner.path("type"))
    names = (inner.need_text("name"),) if kind == "tool" else ()
    single = inner.flag("disable_parallel_tool_use") if kind != "none" else None
    choice = ToolChoice(CHOICES[kind], names, extras(NAME, inner.rest))
    return choice, None if single is None else not single


def _read_reasoning(fields: Fields, effort: Effort | None) -> Reasoning | None:
    inner = fields.object("thinking")
    if inner is None:
        return Reasoning(effort=effort) if effort else None
    kind = inner.one_of("type", ("enabled", "adaptive", "disabled", "between_tools"))
    budget = inner.integer("budget_tokens", least=LEAST_BUDGET) if kind == "enabled" else None
    if kind is None or (kind == "enabled" and budget is None):
        inner.missing("budget_tokens" if kind else "type")
    show = SHOW.get(inner.one_of("display", SHOW) or "")
    form = ("between_tools",) if kind == "between_tools" else ()
    return Reasoning(kind != "disabled", effort, budget, show, extras(NAME, inner.rest, form))


def _read_output(fields: Fields) -> tuple[Effort | None, Format | None]:
    """Take effort and format out of ``output_config``."""
    inner = _enter(fields, "output_config")
    if inner is None:
        return None, None
    effort = LEVELS.get(inner.one_of("effort", LEVELS) or "")
    wanted, shape = inner.object("format"), None
    if wanted is not None:
        schema = wanted.object("schema")
        if wanted.one_of("type", ("json_schema",)) is None or schema is None:
            raise invalid("a format of type json_schema with its schema is required", wanted.at)
        shape = Format("json_schema", schema.rest, extras=extras(NAME, wanted.rest))
    _kept(fields, "output_config", inner)
    return effort, shape


# --- REQUEST OUT --------------------------------------------------------------------------------------


def _write_request(request: Request) -> Call:
    out = Crossing(NAME, home=request.dialect == NAME)
    body = _write_body(request, out)
    headers = _write_headers(request, sampled=any(body.get(n) is not None for n in SAMPLED))
    return Call("POST", "/messages", headers=headers, body=body, losses=tuple(out.losses))


def _write_count(request: Request) -> Call:
    out = Crossing(NAME, home=request.dialect == NAME)
    body = {name: value for name, value in _write_body(request, out).items() if name in COUNTED + COUNTED_TOO}
    headers = _write_headers(request, sampled=False)
    return Call("POST", "/messages/count_tokens", headers=headers, body=body, losses=tuple(out.losses))


def _write_headers(request: Request, *, sampled: bool) -> dict[str, str]:
    kept = (entry for entry in at_home(request.extras, NAME).form if entry.startswith(HEADERS))
    # A client of this dialect that names no version means the first one.
    version = FIRST if sampled or request.dialect == NAME else CURRENT
    return {"anthropic-version": version, **dict(entry.split(": ", 1) for entry in kept)}


def _write_body(request: Request, out: Crossing) -> dict[str, Json]:
    own = out.own(request.extras, "")
    if (request.candidates or 1) > 1:
        raise unsupported("Anthropic gives one answer to a request", "candidates")
    body: dict[str, Json] = {**own.rest, "model": request.model}
    lead, turns = _write_messages(request.messages, out)
    shape = _write_format(request.format, out)
    if shape == {}:
        lead = [*_blocks(lead), {"type": "text", "text": JSON_ONLY}]
    tools, choice = _write_choice(request, out)
    forced = bool(choice) and choice["type"] in ("any", "tool")
    thinking, effort, limit = _write_reasoning(request, out, plain=forced or _in_loop(turns))
    stops = [word for word in request.stop if out.home or word.strip()]
    if len(stops) < len(request.stop):
        out.lose("dropped", "stop", "a stop sequence needs more than white space")
    if request.tier and request.tier not in TIER_WORDS:
        out.lose("dropped", "tier", "Anthropic has auto and default only")
    written = {
        "system": lead,
        "messages": turns,
        "tools": [write_tool(tool, f"tools[{index}]", out) for index, tool in tools],
        "tool_choice": choice,
        "thinking": thinking,
        "output_config": _laid(body, "output_config", {"effort": effort, "format": shape or None}),
        "metadata": _laid(body, "metadata", {"user_id": request.user}),
        "stop_sequences": stops,
        "service_tier": TIER_WORDS.get(request.tier or ""),
        **_write_sampling(request.sampling, out, thinks=bool(thinking) and thinking["type"] != "disabled"),
    }
    body |= {name: value for name, value in written.items() if value not in (None, [], {})}
    body["max_tokens"] = limit
    if request.stream or "stream" in own.form:
        body["stream"] = request.stream
    return body


def _laid(body: Mapping[str, Json], name: str, inner: Mapping[str, Json]) -> dict[str, Json] | None:
    """Return what is set in `inner` laid over what the client's own object of that name still holds."""
    given = {key: value for key, value in inner.items() if value is not None}
    return {**(body.get(name) or {}), **given} if given else None


def _blocks(content: Json) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _write_messages(messages: Sequence[Message], out: Crossing) -> tuple[Json, list[Json]]:
    """Return ``system`` and ``messages``.

    From another dialect: the user begins, no two turns in a row have one role, later system messages
    stand in the user's turn, and tool results lead theirs (api/messages, 2026-11-21).
    """
    lead: list[Json] = []
    turns: list[Json] = []
    spelt = "string"
    for index, message in enumerate(messages):
        at, role = f"messages[{index}]", message.role
        own = out.own(message.extras, at)
        blocks = [
            block
            for place, part in enumerate(message.parts)
            if (block := write_part(part, role, f"{at}.parts[{place}]", out)) is not None
        ]
        bare = len(blocks) == 1 and blocks[0].keys() == {"type", "text"}
        string = bare and (not out.home or "string" in own.form)
        if role == "system" and not turns and "inline" not in own.form:
            spelt = "string" if string and not lead else "list"
            lead += blocks
        elif out.home:
            turns.append({"role": role, "content": blocks[0]["text"] if string else blocks, **own.rest})
        elif blocks:
            if role == "system":
                out.lose("approximated", at, "a later system message stands in the user's turn")
                blocks, role = [{**b, "text": f"<system>\n{b['text']}\n</system>"} for b in blocks], "user"
            if not turns or turns[-1]["role"] != role:
                turns.append({"role": role, "content": []})
            turns[-1]["content"] += blocks
    if not out.home:
        _arrange(turns, out)
    return lead[0]["text"] if lead and spelt == "string" else lead, turns


def _arrange(turns: list[Json], out: Crossing) -> None:
    for turn in turns:
        turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    if not turns or turns[0]["role"] != "user":
        out.lose("approximated", "messages", "a conversation begins with the user here")
        turns.insert(0, {"role": "user", "content": [{"type": "text", "text": OPENING}]})
    last = turns[-1]["content"][-1]
    if turns[-1]["role"] == "assistant" and last.get("text", "") != last.get("text", "").rstrip():
        out.lose("approximated", "messages", "white space at the end of a prefill is refused")
        last["text"] = last["text"].rstrip()


def _in_loop(turns: Sequence[Json]) -> bool:
    """Whether tools are being answered whose call has no thinking before it (lost, or never had)."""
    if len(turns) < 2 or not isinstance(turns[-1]["content"], list):
        return False
    answers = any(block.get("type") == "tool_result" for block in turns[-1]["content"])
    before = _blocks(turns[-2]["content"])
    return answers and bool(before) and before[0].get("type") not in THOUGHTS


def _write_choice(request: Request, out: Crossing) -> tuple[list[tuple[int, Tool | Opaque]], Json]:
    """Return the tools that may be called, with their places, and the choice between them."""
    tools, choice, parallel = list(enumerate(request.tools)), request.tool_choice, request.parallel_tools
    if choice is None and (parallel is not False or not tools):
        return tools, None
    choice = choice or ToolChoice()
    own = out.own(choice.extras, "tool_choice")
    if not tools and not out.home:
        if choice.mode == "required":
            out.lose("dropped", "tool_choice", "there is no tool to call")
        return tools, None
    if choice.mode == "required" and len(choice.names) == 1:
        block: dict[str, Json] = {"type": "tool", "name": choice.names[0]}
    else:
        block = {"type": "any" if choice.mode == "required" else choice.mode}
        if choice.names and choice.mode != "none":
            out.lose("approximated", "tool_choice", "only the allowed tools are offered")
            tools = [(place, tool) for place, tool in tools if getattr(tool, "name", "") in choice.names]
    if choice.mode != "none" and (parallel is False or (out.home and parallel)):
        block["disable_parallel_tool_use"] = not parallel
    return tools, {**block, **own.rest}


def _write_reasoning(request: Request, out: Crossing, *, plain: bool) -> tuple[Json, str | None, int]:
    """Return ``thinking``, the effort, and ``max_tokens``. `plain`: manual thinking would be refused."""
    limit = MAX_TOKENS if request.max_output is None else request.max_output
    want = request.reasoning
    if want is None:
        return None, None, limit
    own = out.own(want.extras, "reasoning")
    effort = want.effort
    if effort == "minimal":
        out.lose("approximated", "reasoning.effort", "low is the least")
        effort = "low"
    block: dict[str, Json] = {}
    if want.enabled is False or effort == "none" or want.budget == 0:
        block, effort = {"type": "disabled"}, None if effort == "none" else effort
    elif want.budget is not None:
        budget, effort = want.budget, effort if out.home else None
        if not out.home:
            limit = limit if request.max_output is not None else limit + budget
            budget = max(LEAST_BUDGET, min(budget, limit - 1))
            plain = plain or budget >= limit
        if budget != want.budget:
            out.lose("clamped", "reasoning.budget", "at least 1024, and less than max_tokens")
        block = {"type": "enabled", "budget_tokens": budget}
        if plain and not out.home:
            # With a forced tool, or inside a tool loop whose thinking cannot be sent, it is a 400.
            out.lose("dropped", "reasoning", "manual thinking is refused here")
            block = {"type": "disabled"}
    elif want.enabled or not out.home:
        block = {"type": "between_tools" if own.form else "adaptive"}
    if want.show and block and (out.home or block["type"] != "disabled"):
        block["display"] = "omitted" if want.show == "none" else "summarized"
    return {**block, **own.rest}, effort, limit


def _write_format(shape: Format | None, out: Crossing) -> dict[str, Json] | None:
    """Return ``output_config.format``; empty where plain words must ask for JSON."""
    if shape is None or shape.kind == "text":
        return None
    own = out.own(shape.extras, "format")
    if shape.kind == "json" or not isinstance(shape.schema, dict):
        out.lose("emulated", "format", "asked for in the system prompt")
        return {}
    schema = shape.schema if out.home else closed(shape.schema)
    if schema != shape.schema:
        out.lose("approximated", "format.schema", "objects are closed here")
    if shape.strict is False:
        out.lose("approximated", "format.strict", "a schema is always kept to here")
    if shape.description:
        out.lose("dropped", "format.description", "no place for it")
    return {"type": "json_schema", "schema": schema, **own.rest}


def _write_sampling(sampling: Sampling, out: Crossing, *, thinks: bool) -> dict[str, Json]:
    written: dict[str, Json] = {}
    for name in Sampling.__struct_fields__:
        value = getattr(sampling, name)
        if value is None or out.home:
            written[name] = value
        elif name not in SAMPLED:
            if value or name == "seed":
                out.lose("dropped", name, "Anthropic has no such field")
        elif thinks and (name == "top_k" or value < (LEAST_TOP_P if name == "top_p" else 1)):
            out.lose("dropped", name, "refused beside thinking")
        elif name == "temperature" and value > 1:
            out.lose("clamped", name, "1 is the most")
            written[name] = 1
        else:
            written[name] = value
    return written


# --- ANSWER IN ----------------------------------------------------------------------------------------


def _read_answer(reply: Reply) -> Response:
    if isinstance(reply.body, dict) and reply.body.get("type") == "error":
        raise read_failure(reply)
    fields = Fields(reply.body)
    blocks = enumerate(fields.need_array("content"))
    parts = [read_block(block, f"$.content[{index}]", "assistant", strict=False) for index, block in blocks]
    details = {name: fields.rest.pop(name) for name in ("stop_details",) if name in fields.rest}
    stop = read_stop(fields, details, parts)
    start = read_start(fields)
    return Response(start.id, start.model, (Choice(tuple(parts), stop),), start.usage, extras=start.extras)


# --- ANSWER OUT ---------------------------------------------------------------------------------------


def _write_answer(response: Response, request: Request) -> Reply:
    out = Crossing(NAME)
    own = out.own(response.extras, "answer")
    for choice in response.choices[1:]:
        out.lose("dropped", f"answer.choices[{choice.index}]", "an answer has one choice here")
    first = response.choices[0] if response.choices else Choice((), Stop("end"))
    content = [write_block(part, f"answer.parts[{place}]", out) for place, part in enumerate(first.parts)]
    refused = any(isinstance(part, Text) and part.refusal for part in first.parts)
    body = {
        **envelope(response, request),
        "content": [block for block in content if block is not None and not is_void(block)],
        "usage": write_usage(response.usage),
        **own.rest,
        **write_stop(first.stop, out, refused=refused),
    }
    return Reply(200, body=body, losses=tuple(out.losses))


# --- FAILURE: ``anthropic_failure`` -------------------------------------------------------------------


def _read_count(reply: Reply) -> int:
    tokens = Fields(reply.body).integer("input_tokens")
    if tokens is None:
        raise malformed("the provider counted no tokens")
    return tokens


def _write_counted(tokens: int) -> Reply:
    return Reply(200, body={"input_tokens": tokens})


class Anthropic:
    """The codec: the sections above, under the names of the Dialect protocol."""

    name = NAME
    root = "/v1"
    endpoints: tuple[Endpoint, ...] = (
        Endpoint("POST", "/v1/messages", "generate"),
        Endpoint("POST", "/v1/messages/count_tokens", "count"),
    )
    framing = SSE
    tasks = Tasks()
    read_request = staticmethod(_read_request)
    write_request = staticmethod(_write_request)
    write_count = staticmethod(_write_count)
    read_count = staticmethod(_read_count)
    write_counted = staticmethod(_write_counted)
    read_answer = staticmethod(_read_answer)
    write_answer = staticmethod(_write_answer)
    reader = staticmethod(Reader)
    writer = staticmethod(Writer)
    read_failure = staticmethod(read_failure)
    write_failure = staticmethod(write_failure)


DIALECT: Dialect = Anthropic()
