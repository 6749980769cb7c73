"""A link for tests: to a real Redis, or to a wire that does what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from dragoman.store.redis.link import Link
from dragoman.store.redis.wire import Address, Command, Dial, dialler
from dragoman.store.spec import RedisSpec


class Clock:
    """A monotonic clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return what time it is."""
        return self.now


class FakeWire:
    """A wire whose answers a test gives.

    Args:
        answer: Told the commands of a group; returns their answers, raises, or never comes back.
    """

    def __init__(self, answer: Callable[[Sequence[Command]], Awaitable[list[Any]]]) -> None:
        self.closed = False
        self._answer = answer

    async def open(self) -> None:
        """Connect to nothing."""

    async def fresh(self) -> bool:
        """Say that it is good."""
        return not self.closed

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Answer as the test says."""
        return await self._answer(commands)

    async def hear(self) -> Any:
        """Hear nothing, ever."""
        await asyncio.Event().wait()

    async def nudge(self) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


def fake(answer: Callable[[Sequence[Command]], Awaitable[list[Any]]], made: list[FakeWire]) -> Dial:
    """Return a dial whose wires are kept in `made`."""

    def dial(elsewhere: Address | None) -> FakeWire:
        made.append(FakeWire(answer))
        return made[-1]

    return dial


@asynccontextmanager
async def linked(
    url: str = "redis://127.0.0.1:1/0",
    *,
    dial: Dial | None = None,
    clock: Clock | None = None,
    complaints: list[str] | None = None,
    **settings: Any,
) -> AsyncIterator[Link]:
    """Open a link, and close it afterwards."""
    spec = RedisSpec(url=url, **({"deadline_s": 10.0} | settings))
    told: list[str] = [] if complaints is None else complaints
    link = Link(
        spec,
        dial or dialler(spec),
        tick=clock or Clock(),
        chance=lambda: 0.5,
        complain=lambda message, error: told.append(f"{message}: {error}"),
    )
    try:
        yield link
    finally:
        await link.close()
