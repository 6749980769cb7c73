"""Prices that come with Dragoman, as data: what each provider charges for what, and since when.

``prices.json`` is written by ``docs/prices.py`` from the package genai-prices, which says how it is read:

* Of a provider's models the first whose rule a name matches is meant, else the first of the providers it
  resells (``instead``). A name nobody matches is tried again with its date (``-20260423``) in dashes.
* Of a model's prices the last that holds at that instant counts, and where none does the first: a price holds
  from a day on (UTC), or between two times of each day (UTC), across midnight too.
* A model may match and have no price: nobody knows it, then, and nobody else's takes its place.
* A price may have others for tiers (``batch``, ``flex``, ``priority``, ``fast``): the provider's own, and not
  those of who resells its models.

The file is some 470 KB. A provider's models are decoded when the first of them is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

import msgspec

from dragoman.core.usage import Price

NAMES: Mapping[str, str] = MappingProxyType({"gemini": "google", "xai": "x-ai"})
"""Providers that go by another name there."""

LONGEST = 256
"""Characters of a name that is looked for; no model has a longer one."""

KEPT = 1024
"""Names whose models are remembered."""

COMPACT = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """What names match; exactly one of these is given. All but `regex` are lower case, as is the name."""

    equals: str | None = None
    starts_with: str | None = None
    ends_with: str | None = None
    contains: str | None = None
    regex: str | None = None
    any: tuple[Rule, ...] = ()
    all: tuple[Rule, ...] = ()

    def matches(self, name: str) -> bool:
        """Say whether a lower-case name matches."""
        if self.equals is not None:
            return name == self.equals
        if self.starts_with is not None:
            return name.startswith(self.starts_with)
        if self.ends_with is not None:
            return name.endswith(self.ends_with)
        if self.contains is not None:
            return self.contains in name
        if self.regex is not None:
            return re.search(self.regex, name) is not None
        if self.all:
            return all(rule.matches(name) for rule in self.all)
        return any(rule.matches(name) for rule in self.any)


class Dated(msgspec.Struct, frozen=True):
    """A price and when it holds: always, from a day on, or between two times of each day; all UTC."""

    price: Price | None
    since: str | None = None
    between: tuple[str, str] | None = None

    def holds(self, day: str, clock: str) -> bool:
        """Say whether it holds at a day (``2026-11-21``) and a time (``16:30:00``)."""
        if self.since is not None:
            return day >= self.since
        if self.between is None:
            return True
        start, end = self.between
        return start <= clock < end if start <= end else clock >= start or clock < end

    def resold(self) -> Dated:
        """Return it without its tiers."""
        bare = None if self.price is None else msgspec.structs.replace(self.price, tiers={})
        return msgspec.structs.replace(self, price=bare)


class Sold(msgspec.Struct, frozen=True):
    """A model and its prices, the later the more they count."""

    id: str
    match: Rule
    prices: tuple[Dated, ...]

    def price(self, at: float) -> Price | None:
        """Return what it costs at a Unix second; None: nobody knows."""
        if len(self.prices) == 1:
            return self.prices[0].price
        day, _, clock = datetime.fromtimestamp(at, UTC).isoformat().partition("T")
        holding = (one.price for one in reversed(self.prices) if one.holds(day, clock[:8]))
        return next(holding, self.prices[0].price)

    def resold(self) -> Sold:
        """Return it as another provider sells it: without the tiers of the first."""
        return msgspec.structs.replace(self, prices=tuple(one.resold() for one in self.prices))


class Seller(msgspec.Struct, frozen=True):
    """A provider's models, and the providers whose models it resells at their prices."""

    instead: tuple[str, ...]
    models: tuple[Sold, ...]

    def named(self, name: str) -> Sold | None:
        """Return the first model that a lower-case name matches."""
        return next((model for model in self.models if model.match.matches(name)), None)


class _File(msgspec.Struct, frozen=True):
    source: str
    version: str
    read: str
    providers: dict[str, msgspec.Raw]


class Shipped:
    """The prices of one file.

    Attributes:
        version: Whose they are and which: ``genai-prices 0.2.3``.
        read_at: The day they were read, in Unix seconds.
    """

    def __init__(self, raw: bytes) -> None:
        file = msgspec.json.decode(raw, type=_File)
        self.version = f"{file.source} {file.version}"
        self.read_at = datetime.combine(date.fromisoformat(file.read), datetime.min.time(), UTC).timestamp()
        self._raw = file.providers
        self._seller = lru_cache(None)(self._decoded)
        self._model = lru_cache(KEPT)(self._found)

    def find(self, provider: str, name: str) -> Sold | None:
        """Return what a provider of ours calls `name`; None: its price was never heard of."""
        return None if len(name) > LONGEST else self._model(provider, name)

    def models(self, provider: str) -> Iterator[Sold]:
        """Yield all models of a provider of ours whose prices are known."""
        if (seller := self._seller(NAMES.get(provider, provider))) is not None:
            yield from seller.models

    def _found(self, provider: str, name: str) -> Sold | None:
        seller = self._seller(NAMES.get(provider, provider))
        if seller is None:
            return None
        spelt = name.lower()
        for word in dict.fromkeys((spelt, COMPACT.sub(r"-\1-\2-\3", spelt))):
            for one in (seller, *map(self._seller, seller.instead)):
                if one is not None and (model := one.named(word)) is not None:
                    return model if one is seller else model.resold()
        return None

    def _decoded(self, provider: str) -> Seller | None:
        raw = self._raw.get(provider)
        return None if raw is None else msgspec.json.decode(raw, type=Seller)


def shipped() -> Shipped:
    """Return the prices that come with this version."""
    return Shipped(files("dragoman.providers").joinpath("prices.json").read_bytes())
