"""What is durable, and the only place with SQL.

A :class:`Store` keeps rows; it knows no policy. ``open_*`` returns once the row survives ``kill -9``.
Foreign exceptions become ``Failure(UNAVAILABLE)`` here and nowhere else: an infrastructure fault is a
503, never a 401.

    exchange   reserved -> settled | cancelled | failed | interrupted        one per client request
    attempt    the same states                                                one per upstream call

Rows are append-only in meaning: a state leaves ``reserved`` once and never changes again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import msgspec

State = Literal["reserved", "settled", "cancelled", "failed", "interrupted"]


class Meters(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was counted: disjoint tokens (see core.usage), and integer micro-dollars or None."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_long: int = 0
    audio_input: int = 0
    output: int = 0
    reasoning: int = 0
    audio_output: int = 0
    estimated: bool = False
    cost_micros: int | None = None


class AttemptRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One upstream call. Times are Unix seconds; durations milliseconds."""

    exchange_id: str
    number: int
    provider: str
    model: str
    opened_at: float
    state: State = "reserved"
    settled_at: float | None = None
    status: int | None = None
    failure: str | None = None
    message: str | None = None
    upstream_id: str | None = None
    first_event_ms: float | None = None
    meters: Meters = Meters()


class ExchangeRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One client request.

    ``request_id`` is what the client sees (its own ``x-request-id`` if it sent a sane one);
    ``id`` is ours and unique. ``owner`` names the process that serves it, so that a later start can
    tell which open rows nobody will ever settle.
    """

    id: str
    request_id: str
    owner: str
    key: str
    dialect: str
    task: str
    model: str
    stream: bool
    opened_at: float
    state: State = "reserved"
    settled_at: float | None = None
    provider: str | None = None
    answered_model: str | None = None
    attempts: int = 1
    status: int | None = None
    failure: str | None = None
    message: str | None = None
    stop: str | None = None
    losses: tuple[str, ...] = ()
    first_event_ms: float | None = None
    latency_ms: float | None = None
    meters: Meters = Meters()


class ResponseRow(msgspec.Struct, frozen=True, kw_only=True):
    """One kept answer of the Responses protocol. Times are Unix seconds.

    ``input`` is a JSON array of the items that were new with it, ``body`` the JSON object as the client saw
    it. ``owner`` names the process that makes it while it is ``queued`` or ``in_progress``.
    """

    key: str
    id: str
    previous: str | None
    status: str
    background: bool
    owner: str
    created_at: float
    expires_at: float
    input: bytes
    body: bytes


class Responses(Protocol):
    """Kept answers, each key's for itself. All methods raise ``Failure(UNAVAILABLE)`` as the store's do."""

    async def keep(
        self, row: ResponseRow, items: Sequence[tuple[str, int]], whole: Callable[[], bytes], *, most: int
    ) -> bool:
        """Insert an answer and say where its `items` (id and place) are; return once it is durable.

        Where the one it continues has gone meanwhile, its input is `whole()`: the history and its own.
        Where its key would have more than `most` bytes kept in all, nothing is inserted, and False returned.
        """

    async def change(
        self,
        key: str,
        id_: str,
        *,
        status: str,
        body: bytes,
        expires_at: float,
        items: Sequence[tuple[str, int]] = (),
    ) -> bool:
        """Change an answer that is still being made; return whether it was."""

    async def find(self, key: str, id_: str, *, now: float) -> ResponseRow | None:
        """Return an answer, unless it is past its time."""

    async def state(self, key: str, id_: str, *, now: float) -> tuple[str, str] | None:
        """Return an answer's status and owner, without what it holds; None as :meth:`find`."""

    async def weigh(self, key: str, id_: str, *, now: float) -> int:
        """Return the bytes of an answer and of all it continues; 0 if it is not there."""

    async def history(self, key: str, id_: str, *, now: float) -> list[ResponseRow]:
        """Return an answer and all it continues, the oldest first; none if it is not there."""

    async def holders(self, key: str, item: str, *, now: float) -> list[tuple[ResponseRow, int]]:
        """Return the answers that have an item of this id, the newest first, and its place in each."""

    async def delete(self, key: str, id_: str, *, now: float) -> bool:
        """Delete an answer, though not from the history of those that continue it; say if it was there."""

    async def owners(self) -> list[str]:
        """Return the processes that make answers in the background."""

    async def going(self, owner: str) -> list[ResponseRow]:
        """Return the answers a process is still making."""

    async def under_way(self, owner: str) -> set[str]:
        """Return the ids of the answers a process is still making."""

    async def sweep(self, now: float) -> int:
        """Delete some of the answers that are past their time; return how many, 0 when none is left."""


class Store(Protocol):
    """Durable rows. All methods raise ``Failure(UNAVAILABLE)`` when the database cannot answer."""

    @property
    def responses(self) -> Responses:
        """The kept answers of the Responses protocol."""

    async def open_exchange(self, exchange: ExchangeRow, attempt: AttemptRow) -> None:
        """Insert both rows in one commit; return once they are durable."""

    async def open_attempt(self, attempt: AttemptRow) -> None:
        """Insert one more attempt of an open exchange; return once it is durable."""

    async def settle(self, exchange: ExchangeRow, attempts: Sequence[AttemptRow]) -> None:
        """Write the final state of an exchange and of its attempts, in one commit.

        Inserts what was never opened (a request refused before any upstream call). Rows that have
        left ``reserved`` already stay as they are.
        """

    async def interrupt(self, dead_owners: Sequence[str]) -> int:
        """Mark every reserved row of `dead_owners` as interrupted; return how many exchanges."""

    async def open_owners(self) -> list[str]:
        """Return the owners that have reserved rows."""

    async def exchanges(self, *, limit: int = 100, key: str | None = None) -> list[ExchangeRow]:
        """Return the newest exchanges first."""

    async def attempts(self, exchange_id: str) -> list[AttemptRow]:
        """Return the attempts of one exchange in order."""

    async def setting(self, name: str) -> str | None:
        """Return a durable setting (the admin key's digest)."""

    async def remember(self, name: str, value: str, *, replace: bool = True) -> bool:
        """Write a durable setting; return whether it was written.

        Without `replace` a setting that is there stays, so that of several writers one wins.
        """

    async def close(self) -> None:
        """Finish pending writes and close the database."""
