"""Reconciling: a provider's bill beside the ledger, by day and model, and where they drift apart.

    file --exports--> Export (theirs) --.
                                         >-- reconciled --> Reconciled: a row for each day and model
    attempts --store--> Bill (ours) ----'

They charge for calls, whatever became of them, so ours is the sum of attempts and not of exchanges. Only what
an export says is compared: one of usage knows no cost, Anthropic's no requests. Both files of a month may be
given together. Days are UTC's, as theirs are; a call that begins before midnight and is charged after it is
on two different days, which is a drift of each day and none of both.

A drift is told as ours less theirs, and in percent of theirs: what a bill says is the measure. Where a cost
of ours is not known, that is told, and is beyond every tolerance: nobody can say that it agrees.
"""

from __future__ import annotations

import re
from asyncio import to_thread
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import BinaryIO, Final, Literal, TypeVar

import msgspec

from dragoman.accounts.reconcile import anthropic, openai
from dragoman.accounts.reconcile.exports import ALL, DAY, MEASURES, Export, Line, Measure, Reading
from dragoman.accounts.reconcile.names import paired
from dragoman.accounts.times import LAST
from dragoman.core.failure import invalid
from dragoman.core.usage import micros
from dragoman.store.bills import Bill, Bills

Sided = TypeVar("Sided", Line, Bill)
"""What one side says of a model."""

FORMS: Final = (*openai.FORMS, *anthropic.FORMS)

TOLERANCE: Final = Decimal(1)
"""Percent of theirs by which ours may differ, unless said otherwise."""

MOST_DAYS: Final = 366
"""Days one comparison may have."""

Verdict = Literal["equal", "within", "ours_more", "theirs_more", "only_ours", "only_theirs", "unknown"]
"""What is to be said of a day and model. ``within``: they differ, by no more than the tolerance; ``unknown``:
they agree but for a cost that we do not know."""

BEYOND: Final[frozenset[Verdict]] = frozenset(
    ("ours_more", "theirs_more", "only_ours", "only_theirs", "unknown")
)
"""Verdicts that somebody has to look into."""


class Drift(msgspec.Struct, frozen=True):
    """One figure of both sides: a count, or micro-dollars.

    Attributes:
        theirs: The provider's.
        ours: The ledger's; None: it is not known.
        beyond: Whether they are further apart than the tolerance allows.
    """

    theirs: int
    ours: int | None
    beyond: bool

    @property
    def drift(self) -> int | None:
        """How much more we have than they; None: nobody knows."""
        return None if self.ours is None else self.ours - self.theirs

    @property
    def percent(self) -> float | None:
        """The drift in percent of theirs; None: nobody knows, or of nothing there is no percent."""
        if self.ours is None:
            return None
        if self.ours == self.theirs:
            return 0.0
        return (self.ours - self.theirs) / abs(self.theirs) * 100 if self.theirs else None


class Row(msgspec.Struct, frozen=True):
    """One day and model.

    Attributes:
        day: The Unix second it begins at, UTC; None: the whole time.
        model: Whose; :data:`~dragoman.accounts.reconcile.exports.ALL`: all of them, where the export does not
            tell them apart.
        said: Which names were taken for the same; "": only those that are.
        figures: What both sides say, by measure, as far as theirs says it; money in micro-dollars.
        verdict: What is to be said of it.
        estimated: How many of our calls were counted by ourselves.
        unanswered: How many of our calls used nothing: refused, or never answered.
    """

    day: int | None
    model: str
    said: str
    figures: dict[Measure, Drift]
    verdict: Verdict
    estimated: int = 0
    unanswered: int = 0


class Reconciled(msgspec.Struct, frozen=True):
    """A bill beside the ledger.

    Attributes:
        provider: Whose.
        kinds: What was read.
        since: From when on, in Unix seconds.
        until: Until when.
        tolerance: In percent.
        rows: By day and model.
        models: The same over the whole time, by model.
        notes: What is to be known of it.
    """

    provider: str
    kinds: tuple[str, ...]
    since: float
    until: float
    tolerance: Decimal
    rows: tuple[Row, ...]
    models: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def beyond(self) -> int:
        """How many days and models somebody has to look into."""
        return sum(row.verdict in BEYOND for row in self.rows)


