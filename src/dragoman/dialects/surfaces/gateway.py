"""The gateway surface: OpenAI's Chat Completions with a provider of the client's choice, and named events.

WIRE
    POST /v1/chat/completions   OpenAI's body, and a top-level string ``provider`` that alone may answer
         a whole answer has ``provider`` and ``latency_ms`` beside OpenAI's fields; a stream is OpenAI's own
    POST /v1/chat/stream        the same body; always a stream, of named events:
         message  {"id", "model", "provider", "delta": text, "finish_reason", "index"}
         done     {"status": "complete", "chunks": n, "usage": {"prompt_tokens", "completion_tokens",
                  "total_tokens"}, "cost_usd"}
         error    {"error": {...OpenAI's error...}}, in place of ``done``

Everything here is OpenAI's codec, with little around it: this is the one module that wraps a dialect. Request
and answer stay at home in it, so nothing is lost toward a provider that speaks it as well.

* OpenRouter's clients have an *object* under ``provider``, and its answers a string of their own. The object
  goes where it went. The string stays, unless the client pinned a provider: then the name it gave is told.
* What a chunk's delta has beside content (``tool_calls``, ``reasoning``, ``refusal``) stands in the
  ``message`` under the same name; a chunk that says nothing is no message. ``chunks`` counts the messages.
"""

from __future__ import annotations

import msgspec

from dragoman.core.events import End, Event, Response, Start, Stop
from dragoman.core.extras import Json, Loss
from dragoman.core.failure import Failure, invalid, malformed
from dragoman.core.request import Request
from dragoman.dialects import Call, Desk, Door, Endpoint, Reply, StreamWriter, Surface
from dragoman.dialects.fields import decode, encode
from dragoman.dialects.framing import SSE, Frame
from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.openai_chat_parts import QUIET
from dragoman.dialects.openai_chat_stream import ENVELOPE, NOTHING
from dragoman.dialects.openai_failure import write_error
from dragoman.dialects.surfaces.told import dollars, milliseconds, tokens

NAME = "gateway"
HOME = DIALECT.name


class CompletionsDoor:
    """One exchange at OpenAI's own path, under the dialect's name: who speaks it is asked in it."""

    name = HOME
    framing = SSE
    tasks = DIALECT.tasks
    write_counted = staticmethod(DIALECT.write_counted)
    write_failure = staticmethod(DIALECT.write_failure)

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._pinned = False

    def read_request(self, call: Call) -> Request:
        """Read a client's request."""
        request = _read(call)
        self._pinned = request.provider is not None
        return request

    def write_answer(self, response: Response, request: Request) -> Reply:
        """Write OpenAI's answer, and who gave it and how long it took."""
        reply = DIALECT.write_answer(response, request)
        assert isinstance(reply.body, dict)
        facts = self._desk.facts()
        more = {"provider": facts.provider or None, "latency_ms": milliseconds(facts.latency_ms)}
        told = reply.body.get("provider")
        if told is not None and not self._pinned:
            del more["provider"]
        lost = (Loss("dropped", "answer.provider", "the name the client asked for stands there"),)
        losses = reply.losses + (lost if told not in (None, more.get("provider", told)) else ())
        return msgspec.structs.replace(reply, body={**reply.body, **more}, losses=losses)

    def writer(self, request: Request) -> StreamWriter:
        """Return a new writer of OpenAI's chunks."""
        return DIALECT.writer(request)


class EventsDoor:
    """One exchange at ``/v1/chat/stream``."""

    name = NAME
    framing = SSE
    tasks = DIALECT.tasks
    write_counted = staticmethod(DIALECT.write_counted)
    write_failure = staticmethod(DIALECT.write_failure)

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def read_request(self, call: Call) -> Request:
        """Read a client's request, which is for a stream whatever it says of that."""
        body = call.body
        if isinstance(body, dict) and isinstance(body.get("stream"), bool | None):
            call = msgspec.structs.replace(call, body={**body, "stream": True})
        return _read(call)

    def write_answer(self, response: Response, request: Request) -> Reply:
        """Write a whole answer as OpenAI's: nobody asks for one here."""
        return DIALECT.write_answer(response, request)

    def writer(self, request: Request) -> StreamWriter:
        """Return a new writer of named events."""
        return _Writer(request, self._desk)


