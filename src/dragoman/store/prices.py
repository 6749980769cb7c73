"""The operator's own prices, and history priced anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from dragoman.store.audit import AuditRow
from dragoman.store.ledger import AttemptRow


class PriceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A price that takes the place of the shipped one.

    Attributes:
        number: Which one it is; 0 before it is kept. Never used again, so that a booked row says which.
        provider: Of whom.
        model: The model's name there; ``*``: every model of that provider without a price of its own.
        since: Unix second from which on it holds.
        price: JSON of ``core.usage.Price``; ``null``: from then on the shipped price holds again.
        created_at: Unix seconds.
    """

    number: int = 0
    provider: str
    model: str
    since: float
    price: bytes
    created_at: float


class Priced(msgspec.Struct, frozen=True):
    """An attempt's cost under another price."""

    exchange_id: str
    number: int
    cost_micros: int | None
    price: str


class Prices(Protocol):
    """Prices in the store. All methods raise ``Failure(UNAVAILABLE)`` as the store's do."""

    async def rows(self) -> list[PriceRow]:
        """Return every price, the oldest `since` first."""

    async def put(self, row: PriceRow, audit: AuditRow) -> int:
        """Insert a price; return its number once it is durable."""

    async def used(
        self,
        *,
        since: float,
        until: float,
        provider: str,
        model: str,
        after: tuple[str, int] | None,
        limit: int,
    ) -> list[AttemptRow]:
        """Return attempts that have ended, opened in that time, in the order of exchange and number.

        Args:
            since: Unix seconds.
            until: Unix seconds; before then.
            provider: Only of this one; "": of all.
            model: Only of this one; "": of all.
            after: The exchange and number of the last one seen before.
            limit: At most so many.
        """

    async def reprice(self, rows: Sequence[Priced]) -> None:
        """Write new costs of attempts; sums over exchanges, windows and reports follow in the same commit."""
