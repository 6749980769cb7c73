"""The prompt surface: one prompt, or a template filled in, for one answer and what the gateway did for it.

WIRE
    POST /chat?model=M&ignore_cache=false     ``/chat/`` is the same; the body may say both instead
    in   {"prompt"}  |  {"template_id", "template_vars"}  |  {"prompt", "template"}
         and optionally {"system", "temperature", "max_tokens"}
    out  {"prompt_id", "model_used", "response_text", "latency_ms", "token_count", "from_cache",
          "fallback_used", "error_message", "provider", "usage", "cost_usd", "requested_model"}

The third form is the older one: the prompt fills ``{prompt}`` in the named template; a template without a
place for it is refused, since the prompt would be lost. Values of variables are text, or numbers and flags as
JSON writes them. Answers are recorded, unless the client or the operator says otherwise; ``ignore_cache``
asks afresh and refreshes the recording. What is unknown is null: never 0, never "".
"""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.core.events import Response
from dragoman.core.extras import Json, extras
from dragoman.core.failure import Failure, Kind, invalid, unsupported
from dragoman.core.request import Message, Request, Sampling, Text
from dragoman.dialects import Call, Desk, Door, Endpoint, Reply, StreamWriter, Surface, Tasks
from dragoman.dialects.border import uncounted
from dragoman.dialects.fields import Fields, encode
from dragoman.dialects.framing import SSE
from dragoman.dialects.surfaces.asked import either_flag, either_text, refuse_misspelt, turn, words
from dragoman.dialects.surfaces.refusal import write_refusal
from dragoman.dialects.surfaces.told import dollars, milliseconds, tokens, whole

NAME = "prompt"
OWN = ("prompt", "template_id", "template")
"""Fields by which a body is this surface's."""
THEIRS = ("message", "chat_model_name")
"""Fields by which a body is the message surface's, which has the same path."""
FIELDS = (
    *OWN,
    *("template_vars", "model", "ignore_cache", "system", "temperature", "max_tokens", "stream"),
)
FORMS = (
    "give prompt, or template_id and template_vars, with ?model=NAME; or give message and chat_model_name; "
    "not both. Conversations go to POST /v1/chat/completions"
)
NAMELESS = "model is required: give ?model=NAME, or model in the body; GET /models lists the names"
STREAMS = "answers are whole here; POST /stream and POST /v1/chat/stream are there to stream"


class PromptDoor:
    """One exchange of the prompt surface.

    Attributes:
        refresh: A recorded answer will not do; known once the request is read.
    """

    name = NAME
    framing = SSE  # nothing is streamed
    tasks = Tasks()
    recorded = True
    write_counted = staticmethod(uncounted)
    write_failure = staticmethod(write_refusal)

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.refresh = False

    def read_request(self, call: Call) -> Request:
        """Read a client's request, and fill in its template."""
        fields = Fields(call.body, strict=True)
        given = {name for name, value in fields.rest.items() if value is not None}
        refuse_misspelt(fields, FIELDS, elsewhere=call.query)
        if given.isdisjoint(OWN) or not given.isdisjoint(THEIRS):
            raise invalid(FORMS, "$")
        self.refresh = either_flag(call, fields, "ignore_cache")
        model = either_text(call, fields, "model")
        if not model:
            raise invalid(NAMELESS, "$.model")
        if fields.flag("stream"):
            raise unsupported(STREAMS, "$.stream")
        text, system = self._text(fields), fields.text("system")
        temperature = fields.number("temperature", least=0, most=2)
        limit = fields.integer("max_tokens", least=1)
        before = (Message("system", (Text(system),)),) if system else ()
        return Request(
            NAME,
            model,
            (*before, turn(text)),
            sampling=Sampling(temperature),
            max_output=limit,
            extras=extras(NAME, fields.rest),
        )

    def writer(self, request: Request) -> StreamWriter:  # noqa: ARG002  the protocol's signature
        """Refuse: this surface does not stream."""
        raise unsupported(STREAMS, "$.stream")

    def write_answer(self, response: Response, request: Request) -> Reply:
        """Write the answer, and what the gateway did for it."""
        facts = self._desk.facts()
        usage = response.usage or facts.usage
        text, losses = whole(NAME, response)
        body: dict[str, Json] = {
            "prompt_id": facts.id,
            "model_used": response.model or request.model,
            "response_text": text,
            "latency_ms": milliseconds(facts.latency_ms),
            "token_count": None if usage is None else usage.total,
            "from_cache": facts.cached,
            "fallback_used": facts.fallback,
            "error_message": facts.reason if facts.fallback else None,
            "provider": facts.provider or None,
            "usage": tokens(usage),
            "cost_usd": dollars(facts.cost_micros),
            "requested_model": request.model,
        }
        return Reply(200, body=body, losses=losses)

    def _text(self, fields: Fields) -> str:
        """Return what the model is to be told."""
        named = [name for name in ("template_id", "template") if fields.rest.get(name) is not None]
        if len(named) > 1:
            raise invalid("template_id and template name the same thing; give one of them", "$.template")
        values = _values(fields.object("template_vars"))
        if not named:
            if values:
                raise invalid("template_vars fill in a template; name it in template_id", "$.template_vars")
            return words(fields, "prompt")
        template = words(fields, named[0])
        prompt = fields.text("prompt")
        try:
            if prompt is None:
                return self._desk.fill(template, values)
            return self._framed(template, values, prompt)
        except Failure as failure:
            if failure.kind is Kind.NOT_FOUND:
                failure.at = fields.path(named[0])
            raise

    def _framed(self, template: str, values: Mapping[str, str], prompt: str) -> str:
        """Return `template` around `prompt`."""
        others = {name: value for name, value in values.items() if name != "prompt"}
        try:
            self._desk.fill(template, others)
        except Failure as failure:
            if failure.kind is not Kind.INVALID:
                raise
        else:
            # It lacks nothing without the prompt, so it has no place for it.
            raise invalid("this template has no {{prompt}} for the prompt to go to", "$.prompt")
        return self._desk.fill(template, {**others, "prompt": prompt})


def _values(given: Fields | None) -> dict[str, str]:
    """Return the variables that were given, as text; one that is null was not."""
    if given is None:
        return {}
    return {name: _value(name, value) for name, value in given.rest.items() if value is not None}


def _value(name: str, value: Json) -> str:
    match value:
        case str():
            return value
        case bool() | int() | float():
            return encode(value).decode()
        case _:
            at = f"$.template_vars.{name[:64]}"
            raise invalid("a variable is text, a number, or true or false", at)


class Prompt:
    """The prompt surface."""

    name = NAME
    endpoints: tuple[Endpoint, ...] = (
        Endpoint("POST", "/chat", "generate"),
        Endpoint("POST", "/chat/", "generate"),
    )
    write_failure = staticmethod(write_refusal)

    def door(self, call: Call, desk: Desk) -> Door:  # noqa: ARG002  the protocol's signature
        """Return the door for one exchange."""
        return PromptDoor(desk)


SURFACE: Surface = Prompt()
