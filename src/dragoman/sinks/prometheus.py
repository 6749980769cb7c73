"""Counters for a scraper: what the records say, as Prometheus and OpenMetrics read it.

Every number is this object's own. Of ``prometheus_client`` only the formats are used: its metrics are made
for one registry a process, read the environment (``PROMETHEUS_MULTIPROC_DIR``) and put a second series beside
every counter.

**Series are bounded**, whatever clients ask for. A model has series of its own if it is *known* (configured),
or once it has answered; until then, and past `most_models` pairs of provider and model, it is ``other``. So
names that clients make up cannot push out real ones. No metric has more than :data:`MOST_SERIES` series;
past that all labels are ``other``. What a loss was of is told in the core's own words only. A prompt or an
answer is never looked at.

**Several workers** share a folder (:mod:`dragoman.sinks.pool`): a scrape reaches one and is told of all.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import accumulate
from typing import Annotated, Final

import msgspec
from prometheus_client import exposition
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.utils import floatToGoString

from dragoman.core.failure import Failure, Kind
from dragoman.core.request import Request, Sampling
from dragoman.core.usage import COUNTERS
from dragoman.sinks import Rated, Telling
from dragoman.sinks.pool import Family, Pool
from dragoman.store import ExchangeRow
from dragoman.store.budgets import Alert

OTHER = "other"

MOST_SERIES = 20_000
"""Series one metric may have."""

WRITE_S = 5.0
"""Seconds between two times that the other workers are told."""

LONGEST = 200
"""Characters of a model's name that are told."""

SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""What OpenTelemetry advises for ``gen_ai.client.operation.duration`` and ``...time_to_first_chunk``
(https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-metrics.md, read
2026-11-21)."""

WORDS = frozenset({"answer", *Request.__struct_fields__, *Sampling.__struct_fields__})
"""What a loss may be of, by name; a field some client or provider made up is ``other``."""


class MetricsSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is counted for Prometheus, and who may read it.

    Attributes:
        enabled: Whether anything is counted, and `/metrics` served.
        keys: Whether requests, tokens and cost are told by the key's name, too.
        most_models: Pairs of provider and model outside the configuration that have series of their own; the
            others are one, "other".
        readers: Names of the keys that may read `/metrics`, beside the admin's; "*" is every key.
        open: Whether `/metrics` needs no key at all.
    """

    enabled: bool = True
    keys: bool = False
    most_models: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 200
    readers: tuple[str, ...] = ()
    open: bool = False


Labels = tuple[str, ...]
Series = dict[Labels, list[float]]


class Tally:
    """One counter and its series: whole numbers, told divided by `per`."""

    __slots__ = ("_about", "_labels", "_name", "_per", "_values")

    def __init__(self, name: str, about: str, labels: Labels, *, per: int = 1) -> None:
        self._name = name
        self._about = about
        self._labels = labels
        self._per = per
        self._values: dict[Labels, int] = {}

    def add(self, labels: Labels, amount: int = 1) -> None:
        """Count `amount` more; nothing makes no series."""
        if amount:
            labels = _bounded(labels, self._values)
            self._values[labels] = self._values.get(labels, 0) + amount

    def copy(self) -> Tally:
        """Return it as it stands now."""
        copy = Tally(self._name, self._about, self._labels, per=self._per)
        copy._values = self._values.copy()
        return copy

    def family(self) -> Family:
        """Return it to be told."""
        series = {labels: [value / self._per] for labels, value in self._values.items()}
        return Family(self._name, self._about, "counter", self._labels, (), series)


class Spread:
    """One histogram of seconds and its series: how many up to each bound, and the sum."""

    __slots__ = ("_about", "_labels", "_name", "_values")

    def __init__(self, name: str, about: str, labels: Labels) -> None:
        self._name = name
        self._about = about
        self._labels = labels
        self._values: dict[Labels, list[float]] = {}

    def add(self, labels: Labels, seconds: float) -> None:
        """Count one more."""
        labels = _bounded(labels, self._values)
        found = self._values.get(labels)
        if found is None:
            found = self._values[labels] = [0.0] * (len(SECONDS) + 2)
        found[bisect_left(SECONDS, seconds)] += 1
        found[-1] += seconds

    def copy(self) -> Spread:
        """Return it as it stands now."""
        copy = Spread(self._name, self._about, self._labels)
        copy._values = {labels: found[:] for labels, found in self._values.items()}
        return copy

    def family(self) -> Family:
        """Return it to be told."""
        return Family(self._name, self._about, "histogram", self._labels, SECONDS, self._values)


