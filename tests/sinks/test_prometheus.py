"""What is counted, what a scraper reads of it, and that strangers cannot make it grow."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import openmetrics, parser
from prometheus_client.openmetrics import parser as openmetrics_parser
from tests.sinks.records import ALERTED

from dragoman.core.failure import Failure, Kind
from dragoman.sinks import Rated, Record, Sink, Telling
from dragoman.sinks.pool import Pool
from dragoman.sinks.prometheus import (
    MOST_SERIES,
    OTHER,
    SECONDS,
    WRITE_S,
    MetricsSpec,
    Prometheus,
    Spread,
    Tally,
)
from dragoman.store import ExchangeRow, Meters

TEXT, OPENMETRICS = "text/plain", "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1"
SPEC = MetricsSpec()


def record(**fields: Any) -> Record:
    """Return an exchange that went well, but for `fields`."""
    row: dict[str, Any] = {
        "id": "x1",
        "request_id": "r1",
        "owner": "o",
        "key": "alice",
        "dialect": "anthropic",
        "task": "generate",
        "model": "fast",
        "stream": True,
        "opened_at": 1000.0,
        "state": "settled",
        "settled_at": 1002.0,
        "provider": "groq",
        "answered_model": "llama",
        "status": 200,
        "first_event_ms": 300.0,
        "latency_ms": 2000.0,
        "meters": Meters(input=10, cache_read=5, output=7, reasoning=2, cost_micros=1500),
    }
    return Record(ExchangeRow(**{**row, **fields}), prompt="a secret prompt", response="a secret answer")


def scrape(metrics: Prometheus, accept: str = TEXT) -> str:
    """Return what a scraper gets."""
    return asyncio.run(metrics.page(accept))[0].decode()


def strict(text: str) -> dict[str, str]:
    """Return the types by name as OpenMetrics' own parser reads them; it takes nothing that is not right."""
    families: Any = openmetrics_parser
    return {one.name: one.type for one in families.text_string_to_metric_families(text)}


