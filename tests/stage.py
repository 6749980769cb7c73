"""A gateway before a simulator, in a thread: for tests whose client is a program that blocks.

    with stage(tmp_path, script, GROQ_API_KEY="x", API_KEYS="right") as there:
        subprocess.run(["curl", there.gate.url, ...])

Every provider whose key is set is at the simulator, under its own name and in its own dialect.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple, TypeVar

from tests.house import House, house_of

from dragoman.dialects.catalog import DIALECTS
from dragoman.providers.catalog import catalog
from dragoman.simulator import Script, Simulator

T = TypeVar("T")

Clock = Callable[[], float] | None


class Stage(NamedTuple):
    """What stands on it; between answers the simulator may be looked at from any thread."""

    sim: Simulator
    gate: House
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        """Where the gateway is."""
        return self.gate.url

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns that runs beside the gateway: its store is of that thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()


@contextmanager
def stage(folder: Path, script: Script | None = None, **settings: str) -> Iterator[Stage]:
    """Serve until the block ends; `settings` are environment names."""
    with stage_of(folder, script, settings) as there:
        yield there


@contextmanager
def stage_of(
    folder: Path,
    script: Script | None,
    settings: Mapping[str, str],
    *,
    now: Callable[[], float] | None = None,
) -> Iterator[Stage]:
    """Serve as :func:`stage` does; `now` is the gateway's wall clock, if not the world's."""
    begun: Future[tuple[Stage, asyncio.Event]] = Future()

    async def run() -> None:
        over = asyncio.Event()
        async with Simulator(script or Script()) as sim:
            elsewhere = {"DRAGOMAN_PROVIDERS": _providers(sim.url), **settings}
            async with house_of(folder, sim.url, elsewhere, now=now) as gate:
                begun.set_result((Stage(sim, gate, asyncio.get_running_loop()), over))
                await over.wait()

    def serve() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            if begun.done():
                raise
            begun.set_exception(error)

    thread = Thread(target=serve, name="stage")
    thread.start()
    try:
        found, over = begun.result()
        try:
            yield found
        finally:
            found.loop.call_soon_threadsafe(over.set)
    finally:
        thread.join()


def _providers(url: str) -> str:
    """Return every provider that has an address of its own, at the simulator instead."""
    rows = (row for row in catalog().providers.values() if row.base_url)
    return json.dumps({row.name: {"base_url": url + DIALECTS[row.dialect].root} for row in rows})
