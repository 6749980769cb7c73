"""What is said in Chat Completions: content parts, thinking, refusals and calls, in both directions.

The same words stand in a client's history and in an answer, so one reader serves both: strict for the
client's :class:`Fields`, lenient for a provider's. Pages and date: see ``openai_chat``.

Thinking has no place in OpenAI's protocol and four spellings elsewhere; the form of the part names its own:

    reasoning_content, reasoning     a string beside the content (DeepSeek, xAI; Groq, Ollama, vLLM)
    details                          OpenRouter's list, with room for signatures and encrypted thinking
    content                          Mistral's content parts

Thinking of another dialect is written as ``reasoning_content``, and with a signature in the list besides: a
client that echoes its history then brings the signature back.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from dragoman.core.extras import Extras, Json, at_home, extras
from dragoman.core.failure import invalid, unsupported
from dragoman.core.request import Media, Opaque, Part, Signature, Text, Thinking, ToolCall, ToolResult
from dragoman.dialects.border import Crossing, inlined, merged
from dragoman.dialects.fields import Fields, decode, encode
from dragoman.dialects.openai_terms import AUDIO, AUDIO_FORMAT, BREAKPOINT, DETAILS, TTL_WORD

NAME = "openai_chat"
SYNTHETIC = "call_dragoman_"
"""How an id begins that no provider gave. It names itself, so that it is known when it comes back."""

URLS: dict[str, Literal["image", "audio", "video", "document"]] = {
    "image_url": "image",
    "video_url": "video",
    "audio_url": "audio",
    "file_url": "document",
}
"""Parts that are a URL. Only the first is OpenAI's."""
CONTROL = "cache_control"
MARKS: dict[str, dict[int, Json]] = {
    BREAKPOINT: {0: {"mode": "explicit"}}
    | {ttl: {"mode": "explicit", "ttl": word} for ttl, word in TTL_WORD.items()},
    CONTROL: {0: {"type": "ephemeral"}}
    | {ttl: {"type": "ephemeral", "ttl": word} for ttl, word in ((300, "5m"), (3600, "1h"))},
}
"""Cache breakpoints by lifetime in seconds: OpenAI's, and the one OpenRouter passes on."""
QUIET = frozenset(
    (
        *("system_fingerprint", "service_tier", "provider", "x_groq", "native_finish_reason"),
        *("format", "index", "id"),
    )
)
"""Fields that say nothing outside: what served the answer, and how the wire numbers its pieces."""

STRINGS = ("reasoning_content", "reasoning")
DETAIL = {"reasoning.text": "text", "reasoning.summary": "summary", "reasoning.encrypted": "data"}
ORIGINS = {
    "anthropic-claude-v1": "anthropic",
    "google-gemini-v1": "gemini",
    "openai-responses-v1": "openai",
    "xai-responses-v1": "xai",
}
"""Who signed, by the ``format`` of a detail, as OpenRouter's recorded answers have it."""
FORMATS = {origin: name for name, origin in ORIGINS.items()}

Content = Text | Media | Thinking | Opaque


def kept(rest: dict[str, Json], form: Iterable[str] = ()) -> Extras | None:
    """Return what is left of a value, apart from what says nothing outside."""
    loud = {name: value for name, value in rest.items() if name not in QUIET}
    return extras(NAME, loud, form, {name: rest[name] for name in rest.keys() - loud.keys()})


def everything(own: Extras) -> dict[str, Json]:
    """Return all that is left of a value, for its way home."""
    return {**own.rest, **own.quiet}


def without(body: dict[str, Json], form: Sequence[str]) -> dict[str, Json]:
    """Return `body` without what the form says was absent; content that says something stays."""
    absent = {word[1:] for word in form if word.startswith("-")}
    if not absent:
        return body
    return {
        name: value for name, value in body.items() if name not in absent or (name == "content" and value)
    }


# --- IN -----------------------------------------------------------------------------------------------


