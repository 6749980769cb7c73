"""Read what an answer consumed off its passing bytes, whichever protocol it is in.

An answer nobody translates still says what it used, in one of a few shapes. A :class:`Meter` is shown the
bytes as they go by, keeps at most :data:`KEPT` of them, and never fails: what it cannot read is unknown.

    whole JSON    {"usage": ...}, {"usageMetadata": ...}, {"meta": ...}, Ollama's counts at the top
    SSE, NDJSON   the same in a frame, or in its ``message``, ``response`` or ``delta``; what a later frame
                  says replaces what an earlier one said, field by field (Anthropic tells input first)

Images and transcriptions (https://platform.openai.com/docs/api-reference/images and /audio, read 2026-11-21)
count like Responses, with ``input_token_details`` beside ``input_tokens_details``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from dragoman.core.extras import Json
from dragoman.core.failure import Failure
from dragoman.core.usage import Usage
from dragoman.dialects import (
    anthropic_parts,
    cohere_parts,
    gemini_parts,
    ollama_parts,
    openai_chat_stream,
    openai_responses_parts,
)
from dragoman.dialects.fields import decode
from dragoman.dialects.figures import beside, count
from dragoman.dialects.framing import NDJSON, SSE, Decoder

KEPT = 1024 * 1024
"""Bytes of an answer, or of one frame, that are looked at."""

INSIDE = ("message", "response", "delta", "x_groq")
"""Fields of a frame that may hold the usage."""

NAMED = ("usage", "usageMetadata", "meta")
"""What the usage is called."""

BESIDE = ("service_tier", "tool_usage")
"""What OpenAI's answers say of it outside of the usage."""

HINTS = (b'"usage', b'"meta"', b'_eval_count"', b'"model')
"""What a frame holds that is worth decoding."""


class Meter:
    """Watches one answer of a provider that speaks `dialect` go by."""

    __slots__ = ("_beside", "_buffer", "_decoder", "_dialect", "_seen", "_size", "model")

    def __init__(self, dialect: str, content_type: str) -> None:
        kind = content_type.partition(";")[0].strip().lower()
        framing = {SSE.content_type.partition(";")[0]: SSE, NDJSON.content_type: NDJSON}.get(kind)
        self._dialect = dialect
        self._decoder: Decoder | None = None if framing is None else framing.decoder(max_frame=KEPT)
        self._buffer: list[bytes] | None = [] if kind == "application/json" else None
        self._size = 0
        self._seen: dict[str, Json] = {}
        self._beside: dict[str, Json] = {}
        self.model = ""
        """The model that answered, where the answer names it."""

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes."""
        if self._decoder is not None:
            try:
                frames = self._decoder.feed(chunk)
            except Failure:
                self._decoder = None  # a frame beyond all measure: what was seen stands
                return
            for frame in frames:
                self._look(frame.data)
        elif self._buffer is not None:
            self._size += len(chunk)
            self._buffer.append(chunk)
            if self._size > KEPT:
                self._buffer = None

    def close(self) -> Usage | None:
        """Return what was consumed, at the end of the bytes; None: it was not told."""
        if self._decoder is not None:
            for frame in self._decoder.close():
                self._look(frame.data)
        elif self._buffer is not None:
            self._look(b"".join(self._buffer))
        return beside(read_usage(self._seen, self._dialect), self._beside)

    def _look(self, data: bytes) -> None:
        if not any(hint in data for hint in HINTS):
            return
        try:
            value = decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        for place in _places(value):
            if isinstance(model := place.get("model"), str):
                self.model = model
            self._beside.update((name, place[name]) for name in BESIDE if place.get(name))
            for name in NAMED:
                told = place.get(name)
                if isinstance(told, dict):
                    self._seen.update((key, figure) for key, figure in told.items() if figure is not None)
            if self._dialect == ollama_parts.NAME:
                self._seen.update((key, place[key]) for key in ollama_parts.METRICS if key in place)


def _places(value: Json) -> Iterator[dict[str, Json]]:
    if isinstance(value, dict):
        yield value
        yield from (inner for name in INSIDE if isinstance(inner := value.get(name), dict))


def read_usage(native: dict[str, Json], dialect: str) -> Usage | None:
    """Return a usage object of any shape in disjoint counters; None where it counts no tokens.

    Args:
        native: The object as it came.
        dialect: Who told it: two protocols count under the same names.
    """
    for names, speaks, read in SHAPES:
        if speaks in ("", dialect) and not native.keys().isdisjoint(names):
            return read(native)
    return None


def _tokens(native: dict[str, Json]) -> Usage:
    """Read Responses' figures, and take heard tokens out of the input."""
    usage = openai_responses_parts.read_usage(native)
    heard = max(_heard(native, name) for name in ("input_token_details", "input_tokens_details"))
    heard = min(heard, usage.input)
    return msgspec.structs.replace(usage, input=usage.input - heard, audio_input=usage.audio_input + heard)


def _heard(native: Mapping[str, Json], name: str) -> int:
    details = native.get(name)
    return count(details.get("audio_tokens")) if isinstance(details, dict) else 0


Read = Callable[[dict[str, Json]], Usage | None]

SHAPES: tuple[tuple[tuple[str, ...], str, Read], ...] = (
    (("promptTokenCount", "totalTokenCount"), "", gemini_parts.read_usage),
    (("prompt_tokens",), "", openai_chat_stream.read_usage),
    (("tokens", "billed_units"), "", cohere_parts.read_usage),
    (("prompt_eval_count", "eval_count"), "", ollama_parts.read_usage),
    (("input_tokens", "output_tokens"), "anthropic", anthropic_parts.read_usage),
    (("input_tokens", "output_tokens"), "", _tokens),
)
"""Fields a usage object has at least one of, who alone says it so ("": anyone), and who reads it."""
