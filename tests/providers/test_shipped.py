"""Prices that ship: those of the package they are from, read as the package reads them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path

import msgspec
import pytest
from genai_prices.data import providers
from genai_prices.types import ModelPrice, StartDateConstraint, TieredPrices
from genai_prices.types import Provider as Seller

from dragoman.core.usage import Price, Usage, cost
from dragoman.providers.catalog import catalog
from dragoman.providers.shipped import KEPT, LONGEST, Dated, Rule, Shipped, shipped

ROOT = Path(__file__).parents[2]
NAMES = {"google": "gemini", "x-ai": "xai"}
EXACT = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")
FREE_OF_CHARGE = {
    *("web_searches_kcount", "storage_searches_kcount", "cache_audio_read_mtok", "cache_image_read_mtok")
}
MOMENTS = [
    datetime.fromisoformat(f"{moment}Z").timestamp()
    for moment in (
        "2025-02-01T00:00:00",
        "2026-08-16T23:59:59",
        "2026-08-17T00:00:00",
        "2026-11-21T02:00:00",
        "2027-06-01T17:00:00",
    )
]


@pytest.fixture(scope="module")
def prices() -> Shipped:
    """The prices that ship."""
    return shipped()


def at(moment: float) -> datetime:
    """Return a Unix second as the package takes it."""
    return datetime.fromtimestamp(moment, UTC)


def rate(value: Decimal | TieredPrices | None, read: int) -> Decimal | None:
    """Return the package's rate for a request that reads so many tokens."""
    if not isinstance(value, TieredPrices):
        return value
    return next((tier.price for tier in reversed(value.tiers) if read > tier.start), value.base)


def countable(native: ModelPrice) -> bool:
    """Say whether every token that the package charges for is counted here."""
    known = {*EXACT, *FREE_OF_CHARGE}
    known |= {"requests_kcount", "input_audio_mtok", "output_audio_mtok", "output_reasoning_mtok"}
    named = {name for name, value in vars(native).items() if value is not None}
    return "input_mtok" in named and named <= known


def sizes(native: ModelPrice) -> Iterator[int]:
    """Yield sizes of a request at which its price may change, and around them."""
    yield 1
    for value in vars(native).values():
        if isinstance(value, TieredPrices):
            for tier in value.tiers:
                yield from (tier.start, tier.start + 1)


def test_the_file_is_the_installed_packages() -> None:
    """Who updates genai-prices writes prices.json anew."""
    checked = subprocess.run([sys.executable, "docs/prices.py", "--check"], cwd=ROOT, check=False)
    assert checked.returncode == 0


