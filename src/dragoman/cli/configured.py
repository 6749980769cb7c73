"""What the configuration says, before any gateway runs: shared by commands that only look."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dragoman.cli.terminal import Trouble
from dragoman.config import Config, ConfigError, load
from dragoman.providers.auth import missing
from dragoman.providers.local import LocalModel


def configured(environ: Mapping[str, str], file: str | None = None) -> Config:
    """Read the configuration, from `file` instead of the usual one if it is named.

    Raises:
        Trouble: It cannot be used; every problem is told, one a line.
    """
    try:
        return load({**environ, "DRAGOMAN_CONFIG": file} if file else environ, Path.cwd())
    except ConfigError as error:
        raise Trouble(f"the configuration cannot be used\n{error}", code=2) from error


def wanting(config: Config) -> dict[str, str]:
    """Return what each provider lacks before it can be asked, in words; nothing for one that is ready."""
    lacks = {name: missing(row) for name, row in config.providers.items() if not row.ready}
    if "local" in lacks:
        lacks["local"] = _lacks_local(config)
    return {name: lack for name, lack in lacks.items() if lack}


def _lacks_local(config: Config) -> str:
    if not config.local.enabled:
        return "the embedded model is switched off"
    return LocalModel.why_not(config.local)
