"""What the Responses API says: items and what is in them, and usage; in both directions.

    message  reasoning  function_call  custom_tool_call  function_call_output  custom_tool_call_output

Pages and date: see ``openai_responses``. Every other item (hosted tools, compaction, references, what comes
next year) is Opaque and goes home verbatim.

* **Items and parts.** Consecutive items of the model are one assistant message, and an item may hold several
  parts: the pieces of a message, the summaries of one reasoning. The first part of an item carries it: its id
  and status as ``quiet["item"]``, other fields in the rest under ``item.``. A Text or unsigned Thinking after
  one of its kind belongs to the same item, unless it carries one of its own (:func:`joins`). A stream learns
  the item's final fields last; they are ``quiet["done"]`` of the last part.
* **Reasoning.** Summaries are Thinking with ``summary``, raw thoughts are Thinking without. The signature is
  ``encrypted_content``, on the last part. An item without words is one part of form ``void``.
* **Foreign signatures.** ``encrypted_content`` is opaque to clients and they send it back, so in an answer it
  holds another provider's signature too: ``dragoman:<origin>:<data>``. Read again it is that provider's, and
  it is never sent to OpenAI. So are item ids that no provider gave: they name themselves (:data:`MADE`).
* **Calls** of a tool in a namespace name both. Of a client's history they have one name in the core
  (:func:`full_name`), and what the wire said is in ``quiet["item"]``. Tools: ``openai_responses_tools``.
* **Usage** includes cached tokens in the input and reasoning in the output.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, assert_never

import msgspec

from dragoman.core.extras import Extras, Json, at_home, extras
from dragoman.core.failure import invalid, unsupported
from dragoman.core.request import (
    Media,
    Message,
    Opaque,
    Part,
    Role,
    Signature,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from dragoman.core.usage import Usage
from dragoman.dialects.border import ODD, Crossing, as_object, inlined, is_safe, safe
from dragoman.dialects.fields import Fields, encode
from dragoman.dialects.figures import bill, count, tier
from dragoman.dialects.openai_terms import (
    AUDIO,
    AUDIO_FORMAT,
    DETAILS,
    read_breakpoint,
    write_breakpoint,
)

NAME = "openai_responses"
ORIGIN = "openai"
"""Who makes the signatures of this protocol."""
SEALED = "dragoman:"
MADE = "_dragoman_"
ITEM = "item."
ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
ASKED = ("input_text", "input_image", "input_file", "input_audio")
ANSWERED = ("output_text", "refusal")
"""What only the client's messages hold, and only the model's."""
CLIENTS = ("item_reference", "compaction_trigger", "additional_tools", "configuration_update")
"""Items a client adds of itself; besides what ends in ``_output`` or ``_response``."""
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
RESULTS = ("function_call_output", "custom_tool_call_output")
PROGRESS, EVENT = "progress", "event"
"""Kinds of Opaque that only a stream has: what came before a hosted item was done, and before anything."""
FILE = "input_file"
URLS = ("image_url", "file_url", "file_data")
LONGEST = 64
"""Characters of a tool's name that every API takes."""

Content = Text | Media | Opaque
Spoken = Text | Thinking | ToolCall
FullNames = Mapping[tuple[str, str], str]
"""What the tools of namespaces are called outside, by namespace and name."""
Natives = Mapping[str, Mapping[str, Json]]
"""The fields in which a call names a tool of a namespace, by what it is called outside."""
UNNAMED: FullNames = MappingProxyType({})
UNSPACED: Natives = MappingProxyType({})

# --- IN, A CLIENT'S -----------------------------------------------------------------------------------


def read_input(values: Sequence[Json], at: str, names: FullNames = UNNAMED) -> list[Message]:
    """Read a client's items; consecutive items of the model become one message."""
    messages: list[Message] = []
    for index, value in enumerate(values):
        fields = Fields(value, f"{at}[{index}]", strict=True)
        kind = _kind(fields)
        voice = read_voice(value, fields.at, names, strict=True)
        if voice is None:
            messages.append(_read_turn(fields, kind, value, names))
        elif messages and messages[-1].role == "assistant":
            messages[-1] = Message("assistant", (*messages[-1].parts, *voice))
        else:
            messages.append(Message("assistant", tuple(voice)))
    return messages


