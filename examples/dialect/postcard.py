"""Postcard: a dialect in one module, to show how one is written.

WIRE (an invented protocol; a real module names the vendor's pages here, and the day they were read)
    POST /postcard/write  {"to": model, "voice"?: text, "text": text, "limit"?: tokens, "stream"?: bool}
    200                   {"id", "from": model, "text", "end": "done" | "limit", "words": {"read", "written"}}
    stream                one JSON object a line: {"id", "from"}  {"text"}*  {"end", "words"}
    failure               {"wrong": text, "where"?: path}, the same as a line in a stream

A postcard holds one turn of text: history, media and tools are refused, since the model would not see them;
what only guides the model is dropped and declared.
"""

from __future__ import annotations

import msgspec

from dragoman.core.events import (
    Append,
    Choice,
    Close,
    End,
    Event,
    Open,
    Reason,
    Response,
    Start,
    Stop,
    fold,
    unfold,
)
from dragoman.core.extras import Json, extras
from dragoman.core.failure import Failure, malformed, truncated, unsupported
from dragoman.core.request import Message, Request, Text, plain_text
from dragoman.core.usage import Usage
from dragoman.dialects import Amend, Call, Dialect, Endpoint, Reply, Tasks
from dragoman.dialects.border import Crossing, delay_s, judged, uncountable, uncounted
from dragoman.dialects.fields import Fields, decode, encode
from dragoman.dialects.figures import count
from dragoman.dialects.framing import NDJSON, Frame

NAME = "postcard"
ENDS: dict[str, Reason] = {"done": "end", "limit": "length"}
GUIDES = ("reasoning", "user", "tier", "stop", "parallel_tools")
"""What only guides a model, and has no field here."""

# --- REQUEST IN ---------------------------------------------------------------------------------------


def _read_request(call: Call) -> Request:
    """Read what a client wrote; whatever is wrong with it is named by its path."""
    fields = Fields(call.body, strict=True)
    model, text = fields.need_text("to"), fields.need_text("text")
    voice, limit = fields.words("voice"), fields.integer("limit", least=1)
    stream = fields.flag("stream")
    spoken = (Message("system", (Text(voice),)),) if voice is not None else ()
    return Request(
        NAME,
        model,
        (*spoken, Message("user", (Text(text),))),
        max_output=limit,
        stream=stream is True,
        # Nobody took the rest: it goes home with the request, and is declared lost anywhere else.
        extras=extras(NAME, fields.rest, ["stream"] if stream is not None else []),
    )


# --- REQUEST OUT --------------------------------------------------------------------------------------


def _write_request(request: Request) -> Call:
    """Write a request for a provider that speaks Postcard, whoever asked it in whatever dialect."""
    out = Crossing(NAME, home=request.dialect == NAME)
    own = out.own(request.extras, "")
    if request.tools:
        raise unsupported("a postcard holds no tools", "$.tools")
    if request.format is not None and request.format.kind != "text":
        raise unsupported("a postcard has no other form than text", "$.format")
    if (request.candidates or 1) > 1:
        raise unsupported("a postcard has one answer", "$.candidates")
    _declare(request, out)
    body: dict[str, Json] = {**own.rest, "to": request.model, **_write_text(request, out)}
    if request.max_output is not None:
        body["limit"] = request.max_output
    if "stream" in own.form or request.stream:
        body["stream"] = request.stream
    return Call("POST", "/write", body=body, losses=tuple(out.losses))


def _declare(request: Request, out: Crossing) -> None:
    """Name what has no field here."""
    for name in GUIDES:
        if getattr(request, name):
            out.lose("dropped", name, "a postcard has no such field")
    for name, value in msgspec.structs.asdict(request.sampling).items():
        if value is not None:
            out.lose("dropped", name, "a postcard has no such field")


def _write_text(request: Request, out: Crossing) -> dict[str, Json]:
    """Return the voice and the text."""
    told: dict[str, list[str]] = {"system": [], "user": []}
    for place, message in enumerate(request.messages):
        if message.role == "assistant" or (message.role == "user" and told["user"]):
            raise unsupported("a postcard holds one turn", f"$.messages[{place}]")
        if not all(isinstance(part, Text) for part in message.parts):
            raise unsupported("a postcard holds text only", f"$.messages[{place}]")
        out.own(message.extras, f"messages[{place}]")
        told[message.role].append(plain_text(message.parts))
    voice = {"voice": "\n\n".join(told["system"])} if told["system"] else {}
    return {**voice, "text": "".join(told["user"])}


# --- ANSWER IN ----------------------------------------------------------------------------------------


def _read_answer(reply: Reply) -> Response:
    """Read a whole answer, leniently: as a stream of all it says."""
    if not isinstance(reply.body, dict):
        raise malformed("the provider's answer is not an object")
    reader = _Reader()
    return fold([*reader.read(reply.body), *reader.close()])


