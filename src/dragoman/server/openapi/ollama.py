"""Ollama's native protocol, and the small endpoints its clients look at first.

Read 2026-11-21: https://docs.ollama.com/api.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct

from dragoman.core.extras import Json
from dragoman.server.openapi.operation import (
    ASKED,
    MODEL,
    PAGE,
    VECTORS,
    Maybe,
    Operation,
    Operations,
    Tag,
)

OLLAMA = Tag(
    "Ollama",
    "Ollama's protocol. Unlike everybody else's it streams unless `stream` is false: one JSON object a line. "
    "Editors and tools made for a local Ollama work when they are pointed here.",
    "https://docs.ollama.com/api",
)


class OllamaMessage(Struct):
    """One message of the conversation; `images` are base64."""

    role: str
    content: Maybe[str] = UNSET
    thinking: Maybe[str] = UNSET
    images: Maybe[list[str] | None] = UNSET
    tool_calls: Maybe[list[dict[str, Any]] | None] = UNSET
    tool_name: Maybe[str] = UNSET


class OllamaChatRequest(Struct):
    """A request: the fields most clients use. Others are taken too, and go to a provider that has them.

    Attributes:
        model: A route, an alias, a model's name, or `provider/model`.
        stream: Answer in pieces, as they come; so unless it is false.
        format: `json`, or a JSON Schema the answer is held to.
        options: Temperature, limits and the like, by Ollama's names.
    """

    model: str
    messages: Maybe[list[OllamaMessage]] = UNSET
    stream: Maybe[bool] = UNSET
    format: Maybe[str | dict[str, Any]] = UNSET
    think: Maybe[bool | str] = UNSET
    tools: Maybe[list[dict[str, Any]]] = UNSET
    options: Maybe[dict[str, Any]] = UNSET
    keep_alive: Maybe[str | float] = UNSET


class OllamaGenerateRequest(Struct):
    """A request for one text after another.

    Attributes:
        model: A route, an alias, a model's name, or `provider/model`.
        stream: Answer in pieces, as they come; so unless it is false.
    """

    model: str
    prompt: Maybe[str] = UNSET
    system: Maybe[str] = UNSET
    images: Maybe[list[str]] = UNSET
    stream: Maybe[bool] = UNSET
    format: Maybe[str | dict[str, Any]] = UNSET
    think: Maybe[bool | str] = UNSET
    options: Maybe[dict[str, Any]] = UNSET
    keep_alive: Maybe[str | float] = UNSET


class OllamaChatAnswer(Struct):
    """A whole answer, or one line of a streamed one; the last has `done` true and the counts."""

    model: str
    created_at: str
    message: OllamaMessage
    done: bool
    done_reason: Maybe[str] = UNSET
    prompt_eval_count: Maybe[int] = UNSET
    eval_count: Maybe[int] = UNSET


class OllamaGenerateAnswer(Struct):
    """A whole answer, or one line of a streamed one; the last has `done` true and the counts."""

    model: str
    created_at: str
    response: str
    done: bool
    thinking: Maybe[str] = UNSET
    done_reason: Maybe[str] = UNSET
    prompt_eval_count: Maybe[int] = UNSET
    eval_count: Maybe[int] = UNSET


class OllamaEmbedRequest(Struct):
    """Texts to turn into vectors: one or several."""

    model: str
    input: str | list[str]
    truncate: Maybe[bool] = UNSET
    dimensions: Maybe[int] = UNSET
    options: Maybe[dict[str, Any]] = UNSET


class OllamaEmbedAnswer(Struct):
    """The vectors, in the order of the texts."""

    model: str
    embeddings: list[list[float]]
    prompt_eval_count: Maybe[int] = UNSET


class OllamaEmbeddingsRequest(Struct):
    """A text to turn into a vector, the older way."""

    model: str
    prompt: str


class OllamaEmbeddingsAnswer(Struct):
    """The vector."""

    embedding: list[float]


class OllamaError(Struct):
    """How Ollama's protocol says that it failed."""

    error: str


