"""Items and what is in them: grouping, signatures, media, results and usage of the Responses API."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from dragoman.core.extras import Extras, Json
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import (
    Media,
    Message,
    Opaque,
    Part,
    Signature,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from dragoman.core.usage import Usage, cost
from dragoman.dialects.border import Crossing
from dragoman.dialects.openai_responses_parts import (
    NAME,
    full_name,
    read_input,
    read_output,
    read_usage,
    write_input,
    write_output,
    write_usage,
)

OURS, THEIRS = Signature("openai", "gAAAAABo-1", id="rs_1"), Signature("anthropic", "c2ln")
DOT = "iVBORw0KGgo="


def asked(*parts: Part | str, role: Any = "user", home: bool = False) -> tuple[list[Any], set[str]]:
    """Return the items that one message after another becomes, and the losses."""
    said = tuple(Text(part) if isinstance(part, str) else part for part in parts)
    out = Crossing(NAME, home=home)
    _, items, _ = write_input([Message(role, said)], out)
    return items, {str(loss) for loss in out.losses}


def answered(*parts: Part) -> tuple[list[Any], set[str]]:
    """Return the items of an answer of these parts, and the losses."""
    out = Crossing(NAME)
    return write_output(parts, lambda prefix, place: f"{prefix}_dragoman_{place}", out), {
        str(loss) for loss in out.losses
    }


def home(items: list[Json]) -> tuple[list[Message], list[Json]]:
    """Read a client's items and write them home."""
    messages = read_input(items, "$.input")
    out = Crossing(NAME, home=True)
    _, written, _ = write_input(messages, out)
    return messages, written


# --- the model's items ------------------------------------------------------------------------------------


def test_items_that_follow_one_another_stay_apart() -> None:
    """Two messages and two reasonings in a row are one core message, and two items each again."""
    items: list[Json] = [
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "reasoning", "id": "rs_2", "summary": [{"type": "summary_text", "text": "B"}]},
        {"role": "assistant", "content": "C"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "D"}]},
        {"role": "assistant", "content": []},
    ]
    messages, written = home(items)
    assert len(messages) == 1
    assert written == items


def test_foreign_texts_are_one_item() -> None:
    """Words that follow one another are one message; a single one is told the easy way."""
    assert asked("A", role="assistant")[0] == [{"role": "assistant", "content": "A"}]
    (item,), losses = asked("A", Text("B", refusal=True), role="assistant")
    assert item == {
        "type": "message",
        "role": "assistant",
        "content": [
            {"type": "output_text", "text": "A", "annotations": []},
            {"type": "refusal", "refusal": "B"},
        ],
    }
    assert not losses


def test_only_openais_reasoning_is_sent_to_it() -> None:
    """Signed by OpenAI, reasoning goes back in its place; what others thought is dropped and declared."""
    thoughts = (Thinking("A", summary=True, signature=OURS), Thinking("B", signature=THEIRS), Thinking("C"))
    items, losses = asked(*thoughts, Thinking(redacted=True, signature=OURS), role="assistant")
    assert items == [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "A"}],
            "encrypted_content": "gAAAAABo-1",
        },
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAABo-1"},
    ]
    assert losses == {"dropped:messages[0].parts[1]", "dropped:messages[0].parts[2]"}


def test_foreign_signature_travels_sealed() -> None:
    """Another provider's thinking comes back from a client of this dialect as it was."""
    thoughts = (
        Thinking("Hm.", signature=THEIRS),
        Thinking("", signature=THEIRS),
        Thinking(redacted=True, signature=THEIRS),
    )
    items, losses = answered(*thoughts)
    assert [item["encrypted_content"] for item in items] == ["dragoman:anthropic:c2ln"] * 3
    assert not losses
    (message,) = read_input(items, "$.input")
    assert [
        (part.text, part.redacted, part.signature) for part in message.parts if isinstance(part, Thinking)
    ] == [
        ("Hm.", False, THEIRS),
        ("", False, THEIRS),
        ("", True, THEIRS),
    ]


