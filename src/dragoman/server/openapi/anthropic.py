"""Anthropic's Messages.

Read 2026-11-21: https://platform.claude.com/docs/en/api/messages, .../messages-count-tokens, .../errors.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct

from dragoman.core.extras import Json
from dragoman.server.openapi.operation import ASKED, COUNTING, DATA, MODEL, Maybe, Operation, Operations, Tag

MESSAGES = Tag(
    "Anthropic Messages",
    "Anthropic's protocol, which Claude Code and the Anthropic SDKs speak, with any model of any provider "
    "behind it: `stream` true or false, tools, thinking, counting.",
    "https://platform.claude.com/docs/en/api/messages",
)


class MessageBlock(Struct):
    """One block of content: `text`, `image`, `document`, `tool_use`, `tool_result`, `thinking`, ..."""

    type: str
    text: Maybe[str] = UNSET
    source: Maybe[dict[str, Any]] = UNSET
    id: Maybe[str] = UNSET
    name: Maybe[str] = UNSET
    input: Maybe[dict[str, Any]] = UNSET
    tool_use_id: Maybe[str] = UNSET
    content: Maybe[str | list[dict[str, Any]] | dict[str, Any] | None] = UNSET
    thinking: Maybe[str] = UNSET
    signature: Maybe[str] = UNSET
    cache_control: Maybe[dict[str, Any] | None] = UNSET


class MessageTurn(Struct):
    """One turn of the conversation."""

    role: Literal["user", "assistant", "system"]
    content: str | list[MessageBlock]


class MessageTool(Struct):
    """A tool the model may use; `input_schema` is a JSON Schema."""

    name: str
    type: Maybe[str | None] = UNSET
    description: Maybe[str] = UNSET
    input_schema: Maybe[dict[str, Any]] = UNSET


class MessagesCountRequest(Struct):
    """A request whose input is only counted.

    Attributes:
        model: A route, an alias, a model's name, or `provider/model`.
    """

    model: str
    messages: list[MessageTurn]
    system: Maybe[str | list[MessageBlock]] = UNSET
    tools: Maybe[list[MessageTool]] = UNSET
    tool_choice: Maybe[dict[str, Any]] = UNSET
    thinking: Maybe[dict[str, Any]] = UNSET


class MessagesRequest(MessagesCountRequest, kw_only=True):
    """A request: the fields most clients use. Others are taken too, and go to a provider that has them.

    Attributes:
        model: A route, an alias, a model's name, or `provider/model`.
        max_tokens: Tokens the answer may have.
        stream: Answer in pieces, as they come.
    """

    max_tokens: int
    stream: Maybe[bool] = UNSET
    temperature: Maybe[float] = UNSET
    top_p: Maybe[float] = UNSET
    top_k: Maybe[int] = UNSET
    stop_sequences: Maybe[list[str]] = UNSET
    metadata: Maybe[dict[str, Any]] = UNSET


class MessagesUsage(Struct):
    """Tokens in and out. What came from a cache is not part of `input_tokens`."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: Maybe[int | None] = UNSET
    cache_creation_input_tokens: Maybe[int | None] = UNSET


class MessagesAnswer(Struct):
    """A whole answer.

    Attributes:
        stop_reason: `end_turn`, `max_tokens`, `stop_sequence`, `tool_use`, `refusal` or `pause_turn`.
    """

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[MessageBlock]
    stop_reason: str | None
    stop_sequence: str | None
    usage: MessagesUsage


class MessagesEvent(Struct):
    """One event of a streamed answer: `message_start`, `content_block_delta`, ..., `message_stop`."""

    type: str
    message: Maybe[dict[str, Any]] = UNSET
    index: Maybe[int] = UNSET
    content_block: Maybe[MessageBlock] = UNSET
    delta: Maybe[dict[str, Any]] = UNSET
    usage: Maybe[dict[str, Any]] = UNSET
    error: Maybe[dict[str, Any]] = UNSET


class MessagesCounted(Struct):
    """How many tokens the input has."""

    input_tokens: int


class AnthropicFault(Struct):
    """What went wrong; `type` goes with the status."""

    type: str
    message: str


class AnthropicError(Struct):
    """How Anthropic's protocol says that it failed. An overloaded provider is a 529."""

    type: Literal["error"]
    error: AnthropicFault
    request_id: str | None


TURNS: Json = [{"role": "user", "content": ASKED}]
ASKING: dict[str, Json] = {
    "A question": {"model": MODEL, "max_tokens": 200, "messages": TURNS},
    "The same, as a stream": {"model": MODEL, "max_tokens": 200, "messages": TURNS, "stream": True},
    "With instructions": {
        "model": MODEL,
        "max_tokens": 80,
        "system": "You are a historian. Be brief.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": ASKED}]}],
        "temperature": 0.2,
    },
}

TAGS = (MESSAGES,)
OPERATIONS: Operations = {
    "POST /v1/messages": Operation(
        tag=MESSAGES.name,
        title="Create a message",
        text="Answer a conversation. With `stream` the answer comes in named events.",
        asks=(MessagesRequest,),
        asked=ASKING,
        tells=(MessagesAnswer,),
        streams="text/event-stream",
        event=(MessagesEvent,),
        statuses=(*DATA, 529),
        words="anthropic",
    ),
    "POST /v1/messages/count_tokens": Operation(
        tag=MESSAGES.name,
        title="Count input tokens",
        text="Count the tokens of a conversation. Where the provider cannot, they are estimated, and "
        "`x-dragoman-losses` says so.",
        asks=(MessagesCountRequest,),
        asked={"A question": {"model": MODEL, "messages": TURNS}},
        tells=(MessagesCounted,),
        statuses=(*COUNTING, 529),
        words="anthropic",
    ),
}
