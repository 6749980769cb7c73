"""Standing: how somebody stands with the limits, and the headers that say so in each dialect's own names."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Literal

import msgspec

from dragoman.store.counters import Slot, Want

What = Literal["requests", "tokens", "parallel"]

MARGIN_NS = 1_000
"""Added to what a client is told to wait: its clock and ours are floats, and to be early is to be refused."""


class Rule(msgspec.Struct, frozen=True):
    """One limit of one key, team, user, model or provider.

    Attributes:
        name: What it is counted under: ``key:anna:tokens/60``.
        whose: Whose it is, in words: ``this key``.
        what: What it counts.
        limit: How many in a period; of ``parallel``: at once.
        burst: How many at once after a rest.
        period: ``minute`` or ``day``; "" of ``parallel``.
        share_ns: Nanoseconds in which one comes back.
        most_ns: Nanoseconds of the burst.
    """

    name: str
    whose: str
    what: What
    limit: int
    burst: int = 0
    period: str = ""
    share_ns: float = 0
    most_ns: int = 0

    def want(self, units: int) -> Want:
        """Return so many units of it."""
        return Want(self.name, units, self.share_ns, self.most_ns)

    def slot(self) -> Slot:
        """Return a place of it."""
        return Slot(self.name, self.limit)

    def __str__(self) -> str:
        what = "requests at once" if self.what == "parallel" else f"{self.what} a {self.period}"
        one = what.replace("requests", "request").replace("tokens", "token")
        return f"{self.whose} is limited to {self.limit} {one if self.limit == 1 else what}"


class Taken(msgspec.Struct, frozen=True):
    """How somebody stands with one limit.

    Attributes:
        limit: Units in a period.
        remaining: Units that could be taken at once, now.
        reset_s: Seconds until it could be as many as after a long rest.
        retry_after_s: Seconds until one could be taken; 0: now.
    """

    limit: int
    remaining: int
    reset_s: float
    retry_after_s: float = 0.0


class Standing(msgspec.Struct, frozen=True):
    """How somebody stands, with the tightest limit of each kind; None: there is no such limit."""

    requests: Taken | None = None
    tokens: Taken | None = None


class Level(msgspec.Struct, frozen=True):
    """How far one limit was used, and when that was seen (nanoseconds of the monotonic clock)."""

    rule: Rule
    used_ns: int
    seen_ns: int

    def taken(self, now_ns: int) -> Taken:
        """Return how it stands by now, if nothing was taken meanwhile."""
        rule = self.rule
        used = max(self.used_ns - (now_ns - self.seen_ns), 0)
        left = min(int(max(rule.most_ns - used, 0) // rule.share_ns), rule.burst) if used else rule.burst
        return Taken(rule.limit, left, used / 1e9, told(used + rule.want(1).cost_ns - rule.most_ns))


def tightest(found: list[Taken]) -> Taken | None:
    """Return the limit that is reached first: of the fewest left, the one that takes longest to come back."""
    return min(found, key=lambda one: (one.remaining, -one.retry_after_s, -one.reset_s), default=None)


def told(wait_ns: int) -> float:
    """Return a wait in seconds, rounded up to the millisecond; 0: there is none."""
    return math.ceil((wait_ns + MARGIN_NS) / 1e6) / 1000 if wait_ns > 0 else 0.0


def headers(standing: Standing | None, *, dialect: str, now: float) -> dict[str, str]:
    """Return what tells a client how it stands; nothing of a kind it has no limit of.

    ``X-RateLimit-*`` and OpenAI's names go to every client; Groq's are the same
    (https://platform.openai.com/docs/guides/rate-limits, https://console.groq.com/docs/rate-limits, read
    2026-11-21: "1s", "6m0s"; the reset is "the time until the rate limit resets to its initial state").
    Anthropic's, with an RFC 3339 time, go to its own (https://docs.claude.com/en/api/rate-limits, read
    2026-11-21), but for its ``-input-tokens-`` and ``-output-tokens-``: nothing here is limited by one of the
    two alone. Gemini, Cohere and Ollama have none; a refusal says when to come back in their own form.

    Args:
        standing: How the key stands.
        dialect: The client's.
        now: Unix seconds.
    """
    if standing is None:
        return {}
    found: dict[str, str] = {}
    if (requests := standing.requests) is not None:
        found["x-ratelimit-limit"] = str(requests.limit)
        found["x-ratelimit-remaining"] = str(requests.remaining)
        found["x-ratelimit-reset"] = str(math.ceil(requests.reset_s))
    for kind, taken in (("requests", standing.requests), ("tokens", standing.tokens)):
        if taken is None:
            continue
        limit, remaining = str(taken.limit), str(taken.remaining)
        found[f"x-ratelimit-limit-{kind}"] = limit
        found[f"x-ratelimit-remaining-{kind}"] = remaining
        found[f"x-ratelimit-reset-{kind}"] = duration(taken.reset_s)
        if dialect == "anthropic":
            whole_at = datetime.fromtimestamp(math.ceil(now + taken.reset_s), UTC)
            found[f"anthropic-ratelimit-{kind}-limit"] = limit
            found[f"anthropic-ratelimit-{kind}-remaining"] = remaining
            found[f"anthropic-ratelimit-{kind}-reset"] = whole_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return found


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
