"""Who says what a model costs: the operator before a configuration before what ships, and nobody guesses."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dragoman.core.usage import Price, Usage
from dragoman.providers.catalog import catalog
from dragoman.providers.prices import NOTHING, PriceList, PriceSpec, Quote, booked
from dragoman.store.prices import PriceRow

NOW = 1_795_262_400.0
"""Noon of 21 November 2026, UTC."""
SHIPPED = catalog().shipped.version

TELLS = ("openai/gpt-4o", "openai/gpt-4o-mini", "google/gemini-2.5-flash")
TELLS_TOO = tuple(f"anthropic/claude-{name}-4-5" for name in ("opus", "sonnet", "haiku"))
UNPRICED = {
    *(("requesty", name) for name in (*TELLS, *TELLS_TOO)),  # it tells in each answer what that cost
    *(("requesty-anthropic", name) for name in TELLS_TOO),
    *(("cohere", f"command-a-{name}") for name in ("plus-05-2026", "reasoning-08-2025")),
    *(("cohere", f"embed-{name}-v3.0") for name in ("english", "multilingual")),
    *(("cohere", f"rerank-{name}") for name in ("v5.0-pro", "v5.0-fast", "v4.0-pro", "v4.0-fast", "v3.5")),
    ("gemini", "gemini-embedding-2"),  # pictures and films cost more than words, and are not counted apart
}


def flat(amount: int) -> Price:
    """Return a price that is the same for everything."""
    return Price(Decimal(amount), Decimal(amount))


def row(number: int, name: str, price: Price | None, *, since: float = 0.0) -> PriceRow:
    """Return the operator's price of `provider/model`."""
    provider, _, model = name.partition("/")
    raw = msgspec.json.encode(price)
    return PriceRow(number=number, provider=provider, model=model, since=since, price=raw, created_at=NOW)


def listed(
    *rows: PriceRow, spec: PriceSpec | None = None, models: Any = None, providers: Any = None
) -> PriceList:
    """Return a price list over the shipped catalogue, and an operator's tables and rows."""
    return PriceList(catalog(providers or {}, models or {}), spec, lambda: rows)


def test_what_ships_is_known_without_anybody_saying_so() -> None:
    """A vendor's model has the vendor's price, under its twin's name too, and it says where from."""
    prices = listed()
    quote = prices.find("openai", "gpt-5.5", NOW)
    assert quote.version == SHIPPED
    assert quote.price is not None
    assert (quote.price.input, quote.price.output) == (Decimal(5), Decimal(30))
    assert prices.find("openai-responses", "gpt-5.5", NOW) == quote


def test_what_nobody_knows_is_unknown() -> None:
    """No price, and nobody's word, rather than zero."""
    prices = listed()
    for provider, model in (("openai", "nobody"), ("mine", "m"), ("sim-openai_chat", "m")):
        assert prices.find(provider, model, NOW) == Quote(None, "")


def test_the_operators_default_is_for_what_nobody_knows() -> None:
    """It never takes a known price's place, and one rate stands for both."""
    spec = PriceSpec(Decimal(7), Decimal(9))
    assert listed(spec=spec).find("mine", "m", NOW) == Quote(Price(Decimal(7), Decimal(9)), "default")
    assert listed(spec=spec).find("openai", "gpt-5.5", NOW).version == SHIPPED
    assert PriceSpec(default_input=Decimal(7)).price == flat(7)
    assert PriceSpec(default_output=Decimal(9)).price == flat(9)
    assert PriceSpec(Decimal(0)).price == NOTHING
    assert PriceSpec().price is None


@pytest.mark.parametrize("rate", ["-1", "NaN", "Infinity"])
def test_a_default_is_an_amount(rate: str) -> None:
    """What could not be charged is refused where it is configured."""
    with pytest.raises(msgspec.ValidationError, match="0 or more"):
        msgspec.convert({"default_input": rate}, PriceSpec)


def test_a_price_in_the_configuration_goes_before_what_ships() -> None:
    """The operator's own table of a model is the contract the operator has."""
    offers = [{"provider": "openai", "name": "gpt-5.5", "price": {"input": "1", "output": "1"}}]
    prices = listed(models={"gpt-5.5": {"offers": offers}})
    assert prices.find("openai", "gpt-5.5", NOW) == Quote(flat(1), "catalog")
    assert prices.find("openai-responses", "gpt-5.5", NOW) == Quote(flat(1), "catalog")


def test_a_simulated_provider_can_have_a_price() -> None:
    """So that what a drill spends can be counted: by a table, and by a row."""
    providers = {"sim-gemini": {"dialect": "gemini", "base_url": "http://127.0.0.1:1", "keyless": True}}
    offers = [{"provider": "sim-gemini", "name": "m", "price": {"input": "1", "output": "1"}}]
    prices = listed(providers=providers, models={"m": {"offers": offers}})
    assert prices.find("sim-gemini", "m", NOW) == Quote(flat(1), "catalog")
    prices = listed(row(4, "sim-gemini/*", flat(2)), providers=providers)
    assert prices.find("sim-gemini", "anything", NOW) == Quote(flat(2), "operator 4")


def test_an_operators_row_goes_before_everything() -> None:
    """It is more lately said than a table, and holds from its beginning on."""
    offers = [{"provider": "openai", "name": "gpt-5.5", "price": {"input": "1", "output": "1"}}]
    rows = [row(1, "openai/gpt-5.5", flat(2), since=NOW), row(2, "openai/gpt-5.5", flat(3), since=NOW + 10)]
    prices = listed(*rows, models={"gpt-5.5": {"offers": offers}})
    found = [prices.find("openai", "gpt-5.5", NOW + late).version for late in (-1, 0, 9, 10)]
    assert found == ["catalog", "operator 1", "operator 1", "operator 2"]


