"""``/admin/settings``: what this gateway runs with, and where that was said; secrets are not told."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from starlette.routing import Route

from dragoman import __version__
from dragoman.accounts.reports import check_names
from dragoman.config import Config
from dragoman.config.sections import SECTIONS
from dragoman.core.extras import Json
from dragoman.gateway import Gateway
from dragoman.server.admin.access import Asking, served, viewer

PATH = "/admin/settings"

HIDDEN = frozenset({"url", "endpoint", "token", "user", "password", "secret", "headers"})
"""Names of settings whose values are not shown: they are secrets, or may have one within."""


class Line(NamedTuple):
    """One setting: its name, its value in words, and whether it is not what it would be by itself."""

    name: str
    value: str
    own: bool


class Part(NamedTuple):
    """One section of the configuration."""

    name: str
    lines: tuple[Line, ...]


class Running(NamedTuple):
    """What a gateway is and runs with.

    Attributes:
        sources: Files that may say settings, and whether they are there.
        store: What kind of database it keeps its rows in.
        keys: How many keys the configuration has.
        in_flight: Requests under way in this process.
    """

    version: str
    python: str
    environment: str
    data: str
    store: str
    keys: int
    in_flight: int
    sources: tuple[tuple[str, bool], ...]
    sections: tuple[Part, ...]


def running(gateway: Gateway) -> Running:
    """Return what a gateway is and runs with."""
    config = gateway.config
    return Running(
        version=__version__,
        python=sys.version.split()[0],
        environment=config.environment,
        data=str(config.data),
        store=config.store.url.partition(":")[0] if config.store.url else "sqlite",
        keys=len(config.keys),
        in_flight=len(gateway.services.under_way),
        sources=tuple((str(path), path.is_file()) for path in config.sources),
        sections=tuple(told(config)),
    )


def told(config: Config) -> Iterator[Part]:
    """Yield every section of a configuration, its values in words."""
    for name, spec in SECTIONS.items():
        section = getattr(config, name, None)
        if not name or not isinstance(section, spec):
            continue
        plain = _defaults(spec)
        lines = tuple(
            Line(field, _words(field, getattr(section, field)), getattr(section, field) != plain.get(field))
            for field in spec.__struct_fields__
        )
        yield Part(name, lines)


def _defaults(spec: type[msgspec.Struct]) -> Mapping[str, Any]:
    try:
        return msgspec.structs.asdict(spec())
    except TypeError:  # one that has to be said
        return {}


def _words(name: str, value: object) -> str:
    """Return a value in words; of what may be a secret only whether there is one."""
    if name in HIDDEN:
        return "set" if value else "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ("", (), {}):
        return "\u2013"
    if isinstance(value, tuple | list | set | frozenset):
        return ", ".join(map(str, value))
    return str(value) if isinstance(value, str | int | float | Path) else str(msgspec.to_builtins(value))


def routes(gateway: Gateway) -> list[Route]:
    """Return the page."""
    return [Route(PATH, served(gateway, _show, may=viewer), methods=["GET"])]


async def _show(asking: Asking) -> Json:
    check_names(asking.query, ())
    found = running(asking.gateway)
    return {
        **found._asdict(),
        "sources": [{"path": path, "there": there} for path, there in found.sources],
        "sections": {
            part.name: {line.name: {"value": line.value, "own": line.own} for line in part.lines}
            for part in found.sections
        },
    }
