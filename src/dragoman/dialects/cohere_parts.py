"""What Cohere's requests and answers are made of: content, documents, calls, tools, usage; both ways.

    text  image_url  thinking  document  tool_plan  tool_calls

Pages and date: see ``cohere``. Every other block is Opaque and goes home verbatim. What the model said
stands alike in a client's history and in an answer, so one reader serves both: strict for the client's
:class:`Fields`, lenient for a provider's.

* ``tool_plan`` is a Thinking part of the form ``plan``; it stands after the content and before the calls.
* A document's ``data`` is an object of the client's own making, or a string. Its ``text`` and ``title`` are
  the core's; one without a text is told as the JSON it is.
* ``arguments`` is text. A call without any has ``{}``, which every client can parse; at home a history's
  empty string stays one.
* ``tokens`` is what was read and written, ``billed_units`` what is charged. ``cached_tokens`` are in the
  input and ``reasoning_tokens`` in the output, but ``image_tokens`` are not in the input (recorded 2026-05).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeGuard, assert_never

import msgspec

from dragoman.core.extras import Extras, Json, at_home, extras
from dragoman.core.failure import invalid, unsupported
from dragoman.core.request import Media, Opaque, Part, Text, Thinking, Tool, ToolCall, ToolResult
from dragoman.core.usage import Usage, count
from dragoman.dialects.border import Crossing, inlined
from dragoman.dialects.fields import Fields, decode, encode

NAME = "cohere"
DETAILS = ("auto", "low", "high")

Content = Text | Media | Thinking | Opaque


def merged(first: Mapping[str, Json], second: Mapping[str, Json]) -> dict[str, Json]:
    """Return `second` laid over `first`, object into object."""
    both = {**first, **second}
    for name in first.keys() & second.keys():
        if isinstance(first[name], dict) and isinstance(second[name], dict):
            both[name] = merged(first[name], second[name])
    return both


# --- IN -----------------------------------------------------------------------------------------------


def read_voice(fields: Fields) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """Take what the model said; return it, and how its content was spelt."""
    content, form = read_content(fields, "assistant")
    parts: list[Part] = [*content]
    if (plan := fields.words("tool_plan")) is not None:
        parts.append(Thinking(plan, extras=Extras(NAME, {}, ("plan",))))
    calls = () if fields.rest.get("tool_calls") == [] else fields.array("tool_calls") or ()
    at = fields.path("tool_calls")
    parts += [read_call(Fields(value, f"{at}[{i}]", strict=fields.strict)) for i, value in enumerate(calls)]
    return tuple(parts), form


def read_content(fields: Fields, role: str) -> tuple[list[Content], tuple[str, ...]]:
    """Take ``content``; return its parts, and how it was spelt. Null stays in the rest."""
    if isinstance(fields.rest.get("content"), str):
        return [Text(fields.need_text("content"))], ("string",)
    blocks, at = fields.array("content"), fields.path("content")
    if blocks is None:
        return [], ()
    parts = [_read_block(block, f"{at}[{i}]", role, strict=fields.strict) for i, block in enumerate(blocks)]
    return parts, () if parts else ("empty",)


def _read_block(value: Json, at: str, role: str, *, strict: bool) -> Content:
    fields = Fields(value, at, strict=strict)
    kind = fields.need_text("type")
    match kind, role:
        case "text", _:
            return Text(fields.need_text("text"), extras=extras(NAME, fields.rest))
        case "thinking", "assistant":
            return Thinking(fields.need_text("thinking"), extras=extras(NAME, fields.rest))
        case "image_url", "user":
            return _read_image(fields)
        case "document", "tool":
            return read_document(fields.need_object("document"), rest=fields.rest)
        case _, "system":
            raise invalid("a system message holds text only", fields.path("type"))
        case _:
            return Opaque(NAME, kind, value)


def _read_image(fields: Fields) -> Media:
    inner = fields.need_object("image_url")
    url, detail = inner.need_text("url"), inner.one_of("detail", DETAILS)
    fields.leave("image_url", inner)
    media = Media("image", "url", url, detail=detail, extras=extras(NAME, fields.rest))
    if not url.startswith("data:"):
        return media
    mime, found, data = url.removeprefix("data:").partition(";base64,")
    if not found or not mime:
        raise invalid("a data URI needs a media type and base64 data", inner.path("url"))
    return msgspec.structs.replace(media, source="base64", data=data, mime=mime)


def read_document(fields: Fields, *, rest: Mapping[str, Json], form: tuple[str, ...] = ()) -> Media:
    """Return a document as text.

    Args:
        fields: The document: its ``data``, and perhaps an ``id``.
        rest: What is left of the block it stands in.
        form: Where it stands, if not in a block.
    """
    data, name = fields.any("data"), None
    if isinstance(data, str):
        text, form = data, (*form, "string")
    elif isinstance(data, dict):
        inner = Fields(data, fields.path("data"))
        told = inner.text("text")
        if told is None:
            text, form = encode(data).decode(), (*form, "json")
        else:
            text, name = told, inner.text("title")
            fields.leave("data", inner)
    else:
        raise invalid("data is required: an object, or a string", fields.path("data"))
    kept = {**rest, "document": fields.rest} if fields.rest else dict(rest)
    return Media("document", "text", text, name=name, extras=extras(NAME, kept, form))


def read_call(fields: Fields) -> ToolCall:
    """Read one call of a history or an answer."""
    form = [] if fields.one_of("type", ("function",)) else ["-type"]
    id_, inner = fields.need_text("id"), fields.need_object("function")
    name, arguments = inner.need_text("name"), inner.text("arguments")
    if not arguments:
        form.append("-arguments" if arguments is None else "blank")
    fields.leave("function", inner)
    return ToolCall(id_, name, arguments or "", extras=extras(NAME, fields.rest, form))


def read_tool(value: Json, at: str, *, strict: bool | None) -> Tool | Opaque:
    """Read a client's tool; one that is no function is Opaque."""
    fields = Fields(value, at, strict=True)
    kind = fields.text("type")
    if kind not in (None, "function"):
        return Opaque(NAME, kind or "", value)
    inner = fields.need_object("function")
    name, description, schema = inner.need_text("name"), inner.text("description"), inner.object("parameters")
    fields.leave("function", inner)
    kept = extras(NAME, fields.rest, () if kind else ("-type",))
    return Tool(name, description, schema.rest if schema else None, strict, extras=kept)


