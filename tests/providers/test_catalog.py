"""The catalogue: what is shipped, and an operator's own tables over it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dragoman.core.failure import Failure
from dragoman.core.request import Message, Request, Text
from dragoman.core.usage import Usage, cost
from dragoman.dialects.catalog import DIALECTS
from dragoman.providers import Provider
from dragoman.providers.catalog import Catalog, catalog, in_environment
from dragoman.providers.quirks import ANSWER, DIALECT, REQUEST
from dragoman.providers.upstream import prepare

PROVIDERS = [
    "openai",
    "openai-responses",
    "anthropic",
    "gemini",
    "groq",
    "openrouter",
    "requesty",
    "requesty-anthropic",
    "deepseek",
    "mistral",
    "xai",
    "xai-responses",
    "together",
    "fireworks",
    "cerebras",
    "cohere",
    "azure",
    "ollama",
    "vllm",
    "lmstudio",
    "local",
]

PROMISED = [
    "llama-3.1-8b-instant",
    "llama-3.3-70b-versatile",
    "deepseek-r1-distill-llama-70b",
    "meta-llama/llama-4-maverick-17b-128e-instruct",
    "meta-llama/llama-4-scout-17b-16e-instruct",
    "meta-llama/llama-prompt-guard-2-22m",
    "meta-llama/llama-prompt-guard-2-86m",
    "mistral-saba-24b",
    "moonshotai/kimi-k2-instruct",
    "gemini-2.5-pro",
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite-preview-06-17",
    "gemini-2.0-flash",
    "gemini-2.0-flash-lite",
]
"""Names older clients were built with; they are recognised for good."""


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    """Return the catalogue as it is shipped."""
    return catalog()


def test_the_shipped_providers_are_known(shipped: Catalog) -> None:
    """Every vendor and server we promise has a row."""
    assert sorted(shipped.providers) == sorted(PROVIDERS)


@pytest.mark.parametrize("name", PROMISED)
def test_the_promised_models_are_known(shipped: Catalog, name: str) -> None:
    """A name an old client uses is in the catalogue, offered by whom it expects."""
    vendor = "gemini" if name.startswith("gemini") else "groq"
    assert shipped.models[name].offers[0].provider == vendor
    assert shipped.find_model(vendor, name) is not None


def test_every_ready_made_row_is_sound(shipped: Catalog) -> None:
    """Rows have what every user of them relies on."""
    for name, provider in shipped.providers.items():
        assert provider.name == name
        assert provider.title
        assert provider.docs.startswith("https://")
        assert provider.base_url or provider.base_url_env or name == "local"
        assert provider.auth.env or provider.keyless
        assert provider.key is None
    for name, model in shipped.models.items():
        assert model.id == name
        assert model.title
        assert model.offers
        assert "text" in model.inputs
        assert not (model.efforts and model.reasoning == "none")
        assert model.max_output is None or model.context is None or model.max_output <= model.context
        assert len({(offer.provider, offer.name) for offer in model.offers}) == len(model.offers)


def test_every_rows_quirks_fit_its_dialect(shipped: Catalog) -> None:
    """A quirk rewrites Chat Completions; on a row of another protocol it would be a mistake."""
    for row in shipped.providers.values():
        assert row.dialect in DIALECTS
        assert row.dialect == DIALECT or not row.quirks, row.name
    used = {quirk for row in shipped.providers.values() for quirk in row.quirks}
    assert used == {*REQUEST, *ANSWER}


def test_every_base_url_ends_where_its_dialect_begins(shipped: Catalog) -> None:
    """A dialect appends its own paths to its root; only Chat has servers that are rooted elsewhere."""
    for row in shipped.providers.values():
        root = DIALECTS[row.dialect].root
        if row.dialect != DIALECT:
            assert row.base_url.endswith(root) or row.base_url_suffix == root, row.name
        assert not row.base_url_suffix or row.base_url_suffix.endswith(root), row.name


NATIVE = [
    (
        "gemini",
        "gemini-2.5-pro",
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent",
        ("x-goog-api-key", "k"),
    ),
    ("cohere", "command-a-03-2025", "https://api.cohere.com/v2/chat", ("authorization", "Bearer k")),
    ("anthropic", "claude-haiku-4-5", "https://api.anthropic.com/v1/messages", ("x-api-key", "k")),
    ("openai", "gpt-5.5", "https://api.openai.com/v1/chat/completions", ("authorization", "Bearer k")),
    ("openai-responses", "gpt-5.5", "https://api.openai.com/v1/responses", ("authorization", "Bearer k")),
    ("xai-responses", "grok-4.6", "https://api.x.ai/v1/responses", ("authorization", "Bearer k")),
    (
        "requesty",
        "any/model",
        "https://router.requesty.ai/v1/chat/completions",
        ("authorization", "Bearer k"),
    ),
    ("requesty-anthropic", "any/model", "https://router.requesty.ai/v1/messages", ("x-api-key", "k")),
]


@pytest.mark.parametrize(("name", "model", "url", "signed"), NATIVE)
def test_a_vendor_is_asked_in_its_own_protocol(
    shipped: Catalog, name: str, model: str, url: str, signed: tuple[str, str]
) -> None:
    """The address, the model's place in it and the credential's header are the vendor's."""
    row = in_environment(shipped.providers[name], {shipped.providers[name].auth.env[0]: "k"})
    asked = Request("openai_chat", model, (Message("user", (Text("Hello"),)),))
    known = shipped.find_model(name, model)
    prepared = prepare(asked, model=known, provider=row, dialect=DIALECTS[row.dialect])
    assert prepared is not None
    assert prepared.url == url
    assert prepared.headers[signed[0]] == signed[1]
    assert prepared.losses == ()


