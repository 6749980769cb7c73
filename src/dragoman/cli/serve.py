"""``dragoman serve``: run the gateway until told to stop."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from dragoman.server.run import serve

_NAMES = {
    "host": "DRAGOMAN_SERVER_HOST",
    "port": "DRAGOMAN_SERVER_PORT",
    "workers": "DRAGOMAN_SERVER_WORKERS",
    "config": "DRAGOMAN_CONFIG",
}
"""Each option is the environment's name for the same setting, and wins over it."""


def options(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--host", metavar="NAME", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", metavar="N", help="port to listen on (default: 8080)")
    parser.add_argument("--workers", metavar="N", help="serving processes (default: 1)")
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: ./dragoman.toml)")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serve; return the exit code."""
    chosen = {name: getattr(arguments, option) for option, name in _NAMES.items()}
    return serve({**environ, **{name: value for name, value in chosen.items() if value is not None}})
