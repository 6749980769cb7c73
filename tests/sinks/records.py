"""Records to tell sinks of, and a pace that lets a sink run through its waits until something holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from dragoman.sinks import Rated, Record, Sink
from dragoman.store import ExchangeRow, Meters
from dragoman.store.budgets import Alert

AT = 1_764_000_000.123
GUARD_S = 60

RATED = Rated("req_7", "alice", "m", 4, "good", AT)
ALERTED = Alert(
    budget="research",
    scope="team",
    subject="red",
    hard=True,
    percent=80,
    spent_micros=2_000_001,
    cap_micros=2_500_000,
    began_at=1_793_491_200,
    ends_at=1_796_083_200,
    told_at=AT,
)


def row(number: int = 0, **changes: Any) -> ExchangeRow:
    """Return an exchange that went well, a second after the one before."""
    fields: dict[str, Any] = {
        "id": f"req_{number}",
        "request_id": f"theirs_{number}",
        "owner": "o",
        "key": "alice",
        "dialect": "openai_chat",
        "task": "generate",
        "model": "fast",
        "stream": True,
        "opened_at": AT + number,
        "state": "settled",
        "settled_at": AT + number + 1,
        "provider": "p",
        "answered_model": "m",
        "status": 200,
        "stop": "end",
        "first_event_ms": 100.0,
        "latency_ms": 1100.5,
        "chunks": 5,
        "counted": "provider",
        "meters": Meters(input=7, cache_read=3, output=15, reasoning=5, cost_micros=1250),
    }
    return ExchangeRow(**(fields | changes))


def record(number: int = 0, **changes: Any) -> Record:
    """Return an exchange with its words."""
    return Record(row(number, **changes), prompt=f"question {number}", response=f"answer {number}")


class Complaints(list[str]):
    """What was complained of."""

    def __call__(self, what: str, error: BaseException) -> None:
        """Take one complaint."""
        self.append(f"{what}: {error}")


class Pace:
    """Waits that take no time, until something holds; then they take for ever."""

    def __init__(self) -> None:
        self.until: Callable[[], bool] = lambda: False
        self.waits: list[float] = []

    async def __call__(self, seconds: float) -> None:
        """Wait."""
        self.waits.append(seconds)
        if self.until():
            await asyncio.Event().wait()
        await asyncio.to_thread(int)  # others have their turn, threads too


async def run(sink: Sink, pace: Pace, until: Callable[[], bool]) -> None:
    """Let a sink run until something holds, then cancel it."""
    pace.until = until
    task = asyncio.get_running_loop().create_task(sink.run())
    async with asyncio.timeout(GUARD_S):
        while not until():
            assert not task.done(), task
            await asyncio.to_thread(int)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
