"""Where the official SDKs are tried: a gateway before a simulator, and one before the real model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.sdks.scene import Oracles, Scene

from dragoman.dialects.catalog import DIALECTS

TARGETS = [f"sim-{name}/m" for name in DIALECTS]


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    """A model of each upstream dialect."""
    return str(request.param)


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A gateway before a simulator, for the whole run."""
    scene = Scene(tmp_path_factory.mktemp("scene"))
    scene.open()
    yield scene
    scene.close()


@pytest.fixture(scope="session")
def oracles(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracles]:
    """The official SDKs, for the whole run; they leave before the servers they are connected to."""
    oracles = Oracles(tmp_path_factory.mktemp("oracles"))
    yield oracles
    oracles.close()
