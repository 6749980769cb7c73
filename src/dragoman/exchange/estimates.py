"""How many tokens something has where nobody counted them: by the model's own encoding, or a guess."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import assert_never

import msgspec

from dragoman.core.request import Media, Opaque, Part, Request, Text, Thinking, ToolCall, ToolResult
from dragoman.core.tasks import Asked, Embed, Rerank, Tokens
from dragoman.providers.tokens import How, count

TURN = 8
"""Tokens that each turn and each tool of a request may be read as beyond its words."""

IMAGE, UNSEEN = 2048, 16_384
"""Tokens of an image, and of a file that is not at hand. Vendors read an image as some hundreds to 1,600
(https://docs.claude.com/en/docs/build-with-claude/vision, read 2026-11-21)."""

DENSITY: Mapping[str, int] = MappingProxyType({"image": 1 << 40, "audio": 60, "video": 400, "document": 8})
"""Bytes of a file, at least, for each token it is read as; an image's size says nothing."""

PASSAGE = 1200
"""Characters after which a document may have more than the 500 tokens of one passage."""


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


def reckoned(asked: Asked, model: str) -> int:
    """Return about how many tokens a request is read as, with what is around and beside its words."""
    read = tokens_in(asked, model)[0]
    if isinstance(asked, Embed):
        return read + sum(_seen(one) for piece in asked.inputs for one in piece if isinstance(one, Media))
    if not isinstance(asked, Request):
        return read
    # What an answer is to look like is told the model too, and so may be what nobody here knows.
    beside = [asked.format.schema if asked.format is not None else None]
    beside += [asked.extras.rest if asked.extras is not None else None]
    read += sum(count(model, msgspec.json.encode(one).decode())[0] for one in beside if one)
    parts = [part for message in asked.messages for part in message.parts]
    inner = [one for part in parts if isinstance(part, ToolResult) for one in part.parts]
    media = sum(_seen(part) for part in (*parts, *inner) if isinstance(part, Media))
    return read + TURN * (len(asked.messages) + len(asked.tools)) + media


def units_of(asked: Asked) -> int:
    """Return how many requests one may be charged as: a search for each hundred passages of a document.

    https://docs.cohere.com/docs/rerank-overview and https://cohere.com/pricing (read 2026-11-21): one search
    is a query with up to 100 documents, and one longer than 500 tokens counts as several.
    """
    if not isinstance(asked, Rerank):
        return 1
    passages = sum(1 + (len(text) + len(asked.query)) // PASSAGE for text in asked.documents)
    return max(1, -(-passages // 100))


def _seen(media: Media) -> int:
    """Return how many tokens something seen or heard may be read as."""
    if media.source == "text":
        return 0
    if media.source != "base64":
        return UNSEEN
    return max(IMAGE, len(media.data) // 4 // DENSITY[media.kind])


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
