"""Google's Gemini: generateContent and its neighbours, under both versions and for tuned models too.

Read 2026-11-21: https://ai.google.dev/api/generate-content, .../api/tokens, .../api/embeddings.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import replace

from dragoman.core.extras import Json
from dragoman.server.openapi.operation import (
    ASKED,
    COUNTING,
    MODEL,
    VECTORS,
    Maybe,
    Operation,
    Operations,
    Param,
    Tag,
)

CONTENT = Tag(
    "Gemini",
    "Google's protocol: the model and the method stand in the path, under `/v1beta` or `/v1`, and the key "
    "may stand in the query (`?key=`). `alt=sse` makes a stream of server-sent events; without it a stream "
    "is one JSON array, which grows.",
    "https://ai.google.dev/api/generate-content",
)


class GeminiPart(Struct):
    """One part of a turn: a text, data, a call or its answer."""

    text: Maybe[str] = UNSET
    thought: Maybe[bool] = UNSET
    thoughtSignature: Maybe[str] = UNSET  # noqa: N815  the wire's name
    inlineData: Maybe[dict[str, Any]] = UNSET  # noqa: N815
    fileData: Maybe[dict[str, Any]] = UNSET  # noqa: N815
    functionCall: Maybe[dict[str, Any]] = UNSET  # noqa: N815
    functionResponse: Maybe[dict[str, Any]] = UNSET  # noqa: N815


class GeminiContent(Struct):
    """One turn of the conversation; `role` is `user` or `model`."""

    parts: Maybe[list[GeminiPart]] = UNSET
    role: Maybe[str] = UNSET


class GenerationConfig(Struct):
    """How to answer."""

    temperature: Maybe[float | None] = UNSET
    topP: Maybe[float | None] = UNSET  # noqa: N815
    topK: Maybe[float | None] = UNSET  # noqa: N815
    maxOutputTokens: Maybe[int | None] = UNSET  # noqa: N815
    stopSequences: Maybe[list[str] | None] = UNSET  # noqa: N815
    candidateCount: Maybe[int | None] = UNSET  # noqa: N815
    seed: Maybe[int | None] = UNSET
    responseMimeType: Maybe[str | None] = UNSET  # noqa: N815
    responseSchema: Maybe[dict[str, Any] | None] = UNSET  # noqa: N815
    responseJsonSchema: Maybe[dict[str, Any] | bool | None] = UNSET  # noqa: N815
    thinkingConfig: Maybe[dict[str, Any] | None] = UNSET  # noqa: N815


class GenerateContentRequest(Struct):
    """A request: the fields most clients use. Others are taken too, and go to a provider that has them."""

    contents: list[GeminiContent]
    systemInstruction: Maybe[GeminiContent | str] = UNSET  # noqa: N815
    generationConfig: Maybe[GenerationConfig] = UNSET  # noqa: N815
    tools: Maybe[list[dict[str, Any]]] = UNSET
    toolConfig: Maybe[dict[str, Any]] = UNSET  # noqa: N815
    safetySettings: Maybe[list[dict[str, Any]]] = UNSET  # noqa: N815


class GeminiUsage(Struct):
    """Tokens in and out; thinking is not part of the candidates'."""

    totalTokenCount: int  # noqa: N815
    promptTokenCount: Maybe[int] = UNSET  # noqa: N815
    candidatesTokenCount: Maybe[int] = UNSET  # noqa: N815
    thoughtsTokenCount: Maybe[int] = UNSET  # noqa: N815
    cachedContentTokenCount: Maybe[int] = UNSET  # noqa: N815


class Candidate(Struct):
    """One answer of those asked for."""

    content: Maybe[GeminiContent] = UNSET
    finishReason: Maybe[str] = UNSET  # noqa: N815
    index: Maybe[int] = UNSET


class GenerateContentAnswer(Struct):
    """A whole answer, or one piece of a streamed one."""

    candidates: Maybe[list[Candidate]] = UNSET
    promptFeedback: Maybe[dict[str, Any]] = UNSET  # noqa: N815
    usageMetadata: Maybe[GeminiUsage] = UNSET  # noqa: N815
    modelVersion: Maybe[str] = UNSET  # noqa: N815
    responseId: Maybe[str] = UNSET  # noqa: N815


class CountTokensRequest(Struct):
    """What to count: turns, or a whole request."""

    contents: Maybe[list[GeminiContent]] = UNSET
    generateContentRequest: Maybe[dict[str, Any]] = UNSET  # noqa: N815


class CountTokensAnswer(Struct):
    """How many tokens the input has."""

    totalTokens: int  # noqa: N815


