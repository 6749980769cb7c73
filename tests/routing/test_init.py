"""Names become routes; a route is tried in order."""

from __future__ import annotations

import msgspec
import pytest

from dragoman.core.failure import Failure, Kind
from dragoman.routing import Route, RouteSpec, Table, Target, plan

TABLE = Table(
    routes={
        "fast": RouteSpec(("groq/llama-3.1-8b-instant", "local/smollm2-135m")),
        "careful": RouteSpec(("local/smollm2-135m",), strict=True),
        "gpt-4o": RouteSpec(("local/smollm2-135m",)),
        "dead": RouteSpec(("groq/x",)),
    },
    offers={
        "gpt-4o": (Target("openai", "gpt-4o"),),
        "claude-x": (Target("openai", "nope"), Target("openrouter", "anthropic/claude-x")),
        "llama-3.1-8b-instant": (Target("groq", "llama-3.1-8b-instant"),),
    },
    ready=frozenset({"local", "openrouter"}),
    waiting={"groq": "set GROQ_API_KEY", "openai": "set OPENAI_API_KEY"},
)


def test_a_configured_route_wins_over_the_catalogue() -> None:
    """An operator may give a vendor's name to a target of his own."""
    assert TABLE.resolve("gpt-4o").targets == (Target("local", "smollm2-135m"),)


def test_a_route_keeps_its_order_and_leaves_out_who_cannot_be_called() -> None:
    """Targets of providers without a key are skipped before anything is tried."""
    route = TABLE.resolve("fast")
    assert list(plan(route)) == [Target("local", "smollm2-135m")]
    assert TABLE.resolve("careful").strict


def test_provider_slash_model_reaches_a_model_no_catalogue_lists() -> None:
    """Everything after the first slash is the provider's own name, slashes and colons included."""
    assert TABLE.resolve("openrouter/vendor/model:free") == Route(
        "openrouter/vendor/model:free", (Target("openrouter", "vendor/model:free"),)
    )


def test_a_bare_name_finds_every_ready_provider_that_offers_it() -> None:
    """The catalogue's order stands; who is not ready is left out."""
    assert TABLE.resolve("claude-x").targets == (Target("openrouter", "anthropic/claude-x"),)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("openai/gpt-4o", "set OPENAI_API_KEY"),
        ("llama-3.1-8b-instant", "set GROQ_API_KEY"),
        ("dead", "set GROQ_API_KEY"),
        ("gpt-4", "did you mean gpt-4o"),
        ("zzz", "GET /v1/models"),
        ("", "GET /v1/models"),
        ("openrouter/", "GET /v1/models"),
    ],
)
def test_a_name_nobody_can_answer_is_refused_with_what_to_do(name: str, said: str) -> None:
    """404 model_not_found, at $.model, and a hint."""
    with pytest.raises(Failure) as caught:
        TABLE.resolve(name)
    assert caught.value.kind is Kind.NOT_FOUND
    assert caught.value.code == "model_not_found"
    assert caught.value.at == "$.model"
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("careful:latest", "local/smollm2-135m"),
        ("claude-x:latest", "openrouter/anthropic/claude-x"),
        ("openrouter/anthropic/claude-x:latest", "openrouter/anthropic/claude-x"),
        ("openrouter/llama3:latest", "openrouter/llama3:latest"),
        ("openrouter/anthropic/claude-x:free", "openrouter/anthropic/claude-x:free"),
    ],
)
def test_ollamas_default_tag_is_no_other_model(name: str, target: str) -> None:
    """It is taken away where the name without it is known, and left to a provider whose name it may be."""
    assert [str(found) for found in TABLE.resolve(name).targets] == [target]


def test_a_name_that_has_the_default_tag_of_its_own_keeps_it() -> None:
    """A route, an offer and a listed target called so are found before any other."""
    tagged = Target("local", "llama3:latest")
    table = Table(
        routes={"mine": RouteSpec(("local/other",)), "mine:latest": RouteSpec(("local/this",))},
        offers={"llama3:latest": (tagged,), "llama3": (Target("local", "llama3"),)},
        ready=frozenset({"local"}),
        waiting={},
    )
    assert table.resolve("mine:latest").targets == (Target("local", "this"),)
    assert table.resolve("llama3:latest").targets == (tagged,)
    assert table.resolve("local/llama3:latest").targets == (tagged,)
    with pytest.raises(Failure):
        table.resolve("nobody:latest")


def test_only_one_default_tag_is_taken_away() -> None:
    """A name of nothing but tags is unknown, however many it has."""
    for times in (2, 20_000):
        with pytest.raises(Failure) as caught:
            TABLE.resolve("careful" + ":latest" * times)
        assert caught.value.kind is Kind.NOT_FOUND


