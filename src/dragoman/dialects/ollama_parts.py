"""What Ollama's requests and answers are made of: messages, calls, tools, times, usage; both ways.

    content  thinking  images  tool_calls  tool_name  tool_call_id

Pages and date: see ``ollama``. A message has one string, so what the core keeps apart is joined by a blank
line; images stand before it, as the server's own templates put them, and calls behind it.

* **Ids.** Calls may come without an id, and older clients drop those they were given. They get one that
  counts them, so that the same history always gives the same ids; a tool's answer without an id belongs to
  the first open call of its name, or the first open call there is (:class:`Ids`). Whatever begins with
  SYNTHETIC is ours and is never sent to a provider.
* **Arguments** are an object on the wire and text in the core.
* **Images** are bare base64: no URL, no data URI; their type is told by their first bytes.
* **Times** are RFC 3339 with up to nine digits behind the second; the core has whole Unix seconds. The wire's
  own string is kept. The two conversions are plain arithmetic on the Gregorian calendar, for nothing here
  may look at a clock.
* **Usage.** Zeros are left out ("a fully cached prompt" has no ``prompt_eval_count``); ``eval_count``
  includes thinking, and nothing says how much.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import assert_never

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
from dragoman.dialects.border import Crossing, as_object, hushed, inlined, merged
from dragoman.dialects.fields import Fields, encode
from dragoman.dialects.figures import count

NAME = "ollama"
SYNTHETIC = "call_dragoman_"
ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "user"}
COUNTS = ("prompt_eval_count", "eval_count")
METRICS = (*COUNTS, "total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
"""What the last object of an answer tells of its making; durations are in nanoseconds."""
MOVED = "Answer of the tool {}:"
"""Introduces what a tool answered besides text, in the user's turn."""


# --- TIMES --------------------------------------------------------------------------------------------

STAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
EPOCH = 719_468
"""Days from 1 March of the year 0 to 1 January 1970. Years begin in March, so that leap days end them."""
CENTURIES_4, DAY = 146_097, 86_400
"""Days of 400 years; seconds of a day."""


def read_time(text: str) -> int | None:
    """Return an RFC 3339 time as whole Unix seconds, or None if it is not one."""
    found = STAMP.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    year -= month < 3
    days = (153 * ((month + 9) % 12) + 2) // 5 + day - 1 + 365 * year + year // 4 - year // 100 + year // 400
    offset = (int(found[8]) * 60 + int(found[9])) * 60 * (-1 if found[7] == "-" else 1) if found[7] else 0
    return (days - EPOCH) * DAY + hour * 3600 + minute * 60 + second - offset


def write_time(seconds: int) -> str:
    """Return Unix seconds as RFC 3339, in UTC."""
    days, rest = divmod(seconds, DAY)
    era, of_era = divmod(days + EPOCH, CENTURIES_4)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    year += era * 400 + (month < 3)
    return f"{year:04}-{month:02}-{day:02}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}Z"


# --- IN -----------------------------------------------------------------------------------------------


class Ids:
    """Gives ids to the calls of a history or an answer, and finds the call a tool's answer belongs to."""

    __slots__ = ("_count", "_open", "_salt")

    def __init__(self, salt: str = "") -> None:
        """Begin to count; `salt` tells the calls of one answer from another's."""
        self._salt = salt
        self._open: dict[str, str] = {}  # the calls not answered yet: id -> name
        self._count = 0

    def ask(self, given: str | None, name: str) -> str:
        """Return the id of a call: the given one, or one that counts it."""
        id_ = given or self._next()
        self._open[id_] = name
        return id_

    def answer(self, given: str | None, name: str | None) -> str:
        """Return the id of the call an answer belongs to."""
        id_ = given or next((id_ for id_, asked in self._open.items() if name in (None, asked)), None)
        if id_ is None:
            return self._next()  # its call is not in this history
        self._open.pop(id_, None)
        return id_

    def _next(self) -> str:
        self._count += 1
        return f"{SYNTHETIC}{self._salt}{self._count - 1}"


