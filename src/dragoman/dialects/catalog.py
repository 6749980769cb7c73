"""Every dialect there is, by name, and which of them answers at which path.

A new dialect is one module and one line here; the shared tests then apply to it by parametrisation.
"""

from __future__ import annotations

from collections.abc import Mapping
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

_SERVED = tuple((dialect, endpoint) for dialect in DIALECTS.values() for endpoint in dialect.endpoints)

_EXACT: Mapping[tuple[str, str], tuple[Dialect, Endpoint]] = MappingProxyType(
    {
        (endpoint.method, endpoint.path): (dialect, endpoint)
        for dialect, endpoint in _SERVED
        if MODEL not in endpoint.path
    }
)

_NAMED = tuple((dialect, endpoint) for dialect, endpoint in _SERVED if MODEL in endpoint.path)


def find(method: str, path: str) -> tuple[Dialect, Endpoint] | None:
    """Return who answers `method` at the public `path`, or None."""
    exact = _EXACT.get((method, path))
    if exact is not None:
        return exact
    for dialect, endpoint in _NAMED:
        before, _, after = endpoint.path.partition(MODEL)
        named = len(path) > len(before) + len(after) and path.startswith(before) and path.endswith(after)
        if named and method == endpoint.method:
            return dialect, endpoint
    return None