def read_voice(fields: Fields, synthetic: str) -> tuple[tuple[Part, ...], list[str]]:
    """Take what the model said; return it, and how it was spelt.

    Args:
        fields: An assistant's message.
        synthetic: The id of a call that has none; its number among the calls is added.
    """
    form = [] if "content" in fields.rest else ["-content"]
    parts: list[Part] = [*_read_thoughts(fields)]
    content, spelt = read_content(fields)
    parts += content
    if (refusal := fields.words("refusal")) is not None:
        parts.append(Text(refusal, refusal=True))
    if fields.rest.get("tool_calls") != []:
        for index, value in enumerate(fields.array("tool_calls") or ()):
            at = f"{fields.path('tool_calls')}[{index}]"
            parts.append(_read_call(Fields(value, at, strict=fields.strict), f"{synthetic}_{index}"))
    function = fields.rest.get("function_call")
    if function is not None and (fields.strict or (isinstance(function, dict) and function.get("name"))):
        inner = fields.need_object("function_call")
        name, arguments = inner.need_text("name"), inner.need_text("arguments")
        own = kept(inner.rest, ("function_call",) if arguments else ("function_call", "empty"))
        parts.append(ToolCall(synthetic, name, arguments, synthetic=True, extras=own))
    return tuple(parts), form + spelt


def read_content(fields: Fields) -> tuple[list[Content], list[str]]:
    """Take ``content``; return its parts, and how it was spelt. Null stays in the rest."""
    value = fields.rest.get("content")
    if isinstance(value, str):
        del fields.rest["content"]
        return ([Text(value)], []) if value else ([], ["empty"])
    if isinstance(value, list):
        at = fields.path("content")
        parts = [_read_part(item, f"{at}[{index}]", strict=fields.strict) for index, item in enumerate(value)]
        del fields.rest["content"]
        return parts, ["list"]
    if value is not None and fields.strict:
        raise invalid("expected a string or an array of parts", fields.path("content"))
    return [], []


def _read_part(value: Json, at: str, *, strict: bool) -> Content:
    fields = Fields(value, at, strict=strict)
    kind = fields.need_text("type")
    match kind:
        case "text":
            ttl, form = read_mark(fields)
            return Text(fields.need_text("text"), cache_ttl_s=ttl, extras=kept(fields.rest, form))
        case "refusal":
            words = fields.need_text("refusal")
            return Text(words, refusal=True, extras=kept(fields.rest, ("part",)))
        case "thinking" if isinstance(fields.rest.get("thinking"), list):
            return _read_thinking(fields)
        case "input_audio":
            return _marked(_read_audio(fields), fields)
        case "file":
            return _marked(_read_file(fields), fields)
        case _:
            return _marked(_read_url(fields, kind), fields) if kind in URLS else Opaque(NAME, kind, value)


def read_mark(fields: Fields) -> tuple[int | None, tuple[str, ...]]:
    """Take a cache breakpoint: its lifetime, and its spelling if that is not OpenAI's."""
    for name, marks in MARKS.items():
        for ttl, mark in marks.items():
            if fields.rest.get(name) == mark:
                del fields.rest[name]
                return ttl, () if name == BREAKPOINT else (name,)
    return None, ()


def _marked(media: Media, fields: Fields) -> Media:
    ttl, mark = read_mark(fields)
    form = at_home(media.extras, NAME).form
    return msgspec.structs.replace(media, cache_ttl_s=ttl, extras=kept(fields.rest, form + mark))


def _read_audio(fields: Fields) -> Media:
    inner = fields.need_object("input_audio")
    data, word = inner.need_text("data"), inner.need_text("format")
    fields.leave("input_audio", inner)
    return Media("audio", "base64", data, mime=AUDIO.get(word, f"audio/{word}"))


def _read_url(fields: Fields, kind: str) -> Media:
    form = () if kind == "image_url" else (kind,)
    at, detail = fields.path(kind), None
    if isinstance(fields.rest.get(kind), str):
        form = (*form, "bare")
        url = fields.need_text(kind)
    else:
        inner = fields.need_object(kind)
        at, url = inner.path("url"), inner.need_text("url")
        detail = inner.one_of("detail", DETAILS) if kind == "image_url" else None
        fields.leave(kind, inner)
    media = Media(URLS[kind], "url", url, detail=detail, extras=kept({}, form))
    return _located(media, at, strict=fields.strict)


