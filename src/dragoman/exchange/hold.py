"""What one exchange may spend: how much of it is held, and how long an answer that pays for. Pure arithmetic.

    held     what earlier attempts have cost, the input, and so many tokens of an answer
    allowed  those tokens: no more of the answer is told
    bound    tokens after which the provider stops by itself; None: nobody knows

While there may be more than is allowed, the last :data:`AHEAD` of what is allowed are kept back: a provider
has written, and will charge, a little more than we have seen when we stop it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from dragoman.accounts.estimate import Rates
from dragoman.core.events import Append, Close, Event, Open, Stop
from dragoman.core.request import Text, Thinking, ToolCall
from dragoman.providers.tokens import count
from dragoman.store.budgets import Claim, Share

AHEAD = 16
"""Tokens a provider may have written by the time we stop it, beyond those we have seen."""

LEAST = 16
"""Tokens of an answer that there must be money for, or it is not begun."""

BLIND = 16_384
"""Tokens an answer may have that is not seen as it comes, where nobody says how many it may have."""

SLACK = 2
"""How many times too large our count of an answer may be that its provider is to stop by its own."""

STEP = 256
"""Tokens of an answer that more is held for at once, at least."""

BLOCK = 2048
"""Characters that are counted at once: all of a long answer for each of its words would take too long."""

DENSEST = 4
"""Tokens a character has at most: a token has a byte at least, and a character four at most."""

FREE = Rates(Decimal(0), Decimal(0))


class Written:
    """How many tokens a growing text has: as many as the whole, not as its pieces by themselves.

    Attributes:
        most: No fewer than that, without counting; close to it only where they were counted just before.
    """

    __slots__ = ("_model", "_tail", "_tokens", "most")

    def __init__(self, model: str) -> None:
        self.most = 0
        self._model = model
        self._tokens = 0
        self._tail = ""

    def with_(self, text: str) -> Written:
        """Return it with more text."""
        more = Written(self._model)
        more.most = self.most + DENSEST * len(text)
        more._tokens, more._tail = self._tokens, self._tail + text
        if len(more._tail) >= BLOCK:
            more._tokens, more._tail = more.tokens, ""
        return more

    @property
    def tokens(self) -> int:
        """Count them."""
        self.most = self._tokens + count(self._model, self._tail)[0]
        return self.most


class Hold:
    """The money of one exchange.

    Attributes:
        shares: The windows it counts in.
        most: Micro-dollars the client would pay at most; None: it did not say.
        micros: Micro-dollars that are held, all attempts together.
        allowed: Tokens of the present answer that are paid for.
        bound: Tokens the present answer has at most.
        told: The provider has to be told of the bound, for it is not the client's.
        tier: What the provider is asked to serve it as, where the client does not say; None: it may choose.
        read: Tokens of the present attempt's input, as reckoned with.
        written: What of the present answer was told, counted.
        parts: Open parts of the answer, and whose choice each is.
        choices: Choices that have begun and not stopped.
    """

    def __init__(self, shares: Sequence[Share] = (), most: int | None = None) -> None:
        self.shares = tuple(shares)
        self.most = most
        self.micros = 0
        self.allowed = 0
        self.bound: int | None = None
        self.told = False
        self.tier: str | None = None
        self.read = 0
        self.written = Written("")
        self.parts: dict[int, int] = {}
        self.choices: set[int] = set()
        self._rates = FREE
        self._before = 0
        self._step = STEP
        self._usual = 0
        self._least = LEAST

    @property
    def hard(self) -> bool:
        """Whether anything would be refused; soft budgets only count."""
        return self.most is not None or any(share.cap_micros is not None for share in self.shares)

    def aim(
        self,
        rates: Rates,
        *,
        model: str,
        before: int,
        read: int,
        bound: int | None,
        expected: int,
        hidden: bool = False,
        least: int = LEAST,
    ) -> None:
        """Begin an attempt.

        Args:
            model: Who writes, for its words are counted its way.
            rates: What it is charged, at most.
            before: Micro-dollars that earlier attempts have cost.
            read: Tokens of its input, at most.
            bound: Tokens the client, or the model, allows its answer.
            expected: Tokens such an answer usually has, at most.
            hidden: What it writes is not all seen as it comes: all it may write is held from the beginning.
            least: Tokens that there must be money for, or it is not begun.
        """
        self._rates, self._before = rates, before
        self.read, self.bound, self.told = read, bound, False
        self._step = max(STEP, expected // 2)
        self.written = Written(model)
        self.parts, self.choices = {}, set()
        self.allowed = self._usual = expected if bound is None else min(expected, bound)
        self._least = least
        if hidden and bound is None:
            self.bound, self.told = max(expected, BLIND), True
        if hidden and self.bound is not None:
            self.allowed = self.bound

    def share(self, free: int) -> bool:
        """Make do with half of `free` micro-dollars, or what such an answer usually takes; as :meth:`narrow`.

        Only where more is held than that: because nobody sees how much is written, not because it will be.
        """
        usual = self.claim(self._usual).micros
        return self.allowed > self._usual and self.narrow(min(free, max(free // 2, usual)))

    def narrow(self, room: int) -> bool:
        """Make do with `room` micro-dollars in all; return whether that pays for any answer."""
        if self.least().micros > room:
            return False
        most = self._buys(room)
        if self.bound is None or most < self.bound:
            self.bound, self.told = most, True
        self.allowed = min(self.allowed, self.bound)
        return True

    def least(self) -> Claim:
        """Return the smallest claim with which an answer would be begun."""
        return self.claim(self._least if self.bound is None else min(self._least, self.bound))

    def claim(self, allowed: int | None = None) -> Claim:
        """Return the claim that pays for what is allowed, or for so many tokens."""
        tokens = self.allowed if allowed is None else allowed
        return Claim(self._before + self._rates.charge(self.read, tokens), self.shares)

    def grant(self, claim: Claim, allowed: int | None = None) -> None:
        """Note that a claim was granted, which pays for so many tokens."""
        self.micros = claim.micros
        self.allowed = self.allowed if allowed is None else allowed

    @property
    def present(self) -> int:
        """Micro-dollars that are held for the present attempt."""
        return max(0, self.micros - self._before)

    def at_most(self, micros: int) -> int:
        """Return what an attempt is booked at that was estimated so: no more than what was held for it."""
        return min(micros, self.micros - self._before) if self.micros else micros

    def pays(self, tokens: int) -> bool:
        """Say whether so many tokens of an answer may be told."""
        if self.bound is not None and self.allowed >= self.bound:
            return tokens <= self.allowed * SLACK + AHEAD
        return tokens + AHEAD <= self.allowed

    def wanted(self, tokens: int) -> int:
        """Return for how many tokens to hold money once there are `tokens`."""
        wanted = tokens + AHEAD + self._step
        if self.most is not None:
            wanted = min(wanted, self._buys(self.most))
        return wanted if self.bound is None else min(wanted, max(self.bound, tokens))

    def worth(self, micros: int) -> int:
        """Return for how many tokens of an answer so much money pays; at least those that are paid for."""
        found = max(self._buys(micros), self.allowed)
        return found if self.bound is None else min(found, self.bound)

    def follow(self, events: Iterable[Event]) -> None:
        """Note what of the answer is open."""
        for event in events:
            match event:
                case Open(index, _, choice):
                    self.parts[index] = choice
                    self.choices.add(choice)
                case Close(index):
                    self.parts.pop(index, None)
                case Stop():
                    self.choices.discard(event.choice)
                case _:
                    pass

    def _buys(self, micros: int) -> int:
        """Return how many tokens of an answer so much money in all pays for."""
        return max(0, self._rates.buys(micros - self._before, self.read))


def text_of(event: Event) -> str:
    """Return what of an event the model wrote."""
    match event:
        case Append(_, text):
            return text
        case Open(_, Text() | Thinking() as part):
            return part.text
        case Open(_, ToolCall() as part):
            return part.name + part.arguments
        case _:
            return ""
