"""OpenAI's Responses, and what the gateway keeps of them.

Read 2026-11-21: https://platform.openai.com/docs/api-reference/responses.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct

from dragoman.core.extras import Json
from dragoman.server.openapi.operation import ASKED, COUNTING, MODEL, Maybe, Operation, Operations, Param, Tag

RESPONSES = Tag(
    "OpenAI Responses",
    "OpenAI's newer protocol: typed items in and out, and a memory. The gateway itself keeps what is asked "
    "to be kept, so `previous_response_id`, `background` and the operations on kept answers work with any "
    "provider. Each key sees its own answers only.",
    "https://platform.openai.com/docs/api-reference/responses",
)


class ResponsesRequest(Struct):
    """A request: the fields most clients use. Others are taken too, and go to a provider that has them.

    Attributes:
        model: A route, an alias, a model's name, or `provider/model`.
        input: A text, or items: messages, tool calls, their outputs.
        previous_response_id: Go on from this kept answer.
        store: Keep the answer, so that it can be fetched and gone on from.
        background: Answer at once that it is queued; fetch the answer later.
        stream: Answer in pieces, as they come.
    """

    model: str
    input: Maybe[str | list[dict[str, Any]]] = UNSET
    instructions: Maybe[str | None] = UNSET
    previous_response_id: Maybe[str | None] = UNSET
    store: Maybe[bool | None] = UNSET
    background: Maybe[bool | None] = UNSET
    stream: Maybe[bool | None] = UNSET
    max_output_tokens: Maybe[int | None] = UNSET
    temperature: Maybe[float | None] = UNSET
    top_p: Maybe[float | None] = UNSET
    text: Maybe[dict[str, Any] | None] = UNSET
    reasoning: Maybe[dict[str, Any] | None] = UNSET
    tools: Maybe[list[dict[str, Any]] | None] = UNSET
    tool_choice: Maybe[str | dict[str, Any] | None] = UNSET
    parallel_tool_calls: Maybe[bool | None] = UNSET
    include: Maybe[list[str] | None] = UNSET
    metadata: Maybe[dict[str, Any] | None] = UNSET


class ResponsesUsage(Struct):
    """Tokens in and out; the details are parts of the totals."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: Maybe[dict[str, Any]] = UNSET
    output_tokens_details: Maybe[dict[str, Any]] = UNSET


class ResponsesItem(Struct):
    """One item of the output: `message`, `reasoning`, `function_call` or a tool's own."""

    type: str
    id: Maybe[str] = UNSET
    status: Maybe[str] = UNSET
    role: Maybe[str] = UNSET
    content: Maybe[list[dict[str, Any]] | None] = UNSET


class ResponsesAnswer(Struct):
    """An answer, whole or on its way.

    Attributes:
        status: `completed`, `incomplete`, `failed`, `cancelled`; `queued` or `in_progress` in the background.
    """

    id: str
    object: Literal["response"]
    created_at: float
    model: str
    status: str
    output: list[ResponsesItem]
    error: Maybe[dict[str, Any] | None] = UNSET
    incomplete_details: Maybe[dict[str, Any] | None] = UNSET
    previous_response_id: Maybe[str | None] = UNSET
    usage: Maybe[ResponsesUsage | None] = UNSET


class ResponsesEvent(Struct):
    """One piece of a streamed answer: `response.created`, `response.output_text.delta`, ..."""

    type: str
    sequence_number: int
    response: Maybe[dict[str, Any]] = UNSET
    item: Maybe[dict[str, Any]] = UNSET
    delta: Maybe[Any] = UNSET


class InputTokens(Struct):
    """How many tokens a request's input has."""

    object: Literal["response.input_tokens"]
    input_tokens: int


class InputItems(Struct):
    """A page of the items that led to an answer."""

    object: Literal["list"]
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ResponseDeleted(Struct):
    """The answer is gone."""

    id: str
    object: Literal["response"]
    deleted: Literal[True]


ASKING: dict[str, Json] = {
    "A question": {"model": MODEL, "input": ASKED},
    "The same, as a stream": {"model": MODEL, "input": ASKED, "stream": True},
    "With instructions, not kept": {
        "model": MODEL,
        "instructions": "You are a historian. Be brief.",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": ASKED}]}],
        "max_output_tokens": 80,
        "store": False,
    },
}
KEPT = Param("id", "The answer's id, as it was told: `resp_...`.", example="resp_5d0c1d6e2a7f4b9c8e3a6f10")
LOOKED_UP = (400, 401, 403, 404, 503)

TAGS = (RESPONSES,)
OPERATIONS: Operations = {
    "POST /v1/responses": Operation(
        tag=RESPONSES.name,
        title="Respond",
        text="Answer, and keep the answer unless `store` is false.",
        asks=(ResponsesRequest,),
        asked=ASKING,
        tells=(ResponsesAnswer,),
        streams="text/event-stream",
        event=(ResponsesEvent,),
        words="openai_responses",
    ),
    "POST /v1/responses/input_tokens": Operation(
        tag=RESPONSES.name,
        title="Count input tokens",
        text="Count the tokens of an input. Where the provider cannot, they are estimated, and "
        "`x-dragoman-losses` says so.",
        asks=(ResponsesRequest,),
        asked={"A question": {"model": MODEL, "input": ASKED}},
        tells=(InputTokens,),
        statuses=COUNTING,
        words="openai_responses",
    ),
    "GET /v1/responses/{id}": Operation(
        tag=RESPONSES.name,
        title="Fetch a kept answer",
        text="Return an answer this key asked for, whole or as the stream it was.",
        tells=(ResponsesAnswer,),
        streams="text/event-stream",
        event=(ResponsesEvent,),
        params=(
            KEPT,
            Param("stream", "Tell it as a stream.", bool, example=False),
            Param("starting_after", "Of a stream, only events after this `sequence_number`.", int),
        ),
        statuses=LOOKED_UP,
        words="openai_responses",
        access="key",
        line=False,
    ),
    "DELETE /v1/responses/{id}": Operation(
        tag=RESPONSES.name,
        title="Delete a kept answer",
        text="Forget an answer, and whatever was kept with it.",
        tells=(ResponseDeleted,),
        params=(KEPT,),
        statuses=LOOKED_UP,
        words="openai_responses",
        access="key",
        line=False,
    ),
    "POST /v1/responses/{id}/cancel": Operation(
        tag=RESPONSES.name,
        title="Cancel a background answer",
        text="Stop an answer that is being made in the background; the provider's socket is closed at once.",
        tells=(ResponsesAnswer,),
        params=(KEPT,),
        statuses=LOOKED_UP,
        words="openai_responses",
        access="key",
        line=False,
    ),
    "GET /v1/responses/{id}/input_items": Operation(
        tag=RESPONSES.name,
        title="List what led to an answer",
        text="Return the items of the conversation up to a kept answer, a page at a time.",
        tells=(InputItems,),
        params=(
            KEPT,
            Param("limit", "Items of a page, 1 to 100; 20 unless said.", int, example=20),
            Param("order", "`desc` (newest first) or `asc`.", Literal["asc", "desc"], example="desc"),
            Param("after", "Only items after the one with this id."),
        ),
        statuses=LOOKED_UP,
        words="openai_responses",
        access="key",
        line=False,
    ),
}
