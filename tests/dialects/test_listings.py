"""Lists of models: whose list is asked for, what stands in it, and how it is paged."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core.failure import Failure, Kind
from dragoman.dialects.listings import OLLAMA_VERSION, SHAPES, Listed, asker, listed, loaded, shown

CHAT = Listed(
    "org/model:free",
    "groq",
    title="A Model",
    context=128_000,
    max_output=8_000,
    inputs=("text", "image", "document"),
    formats=("json",),
    tools=True,
    thinking=True,
)
UNKNOWN = Listed("mine", "ollama")
VECTORS = Listed(
    "embed-v4.0",
    "cohere",
    task="embed",
    context=128_000,
    inputs=("text", "image"),
    tools=True,
    thinking=False,
)
ORDER = Listed("rerank-v4", "cohere", task="rerank", tools=True)
GUARD = Listed("guard", "groq", task="moderate")
GONE = Listed("gpt-4", "openai", retired=True)
ROWS = (CHAT, UNKNOWN, VECTORS, ORDER, GUARD, GONE)
MANY = [Listed(f"m{number}", "p") for number in range(7)]


@pytest.mark.parametrize(
    ("path", "query", "headers", "dialect"),
    [
        ("/v1/models", {}, {}, "openai_chat"),
        ("/v1/models/gpt-4o", {"limit": "5"}, {"authorization": "Bearer k"}, "openai_chat"),
        ("/v1/models", {}, {"anthropic-version": "2026-10-21"}, "anthropic"),
        ("/v1/models", {}, {"x-goog-api-key": "k"}, "gemini"),
        ("/v1/models/x", {}, {"x-goog-api-client": "google-genai-sdk/3.4.0"}, "gemini"),
        ("/v1/models", {"key": "k"}, {}, "gemini"),
        ("/v1/models", {}, {"x-fern-sdk-name": "cohere"}, "cohere"),
        ("/v1/models", {}, {"x-fern-sdk-name": "elevenlabs"}, "openai_chat"),
        ("/v1/models", {"endpoint": "chat"}, {}, "cohere"),
        ("/v1/models", {"page_token": "m"}, {}, "cohere"),
        ("/v1/models", {"key": "k"}, {"anthropic-version": "1", "x-fern-sdk-name": "cohere"}, "anthropic"),
        ("/v1/models", {"endpoint": "chat"}, {"x-goog-api-key": "k"}, "gemini"),
        ("/v1beta/models", {}, {"anthropic-version": "1"}, "gemini"),
        ("/openai/v1/models", {"key": "k"}, {"anthropic-version": "1"}, "openai_chat"),
        ("/openai/models/x", {"api-version": "2025-03-01-preview"}, {"api-key": "k"}, "openai_chat"),
        ("/api/tags", {}, {"anthropic-version": "1"}, "ollama"),
    ],
)
def test_who_asks(path: str, query: dict[str, str], headers: dict[str, str], dialect: str) -> None:
    """A path of one dialect alone is its own; elsewhere a header tells, then a query, in this order."""
    assert asker(path, query, headers) == dialect


@pytest.mark.parametrize(
    ("dialect", "names"),
    [
        ("openai_chat", ["org/model:free", "mine", "embed-v4.0", "rerank-v4", "guard"]),
        ("anthropic", ["org/model:free", "mine"]),
        ("gemini", ["models/org/model:free", "models/mine", "models/embed-v4.0"]),
        ("cohere", ["org/model:free", "mine", "embed-v4.0", "rerank-v4"]),
        ("ollama", ["org/model:free", "mine", "embed-v4.0"]),
    ],
)
def test_a_list_holds_what_its_dialect_can_ask(dialect: str, names: list[str]) -> None:
    """Models for a task it has no words for are left out, and so are retired ones."""
    told = listed(dialect, ROWS, {})
    rows: Any = told["data"] if "data" in told else told["models"]
    assert [row["id"] if "id" in row else row["name"] for row in rows] == names


def test_a_model_in_openais_words() -> None:
    """The name, and OpenRouter's words for what else is known."""
    assert shown("openai_chat", CHAT) == {
        "id": "org/model:free",
        "object": "model",
        "created": 0,
        "owned_by": "groq",
        "name": "A Model",
        "context_length": 128_000,
        "architecture": {"input_modalities": ["text", "image", "file"]},
        "top_provider": {"context_length": 128_000, "max_completion_tokens": 8_000},
    }
    assert shown("openai_chat", UNKNOWN) == {
        "id": "mine",
        "object": "model",
        "created": 0,
        "owned_by": "ollama",
    }


