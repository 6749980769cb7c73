"""Complaints that do not become a flood: a fault that lasts is told of once in a while."""

from __future__ import annotations

from collections.abc import Callable

AGAIN_S = 300.0
"""Seconds after which a fault of the same kind is told of again."""


class Complaints:
    """Tells of faults, of each kind now and then.

    Args:
        complain: Is told.
        tick: Monotonic clock, seconds.
    """

    def __init__(self, complain: Callable[[str, BaseException], None], tick: Callable[[], float]) -> None:
        self._complain = complain
        self._tick = tick
        self._told_at: dict[str, float] = {}

    def tell(self, kind: str, what: str, error: BaseException) -> None:
        """Tell of a fault, unless one of its kind was told of not long ago."""
        now = self._tick()
        if now - self._told_at.get(kind, now - AGAIN_S) >= AGAIN_S:
            self._told_at[kind] = now
            self._complain(what, error)

    def over(self, kind: str) -> None:
        """Note that a fault is over: the next one of its kind is told of at once."""
        self._told_at.pop(kind, None)
