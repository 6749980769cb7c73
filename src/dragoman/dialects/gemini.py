"""Google Gemini generateContent, both sides.

WIRE
    POST /v1beta/models/{model}:generateContent                   an answer
    POST /v1beta/models/{model}:streamGenerateContent?alt=sse     server-sent events
    POST /v1beta/models/{model}:streamGenerateContent             one JSON array, streamed
    POST /v1beta/models/{model}:countTokens                       ``{"totalTokens": n}``
    POST /v1beta/models/{model}:embedContent, :batchEmbedContents    vectors: ``gemini_tasks``
    and the same below /v1, and for tunedModels/{model}

Read 2026-11-21: the types and converters of the Python SDK 3.4, which says what each field means, and
https://ai.google.dev/gemini-api/docs/ ``thought-signatures``; the reference behind both is
https://ai.google.dev/api/generate-content. Vertex AI serves the same body below another base URL.

    stream := chunk+            there is no terminator: complete once every candidate has a finishReason
    chunk  := {candidates: [{content: {parts}, finishReason?}], usageMetadata?, modelVersion, responseId}
    error  := {"error": {code, message, status, details}}      the first key says so; also in mid-stream

The Python SDK takes only ``data: `` lines and blank ones: no comment, no ``event:``, no ``[DONE]``.

How the wire lies in the core (parts, tools, spelling: ``gemini_parts``; streams: ``gemini_stream``):

* Model and streaming are in the path: the model is what stands between ``models/`` and the last colon.
* ``systemInstruction`` is the leading system message; ``cachedContent`` stands before it, as an Opaque, since
  a model elsewhere would not see what is in it.
* Field names and lists go home as the client spelt them. Whole numbers come back whole (40.0 is 40).
* Text and thoughts come in deltas, everything else whole. A signature closes its part, and may come on an
  empty text of its own; an empty text without one says nothing in a stream.
* Stops wait for the end of the stream, since what is known of a candidate may come in several chunks, and
  content after its finish. Of usage the last figures count.
* A blocked prompt (``promptFeedback``, no candidate) is an answer without parts that stops for ``filter``.
* ``STOP`` with a call is ``tool_use``. A foreign call whose arguments are no object is what it would be
  at Google: MALFORMED_FUNCTION_CALL.
* Gemini 3 refuses a turn whose first call has lost its signature. For calls another model made, in the turn
  that is being continued, the vendor's placeholder is sent (thought-signatures, FAQ).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from dragoman.core.events import Choice, Response
from dragoman.core.extras import Extras, Json, at_home, extras
from dragoman.core.failure import invalid, malformed
from dragoman.core.request import (
    Effort,
    Format,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    Role,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from dragoman.dialects import Call, Dialect, Endpoint, Reply, Task
from dragoman.dialects.border import Crossing
from dragoman.dialects.fields import Fields, decode, encode
from dragoman.dialects.framing import SSE
from dragoman.dialects.gemini_failure import is_error, read_failure, write_failure
from dragoman.dialects.gemini_parts import (
    NAME,
    Ids,
    address,
    json_schema,
    left,
    over,
    own_data,
    read_part,
    read_tools,
    remains,
    resource,
    respelt,
    settle,
    spelling,
    target,
    unsettle,
    whole_number,
    write_part,
    write_tools,
    write_usage,
)
from dragoman.dialects.gemini_stream import (
    Reader,
    Writer,
    ids_of,
    read_blocked,
    read_start,
    read_stop,
    write_block,
    write_stop,
)
from dragoman.dialects.gemini_tasks import TASKS

OPENING = "Begin."
"""The user's first turn, where a conversation has none."""
PLACEHOLDER = base64.b64encode(b"skip_thought_signature_validator").decode()
"""Stands for a signature nobody has (gemini-api/docs/thought-signatures, FAQs); seen in recorded traffic."""
MOST_STOPS = 5
ROLES: dict[str, Role] = {"user": "user", "model": "assistant", "function": "user"}
MODES: dict[str, Literal["auto", "none", "required"]] = {
    "AUTO": "auto",
    "NONE": "none",
    "ANY": "required",
    "VALIDATED": "auto",
    "MODE_UNSPECIFIED": "auto",
}
MODE_WORDS = {mode: word for word, mode in reversed(MODES.items())}
EFFORTS: dict[str, Effort] = {
    "MINIMAL": "minimal",
    "LOW": "low",
    "MEDIUM": "medium",
    "HIGH": "high",
    "XHIGH": "xhigh",
}
LEVELS: dict[Effort, str] = {**{effort: word for word, effort in EFFORTS.items()}, "max": "XHIGH"}
TIERS = {"standard": "default", "flex": "flex", "priority": "priority"}
TIER_WORDS = {tier: word for word, tier in TIERS.items()}
MIMES: dict[str, Literal["text", "json"]] = {"text/plain": "text", "application/json": "json"}
SCHEMAS = ("responseJsonSchema", "responseSchema")
CALLING = "functionCallingConfig"
Entry = tuple[str, Message]
"""A message, and its path."""

