"""Every call to Redis of one process: answered by its deadline, or not at all.

    reply = await link.ask("PUBLISH", channel, word)      by spec.deadline_s, else
    reply = await link.run(SCRIPT, keys, arguments)       Failure(UNAVAILABLE, code="redis_unavailable")

**A lane** is a queue and a connection or a few. While one group of commands is under way the next gathers, as
in a group commit: two hundred calls of one instant cost four round trips and not two hundred. Small calls,
which requests wait for, and large ones, which carry answers, have lanes of their own; so none waits behind a
body.

**A deadline holds whatever the server does.** A group that is not answered in time takes its connection
with it, since nobody could say any more which answer is whose. What waits in the queue past its deadline is
never sent.

**A breaker for each kind** (:mod:`~dragoman.store.redis.breaker`) keeps a server that does not answer from
costing every request its deadline. A server that answers, but not as it should (a replica, a node of a
cluster that has not got the key, one that is loading), has failed as much as one that is silent; one that
refuses a single call (a wrong type) has not. An event loop that was late itself has not seen the server
fail.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from dragoman.core.failure import Failure
from dragoman.store.redis.breaker import Breaker
from dragoman.store.redis.breaker import State as BreakerState
from dragoman.store.redis.wire import Address, Command, Dial, Refusal, Wire, unavailable
from dragoman.store.spec import RedisSpec

QUICK_WIRES, BULK_WIRES = 2, 4
"""Connections at most: one is read while another waits for its answers."""

QUICK_GROUP, BULK_GROUP = 64, 1
"""Commands of a group at most."""

COMPLAIN_S = 60.0
"""Seconds between two complaints."""

ELSEWHERE = frozenset((
    "READONLY", "MOVED", "ASK", "TRYAGAIN", "MASTERDOWN", "CLUSTERDOWN", "NOPERM", "OOM", "MISCONF", "BUSY",
    "NOREPLICAS",
))  # fmt: skip
"""Refusals that are the server's state and not one call's fault."""

HOST = re.compile(r"[0-9A-Za-z.:_-]{1,253}")


class Script(msgspec.Struct, frozen=True):
    """A Lua script, known to the server by its digest once it has run."""

    text: str

    @property
    def sha(self) -> str:
        """Its SHA-1, which is how Redis names scripts."""
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


class State(msgspec.Struct, frozen=True):
    """How a link stands.

    Attributes:
        up: Whether calls go out.
        breaker: Of the small calls.
        bulk: Of the large ones.
        why: What went wrong last, while it is not up.
    """

    up: bool
    breaker: BreakerState
    bulk: BreakerState
    why: str = ""


class Link:
    """What one process says to Redis.

    Args:
        spec: Where it is, and how long a call may take.
        dial: Makes connections.
        tick: Monotonic clock, seconds.
        chance: Random numbers in [0, 1).
        complain: Told that Redis is away, once in a while.
    """

    def __init__(
        self,
        spec: RedisSpec,
        dial: Dial,
        *,
        tick: Callable[[], float],
        chance: Callable[[], float],
        complain: Callable[[str, BaseException], None],
    ) -> None:
        self.dial = dial
        self.deadline_s = spec.deadline_s
        # All names share a hash tag, so that one script may touch any of them on a cluster too.
        self._prefix = f"{{{spec.prefix}}}"
        self._counts: Counter[str] = Counter()
        self._tick = tick
        self._complain = complain
        self._complain_at = -math.inf
        self._why = ""
        self._shas: dict[Script, str] = {}
        self._quick = Lane(self, Breaker(tick=tick, chance=chance), most=QUICK_GROUP, wires=QUICK_WIRES)
        self._bulk = Lane(self, Breaker(tick=tick, chance=chance), most=BULK_GROUP, wires=BULK_WIRES)

    def name(self, *parts: str) -> str:
        """Return the name something has in Redis."""
        return self._prefix + ":".join(parts)

    async def ask(
        self, *command: bytes | str | float, bulk: bool = False, within_s: float | None = None
    ) -> Any:
        """Return what Redis answers to one command.

        Args:
            command: It and its arguments.
            bulk: Whether it carries much.
            within_s: Seconds it may take; None: the deadline.

        Raises:
            Failure: UNAVAILABLE, with the code ``redis_unavailable``; whether it was done is not known.
        """
        self.count("calls")
        return self._read(await self._sent(command, self._due(within_s), bulk=bulk))

    async def run(
        self,
        script: Script,
        keys: Sequence[str],
        arguments: Sequence[bytes | str | float] = (),
        *,
        bulk: bool = False,
        within_s: float | None = None,
    ) -> Any:
        """Return what a script answers, as :meth:`ask`; a server that does not know it is told it."""
        self.count("calls")
        due = self._due(within_s)
        sha = self._shas.get(script) or self._shas.setdefault(script, script.sha)
        reply = await self._sent(("EVALSHA", sha, len(keys), *keys, *arguments), due, bulk=bulk)
        if isinstance(reply, Refusal) and reply.word == "NOSCRIPT":
            reply = await self._sent(("EVAL", script.text, len(keys), *keys, *arguments), due, bulk=bulk)
        return self._read(reply)

    def state(self) -> State:
        """Return how it stands."""
        quick, bulk = self._quick.breaker.state, self._bulk.breaker.state
        up = quick == "closed"
        return State(up=up, breaker=quick, bulk=bulk, why="" if up else self._why)

    def counts(self) -> Mapping[str, int]:
        """Return what happened so far.

        ``calls`` of which ``failed`` got no answer, ``refused`` one that is an error, ``skipped`` were not
        sent because of the breaker; ``groups`` sent, ``connected`` connections made, ``late`` groups given
        up because this process was late itself, ``opened`` times a breaker opened.
        """
        opened = self._quick.breaker.opened + self._bulk.breaker.opened
        return {**self._counts, "opened": opened}

    def count(self, what: str) -> None:
        """Count one more of something."""
        self._counts[what] += 1

    def trouble(self, failure: Failure, *, opened: bool) -> None:
        """Remember what went wrong; complain of it, now and then, where calls are refused from now on."""
        self._why = failure.message
        now = self._tick()
        if opened and now - self._complain_at >= COMPLAIN_S:
            self._complain_at = now
            self._complain("Redis is not to be had; limits are counted here for the time being", failure)

    async def close(self) -> None:
        """Close every connection; calls under way fail."""
        await self._quick.close()
        await self._bulk.close()

    def _due(self, within_s: float | None) -> float:
        return asyncio.get_running_loop().time() + (self.deadline_s if within_s is None else within_s)

    async def _sent(self, command: Command, due: float, *, bulk: bool) -> Any:
        return await (self._bulk if bulk else self._quick).ask(command, due)

    def _read(self, reply: Any) -> Any:
        if not isinstance(reply, Refusal):
            return reply
        self.count("refused")
        raise unavailable(f"Redis refused a call: {reply.word}")


class Asked:
    """One command on its way, and who waits for the answer."""

    __slots__ = ("command", "due", "reply")

    def __init__(self, command: Command, due: float, reply: asyncio.Future[Any]) -> None:
        self.command = command
        self.due = due
        self.reply = reply


class Lane:
    """A queue of commands, and a few connections that take groups of them.

    Args:
        link: Whose.
        breaker: Says who may ask.
        most: Commands of a group at most.
        wires: Connections at most.
    """

    def __init__(self, link: Link, breaker: Breaker, *, most: int, wires: int) -> None:
        self.breaker = breaker
        self._link = link
        self._most = most
        self._wires = wires
        self._queue: deque[Asked] = deque()
        self._idle: list[Wire] = []
        self._carriers: set[asyncio.Task[None]] = set()
        self._carrying = 0
        """Carriers that will look at the queue again; one may have ended and still be among the tasks."""
        self._aim: Address | None = None
        self._closed = False

    async def ask(self, command: Command, due: float) -> Any:
        """Return the answer to a command, a Refusal included, or raise Failure by `due` (the loop's time)."""
        if self._closed or not self.breaker.admits():
            self._link.count("skipped")
            raise unavailable("Redis is not to be had")
        loop = asyncio.get_running_loop()
        asked = Asked(command, due, loop.create_future())
        self._queue.append(asked)
        if self._carrying < self._wires:
            self._carrying += 1
            carrier = loop.create_task(self._carry())
            self._carriers.add(carrier)
            carrier.add_done_callback(self._carriers.discard)
        # Not wait_for(), which drops an answer that came together with the deadline.
        await asyncio.wait((asked.reply,), timeout=max(due - loop.time(), 0))
        if not asked.reply.done():
            asked.reply.cancel()
            self._link.count("failed")
            raise _slow()
        reply = asked.reply.result()
        if isinstance(reply, Failure):
            self._link.count("failed")
            raise reply
        return reply

    async def close(self) -> None:
        """Close every connection and fail what waits."""
        self._closed = True
        carriers = list(self._carriers)
        for carrier in carriers:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)
        _answer(self._queue, [unavailable("Redis is not to be had")] * len(self._queue))
        self._queue.clear()
        for wire in self._idle:
            wire.close()
        self._idle.clear()

    async def _carry(self) -> None:
        """Take groups from the queue until it is empty."""
        wire: Wire | None = None
        try:
            wire = self._idle.pop() if self._idle else None
            while group := self._group():
                wire = await self._exchange(group, wire)
            if wire is not None:
                self._idle.append(wire)
                wire = None
        finally:
            self._carrying -= 1
            if wire is not None:
                wire.close()

    def _group(self) -> list[Asked]:
        """Return what is sent next; what nobody waits for any more never is.

        A probe that is not sent waited behind a group, and what became of that is what it would have found.
        """
        group: list[Asked] = []
        while self._queue and len(group) < self._most:
            asked = self._queue.popleft()
            if not asked.reply.done():
                group.append(asked)
        return group

    async def _exchange(self, group: list[Asked], wire: Wire | None) -> Wire | None:
        """Send a group and tell who waits; return its connection if it is good for more."""
        loop = asyncio.get_running_loop()
        due = max(asked.due for asked in group)
        try:
            async with asyncio.timeout_at(due):
                wire = await self._open(wire)
                self._link.count("groups")
                replies = await wire.ask([asked.command for asked in group])
        except (Failure, TimeoutError) as error:
            if wire is not None:
                wire.close()
            failure = error if isinstance(error, Failure) else _slow()
            self._aim = None
            if isinstance(error, TimeoutError) and loop.time() - due > self._link.deadline_s:
                self._link.count("late")
                failure = unavailable("this process was too busy to hear Redis")
                # Unless this was the probe, which has to end.
                if self.breaker.state == "probing":
                    self._failed(failure)
            else:
                self._failed(failure)
            _answer(group, [failure] * len(group))
            return None
        except BaseException:
            if wire is not None:
                wire.close()
            _answer(group, [unavailable("Redis is not to be had")] * len(group))
            raise
        strayed = next((one for one in replies if isinstance(one, Refusal) and one.word in ELSEWHERE), None)
        _answer(group, replies)
        if strayed is None:
            self.breaker.passed()
            return wire
        # Its name may stand for another machine by now.
        wire.close()
        self._aim = _address(strayed.moved)
        self._failed(unavailable(f"Redis refuses: {strayed.word}"))
        return None

    async def _open(self, wire: Wire | None) -> Wire:
        """Return an open connection: this one, unless the other side has closed it meanwhile."""
        if wire is not None:
            if await wire.fresh():
                return wire
            wire.close()
        made = self._link.dial(self._aim)
        await made.open()
        self._link.count("connected")
        return made

    def _failed(self, failure: Failure) -> None:
        self._link.trouble(failure, opened=self.breaker.failed())


def _answer(group: Sequence[Asked] | deque[Asked], replies: Sequence[Any]) -> None:
    """Tell who still waits. A failure is told as a value: nobody may be there to hear of an exception."""
    for asked, reply in zip(group, replies, strict=True):
        if not asked.reply.done():
            asked.reply.set_result(reply)


def _address(moved: Address | None) -> Address | None:
    """Return who has the keys, as a node of the cluster says, if that may be an address at all."""
    if moved is None or not HOST.fullmatch(moved[0]) or not 0 < moved[1] < 65536:
        return None
    return moved


def _slow() -> Failure:
    return unavailable("Redis did not answer in time")
