"""What OpenAI's two protocols say in the same words: efforts, cache breakpoints, sound, strict schemas.

Read 2026-11-21, below https://platform.openai.com/docs/: ``guides/reasoning``, ``guides/prompt-caching``,
``guides/structured-outputs``, ``guides/audio``; and the types of the Python SDK 3.52.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from dragoman.core.extras import Json
from dragoman.core.request import Effort
from dragoman.dialects.border import Crossing
from dragoman.dialects.fields import Fields

EFFORTS: Mapping[str, Effort] = MappingProxyType(
    {
        "none": "none",
        "minimal": "minimal",
        "low": "low",
        "medium": "medium",
        "high": "high",
        "xhigh": "xhigh",
        "max": "max",
    }
)
LEVELS: tuple[tuple[int, Effort], ...] = (
    (0, "none"),
    (1024, "minimal"),
    (4096, "low"),
    (12288, "medium"),
    (24576, "high"),
    (49152, "xhigh"),
)
"""The effort a budget of thinking tokens stands for, up to so many; ours, no standard."""
SHAPES: Mapping[str, Literal["text", "json", "json_schema"]] = MappingProxyType(
    {"text": "text", "json_object": "json", "json_schema": "json_schema"}
)
SHAPE_WORD = MappingProxyType({shape: word for word, shape in SHAPES.items()})
DETAILS = ("auto", "low", "high", "original")
AUDIO = MappingProxyType({"mp3": "audio/mpeg", "wav": "audio/wav"})
AUDIO_FORMAT = MappingProxyType(
    {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav"}
)
BREAKPOINT = "prompt_cache_breakpoint"
TTL_WORD = MappingProxyType({1800: "30m", 43200: "12h"})
"""Lifetimes of a cache entry, in seconds."""
REFUSED = "The model refused to answer."
"""Stands for the words of a refusal that came without any."""


def effort_of(budget: int) -> Effort:
    """Return the effort that a budget of thinking tokens stands for."""
    return next((level for most, level in LEVELS if budget <= most), "max")


def read_breakpoint(fields: Fields) -> int | None:
    """Take a cache breakpoint: its lifetime in seconds, 0 for the default; an odd one stays in the rest."""
    mark = fields.rest.get(BREAKPOINT)
    for ttl, known in ((0, {"mode": "explicit"}), *((s, _breakpoint(s)) for s in TTL_WORD)):
        if mark == known:
            del fields.rest[BREAKPOINT]
            return ttl
    return None


def write_breakpoint(ttl_s: int | None, at: str, out: Crossing) -> dict[str, Json]:
    """Write a cache breakpoint with the longest lifetime that is not above the wanted one, as a field."""
    if not ttl_s:
        return {} if ttl_s is None else {BREAKPOINT: {"mode": "explicit"}}
    if ttl_s not in TTL_WORD:
        out.lose("approximated", f"{at}.cache_ttl_s", "a cache entry has other lifetimes here")
        ttl_s = max((ttl for ttl in TTL_WORD if ttl <= ttl_s), default=min(TTL_WORD))
    return {BREAKPOINT: _breakpoint(ttl_s)}


def _breakpoint(ttl_s: int) -> dict[str, Json]:
    return {"mode": "explicit", "ttl": TTL_WORD[ttl_s]}


def strictly(schema: Json, at: str, out: Crossing, *, strict: bool | None) -> bool | None:
    """Hold the model to a schema only where the schema is closed: OpenAI refuses it otherwise."""
    if strict and not is_closed(schema):
        out.lose("approximated", f"{at}.strict", "the schema has open objects or optional properties")
        return False
    return strict


def is_closed(schema: Json) -> bool:
    """Say whether every object is closed and has all its properties required (structured-outputs)."""
    if isinstance(schema, list):
        return all(map(is_closed, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object":
        properties, required = schema.get("properties") or {}, schema.get("required") or []
        if schema.get("additionalProperties") is not False or not isinstance(required, list):
            return False
        if not isinstance(properties, dict) or any(name not in required for name in properties):
            return False
    return all(is_closed(value) for name, value in schema.items() if name not in ("enum", "const", "default"))