def _kind(fields: Fields) -> str:
    """Return an item's type; only messages and references may leave it out."""
    if fields.rest.get("type") is not None:
        kind = Fields(fields.rest, fields.at, strict=True).words("type")
        if kind is None:
            raise invalid("type is empty", fields.path("type"))
        return kind
    if "role" in fields.rest:
        return "message"
    if "id" not in fields.rest:
        fields.missing("type")
    return "item_reference"


def _read_turn(fields: Fields, kind: str, value: Json, names: FullNames) -> Message:
    """Read an item that is not the model's."""
    if kind not in ("message", *RESULTS):
        return Message("user", (Opaque(NAME, kind, value),), Extras(NAME, {}, ("item",)))
    form: tuple[str, ...] = () if fields.text("type") else ("-type",)
    quiet = _bookkeeping(fields)
    if kind in RESULTS:
        call_id, name = fields.need_text("call_id"), fields.text("name")
        if name is not None and (space := fields.words("namespace")) is not None:
            quiet |= {"name": name, "namespace": space}
            name = names.get((space, name)) or full_name(space, name)
        parts, spelt = _read_content(fields, "output")
        kept = extras(NAME, fields.rest, spelt, quiet)
        custom = kind == RESULTS[1]
        return Message("user", (ToolResult(call_id, parts, name=name, custom=custom, extras=kept),))
    role = fields.one_of("role", ROLES)
    if role is None:
        raise invalid("role is required", fields.path("role"))
    parts, spelt = _read_content(fields, "content")
    form += spelt + (("developer",) if role == "developer" else ())
    return Message(ROLES[role], parts, extras(NAME, fields.rest, form, quiet))


def full_name(namespace: str, name: str) -> str:
    """Return what a tool of a namespace is called where there are none: safe letters, and not too many.

    A function that a search found is in a namespace of its own name, and is called what it is called.
    """
    joined = name if namespace == name else f"{namespace}__{name}"
    return joined if is_safe(joined) and len(joined) <= LONGEST else marked(joined)


def marked(name: str) -> str:
    """Return a name in safe letters and short enough, that tells it from others by a checksum."""
    mark = f"_{zlib.crc32(name.encode()):08x}"
    return ODD.sub("_", name)[: LONGEST - len(mark)] + mark


def _bookkeeping(fields: Fields) -> dict[str, Json]:
    """Take what names an item and says how far it is."""
    return {name: word for name in ("id", "status") if (word := fields.text(name)) is not None}


def _read_content(fields: Fields, name: str) -> tuple[tuple[Content, ...], tuple[str, ...]]:
    """Take a string or a list of parts; return it, and how it was spelt."""
    value = fields.any(name)
    if isinstance(value, str):
        return (Text(value),), ("string",)
    if not isinstance(value, list):
        raise invalid("expected a string or an array of parts", fields.path(name))
    at = fields.path(name)
    return tuple(_read_part(item, f"{at}[{index}]") for index, item in enumerate(value)), ()


def _read_part(value: Json, at: str) -> Content:
    fields = Fields(value, at, strict=True)
    kind = fields.need_text("type")
    if kind in ANSWERED:
        raise invalid(f"only the assistant's messages hold {kind}", fields.path("type"))
    match kind:
        case "input_text":
            ttl, text = read_breakpoint(fields), fields.need_text("text")
            return Text(text, cache_ttl_s=ttl, extras=extras(NAME, fields.rest))
        case "input_image":
            return _read_media(fields, "image", ("image_url",))
        case "input_file":
            return _read_media(fields, "document", ("file_data", "file_url"))
        case "input_audio":
            inner = fields.need_object("input_audio")
            data, word = inner.need_text("data"), inner.need_text("format")
            fields.leave("input_audio", inner)
            mime = AUDIO.get(word, f"audio/{word}")
            return Media("audio", "base64", data, mime=mime, extras=extras(NAME, fields.rest))
        case _:
            return Opaque(NAME, kind, value)


