"""What the line works on: the exchange, its attempts, and the services it may use.

:class:`Exchange` is the only mutable per-request object. Only this package writes to it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Literal, Protocol

import msgspec

from dragoman.accounts.budgets import Budgets
from dragoman.accounts.grants import RelaySpec
from dragoman.accounts.keys import Account
from dragoman.accounts.ledger import Ledger
from dragoman.accounts.limits import Limits, Stay
from dragoman.accounts.limits import headers as limited
from dragoman.accounts.sizes import Sizes
from dragoman.cache import Cache, CacheSpec, Recorder
from dragoman.core.events import Event, Folder
from dragoman.core.extras import Loss
from dragoman.core.failure import Failure
from dragoman.core.tasks import Asked, Embedded, Ranked
from dragoman.dialects import Call, Dialect, Door, Reply, Task
from dragoman.exchange.hold import Hold
from dragoman.exchange.stored import Stored
from dragoman.exchange.turn import Turn
from dragoman.providers import Provider
from dragoman.providers.catalog import Catalog
from dragoman.providers.media import Fetcher
from dragoman.providers.prices import PriceList, Quote
from dragoman.providers.transport import Deadlines, Transport
from dragoman.providers.upstream import Answer
from dragoman.routing import Route, Table, Target, plan
from dragoman.sinks import Record
from dragoman.sinks.files import FilesSpec
from dragoman.store import Meters, State

UNKNOWN = Quote()
"""What nobody has a price for."""

LOSSES_SHOWN = 40
"""Losses named in the header; the ledger has them all."""


class Out(Protocol):
    """Where an answer goes."""

    begun: bool
    """The first byte has left: the commit point is past."""
    over: bool
    """The last byte was handed to the client's socket."""

    async def reply(self, reply: Reply, headers: Mapping[str, str]) -> None:
        """Send a whole answer."""

    def expect(self, content_type: str, headers: Mapping[str, str], idle: Callable[[], bytes]) -> None:
        """Begin a stream with what `idle` returns, should nothing have been sent for a while."""

    async def start(self, content_type: str, headers: Mapping[str, str], idle: Callable[[], bytes]) -> None:
        """Begin a stream; send what `idle` returns whenever nothing else was sent for a while."""

    async def send(self, data: bytes, *, last: bool = False) -> None:
        """Send stream bytes; waits while the client reads slower than we write."""


class Snapshot(msgspec.Struct, frozen=True):
    """One configuration, frozen; an exchange takes the reference once and keeps it to its end."""

    dialects: Mapping[str, Dialect]
    providers: Mapping[str, Provider]
    catalog: Catalog
    prices: PriceList
    table: Table
    deadlines: Deadlines
    relay: RelaySpec = RelaySpec()
    cache: CacheSpec = CacheSpec()
    files: FilesSpec = FilesSpec()

    def words(self, door: str) -> bool:
        """Say whether what is said at a door is logged, where the key does not say otherwise."""
        return self.files.text == "all" or (self.files.text == "prompt" and door == "prompt")

    def nearest(self, route: Route, dialect: str) -> list[Target]:
        """Return the targets of `route` in order, each where its service speaks the client's own dialect."""
        homes = self.catalog.homes
        found = (
            Target(homes.get((target.provider, dialect), target.provider), target.model)
            for target in plan(route)
        )
        return list(dict.fromkeys(found))


class Services(msgspec.Struct, frozen=True):
    """What the line works with; built by the gateway. Time and chance come from here only."""

    live: Callable[[], Snapshot]
    admit: Callable[[Call], Awaitable[Account]]
    ledger: Ledger
    transport: Transport
    media: Fetcher
    new_id: Callable[[], str]
    now: Callable[[], float]
    tick: Callable[[], float]
    chance: Callable[[], float]
    pause: Callable[[float], Awaitable[None]]
    complain: Callable[[str, BaseException], None]
    stored: Stored
    limits: Limits
    sizes: Sizes
    budgets: Budgets
    cache: Cache
    fill: Callable[[str, Mapping[str, str]], str]
    tell: Callable[[Record], None]
    under_way: dict[str, Exchange]
    """Every exchange that has not ended, by its id."""


class Relayed(msgspec.Struct, frozen=True):
    """What is known of a request that passes through unread."""

    model: str
    stream: bool


