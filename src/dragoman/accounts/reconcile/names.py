"""Whose model is whose: names as a provider's bill has them beside names as they were asked for.

A bill names the model that answered (``gpt-4o-2024-08-06``), a request mostly its alias (``gpt-4o``), and
files for people what it is called in print (``Claude Haiku 4.5``). Names that both sides have are compared as
they are. Where a side has a name that the other has not, all names of its family are compared together, and
it is said that they were: a family is what is left of a name without its date and its way of writing.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

_DATED = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|(?:0[1-9]|1[0-2])\d{2}|latest)$")
"""How a model's date is written: OpenAI's new and old ways, Anthropic's, Vertex AI's."""


class Pairing(msgspec.Struct, frozen=True):
    """Names of both sides that are compared with each other.

    Attributes:
        name: What they are called together.
        theirs: The provider's.
        ours: The ledger's.
        said: How they were found to be the same; "": they are written alike.
    """

    name: str
    theirs: tuple[str, ...]
    ours: tuple[str, ...]
    said: str = ""


def paired(theirs: Collection[str], ours: Collection[str]) -> list[Pairing]:
    """Return the names of both sides, each once, by those that are compared with each other."""
    families: dict[tuple[str, ...], tuple[list[str], list[str]]] = {}
    for side, names in enumerate((theirs, ours)):
        for name in sorted(set(names)):
            families.setdefault(family(name), ([], []))[side].append(name)
    found: list[Pairing] = []
    for mine, yours in families.values():
        if mine == yours or not mine or not yours:
            found += [_alone(name, theirs=bool(mine), ours=bool(yours)) for name in mine or yours]
        else:
            found.append(_together(mine, yours))
    return sorted(found, key=lambda one: one.name)


def family(name: str) -> tuple[str, ...]:
    """Return what names of one model have in common: the words of it, without its date."""
    plain = _DATED.sub("", name.strip().lower())
    words = re.split(r"[^a-z0-9]+", plain) if re.search(r"\s", name) or _spoken(plain) else [plain]
    return tuple(sorted(filter(None, words))) or (plain,)


def _spoken(plain: str) -> bool:
    """Say whether a name may be one that is also written for people, with its words in another order.

    Anthropic has both ``claude-3-7-sonnet`` and ``Claude Sonnet 3.7``.
    """
    return plain.startswith("claude-")


def _alone(name: str, *, theirs: bool, ours: bool) -> Pairing:
    """Return a name that is only itself, on the sides that have it."""
    return Pairing(name, (name,) if theirs else (), (name,) if ours else ())


def _together(theirs: list[str], ours: list[str]) -> Pairing:
    name = min(ours, key=lambda one: (len(one), one))
    said = f"{', '.join(theirs)} on the bill is taken for {', '.join(ours)}"
    return Pairing(name, tuple(theirs), tuple(ours), said)