def _read_file(fields: Fields) -> Media:
    inner = fields.need_object("file")
    name, id_ = inner.text("filename"), inner.text("file_id")
    data = inner.need_text("file_data") if id_ is None else ""
    fields.leave("file", inner)
    if id_ is not None:
        return Media("document", "file_id", id_, name=name)
    if ":" not in data[:6]:
        # Without a scheme it is the base64 itself, of a type nobody named.
        return Media("document", "base64", data, name=name)
    form = () if data.startswith("data:") else ("file",)
    media = Media("document", "url", data, name=name, extras=kept({}, form))
    return _located(media, inner.path("file_data"), strict=fields.strict)


def _located(media: Media, at: str, *, strict: bool) -> Media:
    """Return media given by URL as base64 where the URL holds the data itself."""
    if not media.data.startswith("data:"):
        return media
    mime, found, data = media.data[len("data:") :].partition(";base64,")
    if found and mime:
        return msgspec.structs.replace(media, source="base64", data=data, mime=mime)
    if strict:
        raise invalid("a data URI needs a media type and base64 data", at)
    return media


def _read_thinking(fields: Fields) -> Thinking:
    pieces, proof = fields.rest["thinking"], fields.words("signature")
    text = text_of(pieces)
    if pieces == ([{"type": "text", "text": text}] if text else []):
        del fields.rest["thinking"]
    own = kept(fields.rest, ("content",))
    return Thinking(text, signature=Signature("mistral", proof) if proof else None, extras=own)


def text_of(pieces: Json) -> str:
    """Return the words of a content list, or of a string."""
    if isinstance(pieces, str):
        return pieces
    texts = (
        (piece.get("text") for piece in pieces if isinstance(piece, dict)) if isinstance(pieces, list) else ()
    )
    return "".join(text for text in texts if isinstance(text, str))


def _read_thoughts(fields: Fields) -> list[Thinking]:
    """Take the thinking beside the content."""
    empty = fields.rest.get("reasoning_details") == []
    values = [] if empty else fields.array("reasoning_details") or []
    known = [
        _read_detail(Fields(value, f"{fields.path('reasoning_details')}[{index}]", strict=fields.strict))
        for index, value in enumerate(values)
        if fields.strict or isinstance(value, dict)
    ]
    thoughts = [thought for thought in known if thought is not None]
    if len(thoughts) < len(values) or not values:
        thoughts = []
        fields.rest |= (
            {} if "reasoning_details" in fields.rest or not values else {"reasoning_details": values}
        )
    strings = {name: text for name in STRINGS if (text := fields.words(name)) is not None}
    told = "".join(part.text for part in thoughts)
    text = told or next(iter(strings.values()), "")
    same = tuple(name for name in strings if strings[name] == text)
    fields.rest |= {name: other for name, other in strings.items() if name not in same}
    if told:
        return [_respelt(part, same) for part in thoughts]
    if text:
        own = kept({}, () if same == STRINGS[:1] else same)
        return [Thinking(text, extras=own), *thoughts]
    return thoughts


def _read_detail(fields: Fields) -> Thinking | None:
    """Read one of OpenRouter's details; None for a type nobody has told us of."""
    kind = fields.rest.get("type")
    if not isinstance(kind, str) or kind not in DETAIL:
        return None
    del fields.rest["type"]
    field, word = DETAIL[kind], fields.rest.get("format")
    form = ("details",) if field in fields.rest else ("details", f"-{field}")
    text = fields.text(field) or ""
    origin = ORIGINS.get(word, word) if isinstance(word, str) else "openrouter"
    if field == "data":
        id_ = fields.rest.get("id")
        proof = Signature(origin, text, id=id_ if isinstance(id_, str) else None)
        return Thinking(redacted=True, signature=proof, extras=kept(fields.rest, form))
    data = fields.words("signature")
    own = kept(fields.rest, form)
    signature = Signature(origin, data) if data else None
    return Thinking(text, summary=field == "summary", signature=signature, extras=own)


