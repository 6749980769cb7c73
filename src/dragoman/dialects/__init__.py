"""Wire protocols, sans-io: each is one module, used on the client side AND the provider side.

A dialect works on :class:`Call` and :class:`Reply`, not on bare JSON, because some protocols keep the
model in the URL and the version in a header. It is pure: bytes, sockets and clocks are elsewhere. Each
module has six sections in this order: WIRE (docstring: vendor pages and the date they were read),
REQUEST IN, REQUEST OUT, ANSWER IN, ANSWER OUT, FAILURE; it ends in ``DIALECT = ...``.

Two tempers in one codec: ``read_request`` is strict (a client gets a 400 with the JSON path),
``read_answer`` and ``reader`` are lenient (a provider's unknown field is kept, an unknown event is an
Opaque part, a wrong type is left where it was).

Losses: whatever a crossing drops or approximates is declared on the Call, the Reply or the writer that
dropped it. A codec that cannot carry what the model would *see* or the *shape* of the answer refuses
with ``unsupported()`` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from dragoman.core.events import Event, Response
from dragoman.core.extras import Json, Loss
from dragoman.core.failure import Failure
from dragoman.core.request import Request
from dragoman.core.tasks import Embed, Embedded, Ranked, Rerank
from dragoman.core.usage import Usage
from dragoman.dialects.framing import Frame, Framing

Task = Literal["generate", "count", "embed", "rerank", "relay"]
"""What is asked for: an answer, the number of input tokens, vectors, an order of documents, or a passage."""

Amend = Callable[[Json], Json]
"""A provider's quirk: rewrites one JSON body or stream chunk into what its dialect says."""


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """One HTTP request. Header names are lower case; ``body`` is decoded JSON, or None.

    On the provider side ``path`` is relative to the provider's base URL, which ends in the version
    (``https://api.openai.com/v1`` + ``/chat/completions``), and headers are only those that belong to
    the protocol: authentication is added later.
    """

    method: str
    path: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: Json = None
    losses: tuple[Loss, ...] = ()


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """One HTTP answer. A body that is not JSON is a str, cut to a few hundred characters."""

    status: int
    headers: Mapping[str, str] = {}
    body: Json = None
    losses: tuple[Loss, ...] = ()


class Endpoint(msgspec.Struct, frozen=True):
    """Where a dialect is served.

    ``path`` is the public one, version included; ``{model}`` in it stands for any model name.
    """

    method: str
    path: str
    task: Task


class StreamReader(Protocol):
    """Turns the frames of one provider's stream into events; one per stream."""

    def feed(self, frame: Frame) -> list[Event]:
        """Return the events `frame` completes; raise Failure for an error frame."""

    def close(self) -> list[Event]:
        """Return what is left at end of stream; raise ``truncated()`` if the terminator never came."""


class StreamWriter(Protocol):
    """Turns events into the frames one client reads; one per stream."""

    losses: list[Loss]

    def feed(self, event: Event) -> list[Frame]:
        """Return the frames that tell `event`. The frames of End include the terminator."""

    def fail(self, failure: Failure) -> list[Frame]:
        """Return the frames that end a begun stream as an error no SDK takes for success."""

    def keepalive(self) -> bytes:
        """Return bytes this dialect's own SDK survives and ignores while nothing else is sent."""


def framing_of(door: Door, writer: StreamWriter) -> Framing:
    """Return how the frames of `writer` reach its client: in its own framing if it has one."""
    own: Framing | None = getattr(writer, "framing", None)
    return own or door.framing


Asked = TypeVar("Asked", Embed, Rerank)
Told = TypeVar("Told", Embedded, Ranked)


class TaskCodec(Protocol[Asked, Told]):
    """One task that is answered at once and whole, both directions; the tempers are a dialect's."""

    def read_request(self, call: Call) -> Asked:
        """Read a client's request, strictly; raise ``invalid()`` with the JSON path of a fault."""

    def write_request(self, request: Asked) -> Call:
        """Write a request for a provider; declare losses, refuse what cannot be said honestly."""

    def read_answer(self, reply: Reply, request: Asked) -> Told:
        """Read a provider's 200 answer to `request`, leniently; raise Failure for an error in disguise."""

    def write_answer(self, answer: Told, request: Asked) -> Reply:
        """Write the answer for the client that asked `request`."""


