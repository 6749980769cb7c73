"""One key for one question: what changes the answer changes the key, and nothing else does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.cache.key import FIELDS, UNSAID, _write, key, last_words, scope
from dragoman.core.extras import Extras, Json
from dragoman.core.request import (
    Format,
    Media,
    Message,
    Opaque,
    Reasoning,
    Request,
    Sampling,
    Signature,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from dragoman.dialects import Call
from dragoman.dialects.catalog import DIALECTS

EXTRAS = Extras("gemini", {"seen": 1})
SIGNATURE = Signature("anthropic", "abc")
HELLO = Message("user", (Text("hello"),))
ASKED = Request("openai_chat", "m", (HELLO,))

OTHERS: Mapping[type, Mapping[str, Any]] = {
    Request: {
        "model": "n",
        "messages": (Message("user", (Text("hello!"),)),),
        "tools": (Tool("f"),),
        "tool_choice": ToolChoice(),
        "parallel_tools": False,
        "format": Format("json"),
        "reasoning": Reasoning(),
        "sampling": Sampling(seed=0),
        "stop": ("x",),
        "max_output": 0,
        "candidates": 2,
        "user": "u",
        "tier": "t",
        "provider": "p",
        "extras": EXTRAS,
    },
    Message: {"role": "assistant", "parts": (), "extras": EXTRAS},
    Text: {"text": "b", "refusal": True, "signature": SIGNATURE, "cache_ttl_s": 0, "extras": EXTRAS},
    Media: {
        "kind": "audio",
        "source": "url",
        "data": "b",
        "mime": "image/png",
        "name": "n",
        "detail": "low",
        "signature": SIGNATURE,
        "cache_ttl_s": 0,
        "extras": EXTRAS,
    },
    ToolCall: {
        "id": "2",
        "name": "g",
        "arguments": "{}",
        "custom": True,
        "synthetic": True,
        "signature": SIGNATURE,
        "cache_ttl_s": 0,
        "extras": EXTRAS,
    },
    ToolResult: {
        "call_id": "2",
        "parts": (Text("x"),),
        "error": True,
        "name": "g",
        "custom": True,
        "cache_ttl_s": 0,
        "extras": EXTRAS,
    },
    Thinking: {"text": "b", "redacted": True, "summary": True, "signature": SIGNATURE, "extras": EXTRAS},
    Opaque: {"dialect": "e", "kind": "l", "data": 0},
    Signature: {"origin": "gemini", "data": "b", "model": "m", "id": "i"},
    Tool: {
        "name": "g",
        "description": "",
        "schema": {},
        "strict": False,
        "custom": True,
        "grammar": {},
        "cache_ttl_s": 0,
        "extras": EXTRAS,
    },
    ToolChoice: {"mode": "none", "names": ("f",), "extras": EXTRAS},
    Format: {
        "kind": "json",
        "schema": {},
        "name": "n",
        "strict": False,
        "description": "",
        "extras": EXTRAS,
    },
    Reasoning: {"enabled": False, "effort": "low", "budget": 0, "show": "none", "extras": EXTRAS},
    Sampling: {
        "temperature": 0,
        "top_p": 0.0,
        "top_k": 0,
        "frequency_penalty": 0,
        "presence_penalty": 0,
        "seed": 0,
    },
    Extras: {"dialect": "cohere", "rest": {"seen": 2}},
}
"""Another value for every field that counts."""

PLAIN: Mapping[type, Any] = {
    Request: ASKED,
    Message: HELLO,
    Text: Text("a"),
    Media: Media("image", "base64", "a"),
    ToolCall: ToolCall("1", "f"),
    ToolResult: ToolResult("1"),
    Thinking: Thinking("a"),
    Opaque: Opaque("d", "k"),
    Signature: SIGNATURE,
    Tool: Tool("f"),
    ToolChoice: ToolChoice(),
    Format: Format("text"),
    Reasoning: Reasoning(),
    Sampling: Sampling(),
    Extras: EXTRAS,
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def written(value: Any) -> bytes:
    """Return the encoding of one value."""
    out = bytearray()
    _write(out, value)
    return bytes(out)


def name(request: Request = ASKED, tenant: str = "anna", targets: tuple[str, ...] = ("a/m",)) -> bytes:
    """Return a request's key."""
    return key(tenant, request, targets)


def tagged(value: Json) -> Any:
    """Return a JSON value such that equal ones are equal in type too, and objects have no order."""
    match value:
        case dict():
            return "object", frozenset((word, tagged(inner)) for word, inner in value.items())
        case list():
            return "array", tuple(map(tagged, value))
        case float():
            return "float", value.hex()
        case _:
            return type(value).__name__, value


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field.name) for kind in FIELDS for field in msgspec.structs.fields(kind)]
)
def test_every_field_counts_or_says_how_it_was_put(kind: type, field: str) -> None:
    """Another value is another key; only what is listed as unsaid is not, so no field can be forgotten."""
    if field in UNSAID.get(kind, ()):
        assert field not in OTHERS[kind]
        return
    changed = msgspec.structs.replace(PLAIN[kind], **{field: OTHERS[kind][field]})
    assert written(changed) != written(PLAIN[kind])


def test_every_struct_of_a_request_is_known() -> None:
    """The core's own types say which structs there are, down to a signature's."""
    assert FIELDS.keys() == PLAIN.keys()


@pytest.mark.parametrize(
    "other",
    [
        {"dialect": "anthropic"},
        {"stream": True},
        {"stream_usage": True},
        {"extras": Extras("openai_chat", form=("list",), quiet={"id": 1})},
        {"candidates": 1},
        {"messages": (Message("user", (Text("hello", extras=Extras("cohere", form=("x",))),)),)},
    ],
    ids=str,
)
def test_how_it_was_put_does_not_count(other: dict[str, Any]) -> None:
    """The dialect, streaming, spelling and what is quiet leave the key as it is."""
    assert name(msgspec.structs.replace(ASKED, **other)) == name()