def _respelt(part: Thinking, names: Iterable[str]) -> Thinking:
    own = at_home(part.extras, NAME)
    return msgspec.structs.replace(part, extras=kept(everything(own), (*own.form, *names)))


def _read_call(fields: Fields, synthetic: str) -> ToolCall:
    typed, kind = "type" in fields.rest, fields.one_of("type", ("function", "custom"))
    word, field = ("custom", "input") if kind == "custom" else ("function", "arguments")
    form: tuple[str, ...] = () if typed else ("-type",)
    inner = fields.need_object(word)
    name = inner.need_text("name")
    if isinstance(inner.rest.get(field), (dict, list)) and not inner.strict:
        form += ("object",)
        arguments = encode(inner.rest.pop(field)).decode()
    else:
        form += () if field in inner.rest else (f"-{field}",)
        arguments = inner.need_text(field)
        form += () if arguments else ("empty",)
    fields.leave(word, inner)
    id_ = fields.need_text("id") if fields.strict else fields.words("id")
    if id_ is None:
        fields.rest.pop("id", None)
        id_ = synthetic
    return ToolCall(
        id_,
        name,
        arguments,
        custom=kind == "custom",
        synthetic=id_.startswith(SYNTHETIC),
        signature=read_signature(fields.rest),
        extras=kept(fields.rest, form),
    )


def read_signature(rest: dict[str, Json]) -> Signature | None:
    """Take Gemini's signature off a call, where Google's OpenAI-compatible server puts it."""
    given: Json = rest.get("extra_content")
    google: Json = given.get("google") if isinstance(given, dict) else None
    data = google.get("thought_signature") if isinstance(google, dict) else None
    if not isinstance(data, str) or not data:
        return None
    others = {name: value for name, value in google.items() if name != "thought_signature"}
    left = {name: value for name, value in given.items() if name != "google"}
    left |= {"google": others} if others else {}
    del rest["extra_content"]
    rest |= {"extra_content": left} if left else {}
    return Signature("gemini", data)


class Fragment(NamedTuple):
    """What one chunk adds: to which part, how that begins, and what is said."""

    key: Hashable
    shell: Part
    text: str
    signature: Signature | None
    rest: dict[str, Json]


def read_thoughts(delta: Mapping[str, Json]) -> Iterator[Fragment]:
    """Yield the thinking of one chunk's delta; details of unknown type are left out."""
    values = delta.get("reasoning_details")
    values = values if isinstance(values, list) else []
    known = [_read_detail(Fields(value)) for value in values if isinstance(value, dict)]
    details = [detail for detail in known if detail is not None]
    told = "".join(part.text for part in details)
    strings = {name: word for name in STRINGS if (word := delta.get(name)) and isinstance(word, str)}
    text = told or next(iter(strings.values()), "")
    same = tuple(name for name in strings if strings[name] == text)
    if text and not told:
        own = kept({}, () if same == STRINGS[:1] else same)
        yield Fragment(("thinking", same), Thinking(extras=own), text, None, {})
    for part in details:
        rest = {
            name: value for name, value in everything(at_home(part.extras, NAME)).items() if value is not None
        }
        shell = msgspec.structs.replace(part, text="", extras=kept(rest, ("details", *same)))
        if part.redacted:
            yield Fragment(object(), shell, "", None, {})
        else:
            key = ("detail", part.summary, str(rest.get("index")))
            shell = msgspec.structs.replace(shell, signature=None)
            yield Fragment(key, shell, part.text, part.signature, rest)


