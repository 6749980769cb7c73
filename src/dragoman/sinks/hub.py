"""All sinks of one gateway: told together, run together, ended together."""

from __future__ import annotations

from asyncio import Task, gather, get_running_loop
from collections.abc import Callable, Mapping, Sequence

from dragoman.sinks import Sink, Telling


class Hub:
    """Tells every sink, and keeps one that goes wrong from everybody else.

    Args:
        sinks: Who is told.
        complain: Told of a sink that broke; it is not told of anything after that.
    """

    def __init__(self, sinks: Sequence[Sink], complain: Callable[[str, BaseException], None]) -> None:
        self.sinks = tuple(sinks)
        self._complain = complain
        self._tasks: list[Task[None]] = []

    def tell(self, record: Telling) -> None:
        """Tell every sink; never waits, never raises."""
        for sink in self.sinks:
            try:
                sink.emit(record)
            except Exception as error:  # noqa: BLE001  a sink may be anybody's; the others are told all the same
                self._complain(f"the sink {sink.name} did not take a record", error)

    def start(self) -> None:
        """Let every sink begin to deliver."""
        loop = get_running_loop()
        self._tasks = [loop.create_task(self._run(sink)) for sink in self.sinks]

    async def stop(self) -> None:
        """Let every sink deliver what it has, and end."""
        for task in self._tasks:
            task.cancel()
        await gather(*self._tasks, return_exceptions=True)
        for ended in await gather(*(sink.close() for sink in self.sinks), return_exceptions=True):
            if isinstance(ended, Exception):
                self._complain("a sink did not end well", ended)

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Return each sink's counts by its name."""
        return {sink.name: sink.counts() for sink in self.sinks}

    async def _run(self, sink: Sink) -> None:
        try:
            await sink.run()
        except Exception as error:  # noqa: BLE001  as in tell
            self._complain(f"the sink {sink.name} has stopped", error)