def test_ollama_is_asked_in_its_own_protocol(shipped: Catalog) -> None:
    """Without a key, wherever it runs; with one, as ollama.com wants it."""
    environ = {"OLLAMA_BASE_URL": "http://127.0.0.1:11434"}
    asked = Request("openai_chat", "gpt-oss:20b", (Message("user", (Text("Hello"),)),))
    for key in ({}, {"OLLAMA_API_KEY": "k"}):
        row = in_environment(shipped.providers["ollama"], environ | key)
        prepared = prepare(asked, model=None, provider=row, dialect=DIALECTS["ollama"])
        assert row.ready
        assert prepared is not None
        assert prepared.url == "http://127.0.0.1:11434/api/chat"
        assert prepared.headers.get("authorization") == ("Bearer k" if key else None)


def test_a_twin_serves_the_same_models_at_the_same_price(shipped: Catalog) -> None:
    """One service in two protocols: its models are found under either name, and offered under one."""
    model = shipped.find_model("openai-responses", "gpt-5.5")
    assert model == shipped.find_model("openai", "gpt-5.5")
    assert shipped.price("openai-responses", "gpt-5.5") == shipped.price("openai", "gpt-5.5") is not None
    assert model is not None
    assert "openai-responses" not in [offer.provider for offer in model.offers]
    assert shipped.find_model("openai-responses", "nothing") is None
    assert shipped.price("openai-responses", "nothing") is None


def test_a_twins_own_offer_comes_first() -> None:
    """What an operator says of the twin itself is not overruled by the row it is a twin of."""
    offers = [
        {"provider": "openai", "name": "m", "context": 10, "price": {"input": "1", "output": "2"}},
        {"provider": "openai-responses", "name": "m", "context": 20},
    ]
    found = catalog(models={"m": {"offers": offers}})
    model = found.find_model("openai-responses", "m")
    assert model is not None
    assert model.context == 20
    assert found.price("openai-responses", "m") is None


def test_prices_are_exact_and_sane(shipped: Catalog) -> None:
    """Money is Decimal, never negative, and zero only where nobody is paid."""
    for model in shipped.models.values():
        for offer in model.offers:
            price = shipped.price(offer.provider, offer.name)
            if price is None:
                continue
            assert isinstance(price.input, Decimal)
            assert 0 <= price.input <= 1000
            assert 0 <= price.output <= 1000
            assert (price.input > 0) == (offer.provider != "local")
            assert (price.long is None) == (price.long_after is None)


def test_a_long_request_is_charged_at_the_long_price(shipped: Catalog) -> None:
    """Above the vendor's threshold all of the request costs more, not only what is above."""
    price = shipped.price("openai", "gpt-5.5")
    assert price is not None
    assert price.long_after == 272_000
    assert cost(Usage(input=272_000, output=1), price) == Decimal("1.36003")
    assert cost(Usage(input=200_000, cache_read=72_001, output=1), price) == Decimal("2.072046")


def test_a_target_finds_its_model(shipped: Catalog) -> None:
    """``provider/model`` leads back to the row, as that provider serves it."""
    model = shipped.find_model("groq", "qwen/qwen3.8-27b")
    assert model is not None
    assert (model.id, model.context) == ("qwen3.8-27b", 131_072)
    assert shipped.models["qwen3.8-27b"].context == 1_000_000
    assert shipped.find_model("groq", "qwen3.8-27b") is None
    assert shipped.find_model("openrouter", "anthropic/claude-opus-4.8") is shipped.models["claude-opus-4-8"]