def _read_media(fields: Fields, kind: Literal["image", "document"], names: Sequence[str]) -> Media:
    """Read an image or a file; its bytes may be in a data URI, and a file's also bare."""
    ttl, detail = read_breakpoint(fields), fields.one_of("detail", DETAILS)
    title = fields.text("filename") if kind == "document" else None
    name = next((name for name in (*names, "file_id") if fields.rest.get(name) is not None), names[0])
    data = fields.need_text(name)
    media = Media(
        kind, "url", data, name=title, detail=detail, cache_ttl_s=ttl, extras=extras(NAME, fields.rest)
    )
    if name == "file_id":
        return msgspec.structs.replace(media, source="file_id")
    if data.startswith("data:"):
        mime, found, bytes_ = data[len("data:") :].partition(";base64,")
        if not found or not mime:
            raise invalid("a data URI needs a media type and base64 data", fields.path(name))
        return msgspec.structs.replace(media, source="base64", data=bytes_, mime=mime)
    return msgspec.structs.replace(media, source="base64") if name == "file_data" else media


# --- IN, THE MODEL'S ----------------------------------------------------------------------------------


def read_voice(value: Json, at: str, names: FullNames = UNNAMED, *, strict: bool) -> list[Part] | None:
    """Read an item of the model into its parts; None if a client makes such items."""
    fields = Fields(value, at, strict=strict)
    kind = fields.rest.get("type") or ("message" if "role" in fields.rest else "")
    parts: list[Part] | None = None
    match kind:
        case "message":
            if fields.rest.get("role") != "assistant":
                return None
            parts = _read_message(fields)
        case "reasoning":
            parts = _read_reasoning(fields)
        case "function_call" | "custom_tool_call":
            return [_read_call(fields, CALLS[kind], names)]
        case str() if kind in CLIENTS or not kind or kind.endswith(("_output", "_response")):
            return None
    return parts if parts is not None else [Opaque(NAME, str(kind), value)]


def read_output(values: Sequence[Json]) -> list[Part]:
    """Read the items of an answer; what the model does not say is Opaque."""
    parts: list[Part] = []
    for index, value in enumerate(values):
        voice = read_voice(value, f"$.output[{index}]", strict=False) if isinstance(value, dict) else None
        parts += [Opaque(NAME, label(value, "type"), value)] if voice is None else voice
    return parts


def label(item: Json, name: str) -> str:
    """Return a string field of a provider's item; empty where there is none."""
    found = item.get(name) if isinstance(item, dict) else None
    return found if isinstance(found, str) else ""


def _read_message(fields: Fields) -> list[Part] | None:
    """Read the model's message; None if it holds what nobody has told us of."""
    form = () if fields.text("type") else ("-type",)
    fields.text("role")
    content, parts = fields.any("content"), list[Part]()
    if isinstance(content, str):
        parts, form = [Text(content)], (*form, "string")
    elif not isinstance(content, list):
        if fields.strict:
            raise invalid("expected a string or an array of parts", fields.path("content"))
        return None
    else:
        for index, value in enumerate(content):
            part = read_said(value, f"{fields.path('content')}[{index}]", strict=fields.strict)
            if part is None:
                return None
            parts.append(part)
    if not parts:
        parts, form = [Text("")], (*form, "void")
    return stamp(parts, fields, form)


def read_said(value: Json, at: str, *, strict: bool) -> Text | None:
    """Read one part of the model's message; None for a type nobody has told us of."""
    if not strict and not isinstance(value, dict):
        return None
    fields = Fields(value, at, strict=strict)
    kind = fields.need_text("type")
    if strict and kind in ASKED:
        raise invalid(f"the assistant's messages do not hold {kind}", fields.path("type"))
    if kind == "refusal":
        return Text(fields.need_text("refusal"), refusal=True, extras=extras(NAME, fields.rest))
    if kind != "output_text":
        return None
    text, form = fields.need_text("text"), () if "annotations" in fields.rest else ("-annotations",)
    if fields.rest.get("annotations") == []:
        del fields.rest["annotations"]
    quiet: dict[str, Json] = (
        {"logprobs": fields.rest.pop("logprobs")} if fields.rest.get("logprobs") == [] else {}
    )
    return Text(text, extras=extras(NAME, fields.rest, form, quiet))


