"""Sizes: how long answers of a model usually are, and how far our count of its input is off.

A budget holds money for an answer before it is there. To hold the most a model can write would lock others
out at a tenth of the cap; to hold the mean would have half of all answers ask for more. So it is what most
stay below:

    expected = mean + 2 deviations        both as moving averages, the last answers counting most

That is a guess and may be wrong: an answer that gets longer asks for more while it runs, and is cut where
there is no more. The input is not so: it is charged the moment it is sent. Where the provider's count is not
ours, what it counted is compared with what we reckoned, and the *largest* ratio seen of late is the factor by
which later reckonings are raised.

Nothing here is a promise, so nothing is kept when the process ends: a new one begins with cautious guesses.
"""

from __future__ import annotations

from collections import OrderedDict
from math import ceil, sqrt

MOST = 2048
"""Models that are remembered; beyond that the one that answered longest ago begins anew."""

FIRST = 1024
"""Tokens an answer is taken for while none is known."""

LEAST = 64
"""Tokens an answer is taken for at least: one that is a word today may be a page tomorrow."""

DEVIATIONS = 2.0

SHARE = 1 / 16
"""How much the newest answer counts, once there are some."""

SLACK = 16
"""Tokens a provider wraps around any input: what would make a large ratio of a short one."""

FACTOR = 1.25
"""What a reckoned input is raised by while the provider's count of none is known."""

MARGIN = 1.02
"""What is put on the largest ratio seen."""

LARGEST = 8.0
"""A factor beyond this is no matter of counting: pictures, tools of the provider's own."""

FADE = 1 / 64
"""How far the largest ratio goes back to a smaller one that is seen after it."""


class _Learned:
    """What is known of one model."""

    __slots__ = ("answers", "mean", "ratio", "spread")

    def __init__(self) -> None:
        self.answers = 0
        self.mean = 0.0
        self.spread = 0.0
        self.ratio = 0.0


class Sizes:
    """Learns from every answer; bounded, and without a clock.

    Args:
        most: Models that are remembered.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._models: OrderedDict[tuple[str, str], _Learned] = OrderedDict()

    def learn(self, provider: str, model: str, wrote: int, *, candidates: int = 1) -> None:
        """Note how many tokens an answer had that ended by itself.

        One that was cut, by a bound or by whoever left, would teach a length nobody wanted: leave it out.
        """
        if wrote < 0:
            return
        one, size = self._of(provider, model), wrote / max(candidates, 1)
        one.answers += 1
        share = max(SHARE, 1 / one.answers)
        off = size - one.mean
        # The variance of a moving average, updated with it (Finch 2009, "Incremental calculation of weighted
        # mean and variance").
        one.spread = (1 - share) * (one.spread + share * off * off)
        one.mean += share * off

    def expect(self, provider: str, model: str) -> int:
        """Return how many tokens an answer, one candidate of it, has at most as a rule."""
        one = self._models.get((provider, model))
        if one is None or not one.answers:
            return FIRST
        learned = one.mean + DEVIATIONS * sqrt(one.spread)
        # The first few are no rule yet: the guess gives way to them one by one.
        trust = min(1.0, one.answers * SHARE * 2)
        return max(LEAST, ceil(learned * trust + max(FIRST, learned) * (1 - trust)))

    def compare(self, provider: str, model: str, reckoned: int, counted: int) -> None:
        """Note how many tokens a provider counted of an input, and at how many it was reckoned, unraised."""
        if reckoned < 0 or counted <= 0:
            return
        one = self._of(provider, model)
        ratio = min(LARGEST, counted / (reckoned + SLACK))
        one.ratio = max(ratio, one.ratio - (one.ratio - ratio) * FADE)

    def factor(self, provider: str, model: str) -> float:
        """Return by what to multiply a reckoned input, with :data:`SLACK` added, to cover the count."""
        one = self._models.get((provider, model))
        if one is None or not one.ratio:
            return FACTOR
        return min(LARGEST, max(1.0, one.ratio * MARGIN))

    def reads(self, provider: str, model: str, reckoned: int) -> int:
        """Return how many tokens a provider will count at most, as a rule, of a reckoned input."""
        return ceil((reckoned + SLACK) * self.factor(provider, model))

    def __len__(self) -> int:
        return len(self._models)

    def _of(self, provider: str, model: str) -> _Learned:
        place = (provider, model)
        one = self._models.get(place)
        if one is None:
            one = self._models[place] = _Learned()
            if len(self._models) > self._most:
                self._models.popitem(last=False)
        else:
            self._models.move_to_end(place)
        return one
