"""The simpler protocols: prompt, message, stream, and the gateway's named events."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct
from msgspec.structs import replace

from dragoman.core.extras import Json
from dragoman.server.openapi.openai import CHATS, ChatRequest, OpenAIError
from dragoman.server.openapi.operation import ASKED, MODEL, Maybe, Operation, Operations, Param, Tag

CHAT = Tag(
    "Prompt and message",
    "Two small protocols on one path; the body's fields say which is meant. `prompt` or `template_id`: one "
    "prompt, or a template filled in, for one answer and what the gateway did for it (who answered, tokens, "
    "cost, whether it was recorded or another model stood in). `message` and `chat_model_name`: one message "
    "for its answer's text, whole or line by line.",
)
STREAM = Tag(
    "Streams",
    "Answers as they come, in few words. `/stream`: a model and a prompt. `/v1/chat/stream`: OpenAI's body "
    "and named events. Proxies do not close them: while nothing comes, a comment does.",
)


class PromptRequest(Struct):
    """One prompt, or a template filled in: one of `prompt` and `template_id` has to be there.

    Attributes:
        model: May stand in the query instead.
        template_id: A template of `GET /templates`.
        template_vars: Its variables: text, numbers, flags.
        template: The older form: the template whose `{{prompt}}` the prompt fills.
        ignore_cache: Ask afresh, and refresh the recording; may stand in the query.
    """

    prompt: Maybe[str] = UNSET
    template_id: Maybe[str] = UNSET
    template_vars: Maybe[dict[str, str | float | bool | None]] = UNSET
    template: Maybe[str] = UNSET
    model: Maybe[str] = UNSET
    system: Maybe[str] = UNSET
    temperature: Maybe[float] = UNSET
    max_tokens: Maybe[int] = UNSET
    ignore_cache: Maybe[bool] = UNSET


class PromptUsage(Struct):
    """Tokens in and out."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class PromptAnswer(Struct):
    """The answer, and what the gateway did for it. What is unknown is null, never 0.

    Attributes:
        prompt_id: The exchange's own id, which `POST /rate` and `GET /v1/exchanges/{id}` name.
        model_used: Who answered.
        latency_ms: Milliseconds from the request to the answer.
        token_count: Tokens in and out together.
        from_cache: It is a recorded answer.
        fallback_used: Another model answered than the one asked for; `error_message` says why.
        cost_usd: US dollars.
    """

    prompt_id: str
    model_used: str
    response_text: str
    latency_ms: float
    token_count: int | None
    from_cache: bool
    fallback_used: bool
    error_message: str | None
    provider: str | None
    usage: PromptUsage | None
    cost_usd: float | None
    requested_model: str


class MessageRequest(Struct):
    """One message.

    Attributes:
        chat_model_name: `openai`, `anthropic`, `cohere`, or any model's name.
        stream: Answer line by line, as it comes.
    """

    message: str
    chat_model_name: str
    stream: Maybe[bool] = UNSET


class MessageAnswer(Struct):
    """The answer's text, or one piece of it."""

    response: str


class DragomanFault(Struct):
    """What went wrong.

    Attributes:
        type: What kind of failure it is: `invalid`, `not_found`, `rate_limited`, `upstream`, ...
        code: A finer word, where there is one.
        at: Where the fault is in what was sent.
    """

    message: str
    type: str
    code: str | None
    at: str | None


class DragomanError(Struct):
    """How the protocols and pages that belong to no vendor say that they failed."""

    detail: str
    error: DragomanFault


class MessageBroken(Struct):
    """The last line of a streamed answer that failed."""

    error: DragomanFault


class StreamRequest(Struct):
    """A model and a prompt."""

    model: str
    prompt: str


class StreamUsage(Struct):
    """Tokens in and out."""

    input: int
    output: int


class StreamEvent(Struct):
    """One event: `delta` with a piece of text, `done` with all of it, or `error`."""

    type: Literal["delta", "done", "error"]
    text: Maybe[str] = UNSET
    result: Maybe[str] = UNSET
    usage: Maybe[StreamUsage | None] = UNSET
    error: Maybe[str] = UNSET


class StreamResult(Struct):
    """All of the answer, behind any amount of white space."""

    result: str


class StreamError(Struct):
    """How this protocol says that it failed; if it was late, in place of the result."""

    error: str


class StreamRefused(Struct):
    """No key, or an unknown one."""

    message: str


class StreamMessage(Struct):
    """A piece of the answer: the event `message`."""

    id: str
    model: str
    provider: str | None
    delta: str
    finish_reason: str | None
    index: int


class StreamDone(Struct):
    """The end of a whole answer: the event `done`."""

    status: Literal["complete"]
    chunks: int
    usage: PromptUsage | None
    cost_usd: float | None


ASKING: dict[str, Json] = {
    "A prompt": {"model": MODEL, "prompt": ASKED},
    "A template": {
        "model": MODEL,
        "template_id": "friendly",
        "template_vars": {"audience": "a ten-year-old", "topic": "the Silk Road"},
    },
    "A message": {"message": ASKED, "chat_model_name": MODEL},
    "A message, answered line by line": {"message": ASKED, "chat_model_name": MODEL, "stream": True},
}

_CHAT = Operation(
    tag=CHAT.name,
    title="Prompt, template or message",
    text="Answer a prompt (a template filled in, a message). Which of the two protocols is meant, the body's "
    "fields say; a body of both or of neither is refused.",
    asks=(PromptRequest, MessageRequest),
    asked=ASKING,
    tells=(PromptAnswer, MessageAnswer),
    streams="application/x-ndjson",
    event=(MessageAnswer, MessageBroken),
    params=(
        Param("model", "The model of a prompt; it may stand in the body."),
        Param("ignore_cache", "Of a prompt: ask afresh, and refresh the recording.", bool),
    ),
    words="chat",
)

TAGS = (CHAT, STREAM)
OPERATIONS: Operations = {
    "POST /chat": _CHAT,
    "POST /chat/": replace(_CHAT, title="The same, as older clients write it"),
    "POST /stream": Operation(
        tag=STREAM.name,
        title="Stream an answer",
        text="Answer a prompt in events. With `Accept: application/json` the answer is one JSON value, kept "
        "alive by white space before it; a failure that comes after it began stands in it, with status 200.",
        asks=(StreamRequest,),
        asked={"A question": {"model": MODEL, "prompt": ASKED}},
        tells=(StreamResult, StreamError),
        streams="text/event-stream",
        event=(StreamEvent,),
        words="stream",
    ),
    "POST /v1/chat/stream": Operation(
        tag=STREAM.name,
        title="Stream an answer in named events",
        text="Answer a conversation in events: `message` for each piece, then `done`, or `error` instead. It "
        "always streams, whatever the body says of that.",
        asks=(ChatRequest,),
        asked={"A question": CHATS["A question"], "With instructions": CHATS["With instructions and limits"]},
        streams="text/event-stream",
        event=(StreamMessage, StreamDone, OpenAIError),
        words="gateway",
    ),
}
