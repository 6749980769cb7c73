"""Anthropic's blocks, tools and usage, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core.extras import Extras, Json
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import Media, Opaque, Part, Role, Signature, Text, Tool, ToolCall, ToolResult
from dragoman.core.usage import Usage
from dragoman.dialects.anthropic_parts import (
    read_block,
    read_tool,
    read_usage,
    write_block,
    write_part,
    write_tool,
    write_usage,
)
from dragoman.dialects.border import Crossing


def read(block: Json, role: str = "user") -> Part:
    """Read a client's block."""
    return read_block(block, "$.b", role, strict=True)


def write(part: Part, role: Role = "user") -> tuple[Any, set[str]]:
    """Return the block of a foreign part, and what it lost."""
    out = Crossing("anthropic")
    return write_part(part, role, "p", out), {str(loss) for loss in out.losses}


@pytest.mark.parametrize(
    ("block", "role", "at"),
    [
        ("Hi", "user", "$.b"),
        ({"text": "Hi"}, "user", "$.b.type"),
        ({"type": "text"}, "user", "$.b.text"),
        ({"type": "text", "text": 7}, "user", "$.b.text"),
        (
            {"type": "text", "text": "x", "cache_control": {"type": "eternal"}},
            "user",
            "$.b.cache_control.type",
        ),
        (
            {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1d"}},
            "user",
            "$.b.cache_control.ttl",
        ),
        ({"type": "image"}, "user", "$.b.source"),
        ({"type": "image", "source": {"type": "url"}}, "user", "$.b.source.url"),
        (
            {"type": "image", "source": {"type": "base64", "data": "aGk="}},
            "user",
            "$.b.source.media_type",
        ),
        ({"type": "search_result", "title": "t", "content": []}, "user", "$.b.source"),
        ({"type": "tool_use", "id": "a", "name": "f", "input": "{}"}, "assistant", "$.b.input"),
        ({"type": "tool_use", "id": "a", "name": "f", "input": {}}, "user", "$.b.type"),
        ({"type": "thinking", "thinking": "x"}, "user", "$.b.type"),
        ({"type": "tool_result", "tool_use_id": "a"}, "assistant", "$.b.type"),
        ({"type": "tool_result"}, "user", "$.b.tool_use_id"),
        (
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "tool_use"}]},
            "user",
            "$.b.content[0].type",
        ),
        ({"type": "tool_result", "tool_use_id": "a", "is_error": "no"}, "user", "$.b.is_error"),
    ],
)
def test_faulty_block_is_refused_with_its_path(block: Json, role: str, at: str) -> None:
    """A client's block of the wrong shape, or in the wrong place, is a 400 that names it."""
    with pytest.raises(Failure) as caught:
        read(block, role)
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)


@pytest.mark.parametrize(
    ("cache", "ttl_s"),
    [
        ({"type": "ephemeral"}, 0),
        ({"type": "ephemeral", "ttl": "5m"}, 300),
        ({"type": "ephemeral", "ttl": "1h"}, 3600),
        ({"type": "ephemeral", "scope": "global"}, 0),
        (None, None),
    ],
)
def test_cache_breakpoints_are_read(cache: Json, ttl_s: int | None) -> None:
    """A breakpoint's lifetime is seconds, 0 is the provider's default."""
    part = read({"type": "text", "text": "x", "cache_control": cache})
    assert isinstance(part, Text)
    assert part.cache_ttl_s == ttl_s
    assert write_part(part, "user", "p", Crossing("anthropic", home=True)) == {
        "type": "text",
        "text": "x",
        "cache_control": cache,
    }


@pytest.mark.parametrize(
    ("ttl_s", "cache", "exact"),
    [
        (0, {"type": "ephemeral"}, True),
        (300, {"type": "ephemeral", "ttl": "5m"}, True),
        (1800, {"type": "ephemeral", "ttl": "1h"}, False),
        (43200, {"type": "ephemeral", "ttl": "1h"}, False),
    ],
)
def test_other_lifetimes_become_the_nearest(ttl_s: int, cache: Json, exact: bool) -> None:  # noqa: FBT001 - a table's column
    """Five minutes or an hour; anything else is declared approximated."""
    block, losses = write(Text("x", cache_ttl_s=ttl_s))
    assert block["cache_control"] == cache
    assert losses == (set() if exact else {"approximated:p.cache_ttl_s"})


