"""What Gemini's requests and answers are made of: spelling, parts, tools, schemas, usage; both ways.

    text  thought  inlineData  fileData  functionCall  functionResponse

Read 2026-11-21: the types of the Python SDK 3.4 (Part, Blob, FunctionCall, FunctionResponse, Tool, Schema,
GenerateContentResponseUsageMetadata); https://ai.google.dev/api/caching is their reference. Every other
part (executableCode, codeExecutionResult, toolCall, toolResponse, partial arguments, what comes next year)
is Opaque and goes home verbatim.

* **Spelling.** A client may write each name in camelCase or snake_case, and an object where a list of
  one is meant (proto-JSON). Inside, names are camelCase and lists are lists: :func:`settle` says which were
  not, :func:`unsettle` undoes it. What the client's own words name is never respelt (:data:`FREE`).
* **Ids.** Calls may come without an id. They get one that counts them, so that the same history always
  gives the same ids; a result without an id belongs to the first open call of its name (:class:`Ids`).
  Whatever begins with SYNTHETIC is ours and is not sent to Gemini, even if a foreign client echoes it.
* **Results.** ``response`` is an object: ``output`` or ``error`` alone hold the result, any other object
  is the result itself, as JSON text.
* **Schemas.** ``parameters`` and ``responseSchema`` are Google's own subset with upper-case types. The
  core gets the JSON Schema that means the same; the original is the part's spelling, and goes home.
* **Usage.** ``promptTokenCount`` includes the cache and excludes what hosted tools read,
  ``candidatesTokenCount`` excludes thoughts.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, assert_never
from urllib.parse import quote, unquote

from dragoman.core.extras import Extras, Json, at_home, extras
from dragoman.core.failure import invalid, unsupported
from dragoman.core.request import (
    Media,
    Opaque,
    Part,
    Signature,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from dragoman.core.usage import Usage
from dragoman.dialects.border import ODD, Crossing, as_object, inlined
from dragoman.dialects.fields import Fields, decode, encode
from dragoman.dialects.figures import count, tier

NAME = "gemini"
SYNTHETIC = "call_dragoman_"
FREE = frozenset(
    {
        *("args", "response", "labels", "headers", "partMetadata", "partialArgs"),
        *("parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema"),
    }
)
"""Fields whose content is the client's own: nothing in it is respelt here."""
LISTS = frozenset({"contents", "parts", "tools", "functionDeclarations", "safetySettings"})
"""Lists of objects that are often given as one object (the vendor's own examples do)."""
DATA = ("text", "inlineData", "fileData", "functionCall", "functionResponse")
"""The parts modelled here; a part holds one kind of data."""
KINDS: dict[str, Literal["image", "audio", "video", "document"]] = {
    "image": "image",
    "audio": "audio",
    "video": "video",
}
"""What a file is, by the first word of its media type; a document else."""
FILES = ("gs://", "https://generativelanguage.googleapis.com/")
YOUTUBE = re.compile(r"https?://((www|m)\.)?(youtube\.com|youtu\.be)/")
"""What Gemini watches by its link (ai.google.dev/gemini-api/docs/video-understanding; recorded traffic)."""
GOOD = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
"""A function's name (SDK 3.4, FunctionDeclaration, 2026-11-21)."""
TO_STANDARD, TO_URL_SAFE = str.maketrans("-_", "+/"), str.maketrans("+/", "-_")

# --- ADDRESSES AND NUMBERS ----------------------------------------------------------------------------


def target(path: str) -> tuple[str, str]:
    """Return the model and the method a path names; the model may hold slashes and colons itself."""
    head, _, method = unquote(path).rpartition(":")
    for mark, prefix in (("/models/", ""), ("/tunedModels/", "tunedModels/")):
        _, found, model = head.partition(mark)
        if found and model:
            return prefix + model, method
    raise invalid("the path must name a model", "$.model")


def resource(model: str) -> str:
    """Return a model's full name."""
    return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"


def address(model: str, method: str) -> str:
    """Return the path of a method, below the version."""
    return f"/{quote(resource(model), safe='/:@')}:{method}"


def whole_number(fields: Fields, name: str, *, least: int | None = None) -> int | None:
    """Take a whole number, which proto-JSON may write as 40.0."""
    value = fields.rest.get(name)
    if isinstance(value, float) and value.is_integer():
        fields.rest[name] = int(value)
    return fields.integer(name, least=least)


