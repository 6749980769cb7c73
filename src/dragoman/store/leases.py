"""Money of budgets that a process puts by while the database answers, for when it does not.

A lease is a part of a window that one process may spend without asking: it counts as held, so nobody else
can spend it too. What a request cost that was paid from one is booked afterwards (:meth:`Leases.charge`): in
one transaction the row is written as ended, its cost is spent, and the lease is smaller by as much. So

    spent + held <= cap,    held = the claims of open rows + the leases

holds at every instant, as it does without them. Where a window is full because of leases, whoever is refused
leaves word (:class:`Stand`), and those who have them give them back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from dragoman.store.budgets import Share
from dragoman.store.spool import Spooled

Place = tuple[str, str, int]
"""A window: budget, subject, and the Unix second it begins at."""


class Slice(msgspec.Struct, frozen=True):
    """A lease that is asked for: so many micro-dollars more, if `most` are spent and held with them."""

    share: Share
    micros: int
    most: int


class Stand(msgspec.Struct, frozen=True):
    """How a window stands. ``wanted``: somebody was refused of late for what leases hold."""

    spent_micros: int
    held_micros: int
    wanted: bool


class Leases(Protocol):
    """Leases of every process. All methods raise ``Failure(UNAVAILABLE)`` as the store's do."""

    async def standing(self, places: Collection[Place]) -> Mapping[Place, Stand]:
        """Return how those of some windows stand that are there."""

    async def take(self, owner: str, slices: Sequence[Slice], *, lasts_s: float) -> Mapping[Place, int]:
        """Add to an owner's leases where there is plenty; return what was added, where any was.

        They last so many seconds, unless :meth:`renew` is called meanwhile.
        """

    async def give(self, owner: str, amounts: Mapping[Place, int]) -> None:
        """Take micro-dollars off an owner's leases, and never more than is left of them."""

    async def mine(self, owner: str) -> Mapping[Place, int]:
        """Return an owner's leases; what he asked before has happened by then, or never will."""

    async def renew(self, owner: str, *, lasts_s: float) -> None:
        """Let an owner's leases last so many seconds from now on."""

    async def charge(self, ended: Sequence[Spooled]) -> None:
        """Book requests that have ended and were paid from leases, in one transaction.

        Each counts in its windows, and its owner's leases are smaller by what it cost beyond what its row
        held. One that is booked already changes nothing.
        """

    async def owners(self) -> list[str]:
        """Return who has leases."""

    async def release(self, owners: Sequence[str]) -> None:
        """End all leases of dead owners."""

    async def expire(self) -> None:
        """End all leases that have lasted too long, by the database's clock."""


@runtime_checkable
class Leasing(Protocol):
    """A store that knows leases: one that may be away while we are not."""

    @property
    def leases(self) -> Leases:
        """Money that processes have put by."""