def test_names_lists_what_can_be_answered_now_and_each_once() -> None:
    """Routes come first; a route that shadows a catalogue model is not listed twice."""
    assert TABLE.names() == ["fast", "careful", "gpt-4o", "claude-x"]


FALLING = msgspec.structs.replace(
    TABLE,
    offers={
        **TABLE.offers,
        "gemini-pro": (Target("gemini", "gemini-pro"), Target("openrouter", "google/gemini-pro")),
        "llama-big": (Target("groq", "llama-big"),),
        "embedder": (Target("gemini", "embedder"),),
    },
    kinds={"embedder": "embed"},
    ready=frozenset({"gemini", "groq", "local"}),
    waiting={"openai": "set OPENAI_API_KEY", "openrouter": "set OPENROUTER_API_KEY"},
    defaults={"groq": "llama-3.1-8b-instant", "gemini": "gemini-flash", "local": "smollm2-135m"},
    prefixes=(("gemini", "gemini"), ("claude", "anthropic"), ("gpt", "openai")),
    fallbacks=("groq", "gemini"),
)
GROQ, GEMINI = Target("groq", "llama-3.1-8b-instant"), Target("gemini", "gemini-flash")


@pytest.mark.parametrize(
    ("name", "targets", "instead"),
    [
        ("llama-big", (Target("groq", "llama-big"),), (GROQ, GEMINI)),
        ("gemini-pro", (Target("gemini", "gemini-pro"),), (GEMINI, GROQ)),
        ("llama-3.1-8b-instant", (GROQ,), (GEMINI,)),
        ("gemini", (GEMINI,), (GROQ,)),
        ("gemini-next", (Target("gemini", "gemini-next"),), (GEMINI, GROQ)),
        ("local", (Target("local", "smollm2-135m"),), ()),
        ("groq/llama-big", (Target("groq", "llama-big"),), ()),
        ("fast", (Target("groq", "llama-3.1-8b-instant"), Target("local", "smollm2-135m")), ()),
    ],
)
def test_who_answers_instead(name: str, targets: tuple[Target, ...], instead: tuple[Target, ...]) -> None:
    """A bare name falls back to its provider's default, then to the others'; a route never does."""
    route = FALLING.resolve(name)
    assert (route.targets, route.instead, route.missing) == (targets, instead, "")
    assert list(plan(route)) == [*targets, *instead]


def test_a_model_whose_provider_has_no_key_is_answered_by_the_fallback() -> None:
    """Nobody serves what was asked for: the route says why, and who does instead."""
    table = msgspec.structs.replace(
        FALLING, ready=frozenset({"gemini"}), waiting={"groq": "set GROQ_API_KEY", "local": ""}
    )
    route = table.resolve("llama-big")
    assert (route.targets, route.instead) == ((), (GEMINI,))
    assert "set GROQ_API_KEY" in route.missing


def test_only_generation_falls_back() -> None:
    """Another model's vectors are no answer."""
    assert FALLING.resolve("embedder", "embed").instead == ()
    for name, task in (("embedder", "generate"), ("gemini", "embed")):
        with pytest.raises(Failure):
            FALLING.resolve(name, task)


def test_a_prefix_names_the_provider_even_when_it_lacks_its_key() -> None:
    """``claude-next`` is Anthropic's, and who asks for it is told what is missing."""
    table = msgspec.structs.replace(FALLING, waiting={"anthropic": "set ANTHROPIC_API_KEY"})
    with pytest.raises(Failure, match="set ANTHROPIC_API_KEY"):
        table.resolve("claude-next")


@pytest.mark.parametrize(
    ("name", "provider", "target"),
    [
        ("gemini-pro", "gemini", Target("gemini", "gemini-pro")),
        ("gemini", "gemini", GEMINI),
        ("gemini/gemini-pro", "gemini", Target("gemini", "gemini-pro")),
        ("vendor/model:free", "groq", Target("groq", "vendor/model:free")),
        ("fast", "groq", Target("groq", "fast")),
    ],
)
def test_a_client_may_choose_the_provider(name: str, provider: str, target: Target) -> None:
    """The choice wins over routes and fallbacks, and the catalogue still knows the model's name there."""
    assert FALLING.resolve(name, provider=provider) == Route(name, (target,))


@pytest.mark.parametrize(
    ("provider", "said"), [("nobody", "no provider has the name asked for"), ("openai", "set OPENAI_API_KEY")]
)
def test_a_chosen_provider_that_cannot_answer_is_a_fault_of_the_request(provider: str, said: str) -> None:
    """400 at $.provider, with what there is."""
    with pytest.raises(Failure, match="there are gemini, groq, local") as caught:
        FALLING.resolve("gpt-4o", provider=provider)
    assert (caught.value.kind, caught.value.at) == (Kind.INVALID, "$.provider")
    assert said in caught.value.message