class Attempt:
    """One target being asked, and what it said so far."""

    __slots__ = (
        "answer",
        "batches",
        "chunks",
        "failure",
        "first_at",
        "folder",
        "held",
        "losses",
        "number",
        "opened_at",
        "priced",
        "quote",
        "target",
        "told",
    )

    def __init__(self, number: int, target: Target, opened_at: float, quote: Quote = UNKNOWN) -> None:
        self.number = number
        self.target = target
        self.opened_at = opened_at
        self.quote = quote
        self.first_at: float | None = None
        self.answer: Answer | None = None
        self.held: list[Event] = []
        self.batches: AsyncIterator[list[Event]] | None = None
        self.failure: Failure | None = None
        self.folder = Folder()
        self.told: Embedded | Ranked | None = None
        self.losses: tuple[Loss, ...] = ()
        self.priced: tuple[Meters, str] | None = None
        """What it used, and by whose price that was reckoned; None: it may still change."""
        self.chunks = 0


class Exchange:
    """One client request's life: the only mutable per-request object, written in this module only."""

    door: Door

    def __init__(self, services: Services, task: Task, request_id: str | None) -> None:
        self.services = services
        self.live = services.live()
        self.task = task
        self.id = services.new_id()
        self.request_id = request_id or self.id
        self.opened_at = services.now()
        self.began = services.tick()
        self.account: Account | None = None
        self.asked: Asked | Relayed | None = None
        self.turn: Turn | None = None
        self.route: Route | None = None
        self.attempts: list[Attempt] = []
        self.replayed: Attempt | None = None
        """What answers in place of an attempt: a recording."""
        self.recorder: Recorder | None = None
        self.cache: Literal["", "hit", "miss", "bypass"] = ""
        self.similarity: float | None = None
        """How much alike the question was whose recording answers this one, if it was another."""
        self.fallback = False
        """Another answers than who was to answer first."""
        self.stood_in = False
        """Another model answers than the one asked for."""
        self.reason = ""
        """Why another model answers than the one asked for, if one does."""
        self.losses: dict[Loss, None] = {}
        self.reckoned: int | None = None
        """Tokens of its input, as we count them; None while nobody had to."""
        self.unpaid = False
        """It was refused for want of money, so it takes nothing of its limits either."""
        self.stay: Stay | None = None
        """What it has taken of its limits."""
        self.most: int | None = None
        """Micro-dollars the client would pay at most, if it says so."""
        self.hold: Hold | None = None
        """The money of this exchange, once somebody is asked."""
        self.failure: Failure | None = None
        self.status: int | None = None
        """What the client was told, where that is not what the failure or its absence says."""
        self.state: State = "reserved"
        self.course: list[tuple[str, float]] = []

    def passed(self, mark: str) -> None:
        """Note what it has come past just now, for whoever wants to know where its time went.

        ``admit``, ``read``, ``route``, ``recall`` (a recording was looked for), then for each attempt
        ``reserve`` (it is in the ledger) and ``first`` (its first content) or ``fault``, and ``deliver`` (the
        last byte).
        """
        self.course.append((mark, round((self.services.tick() - self.began) * 1000, 3)))

    @property
    def answering(self) -> Attempt | None:
        """Who answers, or was asked last."""
        return self.replayed or (self.attempts[-1] if self.attempts else None)

    def headers(self) -> dict[str, str]:
        """Return the headers that tell the client what was done for it."""
        told = {"x-request-id": self.request_id, "request-id": self.request_id, "x-dragoman-id": self.id}
        if self.account is not None:
            standing = None if self.stay is None else self.services.limits.standing(self.stay)
            told |= limited(standing, dialect=self.door.name, now=self.services.now())
        if self.cache:
            told["x-dragoman-cache"] = self.cache
        if self.similarity is not None:
            told["x-dragoman-cache-similarity"] = f"{self.similarity:.3f}"
        if (last := self.answering) is not None:
            target = last.target
            told["x-dragoman-provider"] = _printable(target.provider)
            if target.model:
                told["x-dragoman-model"] = _printable(target.model)
            told["x-dragoman-attempts"] = str(len(self.attempts))
        if self.losses:
            told["x-dragoman-losses"] = _listed(self.losses)
        return told


def _printable(text: str) -> str:
    """Return `text` fit for a header value: what is not plain printable ASCII becomes ``_``."""
    return re.sub(r"[^!-+\--~]", "_", text)[:200]


def _listed(losses: Mapping[Loss, None]) -> str:
    """Return losses as a comma list, the first :data:`LOSSES_SHOWN` of them by name."""
    shown = [_printable(str(loss)) for loss in list(losses)[:LOSSES_SHOWN]]
    more = len(losses) - len(shown)
    return ", ".join([*shown, f"and:{more}-more"] if more else shown)