def value(text: str, name: str, **labels: str) -> float:
    """Return the sum of the samples of a name that have these labels."""
    return sum(
        sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def counted(records: Iterable[Telling], spec: MetricsSpec = SPEC, **options: Any) -> str:
    """Return what a scraper gets of `records`."""
    metrics = Prometheus(spec, **options)
    for one in records:
        metrics.emit(one)
    return scrape(metrics)


def test_a_request_is_counted_by_what_it_was() -> None:
    """Who asked in what dialect, who answered, how it ended: one request, one count."""
    text = counted([record(), record(stream=False), record()])
    told = {"dialect": "anthropic", "task": "generate", "provider": "groq", "model": "llama", "status": "2xx"}
    assert value(text, "dragoman_requests_total", **told, stream="true", cached="false") == 2
    assert value(text, "dragoman_requests_total", **told, stream="false") == 1
    assert value(text, "dragoman_attempts_total", provider="groq") == 3


def test_tokens_and_cost_add_up() -> None:
    """Kinds do not overlap, money is exact to the micro-dollar, and an unknown cost is counted as unknown."""
    text = counted([record(), record(), record(meters=Meters(input=1))])
    tokens = {
        kind: value(text, "dragoman_tokens_total", kind=kind) for kind in ("input", "cache_read", "output")
    }
    assert tokens == {"input": 21, "cache_read": 10, "output": 14}
    assert value(text, "dragoman_tokens_total", kind="reasoning", model="llama") == 4
    assert value(text, "dragoman_cost_dollars_total", provider="groq") == 0.003
    assert value(text, "dragoman_cost_unknown_requests_total") == 1
    assert 'kind="audio_input"' not in text


def test_a_recorded_answer_costs_no_tokens_and_no_time() -> None:
    """It is a request and a hit; what it cost when it was recorded was counted then."""
    text = counted([record(cached=True)])
    assert value(text, "dragoman_requests_total", cached="true") == 1
    assert value(text, "dragoman_cache_hits_total", model="llama") == 1
    for name in ("tokens_total", "cost_dollars_total", "attempts_total", "request_duration_seconds_count"):
        assert value(text, f"dragoman_{name}") == 0


def test_durations_are_spread_over_the_advised_buckets() -> None:
    """A bound takes what is equal to it; time to first token is told of streams only."""
    text = counted([record(first_event_ms=10.0), record(latency_ms=100_000.0, stream=False)])
    first, whole = "dragoman_time_to_first_token_seconds", "dragoman_request_duration_seconds"
    assert [value(text, f"{first}_bucket", le=le) for le in ("0.01", "0.02", "+Inf")] == [1, 1, 1]
    assert [value(text, f"{whole}_bucket", le=le) for le in ("1.28", "2.56", "81.92", "+Inf")] == [0, 1, 1, 2]
    assert value(text, f"{whole}_sum") == 102
    assert value(text, f"{first}_count") == 1
    assert len(SECONDS) == 14


def test_failures_fallbacks_and_losses_are_told() -> None:
    """A failure by its kind, a client that left by a word of its own, a loss in the core's words."""
    text = counted(
        [
            record(
                state="failed",
                status=502,
                failure="upstream",
                losses=("dropped:seed", "clamped:reasoning.effort"),
            ),
            record(state="cancelled", status=499),
            record(state="failed", status=None, failure="internal", fallback=True),
            record(losses=("dropped:messages[3].parts[0]", "dropped:a secret field", "dropped:seed")),
        ]
    )
    assert value(text, "dragoman_failures_total", kind="upstream") == 1
    assert value(text, "dragoman_fallbacks_total", provider="groq") == 1
    for status, count in (("5xx", 1), ("cancelled", 1), ("2xx", 1), (OTHER, 1)):
        assert value(text, "dragoman_requests_total", status=status) == count
    losses = {"seed": 2, "reasoning": 1, "messages": 1, OTHER: 1}
    assert {what: value(text, "dragoman_losses_total", what=what) for what in losses} == losses
    assert "secret" not in text


def test_ratings_are_counted() -> None:
    """By model and stars; the words of feedback are not told."""
    rated = Rated("x1", "alice", "llama", 4, "secret", 1.0)
    text = counted([record(), rated, Rated("x2", "alice", "made-up", 1, "", 1.0)])
    assert value(text, "dragoman_ratings_total", model="llama", rating="4") == 1
    assert value(text, "dragoman_ratings_total", model=OTHER, rating="1") == 1
    assert "secret" not in text


def test_alerts_are_counted() -> None:
    """By budget and share; whose budget it is, is not told."""
    text = counted([ALERTED, record(), ALERTED])
    assert value(text, "dragoman_budget_alerts_total", budget="research", percent="80") == 2
    assert "red" not in re.findall(r'"([^"]*)"', text)


def test_a_key_is_told_only_where_it_is_configured() -> None:
    """By default nobody reads from the metrics who asked."""
    assert "alice" not in counted([record()])
    text = counted([record()], MetricsSpec(keys=True))
    for name in ("requests", "tokens", "cost_dollars"):
        assert value(text, f"dragoman_{name}_total", key="alice") > 0


def test_a_made_up_model_has_no_series() -> None:
    """A name nobody configured and nobody answered to is other, and takes no one's place."""
    made_up = [
        record(model=f"x{n}", answered_model=None, state="failed", failure="not_found") for n in range(99)
    ]
    text = counted([*made_up, record()], MetricsSpec(most_models=1))
    assert value(text, "dragoman_failures_total", model=OTHER) == 99
    assert value(text, "dragoman_requests_total", model="llama") == 1
    assert '"x1"' not in text


def test_no_more_models_than_allowed_have_series() -> None:
    """The ones past the bound are one; what is configured always has its own."""
    many = [record(answered_model=f"m{n}") for n in range(10)]
    text = counted(
        [*many, *many, record(answered_model="ours")], MetricsSpec(most_models=3), known="ours".__eq__
    )
    own = {f"m{n}" for n in range(10) if f'model="m{n}"' in text}
    assert own == {"m0", "m1", "m2"}
    assert value(text, "dragoman_requests_total", model=OTHER) == 14
    assert value(text, "dragoman_requests_total", model="ours") == 1


def test_no_metric_has_more_series_than_the_last_bound() -> None:
    """Whatever the labels are, past it everything is one more series."""
    tally, spread = Tally("t", "", ("a", "b")), Spread("s", "", ("a",))
    for number in range(MOST_SERIES + 10):
        tally.add((str(number), "x"))
        spread.add((str(number),), 1.0)
    assert len(tally._values) == len(spread._values) == MOST_SERIES + 1
    assert tally._values[OTHER, OTHER] == spread._values[OTHER,][-1] == 10
    tally.add(("0", "x"))
    assert tally._values["0", "x"] == 2


def test_sinks_and_requests_under_way_are_told_as_they_are() -> None:
    """What others know is asked for at the scrape."""
    flying = [3]
    sinks = {"files": {"taken": 9, "delivered": 7, "dropped": 1, "waiting": 1}}
    metrics = Prometheus(SPEC, in_flight=lambda: flying[0], sinks=lambda: sinks)
    assert value(scrape(metrics), "dragoman_requests_in_flight") == 3
    flying[0] = 0
    text = scrape(metrics)
    assert value(text, "dragoman_requests_in_flight") == 0
    assert value(text, "dragoman_sink_records_total", sink="files", fate="delivered") == 7
    assert value(text, "dragoman_sink_waiting", sink="files") == 1


def test_two_gateways_of_one_process_do_not_meet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither by a registry of the process, nor by its environment."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    one, other = Prometheus(SPEC), Prometheus(SPEC)
    one.emit(record())
    assert value(scrape(one), "dragoman_requests_total") == 1
    assert value(scrape(other), "dragoman_requests_total") == 0
    assert list(tmp_path.iterdir()) == []


def test_a_scraper_gets_the_format_it_asks_for() -> None:
    """OpenMetrics where it is accepted, by its own parser's rules; else the text of old."""
    metrics = Prometheus(SPEC, sinks=lambda: {"files": {"taken": 1}})
    metrics.emit(record(losses=("dropped:seed",)))
    body, kind = asyncio.run(metrics.page(OPENMETRICS))
    assert kind == openmetrics.exposition.CONTENT_TYPE_LATEST
    families = strict(body.decode())
    assert families["dragoman_requests"] == "counter"
    assert families["dragoman_request_duration_seconds"] == "histogram"
    body, kind = asyncio.run(metrics.page("*/*"))
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    assert b"# EOF" not in body
    assert b"_created" not in body


def test_it_is_a_sink() -> None:
    """What it takes it has delivered."""
    sink: Sink = Prometheus(SPEC)
    sink.emit(record())
    assert sink.counts() == {"taken": 1, "delivered": 1, "dropped": 0, "waiting": 0}


@given(name=st.text(st.characters(), min_size=1, max_size=300))
def test_any_name_a_provider_gives_can_be_read_back(name: str) -> None:
    """Quotes, braces, line ends, lone surrogates: both formats stay readable, and the count is there."""
    metrics = Prometheus(SPEC)
    metrics.emit(record(answered_model=name))
    assert value(scrape(metrics), "dragoman_requests_total", provider="groq") == 1
    assert strict(scrape(metrics, OPENMETRICS))["dragoman_requests"] == "counter"


def workers(folder: Path, *names: str, alive: Callable[[str], bool] = lambda _: True) -> list[Prometheus]:
    """Return the metrics of workers that share a folder."""

    def dead(owners: Iterable[str]) -> list[str]:
        return [owner for owner in owners if not alive(owner)]

    return [Prometheus(SPEC, pool=Pool(folder, name, dead=dead), in_flight=lambda: 1) for name in names]


def test_any_worker_tells_of_all(tmp_path: Path) -> None:
    """The one that is asked adds what the others wrote, and itself as it is now."""

    async def play() -> None:
        one, other = workers(tmp_path, "a", "b")
        other.emit(record())
        await other.close()
        one.emit(record())
        text = (await one.page(TEXT))[0].decode()
        assert value(text, "dragoman_requests_total") == 2
        assert value(text, "dragoman_requests_in_flight") == 2
        assert value(text, "dragoman_request_duration_seconds_bucket", le="+Inf") == 2

    asyncio.run(play())


def test_counters_never_go_back_whoever_is_asked(tmp_path: Path) -> None:
    """Not even when a worker that has not written lately answers before and after another."""

    async def play() -> None:
        both = workers(tmp_path, "a", "b")
        seen = 0.0
        for turn in range(12):
            both[turn % 2].emit(record())
            both[turn % 3 % 2].emit(record())
            text = (await both[turn // 2 % 2].page(TEXT))[0].decode()
            now = value(text, "dragoman_requests_total")
            assert now >= seen
            seen = now
        assert seen > 12

    asyncio.run(play())


def test_a_worker_writes_now_and_then_and_at_the_end(tmp_path: Path) -> None:
    """At its start, after each pause, and when it closes."""

    async def play() -> None:
        waited: list[float] = []

        async def pause(seconds: float) -> None:
            waited.append(seconds)
            metrics.emit(record())
            if len(waited) == 3:
                raise asyncio.CancelledError

        def written() -> float:
            return next(iter(Pool(tmp_path, "b", dead=lambda _: []).read()[0].series.values()))[0]

        metrics = Prometheus(SPEC, pool=Pool(tmp_path, "a", dead=lambda _: []), pause=pause)
        with pytest.raises(asyncio.CancelledError):
            await metrics.run()
        assert waited == [WRITE_S] * 3
        assert written() == 2
        await metrics.close()
        assert written() == 3

    asyncio.run(play())


def test_a_folder_that_cannot_be_used_costs_the_page_only(tmp_path: Path) -> None:
    """Counting goes on; the scraper is told 503, which is no reset of its counters."""
    (tmp_path / "file").write_text("")

    async def play() -> None:
        [metrics] = workers(tmp_path / "file", "a")
        metrics.emit(record())
        await metrics.close()
        with pytest.raises(Failure) as caught:
            await metrics.page(TEXT)
        assert caught.value.kind is Kind.UNAVAILABLE

    asyncio.run(play())
