"""Every dialect there is, by name, and which of them answers at which path.

A new dialect is one module and one line here; the shared tests then apply to it by parametrisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dragoman.dialects import Dialect, Endpoint, anthropic, openai_chat

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {dialect.name: dialect for dialect in (openai_chat.DIALECT, anthropic.DIALECT)}
)

_SERVED: Mapping[tuple[str, str], tuple[Dialect, Endpoint]] = MappingProxyType(
    {
        (endpoint.method, endpoint.path): (dialect, endpoint)
        for dialect in DIALECTS.values()
        for endpoint in dialect.endpoints
    }
)


def find(method: str, path: str) -> tuple[Dialect, Endpoint] | None:
    """Return who answers `method` at the public `path`, or None."""
    return _SERVED.get((method, path))