# --- OUT, IN A REQUEST --------------------------------------------------------------------------------


def write_content(parts: Sequence[tuple[str, Part]], own: Extras, role: str, out: Crossing) -> Json:
    """Write ``content``, as a string where it was one, or can be one abroad.

    Args:
        parts: With their paths.
        own: How the message was spelt at home.
        role: Whose message it is; ``tool`` for a tool's answer.
        out: What is lost is declared here.
    """
    found = [_write_part(part, role, where, out) for where, part in parts]
    blocks = [block for block in found if block is not None]
    bare = len(blocks) == 1 and blocks[0].keys() == {"type", "text"}
    return blocks[0]["text"] if bare and ("string" in own.form or not out.home) else blocks


def _write_part(part: Part, role: str, at: str, out: Crossing) -> dict[str, Json] | None:
    """Return the block of one part; None where it says nothing."""
    if isinstance(part, Opaque):
        return _own_data(part, at)
    own = out.own(part.extras, at)
    _unmark(part, at, out)
    match part:
        case Text():
            if not out.home and not part.text:
                return None  # "message must not be empty in a turn"
            if part.refusal:
                out.lose("approximated", f"{at}.refusal", "a refusal is plain text here")
            block: dict[str, Json] = {"type": "text", "text": part.text}
        case Thinking():
            if role != "assistant":
                raise unsupported("only the model thinks", at)
            if part.redacted:
                out.lose("dropped", at, "thinking without words has no place here")
                return None
            block = {"type": "thinking", "thinking": part.text}
        case Media():
            block = _write_media(part, role, own, at, out)
        case ToolCall() | ToolResult():
            raise unsupported("a call is the model's, a tool's answer the user's", at)
        case _:
            assert_never(part)
    return merged(block, own.rest)


