"""What the server answers, asked of what it answers with: endpoints, routes, the relay's table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec
from starlette.routing import BaseRoute, Route

from dragoman.dialects import Dialect, Surface
from dragoman.server.openapi.operation import Operation
from dragoman.server.openapi.relayed import operations

CONVERTER = re.compile(r"\{(\w+):\w+\}")
"""What Starlette says of a parameter's shape, and OpenAPI does not."""


class Served(msgspec.Struct, frozen=True):
    """One method at one path.

    Attributes:
        key: As in ``POST /v1/rerank``.
        owner: The dialect or surface that answers; "": a page.
        operation: Its description, where the table it comes from has one.
    """

    key: str
    owner: str = ""
    operation: Operation | None = None


def served(
    surfaces: Iterable[Surface], dialects: Iterable[Dialect], routes: Iterable[BaseRoute], *, relaying: bool
) -> list[Served]:
    """Return everything that is answered, each once: of two who answer the same, the first."""
    doors: list[Surface | Dialect] = [*surfaces, *dialects]
    every = [
        *(Served(f"{one.method} {one.path}", door.name) for door in doors for one in door.endpoints),
        *_pages(routes),
        *(Served(key, operation=operation) for key, operation in (operations() if relaying else ())),
    ]
    return list({one.key: one for one in reversed(every)}.values())[::-1]


def _pages(routes: Iterable[BaseRoute]) -> Iterator[Served]:
    for route in routes:
        if isinstance(route, Route) and route.include_in_schema:
            path = CONVERTER.sub(r"{\1}", route.path)
            # HEAD is what every GET takes as well.
            yield from (Served(f"{method} {path}") for method in sorted({*(route.methods or ())} - {"HEAD"}))
