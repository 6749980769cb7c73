"""Coding agents in front of the gateway: whole tool loops, by the programs that people use.

What they are and how they are run is in ``examples/agents``, and that is what is tested.
"""

from __future__ import annotations

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from dragoman.dialects.catalog import DIALECTS

PROGRAM = Path(__file__).parents[2] / "examples" / "agents" / "run.py"


def load() -> Any:
    """Return the example as a module."""
    spec = spec_from_file_location("agents_run", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["agents_run"] = module  # where dataclasses look up what an annotation means
    spec.loader.exec_module(module)
    return module


agents = load()

MODELS = [f"sim-{name}/m" for name in DIALECTS]


def need(agent: str) -> None:
    """Skip where this machine cannot run an agent, and say what it lacks; CI has to have it, or no npm."""
    if (miss := agents.lacking(agent)) is not None:
        pytest.skip(f"{agent} is not tried: {miss}")
    if not agents.installed():
        assert os.environ.get("CI") != "true", f"npm is here and {agent} is not: make peers"
        pytest.skip(f"{agent} is not tried: it is not installed (make peers)")


@pytest.mark.parametrize("agent", list(agents.AGENTS))
def test_an_agent_finishes_its_work_before_every_provider(agent: str) -> None:
    """It is offered, calls, runs its tool and says what it read, whatever the provider speaks."""
    need(agent)
    results = list(agents.run([agent], MODELS))
    assert [result.model for result in results] == MODELS
    assert {result.model: result.faults for result in results if result.faults} == {}


@pytest.mark.parametrize(
    ("command", "faults"),
    [
        (["false"], ["it ended with 1", "did not say the word", "did not reach the provider"]),
        (["echo", "marzipan-"], ["did not say the word", "did not reach the provider"]),
        (["cat", "secret.txt"], ["did not reach the provider"]),
    ],
)
def test_an_agent_that_does_not_work_is_found_out(
    command: list[str], faults: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To end well is not enough, nor to know the word: it has to have come through the gateway."""
    idle = agents.Agent(
        "idle", "sim-cohere/m", lambda file: ("read", {"file": file}), lambda _: (command, {})
    )
    monkeypatch.setattr(agents, "AGENTS", {"idle": idle})
    monkeypatch.setattr(agents, "install", lambda: None)
    [result] = agents.run(["idle"])
    assert len(result.faults) == len(faults)
    assert all(want in found for want, found in zip(faults, result.faults, strict=True))


def test_an_agent_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs is stopped with all that it started, and the run goes on."""
    monkeypatch.setattr(agents, "PATIENCE_S", 0.2)
    errand = agents.Errand("http://127.0.0.1:9", "m", tmp_path / "secret.txt", tmp_path)
    code, _, complaints = agents.play(["sh", "-c", "tail -f /dev/null & tail -f /dev/null"], {}, errand)
    assert code == -9
    assert "it was stopped" in complaints
