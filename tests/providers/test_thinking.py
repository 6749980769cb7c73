"""Thinking: the table of what a level is to each kind of model, and its edges."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core.request import Effort, Reasoning, Request
from dragoman.dialects.catalog import DIALECTS
from dragoman.providers import Model
from dragoman.providers.catalog import catalog
from dragoman.providers.thinking import ORDER, TOKENS, Asked, Way, asked, thinks

EFFORTS: tuple[Effort, ...] = ORDER


def ask(want: Reasoning, speaks: str, heard: str = "openai_chat", limit: int = 64_000, **row: Any) -> Asked:
    """Return what a model of this row is asked."""
    return asked(want, Way(Model(id="m", **row), speaks, heard, limit))


def lost(result: Asked) -> list[str]:
    """Return the losses in words."""
    return [str(loss) for loss in result[1]]


TABLE: list[tuple[str, dict[str, Any], tuple[Any, ...]]] = [
    (
        "gemini",
        {"reasoning": "budget", "efforts": ("none",), "budget_limits": (0, 24_576)},
        (0, 512, 2048, 8192, 16_384, 24_576, -1),
    ),
    (
        "gemini",
        {"reasoning": "budget", "efforts": ("minimal",), "budget_limits": (128, 32_768)},
        (128, 512, 2048, 8192, 16_384, 24_576, -1),
    ),
    (
        "gemini",
        {"reasoning": "effort", "efforts": ("minimal", "low", "medium", "high")},
        ("MINIMAL", "MINIMAL", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"),
    ),
    (
        "gemini",
        {"reasoning": "effort", "efforts": ("low", "high", "xhigh")},
        ("LOW", "LOW", "LOW", "HIGH", "HIGH", "XHIGH", "XHIGH"),
    ),
    (
        "cohere",
        {"reasoning": "budget", "efforts": ("none",)},
        ("disabled", 512, 2048, 8192, 16_384, 32_768, "enabled"),
    ),
    (
        "ollama",
        {"reasoning": "effort"},
        (False, "low", "low", "medium", "high", "max", "max"),
    ),
    (
        "ollama",
        {"reasoning": "effort", "efforts": ("low", "medium", "high")},
        ("low", "low", "low", "medium", "high", "high", "high"),
    ),
    (
        "openai_chat",
        {"reasoning": "effort", "efforts": EFFORTS},
        ("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    ),
    (
        "openai_responses",
        {"reasoning": "effort", "efforts": EFFORTS},
        ("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    ),
    (
        "openai_chat",  # DeepSeek
        {"reasoning": "effort", "efforts": ("none", "low", "high", "max")},
        ("none", "low", "low", "high", "high", "max", "max"),
    ),
    (
        "anthropic",
        {"reasoning": "adaptive", "efforts": ("none", "low", "medium", "high", "xhigh", "max")},
        ("disabled", "low", "low", "medium", "high", "xhigh", "max"),
    ),
    ("anthropic", {"reasoning": "budget"}, ("disabled", 1024, 2048, 8192, 16_384, 32_768, 62_976)),
]


def said(speaks: str, body: dict[str, Any]) -> Any:
    """Return how much thinking a provider's body asks for, in one word or number."""
    match speaks:
        case "gemini":
            config = body["generationConfig"]["thinkingConfig"]
            assert len({"thinkingBudget", "thinkingLevel"} & config.keys()) == 1
            return config.get("thinkingBudget", config.get("thinkingLevel"))
        case "cohere":
            return body["thinking"].get("token_budget", body["thinking"]["type"])
        case "ollama":
            return body["think"]
        case "openai_chat":
            return body["reasoning_effort"]
        case "openai_responses":
            return body["reasoning"]["effort"]
        case _:
            thinking, effort = body["thinking"], body.get("output_config", {}).get("effort")
            return thinking.get("budget_tokens") or effort or thinking["type"]


CELLS = [
    pytest.param(speaks, row, effort, word, id=f"{number}-{speaks}-{effort}")
    for number, (speaks, row, words) in enumerate(TABLE)
    for effort, word in zip(EFFORTS, words, strict=True)
]


@pytest.mark.parametrize(("speaks", "row", "effort", "word"), CELLS)
def test_a_level_is_said_in_the_models_own_words(
    speaks: str, row: dict[str, Any], effort: Effort, word: Any
) -> None:
    """From a client's level to the provider's wire, each step converts at most once."""
    limit = 64_000
    reasoning, _ = ask(Reasoning(effort=effort), speaks, limit=limit, **row)
    request = Request("openai_chat", "m", reasoning=reasoning, max_output=limit)
    body = DIALECTS[speaks].write_request(request).body
    assert said(speaks, body) == word
    assert type(said(speaks, body)) is type(word)


@pytest.mark.parametrize("speaks", TOKENS)
def test_a_client_s_own_budget_is_kept_where_budgets_are_taken(speaks: str) -> None:
    """A number of tokens is not turned into a level and back into another number."""
    asked_for = Reasoning(enabled=True, budget=5_000)
    assert ask(asked_for, speaks, heard="anthropic", reasoning="budget") == (asked_for, ())


