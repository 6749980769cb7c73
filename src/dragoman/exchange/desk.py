"""The client's door: a dialect as it is, or what a surface makes of one exchange.

A surface's answers tell what the gateway did, so its doors may ask: :class:`ExchangeDesk` is whom.
"""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.core.request import Request
from dragoman.core.tasks import Asked
from dragoman.dialects import Call, Desk, Dialect, Door, Facts, Surface
from dragoman.exchange.aim import CHOOSE
from dragoman.exchange.booking import cost_so_far, used_so_far
from dragoman.exchange.life import Exchange


class ExchangeDesk:
    """Tells a surface's door about its exchange."""

    __slots__ = ("_ex",)

    def __init__(self, ex: Exchange) -> None:
        self._ex = ex

    def facts(self) -> Facts:
        """Return what is known now."""
        ex, last = self._ex, self._ex.answering
        return Facts(
            id=ex.id,
            provider=last.target.provider if last else "",
            latency_ms=(ex.services.tick() - ex.began) * 1000,
            cost_micros=cost_so_far(ex),
            cached=ex.replayed is not None,
            fallback=ex.fallback,
            reason=ex.reason,
            usage=used_so_far(ex),
        )

    def fill(self, template: str, values: Mapping[str, str]) -> str:
        """Return a template's text with its variables filled in; raise Failure as :class:`Desk` says."""
        return self._ex.services.fill(template, values)


def door_of(entrance: Dialect | Surface, call: Call, desk: Desk) -> Door:
    """Return the door a request came in by."""
    opened: Door | None = None
    if (make := getattr(entrance, "door", None)) is not None:
        opened = make(call, desk)
    return opened or entrance  # type: ignore[return-value]  # what makes no door is one


def pinned(asked: Asked, call: Call) -> str | None:
    """Return the one provider a client wants to be answered by, if it says so: in its body, or a header."""
    named = asked.provider if isinstance(asked, Request) else None
    return named or call.headers.get(CHOOSE) or None
