"""Dialects of the operator's own: ``[dialects] NAME = "package.module:ATTRIBUTE"``, imported when it is read.

Whoever writes the configuration runs the gateway, so naming code here gives away nothing. A module that
cannot be imported, or is no dialect, is a fault of the configuration like any other: with file and line.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from dragoman.config.sources import Sources
from dragoman.config.tables import entries
from dragoman.dialects import Dialect, Door
from dragoman.dialects.catalog import DIALECTS

PARTS = tuple(
    sorted(
        {name for half in (Door, Dialect) for name in (*half.__annotations__, *vars(half)) if name[0] != "_"}
    )
)
"""What a dialect has."""


def read_dialects(sources: Sources) -> Mapping[str, Dialect]:
    """Return every dialect by name: the built-in ones, and the operator's."""
    found = dict(DIALECTS)
    for entry in entries(sources, "dialects"):
        where = entry.where(sources)
        if not isinstance(entry.value, str) or entry.value.count(":") != 1:
            sources.refuse(where, f"dialects.{entry.name} must be text", 'write "package.module:ATTRIBUTE"')
        elif entry.name in DIALECTS:
            sources.refuse(where, f"{entry.name} is built in", "choose another name")
        else:
            try:
                found[entry.name] = _checked(_imported(entry.value), entry.name, found)
            except ImportError as error:
                sources.refuse(where, f"dialects.{entry.name}: {error}")
            except Exception as error:  # noqa: BLE001  what is asked may be anything, and answer in any way
                why = f"{type(error).__name__}: {error}"
                sources.refuse(where, f"dialects.{entry.name}: {entry.value} is no dialect ({why})")
    return MappingProxyType(found)


def _imported(reference: str) -> Any:
    """Return what `reference` names; raise ImportError, in words, if there is no such thing."""
    module, _, attribute = reference.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise ImportError(f"there is no module {error.name}: is it installed, or in PYTHONPATH?") from error
    except AttributeError as error:
        raise ImportError(f"{module} has no {attribute}") from error
    except (Exception, SystemExit) as error:  # foreign code may fail in any way while it is imported
        raise ImportError(f"{module} cannot be imported ({type(error).__name__}: {error})") from error


def _checked(dialect: Any, name: str, others: Mapping[str, Dialect]) -> Dialect:
    """Return `dialect`, which is one; raise ImportError with what keeps it from being one."""
    missing = [part for part in PARTS if not hasattr(dialect, part)]
    if missing:
        raise ImportError(f"it lacks {', '.join(missing)}")
    if dialect.name != name:
        raise ImportError(f"it calls itself {dialect.name}")
    taken = {(endpoint.method, endpoint.path) for other in others.values() for endpoint in other.endpoints}
    for endpoint in dialect.endpoints:
        if (endpoint.method, endpoint.path) in taken:
            raise ImportError(f"{endpoint.method} {endpoint.path} is another dialect's")
    found: Dialect = dialect
    return found