# --- REQUEST IN ---------------------------------------------------------------------------------------


def _read_request(call: Call) -> Request:
    model, method = target(call.path)
    body, form = settle(call.body)
    fields = Fields(body, strict=True)
    if method == "countTokens":
        wrapped = fields.object("generateContentRequest")
        form += ("bare",) if wrapped is None else ()
        fields = wrapped or fields
    elif method == "streamGenerateContent" and call.query.get("alt") != "sse":
        form += ("array",)
    messages = (*_read_system(fields), *_read_contents(fields))
    config = _enter(fields, "generationConfig")
    tier = fields.words("serviceTier")
    request = Request(
        NAME,
        model,
        messages,
        tools=tuple(read_tools(values, fields.path("tools")) if (values := _listed(fields, "tools")) else ()),
        tool_choice=_read_choice(fields),
        format=_read_format(config),
        reasoning=_read_reasoning(config),
        sampling=Sampling(
            config.number("temperature", least=0, most=2),
            config.number("topP", least=0, most=1),
            whole_number(config, "topK", least=0),
            config.number("frequencyPenalty"),
            config.number("presencePenalty"),
            whole_number(config, "seed"),
        ),
        stop=_strings(config, "stopSequences"),
        max_output=whole_number(config, "maxOutputTokens", least=0),
        candidates=whole_number(config, "candidateCount", least=1),
        stream=method == "streamGenerateContent",
        tier=TIERS.get((tier or "").lower(), tier),
    )
    if tier is not None and TIER_WORDS.get(request.tier or "") != tier:
        form += (f"serviceTier: {tier}",)
    quiet = {}
    if config.rest.get("responseModalities") == ["TEXT"]:  # what everybody else answers anyway
        quiet["generationConfig"] = {"responseModalities": config.rest.pop("responseModalities")}
    fields.leave("generationConfig", config)
    return msgspec.structs.replace(request, extras=extras(NAME, fields.rest, form, quiet))


def _enter(fields: Fields, name: str) -> Fields:
    """Take an object; one that is empty says nothing and stays in the rest."""
    given = None if fields.rest.get(name) == {} else fields.object(name)
    return given or Fields({}, fields.path(name), strict=fields.strict)


def _listed(fields: Fields, name: str) -> list[Json] | None:
    """Take a list; an empty one stays in the rest."""
    return fields.array(name) if fields.rest.get(name) else None


def _strings(fields: Fields, name: str) -> tuple[str, ...]:
    """Take a list of strings; an empty one stays in the rest."""
    return () if fields.rest.get(name) == [] else fields.strings(name) or ()


def _read_system(fields: Fields) -> list[Message]:
    """Take what stands before the conversation: the cache, then the system instruction."""
    cached, messages = fields.text("cachedContent"), []
    if cached is not None:
        messages.append(Message("system", (Opaque(NAME, "cachedContent", cached),)))
    content = fields.object("systemInstruction") if fields.rest.get("systemInstruction") else None
    if content is not None:
        role = content.text("role")
        parts, form = _read_parts(content, Ids())
        for index, part in enumerate(parts):
            if not isinstance(part, (Text, Opaque)):
                raise invalid("a system instruction holds text only", f"{content.path('parts')}[{index}]")
        form += () if role is None else (f"role: {role}",)
        messages.append(Message("system", parts, extras(NAME, content.rest, form)))
    return messages


def _read_contents(fields: Fields) -> list[Message]:
    contents, ids = fields.need_array("contents"), Ids()
    if not contents:
        raise invalid("at least one content is required", fields.path("contents"))
    messages: list[Message] = []
    for index, value in enumerate(contents):
        inner = Fields(value, f"{fields.path('contents')}[{index}]", strict=True)
        role = inner.one_of("role", ROLES)
        parts, form = _read_parts(inner, ids)
        form += {None: ("no role",), "function": ("function",)}.get(role, ())
        messages.append(Message(ROLES[role or "user"], parts, extras(NAME, inner.rest, form)))
    return messages


