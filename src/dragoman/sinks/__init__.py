"""Someone told afterwards: what happened, once it has.

    files.py        logs/prompts.json and .csv           influx.py    points, spooled while the server is down
    prometheus.py   counters for a scraper               webhook.py   signed POSTs
    otlp.py         traces

A sink is told of every exchange that was booked, of every rating and of every alert. It never makes a request
wait and never fails one: :meth:`Sink.emit` only takes the record; what is slow happens in :meth:`Sink.run`,
behind a queue with an end. What the queue cannot take is counted, and the ledger has it all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from dragoman.store import ExchangeRow
from dragoman.store.budgets import Alert


class Record(msgspec.Struct, frozen=True):
    """One exchange that has ended.

    Attributes:
        row: As the ledger has it.
        prompt: What was asked, in words; None: not to be told (see [logs]).
        response: What was answered, in words; None as `prompt`.
    """

    row: ExchangeRow
    prompt: str | None = None
    response: str | None = None


class Rated(msgspec.Struct, frozen=True):
    """A rating of an answer. ``exchange_id``: whose; ``rated_at``: Unix seconds."""

    exchange_id: str
    key: str
    model: str
    rating: int
    feedback: str
    rated_at: float


Telling = Record | Rated | Alert
"""What a sink is told."""


class Sink(Protocol):
    """Someone told afterwards."""

    name: str

    def emit(self, record: Telling) -> None:
        """Take one record; never waits, never raises."""

    async def run(self) -> None:
        """Deliver what was taken, until cancelled."""

    async def close(self) -> None:
        """Deliver what is left, within a second or two, and let go of everything."""

    def counts(self) -> Mapping[str, int]:
        """Return how many records were ``taken``, ``delivered``, ``dropped``, and are ``waiting``."""