def _read_reasoning(fields: Fields) -> list[Part] | None:
    """Read reasoning: its summaries, then its raw thoughts; None if they are of an unknown type."""
    fields.text("type")
    form: tuple[str, ...] = () if "summary" in fields.rest else ("-summary",)
    parts: list[Part] = []
    for name, kind in (("summary", "summary_text"), ("content", "reasoning_text")):
        if not fields.rest.get(name):
            continue
        for index, value in enumerate(fields.array(name) or ()):
            if not fields.strict and not isinstance(value, dict):
                return None
            inner = Fields(value, f"{fields.path(name)}[{index}]", strict=fields.strict)
            if inner.need_text("type") != kind:
                return None
            text = inner.need_text("text")
            parts.append(Thinking(text, summary=name == "summary", extras=extras(NAME, inner.rest)))
    id_ = fields.rest.get("id")
    signature = unseal(fields.words("encrypted_content"), id_ if isinstance(id_, str) else None)
    if not parts:
        parts, form = [Thinking(redacted=signature is not None)], (*form, "void")
    if signature is not None:
        parts[-1] = msgspec.structs.replace(parts[-1], signature=signature)
    if fields.rest.get("summary") == []:
        del fields.rest["summary"]
    return stamp(parts, fields, form)


def unseal(data: str | None, id_: str | None) -> Signature | None:
    """Return the signature in ``encrypted_content``: OpenAI's, or one that was sealed there."""
    if not data:
        return None
    if not data.startswith(SEALED):
        return Signature(ORIGIN, data, id=id_)
    origin, _, proof = data[len(SEALED) :].partition(":")
    return Signature(origin, proof)


def stamp(parts: list[Part], fields: Fields, form: tuple[str, ...] = ()) -> list[Part]:
    """Return the parts of one item, the first of which carries what is left of it."""
    item = _bookkeeping(fields)
    empty = ("summary", "content", "encrypted_content")
    item |= {name: fields.rest.pop(name) for name in empty if not fields.rest.get(name, True)}
    rest = {ITEM + name: value for name, value in fields.rest.items()}
    first, *others = parts
    assert isinstance(first, (Text, Thinking))
    own = at_home(first.extras, NAME)
    kept = Extras(NAME, {**rest, **own.rest}, form + own.form, {**own.quiet, "item": item})
    return [msgspec.structs.replace(first, extras=kept), *others]


def _read_call(fields: Fields, field: str, names: FullNames) -> ToolCall:
    fields.text("type")
    item = _bookkeeping(fields)
    form: tuple[str, ...] = ()
    if isinstance(fields.rest.get(field), dict) and not fields.strict:
        form, arguments = ("object",), encode(fields.rest.pop(field)).decode()
    else:
        arguments = fields.need_text(field)
    absent = "call_id" not in fields.rest
    name, call_id = fields.need_text("name"), fields.need_text("call_id")
    if absent:
        form, call_id = (*form, "-call_id"), str(item.get("id", ""))
    # Of an answer it stays: whoever offered no namespace knows the bare name.
    if fields.strict and (space := fields.words("namespace")) is not None:
        item |= {"name": name, "namespace": space}
        name = names.get((space, name)) or full_name(space, name)
    kept = extras(NAME, fields.rest, form, {"item": item})
    return ToolCall(call_id, name, arguments, custom=field == "input", extras=kept)


# --- OUT, A CLIENT'S ----------------------------------------------------------------------------------


def write_input(messages: Sequence[Message], out: Crossing) -> tuple[str | None, list[Json], bool]:
    """Return ``instructions``, the items of ``input``, and whether that may be spelt as a string."""
    instructions: str | None = None
    items: list[Json] = []
    bare = False
    for index, message in enumerate(messages):
        at = f"messages[{index}]"
        own = out.own(message.extras, at)
        if instructions is None and _instructs(messages, index, own, out):
            instructions = "".join(part.text for part in message.parts if isinstance(part, Text))
        elif message.role == "assistant":
            items += write_voice(message.parts, at, out)
        else:
            bare = "input" in own.form
            items += _write_turn(message, own, at, out)
    return instructions, items, bare and len(items) == 1


def _instructs(messages: Sequence[Message], index: int, own: Extras, out: Crossing) -> bool:
    """Whether a message is ``instructions``: where it came from, or the one leading system message."""
    message = messages[index]
    plain = len(message.parts) == 1 and isinstance(message.parts[0], Text)
    if message.role != "system" or not plain:
        return False
    if out.home:
        return "instructions" in own.form
    alone = index == 0 and (len(messages) == 1 or messages[1].role != "system")
    return alone and message.parts[0] == Text(message.parts[0].text)  # type: ignore[union-attr]


