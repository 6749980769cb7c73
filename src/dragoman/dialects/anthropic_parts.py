"""What Anthropic's requests and answers are made of: content blocks, tools, usage; both ways.

    text  image  document  search_result  thinking  redacted_thinking  tool_use  tool_result

Read 2026-11-21: https://platform.claude.com/docs/en/api/messages, ``build-with-claude/citations``,
``.../extended-thinking``, ``.../prompt-caching``, ``.../search-results``,
``agents-and-tools/tool-use/fine-grained-tool-streaming``. Every other block (server tools, compaction,
container uploads, what comes next year) is Opaque and goes home verbatim.

A field nobody took stays in the part's extras and is written over the modelled ones, so a block that
was not wholly understood goes home as it came. There are two ways out: :func:`write_part` for a request
(a provider checks every byte of it: foreign thinking is dropped, foreign ids are respelt) and
:func:`write_block` for an answer (a client reads it: foreign thinking is shown, unsigned).

Usage: ``input_tokens`` excludes the cache, ``output_tokens`` includes thinking, and what a compaction
consumed is in ``iterations`` only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, assert_never

import msgspec

from dragoman.core.extras import Extras, Json, at_home, extras
from dragoman.core.failure import invalid, unsupported
from dragoman.core.request import (
    Media,
    Opaque,
    Part,
    Role,
    Signature,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from dragoman.core.usage import Usage
from dragoman.dialects.border import Crossing, as_object, inlined, is_safe, safe
from dragoman.dialects.fields import Fields, encode
from dragoman.dialects.figures import bill, count, searched, tier

NAME = "anthropic"
TTL_S = {"5m": 300, "1h": 3600}
THOUGHTS = ("thinking", "redacted_thinking")
BELONGS = {**dict.fromkeys((*THOUGHTS, "tool_use"), "assistant"), "tool_result": "user"}
"""The role whose messages may hold a block, where only one may."""
SOURCES: dict[str, tuple[Literal["base64", "url", "file_id", "text"], str]] = {
    "base64": ("base64", "data"),
    "url": ("url", "url"),
    "file": ("file_id", "file_id"),
    "text": ("text", "data"),
}
"""Type of a source -> the core's word for it, and the field that holds it."""
SOURCE_WORDS = {source: (word, field) for word, (source, field) in SOURCES.items()}
TYPES = {
    "image": ("image/jpeg", "image/png", "image/gif", "image/webp"),
    "document": ("application/pdf",),
}
"""What base64 may hold."""

# --- IN -----------------------------------------------------------------------------------------------


def read_content(value: Json, at: str, role: str) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """Read a client's string or array of blocks; return its parts, and how it was spelt."""
    if isinstance(value, str):
        return (Text(value),), ("string",)
    if isinstance(value, list):
        blocks = enumerate(value)
        return tuple(read_block(block, f"{at}[{index}]", role, strict=True) for index, block in blocks), ()
    raise invalid("expected a string or an array of blocks", at)


def read_block(value: Json, at: str, role: str, *, strict: bool) -> Part:
    """Read one block of a message of `role`; strictly if a client wrote it."""
    fields = Fields(value, at, strict=strict)
    kind = fields.need_text("type")
    if strict and BELONGS.get(kind, role) != role:
        raise invalid(f"a {kind} block belongs in a message of role {BELONGS[kind]}", fields.path("type"))
    ttl = read_cache(fields)
    match kind:
        case "text":
            return Text(fields.need_text("text"), cache_ttl_s=ttl, extras=extras(NAME, fields.rest))
        case "image" | "document":
            return _read_media(fields, kind, ttl) or Opaque(NAME, kind, value)
        case "search_result":
            return _read_search_result(fields, ttl)
        case "thinking":
            text, data = fields.need_text("thinking"), fields.text("signature")
            if data == "":
                fields.rest["signature"] = ""
            signed = Signature(NAME, data) if data else None
            return Thinking(text, signature=signed, extras=extras(NAME, fields.rest))
        case "redacted_thinking":
            signed = Signature(NAME, fields.need_text("data"))
            return Thinking(redacted=True, signature=signed, extras=extras(NAME, fields.rest))
        case "tool_use":
            id_, name, given = (
                fields.need_text("id"),
                fields.need_text("name"),
                fields.rest.pop("input", None),
            )
            if strict and not isinstance(given, dict):
                raise invalid("expected an object", fields.path("input"))
            arguments = "" if given is None else encode(given).decode()
            return ToolCall(id_, name, arguments, cache_ttl_s=ttl, extras=extras(NAME, fields.rest))
        case "tool_result" if strict:
            return _read_result(fields, ttl)
        case _:
            return Opaque(NAME, kind, value)