def test_tenants_and_targets_count() -> None:
    """Two tenants never share, and a name that stands for others is another question."""
    names = {
        name(),
        name(tenant="bert"),
        name(targets=("b/m",)),
        name(targets=("a/m", "b/m")),
        name(targets=()),
    }
    assert len(names) == 5
    assert name(tenant="annaa", targets=("/m",)) != name(tenant="anna", targets=("a/m",))


def test_a_whole_number_is_the_same_temperature() -> None:
    """The core's floats may be given as whole numbers; zero has one sign."""
    one = msgspec.structs.replace(ASKED, sampling=Sampling(temperature=1, top_p=-0.0))
    other = msgspec.structs.replace(ASKED, sampling=Sampling(temperature=1.0, top_p=0))
    assert name(one) == name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (True, 1),
        (0, False),
        ("1", 1),
        ("a", b"a"),
        (None, ""),
        ([], {}),
        (["ab"], ["a", "b"]),
        ([["a"], "b"], [["a", "b"]]),
        ({"a": {"b": 1}}, {"a": {}, "b": 1}),
        ("1:a", "a"),
        (2**64, 2**64 + 1),
        (-1, 1),
    ],
    ids=str,
)
def test_values_that_look_alike_do_not_collide(one: Any, other: Any) -> None:
    """Each value begins with its type, and none passes for its neighbour."""
    assert written(one) != written(other)


@given(JSON, JSON)
def test_json_is_written_injectively(one: Json, other: Json) -> None:
    """Two values have one encoding exactly if they are equal, type for type."""
    assert (written(one) == written(other)) == (tagged(one) == tagged(other))


@given(st.dictionaries(st.text(), JSON, max_size=6), st.randoms())
def test_the_order_of_members_does_not_matter(value: dict[str, Json], chance: Any) -> None:
    """An object says the same in any order."""
    members = list(value.items())
    chance.shuffle(members)
    assert written(dict(members)) == written(value)


@given(JSON, JSON)
def test_no_encoding_begins_another(one: Json, other: Json) -> None:
    """The encoding is prefix-free, so that a sequence of values reads one way only."""
    if tagged(one) != tagged(other):
        assert not written(one).startswith(written(other))


def test_what_cannot_be_asked_is_a_bug() -> None:
    """A value of a kind no request has is refused, not hashed by its address."""
    with pytest.raises(TypeError, match="set"):
        written({1})


def test_one_question_has_one_key_in_every_dialect() -> None:
    """What is equal in meaning to the core is one question, streamed or not, whoever's words it is in."""
    turn = {"role": "user", "content": "hello"}
    calls: list[tuple[str, str, dict[str, Json]]] = [
        ("openai_chat", "/v1/chat/completions", {"model": "m", "messages": [turn], "max_tokens": 9}),
        ("openai_responses", "/v1/responses", {"model": "m", "input": "hello", "max_output_tokens": 9}),
        ("anthropic", "/v1/messages", {"model": "m", "messages": [turn], "max_tokens": 9}),
        (
            "gemini",
            "/v1beta/models/m:generateContent",
            {
                "contents": [{"role": "user", "parts": [{"text": "hello"}]}],
                "generationConfig": {"maxOutputTokens": 9},
            },
        ),
        ("cohere", "/v2/chat", {"model": "m", "messages": [turn], "max_tokens": 9}),
        ("ollama", "/api/chat", {"model": "m", "messages": [turn], "options": {"num_predict": 9}}),
    ]
    names = set()
    for dialect, path, body in calls:
        streamed = {**body, "stream": True} if dialect != "gemini" else body
        for path_, body_ in ((path, body), (path.replace("generate", "streamGenerate"), streamed)):
            names.add(name(DIALECTS[dialect].read_request(Call("POST", path_, {}, {}, body_))))
    assert len(names) == 1


def test_last_words_are_a_users_plain_text() -> None:
    """Only a plain text at the end is compared; tools, pictures and unusual turns are not."""
    assert last_words(ASKED) == "hello"
    replace = msgspec.structs.replace
    picture = Message("user", (Text("a"), Media("image", "url", "u")))
    for other in (
        replace(ASKED, messages=()),
        replace(ASKED, tools=(Tool("f"),)),
        replace(ASKED, messages=(picture,)),
        replace(ASKED, messages=(Message("assistant", (Text("a"),)),)),
        replace(ASKED, messages=(Message("user", (Text("a", cache_ttl_s=0),)),)),
        replace(ASKED, messages=(Message("user", (Text("a"),), EXTRAS),)),
    ):
        assert last_words(other) is None


def test_a_scope_is_everything_but_the_last_words() -> None:
    """Other last words stay in the scope; anything else, another tenant or other marks leave it."""
    replace = msgspec.structs.replace
    mine = scope("anna", ASKED, ["a/m"], ["x"])
    assert scope("anna", replace(ASKED, messages=(Message("user", (Text("hi"),)),)), ["a/m"], ["x"]) == mine
    assert mine != name()
    others = {
        scope("bert", ASKED, ["a/m"], ["x"]),
        scope("anna", ASKED, ["b/m"], ["x"]),
        scope("anna", ASKED, ["a/m"], ["y"]),
        scope("anna", replace(ASKED, model="n"), ["a/m"], ["x"]),
        scope("anna", replace(ASKED, sampling=Sampling(seed=1)), ["a/m"], ["x"]),
        scope("anna", replace(ASKED, messages=(Message("system", (Text("s"),)), HELLO)), ["a/m"], ["x"]),
    }
    assert len(others) == 6
    assert mine not in others
