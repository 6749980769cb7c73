"""How many processes there are: each says so every few seconds, and hears how many others did.

While Redis is away nobody hears of anybody, and each process counts limits at its part of them: one in as
many as there were when Redis was last heard. So what passes all together is what the limits say, as long as
load falls on the processes evenly.

A Redis that was emptied has heard of nobody but who speaks first. So what is believed is the most that was
heard within the time in which everybody who is there has spoken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from dragoman.core.failure import Failure
from dragoman.store.redis.link import Link, Script

ANNOUNCE_S = 5.0
"""Seconds between two words of a process."""

GONE_S = 20.0
"""Seconds after which a process of which nothing is heard is no longer counted."""

MOST = 10_000
"""Processes that are believed."""

HERE = Script(
    """
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then redis.call('DEL', KEYS[1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.ceil(tonumber(ARGV[2]) / 1000) + 1000)
return redis.call('ZCARD', KEYS[1])
"""
)


class Peers:
    """The processes that share a Redis, as one of them sees it.

    Args:
        link: What asks.
        me: This process's name, no other's.
        told: Told how many there are, whenever that has changed.
        pause: Waits some seconds.
        least: Processes there are in any case: the workers of this machine.

    Attributes:
        count: Processes there were when Redis was last heard, this one included. It grows at once, and
            shrinks after :data:`GONE_S`.
    """

    def __init__(
        self,
        link: Link,
        me: str,
        *,
        told: Callable[[int], None],
        pause: Callable[[float], Awaitable[None]],
        least: int = 1,
    ) -> None:
        self.count = max(least, 1)
        self._least = self.count
        self._heard: deque[int] = deque(maxlen=round(GONE_S / ANNOUNCE_S))
        self._link = link
        self._me = me
        self._told = told
        self._pause = pause
        self._name = link.name("processes")

    async def announce(self) -> int:
        """Say that this process is there; return how many are.

        Raises:
            Failure: UNAVAILABLE; the count stays.
        """
        reply = await self._link.run(HERE, (self._name,), (self._me, round(GONE_S * 1e6)))
        self._heard.append(reply if isinstance(reply, int) else 1)
        count = min(max(*self._heard, self._least), MOST)
        if count != self.count:
            self.count = count
            self._told(count)
        return count

    async def announcing(self) -> None:
        """Announce again and again; returns never."""
        while True:
            # The link complains, and the count stays.
            with suppress(Failure):
                await self.announce()
            await self._pause(ANNOUNCE_S)

    async def leave(self) -> None:
        """Say that this process goes. Where nobody hears of it, it is forgotten by itself."""
        with suppress(Failure):
            await self._link.ask("ZREM", self._name, self._me)
