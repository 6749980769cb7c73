"""Word from process to process: look at the store again; this key is revoked.

    news.tell("")          whoever changed keys, budgets or prices says so
    news.tell("anna")      as soon as it is durable that anna's key is revoked

Every process listens, on a connection of its own that it makes anew when it is lost or silent. What was
said while it was not listening nobody repeats: so after every connection it looks again by itself. The
store stays the truth and is looked at all the time; news only make it sooner.

**Nobody trusts news.** What is heard is at most :data:`LONGEST` bytes of a word and a name, anything else
is counted and dropped. It can make a process look at the store, or refuse a key; nothing that can be said
admits one, changes a limit or spends a cent. Keys that are told of faster than anybody revokes them are not
refused by hearsay: the process looks again instead.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from dragoman.core.failure import Failure
from dragoman.store.redis.link import Link
from dragoman.store.redis.wire import Refusal, Wire, unavailable

Answer = TypeVar("Answer")

LOOK = "look"
REVOKED = "revoked "

LONGEST = 256
"""Bytes a piece of news may have."""

SILENCE_S = 15.0
"""Seconds of silence after which a connection is lost; the server is made to speak three times as often."""

OPEN_S = 5.0
"""Seconds a connection may take to be made."""

FIRST_PAUSE_S = 0.1
LAST_PAUSE_S = 5.0
"""Seconds between two attempts to connect: doubled from the first to the last, and shortened by chance."""

BURST = 1000
"""Revocations that are believed in :data:`BURST_S`."""

BURST_S = 60.0


class News:
    """What one process tells the others, and hears of them.

    Args:
        link: What asks, and whose connections are made anew here.
        hint: Called when the store is to be looked at.
        revoke: Called with the name of a key that is to be refused.
        tick: Monotonic clock, seconds.
        chance: Random numbers in [0, 1).
        pause: Waits some seconds, between two attempts to connect.
        silence_s: Seconds of silence after which a connection is lost.
    """

    def __init__(
        self,
        link: Link,
        *,
        hint: Callable[[], None],
        revoke: Callable[[str], None],
        tick: Callable[[], float],
        chance: Callable[[], float],
        pause: Callable[[float], Awaitable[None]],
        silence_s: float = SILENCE_S,
    ) -> None:
        self.listening = asyncio.Event()
        """Set while this process hears what is said."""
        self._link = link
        self._hint = hint
        self._revoke = revoke
        self._tick = tick
        self._chance = chance
        self._pause = pause
        self._silence_s = silence_s
        self._channel = link.name("news")
        self._counts: Counter[str] = Counter()
        self._unsaid = False
        self._believed = 0
        self._burst_ends = 0.0

    async def look(self) -> bool:
        """Tell every process to look at the store; return whether Redis took it."""
        return await self._say(LOOK)

    async def revoked(self, name: str) -> bool:
        """Tell every process to refuse a key; return whether Redis took it. Call it once that is durable."""
        return await self._say(REVOKED + name)

    async def tell(self, revoked: str) -> None:
        """Tell every process of a change that is durable: of a key that is revoked, or "" for any other."""
        await (self.revoked(revoked) if revoked else self.look())

    async def following(self) -> None:
        """Listen, for ever; connect again whenever that ends."""
        attempts = 0
        while True:
            wire = self._link.dial(None)
            try:
                await self._subscribe(wire)
                attempts = 0
                await self._hear(wire)
            except Failure:
                self._counts["lost"] += 1
            finally:
                self.listening.clear()
                wire.close()
            pause = min(FIRST_PAUSE_S * 2**attempts, LAST_PAUSE_S)
            attempts = min(attempts + 1, 16)
            await self._pause(pause * (0.5 + self._chance() / 2))

    def counts(self) -> Mapping[str, int]:
        """Return what happened: pieces ``said``, ``unsaid``, ``heard``, ``dropped``; connections ``lost``."""
        return self._counts

    async def _say(self, words: str) -> bool:
        try:
            if len(words.encode()) > LONGEST:
                words = LOOK
            await self._link.ask("PUBLISH", self._channel, words)
        except Failure:
            # Told, as far as it can be made good, when this process is connected again.
            self._unsaid = True
            self._counts["unsaid"] += 1
            return False
        self._counts["said"] += 1
        return True

    async def _subscribe(self, wire: Wire) -> None:
        """Begin to listen, and look: who knows what was said before."""
        await _within(OPEN_S, wire.open())
        reply = (await _within(OPEN_S, wire.ask([("SUBSCRIBE", self._channel)])))[0]
        if isinstance(reply, Refusal):
            raise unavailable(f"Redis refused a call: {reply.word}")
        self.listening.set()
        self._hint()
        if self._unsaid:
            self._unsaid = False
            await self._say(LOOK)

    async def _hear(self, wire: Wire) -> None:
        """Pass on what is said, until the connection is lost or silent."""
        nudging = asyncio.get_running_loop().create_task(self._nudging(wire))
        try:
            while True:
                self._take(await _within(self._silence_s, wire.hear()))
        finally:
            nudging.cancel()
            await asyncio.gather(nudging, return_exceptions=True)

    async def _nudging(self, wire: Wire) -> None:
        """Have the server say something now and then, so that silence means that it is gone."""
        while True:
            await asyncio.sleep(self._silence_s / 3)
            await wire.nudge()

    def _take(self, told: Any) -> None:
        """Do what a piece of news asks for, if it is one."""
        match told:
            case [b"pong", *_]:
                return
            case [b"message", bytes(), bytes() as words] if len(words) <= LONGEST:
                self._heed(words)
            case _:
                self._counts["dropped"] += 1

    def _heed(self, words: bytes) -> None:
        try:
            text = words.decode()
        except UnicodeDecodeError:
            text = ""
        name = text.removeprefix(REVOKED)
        if text == LOOK:
            self._counts["heard"] += 1
            self._hint()
        elif name != text and name and name.isprintable():
            self._counts["heard"] += 1
            if self._believes():
                self._revoke(name)
            self._hint()
        else:
            self._counts["dropped"] += 1

    def _believes(self) -> bool:
        """Say whether there were not too many revocations lately."""
        now = self._tick()
        if now >= self._burst_ends:
            self._believed, self._burst_ends = 0, now + BURST_S
        self._believed += 1
        return self._believed <= BURST


async def _within(seconds: float, doing: Awaitable[Answer]) -> Answer:
    """Return what `doing` does; raise Failure where it takes longer."""
    try:
        async with asyncio.timeout(seconds):
            return await doing
    except TimeoutError:
        raise unavailable("Redis did not answer in time") from None
