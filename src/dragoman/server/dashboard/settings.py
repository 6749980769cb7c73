"""``/admin/settings``: what this gateway runs with, and where that was said; secrets are not shown."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from dragoman import __version__
from dragoman.accounts.reports import check_names
from dragoman.config import Config
from dragoman.config.sections import SECTIONS
from dragoman.server.dashboard.visit import Page, View, Visit

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


async def _show(visit: Visit) -> View:
    check_names(visit.query, ())
    gateway = visit.gateway
    config = gateway.config
    return View(
        "settings.html",
        {
            "version": __version__,
            "python": sys.version.split()[0],
            "sources": [(str(path), path.is_file()) for path in config.sources],
            "parts_of": list(told(config)),
            "store": config.store.url.partition(":")[0] if config.store.url else "sqlite",
            "data": str(config.data),
            "keys": len(config.keys),
            "in_flight": len(gateway.services.under_way),
        },
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


PAGES = (Page("/admin/settings", _show),)
