"""Budgets and limits of the configuration: taken as they are meant, and told where they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.accounts.terms import LimitTerms
from dragoman.config import Config, ConfigError, load


def config(folder: Path, text: str) -> Config:
    """Load a file."""
    (folder / "dragoman.toml").write_text(text)
    return load({}, folder)


def faults(folder: Path, text: str) -> str:
    """Return what is wrong with a file, in words."""
    with pytest.raises(ConfigError) as told:
        config(folder, text)
    return str(told.value)


def test_budgets_are_read(tmp_path: Path) -> None:
    """As numbers or decimals, with everything else as it usually is."""
    found = config(
        tmp_path, '[budgets.all]\ndollars = 25\n[budgets.b]\ndollars = "0.50"\nscope = "key"\nsubject = "*"'
    )
    assert [(name, spec.row(name, 0.0).cap_micros) for name, spec in found.budgets.items()] == [
        ("all", 25_000_000),
        ("b", 500_000),
    ]
    assert (found.budgets["all"].scope, found.budgets["all"].period, found.budgets["all"].hard) == (
        "all",
        "month",
        True,
    )


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[budgets.b]\ndollars = -1", 1, "dollars must be an amount"),
        ("[budgets.b]\ndollars = 1\nscope = 'key'", 1, "subject must be"),
        ("[budgets.b]\ndollars = 1\nzone = 'Mars/Olympus'", 1, "no time zone"),
        ("[budgets.b]\ndollars = 1\nperiod = 'year'", 3, "period"),
        ("[budgets.b]\ndollars = 1\nperoid = 'day'", 3, "unknown setting peroid"),
        ("[budgets.'a b']\ndollars = 1", 1, "cannot be a budget's name"),
        ("[budgets.b]\nscope = 'all'", 1, "dollars"),
        ("[provider_limits.opnai]\nparallel = 1", 1, "opnai"),
        ("[model_limits.nothing-like-it]\nparallel = 1", 1, "nothing-like-it"),
        ("[model_limits.gpt-4o]\nparallel = -1", 2, "parallel"),
        ("[model_limits.gpt-4o]\nparalel = 1", 2, "unknown setting paralel"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, line: int, words: str) -> None:
    """File and line, and what was meant."""
    told = faults(tmp_path, text)
    assert words in told
    assert f"dragoman.toml:{line}" in told


def test_limits_of_models_and_providers_are_read(tmp_path: Path) -> None:
    """By a public name, a route's, or provider/model; and by a provider's name."""
    text = """
        [routes.fast]
        targets = ["openai/gpt-4o"]
        [model_limits.fast]
        tokens_per_minute = 5
        [model_limits."openai/gpt-4o"]
        parallel = 2
        [provider_limits.openai]
        requests_per_day = 7
    """
    rules = config(tmp_path, text).rules
    assert rules.models == {"fast": LimitTerms(tokens_per_minute=5), "openai/gpt-4o": LimitTerms(parallel=2)}
    assert rules.providers == {"openai": LimitTerms(requests_per_day=7)}
