"""How each dialect lists models: whose list is asked for, and rows as its JSON; pure.

    asker(path, query, headers)       which dialect a request for models is in: several share ``/v1/models``
    listed(dialect, rows, query)      the list, filtered and paged as that dialect's clients ask
    shown(dialect, row)               one model of it

WIRE, all read 2026-11-21
    OpenAI      https://platform.openai.com/docs/api-reference/models
    Anthropic   https://docs.anthropic.com/en/api/models-list, and the types of the Python SDK 2.11
    Gemini      https://ai.google.dev/api/models
    Cohere      https://docs.cohere.com/reference/list-models
    Ollama      https://docs.ollama.com/api, and its server's source of 2026-08-21 (api/types.go)
    OpenRouter  https://openrouter.ai/docs/api-reference/list-available-models

* A list holds what its dialect can ask: Anthropic has no words for embeddings, nor Gemini for reranking.
* What nobody knows is left out. Where a field may not be, it says so in the vendor's own way: a creation
  date is the epoch (Anthropic's page allows just that), Ollama's size and details are empty.
* OpenAI's rows say no more than a name; the limits beside it are in OpenRouter's words, which clients read.
* Nobody has to page: a client that names no page size gets the largest page, not the vendor's default,
  because many never ask for the second.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType

import msgspec

from dragoman.core.extras import Json
from dragoman.core.failure import Failure, Kind, Source, invalid

LARGEST_PAGE = 1000
"""Models on one page, at most: the same for Anthropic, Gemini and Cohere."""

EPOCH = "1970-01-01T00:00:00Z"
"""A date nobody knows."""

FOREVER = "2318-01-01T00:00:00Z"
"""When a model that stays loaded expires: Ollama tells ``keep_alive: -1`` as 292 years from now."""

OLLAMA_VERSION = "0.31.0"
"""The release of Ollama whose API this is.

Clients compare it number by number and refuse an older one (VS Code wants 0.6.4 or later, others 0.14), so
it has to be a plain version of Ollama's, not ours. 0.31 was out before the source that was read.
"""

RUNNING = "Ollama is running"
"""What Ollama says at ``/``, and clients look for."""

ARCHITECTURE = "dragoman"
"""Where Ollama's clients find a context length: ``model_info["<general.architecture>.context_length"]``."""

MODALITIES = MappingProxyType({"document": "file"})
"""OpenRouter's words for kinds of content, where they differ."""


