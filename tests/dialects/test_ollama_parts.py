"""What Ollama's messages are made of: words, images, calls, ids, times; both ways."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.extras import Json
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import (
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
from dragoman.dialects.border import hushed, merged
from dragoman.dialects.ollama import DIALECT
from dragoman.dialects.ollama_parts import Ids, read_time, read_usage, write_time, write_usage

CORPUS = Path(__file__).parent / "corpus" / "ollama" / "requests"
PNG = Media("image", "base64", "iVBORw0KGgo=", mime="image/png")


def read(*messages: Json) -> Request:
    """Read messages as a client sent them."""
    return DIALECT.read_request(Call("POST", "/api/chat", body={"model": "m", "messages": list(messages)}))


def corpus(name: str) -> tuple[Message, ...]:
    """Read the messages of a request of the corpus."""
    return read(*json.loads((CORPUS / f"{name}.json").read_text())["body"]["messages"]).messages


def said(*parts: Part | str, role: Any = "user") -> Message:
    """Return a message; a str is a Text."""
    return Message(role, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def sent(*messages: Message, **fields: Any) -> tuple[list[dict[str, Json]], set[str]]:
    """Return the messages those of another dialect become, and what that loses."""
    call = DIALECT.write_request(Request("openai_chat", "m", messages, **fields))
    return call.body["messages"], {str(loss) for loss in call.losses}


# --- times ------------------------------------------------------------------------------------------------


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_are_those_of_the_calendar(moment: datetime) -> None:
    """Every second of every year is written and read as the standard library would."""
    moment = moment.replace(microsecond=0)
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    text = moment.isoformat().replace("+00:00", "Z")
    assert write_time(seconds) == text
    assert read_time(text) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2023-08-04T08:52:19.385406455-07:00", 1691164339),
        ("2026-11-21t10:00:00+01:30", 1795249800),
        ("2024-02-29 23:59:59Z", 1709251199),
        ("yesterday", None),
        ("2026-11-21T10:00:00", None),
        ("", None),
    ],
)
def test_times_are_read_with_their_offset(text: str, seconds: int | None) -> None:
    """Fractions are cut off, and what is no time is none."""
    assert read_time(text) == seconds


# --- in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "at"),
    [
        ("Hi", "$.messages[0]"),
        ({"content": "Hi"}, "$.messages[0].role"),
        ({"role": "developer", "content": "Hi"}, "$.messages[0].role"),
        ({"role": "user", "content": [{"type": "text"}]}, "$.messages[0].content"),
        ({"role": "user", "images": "iVBOR"}, "$.messages[0].images"),
        ({"role": "user", "images": ["iVBOR", "https://example.com/a.png"]}, "$.messages[0].images[1]"),
        ({"role": "user", "images": ["data:image/png;base64,iVBOR"]}, "$.messages[0].images[0]"),
        ({"role": "assistant", "thinking": 7}, "$.messages[0].thinking"),
        ({"role": "assistant", "tool_calls": [{}]}, "$.messages[0].tool_calls[0].function"),
        (
            {"role": "assistant", "tool_calls": [{"function": {}}]},
            "$.messages[0].tool_calls[0].function.name",
        ),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
            "$.messages[0].tool_calls[0].function.arguments",
        ),
        ({"role": "tool", "content": "x", "tool_name": 7}, "$.messages[0].tool_name"),
    ],
)
def test_fault_is_refused_with_its_path(message: Json, at: str) -> None:
    """A wrong message is a 400 that names the field."""
    with pytest.raises(Failure) as caught:
        read(message)
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)


def test_images_stand_before_the_words() -> None:
    """Their types are told by their first bytes."""
    first, second = corpus("images")
    assert [part.mime for part in first.parts if isinstance(part, Media)] == ["image/png", "image/jpeg"]
    assert first.parts[-1] == Text("Which is older?")
    assert [part.mime for part in second.parts if isinstance(part, Media)] == ["image/gif"]


def test_thinking_stands_before_the_words() -> None:
    """What the model thought, it thought first."""
    assert corpus("think")[1].parts == (Thinking("Add them."), Text("4"))


def test_given_ids_are_kept() -> None:
    """Calls and answers with ids belong together by them."""
    messages = corpus("tools_with_ids")
    calls = [part for part in messages[1].parts if isinstance(part, ToolCall)]
    assert [(call.id, call.arguments, call.synthetic) for call in calls] == [
        ("call_a", '{"city":"Köln"}', False),
        ("call_b", "{}", False),
    ]
    answers = [part for message in messages[2:] for part in message.parts if isinstance(part, ToolResult)]
    assert [(part.call_id, part.name) for part in answers] == [("call_a", "get_weather"), ("call_b", None)]


def test_answers_without_ids_find_their_calls() -> None:
    """By the tool's name first, else in order; one that nobody asked for stands alone."""
    messages = corpus("tools_without_ids")
    calls = {part.id: part.name for part in messages[1].parts if isinstance(part, ToolCall)}
    assert list(calls) == ["call_dragoman_0", "call_dragoman_1", "call_dragoman_2"]
    answers = [
        part.call_id for message in messages[2:] for part in message.parts if isinstance(part, ToolResult)
    ]
    assert answers == ["call_dragoman_2", "call_dragoman_0", "call_dragoman_1", "call_dragoman_3"]


