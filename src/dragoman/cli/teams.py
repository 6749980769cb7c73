"""``dragoman teams``: what the keys of a team may do together."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from dragoman.cli import groups


def options(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    groups.add(parser, "team")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Do it; return the exit code."""
    return groups.do(arguments, environ, "team")