def test_media_is_read() -> None:
    """Sources have the core's words; a document of blocks has none and stays whole."""
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    assert read({"type": "document", "source": pdf, "title": "T"}) == Media(
        "document", "base64", "JVBERi0=", mime="application/pdf", name="T"
    )
    image = {"type": "image", "source": {"type": "file", "file_id": "file_1"}}
    assert read(image) == Media("image", "file_id", "file_1")
    chunks = {"type": "document", "source": {"type": "content", "content": []}}
    assert read(chunks) == Opaque("anthropic", "document", chunks)


def test_search_result_is_a_text_document_to_others() -> None:
    """Its words are the document, its address stays ours."""
    block = {
        "type": "search_result",
        "source": "kb:1",
        "title": "T",
        "content": [{"type": "text", "text": "W"}],
    }
    part = read(block)
    assert part == Media(
        "document",
        "text",
        "W",
        mime="text/plain",
        name="T",
        extras=Extras("anthropic", {"source": "kb:1"}, ("search_result",)),
    )


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            Media("image", "url", "data:image/png;base64,iVBORw0="),
            {"type": "image", "source": {"type": "base64", "data": "iVBORw0=", "media_type": "image/png"}},
        ),
        (
            Media("image", "base64", "/9j/4AAQ"),
            {"type": "image", "source": {"type": "base64", "data": "/9j/4AAQ", "media_type": "image/jpeg"}},
        ),
        (
            Media("image", "url", "https://example.com/a", mime="image/png"),
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a"}},
        ),
        (
            Media("document", "text", "Hi", name="T"),
            {
                "type": "document",
                "source": {"type": "text", "data": "Hi", "media_type": "text/plain"},
                "title": "T",
            },
        ),
    ],
)
def test_foreign_media_is_written(part: Media, block: Json) -> None:
    """Data URIs are base64, and base64 always says its type."""
    assert write(part) == (block, set())


@pytest.mark.parametrize(
    "part",
    [
        Media("image", "file_id", "file-1"),
        Media("image", "base64", "Qk0=", mime="image/bmp"),
        Media("image", "url", "data:image/svg+xml,%3Csvg%3E"),
        Media("document", "base64", "aGk=", mime="text/csv"),
        Media("video", "url", "https://example.com/v"),
    ],
)
def test_media_it_cannot_read_is_refused(part: Media) -> None:
    """The model would miss what the client showed it."""
    with pytest.raises(Failure) as caught:
        write(part)
    assert caught.value.kind is Kind.UNSUPPORTED


def test_foreign_ids_are_respelt_alike_in_call_and_result() -> None:
    """An id Anthropic refuses becomes one it takes, the same wherever it stands, and never another's."""
    call, losses = write(ToolCall("functions.get:0", "get", "{}"), "assistant")
    result, _ = write(ToolResult("functions.get:0", (Text("1"),), error=True))
    other, _ = write(ToolResult("functions.get.0"))
    assert call["id"] == result["tool_use_id"] != other["tool_use_id"]
    assert result["is_error"] is True
    assert losses == {"approximated:p.id"}


@pytest.mark.parametrize(
    ("arguments", "given", "losses"),
    [
        ("", {}, set()),
        (" ", {}, set()),
        ('{"a": 1.0}', {"a": 1.0}, set()),
        ('{"a": ', {"INVALID_JSON": '{"a": '}, {"approximated:p.arguments"}),
        ("[1]", {"INVALID_JSON": "[1]"}, {"approximated:p.arguments"}),
    ],
)
def test_arguments_become_an_object(arguments: str, given: Json, losses: set[str]) -> None:
    """Empty means {}; what is no object is wrapped as the vendor advises, and declared."""
    block, lost = write(ToolCall("a", "f", arguments), "assistant")
    assert (block["input"], lost) == (given, losses)


def test_foreign_marks_are_declared() -> None:
    """Refusals and foreign signatures have no place on a text block; blank text has none at all."""
    part = Text("No.", refusal=True, signature=Signature("gemini", "eA=="))
    block, losses = write(part, "assistant")
    assert block == {"type": "text", "text": "No."}
    assert losses == {"approximated:p.refusal", "dropped:p.signature"}
    assert write(Text(" \n")) == (None, set())