def _unmark(part: Part | Tool, at: str, out: Crossing) -> None:
    """Declare cache breakpoints and foreign signatures lost: there is no field for either."""
    if getattr(part, "cache_ttl_s", None) is not None:
        out.lose("dropped", f"{at}.cache_ttl_s", "Cohere caches by itself")
    out.unsign(getattr(part, "signature", None), at)


def _own_data(value: Opaque, at: str) -> dict[str, Json]:
    if value.dialect != NAME:
        raise unsupported(f"only {value.dialect} understands {value.kind}", at)
    data: dict[str, Json] = value.data
    return data


def _write_media(part: Media, role: str, own: Extras, at: str, out: Crossing) -> dict[str, Json]:
    if (part.kind, part.source) == ("document", "text"):
        if role == "tool":
            return {"type": "document", "document": write_document(part, own)}
        if role == "user":
            out.lose("emulated", at, "no document stands beside a format: it is told in words")
            return {"type": "text", "text": f"{part.name}\n\n{part.data}" if part.name else part.data}
    if not out.home:
        part = inlined(part, at)
    if role != "user" or part.kind != "image" or part.source not in ("url", "base64"):
        raise unsupported(f"Cohere has no place for this {part.kind} ({part.source})", at)
    if part.source == "base64" and not part.mime:
        raise unsupported("an image needs a media type", at)
    url = part.data if part.source == "url" else f"data:{part.mime};base64,{part.data}"
    detail = part.detail
    if detail == "original":
        out.lose("approximated", f"{at}.detail", "high is the most")
        detail = "high"
    return {"type": "image_url", "image_url": {"url": url, **({"detail": detail} if detail else {})}}


def write_document(part: Media, own: Extras) -> Json:
    """Write a document as it was spelt."""
    if "bare" in own.form:
        return part.data
    data: Json = {"text": part.data} if part.name is None else {"title": part.name, "text": part.data}
    if "json" in own.form:
        data = decode(part.data)
    elif "string" in own.form:
        data = part.data
    return merged({"data": data}, own.rest.get("document", {}))


def write_voice(parts: Sequence[tuple[str, Part]], own: Extras, out: Crossing) -> dict[str, Json]:
    """Write what the model said before."""
    spoken: list[tuple[str, Part]] = []
    body: dict[str, Json] = {}
    calls: list[Json] = []
    for where, part in parts:
        if isinstance(part, ToolCall):
            calls.append(write_call(part, where, out))
        elif is_plan(part):
            body["tool_plan"] = body.get("tool_plan", "") + part.text
        else:
            if calls and not out.home:
                out.lose("approximated", where, "what is said stands before the calls here")
            spoken.append((where, part))
    content = write_content(spoken, own, "assistant", out)
    if content != [] or "empty" in own.form:
        body["content"] = content
    return {**body, "tool_calls": calls} if calls else body


def is_plan(part: Part) -> TypeGuard[Thinking]:
    """Say whether this is thinking that was, and will be, a ``tool_plan``."""
    return isinstance(part, Thinking) and "plan" in at_home(part.extras, NAME).form


def write_call(call: ToolCall, at: str, out: Crossing) -> dict[str, Json]:
    """Write one call of a history or an answer."""
    own = out.own(call.extras, at)
    _unmark(call, at, out)
    arguments = call.arguments
    if call.custom:
        out.lose("emulated", at, "free text is the one argument of a function")
        arguments = encode({"input": arguments}).decode()
    inner: dict[str, Json] = {"name": call.name}
    if arguments or "-arguments" not in own.form:
        inner["arguments"] = arguments if arguments or "blank" in own.form else "{}"
    kind = {} if "-type" in own.form else {"type": "function"}
    return merged({"id": call.id, **kind, "function": inner}, own.rest)