def _write_turn(message: Message, own: Extras, at: str, out: Crossing) -> list[Json]:
    """Write what is not the model's: results and other items by themselves, the rest as messages."""
    items: list[Json] = []
    content: list[Json] = []
    for place, part in enumerate(message.parts):
        where = f"{at}.parts[{place}]"
        if isinstance(part, ToolResult) and message.role == "user":
            item: Json = _write_result(part, where, out)
        elif isinstance(part, Opaque) and "item" in own.form:
            item = own_data(part, where)
        else:
            content.append(_write_part(part, where, out))
            continue
        if content:
            items.append(_message(message.role, content, own, out))
            content = []
        items.append(item)
    if content or (out.home and not message.parts):
        items.append(_message(message.role, content, own, out))
    return items


def _message(role: str, content: list[Json], own: Extras, out: Crossing) -> dict[str, Json]:
    word = "developer" if role == "system" and "developer" in own.form else role
    spelt = _string(content) if "string" in own.form or not out.home else None
    kind = {} if "-type" in own.form or not out.home else {"type": "message"}
    return {**kind, "role": word, "content": content if spelt is None else spelt, **own.quiet, **own.rest}


def _string(content: Sequence[Json]) -> str | None:
    """Return the words of one plain text part; None if it is more than that."""
    match content:
        case [{"text": str(text), "type": _, **more}] if not more:
            return text
    return None


def own_data(value: Opaque, at: str) -> dict[str, Json]:
    """Return an item, part or tool verbatim, or refuse another dialect's."""
    if value.dialect != NAME:
        raise unsupported(f"only {value.dialect} understands {value.kind}", at)
    data: dict[str, Json] = value.data
    return data


def _write_part(part: Part, at: str, out: Crossing) -> dict[str, Json]:
    if isinstance(part, Opaque):
        return own_data(part, at)
    if isinstance(part, (ToolCall, Thinking, ToolResult)):
        raise unsupported("only the model thinks and calls tools, and only the user answers them", at)
    own = out.own(part.extras, at)
    if part.signature is not None:
        out.lose("dropped", f"{at}.signature", "only reasoning has room for a signature")
    if isinstance(part, Text):
        block: dict[str, Json] = {"type": "input_text", "text": part.text}
    else:
        block = _write_media(part, at, out)
    if block["type"] != "input_audio":
        block |= write_breakpoint(part.cache_ttl_s, at, out)
    for name, value in own.rest.items():
        block[name] = {**block[name], **value} if isinstance(block.get(name), dict) else value
    return block


def _write_media(part: Media, at: str, out: Crossing) -> dict[str, Json]:
    if not out.home:
        part = inlined(part, at)
    data = f"data:{part.mime};base64,{part.data}" if part.source == "base64" and part.mime else part.data
    detail = {} if part.detail is None else {"detail": part.detail}
    name = {} if part.name is None else {"filename": part.name}
    match part.kind, part.source:
        case "image", "file_id" if out.home:
            return {"type": "input_image", "file_id": data, **detail}
        case "image", "base64" | "url" if out.home or part.source == "url" or part.mime:
            # The field is mandatory (SDK 3.52, response_input_image_param).
            return {
                "type": "input_image",
                "image_url": data,
                **({} if out.home else {"detail": "auto"}),
                **detail,
            }
        case "document", "file_id" if out.home:
            return {"type": FILE, "file_id": data, **name, **detail}
        case "document", "url":
            return {"type": FILE, "file_url": data, **name, **detail}
        case "document", "base64" if out.home or part.mime:
            ending = "pdf" if part.mime == "application/pdf" else "txt"
            named = name if out.home else {"filename": part.name or f"document.{ending}"}
            return {"type": FILE, "file_data": data, **named, **detail}
        case "document", "text":
            out.lose("emulated", at, "a text document is a text part here")
            return {"type": "input_text", "text": f"{part.name}\n\n{part.data}" if part.name else part.data}
        case "audio", "base64" if out.home or part.mime in AUDIO_FORMAT:
            mime = part.mime or ""
            word = AUDIO_FORMAT.get(mime, mime.removeprefix("audio/"))
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": word}}
    raise unsupported(f"the Responses API has no place for this {part.kind} ({part.source})", at)