def test_what_we_made_up_is_not_sent_to_openai() -> None:
    """Unsigned thinking of others, sealed signatures and ids of ours stay behind, at home too."""
    items, _ = answered(
        Thinking("A"), Text("B"), Thinking("C", signature=THEIRS), ToolCall("call_1", "f", "{}")
    )
    out = Crossing(NAME, home=True)
    _, written, _ = write_input(read_input(items, "$.input"), out)
    assert [item["type"] for item in written] == ["message", "function_call"]
    assert all("id" not in item for item in written)
    assert {str(loss) for loss in out.losses} == {
        "dropped:messages[0].parts[0]",
        "dropped:messages[0].parts[2]",
    }


def test_unsigned_reasoning_of_the_provider_goes_home_as_it_came() -> None:
    """What a provider itself did not sign is its own all the same, with words or without."""
    said = {"summary": [{"type": "summary_text", "text": "A"}], "encrypted_content": None}
    raw = {"summary": [], "content": [{"type": "reasoning_text", "text": "B"}]}
    items: list[Json] = [
        {"type": "reasoning", "id": "rs_1", **said},
        {"type": "reasoning", "id": "rs_2", **raw, "encrypted_content": None, "status": "completed"},
        {"type": "reasoning", **raw},
        {"type": "reasoning", "id": "rs_3", "summary": []},
    ]
    out = Crossing(NAME, home=True)
    assert write_input(read_input(items, "$.input"), out)[1] == items
    assert not out.losses


def test_unsigned_thinking_is_one_item_and_signed_is_not() -> None:
    """Pieces belong together until one is signed."""
    items, _ = answered(
        Thinking("A", summary=True), Thinking("B", summary=True, signature=OURS), Thinking("C", summary=True)
    )
    assert [[entry["text"] for entry in item["summary"]] for item in items] == [["A", "B"], ["C"]]


def test_signature_stays_on_what_it_signs() -> None:
    """In an item summaries come first, so a raw thought and a signed summary are two items."""
    thoughts = (Thinking("A"), Thinking("B", summary=True, signature=THEIRS))
    items, _ = answered(*thoughts)
    (message,) = read_input(items, "$.input")
    assert [part.signature for part in message.parts if isinstance(part, Thinking)] == [None, THEIRS]


def test_empty_thinking_of_others_says_nothing() -> None:
    """Without words and without a signature there is no item."""
    assert answered(Thinking(""), Text("A"))[0][0]["type"] == "message"


def test_calls_are_items_of_their_kind() -> None:
    """Arguments are never missing, free text stays as it is, and a foreign name is made safe in history."""
    calls = (ToolCall("a", "f"), ToolCall("b", "g", "ls", custom=True), ToolCall("c", "x.y", "{}"))
    items, losses = asked(*calls, role="assistant")
    assert items[:2] == [
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "b", "name": "g", "input": "ls"},
    ]
    assert items[2]["name"].startswith("x_y_")
    assert losses == {"approximated:messages[0].parts[2].name"}


def test_call_in_a_namespace_has_one_name_and_goes_home_with_two_fields() -> None:
    """A call says the namespace and the tool; so may its result; both are verbatim again at home."""
    call = {
        "type": "function_call",
        "call_id": "a",
        "name": "spawn",
        "namespace": "agents",
        "arguments": "{}",
    }
    free = {"type": "custom_tool_call", "call_id": "b", "name": "sh", "namespace": "os", "input": "ls"}
    bare = {"type": "function_call", "call_id": "c", "name": "f", "namespace": None, "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "a", "output": "1", "name": "spawn"}
    items: list[Json] = [call, free, bare, {**result, "namespace": "agents"}]
    messages, written = home(items)
    assert written == items
    parts = [part for message in messages for part in message.parts]
    assert [part.name for part in parts if isinstance(part, (ToolCall, ToolResult))] == [
        "agents__spawn",
        "os__sh",
        "f",
        "agents__spawn",
    ]
    (message, *_) = read_input([call], "$.input", {("agents", "spawn"): "agents__spawn_1"})
    assert [part.name for part in message.parts if isinstance(part, ToolCall)] == ["agents__spawn_1"]
    with pytest.raises(Failure) as caught:
        read_input([{**call, "namespace": 1}], "$.input")
    assert caught.value.at == "$.input[0].namespace"


def test_full_name_is_one_any_api_takes() -> None:
    """Safe letters and at most 64 of them, and what was two names stays two."""
    assert full_name("agents", "spawn") == "agents__spawn"
    assert full_name("get_weather", "get_weather") == "get_weather", "a function that a search found"
    odd = [full_name("a.b", "c"), full_name("a b", "c"), full_name("a" * 64, "b"), full_name("a" * 64, "c")]
    assert len(set(odd)) == 4
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in odd)


