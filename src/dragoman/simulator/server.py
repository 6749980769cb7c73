"""The simulator as a whole: what is served where, the script in force, and the journal.

A request's bytes are read by its dialect's own codec, matched against the script and answered by a
performance. Reading and composing depend on nothing but the bytes, so both are remembered for the
requests seen last: a bench that repeats itself measures its gateway and not this.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import msgspec

from dragoman.core.extras import Json
from dragoman.core.failure import Failure, Kind, Source
from dragoman.core.request import Request
from dragoman.core.tasks import Asked
from dragoman.dialects import Call, Dialect, Task
from dragoman.dialects.catalog import DIALECTS, find
from dragoman.dialects.fields import encode, parse
from dragoman.simulator import script as scripts
from dragoman.simulator import tasks
from dragoman.simulator.answers import EPOCH, all_words, digest, input_tokens
from dragoman.simulator.behaviour import Behaviour
from dragoman.simulator.connection import Connection, Received
from dragoman.simulator.journal import Entry, Journal
from dragoman.simulator.performance import (
    Performance,
    canned,
    head_of,
    perform,
    perform_task,
    refusal,
    reply_of,
)
from dragoman.simulator.script import Prompter, Script

REMEMBERED = 256
"""Requests that are remembered, those seen first forgotten first."""

REMEMBERED_BODY = 64 * 1024
"""Bytes a request may have to be remembered."""

UNREAD = frozenset(
    (
        b"host",
        b"connection",
        b"content-length",
        b"content-type",
        b"user-agent",
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"authorization",
        b"x-api-key",
        b"api-key",
        b"x-request-id",
        b"idempotency-key",
        b"traceparent",
        b"tracestate",
    )
)
"""Headers no codec reads: requests that differ in nothing else are the same."""


class Prepared:
    """A request that was read, and the performances it has had."""

    __slots__ = ("_words", "body", "dialect", "door", "failure", "path", "performances", "request", "task")

    def __init__(self, path: str, body: bytes) -> None:
        self.path = path
        self.body = body
        self.door: Dialect | None = None
        self.dialect: str | None = None
        self.task: Task = "generate"
        self.request: Asked | None = None
        self.failure: Failure | None = None
        self.performances: dict[int | None, Performance] = {}
        self._words: str | None = None

    @property
    def model(self) -> str:
        """The model asked for."""
        return "" if self.request is None else self.request.model

    @property
    def stream(self) -> bool:
        """Whether a stream is asked for."""
        return isinstance(self.request, Request) and self.request.stream

    @property
    def words(self) -> str:
        """Every word of the conversation or task; of a request that was not read, its body."""
        if self._words is None:
            match self.request:
                case None:
                    self._words = self.body.decode("utf-8", "replace")
                case Request():
                    self._words = all_words(self.request)
                case _:
                    self._words = tasks.all_words(self.request)
        return self._words


class Simulator:
    """A provider under a script, listening while its context is entered.

    Args:
        script: What to do; a behaviour alone is the default for every request.
        seed: Answers to the same request differ by it.
        port: 0: any that is free; :attr:`url` says which.
        journal_bodies: Whether the journal keeps headers and bodies.
        keep: How many requests the journal keeps; its totals are exact all the same.
    """

    def __init__(
        self,
        script: Script | Behaviour | None = None,
        *,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        journal_bodies: bool = True,
        keep: int = 2_000,
    ) -> None:
        self._seed = seed
        self._host = host
        self.port = port
        self._first = Script(default=script) if isinstance(script, Behaviour) else script or Script()
        self._prompter = Prompter(self._first)
        self._remembered: dict[tuple[object, ...], Prepared] = {}
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._quiet = asyncio.Event()
        self.accepted = 0
        self.journal = Journal(keep=keep, bodies=journal_bodies)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Begin to listen. Raises OSError if the port is taken."""
        loop = asyncio.get_running_loop()
        self.journal.began_at = loop.time()
        # TCP_NODELAY is what asyncio and uvloop set on every connection.
        self._server = await loop.create_server(
            lambda: Connection(self, loop), self._host, self.port, backlog=4096
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and close every connection. Answers still being given end as ``stopped``."""
        if self._server is None:
            return
        self._server.close()
        for connection in tuple(self._connections):
            connection.abort()
        while self._connections:
            self._quiet.clear()
            await self._quiet.wait()
        await self._server.wait_closed()
        self._server = None

    @property
    def url(self) -> str:
        """Where it is served, without a path."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    @property
    def script(self) -> Script:
        """The script in force. A new one begins to count at 1."""
        return self._prompter.script

    @script.setter
    def script(self, script: Script | Behaviour) -> None:
        self._prompter = Prompter(Script(default=script) if isinstance(script, Behaviour) else script)
        self._remembered.clear()

    # -- the stage of a connection

    def opened(self, connection: Connection) -> None:
        """Take note of a connection."""
        self.accepted += 1
        self._connections.add(connection)

    def closed(self, connection: Connection) -> None:
        """Take note that a connection is no more."""
        self._connections.discard(connection)
        if not self._connections:
            self._quiet.set()

    def answer(self, received: Received, at_s: float) -> tuple[Performance, Entry]:
        """Return the performance for a request that is entered in the journal."""
        read = tuple((low, value) for name, value in received.headers if (low := name.lower()) not in UNREAD)
        key = (received.method, received.target, read, received.body)
        prepared = self._remembered.get(key)
        if prepared is None:
            prepared = self._prepare(received, read)
            if len(received.body) <= REMEMBERED_BODY:
                if len(self._remembered) >= REMEMBERED:
                    del self._remembered[next(iter(self._remembered))]
                self._remembered[key] = prepared
        entry = self.journal.begin(at_s, received.method, prepared.path)
        entry.dialect = prepared.dialect
        entry.model = prepared.model
        entry.stream = prepared.stream
        if self.journal.bodies:
            entry.keep(received.target, received.headers, received.body)
        entry.rule = rule = self._prompter.cue(prepared)
        performance = prepared.performances.get(rule)
        if performance is None:
            performance = self._perform(prepared, rule, received)
            prepared.performances[rule] = performance
        return performance, entry

    def _prepare(self, received: Received, headers: tuple[tuple[bytes, bytes], ...]) -> Prepared:
        """Read a request, as far as it can be read."""
        path, _, query = received.target.decode("latin-1").partition("?")
        prepared = Prepared(path, received.body)
        found = find(received.method, path)
        if found is None:
            return prepared
        prepared.door, endpoint = found
        prepared.dialect = prepared.door.name
        prepared.task = endpoint.task
        fields = (field.partition("=") for field in query.split("&") if field)
        lines = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        try:
            call = Call(
                received.method,
                path,
                {name: value for name, _, value in fields},
                lines,
                parse(received.body),
            )
            codec = prepared.door.tasks.codec(endpoint.task)
            prepared.request = (codec or prepared.door).read_request(call)
        except Failure as failure:
            prepared.failure = failure
        return prepared

    def _perform(self, prepared: Prepared, rule: int | None, received: Received) -> Performance:
        behaviour = self._prompter.behaviour(rule)
        if prepared.door is None:
            return self._elsewhere(prepared, None if rule is None else behaviour, received)
        request, door = prepared.request, prepared.door
        if request is None:
            assert prepared.failure is not None
            return _refused(door, prepared.failure)
        if not isinstance(request, Request):
            return perform_task(door, request, behaviour, seed=self._seed)
        mark = digest(self._seed, request)
        try:
            if prepared.task == "generate":
                return perform(door, request, behaviour, mark)
            if behaviour.reply is not None:
                return canned(behaviour)
            if behaviour.error is not None:
                return refusal(door, behaviour.error, behaviour, mark)
            counted = door.write_counted(input_tokens(request))
            return reply_of(counted.status, counted.headers, encode(counted.body), behaviour)
        except Failure as failure:
            return _refused(door, failure)

    def _elsewhere(self, prepared: Prepared, behaviour: Behaviour | None, received: Received) -> Performance:
        """Answer what is no dialect's endpoint; `behaviour` is a rule's that names the path."""
        anthropic = any(name.lower() == b"anthropic-version" for name, _ in received.headers)
        door = DIALECTS["anthropic" if anthropic else "openai_chat"]
        if behaviour is not None and behaviour.reply is not None:
            return canned(behaviour)
        if behaviour is not None and behaviour.error is not None:
            return refusal(door, behaviour.error, behaviour, bytes(32))
        if received.method == "GET" and prepared.path == "/v1/models":
            listed = encode(models(self.script.models, anthropic=anthropic))
            return reply_of(200, {}, listed, behaviour or Behaviour())
        nothing = Failure(
            Kind.NOT_FOUND, f"the simulator serves nothing at {prepared.path}", source=Source.CLIENT
        )
        return _refused(door, nothing, behaviour)

    def control(self, received: Received) -> bytes:
        """Return the response to a request for the simulator itself."""
        path, _, query = received.target.decode("latin-1").partition("?")
        match received.method, path:
            case "GET", "/_journal":
                brief = "summary=1" in query.split("&")
                return _said(
                    200,
                    self.journal.summary() if brief else [entry.record() for entry in self.journal.entries],
                )
            case "DELETE", "/_journal":
                self.journal.clear()
                return _said(200, self.journal.summary())
            case "GET", "/_script":
                return _said(200, self.script)
            case "PUT", "/_script":
                try:
                    self.script = scripts.read(parse(received.body))
                except Failure as failure:
                    return _said(400, {"error": {"message": failure.message, "at": failure.at}})
                return _said(200, self.script)
            case "DELETE", "/_script":
                self.script = self._first
                return _said(200, self.script)
            case _:
                return _said(404, {"error": {"message": "there are only /_journal and /_script", "at": path}})


def models(names: tuple[str, ...], *, anthropic: bool) -> Json:
    """Return the list of models as OpenAI or Anthropic say it."""
    if anthropic:
        data = [
            {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}
            for name in names
        ]
        first, last = (names[0], names[-1]) if names else (None, None)
        return {"data": data, "has_more": False, "first_id": first, "last_id": last}
    return {
        "object": "list",
        "data": [
            {"id": name, "object": "model", "created": EPOCH, "owned_by": "simulator"} for name in names
        ],
    }


def _refused(door: Dialect, failure: Failure, behaviour: Behaviour | None = None) -> Performance:
    reply = door.write_failure(failure)
    body = encode(reply.body)
    return reply_of(reply.status, reply.headers, body, behaviour or Behaviour(), outcome="refused")


def _said(status: int, value: object) -> bytes:
    body = msgspec.json.encode(value)
    head = {"content-type": "application/json", "content-length": str(len(body))}
    return head_of(status, head) + body
