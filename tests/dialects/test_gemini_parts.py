"""What Gemini's messages are made of: spelling, parts, tools, schemas, usage."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.extras import Extras, Json
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import Media, Opaque, Part, Signature, Text, Thinking, Tool, ToolCall, ToolResult
from dragoman.core.usage import Usage
from dragoman.dialects.border import Crossing
from dragoman.dialects.gemini_parts import (
    Ids,
    json_schema,
    over,
    read_part,
    read_tools,
    read_usage,
    respelt,
    settle,
    unsettle,
    write_part,
    write_tools,
    write_usage,
)


def crossed(part: Part, **names: str) -> tuple[Json, set[str]]:
    """Return what a foreign part becomes in a request, and its losses as a header would name them."""
    out = Crossing("gemini")
    return write_part(part, "p", out, names), {str(loss) for loss in out.losses}


# --- spelling -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "settled", "form"),
    [
        ({"a": 1}, {"a": 1}, ()),
        (
            {"mime_type": 1, "in": [{"mime_type": 2}]},
            {"mimeType": 1, "in": [{"mimeType": 2}]},
            ("mime_type",),
        ),
        (
            {"mimeType": 1, "in": [{"mime_type": 2}]},
            {"mimeType": 1, "in": [{"mimeType": 2}]},
            ("mime_type at $.in[0].mimeType",),
        ),
        ({"contents": {"parts": {"text": "a"}}}, {"contents": [{"parts": [{"text": "a"}]}]}, None),
        (
            {"contents": [{"parts": {"text": "a"}}, {"parts": [{"text": "b"}]}]},
            {"contents": [{"parts": [{"text": "a"}]}, {"parts": [{"text": "b"}]}]},
            ("one parts at $.contents[0].parts",),
        ),
        ({"function_call": {"args": {"a_b": 1}}}, {"functionCall": {"args": {"a_b": 1}}}, ("function_call",)),
        ({"parameters": {"a_b": {"parts": {}}}}, {"parameters": {"a_b": {"parts": {}}}}, ()),
        ({"tools": None, "x_": 1, "_y": 2}, {"tools": None, "x_": 1, "_y": 2}, ()),
    ],
)
def test_names_and_lists_are_settled(body: Json, settled: Json, form: tuple[str, ...] | None) -> None:
    """Inside, names are camelCase and lists are lists; the client's own names stay; the form undoes it."""
    found, odd = settle(body)
    assert found == settled
    assert form is None or odd == form
    assert unsettle(found, odd) == body


def test_one_field_in_two_spellings_is_refused() -> None:
    """Nobody can say which of the two counts."""
    with pytest.raises(Failure) as caught:
        settle({"contents": [{"inlineData": 1, "inline_data": 2}]})
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, "$.contents[0].inlineData")


KEYS = st.sampled_from(["parts", "tools", "mime_type", "file_uri", "text", "args", "safety_settings"])
TREES: Any = st.recursive(
    st.none() | st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, TREES, max_size=4))
def test_every_spelling_can_be_undone(body: dict[str, Json]) -> None:
    """However a body is spelt, it comes back as it was."""
    assert unsettle(*settle(body)) == body


def test_objects_are_laid_over_each_other() -> None:
    """What is laid over wins, field by field in objects both sides have."""
    assert over({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}, "d": {"e": 5}}) == {
        "a": {"b": 1, "c": 4},
        "d": {"e": 5},
    }


