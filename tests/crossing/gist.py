"""What two sides of a crossing must agree on, and which loss excuses which difference.

A request or an answer is boiled down to what it says: words, calls and results, thoughts, media, offers and
knobs. Ids are replaced by places, and white space is left out, for dialects cut text into pieces differently.
Two gists are compared field by field. A field that differs must be named by a loss: one at the path of a part
that the field holds, or above it; a knob's at its own name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from dragoman.core.events import Choice, Reason, Response
from dragoman.core.extras import Loss
from dragoman.core.request import (
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    Signature,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    split_system,
)
from dragoman.core.usage import Usage
from dragoman.dialects.border import inlined

Gist = dict[str, Any]

Placed = list[tuple[str, Part]]
"""Parts, each with the path a loss names it by."""

KNOBS: Mapping[str, str] = MappingProxyType(
    {
        "system": r"messages|format$",
        "tools": "tools|tool_choice",
        "tool_choice": "tools|tool_choice",
        "reasoning.effort": "reasoning",
        "reasoning.budget": "reasoning",
        "reasoning.show": "reasoning",
    }
)
"""Where the loss may be that excuses a difference in a knob, if not at its own name."""

HOLDS: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "words": (Text, Media, ToolResult, Opaque),
        "calls": (ToolCall,),
        "results": (ToolResult, ToolCall),
        "thinking": (Thinking,),
        "media": (Media, ToolResult),
        "opaque": (Opaque, Media, ToolResult),
        "signatures": (Text, ToolCall, Thinking, Media),
    }
)
"""The parts each field of a conversation is made of."""

ALL_OF: Mapping[str, str] = MappingProxyType({"words": "answer.stop", "signatures": "messages.signature"})
"""Losses that name no part: a refusal told in words, a placeholder for signatures that are not there."""

STOPS: Mapping[str, Mapping[Reason, Reason]] = MappingProxyType(
    {
        "openai_chat": {"stop_sequence": "end", "context": "length", "pause": "end", "bad_tool_call": "end"},
        "openai_responses": {"stop_sequence": "end", "context": "length", "pause": "length"},
        "anthropic": {"filter": "refusal", "bad_tool_call": "end"},
        "gemini": {"stop_sequence": "end", "context": "length", "refusal": "filter", "pause": "error"},
        "cohere": {"context": "length", "refusal": "end", "pause": "end"},
        "ollama": {
            "stop_sequence": "end",
            "context": "length",
            "refusal": "end",
            "filter": "end",
            "pause": "end",
        },
    }
)
"""What a reason to stop is once it was told in another dialect's words; what is not here stays itself."""

UNCOUNTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "gemini": ("cache_write",),
        "cohere": ("cache_write", "reasoning"),
        "ollama": ("cache_read", "cache_write", "reasoning"),
    }
)
"""Counters a dialect has no word for; their tokens are in the totals all the same."""


def differences(before: Request, after: Request, losses: Iterable[Loss]) -> list[str]:
    """Return what `after` says otherwise than `before` without a loss that names it, as lines of text."""
    old, new = of_request(before), of_request(after)
    lost = [loss.at for loss in losses]
    placed = _of_messages(before.messages)
    return [
        f"{field}: {said!r} became {new[field]!r}"
        for field, said in old.items()
        if said is not None and said != new[field] and not _excused(field, placed, lost)
    ]


def differences_in_answer(
    before: Response, after: Response, losses: Iterable[Loss], *, told_in: str
) -> list[str]:
    """Return the same of two answers; `told_in` is the dialect between them."""
    lost = [loss.at for loss in losses]
    found = []
    usage = _of_usage(before.usage, told_in)
    if usage is not None and usage != (counted := _of_usage(after.usage, told_in)):
        found.append(f"usage: {usage} became {counted}")
    others = {choice.index: choice for choice in after.choices}
    index = 0
    for choice in before.choices:
        placed = [(f"answer.parts[{index + place}]", part) for place, part in enumerate(choice.parts)]
        index += len(choice.parts)
        other = others.get(choice.index)
        if other is None or f"answer.choices[{choice.index}]" in lost:
            found += [] if f"answer.choices[{choice.index}]" in lost else [f"choice {choice.index} is gone"]
            continue
        old, new = _of_choice(choice, told_in), _of_choice(other, told_in)
        found += [
            f"{field}: {said!r} became {new[field]!r}"
            for field, said in old.items()
            if said != new[field] and not _excused(field, placed, lost)
        ]
    return found


def of_request(request: Request) -> Gist:
    """Return what a request says; None is what it leaves to the provider."""
    system, messages = split_system(request.messages)
    turns: list[list[str]] = []
    for message in messages:
        if words := _words(message.parts):
            if turns and turns[-1][0] == message.role:
                turns[-1][1] += words
            else:
                turns.append([message.role, words])
    wanted = request.format if request.format and request.format.kind != "text" else None
    return {
        "system": "".join(_words(message.parts) for message in system),
        **_of_parts([part for message in messages for part in message.parts]),
        "words": turns,
        **_offer(request),
        **_thought(request.reasoning or Reasoning()),
        **{name: value or None for name, value in msgspec.structs.asdict(request.sampling).items()},
        "temperature": request.sampling.temperature,
        "parallel_tools": False if request.parallel_tools is False else None,
        "format": wanted and (wanted.kind, wanted.schema),
        "stop": request.stop,
        "max_output": request.max_output,
        "candidates": request.candidates or 1,
        "user": request.user,
        "tier": None if request.tier == "auto" else request.tier,
        "stream": request.stream,
    }


