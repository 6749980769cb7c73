"""Secrets: every key, pepper, password and prompt of a run holds one word; it must be written down nowhere.

Clients search every answer as they read it (``ask.py``) and drills hand in what they have dumped; here the
files that the gateways have left behind are searched: logs, ledgers, lock files, metrics.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from drills.ask import MARK
from drills.figures import Figure, none, told
from drills.plan import Plan

SERVERS = ("postgres", "redis")
"""Folders of foreign servers, whose files are theirs; what they hold of ours is dumped beside them."""


def search(plan: Plan) -> list[Figure]:
    """Search every file the run has left."""
    files = [path for path in plan.folder.rglob("*") if path.is_file() and not _foreign(plan, path)]
    size = sum(path.stat().st_size for path in files)
    return [
        told("canary", "files searched, and their size", f"{len(files):,}, {size / 1e6:,.1f} MB"),
        told("canary", "answers searched", plan.watch.answers),
        none(
            "canary",
            "secrets in logs, ledgers, metrics and answers",
            [*_found(plan, files), *plan.watch.leaks],
        ),
    ]


def _foreign(plan: Plan, path: Path) -> bool:
    return any(part in SERVERS for part in path.relative_to(plan.folder).parts[:-1])


def _found(plan: Plan, files: list[Path]) -> Iterator[str]:
    for path in files:
        if MARK.encode() in path.read_bytes():
            yield f"{path.relative_to(plan.folder)} holds a secret"
