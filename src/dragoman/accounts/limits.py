"""Limits: how many requests a key may make in a minute.

The generic cell rate algorithm (ITU-T I.371): each key has one number, the time at which its minute will be
whole again. A request moves it on by an even share of a minute, and is refused where that would lead further
than `burst` shares into the future. That is the token bucket the vendors run, kept in one integer:

- a key that has been still may use its whole minute at once (`burst` is the limit, unless set otherwise);
- after that a request comes back every ``60 / limit`` seconds, not all of them on the minute;
- so in *any* stretch of ``w`` seconds at most ``burst + w * limit / 60`` requests are admitted.

Time is whole nanoseconds: nothing drifts and nothing is rounded in a request's favour. :meth:`Limits.take`
does not wait for anything, so requests of one process cannot overtake one another in it. Every process
counts for itself: see docs/limits.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from dragoman.accounts.keys import Account
from dragoman.core.failure import Failure, Kind, Source

MINUTE_NS = 60_000_000_000

MOST_KEYS = 100_000
"""Keys whose level is kept; beyond that the one that asked longest ago begins anew."""

MARGIN_NS = 1_000
"""Added to what a client is told to wait: its clock and ours are floats, and to be early is to be refused."""


class LimitSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often a key may ask.

    Attributes:
        requests_per_minute: Requests a key may make in a minute, where it has no limit of its own; 0: any
            number.
        burst: Requests a key that has been still may make at once; 0: those of a whole minute.
    """

    requests_per_minute: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 0
    burst: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 0


class Taken(msgspec.Struct, frozen=True):
    """How a key stands.

    Attributes:
        limit: Requests a minute.
        remaining: Requests it could make at once, now.
        reset_s: Seconds until it could make as many as after a long rest.
        retry_after_s: Seconds until it may ask again; 0: now.
    """

    limit: int
    remaining: int
    reset_s: float
    retry_after_s: float = 0.0


class Limits:
    """Counts the requests of every key of one process.

    Args:
        spec: What holds for keys without a limit of their own.
        tick: Monotonic clock, seconds.
        most: Keys whose level is kept.
    """

    def __init__(self, spec: LimitSpec, *, tick: Callable[[], float], most: int = MOST_KEYS) -> None:
        self.spec = spec
        """May be replaced at any time: what a key has used of its minute stays used."""
        self._tick = tick
        self._most = most
        self._whole_at: dict[str, int] = {}

    def take(self, account: Account) -> Taken | None:
        """Count one request of `account`; None: it has no limit.

        Raises:
            Failure: RATE_LIMITED with ``retry_after_s``; nothing is counted.
        """
        return self._weigh(account, 1)

    def look(self, account: Account) -> Taken | None:
        """Return how `account` stands, counting nothing; None: it has no limit."""
        return self._weigh(account, 0)

    def _weigh(self, account: Account, requests: int) -> Taken | None:
        limit = self._limit(account)
        if limit == 0:
            return None
        share = -(-MINUTE_NS // limit)
        most = share * (self.spec.burst or limit)
        now = round(self._tick() * 1e9)
        # Under a limit that was lowered meanwhile, a key has never used more than all of it.
        used = min(max(self._whole_at.get(account.name, now) - now, 0), most)
        wanted = used + share * max(requests, 1)
        wait = max(wanted - most, 0)
        if requests == 0:
            return Taken(limit, (most - used) // share, used / 1e9, _told(wait))
        if wait:
            raise _refusal(limit, _told(wait))
        self._keep(account.name, now + wanted, now)
        return Taken(limit, (most - wanted) // share, wanted / 1e9)

    def _limit(self, account: Account) -> int:
        """Return an account's requests a minute; the admin has no limit but one of its own."""
        if account.requests_per_minute is not None:
            return account.requests_per_minute
        return 0 if account.role == "admin" else self.spec.requests_per_minute

    def _keep(self, name: str, whole_at: int, now: int) -> None:
        """Keep a key's level, last in the order of use, and forget what nobody needs any more."""
        kept = self._whole_at
        kept.pop(name, None)
        kept[name] = whole_at
        while kept:
            oldest = next(iter(kept))
            if kept[oldest] > now and len(kept) <= self._most:
                break
            del kept[oldest]


def headers(taken: Taken | None, *, dialect: str, now: float) -> dict[str, str]:
    """Return what tells a client how it stands; nothing where it has no limit.

    OpenAI's names and durations go to every client (https://platform.openai.com/docs/guides/rate-limits,
    read 2026-11-21: "1s", "6m0s"; the reset is "the time until the rate limit resets to its initial state"),
    Anthropic's with an RFC 3339 time to its own (https://docs.claude.com/en/api/rate-limits, read
    2026-11-21). ``X-RateLimit-Reset`` is in whole seconds from now, rounded up.

    Args:
        taken: How the key stands.
        dialect: The client's.
        now: Unix seconds.
    """
    if taken is None:
        return {}
    limit, remaining = str(taken.limit), str(taken.remaining)
    told = {
        "x-ratelimit-limit": limit,
        "x-ratelimit-remaining": remaining,
        "x-ratelimit-reset": str(math.ceil(taken.reset_s)),
        "x-ratelimit-limit-requests": limit,
        "x-ratelimit-remaining-requests": remaining,
        "x-ratelimit-reset-requests": duration(taken.reset_s),
    }
    if dialect == "anthropic":
        whole_at = datetime.fromtimestamp(math.ceil(now + taken.reset_s), UTC)
        told |= {
            "anthropic-ratelimit-requests-limit": limit,
            "anthropic-ratelimit-requests-remaining": remaining,
            "anthropic-ratelimit-requests-reset": whole_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    return told


def duration(seconds: float) -> str:
    """Return a duration as OpenAI writes it, which is Go's way: ``12ms``, ``1.5s``, ``6m0s``, ``1h0m0s``.

    Rounded up to the millisecond.
    """
    whole, rest = divmod(math.ceil(seconds * 1000), 1000)
    if whole == 0:
        return f"{rest}ms" if rest else "0s"
    minutes, left = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    last = f"{left}.{rest:03}".rstrip("0") if rest else str(left)
    if hours:
        return f"{hours}h{minutes}m{last}s"
    return f"{minutes}m{last}s" if minutes else f"{last}s"


def _told(wait_ns: int) -> float:
    """Return a wait in seconds, rounded up to the millisecond."""
    return math.ceil((wait_ns + MARGIN_NS) / 1e6) / 1000 if wait_ns else 0.0


def _refusal(limit: int, wait_s: float) -> Failure:
    times = "request" if limit == 1 else "requests"
    return Failure(
        Kind.RATE_LIMITED,
        f"this key may make {limit} {times} a minute; ask again in {wait_s:g} s",
        source=Source.CLIENT,
        code="rate_limit_exceeded",
        retry_after_s=wait_s,
    )