def _offer(request: Request) -> Gist:
    """Return whether tools must be called, and those that may be."""
    choice = request.tool_choice
    mode, names = (choice.mode, choice.names) if choice else ("auto", ())
    tools = [tool for tool in request.tools if isinstance(tool, Tool) and mode != "none"]
    return {
        "tool_choice": mode if tools else None,
        "tools": [
            (tool.name, tool.description or "", _shape(tool), tool.strict or False, tool.custom, tool.grammar)
            for tool in tools
            if not names or tool.name in names
        ],
    }


def _shape(tool: Tool) -> Any:
    """Return a tool's schema with what an absent one stands for."""
    return tool.schema if tool.custom else {"type": "object", "properties": {}, **(tool.schema or {})}


def _thought(asked: Reasoning) -> Gist:
    """Return how much is to be thought; an effort or a budget says that something is."""
    levels = [value for value in (asked.effort, asked.budget) if value is not None]
    off = asked.enabled is False or levels in (["none"], [0])
    return {
        "reasoning": False if off else asked.enabled or bool(levels) or None,
        "reasoning.effort": None if off else asked.effort,
        "reasoning.budget": None if off else asked.budget,
        "reasoning.show": None if off or asked.show == "none" else asked.show,
    }


def _of_parts(parts: Iterable[Part]) -> Gist:
    parts = list(parts)
    calls = [part for part in parts if isinstance(part, ToolCall)]
    results = [part for part in parts if isinstance(part, ToolResult)]
    inner = [inside for result in results for inside in result.parts]
    return {
        "words": _words(parts),
        "calls": [(call.name, _json(call.arguments)) for call in calls],
        "results": [
            (
                [place for place, call in enumerate(calls) if call.id == result.call_id][-1:],
                _words(result.parts),
                result.error,
            )
            for result in results
        ],
        "thinking": squashed("".join(part.text for part in parts if isinstance(part, Thinking))),
        "signatures": [(proof.origin, proof.data) for part in parts if (proof := _proof(part))],
        "media": [(piece.kind, piece.source, piece.data) for piece in _media(parts)],
        "opaque": sum(isinstance(part, Opaque) for part in [*parts, *inner]),
    }


def _proof(part: Part) -> Signature | None:
    return None if isinstance(part, (ToolResult, Opaque)) else part.signature


def _of_choice(choice: Choice, dialect: str) -> Gist:
    return {**_of_parts(choice.parts), "reason": STOPS[dialect].get(choice.stop.reason, choice.stop.reason)}


def _of_usage(usage: Usage | None, dialect: str) -> Gist | None:
    """Return the counters `dialect` has words for; None if nothing was counted."""
    if usage is None or not usage.total:
        return None
    counted = {
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write + usage.cache_write_long,
        "reasoning": usage.reasoning,
    }
    return {
        "input": usage.total_input,
        "output": usage.total_output,
        **{name: count for name, count in counted.items() if name not in UNCOUNTED.get(dialect, ())},
    }


def _words(parts: Iterable[Part]) -> str:
    return squashed("".join(part.text for part in parts if isinstance(part, Text)))


def squashed(text: str) -> str:
    """Return `text` without white space."""
    return "".join(text.split())


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text or "{}")
    except msgspec.DecodeError:
        return text


def _of_messages(messages: Iterable[Message]) -> Placed:
    return [
        (f"messages[{turn}].parts[{place}]", part)
        for turn, message in enumerate(messages)
        for place, part in enumerate(message.parts)
    ]


def _excused(field: str, placed: Placed, lost: list[str]) -> bool:
    """Say whether a loss names what a field is made of."""
    if field == "reason":
        return any(at == "answer.stop" or re.fullmatch(r"answer\.parts\[\d+\]", at) for at in lost)
    if field not in HOLDS:
        return any(re.match(KNOBS.get(field, re.escape(field)), at) for at in lost)
    if ALL_OF.get(field) in lost:
        return True
    return any(_touches(at, path) for path, part in placed if isinstance(part, HOLDS[field]) for at in lost)


def _touches(at: str, path: str) -> bool:
    """Say whether a loss at `at` is about the part at `path`, one of its fields, or all around it."""
    return at.startswith(path) or path.startswith((f"{at}.", f"{at}["))


def _media(parts: Iterable[Part]) -> Iterator[Media]:
    for part in parts:
        if isinstance(part, Media):
            yield inlined(part, "")
        elif isinstance(part, ToolResult):
            yield from _media(part.parts)