def test_answers_call_of_a_namespaces_tool_is_told_in_its_own_fields() -> None:
    """The client hears its own names again; a call of another tool is as it is."""
    spaces = {"agents__spawn": {"name": "spawn", "namespace": "agents"}}
    calls = (ToolCall("a", "agents__spawn", "{}"), ToolCall("b", "agents__other", "{}"))
    items = write_output(calls, lambda prefix, place: f"{prefix}_{place}", Crossing(NAME), spaces)
    assert items == [
        {
            "type": "function_call",
            "id": "fc_0",
            "call_id": "a",
            "name": "spawn",
            "namespace": "agents",
            "arguments": "{}",
            "status": "completed",
        },
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "b",
            "name": "agents__other",
            "arguments": "{}",
            "status": "completed",
        },
    ]


def test_signature_has_room_on_reasoning_only() -> None:
    """Gemini signs words and calls; that is declared lost."""
    signed = Signature("gemini", "eHl6")
    parts = (Text("A", signature=signed), ToolCall("a", "f", "{}", signature=signed))
    assert answered(*parts)[1] == {"dropped:answer.parts[0].signature", "dropped:answer.parts[1].signature"}
    assert asked(*parts, role="assistant")[1] == {
        "dropped:messages[0].parts[0].signature",
        "dropped:messages[0].parts[1].signature",
    }


def test_image_of_another_model_is_a_hosted_tools_result() -> None:
    """An answer has no other place for it; other media are declared lost."""
    (item,), losses = answered(Media("image", "base64", DOT, mime="image/png"))
    assert (item["type"], item["status"], item["result"]) == ("image_generation_call", "completed", DOT)
    assert losses == {"emulated:answer.parts[0]"}
    assert answered(Media("audio", "base64", "AA=="), Opaque("gemini", "executableCode")) == (
        [],
        {"dropped:answer.parts[0]", "dropped:answer.parts[1]"},
    )


def test_odd_items_of_an_answer_are_kept_whole() -> None:
    """A message with an unknown part, a client's item, and no item at all are Opaque."""
    odd: list[Json] = [
        {"type": "message", "role": "assistant", "content": [{"type": "output_hologram"}]},
        {"type": "message", "role": "user", "content": []},
        {"type": "reasoning", "summary": ["A"]},
        {"type": "message", "role": "assistant", "content": None},
        {"type": 7},
        "what?",
    ]
    parts = read_output(odd)
    assert [part.data for part in parts if isinstance(part, Opaque)] == odd
    assert answered(*parts)[0] == odd


def test_arguments_that_are_an_object_become_text() -> None:
    """Some servers do not encode them; the core has text, and home they go as an object."""
    item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": {"a": 1}}
    (call,) = read_output([item])
    assert isinstance(call, ToolCall)
    assert call.arguments == '{"a":1}'
    assert answered(call)[0] == [item]


# --- a client's items -------------------------------------------------------------------------------------


