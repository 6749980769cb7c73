"""What Cohere's messages are made of: documents, plans, calls, images; both ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.core.extras import Extras, Json
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import (
    Format,
    Media,
    Message,
    Opaque,
    Part,
    Request,
    Signature,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from dragoman.core.usage import Usage
from dragoman.dialects import Call
from dragoman.dialects.cohere import DIALECT
from dragoman.dialects.cohere_parts import read_usage, write_usage

CORPUS = Path(__file__).parent / "corpus" / "cohere" / "requests"
HI = {"role": "user", "content": "Hi"}


def read(body: Json) -> Request:
    """Read a request as a client sent it."""
    return DIALECT.read_request(Call("POST", "/v2/chat", body=body))


def corpus(name: str) -> Request:
    """Read a request of the corpus."""
    return read(json.loads((CORPUS / f"{name}.json").read_text())["body"])


def said(*parts: Part | str, role: Any = "user") -> Message:
    """Return a message; a str is a Text."""
    return Message(role, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def sent(*messages: Message, **fields: Any) -> tuple[dict[str, Json], set[str]]:
    """Return the body messages of another dialect become, and what that loses."""
    call = DIALECT.write_request(Request("openai_chat", "m", messages, **fields))
    return call.body, {str(loss) for loss in call.losses}


@pytest.mark.parametrize(
    ("messages", "at"),
    [
        ([], "$.messages"),
        ("Hi", "$.messages"),
        (["Hi"], "$.messages[0]"),
        ([{"content": "Hi"}], "$.messages[0].role"),
        ([{"role": "developer", "content": "Hi"}], "$.messages[0].role"),
        ([{"role": "user"}], "$.messages[0].content"),
        ([{"role": "user", "content": 7}], "$.messages[0].content"),
        ([{"role": "user", "content": [{"text": "Hi"}]}], "$.messages[0].content[0].type"),
        ([{"role": "user", "content": [{"type": "text"}]}], "$.messages[0].content[0].text"),
        ([{"role": "system", "content": [{"type": "image_url"}]}], "$.messages[0].content[0].type"),
        ([{"role": "assistant"}], "$.messages[0].content"),
        ([{"role": "assistant", "tool_calls": [{}]}], "$.messages[0].tool_calls[0].id"),
        ([{"role": "tool", "content": "x"}], "$.messages[0].tool_call_id"),
        ([{"role": "tool", "tool_call_id": "c"}], "$.messages[0].content"),
        (
            [{"role": "tool", "tool_call_id": "c", "content": [{"type": "document", "document": {}}]}],
            "$.messages[0].content[0].document.data",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}],
            "$.messages[0].content[0].image_url.url",
        ),
    ],
)
def test_fault_is_refused_with_its_path(messages: Json, at: str) -> None:
    """A wrong message is a 400 that names the field."""
    with pytest.raises(Failure) as caught:
        read({"model": "m", "messages": messages})
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)


def test_fault_in_documents_is_refused_with_its_path() -> None:
    """A document without data is a 400."""
    with pytest.raises(Failure) as caught:
        read({"model": "m", "messages": [HI], "documents": ["a", {"id": "b"}]})
    assert caught.value.at == "$.documents[1].data"


def test_tools_and_their_answers_are_read() -> None:
    """A plan is thinking before the calls, and a tool's message a user's result."""
    request = corpus("tools_in_parallel")
    plan, first, second, third = request.messages[1].parts
    assert isinstance(plan, Thinking)
    assert [call.arguments for call in (first, second, third) if isinstance(call, ToolCall)] == [
        '{"city": "Oslo"}',
        '{"city":"Köln"}',
        "{}",
    ]
    results = [part for message in request.messages[2:5] for part in message.parts]
    assert [(part.call_id, len(part.parts)) for part in results if isinstance(part, ToolResult)] == [
        ("get_weather_1", 1),
        ("get_weather_2", 1),
        ("get_time_3", 0),
    ]


def test_documents_of_a_tool_are_text() -> None:
    """A document's text and title are the core's; data without a text is JSON."""
    result = corpus("documents_of_a_tool").messages[2].parts[0]
    assert isinstance(result, ToolResult)
    documents = [part for part in result.parts if isinstance(part, Media)]
    assert [(part.name, part.data) for part in documents] == [
        ("Yr", "Snow until noon."),
        (None, '{"temperature": -3}'),
        (None, '{"temperature":-3,"wind":{"speed":4.5}}'),
    ]
    assert documents[0].extras == Extras(
        "cohere", {"document": {"id": "d:1", "data": {"url": "https://example.com/yr"}}}
    )


def test_documents_stand_at_the_head_of_the_last_question() -> None:
    """What the model is to know reaches a model of any provider."""
    last = corpus("documents").messages[-1]
    assert [part.data for part in last.parts if isinstance(part, Media)] == [
        "Emperor penguins are the tallest.",
        "They live in Antarctica.",
        '{"snippet":"They swim.","year":2019}',
        "They eat fish.",
    ]
    assert last.parts[-1] == Text("Who is tall?")


def test_documents_without_a_question_stay_where_they_are() -> None:
    """Without a user there is no place for them, but home."""
    body = {"model": "m", "messages": [{"role": "system", "content": "x"}], "documents": ["a"]}
    request = read(body)
    assert request.extras is not None
    assert request.extras.rest == {"documents": ["a"]}
    assert DIALECT.write_request(request).body == body


def test_nothing_of_a_request_is_changed_by_writing_it() -> None:
    """A request is written as often as there are targets."""
    request = corpus("unknown_things")
    assert DIALECT.write_request(request).body == DIALECT.write_request(request).body


def test_images_are_read() -> None:
    """A data URI is base64 with its type; any other URL is left as it is."""
    url, data, plain = (part for part in corpus("images").messages[0].parts if isinstance(part, Media))
    assert (url.source, url.detail, url.mime) == ("url", "low", None)
    assert (data.source, data.data, data.mime) == ("base64", "iVBORw0KGgo=", "image/png")
    assert plain.detail is None


def test_foreign_conversation_is_written() -> None:
    """Leading system messages are one, a later one is the user's, and each result is a message."""
    body, losses = sent(
        said("A", role="system"),
        said("B", role="system"),
        said("Hi"),
        said(Thinking("Hm"), "Wait.", ToolCall("c", "f", ""), role="assistant"),
        said(ToolResult("c", (Text("1"),), name="f"), "Thanks"),
        said("C", role="system"),
        said(""),
    )
    assert body["messages"] == [
        {"role": "system", "content": [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]},
        HI,
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Wait."}],
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "1"},
        {"role": "user", "content": "Thanks"},
        {"role": "user", "content": "<system>\nC\n</system>"},
    ]
    assert losses == {"approximated:messages[5]"}