class EmbedContentRequest(Struct):
    """A text to turn into a vector."""

    content: GeminiContent
    taskType: Maybe[str] = UNSET  # noqa: N815
    title: Maybe[str] = UNSET
    outputDimensionality: Maybe[int] = UNSET  # noqa: N815


class EmbedContentPiece(EmbedContentRequest, kw_only=True):
    """A text to turn into a vector; `model` is that of the path, with `models/` before it."""

    model: str


class BatchEmbedContentsRequest(Struct):
    """Texts to turn into vectors."""

    requests: list[EmbedContentPiece]


class ContentEmbedding(Struct):
    """The vector of one text."""

    values: list[float]


class EmbedContentAnswer(Struct):
    """The vector."""

    embedding: ContentEmbedding


class BatchEmbedContentsAnswer(Struct):
    """The vectors, in the order of the texts."""

    embeddings: list[ContentEmbedding]


class GeminiFault(Struct):
    """What went wrong; `details` name the field, the reason or how long to wait."""

    code: int
    message: str
    status: str
    details: Maybe[list[dict[str, Any]]] = UNSET


class GeminiError(Struct):
    """How Gemini's protocol says that it failed."""

    error: GeminiFault


CONTENTS: Json = [{"role": "user", "parts": [{"text": ASKED}]}]
ASKING: dict[str, Json] = {
    "A question": {"contents": CONTENTS},
    "With instructions and limits": {
        "systemInstruction": {"parts": [{"text": "You are a historian. Be brief."}]},
        "contents": CONTENTS,
        "generationConfig": {"temperature": 0.2, "maxOutputTokens": 80},
    },
}
PLACE = Param("model", "A route, an alias, a model's name, or `provider/model`.", example=MODEL)
VECTOR_PLACE = replace(PLACE, example=VECTORS)
TUNED = replace(
    PLACE, text="The name of a tuned model of Google's, without `tunedModels/`.", example="storyteller"
)
TEXTS: Json = [{"content": {"parts": [{"text": text}]}} for text in ("a merchant of Venice", "Dante's verse")]
BATCH: Json = {"requests": [{"model": f"models/{VECTORS}", **text} for text in TEXTS]}
TUNED_BATCH: Json = {"requests": [{"model": "tunedModels/storyteller", **text} for text in TEXTS]}

_GENERATE = Operation(
    tag=CONTENT.name,
    title="Generate content",
    text="Answer a conversation, whole.",
    asks=(GenerateContentRequest,),
    asked=ASKING,
    tells=(GenerateContentAnswer,),
    params=(PLACE,),
    words="gemini",
)
METHODS: Operations = {
    "generateContent": _GENERATE,
    "streamGenerateContent": replace(
        _GENERATE,
        title="Generate content as a stream",
        text="Answer a conversation as it comes. Without `alt=sse` the pieces are one JSON array.",
        tells=(list[GenerateContentAnswer],),
        streams="text/event-stream",
        event=(GenerateContentAnswer,),
        params=(PLACE, Param("alt", "`sse`: server-sent events.", example="sse")),
    ),
    "countTokens": replace(
        _GENERATE,
        title="Count input tokens",
        text="Count the tokens of an input. Where the provider cannot, they are estimated, and "
        "`x-dragoman-losses` says so.",
        asks=(CountTokensRequest,),
        asked={"A question": {"contents": CONTENTS}},
        tells=(CountTokensAnswer,),
        statuses=COUNTING,
    ),
    "embedContent": replace(
        _GENERATE,
        title="Embed a text",
        text="Turn a text into a vector.",
        asks=(EmbedContentRequest,),
        asked={"One text": {"content": {"parts": [{"text": "a merchant of Venice"}]}}},
        tells=(EmbedContentAnswer,),
        params=(VECTOR_PLACE,),
    ),
    "batchEmbedContents": replace(
        _GENERATE,
        title="Embed texts",
        text="Turn texts into vectors.",
        asks=(BatchEmbedContentsRequest,),
        asked={"Two texts": BATCH},
        tells=(BatchEmbedContentsAnswer,),
        params=(VECTOR_PLACE,),
    ),
}
"""By the method in the path, which four paths have."""

TAGS = (CONTENT,)
OPERATIONS: dict[str, Operation] = {
    f"POST /{version}/models/{{model}}:{method}": operation
    for version in ("v1beta", "v1")
    for method, operation in METHODS.items()
} | {
    f"POST /{version}/tunedModels/{{model}}:{method}": replace(
        operation,
        title=f"{operation.title}, of a tuned model",
        asked={"Two texts": TUNED_BATCH} if "batch" in method else operation.asked,
        params=(TUNED, *operation.params[1:]),
    )
    for version in ("v1beta", "v1")
    for method, operation in METHODS.items()
}
