"""All sinks of one gateway: one that goes wrong does no harm."""

from __future__ import annotations

from asyncio import Event, run
from collections.abc import Mapping

from dragoman.sinks import Rated, Telling
from dragoman.sinks.hub import Hub

RATED = Rated("req_1", "k", "m", 5, "", 0.0)


class Told:
    """A sink that keeps what it is told, or breaks where it is asked to."""

    def __init__(self, name: str, breaks: str = "") -> None:
        self.name = name
        self.breaks = breaks
        self.records: list[Telling] = []
        self.running = Event()
        self.closed = False

    def emit(self, record: Telling) -> None:
        """Take one record."""
        if self.breaks == "emit":
            raise RuntimeError(self.name)
        self.records.append(record)

    async def run(self) -> None:
        """Wait for ever."""
        self.running.set()
        if self.breaks == "run":
            raise RuntimeError(self.name)
        await Event().wait()

    async def close(self) -> None:
        """End."""
        self.closed = True
        if self.breaks == "close":
            raise RuntimeError(self.name)

    def counts(self) -> Mapping[str, int]:
        """Count."""
        return {"taken": len(self.records)}


def test_a_sink_that_breaks_harms_nobody() -> None:
    """Whatever breaks is complained of once, and the others are told, run and ended."""

    async def play() -> None:
        complaints: list[str] = []
        sinks = [Told("good"), *(Told(f"bad-{where}", where) for where in ("emit", "run", "close"))]
        hub = Hub(sinks, lambda what, error: complaints.append(f"{what}: {error}"))
        hub.start()
        for sink in sinks:
            await sink.running.wait()
        hub.tell(RATED)
        await hub.stop()
        assert [len(sink.records) for sink in sinks] == [1, 0, 1, 1]
        assert all(sink.closed for sink in sinks)
        assert sorted(complaints) == [
            "a sink did not end well: bad-close",
            "the sink bad-emit did not take a record: bad-emit",
            "the sink bad-run has stopped: bad-run",
        ]
        assert hub.counts()["good"] == {"taken": 1}

    run(play())