def read_cache(fields: Fields) -> int | None:
    """Take a cache breakpoint; one with fields of its own also stays in the rest, whole."""
    value = fields.rest.get("cache_control")
    if value is None or not fields.strict:
        return None
    inner = Fields(value, fields.path("cache_control"), strict=True)
    if inner.one_of("type", ("ephemeral",)) is None:
        inner.missing("type")
    ttl = inner.one_of("ttl", TTL_S)
    if not inner.rest:
        del fields.rest["cache_control"]
    return TTL_S[ttl] if ttl else 0


def _read_media(fields: Fields, kind: Literal["image", "document"], ttl: int | None) -> Media | None:
    """Return an image or document; None where its source has no shape in the core."""
    source = fields.object("source")
    if source is None:
        fields.missing("source")
        return None
    word = source.need_text("type")
    if word not in SOURCES:
        return None
    name, field = SOURCES[word]
    data, mime = source.need_text(field), source.text("media_type")
    if mime is None and name == "base64":
        source.missing("media_type")
    title = fields.text("title") if kind == "document" else None
    if source.rest:
        fields.rest["source"] = source.rest
    return Media(kind, name, data, mime=mime, name=title, cache_ttl_s=ttl, extras=extras(NAME, fields.rest))


def _read_search_result(fields: Fields, ttl: int | None) -> Media:
    """Return a search result as what it is to a reader: a text document under its title."""
    fields.rest["source"] = fields.need_text("source")
    title, content = fields.text("title"), fields.need_array("content")
    words = [str(block.get("text", "")) for block in content if isinstance(block, dict)]
    if not content or content != [{"type": "text", "text": text} for text in words[:1]]:
        fields.rest["content"] = content
    kept, text = extras(NAME, fields.rest, ("search_result",)), "\n\n".join(words)
    return Media("document", "text", text, mime="text/plain", name=title, cache_ttl_s=ttl, extras=kept)


def _read_result(fields: Fields, ttl: int | None) -> ToolResult:
    id_, content = fields.need_text("tool_use_id"), fields.any("content")
    parts: tuple[Part, ...] = ()
    form: tuple[str, ...] = ()
    if content == []:
        form = ("list",)
    elif content is not None:
        parts, form = read_content(content, fields.path("content"), "tool_result")
    error = fields.flag("is_error")
    if error is False:
        form = (*form, "no error")
    inner = tuple(part for part in parts if isinstance(part, (Text, Media, Opaque)))
    return ToolResult(id_, inner, bool(error), cache_ttl_s=ttl, extras=extras(NAME, fields.rest, form))


def read_tool(value: Json, at: str) -> Tool | Opaque:
    """Read a client's tool; one that Anthropic hosts itself is Opaque."""
    fields = Fields(value, at, strict=True)
    kind = fields.text("type")
    if kind not in (None, "custom"):
        return Opaque(NAME, kind or "", value)
    name, schema = fields.need_text("name"), fields.object("input_schema")
    if schema is None:
        raise invalid("input_schema is required", fields.path("input_schema"))
    description, strict, ttl = fields.text("description"), fields.flag("strict"), read_cache(fields)
    kept = extras(NAME, fields.rest, ("type",) if kind else ())
    return Tool(name, description, schema.rest, strict, cache_ttl_s=ttl, extras=kept)


# --- OUT, IN A REQUEST --------------------------------------------------------------------------------


def write_part(part: Part, role: Role, at: str, out: Crossing) -> dict[str, Json] | None:
    """Return the block of one part of a message of `role`; None where nothing is left to say.

    Raises:
        Failure: UNSUPPORTED; the model would see something else than the client showed it.
    """
    if isinstance(part, Opaque):
        return own_data(part, at)
    own = out.own(part.extras, at)
    match part:
        case Thinking():
            return _write_thinking(part, at, own, out)
        case Text():
            if not out.home and not part.text.strip():
                return None  # an empty text block is a 400
            if part.refusal:
                out.lose("approximated", f"{at}.refusal", "a refusal is plain text here")
            out.unsign(part.signature, at)
            block: dict[str, Json] = {"type": "text", "text": part.text}
        case Media():
            if role != "user" and not out.home:
                raise unsupported(f"Anthropic takes {part.kind} content from the user only", at)
            return {
                **write_cache(part.cache_ttl_s, at, out),
                **own.rest,
                **_write_media(part, at, own, out),
            }
        case ToolCall():
            out.unsign(part.signature, at)
            name, given = _word(part.name, f"{at}.name", out), write_input(part, at, out)
            block = {"type": "tool_use", "id": _word(part.id, f"{at}.id", out), "name": name, "input": given}
        case ToolResult():
            block = _write_result(part, at, own, out)
        case _:
            assert_never(part)
    return {**block, **write_cache(part.cache_ttl_s, at, out), **own.rest}


