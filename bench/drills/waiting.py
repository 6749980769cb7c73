"""Waiting for what is in other processes: they have no event to wait on, so they are looked at."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

EVERY_S = 0.02


async def until(holds: Callable[[], bool | Awaitable[bool]], *, limit_s: float) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: It does not after `limit_s` seconds.
    """
    async with asyncio.timeout(limit_s):
        while True:
            found = holds()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(EVERY_S)