class Listed(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model as a client may ask for it; empty or None: nobody knows.

    Attributes:
        name: What the client says.
        provider: Who answers first.
        title: Its name for people.
        task: What it is for: ``generate``, ``embed``, ``rerank`` or ``moderate``.
        context: Tokens input and output may have together.
        max_output: Tokens an answer may have.
        inputs: Kinds of content it reads.
        formats: Structured output it can be held to.
        tools: It can call tools.
        thinking: It can be asked to think.
        retired: Its provider serves it no longer.
    """

    name: str
    provider: str
    title: str = ""
    task: str = "generate"
    context: int | None = None
    max_output: int | None = None
    inputs: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    tools: bool | None = None
    thinking: bool | None = None
    retired: bool = False


Rows = Sequence[Listed]
Query = Mapping[str, str]
"""A query by name; of a repeated one, all values joined by a comma."""


class Shape(msgspec.Struct, frozen=True):
    """How one dialect tells of models.

    Attributes:
        tasks: What it can ask a model; the list has no other models.
        one: Writes a model.
        many: Writes the list.
    """

    tasks: Collection[str]
    one: Callable[[Listed], dict[str, Json]]
    many: Callable[[Rows, Query], dict[str, Json]]


def asker(path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """Return the name of the dialect a request for models is in; header names are lower case.

    The order is that of certainty: every SDK sends its own mark on this call, OpenAI's none.
    """
    for prefix, owner in (("/v1beta/", "gemini"), ("/openai/", "openai_chat"), ("/api/", "ollama")):
        if path.startswith(prefix):
            return owner
    if "anthropic-version" in headers:
        return "anthropic"
    if "x-goog-api-key" in headers or "x-goog-api-client" in headers or "key" in query:
        return "gemini"
    fern = headers.get("x-fern-sdk-name", "")
    if fern.startswith("cohere") or "endpoint" in query or "page_token" in query:
        return "cohere"
    return "openai_chat"


def listed(dialect: str, rows: Rows, query: Query) -> dict[str, Json]:
    """Return the list of models in a dialect's words.

    Raises:
        Failure: INVALID, the page asked for cannot be.
    """
    shape = SHAPES[dialect]
    return shape.many([row for row in rows if row.task in shape.tasks and not row.retired], query)


def shown(dialect: str, row: Listed) -> dict[str, Json]:
    """Return one model in a dialect's words.

    Raises:
        Failure: NOT_FOUND, it is for something this dialect has no words for.
    """
    shape = SHAPES[dialect]
    if row.task not in shape.tasks:
        raise Failure(
            Kind.NOT_FOUND,
            f"this model is there to {row.task}, which this API has no words for",
            source=Source.CLIENT,
            at="$.model",
            code="model_not_found",
        )
    return shape.one(row)


# --- OPENAI -------------------------------------------------------------------------------------------


def _openai(row: Listed) -> dict[str, Json]:
    limits = {"context_length": row.context, "max_completion_tokens": row.max_output}
    seen: list[Json] = [MODALITIES.get(kind, kind) for kind in row.inputs]
    return _known(
        {
            "id": row.name,
            "object": "model",
            "created": 0,
            "owned_by": row.provider,
            "name": row.title or None,
            "context_length": row.context,
            "architecture": {"input_modalities": seen} if seen else None,
            "top_provider": _known(limits) or None,
        }
    )


def _openai_list(rows: Rows, _: Query) -> dict[str, Json]:
    return {"object": "list", "data": [_openai(row) for row in rows]}


# --- ANTHROPIC ----------------------------------------------------------------------------------------


def _anthropic(row: Listed) -> dict[str, Json]:
    return _known(
        {
            "type": "model",
            "id": row.name,
            "display_name": row.title or row.name,
            "created_at": EPOCH,
            "lifecycle": "retired" if row.retired else "active",
            "max_input_tokens": row.context,
            "max_tokens": row.max_output,
        }
    )


def _anthropic_list(rows: Rows, query: Query) -> dict[str, Json]:
    stages = query.get("lifecycle", query.get("lifecycle[]"))
    if stages is not None and "active" not in stages.split(","):
        rows = ()  # what is listed can be asked now
    size = _size(query, "limit")
    if "before_id" in query:
        rows = rows[: _place(rows, query, "before_id")]
        page, more = rows[-size:], len(rows) > size
    else:
        page, more = _page(rows, query, size, "after_id")
    data: list[Json] = [_anthropic(row) for row in page]
    ends = {"first_id": page[0].name, "last_id": page[-1].name} if page else {}
    return {"data": data, "has_more": more, "first_id": None, "last_id": None, **ends}


# --- GEMINI -------------------------------------------------------------------------------------------

METHODS = MappingProxyType(
    {"generate": ("generateContent", "countTokens"), "embed": ("embedContent", "batchEmbedContents")}
)


def _gemini(row: Listed) -> dict[str, Json]:
    return _known(
        {
            "name": f"models/{row.name}",
            "displayName": row.title or row.name,
            "inputTokenLimit": row.context,
            "outputTokenLimit": row.max_output,
            "supportedGenerationMethods": list(METHODS[row.task]),
            "thinking": row.thinking,
        }
    )


def _gemini_list(rows: Rows, query: Query) -> dict[str, Json]:
    # "Passing a larger page_size returns at most 1000": the one vendor that does not refuse it.
    page, more = _page(rows, query, _size(query, "pageSize", clamp=True), "pageToken")
    data: list[Json] = [_gemini(row) for row in page]
    return {"models": data, **({"nextPageToken": page[-1].name} if more else {})}


# --- COHERE -------------------------------------------------------------------------------------------

ENDPOINTS = MappingProxyType({"generate": ("chat",), "embed": ("embed",), "rerank": ("rerank",)})


def _cohere(row: Listed) -> dict[str, Json]:
    has = {
        "json_mode": "json" in row.formats,
        "json_schema": "json_schema" in row.formats,
        "reasoning": row.thinking,
        "tools": row.tools,
        "vision": "image" in row.inputs,
    }
    features: list[Json] = [name for name, there in has.items() if there]
    return _known(
        {
            "name": row.name,
            "endpoints": list(ENDPOINTS[row.task]),
            "is_deprecated": row.retired,
            "context_length": row.context,
            "features": features if row.task == "generate" and row.tools is not None else None,
        }
    )


def _cohere_list(rows: Rows, query: Query) -> dict[str, Json]:
    if (endpoint := query.get("endpoint")) is not None:
        rows = [row for row in rows if endpoint in ENDPOINTS[row.task]]
        if query.get("default_only", "").lower() in ("true", "1"):
            rows = ()  # no model is any endpoint's default here
    page, more = _page(rows, query, _size(query, "page_size"), "page_token")
    data: list[Json] = [_cohere(row) for row in page]
    return {"models": data, **({"next_page_token": page[-1].name} if more else {})}


# --- OLLAMA -------------------------------------------------------------------------------------------


def loaded(rows: Rows) -> dict[str, Json]:
    """Return the answer to ``GET /api/ps``: `rows` are in memory, and stay there."""
    more = {"size_vram": 0, "expires_at": FOREVER}
    data: list[Json] = [
        _known({**_file(row), **more, "context_length": row.context}) for row in rows if row.task in ABILITIES
    ]
    return {"models": data}


def _ollama(row: Listed) -> dict[str, Json]:
    """Write what ``POST /api/show`` answers."""
    facts = {
        "general.architecture": ARCHITECTURE,
        "general.basename": row.title or row.name,
        f"{ARCHITECTURE}.context_length": row.context,
    }
    return {
        "license": "",
        "modelfile": "",
        "parameters": "",
        "template": "",
        "details": _details(),
        "model_info": _known(facts),
        "capabilities": _abilities(row),
        "modified_at": EPOCH,
    }


def _tags(rows: Rows, _: Query) -> dict[str, Json]:
    data: list[Json] = [{**_file(row), "modified_at": EPOCH, "capabilities": _abilities(row)} for row in rows]
    return {"models": data}


def _file(row: Listed) -> dict[str, Json]:
    """Write what stands for a model's file: there is none, but its digest tells models apart."""
    digest = sha256(row.name.encode()).hexdigest()
    return {"name": row.name, "model": row.name, "size": 0, "digest": digest, "details": _details()}


def _details() -> dict[str, Json]:
    # Clients' schemas want the strings to be there.
    return {
        "parent_model": "",
        "format": "",
        "family": "",
        "families": None,
        "parameter_size": "",
        "quantization_level": "",
    }


ABILITIES = MappingProxyType({"generate": ("completion",), "embed": ("embedding",)})


def _abilities(row: Listed) -> list[Json]:
    more = {"tools": row.tools, "vision": "image" in row.inputs, "thinking": row.thinking}
    extra = [name for name, there in more.items() if there] if row.task == "generate" else []
    return [*ABILITIES[row.task], *extra]


# --- PAGES --------------------------------------------------------------------------------------------


def _size(query: Query, name: str, *, clamp: bool = False) -> int:
    """Return how many models a page may have."""
    text = query.get(name, str(LARGEST_PAGE))
    # Cohere's SDK takes the number for a float.
    if (found := re.fullmatch(r"([0-9]{1,9})(?:\.0)?", text)) is not None:
        size = min(int(found[1]), LARGEST_PAGE) if clamp else int(found[1])
        if clamp and size == 0:
            return LARGEST_PAGE
        if 1 <= size <= LARGEST_PAGE:
            return size
    raise invalid(f"a whole number from 1 to {LARGEST_PAGE} is wanted", name)


def _page(rows: Rows, query: Query, size: int, cursor: str) -> tuple[Rows, bool]:
    """Return the models after the one the cursor names, and whether there are more."""
    left = rows[_place(rows, query, cursor) + 1 :] if query.get(cursor) else rows
    return left[:size], len(left) > size


def _place(rows: Rows, query: Query, cursor: str) -> int:
    """Return where the model is that a cursor names."""
    for place, row in enumerate(rows):
        if row.name == query[cursor]:
            return place
    raise invalid("this names no model of the list; begin again without it", cursor)


def _known(fields: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in fields.items() if value is not None}


SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "openai_chat": Shape(("generate", "embed", "rerank", "moderate"), _openai, _openai_list),
        "anthropic": Shape(("generate",), _anthropic, _anthropic_list),
        "gemini": Shape(METHODS, _gemini, _gemini_list),
        "cohere": Shape(ENDPOINTS, _cohere, _cohere_list),
        "ollama": Shape(ABILITIES, _ollama, _tags),
    }
)
"""By the dialect that tells."""
