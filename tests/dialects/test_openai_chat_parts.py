"""What is said in Chat Completions: parts, marks and spellings, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core.extras import Extras, Json
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import Media, Opaque, Signature, Text, Thinking, ToolCall
from dragoman.dialects.border import Crossing, merged
from dragoman.dialects.fields import Fields
from dragoman.dialects.openai_chat_parts import (
    NAME,
    everything,
    kept,
    read_content,
    read_thoughts,
    read_voice,
    text_of,
    without,
    write_content,
    write_voice,
)


def one(part: Json) -> Any:
    """Read one content part of a client."""
    ((found,), _) = read_content(Fields({"content": [part]}, strict=True))
    return found


def out(*, home: bool = False) -> Crossing:
    """Return a crossing."""
    return Crossing(NAME, home=home)


@pytest.mark.parametrize(
    ("part", "media"),
    [
        (
            {"type": "image_url", "image_url": {"url": "https://e.com/a.png", "detail": "low"}},
            Media("image", "url", "https://e.com/a.png", detail="low"),
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            Media("image", "base64", "AA==", mime="image/png"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
            Media("audio", "base64", "AA==", mime="audio/mpeg"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "flac"}},
            Media("audio", "base64", "AA==", mime="audio/flac"),
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}},
            Media("document", "base64", "JVBE", mime="application/pdf", name="a.pdf"),
        ),
        ({"type": "file", "file": {"file_id": "f-1"}}, Media("document", "file_id", "f-1")),
    ],
)
def test_media_are_what_they_are(part: Json, media: Media) -> None:
    """Images, sound and documents are one thing in the core, wherever their bytes are."""
    assert one(part) == media
    assert write_content([("", media)], (), out(home=True)) == [part]
    if media.source != "file_id" and media.mime != "audio/flac":
        assert write_content([("", media)], (), out()) == [part]


def test_elsewheres_media_go_home_only() -> None:
    """A part OpenAI does not have is kept as it was spelt, and refused to nobody at home."""
    video = one({"type": "video_url", "video_url": {"url": "https://e.com/a.mp4"}})
    assert (video.kind, video.source) == ("video", "url")
    odd = one({"type": "hologram", "depth": 3})
    assert odd == Opaque(NAME, "hologram", {"type": "hologram", "depth": 3})
    with pytest.raises(Failure) as caught:
        write_content([("here", Media("video", "url", "https://e.com/a.mp4"))], (), out())
    assert (caught.value.kind, caught.value.at) == (Kind.UNSUPPORTED, "here")


def test_a_foreign_document_has_a_name() -> None:
    """OpenAI wants a file name with a file's bytes."""
    crossing = out()
    (pdf,) = write_content([("", Media("document", "base64", "JVBE", mime="application/pdf"))], (), crossing)
    assert pdf["file"]["filename"] == "document.pdf"
    assert not crossing.losses


def test_a_text_document_is_words() -> None:
    """Plain text under its title, declared as emulated."""
    crossing = out()
    media = Media("document", "text", "It rains.", mime="text/plain", name="Weather")
    assert write_content([("here", media)], (), crossing) == "Weather\n\nIt rains."
    assert [str(loss) for loss in crossing.losses] == ["emulated:here"]


