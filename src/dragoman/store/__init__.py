"""What is durable, and the only place with SQL.

A :class:`Store` keeps rows; it knows no policy. ``open_*`` returns once the row survives ``kill -9``.
Foreign exceptions become ``Failure(UNAVAILABLE)`` here and nowhere else: an infrastructure fault is a
503, never a 401.

    exchange   reserved -> settled | cancelled | failed | interrupted        one per client request
    attempt    the same states                                                one per upstream call

Rows are append-only in meaning: a state leaves ``reserved`` once and never changes again.
"""

from __future__ import annotations

from collections.abc import Sequence
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


class Store(Protocol):
    """Durable rows. All methods raise ``Failure(UNAVAILABLE)`` when the database cannot answer."""

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
