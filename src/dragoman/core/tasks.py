"""Embed and Rerank: what is answered at once and whole, in no dialect's words.

    Embed    inputs  -> Embedded   one vector for each input, in order
    Rerank   query and documents -> Ranked   documents by falling score

They share the core's rules: frozen values, extras that go home only, disjoint usage.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from dragoman.core.extras import Extras
from dragoman.core.request import Media, Request, Text
from dragoman.core.usage import Usage

Purpose = Literal["query", "document", "classification", "clustering"]


class Tokens(msgspec.Struct, frozen=True, tag="tokens"):
    """Text already cut into a model's own token ids."""

    ids: tuple[int, ...]


Input = tuple[Text | Media | Tokens, ...]
"""What one vector stands for."""


class Embed(msgspec.Struct, frozen=True, omit_defaults=True):
    """Turn each input into a vector. ``dimensions`` shortens the vectors; `purpose` is what they are for."""

    dialect: str
    model: str
    inputs: tuple[Input, ...]
    purpose: Purpose | None = None
    dimensions: int | None = None
    user: str | None = None
    extras: Extras | None = None


class Embedded(msgspec.Struct, frozen=True, omit_defaults=True):
    """The vectors, in the order of the inputs."""

    id: str
    model: str
    vectors: tuple[tuple[float, ...], ...]
    usage: Usage | None = None
    extras: Extras | None = None


class Rerank(msgspec.Struct, frozen=True, omit_defaults=True):
    """Order documents by how well each answers `query`; return the best `top` (None: all)."""

    dialect: str
    model: str
    query: str
    documents: tuple[str, ...]
    top: int | None = None
    extras: Extras | None = None


class Rank(msgspec.Struct, frozen=True, omit_defaults=True):
    """One document's place: `index` into the documents asked about, score where higher is better."""

    index: int
    score: float
    extras: Extras | None = None


class Ranked(msgspec.Struct, frozen=True, omit_defaults=True):
    """The documents, best first."""

    id: str
    model: str
    ranks: tuple[Rank, ...]
    usage: Usage | None = None
    extras: Extras | None = None


Asked = Request | Embed | Rerank
