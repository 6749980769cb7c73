"""What processes share from one moment to the next: limits, recorded answers, word of a revoked key.

    one process           itself
    several of a machine  a file in the data folder
    several machines      Redis; while it is away each counts its own part of every limit

Nothing here is the truth of anything: who may ask, what was spent and what happened is the store's.
"""

from __future__ import annotations

from asyncio import sleep
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from dragoman.accounts.directory import Directory
from dragoman.config import Config
from dragoman.store import Recordings
from dragoman.store.counters import Counters
from dragoman.store.memory import LocalCounters, Spared
from dragoman.store.redis.counters import RedisCounters
from dragoman.store.redis.link import Link, State
from dragoman.store.redis.news import News
from dragoman.store.redis.peers import Peers
from dragoman.store.redis.recordings import RedisRecordings
from dragoman.store.redis.wire import dialler
from dragoman.store.sqlite.counters import SqliteCounters

REST_S = 5.0
"""Seconds for which a file that could not be used is left alone."""

Complain = Callable[[str, BaseException], None]


class Sharing:
    """What one process shares with others.

    Attributes:
        counters: Who counts for its limits.
        recordings: Where recorded answers are; None: in the store.
    """

    def __init__(
        self,
        config: Config,
        directory: Directory,
        owner: str,
        *,
        tick: Callable[[], float],
        chance: Callable[[], float],
        complain: Complain,
    ) -> None:
        """Open what is shared. Blocks; for start-up only.

        Raises:
            Failure: UNAVAILABLE, a driver is missing or a file cannot be used; INVALID, the address is none.
        """
        workers = config.server.workers
        alone = LocalCounters(tick, share=1 / workers)
        self.counters: Counters = alone
        self.recordings: Recordings | None = None
        self._file: SqliteCounters | None = None
        self._link: Link | None = None
        self._peers: Peers | None = None
        self._tasks: list[Callable[[], Coroutine[Any, Any, None]]] = []
        if config.redis.url:
            self._link = link = Link(
                config.redis, dialler(config.redis), tick=tick, chance=chance, complain=complain
            )
            self.counters = Spared(RedisCounters(link), alone, complain=complain, tick=tick)
            self.recordings = RedisRecordings(link) if config.redis.recordings else None
            told = partial(_share, alone)
            self._peers = Peers(link, owner, told=told, pause=sleep, least=workers)
            news = News(
                link, hint=directory.hint, revoke=directory.revoke, tick=tick, chance=chance, pause=sleep
            )
            directory.tell = news.tell
            self._tasks = [self._peers.announcing, news.following]
        elif workers > 1:
            self._file = SqliteCounters.open(config.data / "limits.db", tick=tick)
            self.counters = Spared(self._file, alone, complain=complain, tick=tick, rest_s=REST_S)

    @property
    def state(self) -> State | None:
        """How the link to Redis stands; None: there is none."""
        return self._link.state() if self._link is not None else None

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """Return what has to run beside everything else."""
        return [task() for task in self._tasks]

    async def leave(self) -> None:
        """Tell the others that this process is no longer there."""
        if self._peers is not None:
            await self._peers.leave()

    async def close(self) -> None:
        """Let go of everything, once the tasks have ended."""
        if self._link is not None:
            await self._link.close()
        if self._file is not None:
            await self._file.close()


def _share(counters: LocalCounters, processes: int) -> None:
    counters.share = 1 / processes