def test_ids_of_two_answers_differ() -> None:
    """A salt tells them apart."""
    assert {Ids(salt).ask(None, "f") for salt in ("", "a_", "b_")} == {
        "call_dragoman_0",
        "call_dragoman_a_0",
        "call_dragoman_b_0",
    }
    assert Ids().ask("given", "f") == "given"


# --- out --------------------------------------------------------------------------------------------------


def test_foreign_conversation_is_written() -> None:
    """System messages stand where they stood, each result is a message and names its tool."""
    turns, losses = sent(
        said("A", "B", role="system"),
        said("Hi"),
        said(Thinking("Hm"), "Wait.", ToolCall("c", "f", '{"a":1}'), ToolCall("d", "g"), role="assistant"),
        said(ToolResult("c", (Text("1"),)), ToolResult("d", (), name="g"), "Thanks"),
        said("C", role="system"),
        said(""),
    )
    assert turns == [
        {"role": "system", "content": "A\n\nB"},
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": "Wait.",
            "thinking": "Hm",
            "tool_calls": [
                {"id": "c", "function": {"name": "f", "arguments": {"a": 1}}},
                {"id": "d", "function": {"name": "g", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "1", "tool_name": "f", "tool_call_id": "c"},
        {"role": "tool", "content": "", "tool_name": "g", "tool_call_id": "d"},
        {"role": "user", "content": "Thanks"},
        {"role": "system", "content": "C"},
    ]
    assert not losses


def test_ids_of_ours_are_not_sent() -> None:
    """A provider never saw them; the tool's name says enough."""
    turns, _ = sent(
        said("Hi"),
        said(ToolCall("call_dragoman_x", "f", "{}"), role="assistant"),
        said(ToolResult("call_dragoman_x", (Text("1"),))),
    )
    assert turns[1]["tool_calls"] == [{"function": {"name": "f", "arguments": {}}}]
    assert turns[2] == {"role": "tool", "content": "1", "tool_name": "f"}


def test_images_are_written_bare() -> None:
    """A data URI loses its head; an image behind words comes before them, which is declared."""
    uri = Media("image", "url", "data:image/png;base64,iVBORw0KGgo=", detail="low")
    turns, losses = sent(said(PNG, "Which?", uri))
    assert turns == [{"role": "user", "content": "Which?", "images": ["iVBORw0KGgo=", "iVBORw0KGgo="]}]
    assert losses == {"approximated:messages[0].parts[2]", "dropped:messages[0].parts[2].detail"}


def test_images_of_a_tool_follow_in_the_users_turn() -> None:
    """A tool answers in words; what it shows comes once all tools have answered."""
    turns, losses = sent(
        said(ToolCall("c", "look", "{}"), ToolCall("d", "g", "{}"), role="assistant"),
        said(ToolResult("c", (Text("Here:"), PNG)), ToolResult("d", (Text("2"),))),
        said("So?"),
    )
    assert [turn["role"] for turn in turns] == ["assistant", "tool", "tool", "user", "user"]
    assert turns[3] == {"role": "user", "content": "Answer of the tool look:", "images": ["iVBORw0KGgo="]}
    assert losses == {"emulated:messages[1].parts[0].parts[1]"}
    last, _ = sent(said(ToolResult("c", (PNG,))))
    assert [turn["role"] for turn in last] == ["tool", "user"]


@pytest.mark.parametrize(
    ("parts", "content"),
    [((Text("broken"),), "Error: broken"), ((Text("Error: broken"),), "Error: broken"), ((), "Error: ")],
)
def test_failed_tool_says_so_once(parts: tuple[Text, ...], content: str) -> None:
    """There is no flag, so it is told in words."""
    turns, losses = sent(said(ToolResult("c", parts, error=True)))
    assert turns[0]["content"] == content
    assert losses == {"approximated:messages[0].parts[0].error"}


@pytest.mark.parametrize(
    "message",
    [
        said(Media("image", "url", "https://example.com/a.png")),
        said(Media("image", "file_id", "file_1")),
        said(Media("audio", "base64", "UklGRg==", mime="audio/wav")),
        said(Media("document", "base64", "JVBERi0=", mime="application/pdf")),
        said(ToolResult("c", (Media("document", "base64", "JVBERi0="),))),
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
    """Cache marks, signatures, refusals, order and hidden thinking are lost one by one."""
    turns, losses = sent(
        said(Text("Hi", cache_ttl_s=0), Media("document", "text", "Penguins.", name="Birds")),
        said(
            Thinking(redacted=True, signature=Signature("anthropic", "x")),
            ToolCall("c", "f", "{}", signature=Signature("gemini", "y")),
            Text("No.", refusal=True),
            role="assistant",
        ),
    )
    assert turns[0]["content"] == "Hi\n\nBirds\n\nPenguins."
    assert turns[1]["content"] == "No."
    assert losses == {
        "dropped:messages[0].parts[0].cache_ttl_s",
        "emulated:messages[0].parts[1]",
        "dropped:messages[1].parts[0]",
        "dropped:messages[1].parts[0].signature",
        "dropped:messages[1].parts[1].signature",
        "approximated:messages[1].parts[2]",
        "approximated:messages[1].parts[2].refusal",
    }


def test_free_text_tools_become_functions() -> None:
    """A tool that takes free text takes one string here, and so did its past calls."""
    request = Request(
        "openai_chat",
        "m",
        (said(ToolCall("c", "sh", "ls", custom=True), role="assistant"),),
        tools=(Tool("sh", custom=True), Tool("f", "F.")),
    )
    call = DIALECT.write_request(request)
    assert [tool["function"] for tool in call.body["tools"]] == [
        {
            "name": "sh",
            "parameters": {
                "type": "object",
                "properties": {"input": {"type": "string"}},
                "required": ["input"],
            },
        },
        {"name": "f", "description": "F.", "parameters": {"type": "object", "properties": {}}},
    ]
    assert call.body["messages"][0]["tool_calls"][0]["function"]["arguments"] == {"input": "ls"}
    assert {str(loss) for loss in call.losses} == {"emulated:tools[0]", "emulated:messages[0].parts[0]"}


# --- usage and leftovers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("native", "read_tokens", "written_tokens"),
    [
        ({"prompt_eval_count": 9, "eval_count": 24, "eval_duration": 7}, 9, 24),
        ({"eval_count": 2}, 0, 2),
        ({"total_duration": 5}, 0, 0),
        ({"prompt_eval_count": -1, "eval_count": "many"}, 0, 0),
    ],
)
def test_usage_is_counted(native: dict[str, Json], read_tokens: int, written_tokens: int) -> None:
    """Absent is zero, nonsense is zero, and home goes what came."""
    usage = read_usage({"model": "m", **native})
    assert usage is not None
    assert (usage.input, usage.output) == (read_tokens, written_tokens)
    assert write_usage(usage) == native


def test_usage_of_others_is_two_counts_without_zeros() -> None:
    """Durations are the provider's own, and zeros are left out as the server does."""
    assert write_usage(Usage(input=1, cache_read=2, output=3, reasoning=4)) == {
        "prompt_eval_count": 3,
        "eval_count": 7,
    }
    assert write_usage(Usage(output=3)) == {"eval_count": 3}
    assert write_usage(None) == {}
    assert read_usage({"done": True}) is None


def test_empty_fields_go_home_quietly() -> None:
    """Only what is empty, false or zero is taken, and only by name."""
    rest: dict[str, Json] = {"a": "", "b": False, "c": 0, "d": None, "e": [], "f": "x", "g": ""}
    assert hushed(rest, *"abcdef") == {"a": "", "b": False, "c": 0}
    assert rest == {"d": None, "e": [], "f": "x", "g": ""}


def test_objects_are_laid_over_each_other() -> None:
    """What was left over wins, and stands inside what was modelled."""
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"b": 9}, "d": 4}) == {"a": {"b": 9, "c": 2}, "d": 4}