def test_the_first_row_of_a_target_is_the_one_meant() -> None:
    """An alias listed later does not take a target away from its model."""
    offers = [{"provider": "groq", "name": "same"}]
    found = catalog(models={"first": {"offers": offers}, "second": {"offers": offers}})
    assert found.find_model("groq", "same") is found.models["first"]


def test_a_price_belongs_to_a_target(shipped: Catalog) -> None:
    """The same model costs what each provider says; unknown is None."""
    groq, cerebras = (
        shipped.price("groq", "openai/gpt-oss-120b"),
        shipped.price("cerebras", "gpt-oss-120b"),
    )
    assert groq is not None
    assert cerebras is not None
    assert groq.input < cerebras.input
    azure, openai = shipped.price("azure", "gpt-5.5"), shipped.price("openai", "gpt-5.5")
    assert openai is not None
    assert azure == msgspec.structs.replace(openai, tiers={})
    assert shipped.price("groq", "nobody") is None


def test_snapshots_are_models_under_their_dated_names(shipped: Catalog) -> None:
    """A dated name is pinned: it is sent as it stands, where names are the vendor's own."""
    dated = shipped.models["claude-haiku-4-5-20251001"]
    assert [(offer.provider, offer.name) for offer in dated.offers] == [
        ("anthropic", "claude-haiku-4-5-20251001")
    ]
    assert shipped.price("anthropic", dated.id) == shipped.price("anthropic", "claude-haiku-4-5") is not None
    assert shipped.find_model("anthropic", "claude-haiku-4-5-20251001") == dated


def test_the_catalogue_cannot_be_changed(shipped: Catalog) -> None:
    """One value is shared by every request; nobody can write into it."""
    assert isinstance(shipped.models, Mapping)
    with pytest.raises(TypeError):
        shipped.models["x"] = shipped.models["gpt-4o"]  # type: ignore[index]  # that it is refused is the point


def test_an_operator_changes_one_field_of_a_row() -> None:
    """Fields the operator does not name stay ours, in nested tables too."""
    ours, theirs = catalog(), catalog(providers={"groq": {"title": "Mine", "auth": {"env": ["MY_KEY"]}}})
    mine, was = theirs.providers["groq"], ours.providers["groq"]
    assert (mine.title, mine.auth.env, mine.auth.scheme) == ("Mine", ("MY_KEY",), "bearer")
    assert (mine.base_url, mine.quirks) == (was.base_url, was.quirks)
    assert theirs.providers["openai"] == ours.providers["openai"]


def test_a_dialect_of_the_operators_own_may_have_quirks() -> None:
    """It may be Chat Completions in all but name; nobody here can know."""
    table = {"dialect": "mine", "base_url": "http://127.0.0.1:9/v1", "quirks": ["max_tokens"]}
    assert catalog(providers={"x": table}).providers["x"].quirks == ("max_tokens",)


def test_an_operator_adds_a_provider_and_a_model() -> None:
    """A new provider needs a table and no Python."""
    table = {"dialect": "openai_chat", "base_url": "http://127.0.0.1:9/v1", "keyless": True}
    offers = [{"provider": "mine", "name": "m-1", "price": {"input": "0.1", "output": "0.2"}}]
    found = catalog(providers={"mine": table}, models={"m": {"offers": offers}})
    assert found.providers["mine"].ready
    assert found.find_model("mine", "m-1") is found.models["m"]
    assert found.price("mine", "m-1") == found.models["m"].offers[0].price


@pytest.mark.parametrize(
    ("tables", "at", "says"),
    [
        ({"providers": {"x": {"dialect": "openai_chat", "quirks": ["odd"]}}}, "providers.x.quirks", "odd"),
        (
            {"providers": {"x": {"dialect": "gemini", "quirks": ["max_tokens"]}}},
            "providers.x.quirks",
            "openai_chat",
        ),
        ({"providers": {"x": {"dialect": "gemini", "twin": "nobody"}}}, "providers.x.twin", "nobody"),
        (
            {"providers": {"x": {"dialect": "gemini", "twin": "openai-responses"}}},
            "providers.x.twin",
            "openai-responses",
        ),
        ({"models": {"m": {"lacks": ["wit"]}}}, "models.m.lacks[0]", "wit"),
        ({"providers": {"x": {}}}, "providers.x", "dialect"),
        ({"providers": {"x": {"dialect": 3}}}, "providers.x.dialect", "str"),
        ({"providers": {"groq": {"colour": "red"}}}, "providers.groq", "colour"),
        ({"providers": {"groq": {"name": "grok"}}}, "providers.groq.name", "heading"),
        ({"providers": {"groq": {"base_url": "api.groq.com"}}}, "providers.groq.base_url", "http"),
        (
            {"providers": {"groq": {"auth": {"scheme": "header"}}}},
            "providers.groq.auth.header",
            "header",
        ),
        ({"providers": {"groq": 3}}, "providers.groq", "table"),
        ({"models": {"m": {"offers": [{"provider": "nobody", "name": "m"}]}}}, "models.m.offers", "nobody"),
        ({"models": {"m": {"efforts": ["hard"]}}}, "models.m.efforts[0]", "hard"),
        (
            {"models": {"m": {"offers": [{"provider": "groq", "name": "m", "price": {"in": "1"}}]}}},
            "models.m.offers[0].price",
            "in",
        ),
    ],
)
def test_a_wrong_table_is_refused_with_its_path(tables: dict[str, Any], at: str, says: str) -> None:
    """An operator is told where the mistake is, and what it is."""
    with pytest.raises(Failure) as caught:
        catalog(**tables)
    assert caught.value.at == at
    assert says in caught.value.message