def own_data(value: Opaque, at: str) -> dict[str, Json]:
    """Return a block or tool verbatim, or refuse another dialect's."""
    if value.dialect != NAME:
        raise unsupported(f"only {value.dialect} understands {value.kind}", at)
    data: dict[str, Json] = value.data
    return data


def write_cache(ttl_s: int | None, at: str, out: Crossing) -> dict[str, Json]:
    """Return a cache breakpoint of the nearest lifetime there is, as a field; or no field."""
    if not ttl_s:
        return {} if ttl_s is None else {"cache_control": {"type": "ephemeral"}}
    if ttl_s not in TTL_S.values():
        out.lose("approximated", f"{at}.cache_ttl_s", "a cache entry lives five minutes or an hour here")
    return {"cache_control": {"type": "ephemeral", "ttl": "5m" if ttl_s <= 300 else "1h"}}


def write_input(call: ToolCall, at: str, out: Crossing) -> dict[str, Json]:
    """Return a call's arguments as the object this API needs."""
    if call.custom:
        out.lose("emulated", at, "free text is the one argument of a function")
        return {"input": call.arguments}
    given = as_object(call.arguments)
    if given is None:
        out.lose("approximated", f"{at}.arguments", "not a JSON object")
        # The vendor's advice for JSON that broke off: fine-grained-tool-streaming, read 2026-11-21.
        return {"INVALID_JSON": call.arguments}
    return given


def _word(name: str, at: str, out: Crossing) -> str:
    if out.home or safe(name) == name:
        return name
    out.lose("approximated", at, "letters, digits, - and _ only")
    return safe(name)


def _write_thinking(part: Thinking, at: str, own: Extras, out: Crossing) -> dict[str, Json] | None:
    if part.signature is not None and part.signature.origin == NAME:
        if part.redacted:
            return {"type": "redacted_thinking", "data": part.signature.data, **own.rest}
        return {"type": "thinking", "thinking": part.text, "signature": part.signature.data, **own.rest}
    if out.home:
        return {"type": "thinking", "thinking": part.text, **own.rest}
    out.lose("dropped", at, "thinking that Anthropic did not sign is refused")
    return None


def _write_result(part: ToolResult, at: str, own: Extras, out: Crossing) -> dict[str, Json]:
    block: dict[str, Json] = {"type": "tool_result", "tool_use_id": _word(part.call_id, f"{at}.call_id", out)}
    content = [
        inner
        for place, item in enumerate(part.parts)
        if (inner := write_part(item, "user", f"{at}.parts[{place}]", out)) is not None
    ]
    if "string" in own.form and len(content) < 2:
        block["content"] = content[0]["text"] if content else ""
    elif content or "list" in own.form:
        block["content"] = content
    if part.error or "no error" in own.form:
        block["is_error"] = part.error
    return block


def _write_media(part: Media, at: str, own: Extras, out: Crossing) -> dict[str, Json]:
    if "search_result" in own.form:
        content = own.rest.get("content", [{"type": "text", "text": part.data}])
        title = {} if part.name is None else {"title": part.name}
        return {"type": "search_result", "content": content, **title}
    if not out.home:
        part = _fitting(part, at, out)
    word, field = SOURCE_WORDS[part.source]
    source = {"type": word, field: part.data}
    if part.mime is not None:
        source["media_type"] = part.mime
    title = {} if part.name is None or part.kind != "document" else {"title": part.name}
    return {"type": part.kind, "source": {**source, **own.rest.get("source", {})}, **title}


def _fitting(part: Media, at: str, out: Crossing) -> Media:
    """Return another dialect's image or document as this one can say it, or refuse."""
    part = inlined(part, at)
    if part.kind not in TYPES or part.source == "file_id":
        raise unsupported(f"Anthropic cannot read this {part.kind} ({part.source})", at)
    if part.detail not in (None, "auto"):
        out.lose("dropped", f"{at}.detail", "images have one resolution here")
    if part.source != "base64":
        return msgspec.structs.replace(part, mime="text/plain" if part.source == "text" else None)
    if part.mime not in TYPES[part.kind]:
        raise unsupported(f"Anthropic reads no {part.kind} of type {part.mime}", at)
    return part