def test_a_model_in_anthropics_words() -> None:
    """The date nobody knows is the epoch, as the vendor allows; limits are there where they are known."""
    told = {"type": "model", "created_at": "1970-01-01T00:00:00Z", "lifecycle": "active"}
    limits = {"max_input_tokens": 128_000, "max_tokens": 8_000}
    assert shown("anthropic", CHAT) == {**told, **limits, "id": "org/model:free", "display_name": "A Model"}
    assert shown("anthropic", UNKNOWN) == {**told, "id": "mine", "display_name": "mine"}
    assert shown("anthropic", GONE)["lifecycle"] == "retired"


def test_a_model_in_geminis_words() -> None:
    """The methods are those this gateway answers."""
    assert shown("gemini", CHAT) == {
        "name": "models/org/model:free",
        "displayName": "A Model",
        "inputTokenLimit": 128_000,
        "outputTokenLimit": 8_000,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
        "thinking": True,
    }
    assert shown("gemini", UNKNOWN) == {
        "name": "models/mine",
        "displayName": "mine",
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }
    assert shown("gemini", VECTORS)["supportedGenerationMethods"] == ["embedContent", "batchEmbedContents"]


def test_a_model_in_coheres_words() -> None:
    """Endpoints by task; features only of a model that somebody describes, and that answers."""
    assert shown("cohere", CHAT) == {
        "name": "org/model:free",
        "endpoints": ["chat"],
        "is_deprecated": False,
        "context_length": 128_000,
        "features": ["json_mode", "reasoning", "tools", "vision"],
    }
    assert shown("cohere", UNKNOWN) == {"name": "mine", "endpoints": ["chat"], "is_deprecated": False}
    assert shown("cohere", ORDER) == {"name": "rerank-v4", "endpoints": ["rerank"], "is_deprecated": False}
    assert shown("cohere", GONE)["is_deprecated"] is True


def test_a_model_in_ollamas_words() -> None:
    """Clients read the capabilities, and the context length under the architecture's name."""
    told: Any = shown("ollama", CHAT)
    assert told["capabilities"] == ["completion", "tools", "vision", "thinking"]
    arch = told["model_info"]["general.architecture"]
    assert told["model_info"][f"{arch}.context_length"] == 128_000
    assert told["model_info"]["general.basename"] == "A Model"
    assert {told[name] for name in ("license", "modelfile", "parameters", "template")} == {""}
    assert told["details"]["family"] == ""
    unknown: Any = shown("ollama", UNKNOWN)
    assert unknown["capabilities"] == ["completion"]
    assert unknown["model_info"] == {"general.architecture": arch, "general.basename": "mine"}
    assert shown("ollama", VECTORS)["capabilities"] == ["embedding"]


def test_ollamas_tags_tell_models_apart() -> None:
    """A digest is the same in every list, and another for every name."""
    first: Any = listed("ollama", ROWS, {})["models"]
    again: Any = listed("ollama", ROWS[:1], {})["models"]
    assert first[0] == again[0]
    assert len({row["digest"] for row in first}) == len(first) == 3
    assert all(len(row["digest"]) == 64 and row["name"] == row["model"] for row in first)
    assert (first[0]["size"], first[0]["modified_at"]) == (0, "1970-01-01T00:00:00Z")


def test_what_is_loaded_stays() -> None:
    """As Ollama tells a model without an end, with its context where that is known."""
    told: Any = loaded([CHAT, UNKNOWN, ORDER])["models"]
    assert [row["name"] for row in told] == ["org/model:free", "mine"]
    assert told[0]["context_length"] == 128_000
    assert "context_length" not in told[1]
    assert told[0]["expires_at"] > "2300"
    assert loaded([]) == {"models": []}


@pytest.mark.parametrize(("dialect", "row"), [("anthropic", VECTORS), ("gemini", ORDER), ("ollama", GUARD)])
def test_a_model_for_another_task_is_not_there(dialect: str, row: Listed) -> None:
    """404, saying what it is for."""
    with pytest.raises(Failure) as caught:
        shown(dialect, row)
    assert (caught.value.kind, caught.value.code) == (Kind.NOT_FOUND, "model_not_found")
    assert row.task in caught.value.message


CURSORS = {
    "gemini": ("pageSize", "pageToken", "nextPageToken"),
    "cohere": ("page_size", "page_token", "next_page_token"),
}
"""What each calls the size of a page, where it begins, and where the next one does."""