def read_message(fields: Fields, ids: Ids) -> Message:
    """Read a client's message; a tool's is the user's, and holds one ToolResult."""
    role = fields.one_of("role", ROLES)
    if role is None:
        raise invalid("role is required", fields.path("role"))
    form = [] if isinstance(fields.rest.get("content"), str) else ["-content"]
    parts: list[Part] = []
    if role == "assistant":
        thought, text = fields.words("thinking"), fields.text("content")
        if thought is not None:
            parts.append(Thinking(thought))
        parts += read_images(fields)
        if text:
            parts.append(Text(text))
        calls = () if fields.rest.get("tool_calls") == [] else fields.array("tool_calls") or ()
        for index, value in enumerate(calls):
            at = f"{fields.path('tool_calls')}[{index}]"
            parts.append(read_call(Fields(value, at, strict=True), ids))
        quiet = hushed(fields.rest, "thinking")
        return Message("assistant", tuple(parts), extras(NAME, fields.rest, form, quiet))
    images, text = read_images(fields), fields.text("content")
    content: tuple[Text | Media, ...] = (*images, Text(text)) if text else tuple(images)
    if role != "tool":
        return Message(ROLES[role], content, extras(NAME, fields.rest, form))
    name, given = fields.words("tool_name"), fields.words("tool_call_id")
    form += [] if given else ["-tool_call_id"]
    quiet = hushed(fields.rest, "tool_name", "tool_call_id")
    kept = extras(NAME, fields.rest, form, quiet)
    return Message("user", (ToolResult(ids.answer(given, name), content, name=name, extras=kept),))


def read_images(fields: Fields) -> list[Media]:
    """Take ``images``; an empty list stays in the rest."""
    if fields.rest.get("images") in (None, []):
        return []
    images: list[Media] = []
    for index, data in enumerate(fields.strings("images") or ()):
        if ":" in data[:8]:
            raise invalid("an image is base64 here, without a scheme", f"{fields.path('images')}[{index}]")
        images.append(inlined(Media("image", "base64", data), fields.path("images")))
    return images


def read_call(fields: Fields, ids: Ids) -> ToolCall:
    """Read one call of a history or an answer. Its number and type go home, and nobody else misses them."""
    given = fields.words("id")
    form = [] if given else ["-id"]
    inner = fields.need_object("function")
    name, value = inner.need_text("name"), inner.rest.get("arguments")
    quiet = hushed(fields.rest, "id") | {n: fields.rest.pop(n) for n in ("type",) if n in fields.rest}
    if "index" in inner.rest:
        quiet["function"] = {"index": inner.rest.pop("index")}
    if isinstance(value, str) and not fields.strict:
        arguments, form = inner.need_text("arguments"), [*form, "text"]
    else:
        found = inner.object("arguments")
        arguments = "" if found is None else encode(found.rest).decode()
        form += ["-arguments"] if found is None else []
    fields.leave("function", inner)
    kept = extras(NAME, fields.rest, form, quiet)
    return ToolCall(ids.ask(given, name), name, arguments, synthetic=given is None, extras=kept)


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


# --- OUT ----------------------------------------------------------------------------------------------


def write_messages(messages: Sequence[Message], out: Crossing) -> list[Json]:
    """Write the conversation. What a tool answered besides text follows once all tools have answered."""
    turns: list[Json] = []
    moved: list[Json] = []
    names = {part.id: part.name for m in messages for part in m.parts if isinstance(part, ToolCall)}
    for index, message in enumerate(messages):
        at = f"messages[{index}]"
        own = out.own(message.extras, at)
        told: list[tuple[str, Part]] = []
        for place, part in enumerate(message.parts):
            where = f"{at}.parts[{place}]"
            if isinstance(part, ToolResult) and message.role == "user":
                turns.append(_write_result(part, names.get(part.call_id), where, out, moved))
            else:
                told.append((where, part))
        if message.parts and not told:
            continue
        turns += moved
        moved = []
        turn = write_turn(message.role, told, own, out)
        if out.home or turn.keys() != {"role", "content"} or turn["content"]:
            turns.append(turn)
    return [*turns, *moved]