def read_exports(files: Iterable[tuple[BinaryIO, str]]) -> Export:
    """Return what files say, each with what it is called. Blocks while it reads.

    Raises:
        Failure: INVALID, with the place of what is wrong.
    """
    reading = Reading(FORMS)
    for file, name in files:
        reading.add(file, name)
    return reading.done()


def read_tolerance(words: str) -> Decimal:
    """Return the percent that ``1%``, ``0.5%`` or ``1`` says.

    Raises:
        Failure: INVALID, it says none from 0 to 100.
    """
    plain = words.strip().removesuffix("%").strip()
    found = Decimal(plain) if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", plain) else None
    if found is None or found > 100:
        raise invalid("tolerance must be a percentage from 0% to 100%, such as 1% or 0.5%", "tolerance")
    return found


async def reconciled(
    bills: Bills, export: Export, *, provider: str, tolerance: Decimal = TOLERANCE
) -> Reconciled:
    """Return a provider's bill beside what the ledger has of it.

    Args:
        bills: The ledger's side.
        export: The provider's side.
        provider: What the provider is called in the ledger.
        tolerance: Percent of theirs by which ours may differ.

    Raises:
        Failure: INVALID, the export is of too long a time; or the store's.
    """
    days = (export.until - export.since) / DAY
    if days > MOST_DAYS:
        raise invalid(f"the export has {days:,.0f} days, of at most {MOST_DAYS}; compare a part of it", "$")
    asked = await bills.bill(provider, export.since, export.until)
    ours = [bill for bill in asked if export.costs or export.tasks is None or bill.task in export.tasks]

    def compared() -> Reconciled:
        comparison = _Comparison(export, ours, tolerance)
        return Reconciled(
            provider,
            export.kinds,
            export.since,
            export.until,
            tolerance,
            comparison.rows(whole=False),
            comparison.rows(whole=True),
            (*(() if asked else (_nothing(provider),)), *_notes(export, asked, ours)),
        )

    return await to_thread(compared)  # of many models it takes a while, and requests are to be served


class _Comparison:
    """Both sides by model. What an export says of all models together is compared with all of ours."""

    def __init__(self, export: Export, ours: Sequence[Bill], tolerance: Decimal) -> None:
        self._tolerance = tolerance
        self._tasks = export.tasks
        told = [line for line in export.lines if line.model != ALL]
        self._measures: set[Measure] = {name for line in told for name in line.known}
        if not export.lines:
            self._measures = set(MEASURES)  # nothing was charged, and that is said of everything
        self._models: list[tuple[str, str, list[Line], Sequence[Bill]]] = []
        lines, bills = _by_model(told), _by_model(ours)
        for one in paired(lines, bills):
            theirs = [line for name in one.theirs for line in lines[name]]
            mine = [bill for name in one.ours for bill in bills[name]]
            self._models.append((one.name, one.said, theirs, mine))
        if together := [line for line in export.lines if line.model == ALL]:
            self._models.append((ALL, "", together, ours))

    def rows(self, *, whole: bool) -> tuple[Row, ...]:
        """Return a row for each model, and each day of it unless it is to be of the `whole` time."""
        found: list[Row] = []
        for model, said, theirs, ours in self._models:
            days: dict[int | None, tuple[list[Line], list[Bill]]] = {}
            for line in theirs:
                days.setdefault(None if whole else line.day, ([], []))[0].append(line)
            for bill in ours:
                days.setdefault(None if whole else bill.day, ([], []))[1].append(bill)
            rows = (self._row(day, model, said, *sides) for day, sides in days.items())
            found += [row for row in rows if row is not None]
        return tuple(sorted(found, key=lambda row: (row.day or 0, row.model)))

    def _row(
        self, day: int | None, model: str, said: str, theirs: Sequence[Line], ours: Sequence[Bill]
    ) -> Row | None:
        """Return what is to be said of both sides of a row; None: there is nothing."""
        known = _known(theirs) if theirs else dict.fromkeys(self._measures, 0)
        mine = self._sums(ours)
        slack = sum(bill.attempts for bill in ours)
        figures = {
            name: self._drift(known[name], mine[name], slack=slack if name == "cost" else 0)
            for name in MEASURES
            if name in known
        }
        if not any(one.theirs or one.ours != 0 for one in figures.values()):
            return None
        used = any(bill.requests for bill in ours)
        unanswered = sum(bill.attempts - bill.requests for bill in ours)
        verdict = _verdict(figures, theirs=bool(theirs), ours=used)
        return Row(day, model, said, figures, verdict, sum(bill.estimated for bill in ours), unanswered)

    def _sums(self, bills: Sequence[Bill]) -> dict[Measure, int | None]:
        """Return our figures; a cost is not known while any of it is not.

        Tokens are those of the tasks that an export of usage is of; costs are of everything.
        """
        counted = [bill for bill in bills if self._tasks is None or bill.task in self._tasks]
        known = not any(bill.unknown_cost for bill in bills)
        counts: dict[Measure, int] = {
            name: sum(getattr(bill, name) for bill in counted) for name in MEASURES if name != "cost"
        }
        return {**counts, "cost": sum(bill.cost_micros for bill in bills) if known else None}

    def _drift(self, theirs: int, ours: int | None, *, slack: int) -> Drift:
        """Return both; each call's cost was rounded to a micro-dollar, which nobody need look into."""
        if ours is None:
            return Drift(theirs, ours, beyond=True)
        apart = abs(ours - theirs)
        return Drift(theirs, ours, beyond=apart > slack and apart * 100 > self._tolerance * abs(theirs))