def _write_result(part: ToolResult, at: str, out: Crossing) -> dict[str, Json]:
    own = out.own(part.extras, at)
    content = [_write_part(inner, f"{at}.parts[{place}]", out) for place, inner in enumerate(part.parts)]
    if part.cache_ttl_s is not None:
        if content and content[-1]["type"] in ASKED:
            content[-1] |= write_breakpoint(part.cache_ttl_s, at, out)
        else:
            out.lose("dropped", f"{at}.cache_ttl_s", "there is nothing to mark")
    spelt = _string(content) if "string" in own.form or not out.home else None
    output: Json = content if spelt is None else spelt
    if not content and not out.home:
        output = ""
    if part.error:
        out.lose("approximated", f"{at}.error", "told in words")
        output = _failed(output)
    name = {"name": part.name} if part.name is not None and out.home else {}
    kind = RESULTS[part.custom]
    return {"type": kind, "call_id": part.call_id, "output": output, **name, **own.quiet, **own.rest}


def _failed(output: Json) -> Json:
    """Say once, in front, that a tool failed."""
    if isinstance(output, list):
        first = output[0].get("text", "") if output else ""
        return output if first.startswith("Error: ") else [{"type": "input_text", "text": "Error: "}, *output]
    return output if output.startswith("Error: ") else f"Error: {output}"


# --- OUT, THE MODEL'S ---------------------------------------------------------------------------------


def joins(last: Part | None, part: Part, own: Extras) -> bool:
    """Say whether a part belongs to the item of the part before it."""
    if "item" in own.quiet or last is None:
        return False
    if not (isinstance(part, Thinking) and isinstance(last, Thinking)):
        return isinstance(part, Text) and isinstance(last, Text)
    # Summaries come first in an item, and its signature is the last part's.
    in_order = last.summary or not part.summary
    return in_order and not (last.redacted or part.redacted or last.signature)


def begin(
    part: Spoken, own: Extras, id_: str | None = None, status: str = "", spaces: Natives = UNSPACED
) -> dict[str, Json]:
    """Return the item that `part` is the first of, still empty; what follows `own` is for a foreign one."""
    body: dict[str, Json]
    match part:
        case Text():
            body = {"type": "message", "role": "assistant", "content": []}
        case Thinking():
            body = {"type": "reasoning", "summary": []}
        case ToolCall():
            kind = "custom_tool_call" if part.custom else "function_call"
            body = {"type": kind, "call_id": part.id, "name": part.name, CALLS[kind]: "", **own.rest}
        case _:
            assert_never(part)
    body = {name: value for name, value in body.items() if f"-{name}" not in own.form}
    if id_ is not None:
        body |= {"id": id_, "status": status}
        body |= spaces.get(part.name, {}) if isinstance(part, ToolCall) else {}
    body |= {name.removeprefix(ITEM): value for name, value in own.rest.items() if name.startswith(ITEM)}
    return {**body, **own.quiet.get("item", {})}


def entry(part: Text | Thinking, own: Extras, text: str) -> dict[str, Json]:
    """Return what `part` is inside its item."""
    rest = {name: value for name, value in own.rest.items() if not name.startswith(ITEM)}
    quiet = {name: value for name, value in own.quiet.items() if name not in ("item", "done")}
    if isinstance(part, Thinking):
        return {"type": "summary_text" if part.summary else "reasoning_text", "text": text, **quiet, **rest}
    if part.refusal:
        return {"type": "refusal", "refusal": text, **quiet, **rest}
    annotations: dict[str, Json] = {} if "-annotations" in own.form else {"annotations": []}
    return {"type": "output_text", "text": text, **annotations, **quiet, **rest}


def spelt_arguments(call: ToolCall, own: Extras, text: str) -> Json:
    """Return a call's arguments: as they came, or an empty object if another dialect gave none."""
    if "object" in own.form and (given := as_object(text)) is not None:
        return given
    # Every client parses them.
    return text if text or call.custom or "item" in own.quiet else "{}"