def test_media_is_told_by_kind_and_source() -> None:
    """Each has its part; a data URI is base64, a text document is text, and a detail is mandatory."""
    media = (
        Media("image", "url", "https://example.com/a.png", detail="low"),
        Media("image", "url", f"data:image/png;base64,{DOT}"),
        Media("document", "base64", "JVBERi0=", mime="application/pdf"),
        Media("document", "url", "https://example.com/a.pdf", name="a.pdf"),
        Media("document", "text", "Words.", name="Notes"),
        Media("audio", "base64", "AA==", mime="audio/wav", cache_ttl_s=None),
    )
    (message,), losses = asked(*media)
    assert message["content"] == [
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{DOT}", "detail": "auto"},
        {
            "type": "input_file",
            "file_data": "data:application/pdf;base64,JVBERi0=",
            "filename": "document.pdf",
        },
        {"type": "input_file", "file_url": "https://example.com/a.pdf", "filename": "a.pdf"},
        {"type": "input_text", "text": "Notes\n\nWords."},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ]
    assert losses == {"emulated:messages[0].parts[4]"}


@pytest.mark.parametrize(
    "part",
    [
        Media("video", "url", "https://example.com/a.mp4"),
        Media("image", "file_id", "file-1"),
        Media("audio", "base64", "AA==", mime="audio/flac"),
        Media("image", "base64", "????"),
        Thinking("A"),
        ToolCall("a", "f"),
    ],
)
def test_what_a_user_cannot_say_is_refused(part: Part) -> None:
    """Media without a place here, another provider's files, and the model's own parts."""
    with pytest.raises(Failure) as caught:
        asked(part)
    assert (caught.value.kind, caught.value.at) == (Kind.UNSUPPORTED, "messages[0].parts[0]")


@pytest.mark.parametrize("part", [Media("image", "base64", DOT, mime="image/png"), ToolResult("a")])
def test_what_the_model_cannot_have_said_is_refused(part: Part) -> None:
    """An assistant's history holds words, reasoning and calls."""
    with pytest.raises(Failure) as caught:
        asked(part, role="assistant")
    assert caught.value.kind is Kind.UNSUPPORTED


def test_results_are_items_between_words() -> None:
    """Each result is an item where it stood: a string, or a list once it holds more than one text."""
    image = Media("image", "base64", DOT, mime="image/png")
    items, losses = asked(
        ToolResult("a", (Text("1"),)),
        ToolResult("b", (Text("2"), image)),
        ToolResult("c"),
        ToolResult("d", (Text("x"),), custom=True, name="g"),
        "So?",
        role="user",
    )
    assert items == [
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {
            "type": "function_call_output",
            "call_id": "b",
            "output": [
                {"type": "input_text", "text": "2"},
                {"type": "input_image", "image_url": f"data:image/png;base64,{DOT}", "detail": "auto"},
            ],
        },
        {"type": "function_call_output", "call_id": "c", "output": ""},
        {"type": "custom_tool_call_output", "call_id": "d", "output": "x"},
        {"role": "user", "content": "So?"},
    ]
    assert not losses


@pytest.mark.parametrize(
    ("parts", "output"),
    [
        ((Text("no such file"),), "Error: no such file"),
        ((Text("Error: no"),), "Error: no"),
        ((), "Error: "),
        (
            (Text("no"), Text("yes")),
            [{"type": "input_text", "text": word} for word in ("Error: ", "no", "yes")],
        ),
        (
            (Text("Error: no"), Text("yes")),
            [{"type": "input_text", "text": word} for word in ("Error: no", "yes")],
        ),
    ],
)
def test_failed_tool_is_told_in_words(parts: tuple[Text, ...], output: Json) -> None:
    """There is no flag for it here, so it is said once, in front."""
    (item,), losses = asked(ToolResult("a", parts, error=True))
    assert item["output"] == output
    assert losses == {"approximated:messages[0].parts[0].error"}