def test_a_stale_file_is_noticed(tmp_path: Path) -> None:
    """The check fails where one price is another one."""
    script = tmp_path / "docs" / "prices.py"
    script.parent.mkdir()
    script.write_bytes((ROOT / "docs/prices.py").read_bytes())
    place = tmp_path / "src/dragoman/providers/prices.json"
    place.parent.mkdir(parents=True)
    written = (ROOT / "src/dragoman/providers/prices.json").read_text(encoding="utf-8")
    place.write_text(written.replace('"input":"8"', '"input":"9"', 1), encoding="utf-8")
    checked = subprocess.run([sys.executable, script, "--check"], check=False, capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (1, "prices.json is stale: run docs/prices.py\n")
    assert subprocess.run([sys.executable, script], check=False).returncode == 0
    now = place.read_text(encoding="utf-8")
    day = json.loads(now)["read"]  # today
    assert now == written.replace(json.loads(written)["read"], day, 1)


@pytest.mark.parametrize("seller", providers, ids=lambda seller: seller.id)
def test_every_models_price_is_the_packages(prices: Shipped, seller: Seller) -> None:
    """Under its own name and in the tables, at each of several instants and sizes, rates agree exactly."""
    ours = NAMES.get(seller.id, seller.id)
    for model in seller.models:
        theirs = seller.find_model(model.id, all_providers=providers)
        found = prices.find(ours, model.id)
        assert (found and found.id) == (theirs and theirs.id)
        if found is None or theirs is None:
            continue
        for moment in MOMENTS:
            native, price = theirs.get_prices(at(moment)), found.price(moment)
            assert (price is not None) == countable(native)
            if price is None:
                continue
            for read in sizes(native):
                charged = rate(native.input_mtok, read)
                assert charged is not None
                assert (
                    cost(Usage(input=read), msgspec.structs.replace(price, request=None))
                    == charged * read / 10**6
                )
            base = [rate(getattr(native, name), 1) for name in EXACT]
            told = (price.input, price.output, price.cache_read, price.cache_write, price.cache_write_long)
            assert told == (base[0], base[1] or 0, *base[2:])


CONTEXTS = {
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}
DAYS = sorted(
    {
        datetime.combine(
            variant.constraint.start_date + timedelta(days), datetime.min.time(), UTC
        ).timestamp()
        for seller in providers
        for model in seller.models
        for variant in model.price_variants or ()
        if isinstance(variant.constraint, StartDateConstraint)
        for days in (-1, 0)
    }
)


def test_every_tiers_price_is_the_packages(prices: Shipped) -> None:
    """From the day it has one, at each of many instants and sizes; before that it has none here."""
    compared = 0
    for seller in providers:
        for model in seller.models:
            found = prices.find(NAMES.get(seller.id, seller.id), model.id)
            if not model.price_variants or found is None or found.id != model.id:
                continue
            for moment, (tier, context) in product(DAYS, CONTEXTS.items()):
                price, native = found.price(moment), model.get_prices(at(moment), context)
                if price is None:
                    continue
                if tier not in price.tiers:
                    assert native == model.get_prices(at(moment)), (model.id, tier)
                    continue
                for read in sizes(native):
                    heard, said = (rate(one, read) for one in (native.input_mtok, native.output_mtok))
                    kept = rate(native.cache_read_mtok, read)
                    assert heard is not None
                    charged = heard * read + (said or 0) * 7
                    assert cost(Usage(input=read, output=7, tier=tier), price) == charged / 10**6
                    charged = (heard if kept is None else kept) * read
                    assert cost(Usage(cache_read=read, tier=tier), price) == charged / 10**6
                    compared += 1
    assert compared > 1000


def test_who_resells_a_model_does_not_sell_its_tiers(prices: Shipped) -> None:
    """Azure has OpenAI's prices, but nobody says that of OpenAI's tiers."""
    ours, theirs = prices.find("azure", "gpt-5.5"), prices.find("openai", "gpt-5.5")
    assert ours is not None
    assert theirs is not None
    assert [one.price.tiers for one in ours.prices if one.price] == [{}] * len(ours.prices)
    assert sorted(theirs.prices[-1].price.tiers if theirs.prices[-1].price else ()) == [
        "batch",
        "fast",
        "flex",
        "priority",
    ]


def test_every_target_is_found_as_the_package_finds_it(prices: Shipped) -> None:
    """A name in our tables means the same model to both, dated names and resold models too."""
    known = {seller.id: seller for seller in providers}
    ours = {mine: theirs for theirs, mine in NAMES.items()}
    looked = 0
    for name, model in catalog().targets:
        if (seller := known.get(ours.get(name, name))) is not None:
            theirs, found = seller.find_model(model, all_providers=providers), prices.find(name, model)
            assert (found and found.id) == (theirs and theirs.id), (name, model)
            looked += found is not None
    assert looked > 200


def test_a_date_may_be_written_either_way(prices: Shipped) -> None:
    """`-20260423` is the day `-2026-04-23`, where no name is spelt so."""
    found = prices.find("openai", "GPT-5.5-20260423")
    assert found is not None
    assert found is prices.find("openai", "gpt-5.5-2026-04-23")
    assert prices.find("openai", "gpt-5.5-20269999") is None


def test_prices_are_dated(prices: Shipped) -> None:
    """DeepSeek's pro model got dearer on 17 August 2026, and is dearer still at some hours of the day."""
    model = prices.find("deepseek", "deepseek-v4-pro")
    assert model is not None
    days = {
        "2026-08-16T12:00:00": "0.435",
        "2026-08-17T12:00:00": "0.66",
        "2026-11-21T00:59:59": "0.66",
        "2026-11-21T01:00:00": "1.32",
        "2026-11-21T03:59:59": "1.32",
        "2026-11-21T04:00:00": "0.66",
        "2026-11-21T06:00:00": "1.32",
        "2026-11-21T10:00:00": "0.66",
    }
    for day, wanted in days.items():
        price = model.price(datetime.fromisoformat(f"{day}Z").timestamp())
        assert price is not None
        assert price.input == Decimal(wanted), day


@pytest.mark.parametrize(
    ("between", "clock", "holds"),
    [
        (("01:00:00", "04:00:00"), "01:00:00", True),
        (("01:00:00", "04:00:00"), "04:00:00", False),
        (("22:00:00", "02:00:00"), "23:00:00", True),
        (("22:00:00", "02:00:00"), "01:59:59", True),
        (("22:00:00", "02:00:00"), "02:00:00", False),
    ],
)
def test_a_time_of_day_may_go_across_midnight(between: tuple[str, str], clock: str, *, holds: bool) -> None:
    """It begins with its first second and is over at its last."""
    assert Dated(None, between=between).holds("2026-11-21", clock) is holds


def test_pictures_and_hours_have_no_price(prices: Shipped) -> None:
    """What is charged by something no counter holds is unknown, and nobody else's price takes its place."""
    for provider, name in (
        ("gemini", "gemini-2.5-flash-image"),
        ("openai", "whisper-1"),
        ("azure", "whisper-1"),
    ):
        found = prices.find(provider, name)
        assert found is not None, name
        assert found.price(MOMENTS[-1]) is None, name


def test_a_fee_for_each_request_is_kept(prices: Shipped) -> None:
    """Perplexity charges for the tokens and for the request."""
    found = prices.find("perplexity", "sonar")
    assert found is not None
    assert found.price(MOMENTS[-1]) == Price(Decimal(1), Decimal(1), request=Decimal("0.012"))


def test_who_is_unknown_has_no_price(prices: Shipped) -> None:
    """A provider or a model nobody heard of is None, as is a name longer than any."""
    assert prices.find("mine", "gpt-5.5") is None
    assert prices.find("openai", "nobody") is None
    assert prices.find("anthropic", "claude-2") is not None
    assert prices.find("anthropic", "claude-2" + "x" * LONGEST) is None
    assert list(prices.models("mine")) == []
    assert "gpt-5.5" in [model.id for model in prices.models("openai")]


def test_made_up_names_do_not_fill_the_memory() -> None:
    """As many names are remembered as fit, whatever clients ask for."""
    prices = shipped()
    for number in range(KEPT + 10):
        prices.find("groq", f"made-up-{number}")
    assert prices._model.cache_info().currsize == KEPT


@pytest.mark.parametrize(
    ("rule", "yes", "no"),
    [
        (Rule(equals="a"), "a", "ab"),
        (Rule(starts_with="a"), "ab", "ba"),
        (Rule(ends_with="a"), "ba", "ab"),
        (Rule(contains="a"), "bab", "b"),
        (Rule(regex="^a.c$"), "abc", "abcd"),
        (Rule(any=(Rule(equals="a"), Rule(equals="b"))), "b", "c"),
        (Rule(all=(Rule(starts_with="a"), Rule(ends_with="b"))), "a-b", "a"),
    ],
)
def test_each_kind_of_rule(rule: Rule, yes: str, no: str) -> None:
    """A rule matches what it says and nothing else."""
    assert rule.matches(yes)
    assert not rule.matches(no)