def read_piece(item: Mapping[str, Json]) -> Fragment:
    """Return the thinking of one content part in a chunk (Mistral)."""
    rest = {name: value for name, value in item.items() if name not in ("type", "thinking", "signature")}
    proof = item.get("signature")
    signature = Signature("mistral", proof) if isinstance(proof, str) and proof else None
    shell = Thinking(extras=Extras(NAME, {}, ("content",)))
    return Fragment("content", shell, text_of(item.get("thinking")), signature, rest)


# --- OUT ----------------------------------------------------------------------------------------------


def write_voice(
    parts: Sequence[Part], own: Extras, at: str, out: Crossing, *, answer: bool
) -> dict[str, Json]:
    """Write what the model said: an assistant's message in a history, or in an answer."""
    thoughts: list[Thinking] = []
    content: list[tuple[str, Content]] = []
    calls: list[Json] = []
    body: dict[str, Json] = {"role": "assistant", "content": None}
    for index, part in enumerate(parts):
        place = f"{at}.parts[{index}]"
        match part:
            case Thinking() if "content" not in at_home(part.extras, NAME).form:
                out.own(part.extras, place)
                thoughts.append(part)
            case Text(refusal=True) if "part" not in at_home(part.extras, NAME).form:
                out.own(part.extras, place)
                body["refusal"] = body.get("refusal", "") + part.text
            case ToolCall():
                if "function_call" in at_home(part.extras, NAME).form:
                    body["function_call"] = write_call(part, place, out)["function"]
                else:
                    calls.append(write_call(part, place, out))
            case ToolResult() | Opaque() | Media() if answer and not _is_own(part):
                write_odd(part, place, body, out)
            case Opaque(kind="delta", data=dict(data)):
                _join(body, data)
            case ToolResult():
                raise unsupported("a tool's answer cannot stand in the model's turn", place)
            case Media() if not out.home:
                raise unsupported(f"Chat Completions takes {part.kind} content from the user only", place)
            case _:
                if calls and not out.home:
                    out.lose("approximated", place, "what is said stands before the calls here")
                content.append((place, part))
    spoken = write_content(content, own.form, out, joined=answer)
    body |= {} if spoken is None else {"content": spoken}
    body |= write_thoughts(thoughts)
    if answer:
        body.setdefault("refusal", None)
    if calls:
        body["tool_calls"] = calls
    elif not answer and not out.home and body.keys().isdisjoint(("refusal", "function_call")):
        # Without calls a message has content, were it empty.
        body["content"] = body["content"] or ""
    return without(merged(body, everything(own)), own.form)


def _is_own(part: ToolResult | Opaque | Media) -> bool:
    return isinstance(part, Opaque) and part.dialect == NAME


def write_odd(part: Part, at: str, body: dict[str, Json], out: Crossing) -> None:
    """Write into an answer's message what no OpenAI model says: an image as OpenRouter does."""
    if isinstance(part, Media) and part.kind == "image" and part.source in ("base64", "url"):
        out.lose("emulated", at, "an image is an extension here")
        image = {"type": "image_url", "image_url": {"url": _uri(part)}, "index": len(body.get("images", []))}
        body.setdefault("images", []).append(image)
    else:
        out.lose("dropped", at, "an answer has no such part here")


def _join(body: dict[str, Json], delta: Mapping[str, Json]) -> None:
    """Lay a chunk's fields into a message: lists grow, and so do sound and its transcript."""
    for name, value in delta.items():
        before = body.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            body[name] = dict(before)
            _join(body[name], value)
        elif isinstance(before, list) and isinstance(value, list):
            body[name] = [*before, *value]
        elif isinstance(before, str) and isinstance(value, str) and name in ("data", "transcript"):
            body[name] = f"{before}{value}"
        else:
            body[name] = value


def write_content(
    parts: Sequence[tuple[str, Content]], form: Sequence[str], out: Crossing, *, joined: bool = False
) -> Json:
    """Write ``content``: a string where it can be one, else a list; None where there is nothing.

    Args:
        parts: With their paths.
        form: How it was spelt at home.
        out: What is lost is declared here.
        joined: Write words as one string wherever the client did not itself use a list.
    """
    blocks = [_write_part(part, place, out) for place, part in parts]
    bare = all(block.keys() == {"type", "text"} for block in blocks)
    if "list" in form or not (bare and (joined or len(blocks) < 2)):
        return blocks
    words = "".join(block["text"] for block in blocks)
    return words if blocks or "empty" in form else None