@pytest.mark.parametrize(
    ("budget", "given"), [(64, 128), (128, 128), (5_000, 5_000), (32_768, 32_768), (60_000, 32_768)]
)
def test_a_budget_outside_the_models_limits_is_clamped(budget: int, given: int) -> None:
    """Gemini answers 400 to one; what became of it is declared."""
    row: dict[str, Any] = {"reasoning": "budget", "budget_limits": (128, 32_768)}
    result = ask(Reasoning(enabled=True, budget=budget), "gemini", heard="anthropic", **row)
    assert result[0] == Reasoning(enabled=True, budget=given)
    assert lost(result) == ([] if budget == given else ["clamped:reasoning.budget"])


def test_thinking_that_cannot_be_turned_off_takes_its_smallest_budget() -> None:
    """Gemini 2.5 Pro always thinks: as little as it may, and out of the sight of who wanted none."""
    row: dict[str, Any] = {
        "reasoning": "budget",
        "efforts": ("minimal", "high"),
        "budget_limits": (128, 32_768),
    }
    for off in (Reasoning(effort="none"), Reasoning(enabled=False), Reasoning(enabled=True, budget=0)):
        result = ask(off, "gemini", **row)
        assert result[0] == Reasoning(enabled=True, budget=128, show="none")
        assert lost(result) == ["clamped:reasoning"]
    routed = ask(Reasoning(effort="none"), "openai_chat", **row)
    assert (routed[0], lost(routed)) == (Reasoning(enabled=True, effort="minimal"), ["clamped:reasoning"])


def test_gemini_gets_a_level_or_a_budget_and_never_both() -> None:
    """The two together are a 400, at home too."""
    both = Reasoning(enabled=True, effort="low", budget=5_000)
    older = ask(both, "gemini", heard="gemini", reasoning="budget")
    assert (older[0], lost(older)) == (
        Reasoning(enabled=True, budget=5_000),
        ["approximated:reasoning.effort"],
    )
    newer = ask(both, "gemini", heard="gemini", reasoning="effort", efforts=("low", "high"))
    assert (newer[0], lost(newer)) == (
        Reasoning(enabled=True, effort="low"),
        ["approximated:reasoning.budget"],
    )


@pytest.mark.parametrize(
    ("speaks", "want"),
    [
        ("gemini", Reasoning(enabled=True)),
        ("gemini", Reasoning(enabled=True, budget=5_000)),
        ("gemini", Reasoning(show="summary")),
        ("ollama", Reasoning(enabled=True)),
        ("cohere", Reasoning(enabled=True)),
        ("cohere", Reasoning(enabled=True, budget=9)),
    ],
)
def test_at_home_its_own_words_stay(speaks: str, want: Reasoning) -> None:
    """A client of the vendor's own protocol is asked for it as it asked."""
    efforts: tuple[Effort, ...] = ("low", "high")
    reasoning = "budget" if speaks == "cohere" else "effort"
    assert ask(want, speaks, heard=speaks, reasoning=reasoning, efforts=efforts) == (want, ())


def test_bare_thinking_needs_no_level_where_there_is_a_word_for_it() -> None:
    """Ollama, Cohere and Gemini 2.5 can simply be told to think; the others want to know how much."""
    bare = Reasoning(enabled=True)
    for speaks in ("ollama", "cohere"):
        assert ask(bare, speaks, heard="anthropic", reasoning="effort", efforts=EFFORTS) == (bare, ())
    assert ask(bare, "gemini", heard="anthropic", reasoning="budget") == (bare, ())
    medium = Reasoning(enabled=True, effort="medium")
    for speaks in ("openai_chat", "openai_responses", "gemini"):
        assert ask(bare, speaks, heard="anthropic", reasoning="effort", efforts=EFFORTS) == (medium, ())


def test_who_thinks() -> None:
    """An effort alone makes every model think but Anthropic's."""
    assert thinks(Reasoning(effort="low"), "openai_chat")
    assert not thinks(Reasoning(effort="low"), "anthropic")
    assert thinks(Reasoning(budget=2048), "anthropic")
    assert not thinks(Reasoning(enabled=False, effort="low"), "openai_chat")
    assert not thinks(None, "openai_chat")


@pytest.mark.parametrize(
    ("model", "budget"),
    [("gemini-2.5-pro", 128), ("gemini-2.5-flash", 0), ("gemini-2.5-flash-lite", 0)],
)
def test_the_shipped_gemini_rows_say_how_little_they_think(model: str, budget: int) -> None:
    """Asked not to think, 2.5 Pro thinks least and the Flash models not at all."""
    row = catalog().find_model("gemini", model)
    assert row is not None
    reasoning, _ = asked(Reasoning(effort="none"), Way(row, "gemini", "openai_chat"))
    body = DIALECTS["gemini"].write_request(Request("openai_chat", "m", reasoning=reasoning)).body
    config = body["generationConfig"]["thinkingConfig"]
    assert config["thinkingBudget"] == budget
    assert not config.get("includeThoughts")