# --- SPELLING -----------------------------------------------------------------------------------------


def camel(name: str) -> str:
    """Return a field's name in camelCase."""
    return re.sub(r"(?<=[a-z0-9])_([a-z0-9])", lambda found: found[1].upper(), name)


def settle(body: Json) -> tuple[Json, tuple[str, ...]]:
    """Return a client's body in camelCase with lists for lists, and what was spelt otherwise.

    What is spelt one way throughout is said once by its name, else with each path.

    Raises:
        Failure: INVALID; one field twice, in both spellings.
    """
    usual: set[str] = set()
    odd: dict[str, list[str]] = {}

    def settled(value: Json, at: str) -> Json:
        if isinstance(value, list):
            return [settled(item, f"{at}[{index}]") for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        done: dict[str, Json] = {}
        for key, inner in value.items():
            name = camel(key)
            place = f"{at}.{name}"
            if name in done:
                raise invalid("the field is given twice, in two spellings", place)
            note(key, name, place)
            if name in LISTS and inner is not None:
                note(f"one {name}" if isinstance(inner, dict) else f"many {name}", f"many {name}", place)
                inner = [inner] if isinstance(inner, dict) else inner  # noqa: PLW2901 - the same in a list
            done[name] = inner if name in FREE else settled(inner, place)
        return done

    def note(spelt: str, name: str, place: str) -> None:
        if spelt == name:
            usual.add(name)
        else:
            odd.setdefault(spelt, []).append(place)

    result = settled(body, "$")
    form: list[str] = []
    for spelt, places in odd.items():
        name = spelt.replace("one ", "many ") if spelt.startswith("one ") else camel(spelt)
        form += [f"{spelt} at {place}" for place in places] if name in usual else [spelt]
    return result, tuple(form)


def unsettle(body: Json, form: Iterable[str]) -> Json:
    """Return a body in the spelling :func:`settle` found it in."""
    words = [word for word in form if "_" in word or word.startswith("one ")]
    if not words:
        return body
    names = {camel(word): word.partition(" at $")[0] for word in words if not word.startswith("one ")}
    ones = {word for word in words if word.startswith("one ")}

    def unsettled(value: Json, at: str) -> Json:
        if isinstance(value, list):
            return [unsettled(item, f"{at}[{index}]") for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        done: dict[str, Json] = {}
        for name, inner in value.items():
            place = f"{at}.{name}"
            field = inner if name in FREE else unsettled(inner, place)
            if (
                isinstance(field, list)
                and len(field) == 1
                and ones & {f"one {name}", f"one {name} at {place}"}
            ):
                field = field[0]
            done[names.get(name) or names.get(f"{name} at {place}") or name] = field
        return done

    return unsettled(body, "$")


QUIET = ("createTime", "avgLogprobs", "tokenCount", "finishMessage")
"""What an answer says that nobody else asks for."""


def remains(rest: Mapping[str, Json], form: Iterable[str] = ()) -> Extras | None:
    """Return as extras what nobody took of an answer or a candidate."""
    quiet = {name: value for name, value in rest.items() if name in QUIET}
    return extras(NAME, {name: rest[name] for name in rest if name not in quiet}, form, quiet)


def left(own: Extras) -> dict[str, Json]:
    """Return what :func:`remains` kept."""
    return {**own.rest, **own.quiet}


def over(block: Mapping[str, Json], rest: Mapping[str, Json]) -> dict[str, Json]:
    """Return `block` with `rest` laid over it, one level deep in objects both have."""
    done = dict(block)
    for name, value in rest.items():
        both = isinstance(value, dict) and isinstance(done.get(name), dict)
        done[name] = {**done[name], **value} if both else value
    return done


# --- PARTS IN -----------------------------------------------------------------------------------------


class Ids:
    """The ids of one history's calls, or of one answer's (`salt`), in order."""

    __slots__ = ("_calls", "_open", "_salt")

    def __init__(self, salt: str = "") -> None:
        self._salt = salt
        self._calls = 0
        self._open: list[tuple[str, str]] = []

    def call(self, given: str | None, name: str) -> str:
        """Return the id of the next call."""
        id_ = given or f"{SYNTHETIC}{self._salt}{self._calls}"
        self._calls += 1
        self._open.append((id_, name))
        return id_

    def result(self, given: str | None, name: str) -> str:
        """Return the id of the call that a result answers."""
        for entry in self._open:
            if entry[0] == given or (given is None and entry[1] == name):
                self._open.remove(entry)
                return entry[0]
        return given or f"{SYNTHETIC}{name}"  # its call is not in this history: cached content, perhaps


def read_part(value: Json, at: str, ids: Ids, *, strict: bool) -> Part:
    """Read one part: strictly if a client wrote it; what only Gemini understands is Opaque."""
    fields = Fields(value, at, strict=strict)
    kinds = [kind for kind in DATA if fields.rest.get(kind) is not None]
    if strict and len(kinds) > 1:
        raise invalid(f"a part holds one of {' and '.join(kinds)}", at)
    kind, thought = kinds[0] if kinds else "", fields.rest.get("thought") is True
    foreign = next((name for name in fields.rest if name not in ("thought", "thoughtSignature")), "")
    if (thought and kind not in ("text", "")) or (not kind and (foreign or not thought)):
        return Opaque(NAME, foreign, value)
    proof = fields.words("thoughtSignature")
    signed = Signature(NAME, proof) if proof else None
    if kind in ("text", ""):
        text = fields.text("text")
        if thought:
            del fields.rest["thought"]
            kept = extras(NAME, fields.rest, () if kind else ("no text",))
            return Thinking(text or "", summary=True, signature=signed, extras=kept)
        return Text(text or "", signature=signed, extras=extras(NAME, fields.rest))
    if kind == "functionCall":
        return _read_call(fields, signed, ids) or Opaque(NAME, kind, value)
    if kind == "functionResponse":
        return _read_result(fields, ids) if strict else Opaque(NAME, kind, value)
    return _read_media(fields, kind, signed)


def _read_call(fields: Fields, signed: Signature | None, ids: Ids) -> ToolCall | None:
    """Return a call; None for a piece of one, which Vertex streams if it is asked to."""
    inner = fields.need_object("functionCall")
    if inner.rest.get("partialArgs") is not None or inner.rest.get("willContinue"):
        return None
    id_, name, given = inner.words("id"), inner.need_text("name"), inner.object("args")
    fields.leave("functionCall", inner)
    return ToolCall(
        ids.call(id_, name),
        name,
        "" if given is None else encode(given.rest).decode(),
        synthetic=id_ is None,
        signature=signed,
        extras=extras(NAME, fields.rest, ("no args",) if given is None else ()),
    )


def _read_result(fields: Fields, ids: Ids) -> ToolResult:
    inner = fields.need_object("functionResponse")
    id_, name, given = inner.words("id"), inner.need_text("name"), inner.object("response")
    parts: list[Text | Media | Opaque] = []
    form = ["no id"] if id_ is None else []
    body = given.rest if given else {}
    error = body.keys() == {"error"}
    if not body:
        form.append("no response" if given is None else "empty")
    elif error or body.keys() == {"output"}:
        result = body["error" if error else "output"]
        parts.append(Text(result if isinstance(result, str) else encode(result).decode()))
        form += [] if isinstance(result, str) else ["json"]
    else:
        parts.append(Text(encode(body).decode()))
        form.append("object")
    for index, value in enumerate(inner.array("parts") or () if inner.rest.get("parts") else ()):
        part = read_part(value, f"{inner.path('parts')}[{index}]", ids, strict=True)
        parts.append(part if isinstance(part, (Media, Opaque)) else Opaque(NAME, "part", value))
    fields.leave("functionResponse", inner)
    kept = extras(NAME, fields.rest, form)
    return ToolResult(ids.result(id_, name), tuple(parts), error, name, extras=kept)


def _read_media(fields: Fields, kind: str, signed: Signature | None) -> Media:
    inner = fields.need_object(kind)
    name, form = inner.text("displayName"), []
    source: Literal["base64", "url", "file_id"]
    if kind == "inlineData":
        source, data, mime = "base64", inner.need_text("data"), inner.words("mimeType")
        if mime is None:
            inner.missing("mimeType")
        if "-" in data or "_" in data:
            data, form = data.translate(TO_STANDARD), ["url-safe"]
    else:
        data, mime = inner.need_text("fileUri"), inner.words("mimeType")
        source = "file_id" if data.startswith(FILES) or ":" not in data else "url"
    fields.leave(kind, inner)
    seen = mime or ("video/" if YOUTUBE.match(data) else "")
    what = KINDS.get(seen.partition("/")[0].lower(), "document")
    kept = extras(NAME, fields.rest, form)
    return Media(what, source, data, mime, name, signature=signed, extras=kept)


# --- PARTS OUT ----------------------------------------------------------------------------------------


def write_part(
    part: Part, at: str, out: Crossing, names: Mapping[str, str] | None = None
) -> dict[str, Json] | None:
    """Return one part; None where nothing is left to say. `names`: the tool each call id belongs to.

    Raises:
        Failure: UNSUPPORTED; Gemini would see something else than the client showed it.
    """
    if isinstance(part, Opaque):
        data: dict[str, Json] = own_data(part, at)
        return data
    own = out.own(part.extras, at)
    if not isinstance(part, Thinking) and part.cache_ttl_s is not None:
        out.lose("dropped", f"{at}.cache_ttl_s", "what is cached is named by cachedContent here")
    ours = part.signature if not isinstance(part, ToolResult) else None
    ours = ours if ours is not None and ours.origin == NAME else None
    match part:
        case Text():
            if not (part.text or ours or out.home):
                return None
            if part.refusal:
                out.lose("approximated", f"{at}.refusal", "a refusal is plain text here")
            block: dict[str, Json] = {"text": part.text}
        case Thinking():
            if part.redacted or not (part.text or ours or part.signature is None):
                out.lose("dropped", at, "nothing of it can be read here")
                return None
            text = {} if "no text" in own.form and not part.text else {"text": part.text}
            block = {**text, "thought": True}
        case Media():
            block = _write_media(part, at, own, out)
        case ToolCall():
            block = {"functionCall": _write_call(part, at, own, out)}
        case ToolResult():
            return over({"functionResponse": _write_result(part, at, own, out, names or {})}, own.rest)
        case _:
            assert_never(part)
    out.unsign(part.signature, at)
    if ours is not None:
        block["thoughtSignature"] = ours.data
    return over(block, own.rest)


def own_data(value: Opaque, at: str) -> Any:
    """Return a part, tool or cache verbatim, or refuse another dialect's."""
    if value.dialect != NAME:
        raise unsupported(f"only {value.dialect} understands {value.kind}", at)
    return value.data


def respelt(name: str) -> str:
    """Return a function's name in letters Gemini takes: the same for the same name."""
    if GOOD.fullmatch(name):
        return name
    return f"_{ODD.sub('_', name)[:100]}_{zlib.crc32(name.encode()):08x}"


def _write_call(call: ToolCall, at: str, own: Extras, out: Crossing) -> dict[str, Json]:
    block: dict[str, Json] = {} if call.synthetic or call.id.startswith(SYNTHETIC) else {"id": call.id}
    block["name"] = call.name if out.home else respelt(call.name)
    if call.custom:
        out.lose("emulated", at, "free text is the one argument of a function")
        block["args"] = {"input": call.arguments}
    elif "no args" not in own.form:
        given = as_object(call.arguments)
        if given is None:
            out.lose("approximated", f"{at}.arguments", "not a JSON object")
        block["args"] = {"INVALID_JSON": call.arguments} if given is None else given
    return block


def _write_result(
    part: ToolResult, at: str, own: Extras, out: Crossing, names: Mapping[str, str]
) -> dict[str, Json]:
    name = part.name if out.home else names.get(part.call_id) or part.name
    if name is None or not (name or out.home):
        raise unsupported("Gemini needs the name of the tool whose result this is", f"{at}.name")
    ours = "no id" in own.form or part.call_id.startswith(SYNTHETIC)
    block: dict[str, Json] = {} if ours else {"id": part.call_id}
    block["name"] = name if out.home else respelt(name)
    words: list[str] = []
    media: list[Json] = []
    for place, inner in enumerate(part.parts):
        written = write_part(inner, f"{at}.parts[{place}]", out)
        if isinstance(inner, Text) or (isinstance(inner, Media) and inner.source == "text"):
            words += [written["text"]] if written else []
        else:
            media.append(written)
    text = "\n".join(words)
    if "object" in own.form:
        block["response"] = decode(text)
    elif "no response" not in own.form:
        key = "error" if part.error else "output"
        block["response"] = {} if "empty" in own.form else {key: decode(text) if "json" in own.form else text}
    return {**block, "parts": media} if media else block


def _write_media(part: Media, at: str, own: Extras, out: Crossing) -> dict[str, Json]:
    if not out.home:
        part = inlined(part, at)
        if part.detail not in (None, "auto"):
            out.lose("dropped", f"{at}.detail", "the resolution is one for the whole request")
        if part.name is not None and part.source != "text":
            out.lose("dropped", f"{at}.name", "a file has no name here")
    if part.source == "text":
        out.lose("approximated", at, "a text document is plain words here")
        return {"text": f"{part.name}\n\n{part.data}" if part.name else part.data}
    if part.source == "base64":
        if not part.mime and not out.home:
            raise unsupported(f"Gemini needs the media type of the {part.kind}", at)
        data = part.data.translate(TO_URL_SAFE) if "url-safe" in own.form else part.data
        block = {"data": data}
    else:
        if not out.home and (part.source == "file_id" or not _fetchable(part.data)):
            raise unsupported(f"Gemini fetches no {part.kind} but its own files and YouTube", at)
        block = {"fileUri": part.data}
    if part.mime:
        block["mimeType"] = part.mime
    if part.name is not None and out.home:
        block["displayName"] = part.name
    return {"inlineData" if part.source == "base64" else "fileData": block}


def _fetchable(uri: str) -> bool:
    return uri.startswith(FILES) or YOUTUBE.match(uri) is not None


# --- TOOLS --------------------------------------------------------------------------------------------


def read_tools(values: Sequence[Json], at: str) -> list[Tool | Opaque]:
    """Read a client's tools: functions one by one, what Gemini hosts itself as Opaque."""
    tools: list[Tool | Opaque] = []
    for index, value in enumerate(values):
        fields = Fields(value, f"{at}[{index}]", strict=True)
        functions = fields.array("functionDeclarations")
        if not functions:
            tools.append(Opaque(NAME, next(iter(value), ""), value))
            continue
        last = len(functions) - 1
        for place, function in enumerate(functions):
            form = ["apart"] if place == 0 and tools and isinstance(tools[-1], Tool) else []
            form += ["joined"] if place == last and fields.rest else []
            tools.append(_read_tool(function, f"{fields.path('functionDeclarations')}[{place}]", form))
        if fields.rest:
            tools.append(Opaque(NAME, next(iter(fields.rest)), fields.rest))
    return tools


def _read_tool(value: Json, at: str, form: list[str]) -> Tool:
    fields = Fields(value, at, strict=True)
    name, description = fields.need_text("name"), fields.text("description")
    schema = fields.object("parametersJsonSchema")
    if schema is not None:
        return Tool(name, description, schema.rest, extras=extras(NAME, fields.rest, form))
    given = fields.object("parameters")
    form += [] if given is None else [f"parameters: {encode(given.rest).decode()}"]
    meant = None if given is None else json_schema(given.rest)
    return Tool(name, description, meant, extras=extras(NAME, fields.rest, form))


def write_tools(tools: Sequence[Tool | Opaque], out: Crossing) -> list[Json]:
    """Write tools: the functions that follow one another together."""
    entries: list[Json] = []
    group: list[Json] | None = None
    joined = False
    for index, tool in enumerate(tools):
        at = f"tools[{index}]"
        if isinstance(tool, Opaque):
            data = own_data(tool, at)
            if joined:
                entries[-1] = {**entries[-1], **data}
            else:
                entries.append(data)
            group, joined = None, False
            continue
        own = out.own(tool.extras, at)
        if group is None or "apart" in own.form:
            group = []
            entries.append({"functionDeclarations": group})
        group.append(_write_tool(tool, at, own, out))
        joined = "joined" in own.form
    return entries


def _write_tool(tool: Tool, at: str, own: Extras, out: Crossing) -> dict[str, Json]:
    if not out.home and not GOOD.fullmatch(tool.name):
        raise unsupported(f"a tool's name begins with a letter or _ here, not {tool.name!r}", f"{at}.name")
    if tool.cache_ttl_s is not None:
        out.lose("dropped", f"{at}.cache_ttl_s", "what is cached is named by cachedContent here")
    block: dict[str, Json] = {"name": tool.name}
    if tool.description is not None:
        block["description"] = tool.description
    schema = tool.schema
    if tool.custom:
        if tool.grammar not in (None, {}, {"type": "text"}):
            raise unsupported("Gemini holds no tool to a grammar", f"{at}.grammar")
        out.lose("emulated", at, "free text is the one argument of a function")
        schema = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    if original := spelling(own, "parameters"):
        block["parameters"] = decode(original)
    elif schema is not None:
        block["parametersJsonSchema"] = schema if out.home else {"type": "object", **schema}
    return {**block, **own.rest}


def spelling(own: Extras, name: str) -> str | None:
    """Return the original JSON text of a schema that came as `name`, if it did."""
    head = f"{name}: "
    return next((word.removeprefix(head) for word in own.form if word.startswith(head)), None)


NUMBERS = frozenset({f"{end}{what}" for end in ("min", "max") for what in ("Items", "Length", "Properties")})


def json_schema(schema: Json) -> Json:
    """Return the JSON Schema that says what Google's Schema object says (SDK 3.4, 2026-11-21)."""
    if not isinstance(schema, dict):
        return schema
    given = {camel(name): value for name, value in schema.items()}
    done: dict[str, Json] = {}
    for name, value in given.items():
        match name:
            case "type" if isinstance(value, str):
                done |= {} if value == "TYPE_UNSPECIFIED" else {"type": value.lower()}
            case "properties" | "defs" if isinstance(value, dict):
                order = given.get("propertyOrdering")
                keys = list(value)
                if isinstance(order, list):
                    keys.sort(key=lambda key: order.index(key) if key in order else len(order))
                done["$defs" if name == "defs" else name] = {key: json_schema(value[key]) for key in keys}
            case "items" | "additionalProperties":
                done[name] = json_schema(value)
            case "anyOf" if isinstance(value, list):
                done[name] = [json_schema(item) for item in value]
            case "ref":
                done["$ref"] = value
            case "example":
                done["examples"] = [value]
            case "nullable" | "propertyOrdering":
                continue
            case _:
                whole = name in NUMBERS and isinstance(value, str) and value.isdigit()  # int64 is a string
                done[name] = int(value) if whole else value
    return _nullable(done) if given.get("nullable") is True else done


def _nullable(schema: dict[str, Json]) -> dict[str, Json]:
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    if isinstance(schema.get("enum"), list):
        schema["enum"] = [*schema["enum"], None]
    if isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return schema


# --- USAGE --------------------------------------------------------------------------------------------


def read_usage(native: dict[str, Json]) -> Usage:
    """Convert usage; the provider's own figures stay in ``native``, verbatim."""
    cached = count(native.get("cachedContentTokenCount"))
    prompt = max(count(native.get("promptTokenCount")), cached)
    heard = _audio(native, "promptTokensDetails")
    heard = min(max(heard - _audio(native, "cacheTokensDetails"), 0), prompt - cached)
    written = count(native.get("candidatesTokenCount"))
    spoken = min(_audio(native, "candidatesTokensDetails"), written)
    return Usage(
        input=prompt - cached - heard + count(native.get("toolUsePromptTokenCount")),
        cache_read=cached,
        audio_input=heard,
        output=written - spoken,
        reasoning=count(native.get("thoughtsTokenCount")),
        audio_output=spoken,
        native=Extras(NAME, native),
        tier=tier(native.get("serviceTier"), native.get("trafficType")),
    )


def _audio(native: Mapping[str, Json], name: str) -> int:
    details = native.get(name)
    return sum(
        count(entry.get("tokenCount"))
        for entry in (details if isinstance(details, list) else ())
        if isinstance(entry, dict) and entry.get("modality") == "AUDIO"
    )


def write_usage(usage: Usage | None) -> dict[str, Json]:
    """Write usage: the provider's own words if it was Gemini, else the same figures in them."""
    if usage is None:
        return {}
    if native := at_home(usage.native, NAME).rest:
        return native
    figures: dict[str, Json] = {
        "promptTokenCount": usage.total_input,
        "candidatesTokenCount": usage.output + usage.audio_output,
        "totalTokenCount": usage.total,
    }
    if usage.cache_read:
        figures["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning:
        figures["thoughtsTokenCount"] = usage.reasoning
    for name, tokens in (
        ("promptTokensDetails", usage.audio_input),
        ("candidatesTokensDetails", usage.audio_output),
    ):
        if tokens:
            figures[name] = [{"modality": "AUDIO", "tokenCount": tokens}]
    return figures