def _read_parts(content: Fields, ids: Ids) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    values, at = _listed(content, "parts"), content.path("parts")
    if values is None:
        return (), ("no parts",)
    return tuple(
        read_part(value, f"{at}[{index}]", ids, strict=True) for index, value in enumerate(values)
    ), ()


def _read_choice(fields: Fields) -> ToolChoice | None:
    config = _enter(fields, "toolConfig")
    if not config.rest.get(CALLING):
        fields.leave("toolConfig", config)
        return None
    inner = config.need_object(CALLING)
    word, names = inner.text("mode"), _strings(inner, "allowedFunctionNames")
    mode = MODES.get("AUTO" if word is None else word.upper())
    if mode is None:
        raise invalid(f"mode must be one of {', '.join(MODES)}", inner.path("mode"))
    fields.leave("toolConfig", config)
    form = () if word == MODE_WORDS[mode] else ("no mode" if word is None else word,)
    return ToolChoice(mode, names, extras(NAME, inner.rest, form))


def _read_format(config: Fields) -> Format | None:
    mime = config.text("responseMimeType")
    kind = MIMES.get("application/json" if mime is None else mime)
    name = next((name for name in SCHEMAS if config.rest.get(name) is not None), None)
    if kind is None or (mime is None and name is None):
        config.rest |= {} if mime is None else {"responseMimeType": mime}
        return None
    form: tuple[str, ...] = () if mime else ("no type",)
    if name is None or kind == "text":
        return Format(kind, extras=extras(NAME, {}, form))
    schema = config.need_object(name).rest
    if name == "responseSchema":
        form += (f"{name}: {encode(schema).decode()}",)
        schema = json_schema(schema)
    return Format("json_schema", schema, extras=extras(NAME, {}, form))


def _read_reasoning(config: Fields) -> Reasoning | None:
    inner = _enter(config, "thinkingConfig")
    if not inner.rest:
        return None
    budget, form = whole_number(inner, "thinkingBudget", least=-1), []
    word, show = inner.text("thinkingLevel"), inner.flag("includeThoughts")
    effort = EFFORTS.get((word or "").upper())
    if word is not None and effort is None:
        raise invalid(f"thinkingLevel must be one of {', '.join(EFFORTS)}", inner.path("thinkingLevel"))
    if word is not None and word not in EFFORTS:
        form.append(word)
    return Reasoning(
        None if budget is None else budget != 0,
        effort,
        None if budget == -1 else budget,
        None if show is None else "summary" if show else "none",
        extras(NAME, inner.rest, form),
    )


# --- REQUEST OUT --------------------------------------------------------------------------------------


def _write_request(request: Request) -> Call:
    out = Crossing(NAME, home=request.dialect == NAME)
    body = _write_body(request, out)
    method = "streamGenerateContent" if request.stream else "generateContent"
    query = {"alt": "sse"} if request.stream else {}
    return Call("POST", address(request.model, method), query=query, body=body, losses=tuple(out.losses))


def _write_count(request: Request) -> Call:
    out = Crossing(NAME, home=request.dialect == NAME)
    body = _write_body(request, out)
    if "bare" not in at_home(request.extras, NAME).form:
        # The bare form has no place for the system instruction and the tools (SDK 3.4, count_tokens).
        body = {"generateContentRequest": {"model": resource(request.model), **body}}
    return Call("POST", address(request.model, "countTokens"), body=body, losses=tuple(out.losses))


def _write_body(request: Request, out: Crossing) -> dict[str, Json]:
    own = out.own(request.extras, "")
    lead, turns = _parted(request.messages, out)
    system, cached = _write_system(lead, out)
    written = {
        "contents": (_write_home if out.home else _write_turns)(turns, out),
        "systemInstruction": system,
        "cachedContent": cached,
        "tools": write_tools(request.tools, out),
        "toolConfig": _write_choice(request, out),
        "generationConfig": _write_config(request, out),
        "serviceTier": _write_tier(request.tier, own, out),
    }
    if request.user is not None:
        out.lose("dropped", "user", "Gemini has no such field")
    body: dict[str, Json] = unsettle(_laid(over(own.rest, own.quiet), written), own.form)
    return body


def _laid(rest: Mapping[str, Json], written: Mapping[str, Json]) -> dict[str, Json]:
    """Return what is set in `written` laid over what the client's own body still holds."""
    return over(rest, {name: value for name, value in written.items() if value not in (None, [], {})})


