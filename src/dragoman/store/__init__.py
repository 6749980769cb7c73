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
from typing import Protocol

import msgspec

from dragoman.store.archive import Archive
from dragoman.store.audit import Audit
from dragoman.store.bills import Bills
from dragoman.store.budgets import Budgets, Claim, Short
from dragoman.store.keys import Keys
from dragoman.store.ledger import AttemptRow, Counted, ExchangeRow, Meters, State
from dragoman.store.prices import Prices
from dragoman.store.reports import Call, Cell, Dimension, Interval, Part, Reports, Spread, Sums
from dragoman.store.requests import Requests
from dragoman.store.sessions import Sessions

__all__ = [
    "AttemptRow",
    "Call",
    "Cell",
    "Counted",
    "Dimension",
    "ExchangeRow",
    "Interval",
    "Meters",
    "Part",
    "RatingRow",
    "Ratings",
    "RecordingRow",
    "Recordings",
    "Reports",
    "ResponseRow",
    "Responses",
    "Spread",
    "State",
    "Store",
    "Sums",
]


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


class RecordingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded answer. Times are Unix seconds.

    ``key`` is the digest of what was asked and of who asked it; ``body`` the answer, as the cache writes
    it. ``scope`` is the digest of all but the last words, ``vector`` what these mean; both or neither.
    """

    key: bytes
    tenant: str
    recorded_at: float
    expires_at: float
    body: bytes
    scope: bytes | None = None
    vector: bytes | None = None


class Recordings(Protocol):
    """Recorded answers. All methods raise ``Failure(UNAVAILABLE)`` as the store's do."""

    async def keep(self, row: RecordingRow, *, most: int, alike: int) -> None:
        """Insert a recording, or replace an older one; return once it is durable.

        Of all, those that expire first go until at most `most` bytes are kept; of its scope, all but the
        youngest `alike` are found by their key alone from now on.
        """

    async def find(self, key: bytes, *, now: float) -> RecordingRow | None:
        """Return a recording, unless it is past its time."""

    async def alike(self, scope: bytes, *, now: float, most: int) -> list[tuple[bytes, bytes]]:
        """Return key and vector of the youngest recordings of a scope, the youngest first."""

    async def delete(self, key: bytes, *, recorded_at: float) -> bool:
        """Delete one recording, if it is still the one of that time; return whether it was there."""

    async def forget(self, tenant: str) -> int:
        """Delete some of a tenant's recordings; return how many, 0 when none is left."""

    async def sweep(self, now: float, *, most: int) -> int:
        """Delete some that are past their time or beyond `most` bytes; return how many, 0 if none is left."""

    async def total(self) -> int:
        """Return how many bytes are kept."""


class RatingRow(msgspec.Struct, frozen=True):
    """What a key thinks of an answer: 1 to 5, and in words. ``rated_at``: Unix seconds."""

    exchange_id: str
    key: str
    model: str
    rating: int
    feedback: str
    rated_at: float


class Ratings(Protocol):
    """Ratings of answers. All methods raise ``Failure(UNAVAILABLE)`` as the store's do."""

    async def keep(self, row: RatingRow) -> None:
        """Insert a rating, or replace its key's earlier one; return once it is durable."""

    async def of(self, exchange_id: str) -> list[RatingRow]:
        """Return every rating of an exchange, the latest first."""

    async def averages(self, key: str | None) -> dict[str, float]:
        """Return the mean rating a key, or everyone, has given each model."""

    async def stars(self) -> dict[str, tuple[int, int, int, int, int]]:
        """Return how many ratings of 1, 2, 3, 4 and 5 each model has been given."""

    async def newest(self, limit: int) -> list[RatingRow]:
        """Return the newest ratings, the latest first."""


class Store(Protocol):
    """Durable rows. All methods raise ``Failure(UNAVAILABLE)`` when the database cannot answer."""

    @property
    def responses(self) -> Responses:
        """The kept answers of the Responses protocol."""

    @property
    def recordings(self) -> Recordings:
        """Recorded answers."""

    @property
    def ratings(self) -> Ratings:
        """What answers were worth."""

    @property
    def reports(self) -> Reports:
        """Sums over exchanges."""

    @property
    def keys(self) -> Keys:
        """Who may ask."""

    @property
    def budgets(self) -> Budgets:
        """What may be spent."""

    @property
    def prices(self) -> Prices:
        """The operator's own prices."""

    @property
    def audit(self) -> Audit:
        """Who changed what."""

    @property
    def sessions(self) -> Sessions:
        """Who is signed in to the dashboard."""

    @property
    def bills(self) -> Bills:
        """What providers were asked, as they charge for it."""

    @property
    def requests(self) -> Requests:
        """The log of requests."""

    @property
    def archive(self) -> Archive:
        """What has been in the ledger for long."""

    async def open_exchange(
        self, exchange: ExchangeRow, attempt: AttemptRow, claim: Claim | None = None
    ) -> Short | None:
        """Insert both rows in one commit; return once they are durable.

        With a claim, only if every window grants it, in the same commit; else nothing is written, and why not
        is returned.
        """

    async def open_attempt(self, attempt: AttemptRow, claim: Claim | None = None) -> Short | None:
        """Insert one more attempt of an open exchange; return once it is durable.

        With a claim, which takes the place of the exchange's, as :meth:`open_exchange`.
        """

    async def claim(self, exchange_id: str, claim: Claim) -> Short | None:
        """Let a claim take the place of an open exchange's, durably; return why it was not granted, if so.

        What is refused leaves the old claim as it was.
        """

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

    async def exchange(self, id_: str, *, key: str | None = None) -> ExchangeRow | None:
        """Return the exchange of this id, else the newest whose request a client called so.

        Args:
            id_: The exchange's, or its request's.
            key: Only if it is this key's.
        """

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