def write_turn(role: str, parts: Sequence[tuple[str, Part]], own: Extras, out: Crossing) -> dict[str, Json]:
    """Write one message: its words joined, its images, its thinking and its calls."""
    texts: list[str] = []
    images: list[str] = []
    thoughts: list[str] = []
    calls: list[Json] = []
    for where, part in parts:
        if isinstance(part, (Thinking, ToolCall)) and role != "assistant":
            raise unsupported("only the model thinks and calls tools", where)
        match part:
            case Text():
                if calls and not out.home:
                    out.lose("approximated", where, "what is said stands before the calls here")
                texts.append(_words(part, where, out))
            case Media(kind="document", source="text"):
                out.own(part.extras, where)
                out.lose("emulated", where, "a text document is words here")
                texts.append(f"{part.name}\n\n{part.data}" if part.name else part.data)
            case Media():
                if texts and not out.home:
                    out.lose("approximated", where, "images stand before the words here")
                images.append(_write_image(part, where, out))
            case Thinking():
                thoughts += [] if _is_void(part, where, out) else [part.text]
            case ToolCall():
                calls.append(write_call(part, where, out))
            case ToolResult():
                raise unsupported("a tool's answer cannot stand in the model's turn", where)
            case Opaque():
                raise unsupported(f"only {part.dialect} understands {part.kind}", where)
            case _:
                assert_never(part)
    body: dict[str, Json] = {"role": role}
    content = "\n\n".join(text for text in texts if text)
    if content or "-content" not in own.form:
        body["content"] = content
    if thoughts:
        body["thinking"] = "\n\n".join(thoughts)
    body |= {"images": images} if images else {}
    body |= {"tool_calls": calls} if calls else {}
    return merged({**body, **own.quiet}, own.rest)


def _words(part: Text, at: str, out: Crossing) -> str:
    out.own(part.extras, at)
    unmark(part, at, out)
    if part.refusal:
        out.lose("approximated", f"{at}.refusal", "a refusal is plain text here")
    return part.text


def _is_void(part: Thinking, at: str, out: Crossing) -> bool:
    out.own(part.extras, at)
    unmark(part, at, out)
    if part.redacted:
        out.lose("dropped", at, "thinking without words has no place here")
    return part.redacted


def unmark(part: Part | Tool, at: str, out: Crossing) -> None:
    """Declare cache breakpoints and foreign signatures lost: there is no field for either."""
    if getattr(part, "cache_ttl_s", None) is not None:
        out.lose("dropped", f"{at}.cache_ttl_s", "Ollama caches by itself")
    out.unsign(getattr(part, "signature", None), at)


def _write_image(part: Media, at: str, out: Crossing) -> str:
    out.own(part.extras, at)
    unmark(part, at, out)
    image = inlined(part, at)
    if image.kind != "image" or image.source != "base64":
        raise unsupported(f"Ollama takes images as base64 only, not this {image.kind} ({image.source})", at)
    if image.detail not in (None, "auto"):
        out.lose("dropped", f"{at}.detail", "images have one resolution here")
    return image.data


def write_call(call: ToolCall, at: str, out: Crossing, *, answer: bool = False) -> dict[str, Json]:
    """Write one call: of a history, where an id of ours is left out; or of an answer, where it is told."""
    own = out.own(call.extras, at)
    unmark(call, at, out)
    ours = not out.home and not answer and (call.synthetic or call.id.startswith(SYNTHETIC))
    id_ = {} if ours or "-id" in own.form else {"id": call.id}
    inner: dict[str, Json] = {"name": call.name}
    if "text" in own.form:
        inner["arguments"] = call.arguments
    elif "-arguments" not in own.form or call.arguments:
        inner["arguments"] = _arguments(call, at, out)
    return merged(merged({**id_, "function": inner}, own.quiet), own.rest)