def _parted(messages: Sequence[Message], out: Crossing) -> tuple[list[Entry], list[Entry]]:
    """Return what leads, and the conversation; at home every system message leads, as there is no other."""
    entries = [(f"messages[{index}]", message) for index, message in enumerate(messages)]
    system = [entry for entry in entries if entry[1].role == "system"]
    turns = [entry for entry in entries if entry[1].role != "system"]
    if out.home or not turns:
        return system, turns
    first = entries.index(turns[0])
    return entries[:first], entries[first:]


def _write_system(lead: Sequence[Entry], out: Crossing) -> tuple[Json, Json]:
    """Return ``systemInstruction`` and ``cachedContent``."""
    content: dict[str, Json] = {}
    cached: Json = None
    for at, message in lead:
        match message.parts:
            case (Opaque(kind="cachedContent") as part,):
                cached = own_data(part, f"{at}.parts[0]")
                continue
        own = out.own(message.extras, at)
        parts = _write_parts(message.parts, at, out)
        if parts or "no parts" not in own.form:
            content["parts"] = content.get("parts", []) + parts
        roles = [word.removeprefix("role: ") for word in own.form if word.startswith("role: ")]
        content |= {**own.rest, **({"role": roles[0]} if roles else {})}
    return (content if out.home or content.get("parts") else None), cached


def _write_parts(parts: Sequence[Part], at: str, out: Crossing) -> list[dict[str, Json]]:
    written = [write_part(part, f"{at}.parts[{place}]", out) for place, part in enumerate(parts)]
    return [part for part in written if part is not None]


def _write_home(turns: Sequence[Entry], out: Crossing) -> list[Json]:
    contents: list[Json] = []
    for at, message in turns:
        own = out.own(message.extras, at)
        content: dict[str, Json] = {"role": "model" if message.role == "assistant" else "user"}
        if "no role" in own.form:
            del content["role"]
        elif "function" in own.form:
            content["role"] = "function"
        if "no parts" not in own.form:
            content["parts"] = _write_parts(message.parts, at, out)
        contents.append({**content, **own.rest})
    return contents


def _write_turns(messages: Sequence[Entry], out: Crossing) -> list[Json]:
    """Return another dialect's conversation as ``contents``.

    The user begins, no two turns in a row have one role, later system messages stand in the user's turn,
    and the results of parallel calls lead one turn, in the order of the calls.
    """
    names: dict[str, str] = {}
    turns: list[tuple[str, list[tuple[str, Part]]]] = []
    for at, message in messages:
        out.own(message.extras, at)
        role, parts = "model" if message.role == "assistant" else "user", message.parts
        if message.role == "system":
            out.lose("approximated", at, "a later system message stands in the user's turn")
            parts = tuple(_marked(part) for part in parts)
        if not turns or turns[-1][0] != role:
            turns.append((role, []))
        turns[-1][1].extend((f"{at}.parts[{place}]", part) for place, part in enumerate(parts))
        names |= {part.id: part.name for part in parts if isinstance(part, ToolCall)}
    order = {call_id: place for place, call_id in enumerate(names)}
    contents: list[Json] = []
    for role, entries in turns:
        entries.sort(key=lambda entry: _rank(entry[1], order))
        parts_ = [block for at, part in entries if (block := write_part(part, at, out, names)) is not None]
        if parts_ and contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts_
        elif parts_:
            contents.append({"role": role, "parts": parts_})
    if not contents or contents[0]["role"] != "user":
        out.lose("approximated", "messages", "a conversation begins with the user here")
        contents.insert(0, {"role": "user", "parts": [{"text": OPENING}]})
    _sign(contents, out)
    return contents


def _marked(part: Part) -> Part:
    return Text(f"<system>\n{part.text}\n</system>", extras=part.extras) if isinstance(part, Text) else part


def _rank(part: Part, order: Mapping[str, int]) -> int:
    return order.get(part.call_id, len(order)) if isinstance(part, ToolResult) else len(order) + 1


def _sign(contents: Sequence[Json], out: Crossing) -> None:
    """Put the placeholder on the first call of each step of the turn that is being continued."""
    for content in reversed(contents):
        calls = [part for part in content["parts"] if "functionCall" in part]
        if calls and "thoughtSignature" not in calls[0]:
            calls[0]["thoughtSignature"] = PLACEHOLDER
            out.lose("emulated", "messages.signature", "a placeholder: Gemini did not sign these calls")
        if content["role"] == "user" and any("functionResponse" not in part for part in content["parts"]):
            return


