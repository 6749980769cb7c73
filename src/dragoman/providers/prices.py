"""What a model costs, and who says so: the operator, a configuration, or what ships.

The first of these that knows decides, for the instant an attempt was opened:

    operator 7           a price set while serving (``dragoman prices set``), the youngest that had begun
    catalog              a price in the operator's own [models] tables, or of ours where nothing else knows
    genai-prices 0.2.3   what ships, dated (:mod:`dragoman.providers.shipped`)
    free                 the operator's own machine (a provider with `free`): nobody is paid
    default              what [prices] says of a model without a price

Where nobody knows, the price is None, never zero. What a provider itself says an answer cost goes before all
of these (:func:`booked`). What twins charge (``openai`` and ``openai-responses``) is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType

import msgspec

from dragoman.core.usage import Micros, Price, Usage, cost, micros
from dragoman.providers.catalog import Catalog
from dragoman.providers.shipped import KEPT, LONGEST, Sold
from dragoman.store.prices import PriceRow

EVERY = "*"
"""As a row's model: every model of its provider that has no row of its own."""

PROVIDER, CATALOG, FREE, DEFAULT = "provider", "catalog", "free", "default"

NOTHING = Price(Decimal(0), Decimal(0))


class PriceSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model costs of which nobody knows that.

    Attributes:
        default_input: US dollars for a million tokens read. Without one the cost of such a model stays
            unknown, and a key with a budget may not ask it.
        default_output: The same for tokens written; without one they cost what tokens read do.
    """

    default_input: Decimal | None = None
    default_output: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse what is no price."""
        for rate in (self.default_input, self.default_output):
            if rate is not None and not (rate.is_finite() and rate >= 0):
                raise ValueError("a price is 0 or more US dollars")

    @property
    def price(self) -> Price | None:
        """The price of what nobody knows, if there is one."""
        known = [rate for rate in (self.default_input, self.default_output) if rate is not None]
        return Price(known[0], known[-1]) if known else None


class Quote(msgspec.Struct, frozen=True):
    """A price, and by whose word; unknown: None and "" ."""

    price: Price | None = None
    version: str = ""


class Entry(msgspec.Struct, frozen=True):
    """What a model costs now. ``price`` None: nobody knows; ``by``: by whose word."""

    provider: str
    model: str
    price: Price | None
    by: str


class PriceList:
    """The prices of one configuration.

    Args:
        catalog: Its providers and models.
        spec: What the operator says of prices.
        rows: The operator's rows as they are now, the very same sequence until one is added; called for each
            look-up.
    """

    def __init__(
        self, catalog: Catalog, spec: PriceSpec | None = None, rows: Callable[[], Sequence[PriceRow]] = tuple
    ) -> None:
        self._catalog = catalog
        self._shipped = catalog.shipped
        self._known = lru_cache(KEPT)(self._found)
        self._default = (spec or PriceSpec()).price
        self._rows = rows
        self._seen: Sequence[PriceRow] = ()
        self._set: Mapping[tuple[str, str], Sequence[tuple[float, Quote]]] = MappingProxyType({})

    def find(self, provider: str, model: str, at: float) -> Quote:
        """Return what `provider` charges for the model it calls `model`, at a Unix second."""
        own = self._operators(provider, model, at)
        if own is not None and own.version:
            return own
        found = self._known(provider, model) if len(model) <= LONGEST else None
        if isinstance(found, Sold):
            price = found.price(at)
            found = None if price is None else Quote(price, self._shipped.version)
        return found if found is not None else self._otherwise(provider)

    def _found(self, provider: str, model: str) -> Quote | Sold | None:
        """Return what is known whenever it is asked for, or prices of which the time decides."""
        if (price := self._catalog.offered(provider, model)) is not None:
            return Quote(price, CATALOG)
        sellers = self._catalog.sellers(provider)
        return next(filter(None, (self._shipped.find(seller, model) for seller in sellers)), None)

    def _otherwise(self, provider: str) -> Quote:
        row = self._catalog.providers.get(provider)
        if row is not None and row.free and row.key is None:
            return Quote(NOTHING, FREE)
        return Quote(self._default, DEFAULT) if self._default is not None else Quote()

    def entries(
        self, at: float, *, provider: str = "", model: str = "", everything: bool = False
    ) -> Iterator[Entry]:
        """Yield what holds at a Unix second, for everything there is a row of.

        Args:
            at: When.
            provider: Only of this one; "": of all that can be asked.
            model: Only of this one; "": of all.
            everything: Of providers that cannot be asked, too, and of every model whose price ships.
        """
        for seller, name in dict.fromkeys(self._named(provider, everything=everything)):
            if provider in ("", seller) and model in ("", name):
                quote = self.find(seller, name, at)
                yield Entry(seller, name, quote.price, quote.version)

    def _named(self, provider: str, *, everything: bool) -> Iterator[tuple[str, str]]:
        yield from ((row.provider, row.model) for row in self._rows())
        rows = self._catalog.providers.items()
        wanted = [name for name, row in rows if everything or name == provider or row.ready]
        yield from (target for target in self._catalog.targets if target[0] in wanted)
        if everything:
            yield from ((name, sold.id) for name in wanted for sold in self._catalog.shipped.models(name))

    def _operators(self, provider: str, model: str, at: float) -> Quote | None:
        """Return the operator's word; by nobody's word: what ships holds again."""
        rows = self._rows()
        if rows is not self._seen:
            self._set, self._seen = _sorted(rows), rows
        if not self._set:
            return None
        sellers = self._catalog.sellers(provider)
        for name in (model, EVERY):
            for seller in sellers:
                begun = [quote for since, quote in self._set.get((seller, name), ()) if since <= at]
                if begun:
                    return begun[-1]
        return None


def booked(usage: Usage, quote: Quote) -> tuple[Micros | None, str]:
    """Return what was used in micro-dollars, and by whose price; unknown: None and ""."""
    spent = cost(usage, quote.price)
    if spent is None:
        return None, ""
    return micros(spent), PROVIDER if usage.cost is not None else quote.version


def _sorted(rows: Iterable[PriceRow]) -> dict[tuple[str, str], list[tuple[float, Quote]]]:
    """Return the prices of each (provider, model), the youngest last; of one instant the one set later."""
    found: dict[tuple[str, str], list[tuple[float, Quote]]] = {}
    for row in sorted(rows, key=lambda row: (row.since, row.number)):
        found.setdefault((row.provider, row.model), []).append((row.since, _quote(row)))
    return found


def _quote(row: PriceRow) -> Quote:
    """Return a row's price; one that only a newer version can read is unknown, and not what ships."""
    try:
        price = msgspec.json.decode(row.price, type=Price | None)
    except msgspec.MsgspecError:
        return Quote(None, f"operator {row.number}")
    return Quote() if price is None else Quote(price, f"operator {row.number}")
