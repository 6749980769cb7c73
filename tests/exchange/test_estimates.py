"""Estimates: what the model reads is counted, what it does not read is not."""

from __future__ import annotations

from dragoman.core.extras import Extras
from dragoman.core.request import (
    Format,
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
from dragoman.exchange.estimates import IMAGE, reckoned, tokens_in
from dragoman.providers.tokens import count

MODEL = "gpt-4o"


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
    asked = Request("d", MODEL, (Message("user", parts),))
    assert tokens_in(asked, MODEL) == count(MODEL, 'ab\ncd\nfn\n{}\nxyz\n\n12345\n\n{"a":1}')
    with_tool = Request("d", MODEL, (), tools=(Tool("f", "words", {"type": "object"}),))
    assert tokens_in(with_tool, MODEL)[0] > count(MODEL, "fwords")[0]


def test_inputs_to_embed_are_counted_once() -> None:
    """Token ids count as themselves, words as the model reads them."""
    asked = Embed("d", MODEL, ((Text("abcd"),), (Text("ef"), Text("gh")), (Tokens((1, 2, 3)),)))
    assert tokens_in(asked, MODEL)[0] == 3 + count(MODEL, "abcd\nef\ngh")[0]


def test_every_document_is_read_with_the_query() -> None:
    """A reranker reads the query again for each document."""
    asked = Rerank("d", MODEL, "what is it", ("one thing", "another thing"))
    documents, query = count(MODEL, "one thing\nanother thing")[0], count(MODEL, "what is it")[0]
    assert tokens_in(asked, MODEL)[0] == documents + 2 * query


def test_what_stands_beside_the_conversation_is_reckoned_with() -> None:
    """A schema the answer is held to, and fields nobody here knows, may be read by the model too."""
    asked = Request("d", MODEL, (Message("user", (Text("ab"),)),))
    bare, long = reckoned(asked, MODEL), {"description": "word " * 1_000}
    held = Request("d", MODEL, asked.messages, format=Format("json_schema", schema=long))
    assert reckoned(held, MODEL) > bare + 1_000
    unknown = Request("d", MODEL, asked.messages, extras=Extras("d", {"context": long}))
    assert reckoned(unknown, MODEL) > bare + 1_000


def test_a_picture_to_embed_is_reckoned_with() -> None:
    """It has no words, and is charged all the same."""
    asked = Embed("d", MODEL, ((Text("ab"), Media("image", "base64", "AAAA")),))
    assert reckoned(asked, MODEL) == tokens_in(asked, MODEL)[0] + IMAGE
