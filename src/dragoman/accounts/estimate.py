"""What a request may cost at most, before it is sent, and how long an answer an amount of money buys.

Before the answer nobody knows which of its tokens will be charged as what. So each is reckoned at the dearest
rate that could apply: whatever is read might be written to a prompt cache, the long one too, whatever is
written might be thought; sound counts only where there can be any, and a dearer tier where it is asked for.
What is held is rounded up, and what an amount buys down, so that what is booked is never more than what was
held for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec

from dragoman.core.request import Media, Part, Request, ToolResult
from dragoman.core.tasks import Asked
from dragoman.core.usage import MILLION, Price
from dragoman.dialects.figures import tier

FARTHEST = 1 << 40
"""Tokens that free ones are counted as: more than any answer has."""

_READ = ("input", "cache_read", "cache_write", "cache_write_long")
_WRITTEN = ("output", "reasoning")


class Rates(msgspec.Struct, frozen=True):
    """The dearest rates that can apply to one request.

    Attributes:
        read: Micro-dollars for a token read.
        write: Micro-dollars for a token written.
        fee: Micro-dollars for the request itself.
    """

    read: Decimal
    write: Decimal
    fee: Decimal = Decimal(0)

    @classmethod
    def of(
        cls, price: Price, read: int, *, sound: bool = False, units: int = 1, tiers: Iterable[str] = ()
    ) -> Rates:
        """Return the dearest rates of a price.

        Args:
            price: The target's.
            read: Tokens that are read at most; a long input may have a price of its own.
            sound: Whether anything heard or spoken may be in it.
            units: Requests it may be charged as, where there is a price for one.
            tiers: What it may be served as besides the standard one, which it always may.
        """
        served = [price, *(price.tiers[name] for name in tiers if name in price.tiers)]
        prices = [size for one in served for size in _sizes(one, read)]
        heard, spoken = (("audio_input",), ("audio_output",)) if sound else ((), ())
        return cls(
            max(_rate(one, name) for one in prices for name in (*_READ, *heard)),
            max(_rate(one, name) for one in prices for name in (*_WRITTEN, *spoken)),
            max(_rate(one, "request") for one in prices) * MILLION * units,
        )

    def charge(self, read: int, wrote: int) -> int:
        """Return micro-dollars that so many tokens cost at most, rounded up."""
        cost = self.read * read + self.write * wrote + self.fee
        return int(cost.to_integral_value(ROUND_CEILING))

    def buys(self, micros: int, read: int) -> int:
        """Return how many tokens may be written for an amount once so many are read; -1: not even none."""
        left = Decimal(micros) - self.read * read - self.fee
        if left < 0:
            return -1
        if not self.write:
            return FARTHEST
        return min(FARTHEST, int((left / self.write).to_integral_value(ROUND_FLOOR)))


def dearest(price: Price, *, read: int, wrote: int, asked: Asked | None = None) -> int:
    """Return micro-dollars that one attempt costs at most, rounded up.

    Args:
        price: The target's.
        read: Tokens it reads at most.
        wrote: Tokens it writes at most, all candidates together.
        asked: What is asked: tells whether sound may be in it; None: it may.
    """
    tiers = price.tiers if asked is None else may_serve(asked)
    return Rates.of(price, read, sound=asked is None or sounds(asked), tiers=tiers).charge(read, wrote)


def writes(expected: int, *bounds: int | None, candidates: int = 1) -> int:
    """Return for how many tokens to hold money: each candidate's expected length, or the least bound."""
    return min([expected, *(bound for bound in bounds if bound is not None)]) * max(candidates, 1)


def sounds(asked: Asked) -> bool:
    """Return whether anything heard or spoken may be in a request or its answer."""
    if not isinstance(asked, Request):
        return False
    rest = asked.extras.rest if asked.extras is not None else {}
    config = rest.get("generationConfig")
    if not _SPOKEN.isdisjoint({*rest, *(config if isinstance(config, dict) else ())}):
        return True
    return any(_heard(part) for message in asked.messages for part in message.parts)


def may_serve(asked: Asked) -> tuple[str, ...]:
    """Return the tiers that a request asks for, in OpenAI's words; none: the standard one.

    What is left to OpenAI (``auto``) is the project's setting, which may be ``priority``
    (https://developers.openai.com/api/docs/guides/priority-processing). Anthropic's dear tier is a ``speed``
    (https://platform.claude.com/docs/en/build-with-claude/fast-mode). Both read 2026-11-21.
    """
    if not isinstance(asked, Request):
        return ()
    rest = asked.extras.rest if asked.extras is not None else {}
    fast = ("fast",) if rest.get("speed") == "fast" else ()
    word = "priority" if asked.tier == "auto" else tier(asked.tier)
    return (*fast, word) if word else fast


_SPOKEN = frozenset({"audio", "modalities", "responseModalities", "speechConfig"})
"""Fields that ask for a spoken answer, whatever the dialect; Gemini has them within another."""


def _heard(part: Part) -> bool:
    match part:
        case Media():
            return part.kind in ("audio", "video")
        case ToolResult():
            return any(_heard(one) for one in part.parts)
        case _:
            return False


def _sizes(price: Price, read: int) -> Iterator[Price]:
    """Yield the prices of every size a request may turn out to have that reads at most so many tokens."""
    yield price
    while price.long is not None and price.long_after is not None and read > price.long_after:
        price = price.long
        yield price


def _rate(price: Price, name: str) -> Decimal:
    found: Decimal | None = getattr(price, name)
    return Decimal(0) if found is None else found
