"""How an operation fails: what each status means, the shape whoever tells it gives it, and an example.

The examples are not written here: the dialect or the surface that tells a failure writes them, with the same
function that tells a real one. Beside their names there are two more whose words an operation may use:

    model list    the vendor's of whoever asks, at a path several share
    not ready     no refusal, but what is missing
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from dragoman.core.extras import Json
from dragoman.core.failure import Failure, Kind, Source, invalid
from dragoman.dialects import Reply
from dragoman.server.openapi.anthropic import AnthropicError
from dragoman.server.openapi.cohere import CohereError
from dragoman.server.openapi.gemini import GeminiError
from dragoman.server.openapi.ollama import OllamaError
from dragoman.server.openapi.openai import OpenAIError
from dragoman.server.openapi.pages import NotReady
from dragoman.server.openapi.surfaces import DragomanError, StreamError, StreamRefused

Writer = Callable[[Failure], Reply]
"""Writes a failure in the words of a dialect or a surface."""

SHAPES: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "openai_chat": (OpenAIError,),
        "openai_responses": (OpenAIError,),
        "gateway": (OpenAIError,),
        "anthropic": (AnthropicError,),
        "gemini": (GeminiError,),
        "cohere": (CohereError,),
        "ollama": (OllamaError,),
        "chat": (DragomanError,),
        "stream": (StreamError,),
        "model list": (OpenAIError, AnthropicError, GeminiError, CohereError),
        "not ready": (NotReady,),
    }
)
"""By whose words they are. A dialect from outside is not in it: its errors are any object."""

MEANINGS: Mapping[int, str] = MappingProxyType(
    {
        400: "The request is at fault; the error names the field.",
        401: "There is no key, or it is unknown.",
        402: "A budget is used up, or this request would cost more than it says it may.",
        403: "This key may not; or, without keys, something other than a program on this machine asked.",
        404: "No such thing: a model nobody ready offers, a template, a kept answer.",
        409: "It conflicts with something that is going on, here or at the provider.",
        413: "The body is larger than the operator allows, or the provider.",
        429: "Too many requests, here or at the provider; `retry-after` says when to come back.",
        502: "The provider failed, cut its answer off, or refused the gateway's account.",
        503: "The provider is overloaded, or the gateway cannot book requests now.",
        504: "The provider, or the sender of this request, took too long.",
        529: "The provider is overloaded.",
    }
)


def shapes(words: str, status: int) -> tuple[Any, ...]:
    """Return what an error of this status may look like."""
    if words == "stream" and status == 401:
        return (StreamRefused,)
    return SHAPES.get(words, (dict[str, Any],))


def sample(status: int) -> Failure:
    """Return a failure a client could be told with this status."""
    match status:
        case 400:
            return invalid("model is required", "$.model")
        case 401:
            message = "an API key is required: send Authorization: Bearer KEY"
            return Failure(Kind.UNAUTHENTICATED, message, source=Source.CLIENT, code="missing_api_key")
        case 402:
            message = "the budget 'team' is used up; it begins anew at 2026-12-01T00:00:00Z"
            return Failure(Kind.EXHAUSTED, message, source=Source.CLIENT, code="budget_exhausted")
        case 403:
            message = "refused without a key: the Origin header names another site"
            return Failure(Kind.FORBIDDEN, message, source=Source.CLIENT, code="loopback_only")
        case 404:
            return Failure(Kind.NOT_FOUND, "there is none by this name", source=Source.CLIENT)
        case 409:
            return Failure(Kind.CONFLICT, "the provider is busy with just that", source=Source.UPSTREAM)
        case 413:
            message = "the request body is larger than 33554432 bytes"
            return Failure(Kind.TOO_LARGE, message, source=Source.CLIENT, code="request_too_large")
        case 429:
            message = "too many requests"
            return Failure(Kind.RATE_LIMITED, message, source=Source.UPSTREAM, retry_after_s=20)
        case 503:
            return Failure(Kind.UNAVAILABLE, "the store cannot be written to", code="store_unavailable")
        case 504:
            return Failure(Kind.TIMEOUT, "the provider did not answer in time", source=Source.UPSTREAM)
        case 529:
            return Failure(Kind.OVERLOADED, "the provider is overloaded", source=Source.UPSTREAM)
        case _:
            return Failure(Kind.UPSTREAM, "the provider answered with status 500", source=Source.UPSTREAM)


def example(words: str, status: int, writers: Mapping[str, Writer]) -> Json:
    """Return the body of an error, as it would be told."""
    if words == "not ready":
        return {"status": "not ready", "missing": ["the gateway is starting"]}
    write = writers.get(words) or writers["openai_chat"]
    return write(sample(status)).body
