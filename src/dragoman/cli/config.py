"""``dragoman config``: say whether the configuration can be used, without starting anything."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from dragoman.cli.configured import wanting
from dragoman.cli.terminal import note, say
from dragoman.config import Config, ConfigError, load


def options(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "action", choices=["check"], help="read it, and tell every problem with file and line"
    )
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: ./dragoman.toml)")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Check; return 1 if there is any problem."""
    chosen = {"DRAGOMAN_CONFIG": arguments.config} if arguments.config else {}
    try:
        config = load({**environ, **chosen}, Path.cwd())
    except ConfigError as error:
        for problem in error.problems:
            note(str(problem))
        note(f"{len(error.problems)} problem{'' if len(error.problems) == 1 else 's'}")
        return 1
    for line in summary(config):
        say(line)
    return 0


def summary(config: Config) -> list[str]:
    """Return what a configuration amounts to, without any secret."""
    names = config.table(wanting(config))
    read = [str(path) for path in config.sources if path.is_file()]
    return [
        f"read       {', '.join(read) or 'no file; the environment and defaults'}",
        f"listens    {config.server.host} port {config.server.port}, workers: {config.server.workers}",
        f"data       {config.data}",
        f"keys       {len(config.keys) or 'none: only this machine is served'}",
        f"providers  {', '.join(sorted(names.ready)) or 'none is ready'}",
        f"routes     {len(config.routes)}",
        f"models     {len(names.names())} can be asked now",
    ]