def _arguments(call: ToolCall, at: str, out: Crossing) -> dict[str, Json]:
    if call.custom:
        out.lose("emulated", at, "free text is the one argument of a function")
        return {"input": call.arguments}
    given = as_object(call.arguments)
    if given is None:
        out.lose("approximated", f"{at}.arguments", "not a JSON object")
        return {"INVALID_JSON": call.arguments}
    return given


def _write_result(
    part: ToolResult, name: str | None, at: str, out: Crossing, moved: list[Json]
) -> dict[str, Json]:
    own = out.own(part.extras, at)
    unmark(part, at, out)
    name = part.name or (None if out.home else name)
    kept: list[tuple[str, Part]] = []
    for place, inner in enumerate(part.parts):
        where = f"{at}.parts[{place}]"
        if isinstance(inner, Media) and inner.kind == "image" and not out.home:
            out.lose("emulated", where, "a tool answers in words here; its image follows in the user's turn")
            introduced = [(where, Text(MOVED.format(name or part.call_id)))]
            moved.append(write_turn("user", [(where, inner), *introduced], Extras(NAME), out))
        else:
            kept.append((where, inner))
    turn = write_turn("tool", kept, Extras(NAME, {}, own.form), out)
    if part.error:
        out.lose("approximated", f"{at}.error", "told in words")
        content = turn.get("content", "")
        turn["content"] = content if content.startswith("Error: ") else f"Error: {content}"
    if name is not None:
        turn["tool_name"] = name
    if "-tool_call_id" not in own.form and (out.home or not part.call_id.startswith(SYNTHETIC)):
        turn["tool_call_id"] = part.call_id
    return {**turn, **own.quiet, **own.rest}


def write_tool(tool: Tool | Opaque, at: str, out: Crossing) -> dict[str, Json]:
    """Write one tool; a free-text tool becomes a function of one string."""
    if isinstance(tool, Opaque):
        if tool.dialect != NAME:
            raise unsupported(f"only {tool.dialect} has the tool {tool.kind}", at)
        data: dict[str, Json] = tool.data
        return data
    own = out.own(tool.extras, at)
    unmark(tool, at, out)
    schema = tool.schema
    if tool.custom:
        if tool.grammar not in (None, {}, {"type": "text"}):
            raise unsupported("Ollama holds no tool to a grammar", f"{at}.grammar")
        out.lose("emulated", at, "free text is the one argument of a function")
        schema = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    elif schema is None and not out.home:
        schema = {"type": "object", "properties": {}}
    if tool.strict:
        out.lose("dropped", f"{at}.strict", "Ollama holds no call to its schema")
    given = {"name": tool.name, "description": tool.description, "parameters": schema}
    inner = {name: value for name, value in given.items() if value is not None}
    kind = {} if "-type" in own.form else {"type": "function"}
    return merged({**kind, "function": inner}, own.rest)


# --- USAGE --------------------------------------------------------------------------------------------


def read_usage(last: Mapping[str, Json]) -> Usage | None:
    """Return what the last object of an answer counted; its metrics stay in ``native``, verbatim."""
    native = {name: last[name] for name in METRICS if name in last}
    if not native:
        return None
    read, written = (count(native.get(name)) for name in COUNTS)
    return Usage(input=read, output=written, native=Extras(NAME, native))


def write_usage(usage: Usage | None) -> dict[str, Json]:
    """Write usage: the provider's own metrics if it was Ollama, else the two counts; no zeros."""
    if usage is None:
        return {}
    if native := at_home(usage.native, NAME).rest:
        return native
    counted = zip(COUNTS, (usage.total_input, usage.total_output), strict=True)
    return {name: tokens for name, tokens in counted if tokens}