def test_prefill_is_declared() -> None:
    """Cohere's models do not go on with their own turn."""
    assert sent(said("Hi"), said("Well", role="assistant"))[1] == {"approximated:messages"}


def test_words_after_calls_stand_before_them() -> None:
    """A message has its content first."""
    body, losses = sent(
        said("Hi"), said(ToolCall("c", "f", "{}"), "So", role="assistant"), said(ToolResult("c"))
    )
    assert body["messages"][1]["content"] == "So"
    assert body["messages"][2]["content"] == ""
    assert losses == {"approximated:messages[1].parts[1]"}


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ((Text("broken"),), "Error: broken"),
        ((Text("Error: broken"),), "Error: broken"),
        ((), "Error: "),
        ((Text("a"), Text("b")), [{"type": "text", "text": t} for t in ("Error: ", "a", "b")]),
    ],
)
def test_failed_tool_says_so_once(parts: tuple[Text, ...], content: Json) -> None:
    """There is no flag, so it is told in words."""
    body, losses = sent(said("Hi"), said(ToolResult("c", parts, error=True)))
    assert body["messages"][1]["content"] == content
    assert losses == {"approximated:messages[1].parts[0].error"}


def test_document_of_another_dialect_is_the_requests() -> None:
    """A text document joins `documents`, unless a format forbids it: then it is words."""
    page = Media("document", "text", "Penguins swim.", name="Birds")
    body, losses = sent(said(page, "Do they?"))
    assert body["documents"] == [{"data": {"title": "Birds", "text": "Penguins swim."}}]
    assert body["messages"] == [{"role": "user", "content": "Do they?"}]
    assert losses == {"approximated:messages[0].parts[0]"}
    body, losses = sent(said(page, "Do they?"), format=Format("json"))
    assert "documents" not in body
    assert body["messages"][0]["content"][0] == {"type": "text", "text": "Birds\n\nPenguins swim."}
    assert losses == {"emulated:messages[0].parts[0]"}
    body, _ = sent(said("Hi"), said(ToolResult("c", (page,))))
    assert body["messages"][1]["content"] == [
        {"type": "document", "document": {"data": {"title": "Birds", "text": "Penguins swim."}}}
    ]


def test_foreign_images_are_written() -> None:
    """Base64 becomes a data URI, and the closest look there is is high."""
    body, losses = sent(
        said(
            Media("image", "base64", "iVBORw0KGgo="),
            Media("image", "url", "https://example.com/a.png", detail="original"),
        )
    )
    assert [block["image_url"] for block in body["messages"][0]["content"]] == [
        {"url": "data:image/png;base64,iVBORw0KGgo="},
        {"url": "https://example.com/a.png", "detail": "high"},
    ]
    assert losses == {"approximated:messages[0].parts[1].detail"}