class _Reader:
    """Reads one stream: one part of text, opened by the first line."""

    def __init__(self, amend: Amend | None = None) -> None:
        self._amend = amend
        self._begun = self._done = False

    def feed(self, frame: Frame) -> list[Event]:
        try:
            value = decode(frame.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise malformed("the provider sent a line that is not JSON") from None
        value = value if self._amend is None else self._amend(value)
        return self.read(value) if isinstance(value, dict) and not self._done else []

    def read(self, value: dict[str, Json]) -> list[Event]:
        """Return the events of one object."""
        if "wrong" in value:
            raise _read_failure(Reply(200, body=value))
        fields = Fields(value)
        id_, model, text = fields.text("id"), fields.text("from"), fields.text("text")
        end, words = fields.one_of("end", ENDS), fields.object("words")
        events: list[Event] = []
        if not self._begun:
            self._begun = True
            events += [Start(id_ or "", model or "", extras=extras(NAME, fields.rest)), Open(0, Text(""))]
        if text:
            events.append(Append(0, text))
        if end is not None:
            self._done = True
            told = words.rest if words is not None else {}
            usage = Usage(count(told.get("read")), output=count(told.get("written"))) if told else None
            events += [Close(0), Stop(ENDS[end], native=end), End(usage)]
        return events

    def close(self) -> list[Event]:
        """Say that nothing is left; an answer without an end was cut off."""
        if not self._done:
            raise truncated()
        return []


# --- ANSWER OUT ---------------------------------------------------------------------------------------


def _write_answer(response: Response, request: Request) -> Reply:
    """Write a whole answer: all that its stream would say, in one object."""
    writer, body = _Writer(request), dict[str, Json]()
    first = response.choices[:1] or (Choice((), Stop("end")),)
    for event in unfold(msgspec.structs.replace(response, choices=first)):
        for line in writer.lines(event):
            text = body.get("text", "") + line.pop("text", "")
            body |= {**line, "text": text}
    return Reply(200, body=body, losses=tuple(writer.losses))


class _Writer:
    """Writes one stream: who answers, then the text, then the end."""

    def __init__(self, request: Request) -> None:
        self._out = Crossing(NAME)
        self.losses = self._out.losses
        self._model = request.model
        self._silent: set[int] = set()
        self._stop = Stop("end")

    def feed(self, event: Event) -> list[Frame]:
        try:
            return [Frame(encode(line)) for line in self.lines(event)]
        except Failure as failure:
            return self.fail(failure)

    def lines(self, event: Event) -> list[dict[str, Json]]:
        """Return the objects that tell `event`."""
        match event:
            case Start():
                own = self._out.own(event.extras, "answer")
                return [{"id": event.id, "from": event.model or self._model, **own.rest}]
            case Open(index, part, choice):
                if choice == 0 and isinstance(part, Text):
                    return [{"text": part.text}] if part.text else []
                self._silent.add(index)
                self._out.lose("dropped", f"answer.parts[{index}]", "a postcard has one text")
            case Append(index, text):
                return [{"text": text}] if text and index not in self._silent else []
            case Stop():
                self._stop = event if event.choice == 0 else self._stop
            case End(usage):
                return [{"end": self._end(), **_write_words(usage)}]
        return []

    def _end(self) -> str:
        reason = self._stop.reason
        if reason in ("error", "bad_tool_call"):
            raise malformed(f"the provider stopped with an error ({self._stop.native or reason})")
        if reason not in ENDS.values():
            self._out.lose("approximated", "answer.stop", "done and limit only")
        return "limit" if reason in ("length", "context") else "done"

    def fail(self, failure: Failure) -> list[Frame]:
        """Return the line on which a client raises."""
        return [Frame(encode(_write_failure(failure).body))]

    def keepalive(self) -> bytes:
        """Return a line that says nothing."""
        return b'{"text":""}\n'


def _write_words(usage: Usage | None) -> dict[str, Json]:
    if usage is None:
        return {}
    return {"words": {"read": usage.total_input, "written": usage.total_output}}


# --- FAILURE ------------------------------------------------------------------------------------------


def _read_failure(reply: Reply) -> Failure:
    """Read a provider's error; its status says whose fault it is."""
    body = reply.body if isinstance(reply.body, dict) else {}
    status = reply.status if reply.status >= 400 else 500
    kind, source, retry = judged(status)
    told = body.get("wrong")
    message = told if isinstance(told, str) and told else f"the provider answered {reply.status}"
    wait = delay_s(reply.headers)
    return Failure(kind, message, source=source, retry=retry, status=status, retry_after_s=wait)


def _write_failure(failure: Failure) -> Reply:
    """Write a failure as a client of Postcard expects it."""
    where = {"where": failure.at} if failure.at else {}
    wait = {} if failure.retry_after_s is None else {"retry-after": f"{failure.retry_after_s:.0f}"}
    return Reply(failure.http_status, wait, {"wrong": failure.message, **where})


class Postcard:
    """The codec: the sections above, under the names of the Dialect protocol."""

    name = NAME
    root = "/postcard"
    endpoints: tuple[Endpoint, ...] = (Endpoint("POST", "/postcard/write", "generate"),)
    framing = NDJSON
    tasks = Tasks()
    read_request = staticmethod(_read_request)
    write_request = staticmethod(_write_request)
    write_count = staticmethod(uncountable)
    read_count = staticmethod(uncounted)
    write_counted = staticmethod(uncounted)
    read_answer = staticmethod(_read_answer)
    write_answer = staticmethod(_write_answer)
    reader = staticmethod(_Reader)
    writer = staticmethod(_Writer)
    read_failure = staticmethod(_read_failure)
    write_failure = staticmethod(_write_failure)


DIALECT: Dialect = Postcard()
