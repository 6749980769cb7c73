"""A span says what the row says, in the conventions' words, on a real collector's socket."""

from __future__ import annotations

import hashlib
from typing import Any, get_args

import pytest
from opentelemetry import trace
from tests.sinks.collector import attributes, collecting

from dragoman import __version__
from dragoman.core.events import Reason
from dragoman.sinks.otlp_spans import Spans, trace_id
from dragoman.store import ExchangeRow, Meters

CLIENT, INTERNAL, ERROR = 3, 1, 2
"""As opentelemetry/proto/trace/v1/trace.proto has them."""


def row(**fields: Any) -> ExchangeRow:
    """Return an exchange that went well, but for `fields`."""
    made: dict[str, Any] = {
        "id": "req_1",
        "request_id": "mine",
        "owner": "o",
        "key": "alice",
        "dialect": "anthropic",
        "task": "generate",
        "model": "fast",
        "stream": True,
        "opened_at": 1_795_262_400.25,
        "state": "settled",
        "settled_at": 1_795_262_402.5,
        "provider": "gemini",
        "answered_model": "gemini-2.5-flash",
        "status": 200,
        "stop": "end",
        "first_event_ms": 300.0,
        "latency_ms": 2000.0,
        "chunks": 12,
        "counted": "provider",
        "losses": ("dropped:seed",),
        "meters": Meters(input=10, cache_read=5, cache_write=1, output=7, reasoning=2, cost_micros=1500),
    }
    return ExchangeRow(**{**made, **fields})


def sent(*rows: ExchangeRow, **options: Any) -> tuple[Any, ...]:
    """Return the spans a collector got of `rows`."""
    with collecting() as collector:
        made: dict[str, Any] = {"service_name": "s", "timeout_s": 5.0, "keys": False, "address": lambda _: ""}
        spans = Spans(collector.url, {}, **{**made, **options})
        assert spans.send(rows)
        spans.close()
        return tuple(collector.spans)


def test_a_span_is_named_and_attributed_by_the_conventions() -> None:
    """Operation, provider, models, tokens with their parts, why it stopped, time to the first chunk."""
    [span] = sent(row())
    assert (span.name, span.kind, span.status.code) == ("chat fast", CLIENT, 0)
    told = attributes(span)
    assert {name: value for name, value in told.items() if not name.startswith("dragoman.")} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "fast",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "gemini-2.5-flash",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.time_to_first_chunk": 0.3,
        "gen_ai.usage.input_tokens": 16,
        "gen_ai.usage.cache_read.input_tokens": 5,
        "gen_ai.usage.cache_creation.input_tokens": 1,
        "gen_ai.usage.output_tokens": 9,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "http.response.status_code": 200,
    }


def test_what_only_a_gateway_knows_is_told_beside() -> None:
    """Cost, losses, attempts, and which exchange it was, so that it can be found in the ledger."""
    told = attributes(sent(row())[0])
    assert {name: value for name, value in told.items() if name.startswith("dragoman.")} == {
        "dragoman.exchange.id": "req_1",
        "dragoman.request.id": "mine",
        "dragoman.dialect": "anthropic",
        "dragoman.task": "generate",
        "dragoman.state": "settled",
        "dragoman.provider": "gemini",
        "dragoman.attempts": 1,
        "dragoman.cached": False,
        "dragoman.fallback": False,
        "dragoman.chunks": 12,
        "dragoman.losses": ["dropped:seed"],
        "dragoman.cost_usd": 0.0015,
        "dragoman.usage.counted": "provider",
        "dragoman.usage.estimated": False,
    }


def test_a_span_lasts_as_long_as_the_exchange() -> None:
    """From when it was opened, for as long as was measured; without a measure, by the clock."""
    measured, clocked = sent(row(), row(latency_ms=None))
    assert measured.start_time_unix_nano == clocked.start_time_unix_nano == 1_795_262_400_250_000_000
    assert measured.end_time_unix_nano - measured.start_time_unix_nano == 2_000_000_000
    assert clocked.end_time_unix_nano - clocked.start_time_unix_nano == 2_250_000_000


def test_a_failure_is_an_error_without_its_words() -> None:
    """Its kind is told; a provider's message may quote a prompt and is not."""
    [span] = sent(row(state="failed", status=502, failure="upstream", message="a secret prompt", stop=None))
    assert (span.status.code, span.status.message) == (ERROR, "")
    told = attributes(span)
    assert (told["error.type"], told["http.response.status_code"]) == ("upstream", 502)
    assert "gen_ai.response.model" not in told
    assert b"secret" not in span.SerializeToString()