# --- parts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ({"text": "a"}, Text("a")),
        ({"text": "", "thoughtSignature": "Uw=="}, Text("", signature=Signature("gemini", "Uw=="))),
        ({"text": "a", "thought": True}, Thinking("a", summary=True)),
        (
            {"thought": True, "thoughtSignature": "Uw=="},
            Thinking(
                "",
                summary=True,
                signature=Signature("gemini", "Uw=="),
                extras=Extras("gemini", {}, ("no text",)),
            ),
        ),
        ({"functionCall": {"id": "x", "name": "f", "args": {"a": 1}}}, ToolCall("x", "f", '{"a":1}')),
        (
            {"functionCall": {"name": "f"}},
            ToolCall("call_dragoman_0", "f", synthetic=True, extras=Extras("gemini", {}, ("no args",))),
        ),
        (
            {"inlineData": {"mimeType": "audio/wav", "data": "QQ=="}},
            Media("audio", "base64", "QQ==", "audio/wav"),
        ),
        (
            {"inlineData": {"mimeType": "Image/PNG", "data": "_-8="}},
            Media("image", "base64", "/+8=", "Image/PNG", extras=Extras("gemini", {}, ("url-safe",))),
        ),
        ({"fileData": {"fileUri": "gs://b/x"}}, Media("document", "file_id", "gs://b/x")),
        (
            {
                "fileData": {
                    "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/a",
                    "mimeType": "video/mp4",
                }
            },
            Media(
                "video", "file_id", "https://generativelanguage.googleapis.com/v1beta/files/a", "video/mp4"
            ),
        ),
        ({"fileData": {"fileUri": "https://youtu.be/x"}}, Media("video", "url", "https://youtu.be/x")),
        ({"fileData": {"fileUri": "https://e.com/a.pdf"}}, Media("document", "url", "https://e.com/a.pdf")),
        (
            {"executableCode": {"code": "1"}},
            Opaque("gemini", "executableCode", {"executableCode": {"code": "1"}}),
        ),
        (
            {"functionCall": {"name": "f", "willContinue": True}},
            Opaque("gemini", "functionCall", {"functionCall": {"name": "f", "willContinue": True}}),
        ),
        (
            {"inlineData": {"mimeType": "image/png", "data": "QQ=="}, "thought": True},
            Opaque(
                "gemini",
                "inlineData",
                {"inlineData": {"mimeType": "image/png", "data": "QQ=="}, "thought": True},
            ),
        ),
    ],
)
def test_a_part_is_read_and_goes_home(value: dict[str, Json], part: Part) -> None:
    """Each part is what it is in the core, and is written as it was."""
    assert read_part(value, "$", Ids(), strict=True) == part
    assert write_part(part, "p", Crossing("gemini", home=True)) == value


@pytest.mark.parametrize(
    ("part", "written", "losses"),
    [
        (Text(""), None, set()),
        (Text("no", refusal=True), {"text": "no"}, {"approximated:p.refusal"}),
        (Text("a", cache_ttl_s=0), {"text": "a"}, {"dropped:p.cache_ttl_s"}),
        (Text("a", signature=Signature("anthropic", "x")), {"text": "a"}, {"dropped:p.signature"}),
        (Text("a", signature=Signature("gemini", "x")), {"text": "a", "thoughtSignature": "x"}, set()),
        (
            Thinking("a", signature=Signature("anthropic", "x")),
            {"text": "a", "thought": True},
            {"dropped:p.signature"},
        ),
        (Thinking("", signature=Signature("anthropic", "x")), None, {"dropped:p"}),
        (Thinking(redacted=True, signature=Signature("openai", "x")), None, {"dropped:p"}),
        (ToolCall("x", "f", '{"a":1}'), {"functionCall": {"id": "x", "name": "f", "args": {"a": 1}}}, set()),
        (ToolCall("x", "f", synthetic=True), {"functionCall": {"name": "f", "args": {}}}, set()),
        (ToolCall("call_dragoman_7", "f"), {"functionCall": {"name": "f", "args": {}}}, set()),
        (
            ToolCall("x", "f", "{oops"),
            {"functionCall": {"id": "x", "name": "f", "args": {"INVALID_JSON": "{oops"}}},
            {"approximated:p.arguments"},
        ),
        (
            ToolCall("x", "f", "ls", custom=True),
            {"functionCall": {"id": "x", "name": "f", "args": {"input": "ls"}}},
            {"emulated:p"},
        ),
        (
            Media("image", "url", "data:image/png;base64,QQ=="),
            {"inlineData": {"mimeType": "image/png", "data": "QQ=="}},
            set(),
        ),
        (
            Media("image", "base64", "/9j/AA==", detail="high"),
            {"inlineData": {"mimeType": "image/jpeg", "data": "/9j/AA=="}},
            {"dropped:p.detail"},
        ),
        (
            Media("document", "base64", "JVBERi0=", "application/pdf", "a.pdf"),
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}},
            {"dropped:p.name"},
        ),
        (Media("document", "text", "Grass.", name="Facts"), {"text": "Facts\n\nGrass."}, {"approximated:p"}),
        (
            Media("video", "url", "https://www.youtube.com/watch?v=x"),
            {"fileData": {"fileUri": "https://www.youtube.com/watch?v=x"}},
            set(),
        ),
    ],
)
def test_a_foreign_part_crosses(part: Part, written: Json, losses: set[str]) -> None:
    """What Gemini can be shown is shown, and what is not exact is declared."""
    assert crossed(part) == (written, losses)