@pytest.mark.parametrize("dialect", CURSORS)
@pytest.mark.parametrize("length", [1, 2, 3, 7, 1000])
def test_pages_are_the_list_and_end(dialect: str, length: int) -> None:
    """Page after page gives every model once, in order; the last page names no next one."""
    size, cursor, more = CURSORS[dialect]
    whole: Any = listed(dialect, MANY, {})
    assert more not in whole
    found, token = [], ""
    while True:
        page: Any = listed(dialect, MANY, {size: str(length), cursor: token})
        assert 0 < len(page["models"]) <= length
        found += page["models"]
        if more not in page:
            break
        token = page[more]
    assert found == whole["models"]
    assert [row["name"].removeprefix("models/") for row in found] == [row.name for row in MANY]


@pytest.mark.parametrize(
    ("query", "names", "more"),
    [
        ({}, "m0 m1 m2 m3 m4 m5 m6", False),
        ({"limit": "3"}, "m0 m1 m2", True),
        ({"limit": "3", "after_id": "m2"}, "m3 m4 m5", True),
        ({"limit": "3", "after_id": "m5"}, "m6", False),
        ({"after_id": "m6"}, "", False),
        ({"limit": "2", "before_id": "m3"}, "m1 m2", True),
        ({"limit": "3", "before_id": "m3"}, "m0 m1 m2", False),
        ({"before_id": "m0"}, "", False),
        ({"lifecycle": "active,deprecated"}, "m0 m1 m2 m3 m4 m5 m6", False),
        ({"lifecycle[]": "retired"}, "", False),
    ],
)
def test_anthropics_pages(query: dict[str, str], names: str, more: bool) -> None:  # noqa: FBT001  a parameter of the table
    """Forward after an id, backward before one, with the ends of the page beside it."""
    told: Any = listed("anthropic", MANY, query)
    ids = [row["id"] for row in told["data"]]
    assert (ids, told["has_more"]) == (names.split(), more)
    assert (told["first_id"], told["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))


@pytest.mark.parametrize(
    ("dialect", "query", "at"),
    [
        ("anthropic", {"limit": "0"}, "limit"),
        ("anthropic", {"limit": "1001"}, "limit"),
        ("anthropic", {"limit": "-1"}, "limit"),
        ("anthropic", {"after_id": "nope"}, "after_id"),
        ("anthropic", {"before_id": "nope"}, "before_id"),
        ("gemini", {"pageSize": "many"}, "pageSize"),
        ("gemini", {"pageToken": "nope"}, "pageToken"),
        ("cohere", {"page_size": "2.5"}, "page_size"),
        ("cohere", {"page_token": "nope"}, "page_token"),
    ],
)
def test_a_page_that_cannot_be_is_refused(dialect: str, query: dict[str, str], at: str) -> None:
    """400 at the parameter: a wrong page must not look like the end of the list."""
    with pytest.raises(Failure) as caught:
        listed(dialect, MANY, query)
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, at)


@pytest.mark.parametrize(("text", "count"), [("0", 7), ("5000", 7), ("2", 2)])
def test_gemini_takes_any_page_size(text: str, count: int) -> None:
    """Zero is the default, and more than there may be is as many as there may be."""
    told: Any = listed("gemini", MANY, {"pageSize": text})
    assert len(told["models"]) == count


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"endpoint": "chat"}, ["org/model:free", "mine"]),
        ({"endpoint": "embed"}, ["embed-v4.0"]),
        ({"endpoint": "rerank", "page_size": "1.0"}, ["rerank-v4"]),
        ({"endpoint": "classify"}, []),
        ({"endpoint": "chat", "default_only": "true"}, []),
        ({"endpoint": "chat", "default_only": "false"}, ["org/model:free", "mine"]),
    ],
)
def test_cohere_filters_by_endpoint(query: dict[str, str], names: list[str]) -> None:
    """Only models for it are listed; none is its default."""
    told: Any = listed("cohere", ROWS, query)
    assert [row["name"] for row in told["models"]] == names


def test_the_version_is_a_plain_one_of_ollamas() -> None:
    """Three numbers, and more than the oldest that clients take."""
    parts = OLLAMA_VERSION.split(".")
    assert [int(part) for part in parts] >= [0, 14, 2]
    assert len(parts) == 3


def test_no_shape_invents() -> None:
    """Of a model nobody describes, no dialect tells a limit."""
    for dialect in SHAPES:
        assert "context" not in str(shown(dialect, UNKNOWN)).lower()
        assert "limit" not in str(shown(dialect, UNKNOWN)).lower()