class Prometheus:
    """Counts what happened in one process, and tells of all that share its folder.

    Args:
        spec: What is told.
        pool: What it shares with other workers; None: it is alone.
        in_flight: Returns how many requests are under way.
        sinks: Returns the :meth:`Sink.counts` of each sink by name.
        known: Says whether somebody configured a model of this name.
        pause: Waits so many seconds.
    """

    name = "prometheus"

    def __init__(
        self,
        spec: MetricsSpec,
        *,
        pool: Pool | None = None,
        in_flight: Callable[[], int] = int,
        sinks: Callable[[], Mapping[str, Mapping[str, int]]] = dict,
        known: Callable[[str], bool] = lambda _: False,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._spec = spec
        self._pool = pool
        self._in_flight = in_flight
        self._sinks = sinks
        self._known = known
        self._pause = pause
        self._pairs: set[tuple[str, str]] = set()
        self._taken = self._gathered = 0
        key = ("key",) if spec.keys else ()
        model = ("provider", "model")
        self._requests = Tally(
            "dragoman_requests",
            "Requests that ended, however they did.",
            ("dialect", "task", *model, "status", "stream", "cached", *key),
        )
        self._tokens = Tally(
            "dragoman_tokens",
            "Tokens that providers read and wrote; kinds do not overlap.",
            ("kind", *model, *key),
        )
        self._cost = Tally(
            "dragoman_cost_dollars", "What requests cost, where it is known.", (*model, *key), per=1_000_000
        )
        self._unknown = Tally(
            "dragoman_cost_unknown_requests", "Requests whose cost nobody knows.", (*model, *key)
        )
        self._attempts = Tally(
            "dragoman_attempts", "Times that a provider was asked, by who was asked last.", model
        )
        self._fallbacks = Tally(
            "dragoman_fallbacks", "Requests another model answered than the one asked for.", model
        )
        self._failures = Tally("dragoman_failures", "Requests that failed.", ("kind", *model))
        self._losses = Tally(
            "dragoman_losses", "What a crossing could not carry exactly.", ("dialect", "how", "what")
        )
        self._hits = Tally("dragoman_cache_hits", "Requests answered from a recording.", model)
        self._ratings = Tally("dragoman_ratings", "Ratings of answers.", ("model", "rating"))
        told = "Shares of budgets that were spent, each told once a window."
        self._alerts = Tally("dragoman_budget_alerts", told, ("budget", "percent"))
        self._latency = Spread(
            "dragoman_request_duration_seconds",
            "From the request to the last byte of an answer that a provider gave whole.",
            ("task", *model, "stream"),
        )
        self._first = Spread(
            "dragoman_time_to_first_token_seconds",
            "From the request to the first content of a streamed answer that a provider gave.",
            model,
        )

    def emit(self, record: Telling) -> None:
        """Count one record; never waits, never raises."""
        self._taken += 1
        if isinstance(record, Rated):
            model = _printable(record.model)
            own = self._known(model) or any(model == one for _, one in self._pairs)
            self._ratings.add((model if own else OTHER, str(record.rating)))
        elif isinstance(record, Alert):
            self._alerts.add((record.budget, str(record.percent)))
        else:
            self._count(record.row)

    async def run(self) -> None:
        """Tell the other workers what was counted, now and then, until cancelled."""
        while True:
            await self._write()
            await self._pause(WRITE_S)

    async def close(self) -> None:
        """Leave to the others what was counted."""
        await self._write()

    def counts(self) -> Mapping[str, int]:
        """Return its own counts: a record is delivered as soon as it is counted."""
        return {"taken": self._taken, "delivered": self._taken, "dropped": 0, "waiting": 0}

    async def page(self, accept: str) -> tuple[bytes, str]:
        """Return what a scraper is told, and its content type, by its Accept header.

        With several workers all that is told comes from the shared folder, this worker's own part written
        just now: whichever of them is asked, a counter never goes back.

        Raises:
            Failure: UNAVAILABLE, the folder cannot be read.
        """
        await self._write()
        form: Callable[[_Told], bytes] = exposition.generate_latest
        kind = exposition.CONTENT_TYPE_PLAIN_0_0_4
        if "application/openmetrics-text" in accept:
            form, kind = openmetrics.generate_latest, openmetrics.CONTENT_TYPE_LATEST
        read = self._gather() if self._pool is None else self._pool.read
        try:
            return await asyncio.to_thread(lambda: form(_Told(read()))), kind
        except OSError as error:
            message = f"the counters of all workers cannot be read ({error.strerror})"
            raise Failure(Kind.UNAVAILABLE, message) from error

    def _gather(self) -> Callable[[], list[Family]]:
        """Copy everything as it stands now; what is returned may be called in another thread."""
        counted = (
            *(self._requests, self._tokens, self._cost, self._unknown, self._attempts, self._fallbacks),
            *(self._failures, self._losses, self._hits, self._ratings, self._alerts),
            *(self._latency, self._first),
        )
        copies, others = [one.copy() for one in counted], list(self._others())
        return lambda: [*(one.family() for one in copies), *others]

    async def _write(self) -> None:
        pool = self._pool
        if pool is None:
            return
        self._gathered += 1
        number, families = self._gathered, self._gather()
        with suppress(OSError):  # a full disk costs a scraper some numbers, and no request anything
            await asyncio.to_thread(lambda: pool.write(families(), number))

    def _count(self, row: ExchangeRow) -> None:
        meters, key = row.meters, (_printable(row.key),) if self._spec.keys else ()
        model = self._model(row)
        stream, cached = _yes(row.stream), _yes(row.cached)
        self._requests.add((row.dialect, row.task, *model, _status(row), stream, cached, *key))
        self._attempts.add(model, row.attempts if row.provider and not row.cached else 0)
        if row.failure:
            self._failures.add((row.failure, *model))
        if row.fallback:
            self._fallbacks.add(model)
        for loss in row.losses:
            how, _, at = loss.partition(":")
            what = at.partition(".")[0].partition("[")[0]
            self._losses.add((row.dialect, how, what if what in WORDS else OTHER))
        if row.cached:
            self._hits.add(model)
            return
        for kind in COUNTERS:
            self._tokens.add((kind, *model, *key), getattr(meters, kind))
        if meters.cost_micros is None:
            self._unknown.add((*model, *key))
        else:
            self._cost.add((*model, *key), meters.cost_micros)
        if row.state == "settled" and row.provider and row.latency_ms is not None:
            self._latency.add((row.task, *model, stream), row.latency_ms / 1000)
        if row.stream and row.first_event_ms is not None:
            self._first.add(model, row.first_event_ms / 1000)

    def _model(self, row: ExchangeRow) -> tuple[str, str]:
        """Return who answered, as labels; a provider's name is the operator's, a model's may be anybody's."""
        provider, model = row.provider or "", _printable(row.answered_model or row.model)
        if row.state == "settled" and row.provider and len(self._pairs) < self._spec.most_models:
            self._pairs.add((provider, model))
        return provider, model if self._is_own(provider, model) else OTHER

    def _is_own(self, provider: str, model: str) -> bool:
        return (provider, model) in self._pairs or self._known(model)

    def _others(self) -> Iterator[Family]:
        """Yield what others know, as it is now."""
        flying: Series = {(): [float(self._in_flight())]}
        yield Family("dragoman_requests_in_flight", "Requests under way.", "gauge", (), (), flying)
        counts = self._sinks()
        records: Series = {
            (sink, fate): [float(told.get(fate, 0))]
            for sink, told in counts.items()
            for fate in ("taken", "delivered", "dropped")
        }
        about = "Records by what became of them."
        yield Family("dragoman_sink_records", about, "counter", ("sink", "fate"), (), records)
        waiting: Series = {(sink,): [float(told.get("waiting", 0))] for sink, told in counts.items()}
        about = "Records a sink has yet to deliver."
        yield Family("dragoman_sink_waiting", about, "gauge", ("sink",), (), waiting)


class _Told:
    """Families as the formats want them."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            yield _histogram(family) if family.kind == "histogram" else _plain(family)


def _plain(family: Family) -> Metric:
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.about, labels=family.labels)
    for labels, [value] in family.series.items():
        metric.add_metric(labels, value)
    return metric


def _histogram(family: Family) -> Metric:
    metric = HistogramMetricFamily(family.name, family.about, labels=family.labels)
    bounds = [*map(floatToGoString, family.bounds), "+Inf"]
    for labels, (*counts, total) in family.series.items():
        metric.add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), total)
    return metric


def _bounded(labels: Labels, values: Mapping[Labels, object]) -> Labels:
    """Return `labels`, or those of the one series for all that have none."""
    if labels in values or len(values) < MOST_SERIES:
        return labels
    return (OTHER,) * len(labels)


def _status(row: ExchangeRow) -> str:
    """Return how a request ended in a word: a client that left is no fault of its own."""
    if row.state == "cancelled":
        return "cancelled"
    return f"{row.status // 100}xx" if row.status else OTHER


def _printable(name: str) -> str:
    """Return a name fit for a label: a provider may call its model anything."""
    name = name[:LONGEST]
    return name if name.isprintable() else "".join(one if one.isprintable() else "_" for one in name)


def _yes(value: bool) -> str:  # noqa: FBT001  it is what is written
    return "true" if value else "false"
