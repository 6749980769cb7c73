"""The script: which request gets which behaviour.

    [default]
    tokens = 40

    [[rules]]
    match = { dialect = "openai_chat", model = "flaky-*", every = 3 }
    then = { error = { status = 529 } }

Rules are tried in order and the first that matches wins; otherwise the default holds. What a rule's
``then`` does not say, the default says. ``nth`` and ``every`` count the requests that meet the rule's other
conditions, whether or not an earlier rule took them: two rules with the same conditions and ``nth`` 1
and 2 shape the first request and the second.

A :class:`Script` is a frozen value; a :class:`Prompter` holds the counts.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

import msgspec

from dragoman.core.extras import Json
from dragoman.core.failure import Failure, invalid
from dragoman.simulator.behaviour import Behaviour, Positive


class Asked(Protocol):
    """What a rule looks at."""

    @property
    def path(self) -> str:
        """The path, without the query."""

    @property
    def dialect(self) -> str | None:
        """The dialect's name, if the path is one of a dialect's."""

    @property
    def model(self) -> str:
        """The model asked for, or ""."""

    @property
    def stream(self) -> bool:
        """Whether a stream is asked for."""

    @property
    def words(self) -> str:
        """Every word of the conversation."""


class Match(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Conditions; what is not said does not matter.

    Attributes:
        model: Name or glob.
        path: Path or glob. Only a rule with a path takes requests outside the dialects' endpoints.
        contains: Words somewhere in the conversation.
        nth: Only the n-th of these requests, or those of several numbers; the first is 1.
        every: Only each k-th of these requests.
    """

    dialect: str | None = None
    model: str | None = None
    path: str | None = None
    stream: bool | None = None
    contains: str | None = None
    nth: Positive | tuple[Positive, ...] | None = None
    every: Positive | None = None

    def meets(self, asked: Asked) -> bool:
        """Say whether a request meets the conditions, its number aside."""
        return (
            (asked.dialect is not None if self.dialect is None and self.path is None else True)
            and (self.dialect is None or self.dialect == asked.dialect)
            and (self.model is None or fnmatchcase(asked.model, self.model))
            and (self.path is None or fnmatchcase(asked.path, self.path))
            and (self.stream is None or self.stream == asked.stream)
            and (self.contains is None or self.contains in asked.words)
        )

    def due(self, number: int) -> bool:
        """Say whether the n-th request that meets the conditions is meant."""
        if self.every is not None and number % self.every:
            return False
        return self.nth is None or number in ((self.nth,) if isinstance(self.nth, int) else self.nth)


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do with the requests that match."""

    match: Match
    then: Behaviour


class Script(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The rules in order, what holds otherwise, and the models listed."""

    default: Behaviour = Behaviour()
    rules: tuple[Rule, ...] = ()
    models: tuple[str, ...] = ("simulated-large", "simulated-small")


def read(value: Json, default: Mapping[str, Json] | None = None) -> Script:
    """Return the script that a decoded JSON or TOML document says.

    Args:
        value: The document.
        default: Fields that replace those of its default behaviour.

    Raises:
        Failure: The document is no script; with the JSON path of the fault.
    """
    try:
        plain = msgspec.convert(value, dict[str, Json])
        ground = {**msgspec.convert(plain.get("default", {}), dict[str, Json]), **(default or {})}
        rules = [_laid_over(ground, rule) for rule in msgspec.convert(plain.get("rules", []), list[Json])]
        return msgspec.convert({**plain, "default": ground, "rules": rules}, Script)
    except msgspec.ValidationError as error:
        message, _, at = str(error).partition(" - at `")
        raise invalid(f"the script is wrong: {message}", at.rstrip("`") or "$") from None


def load(path: Path, default: Mapping[str, Json] | None = None) -> Script:
    """Return the script in a TOML or JSON file; see :func:`read`.

    Raises:
        Failure: The file cannot be read, is not TOML or JSON, or is no script; `at` says where.
    """
    try:
        data = path.read_bytes()
        value = msgspec.json.decode(data) if path.suffix == ".json" else tomllib.loads(data.decode())
    except (OSError, UnicodeDecodeError, msgspec.DecodeError, tomllib.TOMLDecodeError) as error:
        raise invalid(f"the script cannot be read: {error}", str(path)) from None
    try:
        return read(value, default)
    except Failure as failure:
        raise invalid(failure.message, f"{path} at {failure.at}") from None


def _laid_over(ground: Mapping[str, Json], rule: Json) -> Json:
    """Return `rule` with what its behaviour leaves unsaid; anything odd stays for the decoder to refuse."""
    if not isinstance(rule, dict) or not isinstance(rule.get("then"), dict):
        return rule
    return {**rule, "then": {**ground, **rule["then"]}}


class Prompter:
    """Says what to do with each request, by one script; counts what its rules have met."""

    __slots__ = ("_met", "script")

    def __init__(self, script: Script) -> None:
        self.script = script
        self._met = [0] * len(script.rules)

    def cue(self, asked: Asked) -> int | None:
        """Count one request and return the index of the rule it falls under; None: the default."""
        found: int | None = None
        for index, rule in enumerate(self.script.rules):
            if rule.match.meets(asked):
                self._met[index] += 1
                if found is None and rule.match.due(self._met[index]):
                    found = index
        return found

    def behaviour(self, rule: int | None) -> Behaviour:
        """Return the behaviour of a rule, or the default."""
        return self.script.default if rule is None else self.script.rules[rule].then
