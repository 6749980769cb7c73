"""Estimates: what the model reads is counted, what it does not read is not."""

from __future__ import annotations

import pytest

from dragoman.core.request import (
    Media,
    Message,
    Opaque,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from dragoman.core.tasks import Embed, Rerank, Tokens
from dragoman.exchange.estimates import estimate, tokens_in


@pytest.mark.parametrize(("characters", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2)])
def test_an_estimate_is_rounded_up(characters: int, tokens: int) -> None:
    """Four characters to a token."""
    assert estimate(characters) == tokens


def test_a_conversation_is_what_the_model_reads() -> None:
    """Words, thinking, calls, results, documents of text and tools; an image's bytes are no text."""
    parts = (
        Text("ab"),
        Thinking("cd"),
        ToolCall("id", "fn", "{}"),
        ToolResult("id", (Text("xyz"), Media("image", "base64", "AAAA"))),
        Media("document", "text", "12345"),
        Media("image", "url", "https://example.com/a.png"),
        Opaque("d", "k", {"a": 1}),
    )
    assert tokens_in(Request("d", "m", (Message("user", parts),))) == estimate(2 + 2 + 4 + 3 + 5 + 7)
    with_tool = Request("d", "m", (), tools=(Tool("f", "words", {"type": "object"}),))
    assert tokens_in(with_tool) > estimate(len("fwords"))


def test_inputs_to_embed_are_counted_once() -> None:
    """Token ids count as themselves, words by their characters."""
    asked = Embed("d", "m", ((Text("abcd"),), (Text("ef"), Text("gh")), (Tokens((1, 2, 3)),)))
    assert tokens_in(asked) == 3 + 2


def test_every_document_is_read_with_the_query() -> None:
    """A reranker reads the query again for each document."""
    assert tokens_in(Rerank("d", "m", "abcd", ("1234", "5678"))) == 4
