"""What each key, team or user spent: this month, and day by day, of all of them by one look at the sums.

Days and months are those of UTC. The last day is still running, and so is the month; what has been sent and
has not ended is in neither.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from dragoman.accounts.groups import summed
from dragoman.store.cover import DAY, beginning
from dragoman.store.reports import Part, Reports, Sums
from dragoman.store.requests import Whose

DAYS = 30
"""Days that are told, today among them."""


class Day(msgspec.Struct, frozen=True):
    """One day. ``at``: the Unix second it begins at."""

    at: int
    sums: Sums = Sums()


class Spent(msgspec.Struct, frozen=True):
    """What one of them spent.

    Attributes:
        month: Since the first of this month.
        days: The last days, the oldest first, without gaps.
    """

    month: Sums
    days: tuple[Day, ...]

    @property
    def total(self) -> Sums:
        """All the days together."""
        return summed(day.sums for day in self.days)

    @property
    def course(self) -> list[int | None]:
        """Micro-dollars day by day; None: nobody knows."""
        return [day.sums.cost for day in self.days]

    @property
    def last(self) -> int | None:
        """When the last day began that anything was asked on; None: there is none."""
        return next((day.at for day in reversed(self.days) if day.sums.requests), None)


class Spending(msgspec.Struct, frozen=True):
    """What all of them spent.

    Attributes:
        since: When this month began, in Unix seconds.
        names: By name; who spent nothing is not there.
        nothing: What such a one has spent.
    """

    since: int
    names: Mapping[str, Spent]
    nothing: Spent

    def of(self, name: str) -> Spent:
        """Return what one of them spent."""
        return self.names.get(name, self.nothing)


async def of_month(reports: Reports, by: Whose, *, now: float) -> dict[str, Sums]:
    """Return what each of them spent since the first of this month, by name; who spent nothing is not there.

    Raises:
        Failure: The store's.
    """
    cells = await reports.cells(Part(beginning(int(now), "month")), by=by)
    return {cell.name: cell.sums for cell in cells if cell.name}


async def spending(reports: Reports, by: Whose, *, now: float, among: Collection[str]) -> Spending:
    """Return what was spent.

    Args:
        reports: The sums there are.
        by: Of whom.
        now: Unix seconds.
        among: Of these alone: day by day, everybody's is a great deal where there are many.

    Raises:
        Failure: The store's.
    """
    today = beginning(int(now), "day")
    first, month = today - (DAYS - 1) * DAY, beginning(int(now), "month")
    found: dict[str, dict[int, Sums]] = {}
    for cell in await reports.cells(Part(min(first, month)), by=by, among=among, every="day"):
        if cell.name and cell.at is not None:
            found.setdefault(cell.name, {})[cell.at] = cell.sums

    def spent(there: Mapping[int, Sums]) -> Spent:
        # A day that began while the sums were read is no stretch of its own: it is told as of today.
        late = summed(sums for at, sums in there.items() if at > today)
        days = [Day(at, there.get(at, Sums())) for at in range(first, today, DAY)]
        days.append(Day(today, there.get(today, Sums()) + late))
        return Spent(summed(sums for at, sums in there.items() if at >= month), tuple(days))

    return Spending(month, {who: spent(there) for who, there in found.items()}, spent({}))
