"""What holds for the whole suite."""

from __future__ import annotations

import gc
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from hypothesis import HealthCheck, settings

from dragoman.providers import catalog
from dragoman.server import assets
from dragoman.store import sqlite
from dragoman.store.spec import StoreSpec
from dragoman.store.sqlite.database import Connections, open_database

# No test asserts a duration: a busy machine is not a fault. Speed is measured in bench/.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without looking for garbage, and never look there again: 16,000 tests stay until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Do once for all gateways of a run what is the same for each: read what is shipped, migrate a ledger."""
    template = tmp_path_factory.mktemp("template") / "ledger.db"
    open_database(template, StoreSpec()).close()
    empty = template.read_bytes()

    def opened(path: Path, spec: StoreSpec, announce: Callable[[str], None] | None = None) -> Connections:
        if path.parent.is_dir() and not path.exists():
            _lay(path, empty)
        return open_database(path, spec, announce)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "_shipped", cache(catalog._shipped))
        patch.setattr(assets, "packed", cache(assets.packed))
        patch.setattr(sqlite, "open_database", opened)
        yield


def _lay(path: Path, content: bytes) -> None:
    """Put a whole file where there is none; who opens it will tell why that cannot be."""
    with suppress(OSError), NamedTemporaryFile(dir=path.parent) as file:
        file.write(content)
        file.flush()
        os.link(file.name, path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many recordings were replayed, and how they compared: see tests/sdks/test_replay.py."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    notes: set[str] = set()
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "replayed":
                what, _, how = str(value).rpartition(": ")
                counts[what][how] += 1
            elif name == "replay note":
                notes.add(str(value))
    for what, found in sorted(counts.items()):
        told = ", ".join(f"{count} {how}" for how, count in found.most_common())
        terminalreporter.write_line(f"replayed {found.total()} {what}: {told}")
    for note in sorted(notes):
        terminalreporter.write_line(f"    {note}")
