"""What the front end shows of a gateway's answer, as words."""

from __future__ import annotations

from typing import Any

import pytest
from frontend.words import categories, duration, facts, missing, money, preview, shown, stands_alone

TEMPLATE = {"id": "t", "prompt": "Tell {{ who }} of {{what}}, {{who}}.", "variables": ["who", "what"]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It costs $5 or $6.", r"It costs \$5 or \$6."),
        ("![look](http://elsewhere/?q=1)", r"\![look](http://elsewhere/?q=1)"),
        ("**bold** `a = $x` and $1", r"**bold** `a = $x` and \$1"),
        ("```sh\necho $HOME ![x](y)\n```\n$2", "```sh\necho $HOME ![x](y)\n```\n" + r"\$2"),
        ("```sh\necho $HOME", "```sh\necho $HOME"),
        ("a lone ` and $3", r"a lone ` and \$3"),
    ],
)
def test_a_models_words_load_nothing_and_set_no_formula(text: str, words: str) -> None:
    """Images are not fetched and prices stay prices; code is left as it is."""
    assert shown(text) == words


@pytest.mark.parametrize(
    ("dollars", "words"),
    [
        (None, "cost unknown"),
        (0, "$0"),
        (0.0000004, "<$0.000001"),
        (0.000001, "$0.000001"),
        (0.0012, "$0.0012"),
        (0.5, "$0.5"),
        (0.412345, "$0.4123"),
        (12.5, "$12.50"),
        (1234, "$1,234.00"),
    ],
)
def test_money_is_never_rounded_to_nothing(dollars: float | None, words: str) -> None:
    """An amount has digits enough not to be zero, and an unknown one is not zero."""
    assert money(dollars) == words


@pytest.mark.parametrize(
    ("ms", "words"),
    [(None, "time unknown"), (3.4, "3 ms"), (999, "999 ms"), (1900, "1.9 s"), (61000, "61.0 s")],
)
def test_times_have_the_unit_of_their_size(ms: float | None, words: str) -> None:
    """Milliseconds up to a second, seconds from there on."""
    assert duration(ms) == words


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            {
                "provider": "groq",
                "model_used": "llama",
                "latency_ms": 5,
                "token_count": 1234,
                "cost_usd": 0.01,
            },
            ["groq/llama", "5 ms", "1,234 tokens", "$0.01", "asked afresh"],
        ),
        (
            {"provider": "groq", "model_used": "groq/llama", "from_cache": True, "cost_usd": 0},
            ["groq/llama", "time unknown", "tokens unknown", "$0", "from the cache"],
        ),
        (
            {"model_used": "gemini", "fallback_used": True, "requested_model": "llama"},
            [
                "gemini",
                "time unknown",
                "tokens unknown",
                "cost unknown",
                "asked afresh",
                "fallback from llama",
            ],
        ),
    ],
)
def test_what_is_not_known_is_said_to_be(answer: dict[str, Any], told: list[str]) -> None:
    """Everything below an answer is either what the gateway said or called unknown."""
    assert facts(answer) == told


def test_a_preview_keeps_what_is_not_filled_in() -> None:
    """Values are text and nothing more; a variable without one stays in its braces."""
    assert preview(TEMPLATE, {"who": "kids"}) == "Tell kids of {{what}}, kids."
    assert (
        preview(TEMPLATE, {"who": r"{{what}} \1", "what": ""})
        == r"Tell {{what}} \1 of {{what}}, {{what}} \1."
    )


def test_variables_without_a_value_are_named() -> None:
    """Blanks are no value."""
    assert missing(TEMPLATE, {"who": " "}) == ["who", "what"]
    assert missing(TEMPLATE, {"who": "kids", "what": "magnets"}) == []


def test_a_variable_with_lines_of_its_own_takes_several() -> None:
    """Where a template says ``{{text}}`` alone on a line, a text goes there."""
    template = {"prompt": "Summarize in {{count}} words:\n\n  {{ text }} \n---"}
    assert stands_alone(template, "text")
    assert not stands_alone(template, "count")
    assert not stands_alone({}, "count")


def test_templates_are_filed_in_order() -> None:
    """By category, then by title; one without a category is filed as well."""
    rows: list[dict[str, Any]] = [
        {"id": "b", "title": "Beta", "category": "Code"},
        {"id": "z", "category": None},
        {"id": "a", "title": "Alpha", "category": "Code"},
    ]
    filed = categories(rows)
    assert {name: [row["id"] for row in found] for name, found in filed.items()} == {
        "Code": ["a", "b"],
        "Other": ["z"],
    }
    assert list(filed) == ["Code", "Other"]