def fill(item: dict[str, Json], part: Spoken, own: Extras) -> None:
    """Put a whole part into its item."""
    if isinstance(part, ToolCall):
        item[CALLS[item["type"]]] = spelt_arguments(part, own, part.arguments)
    elif "string" in own.form:
        item["content"] = part.text
    elif not is_void(part, own):
        name = "summary" if isinstance(part, Thinking) and part.summary else "content"
        item[name] = [*(item.get(name) or ()), entry(part, own, part.text)]
    if isinstance(part, Thinking) and part.signature is not None:
        item["encrypted_content"] = seal(part.signature)
    item |= own.quiet.get("done", {})


def is_void(part: Text | Thinking, own: Extras) -> bool:
    """Say whether a part stands for an item without words."""
    return "void" in own.form or (isinstance(part, Thinking) and part.redacted and not part.text)


def seal(signature: Signature) -> str:
    """Return ``encrypted_content``, whoever signed."""
    return signature.data if signature.origin == ORIGIN else f"{SEALED}{signature.origin}:{signature.data}"


Group = list[tuple[Spoken, Extras]]
"""The parts of one item, each with its own extras."""


def grouped(
    parts: Sequence[Part], at: str, out: Crossing
) -> Iterator[tuple[str, Group | Opaque | Media | ToolResult]]:
    """Yield the items that `parts` make, each with the path of its first part."""
    group: Group = []
    begun = ""
    for place, part in enumerate(parts):
        where = f"{at}.parts[{place}]"
        if isinstance(part, (Opaque, Media, ToolResult)):
            if group:
                yield begun, group
            group = []
            yield where, part
            continue
        own = out.own(part.extras, where)
        if part.signature is not None and not isinstance(part, Thinking):
            out.lose("dropped", f"{where}.signature", "only reasoning has room for a signature")
        if group and joins(group[-1][0], part, own):
            group.append((part, own))
            continue
        if group:
            yield begun, group
        begun, group = where, [(part, own)]
    if group:
        yield begun, group


def write_voice(parts: Sequence[Part], at: str, out: Crossing) -> list[Json]:
    """Write what the model said in a client's history."""
    items: list[Json] = []
    for where, found in grouped(parts, at, out):
        if isinstance(found, Opaque):
            items.append(own_data(found, where))
        elif isinstance(found, (Media, ToolResult)):
            raise unsupported("the model only says words and calls tools in this history", where)
        elif _is_welcome(found, out):
            items.append(_write_historic(found, where, out))
        else:
            out.lose("dropped", where, "reasoning that OpenAI did not make is refused")
    return items if out.home else [_simple(item) for item in items]


def _is_welcome(group: Group, out: Crossing) -> bool:
    """Whether OpenAI may see an item: all but the thinking of others."""
    (first, own), (last, _) = group[0], group[-1]
    if not isinstance(last, Thinking):
        return True
    if last.signature is not None:
        return last.signature.origin == ORIGIN
    return (
        out.home and isinstance(first, Thinking) and MADE not in str(own.quiet.get("item", {}).get("id", ""))
    )


def _write_historic(group: Group, at: str, out: Crossing) -> dict[str, Json]:
    first, own = group[0]
    if isinstance(first, ToolCall) and not out.home and not is_safe(first.name):
        out.lose("approximated", f"{at}.name", "letters, digits, - and _ only")
        first = msgspec.structs.replace(first, name=safe(first.name))
    item = _anonymous(begin(first, own), group[-1][0])
    for part, inner in group:
        if not isinstance(part, Thinking) and part.cache_ttl_s is not None:
            out.lose("dropped", f"{at}.cache_ttl_s", "the model's items take no cache breakpoint")
        fill(item, part, inner)
    return item


def _anonymous(item: dict[str, Json], part: Spoken) -> dict[str, Json]:
    """Return an item without an id that no provider gave; a signature knows its own."""
    if MADE in str(item.get("id", "")):
        del item["id"]
    if isinstance(part, Thinking) and part.signature is not None and part.signature.id is not None:
        item.setdefault("id", part.signature.id)
    return item


def _simple(item: dict[str, Json]) -> dict[str, Json]:
    """Return the message of another dialect's model in the easy form, where it is one text."""
    if item["type"] != "message":
        return item
    match item["content"]:
        case [{"type": "output_text", "text": str(text)}]:
            return {"role": "assistant", "content": text}
    return item