@pytest.mark.parametrize(
    "message",
    [
        said(Media("document", "base64", "JVBERi0=", mime="application/pdf")),
        said(Media("audio", "base64", "UklGRg==", mime="audio/wav")),
        said(Media("image", "file_id", "file_1")),
        said(Media("image", "base64", "????")),
        said(Media("image", "url", "https://example.com/a.png"), role="assistant"),
        said(ToolResult("c", (Media("image", "url", "https://example.com/a.png"),))),
        said(Opaque("gemini", "executableCode")),
        said(Thinking("Hm")),
        said(ToolCall("c", "f")),
        said(ToolResult("c"), role="assistant"),
    ],
)
def test_what_the_model_could_not_see_is_refused(message: Message) -> None:
    """What has no place here and would be missed is refused, with its path."""
    with pytest.raises(Failure) as caught:
        sent(message)
    assert caught.value.kind is Kind.UNSUPPORTED
    assert (caught.value.at or "").startswith("messages[0].parts[0]")


def test_small_print_of_parts_is_declared() -> None:
    """Cache marks, foreign signatures, refusals and hidden thinking are lost one by one."""
    body, losses = sent(
        said(Text("Hi", cache_ttl_s=0)),
        said(
            Thinking(redacted=True, signature=Signature("anthropic", "x")),
            Text("No.", refusal=True),
            ToolCall("c", "f", "{}", signature=Signature("gemini", "y")),
            role="assistant",
        ),
        said(ToolResult("c", (Text("1"),), cache_ttl_s=300)),
    )
    assert body["messages"][1]["content"] == "No."
    assert losses == {
        "dropped:messages[0].parts[0].cache_ttl_s",
        "dropped:messages[1].parts[0]",
        "dropped:messages[1].parts[0].signature",
        "approximated:messages[1].parts[1].refusal",
        "dropped:messages[1].parts[2].signature",
        "dropped:messages[2].parts[0].cache_ttl_s",
    }


def test_free_text_tools_become_functions() -> None:
    """A tool that takes free text takes one string here, and so did its past calls."""
    body, losses = sent(
        said("Hi"),
        said(ToolCall("c", "sh", "ls", custom=True), role="assistant"),
        said(ToolResult("c")),
        tools=(Tool("sh", custom=True),),
    )
    assert body["tools"][0]["function"]["parameters"]["required"] == ["input"]
    assert body["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"input":"ls"}'
    assert losses == {"emulated:tools[0]", "emulated:messages[1].parts[0]"}


def test_tool_without_a_schema_has_an_empty_one() -> None:
    """Parameters are mandatory here."""
    body, _ = sent(said("Hi"), tools=(Tool("f", "F."),))
    assert body["tools"][0]["function"] == {
        "name": "f",
        "description": "F.",
        "parameters": {"type": "object", "properties": {}},
    }


@pytest.mark.parametrize(
    ("native", "usage"),
    [
        (
            {"tokens": {"input_tokens": 502.0, "output_tokens": 26.0}, "cached_tokens": 464.0},
            Usage(input=38, cache_read=464, output=26),
        ),
        (
            {
                "tokens": {"input_tokens": 267, "output_tokens": 91, "reasoning_tokens": 58},
                "cached_tokens": 144,
            },
            Usage(input=123, cache_read=144, output=33, reasoning=58),
        ),
        (
            {"tokens": {"input_tokens": 34, "output_tokens": 56, "image_tokens": 259}, "cached_tokens": 0},
            Usage(input=293, output=56),
        ),
        ({"billed_units": {"input_tokens": 4, "output_tokens": 1}}, Usage(input=4, output=1)),
        (
            {
                "billed_units": {"input_tokens": 67, "output_tokens": 66},
                "tokens": {"input_tokens": 510, "output_tokens": 99, "reasoning_tokens": 29},
                "cached_tokens": 144,
            },
            Usage(input=67, output=37, reasoning=29),
        ),
        (
            {
                "billed_units": {"input_tokens": 267, "output_tokens": 52},
                "tokens": {"input_tokens": 34, "output_tokens": 56, "image_tokens": 259},
            },
            Usage(input=267, output=52),
        ),
        (
            {"tokens": {"input_tokens": 3, "output_tokens": 1}, "cached_tokens": 9},
            Usage(cache_read=3, output=1),
        ),
        ({"tokens": "many", "cached_tokens": "few"}, Usage()),
    ],
)
def test_usage_is_taken_apart(native: dict[str, Json], usage: Usage) -> None:
    """What is charged is counted, else what was read and written, no token twice; home goes what came."""
    found = read_usage(native)
    assert [getattr(found, name) for name in ("input", "cache_read", "output", "reasoning")] == [
        getattr(usage, name) for name in ("input", "cache_read", "output", "reasoning")
    ]
    assert write_usage(found) == native
