"""History priced anew: what attempts would have cost under the prices that are known now.

Each attempt is priced as of the instant it was opened, by its own meters and its own tier. Left as they are

* costs the provider told itself: no table knows better;
* costs nobody says the price of (booked before rows said so): the provider may have told them;
* rows without tokens: an answer from a recording, a refused or an interrupted request; and those that wrote
  none, under a price with a fee: it may be for each search, and how many these were is not kept;
* rows whose price nobody knows now: what is known is not forgotten.

History is read and written in steps, so that nobody waits for the whole of it. Whatever is written is in the
audit log, also where it stopped half-way; doing it again does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol

import msgspec

from dragoman.core.extras import Json
from dragoman.core.failure import Failure
from dragoman.core.usage import COUNTERS, Price, Usage, cost, micros
from dragoman.store.audit import Audit, AuditRow
from dragoman.store.ledger import AttemptRow
from dragoman.store.prices import Priced, Prices

STEP = 200
"""Attempts that are read, and written, at once."""

COUNTS = ("seen", "rows", "kept", "bare", "unpriced", "unknown", "before_micros", "after_micros")
"""What is told of a repricing, in numbers."""

TOLD = "provider"
"""The version of a cost that the provider told itself."""


class Told(Protocol):
    """A price, and by whose word."""

    @property
    def price(self) -> Price | None:
        """What it costs; None: nobody knows."""

    @property
    def version(self) -> str:
        """By whose word."""


Find = Callable[[str, str, float], Told]
"""Says what a provider charges for what it calls so, at a Unix second."""


class Span(msgspec.Struct, frozen=True):
    """Which attempts: opened in a time (Unix seconds; before `until`), of a provider, of a model; "": any."""

    since: float
    until: float
    provider: str = ""
    model: str = ""


class Line(msgspec.Struct, frozen=True):
    """What changes for one model: how many attempts, and what they cost together before and after.

    ``unknown``: of these, attempts whose cost was not known before.
    """

    provider: str
    model: str
    was: str
    now: str
    rows: int = 0
    unknown: int = 0
    before_micros: int = 0
    after_micros: int = 0


class Repriced(msgspec.Struct, frozen=True):
    """What was, or would be, changed.

    Attributes:
        lines: The changes, by model and price.
        seen: Attempts that were looked at.
        kept: Of these, those whose cost is the provider's word, or of an origin nobody knows.
        bare: Those without the meters it takes.
        unpriced: Those whose price nobody knows.
    """

    lines: tuple[Line, ...] = ()
    seen: int = 0
    kept: int = 0
    bare: int = 0
    unpriced: int = 0

    @property
    def rows(self) -> int:
        """Attempts whose cost changes."""
        return sum(line.rows for line in self.lines)

    @property
    def unknown(self) -> int:
        """Of these, attempts whose cost was not known before."""
        return sum(line.unknown for line in self.lines)

    @property
    def before_micros(self) -> int:
        """What they cost before, as far as that was known."""
        return sum(line.before_micros for line in self.lines)

    @property
    def after_micros(self) -> int:
        """What they cost now."""
        return sum(line.after_micros for line in self.lines)


class _Change(msgspec.Struct, frozen=True):
    row: AttemptRow
    cost_micros: int
    version: str


class _Tally:
    """Counts what was seen."""

    def __init__(self) -> None:
        self.found = Repriced()
        self._lines: dict[tuple[str, str, str, str], Line] = {}

    def judge(self, row: AttemptRow, find: Find) -> _Change | None:
        """Return what becomes of an attempt; None: it stays as it is."""
        self._count("seen")
        if row.price == TOLD or (not row.price and row.meters.cost_micros):
            self._count("kept")
            return None
        counters = {name: getattr(row.meters, name) for name in COUNTERS}
        if not any(counters.values()):
            self._count("bare")
            return None
        told = find(row.provider, row.model, row.opened_at)
        if told.price is not None and told.price.request is not None and not _written(row):
            self._count("bare")
            return None
        if (spent := cost(Usage(**counters, tier=row.tier), told.price)) is None:
            self._count("unpriced")
            return None
        booked = micros(spent)
        return _Change(row, booked, told.version) if booked != row.meters.cost_micros else None

    def add(self, changes: Iterable[_Change]) -> None:
        """Count changes, once they are made."""
        for change in changes:
            row, was = change.row, change.row.meters.cost_micros
            names = (row.provider, row.model, row.price, change.version)
            line = self._lines.get(names) or Line(*names)
            self._lines[names] = msgspec.structs.replace(
                line,
                rows=line.rows + 1,
                unknown=line.unknown + (was is None),
                before_micros=line.before_micros + (was or 0),
                after_micros=line.after_micros + change.cost_micros,
            )
        self.found = msgspec.structs.replace(self.found, lines=tuple(self._lines.values()))

    def _count(self, name: str) -> None:
        self.found = msgspec.structs.replace(self.found, **{name: getattr(self.found, name) + 1})


async def preview(prices: Prices, *, find: Find, span: Span) -> Repriced:
    """Return what :func:`reprice` would change, and change nothing."""
    tally = _Tally()
    await _walk(prices, tally, find=find, span=span, write=False)
    return tally.found


async def reprice(
    prices: Prices, audit: Audit, *, find: Find, span: Span, actor: str, now: float
) -> Repriced:
    """Price history anew; return what was changed, once that is durable and in the audit log.

    Args:
        prices: Where history is.
        audit: Where it is written down.
        find: The prices that are known now.
        span: Which attempts.
        actor: Who has it done.
        now: Unix seconds.

    Raises:
        Failure: The store's; what was changed until then stays, and is in the audit log if it could be.
    """
    tally = _Tally()
    try:
        await _walk(prices, tally, find=find, span=span, write=True)
    except BaseException:
        with suppress(Failure):
            await audit.write(_entry(tally.found, span, actor=actor, now=now, finished=False))
        raise
    await audit.write(_entry(tally.found, span, actor=actor, now=now, finished=True))
    return tally.found


async def _walk(prices: Prices, tally: _Tally, *, find: Find, span: Span, write: bool) -> None:
    after: tuple[str, int] | None = None
    while rows := await prices.used(
        since=span.since, until=span.until, provider=span.provider, model=span.model, after=after, limit=STEP
    ):
        changes = [change for row in rows if (change := tally.judge(row, find)) is not None]
        if changes and write:
            await prices.reprice([_priced(change) for change in changes])
        tally.add(changes)
        after = (rows[-1].exchange_id, rows[-1].number)


def _written(row: AttemptRow) -> int:
    return row.meters.output + row.meters.reasoning + row.meters.audio_output


def _priced(change: _Change) -> Priced:
    row = change.row
    return Priced(row.exchange_id, row.number, change.cost_micros, change.version)


def _entry(found: Repriced, span: Span, *, actor: str, now: float, finished: bool) -> AuditRow:
    counts = {name: getattr(found, name) for name in COUNTS}
    detail = {**msgspec.structs.asdict(span), **counts, "finished": finished}
    subject = "/".join(filter(None, (span.provider, span.model))) or "*"
    return AuditRow(now, actor, "prices.reprice", subject, msgspec.json.encode(detail))


def summary(found: Repriced) -> dict[str, Json]:
    """Return what was, or would be, changed as JSON; money is micro-dollars."""
    counts: dict[str, Json] = {name: getattr(found, name) for name in COUNTS}
    return {**counts, "lines": [msgspec.structs.asdict(line) for line in found.lines]}
