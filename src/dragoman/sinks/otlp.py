"""Traces: one span for each exchange, after OpenTelemetry's conventions for generative AI, over OTLP/HTTP.

A span says who was asked for what, how long it took, what it used and how it ended, in the attributes of
https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-spans.md (read
2026-11-21; status: development), and what only a gateway knows in ``dragoman.*``. It never holds a prompt, an
answer or an error's words.

A span is made from the ledger's row once the exchange is over (:mod:`dragoman.sinks.otlp_spans`, the only
module that imports the extra). What is taken waits in a queue with an end; a thread of its own encodes and
sends. While no collector answers, the queue fills and then drops the newest, and nobody waits. What a
collector did not take within `timeout_s` is dropped as well: traces are for looking, the ledger is for
counting.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import msgspec

from dragoman.core.failure import Failure, Kind
from dragoman.sinks import Record, Telling
from dragoman.sinks.posting import checked
from dragoman.store import ExchangeRow

if TYPE_CHECKING:
    from dragoman.sinks.otlp_spans import Spans

BATCH = 256
"""Spans sent at once."""
EVERY_S = 2.0
"""Seconds a span waits for others, at most."""
CLOSE_S = 2.0
"""Seconds that what is left is given to be sent when the gateway stops."""


class OtlpSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where traces go.

    Attributes:
        endpoint: Address of an OpenTelemetry collector, `http://127.0.0.1:4318`; empty: no traces.
        headers: What it wants to be sent with every request, a list of `name=value`.
        service_name: What this gateway is called there.
        keys: Whether spans tell the key's name.
        queue: Spans that may wait to be sent; those beyond are dropped.
        timeout_s: Seconds that sending may take, tries again included.
    """

    endpoint: str = ""
    headers: tuple[str, ...] = ()
    service_name: str = "dragoman"
    keys: bool = False
    queue: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 4096
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 10.0

    def __repr__(self) -> str:
        return f"OtlpSpec({self.endpoint}, service_name={self.service_name})"


class Otlp:
    """Sends spans to a collector.

    Args:
        spec: Where to.
        address: Returns the base URL of a provider by name; "" where it has none.

    Raises:
        Failure: UNAVAILABLE, the extra is not installed; INVALID, the address is none, or a header has no
            ``=``.
    """

    name = "otlp"

    def __init__(self, spec: OtlpSpec, *, address: Callable[[str], str] = lambda _: "") -> None:
        checked(spec.endpoint, "otlp.endpoint")
        self._most = spec.queue
        self._spans = _spans(spec, _headers(spec.headers), address)
        self._waiting: deque[ExchangeRow] = deque()
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._taken = self._delivered = self._refused = self._lost = 0

    def emit(self, record: Telling) -> None:
        """Take one exchange; never waits, never raises. Ratings and alerts have no span."""
        if not isinstance(record, Record):
            return
        self._taken += 1
        if len(self._waiting) >= self._most:
            self._refused += 1
            return
        self._waiting.append(record.row)
        if len(self._waiting) >= BATCH:
            self._wake.set()

    async def run(self) -> None:
        """Deliver what was taken, until cancelled."""
        self._start()
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        """Deliver what is left, within :data:`CLOSE_S`, and let go of everything."""
        thread = self._start()
        self._closing.set()
        self._wake.set()
        await asyncio.to_thread(thread.join, CLOSE_S)
        self._waiting.clear()
        await asyncio.to_thread(self._spans.close)

    def counts(self) -> Mapping[str, int]:
        """Return how many exchanges were taken, delivered, dropped, and are waiting."""
        return {
            "taken": self._taken,
            "delivered": self._delivered,
            "dropped": self._refused + self._lost,
            "waiting": self._taken - self._delivered - self._refused - self._lost,
        }

    def _start(self) -> threading.Thread:
        if self._thread is None:
            # A daemon: a collector that holds the connection does not hold the process.
            self._thread = threading.Thread(target=self._work, name="dragoman-otlp", daemon=True)
            self._thread.start()
        return self._thread

    def _work(self) -> None:
        """Send what waits, a batch at a time, until closed and empty."""
        while not self._closing.is_set() or self._waiting:
            self._wake.wait(EVERY_S)
            self._wake.clear()
            while self._waiting:
                rows = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                sent = False
                with suppress(Exception):  # a thread that dies would never send again
                    sent = self._spans.send(rows)
                if sent:
                    self._delivered += len(rows)
                else:
                    self._lost += len(rows)


def _headers(lines: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise Failure(Kind.INVALID, "each of otlp.headers must be name=value")
        found[name.strip()] = value.strip()
    return found


def _spans(spec: OtlpSpec, headers: dict[str, str], address: Callable[[str], str]) -> Spans:
    """Return what makes and sends spans."""
    try:
        from dragoman.sinks.otlp_spans import Spans  # noqa: PLC0415  it imports an extra
    except ImportError as error:
        raise Failure(Kind.UNAVAILABLE, "traces need an extra: pip install 'dragoman[otlp]'") from error
    return Spans(
        spec.endpoint,
        headers,
        service_name=spec.service_name,
        timeout_s=spec.timeout_s,
        keys=spec.keys,
        address=address,
    )
