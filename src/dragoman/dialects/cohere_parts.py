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
* ``tokens`` is what was read and written, Cohere's own preamble included; ``billed_units`` what is charged,
  often a tenth of that, and what is counted here. Of ``tokens`` the ``cached_tokens`` are in the input and
  the ``reasoning_tokens`` in the output, but not the ``image_tokens`` in the input (recorded 2026-05).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeGuard, assert_never

import msgspec

from dragoman.core.extras import Extras, Json, at_home, extras
from dragoman.core.failure import invalid, unsupported
from dragoman.core.request import (
    Media,
    Message,
    Opaque,
    Part,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from dragoman.core.usage import Usage
from dragoman.dialects.border import Crossing, hushed, inlined, merged
from dragoman.dialects.fields import Fields, decode, encode
from dragoman.dialects.figures import count

NAME = "cohere"
FIGURES = ("tokens", "billed_units")
ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "user"}
DETAILS = ("auto", "low", "high")

Content = Text | Media | Thinking | Opaque


# --- IN -----------------------------------------------------------------------------------------------


def read_messages(fields: Fields) -> tuple[Message, ...]:
    """Take a client's ``messages`` and ``documents``; a tool's message is the user's, and one ToolResult."""
    return _with_documents(list(_messages(fields)), fields)


def _messages(fields: Fields) -> Iterable[Message]:
    values = fields.need_array("messages")
    if not values:
        raise invalid("at least one message is required", "$.messages")
    for index, value in enumerate(values):
        inner = Fields(value, f"$.messages[{index}]", strict=True)
        role = inner.one_of("role", ROLES)
        if role is None:
            raise invalid("role is required", inner.path("role"))
        if role == "assistant":
            parts, form = read_voice(inner)
            if not parts and not form:
                raise invalid("content is required where there are no tool_calls", inner.path("content"))
            quiet = hushed(inner.rest, "tool_plan")
            yield Message("assistant", parts, extras(NAME, inner.rest, form, quiet))
            continue
        call_id = inner.need_text("tool_call_id") if role == "tool" else ""
        if inner.rest.get("content") is None:
            inner.missing("content")
        content, form = _read_content(inner, role)
        kept = extras(NAME, inner.rest, form)
        if role == "tool":
            shown = tuple(part for part in content if isinstance(part, (Text, Media, Opaque)))
            yield Message("user", (ToolResult(call_id, shown, extras=kept),))
        else:
            yield Message(ROLES[role], tuple(content), kept)


def _with_documents(messages: list[Message], fields: Fields) -> tuple[Message, ...]:
    """Return `messages` with the request's documents at the head of the user's last one."""
    values = fields.rest.get("documents")
    places = [i for i, message in enumerate(messages) if message.role == "user" and not _is_result(message)]
    if not values or not places:
        return tuple(messages)
    documents: list[Part] = []
    for index, value in enumerate(fields.need_array("documents")):
        if isinstance(value, str):
            documents.append(Media("document", "text", value, extras=Extras(NAME, {}, ("documents", "bare"))))
        else:
            inner = Fields(value, f"$.documents[{index}]", strict=True)
            documents.append(_read_document(inner, rest={}, form=("documents",)))
    last = messages[places[-1]]
    messages[places[-1]] = msgspec.structs.replace(last, parts=(*documents, *last.parts))
    return tuple(messages)


def _is_result(message: Message) -> bool:
    return any(isinstance(part, ToolResult) for part in message.parts)


def read_voice(fields: Fields) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """Take what the model said; return it, and how its content was spelt."""
    content, form = _read_content(fields, "assistant")
    parts: list[Part] = [*content]
    if (plan := fields.words("tool_plan")) is not None:
        parts.append(Thinking(plan, extras=Extras(NAME, {}, ("plan",))))
    calls = () if fields.rest.get("tool_calls") == [] else fields.array("tool_calls") or ()
    at = fields.path("tool_calls")
    parts += [read_call(Fields(value, f"{at}[{i}]", strict=fields.strict)) for i, value in enumerate(calls)]
    return tuple(parts), form


def _read_content(fields: Fields, role: str) -> tuple[list[Content], tuple[str, ...]]:
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
            return _read_document(fields.need_object("document"), rest=fields.rest)
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


def _read_document(fields: Fields, *, rest: Mapping[str, Json], form: tuple[str, ...] = ()) -> Media:
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


def read_tool(value: Json, at: str) -> Tool | Opaque:
    """Read a client's tool; one that is no function is Opaque."""
    fields = Fields(value, at, strict=True)
    kind = fields.text("type")
    if kind not in (None, "function"):
        return Opaque(NAME, kind or "", value)
    inner = fields.need_object("function")
    name, description, schema = inner.need_text("name"), inner.text("description"), inner.object("parameters")
    fields.leave("function", inner)
    kept = extras(NAME, fields.rest, () if kind else ("-type",))
    return Tool(name, description, schema.rest if schema else None, extras=kept)