def write_tool(tool: Tool | Opaque, at: str, out: Crossing) -> dict[str, Json]:
    """Write one tool; a free-text tool becomes a function of one string."""
    if isinstance(tool, Opaque):
        return own_data(tool, at)
    own = out.own(tool.extras, at)
    block: dict[str, Json] = {"type": "custom"} if "type" in own.form else {}
    if not out.home and not is_safe(tool.name):
        raise unsupported(f"a tool's name is letters, digits, - and _ here, not {tool.name!r}", f"{at}.name")
    schema = tool.schema if out.home else {"type": "object", **(tool.schema or {})}
    if tool.custom:
        if tool.grammar not in (None, {}, {"type": "text"}):
            raise unsupported("Anthropic holds no tool to a grammar", f"{at}.grammar")
        out.lose("emulated", at, "free text is the one argument of a function")
        schema = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    block |= {"name": tool.name, "input_schema": schema}
    if tool.description is not None:
        block["description"] = tool.description
    if tool.strict or (out.home and tool.strict is not None):
        block["strict"] = tool.strict
    return {**block, **write_cache(tool.cache_ttl_s, at, out), **own.rest}


# --- OUT, IN AN ANSWER --------------------------------------------------------------------------------


def write_block(part: Part, at: str, out: Crossing) -> dict[str, Json] | None:
    """Return the block of one part of an answer; None where this dialect has none for it."""
    if isinstance(part, Opaque) and part.dialect == NAME:
        return dict(part.data)
    if isinstance(part, (Media, ToolResult, Opaque)):
        out.lose("dropped", at, "no block of an answer holds it here")
        return None
    rest = {name: value for name, value in out.own(part.extras, at).rest.items() if name != "deltas"}
    ours = part.signature.data if part.signature and part.signature.origin == NAME else ""
    out.unsign(part.signature, at)
    match part:
        case Text():
            return {"type": "text", "text": part.text, **rest}
        case Thinking():
            if not part.redacted:
                return {"type": "thinking", "thinking": part.text, "signature": ours, **rest}
            return {"type": "redacted_thinking", "data": ours, **rest} if ours else None
        case ToolCall():
            given = write_input(part, at, out)
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": given, **rest}
        case _:
            assert_never(part)


def is_void(block: Mapping[str, Json]) -> bool:
    """Say whether a thinking block is empty: another provider's proof without words."""
    return block.get("type") == "thinking" and not block.get("thinking") and not block.get("signature")


# --- USAGE --------------------------------------------------------------------------------------------


def read_usage(native: dict[str, Json]) -> Usage:
    """Convert usage; the provider's own figures stay in ``native``, verbatim.

    Anthropic tells no cost; who resells its models in its protocol may (OpenRouter, Requesty). Its tier
    ``priority`` is capacity paid beforehand (https://platform.claude.com/docs/en/api/service-tiers), and what
    is dear is its ``speed`` (https://platform.claude.com/docs/en/build-with-claude/fast-mode; 2026-11-21).
    """
    turns = native.get("iterations")
    total = _counted(native)
    # Billed, and "not included in the top-level usage fields": SDK 2.11, BetaUsage.iterations.
    for turn in turns if isinstance(turns, list) else ():
        if isinstance(turn, dict) and turn.get("type") == "compaction":
            total += _counted(turn)
    cost, word = bill(native), tier(native.get("service_tier"))
    served = "fast" if native.get("speed") == "fast" else "scale" if word == "priority" else word
    fee = cost is None and searched(native.get("server_tool_use"))
    kept = Extras(NAME, native)
    return msgspec.structs.replace(total, cost=cost, estimated=fee, native=kept, tier=served)


def _counted(figures: Mapping[str, Json]) -> Usage:
    split, details = figures.get("cache_creation"), figures.get("output_tokens_details")
    split, details = split if isinstance(split, dict) else {}, details if isinstance(details, dict) else {}
    long, written = count(split.get("ephemeral_1h_input_tokens")), figures.get("cache_creation_input_tokens")
    total = long + count(split.get("ephemeral_5m_input_tokens")) if written is None else count(written)
    output = count(figures.get("output_tokens"))
    thought = min(output, count(details.get("thinking_tokens")))
    return Usage(
        input=count(figures.get("input_tokens")),
        cache_read=count(figures.get("cache_read_input_tokens")),
        cache_write=total - min(long, total),
        cache_write_long=min(long, total),
        output=output - thought,
        reasoning=thought,
    )


def write_usage(usage: Usage | None) -> dict[str, Json]:
    """Write usage: the provider's own words if it was Anthropic, else the same figures in them."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    if native := at_home(usage.native, NAME).rest:
        return native
    short, long = usage.cache_write, usage.cache_write_long
    figures: dict[str, Json] = {
        "input_tokens": usage.input + usage.audio_input,
        "cache_creation_input_tokens": short + long,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.total_output,
    }
    if long:
        figures["cache_creation"] = {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long}
    if usage.reasoning:
        figures["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return figures