def _read(call: Call) -> Request:
    """Read OpenAI's request, and take the pinned provider out of it."""
    body = call.body
    name = body.get("provider") if isinstance(body, dict) else None
    if not isinstance(name, str):
        return DIALECT.read_request(call)
    if not name.strip():
        raise invalid("provider must name one, or be left out", "$.provider")
    rest = {field: value for field, value in body.items() if field != "provider"}
    request = DIALECT.read_request(msgspec.structs.replace(call, body=rest))
    return msgspec.structs.replace(request, provider=name)


class _Writer:
    """Writes one stream of named events: each of OpenAI's chunks, told otherwise."""

    def __init__(self, request: Request, desk: Desk) -> None:
        # Usage is told at the end whether the client asked for it or not.
        self._inner = DIALECT.writer(msgspec.structs.replace(request, stream_usage=False))
        self.losses: list[Loss] = self._inner.losses
        self._desk = desk
        self._provider: str | None = None
        self._chunks = 0
        self._broken: Stop | None = None

    def feed(self, event: Event) -> list[Frame]:
        if isinstance(event, Start):
            self._provider = self._desk.facts().provider or None
        elif isinstance(event, Stop) and event.reason == "error":
            self._broken = event
        frames = [
            told
            for frame in self._inner.feed(event)
            if frame.data != b"[DONE]"
            for told in self._messages(decode(frame.data))
        ]
        return [*frames, *self._end(event)] if isinstance(event, End) else frames

    def fail(self, failure: Failure) -> list[Frame]:
        """Return the event that says what went wrong."""
        return [Frame(encode(write_error(failure, HOME)), "error")]

    def keepalive(self) -> bytes:
        """Return a comment."""
        return self._inner.keepalive()

    def _messages(self, chunk: dict[str, Json]) -> list[Frame]:
        """Return the messages of a chunk: one for each choice that says something."""
        for name in chunk.keys() - ENVELOPE - QUIET:
            loss = Loss("dropped", f"answer.{name}", "a message has no room for it")
            if loss not in self.losses:
                self.losses.append(loss)
        frames = []
        for choice in chunk["choices"]:
            rest = {**choice.pop("delta"), **choice}
            text = rest.pop("content", None)
            index, finish = rest.pop("index"), rest.pop("finish_reason")
            more = {name: value for name, value in rest.items() if name != "role" and value not in NOTHING}
            if isinstance(text, list):  # parts of a kind that has no name of its own
                more, text = {**more, "content": text}, None
            if not text and not more and finish is None:
                continue
            body = {
                "id": chunk["id"],
                "model": chunk["model"],
                "provider": self._provider,
                "delta": text or "",
                "finish_reason": finish,
                "index": index,
            }
            frames.append(Frame(encode({**body, **more, **body}), "message"))
        self._chunks += len(frames)
        return frames

    def _end(self, event: End) -> list[Frame]:
        if self._broken is not None:
            told = self._broken.native or self._broken.reason
            return self.fail(malformed(f"the provider stopped with an error ({told})"))
        facts = self._desk.facts()
        body = {
            "status": "complete",
            "chunks": self._chunks,
            "usage": tokens(event.usage or facts.usage),
            "cost_usd": dollars(facts.cost_micros),
        }
        return [Frame(encode(body), "done")]


class Completions:
    """OpenAI's own path, with what the gateway adds to it."""

    name = HOME
    endpoints: tuple[Endpoint, ...] = (Endpoint("POST", "/v1/chat/completions", "generate"),)
    write_failure = staticmethod(DIALECT.write_failure)

    def door(self, call: Call, desk: Desk) -> Door:  # noqa: ARG002  the protocol's signature
        """Return the door for one exchange."""
        return CompletionsDoor(desk)


class Events:
    """The path of named events."""

    name = NAME
    endpoints: tuple[Endpoint, ...] = (Endpoint("POST", "/v1/chat/stream", "generate"),)
    write_failure = staticmethod(DIALECT.write_failure)

    def door(self, call: Call, desk: Desk) -> Door:  # noqa: ARG002  the protocol's signature
        """Return the door for one exchange."""
        return EventsDoor(desk)


SURFACES: tuple[Surface, ...] = (Completions(), Events())