def test_of_two_rows_that_begin_at_once_the_later_counts() -> None:
    """Whoever corrects a price need not wait for another second; rows may come in any order."""
    rows = [row(9, "a/m", flat(9)), row(2, "a/m", flat(2))]
    assert listed(*rows).find("a", "m", NOW) == Quote(flat(9), "operator 9")


def test_an_unset_price_is_the_shipped_one_again() -> None:
    """From then on, and not the price of every other model of that provider either."""
    rows = [
        row(1, "openai/gpt-5.5", flat(1)),
        row(2, "openai/gpt-5.5", None, since=NOW),
        row(3, "openai/*", flat(3)),
    ]
    prices = listed(*rows)
    assert prices.find("openai", "gpt-5.5", NOW - 1).version == "operator 1"
    assert prices.find("openai", "gpt-5.5", NOW).version == SHIPPED
    assert prices.find("openai", "gpt-5.4", NOW).version == "operator 3"


def test_a_star_is_for_models_without_a_row_of_their_own() -> None:
    """Whichever was set later: the model's own is meant."""
    rows = [row(1, "a/m", flat(1)), row(2, "a/*", flat(2), since=5.0)]
    prices = listed(*rows)
    assert prices.find("a", "m", NOW).version == "operator 1"
    assert prices.find("a", "n", NOW).version == "operator 2"
    assert prices.find("a", "n", 4.0) == Quote()


def test_a_row_of_a_provider_is_its_twins_too() -> None:
    """Unless the twin has one of its own."""
    rows = [row(1, "openai/gpt-5.5", flat(1))]
    assert listed(*rows).find("openai-responses", "gpt-5.5", NOW).version == "operator 1"
    rows.append(row(2, "openai-responses/gpt-5.5", flat(2)))
    assert listed(*rows).find("openai-responses", "gpt-5.5", NOW).version == "operator 2"
    assert listed(*rows).find("openai", "gpt-5.5", NOW).version == "operator 1"


def test_rows_that_are_added_count_at_once() -> None:
    """The list asks for the rows at each look-up, and sorts them once while they are the same."""
    rows: Sequence[PriceRow] = ()
    prices = PriceList(catalog(), None, lambda: rows)
    assert prices.find("a", "m", NOW) == Quote()
    rows = (row(1, "a/m", flat(1)),)
    assert prices.find("a", "m", NOW).version == "operator 1"
    rows = (*rows, row(2, "a/m", flat(2)))
    assert prices.find("a", "m", NOW).version == "operator 2"


def test_a_price_nobody_here_can_read_is_unknown() -> None:
    """Another node may run a newer version; what ships would be a guess at what it says."""
    newer = msgspec.structs.replace(row(3, "openai/gpt-5.5", None), price=b'{"input":"1","tomorrow":"2"}')
    assert listed(newer).find("openai", "gpt-5.5", NOW) == Quote(None, "operator 3")
    assert booked(Usage(input=5), listed(newer).find("openai", "gpt-5.5", NOW)) == (None, "")


def test_everything_there_is_a_price_of_can_be_listed() -> None:
    """By whom, of whom, and once each: what can be asked, a provider that is named, or all."""
    prices = listed(row(1, "mine/m", flat(1)), row(2, "mine/m", flat(2)))
    assert [(one.model, one.by) for one in prices.entries(NOW, provider="mine")] == [("m", "operator 2")]
    (one,) = prices.entries(NOW, provider="openai", model="gpt-5.5")
    assert one.by == SHIPPED
    every = list(prices.entries(NOW, everything=True))
    assert len({(one.provider, one.model) for one in every}) == len(every) > 1000


def test_on_the_operators_own_machine_nobody_is_paid() -> None:
    """A free provider costs nothing, unless it has a key: then somebody sells it."""
    prices = listed()
    assert prices.find("ollama", "anything", NOW) == Quote(NOTHING, "free")
    assert prices.find("local", "smollm2-135m", NOW) == Quote(NOTHING, "catalog")
    sold = listed(providers={"ollama": {"key": "secret"}})
    assert sold.find("ollama", "anything", NOW) == Quote()
    assert listed(row(1, "ollama/*", flat(1))).find("ollama", "m", NOW).version == "operator 1"


def test_the_instant_decides() -> None:
    """DeepSeek is dearer at two in the morning (UTC) than at noon."""
    prices = listed()
    noon, night = (prices.find("deepseek", "deepseek-v4-pro", NOW - back).price for back in (0, 10 * 3600))
    assert noon is not None
    assert night is not None
    assert (noon.input, night.input) == (Decimal("0.66"), Decimal("1.32"))


def test_what_is_booked_says_by_whose_price() -> None:
    """The provider's own figure goes before any price, zero included; what nobody knows is None."""
    quote = Quote(flat(1), "operator 1")
    assert booked(Usage(input=5), quote) == (5, "operator 1")
    assert booked(Usage(input=5, cost=Decimal("0.25")), quote) == (250_000, "provider")
    assert booked(Usage(input=5, cost=Decimal(0)), Quote()) == (0, "provider")
    assert booked(Usage(input=5), Quote()) == (None, "")


def test_what_ships_prices_nearly_everything() -> None:
    """What an offered model costs is known, but of these."""
    rows = catalog()
    prices = PriceList(rows)
    lacking = {
        (offer.provider, offer.name)
        for model in rows.models.values()
        if not model.retired
        for offer in model.offers
        if prices.find(offer.provider, offer.name, NOW).price is None
    }
    assert lacking == UNPRICED
