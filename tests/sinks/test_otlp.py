"""Traces cost nobody anything: they are sent aside, and what cannot be sent is dropped and counted."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from tests.sinks.collector import attributes, collecting
from tests.sinks.records import ALERTED

from dragoman.core.failure import Failure, Kind
from dragoman.sinks import Rated, Record, Sink
from dragoman.sinks.otlp import BATCH, Otlp, OtlpSpec
from dragoman.store import ExchangeRow

NOWHERE = "http://127.0.0.1:9"


def record(number: int = 0) -> Record:
    """Return an exchange."""
    row: dict[str, Any] = {
        "request_id": "r",
        "owner": "o",
        "key": "alice",
        "dialect": "d",
        "task": "generate",
    }
    row |= {"model": "m", "stream": False, "opened_at": 1.0, "state": "settled", "provider": "p"}
    return Record(
        ExchangeRow(id=f"req_{number}", **row), prompt="a secret prompt", response="a secret answer"
    )


def delivered(sink: Otlp, count: int) -> None:
    """Take so many exchanges, and deliver them."""
    for number in range(count):
        sink.emit(record(number))
    asyncio.run(sink.close())


def test_everything_taken_arrives_once() -> None:
    """In order, in batches, without a word of a prompt, and with the configured headers."""
    with collecting() as collector:
        sink = Otlp(OtlpSpec(collector.url, headers=("api-key = a=b", "x-team=core")))
        delivered(sink, 2 * BATCH + 5)
        ids = [attributes(span)["dragoman.exchange.id"] for span in collector.spans]
        assert ids == [f"req_{number}" for number in range(2 * BATCH + 5)]
        assert len(collector.raw) == 3
        assert not [raw for raw in collector.raw if b"secret" in raw]
        assert (collector.headers[0]["api-key"], collector.headers[0]["x-team"]) == ("a=b", "core")
    assert sink.counts() == {"taken": 517, "delivered": 517, "dropped": 0, "waiting": 0}


def test_a_full_batch_is_sent_while_running() -> None:
    """Without waiting for the end, in a thread that the loop does not wait for."""

    async def play(sink: Otlp, came: Any) -> None:
        running = asyncio.get_running_loop().create_task(sink.run())
        for number in range(BATCH):
            sink.emit(record(number))
        assert await asyncio.to_thread(came.wait, 20)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await sink.close()

    with collecting() as collector:
        sink = Otlp(OtlpSpec(collector.url))
        asyncio.run(play(sink, collector.came))
        assert len(collector.spans) == BATCH


def test_a_full_queue_drops_the_newest() -> None:
    """While the collector holds a batch, no more wait than are allowed; the others are counted."""

    async def play(sink: Otlp, collector: Any) -> None:
        running = asyncio.get_running_loop().create_task(sink.run())
        for number in range(BATCH):
            sink.emit(record(number))
        assert await asyncio.to_thread(collector.came.wait, 20)
        for number in range(BATCH, 2 * BATCH + 10):
            sink.emit(record(number))
        assert sink.counts() == {"taken": 2 * BATCH + 10, "delivered": 0, "dropped": 10, "waiting": 2 * BATCH}
        collector.go.set()
        running.cancel()
        await sink.close()

    with collecting() as collector:
        collector.go.clear()
        sink = Otlp(OtlpSpec(collector.url, queue=BATCH))
        asyncio.run(play(sink, collector))
        assert len(collector.spans) == 2 * BATCH
    assert sink.counts()["delivered"] == 2 * BATCH


def test_a_collector_that_is_not_there_costs_the_spans() -> None:
    """They are dropped after the time that sending may take, and counted."""
    sink = Otlp(OtlpSpec(NOWHERE, timeout_s=0.05))
    delivered(sink, 3)
    assert sink.counts() == {"taken": 3, "delivered": 0, "dropped": 3, "waiting": 0}


def test_a_bug_in_sending_is_not_the_end_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch is lost, the thread lives, the next one arrives."""
    with collecting() as collector:
        sink = Otlp(OtlpSpec(collector.url))
        send, calls = sink._spans.send, []

        def sends(rows: Any) -> bool:
            calls.append(rows)
            if len(calls) == 1:
                raise ZeroDivisionError
            return send(rows)

        monkeypatch.setattr(sink._spans, "send", sends)
        delivered(sink, BATCH + 1)
        assert len(collector.spans) == 1
    assert sink.counts() == {"taken": BATCH + 1, "delivered": 1, "dropped": BATCH, "waiting": 0}


def test_a_rating_and_an_alert_have_no_span() -> None:
    """They are no exchanges."""
    sink: Sink = Otlp(OtlpSpec(NOWHERE))
    sink.emit(Rated("x", "alice", "m", 5, "", 1.0))
    sink.emit(ALERTED)
    assert sink.counts() == {"taken": 0, "delivered": 0, "dropped": 0, "waiting": 0}
    asyncio.run(sink.close())


def test_a_header_without_a_value_is_refused() -> None:
    """Without repeating it: it may be a secret."""
    with pytest.raises(Failure) as caught:
        Otlp(OtlpSpec(NOWHERE, headers=("topsecret",)))
    assert caught.value.kind is Kind.INVALID
    assert "topsecret" not in caught.value.message
    assert "topsecret" not in repr(OtlpSpec(NOWHERE, headers=("topsecret",)))


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever configures traces is told what they need."""
    monkeypatch.setitem(sys.modules, "dragoman.sinks.otlp_spans", None)
    with pytest.raises(Failure, match=r"dragoman\[otlp\]"):
        Otlp(OtlpSpec(NOWHERE))
