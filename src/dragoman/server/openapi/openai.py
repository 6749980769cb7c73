"""OpenAI's Chat Completions, embeddings, and the rerank that compatible servers have beside them.

Read 2026-11-21: https://platform.openai.com/docs/api-reference/chat, .../embeddings;
https://docs.cohere.com/reference/rerank, whose version 1 the rerank of compatible servers is.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct
from msgspec.structs import replace

from dragoman.core.extras import Json
from dragoman.server.openapi.operation import (
    ASKED,
    MODEL,
    RANKER,
    VECTORS,
    Maybe,
    Operation,
    Operations,
    Param,
    Tag,
    nameless,
)

CHAT = Tag(
    "OpenAI Chat Completions",
    "The protocol most clients speak. Any model of any provider answers in it, whole or as a stream of "
    "server-sent events that ends in `data: [DONE]`. Clients of Azure find it under `/openai/v1/...`, "
    "`/openai/...` and, with the model in the path, under `/openai/deployments/{model}/...` as well.",
    "https://platform.openai.com/docs/api-reference/chat",
)
VECTOR = Tag(
    "OpenAI embeddings and rerank",
    "Vectors for texts, and documents in the order in which they answer a query. Neither is a stream. The "
    "embedded model does neither: name a model of a provider that is configured.",
    "https://platform.openai.com/docs/api-reference/embeddings",
)


class ChatPart(Struct):
    """One part of a message: text, a picture, sound or a file.

    Attributes:
        type: `text`, `image_url`, `input_audio`, `file` or `refusal`.
    """

    type: str
    text: Maybe[str] = UNSET
    image_url: Maybe[dict[str, Any]] = UNSET
    input_audio: Maybe[dict[str, Any]] = UNSET
    file: Maybe[dict[str, Any]] = UNSET


class ChatCalled(Struct):
    """The function a model calls, and its arguments as JSON text."""

    name: str
    arguments: str


class ChatCall(Struct):
    """A tool call a model makes."""

    id: str
    type: str
    function: Maybe[ChatCalled] = UNSET


class ChatMessage(Struct):
    """One message of the conversation.

    Attributes:
        role: `system`, `developer`, `user`, `assistant` or `tool`.
        tool_call_id: The call that a message of role `tool` answers.
    """

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Maybe[str | list[ChatPart] | None] = UNSET
    name: Maybe[str | None] = UNSET
    tool_calls: Maybe[list[ChatCall] | None] = UNSET
    tool_call_id: Maybe[str] = UNSET


class ChatFunction(Struct):
    """A function the model may call; `parameters` is a JSON Schema."""

    name: str
    description: Maybe[str | None] = UNSET
    parameters: Maybe[dict[str, Any] | None] = UNSET
    strict: Maybe[bool | None] = UNSET


class ChatTool(Struct):
    """A tool the model may use."""

    type: str
    function: Maybe[ChatFunction] = UNSET


class DeploymentChatRequest(Struct):
    """A chat request whose model stands in the path: the fields most clients use.

    Attributes:
        provider: Ask this provider and no other.
        stream: Answer in pieces, as they come.
        response_format: `text`, `json_object`, or `json_schema` with a schema the answer is held to.
    """

    messages: list[ChatMessage]
    provider: Maybe[str | dict[str, Any] | None] = UNSET
    stream: Maybe[bool | None] = UNSET
    stream_options: Maybe[dict[str, Any] | None] = UNSET
    temperature: Maybe[float | None] = UNSET
    top_p: Maybe[float | None] = UNSET
    max_completion_tokens: Maybe[int | None] = UNSET
    max_tokens: Maybe[int | None] = UNSET
    stop: Maybe[str | list[str] | None] = UNSET
    n: Maybe[int | None] = UNSET
    seed: Maybe[int | None] = UNSET
    frequency_penalty: Maybe[float | None] = UNSET
    presence_penalty: Maybe[float | None] = UNSET
    logprobs: Maybe[bool | None] = UNSET
    top_logprobs: Maybe[int | None] = UNSET
    tools: Maybe[list[ChatTool] | None] = UNSET
    tool_choice: Maybe[str | dict[str, Any] | None] = UNSET
    parallel_tool_calls: Maybe[bool | None] = UNSET
    response_format: Maybe[dict[str, Any] | None] = UNSET
    reasoning_effort: Maybe[str | None] = UNSET
    user: Maybe[str | None] = UNSET


class ChatRequest(DeploymentChatRequest, kw_only=True):
    """A chat request: the fields most clients use. Others are taken too, and go to a provider that has them.

    Attributes:
        model: A route, an alias, a model's name, or `provider/model`.
        provider: Ask this provider and no other.
        stream: Answer in pieces, as they come.
        response_format: `text`, `json_object`, or `json_schema` with a schema the answer is held to.
    """

    model: str


class ChatUsage(Struct):
    """Tokens in and out; the details are parts of the totals."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: Maybe[dict[str, Any] | None] = UNSET
    completion_tokens_details: Maybe[dict[str, Any] | None] = UNSET


class ChatAnswered(Struct):
    """What the model said."""

    role: Literal["assistant"]
    content: str | None
    refusal: Maybe[str | None] = UNSET
    tool_calls: Maybe[list[ChatCall]] = UNSET


class ChatChoice(Struct):
    """One answer of those asked for.

    Attributes:
        finish_reason: `stop`, `length`, `tool_calls` or `content_filter`.
    """

    index: int
    message: ChatAnswered
    finish_reason: str | None
    logprobs: Maybe[dict[str, Any] | None] = UNSET