def test_cache_marks_are_on_what_the_client_says() -> None:
    """A breakpoint stands on a part or on a result's last one; the model's items and tools take none."""
    (result, message), losses = asked(
        ToolResult("a", (Text("1"),), cache_ttl_s=0), Text("Hi", cache_ttl_s=43200)
    )
    mark = {"mode": "explicit"}
    assert result["output"] == [{"type": "input_text", "text": "1", "prompt_cache_breakpoint": mark}]
    assert message["content"][0]["prompt_cache_breakpoint"] == {**mark, "ttl": "12h"}
    assert not losses
    assert asked(ToolResult("a", cache_ttl_s=0))[1] == {"dropped:messages[0].parts[0].cache_ttl_s"}
    assert asked(Text("A", cache_ttl_s=0), role="assistant")[1] == {
        "dropped:messages[0].parts[0].cache_ttl_s"
    }


def test_bare_file_data_stays_bare() -> None:
    """Base64 without a data URI has no type, and goes home without one."""
    items: list[Json] = [{"role": "user", "content": [{"type": "input_file", "file_data": "JVBERi0="}]}]
    messages, written = home(items)
    assert messages[0].parts == (Media("document", "base64", "JVBERi0="),)
    assert written == items


# --- usage ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("native", "usage"),
    [
        # Read 2026-11-21: SDK 3.52, response_usage; platform.openai.com/docs/guides/prompt-caching.
        (
            {
                "input_tokens": 2006,
                "input_tokens_details": {"cached_tokens": 1920, "cache_write_tokens": 50},
                "output_tokens": 300,
                "output_tokens_details": {"reasoning_tokens": 250},
                "total_tokens": 2306,
            },
            Usage(input=36, cache_read=1920, cache_write=50, output=50, reasoning=250),
        ),
        (
            {
                "input_tokens": 100,
                "input_tokens_details": {
                    "cache_write_tokens": 60,
                    "cache_write_tokens_details": {"ttl_30m_tokens": 20, "ttl_12h_tokens": 40},
                },
                "output_tokens": 5,
            },
            Usage(input=40, cache_write=20, cache_write_long=40, output=5),
        ),
        # docs.x.ai/developers/cost-tracking: 10^10 ticks are a dollar.
        (
            {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "cost_in_usd_ticks": 37756000},
            Usage(input=3, output=2, cost=Decimal("0.0037756")),
        ),
        # A server that leaves reasoning out of the output says so by the total.
        (
            {
                "input_tokens": 10,
                "output_tokens": 4,
                "output_tokens_details": {"reasoning_tokens": 6},
                "total_tokens": 20,
            },
            Usage(input=10, output=4, reasoning=6),
        ),
        # openrouter.ai/docs/use-cases/usage-accounting: with the customer's key the number is the fee.
        (
            {
                "input_tokens": 1,
                "output_tokens": 1,
                "cost": 0.05,
                "is_byok": True,
                "cost_details": {"upstream_inference_cost": 1.5},
            },
            Usage(input=1, output=1, cost=Decimal("1.55")),
        ),
        (
            {
                "input_tokens": 1,
                "input_tokens_details": {"cached_tokens": 9},
                "output_tokens": -1,
                "cost": "x",
            },
            Usage(cache_read=1),
        ),
        (
            {"input_tokens": "many", "output_tokens_details": [], "cost_in_usd_ticks": True},
            Usage(),
        ),
    ],
)
def test_usage_is_taken_apart(native: dict[str, Json], usage: Usage) -> None:
    """No token is in two counters, and the vendor's own object goes home as it came."""
    read = read_usage(native)
    assert read == Usage(
        **{name: getattr(usage, name) for name in ("input", "cache_read", "cache_write", "cache_write_long")},
        output=usage.output,
        reasoning=usage.reasoning,
        cost=usage.cost,
        native=Extras(NAME, native),
    )
    assert write_usage(read) == native


def test_details_are_never_missing() -> None:
    """The SDK's types require them, so nothing known is 0; a cost is told as OpenRouter does."""
    assert write_usage(None) is None
    body = write_usage(Usage(input=2, output=1, cost=Decimal("0.25")))
    assert body == {
        "input_tokens": 2,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 3,
        "cost": 0.25,
    }
    assert cost(read_usage(body), None) == Decimal("0.25")
