"""When to stop asking a server that does not answer, and when to try again. Pure.

    closed    everybody may ask; :data:`MOST` failures in a row open it
    open      nobody may; after a pause one may, who probes
    probing   nobody but the one that probes: what becomes of it closes or opens it

The pause doubles with every probe that fails and has chance in it, so that many processes do not all come
back to a server that has just come up in the same instant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "probing"]

MOST = 3
"""Failures in a row that open it."""

FIRST_PAUSE_S = 0.25
LAST_PAUSE_S = 10.0


class Breaker:
    """Says who may ask.

    Args:
        tick: Monotonic clock, seconds.
        chance: Random numbers in [0, 1).

    Attributes:
        opened: Times it opened, probes that failed not counted.
    """

    __slots__ = ("_chance", "_failures", "_pauses", "_tick", "_until", "opened", "state")

    def __init__(self, *, tick: Callable[[], float], chance: Callable[[], float]) -> None:
        self.state: State = "closed"
        self.opened = 0
        self._tick = tick
        self._chance = chance
        self._failures = 0
        self._pauses = 0
        self._until = 0.0

    def admits(self) -> bool:
        """Say whether a call may go out; one that may when the pause is over is the probe."""
        if self.state == "open" and self._tick() >= self._until:
            self.state = "probing"
            return True
        return self.state == "closed"

    def passed(self) -> None:
        """Note that the server answered."""
        self.state, self._failures, self._pauses = "closed", 0, 0

    def failed(self) -> bool:
        """Note that it did not; return whether that opened it."""
        self._failures += 1
        if self.state == "open" or (self.state == "closed" and self._failures < MOST):
            return False
        fell = self.state == "closed"
        pause = min(FIRST_PAUSE_S * 2**self._pauses, LAST_PAUSE_S)
        self._until = self._tick() + pause * (0.5 + self._chance() / 2)
        self._pauses = min(self._pauses + 1, 16)
        self.opened += fell
        self.state = "open"
        return fell
