"""Scripts: reading, refusing, matching, counting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.core.failure import Failure
from dragoman.simulator.behaviour import Behaviour
from dragoman.simulator.script import Match, Prompter, Rule, Script, load, read

TOML = """
models = ["one", "two"]

[default]
tokens = 40
latency_s = 0.5

[[rules]]
match = { model = "flaky-*", every = 3 }
then = { error = { status = 529, retry_after_s = 2 } }

[[rules]]
match = { dialect = "anthropic" }
then = { tokens = 3, faults = [{ kind = "reset", at_frame = 5 }] }
"""


class Asked(msgspec.Struct):
    """A request as rules see it."""

    path: str = "/v1/chat/completions"
    dialect: str | None = "openai_chat"
    model: str = "m"
    stream: bool = False
    words: str = "say hello"


def test_toml_and_json_are_the_same_script(tmp_path: Path) -> None:
    """Either way of writing gives the same value."""
    script = tmp_path / "script.toml"
    script.write_text(TOML)
    twin = tmp_path / "script.json"
    twin.write_bytes(msgspec.json.encode(load(script)))
    assert load(twin) == load(script)
    assert load(script).models == ("one", "two")


def test_a_rule_says_only_what_differs(tmp_path: Path) -> None:
    """What `then` leaves out is as the default has it."""
    path = tmp_path / "script.toml"
    path.write_text(TOML)
    script = load(path)
    assert [rule.then.tokens for rule in script.rules] == [40, 3]
    assert [rule.then.latency_s for rule in script.rules] == [0.5, 0.5]


def test_options_replace_the_default() -> None:
    """What the command line says holds for every rule that does not say otherwise."""
    script = read({"default": {"tokens": 9}, "rules": [{"match": {}, "then": {"echo": True}}]}, {"tokens": 2})
    assert script.default == Behaviour(tokens=2)
    assert script.rules[0].then == Behaviour(tokens=2, echo=True)


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (7, "$"),
        ({"default": 7}, "$"),
        ({"default": {"tokens": "many"}}, "$.default.tokens"),
        ({"rules": [{"match": {}, "then": {}}, {"match": {"nth": 0}, "then": {}}]}, "$.rules[1].match.nth"),
        ({"rules": [{"match": {}, "then": {"faults": [{"kind": "x"}]}}]}, "$.rules[0].then.faults[0].kind"),
        ({"rules": [{"then": {}}]}, "$.rules[0]"),
        ({"rules": ["a rule"]}, "$.rules[0]"),
        ({"rule": []}, "$"),
    ],
)
def test_a_wrong_script_is_refused_with_its_place(value: Any, at: str) -> None:
    """The fault is named by its JSON path."""
    with pytest.raises(Failure) as caught:
        read(value)
    assert caught.value.at == at
    assert caught.value.message.startswith("the script is wrong: ")


@pytest.mark.parametrize(
    ("name", "text"),
    [("s.toml", "rules = ["), ("s.json", "{"), ("s.toml", "[default]\ntokens = -1"), ("s.toml", None)],
)
def test_a_file_that_is_no_script_is_refused_by_name(tmp_path: Path, name: str, text: str | None) -> None:
    """Whatever is wrong with a file, the message says which file."""
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(Failure) as caught:
        load(path)
    assert str(path) in str(caught.value.at)


@pytest.mark.parametrize(
    ("match", "asked", "meets"),
    [
        (Match(), Asked(), True),
        (Match(), Asked(path="/v1/models", dialect=None), False),
        (Match(path="/v1/mod*"), Asked(path="/v1/models", dialect=None), True),
        (Match(dialect="anthropic"), Asked(), False),
        (Match(model="gpt-*"), Asked(model="gpt-7"), True),
        (Match(model="gpt-*"), Asked(model="GPT-7"), False),
        (Match(stream=True), Asked(stream=True), True),
        (Match(stream=False), Asked(stream=True), False),
        (Match(contains="hell"), Asked(), True),
        (Match(contains="goodbye"), Asked(), False),
    ],
)
def test_conditions(match: Match, asked: Asked, *, meets: bool) -> None:
    """A request meets a rule if it meets all it says; only a path takes requests of no dialect."""
    assert match.meets(asked) is meets


def cues(script: Script, asked: list[Asked]) -> list[int | None]:
    """Return the rule each of several requests falls under."""
    prompter = Prompter(script)
    return [prompter.cue(one) for one in asked]


def script(*matches: Match) -> Script:
    """Return a script of several rules."""
    return Script(rules=tuple(Rule(match, Behaviour()) for match in matches))


def test_the_first_rule_that_matches_wins() -> None:
    """Rules are tried in order; without one the default holds."""
    found = cues(
        script(Match(model="a"), Match(model="*", stream=True)),
        [Asked(model="a", stream=True), Asked(model="b", stream=True), Asked(model="b")],
    )
    assert found == [0, 1, None]


def test_nth_counts_every_request_that_meets_the_rule() -> None:
    """Two rules with nth 1 and 2 shape the first and the second request, and none after."""
    assert cues(script(Match(nth=1), Match(nth=2)), [Asked()] * 4) == [0, 1, None, None]


def test_nth_may_be_several() -> None:
    """A burst is a list of numbers."""
    assert cues(script(Match(nth=(1, 2, 4))), [Asked()] * 5) == [0, 0, None, 0, None]


def test_every_counts_its_own_requests() -> None:
    """Requests that meet the rule are counted, others are not."""
    asked = [Asked(model="a"), Asked(model="b")] * 4
    assert cues(script(Match(model="a", every=2)), asked) == [None, None, 0, None, None, None, 0, None]


def test_a_script_is_json() -> None:
    """What ``GET /_script`` answers can be put back."""
    value = read({"default": {"echo": True}, "rules": [{"match": {"nth": [1, 3]}, "then": {"tokens": 1}}]})
    assert read(json.loads(msgspec.json.encode(value))) == value