def write_output(
    parts: Sequence[Part], made: Callable[[str, int], str], out: Crossing, spaces: Natives = UNSPACED
) -> list[Json]:
    """Write the items of an answer.

    Args:
        parts: What the model said.
        made: Returns an item's id, from its prefix and place.
        out: What is lost is declared here.
        spaces: How the client's calls name the tools of namespaces.
    """
    items: list[Json] = []
    for where, found in grouped(parts, "answer", out):
        if not isinstance(found, list):
            other = write_other(found, where, made("ig", len(items)), out)
            items += [] if other is None else [other]
            continue
        first, own = found[0]
        if is_mute(first, own):
            continue
        item = begin(first, own, identity(first, own, made, len(items)), "completed", spaces)
        for part, inner in found:
            fill(item, part, inner)
        items.append(item)
    return items


def identity(part: Spoken, own: Extras, made: Callable[[str, int], str], place: int) -> str | None:
    """Return the id of an item that has none; None at home, where its own fields say it."""
    return None if "item" in own.quiet else made(_prefix(part), place)


def _prefix(part: Spoken) -> str:
    """Return how the ids of an item begin."""
    match part:
        case Text():
            return "msg"
        case Thinking():
            return "rs"
        case ToolCall():
            return "ctc" if part.custom else "fc"
        case _:
            assert_never(part)


def is_mute(part: Part, own: Extras) -> bool:
    """Say whether another dialect's thinking holds nothing at all."""
    return isinstance(part, Thinking) and not own and not part.text and part.signature is None


def write_other(part: Opaque | Media | ToolResult, at: str, id_: str, out: Crossing) -> Json:
    """Return the item of what is neither words nor a call; None where there is none for it."""
    if isinstance(part, Opaque) and part.dialect == NAME:
        return None if part.kind in (PROGRESS, EVENT) else part.data
    if isinstance(part, Media) and (part.kind, part.source) == ("image", "base64"):
        out.lose("emulated", at, "an image is the result of a hosted tool here")
        return {"type": "image_generation_call", "id": id_, "status": "completed", "result": part.data}
    out.lose("dropped", at, "no item of an answer holds it here")
    return None


# --- USAGE --------------------------------------------------------------------------------------------


def read_usage(native: dict[str, Json]) -> Usage:
    """Take the inclusive figures apart. No counter exceeds what it is part of."""
    prompt, completion = count(native.get("input_tokens")), count(native.get("output_tokens"))
    read, written = _figures(native, "input_tokens_details"), _figures(native, "output_tokens_details")
    cached = min(count(read.get("cached_tokens")), prompt)
    stored = min(count(read.get("cache_write_tokens")), prompt - cached)
    long = min(count(_figures(read, "cache_write_tokens_details").get("ttl_12h_tokens")), stored)
    thought = count(written.get("reasoning_tokens"))
    beside = count(native.get("total_tokens")) - prompt - completion
    if thought and beside == thought:
        completion += thought  # a server that leaves reasoning out of the output
    thought = min(thought, completion)
    return Usage(
        input=prompt - cached - stored,
        cache_read=cached,
        cache_write=stored - long,
        cache_write_long=long,
        output=completion - thought,
        reasoning=thought,
        cost=bill(native),
        native=Extras(NAME, native),
        tier=tier(native.get("service_tier")),
    )


def _figures(native: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    value = native.get(name)
    return value if isinstance(value, dict) else {}


def write_usage(usage: Usage | None) -> dict[str, Json] | None:
    """Write usage: the provider's own words if it spoke this dialect, else the same figures in them."""
    if usage is None:
        return None
    if native := at_home(usage.native, NAME).rest:
        return native
    short, long = usage.cache_write, usage.cache_write_long
    read: dict[str, Json] = {"cached_tokens": usage.cache_read, "cache_write_tokens": short + long}
    if long:
        read["cache_write_tokens_details"] = {"ttl_30m_tokens": short, "ttl_12h_tokens": long}
    figures: dict[str, Json] = {
        "input_tokens": usage.total_input,
        "input_tokens_details": read,
        "output_tokens": usage.total_output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }
    if usage.cost is not None:
        figures["cost"] = float(usage.cost)
    return figures
