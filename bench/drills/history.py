"""What was seen by the provider and what was booked, held against each other. Pure.

Nothing here uses the gateway's own arithmetic: money is two small prices times two counts, and every
finding is a sentence that names the request, so that a failing run can be looked into.

    lost       the provider saw a request, or an attempt, that the ledger does not have
    stranded   a row is open, or money is held, though nothing runs
    wrong      a settled request does not cost what the provider itself counted
    below      an interrupted one under a budget costs less than the provider had sent, or not its hold
    drift      a budget's window does not say what the ledger's rows sum up to
    over       a budget's window holds and has spent more than its cap
    beyond     what the provider itself counted of a window's requests is more than its cap
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

READ_MICROS, WROTE_MICROS = 3, 7
"""What a token costs, read or written: in every drill, with every provider."""

PRICED = ("completed", "failed", "refused")
"""How a call ends whose cost is known: with a count, or with an error, which costs nothing."""

Place = tuple[str, str, int]
"""A window: its budget, who it counts for, when it begins."""


class Seen(msgspec.Struct, frozen=True):
    """One request as the provider saw it.

    Attributes:
        id: Whose it was.
        read: Tokens of the prompt.
        sent: Tokens of the answer that were sent.
        told: Tokens read and written that the provider said it counted, once it was asked to and did.
        ended_s: When it ended, in the journal's time.
        outcome: How, in the journal's words.
    """

    id: str
    read: int
    sent: int
    told: tuple[int, int] | None = None
    ended_s: float | None = None
    outcome: str = "completed"

    @property
    def micros(self) -> int:
        """What the provider would charge for it: for what it told, else for what it had sent."""
        return price(*self.told) if self.told else price(self.read, self.sent)


class Booked(msgspec.Struct, frozen=True):
    """One row of the ledger, and how many attempts it has."""

    id: str
    key: str
    state: str
    attempts: int
    cost: int | None = None
    held: int = 0
    estimated: bool = False
    shares: tuple[Place, ...] = ()


class Stand(msgspec.Struct, frozen=True):
    """How a budget's window stands."""

    place: Place
    spent: int
    held: int


class Findings(msgspec.Struct):
    """What is not as it has to be, one sentence each."""

    lost: list[str] = []
    stranded: list[str] = []
    wrong: list[str] = []
    below: list[str] = []
    drift: list[str] = []
    over: list[str] = []
    beyond: list[str] = []

    def add(self, other: Findings) -> None:
        """Take what another check found."""
        for name in self.__struct_fields__:
            getattr(self, name).extend(getattr(other, name))


def price(read: int, wrote: int) -> int:
    """Return what so many tokens cost, in micro-dollars."""
    return READ_MICROS * read + WROTE_MICROS * wrote


def check(
    seen: Sequence[Seen], rows: Sequence[Booked], stands: Sequence[Stand], caps: Mapping[str, int]
) -> Findings:
    """Return what is wrong, once nothing runs any more.

    Args:
        seen: Every request the provider saw.
        rows: The ledger's rows of the same time; all of those that count in `stands`.
        stands: Every window.
        caps: Budgets' caps in micro-dollars, by name.
    """
    calls: defaultdict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        calls[one.id].append(one)
    booked = {row.id: row for row in rows}
    return Findings(
        lost=list(_lost(calls, booked)),
        stranded=[*_open(rows), *_held(stands)],
        wrong=list(_wrong(calls, rows)),
        below=list(_below(calls, rows)),
        drift=list(_drift(rows, stands)),
        over=list(_over(stands, caps)),
        beyond=list(_beyond(calls, rows, stands, caps)),
    )


def _lost(calls: Mapping[str, list[Seen]], booked: Mapping[str, Booked]) -> Iterable[str]:
    for id_, made in calls.items():
        row = booked.get(id_)
        if row is None:
            yield f"{id_} reached the provider and has no row"
        elif row.attempts < len(made):
            yield f"{id_} reached the provider {len(made)} times and has {row.attempts} attempts"


def _open(rows: Iterable[Booked]) -> Iterable[str]:
    return (f"{row.id} is still reserved" for row in rows if row.state == "reserved")


def _held(stands: Iterable[Stand]) -> Iterable[str]:
    return (f"{stand.place} holds {stand.held}" for stand in stands if stand.held)


def _wrong(calls: Mapping[str, list[Seen]], rows: Iterable[Booked]) -> Iterable[str]:
    for row in rows:
        if row.state != "settled" or row.estimated:
            continue
        made = calls.get(row.id, ())
        due = sum(one.micros for one in made if one.told)
        # Of a call that broke off unanswered nobody knows what it costs, and so of the request neither.
        unclear = any(not one.told and one.outcome not in PRICED for one in made)
        least = not row.shares if row.cost is None else row.cost >= due
        if not (least if unclear else row.cost == due):
            yield f"{row.id} is settled at {row.cost}; the provider counted {due}"


def _below(calls: Mapping[str, list[Seen]], rows: Iterable[Booked]) -> Iterable[str]:
    for row in rows:
        if row.state != "interrupted" or not row.shares:
            continue
        sent = sum(one.micros for one in calls.get(row.id, ()))
        if row.cost is None or row.cost < sent:
            yield f"{row.id} was interrupted and is booked at {row.cost}; the provider had sent {sent}"
        elif row.cost != row.held:
            yield f"{row.id} was interrupted and is booked at {row.cost}; it held {row.held}"


def _drift(rows: Iterable[Booked], stands: Iterable[Stand]) -> Iterable[str]:
    spent: defaultdict[Place, int] = defaultdict(int)
    held: defaultdict[Place, int] = defaultdict(int)
    for row in rows:
        for place in row.shares:
            if row.state == "reserved":
                held[place] += row.held
            else:
                spent[place] += row.cost or 0
    for stand in stands:
        if stand.spent != spent[stand.place]:
            yield f"{stand.place} says {stand.spent} is spent; its rows cost {spent[stand.place]}"
        if stand.held != held[stand.place]:
            yield f"{stand.place} says {stand.held} is held; its rows hold {held[stand.place]}"


def _over(stands: Iterable[Stand], caps: Mapping[str, int]) -> Iterable[str]:
    for stand in stands:
        cap = caps.get(stand.place[0])
        if cap is not None and stand.spent + stand.held > cap:
            yield f"{stand.place} has spent {stand.spent} and holds {stand.held}, of {cap}"


def _beyond(
    calls: Mapping[str, list[Seen]],
    rows: Iterable[Booked],
    stands: Iterable[Stand],
    caps: Mapping[str, int],
) -> Iterable[str]:
    charged: defaultdict[Place, int] = defaultdict(int)
    worst: dict[Place, tuple[int, str]] = {}
    for row in rows:
        counted = sum(one.micros for one in calls.get(row.id, ()))
        less = counted - (row.cost or 0)
        said = f"{row.id} ({row.state}) is booked at {row.cost} and counted {counted}"
        for place in row.shares:
            charged[place] += counted
            worst[place] = max(worst.get(place, (0, "")), (less, said))
    for place in (stand.place for stand in stands):
        cap = caps.get(place[0])
        if cap is not None and charged[place] > cap:
            yield f"{place} has {cap}; the provider counted {charged[place]}: {worst[place][1]}"