def write_result(part: ToolResult, at: str, out: Crossing) -> dict[str, Json]:
    """Write the message of one tool's answer."""
    own = out.own(part.extras, at)
    _unmark(part, at, out)
    parts = [(f"{at}.parts[{place}]", inner) for place, inner in enumerate(part.parts)]
    content = write_content(parts, own, "tool", out)
    if content == [] and not out.home:
        content = ""
    if part.error:
        out.lose("approximated", f"{at}.error", "told in words")
        if isinstance(content, list):
            content = [{"type": "text", "text": "Error: "}, *content]
        elif not content.startswith("Error: "):
            content = f"Error: {content}"
    return {"role": "tool", "tool_call_id": part.call_id, "content": content, **own.rest}


def write_tool(tool: Tool | Opaque, at: str, out: Crossing) -> dict[str, Json]:
    """Write one tool; a free-text tool becomes a function of one string."""
    if isinstance(tool, Opaque):
        return _own_data(tool, at)
    own = out.own(tool.extras, at)
    _unmark(tool, at, out)
    schema = tool.schema
    if tool.custom:
        if tool.grammar not in (None, {}, {"type": "text"}):
            raise unsupported("Cohere holds no tool to a grammar", f"{at}.grammar")
        out.lose("emulated", at, "free text is the one argument of a function")
        schema = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    elif schema is None and not out.home:
        schema = {"type": "object", "properties": {}}
    given = {"name": tool.name, "description": tool.description, "parameters": schema}
    inner = {name: value for name, value in given.items() if value is not None}
    kind = {} if "-type" in own.form else {"type": "function"}
    return merged({**kind, "function": inner}, own.rest)


# --- OUT, IN AN ANSWER --------------------------------------------------------------------------------


def write_said(part: Part, at: str, out: Crossing) -> tuple[str, Json]:
    """Return the field of an answer's message a part belongs to, and what it says there; "" if nowhere."""
    if isinstance(part, Opaque) and part.dialect == NAME:
        return "content", part.data
    if isinstance(part, (Media, ToolResult, Opaque)) or (isinstance(part, Thinking) and part.redacted):
        out.lose("dropped", at, "no part of an answer holds it here")
        return "", None
    if isinstance(part, ToolCall):
        return "tool_calls", write_call(part, at, out)
    own = out.own(part.extras, at)
    out.unsign(part.signature, at)
    if is_plan(part):
        return "tool_plan", part.text
    word = "text" if isinstance(part, Text) else "thinking"
    return "content", {"type": word, word: part.text, **own.rest}


# --- USAGE --------------------------------------------------------------------------------------------


def read_usage(native: dict[str, Json]) -> Usage:
    """Take the figures apart; Cohere's own stay in ``native``, verbatim."""
    tokens = native.get("tokens")
    if not isinstance(tokens, dict):
        billed = native.get("billed_units")
        tokens = billed if isinstance(billed, dict) else {}
    read, written = count(tokens.get("input_tokens")), count(tokens.get("output_tokens"))
    cached = min(count(native.get("cached_tokens")), read)
    thought = min(count(tokens.get("reasoning_tokens")), written)
    return Usage(
        input=read - cached + count(tokens.get("image_tokens")),
        cache_read=cached,
        output=written - thought,
        reasoning=thought,
        native=Extras(NAME, native),
    )


def write_usage(usage: Usage) -> dict[str, Json]:
    """Write usage: Cohere's own words if it was Cohere, else the same figures in them.

    Clients read ``billed_units`` as often as ``tokens``; what another provider bills is what it counted.
    """
    if native := at_home(usage.native, NAME).rest:
        return native
    figures = {"input_tokens": usage.total_input, "output_tokens": usage.total_output}
    thought = {"reasoning_tokens": usage.reasoning} if usage.reasoning else {}
    return {"billed_units": figures, "tokens": {**figures, **thought}, "cached_tokens": usage.cache_read}
