"""What holds for the whole suite."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import HealthCheck, settings

# No test asserts a duration: a busy machine is not a fault. Speed is measured in bench/.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


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
