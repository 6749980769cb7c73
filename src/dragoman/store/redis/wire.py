"""One connection to Redis, as this package sees it: commands go out together, answers come in their order.

Who has no redis-py has no wire: :func:`dialler` says which extra to install.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import msgspec

from dragoman.core.failure import Failure, Kind
from dragoman.store.spec import RedisSpec

CODE = "redis_unavailable"
"""The code of every Failure of this package."""

MISSING = "redis.url needs an extra: pip install 'dragoman[redis]'"

Command = tuple[bytes | str | int | float, ...]
"""A command and its arguments."""

Address = tuple[str, int]
"""Host and port."""


class Refusal(msgspec.Struct, frozen=True):
    """What a server says instead of doing what it was told.

    Attributes:
        word: The error's first word: ``WRONGTYPE``, ``READONLY``.
        moved: Who has the key, where the word is ``MOVED``.
    """

    word: str
    moved: Address | None = None


class Wire(Protocol):
    """One connection. After any Failure, and after a cancelled call, it is closed."""

    async def open(self) -> None:
        """Connect and sign in; raise Failure(UNAVAILABLE)."""

    async def fresh(self) -> bool:
        """Say whether it is open and nothing lies unread in it."""

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands together; return what each was answered, :class:`Refusal` included; raise Failure."""

    async def hear(self) -> Any:
        """Return the next thing that comes without being asked for; raise Failure."""

    async def nudge(self) -> None:
        """Have the other side say something, which :meth:`hear` returns; raise Failure."""

    def close(self) -> None:
        """Close the socket at once."""


Dial = Callable[[Address | None], Wire]
"""Makes a wire to the configured server, or to another one of its cluster; opens nothing."""


def dialler(spec: RedisSpec) -> Dial:
    """Return what makes wires.

    Raises:
        Failure: UNAVAILABLE: the extra is not installed; INVALID: the address is none. No message holds it.
    """
    if find_spec("redis") is None:
        raise Failure(Kind.UNAVAILABLE, MISSING, code=CODE)
    dial: Dial = import_module("dragoman.store.redis.driver").dialler(spec)
    return dial


def unavailable(message: str) -> Failure:
    """Return the one failure of this package; `message` names no address, key or secret."""
    return Failure(Kind.UNAVAILABLE, message, code=CODE, retry_after_s=1.0)
