"""What the ledger has had for long: read once more, and deleted.

The store deletes what it is told to; what may be deleted, and that it was archived before, is the business of
``accounts.retention``. A deleted row stays counted in every sum: it was used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from dragoman.store.ledger import AttemptRow, ExchangeRow

Prunable = Literal["audit", "windows", "feedback"]
"""What ends with age alone: entries of the audit log; windows of budgets by day, week or month in which
nothing is held any more, and their alerts; the words of ratings (the rating stays)."""

Kept = tuple[ExchangeRow, tuple[AttemptRow, ...]]
"""An exchange that has ended, with its attempts in order."""


class Archive(Protocol):
    """Old rows. All methods raise ``Failure(UNAVAILABLE)`` as the store's do."""

    async def lease(self, holder: str, *, now: float, until: float) -> bool:
        """Become, or stay, the only one who deletes; return False while another one is.

        Args:
            holder: Who asks.
            now: Unix seconds; a lease that ended before is free.
            until: When it ends, unless it is asked for again; not after `now`: it is given back.
        """

    async def open(self, since: float, until: float) -> int:
        """Return how many exchanges that began from `since` on and before `until` are still open."""

    async def ended(
        self, since: float, until: float, *, after: tuple[float, str] | None = None, limit: int
    ) -> list[Kept]:
        """Return exchanges of that time that have ended, by when they began, then by their ids' bytes.

        Args:
            since: Unix seconds they began at, or later.
            until: They began before.
            after: The beginning and the id of the last one seen before.
            limit: At most so many.
        """

    async def some(self, ids: Sequence[str]) -> list[Kept]:
        """Return those of these exchanges that are there and have ended, in any order."""

    async def delete(self, ids: Sequence[str]) -> int:
        """Delete exchanges that have ended, their attempts and ratings; return how many exchanges.

        One transaction. Sums, budget windows and averages of ratings stay as they are.
        """

    async def prune(self, what: Prunable, before: float, *, limit: int) -> int:
        """Delete some of what is older than `before` (Unix seconds); return how many, 0 when none is left."""
