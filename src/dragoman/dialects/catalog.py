"""Every dialect there is, by name, and which of them answers at which path.

A new dialect is one module and one line here; the shared tests then apply to it by parametrisation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from dragoman.dialects import (
    Dialect,
    Endpoint,
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


class Doors:
    """Which dialect answers at which path."""

    __slots__ = ("_exact", "_named")

    def __init__(self, dialects: Iterable[Dialect]) -> None:
        served = [(dialect, endpoint) for dialect in dialects for endpoint in dialect.endpoints]
        self._named = [one for one in served if MODEL in one[1].path]
        self._exact = {
            (endpoint.method, endpoint.path): (dialect, endpoint)
            for dialect, endpoint in served
            if MODEL not in endpoint.path
        }

    def find(self, method: str, path: str) -> tuple[Dialect, Endpoint] | None:
        """Return who answers `method` at the public `path`, or None."""
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact
        for dialect, endpoint in self._named:
            before, _, after = endpoint.path.partition(MODEL)
            named = len(path) > len(before) + len(after) and path.startswith(before) and path.endswith(after)
            if named and method == endpoint.method:
                return dialect, endpoint
        return None


_DOORS = Doors(DIALECTS.values())


def find(method: str, path: str) -> tuple[Dialect, Endpoint] | None:
    """Return which of the built-in dialects answers `method` at the public `path`, or None."""
    return _DOORS.find(method, path)
