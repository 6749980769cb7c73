"""The lists of models, one shape for each vendor's clients; see :mod:`dragoman.dialects.listings`.

Read 2026-11-21: https://platform.openai.com/docs/api-reference/models,
https://docs.anthropic.com/en/api/models-list, https://ai.google.dev/api/models,
https://docs.cohere.com/reference/list-models.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct
from msgspec.structs import replace

from dragoman.server.openapi.operation import MODEL, PAGE, Maybe, Operation, Operations, Param, Tag

MODELS = Tag(
    "Models",
    "What can be asked now: routes, aliases, and the models of every provider that is ready. The answer has "
    "the shape of whoever asks: `anthropic-version` makes it Anthropic's, `x-goog-api-key` or `?key=` "
    "Gemini's, Cohere's SDK or `?endpoint=` Cohere's; otherwise it is OpenAI's, with what OpenRouter adds.",
)


class OpenAIModel(Struct):
    """A model in OpenAI's words, and its limits in OpenRouter's."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    name: Maybe[str] = UNSET
    context_length: Maybe[int] = UNSET
    architecture: Maybe[dict[str, Any]] = UNSET
    top_provider: Maybe[dict[str, Any]] = UNSET


class OpenAIModels(Struct):
    """OpenAI's list."""

    object: Literal["list"]
    data: list[OpenAIModel]


class AnthropicModel(Struct):
    """A model in Anthropic's words."""

    type: Literal["model"]
    id: str
    display_name: str
    created_at: str
    lifecycle: Maybe[str] = UNSET
    max_input_tokens: Maybe[int] = UNSET
    max_tokens: Maybe[int] = UNSET


class AnthropicModels(Struct):
    """Anthropic's list, a page of it."""

    data: list[AnthropicModel]
    has_more: bool
    first_id: str | None
    last_id: str | None


class GeminiModel(Struct):
    """A model in Gemini's words."""

    name: str
    displayName: str  # noqa: N815  the wire's name
    supportedGenerationMethods: list[str]  # noqa: N815
    inputTokenLimit: Maybe[int] = UNSET  # noqa: N815
    outputTokenLimit: Maybe[int] = UNSET  # noqa: N815
    thinking: Maybe[bool] = UNSET


class GeminiModels(Struct):
    """Gemini's list, a page of it."""

    models: list[GeminiModel]
    nextPageToken: Maybe[str] = UNSET  # noqa: N815


class CohereModel(Struct):
    """A model in Cohere's words."""

    name: str
    endpoints: list[str]
    is_deprecated: Maybe[bool] = UNSET
    context_length: Maybe[int] = UNSET
    features: Maybe[list[str]] = UNSET


class CohereModels(Struct):
    """Cohere's list, a page of it."""

    models: list[CohereModel]
    next_page_token: Maybe[str] = UNSET


LIMIT = Param("limit", "Anthropic's clients: models of a page, 1 to 1000.", int)
AFTER = Param("after_id", "Anthropic's clients: only models after this one.")
BEFORE = Param("before_id", "Anthropic's clients: only models before this one.")
PAGE_SIZE = Param("pageSize", "Gemini's clients: models of a page, at most 1000.", int)
PAGE_TOKEN = Param("pageToken", "Gemini's clients: the `nextPageToken` of the page before.")
KIND = Param(
    "endpoint", "Cohere's clients: only models of this endpoint.", Literal["chat", "embed", "rerank"]
)
SIZE = Param("page_size", "Cohere's clients: models of a page, 1 to 1000.", int)
TOKEN = Param("page_token", "Cohere's clients: the `next_page_token` of the page before.")
NAME = Param("id", "Any name that would be answered; slashes and colons are part of it.", example=MODEL)

_LIST = Operation(
    tag=MODELS.name,
    title="List models",
    text="Return every model that can be asked now, in the asker's shape.",
    tells=(OpenAIModels, AnthropicModels, GeminiModels, CohereModels),
    params=(LIMIT, AFTER, BEFORE, PAGE_SIZE, PAGE_TOKEN, KIND, SIZE, TOKEN),
    statuses=PAGE,
    words="model list",
    access="key",
    line=False,
)
_ONE = Operation(
    tag=MODELS.name,
    title="Describe a model",
    text="Return one model, by any name that would be answered, in the asker's shape.",
    tells=(OpenAIModel, AnthropicModel, GeminiModel, CohereModel),
    params=(NAME,),
    statuses=(*PAGE, 404),
    words="model list",
    access="key",
    line=False,
)
_OPENAI_LIST = replace(_LIST, tells=(OpenAIModels,), params=(), words="openai_chat")
_OPENAI_ONE = replace(_ONE, tells=(OpenAIModel,), words="openai_chat")

TAGS = (MODELS,)
OPERATIONS: Operations = {
    "GET /v1/models": _LIST,
    "GET /v1/models/{id}": _ONE,
    "GET /v1beta/models": replace(
        _LIST,
        title="List models, as Gemini's clients ask",
        tells=(GeminiModels,),
        params=(PAGE_SIZE, PAGE_TOKEN),
        words="gemini",
    ),
    "GET /v1beta/models/{id}": replace(
        _ONE, title="Describe a model, as Gemini's clients ask", tells=(GeminiModel,), words="gemini"
    ),
    "GET /openai/v1/models": replace(_OPENAI_LIST, title="List models, as Azure's clients ask"),
    "GET /openai/v1/models/{id}": replace(_OPENAI_ONE, title="Describe a model, as Azure's clients ask"),
    "GET /openai/models": replace(_OPENAI_LIST, title="List models, as Azure's older clients ask"),
    "GET /openai/models/{id}": replace(_OPENAI_ONE, title="Describe a model, as Azure's older clients ask"),
}