class OllamaModel(Struct):
    """A model, as a file there is none of: its size is 0."""

    name: str
    model: str
    size: int
    digest: str
    details: dict[str, Any]
    modified_at: Maybe[str] = UNSET
    capabilities: Maybe[list[str]] = UNSET


class OllamaModels(Struct):
    """Every model that can be asked now."""

    models: list[OllamaModel]


class OllamaShowRequest(Struct):
    """Which model to describe; older clients say `name`."""

    model: str


class OllamaShown(Struct):
    """What is known of a model."""

    details: dict[str, Any]
    model_info: dict[str, Any]
    capabilities: list[str]
    modified_at: str


class OllamaVersion(Struct):
    """The release of Ollama whose protocol this is."""

    version: str


TEXTS: Json = ["a merchant of Venice", "ein Kaufmann aus Venedig"]
MESSAGES: Json = [{"role": "user", "content": ASKED}]
LINES: Literal["application/x-ndjson"] = "application/x-ndjson"

TAGS = (OLLAMA,)
OPERATIONS: Operations = {
    "POST /api/chat": Operation(
        tag=OLLAMA.name,
        title="Chat",
        text="Answer a conversation, in lines unless `stream` is false. Without messages the model is only "
        "looked for.",
        asks=(OllamaChatRequest,),
        asked={
            "A question": {"model": MODEL, "messages": MESSAGES, "stream": False},
            "The same, as a stream": {"model": MODEL, "messages": MESSAGES},
        },
        tells=(OllamaChatAnswer,),
        streams=LINES,
        event=(OllamaChatAnswer,),
        words="ollama",
    ),
    "POST /api/generate": Operation(
        tag=OLLAMA.name,
        title="Generate",
        text="Answer one prompt, in lines unless `stream` is false.",
        asks=(OllamaGenerateRequest,),
        asked={
            "A question": {"model": MODEL, "prompt": ASKED, "stream": False},
            "The same, as a stream": {"model": MODEL, "prompt": ASKED},
        },
        tells=(OllamaGenerateAnswer,),
        streams=LINES,
        event=(OllamaGenerateAnswer,),
        words="ollama",
    ),
    "POST /api/embed": Operation(
        tag=OLLAMA.name,
        title="Embed texts",
        text="Turn texts into vectors.",
        asks=(OllamaEmbedRequest,),
        asked={"Two texts": {"model": VECTORS, "input": TEXTS}},
        tells=(OllamaEmbedAnswer,),
        words="ollama",
    ),
    "POST /api/embeddings": Operation(
        tag=OLLAMA.name,
        title="Embed a text, the older way",
        text="Turn one text into a vector.",
        asks=(OllamaEmbeddingsRequest,),
        asked={"One text": {"model": VECTORS, "prompt": "a merchant of Venice"}},
        tells=(OllamaEmbeddingsAnswer,),
        words="ollama",
    ),
    "GET /api/tags": Operation(
        tag=OLLAMA.name,
        title="List models",
        text="Return every model that can be asked now.",
        tells=(OllamaModels,),
        statuses=PAGE,
        words="ollama",
        access="key",
        line=False,
    ),
    "GET /api/ps": Operation(
        tag=OLLAMA.name,
        title="List models in memory",
        text="Return the embedded model, while it is ready; of others nobody knows.",
        tells=(OllamaModels,),
        statuses=PAGE,
        words="ollama",
        access="key",
        line=False,
    ),
    "POST /api/show": Operation(
        tag=OLLAMA.name,
        title="Describe a model",
        text="Return what is known of a model: context, what it can do.",
        asks=(OllamaShowRequest,),
        asked={"The embedded model": {"model": MODEL}},
        tells=(OllamaShown,),
        statuses=(*PAGE, 404, 413, 504),
        words="ollama",
        access="key",
        line=False,
    ),
    "GET /api/version": Operation(
        tag=OLLAMA.name,
        title="Version",
        text="Return the release of Ollama whose protocol this is.",
        tells=(OllamaVersion,),
        statuses=(),
        words="ollama",
        access="none",
        line=False,
    ),
}