def provider(name: str) -> Provider:
    """Return a shipped row."""
    return catalog().providers[name]


def test_keys_come_from_the_environment() -> None:
    """The first name that holds something wins; ``NAME=`` holds nothing; blanks around a key go."""
    found = in_environment(provider("gemini"), {"GEMINI_API_KEY": " ", "GOOGLE_API_KEY": "k\n"})
    assert found.key == "k"
    assert found.ready
    assert not in_environment(provider("gemini"), {"GEMINI_API_KEY": ""}).ready


@pytest.mark.parametrize(
    ("name", "environ", "base_url"),
    [
        ("ollama", {"OLLAMA_BASE_URL": "http://h:11434"}, "http://h:11434/api"),
        ("ollama", {"OLLAMA_BASE_URL": "http://h:11434/api/"}, "http://h:11434/api"),
        ("ollama", {"OLLAMA_BASE_URL": "http://h:11434/v1/"}, "http://h:11434/api"),
        ("gemini", {"GEMINI_BASE_URL": "http://h"}, "http://h/v1beta"),
        ("gemini", {"GEMINI_BASE_URL": "http://h/v1beta/openai/"}, "http://h/v1beta"),
        ("cohere", {"COHERE_BASE_URL": "https://api.cohere.ai/compatibility/v1"}, "https://api.cohere.ai/v2"),
        ("cohere", {"COHERE_BASE_URL": "http://h/v1"}, "http://h/v2"),
        ("ollama", {}, ""),
        (
            "azure",
            {"AZURE_OPENAI_ENDPOINT": "https://r.openai.azure.com/"},
            "https://r.openai.azure.com/openai/v1",
        ),
        ("openai", {"OPENAI_BASE_URL": "http://h/api"}, "http://h/api"),
        ("anthropic", {"ANTHROPIC_BASE_URL": "http://h"}, "http://h/v1"),
        ("anthropic", {}, "https://api.anthropic.com/v1"),
    ],
)
def test_addresses_come_from_the_environment(name: str, environ: dict[str, str], base_url: str) -> None:
    """A vendor's usual variable works as it is usually written."""
    assert in_environment(provider(name), environ).base_url == base_url


def test_an_address_of_the_environment_is_checked() -> None:
    """A forgotten ``http://`` is told at start, by the name of the variable."""
    with pytest.raises(Failure) as caught:
        in_environment(provider("ollama"), {"OLLAMA_BASE_URL": "localhost:11434"})
    assert caught.value.at == "OLLAMA_BASE_URL"


@pytest.mark.parametrize("name", ["ollama", "vllm", "lmstudio", "local"])
def test_a_local_service_waits_until_it_is_named(name: str) -> None:
    """Nothing on this machine is asked because it might be there."""
    assert not in_environment(provider(name), {}).ready


def test_a_configured_key_stays() -> None:
    """What the configuration file says is not overruled by a leftover variable."""
    configured = catalog(providers={"groq": {"key": "from-file"}}).providers["groq"]
    assert in_environment(configured, {"GROQ_API_KEY": "from-env"}).key == "from-file"


def test_a_twin_is_home_to_the_clients_of_its_dialect() -> None:
    """Where both rows are at their vendor's address and have a key; elsewhere nobody knows what is served."""
    rows = catalog()

    def placed(**environ: str) -> Mapping[tuple[str, str], str]:
        return rows.placed({name: in_environment(row, environ) for name, row in rows.providers.items()}).homes

    assert placed() == {}
    assert placed(OPENAI_API_KEY="k") == {("openai", "openai_responses"): "openai-responses"}
    assert placed(OPENAI_API_KEY="k", OPENAI_BASE_URL="http://127.0.0.1:9/v1") == {}
    assert placed(REQUESTY_API_KEY="k") == {("requesty", "anthropic"): "requesty-anthropic"}