def test_a_foreign_result_gets_its_name_and_its_pictures() -> None:
    """The name is the call's, words are the output, pictures stand beside it."""
    picture = Media("image", "base64", "QQ==", "image/png")
    document = Media("document", "text", "Grass.")
    part = ToolResult("x", (Text("a cat"), picture, document), error=False)
    written, losses = crossed(part, x="fetch")
    assert written == {
        "functionResponse": {
            "id": "x",
            "name": "fetch",
            "response": {"output": "a cat\nGrass."},
            "parts": [{"inlineData": {"mimeType": "image/png", "data": "QQ=="}}],
        }
    }
    assert losses == {"approximated:p.parts[2]"}


@pytest.mark.parametrize("name", ["f", "_x", "get.weather:v2", "a-b_c"])
def test_a_good_name_stays(name: str) -> None:
    """What Gemini takes is not touched."""
    assert respelt(name) == name


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_name_can_be_spelt(first: str, second: str) -> None:
    """Every name gets good letters, and two names stay two."""
    assert crossed(ToolCall("x", first))[0]["functionCall"]["name"] == respelt(first)
    assert respelt(respelt(first)) == respelt(first)
    assert (respelt(first) == respelt(second)) is (first == second)


# --- tools --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tools",
    [
        [
            {
                "functionDeclarations": [
                    {"name": "a"},
                    {"name": "b", "parametersJsonSchema": {"type": "object"}},
                ]
            }
        ],
        [{"functionDeclarations": [{"name": "a"}]}, {"functionDeclarations": [{"name": "b"}]}],
        [
            {"functionDeclarations": [{"name": "a"}], "googleSearch": {}},
            {"functionDeclarations": [{"name": "b"}]},
        ],
        [
            {"googleSearch": {}, "codeExecution": {}},
            {"functionDeclarations": [{"name": "a"}]},
            {"urlContext": {}},
        ],
        [{"functionDeclarations": []}],
        [{}],
        [
            {
                "functionDeclarations": [
                    {"name": "a", "parameters": {"type": "OBJECT"}, "response": {"type": "STRING"}}
                ]
            }
        ],
    ],
)
def test_tools_keep_their_groups(tools: list[Json]) -> None:
    """Functions are read one by one and written in the groups they came in."""
    assert write_tools(read_tools(tools, "$.tools"), Crossing("gemini", home=True)) == tools


def test_a_free_text_tool_is_a_function_of_one_string() -> None:
    """Gemini has no free-text tools."""
    out = Crossing("gemini")
    written = write_tools((Tool("sh", custom=True, cache_ttl_s=300),), out)
    schema = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    assert written == [{"functionDeclarations": [{"name": "sh", "parametersJsonSchema": schema}]}]
    assert {str(loss) for loss in out.losses} == {"emulated:tools[0]", "dropped:tools[0].cache_ttl_s"}


