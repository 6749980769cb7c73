"""How many tokens something has where nobody counted them: a guess from its characters, always marked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

import msgspec

from dragoman.core.request import Media, Opaque, Part, Request, Text, Thinking, ToolCall, ToolResult
from dragoman.core.tasks import Asked, Embed, Rerank, Tokens


def estimate(characters: int) -> int:
    """Return a token count for so many characters of text: four to a token, rounded up."""
    return (characters + 3) // 4


def tokens_in(asked: Asked) -> int:
    """Return about how many tokens the model is given to read."""
    match asked:
        case Request():
            parts = (part for message in asked.messages for part in message.parts)
            return estimate(_all(parts) + sum(len(msgspec.json.encode(tool)) for tool in asked.tools))
        case Embed():
            pieces = [piece for one in asked.inputs for piece in one]
            cut = sum(len(piece.ids) for piece in pieces if isinstance(piece, Tokens))
            return cut + estimate(_all(piece for piece in pieces if not isinstance(piece, Tokens)))
        case Rerank():
            # Every document is read together with the query.
            read = sum(map(len, asked.documents)) + len(asked.query) * len(asked.documents)
            return estimate(read)
        case _:
            assert_never(asked)


def _all(parts: Iterable[Part]) -> int:
    return sum(map(_characters, parts))


def _characters(part: Part) -> int:
    match part:
        case Text() | Thinking():
            return len(part.text)
        case ToolCall():
            return len(part.name) + len(part.arguments)
        case ToolResult():
            return _all(part.parts)
        case Media():
            return len(part.data) if part.source == "text" else 0
        case Opaque():
            return len(msgspec.json.encode(part.data))
        case _:
            assert_never(part)
