"""Request: what a client asks for, in no dialect's words.

    Request
      messages   Message(role, parts)              roles: system, user, assistant
        parts    Text Media ToolCall ToolResult Thinking Opaque
      tools      Tool | Opaque                     Opaque: a tool the provider hosts itself
      sampling, format, reasoning, ...

All values are pure and frozen: two with equal content are equal, and identity, storage and time live
elsewhere. Theory in four rules:

* **Order is meaning.** Parts keep the order of the wire. System messages lead, or stand where they
  stood; :func:`split_system` takes the leading ones off for dialects with a field of their own.
* **A tool result is a user's part.** Dialects with a ``tool`` role read each such message as a user
  message holding one ToolResult, and write one message for each ToolResult they find.
* **Tool arguments are text.** ``ToolCall.arguments`` is the original JSON text, possibly empty,
  possibly invalid; nobody re-serialises it on the way.
* **State rides where it belongs.** A thinking signature is on the part it signs, with its origin;
  it is never sent to another origin.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from dragoman.core.extras import Extras, Json

Role = Literal["system", "user", "assistant"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Signature(msgspec.Struct, frozen=True, omit_defaults=True):
    """A provider's opaque proof over a part; byte-exact, and only for `origin`.

    Attributes:
        origin: Who made it: ``anthropic``, ``gemini``, ``openai``, ...
        data: The bytes as the wire wrote them.
        model: The model that made it, when known.
        id: The provider's id of the signed item, when it has one.
    """

    origin: str
    data: str
    model: str | None = None
    id: str | None = None


class Text(msgspec.Struct, frozen=True, omit_defaults=True, tag="text"):
    """Words. ``cache_ttl_s``: a cache breakpoint follows (0: the provider's default lifetime)."""

    text: str
    refusal: bool = False
    signature: Signature | None = None
    cache_ttl_s: int | None = None
    extras: Extras | None = None


class Media(msgspec.Struct, frozen=True, omit_defaults=True, tag="media"):
    """An image, sound, film or document.

    Attributes:
        kind: What it is.
        source: How `data` is to be read: base64 bytes, a URL, a provider's file id, or plain text.
        data: The base64 text, URL, file id or text.
        mime: IANA media type, when known (always for base64).
        name: File name or title.
        detail: How closely to look (OpenAI: auto, low, high, original).
    """

    kind: Literal["image", "audio", "video", "document"]
    source: Literal["base64", "url", "file_id", "text"]
    data: str
    mime: str | None = None
    name: str | None = None
    detail: str | None = None
    signature: Signature | None = None
    cache_ttl_s: int | None = None
    extras: Extras | None = None


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True, tag="tool_call"):
    """The model asks for a tool. ``arguments``: original JSON text, or free text if `custom`.

    ``synthetic``: the id is ours, because the provider gave none; never send it back there.
    """

    id: str
    name: str
    arguments: str = ""
    custom: bool = False
    synthetic: bool = False
    signature: Signature | None = None
    cache_ttl_s: int | None = None
    extras: Extras | None = None


class Opaque(msgspec.Struct, frozen=True, omit_defaults=True, tag="opaque"):
    """A block or tool only its own dialect understands, verbatim. It goes home only."""

    dialect: str
    kind: str
    data: Json = None


class ToolResult(msgspec.Struct, frozen=True, omit_defaults=True, tag="tool_result"):
    """What a tool answered. ``name`` is the tool's, where the dialect says it."""

    call_id: str
    parts: tuple[Text | Media | Opaque, ...] = ()
    error: bool = False
    name: str | None = None
    custom: bool = False
    cache_ttl_s: int | None = None
    extras: Extras | None = None


class Thinking(msgspec.Struct, frozen=True, omit_defaults=True, tag="thinking"):
    """The model's reasoning. ``redacted``: only the signature has content."""

    text: str = ""
    redacted: bool = False
    summary: bool = False
    signature: Signature | None = None
    extras: Extras | None = None


Part = Text | Media | ToolCall | ToolResult | Thinking | Opaque


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn of a conversation."""

    role: Role
    parts: tuple[Part, ...] = ()
    extras: Extras | None = None


class Tool(msgspec.Struct, frozen=True, omit_defaults=True, tag="tool"):
    """A function the client offers. ``custom``: takes free text (``grammar``) instead of JSON."""

    name: str
    description: str | None = None
    schema: Json = None
    strict: bool | None = None
    custom: bool = False
    grammar: Json = None
    cache_ttl_s: int | None = None
    extras: Extras | None = None


class ToolChoice(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which tools may be called. Non-empty ``names`` restrict `mode` to those tools."""

    mode: Literal["auto", "none", "required"] = "auto"
    names: tuple[str, ...] = ()
    extras: Extras | None = None


class Format(msgspec.Struct, frozen=True, omit_defaults=True):
    """The shape of the answer's text. ``schema`` is a JSON Schema for kind ``json_schema``."""

    kind: Literal["text", "json", "json_schema"]
    schema: Json = None
    name: str | None = None
    strict: bool | None = None
    description: str | None = None
    extras: Extras | None = None


class Reasoning(msgspec.Struct, frozen=True, omit_defaults=True):
    """How much to think. None leaves it to the model.

    Attributes:
        enabled: Think at all; None where only an effort was named.
        effort: A level.
        budget: At most so many thinking tokens.
        show: How much of the thinking the client wants to see.
    """

    enabled: bool | None = None
    effort: Effort | None = None
    budget: int | None = None
    show: Literal["none", "summary", "full"] | None = None
    extras: Extras | None = None


class Sampling(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the next token is drawn. None leaves it to the provider."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """One generation, as asked.

    Attributes:
        dialect: The dialect it was read from.
        max_output: Token limit of the answer, thinking included.
        candidates: How many answers; None where the client did not say (that is one).
        stream: The client wants events as they come.
        stream_usage: The client wants usage in the stream, where a dialect must ask for it.
        user: The end user's id.
        tier: The provider's service tier, in OpenAI's words.
        provider: The one provider that may answer, where the client names one.
    """

    dialect: str
    model: str
    messages: tuple[Message, ...] = ()
    tools: tuple[Tool | Opaque, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    format: Format | None = None
    reasoning: Reasoning | None = None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    max_output: int | None = None
    candidates: int | None = None
    stream: bool = False
    stream_usage: bool = False
    user: str | None = None
    tier: str | None = None
    provider: str | None = None
    extras: Extras | None = None


def split_system(messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
    """Return the leading system messages, and the rest."""
    for index, message in enumerate(messages):
        if message.role != "system":
            return list(messages[:index]), list(messages[index:])
    return list(messages), []


def plain_text(parts: Iterable[Part]) -> str:
    """Return the words of `parts`, thinking and media left out."""
    return "".join(part.text for part in parts if isinstance(part, Text))