def _write_part(part: Content, at: str, out: Crossing) -> dict[str, Json]:
    if isinstance(part, Opaque):
        if part.dialect != NAME:
            raise unsupported(f"only {part.dialect} understands {part.kind}", at)
        own_data: dict[str, Json] = part.data
        return own_data
    own = out.own(part.extras, at)
    if isinstance(part, Thinking):
        return merged(_thinking(part.text, part.signature), everything(own))
    if isinstance(part, Text):
        word = "refusal" if part.refusal else "text"
        block: dict[str, Json] = {"type": word, word: part.text}
    else:
        block = _write_media(part, own, at, out)
    if part.signature is not None:
        out.lose("dropped", f"{at}.signature", "only a call has room for a signature")
    return merged({**block, **write_mark(part.cache_ttl_s, own, at, out)}, everything(own))


def write_mark(ttl_s: int | None, own: Extras, at: str, out: Crossing) -> dict[str, Json]:
    """Write a cache breakpoint with the longest lifetime that is not above the wanted one."""
    if ttl_s is None:
        return {}
    name = CONTROL if CONTROL in own.form else BREAKPOINT
    marks = MARKS[name]
    if ttl_s not in marks:
        out.lose("approximated", f"{at}.cache_ttl_s", "a cache entry has other lifetimes here")
        ttl_s = max((ttl for ttl in marks if 0 < ttl <= ttl_s), default=min(filter(None, marks)))
    return {name: marks[ttl_s]}


def _uri(part: Media) -> str:
    if part.source == "base64" and part.mime:
        return f"data:{part.mime};base64,{part.data}"
    return part.data


def _write_media(part: Media, own: Extras, at: str, out: Crossing) -> dict[str, Json]:
    if not out.home:
        part = inlined(part, at)
    kind = next((word for word in own.form if word in URLS), "image_url")
    match part.kind, part.source:
        case _ if kind != "image_url" or (part.kind, part.source) == ("image", "url") or _is_image(part):
            if "bare" in own.form:
                return {"type": kind, kind: _uri(part)}
            detail = {} if part.detail is None else {"detail": part.detail}
            return {"type": kind, kind: {"url": _uri(part), **detail}}
        case "audio", "base64" if out.home or part.mime in AUDIO_FORMAT:
            mime = part.mime or ""
            word = AUDIO_FORMAT.get(mime, mime.removeprefix("audio/"))
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": word}}
        case "document", "text":
            out.lose("emulated", at, "a text document is a text part here")
            return {"type": "text", "text": f"{part.name}\n\n{part.data}" if part.name else part.data}
        case "document", "file_id" if out.home:
            return {"type": "file", "file": {"file_id": part.data, **_filename(part.name)}}
        case "document", "base64" | "url" if out.home or (part.source == "base64" and part.mime):
            ending = "pdf" if part.mime == "application/pdf" else "txt"
            name = part.name if out.home or part.name else f"document.{ending}"
            return {"type": "file", "file": {"file_data": _uri(part), **_filename(name)}}
    raise unsupported(f"Chat Completions has no place for this {part.kind} ({part.source})", at)


def _is_image(part: Media) -> bool:
    return part.kind == "image" and part.source == "base64" and bool(part.mime)


def _filename(name: str | None) -> dict[str, Json]:
    return {} if name is None else {"filename": name}


def write_thoughts(thoughts: Sequence[Thinking]) -> dict[str, Json]:
    """Write thinking beside the content, each in its own spelling."""
    body: dict[str, Json] = {}
    # A client reads the list where there is one, so what stands in it is all there is.
    listed = any(part.signature and "details" not in at_home(part.extras, NAME).form for part in thoughts)
    for index, part in enumerate(thoughts):
        own = at_home(part.extras, NAME)
        for name in _strings(part, own):
            body[name] = body.get(name, "") + part.text
        if "details" in own.form or listed:
            body.setdefault("reasoning_details", []).append(_detail(part, part.text, index))
    return body