def _write_choice(request: Request, out: Crossing) -> dict[str, Json]:
    choice = request.tool_choice
    if request.parallel_tools is False:
        out.lose("dropped", "parallel_tools", "Gemini decides how many calls it makes")
    strict = any(isinstance(tool, Tool) and tool.strict for tool in request.tools)
    if choice is None and not strict:
        return {}
    choice = choice or ToolChoice()
    own = out.own(choice.extras, "tool_choice")
    if out.home:
        mode = own.form[0] if own.form else MODE_WORDS[choice.mode]
        block: dict[str, Json] = {} if mode == "no mode" else {"mode": mode}
        if choice.names:
            block["allowedFunctionNames"] = list(choice.names)
        return {CALLING: {**block, **own.rest}}
    if not request.tools:
        if choice.mode == "required":
            out.lose("dropped", "tool_choice", "there is no tool to call")
        return {}
    mode = MODE_WORDS[choice.mode]
    if strict:
        out.lose("approximated", "tools.strict", "VALIDATED and ANY are the nearest there is")
    if mode == "AUTO" and (strict or choice.names):
        mode = "VALIDATED"  # calls or speaks, within the names (SDK 3.4, FunctionCallingConfigMode)
    names = [respelt(name) for name in choice.names] if choice.mode != "none" else []
    return {CALLING: {"mode": mode, **({"allowedFunctionNames": names} if names else {})}}


def _write_config(request: Request, out: Crossing) -> dict[str, Json]:
    sampling, stops = request.sampling, list(request.stop)
    if len(stops) > MOST_STOPS and not out.home:
        out.lose("clamped", "stop", "five stop sequences at most")
        stops = stops[:MOST_STOPS]
    config = {
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "topK": sampling.top_k,
        "frequencyPenalty": sampling.frequency_penalty,
        "presencePenalty": sampling.presence_penalty,
        "seed": sampling.seed,
        "stopSequences": stops or None,
        "maxOutputTokens": request.max_output,
        "candidateCount": request.candidates if out.home or request.candidates != 1 else None,
        "thinkingConfig": _write_reasoning(request.reasoning, out) or None,
        **_write_format(request.format, out),
    }
    return {name: value for name, value in config.items() if value is not None}


def _write_format(shape: Format | None, out: Crossing) -> dict[str, Json]:
    if shape is None or (shape.kind == "text" and not out.home):
        return {}
    own = out.own(shape.extras, "format")
    mime = "text/plain" if shape.kind == "text" else "application/json"
    block: dict[str, Json] = {} if "no type" in own.form else {"responseMimeType": mime}
    if shape.kind != "json_schema":
        return block
    if shape.strict is False:
        out.lose("approximated", "format.strict", "a schema is always kept to here")
    if shape.description:
        out.lose("dropped", "format.description", "no place for it")
    if original := spelling(own, "responseSchema"):
        return {**block, "responseSchema": decode(original)}
    return block if shape.schema is None else {**block, "responseJsonSchema": shape.schema}


def _write_reasoning(want: Reasoning | None, out: Crossing) -> dict[str, Json]:
    if want is None:
        return {}
    own, effort = out.own(want.extras, "reasoning"), want.effort
    block: dict[str, Json] = {}
    off = want.enabled is False or effort == "none" or want.budget == 0
    if off:
        block["thinkingBudget"] = 0
    elif want.budget is not None:
        block["thinkingBudget"] = want.budget
    elif want.enabled and effort is None:
        block["thinkingBudget"] = -1
    if effort not in (None, "none") and (out.home or not block):
        if effort == "max":
            out.lose("clamped", "reasoning.effort", "XHIGH is the most")
        spelt = [word for word in own.form if EFFORTS.get(word.upper()) == effort]
        block["thinkingLevel"] = spelt[0] if spelt else LEVELS[effort]
    elif effort not in (None, "none") and not off:
        out.lose("dropped", "reasoning.effort", "a budget and a level together are refused")
    if want.show is not None and (out.home or not off):
        block["includeThoughts"] = want.show != "none"
    elif want.enabled and not out.home and not off:
        # Who turns thinking on sees it, unless told otherwise; here it has to be asked for.
        block["includeThoughts"] = True
    return {**block, **own.rest}


def _write_tier(tier: str | None, own: Extras, out: Crossing) -> str | None:
    if tier is None or (tier == "auto" and not out.home):
        return None
    word = spelling(own, "serviceTier") or TIER_WORDS.get(tier)
    if word is None:
        out.lose("dropped", "tier", "Gemini has standard, flex and priority only")
    return word