def test_media_from_the_assistant_is_refused_in_a_request_and_dropped_from_an_answer() -> None:
    """A request may not lie to the model; an answer that is already paid for is still worth reading."""
    image = Media("image", "url", "https://example.com/a")
    with pytest.raises(Failure):
        write(image, "assistant")
    out = Crossing("anthropic")
    assert write_block(image, "p", out) is None
    assert [str(loss) for loss in out.losses] == ["dropped:p"]


@pytest.mark.parametrize(
    "tool",
    [
        {"name": "f", "input_schema": {"type": "object"}},
        {"type": "custom", "name": "f", "input_schema": {}, "strict": False, "description": ""},
        {"name": "f", "input_schema": {"type": "object"}, "type": None, "description": None},
        {"name": "f", "input_schema": {}, "defer_loading": True, "cache_control": {"type": "ephemeral"}},
        {"type": "bash_20250124", "name": "bash"},
    ],
)
def test_tools_go_home_as_they_came(tool: Json) -> None:
    """Whatever a tool says is said again, a hosted one verbatim."""
    assert write_tool(read_tool(tool, "$.t"), "t", Crossing("anthropic", home=True)) == tool


def test_foreign_tools_get_what_the_api_needs() -> None:
    """A schema is an object's, and a free-text tool a function of one string."""
    out = Crossing("anthropic")
    assert write_tool(Tool("f"), "t", out) == {"name": "f", "input_schema": {"type": "object"}}
    custom = write_tool(Tool("g", "Run it.", custom=True, grammar={"type": "text"}), "t", out)
    assert custom["input_schema"]["required"] == ["input"]
    assert [str(loss) for loss in out.losses] == ["emulated:t"]


# Vendor examples: build-with-claude/prompt-caching (1-hour cache), build-with-claude/streaming,
# build-with-claude/extended-thinking, build-with-claude/compaction; read 2026-11-21.
@pytest.mark.parametrize(
    ("native", "usage"),
    [
        ({"input_tokens": 25, "output_tokens": 15}, Usage(input=25, output=15)),
        (
            {
                "input_tokens": 2048,
                "cache_read_input_tokens": 1800,
                "cache_creation_input_tokens": 248,
                "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
                "output_tokens": 503,
            },
            Usage(input=2048, cache_read=1800, cache_write=148, cache_write_long=100, output=503),
        ),
        (
            {"input_tokens": 1, "cache_creation_input_tokens": 248, "output_tokens": 2},
            Usage(input=1, cache_write=248, output=2),
        ),
        (
            {"input_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 7}, "output_tokens": 2},
            Usage(input=1, cache_write_long=7, output=2),
        ),
        (
            {"input_tokens": 40, "output_tokens": 130, "output_tokens_details": {"thinking_tokens": 118}},
            Usage(input=40, output=12, reasoning=118),
        ),
        (
            {
                "input_tokens": 23000,
                "output_tokens": 1000,
                "iterations": [
                    {"type": "compaction", "input_tokens": 180000, "output_tokens": 3500},
                    {"type": "message", "input_tokens": 23000, "output_tokens": 1000},
                ],
            },
            Usage(input=203000, output=4500),
        ),
        ({"input_tokens": None, "output_tokens": "7", "cache_creation": 3, "iterations": {}}, Usage()),
    ],
)
def test_usage_is_read_disjoint_and_written_verbatim(native: dict[str, Json], usage: Usage) -> None:
    """No token is in two counters, and the provider's own figures go home as they came."""
    found = read_usage(native)
    assert found == Usage(
        **{name: getattr(usage, name) for name in Usage.__struct_fields__} | {"native": found.native}
    )
    assert write_usage(found) == native


def test_foreign_usage_is_written_in_anthropics_words() -> None:
    """Totals say the same; what was cached for long is split off, thinking is inside the output."""
    usage = Usage(
        input=5, audio_input=1, cache_read=2, cache_write=3, cache_write_long=4, output=6, reasoning=7
    )
    written = write_usage(usage)
    assert written == {
        "input_tokens": 6,
        "cache_creation_input_tokens": 7,
        "cache_read_input_tokens": 2,
        "output_tokens": 13,
        "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
        "output_tokens_details": {"thinking_tokens": 7},
    }
    assert read_usage(written).total == usage.total
