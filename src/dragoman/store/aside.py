"""Threads for work that may wait: they give way to requests where there are fewer processors than work.

A report or a page takes a processor for as long as it takes. A thread of it that shares a core with those who
serve requests would get as much of the core as they do, and each request would wait its turn several times.
So such threads are nicer than the others: requests are served first, and reports get what is left, which
mostly is nearly everything. ``bench/beside.py`` measures it.

Linux has a niceness for each thread (https://man7.org/linux/man-pages/man2/setpriority.2.html, "C
library/kernel differences", read 2026-11-21); elsewhere it is the process's, and stays as it is.

That helps little where several of them run at once: a database's driver lets go of the interpreter and takes
it again for every row, so they, and who serves requests, would hand it round. So they take :class:`Turns`.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

NICER = 10
"""How much nicer: a tenth of the share of a core that one who serves requests has, while he wants it."""

NICEST = 19


PATIENCE_S = 0.25
"""Seconds after which who has the turn keeps nobody waiting any more."""


class Turns:
    """One after another, as long as each is short; one that takes long holds up no other.

    Args:
        patience_s: Seconds that are short.
        tick: Seconds of a clock that only goes forward.
    """

    def __init__(self, patience_s: float = PATIENCE_S, *, tick: Callable[[], float] = time.monotonic) -> None:
        self._patience_s = patience_s
        self._tick = tick
        self._lock = threading.Lock()
        self._until = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn, and have it within."""
        mine = self._lock.acquire(timeout=max(0.0, self._until - self._tick()))
        if mine:
            self._until = self._tick() + self._patience_s
        try:
            yield
        finally:
            if mine:
                self._lock.release()


class Aside(ThreadPoolExecutor):
    """Threads of work that may wait, one after another as long as each is short.

    Args:
        most: How many there are.
        name: What they are called.
        turns: Whose turns these are.
    """

    def __init__(self, most: int, name: str, turns: Turns | None = None) -> None:
        super().__init__(most, name, _give_way)
        self._turns = turns or Turns()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a function called in its turn."""

        def called() -> T:
            with self._turns.turn():
                return fn(*args, **kwargs)

        return super().submit(called)


def aside(most: int, name: str) -> ThreadPoolExecutor:
    """Return so many threads of work that may wait; `name` is what they are called."""
    return ThreadPoolExecutor(most, name, _give_way)


def _give_way() -> None:
    if sys.platform != "linux":
        return
    this = threading.get_native_id()
    with suppress(OSError):  # forbidden here: then it is as it was
        os.setpriority(os.PRIO_PROCESS, this, min(NICEST, os.getpriority(os.PRIO_PROCESS, this) + NICER))