class Tasks(msgspec.Struct, frozen=True):
    """The tasks beside generation a dialect has words for."""

    embed: TaskCodec[Embed, Embedded] | None = None
    rerank: TaskCodec[Rerank, Ranked] | None = None

    def codec(self, task: Task) -> TaskCodec[Any, Any] | None:
        """Return who reads and writes `task`; None: it is not one of these, or there are no words for it."""
        found: TaskCodec[Any, Any] | None = getattr(self, task, None)
        return found


class Door(Protocol):
    """The client's side of a wire protocol: what the line asks of it."""

    name: str
    framing: Framing
    tasks: Tasks

    def read_request(self, call: Call) -> Request:
        """Read a client's request, strictly; raise ``invalid()`` with the JSON path of a fault."""

    def write_counted(self, tokens: int) -> Reply:
        """Write the answer to a client's token-count request."""

    def write_answer(self, response: Response, request: Request) -> Reply:
        """Write a unary answer for the client that asked `request`."""

    def writer(self, request: Request) -> StreamWriter:
        """Return a new writer for the client that asked `request`."""

    def write_failure(self, failure: Failure) -> Reply:
        """Write a failure the way this dialect's SDKs map to their exception classes."""


class Dialect(Door, Protocol):
    """A wire protocol, both directions."""

    root: str
    """What base URLs of its providers end in, as the vendor has it: ``/v1``."""
    endpoints: tuple[Endpoint, ...]

    def write_request(self, request: Request) -> Call:
        """Write a request for a provider; declare losses, refuse what cannot be said honestly."""

    def write_count(self, request: Request) -> Call | None:
        """Write a token-count request, or return None where the protocol has none."""

    def read_count(self, reply: Reply) -> int:
        """Read the answer to :meth:`write_count`."""

    def read_answer(self, reply: Reply) -> Response:
        """Read a provider's unary 200 answer, leniently; raise Failure for an error in disguise."""

    def reader(self, amend: Amend | None = None) -> StreamReader:
        """Return a new reader; `amend` is applied to each chunk's JSON first."""

    def read_failure(self, reply: Reply) -> Failure:
        """Read a provider's non-2xx answer: kind, retry, code, delay."""


class Facts(msgspec.Struct, frozen=True):
    """What the gateway knows of an exchange while it answers.

    Attributes:
        id: The exchange's own id, which ratings name.
        provider: Who answers; "" while nobody does.
        latency_ms: Milliseconds since the request came.
        cost_micros: What it has cost so far; None: nobody knows.
        cached: It is answered from a recording.
        fallback: Another model answers than the one asked for, `reason` says why.
        usage: Tokens as they will be booked, for answers that tell none; None: nobody counted.
    """

    id: str
    provider: str = ""
    latency_ms: float = 0.0
    cost_micros: int | None = None
    cached: bool = False
    fallback: bool = False
    reason: str = ""
    usage: Usage | None = None


class Desk(Protocol):
    """What a surface may ask the gateway about the exchange it serves."""

    def facts(self) -> Facts:
        """Return what is known now."""

    def fill(self, template: str, values: Mapping[str, str]) -> str:
        """Return the text of a template with its variables filled in.

        Raises:
            Failure: NOT_FOUND, no template has this id; INVALID, naming every variable that is missing.
        """


class Surface(Protocol):
    """A simpler protocol that only clients speak; its answers also tell what the gateway did.

    A dialect is pure of its exchange; a surface is not, so it makes a door for each.
    """

    name: str
    endpoints: tuple[Endpoint, ...]

    def door(self, call: Call, desk: Desk) -> Door:
        """Return the door for one exchange."""

    def write_failure(self, failure: Failure) -> Reply:
        """Write a refusal that comes before there is an exchange."""