def test_an_image_of_unnamed_type_is_told_by_its_bytes() -> None:
    """Ollama sends none; a data URI needs one."""
    ((part,), _) = ([write_content([("", Media("image", "base64", "iVBORw0KGgo="))], (), out())[0]], None)
    assert part["image_url"]["url"].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("mark", "ttl_s"),
    [
        ({"prompt_cache_breakpoint": {"mode": "explicit"}}, 0),
        ({"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}}, 1800),
        ({"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}, 43200),
        ({"cache_control": {"type": "ephemeral"}}, 0),
        ({"cache_control": {"type": "ephemeral", "ttl": "5m"}}, 300),
        ({"cache_control": {"type": "ephemeral", "ttl": "1h"}}, 3600),
        ({"cache_control": {"type": "ephemeral", "scope": "org"}}, None),
        ({}, None),
    ],
)
def test_cache_breakpoints(mark: Json, ttl_s: int | None) -> None:
    """OpenAI's and OpenRouter's spelling are both understood and go home as they came."""
    wire = {"type": "text", "text": "x", **mark}
    part = one(wire)
    assert part.cache_ttl_s == ttl_s
    assert write_content([("", part)], ("list",), out(home=True)) == [wire]


def test_content_is_a_string_where_it_can_be() -> None:
    """One plain text is a string; a list stays a list; several texts of an answer are joined."""
    texts: list[tuple[str, Any]] = [("", Text("A")), ("", Text("B"))]
    assert write_content(texts[:1], (), out()) == "A"
    assert write_content(texts[:1], ("list",), out()) == [{"type": "text", "text": "A"}]
    assert [part["text"] for part in write_content(texts, (), out())] == ["A", "B"]
    assert write_content(texts, (), out(), joined=True) == "AB"
    assert write_content([], (), out()) is None
    assert write_content([], ("empty",), out()) == ""
    assert write_content([], ("list",), out()) == []


def heard(message: Json, *, strict: bool = False) -> tuple[Any, ...]:
    """Read a message of the assistant."""
    parts, _ = read_voice(Fields(message, strict=strict), "s")
    return parts


def test_thinking_and_words_and_calls_in_order() -> None:
    """Thinking first, then content, a refusal, calls; an empty spelling says nothing."""
    parts = heard(
        {
            "content": "A",
            "refusal": "B",
            "reasoning": "C",
            "reasoning_content": "",
            "tool_calls": [{"id": "x", "function": {"name": "f", "arguments": ""}}],
            "function_call": {"name": "", "arguments": ""},
        }
    )
    assert [type(part) for part in parts] == [Thinking, Text, Text, ToolCall]


def test_two_spellings_of_one_thought_are_one() -> None:
    """The same text in two fields is said once, and both are written again at home."""
    (thought,) = heard({"reasoning": "Hm", "reasoning_content": "Hm", "content": None})
    assert thought.text == "Hm"
    crossing = out(home=True)
    body = write_voice([thought], Extras(NAME), "", crossing, answer=False)
    assert (body["reasoning"], body["reasoning_content"]) == ("Hm", "Hm")


def test_two_different_thoughts_are_not_mixed() -> None:
    """A second string that says something else is kept for its way home."""
    fields = Fields({"reasoning": "B", "reasoning_content": "A"})
    parts, _ = read_voice(fields, "s")
    assert [getattr(part, "text", None) for part in parts] == ["A"]
    assert fields.rest == {"reasoning": "B"}


@pytest.mark.parametrize(
    ("format_", "origin"),
    [
        ("anthropic-claude-v1", "anthropic"),
        ("google-gemini-v1", "gemini"),
        ("openai-responses-v1", "openai"),
        ("xai-responses-v1", "xai"),
        ("mystery-v9", "mystery-v9"),
        (None, "openrouter"),
    ],
)
def test_who_signed(format_: str | None, origin: str) -> None:
    """A detail's format says whose signature it is; it is never taken for another's."""
    detail = {"type": "reasoning.text", "text": "Hm", "signature": "s", "format": format_, "index": 0}
    (thought,) = heard({"reasoning_details": [detail]})
    assert thought.signature == Signature(origin, "s")
    body = write_voice([thought], Extras(NAME), "", out(home=True), answer=False)
    assert body["reasoning_details"] == [detail]


def test_unknown_details_are_left_whole() -> None:
    """A type nobody has told us of leaves the list as it was."""
    fields = Fields({"reasoning_details": [{"type": "reasoning.new"}], "content": "x"})
    read_voice(fields, "s")
    assert fields.rest == {"reasoning_details": [{"type": "reasoning.new"}]}


def test_thinking_of_one_chunk() -> None:
    """Details and the string that repeats them are one fragment; encrypted ones are parts of their own."""
    details = [
        {"type": "reasoning.text", "text": "Hm", "index": 0},
        {"type": "reasoning.encrypted", "data": "x"},
    ]
    text, hidden = read_thoughts({"reasoning": "Hm", "reasoning_details": details})
    assert (text.text, text.rest) == ("Hm", {"index": 0})
    assert isinstance(hidden.shell, Thinking)
    assert hidden.shell.redacted
    assert list(read_thoughts({"reasoning": None, "reasoning_details": [7]})) == []


def test_a_delta_is_laid_into_the_message() -> None:
    """Fields of several chunks become the message's: lists grow, and so does sound."""
    chunks = [
        {"annotations": [1], "audio": {"id": "a", "data": "AA", "transcript": "He"}},
        {"annotations": [2], "audio": {"data": "BB", "transcript": "y", "expires_at": 9}},
    ]
    parts = [Opaque(NAME, "delta", delta) for delta in chunks]
    body = write_voice(parts, Extras(NAME), "", out(), answer=True)
    assert body["annotations"] == [1, 2]
    assert body["audio"] == {"id": "a", "data": "AABB", "transcript": "Hey", "expires_at": 9}


def test_small_tools() -> None:
    """Objects are laid into objects; what was absent stays absent; quiet fields are no loss."""
    assert merged({"a": {"b": 1}, "c": 1}, {"a": {"d": 2}, "c": None}) == {"a": {"b": 1, "d": 2}, "c": None}
    assert without({"a": 1, "content": None}, ("-a", "-content", "list")) == {}
    assert without({"content": "x"}, ("-content",)) == {"content": "x"}
    found = kept({"x_groq": 1, "y": 2}, ("f",))
    assert found == Extras(NAME, {"y": 2}, ("f",), {"x_groq": 1})
    assert found is not None
    assert everything(found) == {"x_groq": 1, "y": 2}
    assert kept({}) is None
    assert text_of([{"text": "a"}, 7, {"text": 7}, {"text": "b"}]) == "ab"
