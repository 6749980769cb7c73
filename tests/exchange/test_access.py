"""Who may ask whom: targets a key may not ask are as if they were not there."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from dragoman.accounts.keys import Account
from dragoman.config import load
from dragoman.core.failure import Failure
from dragoman.exchange.access import route
from dragoman.exchange.life import Exchange


class Asking:
    """What of an exchange a route depends on."""

    task = "generate"

    def __init__(self, folder: Path, account: Account) -> None:
        (folder / "dragoman.toml").write_text(
            '[routes.both]\ntargets = ["openai/gpt-4o", "groq/llama-3.3-70b"]\n'
        )
        config = load({"OPENAI_API_KEY": "a", "GROQ_API_KEY": "b"}, folder)
        self.account = account
        self.live = self
        self.table = config.table({})
        self.catalog = config.catalog


def names(folder: Path, account: Account, name: str, provider: str | None = None) -> list[str]:
    """Return the targets of a name for an account."""
    found = route(cast("Exchange", Asking(folder, account)), name, provider=provider)
    return [str(target) for target in (*found.targets, *found.instead)]


def test_who_is_not_restricted_asks_everybody(tmp_path: Path) -> None:
    """In the route's order."""
    assert names(tmp_path, Account("a"), "both") == ["openai/gpt-4o", "groq/llama-3.3-70b"]


def test_a_restricted_key_has_the_targets_it_may_ask(tmp_path: Path) -> None:
    """A route that is allowed by its name is all there."""
    some = Account("a", models=(("groq/*",),))
    assert names(tmp_path, some, "both") == ["groq/llama-3.3-70b"]
    named = Account("a", models=((),), routes=(("both",),))
    assert names(tmp_path, named, "both") == ["openai/gpt-4o", "groq/llama-3.3-70b"]


def test_no_choice_of_a_provider_leads_around_it(tmp_path: Path) -> None:
    """What is really asked has to be allowed."""
    some = Account("a", models=(("groq/*",),))
    for name, provider in (("openai/gpt-4o", None), ("gpt-4o", "openai"), ("gpt-4o", None)):
        with pytest.raises(Failure) as told:
            names(tmp_path, some, name, provider)
        assert (told.value.http_status, told.value.code) == (403, "model_not_allowed")