def _strings(part: Thinking, own: Extras) -> tuple[str, ...]:
    """Name the strings that repeat this part; of another dialect, the commonest."""
    names = tuple(name for name in STRINGS if name in own.form)
    return names or (() if "details" in own.form or part.redacted else STRINGS[:1])


def _detail(part: Thinking, text: str | None, index: int) -> dict[str, Json]:
    own, signature = at_home(part.extras, NAME), part.signature
    kind = "reasoning.summary" if part.summary else "reasoning.text"
    detail: dict[str, Json] = {"type": kind} if text is None else {"type": kind, DETAIL[kind]: text}
    if part.redacted:
        detail = {"type": "reasoning.encrypted", "data": signature.data if signature else ""}
        detail |= {"id": signature.id} if signature and signature.id and "details" not in own.form else {}
    elif signature is not None:
        detail["signature"] = signature.data
    if "details" not in own.form and signature is not None:
        detail["format"] = FORMATS.get(signature.origin, signature.origin)
    if "details" not in own.form:
        detail["index"] = index
    return without({**detail, **everything(own)}, own.form)


def _thinking(text: str, signature: Signature | None) -> dict[str, Json]:
    pieces = [{"type": "text", "text": text}] if text else []
    proof = {} if signature is None else {"signature": signature.data}
    return {"type": "thinking", "thinking": pieces, **proof}


def spell(shell: Thinking, text: str) -> dict[str, Json]:
    """Return the delta that adds `text` to a thinking part."""
    own = at_home(shell.extras, NAME)
    if "content" in own.form:
        return {"content": [_thinking(text, None)]}
    delta: dict[str, Json] = dict.fromkeys(_strings(shell, own), text)
    if "details" in own.form:
        delta["reasoning_details"] = [_detail(msgspec.structs.replace(shell, signature=None), text, 0)]
    return delta


def prove(shell: Thinking, said: str, rest: Mapping[str, Json], index: int) -> dict[str, Json]:
    """Return the delta that ends a thinking part: its signature, and what came last.

    Args:
        shell: The part with its final signature.
        said: The whole text, repeated where the part was not spelt as details before, so that the
            one detail a client keeps is complete.
        rest: Fields the end brought.
        index: Which part of the answer this is.
    """
    own = at_home(shell.extras, NAME)
    if shell.signature is None and not rest:
        return {}
    if "content" in own.form:
        return {"content": [{**_thinking("", shell.signature), **rest}]}
    detail = _detail(shell, None if "details" in own.form else said, index)
    return {"reasoning_details": [{**detail, **rest}]}


def write_call(call: ToolCall, at: str, out: Crossing) -> dict[str, Json]:
    """Write one call."""
    own = out.own(call.extras, at)
    if call.cache_ttl_s is not None:
        out.lose("dropped", f"{at}.cache_ttl_s", "a call takes no cache breakpoint here")
    word, field = ("custom", "input") if call.custom else ("function", "arguments")
    arguments: Json = decode(call.arguments) if "object" in own.form else call.arguments
    if arguments == "" and not call.custom and "empty" not in own.form:
        # Every client parses them, and a call of another dialect may have none.
        arguments = "{}"
    inner = without({"name": call.name, field: arguments}, own.form)
    body = {"id": call.id, "type": word, word: inner, **write_signature(call.signature, at, out)}
    return without(merged(body, everything(own)), own.form)


def write_signature(signature: Signature | None, at: str, out: Crossing) -> dict[str, Json]:
    """Write a call's signature where it has a place; declare others lost."""
    if signature is None:
        return {}
    if signature.origin != "gemini":
        out.lose("dropped", f"{at}.signature", f"a call has no room for one by {signature.origin}")
        return {}
    return {"extra_content": {"google": {"thought_signature": signature.data}}}
