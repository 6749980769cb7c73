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
