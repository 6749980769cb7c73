"""Cohere's second version: chat, embed, rerank.

Read 2026-11-21: https://docs.cohere.com/reference/chat, .../embed, .../rerank, .../errors.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct

from dragoman.core.extras import Json
from dragoman.server.openapi.operation import (
    ASKED,
    MODEL,
    RANKER,
    VECTORS,
    Maybe,
    Operation,
    Operations,
    Tag,
)

COHERE = Tag(
    "Cohere v2",
    "Cohere's protocol: chat with documents and tools, vectors of several kinds, documents in order.",
    "https://docs.cohere.com/reference/about",
)


class CohereContent(Struct):
    """One part of a message: `text`, `image_url`, `document` or `thinking`."""

    type: str
    text: Maybe[str] = UNSET
    image_url: Maybe[dict[str, Any]] = UNSET
    thinking: Maybe[str] = UNSET


class CohereMessage(Struct):
    """One message of the conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: Maybe[str | list[CohereContent] | None] = UNSET
    tool_calls: Maybe[list[dict[str, Any]] | None] = UNSET
    tool_call_id: Maybe[str] = UNSET
    tool_plan: Maybe[str | None] = UNSET


class CohereChatRequest(Struct):
    """A request: the fields most clients use. Others are taken too, and go to a provider that has them.

    Attributes:
        model: A route, an alias, a model's name, or `provider/model`.
        stream: Answer in pieces, as they come.
    """

    model: str
    messages: list[CohereMessage]
    stream: Maybe[bool] = UNSET
    temperature: Maybe[float] = UNSET
    p: Maybe[float] = UNSET
    k: Maybe[int] = UNSET
    max_tokens: Maybe[int] = UNSET
    stop_sequences: Maybe[list[str]] = UNSET
    seed: Maybe[int] = UNSET
    tools: Maybe[list[dict[str, Any]]] = UNSET
    tool_choice: Maybe[Literal["REQUIRED", "NONE"]] = UNSET
    documents: Maybe[list[str | dict[str, Any]]] = UNSET
    response_format: Maybe[dict[str, Any]] = UNSET
    thinking: Maybe[dict[str, Any]] = UNSET


class CohereAnswered(Struct):
    """What the model said."""

    role: Literal["assistant"]
    content: Maybe[list[CohereContent] | None] = UNSET
    tool_calls: Maybe[list[dict[str, Any]]] = UNSET


class CohereUsage(Struct):
    """Tokens in and out, as they are billed and as they are counted."""

    billed_units: Maybe[dict[str, Any]] = UNSET
    tokens: Maybe[dict[str, Any]] = UNSET


class CohereChatAnswer(Struct):
    """A whole answer.

    Attributes:
        finish_reason: `COMPLETE`, `MAX_TOKENS`, `STOP_SEQUENCE`, `TOOL_CALL`, `ERROR` or `TIMEOUT`.
    """

    id: str
    finish_reason: str
    message: CohereAnswered
    usage: Maybe[CohereUsage] = UNSET


class CohereEvent(Struct):
    """One event of a streamed answer: `message-start`, `content-delta`, ..., `message-end`."""

    type: str
    id: Maybe[str] = UNSET
    index: Maybe[int] = UNSET
    delta: Maybe[dict[str, Any]] = UNSET


class CohereEmbedRequest(Struct):
    """Texts or pictures to turn into vectors.

    Attributes:
        input_type: What the vectors are for: `search_document`, `search_query`, `classification`, ...
        embedding_types: `float`, `int8`, `uint8`, `binary`, `ubinary`, `base64`.
    """

    model: str
    input_type: str
    texts: Maybe[list[str]] = UNSET
    images: Maybe[list[str]] = UNSET
    inputs: Maybe[list[dict[str, Any]]] = UNSET
    embedding_types: Maybe[list[str]] = UNSET
    output_dimension: Maybe[int] = UNSET
    truncate: Maybe[str] = UNSET


class CohereEmbedAnswer(Struct):
    """The vectors by their kind, each in the order of the texts."""

    id: str
    embeddings: dict[str, list[Any]]
    texts: Maybe[list[str]] = UNSET
    meta: Maybe[dict[str, Any]] = UNSET


class CohereRerankRequest(Struct):
    """A query, and documents to put in order."""

    model: str
    query: str
    documents: list[str]
    top_n: Maybe[int] = UNSET
    max_tokens_per_doc: Maybe[int] = UNSET


class CohereRanked(Struct):
    """A document's place in the list that was sent, and how well it answers."""

    index: int
    relevance_score: float


class CohereRerankAnswer(Struct):
    """The documents, best first."""

    results: list[CohereRanked]
    id: Maybe[str] = UNSET
    meta: Maybe[dict[str, Any]] = UNSET


class CohereError(Struct):
    """How Cohere's protocol says that it failed."""

    message: str
    id: Maybe[str] = UNSET


MESSAGES: Json = [{"role": "user", "content": ASKED}]

TAGS = (COHERE,)
OPERATIONS: Operations = {
    "POST /v2/chat": Operation(
        tag=COHERE.name,
        title="Chat",
        text="Answer a conversation. With `stream` the answer comes in named events.",
        asks=(CohereChatRequest,),
        asked={
            "A question": {"model": MODEL, "messages": MESSAGES, "stream": False},
            "The same, as a stream": {"model": MODEL, "messages": MESSAGES, "stream": True},
        },
        tells=(CohereChatAnswer,),
        streams="text/event-stream",
        event=(CohereEvent,),
        words="cohere",
    ),
    "POST /v2/embed": Operation(
        tag=COHERE.name,
        title="Embed texts",
        text="Turn texts or pictures into vectors.",
        asks=(CohereEmbedRequest,),
        asked={
            "Two texts": {
                "model": VECTORS,
                "input_type": "search_document",
                "texts": ["a merchant of Venice", "ein Kaufmann aus Venedig"],
                "embedding_types": ["float"],
            }
        },
        tells=(CohereEmbedAnswer,),
        words="cohere",
    ),
    "POST /v2/rerank": Operation(
        tag=COHERE.name,
        title="Put documents in order",
        text="Put documents in the order in which they answer a query, best first.",
        asks=(CohereRerankRequest,),
        asked={
            "Three documents": {
                "model": RANKER,
                "query": "Who travelled to China?",
                "documents": ["Dante wrote verse.", "Marco Polo went to Kublai Khan.", "Venice has canals."],
                "top_n": 2,
            }
        },
        tells=(CohereRerankAnswer,),
        words="cohere",
    ),
}