# --- ANSWER IN ----------------------------------------------------------------------------------------


def _read_answer(reply: Reply) -> Response:
    if is_error(reply.body):
        raise read_failure(reply)
    fields = Fields(reply.body)
    start = read_start(fields)
    ids = ids_of(start.id)
    candidates = fields.array("candidates") or []
    taken: dict[int, Choice] = {}
    for place, value in enumerate(candidates):
        choice = _read_candidate(value, place, ids)
        if choice.index in taken:
            raise malformed("the provider gave two candidates one index")
        taken[choice.index] = choice
    choices = tuple(choice for _, choice in sorted(taken.items()))
    if not choices:
        choices = (Choice((), read_blocked(fields.rest)),)
    return Response(start.id, start.model, choices, start.usage, extras=remains(fields.rest))


def _read_candidate(value: Json, place: int, ids: Ids) -> Choice:
    fields = Fields(value)
    index, content, form = fields.integer("index"), fields.object("content"), []
    if index is None:
        form.append("no index")
    parts: list[Part] = []
    if content is None:
        form.append("no content")
    else:
        if content.rest.get("role") == "model":
            del content.rest["role"]
        else:
            form.append("no role")
        values = content.array("parts")
        form += ["no parts"] if values is None else [] if values else ["empty parts"]
        parts = [read_part(part, "$.parts", ids, strict=False) for part in values or ()]
        fields.leave("content", content)
    word = fields.text("finishReason")
    form += ["no reason"] if word is None else []
    choice = place if index is None else index
    return Choice(tuple(parts), read_stop(word, choice, parts, fields.rest, form), choice)


# --- ANSWER OUT ---------------------------------------------------------------------------------------


def _write_answer(response: Response, _: Request) -> Reply:
    out = Crossing(NAME, home=True)  # whatever a part is, it is said as this dialect says it
    own = out.own(response.extras, "answer")
    candidates = []
    for choice in response.choices:
        at = "answer" if choice.index == 0 else f"answer.choices[{choice.index}]"
        bad: list[str] = []
        parts = [
            block
            for place, part in enumerate(choice.parts)
            if (block := write_block(part, f"{at}.parts[{place}]", out, bad)) is not None
        ]
        refused = any(isinstance(part, Text) and part.refusal for part in choice.parts)
        stop = write_stop(choice.stop, out, refused=refused, bad=bad)
        if stop is not None:
            candidates.append(_candidate(parts, choice, stop))
    written = {
        "candidates": candidates,
        "usageMetadata": write_usage(response.usage),
        "modelVersion": response.model or None,
        "responseId": response.id or None,
    }
    body = {name: value for name, value in written.items() if value not in (None, [], {})}
    return Reply(200, body={**body, **left(own)}, losses=tuple(out.losses))


def _candidate(parts: list[dict[str, Json]], choice: Choice, stop: dict[str, Json]) -> dict[str, Json]:
    form = at_home(choice.stop.extras, NAME).form
    block: dict[str, Json] = {} if "no role" in form else {"role": "model"}
    if parts or "empty parts" in form:
        block["parts"] = parts
    candidate: dict[str, Json] = {} if "no content" in form else {"content": block}
    candidate |= {} if "no index" in form else {"index": choice.index}
    return over(candidate, stop)


# --- FAILURE ------------------------------------------------------------------------------------------


def _read_count(reply: Reply) -> int:
    tokens = Fields(reply.body).integer("totalTokens")
    if tokens is None:
        raise malformed("the provider counted no tokens")
    return tokens


def _write_counted(tokens: int) -> Reply:
    return Reply(200, body={"totalTokens": tokens})


METHODS: tuple[tuple[str, Task], ...] = (
    ("generateContent", "generate"),
    ("streamGenerateContent", "generate"),
    ("countTokens", "count"),
    ("embedContent", "embed"),
    ("batchEmbedContents", "embed"),
)


class Gemini:
    """The codec: the sections above, under the names of the Dialect protocol."""

    name = NAME
    root = "/v1beta"
    endpoints: tuple[Endpoint, ...] = tuple(
        Endpoint("POST", f"/{version}/{kind}/{{model}}:{method}", task)
        for version in ("v1beta", "v1")
        for kind in ("models", "tunedModels")
        for method, task in METHODS
    )
    framing = SSE
    tasks = TASKS
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


DIALECT: Dialect = Gemini()