# --- OUT, IN A REQUEST --------------------------------------------------------------------------------


def write_messages(
    messages: Sequence[Message], out: Crossing, *, attach: bool
) -> tuple[list[Json], list[Json]]:
    """Return ``messages`` and ``documents``.

    Args:
        messages: The conversation. From another dialect its leading system messages are one here, and later
            ones stand in the user's turn ("system turn must be the first in the list").
        out: What is lost is declared here.
        attach: A text document may be one of the request, which no response_format may stand beside.
    """
    turns: list[Json] = []
    documents: list[Json] = []
    for index, message in enumerate(messages):
        at = f"messages[{index}]"
        own = out.own(message.extras, at)
        told: list[tuple[str, Part]] = []
        for place, part in enumerate(message.parts):
            where = f"{at}.parts[{place}]"
            if isinstance(part, ToolResult) and message.role == "user":
                turns.append(_write_result(part, where, out))
            elif isinstance(part, Media) and _is_attached(part, message.role, out, attach=attach):
                documents.append(_write_document(part, out.own(part.extras, where)))
                if not out.home:
                    out.lose("approximated", where, "a document belongs to the whole request here")
            else:
                told.append((where, part))
        if message.role == "assistant":
            voice = _write_voice(told, own, out)
            turns += [{"role": "assistant", **voice, **own.quiet, **own.rest}] if voice or out.home else []
        elif told or not _is_result(message):
            content = _write_content(told, own, message.role, out)
            _add(turns, {"role": message.role, "content": content, **own.rest}, at, out)
    if not out.home and turns and turns[-1]["role"] == "assistant":
        out.lose("approximated", "messages", "a model does not go on with its own turn here")
    return turns, documents


def _is_attached(part: Media, role: Role, out: Crossing, *, attach: bool) -> bool:
    if "documents" in at_home(part.extras, NAME).form:
        return True
    return attach and not out.home and role == "user" and (part.kind, part.source) == ("document", "text")


def _add(turns: list[Json], turn: dict[str, Json], at: str, out: Crossing) -> None:
    """Add a turn where it may stand; one that says nothing is left out."""
    if out.home:
        turns.append(turn)
        return
    if turn["content"] in ("", []):
        return
    if turn["role"] == "system" and turns:
        if turns[-1]["role"] == "system":
            turns[-1]["content"] = [*_blocks(turns[-1]["content"]), *_blocks(turn["content"])]
            return
        out.lose("approximated", at, "a later system message stands in the user's turn")
        words = "\n\n".join(block["text"] for block in _blocks(turn["content"]))
        turn = {"role": "user", "content": f"<system>\n{words}\n</system>"}
    turns.append(turn)


def _blocks(content: Json) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _write_content(parts: Sequence[tuple[str, Part]], own: Extras, role: str, out: Crossing) -> Json:
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
            return {"type": "document", "document": _write_document(part, own)}
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


def _write_document(part: Media, own: Extras) -> Json:
    """Write a document as it was spelt."""
    if "bare" in own.form:
        return part.data
    data: Json = {"text": part.data} if part.name is None else {"title": part.name, "text": part.data}
    if "json" in own.form:
        data = decode(part.data)
    elif "string" in own.form:
        data = part.data
    return merged({"data": data}, own.rest.get("document", {}))


def _write_voice(parts: Sequence[tuple[str, Part]], own: Extras, out: Crossing) -> dict[str, Json]:
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
    content = _write_content(spoken, own, "assistant", out)
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


def _write_result(part: ToolResult, at: str, out: Crossing) -> dict[str, Json]:
    """Write the message of one tool's answer."""
    own = out.own(part.extras, at)
    _unmark(part, at, out)
    parts = [(f"{at}.parts[{place}]", inner) for place, inner in enumerate(part.parts)]
    content = _write_content(parts, own, "tool", out)
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
    """Count what is charged for, where that is told; Cohere's own figures stay in ``native``, verbatim."""
    tokens, billed = (told if isinstance(told := native.get(name), dict) else {} for name in FIGURES)
    charged = any(billed.get(name) is not None for name in ("input_tokens", "output_tokens"))
    figures = billed if charged else tokens
    read, written = count(figures.get("input_tokens")), count(figures.get("output_tokens"))
    # How many of what is charged were cached nobody can say, unless everything that was read is charged.
    same = not charged or read == count(tokens.get("input_tokens"))
    cached = min(count(native.get("cached_tokens")), read) if same else 0
    thought = min(count(tokens.get("reasoning_tokens")), written)
    return Usage(
        input=read - cached + count(figures.get("image_tokens")),
        cache_read=cached,
        output=written - thought,
        reasoning=thought,
        searches=count(billed.get("search_units")),
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
