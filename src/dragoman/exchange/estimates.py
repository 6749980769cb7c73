"""How many tokens something has where nobody counted them: by the model's own encoding, or a guess."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

import msgspec

from dragoman.core.request import Media, Opaque, Part, Request, Text, Thinking, ToolCall, ToolResult
from dragoman.core.tasks import Asked, Embed, Rerank, Tokens
from dragoman.providers.tokens import How, count


def tokens_in(asked: Asked, model: str) -> tuple[int, How]:
    """Return about how many tokens `model` is given to read, and how that is known."""
    match asked:
        case Request():
            parts = (part for message in asked.messages for part in message.parts)
            tools = (msgspec.json.encode(tool).decode() for tool in asked.tools)
            return count(model, "\n".join([*_words(parts), *tools]))
        case Embed():
            pieces = [piece for one in asked.inputs for piece in one]
            cut = sum(len(piece.ids) for piece in pieces if isinstance(piece, Tokens))
            read, how = count(model, "\n".join(_words(p for p in pieces if not isinstance(p, Tokens))))
            return cut + read, how
        case Rerank():
            # Every document is read together with the query.
            read, how = count(model, "\n".join(asked.documents))
            return read + count(model, asked.query)[0] * len(asked.documents), how
        case _:
            assert_never(asked)


def _words(parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        match part:
            case Text() | Thinking():
                yield part.text
            case ToolCall():
                yield f"{part.name}\n{part.arguments}"
            case ToolResult():
                yield from _words(part.parts)
            case Media():
                yield part.data if part.source == "text" else ""
            case Opaque():
                yield msgspec.json.encode(part.data).decode()
            case _:
                assert_never(part)
