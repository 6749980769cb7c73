"""Every dialect there is, by name, and which of them answers at which path.

A new dialect is one module and one line here; the shared tests then apply to it by parametrisation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from dragoman.dialects import (
    Dialect,
    Endpoint,
    Surface,
    anthropic,
    cohere,
    gemini,
    ollama,
    openai_chat,
    openai_responses,
)

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        dialect.name: dialect
        for dialect in (
            openai_chat.DIALECT,
            openai_responses.DIALECT,
            anthropic.DIALECT,
            gemini.DIALECT,
            cohere.DIALECT,
            ollama.DIALECT,
        )
    }
)

MODEL = "{model}"
"""In an endpoint's path: anything, slashes and colons included."""


OPENAI = re.compile(
    r"/openai/(?:deployments/.+?/(?=(?:images|audio)/)|(?:v1/)?(?!v1/|deployments/|models(?:/|$)))"
)
"""OpenAI's paths as Azure's clients spell them (``/openai/v1/...`` or ``/openai/...``), and Groq's the first.

Not so deployments, whose model stands in the path; but what is relayed of them names it in the body too. Nor
lists of models, where the spelling tells who asks.

https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference, and the SDKs; read 2026-11-21.
"""

NEIGHBOURS = (
    ("/v1/messages", "anthropic"),
    ("/v1beta", "gemini"),
    ("/upload/v1beta", "gemini"),
    ("/v2", "cohere"),
    ("/api", "ollama"),
)
"""Whose clients ask below a path; elsewhere it is OpenAI's."""


Entrance = TypeVar("Entrance", bound=Dialect | Surface)


class Doors(Generic[Entrance]):
    """Which dialect or surface answers at which path."""

    __slots__ = ("_exact", "_named")

    def __init__(self, entrances: Iterable[Entrance]) -> None:
        """Take who answers; of two at one path, the later."""
        served = [(entrance, endpoint) for entrance in entrances for endpoint in entrance.endpoints]
        self._named = [one for one in served if MODEL in one[1].path]
        self._exact = {
            (endpoint.method, endpoint.path): (entrance, endpoint)
            for entrance, endpoint in served
            if MODEL not in endpoint.path
        }

    def find(self, method: str, path: str) -> tuple[Entrance, Endpoint] | None:
        """Return who answers `method` at the public `path`, or None."""
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact
        for entrance, endpoint in self._named:
            before, _, after = endpoint.path.partition(MODEL)
            named = len(path) > len(before) + len(after) and path.startswith(before) and path.endswith(after)
            if named and method == endpoint.method:
                return entrance, endpoint
        return None


def plain(path: str) -> str:
    """Return `path`, or OpenAI's own path where one of its clients spells it otherwise."""
    found = OPENAI.match(path)
    return path if found is None else f"/v1/{path[found.end() :]}"


def owner(path: str) -> str:
    """Return the name of the dialect whose clients may ask at a path nothing is served at."""
    return next((name for place, name in NEIGHBOURS if f"{path}/".startswith(f"{place}/")), "openai_chat")


_DOORS = Doors(DIALECTS.values())


def find(method: str, path: str) -> tuple[Dialect, Endpoint] | None:
    """Return which of the built-in dialects answers `method` at the public `path`, or None."""
    return _DOORS.find(method, path)