def test_what_called_nobody_is_no_client_call() -> None:
    """A recorded answer and a refusal have no provider's address; the gateway answered."""
    recorded, refused = sent(
        row(cached=True),
        row(provider=None, answered_model=None, state="failed", failure="not_found", meters=Meters()),
        address=lambda _: "https://api.example.com/v1",
    )
    assert (recorded.kind, refused.kind) == (INTERNAL, INTERNAL)
    assert attributes(refused)["gen_ai.provider.name"] == "dragoman"
    for span in (recorded, refused):
        assert "server.address" not in attributes(span)
    assert not [name for name in attributes(refused) if name.startswith("gen_ai.usage")]


@pytest.mark.parametrize(
    ("url", "address", "port"),
    [
        ("https://api.example.com/v1", "api.example.com", 443),
        ("http://127.0.0.1:9000", "127.0.0.1", 9000),
        ("http://[::1]/v1", "::1", 80),
    ],
)
def test_where_the_provider_is_is_told(url: str, address: str, port: int) -> None:
    """By the address it is configured with."""
    told = attributes(sent(row(), address=lambda name: url if name == "gemini" else "")[0])
    assert (told["server.address"], told["server.port"]) == (address, port)


def test_a_key_is_told_only_where_it_is_configured() -> None:
    """By default no span says who asked."""
    assert "dragoman.key" not in attributes(sent(row())[0])
    assert attributes(sent(row(), keys=True)[0])["dragoman.key"] == "alice"


@pytest.mark.parametrize(
    ("task", "provider", "name", "vendor"),
    [("embed", "openai-responses", "embeddings m", "openai"), ("rerank", "cohere", "rerank m", "cohere")],
)
def test_other_tasks_and_vendors(task: str, provider: str, name: str, vendor: str) -> None:
    """What the conventions know is called as they call it, the rest by its own name."""
    [span] = sent(row(task=task, provider=provider, model="m", stream=False))
    assert span.name == name
    told = attributes(span)
    assert told["gen_ai.provider.name"] == vendor
    assert "gen_ai.request.stream" not in told
    assert "gen_ai.response.time_to_first_chunk" not in told


@pytest.mark.parametrize("stop", get_args(Reason))
def test_a_reason_to_stop_is_one_of_the_conventions(stop: str) -> None:
    """The two they have no word for keep our own."""
    told = attributes(sent(row(stop=stop))[0])["gen_ai.response.finish_reasons"]
    assert told[0] in ("stop", "length", "content_filter", "tool_call", "error", "pause", "bad_tool_call")
    assert (told == [stop]) == (stop in ("length", "error", "pause", "bad_tool_call"))


def test_a_trace_is_found_by_the_exchanges_id() -> None:
    """Its id is the beginning of a digest anybody can make; every exchange is a trace of its own."""
    first, second = sent(row(), row(id="req_2"))
    digest = hashlib.sha256(b"req_1").digest()
    assert (first.trace_id, first.span_id) == (digest[:16], digest[:8])
    assert first.trace_id == trace_id("req_1").to_bytes(16, "big")
    assert second.trace_id != first.trace_id
    assert (first.parent_span_id, second.parent_span_id) == (b"", b"")


def test_the_gateway_is_named_and_nothing_is_set_for_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service is the one configured, and OpenTelemetry's own provider stays what it was."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    before = trace.get_tracer_provider()
    with collecting() as collector:
        spans = Spans(
            f"{collector.url}/v1/traces/",
            {"api-key": "k"},
            service_name="here",
            timeout_s=5,
            keys=False,
            address=str,
        )
        assert spans.send([row()])
        spans.close()
        [request] = collector.requests
        resource = attributes(request.resource_spans[0].resource)
        assert (resource["service.name"], resource["service.version"]) == ("here", __version__)
        assert collector.paths == ["/v1/traces"]
        assert collector.headers[0]["api-key"] == "k"
    assert trace.get_tracer_provider() is before


def test_a_name_no_text_can_have_costs_no_batch() -> None:
    """A lone surrogate is replaced."""
    first, _ = sent(
        row(model="a\ud800b", answered_model="\udfff", stop="\ud800", losses=("dropped:\ud800",)), row()
    )
    assert first.name == "chat a?b"


def test_what_a_collector_refuses_was_not_sent() -> None:
    """And the next batch is none of its business."""
    with collecting() as collector:
        spans = Spans(collector.url, {}, service_name="s", timeout_s=5, keys=False, address=str)
        collector.status = 400
        assert not spans.send([row()])
        collector.status = 200
        assert spans.send([row()])
        spans.close()
        assert len(collector.spans) == 2
