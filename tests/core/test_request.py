"""Request: pure values, and the few things asked of all of them."""

from __future__ import annotations

import msgspec
import pytest

from dragoman.core.request import (
    Media,
    Message,
    Opaque,
    Request,
    Signature,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    characters,
    plain_text,
    split_system,
)

SYSTEM, USER = Message("system", (Text("S"),)), Message("user", (Text("U"),))


@pytest.mark.parametrize(
    ("messages", "lead", "rest"),
    [
        ([], 0, 0),
        ([SYSTEM], 1, 0),
        ([USER], 0, 1),
        ([SYSTEM, SYSTEM, USER, SYSTEM], 2, 2),
        ([USER, SYSTEM], 0, 2),
    ],
)
def test_only_leading_system_messages_are_split_off(messages: list[Message], lead: int, rest: int) -> None:
    """Later ones stand where they stood."""
    first, others = split_system(messages)
    assert (len(first), len(others)) == (lead, rest)
    assert first + others == messages


def test_plain_text_is_words_only() -> None:
    """Thinking, media and calls are left out."""
    parts = (Text("a"), Thinking("b"), Media("document", "text", "c"), ToolCall("d", "e", "f"), Text("g"))
    assert plain_text(parts) == "ag"


def test_characters_count_what_the_model_reads() -> None:
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
    assert characters(Request("d", "m", (Message("user", parts),))) == 2 + 2 + 4 + 3 + 5 + 7
    with_tool = Request("d", "m", (), tools=(Tool("f", "words", {"type": "object"}),))
    assert characters(with_tool) > len("fwords")


def test_equal_content_is_equal() -> None:
    """Two values with equal content are equal, and a request survives being stored."""
    request = Request(
        "d",
        "m",
        (Message("assistant", (ToolCall("c", "f", signature=Signature("o", "s")), Opaque("d", "k", [1]))),),
        tools=(Tool("f"), Opaque("d", "hosted")),
        stop=("x",),
    )
    again = msgspec.json.decode(msgspec.json.encode(request), type=Request)
    assert again == request
    assert again is not request


def test_values_are_frozen() -> None:
    """A request is changed by making another one."""
    request = Request("d", "m")
    with pytest.raises(AttributeError):
        request.model = "n"  # type: ignore[misc]
    assert msgspec.structs.replace(request, model="n").model == "n"