@pytest.mark.parametrize(
    ("given_", "meant"),
    [
        (
            {"type": "STRING", "format": "enum", "enum": ["a"]},
            {"type": "string", "format": "enum", "enum": ["a"]},
        ),
        ({"type": "integer", "nullable": True}, {"type": ["integer", "null"]}),
        (
            {"type": "STRING", "enum": ["a"], "nullable": True},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        (
            {"anyOf": [{"type": "NUMBER"}], "nullable": True},
            {"anyOf": [{"type": "number"}, {"type": "null"}]},
        ),
        ({"any_of": [{"type": "NUMBER"}]}, {"anyOf": [{"type": "number"}]}),
        (
            {"type": "ARRAY", "items": {"type": "STRING"}, "minItems": "1", "max_items": 2},
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
        ),
        ({"type": "TYPE_UNSPECIFIED", "example": 1}, {"examples": [1]}),
        (
            {"defs": {"a_b": {"type": "NULL"}}, "properties": {"nullable": {"ref": "#/$defs/a_b"}}},
            {"$defs": {"a_b": {"type": "null"}}, "properties": {"nullable": {"$ref": "#/$defs/a_b"}}},
        ),
        ({"properties": 1, "propertyOrdering": 2, "anyOf": 3}, {"properties": 1, "anyOf": 3}),
        (True, True),
    ],
)
def test_a_schema_means_the_same_in_json_schema(given_: Json, meant: Json) -> None:
    """Types are lower case, null is a type, and names of properties are nobody's business."""
    assert json_schema(given_) == meant


# --- usage --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("native", "usage"),
    [
        # ai.google.dev/gemini-api/docs/tokens: prompt + candidates
        (
            {"promptTokenCount": 11, "candidatesTokenCount": 73, "totalTokenCount": 84},
            Usage(input=11, output=73),
        ),
        # ai.google.dev/gemini-api/docs/thinking: thoughts are not among the candidates' tokens
        (
            {
                "promptTokenCount": 9,
                "candidatesTokenCount": 4,
                "thoughtsTokenCount": 20,
                "totalTokenCount": 33,
            },
            Usage(input=9, output=4, reasoning=20),
        ),
        # ai.google.dev/gemini-api/docs/caching: the cache is inside the prompt
        (
            {"promptTokenCount": 1000, "cachedContentTokenCount": 600, "candidatesTokenCount": 1},
            Usage(input=400, cache_read=600, output=1),
        ),
        ({"promptTokenCount": 5, "toolUsePromptTokenCount": 25}, Usage(input=30)),
        (
            {
                "promptTokenCount": 1000,
                "cachedContentTokenCount": 600,
                "candidatesTokenCount": 40,
                "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 300}],
                "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 250}],
                "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 30}],
            },
            Usage(input=350, cache_read=600, audio_input=50, output=10, audio_output=30),
        ),
        ({"promptTokenCount": "9", "candidatesTokenCount": -1, "thoughtsTokenCount": None}, Usage()),
        (
            {"cachedContentTokenCount": 5, "promptTokensDetails": [7, {"modality": "AUDIO"}]},
            Usage(cache_read=5),
        ),
    ],
)
def test_usage_is_disjoint(native: dict[str, Json], usage: Usage) -> None:
    """No token is in two counters, whatever the provider sends, and its own words go home."""
    found = read_usage(native)
    assert found == Usage(
        **{name: getattr(usage, name) for name in usage.__struct_fields__ if name != "native"},
        native=Extras("gemini", native),
    )
    assert write_usage(found) == native


def test_foreign_usage_is_told_in_geminis_words() -> None:
    """The cache is inside the prompt, thoughts are outside the candidates, and the total is the sum."""
    usage = Usage(input=5, cache_read=3, cache_write=2, audio_input=1, output=4, reasoning=2, audio_output=6)
    assert write_usage(usage) == {
        "promptTokenCount": 11,
        "cachedContentTokenCount": 3,
        "candidatesTokenCount": 10,
        "thoughtsTokenCount": 2,
        "totalTokenCount": 23,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 1}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 6}],
    }
    assert write_usage(None) == {}
