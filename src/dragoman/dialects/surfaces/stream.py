"""The stream surface: one prompt, and its answer kept alive until it is there.

WIRE
    POST /stream  {"model", "prompt"}       ``Authorization: Bearer TOKEN``
    out   text/event-stream, data only:
              {"type":"delta","text"}*  {"type":"done","result": full text,"usage":{"input","output"}}
              {"type":"error","error": message}, in place of ``done``
          or, with ``Accept: application/json``, one JSON value behind any amount of white space:
              {"result": full text}         {"error": message}, where something fails after it began
    before it began   400, 404, 429, 5xx {"error": message}         401 {"message": message}

Both are streams to the gateway: the whole value is held back until it is complete, and white space before it,
which JSON allows, keeps proxies from giving up. Both may begin before the provider has said anything
(``early``); a failure is then told in the stream, since its status has left.
"""

from __future__ import annotations

from dragoman.core.events import End, Event, Response
from dragoman.core.extras import Json, Loss, extras
from dragoman.core.failure import Failure, Kind
from dragoman.core.request import Request
from dragoman.core.usage import Usage
from dragoman.dialects import Call, Desk, Door, Endpoint, Reply, StreamWriter, Surface, Tasks
from dragoman.dialects.border import uncounted
from dragoman.dialects.fields import Fields, encode
from dragoman.dialects.framing import MAX_FRAME, SSE, Decoder, Frame, Framing, JsonArrayDecoder
from dragoman.dialects.surfaces.asked import refuse_misspelt, turn, words
from dragoman.dialects.surfaces.refusal import delay
from dragoman.dialects.surfaces.told import Words, whole

NAME = "stream"
FIELDS = ("model", "prompt")
SPACE = b" \n"
"""White space; the line's end makes whoever reads by lines look."""


def prefers_json(accept: str) -> bool:
    """Say whether an Accept header wants one JSON value rather than events.

    The more wanted type wins (RFC 9110, 12.5.1); of two equally wanted ones that which is named, and
    events if nothing tells them apart.
    """
    return _wanted(accept, "application/json") > _wanted(accept, "text/event-stream")


def _wanted(accept: str, kind: str) -> tuple[float, int]:
    """Return how much `accept` wants a media type, and how exactly it says so."""
    best = (0, 0.0)  # the most exact range decides
    ranges = ("*/*", f"{kind.partition('/')[0]}/*", kind)
    for item in accept.split(","):
        media, *parameters = (piece.strip().lower() for piece in item.split(";"))
        if media in ranges:
            best = max(best, (1 + ranges.index(media), _quality(parameters)))
    exactness, quality = best
    return quality, exactness if quality else 0


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def _write_failure(failure: Failure) -> Reply:
    name = "message" if failure.kind is Kind.UNAUTHENTICATED else "error"
    return Reply(failure.http_status, delay(failure), {name: failure.message})


class StreamDoor:
    """One exchange of the stream surface."""

    name = NAME
    framing = SSE
    tasks = Tasks()
    early = True
    write_counted = staticmethod(uncounted)
    write_failure = staticmethod(_write_failure)

    def __init__(self, desk: Desk, *, as_json: bool) -> None:
        self._desk = desk
        self._as_json = as_json

    def read_request(self, call: Call) -> Request:
        """Read a client's request; to the gateway it is always for a stream."""
        fields = Fields(call.body, strict=True)
        refuse_misspelt(fields, FIELDS)
        text, model = words(fields, "prompt"), words(fields, "model")
        return Request(NAME, model, (turn(text),), stream=True, extras=extras(NAME, fields.rest))

    def write_answer(self, response: Response, request: Request) -> Reply:  # noqa: ARG002  the protocol's
        """Write the whole answer, as its JSON form has it."""
        text, losses = whole(NAME, response)
        return Reply(200, body={"result": text}, losses=losses)

    def writer(self, request: Request) -> StreamWriter:  # noqa: ARG002  the protocol's signature
        """Return a new writer, of events or of one value."""
        return _Value() if self._as_json else _Events(self._desk)


class _Events:
    """Writes one stream of events."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._words = Words(NAME)
        self._pieces: list[str] = []
        self.losses: list[Loss] = self._words.losses

    def feed(self, event: Event) -> list[Frame]:
        try:
            piece = self._words.feed(event)
        except Failure as failure:
            return self.fail(failure)
        frames = [_frame({"type": "delta", "text": piece})] if piece else []
        self._pieces += [piece] if piece else []
        if isinstance(event, End):
            usage = _figures(self._words.usage or self._desk.facts().usage)
            frames.append(_frame({"type": "done", "result": "".join(self._pieces), "usage": usage}))
        return frames

    def fail(self, failure: Failure) -> list[Frame]:
        """Return the event that says what went wrong."""
        return [_frame({"type": "error", "error": failure.message})]

    def keepalive(self) -> bytes:
        """Return a comment."""
        return b": ka\n\n"


class _Value:
    """Writes one JSON value, when it is complete."""

    def __init__(self) -> None:
        self._words = Words(NAME)
        self._pieces: list[str] = []
        self.losses: list[Loss] = self._words.losses
        self.framing: Framing = _Whole()

    def feed(self, event: Event) -> list[Frame]:
        try:
            self._pieces.append(self._words.feed(event))
        except Failure as failure:
            return self.fail(failure)
        return [_frame({"result": "".join(self._pieces)})] if isinstance(event, End) else []

    def fail(self, failure: Failure) -> list[Frame]:
        """Return the value that says what went wrong."""
        return [_frame({"error": failure.message})]

    def keepalive(self) -> bytes:
        """Return white space, which may stand before a JSON value (RFC 8259, 2)."""
        return SPACE


class _Whole:
    """One JSON value as a stream's only frame."""

    content_type = "application/json"

    def decoder(self, *, max_frame: int = MAX_FRAME) -> Decoder:
        return JsonArrayDecoder(max_frame)

    def encode(self, frame: Frame) -> bytes:
        return frame.data


def _figures(usage: Usage | None) -> dict[str, Json] | None:
    return None if usage is None else {"input": usage.total_input, "output": usage.total_output}


def _frame(body: dict[str, Json]) -> Frame:
    return Frame(encode(body))


class Stream:
    """The stream surface."""

    name = NAME
    endpoints: tuple[Endpoint, ...] = (Endpoint("POST", "/stream", "generate"),)
    write_failure = staticmethod(_write_failure)

    def door(self, call: Call, desk: Desk) -> Door:
        """Return the door for one exchange; the Accept header says which form it answers in."""
        return StreamDoor(desk, as_json=prefers_json(call.headers.get("accept", "")))


SURFACE: Surface = Stream()