def _by_model(rows: Iterable[Sided]) -> dict[str, list[Sided]]:
    """Return one side by its names of models: of a hundred thousand, none is looked for among all others."""
    found: dict[str, list[Sided]] = {}
    for row in rows:
        found.setdefault(row.model, []).append(row)
    return found


def _known(lines: Iterable[Line]) -> dict[Measure, int]:
    """Return what lines say together, money in micro-dollars."""
    sums: dict[Measure, int | Decimal] = {}
    for line in lines:
        for measure, number in line.known.items():
            sums[measure] = sums.get(measure, 0) + number
    return {name: micros(Decimal(sum_)) if name == "cost" else int(sum_) for name, sum_ in sums.items()}


def _verdict(figures: Mapping[Measure, Drift], *, theirs: bool, ours: bool) -> Verdict:
    if not theirs:
        return "only_ours"
    if not ours and any(one.theirs for one in figures.values()):
        return "only_theirs"
    if all(one.drift == 0 for one in figures.values()):
        return "equal"
    apart = [one for one in figures.values() if one.beyond and one.ours is not None]
    if not apart:
        return "unknown" if any(one.ours is None for one in figures.values()) else "within"
    cost = figures.get("cost")
    furthest = max(apart, key=lambda one: abs(one.percent or float("inf")))
    if cost is not None and cost.beyond and cost.ours is not None:
        furthest = cost
    return "ours_more" if (furthest.drift or 0) > 0 else "theirs_more"


def _nothing(provider: str) -> str:
    return f"the ledger has nothing of {provider!r} in this time: is that the provider's name in the ledger?"


def _notes(export: Export, asked: Sequence[Bill], ours: Sequence[Bill]) -> Iterable[str]:
    if export.more:
        yield "the provider said that there is another page: what is in it is missing here"
    if export.twice:
        days = "a day" if len(export.twice) == 1 else f"{len(export.twice)} days"
        first = datetime.fromtimestamp(min(export.twice[0], LAST - 1), UTC).strftime("%Y-%m-%d")
        yield f"several files tell of {days}, from {first} on: what is in more than one of them counts twice"
    if export.shifted:
        yield "its days do not begin at midnight UTC, as ours do: only sums of the whole time agree (--json)"
    if any(line.model == ALL for line in export.lines):
        yield "the export does not tell all models apart: what it does not is compared as all together"
    left = {bill.task for bill in asked} - {bill.task for bill in ours}
    if left:
        yield f"not in the export, and so not compared: {', '.join(sorted(left))}"
    if any(bill.unknown_cost for bill in ours):
        yield "some of our costs are not known: set a price (dragoman prices) and price history anew"
    if any(bill.estimated for bill in ours):
        yield "some of our calls were counted by ourselves, as those whose client left: these are estimates"