class ChatAnswer(Struct):
    """A whole answer.

    Attributes:
        provider: Who answered.
        latency_ms: Milliseconds from the request to the answer.
        usage: What it took, where the provider or an estimate says.
    """

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Maybe[ChatUsage | None] = UNSET
    provider: Maybe[str] = UNSET
    latency_ms: Maybe[float] = UNSET


class ChatDelta(Struct):
    """What is new."""

    role: Maybe[str] = UNSET
    content: Maybe[str | None] = UNSET
    refusal: Maybe[str | None] = UNSET
    tool_calls: Maybe[list[dict[str, Any]]] = UNSET


class ChatDeltaChoice(Struct):
    """What is new of one answer."""

    index: int
    delta: ChatDelta
    finish_reason: Maybe[str | None] = UNSET


class ChatChunk(Struct):
    """One piece of an answer; the last one before `[DONE]` has the usage, if it was asked for."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChatDeltaChoice]
    usage: Maybe[ChatUsage | None] = UNSET


class OpenAIFault(Struct):
    """What went wrong.

    Attributes:
        type: A class of errors; the SDKs go by the status instead.
        param: The JSON path of the field at fault.
        code: The finest word there is for it.
    """

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIError(Struct):
    """How OpenAI's protocols say that they failed."""

    error: OpenAIFault


class DeploymentEmbeddingsRequest(Struct):
    """A request for vectors whose model stands in the path.

    Attributes:
        input: A text, several, or tokens of one or several.
        encoding_format: `float`, or `base64` of 32-bit floats.
    """

    input: str | list[str | int | list[int]]
    dimensions: Maybe[int | None] = UNSET
    encoding_format: Maybe[Literal["float", "base64"] | None] = UNSET
    user: Maybe[str | None] = UNSET


class EmbeddingsRequest(DeploymentEmbeddingsRequest, kw_only=True):
    """A request for vectors.

    Attributes:
        input: A text, several, or tokens of one or several.
        encoding_format: `float`, or `base64` of 32-bit floats.
    """

    model: str


class Embedding(Struct):
    """The vector of one text: numbers, or base64 of 32-bit floats."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingsUsage(Struct):
    """Tokens read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(Struct):
    """The vectors, in the order of the texts."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Maybe[EmbeddingsUsage] = UNSET


class RerankRequest(Struct):
    """A query and the documents to put in order; a document is a text or an object with one."""

    model: str
    query: str
    documents: list[str | dict[str, Any]]
    top_n: Maybe[int | None] = UNSET
    return_documents: Maybe[bool | None] = UNSET


class RerankResult(Struct):
    """A document's place in the list that was sent, and how well it answers."""

    index: int
    relevance_score: float
    document: Maybe[dict[str, Any]] = UNSET


class RerankAnswer(Struct):
    """The documents, best first."""

    results: list[RerankResult]
    id: Maybe[str] = UNSET
    model: Maybe[str] = UNSET


QUESTION: Json = [{"role": "user", "content": ASKED}]
CHATS: dict[str, Json] = {
    "A question": {"model": MODEL, "messages": QUESTION},
    "The same, as a stream": {
        "model": MODEL,
        "messages": QUESTION,
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    "With instructions and limits": {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "You are a historian. Be brief."},
            {"role": "user", "content": ASKED},
        ],
        "temperature": 0.2,
        "max_completion_tokens": 80,
    },
    "An answer in JSON": {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Name a city and its country."}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "place",
                "schema": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
                    "required": ["city", "country"],
                    "additionalProperties": False,
                },
            },
        },
    },
}
VECTORED: dict[str, Json] = {
    "Two texts": {"model": VECTORS, "input": ["a merchant of Venice", "ein Kaufmann aus Venedig"]},
    "One text": {"model": VECTORS, "input": "a merchant of Venice"},
}
RANKED: dict[str, Json] = {
    "Three documents": {
        "model": RANKER,
        "query": "Who travelled to China?",
        "documents": ["Dante wrote verse.", "Marco Polo went to Kublai Khan.", "Venice has canals."],
        "top_n": 2,
    }
}
DEPLOYMENT = Param("model", "The model; what the body says is not asked.", example=MODEL)
VECTOR_DEPLOYMENT = Param("model", "The model; what the body says is not asked.", example=VECTORS)

_CHAT = Operation(
    tag=CHAT.name,
    title="Chat",
    text="Answer a conversation. With `stream` the answer comes in pieces, as the provider sends them.",
    asks=(ChatRequest,),
    asked=CHATS,
    tells=(ChatAnswer,),
    streams="text/event-stream",
    event=(ChatChunk,),
)
_VECTORS = Operation(
    tag=VECTOR.name,
    title="Embed texts",
    text="Turn texts into vectors.",
    asks=(EmbeddingsRequest,),
    asked=VECTORED,
    tells=(EmbeddingsAnswer,),
)

TAGS = (CHAT, VECTOR)
OPERATIONS: Operations = {
    "POST /v1/chat/completions": _CHAT,
    "POST /openai/deployments/{model}/chat/completions": replace(
        _CHAT,
        title="Chat, as Azure's clients ask",
        asks=(DeploymentChatRequest,),
        asked=nameless(CHATS),
        params=(DEPLOYMENT,),
    ),
    "POST /v1/embeddings": _VECTORS,
    "POST /openai/deployments/{model}/embeddings": replace(
        _VECTORS,
        title="Embed texts, as Azure's clients ask",
        asks=(DeploymentEmbeddingsRequest,),
        asked=nameless(VECTORED),
        params=(VECTOR_DEPLOYMENT,),
    ),
    "POST /v1/rerank": Operation(
        tag=VECTOR.name,
        title="Put documents in order",
        text="Put documents in the order in which they answer a query, best first.",
        asks=(RerankRequest,),
        asked=RANKED,
        tells=(RerankAnswer,),
    ),
}
