"""Spans of exchanges, and the way they are sent; needs the extra ``otlp``.

The tracer is this object's own, and OpenTelemetry's process-wide one is never touched. A span is begun and
ended in one go with the times of the row, as the root of its trace: a client's own ``traceparent`` is not in
a row. Its trace's id is made from the exchange's, see :func:`trace_id`, so that whoever has an answer's
``x-dragoman-id`` can find it. How it is sent, and how often that is tried again, is the exporter's business;
its certificates, compression and further headers may be set by OpenTelemetry's own variables
(``OTEL_EXPORTER_OTLP_*``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

from dragoman import __version__
from dragoman.store import ExchangeRow

TRACES = "/v1/traces"

OPERATIONS = MappingProxyType({"generate": "chat", "embed": "embeddings"})
"""What the conventions call a task; one they do not know keeps its own name."""

VENDORS = MappingProxyType(
    {
        "azure": "azure.ai.openai",
        "gemini": "gcp.gemini",
        "mistral": "mistral_ai",
        "openai-responses": "openai",
        "xai": "x_ai",
        "xai-responses": "x_ai",
    }
)
"""What the conventions call a provider; one they do not know, or call as we do, keeps its own name."""

REASONS = MappingProxyType(
    {
        "end": "stop",
        "stop_sequence": "stop",
        "context": "length",
        "tool_use": "tool_call",
        "refusal": "content_filter",
        "filter": "content_filter",
    }
)
"""What the conventions call a reason to stop: ``FinishReason`` in gen-ai-output-messages.json beside them."""


class Spans:
    """Makes spans of exchanges and sends them. Not for two threads at once.

    Args:
        endpoint: The collector's address, with or without ``/v1/traces``.
        headers: Sent with every request.
        service_name: What this gateway is called.
        timeout_s: Seconds that sending may take, tries again included.
        keys: Whether the key's name is told.
        address: Returns the base URL of a provider by name; "" where it has none.
    """

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        *,
        service_name: str,
        timeout_s: float,
        keys: bool,
        address: Callable[[str], str],
    ) -> None:
        url = endpoint.rstrip("/").removesuffix(TRACES) + TRACES
        self._exporter = OTLPSpanExporter(endpoint=url, headers=headers, timeout=timeout_s)
        self._keys = keys
        self._address = address
        self._ids, self._ended = _Ids(), _Ended()
        resource = Resource.create({"service.name": service_name, "service.version": __version__})
        provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=self._ids)
        provider.add_span_processor(self._ended)
        self._tracer = provider.get_tracer("dragoman", __version__)

    def send(self, rows: Sequence[ExchangeRow]) -> bool:
        """Send a span of each row; blocks, and returns whether the collector took them."""
        for row in rows:
            self._end(row)
        spans, self._ended.spans = self._ended.spans, []
        return self._exporter.export(spans) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """Give up trying again, wherever :meth:`send` is."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _end(self, row: ExchangeRow) -> None:
        """Begin and end the span of a row."""
        self._ids.trace = trace_id(row.id)
        began = round(row.opened_at * 1e6) * 1000  # in whole microseconds, which is what the clock has
        ended = row.settled_at or row.opened_at
        lasted_ms = row.latency_ms if row.latency_ms is not None else (ended - row.opened_at) * 1000
        span = self._tracer.start_span(
            _clean(f"{_operation(row)} {row.model}".rstrip()),
            Context(),
            # What was answered or refused here called nobody.
            SpanKind.CLIENT if row.provider and not row.cached else SpanKind.INTERNAL,
            self._attributes(row),
            start_time=began,
        )
        if row.state == "failed":
            span.set_status(StatusCode.ERROR)
        span.end(began + round(lasted_ms * 1e6))

    def _attributes(self, row: ExchangeRow) -> dict[str, AttributeValue]:
        cost, model = row.meters.cost_micros, _clean(row.answered_model or "")
        found: dict[str, AttributeValue | None] = {
            "gen_ai.operation.name": _operation(row),
            "gen_ai.provider.name": VENDORS.get(row.provider or "", row.provider) or "dragoman",
            "gen_ai.request.model": _clean(row.model) or None,
            "gen_ai.request.stream": row.stream or None,
            "gen_ai.response.model": model if model and row.state == "settled" else None,
            "gen_ai.response.finish_reasons": [_clean(REASONS.get(row.stop, row.stop))] if row.stop else None,
            "error.type": row.failure,
            "http.response.status_code": row.status,
            "dragoman.exchange.id": row.id,
            "dragoman.request.id": row.request_id,
            "dragoman.key": row.key if self._keys else None,
            "dragoman.dialect": row.dialect,
            "dragoman.task": row.task,
            "dragoman.state": row.state,
            "dragoman.provider": row.provider,
            "dragoman.attempts": row.attempts,
            "dragoman.cached": row.cached,
            "dragoman.fallback": row.fallback,
            "dragoman.chunks": row.chunks,
            "dragoman.losses": [*map(_clean, row.losses)] or None,
            "dragoman.cost_usd": None if cost is None else cost / 1_000_000,
        }
        if row.stream and row.first_event_ms is not None:
            found["gen_ai.response.time_to_first_chunk"] = row.first_event_ms / 1000
        found |= _usage(row)
        found |= self._server(row)
        return {name: value for name, value in found.items() if value is not None}

    def _server(self, row: ExchangeRow) -> dict[str, AttributeValue]:
        """Return where the provider is: a port goes with an address."""
        at = urlsplit(self._address(row.provider) if row.provider and not row.cached else "")
        if not at.hostname:
            return {}
        port = at.port or (443 if at.scheme == "https" else 80)
        return {"server.address": at.hostname, "server.port": port}


class _Ids(IdGenerator):
    """Gives out the ids it was set to."""

    trace = 1

    def generate_trace_id(self) -> int:
        return self.trace

    def generate_span_id(self) -> int:
        return self.trace >> 64 or 1


class _Ended(SpanProcessor):
    """Keeps spans that have ended until they are fetched."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def trace_id(exchange_id: str) -> int:
    """Return the trace of an exchange: 16 bytes of the SHA-256 of its id; the first 8 are the span's id."""
    return int.from_bytes(hashlib.sha256(exchange_id.encode()).digest()[:16], "big") or 1


def _usage(row: ExchangeRow) -> dict[str, AttributeValue]:
    """Return what was used, in totals that include their parts; nothing where nobody counted."""
    meters = row.meters
    written = meters.cache_write + meters.cache_write_long
    totals = {
        "input_tokens": meters.input + meters.cache_read + written + meters.audio_input,
        "output_tokens": meters.output + meters.reasoning + meters.audio_output,
    }
    parts = {
        "cache_read.input_tokens": meters.cache_read,
        "cache_creation.input_tokens": written,
        "audio.input_tokens": meters.audio_input,
        "reasoning.output_tokens": meters.reasoning,
        "audio.output_tokens": meters.audio_output,
    }
    if not any(totals.values()):
        return {}
    found: dict[str, AttributeValue] = {f"gen_ai.usage.{name}": tokens for name, tokens in totals.items()}
    found |= {f"gen_ai.usage.{name}": tokens for name, tokens in parts.items() if tokens}
    found["dragoman.usage.estimated"] = meters.estimated
    if row.counted:
        found["dragoman.usage.counted"] = row.counted
    return found


def _clean(text: str) -> str:
    """Return `text` as UTF-8 can have it: one lone surrogate would cost the whole batch."""
    return text.encode("utf-8", "replace").decode()


def _operation(row: ExchangeRow) -> str:
    return OPERATIONS.get(row.task, row.task)
