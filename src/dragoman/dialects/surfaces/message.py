"""The message surface: one message in, its answer's text out, whole or line by line.

WIRE
    POST /chat/                            ``/chat`` is the same
    in   {"message", "chat_model_name": "openai" | "anthropic" | "cohere" | any model, "stream"?: bool}
    out  {"response": text}                or, streamed, ``application/x-ndjson``: {"response": piece} a line
    a failure in a stream                  {"error": {"message", "type", "code", "at"}}, as its last line

Lines have no terminator: a stream is complete when it ends without an error and the connection says so. While
nothing comes, an empty piece keeps the connection alive; a blank line would break whoever parses each line.
"""

from __future__ import annotations

from dragoman.core.events import Event, Response
from dragoman.core.extras import Loss, extras
from dragoman.core.failure import Failure
from dragoman.core.request import Request
from dragoman.dialects import Call, Desk, Door, Endpoint, Reply, StreamWriter, Surface, Tasks
from dragoman.dialects.border import uncounted
from dragoman.dialects.fields import Fields, encode
from dragoman.dialects.framing import NDJSON, Frame
from dragoman.dialects.surfaces.asked import refuse_misspelt, turn, words
from dragoman.dialects.surfaces.refusal import described, write_refusal
from dragoman.dialects.surfaces.told import Words, whole

NAME = "message"
OWN = ("message", "chat_model_name")
"""Fields by which a body is this surface's."""
FIELDS = (*OWN, "stream")


class MessageDoor:
    """One exchange of the message surface."""

    name = NAME
    framing = NDJSON
    tasks = Tasks()
    write_counted = staticmethod(uncounted)
    write_failure = staticmethod(write_refusal)

    def read_request(self, call: Call) -> Request:
        """Read a client's request."""
        fields = Fields(call.body, strict=True)
        refuse_misspelt(fields, FIELDS)
        text, model = words(fields, "message"), words(fields, "chat_model_name")
        stream = fields.flag("stream") is True
        return Request(NAME, model, (turn(text),), stream=stream, extras=extras(NAME, fields.rest))

    def write_answer(self, response: Response, request: Request) -> Reply:  # noqa: ARG002  the protocol's
        """Write the answer's text."""
        text, losses = whole(NAME, response)
        return Reply(200, body={"response": text}, losses=losses)

    def writer(self, request: Request) -> StreamWriter:  # noqa: ARG002  the protocol's signature
        """Return a new writer."""
        return _Writer()


class _Writer:
    """Writes one stream: a line for each piece of text."""

    def __init__(self) -> None:
        self._words = Words(NAME)
        self.losses: list[Loss] = self._words.losses

    def feed(self, event: Event) -> list[Frame]:
        try:
            piece = self._words.feed(event)
        except Failure as failure:
            return self.fail(failure)
        return [_line(piece)] if piece else []

    def fail(self, failure: Failure) -> list[Frame]:
        """Return the line that says what went wrong."""
        return [Frame(encode({"error": described(failure)}))]

    def keepalive(self) -> bytes:
        """Return a piece without words."""
        return NDJSON.encode(_line(""))


def _line(piece: str) -> Frame:
    return Frame(encode({"response": piece}))


class MessageSurface:
    """The message surface."""

    name = NAME
    endpoints: tuple[Endpoint, ...] = (
        Endpoint("POST", "/chat/", "generate"),
        Endpoint("POST", "/chat", "generate"),
    )
    write_failure = staticmethod(write_refusal)

    def door(self, call: Call, desk: Desk) -> Door:  # noqa: ARG002  the protocol's signature
        """Return the door for one exchange."""
        return MessageDoor()


SURFACE: Surface = MessageSurface()
